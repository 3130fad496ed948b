# SPDX-License-Identifier: Apache-2.0
"""What must never happen at a signal, as small pure checks with the rule beside each.

They judge what lamplighter asks for against what the box reports, by their own path from the installed tables: the
deciders are not read here. A value that is missing or old counts as its worst case: somebody waits. The box itself
keeps the same minimum times once more (EN 12675 requires conflict monitoring in the signal_controller, not here).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.layout import CALL, FOOT, NEAR, Layout
from lamplighter.services.traffic.terms import FAULT, GREEN, YELLOW
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals, Rule
from lamplighter.terms.service import Interlock
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 5.0
BACKUP_S = 120.0  # as installed in the boxes: after so long without a word they run their own programme
WALKING_M_S = 1.2
START, HOLD = "start_stage", "hold_stage"
NEVER_S = 1e9

STAGE = Rule("known stage", "", "stage plan of the intersection", "only stages of the plan may be asked for")
REPORTS = Rule("box reports", "s", "lamplighter traffic 1", "the box has reported its state and its signals lately, and no fault")
RUNNING = Rule("running stage", "stage", "lamplighter traffic 3", "only the running stage can be held")
SETTLED = Rule("no change under way", "groups", "lamplighter traffic 2", "a change that has begun is not turned into another")
INTERGREEN = Rule(
    "intergreen", "s", "RiLSA 2015, 2.5 (intergreen matrix)", "end of one green to start of the conflicting green, as shown"
)
GREEN_MIN = Rule("minimum green", "s", "RiLSA 2015, 2.7 (minimum green)", "no green ends before its minimum")
CLEARANCE = Rule(
    "pedestrian clearance",
    "s",
    "RiLSA 2015, 2.5 (people on foot clear at 1.2 m/s)",
    "between a crossing's green and conflicting traffic its slowest user can clear",
)
RED_MAX = Rule("maximum red", "s", "the city's own bound per signal_group", "nobody waits longer at red, the change included")
BACKUP = Rule("lease within backup time", "s", "backup time installed in the box", "the lease ends before the box gives us up")
CONFLICT = Rule(
    "conflicting greens",
    "pairs",
    "EN 12675 (conflicting signal groups)",
    "all that is asked of an intersection can be green at once",
)


class Installed(NamedTuple):
    """The installed tables as the checks read them: flat groups and stage rows, pairs by box, box of each run position."""

    start: int
    box_of_local: IntArray
    box_local: IntArray
    group_offsets: IntArray
    group_local: IntArray
    stage_offsets: IntArray
    green: BoolArray
    foot: BoolArray
    green_min_s: FloatArray
    red_max_s: FloatArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    crossing_s: FloatArray  # (g,) what the slowest on foot needs at 1.2 m/s; 0 for others
    pair_offsets: IntArray
    pair_from: IntArray
    pair_to: IntArray
    pair_s: FloatArray
    pair_permissive: BoolArray
    asker_local: IntArray  # detectors that tell of waiting people: near areas and call buttons
    asker_call: BoolArray
    asker_group: IntArray  # one entry per detector and group that it serves
    asker_of_group: IntArray
    unwatched: BoolArray  # (g,) groups that no such detector serves


def install(layout: Layout, run_length: int) -> Installed:
    """Return the installed tables of a city. run_length: assets of the service's run."""
    d, groups = layout.detectors, layout.groups
    box_of_local = np.zeros(run_length, np.int64)
    box_of_local[layout.boxes.local] = np.arange(len(layout.boxes.local))
    tells = d.boxed & ((d.role == NEAR) | (d.role == CALL))
    number = np.cumsum(tells) - 1
    row = np.repeat(np.arange(len(d.role)), np.diff(d.group_offsets))
    asks = tells[row]
    unwatched = np.ones(len(groups.box), np.bool_)
    unwatched[d.group[asks]] = False
    return Installed(
        layout.start, box_of_local, layout.boxes.local, groups.offsets, groups.local, layout.stages.offsets,
        layout.stages.green,
        groups.kind == FOOT, groups.green_min_s, groups.red_max_s, groups.yellow_s, groups.red_amber_s,
        groups.crossing_m / WALKING_M_S,
        layout.pairs.offsets, layout.pairs.from_group, layout.pairs.to_group, layout.pairs.intergreen_s,
        layout.pairs.permissive, d.local[tells], d.role[tells] == CALL, d.group[asks], number[row[asks]], unwatched,
    )  # fmt: skip


def _latest(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return value and age in seconds of one quantity at run positions; never known is as old as can be."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.full(len(local), NEVER_S)
    age_s = np.where(column.present[local], snapshot.now_s - column.known_at_s[local], NEVER_S)
    return column.value[local], age_s


def _asked(proposals: Proposals, t: Installed) -> tuple[IntArray, IntArray]:
    """Return the box and the stage number that each row asks for."""
    return t.box_of_local[proposals.asset - t.start], proposals.values["stage"].astype(np.int64)


def _rows(t: Installed, box: IntArray, stage: IntArray) -> IntArray:
    """Return the stage rows, a number that the box does not have being taken for its last."""
    return t.stage_offsets[box] + np.minimum(stage, t.stage_offsets[box + 1] - t.stage_offsets[box] - 1)


def _groups_now(snapshot: Snapshot, t: Installed) -> tuple[IntArray, FloatArray]:
    state, _ = _latest(snapshot, "group_state", t.group_local)
    elapsed_s, _ = _latest(snapshot, "group_elapsed_s", t.group_local)
    return state.astype(np.int64), elapsed_s


def known_stage(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """The stage number exists at this intersection."""
    box, stage = _asked(proposals[0], t)
    last = t.stage_offsets[box + 1] - t.stage_offsets[box] - 1
    return Findings((stage >= 0) & (stage <= last), stage.astype(np.float64), last.astype(np.float64))


def box_reports(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """The box and every one of its groups reported within FRESH_S, and the box is not in fault."""
    box, _ = _asked(proposals[0], t)
    _, age_s = _latest(snapshot, "running_stage", t.box_local)
    mode, _ = _latest(snapshot, "box_mode", t.box_local)
    _, group_age_s = _latest(snapshot, "group_state", t.group_local)
    oldest_s = np.maximum(age_s, np.where(mode == FAULT, NEVER_S, 0.0))
    if len(group_age_s):
        oldest_s = np.maximum(oldest_s, np.maximum.reduceat(group_age_s, t.group_offsets[:-1]))
    return Findings(oldest_s[box] <= FRESH_S, oldest_s[box], np.full(len(box), FRESH_S))


@njit(cache=True)
def _unsettled(t: Installed, box: IntArray, running: IntArray, state: IntArray, found: FloatArray) -> None:
    for i in range(len(box)):
        first = t.group_offsets[box[i]]
        row = t.stage_offsets[box[i]] + running[box[i]]
        for g in range(first, t.group_offsets[box[i] + 1]):
            if (state[g] == GREEN) != t.green[row, g - first]:
                found[i] += 1.0


def settled(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Every group shows what the running stage says; holding on during a change is no second change."""
    box, _ = _asked(proposals[0], t)
    state, _ = _groups_now(snapshot, t)
    running, _ = _latest(snapshot, "running_stage", t.box_local)
    settled_s, _ = _latest(snapshot, "stage_elapsed_s", t.box_local)
    found = np.where(settled_s[box] > 0, 0.0, 1.0)
    _unsettled(t, box, np.minimum(running.astype(np.int64), np.diff(t.stage_offsets) - 1), state, found)
    return Findings(found == 0, found, np.zeros(len(box)))


@njit(cache=True)
def _shortest_interval(t: Installed, box: IntArray, row: IntArray, state: IntArray, elapsed_s: FloatArray,
                       observed: FloatArray, limit: FloatArray) -> None:  # fmt: skip
    """Fill the interval and the intergreen of the pair that lacks most, or of the tightest pair where none lacks."""
    for i in range(len(box)):
        first, b = t.group_offsets[box[i]], box[i]
        lead_s = np.zeros(t.group_offsets[b + 1] - first)
        for n in range(len(lead_s)):
            lead_s[n] = t.red_amber_s[first + n]
        for p in range(t.pair_offsets[b], t.pair_offsets[b + 1]):
            f, g = t.pair_from[p], t.pair_to[p]
            ends = state[f] == GREEN and not t.green[row[i], f - first]
            if ends and t.green[row[i], g - first] and state[g] != GREEN:
                lead_s[g - first] = max(lead_s[g - first], t.pair_s[p])
        worst_s = NEVER_S
        for p in range(t.pair_offsets[b], t.pair_offsets[b + 1]):
            f, g = t.pair_from[p], t.pair_to[p]
            if state[f] == GREEN or state[g] == GREEN or not t.green[row[i], g - first]:
                continue
            since_end_s = elapsed_s[f] + (t.yellow_s[f] if state[f] != YELLOW else 0.0)
            interval_s = since_end_s + lead_s[g - first]
            if interval_s - t.pair_s[p] < worst_s:
                worst_s, observed[i], limit[i] = interval_s - t.pair_s[p], interval_s, t.pair_s[p]


def intergreen(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """From the end of every green, as reported, to the first moment at which a conflicting group could start."""
    box, stage = _asked(proposals[0], t)
    state, elapsed_s = _groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _shortest_interval(t, box, _rows(t, box, stage), state, elapsed_s, observed, limit)
    return Findings(observed >= limit, observed, limit)


@njit(cache=True)
def _shortest_green(t: Installed, box: IntArray, row: IntArray, state: IntArray, elapsed_s: FloatArray,
                    observed: FloatArray, limit: FloatArray) -> None:  # fmt: skip
    for i in range(len(box)):
        first, worst_s = t.group_offsets[box[i]], NEVER_S
        for g in range(first, t.group_offsets[box[i] + 1]):
            left_s = elapsed_s[g] - t.green_min_s[g]
            if state[g] == GREEN and not t.green[row[i], g - first] and left_s < worst_s:
                worst_s, observed[i], limit[i] = left_s, elapsed_s[g], t.green_min_s[g]


def green_min(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Every green that would end has lasted its minimum."""
    box, stage = _asked(proposals[0], t)
    state, elapsed_s = _groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _shortest_green(t, box, _rows(t, box, stage), state, elapsed_s, observed, limit)
    return Findings(observed >= limit, observed, limit)


@njit(cache=True)
def _shortest_clearance(
    t: Installed, box: IntArray, row: IntArray, state: IntArray, observed: FloatArray, limit: FloatArray
) -> None:
    for i in range(len(box)):
        first, worst_s = t.group_offsets[box[i]], NEVER_S
        for p in range(t.pair_offsets[box[i]], t.pair_offsets[box[i] + 1]):
            f, g = t.pair_from[p], t.pair_to[p]
            if not t.foot[f] or t.pair_permissive[p] or t.green[row[i], f - first] or not t.green[row[i], g - first]:
                continue
            if t.pair_s[p] - t.crossing_s[f] < worst_s and state[f] == GREEN:
                worst_s, observed[i], limit[i] = t.pair_s[p] - t.crossing_s[f], t.pair_s[p], t.crossing_s[f]


def clearance(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """What is installed leaves people on foot, who may have started at the last second of green, the time to clear."""
    box, stage = _asked(proposals[0], t)
    state, _ = _groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _shortest_clearance(t, box, _rows(t, box, stage), state, observed, limit)
    return Findings(observed >= limit, observed, limit)


@njit(cache=True)
def _change_s(t: Installed, box: Any, before: Any, after: Any) -> float:  # positions: plain numbers inside a kernel
    """Return how long the change between two stage rows takes: its longest intergreen, or the red-amber alone."""
    first, longest_s = t.group_offsets[box], 0.0
    for g in range(first, t.group_offsets[box + 1]):
        if t.green[after, g - first] and not t.green[before, g - first]:
            longest_s = max(longest_s, t.red_amber_s[g])
    for p in range(t.pair_offsets[box], t.pair_offsets[box + 1]):
        f, g = t.pair_from[p] - first, t.pair_to[p] - first
        if t.green[before, f] and not t.green[after, f] and t.green[after, g] and not t.green[before, g]:
            longest_s = max(longest_s, t.pair_s[p])
    return longest_s


@njit(cache=True)
def _longest_red(t: Installed, box: IntArray, row: IntArray, running: IntArray, state: IntArray, elapsed_s: FloatArray,
                 waits: BoolArray, observed: FloatArray, limit: FloatArray) -> None:  # fmt: skip
    """Fill the longest red that must come about, of a group that waits, if the stage asked for is granted."""
    for i in range(len(box)):
        b, first = box[i], t.group_offsets[box[i]]
        most, most_over_s = -1, -NEVER_S
        for g in range(first, t.group_offsets[b + 1]):
            over_s = elapsed_s[g] - t.red_max_s[g]
            if waits[g] and state[g] != GREEN and over_s > most_over_s:
                most, most_over_s = g, over_s
        if most < 0 or t.green[row[i], most - first]:
            continue  # whoever has waited longest is served: nothing better can be asked for
        stays = row[i] == running[b]
        ahead_s = 0.0
        if not stays:
            ahead_s = _change_s(t, b, running[b], row[i])
            shortest_s = 0.0
            for g in range(first, t.group_offsets[b + 1]):
                if t.green[row[i], g - first] and state[g] != GREEN:
                    shortest_s = max(shortest_s, t.green_min_s[g])
            ahead_s += shortest_s
        else:
            for g in range(first, t.group_offsets[b + 1]):
                if state[g] == GREEN and t.green[row[i], g - first]:
                    ahead_s = max(ahead_s, t.green_min_s[g] - elapsed_s[g])
        soonest_s = NEVER_S
        for other in range(t.stage_offsets[b], t.stage_offsets[b + 1]):
            if t.green[other, most - first]:
                soonest_s = min(soonest_s, _change_s(t, b, row[i], other))
        observed[i], limit[i] = elapsed_s[most] + ahead_s + soonest_s, t.red_max_s[most]
        if stays and ahead_s > 0.0:
            limit[i] = observed[i]  # the box cannot end its greens yet, whatever is asked


def red_max(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Of those who wait, the one nearest to (or furthest past) its bound is served in time, or is served next."""
    box, stage = _asked(proposals[0], t)
    state, elapsed_s = _groups_now(snapshot, t)
    running, _ = _latest(snapshot, "running_stage", t.box_local)
    queue, queue_age_s = _latest(snapshot, "queue_veh", t.asker_local)
    call, call_age_s = _latest(snapshot, "call_waiting", t.asker_local)
    asks = np.where(t.asker_call, (call > 0) | (call_age_s > FRESH_S), (queue > 0) | (queue_age_s > FRESH_S))
    waits = t.unwatched.copy()
    waits[t.asker_group[asks[t.asker_of_group]]] = True
    every = np.arange(len(t.box_local))
    observed, limit = np.zeros(len(box)), np.full(len(box), NEVER_S)
    running_row = _rows(t, every, running.astype(np.int64))
    _longest_red(t, box, _rows(t, box, stage), running_row, state, elapsed_s, waits, observed, limit)
    return Findings(observed <= limit, observed, limit)


def backup(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """The lease is shorter than the time after which the box returns to its own programme by itself."""
    rows = len(proposals[0])
    return Findings(np.full(rows, proposals[0].lease_s < BACKUP_S), np.full(rows, proposals[0].lease_s), np.full(rows, BACKUP_S))


@njit(cache=True)
def _conflicts(t: Installed, box: IntArray, together: BoolArray, found: FloatArray) -> None:
    """Count for every box asked the pairs that would be green together and must not."""
    for k in range(len(box)):
        first = t.group_offsets[box[k]]
        for p in range(t.pair_offsets[box[k]], t.pair_offsets[box[k] + 1]):
            if together[k, t.pair_from[p] - first] and together[k, t.pair_to[p] - first] and not t.pair_permissive[p]:
                found[k] += 1.0


def conflicting_greens(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Everything asked of one intersection in one second, taken together, has no two conflicting greens."""
    asked = [_asked(table, t) for table in proposals if len(table)]
    if not asked:
        return Findings(np.zeros(0, np.bool_), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    box, stage = (np.concatenate([pair[n] for pair in asked]) for n in (0, 1))
    each, member = np.unique(box, return_inverse=True)
    together = np.zeros((len(each), t.green.shape[1]), np.bool_)
    np.logical_or.at(together, member, t.green[_rows(t, box, stage)])
    found = np.zeros(len(each))
    _conflicts(t, each, together, found)
    return Findings(found == 0, found, np.zeros(len(each)), member.astype(np.int64))


def running_stage(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Only the stage that runs, as reported, can be held."""
    box, stage = _asked(proposals[0], t)
    running, _ = _latest(snapshot, "running_stage", t.box_local)
    return Findings(running[box] == stage, stage.astype(np.float64), running[box])


Check = Callable[[Snapshot, tuple[Proposals, ...], Installed], Findings]


def _of_installed(check: Check) -> Callable[[Snapshot, tuple[Proposals, ...], Any], Findings]:
    """Return the check as the gate calls it, with all that the service prepared."""

    def over_prepared(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Any) -> Findings:
        return check(snapshot, proposals, prepared.installed)

    return over_prepared


INTERLOCKS = (
    Interlock(STAGE, (START, HOLD), "row", _of_installed(known_stage)),
    Interlock(REPORTS, (START, HOLD), "row", _of_installed(box_reports)),
    Interlock(RUNNING, (HOLD,), "row", _of_installed(running_stage)),
    Interlock(SETTLED, (START,), "row", _of_installed(settled)),
    Interlock(INTERGREEN, (START,), "row", _of_installed(intergreen)),
    Interlock(GREEN_MIN, (START,), "row", _of_installed(green_min)),
    Interlock(CLEARANCE, (START,), "row", _of_installed(clearance)),
    Interlock(RED_MAX, (START, HOLD), "row", _of_installed(red_max)),
    Interlock(BACKUP, (START, HOLD), "row", _of_installed(backup)),
    Interlock(CONFLICT, (START, HOLD), "set", _of_installed(conflicting_greens)),
)
