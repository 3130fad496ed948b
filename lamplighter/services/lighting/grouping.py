# SPDX-License-Identifier: Apache-2.0
"""Segments gathered into cabinets of some tens of lamps, and cabinets into cells that change together."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.terms import CELL_LAMPS_MIN, GROWTH, LIVE, STEADY, TIMETABLE_ROWS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table

CABINET_LAMPS = 40
CURVE_BITS = 10


@dataclass(frozen=True)
class Groups:
    """cabinet, cell (s,): where each segment belongs; area_of_cell (cells,)."""

    cabinet: IntArray
    cell: IntArray
    cabinets: int
    cells: int
    area_of_cell: TextArray


def curve_position(x_m: FloatArray, y_m: FloatArray) -> IntArray:
    """Return (n,) positions along a Hilbert curve through the points' square, so that near on it is near on the ground."""
    side = max(float(np.ptp(x_m)) if len(x_m) else 0.0, float(np.ptp(y_m)) if len(y_m) else 0.0, 1.0)
    cells = 1 << CURVE_BITS
    x: IntArray = np.minimum(((x_m - x_m.min()) / side * cells).astype(np.int64), cells - 1)
    y: IntArray = np.minimum(((y_m - y_m.min()) / side * cells).astype(np.int64), cells - 1)
    position = np.zeros(len(x), dtype=np.int64)
    half = cells >> 1
    while half > 0:
        right: BoolArray = np.asarray((x & half) > 0)
        upper: BoolArray = np.asarray((y & half) > 0)
        position += half * half * ((3 * right.astype(np.int64)) ^ upper.astype(np.int64))
        flip = right & ~upper
        x, y = np.where(flip, cells - 1 - x, x), np.where(flip, cells - 1 - y, y)
        x, y = np.where(upper, x, y), np.where(upper, y, x)
        half >>= 1
    return position


def cut(lamps: IntArray, least: int) -> IntArray:
    """Return (n,) group numbers of consecutive items so that every group has `least` lamps or more (if there are as many)."""
    group = np.zeros(len(lamps), dtype=np.int64)
    running, number = 0, 0
    for i, count in enumerate(lamps.tolist()):
        group[i] = number
        running += count
        if running >= least:
            number, running = number + 1, 0
    if running > 0 and number > 0:
        group[group == number] = number - 1
    return group


def _merged_areas(lamps: IntArray, area: TextArray, middle: FloatArray) -> TextArray:
    """Return areas in which those with too few lamps for a cell have joined the nearest other."""
    joined = area.copy()
    while True:
        names, code = np.unique(joined, return_inverse=True)
        count = np.bincount(code, weights=lamps)
        if len(names) < 2 or count.min() >= CELL_LAMPS_MIN:
            return joined
        centre = np.stack([np.bincount(code, weights=middle[:, k]) / np.bincount(code) for k in (0, 1)], axis=1)
        small = int(np.argmin(count))
        away = np.hypot(*(centre - centre[small]).T)
        away[small] = np.inf
        joined = np.where(code == small, names[int(np.argmin(away))], joined)


def group(x_m: FloatArray, y_m: FloatArray, lamps: IntArray, area: TextArray) -> Groups:
    """Return cabinets and cells of segments: near each other, whole cabinets in a cell, a cell in one area.

    Where the whole city has fewer lamps than a cell needs there is one cell, and it is never commanded.
    """
    joined = _merged_areas(lamps, area, np.stack([x_m, y_m], axis=1))
    cabinet, cell = np.zeros(len(lamps), dtype=np.int64), np.zeros(len(lamps), dtype=np.int64)
    place = curve_position(x_m, y_m) if len(lamps) else np.zeros(0, dtype=np.int64)
    areas: list[str] = []
    cabinets = 0
    for name in np.unique(joined):
        rows = np.flatnonzero(joined == name)
        rows = rows[np.argsort(place[rows], kind="stable")]
        small = cut(lamps[rows], CABINET_LAMPS)
        per_cabinet = np.bincount(small, weights=lamps[rows]).astype(np.int64)
        large = cut(per_cabinet, CELL_LAMPS_MIN)
        cabinet[rows] = cabinets + small
        cell[rows] = len(areas) + large[small]
        cabinets += len(per_cabinet)
        areas += [str(name)] * (int(large.max()) + 1)
    return Groups(cabinet, cell, cabinets, len(areas), np.array(areas, dtype=np.str_))


def no_timetables() -> dict[str, Table]:
    """Return the tables of a city whose lamps have no calendar of ours yet: full output from dusk to dawn."""
    kinds: dict[str, type] = {"text": np.str_, "float": np.float64, "int": np.int64, "bool": np.bool_}
    specs = (TIMETABLE_ROWS, LIVE, GROWTH, STEADY)
    return {spec.name: {c.name: np.zeros(0, dtype=kinds[c.kind]) for c in spec.columns} for spec in specs}
