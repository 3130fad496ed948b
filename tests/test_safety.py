# SPDX-License-Identifier: Apache-2.0
"""The safety gate: every check can fail, every failure comes back, and handing back is never refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter import safety, twin
from lamplighter.terms.decision import HAND_BACK, Proposals, no_cites, nothing
from tests.spine import NO_HOLDS, NOW_S, PREPARED, PUMPS, proposals, snapshot
from tests.water import SERVICE
from tests.water.interlock import SPEED_MAX_SHARE, SUM_MAX


def judged(table: Proposals, **kwargs: float) -> safety.Verdict:
    return safety.examine(SERVICE, snapshot(**kwargs), (table,), PREPARED, NO_HOLDS)  # type: ignore[arg-type]


def rules(verdict: safety.Verdict) -> list[str]:
    table = verdict.refusals[0]
    return [table.rules[int(rule)].name for rule in table.rule]


def test_a_sound_proposal_gets_a_permit_until_its_lease_ends() -> None:
    verdict = judged(proposals([1, 4], [0.5, 0.6]))
    assert verdict.permits[0].row.tolist() == [0, 1]
    assert verdict.permits[0].expires_s == NOW_S + 300
    assert len(verdict.refusals[0]) == 0


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (proposals([1], [0.5], action="open_gates"), "action on the list"),
        (proposals([PUMPS], [0.5]), "asset of the service"),
        (proposals([-1], [0.5]), "asset of the service"),
        (proposals([1], [1.5]), "value in bounds"),
        (proposals([1], [float("nan")]), "value in bounds"),
        (proposals([1], [float("inf")]), "value in bounds"),
        (proposals([1], [0.5], lease_s=0.0), "lease in bounds"),
        (proposals([1], [0.5], lease_s=9999.0), "lease in bounds"),
        (proposals([1, 1], [0.5, 0.6]), "asked once"),
        (proposals([1], [0.97]), "pump speed"),
    ],
)
def test_each_rule_refuses_what_breaks_it(table: Proposals, rule: str) -> None:
    verdict = judged(table)
    assert rule in rules(verdict)
    assert len(verdict.permits[0]) < len(table)


def test_stale_and_unknown_inputs_are_refused_with_their_age() -> None:
    stale = judged(proposals([1], [0.5]), age_s=181.0)
    assert rules(stale) == ["inputs fresh"]
    assert stale.refusals[0].observed.tolist() == [181.0]
    assert stale.refusals[0].limit.tolist() == [180.0]
    never = judged(proposals([5], [0.5]), known=3)
    assert rules(never) == ["inputs fresh"]
    assert never.refusals[0].observed[0] >= safety.NEVER_KNOWN_S


def test_a_hold_stands_above_every_proposal() -> None:
    holds = NO_HOLDS.copy()
    holds[2] = True
    verdict = safety.examine(SERVICE, snapshot(), (proposals([1, 2], [0.5, 0.5]),), PREPARED, holds)
    assert verdict.permits[0].row.tolist() == [0]
    assert rules(verdict) == ["no operator hold"]


def test_a_different_value_waits_but_a_renewal_does_not() -> None:
    first = judged(proposals([1], [0.5])).permits[0]
    running = twin.enter_into_force(snapshot().in_force, [first], snapshot().span, NOW_S - 30)
    now = snapshot(in_force=running)
    assert len(safety.examine(SERVICE, now, (proposals([1], [0.5]),), PREPARED, NO_HOLDS).permits[0]) == 1
    changed = safety.examine(SERVICE, now, (proposals([1], [0.6]),), PREPARED, NO_HOLDS)
    assert rules(changed) == ["not changed too often"]


def test_a_set_that_fails_is_refused_whole() -> None:
    fine = judged(proposals(list(range(PUMPS)), [0.9] * PUMPS))
    assert len(fine.permits[0]) == PUMPS
    over = judged(proposals(list(range(PUMPS)), [0.94] * PUMPS))
    assert len(over.permits[0]) == 0
    assert rules(over) == ["main's flow"] * PUMPS
    assert over.refusals[0].observed == pytest.approx([0.94] * PUMPS)


def test_a_set_counts_what_is_in_force() -> None:
    most = judged(proposals(list(range(6)), [0.95] * 6)).permits[0]
    running = twin.enter_into_force(snapshot().in_force, [most], snapshot().span, NOW_S - 300)
    verdict = safety.examine(SERVICE, snapshot(in_force=running), (proposals([6, 7], [0.95] * 2),), PREPARED, NO_HOLDS)
    assert rules(verdict) == ["main's flow"] * 2


def test_all_failed_checks_come_back() -> None:
    names = rules(judged(proposals([1], [0.97], lease_s=0.0), age_s=500.0))
    assert {"inputs fresh", "lease in bounds", "pump speed"} <= set(names)


@given(st.lists(st.integers(0, PUMPS - 1), min_size=1, max_size=PUMPS, unique=True), st.floats(0, 1e6), st.booleans())
def test_handing_back_is_never_refused(assets: list[int], age_s: float, held: bool) -> None:
    rows = len(assets)
    table = Proposals(HAND_BACK, np.array(assets), {}, np.zeros(rows, np.int64), no_cites(rows), "adaptive", NOW_S + 1e6, -1.0)
    holds = np.full(PUMPS, held)
    verdict = safety.examine(SERVICE, snapshot(age_s=age_s), (table,), PREPARED, holds)
    assert len(verdict.permits[0]) == rows
    assert len(verdict.refusals[0]) == 0


def test_doing_nothing_is_always_allowed() -> None:
    verdict = judged(nothing("run_pump", NOW_S))
    assert len(verdict.permits[0]) == 0
    assert len(verdict.refusals[0]) == 0
    assert safety.examine(SERVICE, snapshot(), (), PREPARED, NO_HOLDS) == safety.Verdict((), ())


@given(
    st.lists(st.tuples(st.integers(-3, PUMPS + 3), st.floats(-1, 2)), min_size=0, max_size=20),
    st.floats(-10, 1000),
    st.floats(0, 400),
)
def test_whatever_is_proposed_nothing_unsafe_is_permitted(wishes: list[tuple[int, float]], lease_s: float, age_s: float) -> None:
    table = proposals([asset for asset, _ in wishes], [speed for _, speed in wishes], lease_s)
    permit = judged(table, age_s=age_s).permits[0]
    speeds = table.values["speed_share"][permit.row]
    assets = table.asset[permit.row]
    assert bool(((speeds >= 0) & (speeds <= SPEED_MAX_SHARE)).all())
    assert bool(((assets >= 0) & (assets < PUMPS)).all())
    assert len(np.unique(assets)) == len(assets)
    assert float(speeds.sum()) / PUMPS <= SUM_MAX + 1e-12
    if len(permit):
        assert 0 < lease_s <= 600
        assert age_s <= 180


def test_a_refusal_reads_as_a_sentence() -> None:
    verdict = judged(proposals([1], [0.97]))
    text = safety.explain_refusal(verdict.refusals[0], 0, "water", "pump-1")
    assert text.startswith("water pump-1: run_pump refused, pump speed: 0.97 1, limit 0.95 1 (the city's own rule 1).")
    assert "Nothing was sent" in text


def test_a_second_table_of_the_same_action_does_not_slip_past_the_set_checks() -> None:
    first, second = proposals([0], [SPEED_MAX_SHARE / 2]), proposals([1, 2, 3], [SPEED_MAX_SHARE] * 3)
    verdict = safety.examine(SERVICE, snapshot(), (first, second), PREPARED, NO_HOLDS)
    assert len(verdict.permits[0]) == 1
    assert len(verdict.permits[1]) == 0
    assert {verdict.refusals[1].rules[int(rule)].name for rule in verdict.refusals[1].rule} == {"asked once"}
    back = Proposals(HAND_BACK, np.array([1]), {}, np.zeros(1, np.int64), no_cites(1), "adaptive", NOW_S, 0.0)
    twice = safety.examine(SERVICE, snapshot(), (back, back), PREPARED, NO_HOLDS)
    assert [len(permit) for permit in twice.permits] == [1, 1]


@pytest.mark.parametrize("issued_s", [NOW_S - 3600, NOW_S + 1, float("nan")])
def test_what_was_issued_at_another_moment_is_refused(issued_s: float) -> None:
    assert rules(judged(replace(proposals([1], [0.5]), issued_s=issued_s))) == ["lease in bounds"]
