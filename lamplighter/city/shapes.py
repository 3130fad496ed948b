# SPDX-License-Identifier: Apache-2.0
"""Shapes of streets and areas as well-known text (OGC 06-103r4, clause 7), which every map program reads."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lamplighter.terms.columns import FloatArray, IntArray

DECIMALS = 7  # about a centimetre


def line_texts(offsets: IntArray, lon_deg: FloatArray, lat_deg: FloatArray) -> list[str]:
    """Return each line as LINESTRING text; row i has the points offsets[i] to offsets[i+1]."""
    points = [f"{x:.{DECIMALS}f} {y:.{DECIMALS}f}" for x, y in zip(lon_deg.tolist(), lat_deg.tolist(), strict=True)]
    bounds = offsets.tolist()
    return [f"LINESTRING ({', '.join(points[a:b])})" for a, b in pairwise(bounds)]


def parse_lines(texts: Sequence[str]) -> tuple[IntArray, FloatArray, FloatArray, list[int]]:
    """Return offsets (n+1,), longitudes and latitudes (m,), and the rows that are not a line of two points or more."""
    return _parse(texts, "LINESTRING (", ")")


def ring_text(lon_deg: Sequence[float], lat_deg: Sequence[float]) -> str:
    """Return a closed ring as POLYGON text."""
    points = [f"{x:.{DECIMALS}f} {y:.{DECIMALS}f}" for x, y in zip(lon_deg, lat_deg, strict=True)]
    return f"POLYGON (({', '.join(points)}))"


def parse_rings(texts: Sequence[str]) -> tuple[IntArray, FloatArray, FloatArray, list[int]]:
    """Return offsets (n+1,), longitudes and latitudes (m,) of outlines, and the rows that are not one closed ring."""
    return _parse(texts, "POLYGON ((", "))")


def _parse(texts: Sequence[str], head: str, tail: str) -> tuple[IntArray, FloatArray, FloatArray, list[int]]:
    lons: list[float] = []
    lats: list[float] = []
    offsets = [0]
    wrong: list[int] = []
    for row, text in enumerate(texts):
        try:
            points = _points(text, head, tail)
        except ValueError:
            wrong.append(row)
            points = []
        lons += [x for x, _ in points]
        lats += [y for _, y in points]
        offsets.append(len(lons))
    return np.array(offsets, dtype=np.int64), np.array(lons, dtype=np.float64), np.array(lats, dtype=np.float64), wrong


def _points(text: str, head: str, tail: str) -> list[tuple[float, float]]:
    if not (text.startswith(head) and text.endswith(tail)):
        raise ValueError(text)
    points: list[tuple[float, float]] = []
    for pair in text[len(head) : -len(tail)].split(","):
        x, y = map(float, pair.split())
        if not (-180 <= x <= 180 and -90 <= y <= 90):
            raise ValueError(pair)
        points.append((x, y))
    if len(points) < 2:
        raise ValueError(text)
    return points
