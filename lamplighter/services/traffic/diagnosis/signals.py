# SPDX-License-Identifier: Apache-2.0
"""What signals show and who arrives when: green time, arrivals, the coordination diagram, actuations about red."""

import numpy as np
from numba import njit

from lamplighter.services.traffic.diagnosis import codes
from lamplighter.services.traffic.diagnosis.tally import (
    CYCLE_BIN_S,
    CYCLE_BINS,
    OFFSET_BIN_S,
    OFFSET_BINS,
    OFFSET_FIRST_S,
    RING,
    C,
    Carry,
    D,
    G,
    Rules,
    S,
    T,
    Tally,
)

SECOND_MS = 1_000
CYCLE_MAX_MS = 600_000  # between two reds further apart the signal rested: no cycle


@njit(cache=True)
def cell(tally: Tally, rules: Rules, time_ms: int) -> int:
    """Return the row of the sums that a time belongs to."""
    quarter = time_ms // rules.quarter_ms
    if rules.folded:
        return int(quarter % rules.day_quarters)
    return int(max(quarter - tally.first[0], 0))


@njit(cache=True)
def spread_group(tally: Tally, rules: Rules, group: int, from_ms: int, to_ms: int) -> None:
    """Add a green to every quarter of an hour that it reaches into."""
    while from_ms < to_ms:
        end_ms = min((from_ms // rules.quarter_ms + 1) * rules.quarter_ms, to_ms)
        tally.group[cell(tally, rules, from_ms), group, G.GREEN_MS] += end_ms - from_ms
        from_ms = end_ms


@njit(cache=True)
def spread_detector(tally: Tally, rules: Rules, detector: int, from_ms: int, to_ms: int) -> None:
    """Add the time for which a detector was on to every quarter of an hour that it reaches into."""
    lasts_ms = float(to_ms - from_ms)
    while from_ms < to_ms:
        end_ms = min((from_ms // rules.quarter_ms + 1) * rules.quarter_ms, to_ms)
        row = tally.detector[cell(tally, rules, from_ms), detector]
        row[D.ON_MS] += end_ms - from_ms
        row[D.LONGEST_ON_MS] = max(row[D.LONGEST_ON_MS], lasts_ms)
        from_ms = end_ms


@njit(cache=True)
def green_begins(tally: Tally, carry: Carry, rules: Rules, group: int, time_ms: int) -> None:
    """Begin a green; one whose end the log lost is not counted as green time."""
    state, row = carry.group[group], tally.group[cell(tally, rules, time_ms), group]
    row[G.GREENS] += 1
    row[G.INCOMPLETE] += state[S.GREEN_OPEN]
    state[S.GREEN_MS], state[S.GREEN_OPEN], state[S.SIGNAL_SEEN], state[S.SHOWN] = time_ms, 1, 1, codes.GREEN_BEGIN
    if state[S.RED_SEEN] == 1 and state[S.GREEN_AFTER_RED_MS] == 0:
        state[S.GREEN_AFTER_RED_MS] = time_ms - state[S.RED_MS]


@njit(cache=True)
def yellow_begins(tally: Tally, carry: Carry, rules: Rules, group: int, time_ms: int) -> None:
    """End a green. One that had begun before the log did counts from the log's first event, in its quarter."""
    state = carry.group[group]
    if state[S.GREEN_OPEN] == 1:
        spread_group(tally, rules, group, state[S.GREEN_MS], time_ms)
    elif state[S.SIGNAL_SEEN] == 0:
        begin_ms = time_ms // rules.quarter_ms * rules.quarter_ms
        spread_group(tally, rules, group, max(begin_ms, carry.box[C.FIRST_MS]), time_ms)
    else:
        tally.group[cell(tally, rules, time_ms), group, G.INCOMPLETE] += 1
    state[S.GREEN_OPEN], state[S.SIGNAL_SEEN] = 0, 1
    state[S.SHOWN] = max(state[S.SHOWN], codes.YELLOW_BEGIN)


@njit(cache=True)
def red_begins(tally: Tally, carry: Carry, rules: Rules, group: int, time_ms: int) -> None:
    """End a cycle of the coordination diagram, which runs from red to red."""
    state = carry.group[group]
    state[S.SHOWN] = max(state[S.SHOWN], codes.RED_BEGIN)
    lasts_ms = time_ms - state[S.RED_MS]
    if state[S.RED_SEEN] == 1 and state[S.GREEN_AFTER_RED_MS] > 0 and lasts_ms <= CYCLE_MAX_MS:
        row = tally.group[cell(tally, rules, time_ms), group]
        row[G.CYCLES] += 1
        row[G.CYCLE_MS] += lasts_ms
        row[G.GREEN_AT_MS] += state[S.GREEN_AFTER_RED_MS]
    state[S.RED_MS], state[S.RED_SEEN], state[S.GREEN_AFTER_RED_MS] = time_ms, 1, 0


@njit(cache=True)
def arrival(tally: Tally, carry: Carry, rules: Rules, group: int, time_ms: int) -> None:
    """Count an arrival by what the signal shows, and by its second of the cycle."""
    state, row = carry.group[group], tally.group[cell(tally, rules, time_ms), group]
    row[G.ARRIVALS] += 1
    row[G.ARRIVALS_GREEN] += state[S.SHOWN] == codes.GREEN_BEGIN
    row[G.ARRIVALS_YELLOW] += state[S.SHOWN] == codes.YELLOW_BEGIN
    if state[S.RED_SEEN] == 1:
        second = (time_ms - state[S.RED_MS]) // (SECOND_MS * CYCLE_BIN_S)
        if 0 <= second < CYCLE_BINS:
            tally.coordination[time_ms // rules.quarter_ms % rules.day_quarters, group, second] += 1


@njit(cache=True)
def _stage(carry: Carry, group: int, offset_ms: int) -> None:
    """Note an actuation of this cycle by its distance from the beginning of red, to the nearest half second."""
    doubled = offset_ms * 2.0 / SECOND_MS
    halves = np.floor(abs(doubled) + 0.5) * (1.0 if doubled >= 0 else -1.0)
    place = int(halves - OFFSET_FIRST_S / OFFSET_BIN_S)
    if 0 <= place < OFFSET_BINS:
        carry.staged[group, place] += 1


@njit(cache=True)
def crossing(carry: Carry, group: int, time_ms: int) -> None:
    """Note an actuation behind the stop line by what is shown; it is counted once its cycle proves whole."""
    state = carry.group[group]
    if state[S.LINE_CYCLE] == 0:
        return
    if state[S.LINE_SHOWN] == codes.RED_BEGIN:
        state[S.LINE_RED] += 1
        _stage(carry, group, time_ms - state[S.LINE_RED_MS])
        return
    state[S.LINE_YELLOW if state[S.LINE_SHOWN] == codes.YELLOW_BEGIN else S.LINE_GREEN] += 1
    carry.ring[group, state[S.LINE_RING] % RING] = time_ms
    state[S.LINE_RING] += 1


@njit(cache=True)
def line_commit(tally: Tally, carry: Carry, rules: Rules, group: int) -> None:
    """Count the actuations of a whole cycle: one green, one yellow, one red; by the quarter in which red began."""
    state = carry.group[group]
    if state[S.LINE_CYCLE] == 1 and state[S.LINE_GREENS] == 1 and state[S.LINE_YELLOWS] == 1 and state[S.LINE_REDS] == 1:
        row = tally.group[cell(tally, rules, state[S.LINE_RED_MS]), group]
        row[G.CROSSED_CYCLES] += 1
        row[G.CROSSED_GREEN] += state[S.LINE_GREEN]
        row[G.CROSSED_YELLOW] += state[S.LINE_YELLOW]
        row[G.CROSSED_RED] += state[S.LINE_RED]
        tally.crossing[group] += carry.staged[group]
    carry.staged[group] = 0
    for column in range(S.LINE_GREENS, S.LINE_CYCLE):
        state[column] = 0


@njit(cache=True)
def line_signal(tally: Tally, carry: Carry, rules: Rules, group: int, event: int, time_ms: int) -> None:
    """Lead the cycle from green to green in which actuations behind the stop line are noted."""
    state = carry.group[group]
    if event == codes.GREEN_BEGIN:
        line_commit(tally, carry, rules, group)
        state[S.LINE_CYCLE], state[S.LINE_GREENS], state[S.LINE_SHOWN] = 1, 1, event
        return
    state[S.LINE_SHOWN] = max(state[S.LINE_SHOWN], event)
    if event == codes.YELLOW_BEGIN:
        state[S.LINE_YELLOWS] += 1
        return
    state[S.LINE_REDS] += 1
    if state[S.LINE_REDS] == 1:
        state[S.LINE_RED_MS] = time_ms
        for n in range(min(state[S.LINE_RING], RING)):
            _stage(carry, group, carry.ring[group, n] - time_ms)


@njit(cache=True)
def detector_changes(tally: Tally, carry: Carry, rules: Rules, detector: int, on: bool, time_ms: int) -> None:
    """Count one change of a detector, and what tells of its health."""
    state = carry.detector[detector]
    row = tally.detector[cell(tally, rules, time_ms), detector]
    lasts_ms = time_ms - state[T.SINCE_MS]
    row[D.ACTUATIONS] += on
    row[D.REPEATED] += state[T.STATE] == (2 if on else 1)
    if on and state[T.STATE] == 1:
        row[D.LONGEST_OFF_MS] = max(row[D.LONGEST_OFF_MS], float(lasts_ms))
    elif not on and state[T.STATE] == 2:
        row[D.SHORT] += lasts_ms < rules.short_ms
        spread_detector(tally, rules, detector, state[T.SINCE_MS], time_ms)
    state[T.STATE], state[T.SINCE_MS] = (2 if on else 1), time_ms
