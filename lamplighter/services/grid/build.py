# SPDX-License-Identifier: Apache-2.0
"""Makes a city's grid: synthetic along its streets, or imported from pandapower or SimBench."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamplighter.services.grid.network.imports import import_plan
from lamplighter.services.grid.network.model import Grid, read_grid
from lamplighter.services.grid.network.safe import safe_limits
from lamplighter.services.grid.network.streets import StreetGraph, street_graph, to_degrees
from lamplighter.services.grid.network.synthesis import Plan, synthesise, today_kw
from lamplighter.services.grid.terms import GROUP_CONNECTIONS_MIN, GROUP_POINTS_MIN, TABLES, Settings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, Built
from lamplighter.terms.columns import AnyArray, FloatArray
from lamplighter.terms.table import ColumnSpec, Table

DTYPES: Mapping[str, Any] = {"text": np.str_, "int": np.int64, "float": np.float64, "bool": np.bool_}


def build(context: BuildContext) -> Built:
    """Return the grid of a city: along its streets, or from `[source] grid`, a pandapower JSON file or `simbench:CODE`."""
    settings: Settings = context.settings
    context.progress("grid: streets", 0.0)
    graph = street_graph(context.streets, context.place)
    asked = context.source.get("grid", "")
    if asked:
        context.progress("grid: reading " + asked, 0.2)
        asked = asked if asked.startswith("simbench:") else str(context.folder / asked)
        plan, graph, notes = import_plan(asked, graph, context.place, settings)
    else:
        context.progress("grid: stations and cables", 0.2)
        plan, rings = synthesise(graph, settings, context.seed)
        notes = _told(plan, rings, settings)
    context.progress("grid: permanent maxima", 0.8)
    tables = tables_of(plan, graph, context)
    grid = read_grid(tables)
    limits = safe_limits(grid, settings)
    tables = {**tables, "groups": {**tables["groups"], "p_safe_kw": limits}}
    context.progress("grid", 1.0)
    return Built(_assets(plan, graph, context), tables, (*notes, *_safe_told(grid, limits)))


def tables_of(plan: Plan, graph: StreetGraph, context: BuildContext) -> dict[str, Table]:
    """Return the plan's rows as columns, with coordinates."""
    tables: dict[str, Table] = {}
    for spec in TABLES:
        rows = plan.rows[spec.name]
        tables[spec.name] = {
            column.name: _column(rows, column) for column in spec.columns if column.name not in ("lon_deg", "lat_deg")
        }
    names = tables["nodes"]["id"].astype(np.str_).tolist()
    lon, lat = _where(plan, graph, names, context)
    tables["nodes"] = {**tables["nodes"], "lon_deg": lon, "lat_deg": lat}
    return tables


def _column(rows: list[dict[str, object]], column: ColumnSpec) -> AnyArray:
    return np.array([row[column.name] for row in rows], dtype=np.dtype(DTYPES[column.kind]))


def _where(plan: Plan, graph: StreetGraph, names: list[str], context: BuildContext) -> tuple[FloatArray, FloatArray]:
    points = np.array([plan.at[name] for name in names], dtype=np.int64)
    return to_degrees(context.place, graph.x_m[points], graph.y_m[points])


def _assets(plan: Plan, graph: StreetGraph, context: BuildContext) -> Assets:
    """Return the rows of the asset table: stations, low-voltage nodes, lines, charging groups, meters, inverters."""
    kinds = dict(plan.kinds)
    for row in plan.rows["nodes"]:
        if row["station"]:
            kinds[str(row["id"])] = "node"
    order = {"station": 0, "node": 1, "line": 2, "charging_group": 3, "meter": 4, "inverter": 5}
    names = sorted(kinds, key=lambda name: (order[kinds[name]], name))
    lon, lat = _where(plan, graph, names, context)
    street = graph.street[np.array([plan.at[name] for name in names], dtype=np.int64)]
    many = len(names)
    return Assets(
        id=np.array(names, dtype=np.str_),
        kind=np.array([kinds[name] for name in names], dtype=np.str_),
        service=np.full(many, "grid"),
        area=context.streets.area[street],
        street=context.streets.id[street],
        lon_deg=lon,
        lat_deg=lat,
        fed_by=np.full(many, "", dtype=np.str_),
    )


def _told(plan: Plan, rings: int, settings: Settings) -> tuple[str, ...]:
    rows = plan.rows
    connections = sum(int(str(row["connections"])) for row in rows["nodes"])
    small = sum(row["sn_kva"] == 400.0 for row in rows["transformers"])
    low = [row for row in rows["lines"] if not str(row["id"]).startswith("R")]
    km = sum(float(str(row["length_m"])) for row in low) / 1000.0
    points = {"private": 0, "public": 0}
    of = {row["id"]: str(row["access"]) for row in rows["groups"]}
    for row in rows["group_points"]:
        access = of[row["group"]]
        points[access] = points.get(access, 0) + int(str(row["points"]))
    stations = f"{len(rows['transformers'])} stations ({small} of 400 kVA, {len(rows['transformers']) - small} of 630 kVA)"
    ring = f"{rings} ring(s) of {settings.medium_voltage_kv:g} kV with an open point"
    cables = f"{len(low)} low-voltage cables of {km:.1f} km in NAYY 4x150 and 4x240"
    today = f"homes and shops draw {today_kw(plan, 18.5):.0f} kW at 18:30 of a winter working day, by class curves"
    cars = f"{settings.electric_share:.0%} electric cars at {settings.cars_per_connection:g} cars to a connection"
    behind = f"{points['public']} public points in groups of {GROUP_POINTS_MIN} or more"
    return (
        f"The grid is synthetic, laid along the streets: {stations} on {ring}, {cables}.",
        f"{connections} connections are assumed, {settings.connections_per_km:g} to the km of a street of blocks; {today}.",
        f"{points['private']} private charging points ({cars}) in groups behind {GROUP_CONNECTIONS_MIN} connections, {behind}.",
    )


def _safe_told(grid: Grid, limits: FloatArray) -> tuple[str, ...]:
    full = grid.groups.points_count * grid.groups.p_point_kw
    if len(full) == 0:
        return ("The grid has no group of charging points: lamplighter has nothing to steer in it.",)
    told = f"{limits.sum():.0f} kW of {full.sum():.0f} kW installed"
    why = "what every cable and transformer bears on a winter evening without anybody steering"
    return (f"Permanent maxima of the {len(full)} charging groups add up to {told}: {why}.",)


def describe_grid(grid: Grid) -> dict[str, Any]:
    """Return sizes of a grid as plain numbers, for the command line."""
    return {
        "stations": len(grid.station_id),
        "nodes": len(grid.nodes.id),
        "lines": grid.branches.lines,
        "connections": int(grid.nodes.connections_count.sum()),
        "charging_groups": len(grid.groups.id),
        "charging_points": int(grid.groups.points_count.sum()),
        "cut_off_nodes": int((grid.tree.row < 0).sum()),
    }
