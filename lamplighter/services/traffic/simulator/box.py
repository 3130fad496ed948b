# SPDX-License-Identifier: Apache-2.0
"""The signal_controller at the roadside, in software: it protects itself, whatever it is told.

It runs its own programme in step with its coordination clock. A leased command names another stage; the box changes
to it through its own intergreens, after its own minimum greens, and returns to its own programme when the lease or
its backup time ends. A change lasts as long as its longest intergreen; a green that clears faster ends later. A group
that must give way from now on counts as ending, one that need not any more as starting, though both stay green.

Times are city seconds; one step is one second. Times of the tables that are no whole seconds round up.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.layout import FOOT, Layout
from lamplighter.services.traffic.simulator.telegram import Command
from lamplighter.services.traffic.terms import FAULT, GREEN, LEASED, LOCAL, RED, RED_AMBER, YELLOW
from lamplighter.services.traffic.wire import GO_HOME, STAY
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

BACKUP_S = 120.0  # without any command for so long, the box is on its own programme whatever lease it was told
LONG_AGO_S = 3600.0
WALK_MIN_S = 5.0
STAYS, ENDS, STARTS, LOSES, GAINS = range(5)  # what a group does in a change; the last two concern its right of way


class BoxTables(NamedTuple):
    """What is installed in the boxes: see Layout for shapes. switch_s (p,): when in the cycle stage p's change begins."""

    group_offsets: IntArray
    stage_offsets: IntArray
    green: BoolArray
    gives_way: BoolArray
    green_min_s: FloatArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    pair_offsets: IntArray
    pair_from: IntArray
    pair_to: IntArray
    pair_s: FloatArray
    cycle_s: FloatArray
    offset_s: FloatArray
    programme_offsets: IntArray
    programme_stage: IntArray
    switch_s: FloatArray


class BoxState(NamedTuple):
    """What stands in the boxes now: (b,) and (g,) columns. start_s and end_s are meaningful where planned."""

    stage: IntArray
    before: IntArray  # the stage it came from, while changing
    changing: BoolArray
    stage_since_s: FloatArray
    ready_s: FloatArray  # when the change is over
    mode: IntArray
    lease_stage: IntArray
    lease_until_s: FloatArray
    told_s: FloatArray
    held: IntArray
    group: IntArray
    since_s: FloatArray
    green_end_s: FloatArray
    start_s: FloatArray
    end_s: FloatArray


def _walk_s(layout: Layout) -> FloatArray:
    """Return per group (g,) the whole seconds that the slowest on foot needs over its crossing, 0 for others."""
    return np.where(layout.groups.kind == FOOT, np.ceil(np.round(layout.groups.crossing_m / layout.groups.walk_m_s, 6)), 0.0)


def _pair_s(layout: Layout) -> FloatArray:
    """Return the intergreens (p,) that the box keeps: those installed, and never less than people on foot need to clear."""
    pairs = layout.pairs
    walk_s = np.where(pairs.permissive, 0.0, _walk_s(layout)[pairs.from_group])
    return np.maximum(np.ceil(pairs.intergreen_s), walk_s)


def _green_min_s(layout: Layout) -> FloatArray:
    """Return the minimum greens (g,) that the box keeps: on foot at least 5 s and half the crossing (RiLSA 2015, 2.7)."""
    walk_s = np.where(layout.groups.kind == FOOT, np.maximum(WALK_MIN_S, np.ceil(_walk_s(layout) / 2)), 0.0)
    return np.maximum(layout.groups.green_min_s, walk_s)


def _change_s(layout: Layout, pair_s: FloatArray, box: int, from_stage: int, to_stage: int) -> float:
    """Return how long the box needs from one stage to another: see `_plan`."""
    base, first = int(layout.stages.offsets[box]), int(layout.groups.offsets[box])
    groups = slice(first, int(layout.groups.offsets[box + 1]))
    many = groups.stop - first
    before, after = (layout.stages.green[base + stage, :many] for stage in (from_stage, to_stage))
    gave, gives = (layout.stages.gives_way[base + stage, :many] for stage in (from_stage, to_stage))
    leaving, entering = before & (~after | (gives & ~gave)), after & (~before | (gave & ~gives))
    pairs = slice(int(layout.pairs.offsets[box]), int(layout.pairs.offsets[box + 1]))
    used = leaving[layout.pairs.from_group[pairs] - first] & entering[layout.pairs.to_group[pairs] - first]
    needed = (pair_s[pairs][used], layout.groups.yellow_s[groups][before & ~after],
              layout.groups.red_amber_s[groups][after & ~before])  # fmt: skip
    return float(max(np.ceil(column).max(initial=0.0) for column in needed))


def install(layout: Layout) -> BoxTables:
    """Return what is installed in the boxes, with the second of the cycle at which each own stage ends."""
    boxes, pair_s = layout.boxes, _pair_s(layout)
    switch_s = np.zeros(len(boxes.programme_stage))
    for box in range(len(boxes.tls)):
        first, last = int(boxes.programme_offsets[box]), int(boxes.programme_offsets[box + 1])
        end_s = 0.0
        for row in range(first, last):
            end_s += float(boxes.programme_split_s[row])
            after = row + 1 if row + 1 < last else first
            stage, following = int(boxes.programme_stage[row]), int(boxes.programme_stage[after])
            switch_s[row] = end_s - _change_s(layout, pair_s, box, stage, following)
    return BoxTables(
        group_offsets=layout.groups.offsets,
        stage_offsets=layout.stages.offsets,
        green=layout.stages.green,
        gives_way=layout.stages.gives_way,
        green_min_s=_green_min_s(layout),
        yellow_s=np.ceil(layout.groups.yellow_s),
        red_amber_s=np.ceil(layout.groups.red_amber_s),
        pair_offsets=layout.pairs.offsets,
        pair_from=layout.pairs.from_group,
        pair_to=layout.pairs.to_group,
        pair_s=pair_s,
        cycle_s=boxes.cycle_s,
        offset_s=boxes.offset_s,
        programme_offsets=boxes.programme_offsets,
        programme_stage=boxes.programme_stage,
        switch_s=switch_s,
    )


def switch_on(tables: BoxTables, now_s: float) -> BoxState:
    """Return boxes that were just switched on: everything red, each about to enter its own programme."""
    boxes, groups = len(tables.cycle_s), int(tables.group_offsets[-1])
    return BoxState(
        stage=np.zeros(boxes, np.int64),
        before=np.zeros(boxes, np.int64),
        changing=np.ones(boxes, np.bool_),
        stage_since_s=np.full(boxes, now_s),
        ready_s=np.full(boxes, now_s),
        mode=np.full(boxes, FAULT, np.int64),
        lease_stage=np.zeros(boxes, np.int64),
        lease_until_s=np.full(boxes, now_s - 1.0),
        told_s=np.full(boxes, now_s - LONG_AGO_S),
        held=np.zeros(boxes, np.int64),
        group=np.full(groups, RED, np.int64),
        since_s=np.full(groups, now_s),
        green_end_s=np.full(groups, now_s),
        start_s=np.full(groups, now_s + LONG_AGO_S),
        end_s=np.full(groups, now_s + LONG_AGO_S),
    )


@njit(cache=True)
def _own_stage(tables: BoxTables, box: int, now_s: float) -> int:
    """Return the stage that the own programme wants now: from the switch that ends one stage on, the next."""
    first = tables.programme_offsets[box]
    place_s = (now_s - tables.offset_s[box]) % tables.cycle_s[box]
    for position in range(first, tables.programme_offsets[box + 1]):
        if place_s < tables.switch_s[position]:
            return int(tables.programme_stage[position])
    return int(tables.programme_stage[first])


@njit(cache=True)
def _length_s(tables: BoxTables, state: BoxState, box: int, moves: IntArray, now_s: float) -> float:
    """Return how long the change takes that `moves` describes (see `_moves`)."""
    first, length_s = tables.group_offsets[box], 0.0
    for g in range(first, tables.group_offsets[box + 1]):
        if moves[g - first] == ENDS:
            length_s = max(length_s, tables.yellow_s[g])
        elif moves[g - first] == STARTS:
            free_s = state.green_end_s[g] + tables.yellow_s[g] + 1.0
            length_s = max(length_s, max(free_s - now_s, 0.0) + tables.red_amber_s[g])
    for p in range(tables.pair_offsets[box], tables.pair_offsets[box + 1]):
        f, g = tables.pair_from[p], tables.pair_to[p]
        if moves[g - first] == STARTS or moves[g - first] == GAINS:
            if moves[f - first] == ENDS or moves[f - first] == LOSES:
                length_s = max(length_s, tables.pair_s[p])
            elif state.group[f] != GREEN:
                length_s = max(length_s, state.green_end_s[f] + tables.pair_s[p] - now_s)
    return length_s


@njit(cache=True)
def _moves(tables: BoxTables, state: BoxState, box: int, before: int, after: int, moves: IntArray) -> None:
    """Fill what every group of the box does: ends, starts, loses its right of way (and stays green) or gains it."""
    first = tables.group_offsets[box]
    for n in range(len(moves)):
        green = state.group[first + n] == GREEN
        gave, gives = tables.gives_way[before, n], tables.gives_way[after, n]
        moves[n] = STAYS
        if green and not tables.green[after, n]:
            moves[n] = ENDS
        elif tables.green[after, n] and not green:
            moves[n] = STARTS
        elif green and gives and not gave:
            moves[n] = LOSES
        elif green and gave and not gives:
            moves[n] = GAINS


@njit(cache=True)
def _plan(tables: BoxTables, state: BoxState, box: int, before: int, after: int, now_s: float) -> None:
    """Lay out one change: when it is over, when each group ends that ends and starts that starts."""
    first = tables.group_offsets[box]
    moves = np.zeros(tables.group_offsets[box + 1] - first, np.int64)
    _moves(tables, state, box, before, after, moves)
    ready_s = now_s + _length_s(tables, state, box, moves, now_s)
    state.ready_s[box] = ready_s
    for g in range(first, tables.group_offsets[box + 1]):
        if moves[g - first] == ENDS:
            state.end_s[g] = ready_s - tables.yellow_s[g]
        elif moves[g - first] == STARTS:
            state.start_s[g] = max(now_s, state.green_end_s[g] + tables.yellow_s[g] + 1.0) + tables.red_amber_s[g]
    for p in range(tables.pair_offsets[box], tables.pair_offsets[box + 1]):
        f, g = tables.pair_from[p], tables.pair_to[p]
        if moves[f - first] == ENDS and (moves[g - first] == STARTS or moves[g - first] == GAINS):
            state.end_s[f] = min(state.end_s[f], ready_s - tables.pair_s[p])
    for p in range(tables.pair_offsets[box], tables.pair_offsets[box + 1]):
        f, g = tables.pair_from[p], tables.pair_to[p]
        if moves[g - first] == STARTS:
            if moves[f - first] == ENDS:
                state.start_s[g] = max(state.start_s[g], state.end_s[f] + tables.pair_s[p])
            elif moves[f - first] == LOSES:
                state.start_s[g] = max(state.start_s[g], now_s + tables.pair_s[p])
            elif state.group[f] != GREEN:
                state.start_s[g] = max(state.start_s[g], state.green_end_s[f] + tables.pair_s[p])


@njit(cache=True)
def _show(tables: BoxTables, state: BoxState, box: int, wanted: BoolArray, now_s: float) -> bool:
    """Let every group of one box show what the layout of its change says; True once the change is complete."""
    first, group, since_s = tables.group_offsets[box], state.group, state.since_s
    complete = True
    for g in range(first, tables.group_offsets[box + 1]):
        starts = wanted[g - first]
        if group[g] == GREEN and not starts and state.end_s[g] <= now_s:
            group[g] = YELLOW if tables.yellow_s[g] > 0 else RED
            since_s[g] = now_s
            state.green_end_s[g] = now_s
        if group[g] == YELLOW and now_s - since_s[g] >= tables.yellow_s[g]:
            group[g] = RED
            since_s[g] = now_s
        if starts and group[g] == RED and state.start_s[g] - tables.red_amber_s[g] <= now_s < state.start_s[g]:
            group[g] = RED_AMBER
            since_s[g] = now_s
        if starts and (group[g] == RED_AMBER or group[g] == RED) and state.start_s[g] <= now_s:
            group[g] = GREEN
            since_s[g] = now_s
        complete = complete and (group[g] == GREEN) == starts
    return complete


@njit(cache=True)
def _may_end(tables: BoxTables, state: BoxState, box: int, wanted: BoolArray, now_s: float) -> bool:
    """Tell whether every green group that would end has had its minimum green."""
    first = tables.group_offsets[box]
    for g in range(first, tables.group_offsets[box + 1]):
        if state.group[g] == GREEN and not wanted[g - first] and now_s - state.since_s[g] < tables.green_min_s[g]:
            return False
    return True


@njit(cache=True)
def _darken(tables: BoxTables, state: BoxState, box: int, now_s: float) -> None:
    """Put one box out: nothing shows, and once power returns every group counts as having just been green."""
    for g in range(tables.group_offsets[box], tables.group_offsets[box + 1]):
        state.group[g], state.since_s[g], state.green_end_s[g] = RED, now_s, now_s
    state.changing[box], state.mode[box], state.lease_until_s[box] = True, FAULT, now_s - 1.0


@njit(cache=True)
def step(tables: BoxTables, state: BoxState, now_s: float, dark: BoolArray) -> None:
    """Run every box for one second. dark (b,): boxes without power show nothing and forget their lease."""
    for box in range(len(tables.cycle_s)):
        if dark[box]:
            _darken(tables, state, box, now_s)
            continue
        leased = state.lease_until_s[box] > now_s and now_s - state.told_s[box] < BACKUP_S
        want = state.lease_stage[box] if leased else _own_stage(tables, box, now_s)
        fresh, base = state.mode[box] == FAULT, tables.stage_offsets[box]
        state.mode[box] = LEASED if leased else LOCAL
        if fresh or (not state.changing[box] and want != state.stage[box]):
            wanted = tables.green[base + want]
            if _may_end(tables, state, box, wanted, now_s):
                state.before[box], state.stage[box], state.changing[box] = state.stage[box], want, True
                _plan(tables, state, box, base + state.before[box], base + want, now_s)
            elif leased:
                state.held[box] += 1
        elif state.changing[box] and leased and want != state.stage[box]:
            state.held[box] += 1
        wanted = tables.green[base + state.stage[box]]
        complete = _show(tables, state, box, wanted, now_s)
        if state.changing[box] and complete and now_s >= state.ready_s[box]:
            state.changing[box], state.stage_since_s[box], state.before[box] = False, now_s, state.stage[box]


def command(tables: BoxTables, state: BoxState, box: int, told: Command, now_s: float) -> bool:
    """Tell one box to go to a stage, to hold it or to go home. False: it has no such stage, or does not run it.

    A stage that cannot start yet is not forgotten: the box starts it as soon as its own minimum times allow.
    """
    if told.what == GO_HOME:
        state.lease_until_s[box] = now_s - 1.0
        return True
    stages = tables.stage_offsets[box + 1] - tables.stage_offsets[box]
    if told.stage >= stages or (told.what == STAY and told.stage != state.stage[box]):
        state.held[box] += 1
        return False
    state.lease_stage[box], state.lease_until_s[box], state.told_s[box] = told.stage, float(told.until_s), now_s
    return True
