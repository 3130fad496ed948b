# SPDX-License-Identifier: Apache-2.0
"""Streets joined into stretches that one row pattern of lamps can light: both directions together, ends at junctions."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from lamplighter.terms.city import Place, Streets
from lamplighter.terms.columns import FloatArray

EARTH_RADIUS_M = 6_371_008.8
STRETCH_MAX_M = 400.0


@dataclass(frozen=True)
class Stretch:
    """A stretch between junctions. x_m, y_m (m,): its middle line in metres from the city's origin; streets: rows."""

    streets: tuple[int, ...]
    longest: int
    x_m: FloatArray
    y_m: FloatArray
    length_m: float
    width_m: float
    lanes: int
    one_way: bool
    junction_start: bool
    junction_end: bool


@dataclass
class _Piece:
    """One street with its other direction, if it has one, before pieces are joined."""

    rows: tuple[int, ...]
    ends: tuple[str, str]
    alike: tuple[str, str, float, int, bool]


def metres(lon_deg: FloatArray, lat_deg: FloatArray, place: Place) -> tuple[FloatArray, FloatArray]:
    """Return metres east and north of the city's origin (equirectangular, good to a decimetre over some kilometres)."""
    scale = np.radians(1.0) * EARTH_RADIUS_M
    return (lon_deg - place.lon0_deg) * scale * np.cos(np.radians(place.lat0_deg)), (lat_deg - place.lat0_deg) * scale


def degrees(x_m: FloatArray, y_m: FloatArray, place: Place) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude of metres east and north of the city's origin."""
    scale = np.radians(1.0) * EARTH_RADIUS_M
    return place.lon0_deg + x_m / (scale * np.cos(np.radians(place.lat0_deg))), place.lat0_deg + y_m / scale


def _pieces(streets: Streets) -> list[_Piece]:
    """Return lit streets and paths, each with the street of the opposite direction where there is one."""
    waiting: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    rows = [i for i in range(len(streets)) if streets.lit[i] and streets.kind[i] != "crossing" and streets.length_m[i] > 0]
    for i in rows:
        waiting[(str(streets.from_node[i]), str(streets.to_node[i]), str(streets.highway[i]))].append(i)
    taken: set[int] = set()
    pieces: list[_Piece] = []
    for i in rows:
        if i in taken:
            continue
        taken.add(i)
        start, end, highway = str(streets.from_node[i]), str(streets.to_node[i]), str(streets.highway[i])
        other = next((j for j in waiting[(end, start, highway)] if j not in taken and _beside(streets, i, j)), None)
        pair = (i,) if other is None else (i, other)
        taken.update(pair)
        path = streets.kind[i] != "motor"
        width = float(max(streets.width_m[list(pair)])) if path else float(streets.width_m[list(pair)].sum())
        lanes = max(1, 1 if path else int(streets.lanes[list(pair)].sum()))
        alike = (highway, str(streets.name[i]), round(width, 1), lanes, other is None and not path)
        pieces.append(_Piece(pair, (start, end), alike))
    return pieces


def _beside(streets: Streets, i: int, j: int) -> bool:
    return abs(float(streets.length_m[i] - streets.length_m[j])) <= 0.2 * float(streets.length_m[i]) + 5.0


def _arms(pieces: list[_Piece], streets: Streets) -> dict[tuple[bool, str], list[int]]:
    """Return the pieces that end at each intersection, apart for motor streets and for paths."""
    at: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for number, piece in enumerate(pieces):
        motor = streets.kind[piece.rows[0]] == "motor"
        for end in piece.ends:
            at[(motor, end)].append(number)
    return at


def _chains(pieces: list[_Piece], streets: Streets) -> list[list[tuple[int, bool]]]:
    """Return chains of (piece, forwards): pieces alike that meet where nothing else joins, up to STRETCH_MAX_M."""
    at = _arms(pieces, streets)
    used: set[int] = set()
    chains: list[list[tuple[int, bool]]] = []
    for first in range(len(pieces)):
        if first in used:
            continue
        used.add(first)
        chain = [(first, True)]
        length = float(streets.length_m[pieces[first].rows[0]])
        while True:
            number, forwards = chain[-1]
            end = pieces[number].ends[1] if forwards else pieces[number].ends[0]
            motor = bool(streets.kind[pieces[number].rows[0]] == "motor")
            arms = at[(motor, end)]
            following = [n for n in arms if n not in used and pieces[n].alike == pieces[number].alike]
            if len(arms) != 2 or len(following) != 1:
                break
            ahead = pieces[following[0]].ends[0] == end
            step = float(streets.length_m[pieces[following[0]].rows[0]])
            if length + step > STRETCH_MAX_M or (pieces[number].alike[4] and not ahead):
                break
            used.add(following[0])
            chain.append((following[0], ahead))
            length += step
        chains.append(chain)
    return chains


def stretches_of(streets: Streets, place: Place) -> list[Stretch]:
    """Return every lit street and path as stretches, in a fixed order. Both directions of a street are one stretch."""
    pieces = _pieces(streets)
    at = _arms(pieces, streets)
    x_all, y_all = metres(streets.shape_lon_deg, streets.shape_lat_deg, place)
    made: list[Stretch] = []
    for chain in _chains(pieces, streets):
        xs: list[FloatArray] = []
        ys: list[FloatArray] = []
        for number, forwards in chain:
            row = pieces[number].rows[0]
            run = slice(int(streets.shape_offsets[row]), int(streets.shape_offsets[row + 1]))
            xs.append(x_all[run] if forwards else x_all[run][::-1])
            ys.append(y_all[run] if forwards else y_all[run][::-1])
        x, y = np.concatenate(xs), np.concatenate(ys)
        rows = tuple(row for number, _ in chain for row in pieces[number].rows)
        head, tail = chain[0], chain[-1]
        motor = bool(streets.kind[rows[0]] == "motor")
        start = pieces[head[0]].ends[0 if head[1] else 1]
        end = pieces[tail[0]].ends[1 if tail[1] else 0]
        _, _, width, lanes, one_way = pieces[chain[0][0]].alike
        made.append(
            Stretch(
                streets=rows,
                longest=max(rows, key=lambda row: float(streets.length_m[row])),
                x_m=x,
                y_m=y,
                length_m=float(np.hypot(np.diff(x), np.diff(y)).sum()),
                width_m=width,
                lanes=lanes,
                one_way=one_way,
                junction_start=len(at[(motor, start)]) > 2,
                junction_end=len(at[(motor, end)]) > 2,
            )
        )
    return made
