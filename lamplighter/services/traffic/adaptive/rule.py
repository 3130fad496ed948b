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
TURN_S = 10.0  # a turn of service besides its change: beyond the sum of all turns no bound can press yet
MARGIN_S = 3.0  # kept between a bound and the plan that keeps it: what was told takes a moment to show
NEVER_S = 1e9
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
    """What is chosen (b,): stage, reason, and whether the change may begin now (minimum greens are over)."""

    stage: IntArray
    because: IntArray
    free: BoolArray


# Each kernel below goes over the whole city and takes its columns out of the tuples once: handing a tuple of columns to a
# function per intersection would cost more than the rule itself.


@njit(cache=True)
def _demands(survey: Survey, scene: Scene, waits: BoolArray, people: FloatArray, blocked: FloatArray) -> None:
    """Fill, per group (g,): somebody is before its red; how many on foot, as assumed; how much of what it feeds is full."""
    lanes, state, elapsed_s = survey.lanes, scene.group_state, scene.group_elapsed_s
    near_queue_veh, group_offsets, group = scene.near_queue_veh, lanes.group_offsets, lanes.group
    for g in range(len(waits)):
        if survey.unwatched[g] and state[g] != GREEN:  # nobody is seen there, so somebody is taken to wait
            waits[g] = True
            people[g] += min(elapsed_s[g] * PEOPLE_PER_WAIT_S, PEOPLE_MAX)
    for lane in range(len(near_queue_veh)):
        if near_queue_veh[lane] > 0:
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
def _shortest_s(bounds: Bounds, scene: Scene, groups: tuple[int, int], row: int) -> float:
    """Return for how long a stage must run once it has begun: the longest minimum green of the groups that it starts."""
    longest_s = 1.0
    for g in range(groups[0], groups[1]):
        if bounds.green[row, g - groups[0]] and scene.group_state[g] != GREEN:
            longest_s = max(longest_s, bounds.green_min_s[g])
    return longest_s


@njit(cache=True)
def _late_s(survey: Survey, bounds: Bounds, scene: Scene, left_s: FloatArray, box: int, row: int) -> float:
    """Return by how much somebody's bound would be missed (negative: kept by so much) if this stage row ran next and
    then, each as short as may be, the stages of those who wait, nearest bound first. left_s (g,): until each bound;
    as far away as can be where nobody waits."""
    base, first, last = survey.stage_offsets[box], survey.group_offsets[box], survey.group_offsets[box + 1]
    at, after_s, worst_s = base + scene.stage[box], 0.0, -NEVER_S
    served = np.zeros(last - first, np.bool_)
    if row == at:
        after_s = 1.0
        for g in range(first, last):
            if scene.group_state[g] == GREEN:
                after_s = max(after_s, bounds.green_min_s[g] - scene.group_elapsed_s[g])
        served[:] = bounds.green[row, : last - first]
    target = row
    for _ in range(last - first + 1):
        if target != at or not served.any():
            after_s += survey.change_s[at, target - base]
            for g in range(first, last):
                if bounds.green[target, g - first] and not served[g - first]:
                    worst_s = max(worst_s, after_s - left_s[g])
                    served[g - first] = True
            after_s += _shortest_s(bounds, scene, (first, last), target)
            at = target
        most = -1
        for g in range(first, last):
            if not served[g - first] and left_s[g] < NEVER_S and (most < 0 or left_s[g] < left_s[most]):
                most = g
        if most < 0:
            break
        for other in range(base, survey.stage_offsets[box + 1]):
            nearer = target == at or survey.change_s[at, other - base] < survey.change_s[at, target - base]
            if bounds.green[other, most - first] and nearer:
                target = other
        if target == at:
            break
    return worst_s


@njit(cache=True)
def _in_time(survey: Survey, bounds: Bounds, scene: Scene, waits: BoolArray, allowed: BoolArray) -> None:
    """Unset the stage rows that would let somebody wait beyond the bound; where every row would, all rows but those that
    serve whoever is nearest to it, or furthest beyond."""
    group_offsets, stage_offsets, green = survey.group_offsets, survey.stage_offsets, bounds.green
    left_s = np.where(waits, bounds.red_max_s - scene.group_elapsed_s, NEVER_S)
    for box in range(len(scene.stage)):
        first, base, last_row = group_offsets[box], stage_offsets[box], stage_offsets[box + 1]
        most, turns_s = -1, MARGIN_S
        for g in range(first, group_offsets[box + 1]):
            if left_s[g] < NEVER_S and (most < 0 or left_s[g] < left_s[most]):
                most = g
        for row in range(base, last_row):
            turns_s += 2.0 * survey.change_s[base + scene.stage[box], row - base] + TURN_S
        if most < 0 or left_s[most] > turns_s:
            continue
        any_allowed = False
        for row in range(base, last_row):
            allowed[row] = _late_s(survey, bounds, scene, left_s, box, row) <= -MARGIN_S
            any_allowed = any_allowed or allowed[row]
        if not any_allowed:
            for row in range(base, last_row):
                allowed[row] = green[row, most - first]


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
def _pick(survey: Survey, scene: Scene, allowed: BoolArray, index: FloatArray, on_foot: FloatArray, choice: Choice) -> None:
    """Fill, per box, the stage of the highest index among those that may be chosen, and why."""
    stage_offsets, able, stage, because = survey.stage_offsets, scene.able, choice.stage, choice.because
    for box in range(len(able)):
        if not able[box]:
            continue
        base, running = stage_offsets[box], stage_offsets[box] + scene.stage[box]
        keep = index[running]
        best, best_index = running, keep * KEEP_RATIO
        because[box] = NOBODY if keep < QUIET_PER_S else DISCHARGING
        if not allowed[running]:
            best_index = -1.0
        heaviest, heaviest_index = running, keep * KEEP_RATIO
        for row in range(base, stage_offsets[box + 1]):
            if row == running:
                continue
            if index[row] > heaviest_index:
                heaviest, heaviest_index = row, index[row]
            if allowed[row] and index[row] > best_index:
                best, best_index = row, index[row]
                because[box] = PEOPLE if on_foot[row] > 0 and keep < QUIET_PER_S else HEAVIER
        if best != heaviest:
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
    allowed = np.ones(rows, np.bool_)
    _in_time(survey, bounds, scene, waits, allowed)
    open_share, on_foot, index = np.ones(len(scene.near_veh)), np.zeros(rows), np.zeros(rows)
    if blocked.any():
        _blocked_lanes(survey, blocked, open_share)
    _on_foot(survey, bounds, people, on_foot)
    _weigh(survey, scene, open_share, on_foot, index)
    choice = Choice(scene.stage.copy(), np.full(boxes, NOBODY, np.int64), np.zeros(boxes, np.bool_))
    _pick(survey, scene, allowed, index, on_foot, choice)
    _free(survey, bounds, scene, blocked, choice)
    return choice
