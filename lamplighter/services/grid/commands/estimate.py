# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid estimate`: how far the estimate from meters is from a true state that is known."""

import dataclasses
from pathlib import Path

import click
import numpy as np

from lamplighter.services.grid.commands.told import demand_of, opened_city, print_rows, write_json
from lamplighter.services.grid.network.demand import POWER_FACTOR_TAN
from lamplighter.services.grid.network.engine import Flow, Meters, estimate_state, open_engine, power_flow
from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.terms.columns import FloatArray


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


@click.command()
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
    prepared = opened_city(city)
    found = dataclasses.asdict(estimate_errors(prepared, meters == "ends", steps, seed))
    print_rows(f"{prepared.city.title}: errors of the estimate, meters: {meters}", [found])
    write_json(into, {"city": city, "sensors": meters, "seed": seed, **found})
