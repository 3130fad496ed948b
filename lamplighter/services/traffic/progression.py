# SPDX-License-Identifier: Apache-2.0
"""Who comes on green, and which greens did not serve all who waited: counted second by second for the record's accounts.

Arrivals are vehicles that come onto the last stretch before a stop line. A green failed where the stop line was occupied for
80 % of it and for 80 % of the first 5 s of red (J. D. Freije et al., Transportation Research Record 2439, 2014), at the
resolution of whole seconds that a box reports. Judged are greens seen from their beginning, of which every loop spoke.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import MIXED, MOTOR, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 5.0
RED = 0.0
RED_S, OCCUPIED_SHARE = 5.0, 0.8
SETTLES_S = 5.0  # a vehicle may be counted by the loop a moment before it leaves the stretch, or after
NO_LOOP = -1


class Zones(NamedTuple):
    """Signals with the approaches that they serve (p,), loops before them (l,), stretches (a,) and the signals they lead to.

    pair_local, pair_cell (p,); loop_local, loop_pair (l,); area_local, area_cell, area_loop (a,): run position of the loop at
    the end of the same lane, NO_LOOP where there is none; lead_area, lead_pair: rows of areas and pairs.
    """

    pair_local: IntArray
    pair_cell: IntArray
    loop_local: IntArray
    loop_pair: IntArray
    area_local: IntArray
    area_cell: IntArray
    area_loop: IntArray
    lead_area: IntArray
    lead_pair: IntArray


class Progression(NamedTuple):
    """From one second to the next. Of stretches (a,): vehicles that left, the most there ever were together with them, for how
    long there have been fewer, whether any were known. Of pairs (p,): green, seen whole, and seconds of green and early red."""

    left_veh: FloatArray
    most_veh: FloatArray
    below_s: FloatArray
    begun: BoolArray
    green: BoolArray
    whole: BoolArray
    green_s: FloatArray
    green_on_s: FloatArray
    red_s: FloatArray
    red_on_s: FloatArray


def latest_of(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return values at run positions and which of them are known and fresh; the others are 0."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.zeros(len(local), np.bool_)
    fresh = column.present[local] & (snapshot.now_s - column.known_at_s[local] <= FRESH_S)
    return np.where(fresh, column.value[local], 0.0), fresh


def zones(layout: Layout, cell: IntArray, pair_group: IntArray, pair_cell: IntArray) -> Zones:
    """Return what is watched. cell (d,): the approach of each detector, negative where it counts for none."""
    d, kinds = layout.detectors, layout.groups.kind
    motor = np.isin(kinds[pair_group], (MOTOR, MIXED))
    group, of_cell = pair_group[motor], pair_cell[motor]
    pair_at = {pair: n for n, pair in enumerate(zip(of_cell.tolist(), group.tolist(), strict=True))}
    loop_of_lane = {
        (str(d.street[row]), int(d.lane[row])): int(d.local[row]) for row in np.flatnonzero(d.boxed & (d.role == STOP_LINE))
    }
    loops: list[tuple[int, int]] = []
    leads: list[tuple[int, int]] = []
    areas: list[int] = []
    for row in np.flatnonzero(d.boxed & (cell >= 0) & np.isin(d.role, (STOP_LINE, NEAR))).tolist():
        serves = d.group[int(d.group_offsets[row]) : int(d.group_offsets[row + 1])].tolist()
        pairs = [pair_at[int(cell[row]), one] for one in serves if (int(cell[row]), one) in pair_at]
        if d.role[row] == STOP_LINE:
            loops += [(int(d.local[row]), pair) for pair in pairs]
        elif pairs:
            leads += [(len(areas), pair) for pair in pairs]
            areas.append(row)
    ends = [loop_of_lane.get((str(d.street[row]), int(d.lane[row])), NO_LOOP) for row in areas]
    loop, lead = (np.array(rows, np.int64).reshape(-1, 2) for rows in (loops, leads))
    rows = np.array(areas, np.int64)
    return Zones(
        layout.groups.local[group], of_cell, loop[:, 0], loop[:, 1], d.local[rows], cell[rows], np.array(ends, np.int64),
        lead[:, 0], lead[:, 1],
    )  # fmt: skip


def nothing_yet(what: Zones) -> Progression:
    """Return what is known before the first second: a green that runs already is not judged."""
    areas, pairs = len(what.area_local), len(what.pair_local)
    return Progression(
        np.zeros(areas), np.zeros(areas), np.zeros(areas), np.zeros(areas, np.bool_), np.ones(pairs, np.bool_),
        np.zeros(pairs, np.bool_), np.zeros(pairs), np.zeros(pairs), np.zeros(pairs), np.zeros(pairs),
    )  # fmt: skip


def second(
    snapshot: Snapshot, before: Progression, what: Zones, cells: int, passed_s: float
) -> tuple[FloatArray, Progression]:  # fmt: skip
    """Return for every cell (c, 4) arrivals, those on green, greens judged and greens failed of one more second."""
    state, told = latest_of(snapshot, "group_state", what.pair_local)
    green = told & (state == GREEN)
    more = np.zeros((cells, 4))
    came_veh, after = _arrivals(snapshot, before, what)
    on_green = np.bincount(what.lead_area, weights=green[what.lead_pair], minlength=len(what.area_local)) > 0
    more[:, 0] = np.bincount(what.area_cell, weights=came_veh, minlength=cells)
    more[:, 1] = np.bincount(what.area_cell, weights=came_veh * on_green, minlength=cells)
    judged, failed, after = _greens(snapshot, after, what, (green, told & (state == RED), told), passed_s)
    more[:, 2] = np.bincount(what.pair_cell, weights=judged, minlength=cells)
    more[:, 3] = np.bincount(what.pair_cell, weights=failed, minlength=cells)
    return more, after


def _arrivals(snapshot: Snapshot, before: Progression, what: Zones) -> tuple[FloatArray, Progression]:
    """Return how many came onto each stretch (a,): those there and those that left are more than ever before."""
    there_veh, heard = latest_of(snapshot, "area_veh", what.area_local)
    left_veh = np.where(what.area_loop >= 0, latest_of(snapshot, "count_veh", np.maximum(what.area_loop, 0))[0], 0.0)
    left = before.left_veh + np.where(heard, left_veh, 0.0)
    through = left + there_veh
    above = np.where(heard, through - before.most_veh, 0.0)
    came_veh = np.where(before.begun, np.floor(np.maximum(above, 0.0)), 0.0)
    below_s = np.where(heard & (above < 0), before.below_s + 1.0, np.where(heard, 0.0, before.below_s))
    settle = heard & ((above > 0) | (below_s > SETTLES_S) | ~before.begun)
    most = np.where(settle, through, before.most_veh)
    return came_veh, before._replace(
        left_veh=left, most_veh=most, below_s=np.where(settle, 0.0, below_s), begun=before.begun | heard
    )


def _greens(
    snapshot: Snapshot, before: Progression, what: Zones, shown: tuple[BoolArray, BoolArray, BoolArray], passed_s: float
) -> tuple[BoolArray, BoolArray, Progression]:
    """Return which pairs' greens (p,) can be judged now, and which of them failed. shown: green, red, and told at all."""
    green, red, told = shown
    pairs = len(what.pair_local)
    covered, heard = latest_of(snapshot, "occupancy_share", what.loop_local)
    on_share = np.zeros(pairs)
    np.maximum.at(on_share, what.loop_pair, covered)
    watched = np.bincount(what.loop_pair, minlength=pairs) > 0
    deaf = np.bincount(what.loop_pair, weights=~heard, minlength=pairs) > 0
    begins = green & ~before.green
    whole = (begins | before.whole) & told & watched & ~deaf
    early = whole & red & (before.red_s < RED_S)
    green_s = np.where(begins, 0.0, before.green_s) + passed_s * green
    green_on_s = np.where(begins, 0.0, before.green_on_s) + passed_s * on_share * green
    red_s = np.where(begins, 0.0, before.red_s) + passed_s * early
    red_on_s = np.where(begins, 0.0, before.red_on_s) + passed_s * on_share * early
    judged = early & (red_s >= RED_S) & (green_s > 0)
    failed = judged & (green_on_s >= OCCUPIED_SHARE * green_s) & (red_on_s >= OCCUPIED_SHARE * red_s)
    return (
        judged,
        failed,
        before._replace(
            green=green | ~told, whole=whole & ~judged, green_s=green_s, green_on_s=green_on_s, red_s=red_s, red_on_s=red_on_s
        ),
    )
