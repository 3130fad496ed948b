# SPDX-License-Identifier: Apache-2.0
"""What the boxes of a city report every second, told in the words of an event log, so that one diagnosis serves both.

Pure, and for the moment only: what comes out is counted (`following`) or, for a simulated city alone, written
(`simulated`). A box says its loops as counts and shares of a second; when within the second a vehicle came is spread
evenly. Vehicles that come onto the last stretch before a stop line stand for an advance detector there.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.diagnosis import codes
from lamplighter.services.traffic.diagnosis.events import DetectorTable, Events
from lamplighter.services.traffic.layout import CALL, FOOT, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.terms import GREEN, YELLOW
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

FIRST_ADVANCE = 129  # detectors below it are loops at stop lines
SECOND_MS, STEP_MS, HALF_MS = 1_000, 100, 500
COVERED_SHARE = 0.995
SETTLES_S = 5.0
PULSES_MAX = 5  # no lane passes more in a second
ROWS_PER_GROUP, ROWS_PER_DETECTOR = 10, 2 * PULSES_MAX + 2


class Outlook(NamedTuple):
    """Where things stand in the service's run, and what they are called in a log.

    group_* (g,): position, box, number in the log, whether for people on foot, clearance; loop_* (n,): position, box,
    number; area_* (a,): position, box, number, row of the loop at the end of the same lane (its own count where there is none
    is 0: loops' row count); served (m, 2): rows of areas and the groups that they call; call_* (c,): position, group row.
    """

    group_at: IntArray
    group_box: IntArray
    group_number: IntArray
    group_foot: BoolArray
    group_clears_ms: IntArray
    loop_at: IntArray
    loop_box: IntArray
    loop_number: IntArray
    area_at: IntArray
    area_box: IntArray
    area_number: IntArray
    area_loop: IntArray
    served: IntArray
    call_at: IntArray
    call_group: IntArray


class Second(NamedTuple):
    """What was reported for one second, over the service's run of assets (k,); fresh (k,): whether it was."""

    group_state: AnyArray
    count_veh: FloatArray
    occupancy_share: FloatArray
    area_veh: FloatArray
    call_waiting: AnyArray
    fresh: BoolArray


class Before(NamedTuple):
    """What was known a second ago: groups (g,), loops (n,), areas (a,), calls (c,); known (1,): whether anything was.

    left_veh: vehicles that left over the loop so far; most_veh: the most that these and those on the stretch were together;
    below_s: for how many seconds they have been fewer.
    """

    state: IntArray
    called: BoolArray
    covered: BoolArray
    left_veh: FloatArray
    most_veh: FloatArray
    below_s: FloatArray
    waiting: BoolArray
    known: BoolArray


def _numbered(box: IntArray, first: int) -> IntArray:
    """Return numbers from `first` on, anew in every box; rows come box by box."""
    place = np.arange(len(box))
    begins = np.concatenate(([True], box[1:] != box[:-1])) if len(box) else np.zeros(0, np.bool_)
    return (place - np.maximum.accumulate(np.where(begins, place, 0)) + first).astype(np.int64)


def outlook(layout: Layout) -> Outlook:
    """Return the plan of a city's signals. Boxes with more groups or lanes than a log has numbers keep the first ones."""
    groups, d = layout.groups, layout.detectors
    order = np.lexsort((np.arange(len(d.role)), d.box))
    loops = order[(d.role[order] == STOP_LINE) & d.boxed[order]]
    areas = order[(d.role[order] == NEAR) & d.boxed[order]]
    calls = np.flatnonzero((d.role == CALL) & (np.diff(d.group_offsets) > 0))
    by_lane = {(str(d.street[row]), int(d.lane[row])): place for place, row in enumerate(loops.tolist())}
    partner = [by_lane.get((str(d.street[row]), int(d.lane[row])), len(loops)) for row in areas.tolist()]
    served = [
        (place, int(group))
        for place, row in enumerate(areas.tolist())
        for group in d.group[int(d.group_offsets[row]) : int(d.group_offsets[row + 1])]
    ]
    return Outlook(
        groups.local, groups.box, (np.arange(len(groups.box)) - groups.offsets[:-1][groups.box] + 1).astype(np.int64),
        groups.kind == FOOT, (groups.clearance_s * SECOND_MS).astype(np.int64),
        d.local[loops], d.box[loops], _numbered(d.box[loops], 1),
        d.local[areas], d.box[areas], _numbered(d.box[areas], FIRST_ADVANCE), np.array(partner, np.int64),
        np.array(served, np.int64).reshape(-1, 2), d.local[calls], d.group[d.group_offsets[calls]],
    )  # fmt: skip


def detector_tables(layout: Layout) -> Mapping[int, DetectorTable]:
    """Return, by number of the box, what the detectors of its log are for. Loops lie before the stop line: whoever stops on one
    has not crossed it, so none tells of yellow and red."""
    view, d = outlook(layout), layout.detectors
    of_place = {int(local): row for row, local in enumerate(d.local.tolist())}
    rows: dict[int, list[tuple[int, int, int]]] = {}
    for places, boxes, numbers, meant in (
        (view.loop_at, view.loop_box, view.loop_number, (codes.PRESENCE,)),
        (view.area_at, view.area_box, view.area_number, (codes.ADVANCE,)),
    ):
        for place, box, number in zip(places.tolist(), boxes.tolist(), numbers.tolist(), strict=True):
            row = of_place[place]
            for group in d.group[int(d.group_offsets[row]) : int(d.group_offsets[row + 1])].tolist():
                rows.setdefault(box, []).extend((number, int(view.group_number[group]), use) for use in meant)
    return {box: DetectorTable(*np.array(each, np.int64).T.copy()) for box, each in rows.items()}


def nothing_before(view: Outlook) -> Before:
    """Return what is known before the first second: nothing."""
    return Before(
        np.zeros(len(view.group_at), np.int64), np.zeros(len(view.group_at), np.bool_), np.zeros(len(view.loop_at), np.bool_),
        np.zeros(len(view.area_at)), np.zeros(len(view.area_at)), np.zeros(len(view.area_at)),
        np.zeros(len(view.call_at), np.bool_), np.zeros(1, np.bool_),
    )  # fmt: skip


@njit(cache=True)
def _put(out: IntArray, rows: int, time_ms: int, what: tuple[int, int, int]) -> int:
    out[rows, 0], out[rows, 1], out[rows, 2], out[rows, 3] = time_ms, what[0], what[1], what[2]
    return rows + 1


@njit(cache=True)
def _lights(out: IntArray, rows: int, base_ms: int, view: Outlook, at: int, before: int, now: int) -> int:
    """Tell what one group began and ended to show. The red clearance of a group alone is not reported: 0.1 s stands for it."""
    box, number = int(view.group_box[at]), int(view.group_number[at])
    if view.group_foot[at]:
        if now == GREEN:
            return _put(out, rows, base_ms, (box, codes.WALK_BEGIN, number))
        if before == GREEN:
            rows = _put(out, rows, base_ms, (box, codes.WALK_CLEARS, number))
            rows = _put(out, rows, base_ms + int(view.group_clears_ms[at]), (box, codes.DONT_WALK, number))
        return rows
    if before == GREEN:
        rows = _put(out, rows, base_ms, (box, codes.FORCE_OFF, number))
        rows = _put(out, rows, base_ms, (box, codes.GREEN_END, number))
        rows = _put(out, rows, base_ms, (box, codes.YELLOW_BEGIN, number))
    if before in (YELLOW, GREEN) and now != YELLOW:
        rows = _put(out, rows, base_ms, (box, codes.YELLOW_END, number))
        rows = _put(out, rows, base_ms, (box, codes.RED_BEGIN, number))
        rows = _put(out, rows, base_ms + STEP_MS, (box, codes.RED_END, number))
    if now == GREEN:
        rows = _put(out, rows, base_ms, (box, codes.GREEN_BEGIN, number))
    return rows


@njit(cache=True)
def _pulse(out: IntArray, rows: int, span: tuple[int, int], box: int, number: int) -> int:
    rows = _put(out, rows, span[0], (box, codes.DETECTOR_ON, number))
    return _put(out, rows, span[1], (box, codes.DETECTOR_OFF, number))


@njit(cache=True)
def _loop(out: IntArray, rows: int, base_ms: int, box: int, number: int, told: tuple[bool, int, float]) -> tuple[int, bool]:
    """Tell one loop's changes within a second from (covered before, vehicles that left, share covered)."""
    covered, left, share = told[0], min(told[1], PULSES_MAX), told[2]
    length_ms = int(share * SECOND_MS / STEP_MS + 0.5) * STEP_MS
    if left == 0:
        if not covered and share > 0:
            start_ms = base_ms + min(SECOND_MS - length_ms, SECOND_MS - STEP_MS)
            return _put(out, rows, start_ms, (box, codes.DETECTOR_ON, number)), True
        if covered and share < COVERED_SHARE:
            end_ms = base_ms + min(length_ms, SECOND_MS - STEP_MS)
            return _put(out, rows, end_ms, (box, codes.DETECTOR_OFF, number)), False
        return rows, covered
    each_ms = SECOND_MS // left // STEP_MS * STEP_MS
    on_ms = min(max(length_ms // left // STEP_MS * STEP_MS, STEP_MS), each_ms - STEP_MS)
    for n in range(left):
        begin_ms = base_ms + n * each_ms
        if n > 0 or not covered:
            rows = _put(out, rows, begin_ms, (box, codes.DETECTOR_ON, number))
        rows = _put(out, rows, begin_ms + on_ms, (box, codes.DETECTOR_OFF, number))
    if share >= COVERED_SHARE:  # one left and another stood there at once
        return _put(out, rows, base_ms + SECOND_MS - STEP_MS, (box, codes.DETECTOR_ON, number)), True
    return rows, False


@njit(cache=True)
def _areas(view: Outlook, before: Before, now: Second, base_ms: int, out: IntArray, rows: int) -> int:
    """Tell who came onto the last stretches: those there, and those that left over the loop, are more than ever before.

    A vehicle may be counted by the loop a moment before it leaves the stretch, or after; only who is missing for longer
    went another way.
    """
    for n in range(len(view.area_at)):
        at = view.area_at[n]
        if not now.fresh[at]:
            continue
        loop = view.area_loop[n]
        left = now.count_veh[view.loop_at[loop]] if loop < len(view.loop_at) and now.fresh[view.loop_at[loop]] else 0.0
        before.left_veh[n] += left
        through = before.left_veh[n] + now.area_veh[at]
        more = through - before.most_veh[n]
        came = min(int(more), PULSES_MAX) if before.known[0] else 0
        before.below_s[n] = before.below_s[n] + 1 if more < 0 else 0
        if more > 0 or before.below_s[n] > SETTLES_S or not before.known[0]:
            before.most_veh[n], before.below_s[n] = through, 0.0
        for k in range(max(came, 0)):
            begin_ms = base_ms + (2 * k + 1) * HALF_MS // came // STEP_MS * STEP_MS
            rows = _pulse(out, rows, (begin_ms, begin_ms + STEP_MS), int(view.area_box[n]), int(view.area_number[n]))
    return rows


@njit(cache=True)
def _calls(view: Outlook, before: Before, now: Second, base_ms: int, out: IntArray, rows: int) -> int:
    """Tell who calls at red: vehicles on the last stretch, people at a push button."""
    for m in range(len(view.served)):
        area, group = view.served[m]
        at = view.group_at[group]
        waits = now.fresh[view.area_at[area]] and now.area_veh[view.area_at[area]] > 0
        if waits and now.fresh[at] and before.state[group] != GREEN and not before.called[group]:
            before.called[group] = True
            rows = _put(out, rows, base_ms + HALF_MS, (int(view.group_box[group]), codes.CALL_ON, int(view.group_number[group])))
    for n in range(len(view.call_at)):
        waits = bool(now.fresh[view.call_at[n]] and now.call_waiting[view.call_at[n]] > 0)
        if waits and not before.waiting[n] and before.known[0]:
            group = view.call_group[n]
            rows = _put(out, rows, base_ms + HALF_MS, (int(view.group_box[group]), codes.BUTTON, int(view.group_number[group])))
        before.waiting[n] = waits
    return rows


@njit(cache=True)
def tell(view: Outlook, before: Before, now: Second, base_ms: int, out: IntArray) -> int:
    """Fill out (rows, 4: ms, box, event, parameter) with what changed in the second that began at base_ms; advance `before`.

    Returns how many rows. What is not fresh changes nothing.
    """
    rows = 0
    for n in range(len(view.group_at)):
        if not now.fresh[view.group_at[n]]:
            continue
        state = int(now.group_state[view.group_at[n]])
        if before.known[0] and state != before.state[n]:
            rows = _lights(out, rows, base_ms, view, n, int(before.state[n]), state)
            if state == GREEN and before.called[n]:
                before.called[n] = False
                rows = _put(out, rows, base_ms + STEP_MS, (int(view.group_box[n]), codes.CALL_OFF, int(view.group_number[n])))
        before.state[n] = state
    rows = _areas(view, before, now, base_ms, out, rows)
    for n in range(len(view.loop_at)):
        at = view.loop_at[n]
        if now.fresh[at] and before.known[0]:
            told = (bool(before.covered[n]), int(now.count_veh[at]), float(now.occupancy_share[at]))
            rows, before.covered[n] = _loop(out, rows, base_ms, int(view.loop_box[n]), int(view.loop_number[n]), told)
    rows = _calls(view, before, now, base_ms, out, rows)
    before.known[0] = True
    return rows


class Watcher:
    """Tells a city's seconds one after the other. offset_s: local time less UTC, so that a log shows the clock on the wall."""

    def __init__(self, layout: Layout, offset_s: int) -> None:
        self._view = outlook(layout)
        self._before = nothing_before(self._view)
        self._offset_s = offset_s
        groups, detectors = len(self._view.group_at), len(self._view.loop_at) + len(self._view.area_at)
        calls = len(self._view.served) + len(self._view.call_at)
        self._out = np.zeros((ROWS_PER_GROUP * groups + ROWS_PER_DETECTOR * detectors + calls + 1, 4), np.int64)

    def see(self, now: Second, now_s: float) -> Events:
        """Return what changed in the second that ended at now_s (POSIX), by number of the box; nothing the first time."""
        base_ms = (int(now_s) - 1 + self._offset_s) * SECOND_MS
        rows = tell(self._view, self._before, now, base_ms, self._out)
        return Events(*(self._out[:rows, column].copy() for column in range(4)))
