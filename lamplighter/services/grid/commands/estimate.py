# SPDX-License-Identifier: Apache-2.0
"""`lamplighter grid estimate`: how far the estimate from meters is from a true state that is known."""

import dataclasses
import time
from pathlib import Path

import click
from rich.console import Console

from lamplighter.services.grid.commands.told import moving_bar, opened_grid, placed, print_facts, write_json
from lamplighter.services.grid.network.estimation.meters import SETS
from lamplighter.services.grid.network.estimation.trial import drawn_steps, open_trial, run_trial, whole_year, work_steps
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.readers import has_year, load_year

FACTS = {
    "steps": "steps",
    "unsettled_steps": "of these without an estimate",
    "voltage_mean_abs_percent": "voltage, mean error, %",
    "voltage_p99_percent": "voltage, 99 % of errors below, %",
    "voltage_lowest_mean_percent": "lowest voltage of a step, mean error, %",
    "voltage_lowest_p99_percent": "lowest voltage, 99 % of errors below, %",
    "voltage_lowest_most_percent": "lowest voltage, largest error, %",
    "line_p99_share": "cable loading, 99 % of errors below, share of rating",
    "transformer_p99_share": "transformer loading, 99 % of errors below, share of rating",
    "voltage_covered_share": "voltages inside their 95 % interval, share",
    "line_covered_share": "cable loadings inside their 95 % interval, share",
    "voltage_half_interval_percent": "half of a voltage's interval, mean, %",
    "line_half_interval_share": "half of a cable loading's interval, mean, share",
    "meters": "meters",
    "seconds_a_step": "seconds a step, truth and meters included",
}


@click.command()
@click.argument("grid", default="adlershof")
@click.option(
    "--sensors", "which", type=click.Choice(SETS), default="ends", show_default=True,
    help="Meters: stations alone; with one voltage at each feeder's end; with three along each feeder.",
)  # fmt: skip
@click.option("--steps", default=192, show_default=True, type=click.IntRange(1), help="Quarters of an hour, in whole days drawn.")
@click.option("--seed", default=1, show_default=True, help="Seed of the days and of the meters' errors.")
@click.option("--year", "whole", is_flag=True, help="All quarters of an hour of the year.")
@click.option(
    "--json",
    "into",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=placed,
    help="Write the errors as JSON into this file too.",
)
def estimate(grid: str, which: str, steps: int, seed: int, whole: bool, into: Path | None) -> None:
    """Estimate states of GRID from its meters, and show how far the estimate is from the truth.

    GRID: a city, a file, or a SimBench code. SimBench's year is the truth where there is one; else demands are drawn
    around class curves. The estimate sees meters (0.2 % of voltage, 0.5 % of a transformer's rating, drawn errors), counts
    of connections and registered power; never a profile. Street ends know what they usually miss from the 56 days before, read
    by the same meters; in a year's first week from none.
    """
    network, year = load_year(grid) if has_year(grid) else (opened_grid(grid).network, None)
    trial = open_trial(network, year, which)
    stretches = whole_year(trial) if whole else drawn_steps(trial, steps, seed)
    began_s = time.perf_counter()
    with moving_bar(Console(stderr=True), f"{network.name}, {which}", work_steps(trial, stretches)) as advance:
        try:
            found = dataclasses.asdict(run_trial(trial, stretches, seed, advance))
        except GridError as error:
            raise click.ClickException(str(error)) from error
    found["meters"] = len(trial.fit.plan)
    found["seconds_a_step"] = round((time.perf_counter() - began_s) / sum(len(step) for step, _ in stretches), 6)
    print_facts(f"{network.name}: errors of the estimate, meters: {which}", {FACTS[name]: value for name, value in found.items()})
    write_json(into, {"grid": grid, "sensors": which, "seed": seed, "year": whole, **found})
