# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting night`: a city's certified minimum over a year, and the best timetables for lamps without a radio."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group, programmes
from lamplighter.services.lighting.commands.waiting import waiting
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.optimum import night as minimum
from lamplighter.services.lighting.optimum import timetable
from lamplighter.services.lighting.optimum.least import Missed
from lamplighter.services.lighting.optimum.night import Certified, Energy
from lamplighter.services.lighting.optimum.timetable import DimmingTable, Nights, Timetable
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.prepared import distinct_fields, prepare
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, IntArray

DIMMING_STEP = 0.01  # drivers are programmed in whole per cent
DAYS = 365
WAYS = ("driver", "cabinet", "ripple")
MISSED_SHOWN = 10
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Found:
    """What `night` found: the certified shares, energies per cell, and the timetables of every way of switching: of drivers in
    quarter-hours from the middle of the night, of clocks and ripple control in local ones from noon."""

    certified: Certified
    energy: Energy
    nights: Nights
    usual_kwh: float
    light_kw: float
    by_way: dict[str, programmes.Timed]


@click.command()
@click.option("--city", "city_name", required=True, help="A built city: its name or its folder.")
@click.option("--year", default=2026, show_default=True, type=click.IntRange(2016, 2044), help="Whose nights.")
@click.option(
    "--volume",
    default="0:00=1",
    show_default=True,
    help="Weight of traffic volume by local time, -1 to 1 (CEN/TR 13201-1), as in 0:00=-1,6:00=1,20:00=0,22:00=-1.",
)
@click.option("--steps", default=5, show_default=True, type=click.IntRange(1, 12), help="Steps that a driver can hold.")
@click.option(
    "--programme",
    type=_FILE,
    help="Write the programming list of stand-alone drivers (CSV): programmes by luminaire type, and for which segments.",
)
@click.option(
    "--timetables", type=_FILE, help="Write the timetables of cabinet clocks and of ripple control (CSV), in local time."
)
@group.JSON_OPTION
def night(city_name: str, programme: Path | None, timetables: Path | None, json_file: Path | None, **given: object) -> None:
    """Certify the least energy of a city's nights, and make the best timetables for lamps without a radio."""
    volume = quarters(str(given["volume"]))
    with waiting("certifying the least energy"):
        _, city = group.opened_city(city_name)
        layout = prepare(city)
        found = _found(city, layout, volume, cast("int", given["year"]), cast("int", given["steps"]))
    _print(layout, found)
    if programme is not None:
        rows = programmes.driver_rows(layout, city, found.by_way["driver"])
        programmes.write(programme, "--programme", programmes.PROGRAMME_COLUMNS, rows)
    if timetables is not None:
        clocks = programmes.clock_rows(layout, city, found.by_way)
        programmes.write(timetables, "--timetables", programmes.TIMETABLE_COLUMNS, clocks)
    if json_file is not None:
        group.write_json(json_file, {**_plain(found), "out_of_reach": [_miss(layout, *miss) for miss in found.certified.missed]})


def quarters(text: str) -> IntArray:
    """Return (96,) the weight in force in each local quarter-hour; UsageError for anything else than H:MM=weight, ..."""
    marks: dict[int, int] = {}
    for part in text.split(","):
        clock, _, weight = part.strip().partition("=")
        hour, _, minute = clock.partition(":")
        whole = hour.isdecimal() and minute.isdecimal() and weight in ("-1", "0", "1")
        if not whole or int(hour) > 23 or int(minute) not in (0, 15, 30, 45):
            raise click.UsageError(f"--volume {part.strip()!r}: a quarter-hour and -1, 0 or 1 are needed, as in 22:00=-1")
        marks[int(hour) * 4 + int(minute) // 15] = int(weight)
    out = np.full(96, marks[max(marks)], dtype=np.int64)
    for begin in sorted(marks):
        out[begin:] = marks[begin]
    return out


def _found(city: CityData, layout: Layout, volume_weight: IntArray, year: int, steps: int) -> Found:
    roads, _ = distinct_fields(city.tables["segments"])
    certified = minimum.certified(layout, roads)
    relax = minimum.relaxed(layout, volume_weight)
    noon_s = datetime(year, 1, 1, 12, tzinfo=UTC).timestamp()
    place = (layout.lon_deg, layout.lat_deg)
    nights = timetable.nights_of(noon_s, DAYS, place, layout.dusk_elevation_deg, layout.local)
    order = np.roll(np.arange(96), 48)  # from noon to noon, so that holds run through the night
    hours = np.bincount(nights.quarter.ravel(), weights=nights.burning_share.ravel(), minlength=96) / 4.0
    energy = minimum.energy(layout, certified, relax[:, order].transpose(), hours[order])
    alike = np.ceil(certified.alike / DIMMING_STEP - 1e-6) * DIMMING_STEP
    by_clock = np.take_along_axis(alike, relax, axis=1)
    power_kw = _light_kw(layout)
    asked = {way: (programmes.evening(by_clock * (hours > 0.0)), hours[order]) for way in WAYS}
    asked["driver"] = (timetable.asked_by_night(by_clock, nights), nights.hours_h())
    by_way: dict[str, programmes.Timed] = {way: _timetables(_groups(layout, way), asked[way], power_kw, steps) for way in WAYS}
    late = (np.arange(96) >= 92) | (np.arange(96) < 20)
    usual = float(energy.full_kwh.sum()) - 0.5 * float(power_kw.sum()) * float(hours[late].sum())
    return Found(certified, energy, nights, usual, float(power_kw.sum()), by_way)


def _light_kw(layout: Layout) -> FloatArray:
    return (layout.segments.power_w - GEAR_W) * layout.segments.lamps / 1000.0


def _groups(layout: Layout, way: str) -> list[IntArray]:
    """Return the segments that change together: each alone, all of a cabinet, or all."""
    count = len(layout.segments.design)
    if way == "driver":
        return [np.array([s], dtype=np.int64) for s in range(count)]
    key = layout.segments.cabinet if way == "cabinet" else np.zeros(count, dtype=np.int64)
    return [np.flatnonzero(key == k).astype(np.int64) for k in np.unique(key)]


def _timetables(
    groups: list[IntArray], needed: tuple[DimmingTable, FloatArray], power_kw: FloatArray, steps: int
) -> list[tuple[IntArray, Timetable]]:
    asked, hours = needed
    known: dict[bytes, Timetable] = {}
    made: list[tuple[IntArray, Timetable]] = []
    for rows in groups:
        key = asked[rows].tobytes() + (power_kw[rows] / power_kw[rows].sum()).tobytes()
        if key not in known:
            known[key] = timetable.best(asked[rows], power_kw[rows] / power_kw[rows].sum(), hours, steps)
        share = known[key]
        whole = float(power_kw[rows].sum())
        made.append((rows, Timetable(share.begin, share.dimming_level, share.energy_kwh * whole, share.bound_kwh * whole)))
    return made


def _sums(found: Found) -> list[tuple[str, str, float]]:
    """Return (key, label, kWh a year) of every way, gear included."""
    full = float(found.energy.full_kwh.sum())
    gear = full - found.light_kw * float(found.nights.hours_h().sum())
    rows = [
        ("full_kwh", "full output from dusk to dawn", full),
        ("usual_kwh", "half output from 23 to 5 o'clock, whatever the class", found.usual_kwh),
        ("cells_kwh", "least, cells in common steps", float(found.energy.cells_kwh.sum())),
        ("segments_kwh", "least, each segment in its own class", float(found.energy.segments_kwh.sum())),
        ("bound_kwh", "bound: nothing lawful goes below", float(found.energy.bound_kwh.sum())),
    ]
    labels = {"driver": "stand-alone drivers", "cabinet": "cabinet clocks", "ripple": "ripple control, one timetable for all"}
    for way, label in labels.items():
        rows.append((f"{way}_kwh", f"best timetable, {label}", gear + sum(t.energy_kwh for _, t in found.by_way[way])))
    return rows


def _print(layout: Layout, found: Found) -> None:
    console = Console()
    table = Table(title="Energy of a year")
    table.add_column("way")
    table.add_column("kWh", justify="right")
    table.add_column("of full", justify="right")
    rows = _sums(found)
    for _, label, kwh in rows:
        table.add_row(label, f"{kwh:,.0f}", f"{kwh / rows[0][2] * 100:.1f} %")
    console.print(table)
    console.print(
        f"Certified: the least shares of {len(layout.segments.design)} segments in {found.certified.share.shape[1]} steps lie at "
        f"most {found.certified.gap_ratio() * 100:.3f} % above a bound that weak duality proves."
    )
    missed = found.certified.missed
    for one in missed[:MISSED_SHOWN]:
        row = _miss(layout, *one)
        console.print(
            f"{row['street'] or row['segment']}: {row['class']} is out of reach: {row['criterion']} would be "
            f"{row['observed']:.3g}, needs {row['limit']:.3g}; full output stays."
        )
    if len(missed) > MISSED_SHOWN:
        console.print(f"{len(missed) - MISSED_SHOWN} more are out of reach; --json lists every one with its reason.")


def _miss(layout: Layout, segment: int, step: int, miss: Missed) -> dict[str, object]:
    """Return what keeps a segment from a class as plain values."""
    kind = classes.CLASSES[int(classes.lowered(layout.segments.design[[segment]], np.array([step]))[0])]
    name = str(layout.asset_id[int(layout.segments.asset[segment]) - layout.start])
    why = {"criterion": miss.criterion, "observed": miss.observed, "limit": miss.limit}
    return {"segment": name, "street": str(layout.segments.name[segment]), "class": kind, **why}


def _plain(found: Found) -> dict[str, object]:
    return {
        "energy": {key: round(kwh, 3) for key, _, kwh in _sums(found)},
        "largest_gap_ratio": found.certified.gap_ratio(),
        "cells": {"least_kwh": found.energy.cells_kwh.tolist(), "bound_kwh": found.energy.bound_kwh.tolist()},
        "hours_h": float(found.nights.hours_h().sum()),
    }
