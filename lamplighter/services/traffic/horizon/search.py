# SPDX-License-Identifier: Apache-2.0
"""Which plan of a box costs least."""

from numba import njit

from lamplighter.services.traffic.horizon.rollout import CLOCK_LANE, CLOCK_MAX, CLOCK_NOW, MASK, PLAN, Situation, Work, roll
from lamplighter.services.traffic.horizon.scene import PLANS, State
from lamplighter.services.traffic.horizon.scheme import Settings
from lamplighter.terms.columns import IntArray

HEAVIER, BOUND, DISCHARGING = 0, 1, 3  # positions in the reasons of the service
HOLDS = (0, 1, 3, 6, 10, 15, 21, 28, 38)
SERVICES = (5, 8, 12, 18, 27)
HOLD_MAX_S = 50
FEW_STAGES = 5  # with more stages the third one of a plan is left to the base policy
STEPS = (-4, -2, -1, 1, 2, 4)
ENOUGH = 1e18
SOON_S, WAITS_VEH = 15, 0.3  # somebody waits where so many are, or will be so soon
MARGIN_S = 10.0  # kept between a bound and the plan that keeps it: about one turn of somebody who comes meanwhile
EVER_S = 1000


@njit(cache=True)
def _propose(plan: IntArray, many: int, stages: tuple[int, int, int], seconds: tuple[int, int, int], items: int) -> int:
    """Add a plan if there is a place for it; return how many there are."""
    if many >= PLANS - 1:
        return many
    for i in range(items):
        plan[many, 1 + i], plan[many, 1 + PLAN + i] = stages[i], seconds[i]
    plan[many, 0] = items
    return many + 1


@njit(cache=True)
def _cheapest(work: Work, here: Situation, plans: tuple[int, int], best: tuple[int, float]) -> tuple[int, float]:
    """Return the cheapest of the plans from..to and its cost, or `best` if none is cheaper."""
    chosen, least = best
    (cum_veh, fresh_veh, service, way, cross_lane, cross_share, lane, stages, _, _, out_veh, plan, trace) = work
    for c in range(plans[0], plans[1]):
        cost = roll(
            cum_veh, fresh_veh, service, way, cross_lane, cross_share, lane, stages, out_veh, plan[c], trace, here, least,
        )  # fmt: skip
        if cost < least:
            chosen, least = c, cost
    return chosen, least


@njit(cache=True)
def _kept(state: State, work: Work, here: Situation, box: int) -> int:
    """Propose the plan of the last second, one second on, and to stay, and to leave all to the base policy."""
    run, last = here.stage, state.plan[box]
    many = _propose(work.plan, 0, (run, 0, 0), (0, 0, 0), 1)
    many = _propose(work.plan, many, (run, 0, 0), (EVER_S, 0, 0), 1)
    if last[0] > 1 and last[1] == run:
        third = last[0] > 2
        seconds = (max(last[1 + PLAN] - 1, 0), last[2 + PLAN], EVER_S)
        many = _propose(work.plan, many, (run, last[2], last[3] if third else 0), seconds, 3 if third else 2)
    return many


@njit(cache=True)
def _fresh(work: Work, here: Situation, many: int) -> int:
    """Propose to change after each of several seconds to each other stage for several seconds, and from there to a third."""
    run = here.stage
    for hold in HOLDS:
        seconds = (hold + here.grid - 1) // here.grid * here.grid
        if seconds > HOLD_MAX_S:
            break
        for p in range(here.stages):
            if p == run:
                continue
            for service in SERVICES:
                if here.stages > FEW_STAGES:
                    many = _propose(work.plan, many, (run, p, 0), (seconds, service, 0), 2)
                else:
                    for q in range(here.stages):
                        if q != p:
                            many = _propose(work.plan, many, (run, p, q), (seconds, service, EVER_S), 3)
    return many


@njit(cache=True)
def _near(work: Work, many: int, chosen: int, grid: int) -> int:
    """Propose plans with other seconds than the chosen one has."""
    plan = work.plan[chosen]
    if plan[0] < 2:
        return many
    stages = (plan[1], plan[2], plan[3])
    hold, service, last = plan[1 + PLAN], plan[2 + PLAN], plan[3 + PLAN]
    for step in STEPS:
        more = step * grid
        if hold + more >= 0:
            many = _propose(work.plan, many, stages, (hold + more, service, last), plan[0])
            if service - more > 0:
                many = _propose(work.plan, many, stages, (hold + more, service - more, last), plan[0])
        if service + more > 0:
            many = _propose(work.plan, many, stages, (hold, service + more, last), plan[0])
    return many


@njit(cache=True)
def _spare(work: Work, here: Situation, begin: int) -> float:
    """Return by how many seconds every bounded red could end before its bound, if this stage were begun, or held, now and
    then all who wait were served, nearest bound first and each as short as may be."""
    at, after_s, visited, spare_s = begin, here.grid, 1 << begin, 1e9
    if begin != here.stage:
        after_s = work.stages[here.stage, begin]
    for turn in range(here.clocks + 1):
        most, least_s, best = -1, 1e9, begin
        for k in range(here.clocks):
            waits = work.cum_veh[min(SOON_S, here.horizon), work.clock_mask[k, CLOCK_LANE]] >= WAITS_VEH
            left_s = work.clock_s[k, CLOCK_MAX] - work.clock_s[k, CLOCK_NOW]
            served = bool(work.clock_mask[k, MASK] & visited)
            if waits and left_s < least_s and (not served if turn > 0 else served and begin != here.stage):
                most, least_s = k, left_s
        if turn > 0:
            if most < 0:
                break
            best = -1
            for p in range(here.stages):
                if work.clock_mask[most, MASK] >> p & 1 and (best < 0 or work.stages[at, p] < work.stages[at, best]):
                    best = p
            after_s += work.stages[at, best]
            visited |= 1 << best
        spare_s = min(spare_s, least_s - after_s)
        if turn > 0 or begin != here.stage:
            after_s += (work.stages[best, here.stages] + here.grid) // here.grid * here.grid  # a choice takes a second to show
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
def search(state: State, work: Work, here: Situation, box: int, settings: Settings) -> tuple[int, int]:
    """Return the stage that box is to run now and why, and leave in the work what it is then expected to let out."""
    run = here.stage
    free = here.change_left == 0 and here.elapsed >= work.stages[run, here.stages] and here.grid_first == 0
    many = _kept(state, work, here, box)
    chosen, least = _cheapest(work, here, (0, many), (0, ENOUGH))
    if free:
        begins, many = many, _fresh(work, here, many)
        chosen, least = _cheapest(work, here, (begins, many), (chosen, least))
        for _ in range(2):
            begins, many = many, _near(work, many, chosen, here.grid)
            chosen, least = _cheapest(work, here, (begins, many), (chosen, least))
    wanted = work.plan[chosen, 2] if work.plan[chosen, 0] > 1 and work.plan[chosen, 1 + PLAN] == 0 else run
    kept = _kept_bound(work, here, wanted) if free else run
    if free and kept != wanted:
        chosen = _propose(work.plan, 0, (run, kept, 0), (here.grid if kept == run else 0, 0, 0), 1 if kept == run else 2) - 1
    _cheapest(work, here, (chosen, chosen + 1), (chosen, ENOUGH))
    for i in range(2 * PLAN + 1):
        state.plan[box, i] = work.trace[i]
    if free and work.trace[0] > 1 and work.trace[1 + PLAN] == 0:
        return work.trace[2], BOUND if kept != wanted else HEAVIER
    return run, DISCHARGING
