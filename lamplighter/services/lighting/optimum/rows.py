# SPDX-License-Identifier: Apache-2.0
"""The criteria of EN 13201-2 as linear rows in lamp output: matrix times output is at least a right side, nothing else.

Luminance, its uniformities, edge ratio and illuminance are linear. Glare is not: fTI asks Lv <= c L^0.8, convex because a power
below 1 is concave; each tangent of the right side is a linear row that every lawful output keeps. Lengthwise uniformity takes one
more unknown per field and lane, an upper bound of the luminances on the observer's line.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.photometry.influence import LIT, SEEN, STRIPS, VEIL
from lamplighter.services.lighting.photometry.verdict import Stored
from lamplighter.terms.columns import FloatArray, IntArray

AVERAGE, UNIFORMITY, LENGTHWISE, GLARE, EDGE, LUX, LUX_LEAST, LUX_UNIFORMITY, LUX_CEILING = range(9)
CRITERIA = (
    "average luminance",
    "overall uniformity",
    "lengthwise uniformity",
    "glare",
    "edge illuminance ratio",
    "average illuminance",
    "least illuminance",
    "illuminance uniformity",
    "over-lighting",
)
RowMatrix = FloatArray  # (m, unknowns): each row a criterion over its own requirement, hence a pure number


@dataclass(frozen=True)
class Rows:
    """matrix (m, n + extra) times unknowns >= right (m,); the first n unknowns are lamp outputs, the others lie in 0 to
    extra_high. field, criterion (m,): what a row stands for."""

    matrix: RowMatrix
    right: RowMatrix
    field: IntArray
    criterion: IntArray
    extra_high: RowMatrix


@dataclass(frozen=True)
class GlareRows:
    """Veiling luminance and mean luminance in cd/m2 per output (e, n) of every glare position, new; field (e,)."""

    veil_cd_m2: FloatArray
    mean_cd_m2: FloatArray
    field: IntArray


def block_of(stored: Stored, f: int, block: int, lamps: int) -> FloatArray:
    """Return (rows, lamps) one block of a field, poles of the same lamp added up."""
    first, last = (int(k) for k in stored.run[f, block])
    count = last - first
    if count == 0:
        return np.zeros((0, lamps))
    start = int(stored.start[f, block])
    rows = _rows(stored, f, block)
    each = stored.values[start : start + rows * count].reshape(count, rows).astype(np.float64)
    out = np.zeros((lamps, rows))
    np.add.at(out, stored.lamp[first:last], each)
    return out.transpose()


def _rows(stored: Stored, f: int, block: int) -> int:
    lanes, along = int(stored.fields.lanes[f]), int(stored.fields.along[f])
    return {SEEN: lanes * along * 3 * lanes, VEIL: lanes * along, LIT: along * int(stored.fields.across[f]), STRIPS: 4}[block]


def _stacked(parts: list[tuple[int, int, FloatArray, FloatArray]], lamps: int, extra_high: list[float]) -> Rows:
    """Return rows of parts (field, criterion, matrix, right), each matrix widened to every extra unknown."""
    width = lamps + len(extra_high)
    matrix = np.zeros((sum(len(p[3]) for p in parts), width))
    at = 0
    for _, _, part, right in parts:
        matrix[at : at + len(right), : part.shape[1]] = part
        at += len(right)
    size = [len(p[3]) for p in parts]
    return Rows(
        matrix,
        np.concatenate([p[3] for p in parts]) if parts else np.zeros(0),
        np.repeat(np.array([p[0] for p in parts], dtype=np.int64), size),
        np.repeat(np.array([p[1] for p in parts], dtype=np.int64), size),
        np.array(extra_high),
    )


def _luminous(
    stored: Stored, f: int, lamps: int, needed_cd_m2: float, kind: int
) -> tuple[list[tuple[int, FloatArray]], list[FloatArray]]:
    """Return (criterion, rows >= 0) of luminance of a field except lengthwise and average, and each lane's mean."""
    lanes, along = int(stored.fields.lanes[f]), int(stored.fields.along[f])
    seen = block_of(stored, f, SEEN, lamps).reshape(lanes, along * 3 * lanes, lamps) / needed_cd_m2
    strips = block_of(stored, f, STRIPS, lamps)
    strips = strips / max(float(strips.sum(axis=1).max()), 1e-12)
    edge = float(classes.EDGE[kind])
    found: list[tuple[int, FloatArray]] = [(EDGE, np.stack([strips[0] - edge * strips[1], strips[3] - edge * strips[2]]))]
    means: list[FloatArray] = []
    for lane in range(lanes):
        mean: FloatArray = seen[lane].mean(axis=0)
        means.append(mean)
        found.append((UNIFORMITY, seen[lane] - float(classes.UNIFORMITY[kind]) * mean))
    return found, means


def _by_luminance(stored: Stored, lamps: int, kind: int, maintenance: float) -> tuple[Rows, GlareRows]:
    needed = float(classes.LUMINANCE_CD_M2[kind]) / maintenance
    parts: list[tuple[int, int, FloatArray, FloatArray]] = []
    extra: list[float] = []
    veils: list[tuple[int, FloatArray, FloatArray]] = []
    for f in range(len(stored.fields.begin_m)):
        lanes, along = int(stored.fields.lanes[f]), int(stored.fields.along[f])
        found, means = _luminous(stored, f, lamps, needed, kind)
        parts += [(f, criterion, rows, np.zeros(len(rows))) for criterion, rows in found]
        seen = block_of(stored, f, SEEN, lamps).reshape(lanes, along, 3 * lanes, lamps) / needed
        veil = block_of(stored, f, VEIL, lamps).reshape(lanes, along, lamps)
        for lane in range(lanes):
            parts.append((f, AVERAGE, means[lane][None, :], np.ones(1)))
            line = seen[lane, :, 3 * lane + 1]
            low, high = np.zeros((2, along, lamps + len(extra) + 1))
            low[:, :lamps], low[:, -1] = line, -float(classes.LENGTHWISE[kind])
            high[:, :lamps], high[:, -1] = -line, 1.0
            parts += [(f, LENGTHWISE, low, np.zeros(along)), (f, LENGTHWISE, high, np.zeros(along))]
            extra.append(float(line.sum(axis=1).max()) + 1.0)
            veils.append((f, veil[lane], np.repeat(means[lane][None, :] * needed, along, axis=0)))
    glare = GlareRows(
        np.concatenate([v[1] for v in veils]),
        np.concatenate([v[2] for v in veils]),
        np.repeat(np.array([v[0] for v in veils], dtype=np.int64), [len(v[1]) for v in veils]),
    )
    return _stacked(parts, lamps, extra), glare


def _by_illuminance(stored: Stored, lamps: int, kind: int, maintenance: float) -> Rows:
    parts: list[tuple[int, int, FloatArray, FloatArray]] = []
    needed, least = float(classes.ILLUMINANCE_LX[kind]), float(classes.ILLUMINANCE_MIN_LX[kind])
    ceiling, even = float(classes.ILLUMINANCE_MAX_LX[kind]), float(classes.ILLUMINANCE_UNIFORMITY[kind])
    for f in range(len(stored.fields.begin_m)):
        lit = block_of(stored, f, LIT, lamps) * maintenance
        mean: FloatArray = lit.mean(axis=0)
        parts.append((f, LUX, mean[None, :] / needed, np.ones(1)))
        if least > 0.0:
            parts.append((f, LUX_LEAST, lit / least, np.ones(len(lit))))
        if even > 0.0:
            parts.append((f, LUX_UNIFORMITY, (lit - even * mean) / needed, np.zeros(len(lit))))
        if np.isfinite(ceiling):
            parts.append((f, LUX_CEILING, -mean[None, :] / ceiling, -np.ones(1)))
    return _stacked(parts, lamps, [])


def rows_of(stored: Stored, lamps: int, kind: int, maintenance: float) -> tuple[Rows, GlareRows | None]:
    """Return the rows of every stored field for one class (code), and what glare needs, None where the class asks for none."""
    if classes.LUMINANCE_CD_M2[kind] > 0.0:
        return _by_luminance(stored, lamps, kind, maintenance)
    return _by_illuminance(stored, lamps, kind, maintenance), None


def tangents(glare: GlareRows, kind: int, at_cd_m2: FloatArray, which: IntArray, extra: int) -> Rows:
    """Return tangent rows of glare positions `which` at mean luminances at_cd_m2 (of each of them), new, up to 5 cd/m2."""
    limit = float(classes.GLARE_PERCENT[kind]) / 65.0
    at = np.clip(at_cd_m2, 0.05, 5.0)
    scale = limit * at**0.8
    slope = (0.8 * limit * at**-0.2)[:, None]
    matrix = (slope * glare.mean_cd_m2[which] - glare.veil_cd_m2[which]) / scale[:, None]
    wide = np.concatenate([matrix, np.zeros((len(which), extra))], axis=1)
    criterion = np.full(len(which), GLARE, dtype=np.int64)
    return Rows(wide, np.full(len(which), -0.2), glare.field[which], criterion, np.zeros(0))
