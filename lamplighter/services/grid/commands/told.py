# SPDX-License-Identifier: Apache-2.0
"""What subcommands share: opening a city, its demand by class curves, a table on the terminal, a JSON file."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.services import discover
from lamplighter.services.grid.network.demand import nodes_kw
from lamplighter.services.grid.network.model import Grid
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.terms.columns import FloatArray

HEADINGS = {
    "connections": "homes",
    "charging_points": "points",
    "sn_kva": "kVA",
    "loading": "load",
    "headroom_kva": "room",
    "cable_loading": "cable",
    "voltage_lowest_pu": "u min",
    "voltage_mean_abs_percent": "u mean %",
    "voltage_p99_percent": "u p99 %",
    "voltage_lowest_p99_percent": "lowest u p99 %",
    "cable_p99_share": "cable p99",
    "transformer_p99_share": "transformer p99",
}


def opened_city(name: str) -> Prepared:
    """Open a city by name or folder; what is wrong with it is told by the city itself."""
    path = find_city(name)
    cities = load(path, discover())
    if "grid" not in cities:
        raise click.ClickException(f"{path}: the city has no grid. Build it anew with `lamplighter city build {name}`.")
    return prepare(cities["grid"])


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


def write_json(into: Path | None, value: dict[str, Any]) -> None:
    """Write a result as JSON where a file was named; UsageError where it cannot be written."""
    if into is not None:
        try:
            into.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--json {into}: cannot be written ({error.strerror}); choose another place") from error
