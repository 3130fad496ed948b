# SPDX-License-Identifier: Apache-2.0
"""What a plan would cost: one box, second by second, until the horizon ends.

Every lane is a queue at its stop line (a point queue: vehicles wait there from the second in which they could have been
there) that discharges at the rate that was measured for the stage and the lane. A plan says: hold the running stage so many
seconds, then serve another one for so many. After that a base policy goes on: serve while that lets more out per second than
the best other stage would, counting the time of the change against it (the index of S. Laemmer, D. Helbing, J. Stat. Mech.
(2008) P04019). Choosing the plan of least cost improves on the base policy (D. P. Bertsekas, Dynamic Programming and Optimal
Control, 6.4, rollout). A plan that had to end in one stage for ever would look dearer the more it knows of what comes.

The kernels take arrays and no tuples of them: taking an array out of a tuple costs more than a second of a lane.
"""

from typing import NamedTuple

from numba import njit

from lamplighter.terms.columns import FloatArray, IntArray

CLOCK_NOW, CLOCK_MAX, CLOCK_COLUMNS = range(3)
MASK, CLOCK_LANE, MASK_COLUMNS = range(3)
SOON_S, NEAR_S = 3, 5  # the base policy looks so far for those it serves, and for those that another stage would serve
CLEAR_MOST_S = 20.0  # a queue is not counted further than it clears in this
EVER_S = 1_000_000
NOBODY_VEH = 0.01
HELD, SERVED, GOES_ON, PLAYED = range(4)  # states of plans that share their beginning


class Work(NamedTuple):
    """One box, made ready. n = lanes (rows of people follow as lanes of their own), m = stages, H = horizon.

    arrive_veh (n, H), until_veh (n, H+1): arrivals in each second, and before it. rate_veh_s (m, n): discharge, 0 where red.
    weight (n): persons per vehicle. room_veh, room_veh_s (n): what the streets that a lane feeds still take, and how much more
    each second. store_veh (n): beyond so many waiting the queue stands in the way of others. change_s (m, m), green_min_s (m):
    whole seconds. lost_s (m, m): what of a change is lost to the lanes of both stages; keeps_s, begins_s (m + 1, m, n): until
    when and from when in a change a lane of the old and of the new stage is green. clock_s (k, CLOCK_COLUMNS), clock_mask (k,
    MASK_COLUMNS): reds that are bounded. out_veh (n, H): what the chosen plan lets out. queue_veh, space_veh (PLAYED, n): state
    of plans that are played. served (m, n), served_lanes (m): the lanes that each stage serves, and how many.
    """

    arrive_veh: FloatArray
    until_veh: FloatArray
    rate_veh_s: FloatArray
    weight: FloatArray
    room_veh: FloatArray
    room_veh_s: FloatArray
    store_veh: FloatArray
    queue_veh: FloatArray
    space_veh: FloatArray
    change_s: IntArray
    lost_s: FloatArray
    keeps_s: IntArray
    begins_s: IntArray
    green_min_s: IntArray
    clock_s: FloatArray
    clock_mask: IntArray
    out_veh: FloatArray
    served: IntArray
    served_lanes: IntArray


class Situation(NamedTuple):
    """Where a box stands: numbers of lanes, stages, clocks; horizon in seconds; running stage; seconds until its green and
    since; seconds until the next moment at which a choice takes effect, and between such moments; and of the settings what
    counts within a plan."""

    lanes: int
    stages: int
    clocks: int
    horizon: int
    stage: int
    change_left: int
    elapsed: int
    grid_first: int
    grid: int
    back_ratio: float
    keep_ratio: float
    end_s: float
    end_s_per_veh: float
    spill_ratio: float


@njit(cache=True, fastmath=True, inline="always")
def _following(
    until_veh: FloatArray, rate: FloatArray, weight: FloatArray, queue: FloatArray, space: FloatArray, change: IntArray,
    lost: FloatArray, least: IntArray, served: IntArray, served_lanes: IntArray, here: Situation, row: int, stage: int, t: int,
) -> int:  # fmt: skip
    """Return the stage that the base policy runs from second t on: the running one while it lets out most."""
    soon = min(t + SOON_S, here.horizon)
    chosen, most = stage, 0.0
    for i in range(served_lanes[stage]):
        n = served[stage, i]
        near = (queue[row, n] + until_veh[n, soon] - until_veh[n, t]) / SOON_S
        most += here.keep_ratio * weight[n] * min(near, rate[stage, n])
    for p in range(here.stages):
        if p == stage:
            continue
        then, many, clear_s = min(t + change[stage, p] + NEAR_S, here.horizon), 0.0, 0.0
        for i in range(served_lanes[p]):
            n = served[p, i]
            near = min(queue[row, n] + until_veh[n, then] - until_veh[n, t], space[row, n], CLEAR_MOST_S * rate[p, n])
            many += weight[n] * near
            clear_s = max(clear_s, near / rate[p, n])
        if many > NOBODY_VEH:
            index = many / (here.back_ratio * lost[stage, p] + max(clear_s, least[p]))
            if index > most:
                chosen, most = p, index
    return chosen


@njit(cache=True, fastmath=True, inline="always")
def _second(
    arrive_veh: FloatArray, rate: FloatArray, weight: FloatArray, queue: FloatArray, space: FloatArray, more_veh_s: FloatArray,
    store: FloatArray, keeps: IntArray, begins: IntArray, out_veh: FloatArray, here: Situation, row: int,
    rows: tuple[int, int, int], t: int, record: bool,
) -> float:  # fmt: skip
    """Play second t and return its cost. rows: the stage before and the stage after a change, equal in green, and for how many
    seconds the change runs."""
    before, after, into, cost = rows[0], rows[1], rows[2], 0.0
    for n in range(here.lanes):
        waiting, out = queue[row, n] + arrive_veh[n, t], 0.0
        if waiting > 0.0:
            green = rate[after, n]
            if before != after:
                green = min(rate[before, n], green)
                if into < keeps[before, after, n]:
                    green = max(green, rate[before, n])
                if into >= begins[before, after, n]:
                    green = max(green, rate[after, n])
            out = max(min(green, waiting, space[row, n]), 0.0)
            waiting -= out
            cost += weight[n] * (waiting + here.spill_ratio * max(waiting - store[n], 0.0))
        space[row, n] += more_veh_s[n] - out
        queue[row, n] = waiting
        if record:
            out_veh[n, t] = out
    return cost


@njit(cache=True, fastmath=True)
def stretch(
    arrive_veh: FloatArray, rate: FloatArray, weight: FloatArray, queue: FloatArray, space: FloatArray, more_veh_s: FloatArray,
    store: FloatArray, keeps: IntArray, begins: IntArray, out_veh: FloatArray, here: Situation, row: int, rows: tuple[int, int],
    span: tuple[int, int], record: bool,
) -> float:  # fmt: skip
    """Play from one second to another and return the cost; where the two stages differ the change begins with the first one."""
    cost = 0.0
    for t in range(span[0], min(span[1], here.horizon)):
        cost += _second(
            arrive_veh, rate, weight, queue, space, more_veh_s, store, keeps, begins, out_veh, here, row,
            (rows[0], rows[1], t - span[0]), t, record,
        )  # fmt: skip
    return cost


@njit(cache=True, fastmath=True)
def remainder(
    arrive_veh: FloatArray, until_veh: FloatArray, rate: FloatArray, weight: FloatArray, queue: FloatArray, space: FloatArray,
    more_veh_s: FloatArray, store: FloatArray, keeps: IntArray, begins: IntArray, out_veh: FloatArray, change: IntArray,
    lost: FloatArray, least: IntArray, served: IntArray, served_lanes: IntArray, here: Situation, row: int,
    at: tuple[int, int, int], cost: float, enough: float, record: bool,
) -> tuple[float, int]:  # fmt: skip
    """Play the base policy to the end; return the whole cost, or something above `enough` as soon as it exceeds that, and when
    the policy first leaves the stage. at: second to begin with, stage, seconds since that is green; cost: what was before."""
    begin, stage, since = at
    before, left, leaves = stage, 0, here.horizon
    for t in range(begin, here.horizon):
        if left == 0 and since >= least[stage] and (here.grid == 1 or (t - here.grid_first) % here.grid == 0):
            following = _following(
                until_veh, rate, weight, queue, space, change, lost, least, served, served_lanes, here, row, stage, t
            )
            if following != stage:
                before, stage, left, since = stage, following, change[stage, following], 0
                before, leaves = before if left > 0 else stage, min(leaves, t)
        cost += _second(
            arrive_veh, rate, weight, queue, space, more_veh_s, store, keeps, begins, out_veh, here, row,
            (before, stage, change[before, stage] - left), t, record,
        )  # fmt: skip
        if left > 0:
            left -= 1
            before = before if left > 0 else stage
        else:
            since += 1
        if cost > enough:
            return cost, leaves
    for n in range(here.lanes):
        cost += weight[n] * queue[row, n] * (here.end_s + here.end_s_per_veh * queue[row, n])
    return cost, leaves


@njit(cache=True, fastmath=True)
def cost_of(work: Work, here: Situation, plan: tuple[int, int, int], enough: float, record: bool) -> float:
    """Return the cost of a plan, or something above `enough` if it exceeds that. plan: seconds to hold the running stage, the
    stage after it, and the seconds of that one; it stays with the running stage where that is the stage after it."""
    (
        arrive,
        until,
        rate,
        weight,
        room,
        more,
        store,
        queue,
        space,
        change,
        lost,
        keeps,
        begins,
        least,
        _,
        _,
        out,
        served,
        lanes,
    ) = work
    hold, then, serve = plan
    run, cost = here.stage, 0.0
    for n in range(here.lanes):
        queue[0, n], space[0, n] = 0.0, room[n]
    go = max(here.change_left + max(least[run] - here.elapsed, 0), hold, here.grid_first)
    go = min(here.grid_first + (go - here.grid_first + here.grid - 1) // here.grid * here.grid, here.horizon)
    nobody, ran = (here.stages, run), (run, run)  # nothing is green before the change is over
    green = min(here.change_left, here.horizon)
    cost += stretch(arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, 0, nobody, (0, green), record)
    cost += stretch(arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, 0, ran, (green, go), record)
    begin, since = go + max(serve, 1), here.elapsed - here.change_left
    if then != run:
        begin, since = go + change[run, then] + serve, -go - change[run, then]
        green = min(go + change[run, then], here.horizon)
        cost += stretch(
            arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, 0, (run, then), (go, green), record
        )
        go = green
    begin = min(begin, here.horizon)
    cost += stretch(
        arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, 0, (then, then), (go, begin), record
    )
    at = (begin, then, since + begin)
    return remainder(
        arrive, until, rate, weight, queue, space, more, store, keeps, begins, out, change, lost, least, served, lanes,
        here, 0, at, cost, enough, record,
    )[0]  # fmt: skip
