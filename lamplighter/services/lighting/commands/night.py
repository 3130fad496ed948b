# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting night`: a city's certified minimum over a year, and the best timetables for lamps without a radio."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.optimum import night as minimum
from lamplighter.services.lighting.optimum import timetable
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


@dataclass(frozen=True)
class Found:
    """What `night` found: the certified shares, energies per cell, and a timetable per segment of every way of switching."""

    certified: Certified
    energy: Energy
    nights: Nights
    usual_kwh: float
    light_kw: float
    by_way: dict[str, list[tuple[IntArray, Timetable]]]


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
    "--programme", type=click.Path(dir_okay=False, path_type=Path), help="Write the programming list of the drivers (CSV)."
)
@group.JSON_OPTION
def night(city_name: str, programme: Path | None, json_file: Path | None, **given: object) -> None:
    """Certify the least energy of a city's nights, and make the best timetables for lamps without a radio."""
    folder = find_city(city_name)
    cities = load(folder, discover())
    if "lighting" not in cities:
        raise click.ClickException(f"{folder}: the city has no street lights. Build it anew: lamplighter city build {city_name}")
    city = cities["lighting"]
    layout = prepare(city)
    found = _found(city, layout, quarters(str(given["volume"])), cast("int", given["year"]), cast("int", given["steps"]))
    _print(layout, found)
    if programme is not None:
        _write(programme, city, layout, found)
    if json_file is not None:
        group.write_json(json_file, _plain(found))


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
    asked = timetable.asked_by_night(np.take_along_axis(alike, relax, axis=1), nights)
    power_kw = _light_kw(layout)
    by_way = {way: _timetables(_groups(layout, way), asked, power_kw, nights, steps) for way in WAYS}
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
    groups: list[IntArray], asked: DimmingTable, power_kw: FloatArray, nights: Nights, steps: int
) -> list[tuple[IntArray, Timetable]]:
    hours = nights.hours_h()
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
    for segment, step, miss in found.certified.missed[:10]:
        kind = classes.CLASSES[int(classes.lowered(layout.segments.design[[segment]], np.array([step]))[0])]
        name = layout.segments.name[segment] or f"segment {segment}"
        console.print(
            f"{name}: {kind} is out of reach: {miss.criterion} would be {miss.observed:.3g}, needs {miss.limit:.3g}; "
            "full output stays."
        )


def _programmes(layout: Layout, city: CityData, found: Found) -> list[tuple[str, int, str]]:
    """Return (luminaire type, lamps, programme) of the drivers, equal programmes of a type together."""
    optic, flux = city.tables["segments"]["optic"], city.tables["segments"]["rated_flux_lm"]
    count: dict[tuple[str, str], int] = defaultdict(int)
    for rows, made in found.by_way["driver"]:
        s = int(rows[0])
        steps = [
            f"{(b - timetable.SLOTS / 2) / 4:+.2f} h {share * 100:.0f} %"
            for b, share in zip(made.begin.tolist(), made.dimming_level[0].tolist(), strict=True)
        ]
        count[f"{optic[s]} {flux[s]:.0f} lm", "; ".join(steps)] += int(layout.segments.lamps[s])
    return sorted((kind, lamps, text) for (kind, text), lamps in count.items())


def _write(file: Path, city: CityData, layout: Layout, found: Found) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["luminaire", "lamps", "programme_from_middle_of_night"])
            writer.writerows(_programmes(layout, city, found))
    except OSError as error:
        raise click.UsageError(f"--programme {file}: cannot be written ({error.strerror}); choose another place") from error


def _plain(found: Found) -> dict[str, object]:
    return {
        "energy": {key: round(kwh, 3) for key, _, kwh in _sums(found)},
        "largest_gap_ratio": found.certified.gap_ratio(),
        "out_of_reach": len(found.certified.missed),
        "cells": {"least_kwh": found.energy.cells_kwh.tolist(), "bound_kwh": found.energy.bound_kwh.tolist()},
        "hours_h": float(found.nights.hours_h().sum()),
    }
