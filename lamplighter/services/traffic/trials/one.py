# SPDX-License-Identifier: Apache-2.0
"""One run from its parts by name: what a planner's engineer calls, and what each worker process does."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lamplighter.services.traffic.horizon.scheme import Settings
from lamplighter.services.traffic.trials import driving
from lamplighter.services.traffic.trials.installed import find_sumo
from lamplighter.services.traffic.trials.rules import rules_of
from lamplighter.services.traffic.trials.scenario import find_scenario
from lamplighter.services.traffic.trials.trial import Ground, Sight, lost_lanes, read_ground, run

ARMS = ("own", "actuated", "delay_based", "maxpressure", "maxwave", "adaptive")
SENSING = ("radar", "loops")


@dataclass(frozen=True)
class Conditions:
    """How runs are made. version None: the installed SUMO; lost_share: the share of lanes whose detectors are silent."""

    cadence: str = "resco"
    sensing: str = "radar"
    version: str | None = None
    full: bool = False
    lost_share: float = 0.0


@lru_cache(maxsize=4)
def ground_of(path: Path, cadence: str, full: bool) -> Ground:
    """Read a scenario once per process."""
    scenario = find_scenario(path)
    return read_ground(scenario, rules_of(scenario.name, cadence, full))


def try_planner(
    path: Path, seed: int, conditions: Conditions, start: driving.Start, decide: driving.Decide, settings: Settings | None = None
) -> dict[str, float | int]:
    """Run a planner once; settings default to the cadence and sensing of the conditions."""
    ground = ground_of(path, conditions.cadence, conditions.full)
    chosen = settings or Settings(step_s=float(ground.rules.step_s), loops=conditions.sensing == "loops")
    driver = driving.planned(ground.survey, start, decide, chosen)
    sight = Sight(conditions.sensing == "loops", lost_lanes(len(ground.survey.lanes), conditions.lost_share, seed))
    return run(ground, find_sumo(conditions.version), seed, driver, sight)
