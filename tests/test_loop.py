# SPDX-License-Identifier: Apache-2.0
"""One tick and a whole run: order, arms, faults that stop nothing, and a field in a process of its own."""

from dataclasses import replace

import numpy as np
import pytest

from lamplighter.runtime import loop
from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.simulation import SimulatorError
from lamplighter.runtime.telling import tell
from lamplighter.terms.reading import Reading
from tests.spine import CITY, NOW_S
from tests.water import SERVICE
from tests.water.simulator import ROW

PLAN = RunPlan(seed=3, begin_s=NOW_S, warm_up_s=0.0, arms={"water": "adaptive"})


def reading(pressures_mbar: list[int], at_s: float) -> Reading:
    rows = np.zeros(len(pressures_mbar), ROW)
    rows["pump"], rows["pressure_mbar"], rows["speed_pm"] = np.arange(len(rows)), pressures_mbar, 600
    return Reading("pipe", "pumps", rows.tobytes(), at_s)


def test_a_tick_reads_decides_and_delivers() -> None:
    run = loop.open_run(SERVICE, CITY, True)
    done = loop.tick(run, [run], [reading([2500] * 4 + [3500] * 4, NOW_S + 60)], NOW_S + 60)
    assert len(done.measured) == 16
    assert len(done.messages) == 8
    assert run.in_force["run_pump"].active.all()
    lines = tell(run, done)
    assert lines[0].text == "Pump 0 to 90% of its speed."
    assert done.outcomes is not None
    assert done.outcomes.value[0] == 4.0
    again = loop.tick(run, [run], [reading([2500] * 4 + [3500] * 4, NOW_S + 120)], NOW_S + 120)
    assert tell(run, again) == [], "a renewal is not news"


def test_rubbish_from_the_field_is_told_and_costs_nothing() -> None:
    run = loop.open_run(SERVICE, CITY, True)
    loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    done = loop.tick(run, [run], [Reading("pipe", "pumps", b"\xff" * 7, NOW_S + 120)], NOW_S + 120)
    assert "could not be decoded" in done.fault
    assert run.columns["pressure_bar"].present.all()
    assert any(line.kind == "fault" for line in tell(run, done))


def test_a_value_of_a_billion_is_not_admitted_and_the_last_good_one_ages() -> None:
    run = loop.open_run(SERVICE, CITY, True)
    loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    done = loop.tick(run, [run], [reading([10**9] + [2500] * 7, NOW_S + 120)], NOW_S + 120)
    assert len(done.rejected) == 1
    assert run.columns["pressure_bar"].known_at_s[0] == NOW_S + 60
    assert "pump-0: pressure_bar" in tell(run, done)[-1].text


def test_a_silent_field_steers_nothing_after_a_while() -> None:
    run = loop.open_run(SERVICE, CITY, True)
    loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    done = loop.tick(run, [run], [], NOW_S + 60 + SERVICE.fresh_s + 1)
    assert sum(len(p) for p in done.verdict.permits) == 0
    assert {rule.name for rule in done.verdict.refusals[0].rules} == {"inputs fresh"}
    late = loop.tick(run, [run], [], NOW_S + 60 + 600)
    assert not run.in_force["run_pump"].active.any()
    assert late.messages == ()


@pytest.mark.parametrize("part", ["adaptive", "outcomes"])
def test_a_decider_or_an_account_that_fails_is_told_and_stops_nothing(part: str) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a slip")

    run = loop.open_run(replace(SERVICE, **{part: broken}), CITY, True)
    done = loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    assert "a slip" in done.fault
    assert len(done.measured) == 16


def test_a_check_that_fails_permits_nothing_and_stops_nothing() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a slip")

    checks = tuple(replace(interlock, check=broken) for interlock in SERVICE.interlocks)
    run = loop.open_run(replace(SERVICE, interlocks=checks), CITY, True)
    done = loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    assert "a check could not be made (ZeroDivisionError)" in done.fault
    assert done.messages == ()
    assert not run.in_force["run_pump"].active.any()
    assert loop.hand_back(run, NOW_S + 61)[1] == 8


def test_what_cannot_be_encoded_is_not_in_force() -> None:
    def broken(*_: object) -> None:
        raise OverflowError("too long")

    run = loop.open_run(replace(SERVICE, encode=broken), CITY, True)
    done = loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    assert "could not be encoded" in done.fault
    assert not run.in_force["run_pump"].active.any()


def test_half_a_city_can_be_in_each_arm() -> None:
    run = loop.open_run(SERVICE, CITY, True)
    run.adaptive = np.arange(8) < 4
    done = loop.tick(run, [run], [reading([2500] * 8, NOW_S + 60)], NOW_S + 60)
    assert done.verdict.permits[0].proposals.asset.tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(run.in_force["run_pump"].active).tolist() == [0, 1, 2, 3]


def test_a_clock_that_jumps_back_permits_nothing_on_future_values() -> None:
    run = loop.open_run(SERVICE, CITY, True)
    loop.tick(run, [run], [reading([2500] * 8, NOW_S + 7200)], NOW_S + 7200)
    done = loop.tick(run, [run], [reading([2500] * 8, NOW_S + 7200)], NOW_S + 60)
    assert len(done.measured) == 0
    assert {int(r) for r in done.rejected.reason} == {6}
    forward = loop.tick(run, [run], [], NOW_S + 90_000)
    assert sum(len(p) for p in forward.verdict.permits) == 0


def test_a_city_runs_with_its_field_in_another_process() -> None:
    run = CityRun((SERVICE,), {"water": CITY}, PLAN)
    try:
        run.wait_ready()
        for _ in range(5):
            run.advance()
        assert run.now_s == NOW_S + 300
        assert run.truth["water"].totals()["pressure_lowest_bar"] > 0
        assert run.run_of("water").in_force["run_pump"].active.any()
        assert run.set_arm("water", "baseline") == 8
        done = run.advance()["water"]
        assert done.messages == ()
        with pytest.raises(KeyError, match="there are water"):
            run.run_of("wind")
    finally:
        run.close()


def test_the_same_seed_gives_the_same_run() -> None:
    totals: list[dict[str, float]] = []
    for _ in range(2):
        run = CityRun((SERVICE,), {"water": CITY}, PLAN)
        try:
            run.wait_ready()
            for _ in range(5):
                run.advance()
            totals.append(run.truth["water"].totals())
        finally:
            run.close()
    assert totals[0] == totals[1]


def test_a_field_that_breaks_says_so() -> None:
    broken = replace(SERVICE, simulator="tests.water.simulator:missing")
    run = CityRun((broken,), {"water": CITY}, PLAN)
    try:
        with pytest.raises(SimulatorError, match="water field failed while opening"):
            run.wait_ready()
    finally:
        run.close()
