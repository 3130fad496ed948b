# SPDX-License-Identifier: Apache-2.0
"""The table of a comparison: measures down, arms across, one block per scenario."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from lamplighter.services.traffic.trials.compare import CONFIDENCE, Outcome, against_own, mean_of
from lamplighter.services.traffic.trials.trial import Measures

WIDTH_MIN = 120

Row = tuple[str, Callable[[Sequence[Measures]], str]]


def _mean(measure: str, digits: int = 1) -> Callable[[Sequence[Measures]], str]:
    return lambda runs: f"{mean_of(runs, measure):.{digits}f}"


def _worst(measure: str, digits: int = 1) -> Callable[[Sequence[Measures]], str]:
    return lambda runs: f"{max(run[measure] for run in runs):.{digits}f}"


def _finished(runs: Sequence[Measures]) -> str:
    return f"{sum(r['finished'] for r in runs) / len(runs):.0f} of {sum(r['total'] for r in runs) / len(runs):.0f}"


def _faults(runs: Sequence[Measures]) -> str:
    return " / ".join(str(sum(int(run[name]) for run in runs)) for name in ("conflicts", "cut_min_greens", "cut_clearances"))


ROWS: tuple[Row, ...] = (
    ("delay, mean (s)", _mean("delay_s", 2)),
    ("delay, worst seed (s)", _worst("delay_s", 2)),
    ("wait, 95 of 100 below (s)", _mean("wait_p95_s")),
    ("wait, longest (s)", _worst("wait_max_s", 0)),
    ("side streets, wait (s)", _mean("side_street_wait_s")),
    ("pedestrians, wait (s)", _mean("pedestrian_wait_s")),
    ("pedestrians, longest (s)", _worst("pedestrian_wait_max_s")),
    ("buses, delay (s)", _mean("bus_delay_s")),
    ("trams, delay (s)", _mean("tram_delay_s")),
    ("bicycles, delay (s)", _mean("bicycle_delay_s")),
    ("finished, of all", _finished),
    ("never inserted", _mean("never_inserted")),
    ("conflicts / greens cut / clearances cut", _faults),
)


def tell(outcome: Outcome) -> None:
    """Print the table, and below it how often each arm was worse than the own programmes."""
    console = Console(width=max(Console().width, WIDTH_MIN))
    console.print(table(outcome))
    if "own" not in outcome.plan.arms:
        return
    for arm in outcome.plan.arms:
        found = against_own(outcome.results, arm)
        if arm != "own" and found.runs:
            console.print(
                f"{arm}: vehicles worse off than under the own programmes (by more than 1 % and 0.5 s) in {found.worse_runs} of "
                f"{found.runs} runs. Of scenarios and seeds drawn like these, below {found.bound_share:.0%} of runs would be "
                f"({CONFIDENCE:.0%} confidence); that is no promise.",
                highlight=False,
            )


def table(outcome: Outcome) -> Table:
    """Return the table; a row of zeros in every arm (no pedestrians, say) is left out."""
    plan = outcome.plan
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    conditions = plan.conditions
    shown = Table(
        title=f"SUMO {outcome.version}, cadence {conditions.cadence}, sensing {conditions.sensing}, "
        f"{'full' if conditions.full else 'published'} intergreens, seeds {seeds}",
        caption="SIMULATED. Means over the seeds; worst and longest over all of them.",
    )
    shown.add_column("scenario", no_wrap=True)
    shown.add_column("measure", no_wrap=True)
    for arm in plan.arms:
        shown.add_column(arm, justify="right", no_wrap=True)
    for name, arms in outcome.results.items():
        first = name
        for label, value in ROWS:
            cells = [value(tuple(arms[arm].values())) if arms[arm] else "failed" for arm in plan.arms]
            if all(cell in ("0.0", "failed") for cell in cells) and not label.startswith("delay"):
                continue
            shown.add_row(first, label, *cells)
            first = ""
        shown.add_section()
    return shown
