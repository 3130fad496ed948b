# SPDX-License-Identifier: Apache-2.0
"""From counts at stop lines to flows: movements, platoons that reach the next street, and what comes from elsewhere.

Counts per lane do not say where a lane's vehicles turn, nor from which movement upstream a street's vehicles come. The
table of movements by street that agrees with both sums is found by proportional fitting (K. P. Furness, Time function
iteration, Traffic Engineering and Control 7, 1965), from ordinary turning shares.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.retiming.kernel import FOLLOW_S, GAP_S, Roads, platoon
from lamplighter.services.traffic.retiming.roads import TURN_SHARE, RoadModel
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

ROUNDS = 40


@dataclass(frozen=True)
class Demand:
    """Flows of one period: per lane (veh/s), share of each movement in its lane, share of each feeder's movement that
    arrives at the street fed, and what arrives per lane from elsewhere (veh/s)."""

    lane_veh_s: FloatArray
    move_share: FloatArray
    feed_share: FloatArray
    outside_veh_s: FloatArray


def estimate(model: RoadModel, lane_veh_s: FloatArray, turning_veh_s: FloatArray, told: BoolArray) -> Demand:
    """Return the flows that agree with the counts. lane_veh_s (l,): vehicles per second over each stop line.

    turning_veh_s, told (v,): flows of movements, and whether turning counts tell them.
    """
    lane_of = np.repeat(np.arange(len(model.lane_key)), np.diff(model.lane_first))
    usual = np.asarray([TURN_SHARE[turn] for turn in model.move_turn])
    told = told & (np.bincount(lane_of, turning_veh_s, minlength=len(lane_veh_s)) > 0)[lane_of]
    prior = np.where(told, turning_veh_s, usual)
    flow = prior / np.maximum(1e-9, np.bincount(lane_of, prior))[lane_of] * lane_veh_s[lane_of]
    street = np.bincount(model.lane_edge, lane_veh_s, minlength=len(model.edge))
    share = model.feed_share.copy()
    moves, edges = len(model.move_link), len(model.edge)
    for _ in range(ROUNDS):
        into = np.bincount(model.feed_edge, flow[model.feed_move] * share, minlength=edges)
        factor = np.where(into > 1e-9, street / np.maximum(into, 1e-9), 1.0)
        factor = np.clip(np.where(model.source, np.minimum(factor, 1.0), factor), 0.05, 20.0)
        pull = np.where(told, 0.0, np.bincount(model.feed_move, share * np.log(factor[model.feed_edge]), minlength=moves))
        flow = flow * np.exp(0.5 * pull)
        flow = flow / np.maximum(1e-12, np.bincount(lane_of, flow, minlength=len(lane_veh_s)))[lane_of] * lane_veh_s[lane_of]
    into = np.bincount(model.feed_edge, flow[model.feed_move] * share, minlength=edges)
    share *= np.minimum(1.0, street / np.maximum(into, 1e-9))[model.feed_edge]
    into = np.minimum(into, street)
    of_lane = lane_veh_s / np.maximum(street[model.lane_edge], 1e-12)
    outside = np.maximum(0.0, street - into)[model.lane_edge] * of_lane
    return Demand(lane_veh_s, np.nan_to_num(flow / np.maximum(lane_veh_s[lane_of], 1e-12)), share, outside)


def roads(model: RoadModel, demand: Demand, boxes: BoolArray) -> tuple[Roads, IntArray]:
    """Return the network of the chosen boxes (b,) for the kernel, and the lanes (n,) that it holds.

    What boxes outside send arrives evenly.
    """
    lane_in = boxes[model.lane_box]
    lanes = np.flatnonzero(lane_in)
    move_in = boxes[model.move_box]
    moves = np.flatnonzero(move_in)
    edge_rows = np.unique(model.lane_edge[lanes])
    edge_at = np.full(len(model.edge), 0)
    edge_at[edge_rows] = np.arange(len(edge_rows))
    move_at = np.full(len(move_in), 0)
    move_at[moves] = np.arange(len(moves))
    street = np.bincount(model.lane_edge, demand.lane_veh_s, minlength=len(model.edge))
    of_street = demand.lane_veh_s / np.maximum(street[model.lane_edge], 1e-12)
    edge_in = np.zeros(len(model.edge), np.bool_)
    edge_in[edge_rows] = True
    inner = edge_in[model.feed_edge] & move_in[model.feed_move] & (demand.feed_share > 1e-6)
    lane_of = np.repeat(np.arange(len(model.lane_key)), np.diff(model.lane_first))
    flow = demand.move_share * demand.lane_veh_s[lane_of]
    fed = np.bincount(model.feed_edge[inner], (flow[model.feed_move] * demand.feed_share)[inner], minlength=len(model.edge))
    outside = np.maximum(0.0, street - fed)[model.lane_edge] * of_street
    inner_rows = np.flatnonzero(inner)
    front = [platoon(float(t)) for t in model.feed_travel_s[inner_rows]]
    feed_edge = edge_at[model.feed_edge[inner_rows]]
    feed_move = move_at[model.feed_move[inner_rows]]
    by_move = np.argsort(feed_move, kind="stable")
    of_box = np.zeros(len(boxes), np.int64)
    of_box[boxes] = np.arange(int(boxes.sum()))
    yields = [
        [int(move_at[n]) for n in model.yield_to[model.yield_first[v] : model.yield_first[v + 1]] if move_in[n]] for v in moves
    ]
    inside_share = np.where(street > 1e-9, fed / np.maximum(street, 1e-9), 0.0)[model.lane_edge]
    return Roads(
        of_box[model.lane_box[lanes]],
        edge_at[model.lane_edge[lanes]].astype(np.int64),
        np.concatenate(([0], np.cumsum(np.diff(model.lane_first)[lanes]))).astype(np.int64),
        of_street[lanes],
        outside[lanes],
        1.0 - 0.5 * np.clip(inside_share[lanes], 0.0, 1.0),
        model.move_link[moves],
        demand.move_share[moves],
        model.move_veh_s[moves],
        np.cumsum([0] + [len(part) for part in yields]).astype(np.int64),
        np.asarray([n for part in yields for n in part], np.int64),
        np.searchsorted(feed_edge, np.arange(len(edge_rows) + 1)).astype(np.int64),
        feed_move.astype(np.int64),
        demand.feed_share[inner_rows],
        np.asarray([delay for delay, _ in front], np.int64),
        np.asarray([smooth for _, smooth in front], np.float64),
        np.searchsorted(feed_move[by_move], np.arange(len(moves) + 1)).astype(np.int64),
        feed_edge[by_move].astype(np.int64),
        demand.feed_share[inner_rows][by_move],
        model.storage_veh[edge_rows],
        GAP_S,
        FOLLOW_S,
    ), lanes
