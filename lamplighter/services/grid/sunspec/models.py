# SPDX-License-Identifier: Apache-2.0
"""Where SunSpec's models hold what is read and written here, how their numbers are read, and what they mean in kvar.

Source: the published definitions of models 101-103, 111-113, 120, 121, 123, 701, 702 and 704, as pysunspec2 ships them, for
registers, types, scale factors and the numbers that mean "not there". Positive is reactive power that is injected (lifts the
voltage): in model 701 watts are positive for generation, injected watt-hours are quadrants 1 and 4, and injected var-hours 1 and
2; models 120 and 121 have what is injected in quadrant 1 and what is taken in quadrant 4. That is the sign of `inverter_q_kvar`.
Models 101-113 publish no sign of their own; the same one is taken, and an inverter that measures the opposite of what it is set
to loses its set-points.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MARK = b"SunS"
PLACES = (40000, 0, 50000)  # where a map may begin, in the order in which they are looked at
CHAIN_END = 0xFFFF
MODELS_MAX = 100  # a chain that has more models than this has no end
# Type: how it is read, registers, and the number that means that nothing is there.
TYPES: Mapping[str, tuple[str, int, int | None]] = {
    "int16": ("h", 1, -0x8000), "uint16": ("H", 1, 0xFFFF), "int32": ("i", 2, -0x80000000), "uint32": ("I", 2, 0xFFFFFFFF),
    "float32": ("f", 2, None), "sunssf": ("h", 1, -0x8000),
}  # fmt: skip
SCALE_MAX = 10  # a scale factor is a power of ten from -10 to 10
JOIN_MAX = 4  # registers between two that are needed which are read with them


@dataclass(frozen=True)
class Point:
    """One value of a model: its name in the definitions, its register counted from the model's header, its type."""

    name: str
    at: int
    kind: str

    @property
    def count(self) -> int:
        """Return how many registers it takes."""
        return TYPES[self.kind][1]

    def read(self, words: bytes) -> float | None:
        """Return the number in these bytes, nothing where they mean that nothing is there."""
        code, _, absent = TYPES[self.kind]
        number = float(struct.unpack(">" + code, words)[0])
        if number == absent or not abs(number) < float("inf"):
            return None
        return None if self.kind == "sunssf" and abs(number) > SCALE_MAX else number

    def written(self, number: int) -> bytes:
        """Return the bytes of a number."""
        return struct.pack(">" + TYPES[self.kind][0], number)


def stretches(points: Sequence[Point]) -> list[tuple[int, int]]:
    """Return the stretches (first register, how many) in which points are read together."""
    found: list[tuple[int, int]] = []
    for point in sorted(points, key=lambda point: point.at):
        first, count = found[-1] if found else (point.at, 0)
        if found and point.at - first - count <= JOIN_MAX:
            found[-1] = (first, max(count, point.at + point.count - first))
        else:
            found.append((point.at, point.count))
    return found


@dataclass(frozen=True)
class Scaled:
    """A value and its scale factor, nothing for one that needs none. unit_ratio: what one of its unit is in kvar, kW or kVA."""

    point: Point
    scale: Point | None
    unit_ratio: float = 1e-3

    def of(self, told: Mapping[Point, float | None]) -> float | None:
        """Return the value in kvar, kW or kVA; nothing where it or its scale factor is not there."""
        number, power = told.get(self.point), told.get(self.scale) if self.scale is not None else 0.0
        return None if number is None or power is None else number * 10.0**power * self.unit_ratio


@dataclass(frozen=True)
class Mode:
    """One way in which a set-point may be written: the mode's number, the value, and what 100 % of it is ("" for vars)."""

    number: int
    value: Scaled
    of: str


@dataclass(frozen=True)
class Layout:
    """A model that takes set-points. first: what is written before a lease and the number, and whether it must be there;
    modes: those that can be understood, the first of `may` that is there is used."""

    model: int
    length: int
    enabled: Point
    mode: Point
    timer: Point
    left: Point | None
    first: tuple[tuple[Point, int, bool], ...]
    modes: tuple[Mode, ...]
    may: tuple[int, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """Return all that is read of it."""
        values = {point for mode in self.modes for point in (mode.value.point, mode.value.scale) if point is not None}
        left = () if self.left is None else (self.left,)
        return (self.enabled, self.mode, self.timer, *left, *(point for point, _, _ in self.first), *values)


_VARS = Scaled(Point("VarSet", 38, "int32"), Point("VarSet_SF", 57, "sunssf"))
_PERCENT = Scaled(Point("VarSetPct", 42, "int16"), Point("VarSetPct_SF", 58, "sunssf"), 0.01)
_OLD_SCALE = Point("VArPct_SF", 25, "sunssf")
LAYOUTS = (
    Layout(
        704, 65, Point("VarSetEna", 35, "uint16"), Point("VarSetMod", 36, "uint16"), Point("VarSetRvrtTms", 45, "uint32"),
        Point("VarSetRvrtRem", 47, "uint32"),
        ((Point("VarSetEnaRvrt", 44, "uint16"), 0, True), (Point("VarSetRvrt", 40, "int32"), 0, False)),
        (Mode(4, _VARS, ""), Mode(1, _PERCENT, "var"), Mode(0, _PERCENT, "w"), Mode(3, _PERCENT, "va")),
        (4, 1),
    ),
    Layout(
        123, 24, Point("VArPct_Ena", 22, "uint16"), Point("VArPct_Mod", 21, "uint16"), Point("VArPct_RvrtTms", 19, "uint16"),
        None,
        ((Point("VArPct_WinTms", 18, "uint16"), 0, False),),
        (Mode(2, Scaled(Point("VArMaxPct", 16, "int16"), _OLD_SCALE, 0.01), "var"),
         Mode(1, Scaled(Point("VArWMaxPct", 15, "int16"), _OLD_SCALE, 0.01), "w")),
        (2, 1),
    ),
)  # fmt: skip

_MEASURED_701 = Scaled(Point("Var", 12, "int16"), Point("Var_SF", 119, "sunssf"))
_MEASURED_10X = Scaled(Point("VAr", 20, "int16"), Point("VAr_SF", 21, "sunssf"))
_MEASURED_11X = Scaled(Point("VAr", 28, "float32"), None)
# Model: its length and where it holds measured reactive power. The first that is there is used.
MEASURED: Mapping[int, tuple[int, Scaled]] = {
    701: (153, _MEASURED_701), 103: (50, _MEASURED_10X), 102: (50, _MEASURED_10X), 101: (50, _MEASURED_10X),
    113: (60, _MEASURED_11X), 112: (60, _MEASURED_11X), 111: (60, _MEASURED_11X),
}  # fmt: skip


RATING_LENGTHS = {120: 26, 121: 30, 702: 50}
# What an inverter can: rating in kVA and what of it is set, most that it injects and takes in kvar, most active power in kW;
# value and scale factor by model. A later row counts before an earlier one: what is set before what it is built for.
RATED: tuple[tuple[str, int, Scaled], ...] = tuple(
    (what, model, Scaled(Point(*value), Point(scale[0], scale[1], "sunssf")))
    for what, model, value, scale in (
        ("va", 120, ("VARtg", 5, "uint16"), ("VARtg_SF", 6)),
        ("va", 702, ("VAMaxRtg", 7, "uint16"), ("VA_SF", 47)),
        ("va_set", 702, ("VAMaxRtg", 7, "uint16"), ("VA_SF", 47)),
        ("va_set", 702, ("VAMax", 31, "uint16"), ("VA_SF", 47)),
        ("inject", 120, ("VArRtgQ1", 7, "int16"), ("VArRtg_SF", 11)),
        ("inject", 121, ("VArMaxQ1", 8, "int16"), ("VArMax_SF", 27)),
        ("inject", 702, ("VarMaxInjRtg", 8, "uint16"), ("Var_SF", 48)),
        ("inject", 702, ("VarMaxInj", 32, "uint16"), ("Var_SF", 48)),
        ("take", 120, ("VArRtgQ4", 10, "int16"), ("VArRtg_SF", 11)),
        ("take", 121, ("VArMaxQ4", 11, "int16"), ("VArMax_SF", 27)),
        ("take", 702, ("VarMaxAbsRtg", 9, "uint16"), ("Var_SF", 48)),
        ("take", 702, ("VarMaxAbs", 33, "uint16"), ("Var_SF", 48)),
        ("w", 120, ("WRtg", 3, "uint16"), ("WRtg_SF", 4)),
        ("w", 121, ("WMax", 2, "uint16"), ("WMax_SF", 22)),
        ("w", 702, ("WMaxRtg", 2, "uint16"), ("W_SF", 45)),
        ("w", 702, ("WMax", 26, "uint16"), ("W_SF", 45)),
    )
)


@dataclass(frozen=True)
class Way:
    """How counts of one mode's value become kvar: one count that injects, one that takes."""

    value: Point
    inject_kvar: float
    take_kvar: float

    def kvar(self, count: float) -> float:
        """Return what a count means."""
        return count * (self.inject_kvar if count > 0 else self.take_kvar)

    def count(self, kvar: float) -> int:
        """Return the count that asks for no more than these kvar."""
        step = self.inject_kvar if kvar > 0 else self.take_kvar
        return int(kvar / step + (1e-6 if kvar > 0 else -1e-6))


@dataclass(frozen=True)
class Known:
    """What was found at an inverter. base_*: registers of the headers; ways: by mode; mode: the one that is written."""

    measured: Scaled
    base_measured: int
    layout: Layout
    base: int
    ways: Mapping[int, Way]
    mode: int
    first: tuple[tuple[Point, int], ...]
    writable: frozenset[int]


@dataclass(frozen=True)
class Held:
    """What an inverter says of its set-point. set_kvar: nothing where its mode cannot be understood; left_s: where told."""

    enabled: bool
    mode: int
    set_kvar: float | None
    timer_s: float
    left_s: float | None
    first_kept: bool
