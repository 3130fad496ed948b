# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid`: what a city's grid is, and what can be said of it from its meters alone."""

import dataclasses
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
from lamplighter.services.grid.network.demand import POWER_FACTOR_TAN, nodes_kw
from lamplighter.services.grid.network.engine import Flow, Meters, estimate_state, open_engine, power_flow
from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.terms.columns import FloatArray, IntArray

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


def _opened(name: str) -> Prepared:
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


@click.group()
def commands() -> None:
    """The power grid: its state, its headroom and what its meters can tell."""


@commands.command()
@click.argument("city", default="adlershof")
@click.option("--hour", default=18.5, show_default=True, help="Local hour of a winter working day, by class curves.")
@click.option(
    "--charging", default=0.0, show_default=True, help="Share of all charging points that charge at full power, 0 to 1."
)
@click.option("--json", "into", type=click.Path(path_type=Path), help="Write the table as JSON into this file too.")
def show(city: str, hour: float, charging: float, into: Path | None) -> None:
    """Show every station of CITY with its loading and headroom, by power flow.

    The figures are those of class curves, before anybody measures anything: what the grid is built for, and how
    short of room it becomes when cars charge (--charging 0.25 is a winter evening on which nobody steers).
    """
    prepared = _opened(city)
    power = demand_of(prepared.grid, hour, charging)
    flow = power_flow(open_engine(prepared.grid), power[None], (power * POWER_FACTOR_TAN)[None])
    rows = [_station_row(prepared, flow, number) for number in range(len(prepared.grid.station_id))]
    _print(f"{prepared.city.title}: {len(rows)} stations at {hour:g} h, {charging:.0%} of the points charging", rows)
    _write(into, {"city": city, "hour": hour, "charging_share": charging, "stations": rows})


def _station_row(prepared: Prepared, flow: Flow, number: int) -> dict[str, Any]:
    """Return one station as plain numbers and texts."""
    grid = prepared.grid
    branch = int(grid.station_branch[number])
    below: IntArray = np.flatnonzero(prepared.row_station == number)
    lines = grid.tree.branch[below[grid.tree.is_line[below]]]
    nodes = grid.tree.node[below]
    loading = float(flow.loading[0, branch])
    worst = int(lines[int(np.argmax(flow.loading[0, lines]))]) if len(lines) else ABSENT
    sn = float(grid.branches.rating_kva[branch])
    return {
        "station": str(grid.station_id[number]),
        "street": str(prepared.street[prepared.station_at[number]]),
        "connections": int(grid.nodes.connections_count[nodes].sum()),
        "charging_points": int(grid.groups.points_count[grid.groups.station == number].sum()),
        "sn_kva": sn,
        "loading": round(loading, 3),
        "headroom_kva": round(sn * (1.0 - loading), 1),
        "cable_loading": round(float(flow.loading[0, worst]), 3) if worst != ABSENT else 0.0,
        "cable_to": str(prepared.street[prepared.line_at[worst]]) if worst != ABSENT else "",
        "voltage_lowest_pu": round(float(flow.u_pu[0, nodes].min()), 4),
    }


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    rows = [{name: value for name, value in row.items() if name != "cable_to"} for row in rows]
    table = Table(title=title, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in rows[0] if rows else ():
        table.add_column(HEADINGS.get(name, name), justify="right" if isinstance(rows[0][name], (int, float)) else "left")
    for row in rows:
        style = "red" if float(row.get("loading", 0.0)) > 1.0 or float(row.get("cable_loading", 0.0)) > 1.0 else None
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()), style=style)
    Console().print(table)


def _write(into: Path | None, value: dict[str, Any]) -> None:
    if into is not None:
        into.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class EstimateErrors:
    """Errors of the estimate against the true state, over all low-voltage nodes, branches and steps."""

    steps: int
    voltage_mean_abs_percent: float
    voltage_p99_percent: float
    voltage_lowest_p99_percent: float
    cable_p99_share: float
    transformer_p99_share: float


def estimate_errors(prepared: Prepared, ends: bool, steps: int, seed: int) -> EstimateErrors:
    """Return how far the estimate is from drawn true states; meters of class 0.5 and 0.2 %, pseudo-powers by counts.

    ends: whether the voltage meters at feeder ends are read too. Raises where the grid is too large to be estimated so.
    """
    grid, dice = prepared.grid, np.random.default_rng((seed, 0xE57))
    if prepared.estimator is None:
        raise click.ClickException(
            f"{len(grid.nodes.id)} nodes are more than estimate_nodes_max; raise it in the city's settings."
        )
    engine = open_engine(grid)
    low = grid.nodes.station != ABSENT
    errors: list[tuple[FloatArray, float, FloatArray, FloatArray]] = []
    for _ in range(steps):
        power = demand_of(grid, float(dice.uniform(6.0, 23.0)), 0.0)
        charging = _drawn_charging(grid, dice)
        homes = np.maximum(
            power + prepared.settings.sigma_connection_kw * np.sqrt(grid.nodes.connections_count) * dice.normal(size=len(power)),
            0.0,
        )
        truth = power_flow(engine, (homes + charging)[None], (homes * POWER_FACTOR_TAN)[None], "newton_raphson")
        found = estimate_state(prepared.estimator, _measured(prepared, truth, (homes, charging), ends, dice))
        gap = 100.0 * np.abs(found.u_pu[0] - truth.u_pu[0])[low]
        lowest = 100.0 * abs(float(found.u_pu[0, low].min() - truth.u_pu[0, low].min()))
        loading = np.abs(found.loading[0] - truth.loading[0])
        errors.append((gap, lowest, loading[: grid.branches.lines], loading[grid.branches.lines :]))
    gaps = np.concatenate([error[0] for error in errors])
    return EstimateErrors(
        steps,
        round(float(gaps.mean()), 4),
        round(float(np.quantile(gaps, 0.99)), 4),
        round(float(np.quantile([error[1] for error in errors], 0.99)), 4),
        round(float(np.quantile(np.concatenate([error[2] for error in errors]), 0.99)), 4),
        round(float(np.quantile(np.concatenate([error[3] for error in errors]), 0.99)), 4),
    )


def _drawn_charging(grid: Grid, dice: np.random.Generator) -> FloatArray:
    """Return a drawn evening's charging at the nodes: each point full or off, a quarter of them full."""
    groups = grid.groups
    on = dice.binomial(groups.point_count.astype(np.int64), 0.25) * groups.p_point_kw[groups.point_group]
    return np.bincount(groups.point_node, weights=on, minlength=len(grid.nodes.id)).astype(np.float64)


def _measured(
    prepared: Prepared, truth: Flow, power: tuple[FloatArray, FloatArray], ends: bool, dice: np.random.Generator
) -> Meters:
    """Return what meters would say of a true state, and what counts of connections and group sums let expect of each node."""
    grid = prepared.grid
    rated, end_rated = grid.nodes.u_rated_v[grid.station_busbar], grid.nodes.u_rated_v[grid.meter_node]
    sn = grid.branches.rating_kva[grid.station_branch]
    stations, many = len(sn), len(end_rated)
    groups = grid.groups
    of_point = (
        power[1][groups.point_node]
        * groups.point_count
        / np.maximum(np.bincount(groups.point_node, weights=groups.point_count, minlength=len(power[1]))[groups.point_node], 1.0)
    )
    drawn = np.bincount(groups.point_group, weights=of_point, minlength=len(groups.id))
    out = -truth.p_to_kw[0, grid.station_branch] + 0.005 * sn * dice.normal(size=stations)
    out_q = -truth.q_to_kvar[0, grid.station_branch] + 0.005 * sn * dice.normal(size=stations)
    homes = out - np.bincount(groups.station, weights=drawn, minlength=stations)
    share = np.zeros(len(grid.nodes.id))
    share[grid.tree.node] = prepared.energy_share
    below = grid.nodes.station != ABSENT
    station = np.where(below, grid.nodes.station, 0)
    spread = drawn[groups.point_group] * groups.point_count / np.maximum(groups.points_count[groups.point_group], 1.0)
    charging = np.bincount(groups.point_node, weights=spread, minlength=len(share))
    volts = truth.u_pu[0, grid.station_busbar] * rated
    end_volts = truth.u_pu[0, grid.meter_node] * end_rated
    return Meters(
        busbar_u_v=volts * (1.0 + 0.002 * dice.normal(size=stations)),
        busbar_sigma_v=0.002 * rated,
        out_p_kw=out,
        out_q_kvar=out_q,
        out_sigma_kw=0.005 * sn,
        end_u_v=end_volts * (1.0 + 0.002 * dice.normal(size=many)) if ends else end_rated,
        end_sigma_v=(0.002 if ends else 10.0) * end_rated,
        node_p_kw=np.asarray(np.where(below, homes[station] * share, 0.0) + charging, np.float64),
        node_q_kvar=np.where(below, out_q[station] * share, 0.0),
        node_sigma_kw=prepared.settings.sigma_connection_kw * np.sqrt(grid.nodes.connections_count)
        + 0.02
        + 0.5 * np.sqrt(11.0 * charging),
    )


@commands.command()
@click.argument("city", default="adlershof")
@click.option(
    "--sensors",
    "meters",
    type=click.Choice(["station", "ends"]),
    default="ends",
    show_default=True,
    help="Which meters are read.",
)
@click.option("--steps", default=50, show_default=True, help="How many states are drawn.")
@click.option("--seed", default=1, show_default=True, help="Seed of the states and of the meters' errors.")
@click.option("--json", "into", type=click.Path(path_type=Path), help="Write the errors as JSON into this file too.")
def estimate(city: str, meters: str, steps: int, seed: int, into: Path | None) -> None:
    """Estimate drawn states of CITY's grid from its meters, and show how far the estimate is from the truth."""
    prepared = _opened(city)
    found = dataclasses.asdict(estimate_errors(prepared, meters == "ends", steps, seed))
    _print(f"{prepared.city.title}: errors of the estimate, meters: {meters}", [found])
    _write(into, {"city": city, "sensors": meters, "seed": seed, **found})
