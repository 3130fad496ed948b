# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid observe`: what meters see of a grid, how sure that is, and where the next meter helps most."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from lamplighter.services.grid.commands.told import opened_grid, placed, print_rows, write_json
from lamplighter.services.grid.network.estimation.meters import SETS, U_SIGMA_PU, MeterPlan, plan_of, without
from lamplighter.services.grid.network.estimation.prior import Weights, usual_kw, weights_of
from lamplighter.services.grid.network.estimation.spread import (
    CONFIDENCE,
    Spread,
    next_line_meters,
    next_voltage_meters,
    seen_by_meters,
    spread_in,
    spread_of,
)
from lamplighter.services.grid.network.estimation.suspects import least_noticed
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders, feeders, fused


@click.command()
@click.argument("grid", default="adlershof")
@click.option(
    "--sensors", "which", type=click.Choice(SETS), default="ends", show_default=True,
    help="Meters: stations alone; with one voltage at each feeder's end; with three along each feeder.",
)  # fmt: skip
@click.option("--lost", default="", help="Nodes (or transformers) whose meters are silent, by name, with commas between.")
@click.option(
    "--next", "most", default=5, show_default=True, type=click.IntRange(1), help="How many places for a next meter to name."
)
@click.option(
    "--json",
    "into",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=placed,
    help="Write all of it as JSON into this file too.",
)
def observe(grid: str, which: str, lost: str, most: int, into: Path | None) -> None:
    """Say what meters see of GRID: intervals of voltage and loading per station, and where the next meter helps most.

    Intervals hold the truth in 95 of 100 cases; they come from the meters' errors, the spread of connections around their
    classes and the weights of the fit, not from taste. The night is shown, and full sun where there are photovoltaics.
    """
    network, _ = fused(opened_grid(grid).network)
    tree = feeders(network)
    weights = weights_of(network, tree)
    plan = plan_of(network, tree, which, usual_kw(weights, len(network.nodes.id)))
    plan = without(plan, network, _names(lost, network, plan))
    night = spread_of(network, tree, plan, weights, 0.0)
    day = spread_in(network, tree, plan, weights, (night.blocks, 1.0))
    rows = [_station(network, tree, (night, day), number) for number in range(len(tree.station_busbar))]
    for row, share in zip(rows, seen_by_meters(network, tree, plan, weights, night.blocks), strict=True):
        row["seen_share"] = round(share, 3)
    for row, least in zip(rows, _noticed(tree, plan, weights, night), strict=True):
        row["noticed_percent"] = least
    print_rows(f"{network.name}: {len(plan)} meters ({which}); half-widths of 95 % intervals", rows)
    places = _next(network, night, most)
    print_rows("The next meter helps most here (worst half-interval of its part, before and after)", places)
    write_json(into, {"grid": grid, "sensors": which, "lost": lost, "meters": len(plan), "stations": rows, "next": places})


def _names(lost: str, network: Network, plan: MeterPlan) -> list[str]:
    names = [name.strip() for name in lost.split(",") if name.strip()]
    known = {*network.nodes.id[plan.u_node].tolist(), *network.transformers.id[plan.p_transformer].tolist()}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise click.UsageError(f"--lost {', '.join(wrong)}: no meter there; meters are at {', '.join(sorted(known)[:8])} ...")
    return names


def _station(network: Network, tree: Feeders, spreads: tuple[Spread, Spread], number: int) -> dict[str, Any]:
    """Return one station's widest intervals."""
    below = tree.node_station == number
    cable = np.flatnonzero(below[network.lines.from_node] & below[network.lines.to_node])
    own = tree.supply_transformer[tree.supply_station == number]
    hangs = np.isin(network.loads.node, np.flatnonzero(below))
    row: dict[str, Any] = {
        "station": str(network.transformers.id[own[0]]) if len(own) else str(network.nodes.id[tree.station_busbar[number]]),
        "connections": round(float(network.loads.connections_count[hangs].sum())),
        "feeders": int(np.count_nonzero(tree.feeder_station == number)),
    }
    for name, spread in zip(("night", "sun"), spreads, strict=True):
        row[f"voltage_{name}_percent"] = round(100.0 * CONFIDENCE * float(spread.u_pu[below].max()), 3)
        wide = spread.loading[cable]
        row[f"cable_{name}_percent"] = round(100.0 * CONFIDENCE * float(wide[np.isfinite(wide)].max(initial=0.0)), 2)
    return row


def _noticed(tree: Feeders, plan: MeterPlan, weights: Weights, night: Spread) -> list[float]:
    """Return for each station the error in percent from which on a lying voltage meter is noticed, the worst meter's."""
    stations = len(tree.station_busbar)
    found = [0.0] * stations
    for block in night.blocks:
        if block.station >= 0 and len(block.u_meter):
            root = float(night.u_pu[tree.station_busbar[block.station]])
            found[block.station] = round(100.0 * float(least_noticed(block, plan, weights, 0.0, root, stations).max()), 2)
    return found


def _next(network: Network, night: Spread, most: int) -> list[dict[str, Any]]:
    places: list[dict[str, Any]] = []
    volts, power = next_voltage_meters(night, U_SIGMA_PU, most), next_line_meters(network, night, most)
    for found, kind, ids, at in (
        (volts, "voltage", network.nodes.id, volts.node),
        (power, "power of a line", network.lines.id, power.line),
    ):
        for k in range(len(at)):
            places.append(
                {
                    "meter": kind,
                    "where": str(ids[at[k]]),
                    "variance_falls_percent": round(100.0 * float(found.gain_share[k]), 2),
                    "before_percent": round(float(found.widest_before_percent[k]), 3),
                    "after_percent": round(float(found.widest_after_percent[k]), 3),
                }
            )
    return places
