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


class Work(NamedTuple):
    """One box, made ready. n = lanes (rows of people follow as lanes of their own), m = stages, H = horizon.

    arrive_veh (n, H), until_veh (n, H+1): arrivals in each second, and before it. rate_veh_s (m, n): discharge, 0 where red.
    weight (n): persons per vehicle. room_veh, room_veh_s (n): what the streets that a lane feeds still take, and how much more
    each second. store_veh (n): beyond so many waiting the queue stands in the way of others. queue_veh, space_veh (n): state of
    a plan that is played. change_s (m, m), green_min_s (m): whole seconds.
    clock_s (k, CLOCK_COLUMNS), clock_mask (k, MASK_COLUMNS): reds that are bounded. out_veh (n, H): what the
    chosen plan lets out.
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
    green_min_s: IntArray
    clock_s: FloatArray
    clock_mask: IntArray
    out_veh: FloatArray


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


@njit(cache=True, fastmath=True)
def _following(
    until_veh: FloatArray, rate: FloatArray, weight: FloatArray, queue: FloatArray, space: FloatArray, change: IntArray,
    least: IntArray, here: Situation, stage: int, t: int,
) -> int:  # fmt: skip
    """Return the stage that the base policy runs from second t on: the running one while it lets out most."""
    soon = min(t + SOON_S, here.horizon)
    chosen, most = stage, 0.0
    for n in range(here.lanes):
        if rate[stage, n] > 0.0:
            near = (queue[n] + until_veh[n, soon] - until_veh[n, t]) / SOON_S
            most += here.keep_ratio * weight[n] * min(near, rate[stage, n])
    for p in range(here.stages):
        if p == stage:
            continue
        then, many, clear_s = min(t + change[stage, p] + NEAR_S, here.horizon), 0.0, 0.0
        for n in range(here.lanes):
            if rate[p, n] > 0.0:
                near = min(queue[n] + until_veh[n, then] - until_veh[n, t], space[n], CLEAR_MOST_S * rate[p, n])
                many += weight[n] * near
                clear_s = max(clear_s, near / rate[p, n])
        index = many / (here.back_ratio * change[stage, p] + max(clear_s, least[p]))
        if many > NOBODY_VEH and index > most:
            chosen, most = p, index
    return chosen


@njit(cache=True, fastmath=True)
def _second(
    arrive_veh: FloatArray, rate: FloatArray, weight: FloatArray, queue: FloatArray, space: FloatArray,
    more_veh_s: FloatArray, store: FloatArray, out_veh: FloatArray, here: Situation, rows: tuple[int, int], t: int, record: bool,
) -> float:  # fmt: skip
    """Play second t and return its cost. rows: the stage before and the stage after a change, equal in green."""
    before, after, cost = rows[0], rows[1], 0.0
    for n in range(here.lanes):
        waiting, out = queue[n] + arrive_veh[n, t], 0.0
        if waiting > 0.0:
            out = max(min(rate[before, n], rate[after, n], waiting, space[n]), 0.0)
            waiting -= out
            cost += weight[n] * (waiting + here.spill_ratio * max(waiting - store[n], 0.0))
        space[n] += more_veh_s[n] - out
        queue[n] = waiting
        if record:
            out_veh[n, t] = out
    return cost


@njit(cache=True, fastmath=True)
def roll(
    arrive_veh: FloatArray, until_veh: FloatArray, rate: FloatArray, weight: FloatArray, room_veh: FloatArray,
    room_veh_s: FloatArray, store: FloatArray, queue: FloatArray, space: FloatArray, change: IntArray, least: IntArray,
    out_veh: FloatArray, here: Situation, plan: tuple[int, int, int], enough: float, record: bool,
) -> float:  # fmt: skip
    """Return the cost of a plan, or something above `enough` as soon as it exceeds that. plan: seconds to hold the running
    stage, the stage after it, and the seconds of that one; it stays with the running stage where that is the stage after it."""
    for n in range(here.lanes):
        queue[n], space[n] = 0.0, room_veh[n]
    hold, then, serve = plan
    stage, before, left, since, item, cost = here.stage, here.stage, here.change_left, here.elapsed, 0, 0.0
    if left > 0:
        before = here.stages  # a row of zeros: nothing is green before the change is over
    ends = hold
    for t in range(here.horizon):
        if left == 0 and since >= least[stage] and t >= here.grid_first and (t - here.grid_first) % here.grid == 0:
            following = stage
            if item == 0 and t >= ends:
                item, following, ends = 1, then, t + serve
                if then != stage:
                    ends += change[stage, then]
            elif item == 1 and t >= ends:
                item = 2
            if item == 2:
                following = _following(until_veh, rate, weight, queue, space, change, least, here, stage, t)
            if following != stage:
                before, stage, left, since = stage, following, change[stage, following], 0
                before = before if left > 0 else stage
        cost += _second(arrive_veh, rate, weight, queue, space, room_veh_s, store, out_veh, here, (before, stage), t, record)
        if left > 0:
            left -= 1
            before = before if left > 0 else stage
        else:
            since += 1
        if cost > enough:
            return cost
    for n in range(here.lanes):
        cost += weight[n] * queue[n] * (here.end_s + here.end_s_per_veh * queue[n])
    return cost
