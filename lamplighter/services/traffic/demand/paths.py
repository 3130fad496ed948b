# SPDX-License-Identifier: Apache-2.0
"""Shortest ways through the road network for one kind of traveller, found once when the city is built."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from lamplighter.services.traffic.planning.network import Edge, RoadNetwork
from lamplighter.terms.columns import FloatArray, IntArray

_TURN_S = {"straight": 0.0, "right": 2.0, "left": 6.0}
_SIGNAL_S = 15.0
_CROSSING_S = 12.0


@dataclass(frozen=True)
class Graph:
    """Edges one may travel (n) and the ways between them: arc a goes from edge tail[a] to edge head[a].

    travel_s (n,): time along each edge; extra_s (a,): turning and signals.
    """

    edges: tuple[str, ...]
    tail: IntArray
    head: IntArray
    travel_s: FloatArray
    extra_s: FloatArray

    def position(self) -> Mapping[str, int]:
        """Return the position of each edge."""
        return {edge: n for n, edge in enumerate(self.edges)}

    def sources(self) -> IntArray:
        """Return the edges that no other leads into: here traffic enters the district."""
        return np.setdiff1d(np.arange(len(self.edges)), self.head)

    def sinks(self) -> IntArray:
        """Return the edges that lead into no other: here traffic leaves it."""
        return np.setdiff1d(np.arange(len(self.edges)), self.tail)


def vehicle_graph(network: RoadNetwork, vehicle_class: str, speed_m_s: Callable[[Edge], float]) -> Graph:
    """Return the graph of a vehicle class, without turning round. speed_m_s gives the speed to reckon with on an edge."""
    edges = tuple(
        e.id for e in network.edges.values() if e.function == "normal" and any(vehicle_class in x.classes for x in e.lanes)
    )
    known = {edge: n for n, edge in enumerate(edges)}
    arcs: dict[tuple[int, int], float] = {}
    for c in network.connections:
        if c.from_edge not in known or c.to_edge not in known or c.turn in ("cross", "u_turn"):
            continue
        start, end = network.edges[c.from_edge].lanes[c.from_lane], network.edges[c.to_edge].lanes[c.to_lane]
        if vehicle_class in start.classes and vehicle_class in end.classes:
            arcs[(known[c.from_edge], known[c.to_edge])] = _TURN_S.get(c.turn, 0.0) + (_SIGNAL_S if c.tls else 0.0)
    travel = [network.edges[e].lanes[-1].length_m / speed_m_s(network.edges[e]) for e in edges]
    ends = np.asarray(list(arcs), dtype=np.int64).reshape(-1, 2)
    return Graph(edges, ends[:, 0], ends[:, 1], np.asarray(travel), np.asarray(list(arcs.values())))


def foot_graph(network: RoadNetwork, speed_m_s: float) -> Graph:
    """Return the graph of people on foot: streets in either direction, walking areas and crossings."""
    touched = {part for pair in network.walkways for part in pair}
    edges = tuple(e.id for e in network.edges.values() if e.id in touched)
    known = {edge: n for n, edge in enumerate(edges)}
    pairs = [(known[a], known[b]) for a, b in network.walkways]
    ends = np.asarray(pairs + [(b, a) for a, b in pairs], dtype=np.int64).reshape(-1, 2)
    travel = [
        network.edges[e].lanes[0].length_m / speed_m_s + (_CROSSING_S if network.edges[e].function == "crossing" else 0.0)
        for e in edges
    ]
    return Graph(edges, ends[:, 0], ends[:, 1], np.asarray(travel), np.zeros(len(ends)))


@dataclass(frozen=True)
class Ways:
    """Shortest ways from some edges. time_s (k, n); before (k, n) the edge before each on the way."""

    start: IntArray
    time_s: FloatArray
    before: IntArray

    def way(self, row: int, end: int) -> tuple[int, ...]:
        """Return the edges from start `row` to `end`, both included; empty where there is no way."""
        if not np.isfinite(self.time_s[row, end]):
            return ()
        found = [end]
        while found[-1] != self.start[row]:
            found.append(int(self.before[row, found[-1]]))
        return tuple(reversed(found))


def shortest(graph: Graph, starts: Sequence[int] | IntArray, slower: FloatArray | None = None) -> Ways:
    """Return the shortest ways from `starts` (k,). slower (n,): factor on the time along each edge."""
    travel_s = graph.travel_s if slower is None else graph.travel_s * slower
    cost = travel_s[graph.head] + graph.extra_s
    size = len(graph.edges)
    matrix = csr_matrix((cost + 1e-6, (graph.tail, graph.head)), shape=(size, size))
    where = np.asarray(starts, dtype=np.int64)
    solved = dijkstra(matrix, directed=True, indices=where, return_predecessors=True)
    return Ways(where, np.asarray(solved[0], dtype=np.float64), np.asarray(solved[1], dtype=np.int64))
