# SPDX-License-Identifier: Apache-2.0
"""What detectors beside the road would have said, from the raw answer of one simulated second.

The answer lists where vehicles are. One compiled loop over its bytes turns it at once into counts and covered shares
of cells; a lane's name is hashed to its row, a vehicle's name is jumped over, and nothing about a vehicle is kept.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.loops import ADVANCE_M
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS
from lamplighter.services.traffic.trials import talk
from lamplighter.services.traffic.trials.stages import Bytes2
from lamplighter.services.traffic.trials.strands import Strand
from lamplighter.terms.columns import FloatArray, IntArray

STOP_LINE, STOP, ADVANCE = 0, 1, 2  # a lane's loops: at the stop line, just before it, and 20 to 40 m upstream
ROLES = 3
STOP_M = 2.5  # the loop before the stop line, under whoever stands first
_FNV_BEGIN, _FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_TEN = np.int64(10)
_ZERO = np.uint8(48)
_SIGNED = np.int64(1) << np.int64(31)

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


class Places(NamedTuple):
    """Which lane lies where. key, lane (h,): open addressing by hash, lane -1 where free; offsets (n+1) into row, end_m, share.

    length_m (n,). cross_key, cross (h,): the same for crossings. loop_at, loop_share (k,): row and role of each loop, as
    row * ROLES + role, and the share of those who pass it that come to the row's stop line.
    """

    key: Hashes
    lane: IntArray
    length_m: FloatArray
    offsets: IntArray
    row: IntArray
    end_m: FloatArray
    share: FloatArray
    cross_key: Hashes
    cross: IntArray
    loop_at: IntArray
    loop_share: FloatArray


class Loop(NamedTuple):
    """A loop in the road: its lane, how far from that lane's beginning it lies, whom it serves, and the share of those who pass
    it that come to the row's stop line."""

    lane: str
    position_m: float
    row: int
    role: int
    share: float


class Sums(NamedTuple):
    """The sums of one second: cells (l, CELLS), loops (l, ROLES) passages and covered share, people who wait (f,).

    states (s, n): bytes that each watched signal shows. totals: 0 vehicles expected, 1 teleports that began,
    2 vehicles on the road.
    """

    cell_veh: FloatArray
    cell_share: FloatArray
    loop_veh: FloatArray
    loop_share: FloatArray
    waiting_persons: FloatArray
    states: Bytes2
    totals: IntArray


def hash_of(name: str) -> np.uint64:
    """Return the 64-bit FNV-1a hash of a name."""
    value = int(_FNV_BEGIN)
    for byte in name.encode():
        value = ((value ^ byte) * int(_FNV_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


def _table(names: Sequence[str]) -> tuple[Hashes, IntArray]:
    size = 16
    while size < 4 * len(names):
        size *= 2
    key, row = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    for number, name in enumerate(names):
        value = hash_of(name)
        place = int(value) & (size - 1)
        while row[place] >= 0:
            place = (place + 1) & (size - 1)
        key[place], row[place] = value, number
    return key, row


def loops(lanes: Sequence[str], strands: Sequence[Strand], length_m: Mapping[str, float]) -> tuple[Loop, ...]:
    """Return the loops of every stop line. Where the lane itself is shorter than a loop is to lie before the line, it lies
    further up, on each lane that leads there; where nothing leads there, at the beginning of what does."""
    found: list[Loop] = []
    for row, (lane, strand) in enumerate(zip(lanes, strands, strict=True)):
        found.append(Loop(lane, max(length_m[lane] - 0.1, length_m[lane] / 2), row, STOP_LINE, 1.0))
        reach_m = max(piece.end_m + length_m[piece.lane] for piece in strand.pieces)
        for role, before_m in ((STOP, STOP_M), (ADVANCE, ADVANCE_M)):
            at_m = min(before_m, max(reach_m - 0.5, reach_m / 2))
            for piece in strand.pieces:
                position_m = piece.end_m + length_m[piece.lane] - at_m
                if 0.0 < position_m <= length_m[piece.lane]:
                    found.append(Loop(piece.lane, position_m, row, role, piece.share))
    return tuple(found)


def places(strands: Sequence[Strand], length_m: Mapping[str, float], crossings: Sequence[str], laid: Sequence[Loop]) -> Places:
    """Return where the lanes and loops seen from stop lines lie."""
    mine: dict[str, list[tuple[int, float, float]]] = {}
    for row, strand in enumerate(strands):
        for piece in strand.pieces:
            mine.setdefault(piece.lane, []).append((row, piece.end_m, piece.share))
    names = list(mine)
    key, lane = _table(names)
    flat = [part for name in names for part in mine[name]]
    cross_key, cross = _table(crossings)
    return Places(
        key,
        lane,
        np.asarray([length_m[name] for name in names], np.float64),
        np.concatenate(([0], np.cumsum([len(mine[name]) for name in names]))).astype(np.int64),
        np.asarray([part[0] for part in flat], np.int64),
        np.asarray([part[1] for part in flat], np.float64),
        np.asarray([part[2] for part in flat], np.float64),
        cross_key,
        cross,
        np.asarray([loop.row * ROLES + loop.role for loop in laid], np.int64),
        np.asarray([loop.share for loop in laid], np.float64),
    )


def sums(lanes: int, crossings: int, signals: int, letters: int) -> Sums:
    """Return empty sums."""
    return Sums(
        np.zeros((lanes, CELLS)),
        np.zeros((lanes, CELLS)),
        np.zeros((lanes, ROLES)),
        np.zeros((lanes, ROLES)),
        np.zeros(crossings),
        np.zeros((signals, letters), np.uint8),
        np.zeros(3, np.int64),
    )


@njit(cache=True)
def _whole(data: Bytes, at: int) -> int:
    value = (np.int64(data[at]) << 24) | (np.int64(data[at + 1]) << 16) | (np.int64(data[at + 2]) << 8) | np.int64(data[at + 3])
    return int(value - 2 * _SIGNED) if value >= _SIGNED else int(value)


@njit(cache=True)
def _real(data: Bytes, at: int, spare: Bytes) -> float:
    for n in range(8):
        spare[n] = data[at + 7 - n]
    return spare.view(np.float64)[0]


@njit(cache=True)
def _row(data: Bytes, at: int, size: int, key: Hashes, row: IntArray) -> int:
    value = _FNV_BEGIN
    for n in range(at, at + size):
        value = (value ^ np.uint64(data[n])) * _FNV_PRIME
    mask = np.uint64(len(key) - 1)
    place = value & mask
    while row[place] >= 0:
        if key[place] == value:
            return int(row[place])
        place = (place + np.uint64(1)) & mask
    return -1


@njit(cache=True)
def _number(data: Bytes, at: int, size: int) -> int:
    """Return the number that a name made of digits means."""
    value = np.int64(0)
    for n in range(at, at + size):
        value = value * _TEN + np.int64(data[n] - _ZERO)
    return int(value)


@njit(cache=True)
def _vehicles(data: Bytes, at: int, known: Places, out: Sums, spare: Bytes) -> None:
    """Add every vehicle to the cells in which it stands. Values per vehicle: lane, position, length, in this order."""
    many = _whole(data, at)
    at += 4
    for _ in range(many):
        at += 4 + _whole(data, at)
        size = _whole(data, at + 3)
        lane = _row(data, at + 7, size, known.key, known.lane)
        at += 7 + size
        position_m, length_m = _real(data, at + 3, spare), _real(data, at + 14, spare)
        at += 22
        if lane < 0:
            continue
        for part in range(known.offsets[lane], known.offsets[lane + 1]):
            front_m = known.end_m[part] + max(known.length_m[lane] - position_m, 0.0)
            row, share = known.row[part], known.share[part]
            cell = int(front_m // CELL_M)
            if cell < 0:
                continue
            if cell < CELLS:
                out.cell_veh[row, cell] += share
            while cell < CELLS and cell * CELL_M < front_m + length_m:
                covered_m = min(front_m + length_m, (cell + 1) * CELL_M) - max(front_m, cell * CELL_M)
                out.cell_share[row, cell] += share * covered_m / CELL_M
                cell += 1


@njit(cache=True)
def _people(data: Bytes, at: int, known: Places, out: Sums, spare: Bytes) -> None:
    """Count who stands before a crossing. Values per person: the part of the way that comes next, and speed."""
    many = _whole(data, at)
    at += 4
    for _ in range(many):
        at += 4 + _whole(data, at)
        size = _whole(data, at + 3)
        crossing = _row(data, at + 7, size, known.cross_key, known.cross)
        at += 7 + size
        speed_m_s = _real(data, at + 3, spare)
        at += 11
        if crossing >= 0 and speed_m_s < 0.1:
            out.waiting_persons[crossing] += 1.0


@njit(cache=True)
def _loop(data: Bytes, at: int, number: int, now_s: float, known: Places, out: Sums, spare: Bytes) -> None:
    """Add who came onto a loop, and how long it was covered, in the last second."""
    row, role, share = known.loop_at[number] // ROLES, known.loop_at[number] % ROLES, known.loop_share[number]
    many = _whole(data, at + 7)  # after status, compound, its number of items, and the type of the count
    at += 11
    for _ in range(many):
        at += 5 + _whole(data, at + 1)
        begin_s, end_s = _real(data, at + 10, spare), _real(data, at + 19, spare)
        at += 27
        at += 5 + _whole(data, at + 1)
        if begin_s > now_s - 1.0 + 1e-9:
            out.loop_veh[row, role] += share
        until_s = now_s if end_s < 0.0 else min(end_s, now_s)
        out.loop_share[row, role] += share * max(0.0, until_s - max(begin_s, now_s - 1.0))


@njit(cache=True)
def _skip(data: Bytes, at: int) -> int:
    """Return where a value ends that begins with its type at `at`."""
    kind = data[at]
    if kind == talk.INTEGER:
        return at + 5
    if kind == talk.DOUBLE:
        return at + 9
    size = _whole(data, at + 1)
    if kind == talk.TEXT:
        return at + 5 + size
    at += 5
    for _ in range(size):
        at += 4 + _whole(data, at)
    return at


@njit(cache=True)
def reduce(data: Bytes, now_s: float, known: Places, out: Sums) -> int:
    """Fill the sums from the answer to one step, which begins at byte 4; return the bytes read."""
    out.cell_veh[:], out.cell_share[:], out.loop_veh[:], out.loop_share[:] = 0.0, 0.0, 0.0, 0.0
    out.waiting_persons[:] = 0.0
    spare = np.empty(8, np.uint8)
    at, signal = 4, 0
    while data[at + 1] != talk.STEP:  # what the commands before the step answered
        at += int(data[at]) if data[at] else _whole(data, at + 1)
    at += int(data[at]) if data[at] else _whole(data, at + 1)
    told = _whole(data, at)
    at += 4
    for _ in range(told):
        begin = at
        length = int(data[at])
        at += 1
        if length == 0:
            length = _whole(data, at)
            at += 4
        kind = data[at]
        size = _whole(data, at + 1)
        name, after = at + 5, at + 5 + size
        if kind == talk.TOLD_AROUND_JUNCTION:
            if data[after] == talk.VEHICLES:
                _vehicles(data, after + 2, known, out, spare)
            else:
                _people(data, after + 2, known, out, spare)
        elif kind == talk.TOLD_LOOP:
            _loop(data, after + 2, _number(data, name, size), now_s, known, out, spare)
        elif kind == talk.TOLD_SIGNAL:
            shown = _whole(data, after + 4)
            for n in range(min(shown, out.states.shape[1])):
                out.states[signal, n] = data[after + 8 + n]
            signal += 1
        elif kind == talk.TOLD_SIMULATION:
            value = after + 1
            for _item in range(data[after]):
                if data[value] == talk.EXPECTED:
                    out.totals[0] = _whole(data, value + 3)
                elif data[value] == talk.TELEPORTS:
                    out.totals[1] += _whole(data, value + 3)
                elif data[value] == talk.DEPARTED:
                    out.totals[2] += _whole(data, value + 3)
                elif data[value] == talk.ARRIVED:
                    out.totals[2] -= _whole(data, value + 3)
                value = _skip(data, value + 2)
        at = begin + length
    return at
