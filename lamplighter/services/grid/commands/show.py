# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid show`: every station with its loading and headroom, by power flow."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from lamplighter.services.grid.commands.told import demand_of, opened_city, print_rows, write_json
from lamplighter.services.grid.network.demand import POWER_FACTOR_TAN
from lamplighter.services.grid.network.engine import Flow, open_engine, power_flow
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.terms.columns import IntArray


@click.command()
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
    prepared = opened_city(city)
    power = demand_of(prepared.grid, hour, charging)
    flow = power_flow(open_engine(prepared.grid), power[None], (power * POWER_FACTOR_TAN)[None])
    rows = [_station_row(prepared, flow, number) for number in range(len(prepared.grid.station_id))]
    print_rows(f"{prepared.city.title}: {len(rows)} stations at {hour:g} h, {charging:.0%} of the points charging", rows)
    write_json(into, {"city": city, "hour": hour, "charging_share": charging, "stations": rows})


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
