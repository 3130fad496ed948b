# SPDX-License-Identifier: Apache-2.0
"""One run from its parts by name: what each worker process does, and what a planner is tried with."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from lamplighter.services.traffic.horizon.scheme import Settings
from lamplighter.services.traffic.trials import driving, programmes
from lamplighter.services.traffic.trials.installed import find_sumo
from lamplighter.services.traffic.trials.rules import rules_of
from lamplighter.services.traffic.trials.scenario import ScenarioError, find_scenario
from lamplighter.services.traffic.trials.trial import Ground, Measures, Sight, lost_lanes, read_ground, run

BY_SUMO = ("own", "actuated", "delay_based")
RIVALS = ("maxpressure", "maxwave")
ARMS = (*BY_SUMO, *RIVALS, "adaptive")
SENSING = ("radar", "loops")


@dataclass(frozen=True)
class Conditions:
    """How runs are made. version None: the installed SUMO; lost_share: the share of lanes whose detectors are silent."""

    cadence: str = "resco"
    sensing: str = "radar"
    version: str | None = None
    full: bool = False
    lost_share: float = 0.0


@lru_cache(maxsize=2)
def ground_of(path: Path, cadence: str, full: bool) -> Ground:
    """Read a scenario once per process."""
    scenario = find_scenario(path)
    ground = read_ground(scenario, rules_of(scenario.name, cadence, full))
    if not ground.survey.boxes:
        raise ScenarioError(
            f"{scenario.net}: no signal has two green intervals and a lane for vehicles, so there is nothing to decide; "
            "give a network with signal programmes"
        )
    return ground


def try_planner(
    path: Path, seed: int, conditions: Conditions, start: driving.Start, decide: driving.Decide, settings: Settings | None = None
) -> Measures:
    """Run a planner once; settings default to the cadence and sensing of the conditions."""
    ground = ground_of(path, conditions.cadence, conditions.full)
    chosen = settings or Settings(step_s=float(ground.rules.step_s), loops=conditions.sensing == "loops")
    driver = driving.planned(ground.survey, start, decide, chosen)
    sight = Sight(conditions.sensing == "loops", lost_lanes(len(ground.survey.lanes), conditions.lost_share, seed))
    return run(ground, find_sumo(conditions.version), seed, driver, sight)


def run_arm(path: Path, arm: str, seed: int, conditions: Conditions) -> Measures:
    """Run one arm once. Rivals see cells whatever the sensing is: they are defined so."""
    if arm == "adaptive":
        planner = import_module("lamplighter.services.traffic.horizon.decide")
        return try_planner(path, seed, conditions, planner.start, planner.decide)
    ground = ground_of(path, conditions.cadence, conditions.full)
    sight = Sight(False, lost_lanes(len(ground.survey.lanes), conditions.lost_share, seed))
    if arm in RIVALS:
        driver = driving.pressed(ground.survey, ground.ways, arm == "maxwave")
        return run(ground, find_sumo(conditions.version), seed, driver, sight)
    added = programmes.added(ground.roads.signals, ground.survey.boxes, ground.rules, arm)
    return run(ground, find_sumo(conditions.version), seed, None, sight, added)
