# SPDX-License-Identifier: Apache-2.0
"""From influences to figures and classes, for many fields at once: cold from geometry, or warm from stored influences.

The figures of a field are linear sums over its luminaires' outputs, then least values, means and ratios of EN 13201-3:2015,
clause 8. A class is judged by the share of its most pressing requirement that is met: 1 or more is in class.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.photometry.columns import Fields, Lights, Poles, Surfaces, part_of
from lamplighter.services.lighting.photometry.influence import BLOCKS, LIT, SEEN, STRIPS, VEIL, fill, reaches, rows_of
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

FIGURES = 7  # Lav, Uo, Ul, fTI, REI, Eav, Emin; for light that is new
CHUNK = 256  # fields worked on together when nothing is stored: their influences stay in the cache
Parts = tuple[Fields, tuple[IntArray, IntArray, AnyArray]]  # what the compiled sums read: fields, run, start and values


@dataclass(frozen=True)
class Stored:
    """Influences of many fields. run (f, BLOCKS, 2): poles of each block; start (f, BLOCKS): where it begins in `values`; lamp
    (k,): of each pole."""

    fields: Fields
    run: IntArray
    start: IntArray
    values: AnyArray
    lamp: IntArray


def blocks_for(lighting_class: IntArray) -> IntArray:
    """Return (f, BLOCKS) which blocks the classes ask for: an M class luminance, glare and edges, C and P illuminance."""
    wanted = np.zeros((len(lighting_class), BLOCKS), dtype=np.int64)
    by_luminance = classes.LUMINANCE_CD_M2[lighting_class] > 0
    for block in (SEEN, VEIL, STRIPS):
        wanted[:, block] = by_luminance
    wanted[:, LIT] = ~by_luminance
    return wanted


def every_block(count: int) -> IntArray:
    """Return (count, BLOCKS) ones: every figure is wanted."""
    return np.ones((count, BLOCKS), dtype=np.int64)


def store(
    fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], wanted: IntArray, kind: type[np.floating] = np.float32
) -> Stored:
    """Return the influences of the fields' wanted blocks (f, BLOCKS), in a `kind` of float."""
    run, size = reaches(fields, poles, wanted)
    start, count = begins(size)
    values: AnyArray = np.empty(count, dtype=kind)
    fill(fields, poles, optics, run, start, values)
    return Stored(fields, run, start, values, poles.lamp)


def begins(size: IntArray) -> tuple[IntArray, int]:
    """Return where each of some runs begins if they stand one after the other, and the length of all."""
    ends = np.cumsum(size.ravel())
    return (ends - size.ravel()).reshape(size.shape).astype(np.int64), int(ends[-1]) if len(ends) else 0


@njit(cache=True, fastmath=True)
def _summed(values: AnyArray, block: tuple[int, int], share: FloatArray, run: IntArray, out: FloatArray) -> None:
    """Write to `out` the sum over the poles `run` of share times column; block: where the columns begin, and their rows.

    Four columns a pass keep `out` in registers; indices that cannot be negative let the loop be compiled into wide sums.
    """
    at, rows, count = np.uint64(block[0]), np.uint64(block[1]), run[1] - run[0]
    for r in range(rows):
        out[r] = 0.0
    for k in range(run[0], run[0] + count % 4):
        weight = share[k]
        for r in range(rows):
            out[r] += weight * values[at + r]
        at += rows
    for k in range(run[0] + count % 4, run[1], 4):
        b, c, d = at + rows, at + rows + rows, at + rows + rows + rows
        wa, wb, wc, wd = share[k], share[k + 1], share[k + 2], share[k + 3]
        for r in range(rows):
            out[r] += wa * values[at + r] + wb * values[b + r] + (wc * values[c + r] + wd * values[d + r])
        at = d + rows


@njit(cache=True, fastmath=True)
def _luminous(seen: FloatArray, veil: FloatArray, shape: tuple[int, int], row: FloatArray) -> None:
    """Write Lav, Uo, Ul and fTI of a field: the worst over its observers."""
    lanes, along = shape
    across = 3 * lanes
    row[0], row[1], row[2], row[3] = np.inf, np.inf, np.inf, 0.0
    for lane in range(lanes):
        total, least, low, high, veiling = 0.0, np.inf, np.inf, 0.0, 0.0
        at = lane * along * across
        for p in range(at, at + along * across):
            total += seen[p]
            least = min(least, seen[p])
        for i in range(along):
            value = seen[at + i * across + 3 * lane + 1]
            low, high = min(low, value), max(high, value)
            veiling = max(veiling, veil[lane * along + i])
        mean = total / (along * across)
        if mean <= 0.0:
            row[0], row[1], row[2], row[3] = 0.0, 0.0, 0.0, 1e9
            return
        glare = 65.0 * veiling / mean**0.8 if mean <= 5.0 else 95.0 * veiling / mean**1.05
        even = low / high if high > 0.0 else 0.0
        row[0], row[1], row[2], row[3] = min(row[0], mean), min(row[1], least / mean), min(row[2], even), max(row[3], glare)


@njit(cache=True)
def _block(
    stored: tuple[IntArray, IntArray, AnyArray],
    f: int,
    block: int,
    rows: int,
    share: FloatArray,
    out: FloatArray,
) -> None:
    """Write the sums of one block of a field at outputs share (k,) of its poles."""
    run, start, values = stored
    _summed(values, (start[f, block], rows), share, run[f, block], out)


@njit(cache=True)
def _figures(parts: Parts, f: int, share: FloatArray, room: FloatArray, row: FloatArray) -> None:
    """Write the figures (FIGURES,) of a field at outputs share (k,) of its poles; 0 where a block is not stored."""
    fields, stored = parts
    run = stored[0]
    row[:] = 0.0
    seen, lit = run[f, SEEN, 1] > run[f, SEEN, 0], run[f, LIT, 1] > run[f, LIT, 0]
    if seen:
        rows, eyes = rows_of(fields, f, SEEN), rows_of(fields, f, VEIL)
        _block(stored, f, SEEN, rows, share, room[0])
        _block(stored, f, VEIL, eyes, share, room[1])
        _luminous(room[0], room[1], (fields.lanes[f], fields.along[f]), row)
    if run[f, STRIPS, 1] > run[f, STRIPS, 0]:
        _block(stored, f, STRIPS, 4, share, room[1])
        right = room[1, 0] / room[1, 1] if room[1, 1] > 0.0 else 0.0
        left = room[1, 3] / room[1, 2] if room[1, 2] > 0.0 else 0.0
        row[4] = min(right, left)
    if lit:
        rows = rows_of(fields, f, LIT)
        _block(stored, f, LIT, rows, share, room[0])
        total, least = 0.0, np.inf
        for p in range(rows):
            total += room[0, p]
            least = min(least, room[0, p])
        row[5], row[6] = total / rows, least


@njit(cache=True)
def _rows_most(fields: Fields) -> int:
    most = 4
    for f in range(len(fields.begin_m)):
        most = max(most, rows_of(fields, f, SEEN), rows_of(fields, f, LIT))
    return most


@njit(cache=True)
def _all_figures(parts: Parts, which: IntArray, share: FloatArray, room: FloatArray) -> FloatArray:
    out = np.zeros((len(which), FIGURES))
    for n in range(len(which)):
        _figures(parts, which[n], share, room, out[n])
    return out


@njit(cache=True)
def margin(row: FloatArray, maintenance: float, need: FloatArray) -> float:
    """Return how much of the most pressing requirement figures meet; need: a row of classes.REQUIRED. Glare is of new light."""
    share = np.inf
    if need[0] > 0.0:
        share = min(row[0] * maintenance / need[0], row[1] / need[1], row[2] / need[2], row[4] / need[4])
        share = min(share, need[3] / row[3] if row[3] > 0.0 else np.inf)
    if need[5] > 0.0:
        share = min(share, row[5] * maintenance / need[5])
        if need[6] > 0.0:
            share = min(share, row[6] * maintenance / need[6])
        if need[7] > 0.0:
            share = min(share, row[6] / row[5] / need[7] if row[5] > 0.0 else 0.0)
        if row[5] * maintenance > need[8]:
            share = min(share, need[8] / (row[5] * maintenance))
    return share


@njit(cache=True)
def _margins(
    parts: Parts,
    which: IntArray,
    share: FloatArray,
    room: FloatArray,
    asked: tuple[FloatArray, IntArray, FloatArray],
) -> FloatArray:
    maintenance, kind, required = asked
    out = np.empty(len(which))
    row = np.zeros(FIGURES)
    for n in range(len(which)):
        f = which[n]
        _figures(parts, f, share, room, row)
        out[n] = margin(row, float(maintenance[f]), required[kind[f]])
    return out


def _parts(stored: Stored, lamp_share: FloatArray) -> tuple[Parts, FloatArray, FloatArray]:
    kind = cast("np.dtype[np.float64]", stored.values.dtype)  # for the reader of types every float is the long one
    room = np.zeros((2, _rows_most(stored.fields)), dtype=kind)
    return (stored.fields, (stored.run, stored.start, stored.values)), lamp_share.astype(kind)[stored.lamp], room


def figures(stored: Stored, lamp_share: FloatArray, which: IntArray | None = None) -> FloatArray:
    """Return (n, FIGURES) figures of the fields `which` (all unless given), new, at outputs lamp_share (lamps,)."""
    parts, share, room = _parts(stored, lamp_share)
    every = np.arange(len(stored.fields.begin_m)) if which is None else which
    return _all_figures(parts, every, share, room)


def margins(
    stored: Stored, lamp_share: FloatArray, lighting_class: IntArray, maintenance: FloatArray, which: IntArray | None = None
) -> FloatArray:
    """Return (n,) the share of its most pressing requirement that each field meets; 1 or more is in class.

    lighting_class, maintenance (f,): of every stored field; which: positions of the fields to judge (all unless given).
    """
    parts, share, room = _parts(stored, lamp_share)
    every = np.arange(len(stored.fields.begin_m)) if which is None else which
    return _margins(parts, every, share, room, (maintenance, lighting_class, classes.REQUIRED))


def cold_figures(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], wanted: IntArray) -> FloatArray:
    """Return (f, FIGURES) the figures of fields at full output, new, computed from geometry and kept nowhere."""
    out = np.zeros((len(fields.begin_m), FIGURES))
    share = np.ones(len(poles.x_m))
    for begin in range(0, len(out), CHUNK):
        part = part_of(fields, begin, begin + CHUNK)
        stored = store(part, poles, optics, wanted[begin : begin + CHUNK], np.float64)
        room = np.zeros((2, _rows_most(part)))
        rows = np.arange(len(part.begin_m))
        out[begin : begin + CHUNK] = _all_figures((part, (stored.run, stored.start, stored.values)), rows, share, room)
    return out
