# SPDX-License-Identifier: Apache-2.0
"""Judging stored fields again and again, as lamps change: only what can decide is kept, and nothing that can is left out.

Output is never negative. So a point that gets no more than another one from every single luminaire is never the brighter of the
two, whatever the outputs: of such a pair one is enough where the least (or the most) is sought. What remains of a field, besides
its averages, is a third of its influences; the figures are those of all of them (`verdict.figures`), but for short floats.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.photometry.columns import Fields, Lights, Poles, Surfaces, part_of
from lamplighter.services.lighting.photometry.influence import BLOCKS, LIT, SEEN, STRIPS, VEIL, fill, reaches, rows_of
from lamplighter.services.lighting.photometry.verdict import CHUNK, FIGURES, begins, margin
from lamplighter.terms.columns import FloatArray, IntArray

WIDE = 8  # short floats summed at once: columns are filled up to a multiple of it
LANES, LINE, LOW, GLARE = range(4)  # what `Kept.shape` counts
# What the compiled sums read: run, start, shape and values of `Kept`.
Parts = tuple[IntArray, IntArray, IntArray, FloatArray]


@dataclass(frozen=True)
class Kept:
    """What decides of many fields. run (f, BLOCKS, 2): poles of each block; start (f, BLOCKS): where it begins in `values`, short
    floats; lamp (k,): of each pole. shape (f, 4): lanes (1 for illuminance), points on each observer's line, other points that
    may be the darkest, and glare positions that may be the worst, each per lane.

    Luminance and illuminance stand pole by pole: for each lane the average, the line, the other points. Glare and strips stand
    row by row.
    """

    run: IntArray
    start: IntArray
    shape: IntArray
    values: FloatArray
    lamp: IntArray


@njit(cache=True)
def _outdone(full: FloatArray, place: tuple[int, int, int], one: int, other: int, sign: float) -> bool:
    """Tell whether row `other` of a block gets no more (sign 1) or no less (-1) from every pole than row `one`, which then is
    never needed; of two rows alike the later one is not. place: where the block begins, its rows and its poles."""
    at, rows, count = place
    alike = True
    for k in range(count):
        a, b = sign * full[at + k * rows + one], sign * full[at + k * rows + other]
        if b > a:
            return False
        alike = alike and a == b
    return not alike or other < one


@njit(cache=True)
def _needed(full: FloatArray, place: tuple[int, int, int], span: tuple[int, int], sign: float, out: IntArray) -> int:
    """Write which rows of a block, from span[0] to span[1], no other of them makes needless; return how many."""
    found = 0
    for one in range(span[0], span[1]):
        needed = True
        for other in range(span[0], span[1]):
            if other != one and _outdone(full, place, one, other, sign):
                needed = False
                break
        if needed:
            out[found] = one
            found += 1
    return found


@njit(cache=True)
def _column(count: int) -> int:
    return (count + WIDE - 1) // WIDE * WIDE


@njit(cache=True)
def _points(
    full: FloatArray, place: tuple[int, int, int], grid: tuple[int, int, int], room: IntArray, out: FloatArray
) -> tuple[int, int, int]:
    """Write a block of points pole by pole; return points on a line, other points, and how much was written.

    grid: lanes, points along, points across; without lanes (0) the whole block is one field of illuminance without a line.
    """
    at, rows, count = place
    lanes, along, across = max(grid[0], 1), grid[1], grid[2]
    line, each = along if grid[0] > 0 else 0, along * across
    found, low = np.zeros(lanes, dtype=np.int64), 0
    for lane in range(lanes):
        chosen = _needed(full, place, (lane * each, (lane + 1) * each), 1.0, room[lane])
        kept = 0
        for n in range(chosen):
            if line == 0 or room[lane, n] % across != 3 * lane + 1:
                room[lane, kept] = room[lane, n]
                kept += 1
        found[lane] = kept
        low = max(low, kept)
    width = _column(lanes * (1 + line + low))
    for k in range(count):
        to = k * width
        for lane in range(lanes):
            column = at + k * rows
            total = 0.0
            for p in range(lane * each, (lane + 1) * each):
                total += full[column + p]
            out[to] = total / each
            for i in range(line):
                out[to + 1 + i] = full[column + lane * each + i * across + 3 * lane + 1]
            for n in range(low):
                # Lanes of fewer points say their last one again; where all stand on the line, a point of the line.
                row = room[lane, min(n, found[lane] - 1)] if found[lane] > 0 else lane * each + 3 * lane + 1
                out[to + 1 + line + n] = full[column + row]
            to += 1 + line + low
        for p in range(to, (k + 1) * width):
            out[p] = 0.0
    return line, low, count * width


@njit(cache=True)
def _glare(full: FloatArray, place: tuple[int, int, int], lanes: int, room: IntArray, out: FloatArray) -> tuple[int, int]:
    """Write the glare positions that may be the worst, row by row; return how many per lane, and how much was written."""
    at, rows, count = place
    along = rows // lanes
    found, most = np.zeros(lanes, dtype=np.int64), 0
    for lane in range(lanes):
        found[lane] = _needed(full, place, (lane * along, (lane + 1) * along), -1.0, room[lane])
        most = max(most, found[lane])
    for lane in range(lanes):
        for n in range(most):
            row = room[lane, min(n, found[lane] - 1)]
            for k in range(count):
                out[(lane * most + n) * count + k] = full[at + k * rows + row]
    return most, lanes * most * count


@njit(cache=True)
def _thin(
    fields: Fields, stored: tuple[IntArray, IntArray, FloatArray], kept: tuple[IntArray, IntArray, FloatArray], used: int
) -> int:
    """Write what is kept of fields from values[used] on; return where it ends. kept: start, shape and values."""
    run, at, full = stored
    start, shape, values = kept
    room = np.zeros((12, 1), dtype=np.int64)
    for f in range(len(run)):
        lanes, along = fields.lanes[f], fields.along[f]
        most = max(rows_of(fields, f, SEEN), rows_of(fields, f, LIT))
        if most > room.shape[1]:
            room = np.zeros((12, most), dtype=np.int64)
        shape[f, LANES] = lanes
        for block in range(BLOCKS):
            start[f, block] = used
            count, rows = run[f, block, 1] - run[f, block, 0], rows_of(fields, f, block)
            place = (at[f, block], rows, count)
            if count == 0:
                continue
            if block == SEEN:
                shape[f, LINE], shape[f, LOW], size = _points(full, place, (lanes, along, 3 * lanes), room, values[used:])
            elif block == LIT:
                shape[f, LANES] = 1
                shape[f, LINE], shape[f, LOW], size = _points(full, place, (0, along, fields.across[f]), room, values[used:])
            elif block == VEIL:
                shape[f, GLARE], size = _glare(full, place, lanes, room, values[used:])
            else:
                size = rows * count
                for r in range(rows):
                    for k in range(count):
                        values[used + r * count + k] = full[at[f, block] + k * rows + r]
            used += size
    return used


def keep(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], wanted: IntArray) -> Kept:
    """Return what decides of the fields' wanted blocks (f, BLOCKS): luminance with glare and strips, or illuminance, not both."""
    run, size = reaches(fields, poles, wanted)
    at, _ = begins(size)
    count = len(run)
    start, shape = np.zeros((count, BLOCKS), dtype=np.int64), np.zeros((count, 4), dtype=np.int64)
    if bool(((size[:, SEEN] > 0) & (size[:, LIT] > 0)).any()):
        raise ValueError("a field is judged again by luminance or by illuminance; both are wanted of one")
    # Room for all; what is not written takes no memory. Columns are filled up, and hold averages besides.
    columns = int((run[:, :, 1] - run[:, :, 0]).sum())
    values = cast("FloatArray", np.empty(int(size.sum()) + columns * (12 + WIDE), dtype=np.float32))
    used = 0
    for begin in range(0, count, CHUNK):
        rows = slice(begin, begin + CHUNK)
        part = part_of(fields, begin, begin + CHUNK)
        first = int(at[begin, 0])
        full = np.empty(int(size[rows].sum()))
        fill(part, poles, optics, run[rows], at[rows] - first, full)
        used = _thin(part, (run[rows], at[rows] - first, full), (start[rows], shape[rows], values), used)
    return Kept(run, start, shape, values[:used], poles.lamp)


@njit(cache=True, fastmath=True, boundscheck=False)
def _sum_columns(values: FloatArray, place: tuple[int, int], share: FloatArray, run: IntArray, out: FloatArray) -> None:
    """Write to out[:width] the sum over the poles `run` of share times column. place: where columns begin, and their width.

    Up to four columns a pass keep `out` in registers; indices that cannot be negative let loops be compiled into wide sums.
    """
    at, width, count = np.uint64(place[0]), np.uint64(place[1]), run[1] - run[0]
    k = run[0]
    if count % 2 == 1:
        one = share[k]
        for r in range(width):
            out[r] = one * values[at + r]
        at += width
        k += 1
    else:
        for r in range(width):
            out[r] = 0.0
    if (run[1] - k) % 4 == 2:
        b = at + width
        one, two = share[k], share[k + 1]
        for r in range(width):
            out[r] += one * values[at + r] + two * values[b + r]
        at = b + width
        k += 2
    while k < run[1]:
        b, c, d = at + width, at + width + width, at + width + width + width
        one, two, three, four = share[k], share[k + 1], share[k + 2], share[k + 3]
        for r in range(width):
            out[r] += one * values[at + r] + two * values[b + r] + (three * values[c + r] + four * values[d + r])
        at = d + width
        k += 4


@njit(cache=True, fastmath=True, boundscheck=False)
def _row(values: FloatArray, at: int, share: FloatArray, run: IntArray) -> float:
    """Return the sum over the poles `run` of share times a row."""
    first, begin, total = np.uint64(at), np.uint64(run[0]), share[0] * 0
    for k in range(np.uint64(run[1] - run[0])):
        total += values[first + k] * share[begin + k]
    return total


@njit(cache=True, fastmath=True, boundscheck=False)
def _figures(parts: Parts, f: int, share: FloatArray, out: FloatArray, row: FloatArray) -> None:
    """Write the figures (FIGURES,) of a field, new, at outputs share (k,) of its poles; 0 for what is not kept."""
    run, start, shape, values = parts
    row[:] = 0.0
    lanes, line, low = shape[f, LANES], shape[f, LINE], shape[f, LOW]
    each = 1 + line + low
    if run[f, LIT, 1] > run[f, LIT, 0]:
        _sum_columns(values, (start[f, LIT], _column(each)), share, run[f, LIT], out)
        least = out[1]
        for p in range(1, each):
            least = min(least, out[p])
        row[5], row[6] = out[0], least
    if run[f, SEEN, 1] == run[f, SEEN, 0]:
        return
    _sum_columns(values, (start[f, SEEN], _column(lanes * each)), share, run[f, SEEN], out)
    row[0], row[1], row[2] = np.inf, np.inf, np.inf
    poles = run[f, VEIL, 1] - run[f, VEIL, 0]
    for lane in range(lanes):
        at = lane * each
        mean, dark, bright = out[at], out[at + 1], out[at + 1]
        for p in range(at + 1, at + 1 + line):
            dark, bright = min(dark, out[p]), max(bright, out[p])
        least = dark
        for p in range(at + 1 + line, at + each):
            least = min(least, out[p])
        if mean <= 0.0:
            row[0], row[1], row[2], row[3] = 0.0, 0.0, 0.0, 1e9
            break
        veiling = np.float32(0.0)
        for n in range(lane * shape[f, GLARE], (lane + 1) * shape[f, GLARE]):
            veiling = max(veiling, _row(values, start[f, VEIL] + n * poles, share, run[f, VEIL]))
        glare = 65.0 * veiling / mean**0.8 if mean <= 5.0 else 95.0 * veiling / mean**1.05
        even = dark / bright if bright > 0.0 else 0.0
        row[0], row[1], row[2], row[3] = min(row[0], mean), min(row[1], least / mean), min(row[2], even), max(row[3], glare)
    edge = run[f, STRIPS, 1] - run[f, STRIPS, 0]
    at = start[f, STRIPS]
    right, left = _row(values, at + edge, share, run[f, STRIPS]), _row(values, at + 2 * edge, share, run[f, STRIPS])
    outer_right = _row(values, at, share, run[f, STRIPS]) / right if right > 0.0 else 0.0
    outer_left = _row(values, at + 3 * edge, share, run[f, STRIPS]) / left if left > 0.0 else 0.0
    row[4] = min(outer_right, outer_left)


@njit(cache=True)
def _all_figures(parts: Parts, which: IntArray, share: FloatArray, room: FloatArray) -> FloatArray:
    out = np.zeros((len(which), FIGURES))
    for n in range(len(which)):
        _figures(parts, which[n], share, room, out[n])
    return out


@njit(cache=True)
def _margins(
    parts: Parts, which: IntArray, share: FloatArray, room: FloatArray, asked: tuple[FloatArray, IntArray, FloatArray]
) -> FloatArray:
    maintenance, kind, required = asked
    out = np.empty(len(which))
    row = np.zeros(FIGURES)
    for n in range(len(which)):
        f = which[n]
        _figures(parts, f, share, room, row)
        out[n] = margin(row, float(maintenance[f]), required[kind[f]])
    return out


def _parts(kept: Kept, lamp_share: FloatArray) -> tuple[Parts, FloatArray, FloatArray]:
    widest = int((kept.shape[:, LANES] * (1 + kept.shape[:, LINE] + kept.shape[:, LOW])).max(initial=0)) + WIDE
    room = cast("FloatArray", np.zeros(widest, dtype=np.float32))
    share = cast("FloatArray", lamp_share.astype(np.float32)[kept.lamp])
    return (kept.run, kept.start, kept.shape, kept.values), share, room


def figures(kept: Kept, lamp_share: FloatArray, which: IntArray | None = None) -> FloatArray:
    """Return (n, FIGURES) figures of the fields `which` (all unless given), new, at outputs lamp_share (lamps,), 0 or more."""
    parts, share, room = _parts(kept, lamp_share)
    every = np.arange(len(kept.run)) if which is None else which
    return _all_figures(parts, every, share, room)


def margins(
    kept: Kept, lamp_share: FloatArray, lighting_class: IntArray, maintenance: FloatArray, which: IntArray | None = None
) -> FloatArray:
    """Return (n,) the share of its most pressing requirement that each field meets; 1 or more is in class.

    lighting_class, maintenance (f,): of every kept field; which: positions of the fields to judge (all unless given).
    """
    parts, share, room = _parts(kept, lamp_share)
    every = np.arange(len(kept.run)) if which is None else which
    return _margins(parts, every, share, room, (maintenance, lighting_class, classes.REQUIRED))
