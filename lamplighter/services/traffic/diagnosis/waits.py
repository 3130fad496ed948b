# SPDX-License-Identifier: Apache-2.0
"""Who waits how long: from a call to green, from a push button to walk; and the intervals that a log holds in pairs."""

import numpy as np
from numba import njit

from lamplighter.services.traffic.diagnosis import codes
from lamplighter.services.traffic.diagnosis.codes import Interval
from lamplighter.services.traffic.diagnosis.signals import SECOND_MS, cell
from lamplighter.services.traffic.diagnosis.tally import C, Carry, G, I, Rules, S, Tally
from lamplighter.terms.columns import IntArray

NO_INTERVAL = -1
MOVED, FIRST_OVERLAP, FIRST_FAULT = (
    int(kind) for kind in (Interval.COORDINATION_CHANGE, Interval.OVERLAP_GREEN, Interval.DETECTOR_OTHER)
)
CHANGES = (2, 3, 4)  # of event 150: the clock of the coordination is being moved


def _classes(which: int) -> IntArray:
    of = np.full(codes.CODE_MAX + 1, NO_INTERVAL, np.int64)
    for interval, pair in codes.PAIRS.items():
        of[pair[which]] = interval
    return of


BEGINS, ENDS = _classes(0), _classes(1)


@njit(cache=True)
def _wait(tally: Tally, carry: Carry, rules: Rules, group: int, time_ms: int) -> None:
    """Note a wait that ended in green; it counts once the call's own end is known to be in the log."""
    state, box = carry.group[group], carry.box
    since_ms = state[S.CALL_LAST_MS]
    doubtful = box[C.SIGNALS_DOUBTED_MS] > since_ms or box[C.CLOCK_DOUBTED_MS] > since_ms
    if doubtful or box[C.PREEMPT_OPEN] == 1 or box[C.PREEMPTED_MS] > since_ms:
        return
    row, lasts_ms = tally.group[cell(tally, rules, time_ms), group], time_ms - since_ms
    before_s = state[S.CALL_CYCLE_S] if state[S.CALL_CYCLE_S] > 0 else rules.assumed_cycle_s
    after_s = box[C.CYCLE_S] if box[C.CYCLE_S] > 0 else rules.assumed_cycle_s
    ratio = rules.priority_skip_ratio if box[C.PRIORITY_MS] >= since_ms else rules.skip_ratio
    row[G.OPEN_WAITS] += 1
    row[G.OPEN_WAIT_MS] += lasts_ms
    row[G.OPEN_WAIT_MAX_MS] = max(row[G.OPEN_WAIT_MAX_MS], float(lasts_ms))
    row[G.OPEN_SKIPS] += lasts_ms > ratio * max(before_s, after_s) * SECOND_MS


@njit(cache=True)
def close_call(tally: Tally, carry: Carry, rules: Rules, group: int, time_ms: int, keep: bool) -> None:
    """Count the waits of a call that ended as it should, or forget them."""
    state = carry.group[group]
    if state[S.CALL_OPEN] == 0:
        return
    first, last = state[S.CALL_OPEN_MS] // rules.quarter_ms, time_ms // rules.quarter_ms
    if rules.folded:
        first = max(first, last - rules.day_quarters + 1)
    for quarter in range(first, last + 1):
        row = tally.group[cell(tally, rules, quarter * rules.quarter_ms), group]
        if keep:
            row[G.WAITS] += row[G.OPEN_WAITS]
            row[G.WAIT_MS] += row[G.OPEN_WAIT_MS]
            row[G.WAIT_MAX_MS] = max(row[G.WAIT_MAX_MS], row[G.OPEN_WAIT_MAX_MS])
            row[G.SKIPS] += row[G.OPEN_SKIPS]
        for column in range(G.OPEN_WAITS, G.OPEN_SKIPS + 1):
            row[column] = 0.0
    state[S.CALL_OPEN] = 0


@njit(cache=True)
def call_event(tally: Tally, carry: Carry, rules: Rules, group: int, event: int, time_ms: int) -> None:
    """Lead the call of a group. A call that stands through a green waits again from the end of that green on."""
    state = carry.group[group]
    if event == codes.GREEN_BEGIN:
        last = state[S.CALL_LAST]
        if last == codes.CALL_ON or (last == codes.GREEN_END and state[S.CALL_ACTIVE] == 1):
            _wait(tally, carry, rules, group, time_ms)
    elif event == codes.CALL_ON:
        close_call(tally, carry, rules, group, time_ms, False)
        state[S.CALL_ACTIVE], state[S.CALL_OPEN], state[S.CALL_OPEN_MS] = 1, 1, time_ms
    elif event == codes.CALL_OFF:
        close_call(tally, carry, rules, group, time_ms, True)
        state[S.CALL_ACTIVE] = 0
    state[S.CALL_LAST], state[S.CALL_LAST_MS], state[S.CALL_CYCLE_S] = event, time_ms, carry.box[C.CYCLE_S]


@njit(cache=True)
def foot_event(tally: Tally, carry: Carry, rules: Rules, group: int, event: int, time_ms: int) -> None:
    """Lead one crossing: services, pushes, callers (pushes apart from one another) and the wait from push to walk."""
    state, row = carry.group[group], tally.group[cell(tally, rules, time_ms), group]
    if event == codes.OVERLAP_WALK:
        row[G.WALKS] += 1
        return
    if event == codes.BUTTON:
        row[G.PUSHES] += 1
        row[G.CALLERS] += state[S.PUSHED] == 0 or time_ms - state[S.PUSH_MS] > rules.caller_ms
        state[S.PUSHED], state[S.PUSH_MS] = 1, time_ms
        if state[S.FOOT_LAST] == codes.WALK_CLEARS or state[S.FOOT_LAST] == 0:
            state[S.FOOT_OPEN], state[S.FOOT_MS] = 1, time_ms
    else:
        row[G.WALKS] += event == codes.WALK_BEGIN
        if state[S.FOOT_OPEN] == 1 and carry.box[C.CLOCK_DOUBTED_MS] <= state[S.FOOT_MS]:
            lasts_ms = float(time_ms - state[S.FOOT_MS])
            row[G.FOOT_WAITS] += 1
            row[G.FOOT_WAIT_MS] += lasts_ms
            row[G.FOOT_WAIT_MAX_MS] = max(row[G.FOOT_WAIT_MAX_MS], lasts_ms)
        state[S.FOOT_OPEN] = 0
    state[S.FOOT_LAST] = event


@njit(cache=True)
def count_interval(tally: Tally, carry: Carry, rules: Rules, which: tuple[int, int], span: tuple[int, int], sure: bool) -> None:
    """Count an interval (kind, number) of (begin, end) in ms, or that it is doubtful; by the quarter in which it began."""
    column = I.COUNT if sure and carry.box[C.CLOCK_DOUBTED_MS] <= span[0] else I.DOUBTFUL
    row = tally.interval[cell(tally, rules, span[0]), which[0]]
    row[column] += 1
    lasts_ms = span[1] - span[0] if column == I.COUNT else 0
    row[I.MS] += lasts_ms
    if which[1] <= codes.GROUPS_MAX:
        tally.interval_group[which[0], which[1], column] += 1
        tally.interval_group[which[0], which[1], I.MS] += lasts_ms


@njit(cache=True)
def paired_event(tally: Tally, carry: Carry, rules: Rules, event: int, number: int, time_ms: int) -> None:
    """Open or close the interval that an event begins or ends; one begun twice is doubtful, one ended twice is none."""
    ended, begun = ENDS[event], BEGINS[event]
    if ended != NO_INTERVAL and carry.interval_open[ended, number] == 1:
        since_ms = carry.interval_ms[ended, number]
        clearance = ended in (Interval.YELLOW, Interval.RED_CLEARANCE)
        sure = not clearance or time_ms - since_ms <= codes.CLEARANCE_MAX_MS
        count_interval(tally, carry, rules, (ended, number), (since_ms, time_ms), sure)
        carry.interval_open[ended, number] = 0
    if begun != NO_INTERVAL:
        if carry.interval_open[begun, number] == 1:
            count_interval(tally, carry, rules, (begun, number), (carry.interval_ms[begun, number], time_ms), False)
        carry.interval_open[begun, number], carry.interval_ms[begun, number] = 1, time_ms


@njit(cache=True)
def overlap_event(tally: Tally, carry: Carry, rules: Rules, event: int, number: int, time_ms: int) -> None:
    """Close what an overlap showed until now. Some boxes never say that an overlap is off: its red then ends in green."""
    last = carry.overlap[number]
    if last[2] == 0 and event == codes.OVERLAP_OFF:
        last[2] = 1
    before = last[0]
    if codes.OVERLAP_GREEN <= before <= codes.OVERLAP_RED:
        sure = before == codes.OVERLAP_YELLOW or event != before
        if before == codes.OVERLAP_RED:
            sure = event == codes.OVERLAP_OFF or (event == codes.OVERLAP_GREEN and last[2] == 0)
        kind = FIRST_OVERLAP + before - codes.OVERLAP_GREEN
        count_interval(tally, carry, rules, (kind, number), (last[1], time_ms), sure)
    last[0], last[1] = event, time_ms


@njit(cache=True)
def fault_event(tally: Tally, carry: Carry, rules: Rules, event: int, detector: int, time_ms: int) -> None:
    """Close the fault that the box had found in a detector: sure where it says that it mended."""
    last = carry.fault[detector]
    if codes.FAULT_FIRST <= last[0] <= codes.FAULT_LAST:
        kind = FIRST_FAULT + last[0] - codes.FAULT_FIRST
        count_interval(tally, carry, rules, (kind, detector), (last[1], time_ms), event == codes.FAULT_MENDED)
    last[0], last[1] = event, time_ms


@njit(cache=True)
def change_event(tally: Tally, carry: Carry, rules: Rules, state: int, time_ms: int) -> None:
    """Close the time in which the coordination's clock was being moved."""
    box = carry.box
    if box[C.CHANGE_OPEN] == 1:
        count_interval(tally, carry, rules, (MOVED, 0), (box[C.CHANGE_MS], time_ms), True)
    box[C.CHANGE_OPEN], box[C.CHANGE_MS] = (1 if state in CHANGES else 0), time_ms
