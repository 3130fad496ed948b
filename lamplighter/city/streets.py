# SPDX-License-Identifier: Apache-2.0
"""Streets and paths of a city from its road network: kinds, widths, light, and where they lie on the earth."""

import importlib
import math
from collections import defaultdict
from typing import Any

import numpy as np

from lamplighter.city.faults import Fault, refuse
from lamplighter.city.geodesy import around, from_parameters, unproject
from lamplighter.city.network import MOTOR, Network, Road
from lamplighter.terms.city import Place, Streets
from lamplighter.terms.columns import BoolArray, FloatArray, TextArray

# Without a `lit` attribute every street and path inside the built-up area counts as lit, save these classes.
UNLIT = ("bridleway", "ford", "motorway", "motorway_link", "raceway", "track", "unsurfaced")
LIT_TAGS = {
    "yes": True,
    "24/7": True,
    "automatic": True,
    "sunset-sunrise": True,
    "dusk-dawn": True,
    "limited": True,
    "interval": True,
}
UNLIT_TAGS = {"no": False, "disused": False}
LANE_WIDTH_M = 3.2  # SUMO's default where a net states no lane width


def kind_of(road: Road) -> str:
    """Return `crossing`, `motor` (any motor vehicle may drive), `cycle` (bicycles, no motor) or `foot`."""
    if road.crossing:
        return "crossing"
    allowed = frozenset[str]().union(*road.permissions)
    if allowed & MOTOR:
        return "motor"
    return "cycle" if "bicycle" in allowed else "foot"


def is_lit(road: Road) -> bool:
    """Return the source's own `lit` value where it has one, else the stated rule by highway class."""
    if road.lit:
        return LIT_TAGS.get(road.lit, UNLIT_TAGS.get(road.lit, True))
    return road.highway.removeprefix("highway.").split("|")[0] not in UNLIT


def _carriageway(road: Road) -> tuple[float, int]:
    """Return the width in metres and the number of lanes that motor vehicles (or, on a path, anyone) may use."""
    if kind_of(road) != "motor":
        return sum(road.lane_width_m), 0
    lanes = [w for w, allowed in zip(road.lane_width_m, road.permissions, strict=True) if allowed & MOTOR]
    return sum(lanes), len(lanes)


def georeference(network: Network, shown: str, origin: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude of every shape point of the network, one road after the other.

    origin: (lon, lat) of the network's own zero, used where the net carries no projection.
    """
    points = np.array([point for road in network.roads for point in road.shape_m], dtype=np.float64)
    if not network.projection:
        return unproject(points[:, 0], points[:, 1], around(*origin))
    east, north = points[:, 0] - network.offset_x_m, points[:, 1] - network.offset_y_m
    known = from_parameters(network.projection)
    return unproject(east, north, known) if known else _by_pyproj(east, north, network.projection, shown)


def _by_pyproj(east: FloatArray, north: FloatArray, projection: str, shown: str) -> tuple[FloatArray, FloatArray]:
    try:
        pyproj: Any = importlib.import_module("pyproj")
    except ImportError as error:
        fault = Fault(
            shown,
            None,
            "location projParameter",
            projection,
            "UTM or a transverse Mercator on WGS84 or GRS80",
            "Convert the net with netconvert --proj.utm, or install pyproj (pip install pyproj).",
        )
        raise refuse(fault) from error
    lon, lat = pyproj.Proj(projparams=projection)(east, north, inverse=True)
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)


def centre_of(lon_deg: FloatArray, lat_deg: FloatArray, timezone: str) -> Place:
    """Return the place whose origin is the middle of the network's bounding box, to a thousandth of a degree."""
    lon = round(float(lon_deg.min() + lon_deg.max()) / 2, 3)
    lat = round(float(lat_deg.min() + lat_deg.max()) / 2, 3)
    return Place(lon, lat, timezone)


def streets_of(network: Network, lon_deg: FloatArray, lat_deg: FloatArray) -> Streets:
    """Return the network's roads as a table in the net's own order, areas still empty.

    lon_deg, lat_deg: as `georeference` returned them. length_m is what a vehicle drives and the shape is the street's
    axis, both between the stop lines.
    """
    roads = network.roads
    widths = [_carriageway(road) for road in roads]
    counts = np.array([len(road.shape_m) for road in roads], dtype=np.int64)
    return Streets(
        id=np.array([road.id for road in roads], dtype=np.str_),
        name=_names(roads),
        kind=np.array([kind_of(road) for road in roads], dtype=np.str_),
        highway=np.array([road.highway for road in roads], dtype=np.str_),
        from_node=np.array([road.from_node for road in roads], dtype=np.str_),
        to_node=np.array([road.to_node for road in roads], dtype=np.str_),
        length_m=np.array([round(road.length_m, 2) for road in roads], dtype=np.float64),
        width_m=np.array([round(width, 2) for width, _ in widths], dtype=np.float64),
        lanes=np.array([lanes for _, lanes in widths], dtype=np.int64),
        speed_m_s=np.array([road.speed_m_s for road in roads], dtype=np.float64),
        lit=np.array([is_lit(road) for road in roads], dtype=np.bool_),
        area=np.full(len(roads), "", dtype=np.str_),
        shape_offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        shape_lon_deg=np.round(lon_deg, 7),
        shape_lat_deg=np.round(lat_deg, 7),
    )


def _names(roads: tuple[Road, ...]) -> TextArray:
    """Return street names; a crossing is named after the first named street at its junction."""
    at: dict[str, str] = {}
    for road in sorted(roads, key=lambda r: (r.name, r.id)):
        if road.name and not road.crossing:
            at.setdefault(road.from_node, road.name)
            at.setdefault(road.to_node, road.name)
    return np.array([at.get(road.from_node, "") if road.crossing else road.name for road in roads], dtype=np.str_)


def counted_once(streets: Streets) -> BoolArray:
    """Return the mask (n,) under which a street with an edge per direction counts once.

    Two edges are one street where they join the same two intersections the other way round with the same class and
    name and nearly the same length. The first in the table stands for both.
    """
    waiting: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    once = np.ones(len(streets), dtype=np.bool_)
    lengths = drawn_length_m(streets)
    ends = zip(streets.from_node.tolist(), streets.to_node.tolist(), streets.highway.tolist(), streets.name.tolist(), strict=True)
    for row, (start, end, highway, name) in enumerate(ends):
        if streets.kind[row] == "crossing":
            continue
        partners = waiting[(end, start, highway, name)]
        near = [p for p in partners if math.isclose(lengths[p], lengths[row], rel_tol=0.1, abs_tol=5.0)]
        if near and start != end:
            partners.remove(near[0])
            once[row] = False
        else:
            waiting[(start, end, highway, name)].append(row)
    return once


def drawn_length_m(streets: Streets) -> FloatArray:
    """Return the length (n,) of each street's shape in metres, from stop line to stop line."""
    lat0 = float(streets.shape_lat_deg.mean()) if len(streets) else 0.0
    east = streets.shape_lon_deg * (math.pi / 180 * 6371008.8 * math.cos(math.radians(lat0)))
    north = streets.shape_lat_deg * (math.pi / 180 * 6371008.8)
    steps = np.hypot(np.diff(east, append=east[-1:]), np.diff(north, append=north[-1:]))
    total = np.concatenate(([0.0], np.cumsum(steps)))
    # The step that leads from one street's last point to the next street's first belongs to neither.
    return total[streets.shape_offsets[1:] - 1] - total[streets.shape_offsets[:-1]]


def street_lines(streets: Streets) -> tuple[str, ...]:
    """Return what a city's README says of its streets, with figures."""
    once, lengths = counted_once(streets), drawn_length_m(streets) / 1000
    words = {"motor": "carriageways", "cycle": "cycle paths", "foot": "footpaths", "crossing": "crossings"}
    parts = [f"{lengths[once & (streets.kind == kind)].sum():.1f} km {word}" for kind, word in words.items()]
    lit = lengths[once & streets.lit].sum()
    paths = lengths[once & streets.lit & (streets.kind != "crossing")].sum()
    total = f"{len(streets)} rows, one per direction of travel: {', '.join(parts)} (a street with two directions counts once)."
    light = (
        f"Lit: {lit:.1f} km, of which {paths:.1f} km are streets and paths and {lit - paths:.1f} km crossings. Where the source "
        f"has no `lit` attribute, every street and path counts as lit but for these classes: {', '.join(UNLIT)}."
    )
    return total, light
