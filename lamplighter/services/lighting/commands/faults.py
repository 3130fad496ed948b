# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting faults`: what is broken by the registers of a day, and the work orders, the most needed first."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.commands.waiting import waiting
from lamplighter.services.lighting.flows.network import USUAL_ELSE, USUAL_SHARE, road_kind
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.simulator import open_simulator
from lamplighter.services.lighting.upkeep import finding, orders, reading, simulated
from lamplighter.services.lighting.upkeep.finding import NAMES, Day, Found
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, TextArray
from lamplighter.terms.simulation import SimulationStart

SHOWN = 30
REGISTER_MAX = 1e6  # of a day, in kWh or hours
LAMP_COLUMNS, METER_COLUMNS = ("lamp", "energy_kwh", "burn_h", "light_h"), ("cabinet", "energy_kwh")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--city", "city_name", default="adlershof", show_default=True, help="Name of a built city, or its folder.")
@click.option("--day", "day_text", default="2026-01-14", show_default=True, help="The day at whose noon registers were read.")
@click.option("--lamps", "lamp_file", type=_FILE, help=f"Registers of lamps, CSV: {', '.join(LAMP_COLUMNS)}.")
@click.option("--meters", "meter_file", type=_FILE, help=f"Registers of cabinets, CSV: {', '.join(METER_COLUMNS)}.")
@click.option("--seed", default=1, show_default=True, help="Simulated cities without files: which lamps are broken.")
@group.JSON_OPTION
def faults(
    city_name: str, day_text: str, lamp_file: Path | None, meter_file: Path | None, seed: int, json_file: Path | None
) -> None:
    """Find broken lamps and cabinets by power and state, and rank the work orders by class and traffic.

    A lamp that cannot be heard is not a broken lamp; a cabinet without supply is one fault. Without files the registers of a
    simulated city are read after a simulated night.
    """
    _, city = group.opened_city(city_name)
    layout = prepare(city)
    try:
        noon_s = datetime.fromisoformat(day_text).replace(hour=12, tzinfo=ZoneInfo(city.place.timezone)).timestamp()
    except ValueError as error:
        raise click.UsageError(f"--day {day_text!r}: a date as in 2026-01-14 is needed") from error
    if (lamp_file is None) != (meter_file is None):
        raise click.UsageError("--lamps and --meters go together: power tells a broken lamp from one that cannot be heard")
    if lamp_file is not None and meter_file is not None:
        day = _from_files(lamp_file, meter_file, noon_s, layout)
    elif city.simulated:
        with waiting("a simulated night"):
            field = open_simulator(SimulationStart(city, seed, noon_s - 86_400.0 - 600.0, 0.0))
            day = simulated.day_of(field, noon_s, layout)
        click.echo("SIMULATED: the registers are those of a simulated night.")
    else:
        raise click.UsageError("give the registers of the day with --lamps and --meters")
    found = finding.find(day, layout)
    made = orders.ranked(found, usual_share(city), layout)
    _print(found, made)
    if json_file is not None:
        counts = {NAMES[k]: int((found.lamp == k).sum() + (found.cabinet == k).sum()) for k in range(1, len(NAMES))}
        group.write_json(json_file, {"counts": counts, "orders": [asdict(order) for order in made]})


def usual_share(city: CityData) -> FloatArray:
    """Return (s,) the share of its largest flow that each segment usually carries when the city is busiest; 0 on paths."""
    table = city.tables["segments"]
    share = np.array([USUAL_SHARE.get(road_kind(str(h)), USUAL_ELSE) for h in table["highway"]])
    return np.where(table["flow_max_veh_h"] > 0, share, 0.0)


def _rows(option: str, file: Path, columns: tuple[str, ...], ids: TextArray) -> tuple[list[FloatArray], FloatArray]:
    """Return the figures of each asset (k,) and whether the file has a row for it; UsageError says which line cannot be read."""
    place = {str(name): k for k, name in enumerate(ids.tolist())}
    values = [np.zeros(len(ids)) for _ in columns[1:]]
    told = np.zeros(len(ids))
    with group.csv_of(option, file) as reader:
        missing = sorted(set(columns) - set(reader.fieldnames or ()))
        if missing:
            raise click.UsageError(f"{file}, line 1: column {missing[0]} is missing; needed are {', '.join(columns)}")
        for number, row in enumerate(reader, start=2):
            if row[columns[0]] not in place:
                raise click.UsageError(f"{file}, line {number}: {row[columns[0]]!r} is not in the city's register")
            try:
                figures = [float(row[name]) for name in columns[1:]]
            except (TypeError, ValueError):
                figures = [-1.0]
            if not all(0.0 <= figure <= REGISTER_MAX for figure in figures):
                raise click.UsageError(
                    f"{file}, line {number}: numbers from 0 to {REGISTER_MAX:g} are needed in {', '.join(columns[1:])}"
                )
            k = place[row[columns[0]]]
            told[k] = 1.0
            for column, figure in zip(values, figures, strict=True):
                column[k] = figure
    return values, told


def _from_files(lamp_file: Path, meter_file: Path, noon_s: float, layout: Layout) -> Day:
    lamp_ids = layout.asset_id[layout.lamp_asset - layout.start]
    cabinet_ids = layout.asset_id[layout.cabinet_asset - layout.start]
    (energy, burn, light), heard = _rows("--lamps", lamp_file, LAMP_COLUMNS, lamp_ids)
    (metered,), told = _rows("--meters", meter_file, METER_COLUMNS, cabinet_ids)
    cabinet = layout.segments.cabinet[layout.lamp_segment]
    spoke = np.bincount(cabinet, weights=heard, minlength=len(cabinet_ids)) > 0
    return Day(energy, burn, light, heard > 0, metered, told > 0, spoke, reading.planned_h(noon_s, layout))


def _print(found: Found, made: list[orders.Order]) -> None:
    console = Console()
    table = Table(title="Work orders, the most needed first")
    for name, side in (("what", "left"), ("asset", "left"), ("street", "left"), ("class", "left"), ("lamps", "right")):
        table.add_column(name, justify="right" if side == "right" else "left")
    for order in made[:SHOWN]:
        table.add_row(order.what, order.asset, order.street, order.lighting_class, str(order.lamps))
    console.print(table)
    lamps, meters = orders.unheard(found)
    console.print(
        f"{len(made)} work orders. {lamps} lamps and {meters} meters cannot be heard though nothing says that they are broken: "
        "that is for the radio, not for the van."
    )
