# SPDX-License-Identifier: Apache-2.0
"""The event log of a simulated city. No other city has one here: only what is `Simulated` can be written.

It comes straight out of a simulator that this module opens itself; a running city's telegrams have no way in.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.traffic.diagnosis.codes import SIMULATED_PREFIX, USES
from lamplighter.services.traffic.diagnosis.events import DetectorTable, Events, join
from lamplighter.services.traffic.diagnosis.watching import Second, Watcher
from lamplighter.services.traffic.prepared import prepare
from lamplighter.services.traffic.terms import QUANTITIES
from lamplighter.services.traffic.wire import decode
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.simulation import Simulated, SimulationStart

PIECE_S = 60
NEEDED = ("group_state", "count_veh", "occupancy_share", "area_veh", "call_waiting")


def utc_offset_s(posix_s: float, timezone: str) -> int:
    """Return local time less UTC at a moment."""
    offset = datetime.fromtimestamp(posix_s, ZoneInfo(timezone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


class _Seconds:
    """The latest reported values, dense over the service's run."""

    def __init__(self, start: SimulationStart) -> None:
        self._prepared, self._span = prepare(start.city), start.city.span
        self.layout = self._prepared.layout
        self._number = {start.city.vocabulary.index(name): place for place, name in enumerate(NEEDED)}
        self._step = [next(quantity.step for quantity in QUANTITIES if quantity.name == name) for name in NEEDED]

    def of(self, readings: Any) -> Second:
        many = self._span.stop - self._span.start
        columns: list[FloatArray] = [np.zeros(many) for _ in NEEDED]
        fresh = np.zeros(many, np.bool_)
        frames = np.frombuffer(decode(readings, self._prepared), FRAME)
        for number, place in self._number.items():
            mine = frames[frames["quantity"] == number]
            at = mine["asset"].astype(np.int64) - self._span.start
            columns[place][at] = mine["value"] * self._step[place]
            fresh[at] = True
        states, counts, shares, areas, calls = columns
        return Second(states, counts, shares, areas, calls, fresh)


def event_log(start: SimulationStart, seconds: int) -> Iterator[Simulated[Events]]:
    """Run a simulated city under its own programmes and yield its event log, a minute at a time, by number of the box.

    Raises ImportError where SUMO is not installed, RuntimeError where it cannot start.
    """
    from lamplighter.services.traffic.simulator import open_simulator

    field = open_simulator(start)
    try:
        seen = _Seconds(start)
        watcher = Watcher(seen.layout, utc_offset_s(start.begin_s, start.city.place.timezone))
        waiting: list[Events] = []
        for second in range(1, seconds + 1):
            now_s = start.begin_s + second
            waiting.append(watcher.see(seen.of(field.advance(now_s, (), {}).readings), now_s))
            if len(waiting) == PIECE_S or second == seconds:
                yield Simulated(join(waiting))
                waiting = []
    finally:
        field.close()


def write_log(pieces: Iterable[Simulated[Events]], names: Mapping[int, str], path: Path) -> int:
    """Write a simulated log as CSV and return how many events it holds. TypeError where a piece is not `Simulated`."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("TimeStamp", "DeviceId", "EventId", "Parameter"))
        for piece in pieces:
            if not isinstance(piece, Simulated):  # pyright: ignore[reportUnnecessaryIsInstance]  who has no type checker is told too
                raise TypeError("an event log is written of a simulated city only; these events are not `Simulated`")
            events = piece.value
            ordered = events.take(np.lexsort((events.parameter, events.event, events.time_ms)).astype(np.int64))
            moments = [str(np.datetime64(int(ms), "ms")).replace("T", " ") for ms in ordered.time_ms]
            for row, moment in enumerate(moments):
                name = SIMULATED_PREFIX + names[int(ordered.box[row])]
                rows.writerow((moment, name, int(ordered.event[row]), int(ordered.parameter[row])))
            count += len(moments)
    return count


def write_tables(tables: Mapping[int, DetectorTable], names: Mapping[int, str], path: Path) -> None:
    """Write what the detectors of a simulated log are for, as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("DeviceId", "Phase", "Parameter", "Function"))
        for box, table in tables.items():
            for row in range(len(table.detector)):
                detector, group, use = (int(column[row]) for column in (table.detector, table.group, table.use))
                rows.writerow((SIMULATED_PREFIX + names[box], group, detector, USES[use]))
