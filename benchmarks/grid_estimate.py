# SPDX-License-Identifier: Apache-2.0
"""How well and how fast the state of a grid is estimated, and what a year of power flows costs beside the bare engine.

python -m benchmarks.grid_estimate [--quick] [--only errors|step|year] [--json FILE]     (one core: taskset -c 0 python ...)
"""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import power_grid_model as pgm

from lamplighter.services.grid.network.estimation.meters import SETS, read_meters
from lamplighter.services.grid.network.estimation.prior import moments_of
from lamplighter.services.grid.network.estimation.series import Learned, estimate_series
from lamplighter.services.grid.network.estimation.trial import Past, drawn_steps, open_trial, run_trial, truth_of
from lamplighter.services.grid.network.flow import chunks, demand_columns, open_flow, year_extremes
from lamplighter.services.grid.network.readers import load_year
from lamplighter.services.grid.network.readers.year import node_powers

SMALL = ("1-LV-urban6--2", "1-LV-semiurb4", "1-LV-rural2--1")


def errors(code: str, which: str, steps: int) -> dict[str, Any]:
    """Return errors of one grid with one set of meters."""
    network, year = load_year(code)
    trial = open_trial(network, year, which)
    return {"grid": code, "sensors": which, **dataclasses.asdict(run_trial(trial, drawn_steps(trial, steps, 1), 1))}


def step_seconds(code: str, which: str, steps: int) -> dict[str, Any]:
    """Return the processor time of one step's estimate as a running system makes it (pseudo-loads, sources followed, street
    ends corrected by their habits, both fits), and of the day's learning before it; truth and meters left out."""
    network, year = load_year(code)
    trial = open_trial(network, year, which)
    step = np.arange(4032, 4032 + steps, dtype=np.int64)
    dice = np.random.default_rng(1)
    readings = read_meters(trial.fit.plan, trial.engine.network, truth_of(trial, step, dice), dice)
    past = Past(trial, 1, {})
    past.habits(int(step[0]))
    began_s = time.process_time()
    habits = past.habits(int(step[0]))
    learning_s = time.process_time() - began_s
    learned = Learned(float(trial.spreads[0].u_pu[trial.engine.network.sources.node].max()), habits)
    began_s = time.process_time()
    estimate_series(trial.fit, trial.feeders, readings, moments_of(step), step, learned)
    step_s = (time.process_time() - began_s) / steps
    return {"grid": code, "sensors": which, "nodes": len(network.nodes.id), "step_s": step_s, "learning_s_day": learning_s}


def year_ratio(code: str, steps: int) -> dict[str, float | str]:
    """Return processor time of a year through the product and through the bare engine on ready-made input, and their ratio."""
    network, year = load_year(code)
    engine = open_flow(network)
    began_s = time.process_time()
    year_extremes(engine, steps, lambda part: node_powers(network, year, part), lambda done: None)
    ours_s = time.process_time() - began_s
    bare_s = 0.0
    for part in chunks(steps, len(engine.network.nodes.id)):
        update = demand_columns(engine, *node_powers(network, year, part))
        began_s = time.process_time()
        engine.model.calculate_power_flow(
            update_data=update, calculation_method=pgm.CalculationMethod.iterative_current, threading=-1,
            output_component_types=[pgm.ComponentType.node, pgm.ComponentType.line, pgm.ComponentType.transformer],
        )  # fmt: skip
        bare_s += time.process_time() - began_s
    return {"grid": code, "steps": steps, "ours_s": ours_s, "bare_s": bare_s, "ratio": ours_s / bare_s}


@click.command()
@click.option("--quick", is_flag=True, help="Two days and a tenth of a year, small grids only.")
@click.option("--only", type=click.Choice(("errors", "step", "year")), multiple=True, help="Only these parts; all without it.")
@click.option("--json", "into", type=click.Path(path_type=Path), help="Write the figures into this file too.")
def main(quick: bool, only: tuple[str, ...], into: Path | None) -> None:
    """Run the trials, then the year's ratio."""
    asked, days = only or ("errors", "step", "year"), 2 if quick else 100
    large = [] if quick else ["1-MVLV-urban-all"]
    rows: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    ratios: list[dict[str, float | str]] = []
    if "errors" in asked:
        for code, sets, most in [*((code, SETS, days) for code in SMALL), *((code, SETS[:2], 10) for code in large)]:
            rows += [errors(code, which, 96 * most) for which in sets]
    if "step" in asked:
        times += [step_seconds(code, "ends", 16) for code in [*SMALL, *large]]
    if "year" in asked:
        ratios += [year_ratio("1-LV-urban6--2", 3514 if quick else 35136) for _ in range(3)]
    for row in [*rows, *times, *ratios]:
        print(row)
    if into is not None:
        into.write_text(json.dumps({"estimates": rows, "times": times, "year": ratios}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
