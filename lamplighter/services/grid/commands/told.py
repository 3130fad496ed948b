# SPDX-License-Identifier: Apache-2.0
"""What subcommands share: opening a city, its demand by class curves, a table on the terminal, a JSON file."""

import contextlib
import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.grid.network.demand import nodes_kw
from lamplighter.services.grid.network.model import Grid, GridError
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.services.grid.network.readers import city_folder, is_city, load_grid, network_of
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import FloatArray

HEADINGS = {
    "connections": "homes",
    "p_kw": "kW",
    "voltage_night_percent": "u night %",
    "cable_night_percent": "cable night %",
    "voltage_sun_percent": "u sun %",
    "cable_sun_percent": "cable sun %",
    "seen_share": "seen",
    "noticed_percent": "lie noticed %",
    "variance_falls_percent": "falls %",
    "before_percent": "before %",
    "after_percent": "after %",
    "charging_points": "points",
    "sn_kva": "kVA",
    "loading": "load",
    "headroom_kva": "room",
    "cable_loading": "cable",
    "voltage_lowest_pu": "u min",
}


def opened_city(name: str) -> Prepared:
    """Open a city by name or folder; what is wrong with it is told by the city itself."""
    path = city_folder(name)
    cities = load(path, discover())
    if "grid" not in cities:
        raise click.ClickException(f"{path}: the city has no grid. Build it anew with `lamplighter city build {name}`.")
    return prepare(cities["grid"])


@dataclass(frozen=True)
class Opened:
    """A grid as asked for: its tables, charging (n,) to be added to its demands, a title and what its powers are."""

    network: Network
    charging_kw: FloatArray
    title: str
    told: str


def opened_grid(asked: str, hour: float = 18.5, charging_share: float = 0.0) -> Opened:
    """Open any grid; what is wrong with it ends the command in one plain message."""
    try:
        if not is_city(asked):
            network = load_grid(asked)
            return Opened(network, np.zeros(len(network.nodes.id)), network.name, "powers as in the file")
        prepared = opened_city(asked)
    except GridError as error:
        raise click.ClickException(str(error)) from error
    grid = prepared.grid
    groups = grid.groups
    weights = groups.point_count * groups.p_point_kw[groups.point_group] * charging_share
    network = network_of(grid, asked, hour)
    told = f"{hour:g} h of a winter working day, {charging_share:.0%} of the points charging"
    charging = np.bincount(groups.point_node, weights=weights, minlength=len(grid.nodes.id))
    return Opened(network, np.asarray(charging, np.float64), prepared.city.title, told)


def drawing_file(asked: Path | None, name: str) -> Path:
    """Return where to draw: the file asked for, else grid-NAME.svg in the folder one is in."""
    return asked or Path(f"grid-{re.sub(r'[^A-Za-z0-9_.-]', '_', Path(name).name)}.svg")


def demand_of(grid: Grid, hour: float, charging_share: float) -> FloatArray:
    """Return the power (n,) of every node at a local hour by class, with a share of all charging points at full power."""
    groups = grid.groups
    power = nodes_kw(grid.nodes.household_kwh, grid.nodes.commerce_kwh, hour)
    charging = groups.point_count * groups.p_point_kw[groups.point_group] * charging_share
    return power + np.bincount(groups.point_node, weights=charging, minlength=len(power))


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table; what is loaded above its rating stands red."""
    rows = [{name: value for name, value in row.items() if name != "cable_to"} for row in rows]
    table = Table(title=title, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in rows[0] if rows else ():
        table.add_column(HEADINGS.get(name, name), justify="right" if isinstance(rows[0][name], (int, float)) else "left")
    for row in rows:
        style = "red" if float(row.get("loading", 0.0)) > 1.0 or float(row.get("cable_loading", 0.0)) > 1.0 else None
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()), style=style)
    Console().print(table)


def placed(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Refuse, before anything runs, a file in a folder that is not there."""
    if value is not None and not value.absolute().parent.is_dir():
        raise click.BadParameter(
            f"{value}: the folder {value.parent} does not exist; make it first. Nothing was run.", context, parameter
        )
    return value


def write_json(into: Path | None, value: dict[str, Any]) -> None:
    """Write a result as JSON where a file was named; UsageError where it cannot be written."""
    if into is not None:
        try:
            into.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--json {into}: cannot be written ({error.strerror}); choose another place") from error


def print_facts(title: str, facts: dict[str, Any]) -> None:
    """Print names and values below one another."""
    table = Table(title=title, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in facts.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


@contextlib.contextmanager
def moving_bar(console: Console, what: str, total: int) -> Generator[Callable[[int], None]]:
    """Show a progress bar while the block runs; the block calls what it is given with the steps done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)

        def advance(steps: int) -> None:
            progress.advance(task, steps)

        yield advance
