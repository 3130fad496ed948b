# SPDX-License-Identifier: Apache-2.0
"""What follows from a network once and for all: which lanes feed a lane, which lanes a lane gives way to, how big boxes are."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.scheme import Network
from lamplighter.terms.columns import FloatArray, IntArray

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
