# SPDX-License-Identifier: Apache-2.0
"""The part of a SUMO road network that signal planning needs: streets, lanes, and the links of each signal programme.

The file format is that of SUMO's net.xml (version 1.0 and newer). A link of a junction has a request row: `foes`
are the links whose paths meet its own, `response` those to which it must give way; crossings come after vehicles.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray

MOTOR, CYCLE, FOOT, MIXED, RAIL = "motor", "cycle", "foot", "mixed", "rail"
_RAIL_CLASSES = frozenset({"tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car"})
_MOTOR_CLASSES = frozenset({"passenger", "private", "taxi", "bus", "coach", "delivery", "truck", "trailer", "motorcycle", "moped",
                            "evehicle", "hov", "emergency", "authority", "army", "vip"})  # fmt: skip
_CLASSES = _RAIL_CLASSES | _MOTOR_CLASSES | {"bicycle", "pedestrian"}
_TURNS = {"s": "straight", "l": "left", "L": "left", "r": "right", "R": "right", "t": "u_turn"}
_VIA = re.compile(r"_(\d+)_(\d+)$")


class NetworkError(ValueError):
    """A road network that cannot be used; the text says which file and what is wrong."""


@dataclass(frozen=True)
class Lane:
    """One lane. kind: who mainly uses it (`mixed`: cycles and people on foot); shape_m (n, 2) metres.

    classes: SUMO's vehicle classes that may use it.
    """

    id: str
    kind: str
    classes: frozenset[str]
    length_m: float
    speed_m_s: float
    width_m: float
    shape_m: FloatArray


@dataclass(frozen=True)
class Edge:
    """One street in one direction, or a part inside a junction (`function` then is not `normal`).

    crosses: of a crossing, the streets that it crosses.
    """

    id: str
    function: str
    highway: str
    name: str
    from_node: str
    to_node: str
    crosses: tuple[str, ...]
    lanes: tuple[Lane, ...]


@dataclass(frozen=True)
class Connection:
    """A way from lane to lane. path_m (n, 2): its course inside the junction; tls is empty without signals."""

    from_edge: str
    from_lane: int
    to_edge: str
    to_lane: int
    turn: str
    tls: str
    link: int
    kind: str
    cycles: bool
    junction: str
    request: int
    width_m: float
    speed_m_s: float
    path_m: FloatArray


@dataclass(frozen=True)
class Signal:
    """One signal programme of the network: connections under it, who meets whom, and its intervals.

    foes[i, j]: the paths of connections i and j meet; yields[i, j]: i gives way to j; intervals: (seconds, state);
    least_s (n,): the shortest that each interval may last.
    """

    id: str
    offset_s: float
    connections: tuple[Connection, ...]
    foes: BoolArray
    yields: BoolArray
    intervals: tuple[tuple[float, str], ...]
    least_s: tuple[float, ...]


@dataclass(frozen=True)
class RoadNetwork:
    """Streets and signals of one net.xml, in the order of the file."""

    edges: Mapping[str, Edge]
    connections: tuple[Connection, ...]
    signals: tuple[Signal, ...]
    junction_xy_m: Mapping[str, tuple[float, float]]
    walkways: tuple[tuple[str, str], ...]  # parts that people on foot go between: streets, walking areas, crossings
    origin_m: tuple[float, float]
    projection: str


def read_network(path: Path, additional: tuple[Path, ...] = ()) -> RoadNetwork:
    """Read a net.xml; a programme in an additional file takes the place of the network's own.

    Raises NetworkError where the network is truncated or is no SUMO network.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise NetworkError(f"{path}: not a complete XML file ({error}); export the network again") from error
    if root.tag != "net" or root.find("edge") is None:
        raise NetworkError(f"{path}: the root is <{root.tag}>, a SUMO network has <net> with <edge>; give a *.net.xml")
    edges = {e.id: e for e in (_edge(element) for element in root.iterfind("edge"))}
    lanes = {lane.id: lane for edge in edges.values() for lane in edge.lanes}
    onward = {
        f"{c.get('from')}_{c.get('fromLane')}": c.get("via", "")
        for c in root.iterfind("connection")
        if c.get("from", "").startswith(":") and c.get("via")
    }
    junctions = {j.get("id", ""): j for j in root.iterfind("junction")}
    connections = _connections(root, edges, lanes, onward, junctions)
    logics = {t.get("id", ""): t for t in _first_programmes(root)}
    for extra in additional:
        logics |= {t.get("id", ""): t for t in _programmes_in(extra) if t.get("id") in logics}
    location = root.find("location")
    offset = (location.get("netOffset", "0,0") if location is not None else "0,0").split(",")
    return RoadNetwork(
        edges,
        connections,
        tuple(_signal(t, connections, junctions) for t in logics.values()),
        {key: (float(j.get("x", "0")), float(j.get("y", "0"))) for key, j in junctions.items()},
        _walkways(root, edges),
        (-float(offset[0]), -float(offset[1])),
        location.get("projParameter", "!") if location is not None else "!",
    )


def _programmes_in(path: Path) -> list[ET.Element]:
    try:
        return [t for t in ET.parse(path).getroot().iterfind("tlLogic") if t.find("phase") is not None]
    except ET.ParseError as error:
        raise NetworkError(f"{path}: not a complete XML file ({error}); bring the scenario again") from error


def _first_programmes(root: ET.Element) -> list[ET.Element]:
    """Return one tlLogic per signal (the first), those whose signal has connections."""
    used = {c.get("tl") for c in root.iterfind("connection") if c.get("tl")}
    seen: dict[str, ET.Element] = {}
    for logic in root.iterfind("tlLogic"):
        if logic.get("id") in used and logic.get("type") != "rail_signal":
            seen.setdefault(logic.get("id", ""), logic)
    return list(seen.values())


def _shape(text: str) -> FloatArray:
    points = [[float(number) for number in point.split(",")[:2]] for point in text.split()]
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)


def _lane(element: ET.Element, function: str) -> Lane:
    allow, disallow = set(element.get("allow", "").split()), set(element.get("disallow", "").split())
    classes = _CLASSES if not allow or "all" in allow else frozenset(allow)
    classes = classes - disallow if not allow else classes
    if function in ("crossing", "walkingarea"):
        kind, classes = FOOT, frozenset({"pedestrian"})
    elif classes & _MOTOR_CLASSES:
        kind = MOTOR
    elif "bicycle" in classes:
        kind = MIXED if "pedestrian" in classes else CYCLE
    else:
        kind = RAIL if classes & _RAIL_CLASSES else FOOT
    width = float(element.get("width", "3.2"))
    length, speed = float(element.get("length", "0.1")), float(element.get("speed", "13.89"))
    return Lane(element.get("id", ""), kind, classes, length, speed, width, _shape(element.get("shape", "0,0 0,0")))


def _edge(element: ET.Element) -> Edge:
    function = element.get("function", "normal") or "normal"
    lanes = tuple(_lane(lane, function) for lane in element.iterfind("lane"))
    ends = element.get("from", ""), element.get("to", "")
    crosses = tuple(element.get("crossingEdges", "").split())
    return Edge(element.get("id", ""), function, element.get("type", ""), element.get("name", ""), *ends, crosses, lanes)


def _path(via: str, lanes: Mapping[str, Lane], onward: Mapping[str, str]) -> FloatArray:
    """Return the course from stop line to exit, joined over the lanes inside the junction."""
    parts: list[FloatArray] = []
    seen: set[str] = set()
    while via in lanes and via not in seen:
        seen.add(via)
        parts.append(lanes[via].shape_m)
        via = onward.get(via, "")
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def _connections(
    root: ET.Element,
    edges: Mapping[str, Edge],
    lanes: Mapping[str, Lane],
    onward: Mapping[str, str],
    junctions: Mapping[str, ET.Element],
) -> tuple[Connection, ...]:
    found: list[Connection] = []
    for c in root.iterfind("connection"):
        start, end = c.get("from", ""), c.get("to", "")
        to = edges.get(end)
        crossing = to is not None and to.function == "crossing"
        if to is None or start not in edges or (start.startswith(":") and not crossing):
            continue
        from_lane, to_lane = int(c.get("fromLane", "0")), int(c.get("toLane", "0"))
        link = int(c.get("linkIndex", "-1"))
        if crossing:
            junction, number = end[1:].rsplit("_c", 1)
            rows = len(junctions[junction].findall("request")) if junction in junctions else 0
            count = sum(1 for name in junctions[junction].get("intLanes", "").split() if "_c" in name[len(junction) :])
            lane = to.lanes[0]
            request, path, kind, turn = rows - count + int(number), lane.shape_m, FOOT, "cross"
        else:
            junction, lane = to.from_node, edges[start].lanes[from_lane]
            match = _VIA.search(c.get("via", ""))
            request = int(match.group(1)) + int(match.group(2)) if match else -1
            path, kind = _path(c.get("via", ""), lanes, onward), _least(lane.kind, to.lanes[to_lane].kind)
            kind, turn = CYCLE if kind == MIXED else kind, _TURNS.get(c.get("dir", "s"), "straight")
            if len(path) == 0:
                path = np.stack([lane.shape_m[-1], to.lanes[to_lane].shape_m[0]])
        begin = (end, 0) if crossing else (start, from_lane)
        cycles = "bicycle" in lane.classes and not crossing
        found.append(
            Connection(*begin, end, to_lane, turn, c.get("tl", ""), link, kind, cycles, junction, request,
                       lane.width_m, lane.speed_m_s, path)
        )  # fmt: skip
    return tuple(found)


def _least(one: str, other: str) -> str:
    """Return who may use a way that leads from one kind of lane into another."""
    order = (MOTOR, RAIL, CYCLE, MIXED, FOOT)
    return max(one, other, key=order.index)


def _walkways(root: ET.Element, edges: Mapping[str, Edge]) -> tuple[tuple[str, str], ...]:
    """Return the pairs (walking area, what it touches), each once."""
    pairs: dict[tuple[str, str], None] = {}
    for c in root.iterfind("connection"):
        ends = c.get("from", ""), c.get("to", "")
        for area, other in (ends, ends[::-1]):
            if area in edges and other in edges and edges[area].function == "walkingarea":
                pairs[(area, other)] = None
    return tuple(pairs)


def _signal(logic: ET.Element, connections: tuple[Connection, ...], junctions: Mapping[str, ET.Element]) -> Signal:
    mine = sorted((c for c in connections if c.tls == logic.get("id")), key=lambda c: (c.link, c.from_edge, c.from_lane))
    number = len(mine)
    foes, yields = np.zeros((number, number), dtype=np.bool_), np.zeros((number, number), dtype=np.bool_)
    for i, one in enumerate(mine):
        rows = junctions[one.junction].findall("request") if one.junction in junctions else []
        row = next((r for r in rows if int(r.get("index", "-1")) == one.request), None)
        if row is None:
            raise NetworkError(
                f"signal {logic.get('id')}: the way from {one.from_edge} to {one.to_edge} has no right-of-way row at junction "
                f"{one.junction}; without it nobody knows who meets whom. Make the network with netconvert and leave internal "
                "links in (no --no-internal-links)."
            )
        foe_bits, response_bits = row.get("foes", "")[::-1], row.get("response", "")[::-1]
        for j, other in enumerate(mine):
            if other.junction == one.junction and 0 <= other.request < len(foe_bits) and i != j:
                foes[i, j] = foe_bits[other.request] == "1"
                yields[i, j] = response_bits[other.request] == "1"
    intervals = tuple((float(p.get("duration", "1")), p.get("state", "")) for p in logic.iterfind("phase"))
    least_s = tuple(float(p.get("minDur", p.get("duration", "1"))) for p in logic.iterfind("phase"))
    return Signal(logic.get("id", ""), float(logic.get("offset", "0")), tuple(mine), foes | foes.T, yields, intervals, least_s)
