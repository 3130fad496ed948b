# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting residents`: light on facades, upward light, glare, energy and money of a city, street by street."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.commands.night import DAYS, quarters
from lamplighter.services.lighting.commands.waiting import waiting
from lamplighter.services.lighting.layout import QUARTERS, day_outputs
from lamplighter.services.lighting.obtrusive import nights
from lamplighter.services.lighting.obtrusive.facades import BEYOND_EDGE_M, WINDOWS_M, Facades
from lamplighter.services.lighting.obtrusive.limits import INTENSITY_CLASSES, ZONES, Zone
from lamplighter.services.lighting.obtrusive.nights import Clock, Effects
from lamplighter.services.lighting.optimum import night as minimum
from lamplighter.services.lighting.optimum import timetable
from lamplighter.services.lighting.prepared import distinct_fields, prepare
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray

_RANKS = ("none", *(one.name for one in INTENSITY_CLASSES))


@dataclass(frozen=True)
class Report:
    """What `residents` found. ratio (n,): how far each street goes of what its zone allows; clock: what the lamps go by."""

    streets: Effects
    zone: Zone
    ratio: FloatArray
    price_kwh: float
    hours_h: float
    clock: str


@click.command()
@click.option("--city", "city_name", required=True, help="A built city: its name or its folder.")
@click.option("--year", default=2026, show_default=True, type=click.IntRange(2016, 2044), help="Whose nights.")
@click.option(
    "--volume",
    help="Instead of the calendars stored in the lamps: each street in its class at these weights of traffic volume by local "
    "time, -1 to 1, as in `night`.",
)
@click.option("--zone", default="E3", show_default=True, type=click.Choice(tuple(ZONES)), help="Environmental zone (CIE 150).")
@click.option("--curfew", default="23-6", show_default=True, help="Local hours from and to which the late limits hold.")
@click.option(
    "--facade", "beyond_m", default=BEYOND_EDGE_M, show_default=True, help="Metres from the carriageway's edge to the facades."
)
@click.option("--windows", default=",".join(f"{z:g}" for z in WINDOWS_M), show_default=True, help="Heights of windows in metres.")
@click.option("--price", "price_kwh", default=0.25, show_default=True, help="Price of a kWh, in your currency.")
@click.option("--rows", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many streets to show.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every street to this file.")
@group.JSON_OPTION
def residents(city_name: str, csv_file: Path | None, json_file: Path | None, **given: object) -> None:
    """Tell what a city's street lights mean to residents: facades, sky, glare, energy and money per street."""
    with waiting("computing the light on facades"):
        made = report(group.opened_city(city_name)[1], given)
    show(made, cast("int", given["rows"]))
    if csv_file is not None:
        write_csv(csv_file, made)
    if json_file is not None:
        group.write_json(json_file, {"totals": totals(made), "streets": [plain(made, n) for n in range(len(made.streets))]})


def report(city: CityData, given: dict[str, object]) -> Report:
    """Return what the lamps of a city do, street by street; UsageError for options that make no sense."""
    zone, price = ZONES[str(given["zone"])], cast("float", given["price_kwh"])
    if not 0.0 <= price <= 1000.0:
        raise click.UsageError(f"--price {price:g}: 0 to 1000 is allowed")
    late = curfew(str(given["curfew"]))
    volume = None if given["volume"] is None else quarters(str(given["volume"]))
    try:
        windows = tuple(float(z) for z in str(given["windows"]).split(","))
        facades = Facades(cast("float", given["beyond_m"]), windows)
    except ValueError as error:
        raise click.UsageError(f"--facade, --windows: {error}") from error
    layout, table = prepare(city), city.tables["segments"]
    noon_s = datetime(cast("int", given["year"]), 1, 1, 12, tzinfo=UTC).timestamp()
    found = timetable.nights_of(noon_s, DAYS, (layout.lon_deg, layout.lat_deg), layout.dusk_elevation_deg, layout.local)
    hours = nights.hours_of(found, layout.local)
    output = day_outputs(layout) if volume is None else nights.by_volume(layout, minimum.relaxed(layout, volume))
    clock = Clock(hours, output, late)
    effects = nights.of_segments(layout, table["length_m"], nights.units(distinct_fields(table)[0], facades), clock)
    streets = nights.by_street(effects, table["id"])
    stored = layout.timetables.stored
    name = "with each street in its class by --volume"
    if volume is None and stored.any():
        name = f"by the calendars stored in the lamps of {int(stored.sum())} of {len(stored)} cells"
    elif volume is None:
        name = "as the lamps burn: no cell holds a calendar yet (`lamplighter lighting timetable`), hence full output"
    return Report(streets, zone, nights.worst_ratio(streets, zone), price, float(hours.sum()), name)


def curfew(text: str) -> BoolArray:
    """Return (96,) which local quarter-hours lie after curfew; UsageError for anything else than FROM-TO in hours."""
    begin, dash, end = text.partition("-")
    if not (dash and begin.isdecimal() and end.isdecimal() and int(begin) < 24 and int(end) < 24 and begin != end):
        raise click.UsageError(f"--curfew {text}: two whole hours are needed, as in 23-6")
    hour = np.arange(QUARTERS) // 4
    if int(begin) < int(end):
        return (hour >= int(begin)) & (hour < int(end))
    return (hour >= int(begin)) | (hour < int(end))


def totals(made: Report) -> dict[str, float]:
    """Return the sums over all streets."""
    streets, over = made.streets, made.ratio > 1.0
    saved = float((streets.full_kwh - streets.clock_kwh).sum())
    return {
        "streets": len(streets),
        "lamps": int(streets.lamps.sum()),
        "length_km": float(streets.length_m.sum()) / 1000.0,
        "over_a_limit_streets": int(over.sum()),
        "over_a_limit_km": float(streets.length_m[over].sum()) / 1000.0,
        "full_kwh": float(streets.full_kwh.sum()),
        "usual_kwh": float(streets.usual_kwh.sum()),
        "clock_kwh": float(streets.clock_kwh.sum()),
        "saved_kwh": saved,
        "saved_money": saved * made.price_kwh,
        "upward_klm": float(streets.upward_klm.sum()),
    }


def show(made: Report, rows: int) -> None:
    """Print the streets that go furthest of what their zone allows, and the sums."""
    console, streets = Console(), made.streets
    table = Table(
        box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left", title="Streets that go furthest of what their zone allows"
    )
    for label in ("street", "lamps", "early\nlx", "late\nlx", "late\ncd", "ULR\n%", "class", "kWh\nsaved", "of\nlimit"):
        table.add_column(label, justify="left" if label == "street" else "right", no_wrap=label != "street", overflow="fold")
    for n in np.argsort(-made.ratio, kind="stable")[:rows].tolist():
        saved = streets.full_kwh[n] - streets.clock_kwh[n]
        table.add_row(
            str(streets.name[n]), str(streets.lamps[n]), f"{streets.early_lx[n]:.1f}",
            f"{streets.late_lx[n]:.1f}", f"{streets.late_cd[n]:.0f}", f"{streets.upward_share[n] * 100:.2f}",
            _RANKS[int(streets.class_rank[n])], f"{saved:,.0f}", f"{made.ratio[n] * 100:.0f} %",
        )  # fmt: skip
    console.print(table, highlight=False)
    sums, zone = totals(made), made.zone
    console.print(
        f"{sums['over_a_limit_streets']} of {len(streets)} streets ({sums['over_a_limit_km']:.1f} of {sums['length_km']:.1f} km) "
        f"pass a limit of zone {zone.name} ({zone.doc}): {zone.early_lx:g} lx on a facade and {zone.early_cd:g} cd towards it "
        f"before curfew, {zone.late_lx:g} lx and {zone.late_cd:g} cd after, {zone.upward_share * 100:g} % upward.",
        highlight=False,
    )
    console.print(
        f"A year of {made.hours_h:.0f} h: {sums['full_kwh']:,.0f} kWh at full output, {sums['usual_kwh']:,.0f} at half output "
        f"from 23 to 5 o'clock whatever the class, {sums['clock_kwh']:,.0f} {made.clock}. Saved: {sums['saved_kwh']:,.0f} kWh "
        f"and {sums['saved_money']:,.0f} (at {made.price_kwh:g} per kWh). What live commands add to that, the ledger tells.",
        highlight=False,
    )
    console.print(
        "Light on facades is computed: straight from new luminaires, on a flat wall at the stated distance along both sides, "
        "nothing in between. Classes are the G* of EN 13201-2, of the worst luminaire of a street.",
        highlight=False,
    )
    if zone.unsure:
        console.print(f"No second source confirms of zone {zone.name}: {zone.unsure}.", highlight=False)


def plain(made: Report, n: int) -> dict[str, object]:
    """Return a street as plain values."""
    streets = made.streets
    row: dict[str, object] = {"street": str(streets.name[n])}
    for name in Effects.__dataclass_fields__:
        if name not in ("name", "class_rank"):
            row[name] = round(float(getattr(streets, name)[n]), 4)
    saved = float(streets.full_kwh[n] - streets.clock_kwh[n])
    ratio = float(made.ratio[n])
    return {
        **row,
        "intensity_class": _RANKS[int(streets.class_rank[n])],
        "saved_kwh": round(saved, 3),
        "saved_money": round(saved * made.price_kwh, 2),
        "of_limit_ratio": round(ratio, 4) if np.isfinite(ratio) else None,
        "over_a_limit": ratio > 1.0,
    }


def write_csv(file: Path, made: Report) -> None:
    """Write every street; UsageError where the file cannot be written."""
    rows = [plain(made, n) for n in range(len(made.streets))]
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]) if rows else ["street"])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise click.UsageError(f"--csv {file}: cannot be written ({error.strerror}); choose another place") from error
