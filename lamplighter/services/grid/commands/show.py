# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid show`: any grid drawn with loading and voltage, and a table of its stations."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from lamplighter.services.grid.commands.told import drawing_file, opened_grid, placed, print_rows, write_json
from lamplighter.services.grid.network.drawing import picture_of, svg_of
from lamplighter.services.grid.network.engine import Flow
from lamplighter.services.grid.network.flow import demands, open_flow, solve
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders, feeders
from lamplighter.terms.columns import FloatArray


@click.command()
@click.argument("grid", default="adlershof")
@click.option("--hour", default=18.5, show_default=True, help="Local hour of a winter working day, by class curves; cities only.")
@click.option(
    "--charging", default=0.0, show_default=True, help="Share of all charging points at full power, 0 to 1; cities only."
)
@click.option(
    "--svg",
    "drawing",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=placed,
    help="Where to draw; by default grid-NAME.svg here.",
)
@click.option("--no-svg", is_flag=True, help="Draw nothing.")
@click.option(
    "--json",
    "into",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=placed,
    help="Write the table as JSON into this file too.",
)
def show(grid: str, hour: float, charging: float, drawing: Path | None, no_svg: bool, into: Path | None) -> None:
    """Draw GRID with loading and voltage, and show every station with its headroom, by power flow.

    GRID: a city, a file (pandapower, power-grid-model, MATPOWER), or a SimBench code. Of a city the figures are those of
    class curves, before anybody measures anything; --charging 0.25 is a winter evening on which nobody steers. A file's
    figures are those of the powers in it.
    """
    asked = opened_grid(grid, hour, charging)
    network = asked.network
    p, q = demands(network)
    p = p + asked.charging_kw
    engine = open_flow(network)
    flow = solve(engine, p[None], q[None], "newton_raphson")
    small = engine.network
    kept = np.unique(engine.at, return_index=True)[1]
    u = np.where(flow.energised[0], flow.u_pu[0], 0.0)[kept]
    tree = feeders(small)
    rows = [_station_row(small, tree, flow, u, number) for number in range(len(tree.station_busbar))]
    worst = max((row for row in rows), key=lambda row: -row["voltage_lowest_pu"], default=None)
    lowest = f"lowest voltage {worst['voltage_lowest_pu']:.4f} pu" if worst else "no station"
    loss = float((flow.p_from_kw[0] + flow.p_to_kw[0]).sum())
    sizes = f"{len(network.nodes.id)} nodes, {len(network.lines.id)} lines, {len(network.transformers.id)} transformers"
    told = f"{sizes}; {asked.told}; {lowest}, highest loading {float(flow.loading[0].max(initial=0.0)):.0%}, losses {loss:.1f} kW"
    print_rows(f"{asked.title}: {told}", rows)
    for note in network.notes:
        click.echo(note)
    write_json(into, {"grid": grid, "hour": hour, "charging_share": charging, "loss_kw": loss, "stations": rows})
    if not no_svg:
        file = drawing_file(drawing, network.name)
        file.write_text(svg_of(picture_of(small, u, flow.loading[0], told)), encoding="utf-8")
        click.echo(f"Drawn: {file}")


def _station_row(network: Network, tree: Feeders, flow: Flow, u: FloatArray, number: int) -> dict[str, Any]:
    """Return one station as plain numbers and texts."""
    lines = len(network.lines.id)
    own = tree.supply_transformer[tree.supply_station == number]
    below = (tree.node_station == number) & (u > 0.0)
    cable = np.flatnonzero(below[network.lines.from_node] & below[network.lines.to_node])
    sn = float(network.transformers.sn_kva[own].sum())
    carried = np.hypot(flow.p_to_kw[0, lines + own], flow.q_to_kvar[0, lines + own])
    loading = float(flow.loading[0, lines + own].max(initial=0.0))
    hangs = np.isin(network.loads.node, np.flatnonzero(tree.node_station == number))
    return {
        "station": str(network.transformers.id[own[0]]) if len(own) else str(network.nodes.id[tree.station_busbar[number]]),
        "nodes": int(below.sum()),
        "connections": round(float(network.loads.connections_count[hangs].sum())),
        "sn_kva": round(sn, 1),
        "p_kw": round(float(-flow.p_to_kw[0, lines + own].sum()), 1)
        if len(own)
        else round(float(network.loads.p_kw[hangs].sum()), 1),
        "loading": round(loading, 3),
        "headroom_kva": round(sn - float(carried.sum()), 1) if len(own) else 0.0,
        "cable_loading": round(float(flow.loading[0, cable].max(initial=0.0)), 3),
        "voltage_lowest_pu": round(float(u[below].min()), 4) if below.any() else 0.0,
    }
