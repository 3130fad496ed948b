# SPDX-License-Identifier: Apache-2.0
"""Which lanes stop at signals, where their movements lead, and which stop line feeds which street."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.planning.network import FOOT, RAIL, Connection, RoadNetwork
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

# Discharge at full green. RiLSA and HBS allow 2000 and take 10 to 30 % off tight turns; queues in SUMO leave at these.
DISCHARGE_VEH_H = {"straight": 1800.0, "left": 1500.0, "right": 1350.0, "u_turn": 900.0, "cross": 0.0}
VEHICLE_M = 7.5  # one standing vehicle with the gap before it
TURN_SHARE = {"straight": 0.65, "left": 0.2, "right": 0.2, "u_turn": 0.01, "cross": 0.0}  # where nothing is counted
REACH_S = 120.0
SHARE_MIN = 0.05
CORNER_S = 1.5  # crossing an intersection on the way


@dataclass(frozen=True)
class RoadModel:
    """Lanes, movements (sorted by lane), streets before stop lines, and feeders (sorted by street).

    box: position in the list of signals; source: more than signals feeds the street; own_share: of the movement's flow,
    the share that reaches the street where nothing is counted.
    """

    lane_key: tuple[tuple[str, int], ...]
    lane_box: IntArray
    lane_edge: IntArray
    lane_first: IntArray
    move_box: IntArray
    move_link: IntArray
    move_turn: tuple[str, ...]
    move_veh_s: FloatArray
    move_exit: tuple[str, ...]
    yield_first: IntArray
    yield_to: IntArray
    edge: tuple[str, ...]
    edge_length_m: FloatArray
    storage_veh: FloatArray
    source: BoolArray
    feed_edge: IntArray
    feed_move: IntArray
    feed_share: FloatArray
    feed_travel_s: FloatArray
    feed_m: FloatArray


@dataclass(frozen=True)
class _Way:
    """What leaves one street over intersections without signals: street reached, share, time and distance."""

    edge: str
    share: float
    travel_s: float
    length_m: float


def read_roads(network: RoadNetwork, boxes: tuple[str, ...]) -> RoadModel:
    """Return the vehicles' side of the signals named in `boxes` (signal ids, in order)."""
    number = {name: n for n, name in enumerate(boxes)}
    mine = [c for c in network.connections if c.tls in number and c.kind not in (FOOT, RAIL)]
    lanes: dict[tuple[str, int], list[Connection]] = {}
    for c in mine:
        lanes.setdefault((c.from_edge, c.from_lane), []).append(c)
    keys = tuple(sorted(lanes, key=lambda k: (number[lanes[k][0].tls], k)))
    moves = [c for key in keys for c in lanes[key]]
    edges = tuple(dict.fromkeys(key[0] for key in keys))
    row = {name: n for n, name in enumerate(edges)}
    feeds = _feeders(network, moves, row)
    first, to = _yields(network, moves)
    length_m = np.asarray([network.edges[e].lanes[0].length_m for e in edges])
    counts = np.bincount([row[key[0]] for key in keys], minlength=len(edges))
    before_m = np.zeros(len(edges))
    for edge in range(len(edges)):
        ways = [f[4] for f in feeds if f[0] == edge]
        before_m[edge] = min(ways, default=float(length_m[edge]))
    return RoadModel(
        keys,
        np.asarray([number[lanes[k][0].tls] for k in keys], np.int64),
        np.asarray([row[k[0]] for k in keys], np.int64),
        np.cumsum([0] + [len(lanes[k]) for k in keys]).astype(np.int64),
        np.asarray([number[c.tls] for c in moves], np.int64),
        np.asarray([c.link for c in moves], np.int64),
        tuple(c.turn for c in moves),
        np.asarray([DISCHARGE_VEH_H[c.turn] / 3600.0 for c in moves]),
        tuple(c.to_edge for c in moves),
        first,
        to,
        edges,
        length_m,
        np.maximum(2.0, counts * before_m / VEHICLE_M),
        np.asarray([_has_source(network, name, number) for name in edges], np.bool_),
        np.asarray([f[0] for f in feeds], np.int64),
        np.asarray([f[1] for f in feeds], np.int64),
        np.asarray([f[2] for f in feeds], np.float64),
        np.asarray([f[3] for f in feeds], np.float64),
        np.asarray([f[4] for f in feeds], np.float64),
    )


def _onward(network: RoadNetwork) -> dict[str, list[Connection]]:
    onward: dict[str, list[Connection]] = {}
    for c in network.connections:
        if c.kind not in (FOOT, RAIL):
            onward.setdefault(c.from_edge, []).append(c)
    return onward


def _feeders(network: RoadNetwork, moves: list[Connection], row: dict[str, int]) -> list[tuple[int, int, float, float, float]]:
    """Return (street, movement, share, seconds, metres) of every way from a stop line to the next, sorted by street."""
    onward = _onward(network)
    reached = {name: _ways(network, onward, name, row) for name in dict.fromkeys(c.to_edge for c in moves)}
    feeds: dict[tuple[int, int], tuple[float, float, float]] = {}
    for n, c in enumerate(moves):
        for way in reached[c.to_edge]:
            key = (row[way.edge], n)
            share, travel_s, length_m = feeds.get(key, (0.0, 0.0, 0.0))
            both = share + way.share
            feeds[key] = (both, (share * travel_s + way.share * (way.travel_s + CORNER_S)) / both,
                          (share * length_m + way.share * way.length_m) / both)  # fmt: skip
    return [(*key, *value) for key, value in sorted(feeds.items())]


def _ways(network: RoadNetwork, onward: dict[str, list[Connection]], start: str, row: dict[str, int]) -> list[_Way]:
    """Follow the streets from `start` to the next stop lines."""
    found: list[_Way] = []
    open_ways = [_Way(start, 1.0, 0.0, 0.0)]
    while open_ways:
        way = open_ways.pop()
        lane = network.edges[way.edge].lanes[-1]
        here = _Way(way.edge, way.share, way.travel_s + lane.length_m / max(lane.speed_m_s, 1.0), way.length_m + lane.length_m)
        if here.edge in row:
            found.append(here)
            continue
        if here.travel_s > REACH_S:
            continue
        weight: dict[str, float] = {}
        for c in onward.get(here.edge, ()):
            weight[c.to_edge] = max(weight.get(c.to_edge, 0.0), TURN_SHARE[c.turn])
        total = sum(weight.values())
        for name, part in weight.items():
            if here.share * part / total >= SHARE_MIN:
                open_ways.append(_Way(name, here.share * part / total, here.travel_s + CORNER_S, here.length_m))
    return found


def _yields(network: RoadNetwork, moves: list[Connection]) -> tuple[IntArray, IntArray]:
    at = {(c.tls, c.link, c.from_edge, c.from_lane, c.to_edge, c.to_lane): n for n, c in enumerate(moves)}

    def key(c: Connection) -> tuple[str, int, str, int, str, int]:
        return (c.tls, c.link, c.from_edge, c.from_lane, c.to_edge, c.to_lane)

    lists: list[list[int]] = [[] for _ in moves]
    for signal in network.signals:
        for i, j in zip(*np.nonzero(signal.yields), strict=True):
            one, other = key(signal.connections[int(i)]), key(signal.connections[int(j)])
            if one in at and other in at:
                lists[at[one]].append(at[other])
    first = np.cumsum([0] + [len(part) for part in lists]).astype(np.int64)
    return first, np.asarray([n for part in lists for n in part], np.int64)


def _has_source(network: RoadNetwork, name: str, boxes: dict[str, int]) -> bool:
    """Say whether vehicles reach the street from elsewhere than signals: it begins at the edge, or others join."""
    into = [c for c in network.connections if c.to_edge == name and c.kind not in (FOOT, RAIL) and c.turn != "u_turn"]
    return not into or any(c.tls not in boxes for c in into)
