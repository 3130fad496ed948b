# SPDX-License-Identifier: Apache-2.0
"""A drill: five runs of the same evening, the fault and what crews do in three of them, at two paces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamplighter.runtime.cityrun import CityRun
from lamplighter.runtime.drill import RUNS, Asked, jobs_of
from lamplighter.runtime.evaluate import Happened
from lamplighter.runtime.evaluate import inject_due as due
from lamplighter.terms.drill import Drill, Happening, Pace

PACE = Pace(60.0, 120.0, 30.0, 60.0)
BY_HAND = (Happening(0.0, "cut", {"asset": "A"}, "A fails"), Happening(240.0, "switch", {"asset": "A"}, "open A"))
ADVISED = (BY_HAND[0], Happening(150.0, "switch", {"asset": "A"}, "open A"))
DRILL = Drill("Town: A fails", "A", BY_HAND, ADVISED, ("1. OPEN A",), {"connections": 10.0}, (), ())
ASKED = Asked(Path("town"), "", (1, 2), 1_000_000.0, 600.0, 1200.0, PACE)


def test_every_seed_is_run_calm_and_with_the_fault_in_both_arms() -> None:
    made = jobs_of(ASKED, "grid", DRILL)
    assert [name for name, _ in made] == [*RUNS, *RUNS]
    assert {job.seed for _, job in made} == {1, 2}
    assert {(job.begin_s, job.end_s) for _, job in made} == {(999_400.0, 1_001_200.0)}
    by_name = {name: job for name, job in made if job.seed == 1}
    assert by_name["calm, without"].happenings == by_name["calm, with"].happenings == ()
    assert by_name["fault, without"].happenings == by_name["fault, with, same switching"].happenings
    assert [one.at_s for one in by_name["fault, without"].happenings] == [1_000_000.0, 1_000_240.0]
    assert [one.at_s for one in by_name["fault, with"].happenings] == [1_000_000.0, 1_000_150.0]
    assert {job.arm for name, job in by_name.items() if name.endswith("without")} == {"baseline"}


class Field(CityRun):
    """A city that only writes down what is done to it."""

    def __init__(self, now_s: float) -> None:
        """Open nothing."""
        self.now_s = now_s
        self.done: list[tuple[str, str]] = []

    def inject(self, service: str, fault: str, arguments: Mapping[str, Any]) -> str:
        """Write it down."""
        del arguments
        self.done.append((service, fault))
        return ""


def test_what_happens_happens_once_and_in_time() -> None:
    waiting = [Happened(10.0, "grid", "cut", {}), Happened(20.0, "grid", "switch", {})]
    field = Field(9.0)
    for now_s, expected in ((9.0, 0), (10.0, 1), (15.0, 1), (30.0, 2), (60.0, 2)):
        field.now_s = now_s
        due(field, waiting)
        assert len(field.done) == expected
    assert field.done == [("grid", "cut"), ("grid", "switch")]
