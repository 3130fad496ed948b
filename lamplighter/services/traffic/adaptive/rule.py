# SPDX-License-Identifier: Apache-2.0
"""The rule itself, over the columns of a whole city: which stage should run at each intersection, and why."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.adaptive.survey import Survey
from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

HEAVIER, BOUND, PEOPLE, DISCHARGING, FULL, NOBODY = range(6)  # positions in terms.REASONS

SERVICE_S = np.array([4.0, 7.0, 11.0, 16.0, 22.0, 30.0, 40.0])  # how long a service may be, as weighed
START_UP_S = 2.0  # green lost until a standing queue discharges at full rate (HBS 2015, S4)
WAY_BACK_RATIO = 0.5  # share of the change back that counts against leaving the running stage
KEEP_RATIO = 1.1  # another stage must be better by so much: a tie does not end a green
PEOPLE_PER_CALL = 1.0
PEOPLE_PER_WAIT_S = 1.0 / 30.0  # a call that stands longer has more people behind it
PEOPLE_MAX = 5.0
TURN_S = 8.0  # a turn of service besides its change, when several press at once
QUIET_PER_S = 0.05  # below so many served per second the running stage serves nobody
FULL_RATIO = 0.85  # an exit this full of standing vehicles takes no more


class Bounds(NamedTuple):
    """What the rule must keep: green (s, m) by stage row, green_min_s and red_max_s (g,)."""

    green: BoolArray
    green_min_s: FloatArray
    red_max_s: FloatArray


class Scene(NamedTuple):
    """What is seen now. able (b,): deciding is possible; stage (b,); group_state, group_elapsed_s (g,); per lane (l,)
    vehicles near and far, standing and in all, and the rate of arrivals; call (c,); exit_veh, exit_queue_veh (e,)."""

    able: BoolArray
    stage: IntArray
    group_state: IntArray
    group_elapsed_s: FloatArray
    near_veh: FloatArray
    near_queue_veh: FloatArray
    far_veh: FloatArray
    far_queue_veh: FloatArray
    rate_veh_s: FloatArray
    call: BoolArray
    exit_veh: FloatArray
    exit_queue_veh: FloatArray


class Choice(NamedTuple):
    """What was chosen (b,): stage, reason, and whether the change may begin now (minimum greens are over)."""

    stage: IntArray
    because: IntArray
    free: BoolArray


# Each kernel below goes over the whole city and takes its columns out of the tuples once: handing a tuple of columns to a
# function per intersection would cost more than the rule itself.


@njit(cache=True)
def _demands(survey: Survey, scene: Scene, waits: BoolArray, people: FloatArray, blocked: FloatArray) -> None:
    """Fill, per group (g,): somebody is before its red; how many on foot, as assumed; how much of what it feeds is full."""
    lanes, state, elapsed_s = survey.lanes, scene.group_state, scene.group_elapsed_s
    near_veh, group_offsets, group = scene.near_veh, lanes.group_offsets, lanes.group
    for lane in range(len(near_veh)):
        if near_veh[lane] > 0:
            for i in range(group_offsets[lane], group_offsets[lane + 1]):
                waits[group[i]] = waits[group[i]] or state[group[i]] != GREEN
    call, call_group_offsets, call_group = scene.call, survey.call_group_offsets, survey.call_group
    for c in range(len(call)):
        if call[c]:
            for i in range(call_group_offsets[c], call_group_offsets[c + 1]):
                g = call_group[i]
                if state[g] != GREEN:
                    waits[g] = True
                    people[g] += min(PEOPLE_PER_CALL + elapsed_s[g] * PEOPLE_PER_WAIT_S, PEOPLE_MAX)
    exits = np.zeros(len(blocked))
    exit_group_offsets, exit_group = survey.exit_group_offsets, survey.exit_group
    exit_veh, exit_queue_veh, room_veh = scene.exit_veh, scene.exit_queue_veh, survey.exit_room_veh
    for e in range(len(exit_veh)):
        full = exit_veh[e] >= FULL_RATIO * room_veh[e] and exit_queue_veh[e] >= 0.5 * exit_veh[e] > 0
        for i in range(exit_group_offsets[e], exit_group_offsets[e + 1]):
            exits[exit_group[i]] += 1.0
            blocked[exit_group[i]] += 1.0 if full else 0.0
    for g in range(len(blocked)):
        if exits[g] > 1.0:
            blocked[g] /= exits[g]


@njit(cache=True)
def _overdue(survey: Survey, bounds: Bounds, scene: Scene, waits: BoolArray, pressing: IntArray) -> None:
    """Fill, per box, the group whose bound on red presses most; the number of all groups where none presses yet."""
    group_offsets, stage_offsets, change_s = survey.group_offsets, survey.stage_offsets, survey.change_s
    green, red_max_s, elapsed_s, stage = bounds.green, bounds.red_max_s, scene.group_elapsed_s, scene.stage
    for box in range(len(stage)):
        first, last, base = group_offsets[box], group_offsets[box + 1], stage_offsets[box]
        others, longest_s = 0, 0.0
        for row in range(base, stage_offsets[box + 1]):
            longest_s = max(longest_s, change_s[base + stage[box], row - base])
            for g in range(first, last):
                if waits[g] and green[row, g - first]:
                    others += 1
                    break
        best_left_s = (longest_s + TURN_S) * (1.0 + max(others - 1, 0))
        for g in range(first, last):
            if waits[g] and red_max_s[g] - elapsed_s[g] < best_left_s:
                pressing[box], best_left_s = g, red_max_s[g] - elapsed_s[g]


@njit(cache=True)
def _blocked_lanes(survey: Survey, blocked: FloatArray, open_share: FloatArray) -> None:
    """Fill, per lane, the share of what lies behind its groups that is not full."""
    group_offsets, group = survey.lanes.group_offsets, survey.lanes.group
    for lane in range(len(open_share)):
        full, many = 0.0, 0
        for i in range(group_offsets[lane], group_offsets[lane + 1]):
            full += blocked[group[i]]
            many += 1
        open_share[lane] = 1.0 - full / max(many, 1)


@njit(cache=True)
def _weigh(survey: Survey, scene: Scene, open_share: FloatArray, on_foot: FloatArray, index: FloatArray) -> None:
    """Fill the priority index of every stage row: people served per second of service and change, at its best length."""
    lanes, stage_offsets, change_s, stage = survey.lanes, survey.stage_offsets, survey.change_s, scene.stage
    serves_offsets, serves_share, lane_offsets = survey.serves_offsets, survey.serves_share, lanes.offsets
    near_s, far_s, saturation = lanes.near_s, lanes.far_s, lanes.saturation_veh_s
    near_veh, near_queue_veh = scene.near_veh, scene.near_queue_veh
    far_veh, far_queue_veh, rate = scene.far_veh, scene.far_queue_veh, scene.rate_veh_s
    served = np.zeros(len(SERVICE_S))
    for box in range(len(stage)):
        base, running = stage_offsets[box], stage_offsets[box] + stage[box]
        for row in range(base, stage_offsets[box + 1]):
            start_s, back_s, lost_s = 0.0, 0.0, 0.0
            if row != running:
                start_s, lost_s = change_s[running, row - base], START_UP_S
                back_s = WAY_BACK_RATIO * change_s[row, running - base]
            served[:] = on_foot[row]
            seen = on_foot[row] > 0
            for lane in range(lane_offsets[box], lane_offsets[box + 1]):
                share = serves_share[serves_offsets[row] + lane - lane_offsets[box]] * open_share[lane]
                if share <= 0 or near_veh[lane] + far_veh[lane] <= 0:
                    continue
                seen = True
                standing = near_queue_veh[lane] + far_queue_veh[lane]
                near_moving, far_moving = near_veh[lane] - near_queue_veh[lane], far_veh[lane] - far_queue_veh[lane]
                for k in range(len(SERVICE_S)):
                    within_s = start_s + SERVICE_S[k]
                    beyond_s = within_s - near_s[lane]
                    arrived = standing + (near_moving if beyond_s >= 0 else near_moving * within_s / near_s[lane])
                    if beyond_s > 0:
                        arrived += far_moving if beyond_s >= far_s[lane] else far_moving * beyond_s / far_s[lane]
                        arrived += rate[lane] * max(0.0, beyond_s - far_s[lane])
                    served[k] += min(saturation[lane] * share * max(0.0, SERVICE_S[k] - lost_s), arrived)
            if seen:
                for k in range(len(SERVICE_S)):
                    index[row] = max(index[row], served[k] / (start_s + SERVICE_S[k] + back_s))


@njit(cache=True)
def _on_foot(survey: Survey, bounds: Bounds, people: FloatArray, on_foot: FloatArray) -> None:
    """Fill, per stage row, how many people on foot it would let go."""
    group_offsets, stage_offsets, green = survey.group_offsets, survey.stage_offsets, bounds.green
    for box in range(len(group_offsets) - 1):
        first = group_offsets[box]
        for row in range(stage_offsets[box], stage_offsets[box + 1]):
            for g in range(first, group_offsets[box + 1]):
                if people[g] > 0 and green[row, g - first]:
                    on_foot[row] += people[g]


@njit(cache=True)
def _pick(survey: Survey, bounds: Bounds, scene: Scene, pressing: IntArray, index: FloatArray, on_foot: FloatArray,
          stage: IntArray, because: IntArray) -> None:  # fmt: skip
    """Fill, per box, the stage of the highest index among those that may be chosen, and why."""
    group_offsets, stage_offsets, green, able = survey.group_offsets, survey.stage_offsets, bounds.green, scene.able
    for box in range(len(able)):
        if not able[box]:
            continue
        first, base, running = group_offsets[box], stage_offsets[box], stage_offsets[box] + scene.stage[box]
        pressed = pressing[box] < len(scene.group_state)
        keep = index[running]
        best, best_index = running, keep * KEEP_RATIO
        because[box] = NOBODY if keep < QUIET_PER_S else DISCHARGING
        if pressed and not green[running, pressing[box] - first]:
            best_index = -1.0
        for row in range(base, stage_offsets[box + 1]):
            if row == running or (pressed and not green[row, pressing[box] - first]):
                continue
            if index[row] > best_index:
                best, best_index = row, index[row]
                because[box] = PEOPLE if on_foot[row] > 0 and keep < QUIET_PER_S else HEAVIER
        if best != running and pressed:
            because[box] = BOUND
        stage[box] = best - base


@njit(cache=True)
def _free(survey: Survey, bounds: Bounds, scene: Scene, blocked: FloatArray, choice: Choice) -> None:
    """Fill, per box, whether a change may begin now; name a full street where that is why the running stage ends."""
    group_offsets, stage_offsets, green, green_min_s = (
        survey.group_offsets,
        survey.stage_offsets,
        bounds.green,
        bounds.green_min_s,
    )
    state, elapsed_s, stage, because, free = scene.group_state, scene.group_elapsed_s, choice.stage, choice.because, choice.free
    for box in range(len(stage)):
        first = group_offsets[box]
        row, target = stage_offsets[box] + scene.stage[box], stage_offsets[box] + stage[box]
        ready = scene.able[box]
        for g in range(first, group_offsets[box + 1]):
            shows_green = state[g] == GREEN
            ready = ready and shows_green == green[row, g - first]
            if shows_green and not green[target, g - first]:
                ready = ready and elapsed_s[g] >= green_min_s[g]
                if because[box] == HEAVIER and blocked[g] > 0.5:
                    because[box] = FULL
        free[box] = ready


def choose(survey: Survey, bounds: Bounds, scene: Scene) -> Choice:
    """Return the stage that each intersection should run, and why. Where deciding is not possible: the running one."""
    boxes, groups, rows = len(scene.able), len(scene.group_state), len(bounds.green)
    waits, people, blocked = np.zeros(groups, np.bool_), np.zeros(groups), np.zeros(groups)
    _demands(survey, scene, waits, people, blocked)
    pressing = np.full(boxes, groups, np.int64)
    _overdue(survey, bounds, scene, waits, pressing)
    open_share, on_foot, index = np.ones(len(scene.near_veh)), np.zeros(rows), np.zeros(rows)
    if blocked.any():
        _blocked_lanes(survey, blocked, open_share)
    _on_foot(survey, bounds, people, on_foot)
    _weigh(survey, scene, open_share, on_foot, index)
    choice = Choice(scene.stage.copy(), np.full(boxes, NOBODY, np.int64), np.zeros(boxes, np.bool_))
    _pick(survey, bounds, scene, pressing, index, on_foot, choice.stage, choice.because)
    _free(survey, bounds, scene, blocked, choice)
    return choice
