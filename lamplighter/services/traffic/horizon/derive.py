# SPDX-License-Identifier: Apache-2.0
"""What follows from a network once and for all: which lanes feed a lane, which lanes a lane gives way to, how big boxes are."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.scheme import RED, Network
from lamplighter.terms.columns import FloatArray, IntArray

STAGES_MOST = 12  # a box with more stages is not looked at for its shortest round
HISTORY_S = 64  # seconds of passed vehicles that are remembered, the longest way between signals that is looked along


class Derived(NamedTuple):
    """lane_box (l,); feed_offsets (l+1,) with, per feed, the upstream movement and its lane, the share of that movement's
    vehicles that comes to this lane, and the seconds from stop line to stop line at free flow less the seen stretch.
    cross_offsets (l+1,) with, per lane that a lane gives way to: its number within the box, and the movement rows that
    give and have way. widest: most lanes, stages, movements of any box."""

    lane_box: IntArray
    move_lane: IntArray
    feed_offsets: IntArray
    feed_move: IntArray
    feed_lane: IntArray
    feed_share: FloatArray
    feed_s: FloatArray
    cross_offsets: IntArray
    cross_lane: IntArray
    cross_giver: IntArray
    cross_haver: IntArray
    widest_lanes: int
    widest_stages: int


@njit(cache=True)
def _needs(network: Network, box: int, masks: IntArray) -> int:
    """Fill for every movement and crossing of a box that some stages serve which of them do; return how many."""
    many, row0 = 0, network.stage_offsets[box]
    stages = network.stage_offsets[box + 1] - row0
    moves = network.move_first[box + 1] - network.move_first[box]
    for item in range(moves + network.foot_offsets[box + 1] - network.foot_offsets[box]):
        mask = 0
        for m in range(stages):
            served = network.serve[row0 + m, item] != RED if item < moves else network.foot_serve[row0 + m, item - moves]
            mask |= int(served) << m
        if mask > 0:
            masks[many] = mask
            many += 1
    return many


@njit(cache=True)
def shortest_round_s(network: Network) -> FloatArray:
    """Return (b,) the least seconds in which a box can serve everybody once, each stage as short as may be, and come back; 0
    where it has too many stages to be looked at. Exact, by sets of stages (M. Held, R. Karp, J. SIAM 10 (1962) 196-210)."""
    boxes, never_s = len(network.stage_offsets) - 1, 1e9
    found_s = np.zeros(boxes)
    masks = np.zeros(network.serve.shape[1] + network.foot_serve.shape[1], np.int64)
    for box in range(boxes):
        row0 = network.stage_offsets[box]
        stages = network.stage_offsets[box + 1] - row0
        if stages > STAGES_MOST:
            continue
        many, least_s = _needs(network, box, masks), never_s
        spent_s = np.full((1 << stages, stages), never_s)
        for m in range(stages):
            spent_s[1 << m, m] = network.green_min_s[row0 + m]
        for visited in range(1, 1 << stages):
            first = 0
            while not visited >> first & 1:
                first += 1
            whole = True
            for n in range(many):
                whole = whole and (masks[n] & visited) != 0
            for last in range(stages):
                here_s = spent_s[visited, last]
                if here_s >= never_s:
                    continue
                if whole:
                    least_s = min(least_s, here_s + network.change_s[row0 + last, first])
                for m in range(first + 1, stages):
                    if not visited >> m & 1:
                        then_s = here_s + network.change_s[row0 + last, m] + network.green_min_s[row0 + m]
                        spent_s[visited | 1 << m, m] = min(spent_s[visited | 1 << m, m], then_s)
        found_s[box] = least_s
    return found_s


@njit(cache=True)
def _rows_of(offsets: IntArray, count: int) -> IntArray:
    """Return for every item of a ragged column the row that holds it."""
    rows = np.zeros(count, np.int64)
    for row in range(len(offsets) - 1):
        rows[offsets[row] : offsets[row + 1]] = row
    return rows


def _feeds(network: Network, move_lane: IntArray) -> tuple[IntArray, IntArray, IntArray, FloatArray, FloatArray]:
    at = network.exit_lane_offsets
    many = np.diff(at)[network.move_exit]
    move = np.repeat(np.arange(len(network.move_exit)), many)
    inside = np.arange(len(move)) - np.repeat(np.concatenate(([0], np.cumsum(many)))[:-1], many)
    item = at[:-1][network.move_exit[move]] + inside
    lane = network.exit_lane[item]
    order = np.argsort(lane, kind="stable")
    offsets = np.searchsorted(lane[order], np.arange(len(network.lane_length_m) + 1)).astype(np.int64)
    travel_s = np.clip(network.exit_travel_s[network.move_exit[move]], 0.0, HISTORY_S - 2.0)
    return offsets, move[order], move_lane[move][order], network.exit_share[item][order], travel_s[order]


def _crossings(network: Network, move_lane: IntArray, lane_box: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    giver = np.repeat(np.arange(len(network.move_exit)), np.diff(network.yield_offsets))
    haver = network.yield_to
    keep = move_lane[giver] != move_lane[haver]
    giver, haver = giver[keep], haver[keep]
    lane = move_lane[giver]
    order = np.argsort(lane, kind="stable")
    offsets = np.searchsorted(lane[order], np.arange(len(lane_box) + 1)).astype(np.int64)
    other = move_lane[haver][order]
    return offsets, other - network.lane_offsets[lane_box[other]], giver[order], haver[order]


def derive(network: Network) -> Derived:
    """Return what follows from a network."""
    lanes = len(network.lane_length_m)
    lane_box = _rows_of(network.lane_offsets, lanes)
    move_lane = _rows_of(network.move_offsets, len(network.move_exit))
    boxes = len(network.lane_offsets) - 1
    return Derived(
        lane_box,
        move_lane,
        *_feeds(network, move_lane),
        *_crossings(network, move_lane, lane_box),
        widest_lanes=int(np.diff(network.lane_offsets).max()) if boxes else 0,
        widest_stages=int(np.diff(network.stage_offsets).max()) if boxes else 0,
    )
