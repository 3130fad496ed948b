# SPDX-License-Identifier: Apache-2.0
"""Reads a SUMO road network. The only module that imports sumolib, and only when a network is read."""

import gzip
import importlib
import math
import xml.sax
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from lamplighter.city.faults import CityError, Fault, refuse

REMEDY_EXPORT = "Export the network again with netconvert or osmWebWizard, and copy the whole file."
MOTOR = frozenset(
    ("passenger", "private", "taxi", "bus", "coach", "delivery", "truck", "trailer", "motorcycle", "moped", "evehicle", "hov")
)


@dataclass(frozen=True)
class Road:
    """One edge of the network in the network's own metres. permissions: vehicle classes allowed per lane."""

    id: str
    name: str
    highway: str
    crossing: bool
    from_node: str
    to_node: str
    length_m: float
    speed_m_s: float
    lit: str
    lane_width_m: tuple[float, ...]
    permissions: tuple[frozenset[str], ...]
    shape_m: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Network:
    """The streets of a net with its own georeference: `projection` is empty where the net has none."""

    roads: tuple[Road, ...]
    projection: str
    offset_x_m: float
    offset_y_m: float


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def elements(path: Path, shown: str, roots: tuple[str, ...], remedy: str = REMEDY_EXPORT) -> Iterator[ElementTree.Element]:
    """Yield every element of an XML file as it ends, plain or gzipped.

    roots: allowed names of the root element, none where any will do. CityError on a missing, truncated or foreign file.
    """
    allowed = f"a SUMO file with root <{roots[0]}>" if roots else "a SUMO file"
    if not path.is_file():
        raise refuse(Fault(shown, None, "file", "missing", allowed, "Give the path of an existing file."))
    try:
        with _opened(path) as stream:
            first = True
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                if first and roots and element.tag not in roots:
                    foreign = f"This is another kind of file. {remedy}"
                    raise refuse(Fault(shown, 1, "root element", f"<{element.tag}>", f"<{roots[0]}>", foreign))
                first = False
                if event == "end":
                    yield element
    except ElementTree.ParseError as error:
        damaged = f"The file is cut short or damaged. {remedy}"
        raise refuse(Fault(shown, error.position[0], "XML", str(error), "a complete XML document", damaged)) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise refuse(
            Fault(shown, None, "gzip", str(error), "a complete gzip file", f"The file is cut short. {remedy}")
        ) from error


def net_edges(path: Path, shown: str) -> frozenset[str]:
    """Return the ids of a SUMO net's edges; CityError unless the file is one whole SUMO net."""
    edges: set[str] = set()
    for element in elements(path, shown, ("net",)):
        if element.tag == "edge":
            edges.add(element.attrib.get("id", ""))
        element.clear()
    if not edges:
        raise refuse(Fault(shown, None, "edge", "no edge", "at least one edge", f"The network is empty. {REMEDY_EXPORT}"))
    return frozenset(edges)


def read_network(path: Path, shown: str) -> Network:
    """Return the streets and crossings of a SUMO net; CityError names file, line and remedy."""
    net_edges(path, shown)  # tells what sumolib would pass over in silence
    try:
        sumolib: Any = importlib.import_module("sumolib")
    except ImportError as error:
        raise CityError((), "Reading a road network needs sumolib: pip install 'lamplighter[sumo]'.") from error
    try:
        net: Any = sumolib.net.readNet(str(path), withInternal=True)
    except (KeyError, ValueError, AttributeError, xml.sax.SAXException) as error:
        raise refuse(
            Fault(shown, None, "network", f"{type(error).__name__}: {error}", "a net that sumolib can read", REMEDY_EXPORT)
        ) from error
    location: dict[str, str] = dict(net._location)
    x, _, y = location.get("netOffset", "0,0").partition(",")
    projection = location.get("projParameter", "!")
    roads = [_road(edge) for edge in net.getEdges(withInternal=True) if edge.getFunction() in ("", "crossing")]
    return Network(
        tuple(road for road in roads if _is_street(road)), "" if projection in ("!", "-") else projection, float(x), float(y)
    )


def _road(edge: Any) -> Road:
    crossing = edge.getFunction() == "crossing"
    lanes: list[Any] = edge.getLanes()
    shape: list[tuple[float, float]] = lanes[0].getShape() if crossing else _centre_line(edge.getRawShape(), edge.getShape())
    junction = edge.getID()[1:].rsplit("_", 1)[0]  # a crossing has no ends of its own; it lies on its junction
    return Road(
        id=str(edge.getID()),
        name=str(edge.getName() or ""),
        highway="" if crossing else str(edge.getType() or ""),
        crossing=crossing,
        from_node=junction if crossing else str(edge.getFromNode().getID()),
        to_node=junction if crossing else str(edge.getToNode().getID()),
        length_m=float(edge.getLength()),
        speed_m_s=float(edge.getSpeed()),
        lit=str(edge.getParam("lit", "")),
        lane_width_m=tuple(float(lane.getWidth()) for lane in lanes),
        permissions=tuple(frozenset(map(str, lane.getPermissions())) for lane in lanes),
        shape_m=tuple((float(p[0]), float(p[1])) for p in shape),
    )


Line = Sequence[tuple[float, float]]
SHORTEST_M = 0.5  # of a centre line; below that, cutting it has left nothing of the street


def _centre_line(axis: Line, lanes: Line) -> list[tuple[float, float]]:
    """Return the part of a street's axis that lies between its stop lines.

    axis: the line from intersection to intersection that both directions share; lanes: the middle of one direction's
    lanes, which ends at the stop lines. Where the two do not run along each other, the lanes' own line is returned.
    """
    from_m, to_m = _along(axis, lanes[0]), _along(axis, lanes[-1])
    if to_m - from_m < SHORTEST_M:
        return [(p[0], p[1]) for p in lanes]
    line = [_at(axis, from_m)]
    passed_m = 0.0
    for a, b in pairwise(axis):
        passed_m += math.dist(a, b)
        if from_m < passed_m < to_m:
            line.append((b[0], b[1]))
    return [*line, _at(axis, to_m)]


def _along(line: Line, point: tuple[float, float]) -> float:
    """Return how far along a line the place nearest to a point lies, in metres."""
    nearest_m, best_m, passed_m = math.inf, 0.0, 0.0
    for (ax, ay), (bx, by) in pairwise(line):
        length_m = math.hypot(bx - ax, by - ay)
        share = ((point[0] - ax) * (bx - ax) + (point[1] - ay) * (by - ay)) / length_m**2 if length_m else 0.0
        share = min(max(share, 0.0), 1.0)
        away_m = math.hypot(ax + share * (bx - ax) - point[0], ay + share * (by - ay) - point[1])
        if away_m < nearest_m:
            nearest_m, best_m = away_m, passed_m + share * length_m
        passed_m += length_m
    return best_m


def _at(line: Line, along_m: float) -> tuple[float, float]:
    passed_m = 0.0
    for (ax, ay), (bx, by) in pairwise(line):
        length_m = math.hypot(bx - ax, by - ay)
        if passed_m + length_m >= along_m and length_m:
            share = (along_m - passed_m) / length_m
            return ax + share * (bx - ax), ay + share * (by - ay)
        passed_m += length_m
    return line[-1]


def _is_street(road: Road) -> bool:
    on_street = MOTOR | {"bicycle", "pedestrian"}
    return len(road.shape_m) > 1 and any(allowed & on_street for allowed in road.permissions)
