# SPDX-License-Identifier: Apache-2.0
"""Which plan of a box costs least, and whether bounds leave time for it."""

from numba import njit

from lamplighter.services.traffic.horizon.rollout import (
    CLOCK_LANE,
    CLOCK_MAX,
    CLOCK_NOW,
    EVER_S,
    GOES_ON,
    HELD,
    MASK,
    SERVED,
    Situation,
    Work,
    cost_of,
    remainder,
    stretch,
)

HEAVIER, BOUND, DISCHARGING = 0, 1, 3  # positions in the reasons of the service
HOLDS = (0, 1, 2, 3, 5, 8, 12, 17, 24, 33, 45)
SERVICES = (5, 8, 12, 18, 27)
ENOUGH = 1e18
WAITS_S, WAITS_VEH = 15, 0.3  # somebody waits where so many are, or will be so soon
MARGIN_S = 10.0  # kept between a bound and the plan that keeps it: about one turn of somebody who comes meanwhile


@njit(cache=True)
def _spare(work: Work, here: Situation, begin: int) -> float:
    """Return by how many seconds every bounded red could end before its bound, if this stage were begun, or held, now and
    then all who wait were served, nearest bound first and each as short as may be."""
    at, after_s, visited, spare_s = begin, here.grid, 1 << begin, 1e9
    if begin != here.stage:
        after_s = work.change_s[here.stage, begin]
    for turn in range(here.clocks + 1):
        most, least_s, best, reach_s = -1, 1e9, begin, after_s
        for k in range(here.clocks):
            waits = work.until_veh[work.clock_mask[k, CLOCK_LANE], min(WAITS_S, here.horizon)] >= WAITS_VEH
            left_s = work.clock_s[k, CLOCK_MAX] - work.clock_s[k, CLOCK_NOW]
            served = bool(work.clock_mask[k, MASK] & visited)
            if waits and left_s < least_s and (not served if turn > 0 else served and begin != here.stage):
                most, least_s = k, left_s
        if turn == 0 and most >= 0:
            reach_s = work.begins_s[here.stage, begin, work.clock_mask[most, CLOCK_LANE]]
        if turn > 0:
            if most < 0:
                break
            best = -1
            for p in range(here.stages):
                if work.clock_mask[most, MASK] >> p & 1 and (best < 0 or work.change_s[at, p] < work.change_s[at, best]):
                    best = p
            reach_s = after_s + work.begins_s[at, best, work.clock_mask[most, CLOCK_LANE]]
            after_s += work.change_s[at, best]
            visited |= 1 << best
        spare_s = min(spare_s, least_s - reach_s)
        if turn > 0 or begin != here.stage:
            after_s += (work.green_min_s[best] + here.grid) // here.grid * here.grid  # a choice takes a second to show
        at = best
    return spare_s


@njit(cache=True)
def _kept_bound(work: Work, here: Situation, wanted: int) -> int:
    """Return the wanted stage where it leaves time to keep every bound, else the one that leaves most."""
    spare_s, chosen = _spare(work, here, wanted), wanted
    if spare_s < MARGIN_S:
        for p in range(here.stages):
            other_s = _spare(work, here, p)
            if other_s > spare_s:
                spare_s, chosen = other_s, p
    return chosen


@njit(cache=True)
def _copy(from_row: int, to_row: int, work: Work, lanes: int) -> None:
    for n in range(lanes):
        work.queue_veh[to_row, n], work.space_veh[to_row, n] = work.queue_veh[from_row, n], work.space_veh[from_row, n]


@njit(cache=True)
def best(work: Work, here: Situation) -> tuple[int, int, int]:
    """Return the plan of least cost, the earliest of equals. Plans begin at once or after several seconds, and serve the next
    stage for several; on a coarse grid both are rounded to it, and what comes out twice is tried once.

    Plans that share their beginning are played together so far. Where the base policy stays with the next stage, serving
    that for longer is the same plan.
    """
    (arrive, _, rate, weight, room, more, store, queue, space, change, _, keeps, begins, _, _, _, out, _, _) = work
    run, grid = here.stage, here.grid
    chosen = (EVER_S, run, 0)
    least = cost_of(work, here, chosen, ENOUGH, False)
    for n in range(here.lanes):
        queue[HELD, n], space[HELD, n] = 0.0, room[n]
    held_s, held = -1, 0.0
    for hold in HOLDS:
        hold_s = (hold + grid - 1) // grid * grid
        if hold_s == held_s:
            continue
        span = (max(held_s, 0), hold_s)
        held += stretch(arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, HELD, (run, run), span, False)
        held_s = hold_s
        if held > least or hold_s >= here.horizon:
            break
        for p in range(here.stages):
            if p == run:
                continue
            _copy(HELD, SERVED, work, here.lanes)
            at = (hold_s, hold_s + change[run, p])
            cost = held + stretch(
                arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, SERVED, (run, p), at, False
            )
            service_s, least = _served(work, here, p, hold_s, cost, least)
            if service_s > 0:
                chosen = (hold_s, p, service_s)
    return chosen


@njit(cache=True)
def _served(work: Work, here: Situation, p: int, hold_s: int, cost: float, least: float) -> tuple[int, float]:
    """Try how long stage p is served after the running one was held and the change is over, which came to `cost`; return the
    seconds of the best that is below `least` (0 for none), and what the best costs."""
    (arrive, until, rate, weight, _, more, store, queue, space, change, lost, keeps, begins, green, _, _, out, served, lanes) = (
        work
    )
    change_s, grid = change[here.stage, p], here.grid
    done_s, leaves, found_s, at = -1, -1, 0, min(hold_s + change_s, here.horizon)
    for service in SERVICES:
        ends_s = (change_s + service + grid - 1) // grid * grid
        service_s = ends_s - change_s
        if service_s < green[p] or service_s == done_s:
            continue
        done_s, ends = service_s, min(hold_s + ends_s, here.horizon)
        cost += stretch(
            arrive, rate, weight, queue, space, more, store, keeps, begins, out, here, SERVED, (p, p), (at, ends), False
        )
        at = ends
        if cost > least:
            break
        if leaves >= ends:
            continue
        _copy(SERVED, GOES_ON, work, here.lanes)
        whole, leaves = remainder(
            arrive, until, rate, weight, queue, space, more, store, keeps, begins, out, change, lost, green, served, lanes,
            here, GOES_ON, (ends, p, service_s), cost, least, False,
        )  # fmt: skip
        if whole < least:
            found_s, least = service_s, whole
    return found_s, least


@njit(cache=True)
def search(work: Work, here: Situation) -> tuple[int, int, int]:
    """Return the stage that the box is to run now, why, and after how many seconds its plan has something to choose again; leave
    in the work what it is then expected to let out."""
    run = here.stage
    if here.change_left > 0 or here.elapsed < work.green_min_s[run] or here.grid_first > 0:
        cost_of(work, here, (0, run, 0), ENOUGH, True)
        least_s = max(work.green_min_s[run] - here.elapsed, 0)
        return run, DISCHARGING, max(here.change_left + least_s, here.grid_first)
    plan = best(work, here)
    wanted = plan[1] if plan[0] == 0 else run
    kept = _kept_bound(work, here, wanted)
    if kept != wanted:
        plan = (0, kept, work.green_min_s[kept])
    cost_of(work, here, plan, ENOUGH, True)
    if kept == run:
        return run, DISCHARGING, plan[0]
    return kept, BOUND if kept != wanted else HEAVIER, 0
