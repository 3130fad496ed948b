# SPDX-License-Identifier: Apache-2.0
"""Puts a box's events in order before they are counted, within a bounded window, and marks what only a look ahead tells.

A box's buffer is read now and then: what is read comes late, twice, out of order, or was overwritten. Events wait here
until none that is not late can come before them; equal ones count once. What comes out is in order of time, event and
parameter, whatever the chunks it came in, so that no measure depends on how a log was cut.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.diagnosis import codes
from lamplighter.services.traffic.diagnosis.events import Events, Uses
from lamplighter.terms.columns import IntArray

DAY_MS = 86_400_000
FILL_RAPID_MS = 2_000  # two beginnings of an actuation so close together are one
CLOCK_SET_MS = 5_000  # so long before and after a clock was set no length is believed
TENTH_MS = 100
STARTED, HIGHEST_MS, HELD, HELD_MS, HELD_EVENT, HELD_PARAMETER, LATE, STRAY, STRANGE, TWICE, RELEASED_MS = range(11)
KEY_SPAN_MS, KEY_EVENT, KEY_PARAMETER = 1 << 32, 1 << 16, 1 << 15


class Wait(NamedTuple):
    """How long events wait: slack_ms for late ones, ahead_ms for what the marks look for; latency_ms of detectors.

    latency_ms is not above ahead_ms.
    """

    slack_ms: int
    ahead_ms: int
    latency_ms: int


class Queue(NamedTuple):
    """What is carried from chunk to chunk of one box: counters and marks of the clock, and the last of each pair.

    detector_event, detector_ms (d,); signal_event, signal_ms (3, g): green, yellow, red clearance. No event yet: event -1.
    """

    clock: IntArray
    detector_event: IntArray
    detector_ms: IntArray
    signal_event: IntArray
    signal_ms: IntArray


def new_queue() -> Queue:
    """Return an empty queue."""
    detectors, groups = codes.DETECTORS_MAX + 1, codes.GROUPS_MAX + 1
    return Queue(
        np.zeros(11, np.int64), np.full(detectors, -1, np.int64), np.zeros(detectors, np.int64),
        np.full((3, groups), -1, np.int64), np.zeros((3, groups), np.int64),
    )  # fmt: skip


@njit(cache=True)
def _admit(times: IntArray, event: IntArray, parameter: IntArray, clock: IntArray, slack_ms: int, out: IntArray) -> int:
    """Copy what is neither late nor stray into out (n + 1, 3) and return how many rows. A time that is a day from all
    before it is believed once the next event confirms it."""
    rows = 0
    for i in range(len(times)):
        time_ms = times[i]
        if event[i] < 0 or parameter[i] < 0 or event[i] >= KEY_PARAMETER or parameter[i] >= KEY_PARAMETER:
            clock[STRANGE] += 1
            continue
        jumps = clock[STARTED] == 0 or time_ms > clock[HIGHEST_MS] + DAY_MS
        if jumps:
            confirmed = clock[HELD] == 1 and abs(time_ms - clock[HELD_MS]) <= DAY_MS
            if not confirmed:
                clock[STRAY] += clock[HELD]
                clock[HELD], clock[HELD_MS], clock[HELD_EVENT], clock[HELD_PARAMETER] = 1, time_ms, event[i], parameter[i]
                continue
            out[rows, 0], out[rows, 1], out[rows, 2] = clock[HELD_MS], clock[HELD_EVENT], clock[HELD_PARAMETER]
            rows += 1
            clock[STARTED], clock[HELD], clock[HIGHEST_MS] = 1, 0, clock[HELD_MS]
        elif clock[HELD] == 1:
            clock[STRAY] += 1
            clock[HELD] = 0
        if time_ms < clock[HIGHEST_MS] - slack_ms:
            clock[LATE] += 1
            continue
        out[rows, 0], out[rows, 1], out[rows, 2] = time_ms, event[i], parameter[i]
        rows += 1
        clock[HIGHEST_MS] = max(clock[HIGHEST_MS], time_ms)
    return rows


def in_order(rows: IntArray) -> IntArray:
    """Return rows (n, 3) sorted by time, event and parameter."""
    if len(rows) < 2:
        return rows
    first_ms = int(rows[:, 0].min())
    if int(rows[:, 0].max()) - first_ms < KEY_SPAN_MS // 2:
        key = ((rows[:, 0] - first_ms) * KEY_EVENT + rows[:, 1]) * KEY_PARAMETER + rows[:, 2]
        return rows[np.argsort(key, kind="stable")]
    return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]


@njit(cache=True)
def _signal_class(event: int) -> int:
    if event == codes.GREEN_BEGIN or event == codes.GREEN_END:
        return 0
    if event == codes.YELLOW_BEGIN or event == codes.YELLOW_END:
        return 1
    return 2 if event == codes.RED_BEGIN or event == codes.RED_END else -1


@njit(cache=True)
def _put(out: IntArray, rows: int, time_ms: int, event: int, parameter: int) -> int:
    out[rows, 0], out[rows, 1], out[rows, 2] = time_ms, event, parameter
    return rows + 1


@njit(cache=True)
def _fill(queue: Queue, uses: Uses, row: IntArray, span: tuple[int, int, int], out: IntArray, rows: int) -> int:
    """Mark the change that a detector of a presence zone must have made between two equal ones, half-way between them."""
    time_ms, event, detector = row[0], row[1], row[2]
    if uses.presence_offsets[detector + 1] > uses.presence_offsets[detector] and queue.detector_event[detector] == event:
        apart_ms = time_ms - queue.detector_ms[detector]
        rapid = event == codes.DETECTOR_ON and apart_ms <= FILL_RAPID_MS
        middle_ms = time_ms - apart_ms // 2
        if not rapid and apart_ms <= 2 * span[2] and span[0] < middle_ms <= span[1]:
            rows = _put(out, rows, middle_ms, codes.FILLED_OFF if event == codes.DETECTOR_ON else codes.FILLED_ON, detector)
    queue.detector_event[detector], queue.detector_ms[detector] = event, time_ms
    return rows


@njit(cache=True)
def _doubt(queue: Queue, row: IntArray, kind: int, span: tuple[int, int, int], out: IntArray, rows: int) -> int:
    """Mark an interval of a signal whose end or beginning the log lost, where it begins (too long: where it ends)."""
    time_ms, event, group = row[0], row[1], row[2]
    before, since_ms = queue.signal_event[kind, group], queue.signal_ms[kind, group]
    begun = before in (codes.GREEN_BEGIN, codes.YELLOW_BEGIN, codes.RED_BEGIN)
    too_long = begun and kind > 0 and time_ms - since_ms > codes.CLEARANCE_MAX_MS
    if before == event or too_long:
        lasts_ms = time_ms - since_ms
        if lasts_ms > span[2] and span[0] < time_ms <= span[1]:
            rows = _put(out, rows, time_ms, codes.DOUBTFUL_SIGNALS, 0)
        elif lasts_ms <= span[2] and span[0] < since_ms <= span[1]:
            rows = _put(out, rows, since_ms, codes.DOUBTFUL_SIGNALS, (lasts_ms + TENTH_MS - 1) // TENTH_MS)
    queue.signal_event[kind, group], queue.signal_ms[kind, group] = event, time_ms
    return rows


@njit(cache=True)
def _mark(events: IntArray, queue: Queue, uses: Uses, wait: Wait, span: tuple[int, int, int], out: IntArray) -> int:
    """Fill out with the marks within span (after, to, ahead) in ms and return how many. queue is advanced over all events."""
    rows = 0
    for i in range(len(events)):
        time_ms, event, number = events[i, 0], events[i, 1], events[i, 2]
        if (event == codes.DETECTOR_ON or event == codes.DETECTOR_OFF) and number <= codes.DETECTORS_MAX:
            rows = _fill(queue, uses, events[i], span, out, rows)
            seen_ms = time_ms - wait.latency_ms
            if event == codes.DETECTOR_ON and span[0] < seen_ms <= span[1]:
                for at in range(uses.advance_offsets[number], uses.advance_offsets[number + 1]):
                    rows = _put(out, rows, seen_ms, codes.ARRIVAL, uses.advance[at])
                for at in range(uses.crossing_offsets[number], uses.crossing_offsets[number + 1]):
                    rows = _put(out, rows, seen_ms, codes.CROSSING, uses.crossing[at])
        elif event == codes.CLOCK_SET and span[0] < time_ms - CLOCK_SET_MS <= span[1]:
            rows = _put(out, rows, time_ms - CLOCK_SET_MS, codes.DOUBTFUL_CLOCK, 2 * CLOCK_SET_MS // TENTH_MS)
        elif event <= codes.RED_END and number <= codes.GROUPS_MAX:
            kind = _signal_class(event)
            if kind >= 0:
                rows = _doubt(queue, events[i], kind, span, out, rows)
    return rows


class Sorter:
    """The waiting room of one box's events."""

    def __init__(self, uses: Uses, wait: Wait) -> None:
        self._uses, self._wait = uses, wait
        self._queue = new_queue()
        self._pending = np.zeros((0, 3), np.int64)
        most = np.diff(uses.advance_offsets) + np.diff(uses.crossing_offsets)
        self._marks_most = int(most.max(initial=0)) + 2

    @property
    def dropped(self) -> dict[str, int]:
        """Return how many events were not counted, and why."""
        clock = self._queue.clock
        return {"late": int(clock[LATE]), "stray": int(clock[STRAY]), "strange": int(clock[STRANGE]), "twice": int(clock[TWICE])}

    def push(self, events: Events) -> IntArray:
        """Take a chunk in; return the rows (n, 3: time, event or mark, parameter) that can be counted now, in order."""
        room = np.empty((len(events.time_ms) + 1, 3), np.int64)
        clock = self._queue.clock
        rows = _admit(events.time_ms, events.event, events.parameter, clock, self._wait.slack_ms, room)
        self._pending = self._in_order_once(np.concatenate((self._pending, room[:rows])))
        if not clock[STARTED]:
            return self._pending
        final_ms = int(clock[HIGHEST_MS]) - self._wait.slack_ms
        return self._release(final_ms, final_ms - self._wait.ahead_ms)

    def finish(self) -> IntArray:
        """Return all that still waits; nothing may be pushed after it."""
        clock = self._queue.clock
        if not clock[STARTED] and clock[HELD]:
            self._pending = clock[[HELD_MS, HELD_EVENT, HELD_PARAMETER]].reshape(1, 3).copy()
        elif clock[HELD]:
            clock[STRAY] += 1
        if len(self._pending) == 0:
            return self._pending
        last_ms = int(self._pending[-1, 0])
        return self._release(last_ms, last_ms)

    def _in_order_once(self, rows: IntArray) -> IntArray:
        rows = in_order(rows)
        again = np.zeros(len(rows), np.bool_)
        again[1:] = (rows[1:] == rows[:-1]).all(axis=1)
        twice = int(again.sum())
        self._queue.clock[TWICE] += twice
        return rows[~again] if twice else rows

    def _release(self, final_ms: int, to_ms: int) -> IntArray:
        clock, queue = self._queue.clock, self._queue
        after_ms = int(clock[RELEASED_MS])
        if after_ms == 0:
            after_ms = int(self._pending[0, 0]) - DAY_MS if len(self._pending) else to_ms
        if to_ms <= after_ms or len(self._pending) == 0:
            return np.zeros((0, 3), np.int64)
        final = self._pending[: np.searchsorted(self._pending[:, 0], final_ms, side="right")]
        out = np.searchsorted(final[:, 0], to_ms, side="right")
        marks = np.empty((len(final) * self._marks_most + 1, 3), np.int64)
        ahead = Queue(queue.clock, *(column.copy() for column in queue[1:]))
        span = (after_ms, to_ms, self._wait.ahead_ms)
        count = _mark(final, ahead, self._uses, self._wait, span, marks)
        _mark(final[:out], queue, self._uses, self._wait, (0, -1, self._wait.ahead_ms), np.empty((1, 3), np.int64))
        released = np.concatenate((final[:out], marks[:count]))
        self._pending = self._pending[out:]
        clock[RELEASED_MS] = to_ms
        return in_order(released)
