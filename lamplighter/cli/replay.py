# SPDX-License-Identifier: Apache-2.0
"""`lamplighter replay`: recorded readings of a simulated city through the loop again."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.cli.progress import progress_bar
from lamplighter.cli.tables import wide_console
from lamplighter.connectors.replay import ReplayError
from lamplighter.runtime.recording import Driven, RecordingError, play, read_about
from lamplighter.services import discover


def driven_table(driven: Sequence[Driven], title: str) -> Table:
    """Return what every service read, admitted, permitted and refused."""
    table = Table(title=title)
    table.add_column("service", no_wrap=True)
    for name in ("readings", "admitted", "rejected", "permits", "refusals"):
        table.add_column(name, justify="right")
    table.add_column("digest of the permits", no_wrap=True)
    for one in driven:
        counts = (one.readings, one.admitted, one.rejected, one.permits, one.refusals)
        table.add_row(one.service, *(f"{count:,}" for count in counts), one.digest[:16])
    return table


@click.command("replay")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--city", "city_name", help="Name or folder of the city. Default: the one the recording names.")
def replay(folder: Path, city_name: str | None) -> None:
    """Run the recording in FOLDER through the loop again and compare the decisions.

    Make a recording with `lamplighter run CITY --headless --minutes 10 --record FOLDER`. The same readings must lead to
    the same permits; exits with 1 where they do not. Only simulated cities can be recorded.
    """
    try:
        about = read_about(folder)
        services = discover()
        cities = load(find_city(city_name or str(about["city"])), services)
        with progress_bar(Console(stderr=True)) as bar:
            task = bar.add_task("replaying", total=1.0)
            driven, different = play(folder, services, cities, lambda share: bar.update(task, completed=share))
    except (RecordingError, ReplayError) as error:
        click.echo(f"lamplighter: {error}", err=True)
        sys.exit(2)
    wide_console().print(driven_table(driven, f"Replayed {folder}"))
    if different:
        click.echo(f"Other permits than when it was recorded: {', '.join(different)}.", err=True)
        sys.exit(1)
    click.echo("The same permits as when it was recorded.")
