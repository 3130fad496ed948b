# SPDX-License-Identifier: Apache-2.0
"""What is asked of one inverter, step after step: what it is, what it does, a set-point with its end, its return.

Each is a generator: it yields what to read or write next, is sent the registers that were read, and returns what was learnt.
A set-point is written in the order in which nothing can go wrong half-way: first how it ends, read back; then the set-point;
then that it counts.
"""

import struct
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from lamplighter.services.grid.sunspec.models import (
    CHAIN_END,
    LAYOUTS,
    MARK,
    MEASURED,
    MODELS_MAX,
    PLACES,
    RATED,
    RATING_LENGTHS,
    Held,
    Known,
    Layout,
    Mode,
    Point,
    Scaled,
    Way,
    stretches,
)

LEASE_MIN_S = 5.0  # what ends sooner is not worth writing
TABLE_SHARE = 0.02  # by which an inverter may fall short of the city's table
RATING_SHARE = 0.05  # by which its rating may differ from the city's table


@dataclass(frozen=True)
class Step:
    """One question: holding registers to read, or to write where there is a body."""

    at: int
    count: int
    body: bytes = b""


@dataclass(frozen=True)
class Expected:
    """What the city's table says of an inverter."""

    q_max_kvar: float
    sn_kva: float


class RefusedError(Exception):
    """The inverter answered a question with an exception code."""


class UnfitError(Exception):
    """The inverter cannot be steered; the message says why, in words for who must mend it."""


Told = Mapping[Point, float | None]


def _gather(base: int, points: Sequence[Point]) -> Generator[Step, bytes, dict[Point, float | None]]:
    """Read points of the model whose header is at `base`."""
    told: dict[Point, float | None] = {}
    for first, count in stretches(points):
        words = yield Step(base + first, count)
        for point in points:
            if first <= point.at < first + count:
                offset = 2 * (point.at - first)
                told[point] = point.read(words[offset : offset + 2 * point.count])
    return told


def _chain() -> Generator[Step, bytes, dict[int, tuple[int, int]]]:
    """Return where each model begins and how long it is. Nothing but headers is read."""
    for place in PLACES:
        try:
            if (yield Step(place, 2)) == MARK:
                break
        except RefusedError:
            continue
    else:
        raise UnfitError("no SunSpec map begins at register 40000, 0 or 50000; is SunSpec switched on, is the unit right?")
    at, found = place + 2, dict[int, tuple[int, int]]()
    for _ in range(MODELS_MAX):
        model, length = struct.unpack(">HH", (yield Step(at, 2)))
        if model == CHAIN_END:
            return found
        if model in found and model in (layout.model for layout in LAYOUTS):
            raise UnfitError(f"it has model {model} more than once; which of them counts cannot be told")
        found.setdefault(model, (at, length))
        at += 2 + length
        if at > 65534:
            break
    raise UnfitError("its chain of models has no end")


def _model(found: Mapping[int, tuple[int, int]], lengths: Mapping[int, int]) -> int:
    """Return the first of these models that is there, 0 for none. UnfitError where it has another length than the published."""
    for model, length in lengths.items():
        if model in found:
            if found[model][1] != length:
                raise UnfitError(f"model {model} has {found[model][1]} registers, published are {length}: another edition")
            return model
    return 0


def _ratings(found: Mapping[int, tuple[int, int]]) -> Generator[Step, bytes, dict[str, float]]:
    ratings: dict[str, float] = {}
    for model in (120, 121, 702):
        if not _model(found, {model: RATING_LENGTHS[model]}):
            continue
        rows = [(what, value) for what, of, value in RATED if of == model]
        points = {point for _, value in rows for point in (value.point, value.scale) if point is not None}
        told = yield from _gather(found[model][0], tuple(points))
        for what, value in rows:
            number = value.of(told)
            if number:
                ratings[what] = abs(number)
    return ratings


def _compare(ratings: Mapping[str, float], expected: Expected) -> None:
    """Compare with the city's table. UnfitError where they differ."""
    if "inject" not in ratings or "take" not in ratings:
        raise UnfitError("it does not tell how much reactive power it can supply and take (models 702, 120, 121)")
    low = min(ratings["inject"], ratings["take"])
    if low < (1.0 - TABLE_SHARE) * expected.q_max_kvar:
        raise UnfitError(
            f"it can supply {ratings['inject']:g} and take {ratings['take']:g} kvar, grid/inverters.csv says q_max_kvar "
            f"{expected.q_max_kvar:g}; mend the table or the address"
        )
    if "va" in ratings and abs(ratings["va"] / expected.sn_kva - 1.0) > RATING_SHARE:
        raise UnfitError(
            f"its nameplate says {ratings['va']:g} kVA, grid/inverters.csv says sn_kva {expected.sn_kva:g}; "
            "mend the table or the address"
        )


def _way(mode: Mode, told: Told, ratings: Mapping[str, float]) -> Way | None:
    """Return how counts of a mode become kvar, nothing where the mode is not there."""
    power = told.get(mode.value.scale) if mode.value.scale is not None else 0.0
    if power is None or told.get(mode.value.point) is None:
        return None
    step = 10.0**power * mode.value.unit_ratio
    if not mode.of:
        return Way(mode.value.point, step, step)
    whole = {"var": ("inject", "take"), "w": ("w", "w"), "va": ("va_set", "va_set")}[mode.of]
    if not all(name in ratings for name in whole):
        return None
    return Way(mode.value.point, step * ratings[whole[0]], step * ratings[whole[1]])


def _steered(base: int, layout: Layout, told: Told, ratings: Mapping[str, float], measured: tuple[Scaled, int]) -> Known:
    """Return what is known. UnfitError where a set-point could not be given an end, or not be given at all."""
    needed = (layout.enabled, layout.timer, *(() if layout.left is None else (layout.left,)))
    for point in (*needed, *(point for point, _, must in layout.first if must)):
        if told[point] is None:
            raise UnfitError(
                f"{point.name} (model {layout.model}) is not there: a set-point would have no end, or none to be seen"
            )
    ways = {mode.number: way for mode in layout.modes if (way := _way(mode, told, ratings)) is not None}
    mode = next((number for number in layout.may if number in ways), None)
    if mode is None:
        raise UnfitError(f"model {layout.model} has no set-point in vars or in percent of a known whole")
    first = tuple((point, number) for point, number, _ in layout.first if told[point] is not None)
    written = (layout.enabled, layout.mode, layout.timer, ways[mode].value, *(point for point, _ in first))
    registers = frozenset(base + point.at + n for point in written for n in range(point.count))
    return Known(measured[0], measured[1], layout, base, ways, mode, first, registers)


def discover(expected: Expected) -> Generator[Step, bytes, Known]:
    """Find out what the inverter is. UnfitError says why it cannot be steered."""
    found = yield from _chain()
    measured = _model(found, {model: length for model, (length, _) in MEASURED.items()})
    if not measured:
        raise UnfitError("it does not tell its reactive power (models 701, 101 to 103, 111 to 113)")
    model = _model(found, {layout.model: layout.length for layout in LAYOUTS})
    if not model:
        raise UnfitError("it takes no set-points: neither model 704 nor 123 is there")
    ratings = yield from _ratings(found)
    _compare(ratings, expected)
    layout = next(layout for layout in LAYOUTS if layout.model == model)
    told = yield from _gather(found[model][0], layout.points)
    return _steered(found[model][0], layout, told, ratings, (MEASURED[measured][1], found[measured][0]))


def read_back(known: Known) -> Generator[Step, bytes, Held]:
    """Read what the inverter says of its set-point."""
    layout = known.layout
    ways = {way.value for way in known.ways.values()}
    left = () if layout.left is None else (layout.left,)
    points = (layout.enabled, layout.mode, layout.timer, *left, *ways, *(point for point, _ in known.first))
    told = yield from _gather(known.base, points)
    enabled, mode = told[layout.enabled] == 1.0, round(told[layout.mode] or 0.0)
    way = known.ways.get(mode)
    count = told[way.value] if way is not None else None
    asked = None if way is None or count is None else way.kvar(count)
    kept = all(told[point] == number for point, number in known.first)
    return Held(
        enabled, mode, asked if enabled else 0.0, told[layout.timer] or 0.0,
        told[layout.left] if layout.left is not None else None, kept,
    )  # fmt: skip


def sweep(known: Known) -> Generator[Step, bytes, tuple[Held, float | None]]:
    """Return what it says of its set-point, and what it measures in kvar."""
    held = yield from read_back(known)
    value = known.measured
    points = (value.point,) if value.scale is None else (value.point, value.scale)
    told = yield from _gather(known.base_measured, points)
    return held, value.of(told)


def _write(known: Known, point: Point, number: int) -> Step:
    return Step(known.base + point.at, point.count, point.written(number))


def lease(known: Known, kvar: float, end_s: float, clock: Callable[[], float]) -> Generator[Step, bytes, str]:
    """Give a set-point that the inverter itself ends at `end_s`; return why it has none, empty where it has.

    Whatever breaks this off leaves the inverter as it was, or with a set-point that has an end.
    """
    layout, way = known.layout, known.ways[known.mode]
    if (yield Step(known.base, 2)) != struct.pack(">HH", layout.model, layout.length):
        raise UnfitError(f"model {layout.model} is no longer where it was")
    held = yield from read_back(known)
    if held.enabled and held.timer_s == 0.0:
        return "it obeys a set-point without an end, which is none of ours; it is left alone until that is taken away"
    for point, number in () if held.first_kept else known.first:
        yield _write(known, point, number)
    lease_s = min(int(end_s - clock()), (1 << 8 * 2 * layout.timer.count) - 2)
    if lease_s < LEASE_MIN_S:
        return "the set-point came too late to be given"
    yield _write(known, layout.timer, lease_s)
    held = yield from read_back(known)
    if not held.first_kept or not 0.0 < held.timer_s <= lease_s:
        return f"{layout.timer.name} reads {held.timer_s:g} s after {lease_s} s were written: it gets no set-point without an end"
    yield _write(known, way.value, way.count(kvar))
    if held.mode != known.mode:
        yield _write(known, layout.mode, known.mode)
    yield _write(known, layout.enabled, 1)
    return ""


def hand_back(known: Known) -> Generator[Step, bytes, str]:
    """Take the set-point away, where there is one; return what is wrong, empty where nothing is."""
    held = yield from read_back(known)
    if held.enabled:
        yield _write(known, known.layout.enabled, 0)
    return ""
