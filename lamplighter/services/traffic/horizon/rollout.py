# SPDX-License-Identifier: Apache-2.0
"""What a plan would cost: one box, second by second, until the horizon ends.

Every lane is a queue at its stop line (a point queue: vehicles wait there from the second in which they could have been
there). A green lane lets a vehicle through every headway, a lone vehicle at once; a lane that gives way discharges in what
the others leave; a lane whose head may want to turn where it is red lets through what is before the first such vehicle.
When a plan has been played to its end, a base policy goes on: serve while serving is worth it, then what is worth most
(the index of S. Laemmer, D. Helbing, J. Stat. Mech. (2008) P04019). Choosing the plan of least cost improves on the base
policy (D. P. Bertsekas, Dynamic Programming and Optimal Control, 6.4, rollout).

The kernels take arrays and no tuples of them: taking an array out of a tuple costs more than a second of a lane.
"""

from typing import NamedTuple

from numba import njit

from lamplighter.terms.columns import FloatArray, IntArray

CLOSED, FREE, MIXED = 0, 1, 2
PLAN = 6  # stages of a plan before the base policy goes on
GAP_S = 3  # who gives way needs nobody within so many seconds
AHEAD_S = 3
QUEUE, CREDIT, USED, SPACE, WEIGHT, STOP, START, TAIL, CREDIT_NOW, ROOM, ROOM_S, USED_NOW, LANE_COLUMNS = range(13)
RATE, BLOCK, OPPOSED, SERVICE_COLUMNS = range(4)
KIND, CROSS_AT, CROSS_END, WAY_COLUMNS = range(4)
CLOCK_MAX, CLOCK_NOW, CLOCK_COLUMNS = range(3)
MASK, CLOCK_LANE, MASK_COLUMNS = range(3)


class Work(NamedTuple):
    """One box, made ready. n = lanes (people rows follow as lanes of their own), m = stages; row m of the tables by stage
    is what is shown now.

    cum_veh (H+1, n): arrivals until each second; fresh_veh (H, n): those within it that have not slowed down yet.
    service_veh_s (m+1, n, SERVICE_COLUMNS): vehicles per second, vehicles until the lane is blocked, vehicles per second while
    those with the way come.
    way (m+1, n, WAY_COLUMNS): kind of service, and where in cross_lane, cross_share are those that a lane gives way to.
    lane_veh (n, LANE_COLUMNS): state (queue, credit, vehicles used of a block, space in the streets fed) and constants (weights,
    credit when a green begins, vehicles let through after it, state now). stages (m, m+1): change in seconds to each stage,
    then the shortest green. clock_s (k, CLOCK_COLUMNS), clock_mask (k, MASK_COLUMNS): reds that are bounded.
    out_veh (H, n): what leaves, recorded. plan (c, 2 PLAN + 1): how many stages, then stages, then seconds; trace: as played.
    """

    cum_veh: FloatArray
    fresh_veh: FloatArray
    service_veh_s: FloatArray
    way: IntArray
    cross_lane: IntArray
    cross_share: FloatArray
    lane_veh: FloatArray
    stages: IntArray
    clock_s: FloatArray
    clock_mask: IntArray
    out_veh: FloatArray
    plan: IntArray
    trace: IntArray


class Situation(NamedTuple):
    """Where a box stands: numbers of lanes, stages, clocks; horizon in seconds; running stage; seconds until its green and
    since; seconds until the next moment at which a choice takes effect, and between such moments."""

    lanes: int
    stages: int
    clocks: int
    horizon: int
    stage: int
    change_left: int
    elapsed: int
    grid_first: int
    grid: int
    arrive_ratio: float
    back_ratio: float
    end_s: float


@njit(cache=True, fastmath=True)
def _running(
    cum_veh: FloatArray, service: FloatArray, way: IntArray, lane: FloatArray, here: Situation, stage: int, t: int
) -> float:
    """Return the weight that the running stage serves per second in the next seconds."""
    soon, total = min(t + AHEAD_S, here.horizon), 0.0
    for n in range(here.lanes):
        if way[stage, n, KIND] != CLOSED and lane[n, USED] < service[stage, n, BLOCK] and lane[n, SPACE] > 0.0:
            near = lane[n, QUEUE] + here.arrive_ratio * (cum_veh[soon, n] - cum_veh[t, n])
            total += lane[n, WEIGHT] * min(service[stage, n, RATE], near / AHEAD_S)
    return total


@njit(cache=True, fastmath=True)
def _next(cum_veh: FloatArray, service: FloatArray, way: IntArray, lane: FloatArray, stages: IntArray, here: Situation,
          stage: int, t: int) -> int:  # fmt: skip
    """Return the stage that the base policy runs from second t on: the running one while it is worth most."""
    chosen, most = stage, _running(cum_veh, service, way, lane, here, stage, t)
    for p in range(here.stages):
        if p == stage:
            continue
        lost = stages[stage, p]
        then = min(t + lost + AHEAD_S, here.horizon)
        many, clear_s = 0.0, 0.5 * stages[p, here.stages]
        for n in range(here.lanes):
            if way[p, n, KIND] != CLOSED:
                near = min(lane[n, QUEUE] + cum_veh[then, n] - cum_veh[t, n], service[p, n, BLOCK], max(lane[n, SPACE], 0.0))
                many += lane[n, WEIGHT] * near
                clear_s = max(clear_s, near / service[p, n, RATE])
        index = many / (here.back_ratio * lost + 1.0 + clear_s)
        if index > most:
            chosen, most = p, index
    return chosen


@njit(cache=True, fastmath=True)
def _gap(cum_veh: FloatArray, way: IntArray, cross_lane: IntArray, cross_share: FloatArray, lane: FloatArray,
         at: tuple[int, int, int, int]) -> float:  # fmt: skip
    """Return the share of time that others leave to a lane that gives way. at: row, lane, from second, to second."""
    row, n, t, soon = at
    others = 0.0
    for i in range(way[row, n, CROSS_AT], way[row, n, CROSS_END]):
        o = cross_lane[i]
        if way[row, o, KIND] != CLOSED:
            others += cross_share[i] * min(lane[o, QUEUE] + cum_veh[soon, o] - cum_veh[t, o], 1.0)
    return max(1.0 - others, 0.0)


@njit(cache=True, fastmath=True)
def _second(cum_veh: FloatArray, fresh_veh: FloatArray, service: FloatArray, way: IntArray, cross_lane: IntArray,
            cross_share: FloatArray, lane: FloatArray, out_veh: FloatArray, here: Situation, rows: tuple[int, int, int], t: int
            ) -> float:  # fmt: skip
    """Play second t and return its cost. rows: the stage before and the stage after a change (equal in green), and the
    seconds since the change began, counted from 1 (0 in green)."""
    before, after, since = rows
    cost, soon = 0.0, min(t + GAP_S, here.horizon)
    for n in range(here.lanes):
        waiting = lane[n, QUEUE] + cum_veh[t + 1, n] - cum_veh[t, n]
        kind, rate = way[after, n, KIND], service[after, n, RATE]
        if since > 0:
            was = way[before, n, KIND]
            if kind == CLOSED or was == CLOSED:
                kind, rate = (FREE, lane[n, TAIL]) if since == 1 and was != CLOSED else (CLOSED, rate)
            elif was == MIXED:
                kind = MIXED
        out = 0.0
        if kind != CLOSED:
            if kind == MIXED and waiting > 0.0:
                opposed = service[after, n, OPPOSED]
                rate = opposed + (rate - opposed) * _gap(cum_veh, way, cross_lane, cross_share, lane, (after, n, t, soon))
            ready = min(lane[n, CREDIT] + rate, max(1.0, rate))
            if waiting > 0.0:
                out = max(min(waiting, ready, service[after, n, BLOCK] - lane[n, USED], lane[n, SPACE]), 0.0)
                lane[n, USED] += out
                lane[n, SPACE] -= out
                waiting -= out
            lane[n, CREDIT] = ready - out
        lane[n, SPACE] += lane[n, ROOM_S]
        lane[n, QUEUE] = waiting
        cost += lane[n, WEIGHT] * waiting + lane[n, STOP] * min(fresh_veh[t, n], waiting)
        out_veh[t, n] = out
    return cost


@njit(cache=True, fastmath=True)
def _begin(service: FloatArray, way: IntArray, lane: FloatArray, here: Situation, before: int, after: int) -> None:
    """Begin a green: lanes that were closed start with the credit of a standing queue."""
    for n in range(here.lanes):
        closed = way[before, n, KIND] == CLOSED
        if closed:
            lane[n, CREDIT] = lane[n, START]
        if closed or service[before, n, BLOCK] != service[after, n, BLOCK]:
            lane[n, USED] = 0.0


@njit(cache=True, fastmath=True)
def _reset(lane: FloatArray, here: Situation) -> None:
    for n in range(here.lanes):
        lane[n, QUEUE], lane[n, CREDIT], lane[n, USED] = 0.0, lane[n, CREDIT_NOW], lane[n, USED_NOW]
        lane[n, SPACE] = lane[n, ROOM]


@njit(cache=True, fastmath=True)
def _left_over(service: FloatArray, lane: FloatArray, here: Situation, stage: int) -> float:
    """Return what is assumed for those who still wait when the horizon ends."""
    cost = 0.0
    for n in range(here.lanes):
        queue = lane[n, QUEUE]
        cost += lane[n, WEIGHT] * queue * (here.end_s + 0.5 * queue / max(service[stage, n, RATE], 0.2))
    return cost


@njit(cache=True, fastmath=True)
def roll(cum_veh: FloatArray, fresh_veh: FloatArray, service: FloatArray, way: IntArray, cross_lane: IntArray,
         cross_share: FloatArray, lane: FloatArray, stages: IntArray, out_veh: FloatArray, plan: IntArray, trace: IntArray,
         here: Situation, enough: float) -> float:  # fmt: skip
    """Return the cost of a plan (2 PLAN + 1,), or something above `enough` as soon as it exceeds that; trace what is played."""
    _reset(lane, here)
    stage, left, since, before = here.stage, here.change_left, here.elapsed, here.stages
    changed, item, ends, traced, cost, shown = 2, 0, plan[1 + PLAN], 0, 0.0, 0
    for t in range(here.horizon):
        if left == 0 and since >= stages[stage, here.stages] and t >= here.grid_first and (t - here.grid_first) % here.grid == 0:
            following = stage
            if item < plan[0] and t >= ends:
                item += 1
                if item < plan[0]:
                    following = plan[1 + item]
                    ends = t + plan[1 + PLAN + item]
            if item >= plan[0]:
                following = _next(cum_veh, service, way, lane, stages, here, stage, t)
            if following != stage:
                if traced < PLAN:
                    trace[1 + traced], trace[1 + PLAN + traced] = stage, t - shown
                    traced += 1
                before, stage, left, changed, since = stage, following, stages[stage, following], 1, 0
                shown = t + left
                ends += left
                if left == 0:
                    _begin(service, way, lane, here, before, stage)
        rows = (before, stage, changed) if left > 0 else (stage, stage, 0)
        cost += _second(cum_veh, fresh_veh, service, way, cross_lane, cross_share, lane, out_veh, here, rows, t)
        if left > 0:
            left -= 1
            changed += 1
            if left == 0:
                _begin(service, way, lane, here, before, stage)
        else:
            since += 1
        if cost > enough:
            return cost
    if traced < PLAN:
        trace[1 + traced], trace[1 + PLAN + traced] = stage, here.horizon - shown
        traced += 1
    trace[0] = traced
    return cost + _left_over(service, lane, here, stage)
