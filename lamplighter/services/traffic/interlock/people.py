# SPDX-License-Identifier: Apache-2.0
"""What people must never meet: too short a walk or clearance on foot or by bicycle, and a red without an end."""

from typing import Any

import numpy as np
from numba import njit

from lamplighter.services.traffic.interlock.installed import NEVER_S, Installed, asked, groups_now, latest, rows
from lamplighter.services.traffic.interlock.signals import FRESH_S
from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals
from lamplighter.terms.snapshot import Snapshot

WALK_MIN_S, WALK_RATIO = 5.0, 0.5  # RiLSA 2015, 2.7: at least 5 s, and to the middle of the crossing within green
HELP_S = 60.0  # so much longer than their bound may people wait while an operator clears the way


@njit(cache=True)
def _tightest(t: Installed, needs_s: FloatArray, box: IntArray, row: IntArray, state: IntArray, observed: FloatArray,
              limit: FloatArray) -> None:  # fmt: skip
    """Fill, of the pairs whose first green would end and whose second would start, what is installed and needed where it
    lacks most. needs_s (p,): 0 where nobody of the first needs it."""
    for i in range(len(box)):
        first, worst_s = t.group_offsets[box[i]], NEVER_S
        for p in range(t.pair_offsets[box[i]], t.pair_offsets[box[i] + 1]):
            f, g = t.pair_from[p], t.pair_to[p]
            if needs_s[p] <= 0 or t.pair_permissive[p] or t.green[row[i], f - first] or not t.green[row[i], g - first]:
                continue
            if t.pair_s[p] - needs_s[p] < worst_s and state[f] == GREEN:
                worst_s, observed[i], limit[i] = t.pair_s[p] - needs_s[p], t.pair_s[p], needs_s[p]


def _cleared(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed, needs_s: FloatArray) -> Findings:
    box, stage = asked(proposals[0], t)
    state, _ = groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _tightest(t, needs_s, box, rows(t, box, stage), state, observed, limit)
    return Findings(observed >= limit, observed, limit)


def clearance(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """What is installed leaves people on foot, who may have started at the last second of green, the time to clear."""
    return _cleared(snapshot, proposals, t, t.pair_walk_s)


def cycle_clearance(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """What is installed leaves a bicycle that passed the stop line at the last moment the time to clear."""
    return _cleared(snapshot, proposals, t, t.pair_cycle_s)


@njit(cache=True)
def _shortest_walk(t: Installed, box: IntArray, row: IntArray, state: IntArray, elapsed_s: FloatArray, observed: FloatArray,
                   limit: FloatArray) -> None:  # fmt: skip
    for i in range(len(box)):
        first, worst_s = t.group_offsets[box[i]], NEVER_S
        for g in range(first, t.group_offsets[box[i] + 1]):
            if not t.foot[g] or state[g] != GREEN or t.green[row[i], g - first]:
                continue
            needed_s = max(WALK_MIN_S, WALK_RATIO * t.crossing_s[g])
            if elapsed_s[g] - needed_s < worst_s:
                worst_s, observed[i], limit[i] = elapsed_s[g] - needed_s, elapsed_s[g], needed_s


def walk_min(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Every walk that would end was long enough for the slowest to reach the middle of the crossing, and 5 s."""
    box, stage = asked(proposals[0], t)
    state, elapsed_s = groups_now(snapshot, t)
    observed, limit = np.full(len(box), NEVER_S), np.zeros(len(box))
    _shortest_walk(t, box, rows(t, box, stage), state, elapsed_s, observed, limit)
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
def _longest_red(
    t: Installed, box: IntArray, row: IntArray, running: IntArray, state: IntArray, since_s: tuple[FloatArray, FloatArray],
    waits: BoolArray, observed: FloatArray, limit: FloatArray,
) -> None:  # fmt: skip
    """Fill the longest wait that must come about at the red of a group if the stage asked for is granted. since_s: for how
    long each group (g,) has shown what it shows, and for how long somebody has been waiting there."""
    elapsed_s, waited_s = since_s
    for i in range(len(box)):
        b, first = box[i], t.group_offsets[box[i]]
        most, most_over_s = -1, -NEVER_S
        for g in range(first, t.group_offsets[b + 1]):
            over_s = waited_s[g] - t.red_max_s[g]
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
        observed[i], limit[i] = waited_s[most] + ahead_s + soonest_s, t.red_max_s[most]
        if stays and ahead_s > 0.0:
            limit[i] = observed[i]  # the box cannot end its greens yet, whatever is asked


def red_max(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """Of those who wait, the one nearest to (or furthest past) its bound is served in time, or is served next."""
    return _red_within(snapshot, proposals, t)


def red_while_helping(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    """As `red_max`, with a minute more: help comes first, but nobody is forgotten."""
    return _red_within(snapshot, proposals, t._replace(red_max_s=t.red_max_s + HELP_S))


def _waited_s(snapshot: Snapshot, t: Installed, elapsed_s: FloatArray) -> FloatArray:
    """Return for how long somebody may have been waiting at each group (g,): as its box counts, and where that is not known
    or old, since its red began."""
    waited_s, age_s = latest(snapshot, "group_waited_s", t.group_local)
    return np.where(age_s <= FRESH_S, np.minimum(waited_s, elapsed_s), elapsed_s)


def _red_within(snapshot: Snapshot, proposals: tuple[Proposals, ...], t: Installed) -> Findings:
    box, stage = asked(proposals[0], t)
    state, elapsed_s = groups_now(snapshot, t)
    running, _ = latest(snapshot, "running_stage", t.box_local)
    queue, queue_age_s = latest(snapshot, "queue_veh", t.asker_local)
    call, call_age_s = latest(snapshot, "call_waiting", t.asker_local)
    asks = np.where(t.asker_call, (call > 0) | (call_age_s > FRESH_S), (queue > 0) | (queue_age_s > FRESH_S))
    waits = t.unwatched.copy()
    waits[t.asker_group[asks[t.asker_of_group]]] = True
    waited_s = _waited_s(snapshot, t, elapsed_s)
    every = np.arange(len(t.box_local))
    observed, limit = np.zeros(len(box)), np.full(len(box), NEVER_S)
    running_row = rows(t, every, running.astype(np.int64))
    _longest_red(t, box, rows(t, box, stage), running_row, state, (elapsed_s, waited_s), waits, observed, limit)
    return Findings(observed <= limit, observed, limit)
