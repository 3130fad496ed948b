# SPDX-License-Identifier: Apache-2.0
"""Where vehicles that near a stop line come from, lane by lane, and where those that leave it go."""

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REACH_M = 200.0
FAR_M = 3000.0
_MINOR = frozenset("msw")  # SUMO's letters of ways that give way, stop, or stop all
_STRAIGHT_PRIOR, _TURN_PRIOR = 4.0, 1.0  # how likely a way is where a lane forks, before anything is counted


@dataclass(frozen=True)
class Piece:
    """A lane that leads to a stop line: how far its end is from it, in metres and in seconds at free flow, and the share of its
    vehicles that go there."""

    lane: str
    end_m: float
    share: float
    end_s: float = 0.0


@dataclass(frozen=True)
class Strand:
    """The lanes seen from one stop line. enters: it begins where the network does."""

    pieces: tuple[Piece, ...]
    reach_m: float
    enters: bool


@dataclass(frozen=True)
class Ahead:
    """What follows a lane up to the next signal: length, time at free flow, and the rows of the lanes before it."""

    length_m: float
    travel_s: float
    lanes: tuple[int, ...]


@dataclass(frozen=True)
class _Way:
    to: str
    via: str
    signal: bool
    weight: float
    gives_way: bool


@dataclass(frozen=True)
class Ways:
    """Lanes and the ways between them, those inside junctions included."""

    length_m: Mapping[str, float]
    speed_m_s: Mapping[str, float]
    _onward: Mapping[str, tuple[_Way, ...]] = field(repr=False)
    _back: Mapping[str, tuple[tuple[str, _Way], ...]] = field(repr=False)
    _inside: Mapping[str, tuple[str, ...]] = field(repr=False)
    junction: str = ""

    def upstream(self, lane: str) -> Strand:
        """Return what is seen before the stop line of a lane: back to the previous signal, over other junctions.

        Where some must give way to come to the lane and others need not, the former are seen only when they are on it: a
        queue that waits for a gap is none that waits for this signal.
        """
        pieces: list[Piece] = []
        waiting = [(lane, 0.0, 1.0, 0.0)]
        reach_m, enters, seen = 0.0, False, {lane}
        while waiting:
            name, end_m, share, end_s = waiting.pop()
            pieces.append(Piece(name, end_m, share, end_s))
            begin_m, begin_s = end_m + self.length_m[name], end_s + self._drive_s(name)
            reach_m = max(reach_m, min(begin_m, REACH_M))
            back = self._back.get(name, ())
            if any(not way.gives_way for _, way in back):
                back = tuple((before, way) for before, way in back if not way.gives_way)
            enters = enters or not back
            if begin_m >= REACH_M:
                continue
            for before, way in back:
                if way.signal or before in seen:
                    continue
                seen.add(before)
                part = share * way.weight / sum(w.weight for w in self._onward[before])
                inside = self._inside.get(way.via, ())
                for piece in reversed(inside):
                    pieces.append(Piece(piece, begin_m, share, begin_s))
                far_m, far_s = sum(self.length_m[p] for p in inside), sum(self._drive_s(p) for p in inside)
                waiting.append((before, begin_m + far_m, part, begin_s + far_s))
        return Strand(tuple(pieces), reach_m, enters)

    def _drive_s(self, lane: str) -> float:
        return self.length_m[lane] / max(self.speed_m_s[lane], 1.0)

    def drive_s(self, strand: Strand, at_m: Sequence[float]) -> list[float]:
        """Return the seconds that a vehicle needs at free flow to the stop line from each of several distances."""
        found: list[float] = []
        for distance_m in at_m:
            there = [p for p in strand.pieces if p.end_m <= distance_m < p.end_m + self.length_m[p.lane]]
            if there:
                total = sum(p.share for p in there)
                rates = (p.share * (p.end_s + (distance_m - p.end_m) / max(self.speed_m_s[p.lane], 1.0)) for p in there)
                found.append(sum(rates) / total)
            else:
                own_s = distance_m / max(self.speed_m_s[strand.pieces[0].lane], 1.0)
                found.append(max(own_s, found[-1] if found else 0.0))
        return found

    def downstream(self, lane: str, rows: Mapping[str, int]) -> Ahead:
        """Return how far it is to the next signal, straight on at other junctions, and the lanes that wait there."""
        length_m = travel_s = 0.0
        seen: set[str] = set()
        while lane not in seen and length_m < FAR_M:
            seen.add(lane)
            length_m += self.length_m[lane]
            travel_s += self._drive_s(lane)
            edge = lane.rsplit("_", 1)[0]
            beside = [rows[f"{edge}_{n}"] for n in range(16) if f"{edge}_{n}" in rows]
            if beside:
                return Ahead(length_m, travel_s, tuple(beside))
            ways = self._onward.get(lane, ())
            if not ways or any(w.signal for w in ways):
                break
            lane = max(ways, key=lambda w: w.weight).to
        return Ahead(length_m, travel_s, ())


def open_xml(path: Path) -> ET.Element:
    """Return the root of an XML file, gzipped or not."""
    if path.suffix == ".gz":
        with gzip.open(path) as source:
            return ET.parse(source).getroot()
    return ET.parse(path).getroot()


def read_ways(root: ET.Element) -> Ways:
    """Read the lanes and ways of a net.xml."""
    length_m = {e.get("id", ""): float(e.get("length", "1")) for e in root.iter("lane")}
    speed_m_s = {e.get("id", ""): float(e.get("speed", "13.89")) for e in root.iter("lane")}
    edges = {e.get("id", ""): e.get("function", "normal") for e in root.iterfind("edge")}
    onward: dict[str, list[_Way]] = {}
    back: dict[str, list[tuple[str, _Way]]] = {}
    follows: dict[str, str] = {}
    for c in root.iterfind("connection"):
        start, end = c.get("from", ""), c.get("to", "")
        one, other, via = f"{start}_{c.get('fromLane')}", f"{end}_{c.get('toLane')}", c.get("via", "")
        if edges.get(start) == "internal":
            if via:
                follows[one] = via
            continue
        if edges.get(start, "normal") != "normal" or edges.get(end, "normal") != "normal":
            continue
        straight = c.get("dir", "s") == "s"
        minor = c.get("state", "M") in _MINOR and not c.get("tl")
        way = _Way(other, via, bool(c.get("tl")), _STRAIGHT_PRIOR if straight else _TURN_PRIOR, minor)
        onward.setdefault(one, []).append(way)
        back.setdefault(other, []).append((one, way))
    inside: dict[str, tuple[str, ...]] = {}
    for ways in onward.values():
        for way in ways:
            chain: list[str] = []
            via = way.via
            while via and via in length_m and via not in chain:
                chain.append(via)
                via = follows.get(via, "")
            inside[way.via] = tuple(chain)
    junctions = [j.get("id", "") for j in root.iterfind("junction") if j.get("type") != "internal"]
    return Ways(
        length_m,
        speed_m_s,
        {key: tuple(value) for key, value in onward.items()},
        {key: tuple(value) for key, value in back.items()},
        inside,
        junctions[0] if junctions else "",
    )
