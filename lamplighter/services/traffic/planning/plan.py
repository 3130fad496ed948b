# SPDX-License-Identifier: Apache-2.0
"""The whole plan of one intersection: groups, times, intergreens, stages and the own programme."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.traffic.planning import clearance, webster
from lamplighter.services.traffic.planning.change import Change, change
from lamplighter.services.traffic.planning.clearance import Walking
from lamplighter.services.traffic.planning.network import CYCLE, FOOT, RAIL, Connection, RoadNetwork, Signal
from lamplighter.services.traffic.planning.stages import StagePlan, plan_stages
from lamplighter.terms.columns import BoolArray, FloatArray

GREEN_MIN_S = 5.0  # RiLSA 2015, 2.7: no green below 5 s, cars and people on foot alike
WALK_SHARE = 0.5  # on foot one reaches the middle of the crossing within green (RiLSA 2015, 2.7)
CYCLE_MAX_S = 120.0  # RiLSA 2015, 2.6: 120 s at most; 30 s at least
CYCLE_MIN_S = 75.0
CYCLE_LONE_S = 70.0  # a crossing on its own: nobody should wait a full minute for one
RED_MAX_S = 120.0
RED_MAX_FOOT_S = 90.0
START_LOST_S = 2.0  # at the start of each green, beyond the change itself
PEAK_RATIO = 1.15  # the busiest quarter of an hour over the hour
SATURATION_PCU_H = {"straight": 1900.0, "left": 1700.0, "right": 1650.0, "u_turn": 1400.0, "cross": 0.0}
PERMISSIVE_SHARE = 0.35  # of the saturation flow, for those who give way


@dataclass(frozen=True)
class Times:
    """What every group must keep, columns (g,); (g, g), zero where two groups do not meet: intergreen_s, and how far a
    bicycle of the first goes to clear and the second to get there. walk_m_s: the slowest walking speed counted on."""

    green_min_s: FloatArray
    red_max_s: FloatArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    clearance_s: FloatArray
    intergreen_s: FloatArray
    cycle_clear_m: FloatArray
    cycle_enter_m: FloatArray
    walk_m_s: FloatArray


@dataclass(frozen=True)
class Plan:
    """One intersection: what may be green together, with what times, and its own programme (stages in order)."""

    signal: Signal
    members: tuple[tuple[int, ...], ...]
    stage_plan: StagePlan
    times: Times
    order: tuple[int, ...]
    split_s: FloatArray
    cycle_s: float
    offset_s: float
    lone_crossing: bool
    mended: tuple[str, ...]

    def change(self, before: int, after: int) -> Change:
        """Return the change between two stages."""
        stages, times = self.stage_plan.stages, self.times
        show_s = np.stack([times.yellow_s, times.red_amber_s], axis=1)
        return change(stages[before], stages[after], times.intergreen_s, self.stage_plan.conflict, show_s)


def plan_signal(network: RoadNetwork, signal: Signal, flow_pcu_h: FloatArray | None, walking: Walking = clearance.USUAL) -> Plan:
    """Derive one intersection. flow_pcu_h (c,): expected flow of each connection; None keeps the programme's own greens."""
    stage_plan = plan_stages(network, signal)
    members = tuple(tuple(p for p, c in enumerate(signal.connections) if c.link in group.links) for group in stage_plan.groups)
    mended = [*stage_plan.mended]
    times = _times(signal, stage_plan, members, walking)
    lone = _is_lone(signal)
    draft = Plan(signal, members, stage_plan, times, tuple(np.argsort(stage_plan.origin, kind="stable").tolist()),
                 np.zeros(0), 0.0, signal.offset_s, lone, ())  # fmt: skip
    changes_s = np.asarray([draft.change(a, b).length_s for a, b in _pairs(draft.order)])
    least_s = _stage_min_s(draft, changes_s)
    if flow_pcu_h is None:
        green_s = np.maximum(least_s, _own_greens_s(draft))
        over_s = green_s.sum() + changes_s.sum() - CYCLE_MAX_S
        if over_s > 0:
            green_s = webster.greens_s(green_s, least_s, max(0.0, float(np.floor(CYCLE_MAX_S - changes_s.sum()))))
    else:
        green_s = _webster_greens_s(draft, changes_s, least_s, flow_pcu_h)
    mended += _against_original(draft, green_s)
    split_s = green_s + changes_s
    times = _with_red_max(draft, times, split_s, changes_s)
    cycle = float(split_s.sum())
    return Plan(signal, members, stage_plan, times, draft.order, split_s, cycle, signal.offset_s % cycle, lone, tuple(mended))


def _pairs(order: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(zip(order, order[1:] + order[:1], strict=True))


def _is_lone(signal: Signal) -> bool:
    """Say whether vehicles meet only people on foot here (or nobody)."""
    vehicles = [i for i, c in enumerate(signal.connections) if c.kind not in (FOOT, CYCLE)]
    return not bool(signal.foes[np.ix_(vehicles, vehicles)].any())


def _times(signal: Signal, plan: StagePlan, members: tuple[tuple[int, ...], ...], walking: Walking) -> Times:
    size, ways = len(plan.groups), signal.connections
    intergreen_s, clear_m, enter_m = (np.zeros((size, size)) for _ in range(3))
    for g in range(size):
        for h in range(size):
            if plan.conflict[g, h]:
                pairs = [(ways[i], ways[j]) for i in members[g] for j in members[h] if signal.foes[i, j]]
                entering = plan.groups[h].kind
                clear_m[g, h], enter_m[g, h] = ways_m = _cycle_ways_m(pairs, entering)
                needed_s = max(clearance.intergreen_s(one, other, walking) for one, other in pairs)
                intergreen_s[g, h] = max(needed_s, clearance.cycle_needs_s(ways_m, entering))
    walk_s = np.asarray([max((_walk_s(signal, m, walking) for m in mine), default=0.0) for mine in members])
    yellow_s = np.asarray(
        [max((clearance.yellow_s(g.kind, signal.connections[m].speed_m_s) for m in mine), default=0.0)
         for g, mine in zip(plan.groups, members, strict=True)]
    )  # fmt: skip
    on_foot = np.asarray([g.kind == FOOT for g in plan.groups])
    intergreen_s = np.where(plan.conflict, np.maximum(intergreen_s, yellow_s[:, None]), 0.0)
    clear_s = np.where(on_foot, walk_s, np.maximum(0.0, intergreen_s.max(axis=1, initial=0.0) - yellow_s))
    return Times(
        np.where(on_foot, np.maximum(GREEN_MIN_S, np.ceil(walk_s * WALK_SHARE)), GREEN_MIN_S),
        np.full(size, RED_MAX_S),
        yellow_s,
        np.asarray([clearance.red_amber_s(g.kind) for g in plan.groups]),
        clear_s,
        intergreen_s,
        clear_m,
        enter_m,
        np.asarray([min((walking.speed_m_s(ways[m].to_edge) for m in mine if ways[m].kind == FOOT), default=clearance.WALK_M_S)
                    for mine in members]),
    )  # fmt: skip


def _cycle_ways_m(pairs: Sequence[tuple[Connection, Connection]], entering: str) -> tuple[float, float]:
    """Return the ways (metres) of the pair in which a bicycle needs most time; zeros where none has bicycles."""
    enter_m_s = clearance.ENTER_M_S.get(entering, clearance.ENTER_MOTOR_M_S)
    found = [clearance.cycle_ways_m(one, other) for one, other in pairs]
    return max(found, key=lambda way: clearance.formula_s(clearance.BICYCLE, *way, enter_m_s) if way[0] > 0 else -1.0)


def _walk_s(signal: Signal, member: int, walking: Walking) -> float:
    connection = signal.connections[member]
    if connection.kind != FOOT:
        return 0.0
    return clearance.walk_clearance_s(clearance.length_m(connection.path_m), walking.speed_m_s(connection.to_edge))


def _served(plan: Plan) -> BoolArray:
    """Return which group (g,) is green at which position (p,) of the own programme."""
    served = np.zeros((len(plan.stage_plan.groups), len(plan.order)), dtype=np.bool_)
    for position, stage in enumerate(plan.order):
        served[list(plan.stage_plan.stages[stage].groups), position] = True
    return served


def _stage_min_s(plan: Plan, changes_s: FloatArray) -> FloatArray:
    """Return the least green (p,) at each position so that every run of stages of a group is at least its minimum."""
    served, count = _served(plan), len(plan.order)
    least_s = np.full(count, GREEN_MIN_S)
    for group, need_s in enumerate(plan.times.green_min_s):
        for position in range(count):
            starts = served[group, position] and (count == 1 or not served[group, position - 1])
            run = _run(served[group], position) if starts else []
            have_s = sum(least_s[k] for k in run) + sum(changes_s[k] for k in run[:-1])
            if run and have_s < need_s:
                least_s[run[0]] += float(need_s - have_s)
    return least_s


def _run(row: BoolArray, start: int) -> list[int]:
    """Return the positions of the run of stages that starts at `start`, round the cycle."""
    run = [start]
    while len(run) < len(row) and row[(run[-1] + 1) % len(row)]:
        run.append((run[-1] + 1) % len(row))
    return run


def _own_greens_s(plan: Plan) -> FloatArray:
    """Return the seconds (p,) that each stage had in the network's programme (new stages: nothing)."""
    intervals = plan.signal.intervals
    greens_s: list[float] = []
    for stage in plan.order:
        origin, seconds_s = plan.stage_plan.origin[stage], 0.0
        while origin < len(intervals) and not set(intervals[origin][1]) & {"y", "Y"} and set(intervals[origin][1]) & {"G", "g"}:
            seconds_s += intervals[origin][0]
            origin += 1
        greens_s.append(seconds_s)
    return np.ceil(np.asarray(greens_s))


def lane_ratios(plan: Plan, flow_pcu_h: FloatArray) -> FloatArray:
    """Return each group's flow ratio (g,): the largest over its lanes of flow over saturation flow."""
    ratio = np.zeros(len(plan.members))
    gives = {g for stage in plan.stage_plan.stages for g in stage.permissive}
    for group, mine in enumerate(plan.members):
        lanes: dict[tuple[str, int], float] = {}
        for m in mine:
            c = plan.signal.connections[m]
            if c.kind in (FOOT, RAIL):
                continue
            full_pcu_h = SATURATION_PCU_H[c.turn] * (PERMISSIVE_SHARE if group in gives and c.turn != "right" else 1.0)
            key = (c.from_edge, c.from_lane)
            lanes[key] = lanes.get(key, 0.0) + float(flow_pcu_h[m]) / full_pcu_h
        ratio[group] = max(lanes.values(), default=0.0)
    return ratio


def _webster_greens_s(plan: Plan, changes_s: FloatArray, least_s: FloatArray, flow_pcu_h: FloatArray) -> FloatArray:
    ratio = webster.stage_ratios(_served(plan), np.minimum(lane_ratios(plan, flow_pcu_h) * PEAK_RATIO, 0.9))
    lost_s = float(_vehicle_lost_s(plan).sum())
    floor_s = float(least_s.sum() + changes_s.sum())
    shortest_s = max(floor_s, CYCLE_LONE_S if plan.lone_crossing else CYCLE_MIN_S)
    cycle = webster.cycle_s(ratio, lost_s, shortest_s, max(floor_s, CYCLE_MAX_S))
    return webster.greens_s(ratio, least_s, float(np.floor(cycle - changes_s.sum())))


def _vehicle_lost_s(plan: Plan) -> FloatArray:
    """Return the seconds (p,) of each change in which no ending vehicle green is left and no new one has begun."""
    lost_s: list[float] = []
    for before, after in _pairs(plan.order):
        made = plan.change(before, after)
        ends = [e for g, e in zip(made.ending, made.green_end_s, strict=True) if plan.stage_plan.groups[int(g)].kind != FOOT]
        lost_s.append(made.length_s - max(ends, default=made.length_s) + START_LOST_S)
    return np.asarray(lost_s)


def _with_red_max(plan: Plan, times: Times, split_s: FloatArray, changes_s: FloatArray) -> Times:
    """Return times with the bound on red: 90 s on foot and on cycles where the own programme stays well below it, else 120 s."""
    longest_s = own_reds_s(plan, split_s, changes_s)
    soft = np.asarray([g.kind in (FOOT, CYCLE) for g in plan.stage_plan.groups])
    red_max_s = np.where(soft & (longest_s <= RED_MAX_FOOT_S - 5.0), RED_MAX_FOOT_S, np.maximum(RED_MAX_S, np.ceil(longest_s)))
    return replace(times, red_max_s=red_max_s)


def own_reds_s(plan: Plan, split_s: FloatArray, changes_s: FloatArray) -> FloatArray:
    """Return the longest time (g,) from end to start of green in the own programme, each change counted in full."""
    served, count = _served(plan), len(plan.order)
    longest_s = np.zeros(len(served))
    for group, row in enumerate(served):
        for position in range(count):
            if not row[position] and row[position - 1]:
                run = _run(~row, position)
                longest_s[group] = max(longest_s[group], split_s[run].sum() + changes_s[position - 1])
    return longest_s


def _against_original(plan: Plan, green_s: FloatArray) -> list[str]:
    """Return what the own programme does that the network's did not: longer greens and clearances."""
    said: list[str] = []
    own_s = _own_greens_s(plan)
    wanted_s = [plan.times.green_min_s[list(plan.stage_plan.stages[stage].groups)].max() for stage in plan.order]
    short = [k for k in range(len(own_s)) if 0 < own_s[k] < wanted_s[k] and green_s[k] > own_s[k]]
    for position in short:
        said.append(f"a green of {own_s[position]:.0f} s became {green_s[position]:.0f} s")
    return said
