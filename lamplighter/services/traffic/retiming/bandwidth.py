# SPDX-License-Identifier: Apache-2.0
"""Green bands along arterials: how long a platoon may be that meets green at every signal, both ways.

J. D. C. Little, The synchronization of traffic signals by mixed-integer linear programming, Operations Research 14, 1966;
J. D. C. Little, M. D. Kelson and N. H. Gartner, MAXBAND, Transportation Research Record 795, 1981. Here a band is what the
signals show second by second, and the widest one is found by the same kind of programme over offsets and bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from lamplighter.services.traffic.retiming.demand import Demand
from lamplighter.services.traffic.retiming.roads import RoadModel
from lamplighter.services.traffic.retiming.scheme import LIT, Junction, Programme, seconds
from lamplighter.terms.columns import BoolArray, FloatArray

FLOW_MIN_VEH_H = 100.0


@dataclass(frozen=True)
class Arterial:
    """Intersections along a street, in order, with the travel time and way from the first, and the link that each
    direction drives straight on (None where it does not)."""

    boxes: tuple[int, ...]
    travel_s: tuple[float, ...]
    along_m: tuple[float, ...]
    out_link: tuple[int | None, ...]
    back_link: tuple[int | None, ...]


@dataclass(frozen=True)
class Band:
    """A band of green: seconds long, from when it leaves the first signal of its direction, share of the shortest green."""

    width_s: float
    start_s: float
    green_share: float


def lit(junction: Junction, programme: Programme, link: int, cycle_s: int) -> BoolArray:
    """Return the seconds (t,) of the group's cycle, on its clock, in which a link is green; a half cycle is shown twice."""
    own = np.asarray([state[link] in LIT for state in seconds(junction, programme)], np.bool_)
    whole = np.tile(own, max(1, round(cycle_s / len(own))))
    return np.roll(whole, round(programme.offset_s))


def band(shown: Sequence[BoolArray], travel_s: Sequence[float]) -> Band:
    """Return the widest band through signals that show green at (t,) and are reached travel_s after the first.

    Times are whole seconds. A band of all the cycle has its whole length.
    """
    size = len(shown[0])
    free = np.logical_and.reduce([np.roll(one, -round(t)) for one, t in zip(shown, travel_s, strict=True)])
    least = min(int(one.sum()) for one in shown)
    if free.all():
        return Band(float(size), 0.0, 1.0)
    best, start = 0, 0
    turned = int(np.flatnonzero(~free)[0])
    run = 0
    for k in range(1, size + 1):
        t = (turned + k) % size
        run = run + 1 if free[t] else 0
        if run > best:
            best, start = run, (t - run + 1) % size
    return Band(float(best), float(start), best / least if least else 0.0)


def widest(
    green_s: Sequence[float], travel_s: Sequence[float], cycle_s: float, back_weight: float = 1.0
) -> tuple[float, float, FloatArray]:
    """Return the widest pair of bands (out, back) and the offsets (n,) that give them, each signal with one green.

    green_s: green of the through traffic, the same both ways; travel_s: from the first signal. A mixed-integer programme:
    at every signal both bands lie within green, whole cycles apart.
    """
    count = len(green_s)
    size = 4 + 3 * count  # out band, its start, back band, its start; then offset, out cycles, back cycles of each signal
    rows: list[FloatArray] = []
    high: list[float] = []
    for k in range(count):
        for first, way, cycles in ((0, travel_s[k], 4 + count + k), (2, -travel_s[k], 4 + 2 * count + k)):
            opens, shuts = np.zeros(size), np.zeros(size)
            opens[[4 + k, first + 1, cycles]] = (1.0, -1.0, -cycle_s)  # offset <= start + way + cycles
            shuts[[first + 1, first, cycles, 4 + k]] = (1.0, 1.0, cycle_s, -1.0)  # start + band + way + cycles <= offset + green
            rows += [opens, shuts]
            high += [way, green_s[k] - way]
    worth = np.zeros(size)
    worth[0], worth[2] = -1.0, -back_weight
    whole = np.zeros(size, np.int64)
    whole[4 + count :] = 1
    most = max(travel_s) / cycle_s + 2
    low_bound = np.concatenate([np.zeros(4 + count), np.full(2 * count, -np.ceil(most))])
    high_bound = np.concatenate([[cycle_s] * 4, np.full(count, cycle_s), np.full(2 * count, np.ceil(most))])
    high_bound[4] = 0.0
    found: Any = milp(worth, constraints=LinearConstraint(np.asarray(rows), -np.inf, high), integrality=whole,
                      bounds=Bounds(low_bound, high_bound), options={"mip_rel_gap": 1e-4, "node_limit": 20000})  # fmt: skip
    if found.x is None:
        return 0.0, 0.0, np.zeros(count)
    solved: FloatArray = np.asarray(found.x, np.float64)
    return float(solved[0]), float(solved[2]), solved[4 : 4 + count] % cycle_s


def arterials(model: RoadModel, demand: Demand, boxes: Sequence[int]) -> list[Arterial]:
    """Return the arterials among these boxes: chains of the strongest flows straight on, every box in one at most."""
    lane_of = np.repeat(np.arange(len(model.lane_key)), np.diff(model.lane_first))
    flow = demand.move_share * demand.lane_veh_s[lane_of] * 3600.0
    lane_box = model.lane_box
    edge_box = {int(e): int(b) for e, b in zip(model.lane_edge, lane_box, strict=True)}
    ways: dict[tuple[int, int], tuple[float, float, float, int, int]] = {}
    for k in range(len(model.feed_edge)):
        v, e = int(model.feed_move[k]), int(model.feed_edge[k])
        pair = (int(model.move_box[v]), edge_box[e])
        through = flow[v] * demand.feed_share[k]
        ahead = [w for w in range(len(model.move_link)) if model.lane_edge[lane_of[w]] == e and model.move_turn[w] == "straight"]
        if model.move_turn[v] != "straight" or not ahead or pair[0] == pair[1] or not set(pair) <= set(boxes):
            continue
        onward = max(ahead, key=lambda w: flow[w])
        if through > ways.get(pair, (0.0,))[0]:
            ways[pair] = (
                through,
                float(model.feed_travel_s[k]),
                float(model.feed_m[k]),
                int(model.move_link[v]),
                int(model.move_link[onward]),
            )
    total = {(a, b): way[0] + ways.get((b, a), (0.0,))[0] for (a, b), way in ways.items()}
    chains: list[list[int]] = []
    used: set[int] = set()
    for pair in sorted(total, key=lambda p: -total[p]):
        if total[pair] < FLOW_MIN_VEH_H:
            break
        a, b = pair
        if a in used and b in used:
            continue
        grown = next((c for c in chains if (c[-1] == a and b not in used) or (c[0] == b and a not in used)), None)
        if grown is not None:
            if grown[-1] == a:
                grown.append(b)
            else:
                grown.insert(0, a)
        elif a not in used and b not in used:
            chains.append([a, b])
        else:
            continue
        used |= {a, b}
    return [_arterial(chain, ways) for chain in chains]


def _arterial(chain: list[int], ways: dict[tuple[int, int], tuple[float, float, float, int, int]]) -> Arterial:
    travel, along = [0.0], [0.0]
    out: list[int | None] = [None] * len(chain)
    back: list[int | None] = [None] * len(chain)
    for k, (a, b) in enumerate(pairwise(chain)):
        there, here = ways.get((a, b)), ways.get((b, a))
        known = there or here
        travel.append(travel[-1] + (known[1] if known else 0.0))
        along.append(along[-1] + (known[2] if known else 0.0))
        if there:
            out[k] = there[3] if out[k] is None else out[k]
            out[k + 1] = there[4]
        if here:
            back[k + 1] = here[3] if back[k + 1] is None else back[k + 1]
            back[k] = here[4]
    return Arterial(tuple(chain), tuple(travel), tuple(along), tuple(out), tuple(back))
