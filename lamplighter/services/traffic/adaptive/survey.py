# SPDX-License-Identifier: Apache-2.0
"""What the decider sees of every intersection: lanes before stop lines, the areas along them, calls, and streets behind."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.adaptive.courses import Course
from lamplighter.services.traffic.adaptive.ways import Ways
from lamplighter.services.traffic.layout import CALL, EXIT, FAR, FOOT, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.terms import VEHICLE_M
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

SEEN_M = 200.0
LOOP_AFTER_M = 5.0  # from where a stop line loop begins to the stop line


class Lanes(NamedTuple):
    """Lanes before stop lines, (l,), sorted by box. row: a detector on it; street: code of the street, by `Survey.streets`;
    loop: detector row, meaningful where has_loop; groups, ragged; length_m, speed_m_s: of the lane; piece_offsets (l+1)."""

    offsets: IntArray
    box: IntArray
    row: IntArray
    loop: IntArray
    has_loop: BoolArray
    length_m: FloatArray
    speed_m_s: FloatArray
    group_offsets: IntArray
    group: IntArray
    piece_offsets: IntArray


class Areas(NamedTuple):
    """Lane areas before stop lines, (a,), near ones first, then those behind them on the same lane, then areas on streets that
    lead there. row: detector; lane: meaningful where on_lane; near; below: the area between it and the stop line, meaningful
    where has_below; drive_s: to drive over it."""

    row: IntArray
    lane: IntArray
    near: BoolArray
    on_lane: BoolArray
    below: IntArray
    has_below: BoolArray
    drive_s: FloatArray
    group_offsets: IntArray
    group: IntArray


class Pieces(NamedTuple):
    """Where areas lie before each lane's stop line, (p,), sorted by lane and distance: area, begin and end in metres from the
    stop line, and the share of the area's vehicles that are taken to go to this lane."""

    area: IntArray
    begin_m: FloatArray
    end_m: FloatArray
    share: FloatArray


class Survey(NamedTuple):
    """Lanes, areas, calls and exits by box; change_s (s, m): from stage row to stage number; cites per box (run positions,
    quantity codes); groups (g,) before which no detector sees anybody."""

    lanes: Lanes
    areas: Areas
    pieces: Pieces
    change_s: FloatArray
    call_row: IntArray
    exit_row: IntArray
    exit_room_veh: FloatArray
    exit_group_offsets: IntArray
    exit_group: IntArray
    cite_offsets: IntArray
    cite_local: IntArray
    cite_quantity: IntArray
    unwatched: BoolArray


@njit(cache=True)
def _changes(t: Course, change_s: FloatArray) -> None:
    """Fill change_s: the longest of the intergreens from what ends, or must give way from now on, to what starts, or need not
    any more; of the yellows of what ends; and of the red-ambers of what starts."""
    for box in range(len(t.stage_offsets) - 1):
        first, base = t.group_offsets[box], t.stage_offsets[box]
        for a in range(base, t.stage_offsets[box + 1]):
            for b in range(base, t.stage_offsets[box + 1]):
                longest_s = 0.0
                for n in range(t.group_offsets[box + 1] - first):
                    if t.green[a, n] and not t.green[b, n]:
                        longest_s = max(longest_s, t.yellow_s[first + n])
                    elif t.green[b, n] and not t.green[a, n]:
                        longest_s = max(longest_s, t.red_amber_s[first + n])
                for p in range(t.pair_offsets[box], t.pair_offsets[box + 1]):
                    f, g = t.pair_from[p] - first, t.pair_to[p] - first
                    leaves = t.green[a, f] and (not t.green[b, f] or (t.gives_way[b, f] and not t.gives_way[a, f]))
                    enters = t.green[b, g] and (not t.green[a, g] or (t.gives_way[a, g] and not t.gives_way[b, g]))
                    if leaves and enters:
                        longest_s = max(longest_s, t.pair_s[p])
                change_s[a, b - base] = longest_s


def ragged_rows(offsets: IntArray, values: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return offsets and values of the given rows of a ragged column."""
    lengths = np.diff(offsets)[rows]
    at = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    inside = np.arange(int(at[-1])) - np.repeat(at[:-1], lengths)
    return at, values[np.repeat(offsets[:-1][rows], lengths) + inside]


def _offsets(owner: IntArray, owners: int) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=owners)))).astype(np.int64)


def lane_keys(layout: Layout, rows: IntArray) -> list[tuple[int, str, int]]:
    """Return (box, street, lane number) of each detector row."""
    d = layout.detectors
    return list(zip(d.box[rows].tolist(), d.street[rows].tolist(), d.lane[rows].tolist(), strict=True))


def _lanes(layout: Layout, ways: Ways) -> tuple[Lanes, dict[tuple[int, str, int], int]]:
    """Return the lanes, and the number of each by its key; without their pieces yet."""
    d = layout.detectors
    rows = np.flatnonzero(d.boxed & ((d.role == STOP_LINE) | (d.role == NEAR)))
    rows = rows[np.lexsort((d.role[rows], d.box[rows]))]
    number: dict[tuple[int, str, int], int] = {}
    first: list[int] = []
    for row, key in zip(rows.tolist(), lane_keys(layout, rows), strict=True):
        if key not in number:
            number[key] = len(first)
            first.append(row)
    of_row = np.array([number[key] for key in lane_keys(layout, rows)], np.int64)
    row = np.array(first, np.int64)
    end_m = d.position_m[rows] + np.where(d.role[rows] == STOP_LINE, LOOP_AFTER_M, d.length_m[rows])
    length_m = np.zeros(len(row))
    np.maximum.at(length_m, of_row, end_m)
    loop, has_loop = row.copy(), np.zeros(len(row), np.bool_)
    is_loop = d.role[rows] == STOP_LINE
    loop[of_row[is_loop]], has_loop[of_row[is_loop]] = rows[is_loop], True
    group_offsets, group = ragged_rows(d.group_offsets, d.group, row)
    speed_m_s = np.array([ways.speed_m_s(str(street)) for street in d.street[row]], np.float64)
    boxes = len(layout.boxes.tls)
    offsets = np.searchsorted(d.box[row], np.arange(boxes + 1)).astype(np.int64)
    empty = np.zeros(len(row) + 1, np.int64)
    return Lanes(offsets, d.box[row], row, loop, has_loop, length_m, speed_m_s, group_offsets, group, empty), number


def _areas(layout: Layout, lanes: Lanes, number: dict[tuple[int, str, int], int], ways: Ways) -> Areas:
    d = layout.detectors
    rows = np.flatnonzero(d.boxed & ((d.role == NEAR) | (d.role == FAR)))
    lane = np.array([number.get(key, len(number)) for key in lane_keys(layout, rows)], np.int64)
    on_lane, near = lane < len(number), d.role[rows] == NEAR
    order = np.argsort(np.where(near, 0, np.where(on_lane, 1, 2)), kind="stable")
    rows, lane, on_lane, near = rows[order], lane[order], on_lane[order], near[order]
    near_of = np.zeros(len(number) + 1, np.int64)
    has_near = np.zeros(len(number) + 1, np.bool_)
    near_of[lane[near]], has_near[lane[near]] = np.flatnonzero(near), True
    below, has_below = near_of[lane], on_lane & ~near & has_near[lane]
    speed_m_s = np.array([ways.speed_m_s(str(street)) for street in d.street[rows]], np.float64)
    group_offsets, group = ragged_rows(d.group_offsets, d.group, rows)
    lane = np.where(on_lane, lane, 0)
    return Areas(rows, lane, near, on_lane, below, has_below, d.length_m[rows] / speed_m_s, group_offsets, group)


def _pieces(layout: Layout, lanes: Lanes, areas: Areas, ways: Ways) -> tuple[IntArray, Pieces]:
    """Return where areas lie before stop lines. An area on a street that leads to several lanes of its box counts for those
    all of whose groups it serves, in equal shares."""
    d = layout.detectors
    found: list[tuple[int, float, float, int, float]] = []  # lane, begin, end, area, share
    for area, row in enumerate(areas.row.tolist()):
        if areas.on_lane[area]:
            lane = int(areas.lane[area])
            begin_m = max(float(lanes.length_m[lane] - d.position_m[row] - d.length_m[row]), 0.0)
            found.append((lane, begin_m, begin_m + float(d.length_m[row]), area, 1.0))
            continue
        served = set(areas.group[areas.group_offsets[area] : areas.group_offsets[area + 1]].tolist())
        box = int(d.box[row])
        heads: list[tuple[int, float]] = []
        for lane in range(int(lanes.offsets[box]), int(lanes.offsets[box + 1])):
            groups = set(lanes.group[lanes.group_offsets[lane] : lanes.group_offsets[lane + 1]].tolist())
            street = str(d.street[lanes.row[lane]])
            between_m = ways.between_m(str(d.street[row]), street)
            if groups <= served and between_m is not None:
                heads.append((lane, float(lanes.length_m[lane]) + between_m))
        for lane, begin_m in heads:
            found.append((lane, begin_m, begin_m + float(d.length_m[row]), area, 1.0 / len(heads)))
    found = sorted(piece for piece in found if piece[1] < SEEN_M)
    lane = np.array([piece[0] for piece in found], np.int64)
    columns = [np.array([piece[n] for piece in found], np.float64) for n in (1, 2, 4)]
    return _offsets(lane, len(lanes.box)), Pieces(np.array([piece[3] for piece in found], np.int64), *columns)


def _by_box(layout: Layout, role: int) -> IntArray:
    d = layout.detectors
    rows = np.flatnonzero(d.boxed & (d.role == role))
    return rows[np.argsort(d.box[rows], kind="stable")].astype(np.int64)


def _cites(layout: Layout, areas: Areas, call_row: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return per box what a proposal rests on: the running stage, the queue of every lane, every call."""
    d, boxes = layout.detectors, len(layout.boxes.tls)
    near_row = areas.row[areas.near]
    box = np.concatenate([np.arange(boxes), d.box[near_row], d.box[call_row]])
    local = np.concatenate([layout.boxes.local, d.local[near_row], d.local[call_row]])
    names = (("running_stage", boxes), ("queue_veh", len(near_row)), ("call_waiting", len(call_row)))
    quantity = np.concatenate([np.full(count, layout.quantity[name], np.int64) for name, count in names])
    order = np.argsort(box, kind="stable")
    return np.searchsorted(box[order], np.arange(boxes + 1)).astype(np.int64), local[order], quantity[order]


def changes_s(layout: Layout) -> FloatArray:
    """Return how long each change takes, (s, m): from stage row to stage number. A box lets the slowest on foot clear whatever
    its table of intergreens says."""
    stages, groups, pairs = layout.stages, layout.groups, layout.pairs
    widest = int(np.diff(stages.offsets).max()) if len(stages.offsets) > 1 else 0
    change_s = np.zeros((len(stages.box), widest))
    walk_s = np.where(groups.kind == FOOT, np.ceil(np.round(groups.crossing_m / groups.walk_m_s, 6)), 0.0)
    pair_s = np.maximum(pairs.intergreen_s, np.where(pairs.permissive, 0.0, walk_s[pairs.from_group]))
    table = Course(
        stages.offsets, groups.offsets, stages.green, stages.gives_way, np.ceil(groups.yellow_s), np.ceil(groups.red_amber_s),
        pairs.offsets, pairs.from_group, pairs.to_group, np.ceil(pair_s),
    )  # fmt: skip
    _changes(table, change_s)
    return change_s


def survey(layout: Layout, ways: Ways) -> Survey:
    """Return what the decider sees of a city."""
    d = layout.detectors
    lanes, number = _lanes(layout, ways)
    areas = _areas(layout, lanes, number, ways)
    piece_offsets, pieces = _pieces(layout, lanes, areas, ways)
    call_row, exit_row = _by_box(layout, CALL), _by_box(layout, EXIT)
    unwatched = np.ones(len(layout.groups.box), np.bool_)
    unwatched[ragged_rows(areas.group_offsets, areas.group, np.flatnonzero(areas.near))[1]] = False
    unwatched[ragged_rows(d.group_offsets, d.group, call_row)[1]] = False
    return Survey(
        lanes._replace(piece_offsets=piece_offsets), areas, pieces, changes_s(layout), call_row, exit_row,
        d.length_m[exit_row] / VEHICLE_M, *ragged_rows(d.group_offsets, d.group, exit_row), *_cites(layout, areas, call_row),
        unwatched,
    )  # fmt: skip
