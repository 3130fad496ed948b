# SPDX-License-Identifier: Apache-2.0
"""What remains between the planner's choice and a proposal: how a change stands, whether it may begin, bounds, and reasons."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.terms import GREEN, YELLOW
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

HEAVIER, BOUND, PEOPLE, DISCHARGING, FULL, NOBODY = range(6)  # positions in terms.REASONS
ANNOUNCED, BEGINS = 8, 9
NEVER_S = 1e9
THERE = 0.5  # so many vehicles are somebody


class Installed(NamedTuple):
    """What is installed: stages and groups by box, greens (s, m), and what must be kept (g,); intergreens by box (p,)."""

    stage_offsets: IntArray
    group_offsets: IntArray
    green: BoolArray
    green_min_s: FloatArray
    red_max_s: FloatArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    pair_offsets: IntArray
    pair_from: IntArray
    pair_to: IntArray
    pair_s: FloatArray
    change_s: FloatArray


class Scene(NamedTuple):
    """What is shown and who is there, by box (b,) and group (g,): running stage; whether it changes; what groups show and since
    when; vehicles before each group, and those that stand; persons on foot, and announced; for how long somebody has been
    waiting (0: nobody); whether the streets behind it are full."""

    stage: IntArray
    changing: BoolArray
    group_state: IntArray
    group_elapsed_s: FloatArray
    veh: FloatArray
    standing_veh: FloatArray
    walkers_persons: FloatArray
    announced_persons: FloatArray
    waited_s: FloatArray
    full: BoolArray


@njit(cache=True)
def change_left_s(t: Installed, stage: IntArray, changing: BoolArray, state: IntArray, elapsed_s: FloatArray) -> FloatArray:
    """Return how long each box (b,) still needs until the stage is green to which it changes; 0 where it does not change."""
    left_s = np.zeros(len(stage))
    for box in np.flatnonzero(changing):
        first, row = t.group_offsets[box], t.stage_offsets[box] + stage[box]
        left_s[box] = 1.0
        for g in range(first, t.group_offsets[box + 1]):
            if t.green[row, g - first] and state[g] != GREEN:
                left_s[box] = max(left_s[box], t.red_amber_s[g])
        for p in range(t.pair_offsets[box], t.pair_offsets[box + 1]):
            f, g = t.pair_from[p], t.pair_to[p]
            if t.green[row, f - first] or not t.green[row, g - first] or state[g] == GREEN:
                continue
            ended_s = 0.0
            if state[f] != GREEN:
                ended_s = elapsed_s[f] + (0.0 if state[f] == YELLOW else t.yellow_s[f])
            left_s[box] = max(left_s[box], t.pair_s[p] - ended_s)
    return np.ceil(left_s)


@njit(cache=True)
def _soonest_s(t: Installed, box: int, row: int, group: int) -> float:
    """Return how long the change takes from a stage row to the nearest stage that serves a group (flat)."""
    soonest_s, base = NEVER_S, t.stage_offsets[box]
    for other in range(base, t.stage_offsets[box + 1]):
        if t.green[other, group - t.group_offsets[box]]:
            soonest_s = min(soonest_s, t.change_s[row, other - base])
    return soonest_s


@njit(cache=True)
def _busy_s(t: Installed, scene: Scene, box: int, running: int, row: int) -> float:
    """Return for how long at least a box is busy with a stage row that is held, or started, now."""
    first, ahead_s, shortest_s = t.group_offsets[box], 1.0, 0.0
    if row != running:
        ahead_s = t.change_s[running, row - t.stage_offsets[box]]
    for g in range(first, t.group_offsets[box + 1]):
        if t.green[row, g - first]:
            if row == running:
                ahead_s = max(ahead_s, t.green_min_s[g] - scene.group_elapsed_s[g])
            elif scene.group_state[g] != GREEN:
                shortest_s = max(shortest_s, t.green_min_s[g])
    return ahead_s + shortest_s


@njit(cache=True)
def keep_bounds(t: Installed, scene: Scene, chosen: IntArray, because: IntArray) -> None:
    """Turn a choice that cannot be followed in time by whoever is nearest to, or furthest beyond, the bound on red."""
    for box in range(len(chosen)):
        first, base = t.group_offsets[box], t.stage_offsets[box]
        most, least_left_s = -1, NEVER_S
        for g in range(first, t.group_offsets[box + 1]):
            if scene.waited_s[g] > 0.0 and t.red_max_s[g] - scene.waited_s[g] < least_left_s:
                most, least_left_s = g, t.red_max_s[g] - scene.waited_s[g]
        row = base + chosen[box]
        if scene.changing[box] or most < 0 or t.green[row, most - first]:
            continue
        running = base + scene.stage[box]
        ahead_s = _busy_s(t, scene, box, running, row)
        if ahead_s + _soonest_s(t, box, row, most) <= least_left_s:
            continue
        best = chosen[box]
        for other in range(base, t.stage_offsets[box + 1]):
            nearer = best == chosen[box] or t.change_s[running, other - base] < t.change_s[running, best]
            if t.green[other, most - first] and nearer:
                best = other - base
        chosen[box], because[box] = best, BOUND


@njit(cache=True)
def free(t: Installed, scene: Scene, chosen: IntArray) -> BoolArray:
    """Return the boxes (b,) whose change may begin now: none is under way, and what would end has had its minimum green."""
    ready = ~scene.changing
    for box in range(len(chosen)):
        first = t.group_offsets[box]
        row, target = t.stage_offsets[box] + scene.stage[box], t.stage_offsets[box] + chosen[box]
        for g in range(first, t.group_offsets[box + 1]):
            shows_green = scene.group_state[g] == GREEN
            ready[box] = ready[box] and shows_green == t.green[row, g - first]
            if shows_green and not t.green[target, g - first]:
                ready[box] = ready[box] and scene.group_elapsed_s[g] >= t.green_min_s[g]
    return ready


@njit(cache=True)
def say_why(t: Installed, scene: Scene, chosen: IntArray, because: IntArray) -> None:
    """Put the reason into the terms of the service. A change that a bound demanded keeps that reason."""
    for box in range(len(chosen)):
        first = t.group_offsets[box]
        row, target = t.stage_offsets[box] + scene.stage[box], t.stage_offsets[box] + chosen[box]
        here, there, walkers_persons, announced_persons, waits, full = 0.0, 0.0, 0.0, 0.0, False, False
        for g in range(first, t.group_offsets[box + 1]):
            runs, comes = t.green[row, g - first], t.green[target, g - first]
            if runs:
                here += scene.veh[g] + scene.walkers_persons[g] + scene.announced_persons[g]
                full = full or (scene.full[g] and not comes)
            elif scene.standing_veh[g] > 0.0 or scene.walkers_persons[g] > 0.0 or scene.announced_persons[g] > 0.0:
                waits = True
            if comes and not runs:
                there += scene.veh[g]
                walkers_persons += scene.walkers_persons[g]
                announced_persons += scene.announced_persons[g]
        if row == target:
            because[box] = NOBODY if not waits else DISCHARGING if here > 0.0 else BEGINS
        elif because[box] != BOUND:
            because[box] = HEAVIER
            if full:
                because[box] = FULL
            elif announced_persons > there + walkers_persons:
                because[box] = ANNOUNCED
            elif walkers_persons > 0.0 and here < THERE and there < THERE:
                because[box] = PEOPLE
