# SPDX-License-Identifier: Apache-2.0
"""Which plan of a box costs least, and whether bounds leave time for it."""

from numba import njit

from lamplighter.services.traffic.horizon.rollout import CLOCK_LANE, CLOCK_MAX, CLOCK_NOW, EVER_S, MASK, Situation, Work, roll

HEAVIER, BOUND, DISCHARGING = 0, 1, 3  # positions in the reasons of the service
HOLDS = (0, 1, 2, 3, 5, 8, 12, 17, 24, 33, 45)
SERVICES = (5, 8, 12, 18, 27)
ENOUGH = 1e18
WAITS_S, WAITS_VEH = 15, 0.3  # somebody waits where so many are, or will be so soon
MARGIN_S = 10.0  # kept between a bound and the plan that keeps it: about one turn of somebody who comes meanwhile


@njit(cache=True)
def _cost(work: Work, here: Situation, plan: tuple[int, int, int], enough: float, record: bool) -> float:
    (arrive, until, rate, weight, room, room_s, store, queue, space, change, least, _, _, out) = work
    return roll(arrive, until, rate, weight, room, room_s, store, queue, space, change, least, out, here, plan, enough, record)


@njit(cache=True)
def _spare(work: Work, here: Situation, begin: int) -> float:
    """Return by how many seconds every bounded red could end before its bound, if this stage were begun, or held, now and
    then all who wait were served, nearest bound first and each as short as may be."""
    at, after_s, visited, spare_s = begin, here.grid, 1 << begin, 1e9
    if begin != here.stage:
        after_s = work.change_s[here.stage, begin]
    for turn in range(here.clocks + 1):
        most, least_s, best = -1, 1e9, begin
        for k in range(here.clocks):
            waits = work.until_veh[work.clock_mask[k, CLOCK_LANE], min(WAITS_S, here.horizon)] >= WAITS_VEH
            left_s = work.clock_s[k, CLOCK_MAX] - work.clock_s[k, CLOCK_NOW]
            served = bool(work.clock_mask[k, MASK] & visited)
            if waits and left_s < least_s and (not served if turn > 0 else served and begin != here.stage):
                most, least_s = k, left_s
        if turn > 0:
            if most < 0:
                break
            best = -1
            for p in range(here.stages):
                if work.clock_mask[most, MASK] >> p & 1 and (best < 0 or work.change_s[at, p] < work.change_s[at, best]):
                    best = p
            after_s += work.change_s[at, best]
            visited |= 1 << best
        spare_s = min(spare_s, least_s - after_s)
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
def _best(work: Work, here: Situation) -> tuple[int, int, int]:
    """Return the plan of least cost. Plans begin at once or after several seconds, and serve the next stage for several; on a
    coarse grid both are rounded to it, and what comes out twice is tried once."""
    run, grid = here.stage, here.grid
    best = (EVER_S, run, 0)
    least = _cost(work, here, best, ENOUGH, False)
    before_s = -1
    for hold in HOLDS:
        hold_s = (hold + grid - 1) // grid * grid
        if hold_s == before_s:
            continue
        before_s = hold_s
        for p in range(here.stages):
            if p == run:
                continue
            done_s = -1
            for service in SERVICES:
                ends_s = (work.change_s[run, p] + service + grid - 1) // grid * grid
                service_s = ends_s - work.change_s[run, p]
                if service_s < work.green_min_s[p] or service_s == done_s:
                    continue
                done_s = service_s
                cost = _cost(work, here, (hold_s, p, service_s), least, False)
                if cost < least:
                    best, least = (hold_s, p, service_s), cost
    return best


@njit(cache=True)
def search(work: Work, here: Situation) -> tuple[int, int]:
    """Return the stage that the box is to run now and why, and leave in the work what it is then expected to let out."""
    run = here.stage
    if here.change_left > 0 or here.elapsed < work.green_min_s[run] or here.grid_first > 0:
        _cost(work, here, (0, run, 0), ENOUGH, True)
        return run, DISCHARGING
    plan = _best(work, here)
    wanted = plan[1] if plan[0] == 0 else run
    kept = _kept_bound(work, here, wanted)
    if kept != wanted:
        plan = (0, kept, work.green_min_s[kept])
    _cost(work, here, plan, ENOUGH, True)
    if kept == run:
        return run, DISCHARGING
    return kept, BOUND if kept != wanted else HEAVIER
