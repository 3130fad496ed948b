# SPDX-License-Identifier: Apache-2.0
"""How well and how fast the state of a grid is estimated, and what a year of power flows costs beside the bare engine.

python benchmarks/grid_estimate.py [--quick] [--json FILE]     (one core: taskset -c 0 python ...)
"""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import power_grid_model as pgm

from lamplighter.services.grid.network.estimation.fit import estimate_states
from lamplighter.services.grid.network.estimation.meters import read_meters
from lamplighter.services.grid.network.estimation.prior import expected, moments_of
from lamplighter.services.grid.network.estimation.trial import drawn_steps, open_trial, run_trial, truth_of
from lamplighter.services.grid.network.flow import chunks, demand_columns, open_flow, year_extremes
from lamplighter.services.grid.network.readers import load_year
from lamplighter.services.grid.network.readers.year import node_powers


def errors(code: str, which: str, steps: int) -> dict[str, Any]:
    """Return errors and the seconds that one step's estimate alone takes."""
    network, year = load_year(code)
    trial = open_trial(network, year, which)
    found = dataclasses.asdict(run_trial(trial, drawn_steps(trial, steps, 1), 1))
    step = np.arange(4000, 4016, dtype=np.int64)
    dice = np.random.default_rng(1)
    readings = read_meters(trial.fit.plan, trial.engine.network, truth_of(trial, step, dice), dice)
    began_s = time.perf_counter()
    pseudo = expected(trial.fit.weights, trial.feeders, trial.fit.plan, readings, moments_of(step), trial.fit.drops)
    estimate_states(trial.fit, readings, pseudo)
    return {"grid": code, "sensors": which, "estimate_s_step": (time.perf_counter() - began_s) / len(step), **found}


def year_ratio(code: str, steps: int) -> dict[str, float | str]:
    """Return seconds of a year through the product and through the bare engine on ready-made input, and their ratio."""
    network, year = load_year(code)
    engine = open_flow(network)
    began_s = time.perf_counter()
    year_extremes(engine, steps, lambda part: node_powers(network, year, part), lambda done: None)
    ours_s = time.perf_counter() - began_s
    bare_s = 0.0
    for part in chunks(steps, len(engine.network.nodes.id)):
        update = demand_columns(engine, *node_powers(network, year, part))
        began_s = time.perf_counter()
        engine.model.calculate_power_flow(
            update_data=update, calculation_method=pgm.CalculationMethod.iterative_current, threading=-1,
            output_component_types=[pgm.ComponentType.node, pgm.ComponentType.line, pgm.ComponentType.transformer],
        )  # fmt: skip
        bare_s += time.perf_counter() - began_s
    return {"grid": code, "steps": steps, "ours_s": ours_s, "bare_s": bare_s, "ratio": ours_s / bare_s}


@click.command()
@click.option("--quick", is_flag=True, help="Two days and a tenth of a year, small grids only.")
@click.option("--json", "into", type=click.Path(path_type=Path), help="Write the figures into this file too.")
def main(quick: bool, into: Path | None) -> None:
    """Run the trials, then the year's ratio."""
    steps = 192 if quick else 9600
    rows: list[dict[str, Any]] = [
        errors(code, which, steps)
        for code in ("1-LV-urban6--2", "1-LV-semiurb4", "1-LV-rural2--1")
        for which in ("station", "ends", "3")
    ]
    if not quick:
        rows += [errors("1-MVLV-urban-all", which, 960) for which in ("station", "ends")]
    ratios = [year_ratio("1-LV-urban6--2", 3514 if quick else 35136) for _ in range(3)]
    for row in [*rows, *ratios]:
        print(row)
    if into is not None:
        into.write_text(json.dumps({"estimates": rows, "year": ratios}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
