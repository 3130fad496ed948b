# SPDX-License-Identifier: Apache-2.0
"""Meters of stations and street ends that speak Modbus: which registers hold what is data, in a map file.

A map can name voltage, active and reactive power and the oil's temperature of a station, and the voltage at a street's end;
it has no word for anything else that a meter may hold, and no meter of a home can be named. Single readings stay here:
what leaves is the mean of each whole minute.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from lamplighter.services.grid.wire import END_ROW, ENDS, STATION_ROW, STATIONS, encode_rows
from lamplighter.terms.exchange import Answered, Asked, DialectStart
from lamplighter.terms.reading import Message, Reading

TYPES: Mapping[str, tuple[str, int]] = {
    "int16": ("h", 1), "uint16": ("H", 1), "int32": ("i", 2), "uint32": ("I", 2), "float32": ("f", 2),
    "int64": ("q", 4), "uint64": ("Q", 4), "float64": ("d", 4),
}  # fmt: skip
ROOT3 = float(np.sqrt(3.0))
# What a map may name: how several registers become one value, and units with what turns them into V, kW, kvar, degrees.
WORDS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "u": ("mean", {"V": 1.0, "kV": 1e3, "mV": 1e-3, "V_to_neutral": ROOT3}),
    "p": ("sum", {"W": 1e-3, "kW": 1.0, "MW": 1e3}),
    "q": ("sum", {"var": 1e-3, "kvar": 1.0, "Mvar": 1e3}),
    "oil": ("mean", {"degC": 1.0}),
}
STATION_NEEDS, STATION_MAY, END_NEEDS = ("u", "p", "q"), ("u", "p", "q", "oil"), ("u",)
VALUE_KEYS = ("at", "type", "unit", "table", "words", "bytes", "scale", "first", "absent")
METER_KEYS = ("asset", "kind", "host", "port", "unit")
COUNT_MAX = 120  # registers asked for at once; some meters take fewer than the 125 of the standard
PERIOD_S = 10.0
MINUTE_S = 60
READINGS_KEPT_MIN = 5  # minutes that wait to be fetched


@dataclass(frozen=True)
class Value:
    """One value of a kind of meter: registers, how their bytes are read, and what the number means."""

    name: str
    table: str
    at: tuple[int, ...]
    code: str
    count: int
    words_little: bool
    bytes_little: bool
    factor_ratio: float
    absent_count: tuple[float, ...]

    def read(self, told: Mapping[tuple[str, int], bytes]) -> float | None:
        """Return the value from registers by table and number, nothing where the meter marks it as absent."""
        numbers: list[float] = []
        for at in self.at:
            words = [told[self.table, at + offset] for offset in range(self.count)]
            words = [word[::-1] for word in words] if self.bytes_little else words
            number = float(struct.unpack(">" + self.code, b"".join(words[::-1] if self.words_little else words))[0])
            if not np.isfinite(number) or number in self.absent_count:
                return None
            numbers.append(number)
        total = sum(numbers)
        return self.factor_ratio * (total / len(numbers) if WORDS[self.name][0] == "mean" else total)


@dataclass(frozen=True)
class Kind:
    """One kind of meter: its values, and the stretches of registers (table, at, count) in which they are read."""

    values: tuple[Value, ...]
    stretches: tuple[tuple[str, int, int], ...]


@dataclass
class _Meter:
    """One meter: where it is asked, what it belongs to, where its sweep stands, and what it said in the minute that runs."""

    asset: str
    number: int
    is_station: bool
    kind: Kind
    host: str
    port: int
    unit: int
    due_s: float = 0.0
    at: int = 0
    told: dict[tuple[str, int], bytes] = field(default_factory=dict[tuple[str, int], bytes])
    minute: int = -1
    sums: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    silent: bool = True


def _value(where: str, name: str, row: Mapping[str, Any], faults: list[str]) -> Value | None:
    own = list[str]()
    own += [f"{where}: {key} is unknown, allowed are {', '.join(VALUE_KEYS)}" for key in row if key not in VALUE_KEYS]
    units = WORDS[name][1]
    ends = ("big", "little")  # which comes first: the upper or the lower word, and within a word the upper or the lower byte
    for key, allowed in (("type", TYPES), ("unit", units), ("table", ("holding", "input")), ("words", ends), ("bytes", ends)):
        said = row.get(key, {"table": "holding", "words": "big", "bytes": "big"}.get(key))
        if said not in allowed:
            own.append(f"{where}: {key} is {said!r}, allowed is {' or '.join(allowed)}")
    at: Any = row.get("at", ())
    places = cast("list[Any]", at if isinstance(at, list) else [at])
    first = row.get("first", 0)
    if first not in (0, 1):
        own.append(f"{where}: first is {first!r}, allowed is 0 (counted as on the wire) or 1 (as in some manuals)")
    elif not places or not all(isinstance(place, int) and first <= place < 65532 for place in places):
        own.append(f"{where}: at is {at!r}, allowed are whole numbers of registers from {first} to 65531, one or several")
    scale, said_absent = row.get("scale", 1.0), row.get("absent", [])
    absent = cast("list[Any]", said_absent) if isinstance(said_absent, list) else [None]
    if not isinstance(scale, (int, float)) or not np.isfinite(scale) or scale == 0.0:
        own.append(f"{where}: scale is {scale!r}, allowed is a number that is not 0 (0.1 where the register counts tenths)")
    if not all(isinstance(value, (int, float)) for value in absent):
        own.append(f"{where}: absent is {said_absent!r}, allowed is a list of the numbers that mean `no value`")
    faults += own
    if own:
        return None
    code, count = TYPES[str(row["type"])]
    return Value(
        name, str(row.get("table", "holding")), tuple(place - first for place in places), code, count,
        row.get("words") == "little", row.get("bytes") == "little", float(scale) * units[str(row["unit"])],
        tuple(float(cast(float, value)) for value in absent),
    )  # fmt: skip


def _kind(name: str, rows: Mapping[str, Any], faults: list[str]) -> Kind | None:
    values: list[Value | None] = []
    for word, row in rows.items():
        if word not in WORDS or not isinstance(row, dict):
            faults.append(f"[kind.{name}] {word}: nothing of this name is read; allowed are {', '.join(WORDS)}, each a table")
            values.append(None)
            continue
        values.append(_value(f"[kind.{name}] {word}", word, cast("Mapping[str, Any]", row), faults))
    whole = tuple(value for value in values if value is not None)
    return Kind(whole, _stretches(whole)) if whole and len(whole) == len(values) else None


def _stretches(values: Sequence[Value]) -> tuple[tuple[str, int, int], ...]:
    """Return the fewest stretches without a gap that hold all registers: a register that is not named is never asked for."""
    needed = sorted({(value.table, at + offset) for value in values for at in value.at for offset in range(value.count)})
    found: list[tuple[str, int, int]] = []
    for table, at in needed:
        if found and found[-1][0] == table and found[-1][1] + found[-1][2] == at and found[-1][2] < COUNT_MAX:
            found[-1] = (table, found[-1][1], found[-1][2] + 1)
        else:
            found.append((table, at, 1))
    return tuple(found)


def _meter(
    row: Mapping[str, Any], kinds: Mapping[str, Kind | None], numbers: Mapping[str, tuple[int, bool]], faults: list[str]
) -> _Meter | None:
    asset = str(row.get("asset", ""))
    where, own = f"[[meter]] {asset or '(without asset)'}", list[str]()
    own += [f"{where}: {key} is unknown, allowed are {', '.join(METER_KEYS)}" for key in row if key not in METER_KEYS]
    if asset not in numbers:
        own.append(f"{where}: allowed is the id of a station or of a meter at a street's end; other things are not metered here")
    if row.get("kind") not in kinds:
        own.append(
            f"{where}: kind is {row.get('kind')!r}, allowed is {' or '.join(kinds) or 'a table [kind.NAME], and none is there'}"
        )
    host, port, unit = row.get("host"), row.get("port", 502), row.get("unit", 1)
    if not isinstance(host, str) or not host or any(c in "/ \t\n" for c in host):
        own.append(f"{where}: host is {host!r}, allowed is a name or an address")
    if not isinstance(port, int) or not 0 < port < 65536:
        own.append(f"{where}: port is {port!r}, allowed is 1 to 65535")
    if not isinstance(unit, int) or not 0 <= unit < 256:
        own.append(f"{where}: unit is {unit!r}, allowed is 0 to 255")
    kind = kinds.get(str(row.get("kind")))
    if not own and kind is not None:
        words, is_station = {value.name for value in kind.values}, numbers[asset][1]
        needs, may = (STATION_NEEDS, STATION_MAY) if is_station else (END_NEEDS, END_NEEDS)
        if not set(needs) <= words <= set(may):
            told = f"needs {', '.join(needs)}" + (" and may have oil" if is_station else " and nothing else")
            own.append(
                f"{where}: its kind tells {', '.join(sorted(words))}; {'a station' if is_station else 'a street end'} {told}"
            )
    faults += own
    if own or kind is None:
        return None
    return _Meter(asset, *numbers[asset], kind, str(host), int(port), int(unit))


def meters_of(told: Mapping[str, Any], numbers: Mapping[str, tuple[int, bool]]) -> tuple[list[_Meter], float]:
    """Return the meters of a map and the seconds between two readings. ValueError with all that is wrong with the map.

    numbers: by asset id, its number on the wire and whether it is a station.
    """
    faults = [
        f"{key} is unknown, allowed are kind, meter and period_s" for key in told if key not in ("kind", "meter", "period_s")
    ]
    tables, rows, period = told.get("kind", {}), told.get("meter", []), told.get("period_s", PERIOD_S)
    if not isinstance(tables, dict) or not isinstance(rows, list) or not rows:
        raise ValueError("a map needs tables [kind.NAME] and at least one [[meter]]")
    if not isinstance(period, (int, float)) or not 1.0 <= period <= 30.0:
        faults.append(f"period_s is {period!r}, allowed is 1 to 30 (what leaves is the mean of a minute)")
        period = PERIOD_S
    kinds = {str(name): _kind(str(name), value, faults) for name, value in cast("dict[str, Any]", tables).items()}
    found = [_meter(row, kinds, numbers, faults) for row in cast("list[dict[str, Any]]", rows)]
    names = [meter.asset for meter in found if meter is not None]
    faults += [f"[[meter]] {name}: stands more than once" for name in sorted({name for name in names if names.count(name) > 1})]
    if faults:
        raise ValueError("; ".join(faults))
    return [meter for meter in found if meter is not None], float(period)


class Meters:
    """The dialect: which registers to read next, and what the whole minutes were."""

    def __init__(self, meters: Sequence[_Meter], period_s: float) -> None:
        """Begin with nothing known."""
        self._meters, self._period_s = list(meters), period_s
        self._asking: _Meter | None = None
        self._next = 0
        self._done: dict[tuple[str, int], list[tuple[int, dict[str, float]]]] = {}

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Answer nobody: meters ask nothing."""
        return Answered(404, {}, b"")

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Send nothing: meters are read only."""
        return not messages

    def next_request(self, now_s: float) -> Asked | None:
        """Return the next stretch of registers to read: a meter is read to its end before the next one."""
        if self._asking is None:
            for turn in range(len(self._meters)):
                meter = self._meters[(self._next + turn) % len(self._meters)]
                if now_s >= meter.due_s:
                    self._next = (self._next + turn + 1) % len(self._meters)
                    # The grid of readings is kept, so that each minute has as many as the others.
                    meter.due_s = (now_s // self._period_s + 1) * self._period_s
                    meter.at, meter.told, self._asking = 0, {}, meter
                    break
            else:
                return None
        meter = self._asking
        table, at, count = meter.kind.stretches[meter.at]
        return Asked("READ", f"/{meter.host}/{meter.port}/{meter.unit}/{table}/{at}/{count}", "", {}, b"")

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the registers. A sweep with a hole in it is not used."""
        meter, self._asking = self._asking, None
        if meter is None:
            return
        table, at, count = meter.kind.stretches[meter.at]
        if answer is None or answer.status != 200 or len(answer.body) != 2 * count:
            meter.silent = True
            return
        meter.told |= {(table, at + n): answer.body[2 * n : 2 * n + 2] for n in range(count)}
        meter.at += 1
        if meter.at < len(meter.kind.stretches):
            self._asking = meter
            return
        values = {value.name: value.read(meter.told) for value in meter.kind.values}
        meter.told = {}
        needed = STATION_NEEDS if meter.is_station else END_NEEDS
        meter.silent = any(values[name] is None for name in needed)
        if not meter.silent:
            self._note(meter, {name: value for name, value in values.items() if value is not None}, int(now_s // MINUTE_S))

    def _note(self, meter: _Meter, values: Mapping[str, float], minute: int) -> None:
        if minute != meter.minute:
            self._close(meter)
            meter.minute = minute
        for name, value in values.items():
            meter.sums.setdefault(name, []).append(value)

    def _close(self, meter: _Meter) -> None:
        if meter.sums:
            waiting = self._done.setdefault((STATIONS if meter.is_station else ENDS, meter.minute), [])
            waiting.append((meter.number, {name: float(np.mean(values)) for name, values in meter.sums.items()}))
        meter.sums = {}

    def readings(self, now_s: float) -> Sequence[Reading]:
        """Return the minutes that are over, as the service's own wire reads them."""
        running = int(now_s // MINUTE_S)
        for meter in self._meters:
            if meter.minute < running:
                self._close(meter)
        found: list[Reading] = []
        for topic, minute in sorted(self._done, key=lambda key: key[1]):
            if minute >= running:
                continue
            rows = self._done.pop((topic, minute))
            if minute >= running - READINGS_KEPT_MIN:
                table = _station_rows(rows) if topic == STATIONS else _end_rows(rows)
                found.append(Reading("modbus", topic, encode_rows(minute, table), now_s))
        return tuple(found)

    def fault(self) -> str:
        """Return which meters tell nothing, at most three by name."""
        silent = [meter.asset for meter in self._meters if meter.silent]
        return f"{len(silent)} of {len(self._meters)} meters tell nothing ({', '.join(silent[:3])})" if silent else ""

    def memory(self) -> bytes:
        """Return nothing: meters are read anew after a restart."""
        return b""


def _bounded(value: float, high: float) -> int:
    return round(min(max(value, -high), high))


def _station_rows(told: Sequence[tuple[int, Mapping[str, float]]]) -> np.ndarray:
    rows = np.zeros(len(told), STATION_ROW)
    for row, (number, values) in zip(rows, told, strict=True):
        row["number"], row["p_10w"], row["q_10var"] = (
            number,
            _bounded(values["p"] * 100.0, 2e9),
            _bounded(values["q"] * 100.0, 2e9),
        )
        row["u_10mv"] = max(_bounded(values["u"] * 100.0, 4e9), 0)
        if "oil" in values:
            row["warm"], row["oil_100mc"] = 1, _bounded(values["oil"] * 10.0, 2e9)
    return rows


def _end_rows(told: Sequence[tuple[int, Mapping[str, float]]]) -> np.ndarray:
    rows = np.zeros(len(told), END_ROW)
    for row, (number, values) in zip(rows, told, strict=True):
        row["number"], row["u_10mv"] = number, max(_bounded(values["u"] * 100.0, 4e9), 0)
    return rows


def open_dialect(start: DialectStart) -> Meters:
    """Return the dialect for a city's stations and street ends. ValueError with all that is wrong with the map."""
    grid = start.prepared.grid
    numbers = {str(name): (number, True) for number, name in enumerate(grid.station_id.tolist())}
    numbers |= {str(name): (number, False) for number, name in enumerate(grid.meter_id.tolist())}
    return Meters(*meters_of(start.settings["map"], numbers))
