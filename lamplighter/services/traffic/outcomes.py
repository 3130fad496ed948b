# SPDX-License-Identifier: Apache-2.0
"""What residents would notice, from aggregates alone: counts over stop lines, standing vehicles, calls and greens.

These are estimates of what the simulator knows as truth, under the same names, so that their bias can be seen: standing
time before the stop line stands for all lost time (slow driving is missed), the wait from call to green for the waits of
people on foot (a call counts once, however many stand there, and walks without a call not at all).
"""

from typing import Any, NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import CALL, FAR, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.outcome_names import NAMES
from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 5.0
ACCOUNT_S = 60.0


class Reach(NamedTuple):
    """Which detector speaks for which area: loops, standing-vehicle areas and calls, with the groups they serve."""

    loop_local: IntArray
    loop_area: IntArray
    queue_local: IntArray
    queue_area: IntArray
    call_local: IntArray
    call_area: IntArray
    asker_local: IntArray  # near areas, then calls
    asker_of_group: IntArray
    asker_group: IntArray
    group_local: IntArray
    group_area: IntArray
    areas: int


class Tally(NamedTuple):
    """Sums (rows named below, areas) since the last account, and what is remembered from one second to the next."""

    then_s: float
    since_s: float
    sums_by_row: FloatArray
    queue_veh: FloatArray
    call_seen: FloatArray
    waiting_s: FloatArray


STANDING_S, STOPPED, PASSED, CALL_WAIT_S, CALLS, LONGEST_S = range(6)


def reach(layout: Layout, assets: Assets, areas: tuple[str, ...]) -> Reach:
    """Return which detector speaks for which area of the city."""
    number = {name: place for place, name in enumerate(areas)}
    box_area = np.array([number.get(str(name), 0) for name in assets.area[layout.start + layout.boxes.local]], np.int64)
    d = layout.detectors
    loops = np.flatnonzero(d.boxed & (d.role == STOP_LINE))
    queues = np.flatnonzero(d.boxed & ((d.role == NEAR) | (d.role == FAR)))
    calls = np.flatnonzero(d.boxed & (d.role == CALL))
    askers = np.flatnonzero(d.boxed & ((d.role == NEAR) | (d.role == CALL)))
    place = np.zeros(len(d.role), np.int64)
    place[askers] = np.arange(len(askers))
    row = np.repeat(np.arange(len(d.role)), np.diff(d.group_offsets))
    asks = np.isin(row, askers)
    return Reach(
        d.local[loops], box_area[d.box[loops]], d.local[queues], box_area[d.box[queues]], d.local[calls], box_area[d.box[calls]],
        d.local[askers], place[row[asks]], d.group[asks], layout.groups.local, box_area[layout.groups.box], max(len(areas), 1),
    )  # fmt: skip


def _fresh(snapshot: Snapshot, name: str, local: IntArray) -> FloatArray:
    """Return values at run positions, 0 where unknown or old: nothing is counted that was not measured."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local))
    known = column.present[local] & (snapshot.now_s - column.known_at_s[local] <= FRESH_S)
    return np.where(known, column.value[local], 0.0)


def _empty(reach: Reach, now_s: float) -> Tally:
    quiet = (np.zeros(len(local)) for local in (reach.queue_local, reach.call_local, reach.group_local))
    return Tally(now_s, now_s, np.zeros((6, reach.areas)), *quiet)


def _before(tells: BoolArray, reach: Reach) -> BoolArray:
    """Return the groups (g,) before which any of the detectors tells of somebody."""
    found = np.zeros(len(reach.group_local), np.bool_)
    found[reach.asker_group[tells[reach.asker_of_group]]] = True
    return found


def _count(snapshot: Snapshot, tally: Tally, reach: Reach) -> Tally:
    """Return the tally with one more second in it."""
    passed_s = min(max(snapshot.now_s - tally.then_s, 0.0), FRESH_S)
    queue = _fresh(snapshot, "queue_veh", reach.queue_local)
    passed = _fresh(snapshot, "count_veh", reach.loop_local)
    state = _fresh(snapshot, "group_state", reach.group_local)
    call = _fresh(snapshot, "call_waiting", reach.call_local)
    calls = _fresh(snapshot, "call_waiting", reach.asker_local) > 0
    stands = _before(calls | (_fresh(snapshot, "queue_veh", reach.asker_local) > 0), reach)
    here = _before(calls | (_fresh(snapshot, "area_veh", reach.asker_local) > 0), reach)
    waiting_s = np.where((state != GREEN) & (stands | (here & (tally.waiting_s > 0))), tally.waiting_s + passed_s, 0.0)
    sums = tally.sums_by_row.copy()
    for row, area, value in (
        (STANDING_S, reach.queue_area, queue * passed_s),
        (STOPPED, reach.queue_area, np.maximum(queue - tally.queue_veh, 0.0)),
        (PASSED, reach.loop_area, passed),
        (CALL_WAIT_S, reach.call_area, call * passed_s),
        (CALLS, reach.call_area, np.maximum(call - tally.call_seen, 0.0)),
    ):
        sums[row] += np.bincount(area, weights=value, minlength=reach.areas)
    np.maximum.at(sums[LONGEST_S], reach.group_area, waiting_s)
    return Tally(snapshot.now_s, tally.since_s, sums, queue, call, waiting_s)


def _account(tally: Tally) -> tuple[OutcomeRows, Tally]:
    """Return the contributions of the last minute; a sum with nothing to be divided by waits for the next."""
    sums = tally.sums_by_row.copy()
    found: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []

    def note(name: str, areas: IntArray, value: FloatArray, weight: FloatArray) -> None:
        found.append((np.full(len(areas), NAMES.index(name), np.int64), areas, value, weight))

    passed, called = np.flatnonzero(sums[PASSED] > 0), np.flatnonzero(sums[CALLS] > 0)
    weight = sums[PASSED, passed]
    note("vehicle_delay_s_trip", passed, sums[STANDING_S, passed] / weight, weight)
    note("stops_per_trip", passed, sums[STOPPED, passed] / weight, weight)
    note("trips_finished", passed, weight, np.ones(len(passed)))
    note("pedestrian_delay_s_trip", called, sums[CALL_WAIT_S, called] / sums[CALLS, called], sums[CALLS, called])
    waited = np.flatnonzero(sums[LONGEST_S] > 0)
    note("longest_red_wait_s", waited, sums[LONGEST_S, waited], np.ones(len(waited)))
    for row in (STANDING_S, STOPPED, PASSED):
        sums[row, passed] = 0.0
    for row in (CALL_WAIT_S, CALLS):
        sums[row, called] = 0.0
    sums[LONGEST_S] = 0.0
    rows = OutcomeRows(*(np.concatenate(column) for column in zip(*found, strict=True)))
    return rows, tally._replace(sums_by_row=sums, since_s=tally.then_s)


def outcomes(snapshot: Snapshot, state: Tally | None, prepared: Any) -> tuple[OutcomeRows, Tally]:
    """Return contributions once a minute (nothing in between), and the tally. `prepared.reach` is what `reach` returned."""
    tally = _count(snapshot, state or _empty(prepared.reach, snapshot.now_s), prepared.reach)
    if snapshot.now_s - tally.since_s >= ACCOUNT_S:
        return _account(tally)
    return OutcomeRows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)), tally
