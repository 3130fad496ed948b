# SPDX-License-Identifier: Apache-2.0
"""`lamplighter drill`: an outage in a simulated city, with lamplighter and without, and the switching sheet for it."""

import json
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from lamplighter.city.directory import find_city
from lamplighter.cli import results_file
from lamplighter.cli.evaluate import parse_clock, parse_seeds
from lamplighter.cli.progress import progress_bar
from lamplighter.cli.tables import figure, wide_console
from lamplighter.runtime.drill import RUNS, Asked, Drilled, NoDrillError, as_json, mean, run_drill
from lamplighter.runtime.settings import city_timezone
from lamplighter.terms.drill import Pace

CHANGED_SHARE = 0.005  # an outcome that moves by less in every run is not shown
USUAL = Pace()


@click.command("drill")
@click.option("--city", "city_name", default="adlershof", show_default=True, help="Name or folder of a simulated city.")
@click.option("--asset", default="", help="What fails, such as a cable. Default: the one that takes most with it on both sides.")
@click.option("--date", "day", default="2026-01-13", show_default=True, help="Day of local time.")
@click.option("--at", "at", default="18:00", show_default=True, help="When it fails, local time.")
@click.option("--before", default=20.0, show_default=True, type=click.FloatRange(1, 600), help="Minutes that are run before it.")
@click.option("--after", default=75.0, show_default=True, type=click.FloatRange(1, 600), help="Minutes that are run after it.")
@click.option("--find", default=USUAL.find_s / 60, show_default=True, type=click.FloatRange(0), help="Minutes to find the fault.")
@click.option("--plan", default=USUAL.plan_s / 60, show_default=True, type=click.FloatRange(0), help="Minutes to plan by hand.")
@click.option("--read", default=USUAL.read_s / 60, show_default=True, type=click.FloatRange(0), help="Minutes to read the sheet.")
@click.option("--step", default=USUAL.step_s / 60, show_default=True, type=click.FloatRange(0), help="Minutes for a switching.")
@click.option("--seeds", default="1", show_default=True, help="Seeds of demand, weather and loads; more is surer.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every number to this file.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many runs at the same time.")
def drill(
    city_name: str, asset: str, day: str, at: str, seeds: str, json_file: Path | None, jobs: int, **minutes: float
) -> None:  # fmt: skip
    """Drill an outage: something fails at 18:00, crews find it and switch, and the city lives through it. SIMULATED.

    The same evening is run calm and with the fault, without lamplighter and with it, and once with it at the pace of
    switching by hand. Printed are the advice as a switching sheet, what was assumed of the crews, and every outcome that moved.
    """
    results_file(json_file)
    folder = find_city(city_name)
    try:
        on = date.fromisoformat(day)
    except ValueError:
        raise click.BadParameter(f"{day!r}: a date such as 2026-01-13", param_hint="--date") from None
    fault = datetime.combine(on, parse_clock(at, "--at"), ZoneInfo(city_timezone(folder)))
    pace = Pace(*(60.0 * minutes[name] for name in ("find", "plan", "read", "step")))
    asked = Asked(folder, asset, parse_seeds(seeds), fault.timestamp(), 60.0 * minutes["before"], 60.0 * minutes["after"], pace)
    console = Console(stderr=True)
    try:
        with progress_bar(console) as bar:
            task = bar.add_task(f"{len(RUNS)} runs x {len(asked.seeds)} seeds", total=1.0)
            done = run_drill(asked, lambda share: bar.update(task, completed=share), jobs)
    except (NoDrillError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    tell(done, asked, json_file)


def tell(done: Drilled, asked: Asked, json_file: Path | None) -> None:
    """Print sheet, times, table and notes, and write every number where a file is given."""
    console = wide_console()
    takes = ", ".join(f"{many:g} {name.replace('_', ' ')}{'s' * (many != 1)}" for name, many in done.drill.dark.items() if many)
    takes = takes.replace("connectionss", "connections").replace("stationss", "stations")
    console.print(f"[bold]{done.drill.title}[/bold]; it takes with it {takes}.")
    console.print("Advice to the network operator's control room. lamplighter sends no switching command.")
    for line in done.drill.sheet:
        console.print(f"  {line}", highlight=False)
    for name, told in (("by hand", done.drill.by_hand), ("with advice", done.drill.advised)):
        times = ", ".join(f"{one.after_s / 60:g} min {one.text.split(':')[0]}" for one in told[1:])
        console.print(f"  {name}: {times}", highlight=False)
    console.print(outcome_table(done, asked))
    for note in done.drill.notes:
        console.print(f"- {note}", highlight=False)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(done, asked), indent=1) + "\n", encoding="utf-8")
        console.print(f"Every number: {json_file}")


def outcome_table(done: Drilled, asked: Asked) -> Table:
    """Return every outcome that the fault, the arm or the advice moves: true values, means over seeds."""
    span = f"{asked.before_s / 60:g} min before to {asked.after_s / 60:g} min after the fault"
    table = Table(title=f"{span}, seeds {', '.join(map(str, done.seeds))}", caption="SIMULATED; true values")
    table.add_column("service", no_wrap=True)
    table.add_column("outcome (unit at the end)", no_wrap=True)
    for name in RUNS:
        table.add_column(name, justify="right")
    for text, outcome, factor in done.drill.figures:
        values = [mean(results, done.service, outcome) for results in done.results.values()]
        table.add_row(done.service, text, *("" if v is None else figure(v * factor) for v in values))
    table.add_section()
    for service in done.judged:
        for outcome in service.outcome_names:
            values = [mean(results, service.name, outcome.name) for results in done.results.values()]
            known = [value for value in values if value is not None]
            if known and max(known) - min(known) > CHANGED_SHARE * max(abs(value) for value in known):
                table.add_row(service.name, outcome.name, *("" if v is None else figure(v) for v in values))
        table.add_section()
    return table
