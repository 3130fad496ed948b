# SPDX-License-Identifier: Apache-2.0
"""Result tables of the command line: aligned, with units, the true and the measurable value side by side."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lamplighter.evidence.estimate import paired, who_gained
from lamplighter.runtime.evaluate import Evaluation, JobResult, as_json


def _values(results: Sequence[JobResult], arm: str, service: str, outcome: str, measured: bool) -> dict[int, float]:
    return {
        r.seed: (r.measured if measured else r.truth).get(service, {})[outcome]
        for r in results
        if r.arm == arm and outcome in (r.measured if measured else r.truth).get(service, {})
    }


def _mean(values: dict[int, float]) -> str:
    return figure(sum(values.values()) / len(values)) if values else ""


def figure(value: float) -> str:
    """Return a figure with the digits it deserves: three or four significant ones."""
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4
    return f"{value:,.{digits}f}"


WIDTH_MIN = 132  # into a file or a narrow pipe: a table that is cut is worth nothing


def wide_console() -> Console:
    """Return a console for result tables: never cut, whatever the terminal says of its width."""
    return Console(width=max(Console().width, WIDTH_MIN))


def tell_evaluation(done: Evaluation, json_file: Path | None, console: Console) -> None:
    """Print the tables, tell faults on `console`, and write every number where a file is given."""
    print_evaluation(done)
    numbers = as_json(done)
    for fault in numbers["faults"]:
        console.print(f"[yellow]{fault}[/yellow]")
    if json_file is not None:
        json_file.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
        console.print(f"Every number: {json_file}")


def print_evaluation(done: Evaluation) -> None:
    """Print the with/without table and who gained."""
    console = wide_console()
    console.print(evaluation_table(done))
    if set(done.arms) == {"adaptive", "baseline"}:
        console.print(area_table(done))


def area_table(done: Evaluation) -> Table:
    """Return who gained: the charted outcomes by area, the worst-off area first; harmed areas are named so."""
    table = Table(title="Who gained, area by area", caption="gain: positive is better; worst-off area first, as it fared without")
    for name in ("service", "outcome (unit at the end)", "area"):
        table.add_column(name, no_wrap=True)
    for name in ("without", "gain", "95 % interval", "left worse"):
        table.add_column(name, justify="right", no_wrap=True)
    for service in done.services:
        for outcome in (o for o in service.outcome_names if o.chart):
            for row in who_gained(outcome, *_area_values(done, service.name, outcome.name)):
                spread = f"{figure(row.gain.low)} to {figure(row.gain.high)}" if row.gain.pairs > 1 else "one seed"
                values = (figure(row.without_value.value), figure(row.gain.value), spread, "yes" if row.harmed else "")
                table.add_row(service.name, outcome.name, row.area, *values)
            table.add_section()
    return table


def _area_values(done: Evaluation, service: str, outcome: str) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return one {area: value} per seed, without and with."""

    def of(arm: str, seed: int) -> dict[str, float]:
        result = next(r for r in done.results if r.arm == arm and r.seed == seed)
        return {area: of_area[service][outcome] for area, of_area in result.areas.items() if outcome in of_area.get(service, {})}

    return [of("baseline", seed) for seed in done.seeds], [of("adaptive", seed) for seed in done.seeds]


def evaluation_table(done: Evaluation) -> Table:
    """Return the with/without table of an evaluation: one row per outcome, truth first, then the measurable value."""
    seeds = ", ".join(str(seed) for seed in done.seeds)
    table = Table(
        title=f"{done.title}, {done.begin:%Y-%m-%d %H:%M} to {done.end:%H:%M}, seeds {seeds}",
        caption="SIMULATED. difference = with minus without, mean over seeds with its 95 % interval; "
        "measurable = what a city could compute from aggregates, with lamplighter",
    )
    table.add_column("service", no_wrap=True)
    table.add_column("outcome (unit at the end)", no_wrap=True)
    for name in ("without", "with", "difference", "95 % interval", "change", "measurable"):
        table.add_column(name, justify="right", no_wrap=True)
    for service in done.services:
        for outcome in service.outcome_names:
            row = _row(done, service.name, outcome.name)
            if row is not None:
                table.add_row(*row)
        table.add_section()
    return table


def _row(done: Evaluation, service: str, outcome: str) -> tuple[str, ...] | None:
    without = _values(done.results, "baseline", service, outcome, False)
    with_ = _values(done.results, "adaptive", service, outcome, False)
    if not without and not with_:
        return None
    measured = _mean(_values(done.results, "adaptive", service, outcome, True))
    both = sorted(set(without) & set(with_))
    if not both:
        return service, outcome, _mean(without), _mean(with_), "", "", "", measured
    estimate = paired([without[s] for s in both], [with_[s] for s in both])
    base = sum(without[s] for s in both) / len(both)
    change = f"{100 * estimate.difference / base:+.1f} %" if base else ""
    spread = f"{figure(estimate.low)} to {figure(estimate.high)}" if len(both) > 1 else "one seed"
    return service, outcome, _mean(without), _mean(with_), figure(estimate.difference), spread, change, measured
