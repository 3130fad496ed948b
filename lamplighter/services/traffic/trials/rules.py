# SPDX-License-Identifier: Apache-2.0
"""At which seconds a choice is made and how a signal changes: as RESCO's environment does it, or every second."""

from dataclasses import dataclass

RESCO_STEP_S, RESCO_YELLOW_S = 10, 3
# Published settings that differ, by scenario: (seconds between choices, yellow at their head). Source: RESCO, `map_config`.
PUBLISHED_S = {"arterial4x4": (5, 2)}
PUBLISHED = ("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21", "grid4x4", "arterial4x4")
GREEN_MIN_S = 5
CADENCES = ("resco", "1s")
INTERGREENS = ("published", "full")


@dataclass(frozen=True)
class Rules:
    """step_s: a choice is made every so many seconds; yellow_s: after every green that ends; green_min_s: the least green.

    full: red-amber, clearance by the geometry of each pair of paths, walking times and their minimum greens besides. yellow
    alone: RESCO's way, on its own scenarios. Neither: the intergreens of the programme that is replaced.
    """

    step_s: int
    yellow_s: int
    green_min_s: int
    full: bool
    yellow_alone: bool


def rules_of(scenario: str, cadence: str, full: bool) -> Rules:
    """Return the rules of one scenario. At the published cadence a green lasts at least a step less its yellow."""
    step_s, yellow_s = PUBLISHED_S.get(scenario, (RESCO_STEP_S, RESCO_YELLOW_S))
    alone = not full and scenario in PUBLISHED
    if cadence == "1s":
        return Rules(1, yellow_s, GREEN_MIN_S, full, alone)
    return Rules(step_s, yellow_s, step_s - yellow_s, full, alone)
