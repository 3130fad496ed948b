# SPDX-License-Identifier: Apache-2.0
"""The rules that every plan of the real district keeps, judged from the letters shown and the network's own foes."""

from itertools import permutations

import numpy as np
import pytest

from lamplighter.services.traffic.planning import timeline
from lamplighter.services.traffic.planning.clearance import Walking, length_m
from lamplighter.services.traffic.planning.plan import CYCLE_MAX_S, Plan, plan_signal
from lamplighter.services.traffic.tests import district

PLANS = district.plans()


def ids(plan: Plan) -> str:
    return plan.signal.id[:24]


every_plan = pytest.mark.parametrize("plan", PLANS, ids=ids)


def test_the_district_has_fifteen_signals_and_six_lone_crossings() -> None:
    assert len(PLANS) == 15
    assert sum(plan.lone_crossing for plan in PLANS) == 6
    assert sum(edge.function == "crossing" for edge in district.network().edges.values()) == 503


@every_plan
def test_every_link_is_in_one_group_and_every_group_in_a_stage(plan: Plan) -> None:
    links = sorted(link for group in plan.stage_plan.groups for link in group.links)
    assert links == sorted({c.link for c in plan.signal.connections})
    served = {g for stage in plan.stage_plan.stages for g in stage.groups}
    assert served == set(range(len(plan.stage_plan.groups)))
    assert sorted(plan.order) == list(range(len(plan.stage_plan.stages)))


@every_plan
def test_no_stage_has_two_meeting_groups_unless_one_turns_and_gives_way(plan: Plan) -> None:
    signal = plan.signal
    for number in range(len(plan.stage_plan.stages)):
        state = steady(plan, number)
        for i, one in enumerate(signal.connections):
            for j in np.flatnonzero(signal.foes[i]):
                other = signal.connections[int(j)]
                if one.link == other.link or state[one.link] == "r" or state[other.link] == "r":
                    continue
                gives = [c for c in (one, other) if state[c.link] == "g"]
                assert gives, f"links {one.link} and {other.link} are both green with priority"
                assert any(c.turn in ("left", "right", "u_turn") for c in gives)
                assert not any(c.kind == "foot" for c in gives), "people on foot never give way at green"


@every_plan
def test_only_what_the_first_programme_let_give_way_shares_a_stage(plan: Plan) -> None:
    signal = plan.signal
    firsts = [state for _, state in signal.intervals]
    for number in range(len(plan.stage_plan.stages)):
        state = steady(plan, number)
        for i, one in enumerate(signal.connections):
            for j in np.flatnonzero(signal.foes[i]):
                other = signal.connections[int(j)]
                if one.link != other.link and state[one.link] != "r" and state[other.link] != "r":
                    pairs = [(s[one.link], s[other.link]) for s in firsts]
                    assert any("g" in pair and "r" not in pair for pair in pairs)


@every_plan
def test_intergreens_cover_yellow_and_walking(plan: Plan) -> None:
    times, stages = plan.times, plan.stage_plan
    assert np.array_equal(stages.conflict, stages.conflict.T)
    for g, h in zip(*np.nonzero(stages.conflict), strict=True):
        assert times.intergreen_s[g, h] >= times.yellow_s[g]
        if stages.groups[int(g)].kind == "foot":
            assert times.intergreen_s[g, h] >= times.clearance_s[g]
            longest_m = max(
                np.linalg.norm(np.diff(plan.signal.connections[m].path_m, axis=0), axis=1).sum() for m in plan.members[int(g)]
            )
            assert times.clearance_s[g] >= longest_m / 1.2 - 1e-6
    assert (times.intergreen_s[~stages.conflict] == 0).all()


@every_plan
def test_the_own_programme_keeps_its_own_rules(plan: Plan) -> None:
    states = timeline.seconds(plan)
    assert len(states) == plan.cycle_s == plan.split_s.sum() <= CYCLE_MAX_S
    times, stages = plan.times, plan.stage_plan
    shown = {g: "".join(state[group.links[0]] for state in states) for g, group in enumerate(stages.groups)}
    for g, group in enumerate(stages.groups):
        assert all(min(timeline.green_runs_s(plan, g)) >= times.green_min_s[g] for _ in (0,))
        for link in group.links:
            assert "".join(state[link] for state in states) == shown[g]
        for start in starts(shown[g], "Gg"):
            before = [shown[g][start - k - 1] for k in range(int(times.red_amber_s[g]))]
            assert before == ["u"] * int(times.red_amber_s[g])
        for end in starts(shown[g], "ryu"):
            if shown[g][end - 1] in "Gg":
                assert [shown[g][(end + k) % len(states)] for k in range(int(times.yellow_s[g]))] == ["y"] * int(
                    times.yellow_s[g]
                )
        assert longest(shown[g], "ryu") <= times.red_max_s[g]
    for g, h in zip(*np.nonzero(stages.conflict), strict=True):
        assert least_gap_s(shown[int(g)], shown[int(h)]) >= times.intergreen_s[g, h]


@every_plan
def test_every_change_between_any_two_stages_keeps_every_intergreen(plan: Plan) -> None:
    times, stages = plan.times, plan.stage_plan
    for before, after in permutations(range(len(stages.stages)), 2):
        made = plan.change(before, after)
        for g, end_s in zip(made.ending, made.green_end_s, strict=True):
            assert 0.0 <= end_s <= made.length_s
            for h, start_s in zip(made.starting, made.green_start_s, strict=True):
                if stages.conflict[g, h]:
                    assert start_s - end_s >= times.intergreen_s[g, h] - 1e-9
        for h, start_s in zip(made.starting, made.green_start_s, strict=True):
            assert times.red_amber_s[h] <= start_s <= made.length_s
            for g in made.downgraded:
                if stages.conflict[g, h]:
                    assert start_s >= times.intergreen_s[g, h]


def steady(plan: Plan, number: int) -> str:
    state = ["r"] * timeline.link_count(plan)
    stage = plan.stage_plan.stages[number]
    for g in stage.groups:
        for link in plan.stage_plan.groups[g].links:
            state[link] = "g" if g in stage.permissive else "G"
    return "".join(state)


def starts(shown: str, letters: str) -> list[int]:
    return [t for t in range(len(shown)) if shown[t] in letters and shown[t - 1] not in letters]


def longest(shown: str, letters: str) -> int:
    best = run = 0
    for letter in shown * 2:
        run = run + 1 if letter in letters else 0
        best = max(best, run)
    return best


def least_gap_s(first: str, then: str) -> int:
    total = len(first)
    ends = [t for t in range(total) if first[t - 1] in "Gg" and first[t] not in "Gg"]
    begins = starts(then, "Gg")
    gaps = [(b - e) % total for e in ends for b in begins if then[e] not in "Gg"]
    return min(gaps, default=total)


def test_a_crossing_that_asks_for_more_time_gets_it_and_no_other_does() -> None:
    plan = next(plan for plan in PLANS if sum(group.kind == "foot" for group in plan.stage_plan.groups) >= 2)
    signal = plan.signal
    slow = next(c for c in signal.connections if c.kind == "foot")
    slower = plan_signal(district.network(), signal, None, Walking(1.2, {slow.to_edge: 0.8}))
    for group, mine in enumerate(plan.members):
        on_foot = [signal.connections[m] for m in mine if signal.connections[m].kind == "foot"]
        if not on_foot:
            continue
        asked = any(c.to_edge == slow.to_edge for c in on_foot)
        walk_s = max(np.ceil(length_m(c.path_m) / (0.8 if c.to_edge == slow.to_edge else 1.2)) for c in on_foot)
        assert slower.times.walk_m_s[group] == (0.8 if asked else 1.2)
        assert slower.times.clearance_s[group] == walk_s
        assert slower.times.green_min_s[group] == max(5.0, np.ceil(walk_s / 2))
        met = plan.stage_plan.conflict[group]
        assert bool((slower.times.intergreen_s[group, met] >= walk_s).all())
        if not asked:
            assert np.array_equal(slower.times.intergreen_s[group], plan.times.intergreen_s[group])


@every_plan
def test_bicycles_clear_by_hand(plan: Plan) -> None:
    enter_m_s = {"foot": 1.5, "cycle": 5.0, "rail": 20 / 3.6}
    clear_m, enter_m = plan.times.cycle_clear_m, plan.times.cycle_enter_m
    for g, h in zip(*np.nonzero(clear_m), strict=True):
        kind = plan.stage_plan.groups[h].kind
        needed_s = 1.0 + clear_m[g, h] / 4.0 - enter_m[g, h] / enter_m_s.get(kind, 40 / 3.6)
        assert plan.times.intergreen_s[g, h] >= needed_s - 1e-6
