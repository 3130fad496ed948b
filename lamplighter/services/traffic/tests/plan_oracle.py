# SPDX-License-Identifier: Apache-2.0
"""What a plan costs and which one is cheapest, said again in plain Python and tried out one by one."""

from dataclasses import dataclass
from itertools import product

from lamplighter.services.traffic.horizon.rollout import Situation, Work

HOLDS_S = (0, 1, 2, 3, 5, 8, 12, 17, 24, 33, 45)
SERVICES_S = (5, 8, 12, 18, 27)
NOT_BEFORE_S = 1_000_000

Plan = tuple[int, int, int]


@dataclass(frozen=True)
class Junction:
    """One box at one moment, by lane and second, as lists."""

    here: Situation
    comes: list[list[float]]
    rate: list[list[float]]
    weight: list[float]
    room_veh: list[float]
    frees_veh_s: list[float]
    store_veh: list[float]
    change_s: list[list[int]]
    lost_s: list[list[float]]
    keeps_s: list[list[list[int]]]
    begins_s: list[list[list[int]]]
    least_s: list[int]


def junction(work: Work, here: Situation) -> Junction:
    """Read a box that was made ready into lists."""
    lanes, stages = range(here.lanes), range(here.stages)
    return Junction(
        here,
        [[float(work.arrive_veh[n, t]) for t in range(here.horizon)] for n in lanes],
        [[float(work.rate_veh_s[m, n]) for n in lanes] for m in stages],
        [float(work.weight[n]) for n in lanes],
        [float(work.room_veh[n]) for n in lanes],
        [float(work.room_veh_s[n]) for n in lanes],
        [float(work.store_veh[n]) for n in lanes],
        [[int(work.change_s[a, b]) for b in stages] for a in stages],
        [[float(work.lost_s[a, b]) for b in stages] for a in stages],
        [[[int(work.keeps_s[a, b, n]) for n in lanes] for b in stages] for a in stages],
        [[[int(work.begins_s[a, b, n]) for n in lanes] for b in stages] for a in stages],
        [int(work.green_min_s[m]) for m in stages],
    )


def policy(j: Junction, stage: int, t: int, queue: list[float], room: list[float]) -> int:
    """Return the stage with the greatest index, the running one first."""
    lanes, here = range(len(queue)), j.here
    soon = [queue[n] + sum(j.comes[n][t : t + 3]) for n in lanes]
    greatest = here.keep_ratio * sum(j.weight[n] * min(soon[n] / 3, j.rate[stage][n]) for n in lanes)
    chosen = stage
    for other in range(here.stages):
        change_s = j.change_s[stage][other]
        served = [n for n in lanes if j.rate[other][n] > 0]
        near = {n: queue[n] + sum(j.comes[n][t : t + change_s + 5]) for n in served}
        near = {n: min(near[n], room[n], 20.0 * j.rate[other][n]) for n in served}
        many = sum(j.weight[n] * near[n] for n in served)
        takes_s = max([near[n] / j.rate[other][n] for n in served] + [float(j.least_s[other])])
        index = many / (here.back_ratio * j.lost_s[stage][other] + takes_s)
        if other != stage and many > 0.01 and index > greatest:
            chosen, greatest = other, index
    return chosen


def green(j: Junction, shows: tuple[int, ...], lane: int, into_s: int) -> float:
    """Return what a lane can discharge: under one stage, in a change between two, or while nothing is green."""
    rates = [j.rate[m][lane] for m in shows]
    if len(shows) < 2:
        return sum(rates)
    old = rates[0] if into_s < j.keeps_s[shows[0]][shows[1]][lane] else 0.0
    new = rates[1] if into_s >= j.begins_s[shows[0]][shows[1]][lane] else 0.0
    return max(min(rates), old, new)


def played(j: Junction, plan: Plan) -> tuple[float, list[list[float]]]:
    """Return the cost of a plan, and what leaves each lane in each second."""
    here, (hold_s, then, serve_s) = j.here, plan
    lanes = range(len(j.weight))
    queue, room, cost = [0.0] * len(j.weight), list(j.room_veh), 0.0
    left: list[list[float]] = [[] for _ in lanes]
    stage, clear_at = here.stage, here.change_left
    shows: tuple[int, ...] = (stage,) if clear_at == 0 else ()
    free_at = clear_at + j.least_s[stage] - here.elapsed
    part, ends = "hold", hold_s
    for t in range(here.horizon):
        if clear_at == t:
            shows = (stage,)
        if t >= clear_at and t >= free_at and t >= here.grid_first and (t - here.grid_first) % here.grid == 0:
            target = stage
            if part == "hold" and t >= ends:
                part, target, ends = "serve", then, t + serve_s + j.change_s[stage][then] * (then != stage)
            elif part == "serve" and t >= ends:
                part = "policy"
            if part == "policy":
                target = policy(j, stage, t, queue, room)
            if target != stage:
                clear_at = t + j.change_s[stage][target]
                shows = (stage, target) if clear_at > t else (target,)
                stage, free_at = target, clear_at + j.least_s[target]
        for n in lanes:
            there = queue[n] + j.comes[n][t]
            into_s = t - clear_at + (j.change_s[shows[0]][shows[1]] if len(shows) > 1 else 0)
            out = max(min(green(j, shows, n, into_s), there, room[n]), 0.0)
            left[n].append(out)
            queue[n], room[n] = there - out, room[n] + j.frees_veh_s[n] - out
            cost += j.weight[n] * (queue[n] + here.spill_ratio * max(queue[n] - j.store_veh[n], 0.0))
    ends_with = (j.weight[n] * queue[n] * (here.end_s + here.end_s_per_veh * queue[n]) for n in lanes)
    return cost + sum(ends_with), left


def plans(j: Junction) -> list[Plan]:
    """Return every plan: to stay for ever, and each hold with each other stage and service, both on the grid of choices."""
    grid, run = j.here.grid, j.here.stage
    found: list[Plan] = [(NOT_BEFORE_S, run, 0)]
    for hold, stage, service in product(HOLDS_S, range(j.here.stages), SERVICES_S):
        change_s = j.change_s[run][stage]
        service_s = -(-(change_s + service) // grid) * grid - change_s
        if stage != run and service_s >= j.least_s[stage]:
            found.append((-(-hold // grid) * grid, stage, service_s))
    return found


def least_cost(j: Junction) -> float:
    """Return what the cheapest of all plans costs."""
    return min(played(j, plan)[0] for plan in plans(j))
