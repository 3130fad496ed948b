# SPDX-License-Identifier: Apache-2.0
"""Who travels where in a day: flows, each one way through the district with a number of trips per day.

Motor trips: through traffic from edge to edge of the district, weighted by road class, plus trips that begin or end in
a street of the district, weighted by its length. Ways are found three times, each time with the streets slower that
the flows before have filled, and a third of the trips takes each. Then trips are thinned wherever an intersection
would be fuller in the busiest hour than `FULL_SHARE` of what its signals can pass. Bicycles and people on foot make
short trips between streets; buses and trams run by timetable.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.traffic.demand import profiles
from lamplighter.services.traffic.demand.paths import Graph, Ways, foot_graph, shortest, vehicle_graph
from lamplighter.services.traffic.planning.network import Edge, RoadNetwork
from lamplighter.services.traffic.terms import Settings
from lamplighter.terms.columns import FloatArray, IntArray

CAR, TRUCK, BUS, TRAM, BICYCLE, PERSON = "car", "truck", "bus", "tram", "bicycle", "person"
MODES = (CAR, TRUCK, BUS, TRAM, BICYCLE, PERSON)
PCU = {CAR: 1.0, TRUCK: 2.0, BUS: 2.0, TRAM: 0.0, BICYCLE: 0.3, PERSON: 0.0}

THROUGH_WEIGHT = {"motorway": 20.0, "trunk": 15.0, "primary": 10.0, "secondary": 5.0, "tertiary": 2.5, "unclassified": 0.4}
SAME_STREET = 6.0  # who enters along a street mostly leaves along the same one
# Drivers keep to main streets: share of the speed allowed at which a way over each class is reckoned.
CLASS_SPEED_SHARE = {
    "secondary": 0.95,
    "tertiary": 0.85,
    "unclassified": 0.5,
    "residential": 0.4,
    "living_street": 0.3,
    "service": 0.3,
}
LOCAL_CLASSES = ("residential", "unclassified", "living_street", "tertiary")
FULL_SHARE = 0.8
ROUNDS = 3
FITTING_STEPS, GROWTH_MAX = 12, 1.25
LANE_PCU_H = 700.0  # what one lane between signals is reckoned to pass when ways are chosen
TRUCK_SHARE = 0.04
WALK_M_S, CYCLE_M_S = 1.3, 4.5


@dataclass(frozen=True)
class Flow:
    """One way through the district: who, over which streets, how many trips a day, spread by which profile."""

    mode: str
    edges: tuple[str, ...]
    trips_per_day: float
    profile: str

    @property
    def peak_h(self) -> float:
        """Return the trips in the busiest hour."""
        return self.trips_per_day * profiles.peak_share(self.profile)


def road_class(edge: Edge) -> str:
    """Return the road class without what the source puts around it (`highway.primary_link` gives `primary`)."""
    return edge.highway.removeprefix("highway.").split("|")[0].removesuffix("_link")


def _reckoned_m_s(edge: Edge) -> float:
    return edge.lanes[-1].speed_m_s * CLASS_SPEED_SHARE.get(road_class(edge), 1.0)


def motor_flows(network: RoadNetwork, amounts: Settings, rng: np.random.Generator) -> tuple[Flow, ...]:
    """Return the flows of cars, before thinning."""
    graph = vehicle_graph(network, "passenger", _reckoned_m_s)
    ends, weight, wanted_h = _pairs(network, graph, amounts, rng)
    if not len(ends):
        return ()
    lanes = np.asarray([sum("passenger" in x.classes for x in network.edges[e].lanes) for e in graph.edges])
    used_h = np.zeros(len(graph.edges))
    found: dict[tuple[int, ...], float] = {}
    for done in range(ROUNDS):
        filled = used_h * (ROUNDS / max(1, done)) / (lanes * LANE_PCU_H)
        starts, row = np.unique(ends[:, 0], return_inverse=True)
        ways = shortest(graph, starts, 1.0 + 0.15 * filled**4)
        for (_, end), start_row, trips_h in zip(ends, row, weight * wanted_h / ROUNDS, strict=True):
            way = ways.way(int(start_row), int(end))
            if len(way) > 1:
                found[way] = found.get(way, 0.0) + float(trips_h)
                used_h[list(way)] += float(trips_h)
    share = profiles.peak_share(profiles.MOTOR)
    return tuple(Flow(CAR, tuple(graph.edges[k] for k in way), h / share, profiles.MOTOR) for way, h in sorted(found.items()))


def _pairs(
    network: RoadNetwork, graph: Graph, amounts: Settings, rng: np.random.Generator
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return pairs of edges (p, 2), each pair's share within its kind (p,), and trips per busiest hour of that kind (p,)."""
    edges = [network.edges[e] for e in graph.edges]
    by_class = np.asarray([THROUGH_WEIGHT.get(road_class(e), 0.0) for e in edges])
    sources = [int(k) for k in graph.sources() if by_class[k] > 0]
    sinks = [int(k) for k in graph.sinks() if by_class[k] > 0]
    ways = shortest(graph, sources) if sources else None
    through: list[tuple[int, int, float]] = []
    for row, start in enumerate(sources):
        for end in sinks:
            far = ways is not None and np.isfinite(ways.time_s[row, end]) and start != end
            if far and edges[start].from_node != edges[end].to_node:
                same = SAME_STREET if edges[start].name and edges[start].name == edges[end].name else 1.0
                through.append((start, end, float(by_class[start] * by_class[end]) * same))
    local = _local_pairs(edges, sources, sinks, by_class, rng)
    kinds = [(through, amounts.through_veh_h), (local, amounts.local_veh_h)]
    rows = [(a, b, w / sum(x[2] for x in kind), h) for kind, h in kinds for a, b, w in kind]
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 4)
    return table[:, :2].astype(np.int64), table[:, 2], table[:, 3]


def _local_pairs(
    edges: Sequence[Edge], sources: list[int], sinks: list[int], by_class: FloatArray, rng: np.random.Generator
) -> list[tuple[int, int, float]]:
    homes = np.asarray([road_class(e) in LOCAL_CLASSES for e in edges])
    length_m = np.asarray([e.lanes[-1].length_m for e in edges]) * homes
    if length_m.sum() <= 0:
        return []
    pairs: list[tuple[int, int, float]] = []
    for home in rng.choice(len(edges), size=120, p=length_m / length_m.sum()):
        gate = int(rng.integers(3))
        if gate == 0 and sinks:
            far = int(rng.choice(sinks, p=by_class[sinks] / by_class[sinks].sum()))
            pairs.append((int(home), far, 1.0))
        elif gate == 1 and sources:
            near = int(rng.choice(sources, p=by_class[sources] / by_class[sources].sum()))
            pairs.append((near, int(home), 1.0))
        else:
            pairs.append((int(home), int(rng.choice(len(edges), p=length_m / length_m.sum())), 1.0))
    return [(a, b, w) for a, b, w in pairs if a != b]


def bicycle_flows(network: RoadNetwork, amounts: Settings, rng: np.random.Generator) -> tuple[Flow, ...]:
    """Return bicycle flows: trips of 0.5 to 2.5 km, keeping off main roads where they can."""

    def speed_m_s(edge: Edge) -> float:
        return CYCLE_M_S * (0.6 if road_class(edge) in ("primary", "secondary") else 1.0)

    return _short_flows(
        network, vehicle_graph(network, "bicycle", speed_m_s), (BICYCLE, 80, amounts.bicycle_h), (500.0, 2500.0), rng
    )


def person_flows(network: RoadNetwork, amounts: Settings, rng: np.random.Generator) -> tuple[Flow, ...]:
    """Return flows of people on foot: walks of 150 to 900 m."""
    return _short_flows(network, foot_graph(network, WALK_M_S), (PERSON, 240, amounts.person_h), (150.0, 900.0), rng)


def _short_flows(
    network: RoadNetwork,
    graph: Graph,
    wanted: tuple[str, int, float],
    reach_m: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Flow, ...]:
    """Return `wanted` = (mode, number of ways, trips per busiest hour) between streets within reach."""
    mode, count, per_hour = wanted
    normal = np.asarray([network.edges[e].function == "normal" for e in graph.edges])
    length_m = np.asarray([network.edges[e].lanes[0].length_m for e in graph.edges]) * normal
    if not count or length_m.sum() <= 0 or len(graph.tail) == 0:
        return ()
    speed = CYCLE_M_S if mode == BICYCLE else WALK_M_S
    starts = np.unique(rng.choice(len(graph.edges), size=count, p=length_m / length_m.sum()))
    ways = shortest(graph, starts)
    share = profiles.peak_share(profiles.ACTIVE)
    found: list[Flow] = []
    for row in range(len(starts)):
        fits = (ways.time_s[row] * speed >= reach_m[0]) & (ways.time_s[row] * speed <= reach_m[1]) & (length_m >= 15.0)
        if not fits.any():
            continue
        end = int(rng.choice(len(graph.edges), p=fits * length_m / (fits * length_m).sum()))
        edges = tuple(graph.edges[k] for k in ways.way(row, end) if normal[k])
        if len(edges) > 1:
            found.append(Flow(mode, edges, 1.0, profiles.ACTIVE))
    each = per_hour / share / max(1, len(found))
    return tuple(replace(flow, trips_per_day=each) for flow in found)


def line_flows(network: RoadNetwork, amounts: Settings) -> tuple[Flow, ...]:
    """Return two bus lines over the longest main ways that overlap least, each way, and the tram there and back."""
    graph = vehicle_graph(network, "bus", _reckoned_m_s)
    chosen: list[tuple[int, ...]] = []
    for _ in range(4):
        way = _longest_new_way(network, graph, chosen)
        if len(way) > 3:
            chosen.append(way)
    buses = [Flow(BUS, tuple(graph.edges[k] for k in way), amounts.line_trips_per_day, profiles.TIMETABLE) for way in chosen]
    return tuple(buses) + _tram_flows(network, amounts)


def _longest_new_way(network: RoadNetwork, graph: Graph, chosen: list[tuple[int, ...]]) -> tuple[int, ...]:
    main = np.asarray([THROUGH_WEIGHT.get(road_class(network.edges[e]), 0.0) >= 2.0 for e in graph.edges])
    sources = [int(k) for k in graph.sources() if main[k]]
    sinks = [int(k) for k in graph.sinks() if main[k]]
    if not sources or not sinks:
        return ()
    ways = shortest(graph, sources)
    taken = {k for way in chosen for k in way}
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for row in range(len(sources)):
        for end in sinks:
            way = ways.way(row, end)
            fresh_s = sum(float(graph.travel_s[k]) for k in way if k not in taken)
            if fresh_s > best[0]:
                best = (fresh_s, way)
    return best[1]


def _tram_flows(network: RoadNetwork, amounts: Settings) -> tuple[Flow, ...]:
    graph = vehicle_graph(network, "tram", lambda e: e.lanes[-1].speed_m_s)
    found: list[tuple[int, ...]] = []
    everywhere = shortest(graph, np.arange(len(graph.edges))) if len(graph.tail) else None
    if everywhere is None:
        return ()
    for start in graph.sources():
        found.append(_farthest(everywhere, [(int(start), int(end)) for end in range(len(graph.edges))]))
    for end in graph.sinks():
        found.append(_farthest(everywhere, [(start, int(end)) for start in range(len(graph.edges))]))
    ways = [way for k, way in enumerate(found) if len(way) > 3 and way not in found[:k]]
    return tuple(Flow(TRAM, tuple(graph.edges[k] for k in way), amounts.line_trips_per_day, profiles.TIMETABLE) for way in ways)


def _farthest(ways: Ways, pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    reached = [(float(ways.time_s[a, b]), a, b) for a, b in pairs if np.isfinite(ways.time_s[a, b])]
    if not reached:
        return ()
    _, start, end = max(reached)
    return ways.way(start, end)


def turns_pcu_h(flows: Sequence[Flow]) -> dict[tuple[str, str, str], float]:
    """Return the passenger car units of the busiest hour from one edge to the next, by the edge after that (or empty)."""
    total: dict[tuple[str, str, str], float] = {}
    for flow in flows:
        if PCU[flow.mode] > 0:
            for turn in zip(flow.edges, flow.edges[1:], (*flow.edges[2:], ""), strict=False):
                total[turn] = total.get(turn, 0.0) + flow.peak_h * PCU[flow.mode]
    return total


def fitted(flows: Sequence[Flow], fullness: Callable[[Sequence[Flow]], Mapping[tuple[str, str], float]]) -> tuple[Flow, ...]:
    """Return the flows with fewer car trips where `fullness` (per pair of edges, 1 = FULL_SHARE reached) is above 1.

    What is taken away there is put on the other flows, several times over; the last step only takes away.
    """
    kept = list(flows)
    wanted = sum(flow.trips_per_day for flow in kept if flow.mode == CAR)
    for step in range(FITTING_STEPS):
        full = fullness(kept)
        growth = (
            wanted / max(1.0, sum(flow.trips_per_day for flow in kept if flow.mode == CAR))
            if 0 < step < FITTING_STEPS - 3
            else 1.0
        )
        for n, flow in enumerate(kept):
            worst = max((full.get(pair, 0.0) for pair in zip(flow.edges, flow.edges[1:], strict=False)), default=0.0)
            if flow.mode == CAR:
                kept[n] = replace(flow, trips_per_day=flow.trips_per_day * min(growth, GROWTH_MAX) / max(1.0, worst))
    return tuple(kept)


def with_trucks(flows: Sequence[Flow]) -> tuple[Flow, ...]:
    """Return the flows with a share of the cars on main ways turned into trucks."""
    made: list[Flow] = []
    for flow in flows:
        if flow.mode == CAR:
            made += [
                replace(flow, trips_per_day=flow.trips_per_day * (1 - TRUCK_SHARE)),
                replace(flow, mode=TRUCK, trips_per_day=flow.trips_per_day * TRUCK_SHARE),
            ]
        else:
            made.append(flow)
    return tuple(made)
