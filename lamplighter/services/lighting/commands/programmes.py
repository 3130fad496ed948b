# SPDX-License-Identifier: Apache-2.0
"""Timetables as those need them who programme drivers, set cabinet clocks and send ripple commands: lists in CSV."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.optimum import timetable
from lamplighter.services.lighting.optimum.timetable import Timetable
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, IntArray

PROGRAMME_COLUMNS = ("luminaire", "lamps", "programme", "steps_from_middle_of_night", "segments")
TIMETABLE_COLUMNS = ("way", "switch", "step", "from", "segment", "street", "output_percent")
Timed = Sequence[tuple[IntArray, Timetable]]
NOON = timetable.QUARTERS // 2  # days of clocks are counted from noon to noon, so that steps run through the night


def driver_rows(layout: Layout, city: CityData, timed: Timed) -> list[tuple[str, int, str, str, str]]:
    """Return the programming list of stand-alone drivers: a row per luminaire type and programme, most lamps first, with the
    segments whose lamps it is for."""
    optic, flux, ids = (city.tables["segments"][name] for name in ("optic", "rated_flux_lm", "id"))
    where: dict[tuple[str, str], list[int]] = {}
    for rows, made in timed:
        s = int(rows[0])
        steps = [
            f"{(begin - timetable.SLOTS / 2) / 4:+.2f} h {share * 100:.0f} %"
            for begin, share in zip(made.begin.tolist(), made.dimming_level[0].tolist(), strict=True)
        ]
        where.setdefault((f"{optic[s]} {flux[s]:.0f} lm", "; ".join(steps)), []).append(s)
    lamps = layout.segments.lamps
    found = [(kind, int(lamps[rows].sum()), text, rows) for (kind, text), rows in where.items()]
    found.sort(key=lambda one: (one[0], -one[1], one[2]))
    number: dict[str, int] = {}
    out: list[tuple[str, int, str, str, str]] = []
    for kind, count, text, rows in found:
        number[kind] = number.get(kind, 0) + 1
        out.append((kind, count, f"{kind.replace(' ', '-')}/{number[kind]}", text, " ".join(str(ids[s]) for s in rows)))
    return out


def clock_rows(layout: Layout, city: CityData, by_way: dict[str, Timed]) -> list[tuple[str, str, int, str, str, str, int]]:
    """Return the timetables of cabinet clocks and ripple control: for each switch and step its local time, and the output of
    every segment behind it then."""
    table = city.tables["segments"]
    out: list[tuple[str, str, int, str, str, str, int]] = []
    for way in ("cabinet", "ripple"):
        for rows, made in by_way[way]:
            switch = str(table["cabinet"][rows[0]]) if way == "cabinet" else "all"
            for step, begin in enumerate(made.begin.tolist()):
                minutes = (begin + NOON) % timetable.QUARTERS * 15
                clock = f"{minutes // 60:02d}:{minutes % 60:02d}"
                for place, s in enumerate(rows.tolist()):
                    percent = round(float(made.dimming_level[place, step]) * 100.0)
                    out.append((way, switch, step + 1, clock, str(table["id"][s]), str(layout.segments.name[s]), percent))
    return out


def write(file: Path, option: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a list as CSV; UsageError where it cannot be written."""
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(columns)
            writer.writerows(rows)
    except OSError as error:
        raise click.UsageError(f"{option} {file}: cannot be written ({error.strerror}); choose another place") from error


def evening(values: FloatArray) -> FloatArray:
    """Return what is given for local quarter-hours (..., 96) from noon on."""
    return np.roll(values, -NOON, axis=-1)
