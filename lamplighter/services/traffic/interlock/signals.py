# SPDX-License-Identifier: Apache-2.0
"""What signals must never do: a stage that is not there, a change within a change, too short a green or intergreen."""

import numpy as np
from numba import njit

from lamplighter.services.traffic.interlock.installed import NEVER_S, Installed, asked, groups_now, latest, rows
from lamplighter.services.traffic.terms import FAULT, GREEN, YELLOW
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 5.0
BACKUP_S = 120.0  # as installed in the boxes: after so long without a word they run their own programme


def known_stage(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """The stage number exists at this intersection."""
    box, stage = asked(proposals[0], t)
    last = t.stage_offsets[box + 1] - t.stage_offsets[box] - 1
    return Findings((stage >= 0) & (stage <= last), stage.astype(np.float64), last.astype(np.float64))


def box_reports(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """The box and every one of its groups reported within FRESH_S, and the box is not in fault."""
    box, _ = asked(proposals[0], t)
    _, age_s = latest(snapshot, "running_stage", t.box_local)
    mode, _ = latest(snapshot, "box_mode", t.box_local)
    _, group_age_s = latest(snapshot, "group_state", t.group_local)
    oldest_s = np.maximum(age_s, np.where(mode == FAULT, NEVER_S, 0.0))
    np.maximum.at(oldest_s, np.repeat(np.arange(len(age_s)), np.diff(t.group_offsets)), group_age_s)
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
    box, _ = asked(proposals[0], t)
    state, _ = groups_now(snapshot, t)
    running, _ = latest(snapshot, "running_stage", t.box_local)
    settled_s, _ = latest(snapshot, "stage_elapsed_s", t.box_local)
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
    box, stage = asked(proposals[0], t)
    state, elapsed_s = groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _shortest_interval(t, box, rows(t, box, stage), state, elapsed_s, observed, limit)
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
    box, stage = asked(proposals[0], t)
    state, elapsed_s = groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _shortest_green(t, box, rows(t, box, stage), state, elapsed_s, observed, limit)
    return Findings(observed >= limit, observed, limit)


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
    wishes = [asked(table, t) for table in proposals if len(table)]
    if not wishes:
        return Findings(np.zeros(0, np.bool_), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    box, stage = (np.concatenate([pair[n] for pair in wishes]) for n in (0, 1))
    each, member = np.unique(box, return_inverse=True)
    together = np.zeros((len(each), t.green.shape[1]), np.bool_)
    np.logical_or.at(together, member, t.green[rows(t, box, stage)])
    found = np.zeros(len(each))
    _conflicts(t, each, together, found)
    return Findings(found == 0, found, np.zeros(len(each)), member.astype(np.int64))


def running_stage(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Only the stage that runs, as reported, can be held."""
    box, stage = asked(proposals[0], t)
    running, _ = latest(snapshot, "running_stage", t.box_local)
    return Findings(running[box] == stage, stage.astype(np.float64), running[box])
