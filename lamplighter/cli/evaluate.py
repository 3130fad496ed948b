# SPDX-License-Identifier: Apache-2.0
"""`lamplighter evaluate`: with and without, the same seeds, outcomes side by side."""

from datetime import date, time
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from lamplighter.city.directory import find_city
from lamplighter.cli import results_file
from lamplighter.cli.progress import progress_bar
from lamplighter.cli.tables import tell_evaluation
from lamplighter.runtime.cityrun import Arm
from lamplighter.runtime.evaluate import Comparison, chosen_names, evaluate, window
from lamplighter.runtime.settings import city_timezone
from lamplighter.services import discover
from lamplighter.terms.service import EvaluateSource

ARMS: tuple[Arm, ...] = ("baseline", "adaptive")


def parse_list(text: str, allowed: tuple[str, ...] | None, what: str) -> tuple[str, ...]:
    """Split a comma-separated option; a BadParameter names what is allowed."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if not parts or (allowed is not None and any(part not in allowed for part in parts)):
        hint = f"choose from {', '.join(allowed)}" if allowed else "give at least one"
        raise click.BadParameter(f"{text!r}: {hint}, separated by commas", param_hint=what)
    return parts


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds such as `1,2,3`; each a whole number from 0 up, none twice."""
    parts = parse_list(text, None, "--seeds")
    if not all(part.isdigit() for part in parts) or len(set(parts)) != len(parts):
        raise click.BadParameter(f"{text!r}: whole numbers from 0 up, each once, separated by commas", param_hint="--seeds")
    return tuple(int(part) for part in parts)


def parse_clock(text: str, what: str) -> time:
    """Read a time of day such as `16:00`."""
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: a time of day such as 16:00", param_hint=what) from None


class EvaluateCommand(click.Command):
    """Compares a city, or what a service contributes: the option of such a source picks its command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Hand everything to the command of a source whose option is given."""
        given = {arg.split("=", 1)[0] for arg in args}
        for source in self.sources():
            if source.option in given:
                module, _, name = source.command.partition(":")
                command: click.Command = getattr(import_module(module), name)
                return command.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the context was made for."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)

    @staticmethod
    def sources() -> tuple[EvaluateSource, ...]:
        """Return what the services contribute."""
        return tuple(source for service in discover() for source in service.sources)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what else can be compared."""
        rows = [
            (source.option, f"{source.doc}; its own options: {ctx.command_path} {source.option} . --help")
            for source in self.sources()
        ]
        if rows:
            with formatter.section("Instead of a city"):
                formatter.write_dl(rows)


@click.command("evaluate", cls=EvaluateCommand)
@click.option("--city", "city_name", default="adlershof", show_default=True, help="Name or folder of a city.")
@click.option("--service", "services", multiple=True, help="Run only this service; may be given again. Default: all.")
@click.option("--arms", default="baseline,adaptive", show_default=True, help="Which arms to run.")
@click.option("--seeds", default="1,2,3", show_default=True, help="Seeds of demand, weather and loads; more is surer.")
@click.option(
    "--date", "day", default="2026-01-13", show_default=True, help="Day of local time (a January evening: lamps lit, grid short)."
)
@click.option("--from", "begin", default="16:00", show_default=True, help="Begin, local time.")
@click.option("--to", "end", default="20:00", show_default=True, help="End, local time; before --from means the next day.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every number to this file.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many runs at the same time.")
def evaluate_command(
    city_name: str, services: tuple[str, ...], arms: str, seeds: str, day: str, begin: str, end: str,
    json_file: Path | None, jobs: int,
) -> None:  # fmt: skip
    """Compare a simulated city with and without lamplighter.

    Every seed is run once in each arm: the same demand, weather and loads, only the control differs. The table shows
    each outcome without and with, the mean difference over the seeds with its 95 % interval, and beside the true
    value what a real city could have measured from aggregates alone.
    """
    results_file(json_file)
    folder = find_city(city_name)
    chosen = parse_list(arms, ARMS, "--arms")
    try:
        on = date.fromisoformat(day)
    except ValueError:
        raise click.BadParameter(f"{day!r}: a date such as 2026-01-13", param_hint="--date") from None
    span = window(on, parse_clock(begin, "--from"), parse_clock(end, "--to"), city_timezone(folder))
    try:
        chosen_names(services)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--service") from None
    console = Console(stderr=True)
    with progress_bar(console) as bar:
        task = bar.add_task(f"{len(chosen)} arms x {len(parse_seeds(seeds))} seeds", total=1.0)
        wanted = Comparison(folder, services, tuple(a for a in ARMS if a in chosen), parse_seeds(seeds), span[0], span[1])
        done = evaluate(wanted, lambda share: bar.update(task, completed=share), jobs)
    tell_evaluation(done, json_file, console)
