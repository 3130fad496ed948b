# SPDX-License-Identifier: Apache-2.0
"""`lamplighter traffic retime`: plans from counts for boxes that cannot be steered every second, and what they are worth."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from lamplighter.services import traffic as service
from lamplighter.services.traffic.retiming import result, roads, sheet
from lamplighter.services.traffic.retiming.counts import WINDOW_MIN_S, Count, counts_csv, read_counts, series
from lamplighter.services.traffic.retiming.result import Retimed, Wishes
from lamplighter.services.traffic.retiming.sheet import ADVICE, INSTALL, KEEP_OWN, NOT_MEASURED, NOT_SURE, Verdict
from lamplighter.services.traffic.retiming.sumo_plan import programmes_xml
from lamplighter.services.traffic.tryout.gain import Gain, gain
from lamplighter.services.traffic.tryout.measuring import Run, count, measure
from lamplighter.services.traffic.tryout.scenario import Scenario, open_city, open_scenario

PLAN_FILE, COUNTS_FILE = "plans.add.xml", "counts.csv"
EVALUATIONS_MAX = 2000


class Teller(Protocol):
    """Hears what is being done and how far it is."""

    def __call__(self, what: str, share: float) -> None:
        """Say it."""
        ...


@dataclass(frozen=True)
class Trial:
    """Paired runs of the own programmes and of the plan, by seed, and the difference."""

    own: tuple[Run, ...]
    planned: tuple[Run, ...]
    gain: Gain


@click.command()
@click.argument("place")
@click.option(
    "--counts",
    "counts_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV of counts (street,lane,begin_s,end_s,vehicles[,to]). Default: one run of the scenario, counted by loops.",
)
@click.option("--out", "out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the plan sheet.")
@click.option("--periods", default=4, show_default=True, type=click.IntRange(1, 24), help="Plan periods at most.")
@click.option(
    "--cycle-max", "cycle_max_s", default=120.0, show_default=True, type=click.FloatRange(40, 180), help="Longest cycle, s."
)
@click.option("--from", "begin", default="16:00", show_default=True, help="Of a city: begin of the hours counted and measured.")
@click.option("--to", "end", default="17:00", show_default=True, help="Of a city: their end.")
@click.option("--count-seed", default=42, show_default=True, help="Seed of the run that is counted; never one that is measured.")
@click.option("--measure", "measured", is_flag=True, help="Run the demand in SUMO under the own programmes and under the plan.")
@click.option("--seeds", default="1,2,3", show_default=True, help="Seeds of the measured runs.")
def retime(
    place: str, counts_path: Path | None, out: Path, periods: int, cycle_max_s: float, begin: str, end: str,
    count_seed: int, measured: bool, seeds: str,
) -> None:  # fmt: skip
    """Make signal plans for PLACE from counts: a built city, a *.sumocfg or the folder that holds one.

    Writes plans.csv, plans.json, plans.html (to print), summary.md and plans.add.xml (for SUMO) into --out.
    """
    console = Console(stderr=True)
    try:
        numbers = _seeds(seeds, count_seed)
        _writable(out)
        with _telling(console) as told:
            told("reading", 0.0)
            hours_s = (_clock(begin), _clock(end))
            if hours_s[1] - hours_s[0] < WINDOW_MIN_S:
                raise ValueError(f"--from {begin} --to {end}: the end must be five minutes or more behind the beginning")
            scenario = open_place(place, hours_s)
            counts = _counts(scenario, counts_path, count_seed, told)
            made = plan(scenario, counts, Wishes(periods, cycle_max_s, EVALUATIONS_MAX, told))
            out.mkdir(parents=True, exist_ok=True)
            plan_path = write_plan(made, out)
            if counts_path is None:
                (out / COUNTS_FILE).write_text(counts_csv(counts), encoding="utf-8")
            trial = try_out(scenario, plan_path, numbers, told) if measured else None
        verdict = judged(made, trial)
        for name, text in sheet.files(made, verdict, scenario.name):
            (out / name).write_text(text, encoding="utf-8")
        write_plan(made, out, ADVICE[verdict.advice])
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _print(Console(), made, trial, verdict)
    click.echo(f"Plan sheet: {out / 'plans.html'}")


def open_place(place: str, hours_s: tuple[float, float]) -> Scenario:
    """Open a scenario by file or folder, else a city by name."""
    path = Path(place)
    if path.suffix == ".sumocfg" or (path.is_dir() and any(path.glob("*.sumocfg")) and not (path / "city.toml").exists()):
        return open_scenario(path)
    return open_city(place, service.SERVICE, *hours_s)


def plan(scenario: Scenario, counts: list[Count], wishes: Wishes) -> Retimed:
    """Return the plans for these counts. Raises ValueError where the counts fit no street of the scenario."""
    model = roads.read_roads(scenario.network, tuple(j.id for j in scenario.junctions))
    counted = series(model, counts)
    if not counted.counted.any():
        raise ValueError(
            f"none of the streets in the counts ends at a signal of {scenario.name} (the first is {counts[0].street!r}); "
            f"name streets by their edge in {scenario.net.name}, such as {model.edge[0]!r}"
        )
    if counted.strange:
        more = f" and {len(counted.strange) - 5} more" if len(counted.strange) > 5 else ""
        click.echo(
            f"Not used: {', '.join(counted.strange[:5])}{more}; no signal of {scenario.name} stands at the end of these.",
            err=True,
        )
    return result.retime(scenario.junctions, model, counted, wishes)


def write_plan(made: Retimed, out: Path, advice: str = "") -> Path:
    """Write the programmes as a SUMO additional file, the advice on top, and return its path."""
    path = out / PLAN_FILE
    text = programmes_xml(made.junctions, [(p.begin_s, p.programmes) for p in made.periods])
    path.write_text(f"<!-- {advice.replace('--', '')} -->\n{text}" if advice else text, encoding="utf-8")
    return path


def try_out(scenario: Scenario, plan_path: Path, seeds: list[int], told: Teller) -> Trial:
    """Run every seed under the own programmes and under the plan, one run at a time."""
    own: list[Run] = []
    planned: list[Run] = []
    for n, seed in enumerate(seeds):
        told(f"seed {seed}, own programmes", (2 * n) / (2 * len(seeds)))
        own.append(measure(scenario, seed, None))
        told(f"seed {seed}, plan", (2 * n + 1) / (2 * len(seeds)))
        planned.append(measure(scenario, seed, plan_path))
    return Trial(tuple(own), tuple(planned), gain([r.delay_s for r in own], [r.delay_s for r in planned]))


def judged(made: Retimed, trial: Trial | None) -> Verdict:
    """Return what the forecast and the trial say together; it says to keep the own programmes where the plan was no better."""
    predicted = float(np.average([p.gain_share for p in made.periods], weights=[p.end_s - p.begin_s for p in made.periods]))
    kept = all(group.kept for period in made.periods for group in period.groups)
    if kept:
        return Verdict(KEEP_OWN, "No plan was found that is expected to gain 2 % or more: keep the own programmes.", ())
    if trial is None:
        return Verdict(
            NOT_MEASURED,
            f"Expected gain: {predicted:.0%} of the delay at stop lines, by the model alone. Nothing was measured.",
            (),
        )
    found = trial.gain
    words = (
        f"Expected gain: {predicted:.0%} of the delay at stop lines. Measured in SUMO over {len(trial.own)} seeds: "
        f"delay per vehicle {found.own_s:.1f} s with the own programmes, {found.planned_s:.1f} s with the plan, "
        f"{found.share:+.0%} gain"
    )
    words += f" (95 % interval {found.low:+.0%} to {found.high:+.0%})." if len(trial.own) > 1 else " (one seed: no interval)."
    advice = INSTALL if found.low > 0 and len(trial.own) > 1 else NOT_SURE
    if found.planned_s >= found.own_s:
        advice = KEEP_OWN
        words += " The plan is no better than the own programmes on the measured mean: keep the own programmes."
    elif found.low <= 0 and len(trial.own) > 1:
        words += " The interval holds zero: the gain is not sure; run more seeds before installing."
    rows = [
        {"seed": float(a.seed), "own_delay_s": round(a.delay_s, 2), "planned_delay_s": round(b.delay_s, 2),
         "own_waiting_s": round(a.waiting_s, 2), "planned_waiting_s": round(b.waiting_s, 2),
         "own_foot_loss_s": round(a.foot_loss_s, 2), "planned_foot_loss_s": round(b.foot_loss_s, 2),
         "own_finished": float(a.finished), "planned_finished": float(b.finished), "total": float(a.total)}
        for a, b in zip(trial.own, trial.planned, strict=True)
    ]  # fmt: skip
    return Verdict(advice, words, tuple(rows))


def _counts(scenario: Scenario, path: Path | None, seed: int, told: Teller) -> list[Count]:
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: is not text in UTF-8 ({error.reason} at byte {error.start}); save it as CSV in UTF-8"
            ) from error
        return read_counts(text, str(path))
    told("counting one run under the own programmes", 0.0)
    return count(scenario, seed)


def _writable(out: Path) -> None:
    """Raise ValueError, before anything runs for long, where the plan sheet could not be written."""
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out}: nothing can be written to {there}; name another folder. Nothing was run.")


def _seeds(text: str, count_seed: int) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--seeds {text}: whole numbers with commas between are needed, such as 1,2,3") from error
    if len(set(numbers)) != len(numbers) or min(numbers) < 0:
        raise ValueError(f"--seeds {text}: each seed once, from 0 up; a seed given twice would count twice")
    if count_seed in numbers:
        raise ValueError(f"--seeds {text}: {count_seed} is the seed that is counted (--count-seed); measure with others")
    return numbers


def _clock(text: str) -> float:
    try:
        hours, minutes = (int(part) for part in text.split(":"))
        if not (0 <= hours * 60 + minutes <= 24 * 60 and 0 <= minutes < 60):
            raise ValueError(text)
        return hours * 3600.0 + minutes * 60.0
    except ValueError as error:
        raise ValueError(f"{text!r} is no time of day; write it as 16:00") from error


@contextmanager
def _telling(console: Console) -> Generator[Teller]:
    """Show a progress bar once something takes more than two seconds."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    begun = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=1.0, visible=False)

        def told(what: str, share: float) -> None:
            bar.update(task, description=what, completed=share, visible=time.monotonic() - begun > 2.0)

        yield told


def _print(console: Console, made: Retimed, trial: Trial | None, verdict: Verdict) -> None:
    grid = Grid(title="expected", title_justify="left")
    for column in ("period", "retimed", "cycles, s", "veh waiting, own", "veh waiting, plan", "gain"):
        grid.add_column(column, justify="left" if column == "period" else "right")
    for p in made.periods:
        changed = [g for g in p.groups if not g.kept]
        when, count = f"{sheet.clock(p.begin_s)} to {sheet.clock(p.end_s)}", sum(len(g.boxes) for g in changed)
        cycles = ", ".join(f"{g.cycle_s:.0f}" for g in changed)
        waiting = f"{p.own.waiting_veh:.1f}", f"{p.planned.waiting_veh:.1f}"
        grid.add_row(when, f"{count} of {len(made.junctions)}", cycles, *waiting, f"{p.gain_share:+.0%}")
    console.print(grid)
    if trial is not None:
        runs = Grid(title="measured, delay per vehicle in s", title_justify="left")
        for column in ("seed", "own", "plan", "finished, own", "finished, plan", "of"):
            runs.add_column(column, justify="right")
        for a, b in zip(trial.own, trial.planned, strict=True):
            runs.add_row(str(a.seed), f"{a.delay_s:.1f}", f"{b.delay_s:.1f}", str(a.finished), str(b.finished), str(a.total))
        console.print(runs)
    console.print(verdict.words, highlight=False)
    console.print(ADVICE[verdict.advice], highlight=False, style="bold")
