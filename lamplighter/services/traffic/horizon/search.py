# SPDX-License-Identifier: Apache-2.0
"""Which plan of a box costs least."""

from numba import njit

from lamplighter.services.traffic.horizon.rollout import PLAN, Situation, Work, roll
from lamplighter.services.traffic.horizon.scene import PLANS, State
from lamplighter.services.traffic.horizon.scheme import Settings
from lamplighter.terms.columns import IntArray

HEAVIER, DISCHARGING = 0, 3  # positions in the reasons of the service
HOLD_MAX_S = 50
HOLDS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40)
SERVICES = (0, 8, 14, 22)  # greens that a next stage may be given instead of what the base policy gives it
ENOUGH = 1e18


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
    (cum_veh, fresh_veh, service, way, cross_lane, cross_share, lane, stages, clock, clock_mask, out_veh, plan, trace) = work
    for c in range(plans[0], plans[1]):
        cost = roll(
            cum_veh, fresh_veh, service, way, cross_lane, cross_share, lane, stages, clock, clock_mask, out_veh, plan[c], trace, here,
            least,
        )  # fmt: skip
        if cost < least:
            chosen, least = c, cost
    return chosen, least


@njit(cache=True)
def _first(work: Work, here: Situation) -> int:
    """Propose to go on as the base policy does, and to change after each of several seconds to each other stage."""
    run = here.stage
    many = _propose(work.plan, 0, (run, 0, 0), (0, 0, 0), 1)
    for hold in HOLDS:
        seconds = hold * here.grid
        if seconds > HOLD_MAX_S:
            break
        for p in range(here.stages):
            if p != run:
                many = _propose(work.plan, many, (run, p, 0), (seconds, 0, 0), 2)
    return many


@njit(cache=True)
def search(state: State, work: Work, here: Situation, box: int, settings: Settings) -> tuple[int, int]:
    """Return the stage that box is to run now and why, and leave in the work what it is then expected to let out."""
    run = here.stage
    free = here.change_left == 0 and here.elapsed >= work.stages[run, here.stages] and here.grid_first == 0
    many = _first(work, here)
    chosen, least = _cheapest(work, here, (0, many if free else 1), (0, ENOUGH))
    if free and work.plan[chosen, 0] > 1:
        begins, hold, to = many, work.plan[chosen, 1 + PLAN], work.plan[chosen, 2]
        for service in SERVICES:
            for q in range(here.stages):
                if q != to:
                    many = _propose(work.plan, many, (run, to, q), (hold, service, 0), 3)
        chosen, least = _cheapest(work, here, (begins, many), (chosen, least))
    _cheapest(work, here, (chosen, chosen + 1), (chosen, ENOUGH))
    for i in range(2 * PLAN + 1):
        state.plan[box, i] = work.trace[i]
    if free and work.trace[0] > 1 and work.trace[1 + PLAN] == 0:
        return work.trace[2], HEAVIER
    return run, DISCHARGING
