# SPDX-License-Identifier: Apache-2.0
"""Signals without power: which boxes the grid believes dark, and how their neighbours hold back what would flow into them.

A dark intersection follows its priority signs, and nothing can be asked of its box. What it passes that way is a fraction of
what its signals pass; who enters faster only stands there, over the crossings and into the intersections behind. So the
neighbours let out towards it what it can pass, and no more: a bucket fills at that rate and every vehicle let out empties it by
one; the planner is told that the street takes what is in the bucket.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.horizon.scheme import RED, Network, Seen
from lamplighter.services.traffic.layout import Layout
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

ENERGISED = "energised"
ENERGISED_FRESH_S = 200.0
# One vehicle every 2.4 s over all approaches together: less than one lane discharges under green. A choice, not a measurement.
DARK_VEH_S = 1500.0 / 3600.0
BUCKET_VEH = 8.0  # a platoon of this many may go at once
UNLIMITED_VEH = 1e6


class Holding(NamedTuple):
    """Which exits lead to which box, ragged: exit_row (k,), box (k,), share (k,) of the box's approach lanes; and per exit (e,)
    what may still be let out."""

    exit_row: IntArray
    box: IntArray
    share: FloatArray
    left_veh: FloatArray
    second: int


def dark_boxes(snapshot: Snapshot, layout: Layout) -> BoolArray:
    """Return the boxes (b,) that are believed to be without power."""
    value, known = snapshot.citywide(ENERGISED, ENERGISED_FRESH_S)
    at = layout.start + layout.boxes.local
    return known[at] & (value[at] == 0.0)


def begin(network: Network) -> Holding:
    """Return who leads to whom, and full buckets."""
    lanes = np.diff(network.lane_offsets)
    box_of_lane = np.repeat(np.arange(len(lanes)), lanes)
    exits = len(network.exit_length_m)
    exit_row = np.repeat(np.arange(exits), np.diff(network.exit_lane_offsets))
    box = box_of_lane[network.exit_lane]
    pairs, count = np.unique(np.stack([exit_row, box]), axis=1, return_counts=True)
    share = count / np.maximum(lanes[pairs[1]], 1)
    return Holding(pairs[0].astype(np.int64), pairs[1].astype(np.int64), share, np.full(exits, BUCKET_VEH), 0)


def let_out(network: Network, seen: Seen) -> FloatArray:
    """Return how many vehicles entered each exit (e,) in the last second: those of a lane over its movements not red."""
    moves = np.diff(network.move_offsets)
    lane = np.repeat(np.arange(len(moves)), moves)
    open_move = seen.movement_green != RED
    among = np.maximum(np.bincount(lane[open_move], minlength=len(moves)), 1)
    each = np.where(open_move, (seen.passed_veh / among)[lane], 0.0)
    return np.bincount(network.move_exit, weights=each, minlength=len(network.exit_length_m)).astype(np.float64)


def hold_back(network: Network, holding: Holding, dark: BoolArray, seen: Seen, second: int) -> tuple[FloatArray, Holding]:
    """Return what each exit (e,) still takes, as seen and as dark boxes ahead allow, and the buckets for the next second."""
    exits = len(network.exit_length_m)
    room = seen.exit_room_veh if len(seen.exit_room_veh) else np.full(exits, UNLIMITED_VEH)
    ahead = dark[holding.box]
    if not ahead.any():
        return room, holding._replace(left_veh=np.full(exits, BUCKET_VEH), second=second)
    passed_s = float(np.clip(second - holding.second, 0, 5)) if holding.second else 1.0
    rate_veh_s = np.full(exits, np.inf)
    np.minimum.at(rate_veh_s, holding.exit_row[ahead], DARK_VEH_S * holding.share[ahead])
    held = np.isfinite(rate_veh_s)
    filled = holding.left_veh + np.where(held, rate_veh_s, 0.0) * passed_s - let_out(network, seen)
    left = np.where(held, np.clip(filled, -BUCKET_VEH, BUCKET_VEH), BUCKET_VEH)
    return np.where(held, np.minimum(room, np.maximum(left, 0.0)), room), holding._replace(left_veh=left, second=second)
