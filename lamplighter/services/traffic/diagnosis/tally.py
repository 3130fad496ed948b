# SPDX-License-Identifier: Apache-2.0
"""What is counted of one box: arrays of sums per quarter of an hour, and the little that is carried between events.

Nothing here is larger for more events. The sums grow with the length of the log, or not at all where days are laid on
one another.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.diagnosis import codes
from lamplighter.terms.columns import AnyArray, IntArray

FLOOR_MIN = 5  # the record plane holds nothing finer
DAY_MIN = 1440
CYCLE_BIN_S, CYCLE_BINS = 2, 90  # of the coordination diagram
OFFSET_BIN_S, OFFSET_FIRST_S, OFFSET_BINS = 0.5, -8.0, 60  # of actuations about the beginning of red
RING = 64
WAIT_FIRST, WAIT_OPEN = 0, 4


class G(IntEnum):
    """Columns of sums per signal_group; times in ms."""

    GREENS = 0
    GREEN_MS = 1
    ARRIVALS = 2
    ARRIVALS_GREEN = 3
    ARRIVALS_YELLOW = 4
    GAP_OUT = 5
    MAX_OUT = 6
    FORCE_OFF = 7
    JUDGED = 8
    JUDGED_GREEN_MS = 9
    GREEN_OCCUPIED = 10
    RED_OCCUPIED = 11
    FAILED = 12
    CROSSED_CYCLES = 13
    CROSSED_GREEN = 14
    CROSSED_YELLOW = 15
    CROSSED_RED = 16
    WALKS = 17
    PUSHES = 18
    CALLERS = 19
    FOOT_WAITS = 20
    FOOT_WAIT_MS = 21
    FOOT_WAIT_MAX_MS = 22
    WAITS = 23
    WAIT_MS = 24
    WAIT_MAX_MS = 25
    SKIPS = 26
    OPEN_WAITS = 27
    OPEN_WAIT_MS = 28
    OPEN_WAIT_MAX_MS = 29
    OPEN_SKIPS = 30
    SPLITS = 31
    SPLIT_S = 32
    CYCLES = 33
    CYCLE_MS = 34
    GREEN_AT_MS = 35
    INCOMPLETE = 36


class D(IntEnum):
    """Columns of sums per detector; times in ms."""

    ACTUATIONS = 0
    ON_MS = 1
    SHORT = 2
    REPEATED = 3
    LONGEST_ON_MS = 4
    LONGEST_OFF_MS = 5
    FAULTS = 6


class B(IntEnum):
    """Columns of sums per box. A last value stands beside how often it was said, 0 where never."""

    EVENTS = 0
    SEEN = 1
    COMPLETE = 2
    GAPS = 3
    GAP_MS = 4
    GAP_MAX_MS = 5
    PATTERNS = 6
    PATTERN = 7
    CYCLES = 8
    CYCLE_S = 9
    RUN_CYCLES = 10
    RUN_CYCLE_S = 11
    OFFSETS = 12
    OFFSET_S = 13
    PREEMPTS = 14
    CLOCK_SETS = 15
    QUALITY_FIRST = 16  # per code of codes.QUALITY: how often, and the sum


class I(IntEnum):  # noqa: E742  beside G, D, B
    """Columns of sums per kind of interval; by the quarter of an hour in which it began."""

    COUNT = 0
    MS = 1
    DOUBTFUL = 2


class C(IntEnum):
    """What is carried for a box: see `carry`."""

    BEGUN = 0
    FIRST_MS = 1
    LAST_MS = 2
    PART = 3
    PART_EVENTS = 4
    SIGNALS_DOUBTED_MS = 5
    CLOCK_DOUBTED_MS = 6
    PREEMPTED_MS = 7
    PREEMPT_OPEN = 8
    PRIORITY_MS = 9
    CYCLE_S = 10
    BIN = 11
    CHANGE_OPEN = 12
    CHANGE_MS = 13
    GOOD_PARTS = 14
    STRANGE = 15


class S(IntEnum):
    """What is carried per signal_group: see `carry`. A time counts where its flag beside it is set."""

    LAST_SIGNAL = 0
    GREEN_MS = 1
    GREEN_OPEN = 2
    RED_MS = 3
    RED_SEEN = 4
    GREEN_AFTER_RED_MS = 5
    SHOWN = 6
    ZONE_STATE = 7
    ZONE_KNOWN = 8
    ZONE_SEEN = 9
    ZONE_ON = 10
    ZONE_AT_MS = 11
    ZONE_YELLOWS = 12
    ZONE_BARRIERS = 13
    ZONE_BARRIER_MS = 14
    ZONE_BARRIER_SET = 15
    ZONE_GREEN_ON_MS = 16
    ZONE_GREEN_OFF_MS = 17
    ZONE_RED_ON_MS = 18
    ZONE_JUDGED_MS = 19
    LINE_GREENS = 20
    LINE_YELLOWS = 21
    LINE_REDS = 22
    LINE_RED_MS = 23
    LINE_RING = 24
    LINE_GREEN = 25
    LINE_YELLOW = 26
    LINE_RED = 27
    LINE_CYCLE = 28
    CALL_LAST = 29
    CALL_LAST_MS = 30
    CALL_ACTIVE = 31
    CALL_CYCLE_S = 32
    CALL_OPEN_MS = 33
    CALL_OPEN = 34
    FOOT_LAST = 35
    FOOT_MS = 36
    FOOT_OPEN = 37
    PUSH_MS = 38
    PUSHED = 39
    SIGNAL_SEEN = 40
    LINE_SHOWN = 41


class T(IntEnum):
    """What is carried per detector."""

    STATE = 0  # 0 never seen, 1 off, 2 on
    SINCE_MS = 1
    ZONE_ON = 2


class Tally(NamedTuple):
    """Sums: group (q, g, G), detector (q, d, D), box (q, B), interval (q, kinds, I), interval_group (kinds, g, I);
    coordination (day quarters, g, cycle bins); crossing (g, offset bins). first (1,): number of the first quarter.
    Every column has its own unit, named in G, D, B and I.
    """

    group: AnyArray
    detector: AnyArray
    box: AnyArray
    interval: AnyArray
    interval_group: AnyArray
    coordination: IntArray
    crossing: IntArray
    first: IntArray


class Carry(NamedTuple):
    """Between events: box (C,), group (g, S), detector (d, T), interval_open (kinds, n), interval_ms (kinds, n),
    ring (g, RING) times of the last actuations of a cycle, staged (g, offset bins), overlap (n, 2), fault (d, 2)."""

    box: IntArray
    group: IntArray
    detector: IntArray
    interval_open: IntArray
    interval_ms: IntArray
    ring: IntArray
    staged: IntArray
    overlap: IntArray
    fault: IntArray


class Rules(NamedTuple):
    """How it is counted: quarter_ms (any length of 5 minutes or more), quarters of a day laid over one another (folded), and
    the bounds of the measures. gap_ms (1440,): the longest silence by the minute in which it begins."""

    quarter_ms: int
    day_quarters: int
    folded: bool
    part_ms: int
    part_events: int
    gap_ms: IntArray
    red_ms: int
    occupied_share: float
    caller_ms: int
    assumed_cycle_s: int
    skip_ratio: float
    priority_skip_ratio: float
    recovery_ms: int
    short_ms: int
    run_cycle: bool  # whether the box says its cycle as event 316 (MAXTIME) rather than 132


def new_carry() -> Carry:
    """Return what stands before the first event."""
    groups, detectors = codes.GROUPS_MAX + 1, codes.DETECTORS_MAX + 1
    return Carry(
        np.zeros(len(C), np.int64), np.zeros((groups, len(S)), np.int64), np.zeros((detectors, len(T)), np.int64),
        np.zeros((codes.INTERVALS, detectors), np.int64), np.zeros((codes.INTERVALS, detectors), np.int64),
        np.zeros((groups, RING), np.int64), np.zeros((groups, OFFSET_BINS), np.int64),
        np.zeros((groups, 3), np.int64), np.zeros((detectors, 2), np.int64),
    )  # fmt: skip


def new_tally(rules: Rules) -> Tally:
    """Return sums over nothing."""
    columns = len(B) - 1 + 2 * len(codes.QUALITY)
    quarters = rules.day_quarters if rules.folded else 0
    return Tally(
        np.zeros((quarters, 0, len(G))), np.zeros((quarters, 0, len(D))), np.zeros((quarters, columns)),
        np.zeros((quarters, codes.INTERVALS, len(I))), np.zeros((codes.INTERVALS, codes.GROUPS_MAX + 1, len(I))),
        np.zeros((rules.day_quarters, 0, CYCLE_BINS), np.int64), np.zeros((0, OFFSET_BINS), np.int64), np.zeros(1, np.int64),
    )  # fmt: skip


def _room(array: AnyArray, axis: int, size: int, before: int = 0) -> AnyArray:
    """Return the array with room for `size` along one axis, at least half as much again, moved by `before`."""
    if array.shape[axis] >= size and not before:
        return array
    shape = list(array.shape)
    shape[axis] = max(size, shape[axis] if before else shape[axis] * 3 // 2)
    grown = np.zeros(shape, array.dtype)
    place = [slice(None)] * array.ndim
    place[axis] = slice(before, before + array.shape[axis])
    grown[tuple(place)] = array
    return grown


def make_room(tally: Tally, rules: Rules, quarters: tuple[int, int], group: int, detector: int) -> Tally:
    """Return the tally with room for quarters (first, last), for a signal_group and for a detector."""
    first, size, before = 0, rules.day_quarters, 0
    if not rules.folded:
        empty = len(tally.box) == 0
        known = int(tally.first[0])
        first = quarters[0] if empty else min(known, quarters[0])
        before = 0 if empty else known - first
        size = max(quarters[1] - first + 1, len(tally.box) + before)
    grown = [_room(column, 0, size, before) for column in tally[:4]]
    coordination = _room(tally.coordination, 1, group + 1)
    crossing = _room(tally.crossing, 0, group + 1)
    return Tally(
        _room(grown[0], 1, group + 1), _room(grown[1], 1, detector + 1), grown[2], grown[3], tally.interval_group,
        coordination, crossing, np.array([first], np.int64),
    )  # fmt: skip
