# SPDX-License-Identifier: Apache-2.0
"""Counts events in order, one after the other, into the sums of one box."""

from numba import njit

from lamplighter.services.traffic.diagnosis import codes, signals, waits, zones
from lamplighter.services.traffic.diagnosis.events import Uses
from lamplighter.services.traffic.diagnosis.signals import cell
from lamplighter.services.traffic.diagnosis.tally import B, C, Carry, D, G, Rules, S, T, Tally
from lamplighter.terms.columns import IntArray

MINUTE_MS, DAY_MINUTES = 60_000, 1_440
TENTH_MS = 100
CHANGE_OF_CLOCK = 150


@njit(cache=True)
def extent(rows: IntArray) -> tuple[int, int]:
    """Return the highest signal_group and the highest detector that the rows name, within what is allowed."""
    group, detector = 0, 0
    for i in range(len(rows)):
        event, number = rows[i, 1], rows[i, 2]
        if codes.FAULT_MENDED - 2 <= event <= codes.FAULT_LAST:
            if number <= codes.DETECTORS_MAX:
                detector = max(detector, number)
        elif event <= codes.BUTTON and number <= codes.GROUPS_MAX:
            group = max(group, number)
        elif codes.SPLIT_FIRST <= event <= codes.SPLIT_LAST:
            group = max(group, event - codes.SPLIT_FIRST + 1)
    return group, detector


@njit(cache=True)
def _close_part(tally: Tally, carry: Carry, rules: Rules) -> None:
    """Close one part of a quarter: a quarter all of whose parts hold enough events is complete."""
    box = carry.box
    if box[C.PART_EVENTS] >= rules.part_events:
        box[C.GOOD_PARTS] += 1
        if box[C.GOOD_PARTS] * rules.part_ms == rules.quarter_ms:
            tally.box[cell(tally, rules, box[C.PART] * rules.part_ms), B.COMPLETE] += 1
    box[C.PART_EVENTS] = 0


@njit(cache=True)
def _lives(tally: Tally, carry: Carry, rules: Rules, event: int, time_ms: int) -> None:
    """Note that the box spoke, and how long it had been silent."""
    box, part, quarter = carry.box, time_ms // rules.part_ms, time_ms // rules.quarter_ms
    if box[C.BEGUN] == 0:
        box[C.BEGUN], box[C.FIRST_MS], box[C.LAST_MS], box[C.PART], box[C.BIN] = 1, time_ms, time_ms, part, quarter
        tally.box[cell(tally, rules, time_ms), B.SEEN] += 1
    silent_ms = time_ms - box[C.LAST_MS]
    if silent_ms > rules.gap_ms[box[C.LAST_MS] // MINUTE_MS % DAY_MINUTES]:
        row = tally.box[cell(tally, rules, box[C.LAST_MS])]
        row[B.GAPS] += 1
        row[B.GAP_MS] += silent_ms
        row[B.GAP_MAX_MS] = max(row[B.GAP_MAX_MS], float(silent_ms))
        box[C.CLOCK_DOUBTED_MS] = max(box[C.CLOCK_DOUBTED_MS], time_ms)
    if part != box[C.PART]:
        _close_part(tally, carry, rules)
        box[C.PART] = part
    if quarter != box[C.BIN]:
        box[C.BIN], box[C.GOOD_PARTS] = quarter, 0
        tally.box[cell(tally, rules, time_ms), B.SEEN] += 1
    box[C.LAST_MS] = time_ms
    box[C.PART_EVENTS] += event <= codes.STANDARD_LAST
    tally.box[cell(tally, rules, time_ms), B.EVENTS] += 1


@njit(cache=True)
def _mark(tally: Tally, carry: Carry, rules: Rules, uses: Uses, mark: tuple[int, int, int]) -> None:
    time_ms, kind, number = mark
    if kind == codes.ARRIVAL:
        signals.arrival(tally, carry, rules, uses.group[number], time_ms)
    elif kind == codes.CROSSING:
        signals.crossing(carry, uses.group[number], time_ms)
    elif kind == codes.DOUBTFUL_SIGNALS:
        carry.box[C.SIGNALS_DOUBTED_MS] = max(carry.box[C.SIGNALS_DOUBTED_MS], time_ms + number * TENTH_MS)
    elif kind == codes.DOUBTFUL_CLOCK:
        carry.box[C.CLOCK_DOUBTED_MS] = max(carry.box[C.CLOCK_DOUBTED_MS], time_ms + number * TENTH_MS)
    else:
        zones.zone_changes(carry, uses, number, kind == codes.FILLED_ON, time_ms)


@njit(cache=True)
def _signal(tally: Tally, carry: Carry, rules: Rules, event: int, group: int, time_ms: int) -> None:
    if event == codes.GREEN_BEGIN:
        signals.green_begins(tally, carry, rules, group, time_ms)
    elif event == codes.YELLOW_BEGIN:
        signals.yellow_begins(tally, carry, rules, group, time_ms)
    elif event == codes.RED_BEGIN:
        signals.red_begins(tally, carry, rules, group, time_ms)
    elif event in (codes.GAP_OUT, codes.MAX_OUT, codes.FORCE_OFF):
        tally.group[cell(tally, rules, time_ms), group, G.GAP_OUT + event - codes.GAP_OUT] += 1
    if event in (codes.GREEN_BEGIN, codes.YELLOW_BEGIN, codes.RED_BEGIN):
        signals.line_signal(tally, carry, rules, group, event, time_ms)
        zones.zone_signal(tally, carry, rules, group, event, time_ms)
    if event in (codes.GREEN_BEGIN, codes.GREEN_END, codes.CALL_ON, codes.CALL_OFF):
        waits.call_event(tally, carry, rules, group, event, time_ms)
    elif event in (codes.WALK_BEGIN, codes.WALK_CLEARS, codes.BUTTON, codes.OVERLAP_WALK):
        waits.foot_event(tally, carry, rules, group, event, time_ms)
    if codes.OVERLAP_GREEN <= event <= codes.OVERLAP_OFF + 1:
        waits.overlap_event(tally, carry, rules, event, group, time_ms)


@njit(cache=True)
def _of_box(tally: Tally, carry: Carry, rules: Rules, event: int, number: int, time_ms: int) -> None:
    """Count what concerns the box as a whole."""
    row, box = tally.box[cell(tally, rules, time_ms)], carry.box
    if event == codes.PREEMPT_BEGIN:
        box[C.PREEMPT_OPEN] = 1
        row[B.PREEMPTS] += 1
    elif event == codes.PREEMPT_END:
        box[C.PREEMPT_OPEN], box[C.PREEMPTED_MS] = 0, time_ms + rules.recovery_ms
    elif event in (codes.PRIORITY_EARLY, codes.PRIORITY_EXTENDS):
        box[C.PRIORITY_MS] = time_ms
    elif event == codes.PATTERN:
        row[B.PATTERNS] += 1
        row[B.PATTERN] = number
    elif event == codes.CYCLE:
        row[B.CYCLES] += 1
        row[B.CYCLE_S] = number
    elif event == CHANGE_OF_CLOCK:
        waits.change_event(tally, carry, rules, number, time_ms)
    elif event == codes.CLOCK_SET:
        row[B.CLOCK_SETS] += 1
    elif codes.SPLIT_FIRST <= event <= codes.SPLIT_LAST:
        split = tally.group[cell(tally, rules, time_ms), event - codes.SPLIT_FIRST + 1]
        split[G.SPLITS] += 1
        split[G.SPLIT_S] += number
    elif event == codes.CYCLE_RUN:
        row[B.RUN_CYCLES] += 1
        row[B.RUN_CYCLE_S] = number
    elif event == codes.OFFSET_RUN:
        row[B.OFFSETS] += 1
        row[B.OFFSET_S] = number
    if event == (codes.CYCLE_RUN if rules.run_cycle else codes.CYCLE):
        box[C.CYCLE_S] = number
    for place in range(len(codes.QUALITY)):
        if event == codes.QUALITY[place]:
            row[B.QUALITY_FIRST + 2 * place] += 1
            row[B.QUALITY_FIRST + 2 * place + 1] += number


@njit(cache=True)
def count(rows: IntArray, tally: Tally, carry: Carry, rules: Rules, uses: Uses) -> None:
    """Count rows (n, 3) of time, event or mark, and parameter, in order. tally has room for them: see `extent`."""
    for i in range(len(rows)):
        time_ms, event, number = rows[i, 0], rows[i, 1], rows[i, 2]
        if event >= codes.ARRIVAL:
            _mark(tally, carry, rules, uses, (time_ms, event, number))
            continue
        _lives(tally, carry, rules, event, time_ms)
        if event == codes.DETECTOR_ON or event == codes.DETECTOR_OFF:
            if number > codes.DETECTORS_MAX:
                carry.box[C.STRANGE] += 1
                continue
            signals.detector_changes(tally, carry, rules, number, event == codes.DETECTOR_ON, time_ms)
            zones.zone_changes(carry, uses, number, event == codes.DETECTOR_ON, time_ms)
        elif codes.FAULT_MENDED <= event <= codes.FAULT_LAST:
            if number <= codes.DETECTORS_MAX:
                tally.detector[cell(tally, rules, time_ms), number, D.FAULTS] += event != codes.FAULT_MENDED
                waits.fault_event(tally, carry, rules, event, number, time_ms)
        elif event <= codes.BUTTON:
            if number > codes.GROUPS_MAX:
                carry.box[C.STRANGE] += 1
                continue
            _signal(tally, carry, rules, event, number, time_ms)
        elif event <= codes.CODE_MAX:
            _of_box(tally, carry, rules, event, number, time_ms)
        if event <= codes.CODE_MAX and number <= codes.GROUPS_MAX:
            waits.paired_event(tally, carry, rules, event, number, time_ms)


@njit(cache=True)
def end(tally: Tally, carry: Carry, rules: Rules) -> None:
    """Close what is open when a log ends: greens and detectors last to its last event, whole cycles are judged."""
    last_ms = carry.box[C.LAST_MS]
    if carry.box[C.BEGUN] == 0:
        return
    _close_part(tally, carry, rules)
    for group in range(tally.group.shape[1]):
        state = carry.group[group]
        if state[S.GREEN_OPEN] == 1:
            signals.spread_group(tally, rules, group, state[S.GREEN_MS], last_ms)
        zones.zone_end(tally, carry, rules, group, last_ms)
        signals.line_commit(tally, carry, rules, group)
        waits.close_call(tally, carry, rules, group, last_ms, True)
    for detector in range(tally.detector.shape[1]):
        known = carry.detector[detector]
        if known[T.STATE] == 2:
            signals.spread_detector(tally, rules, detector, known[T.SINCE_MS], last_ms)
        elif known[T.STATE] == 1:
            row = tally.detector[cell(tally, rules, last_ms), detector]
            row[D.LONGEST_OFF_MS] = max(row[D.LONGEST_OFF_MS], float(last_ms - known[T.SINCE_MS]))
