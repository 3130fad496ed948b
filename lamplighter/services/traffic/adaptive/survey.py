# SPDX-License-Identifier: Apache-2.0
"""What the decider knows of every intersection beforehand: lanes, how well a stage serves them, how long changes take."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.layout import CALL, EXIT, FAR, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.terms import VEHICLE_M
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

SATURATION_VEH_S = 0.5  # where a lane has no movement of its own: 1,800 veh/h (HBS 2015, S4)
APPROACH_M_S = 10.0
GIVES_WAY_RATIO = 0.4  # share of the full discharge that a group has while it gives way


class Lanes(NamedTuple):
    """Lanes before stop lines, (l,), sorted by box. loop, near, far: detector rows, meaningful where has_*."""

    offsets: IntArray
    box: IntArray
    loop: IntArray
    has_loop: BoolArray
    near: IntArray
    has_near: BoolArray
    far: IntArray
    has_far: BoolArray
    near_s: FloatArray  # time to drive over the near area, then over the far one
    far_s: FloatArray
    saturation_veh_s: FloatArray
    group_offsets: IntArray
    group: IntArray


class Survey(NamedTuple):
    """Lanes, calls and exits by box; change_s (s, m): from stage row to stage number; serves_share (ragged, per stage row a
    share for each lane of its box); call rows and exit rows by box; cites per box (run positions, quantity codes); groups
    (g,) before which no detector sees anybody."""

    lanes: Lanes
    stage_offsets: IntArray
    group_offsets: IntArray
    change_s: FloatArray
    serves_offsets: IntArray
    serves_share: FloatArray
    call_offsets: IntArray
    call_row: IntArray
    call_group_offsets: IntArray
    call_group: IntArray
    exit_offsets: IntArray
    exit_row: IntArray
    exit_room_veh: FloatArray
    exit_group_offsets: IntArray
    exit_group: IntArray
    cite_offsets: IntArray
    cite_local: IntArray
    cite_quantity: IntArray
    unwatched: BoolArray


class Programme(NamedTuple):
    """The own programmes: stage and split_s, ragged by box."""

    offsets: IntArray
    stage: IntArray
    split_s: FloatArray


@njit(cache=True)
def _changes(stage_offsets: IntArray, group_offsets: IntArray, green: BoolArray, red_amber_s: FloatArray, pair_offsets: IntArray,
             pair: IntArray, pair_s: FloatArray, change_s: FloatArray) -> None:  # fmt: skip
    """Fill change_s: the longest intergreen from a group that ends to one that starts, at least the red-amber."""
    for box in range(len(stage_offsets) - 1):
        first, base = group_offsets[box], stage_offsets[box]
        for a in range(base, stage_offsets[box + 1]):
            for b in range(base, stage_offsets[box + 1]):
                longest_s = 0.0
                for g in range(group_offsets[box + 1] - first):
                    if green[b, g] and not green[a, g]:
                        longest_s = max(longest_s, red_amber_s[first + g])
                for p in range(pair_offsets[box], pair_offsets[box + 1]):
                    f, g = pair[0, p] - first, pair[1, p] - first
                    if green[a, f] and not green[b, f] and green[b, g] and not green[a, g]:
                        longest_s = max(longest_s, pair_s[p])
                change_s[a, b - base] = np.ceil(longest_s)


def _ragged_rows(offsets: IntArray, values: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return offsets and values of the given rows of a ragged column."""
    lengths = np.diff(offsets)[rows]
    at = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    inside = np.arange(int(at[-1])) - np.repeat(at[:-1], lengths)
    return at, values[np.repeat(offsets[:-1][rows], lengths) + inside]


def _lane_of(layout: Layout) -> tuple[IntArray, IntArray]:
    """Return for every detector before a stop line its lane number, and the lane's first row. A far area on another
    street belongs to the lane of its box that serves the same groups and has none yet, else it is a lane by itself."""
    d = layout.detectors
    rows = np.flatnonzero(d.boxed & np.isin(d.role, [STOP_LINE, NEAR, FAR]))
    number: dict[tuple[int, str, int], int] = {}
    of_groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    lane = np.zeros(len(d.role), np.int64)
    first: list[int] = []
    with_far: set[int] = set()
    box, street, lanes, role, at, flat = (c.tolist() for c in (d.box, d.street, d.lane, d.role, d.group_offsets, d.group))
    for row in rows[np.argsort(d.role[rows], kind="stable")].tolist():
        key = (box[row], street[row], lanes[row])
        groups = (box[row], tuple(flat[at[row] : at[row + 1]]))
        found = number.get(key)
        if found is None and role[row] == FAR:
            free = [n for n in of_groups.get(groups, []) if n not in with_far]
            found = free[0] if free else None
        if found is None:
            found = len(first)
            number[key] = found
            first.append(row)
            of_groups.setdefault(groups, []).append(found)
        if role[row] == FAR:
            with_far.add(found)
        lane[row] = found
    return lane, np.array(first, np.int64)


def _lanes(layout: Layout) -> Lanes:
    d = layout.detectors
    lane, first = _lane_of(layout)
    order = np.argsort(d.box[first], kind="stable")
    place = np.zeros(len(first), np.int64)
    place[order] = np.arange(len(first))
    first = first[order]
    columns: dict[int, tuple[IntArray, BoolArray]] = {}
    for role in (STOP_LINE, NEAR, FAR):
        rows = np.flatnonzero(d.boxed & (d.role == role))
        at, has = np.zeros(len(first), np.int64), np.zeros(len(first), np.bool_)
        at[place[lane[rows]]] = rows
        has[place[lane[rows]]] = True
        columns[role] = (at, has)
    group_offsets, group = _ragged_rows(d.group_offsets, d.group, first)
    (loop, has_loop), (near, has_near), (far, has_far) = (columns[role] for role in (STOP_LINE, NEAR, FAR))
    boxes = len(layout.boxes.tls)
    return Lanes(
        offsets=np.searchsorted(d.box[first], np.arange(boxes + 1)).astype(np.int64),
        box=d.box[first],
        loop=loop,
        has_loop=has_loop,
        near=near,
        has_near=has_near,
        far=far,
        has_far=has_far,
        near_s=np.where(has_near, d.length_m[near], 0.0) / APPROACH_M_S,
        far_s=np.where(has_far, d.length_m[far], 0.0) / APPROACH_M_S,
        saturation_veh_s=_saturation(layout, first),
        group_offsets=group_offsets,
        group=group,
    )


def _saturation(layout: Layout, first: IntArray) -> FloatArray:
    """Return the discharge of each lane: the mean over its movements."""
    m, d = layout.movements, layout.detectors
    _, edge = np.unique(np.concatenate([m.from_edge, d.street[first]]), return_inverse=True)
    box, lane = np.concatenate([m.box, d.box[first]]), np.concatenate([m.from_lane, d.lane[first]])
    _, key = np.unique((edge * (1 + box.max(initial=0)) + box) * (1 + lane.max(initial=0)) + lane, return_inverse=True)
    moves = len(m.box)
    many = np.bincount(key[:moves], minlength=len(key))[key[moves:]]
    total_veh_s = np.bincount(key[:moves], weights=m.saturation_veh_s, minlength=len(key))[key[moves:]]
    return np.maximum(np.where(many > 0, total_veh_s / np.maximum(many, 1), SATURATION_VEH_S), 0.05)


def _serves(layout: Layout, lanes: Lanes) -> tuple[IntArray, FloatArray]:
    """Return per stage row a share for each lane of its box: 1 where all its groups are green, less where one gives way
    or only some of the lane's groups are green (then the others stand in the way)."""
    stages = layout.stages
    lanes_of = np.diff(lanes.offsets)
    offsets = np.concatenate(([0], np.cumsum(lanes_of[stages.box]))).astype(np.int64)
    served = np.zeros(int(offsets[-1]))
    row = np.repeat(np.arange(len(stages.box)), lanes_of[stages.box])
    lane = np.arange(int(offsets[-1])) - offsets[:-1][row] + lanes.offsets[:-1][stages.box[row]]
    many = np.diff(lanes.group_offsets)[lane]
    item = np.repeat(np.arange(len(lane)), many)
    inside = np.arange(len(item)) - np.repeat(np.concatenate(([0], np.cumsum(many)))[:-1], many)
    flat = lanes.group[lanes.group_offsets[:-1][lane[item]] + inside]
    number = flat - layout.groups.offsets[:-1][stages.box[row[item]]]
    green, yields = stages.green[row[item], number], stages.gives_way[row[item], number]
    share = np.where(green, np.where(yields, GIVES_WAY_RATIO, 1.0), 0.0)
    np.add.at(served, item, share)
    partly = np.zeros(len(served))
    np.add.at(partly, item, green)
    mean = served / np.maximum(many, 1)
    served = np.where(partly < many, 0.6 * mean, mean)
    return offsets, served


def _by_box(layout: Layout, role: int) -> tuple[IntArray, IntArray]:
    d = layout.detectors
    rows = np.flatnonzero(d.boxed & (d.role == role))
    rows = rows[np.argsort(d.box[rows], kind="stable")]
    return np.searchsorted(d.box[rows], np.arange(len(layout.boxes.tls) + 1)).astype(np.int64), rows.astype(np.int64)


def _cites(layout: Layout, lanes: Lanes, call_row: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return per box what a proposal rests on: the running stage, the queue of every lane, every call."""
    d, boxes = layout.detectors, len(layout.boxes.tls)
    watched = np.flatnonzero(lanes.has_near)
    box = np.concatenate([np.arange(boxes), lanes.box[watched], d.box[call_row]])
    local = np.concatenate([layout.boxes.local, d.local[lanes.near[watched]], d.local[call_row]])
    names = (("running_stage", boxes), ("queue_veh", len(watched)), ("call_waiting", len(call_row)))
    quantity = np.concatenate([np.full(count, layout.quantity[name], np.int64) for name, count in names])
    order = np.argsort(box, kind="stable")
    return np.searchsorted(box[order], np.arange(boxes + 1)).astype(np.int64), local[order], quantity[order]


@njit(cache=True)
def _own_reds(programme: Programme, group_offsets: IntArray, stage_offsets: IntArray, green: BoolArray, change_s: FloatArray,
              longest_s: FloatArray) -> None:  # fmt: skip
    """Fill, per box, the longest red that its own programme gives to a group that it serves at all."""
    at, stage, split_s = programme.offsets, programme.stage, programme.split_s
    for box in range(len(longest_s)):
        rows, base = at[box + 1] - at[box], stage_offsets[box]
        for n in range(group_offsets[box + 1] - group_offsets[box]):
            red_s, seen = 0.0, False
            for turn in range(2 * rows):  # twice around, so that a red over the end of the cycle is met whole
                row, following = at[box] + turn % rows, at[box] + (turn + 1) % rows
                if green[base + stage[row], n]:
                    seen = True
                    red_s = change_s[base + stage[row], stage[following]]
                elif seen:
                    red_s += split_s[row]
                    longest_s[box] = max(longest_s[box], red_s)


def own_red_s(layout: Layout, seen: Survey) -> FloatArray:
    """Return, per box (b,), the longest red of its own programme in seconds."""
    boxes, longest_s = layout.boxes, np.zeros(len(layout.boxes.tls))
    programme = Programme(boxes.programme_offsets, boxes.programme_stage, boxes.programme_split_s)
    _own_reds(programme, layout.groups.offsets, layout.stages.offsets, layout.stages.green, seen.change_s, longest_s)
    return longest_s


def _unwatched(layout: Layout, lanes: Lanes, call_group: IntArray) -> BoolArray:
    unwatched = np.ones(len(layout.groups.box), np.bool_)
    unwatched[lanes.group[np.repeat(lanes.has_near, np.diff(lanes.group_offsets))]] = False
    unwatched[call_group] = False
    return unwatched


def survey(layout: Layout) -> Survey:
    """Return what the decider needs to know of a city beforehand."""
    stages, groups, pairs = layout.stages, layout.groups, layout.pairs
    lanes = _lanes(layout)
    widest = int(np.diff(stages.offsets).max()) if len(stages.offsets) > 1 else 0
    change_s = np.zeros((len(stages.box), widest))
    both = np.stack([pairs.from_group, pairs.to_group])
    _changes(stages.offsets, groups.offsets, stages.green, groups.red_amber_s, pairs.offsets, both, pairs.intergreen_s, change_s)
    serves_offsets, serves = _serves(layout, lanes)
    call_offsets, call_row = _by_box(layout, CALL)
    exit_offsets, exit_row = _by_box(layout, EXIT)
    call_group_offsets, call_group = _ragged_rows(layout.detectors.group_offsets, layout.detectors.group, call_row)
    exit_group_offsets, exit_group = _ragged_rows(layout.detectors.group_offsets, layout.detectors.group, exit_row)
    cite_offsets, cite_local, cite_quantity = _cites(layout, lanes, call_row)
    return Survey(
        lanes, stages.offsets, groups.offsets, change_s, serves_offsets, serves, call_offsets, call_row, call_group_offsets,
        call_group, exit_offsets, exit_row, layout.detectors.length_m[exit_row] / VEHICLE_M, exit_group_offsets, exit_group,
        cite_offsets, cite_local, cite_quantity, _unwatched(layout, lanes, call_group),
    )  # fmt: skip
