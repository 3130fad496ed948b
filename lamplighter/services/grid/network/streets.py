# SPDX-License-Identifier: Apache-2.0
"""Streets as a graph along which cables lie: intersections, and points between them where homes are connected."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from lamplighter.terms.city import Place, Streets
from lamplighter.terms.columns import FloatArray, IntArray

METRES_PER_DEGREE = math.pi / 180 * 6371008.8
POINT_EVERY_M = 45.0
# Homes and shops per kilometre, relative to a street of blocks of flats. A service road carries cables, not homes.
DENSITY = {
    "residential": 1.2, "living_street": 1.2, "unclassified": 1.0, "tertiary": 0.9, "secondary": 0.7,
    "primary": 0.5, "service": 0.0, "track": 0.0, "motorway": 0.0, "motorway_link": 0.0, "trunk": 0.0, "trunk_link": 0.0,
}  # fmt: skip
DENSITY_ELSE = 0.8


@dataclass(frozen=True)
class StreetGraph:
    """Points (n,) in local metres with their weight (share of connections) and street, and pieces (m,) between them."""

    x_m: FloatArray
    y_m: FloatArray
    weight: FloatArray
    street: IntArray
    matrix: csr_matrix


def density_of(highway: str) -> float:
    """Return how densely a street of this class is built up; a class that nobody knows counts as a town street."""
    return DENSITY.get(highway.removeprefix("highway.").split("|")[0], DENSITY_ELSE)


def to_metres(place: Place, lon_deg: FloatArray, lat_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return local metres east and north of the place's origin (plane, good to a per mille within 20 km)."""
    east = (lon_deg - place.lon0_deg) * METRES_PER_DEGREE * math.cos(math.radians(place.lat0_deg))
    return east, (lat_deg - place.lat0_deg) * METRES_PER_DEGREE


def to_degrees(place: Place, x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude of local metres, to a centimetre."""
    lon = place.lon0_deg + x_m / (METRES_PER_DEGREE * math.cos(math.radians(place.lat0_deg)))
    return np.round(lon, 7), np.round(place.lat0_deg + y_m / METRES_PER_DEGREE, 7)


def _once(streets: Streets, rows: IntArray) -> IntArray:
    """Return the rows without the second direction of a street that has an edge for each."""
    seen: set[tuple[str, str, int]] = set()
    kept: list[int] = []
    for row in rows.tolist():
        ends = sorted((str(streets.from_node[row]), str(streets.to_node[row])))
        key = (ends[0], ends[1], round(float(streets.length_m[row]) / 20.0))
        if not any((key[0], key[1], key[2] + d) in seen for d in (-1, 0, 1)):
            seen.add(key)
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def street_graph(streets: Streets, place: Place) -> StreetGraph:
    """Return the graph of all motor streets, joined into one where parts of it do not touch."""
    motor = np.flatnonzero(streets.kind == "motor")
    rows = _once(streets, motor if len(motor) else np.arange(len(streets)))
    density = np.array([density_of(str(streets.highway[row])) for row in rows.tolist()])
    if not density.any():
        density = np.ones(len(rows))
    east, north = to_metres(place, streets.shape_lon_deg, streets.shape_lat_deg)
    x: list[float] = []
    y: list[float] = []
    weight: list[float] = []
    street: list[int] = []
    at: dict[str, int] = {}
    edges: list[tuple[int, int, float]] = []

    def point(px: float, py: float, w: float, row: int) -> int:
        x.append(px)
        y.append(py)
        weight.append(w)
        street.append(row)
        return len(x) - 1

    for row, dense in zip(rows.tolist(), density.tolist(), strict=True):
        part = slice(int(streets.shape_offsets[row]), int(streets.shape_offsets[row + 1]))
        sx, sy = east[part], north[part]
        along = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(sx), np.diff(sy)))))
        length = max(float(along[-1]), 1.0)
        names = (str(streets.from_node[row]), str(streets.to_node[row]))
        for name, end in zip(names, (0, -1), strict=True):
            if name not in at:
                at[name] = point(float(sx[end]), float(sy[end]), 0.0, row)
        pieces = max(1, round(length / POINT_EVERY_M)) if dense > 0 else 0
        places = (np.arange(pieces) + 0.5) * length / max(pieces, 1)
        chain = [at[names[0]]]
        for px, py in zip(np.interp(places, along, sx).tolist(), np.interp(places, along, sy).tolist(), strict=True):
            chain.append(point(px, py, dense * length / pieces, row))
        chain.append(at[names[1]])
        steps = np.diff(np.concatenate(([0.0], places, [length])))
        edges.extend((a, b, max(float(d), 0.5)) for a, b, d in zip(chain, chain[1:], steps.tolist(), strict=False))
    return _joined(np.array(x), np.array(y), np.array(weight), np.array(street, dtype=np.int64), edges)


def _joined(
    x: FloatArray, y: FloatArray, weight: FloatArray, street: IntArray, edges: list[tuple[int, int, float]]
) -> StreetGraph:
    """Return the graph with its parts joined at their nearest points, the largest part first."""
    many = len(x)
    while True:
        ends = np.array([(a, b) for a, b, _ in edges], dtype=np.int64).reshape(-1, 2)
        lengths = np.array([d for _, _, d in edges])
        matrix = csr_matrix((lengths, (ends[:, 0], ends[:, 1])), shape=(many, many))
        parts, label = connected_components(matrix, directed=False)
        if parts <= 1:
            return StreetGraph(x, y, weight, street, matrix.maximum(matrix.T).tocsr())
        largest = label == np.bincount(label).argmax()
        inside, outside = np.flatnonzero(largest), np.flatnonzero(~largest)
        found: Any = cKDTree(np.c_[x[inside], y[inside]]).query(np.c_[x[outside], y[outside]])
        away, near = np.asarray(found[0], np.float64), np.asarray(found[1], np.int64)
        for part in np.unique(label[outside]).tolist():
            mine = np.flatnonzero(label[outside] == part)
            best = mine[np.argmin(away[mine])]
            edges.append((int(inside[near[best]]), int(outside[best]), max(float(away[best]), 0.5)))


def walk(graph: StreetGraph, start: int) -> tuple[FloatArray, IntArray]:
    """Return distance and predecessor (n,) of every point on shortest ways from `start`."""
    found: Any = dijkstra(graph.matrix, directed=False, indices=np.array([start]), return_predecessors=True)
    return np.asarray(found[0][0], np.float64), np.asarray(found[1][0], np.int64)


def distances(graph: StreetGraph, points: IntArray) -> FloatArray:
    """Return the distances (k, n) along streets from some points to all."""
    return np.asarray(dijkstra(graph.matrix, directed=False, indices=points), np.float64)


def preorder(before: IntArray, start: int) -> IntArray:
    """Return all points in the order in which a walk along the tree of shortest ways first meets them."""
    children: dict[int, list[int]] = {}
    for child, parent in enumerate(before.tolist()):
        if parent >= 0:
            children.setdefault(parent, []).append(child)
    order: list[int] = []
    waiting = [start]
    while waiting:
        here = waiting.pop()
        order.append(here)
        waiting.extend(reversed(children.get(here, [])))
    return np.array(order, dtype=np.int64)
