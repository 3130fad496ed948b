# SPDX-License-Identifier: Apache-2.0
"""`lamplighter city`: build, import, check, list and show cities."""

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lamplighter.city.build import Report, build, build_named
from lamplighter.city.check import check
from lamplighter.city.directory import built_cities, cities_directory, find_city, find_recipe, recipes
from lamplighter.city.faults import CityError, Fault
from lamplighter.city.folder import CityFiles, digest, is_built, read
from lamplighter.city.manifest import FILE, read_about
from lamplighter.city.recipe import Recipe, read_recipe, settings_of, verify_name
from lamplighter.city.scenario import NOWHERE, read_scenario
from lamplighter.city.streets import counted_once, drawn_length_m
from lamplighter.services import discover

FAULTY = 1  # exit code of a check that found something wrong
REFUSED = 2  # exit code of a command that could not be carried out


class Origin(click.ParamType[tuple[float, float]]):
    """LON,LAT in degrees."""

    name = "lon,lat"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Return longitude and latitude, or fail with what is allowed."""
        if isinstance(value, tuple):
            return cast("tuple[float, float]", value)
        try:
            lon, lat = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not two numbers with a comma between, such as 13.4,52.5.", param, ctx)
        if not (-180 <= lon <= 180 and -85 <= lat <= 85):
            self.fail(f"{value!r}: longitude comes first, -180 to 180, then latitude, -85 to 85.", param, ctx)
        return lon, lat


@click.group("city")
def group() -> None:
    """Build, import, check and look at cities.

    A city is one folder: its streets, what stands in them, and every setting, as CSV and TOML that a person can read.
    """


@contextmanager
def _told() -> Generator[None]:
    """Turn what a person can mend into a table of faults and an exit code."""
    try:
        yield
    except CityError as error:
        console = Console(stderr=True)
        print_faults(console, error.faults)
        console.print(error.meanwhile, soft_wrap=True, markup=False)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. A city of that name, if there was one, is whole and as it was.")
        sys.exit(130)


def print_faults(console: Console, faults: Sequence[Fault]) -> None:
    """Print one block per fault: where it is, then what was found, what is allowed and what to do, aligned."""
    for fault in faults:
        word, style = ("warning", "yellow") if fault.warning else ("wrong", "bold red")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        more = f"  (and {fault.more} more rows like it)" if fault.more else ""
        grid.add_row(Text(word, style=style), Text(f"{fault.where()}  {fault.key}{more}", style="bold"))
        for label, text in (("found", fault.observed), ("allowed", fault.allowed), ("remedy", fault.remedy)):
            grid.add_row(Text(label, style="dim"), Text(text))
        console.print(grid)
        console.print()


@contextmanager
def _bar(title: str) -> Generator[Callable[[str, float], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda what, share: bar.update(task, description=f"{title}: {what}", completed=share)


def _print_report(report: Report) -> None:
    console = Console()
    print_faults(console, report.warnings)
    console.print(f"Built {report.folder}", soft_wrap=True)
    console.print(f"  digest {report.digest[:16]} (the same recipe, seed and version give the same)")
    console.print(f"  what was derived, mended and assumed: {report.folder / 'README.md'}", soft_wrap=True)


@group.command("build")
@click.argument("recipe")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of all that is made up. Default: the recipe's own.")
@click.option("--if-missing", is_flag=True, help="Do nothing where this version has built the city already.")
def build_command(recipe: str, seed: int | None, if_missing: bool) -> None:
    """Build a city from RECIPE: the name of one that comes with lamplighter (such as adlershof) or a TOML file.

    The same recipe and seed give the same bytes. A former city of that name is replaced only when the new one is whole.
    """
    with _told():
        services = discover()
        if if_missing:
            made = read_recipe(find_recipe(recipe), services)
            if is_built(made.name, services) and seed in (None, read_about(cities_directory() / made.name / FILE).seed):
                click.echo(f"{cities_directory() / made.name} is there already.")
                return
        with _bar(recipe) as progress:
            report = build_named(recipe, services, progress, seed)
        _print_report(report)


@group.command("import")
@click.argument("name")
@click.option("--sumo", "config", required=True, type=click.Path(path_type=Path), help="A SUMO configuration (.sumocfg).")
@click.option("--grid", help="A pandapower JSON file or simbench:CODE. Default: a grid is made up along the streets.")
@click.option("--title", help="What the city is called in full. Default: NAME.")
@click.option("--timezone", default="UTC", show_default=True, help="IANA time zone, such as Europe/Berlin.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed of all that is made up.")
@click.option("--origin", type=Origin(), default=NOWHERE, help="LON,LAT of the zero of a net without geographic reference.")
@click.option("--attribution", multiple=True, help="Whom to credit for the data; may be given several times.")
def import_command(
    name: str,
    config: Path,
    grid: str | None,
    title: str | None,
    timezone: str,
    seed: int,
    origin: tuple[float, float],
    attribution: tuple[str, ...],
) -> None:
    """Build the city NAME from anybody's SUMO scenario.

    Everything that the configuration names is copied into the city folder, so the scenario may move or go. Where it has
    no routes, demand is made up from the seed. Lamps always are. See docs/how-to/import-a-city.md.
    """
    with _told():
        services = discover()
        verify_name(name, timezone)
        scenario = read_scenario(config, grid, origin)
        credit = attribution or (f"Imported from {config.name}. Its owner was not stated: import again with --attribution.",)
        recipe = Recipe(config.name, name, title or name, timezone, seed, True, None, credit, scenario, settings_of(services))
        with _bar(name) as progress:
            report = build(recipe, cities_directory() / name, services, None, progress)
        _print_report(report)


@group.command("check")
@click.argument("city")
@click.option("--json", "as_json", is_flag=True, help="Print the faults as JSON.")
def check_command(city: str, as_json: bool) -> None:
    """Tell all that is wrong with CITY (a name, or the path of a folder), not only the first thing.

    Exits with 1 where something is wrong. Warnings alone do not count.
    """
    with _told():
        services = discover()
        folder = Path(city).expanduser() if Path(city).expanduser().is_dir() else find_city(city)
        faults = check(folder, services)
        serious = sum(not fault.warning for fault in faults)
        if as_json:
            keys = ("file", "line", "key", "observed", "allowed", "remedy", "warning", "more")
            click.echo(json.dumps([{key: getattr(fault, key) for key in keys} for fault in faults], indent=1))
        else:
            console = Console()
            print_faults(console, faults)
            files, _ = read(folder, services)
            if serious:
                console.print(
                    f"{folder}: {serious} wrong, {len(faults) - serious} warnings. Nothing was changed.", soft_wrap=True
                )
            if files is not None:
                console.print(
                    f"{'Readable' if serious else 'Sound'}: {_in_figures(files)}; digest {digest(folder)[:16]}.", soft_wrap=True
                )
        sys.exit(FAULTY if serious else 0)


def _in_figures(files: CityFiles) -> str:
    tables = sum(len(by_name) for by_name in files.tables.values())
    return f"{len(files.streets)} streets, {len(files.areas.name)} areas, {len(files.assets)} assets, {tables} tables of services"


@group.command("list")
def list_command() -> None:
    """List the cities that are built, and the recipes from which one can be."""
    with _told():
        built = built_cities()
        table = Table("city", "title", "seed", "built by", "folder", box=None, header_style="bold", pad_edge=False)
        for name in built:
            folder = cities_directory() / name
            about = read_about(folder / FILE)
            table.add_row(name, escape(about.title), str(about.seed), about.version, str(folder))
        console = Console()
        if built:
            console.print(table)
        for name in recipes():
            if name not in built:
                console.print(f"{name} is not built yet: lamplighter city build {name}")


@group.command("show")
@click.argument("city")
def show_command(city: str) -> None:
    """Show what CITY is made of: streets by kind, assets by kind, areas."""
    with _told():
        services = discover()
        folder = find_city(city)
        files, faults = read(folder, services)
        if files is None:
            raise CityError(faults, "The city cannot be shown.")
        console = Console()
        about = files.manifest
        marks = " SIMULATED" if about.simulated else ""
        console.print(
            f"[bold]{escape(about.title)}[/bold]{marks}  seed {about.seed}, {about.place.timezone}, {folder}", soft_wrap=True
        )
        console.print(_streets_table(files))
        console.print(_assets_table(files))
        console.print(_areas_table(files))
        for line in about.attribution:
            console.print(line, soft_wrap=True, markup=False)


def _figures(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _streets_table(files: CityFiles) -> Table:
    streets = files.streets
    once, km = counted_once(streets), drawn_length_m(streets) / 1000
    table = _figures("Streets, each direction once", "kind", "rows", "km", "lit km")
    for kind in ("motor", "cycle", "foot", "crossing"):
        own = streets.kind == kind
        table.add_row(kind, f"{own.sum():,}", f"{km[own & once].sum():.1f}", f"{km[own & once & streets.lit].sum():.1f}")
    table.add_row("all", f"{len(streets):,}", f"{km[once].sum():.1f}", f"{km[once & streets.lit].sum():.1f}")
    return table


def _assets_table(files: CityFiles) -> Table:
    table = Table("service", "kind", title="Assets", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("count", justify="right")
    table.add_column("hang on a node", justify="right")
    assets = files.assets
    for service in sorted(set(assets.service.tolist())):
        own = assets.service == service
        for kind in sorted(set(assets.kind[own].tolist())):
            of_kind = own & (assets.kind == kind)
            table.add_row(service, kind, f"{of_kind.sum():,}", f"{(of_kind & (assets.fed_by != '')).sum():,}")
    return table


def _areas_table(files: CityFiles) -> Table:
    streets, assets = files.streets, files.assets
    once, km = counted_once(streets), drawn_length_m(streets) / 1000
    table = _figures("Areas", "area", "street km", "assets")
    for name in files.areas.name.tolist():
        table.add_row(name, f"{km[once & (streets.area == name)].sum():.1f}", f"{np.count_nonzero(assets.area == name):,}")
    return table
