# SPDX-License-Identifier: Apache-2.0
"""The rule itself, one intersection after the other, over arrays: which stage should run, and why."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.adaptive.survey import Survey
from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

HEAVIER, BOUND, PEOPLE, DISCHARGING, FULL, NOBODY = range(6)  # positions in terms.REASONS

SERVICE_S = np.array([4.0, 7.0, 11.0, 16.0, 22.0, 30.0, 40.0])  # how long a service may be, as weighed
START_UP_S = 2.0  # green lost until a standing queue discharges at full rate (HBS 2015, S4)
APPROACH_M_S = 10.0
WAY_BACK_RATIO = 0.5  # share of the change back that counts against leaving the running stage
KEEP_RATIO = 1.1  # another stage must be better by so much: a tie does not end a green
PEOPLE_PER_CALL = 1.0
PEOPLE_PER_WAIT_S = 1.0 / 30.0  # a call that stands longer has more people behind it
PEOPLE_MAX = 5.0
FULL_RATIO = 0.85  # an exit this full of standing vehicles takes no more


class Bounds(NamedTuple):
    """What the rule must keep: green (s, m) by stage row, green_min_s and red_max_s (g,)."""

    green: BoolArray
    green_min_s: FloatArray
    red_max_s: FloatArray


class Scene(NamedTuple):
    """What is seen now. able (b,): deciding is possible; stage (b,); group_state, group_elapsed_s (g,); per lane (l,)
    vehicles near and far, standing and in all, and the rate of arrivals; call (c,); exit_veh, exit_queue (e,)."""

    able: BoolArray
    stage: IntArray
    group_state: IntArray
    group_elapsed_s: FloatArray
    near_veh: FloatArray
    near_queue: FloatArray
    far_veh: FloatArray
    far_queue: FloatArray
    rate_veh_s: FloatArray
    call: BoolArray
    exit_veh: FloatArray
    exit_queue: FloatArray


class Choice(NamedTuple):
    """What was chosen (b,): stage, reason, and whether the change may begin now (minimum greens are over)."""

    stage: IntArray
    because: IntArray
    free: BoolArray


@njit(cache=True)
def _arrived(survey: Survey, scene: Scene, lane: int, within_s: float) -> float:
    """Return the vehicles that stand at, or reach, the stop line of a lane within some seconds."""
    near_s, far_s = survey.lanes.near_m[lane] / APPROACH_M_S, survey.lanes.far_m[lane] / APPROACH_M_S
    standing = scene.near_queue[lane] + scene.far_queue[lane]
    arrived = standing + (scene.near_veh[lane] - scene.near_queue[lane]) * min(1.0, within_s / max(near_s, 1.0))
    if within_s > near_s and far_s > 0:
        arrived += (scene.far_veh[lane] - scene.far_queue[lane]) * min(1.0, (within_s - near_s) / far_s)
    return arrived + scene.rate_veh_s[lane] * max(0.0, within_s - near_s - far_s)


@njit(cache=True)
def _blocked(survey: Survey, scene: Scene, box: int, share: FloatArray) -> None:
    """Fill share (groups of the box): how much of what a group feeds is full."""
    first = survey.group_offsets[box]
    share[:] = 0.0
    exits = np.zeros(len(share))
    for e in range(survey.exit_offsets[box], survey.exit_offsets[box + 1]):
        full = scene.exit_veh[e] >= FULL_RATIO * survey.exit_room_veh[e] and scene.exit_queue[e] >= 0.5 * scene.exit_veh[e]
        for i in range(survey.exit_group_offsets[e], survey.exit_group_offsets[e + 1]):
            exits[survey.exit_group[i] - first] += 1.0
            share[survey.exit_group[i] - first] += 1.0 if full and scene.exit_veh[e] > 0 else 0.0
    for n in range(len(share)):
        if exits[n] > 0:
            share[n] /= exits[n]


@njit(cache=True)
def _vehicles(survey: Survey, scene: Scene, box: int, row: int, start_s: float, service_s: float, blocked: FloatArray) -> float:
    """Return the vehicles that a stage serves if its green begins after start_s and lasts service_s."""
    lanes, first = survey.lanes, survey.group_offsets[box]
    total, place = 0.0, survey.serves_offsets[row]
    lost_s = START_UP_S if start_s > 0 else 0.0
    for lane in range(lanes.offsets[box], lanes.offsets[box + 1]):
        share = survey.serves[place]
        place += 1
        if share <= 0:
            continue
        many, full = 0, 0.0
        for i in range(lanes.group_offsets[lane], lanes.group_offsets[lane + 1]):
            many += 1
            full += blocked[lanes.group[i] - first]
        share *= 1.0 - full / max(many, 1)
        room = lanes.saturation_veh_s[lane] * share * max(0.0, service_s - lost_s)
        total += min(room, _arrived(survey, scene, lane, start_s + service_s))
    return total


@njit(cache=True)
def _demands(survey: Survey, scene: Scene, box: int, waits: BoolArray, people: FloatArray) -> None:
    """Fill waits (groups of the box): somebody is before a red of this group; people: how many on foot, as assumed."""
    first = survey.group_offsets[box]
    waits[:] = False
    people[:] = 0.0
    for lane in range(survey.lanes.offsets[box], survey.lanes.offsets[box + 1]):
        if scene.near_veh[lane] > 0:
            for i in range(survey.lanes.group_offsets[lane], survey.lanes.group_offsets[lane + 1]):
                g = survey.lanes.group[i]
                waits[g - first] = waits[g - first] or scene.group_state[g] != GREEN
    for c in range(survey.call_offsets[box], survey.call_offsets[box + 1]):
        if scene.call[c]:
            for i in range(survey.call_group_offsets[c], survey.call_group_offsets[c + 1]):
                g = survey.call_group[i]
                if scene.group_state[g] != GREEN:
                    waits[g - first] = True
                    more = PEOPLE_PER_CALL + scene.group_elapsed_s[g] * PEOPLE_PER_WAIT_S
                    people[g - first] += min(more, PEOPLE_MAX)


@njit(cache=True)
def _most_overdue(survey: Survey, bounds: Bounds, scene: Scene, box: int, waits: BoolArray) -> int:
    """Return the group of the box whose bound on red presses most, or the number of groups where none presses yet."""
    first, base = survey.group_offsets[box], survey.stage_offsets[box]
    stages, running = survey.stage_offsets[box + 1] - base, base + scene.stage[box]
    others = 0
    for s in range(base, base + stages):
        for n in range(len(waits)):
            if waits[n] and bounds.green[s, n]:
                others += 1
                break
    longest_s = 0.0
    for s in range(stages):
        longest_s = max(longest_s, survey.change_s[running, s])
    turn_s = longest_s + 8.0
    best, best_left_s = len(waits), turn_s * (1.0 + max(others - 1, 0))
    for n in range(len(waits)):
        if waits[n]:
            left_s = bounds.red_max_s[first + n] - scene.group_elapsed_s[first + n]
            if left_s < best_left_s:
                best, best_left_s = n, left_s
    return best


@njit(cache=True)
def _weigh(survey: Survey, bounds: Bounds, scene: Scene, box: int, row: int, people: FloatArray, blocked: FloatArray) -> tuple[float, float]:
    """Return the priority index of a stage, and how much of what it would serve is on foot."""
    base = survey.stage_offsets[box]
    running = base + scene.stage[box]
    start_s = survey.change_s[running, row - base] if row != running else 0.0
    back_s = WAY_BACK_RATIO * survey.change_s[row, running - base] if row != running else 0.0
    on_foot = 0.0
    for n in range(len(people)):
        if bounds.green[row, n]:
            on_foot += people[n]
    best = 0.0
    for service_s in SERVICE_S:
        served = on_foot + _vehicles(survey, scene, box, row, start_s, service_s, blocked)
        best = max(best, served / (start_s + service_s + back_s))
    return best, on_foot


@njit(cache=True)
def _choose_one(survey: Survey, bounds: Bounds, scene: Scene, box: int, waits: BoolArray, people: FloatArray,
                blocked: FloatArray) -> tuple[int, int]:  # fmt: skip
    base, running = survey.stage_offsets[box], scene.stage[box]
    _demands(survey, scene, box, waits, people)
    _blocked(survey, scene, box, blocked)
    overdue = _most_overdue(survey, bounds, scene, box, waits)
    pressed = overdue < len(waits)
    keep, _ = _weigh(survey, bounds, scene, box, base + running, people, blocked)
    best, best_index, because = running, keep * KEEP_RATIO, NOBODY if keep < 0.05 else DISCHARGING
    if pressed and not bounds.green[base + running, overdue]:
        best_index = -1.0
    for s in range(survey.stage_offsets[box + 1] - base):
        if s == running or (pressed and not bounds.green[base + s, overdue]):
            continue
        index, on_foot = _weigh(survey, bounds, scene, box, base + s, people, blocked)
        if index > best_index:
            best, best_index = s, index
            because = PEOPLE if on_foot > 0 and keep < 0.05 else HEAVIER
    if best != running:
        if pressed:
            because = BOUND
        elif blocked.max() > 0 and because == HEAVIER:
            for n in range(len(blocked)):
                if blocked[n] > 0.5 and bounds.green[base + running, n]:
                    because = FULL
    return best, because


@njit(cache=True)
def choose(survey: Survey, bounds: Bounds, scene: Scene) -> Choice:
    """Return the stage that each intersection should run, and why. Where deciding is not possible: the running one."""
    boxes = len(scene.able)
    stage, because, free = scene.stage.copy(), np.full(boxes, NOBODY), np.zeros(boxes, np.bool_)
    widest = bounds.green.shape[1]
    waits, people, blocked = np.zeros(widest, np.bool_), np.zeros(widest), np.zeros(widest)
    for box in range(boxes):
        if not scene.able[box]:
            continue
        first = survey.group_offsets[box]
        many = survey.group_offsets[box + 1] - first
        stage[box], because[box] = _choose_one(survey, bounds, scene, box, waits[:many], people[:many], blocked[:many])
        row, target = survey.stage_offsets[box] + scene.stage[box], survey.stage_offsets[box] + stage[box]
        ready = True
        for n in range(many):
            shows_green = scene.group_state[first + n] == GREEN
            ready = ready and shows_green == bounds.green[row, n]
            if shows_green and not bounds.green[target, n]:
                ready = ready and scene.group_elapsed_s[first + n] >= bounds.green_min_s[first + n]
        free[box] = ready
    return Choice(stage, because, free)
