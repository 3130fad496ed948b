# SPDX-License-Identifier: Apache-2.0
"""Divides a city into a few areas of comparable size, in which evidence is compared.

The plane is halved again and again across its longer side, each half getting its share of street length (a k-d tree,
J. L. Bentley, Multidimensional binary search trees, CACM 18(9), 1975). A cut may move a little from the exact share to
where it severs the fewest lanes, so that areas meet at railways and in parks more than across a main street.
"""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from lamplighter.city.folder import Areas
from lamplighter.city.geodesy import from_local_metres, local_metres
from lamplighter.city.shapes import ring_text
from lamplighter.city.streets import counted_once, drawn_length_m
from lamplighter.terms.city import Place, Streets
from lamplighter.terms.columns import FloatArray, IntArray

FEWEST, MOST = 4, 9
STREET_KM_PER_AREA = 8.0  # about one and a half square kilometres of a European suburb
SLACK_SHARE = 0.06  # how far a cut may move from the exact share
CANDIDATES = 25
MARGIN_M = 150.0  # beyond the outermost street, so that what stands beside it still lies in an area
COMPASS = ("East", "North-east", "North", "North-west", "West", "South-west", "South", "South-east")


@dataclass(frozen=True)
class Partition:
    """Rectangles (n,) in local metres that together cover the city."""

    west_m: FloatArray
    south_m: FloatArray
    east_m: FloatArray
    north_m: FloatArray

    def locate(self, x_m: FloatArray, y_m: FloatArray) -> IntArray:
        """Return the rectangle (k,) of each point; a point outside belongs to the rectangle it is nearest to."""
        if len(x_m) == 0:
            return np.zeros(0, dtype=np.int64)
        outside_x = np.maximum(np.maximum(self.west_m - x_m[:, None], x_m[:, None] - self.east_m), 0.0)
        outside_y = np.maximum(np.maximum(self.south_m - y_m[:, None], y_m[:, None] - self.north_m), 0.0)
        return np.argmin(np.hypot(outside_x, outside_y), axis=1).astype(np.int64)


@dataclass(frozen=True)
class _Segments:
    """Streets as the cuts see them: both ends, the middle, the length that counts, and the lanes a cut would sever."""

    x_m: FloatArray  # (n, 3): first point, last point, middle
    y_m: FloatArray
    length_m: FloatArray
    lanes: IntArray


def how_many(streets: Streets) -> int:
    """Return the number of areas for a city of this much street where its recipe names none."""
    km = float(drawn_length_m(streets)[counted_once(streets)].sum()) / 1000
    return min(max(round(km / STREET_KM_PER_AREA), FEWEST), MOST)


def divide(streets: Streets, place: Place, count: int) -> tuple[Partition, IntArray]:
    """Return the partition into `count` areas and the area (n,) of each street, by the middle of its shape."""
    segments = _segments(streets, place)
    x, y = segments.x_m, segments.y_m
    box = (x.min() - MARGIN_M, y.min() - MARGIN_M, x.max() + MARGIN_M, y.max() + MARGIN_M)
    leaves = _split(box, np.arange(len(streets)), count, segments)
    partition = Partition(*(np.array(side, dtype=np.float64) for side in zip(*leaves, strict=True)))
    return partition, partition.locate(x[:, 2], y[:, 2])


def _segments(streets: Streets, place: Place) -> _Segments:
    x, y = local_metres(streets.shape_lon_deg, streets.shape_lat_deg, place)
    first, last = streets.shape_offsets[:-1], streets.shape_offsets[1:] - 1
    middle = (first + last) // 2
    lengths = np.where(counted_once(streets) & (streets.kind != "crossing"), drawn_length_m(streets), 0.0)
    columns = np.stack([first, last, middle], axis=1)
    return _Segments(x[columns], y[columns], lengths, streets.lanes)


Box = tuple[float, float, float, float]


def _split(box: Box, rows: IntArray, count: int, segments: _Segments) -> list[Box]:
    if count == 1 or len(rows) < 2:
        return [box]
    west, south, east, north = box
    across = segments.x_m if east - west >= north - south else segments.y_m
    share = (count // 2) / count
    cut = _cut(across[rows], segments.length_m[rows], segments.lanes[rows], share)
    below = rows[across[rows, 2] < cut]
    above = rows[across[rows, 2] >= cut]
    if across is segments.x_m:
        low, high = (west, south, cut, north), (cut, south, east, north)
    else:
        low, high = (west, south, east, cut), (west, cut, east, north)
    return [*_split(low, below, count // 2, segments), *_split(high, above, count - count // 2, segments)]


def _cut(along: FloatArray, length_m: FloatArray, lanes: IntArray, share: float) -> float:
    """Return where to cut: near the given share of street length, severing few lanes."""
    order = np.argsort(along[:, 2], kind="stable")
    reached = np.cumsum(length_m[order]) / max(float(length_m.sum()), 1.0)
    wanted = np.linspace(share - SLACK_SHARE, share + SLACK_SHARE, CANDIDATES)
    places = np.clip(np.searchsorted(reached, wanted), 0, len(order) - 1)
    cuts = np.rint(np.asarray(along[order[places], 2], dtype=np.float64) * 10) / 10
    severed = ((along[:, 0][:, None] < cuts) != (along[:, 1][:, None] < cuts)) * lanes[:, None]
    cost = severed.sum(axis=0) + np.abs(wanted - share) * 100  # one hundredth off the share weighs as much as a lane
    return float(cuts[int(np.argmin(cost))])


def names_of(streets: Streets, of_street: IntArray, partition: Partition) -> list[str]:
    """Return a name per area: that of its longest motor street not naming another area yet, else its compass part."""
    totals: dict[tuple[int, str], float] = defaultdict(float)
    columns = zip(of_street.tolist(), streets.name.tolist(), streets.kind.tolist(), streets.length_m.tolist(), strict=True)
    for area, name, kind, length in columns:
        if name and kind == "motor":
            totals[(area, name)] += length
    names: dict[int, str] = {}
    for (area, name), _ in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        if area not in names and name not in names.values():
            names[area] = name
    for area in range(len(partition.west_m)):
        names.setdefault(area, _compass(partition, area, set(names.values())))
    return [names[area] for area in range(len(partition.west_m))]


def _compass(partition: Partition, area: int, taken: set[str]) -> str:
    x = float(partition.west_m[area] + partition.east_m[area] - partition.west_m.min() - partition.east_m.max()) / 2
    y = float(partition.south_m[area] + partition.north_m[area] - partition.south_m.min() - partition.north_m.max()) / 2
    part = COMPASS[round(math.atan2(y, x) / (math.pi / 4)) % 8]
    return part if part not in taken else next(f"{part} {i}" for i in range(2, 100) if f"{part} {i}" not in taken)


def outlines(partition: Partition, names: list[str], place: Place) -> Areas:
    """Return the areas as a table of names and closed outlines."""
    texts: list[str] = []
    for west, south, east, north in zip(partition.west_m, partition.south_m, partition.east_m, partition.north_m, strict=True):
        x = np.array([west, east, east, west, west])
        y = np.array([south, south, north, north, south])
        lon, lat = from_local_metres(x, y, place)
        texts.append(ring_text(lon.tolist(), lat.tolist()))
    return Areas(np.array(names, dtype=np.str_), np.array(texts, dtype=np.str_))
