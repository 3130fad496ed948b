# SPDX-License-Identifier: Apache-2.0
"""`lamplighter traffic diagnose`: what a city's record or a log of events says, as tables, JSON and a page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Settings
    from lamplighter.services.traffic.layout import Layout
    from lamplighter.terms.simulation import SimulationStart

BEGIN, WARM_UP_S = "2026-01-13T17:00", 600.0
COLUMNS = ("group", "greens", "green\ns", "on\ngreen", "split\nfailed", "of\njudged", "gap\nout", "max\nout", "force\noff",
           "wait\nmax s", "walks")  # fmt: skip
FILE = click.Path(path_type=Path, dir_okay=False)
LOG_ENDINGS = (".csv", ".gz", ".parquet", ".pq", ".txt", ".log", ".dat", ".zip", ".json", ".xml")
OF_LOGS = ("--detectors", "--html", "--minutes", "--begin", "--quarter", "--fold", "--latency", "--maxtime")
MINUTES = click.IntRange(1, 7 * 24 * 60)


@click.command()
@click.argument("what", nargs=-1, metavar="[CITY | LOG...]")
@click.option(
    "--from", "since", help='Of CITY: from when on, "2026-01-13 16:00", or 16:00 of the last day on record. Default: a day.'
)
@click.option("--to", "until", help="Of CITY: until when. Default: the end of the record.")
@click.option("--record", help="Of CITY: another record, its folder or a city by name.")
@click.option("--city", "city_name", help="Instead of both: run this simulated city and diagnose what its boxes report.")
@click.option(
    "--minutes", "run_min", default=60, show_default=True, type=MINUTES, help="How long the simulated city runs, with --city."
)
@click.option("--begin", default=BEGIN, show_default=True, help="When it begins, as its clocks show, with --city.")
@click.option(
    "--detectors", type=FILE, help="What each detector is for: CSV or Parquet with DeviceId, Phase, Parameter, Function."
)
@click.option("--quarter", "minutes", default=15, show_default=True, help="Minutes that are summed up together; 5 or more.")
@click.option("--fold", is_flag=True, help="Lay all days over one another: the figures do not grow with the log.")
@click.option("--latency", "latency_s", default=0.0, show_default=True, help="Seconds by which the box hears its detectors late.")
@click.option("--maxtime", is_flag=True, help="The boxes say their cycle as event 316 (MAXTIME).")
@click.option("--json", "json_to", type=FILE, help="Write the figures to this file.")
@click.option("--html", "html_to", type=FILE, help="Write a page with pictures to this file.")
def diagnose(
    what: tuple[str, ...],
    since: str | None,
    until: str | None,
    record: str | None,
    city_name: str | None,
    run_min: int,
    begin: str,
    detectors: Path | None,
    minutes: int,
    fold: bool,
    latency_s: float,
    maxtime: bool,
    json_to: Path | None,
    html_to: Path | None,
) -> None:
    """Say how signals do: those of CITY from its own record, or those of hi-resolution event LOGs (CSV, CSV.gz, Parquet).

    CITY is a built city by name, or its folder; what it recorded while it ran is summed up. A LOG has columns time, box, event,
    parameter in the Indiana enumeration; its events are summed up as they are read and not kept. With --city, a simulated city
    runs under its own programmes and is diagnosed from what its boxes report.
    """
    from lamplighter.services.traffic.diagnosis.codes import SIMULATED_PREFIX
    from lamplighter.services.traffic.diagnosis.diagnosing import Settings
    from lamplighter.services.traffic.diagnosis.report import page
    from lamplighter.services.traffic.diagnosis.writing import document

    if len(what) == 1 and city_name is None and not is_log(what[0]):
        if strange := given(*OF_LOGS):
            raise click.ClickException(f"{', '.join(strange)}: not for a city's record, which is told as tables and with --json.")
        from_record(what[0], (since, until, record), json_to)
        return
    logs = tuple(Path(one) for one in what)
    try:
        if since or until or record:
            raise ValueError("--from, --to and --record belong to a CITY by name; a log is read whole. Leave them out.")
        settings = Settings(quarter_min=minutes, fold=fold, latency_s=latency_s, run_cycle=maxtime)
        if (city_name is None) == (not logs):
            raise ValueError(
                "name a CITY to diagnose its record (adlershof), or one or more LOGs, or --city with a simulated city to run it "
                "now; one of these"
            )
        if city_name is not None and detectors is not None:
            raise ValueError("--detectors belongs to LOGs; a simulated city knows what its detectors are for. Leave it out.")
        writable(("--json", json_to), ("--html", html_to))
        boxes, notes = read(logs, detectors, settings) if city_name is None else run(city_name, run_min, begin, settings)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    simulated = any(name.startswith(SIMULATED_PREFIX) for name in boxes)
    for note in notes:
        click.echo(note, err=True)
    show_sums(boxes)
    if json_to is not None:
        json_to.write_text(json.dumps(document(boxes, simulated)) + "\n", encoding="utf-8")
    if html_to is not None:
        html_to.write_text(page(boxes, simulated), encoding="utf-8")


def given(*options: str) -> list[str]:
    """Return which of these options were typed."""
    context = click.get_current_context()
    typed = {
        name
        for one in context.command.params
        if context.get_parameter_source(one.name) is ParameterSource.COMMANDLINE
        for name in one.opts
    }
    return [one for one in options if one in typed]


def is_log(name: str) -> bool:
    """Return whether an argument means a file rather than a city."""
    path = Path(name)
    return path.is_file() or (not path.is_dir() and path.suffix.lower() in LOG_ENDINGS)


def from_record(name: str, when: tuple[str | None, str | None, str | None], json_to: Path | None) -> None:
    """Diagnose a city from its record. when: from, to, and another record, as they were typed."""
    from rich.console import Console

    from lamplighter.city import folder
    from lamplighter.services import traffic as service
    from lamplighter.services.traffic.diagnosis.showing import document, recorded, show
    from lamplighter.services.traffic.prepared import prepare

    try:
        writable(("--json", json_to))
        city = folder.load(folder.find_city(name), [service.SERVICE])[service.SERVICE.name]
        done = recorded(city, prepare(city), *when)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    show(Console(), city, done)
    if json_to is not None:
        json_to.write_text(json.dumps(document(city, done)) + "\n", encoding="utf-8")


def writable(*files: tuple[str, Path | None]) -> None:
    """Raise ValueError, before anything runs for long, where a file could not be written."""
    for option, path in files:
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(
                f"{option} {path}: the folder {path.absolute().parent} does not exist; make it first. Nothing was run."
            )


def start_of(city_name: str, begin: str, seed: int) -> "tuple[SimulationStart, Layout, dict[int, str]]":
    """Return how a simulated city starts, its layout, and the names of its boxes. ValueError names what is wrong."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from lamplighter.city import folder
    from lamplighter.services import traffic as service
    from lamplighter.services.traffic.layout import read_layout
    from lamplighter.terms.simulation import SimulationStart

    city = folder.load(folder.find_city(city_name), [service.SERVICE])[service.SERVICE.name]
    if not city.simulated:
        raise ValueError(f"{city_name} is a real city: only a simulated city has an event log here. Give the boxes' own logs.")
    try:
        moment = datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(city.place.timezone))
    except ValueError as error:
        raise ValueError(f"--begin {begin!r} is no local time; write it like {BEGIN}") from error
    layout = read_layout(city)
    names = {box: str(city.assets.id[layout.start + int(local)]) for box, local in enumerate(layout.boxes.local)}
    return SimulationStart(city, seed, moment.timestamp(), WARM_UP_S), layout, names


def run(city_name: str, run_min: int, begin: str, settings: "Settings") -> "tuple[Mapping[str, BoxSums], list[str]]":
    """Return the sums of every box of a simulated city after so many minutes."""
    from lamplighter.services.traffic.diagnosis.codes import SIMULATED_PREFIX
    from lamplighter.services.traffic.diagnosis.diagnosing import Diagnosis
    from lamplighter.services.traffic.diagnosis.simulated import event_log
    from lamplighter.services.traffic.diagnosis.watching import detector_tables

    start, layout, names = start_of(city_name, begin, 1)
    under_way = Diagnosis(settings, detector_tables(layout))
    try:
        for piece in event_log(start, run_min * 60):
            under_way.add(piece.value)
    except (ImportError, RuntimeError) as error:
        raise ValueError(str(error)) from error
    return {SIMULATED_PREFIX + names[box]: sums for box, sums in under_way.finish().items()}, []


@click.command()
@click.option(
    "--city", "city_name", default="adlershof", show_default=True, help="A built simulated city by name, or its folder."
)
@click.option(
    "--minutes", "run_min", default=60, show_default=True, type=MINUTES, help="How long it runs, after a warm-up of 10 minutes."
)
@click.option("--begin", default=BEGIN, show_default=True, help="When it begins, as its clocks show.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Seed of its trips.")
@click.option("--out", required=True, type=FILE, help="Write the log to this file (CSV).")
@click.option("--detectors", required=True, type=FILE, help="Write to this file what each detector is for (CSV).")
def events(city_name: str, run_min: int, begin: str, seed: int, out: Path, detectors: Path) -> None:
    """Write the hi-resolution event log of a SIMULATED city under its own programmes, as other software reads it."""
    from lamplighter.services.traffic.diagnosis.simulated import event_log, write_log, write_tables
    from lamplighter.services.traffic.diagnosis.watching import detector_tables

    try:
        writable(("--out", out), ("--detectors", detectors))
        start, layout, names = start_of(city_name, begin, seed)
        count = write_log(event_log(start, run_min * 60), names, out)
    except (ImportError, RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    write_tables(detector_tables(layout), names, detectors)
    click.echo(f"{count} events of {len(names)} simulated boxes in {run_min} minutes.")


def read(logs: tuple[Path, ...], detectors: Path | None, settings: "Settings") -> "tuple[Mapping[str, BoxSums], list[str]]":
    """Return the sums of every box by its name, and what a reader should be told. ValueError says what cannot be read."""
    from lamplighter.services.traffic.diagnosis.diagnosing import Diagnosis
    from lamplighter.services.traffic.diagnosis.events import DetectorTable
    from lamplighter.services.traffic.diagnosis.files import Reader, read_tables

    by_name = read_tables(detectors) if detectors is not None else dict[str, DetectorTable]()
    reader = Reader(logs)
    tables: dict[int, DetectorTable] = {}
    under_way, named = Diagnosis(settings, tables), 0
    for piece in reader.pieces():
        for number in range(named, len(reader.names)):
            if reader.names[number] in by_name:
                tables[number] = by_name[reader.names[number]]
        named = len(reader.names)
        under_way.add(piece)
    notes = [f"{reader.unread} lines say nothing. {reader.first_unread}"] if reader.unread else []
    missing = sorted(set(by_name) - set(reader.names))
    if missing:
        notes.append(f"The detector table also names {', '.join(missing[:5])}: no event of these boxes is in the log.")
    return dict(sorted((reader.names[number], sums) for number, sums in under_way.finish().items())), notes


def show_sums(boxes: "Mapping[str, BoxSums]") -> None:
    """Print one table per box, and what stands out."""
    import numpy as np
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Grid

    from lamplighter.services.traffic.diagnosis.findings import findings
    from lamplighter.services.traffic.diagnosis.tally import G

    console = Console()
    for name, sums in boxes.items():
        g = sums.tally.group[sums.quarters].sum(axis=0)
        longest = sums.tally.group[sums.quarters][:, :, G.WAIT_MAX_MS].max(axis=0)
        grid = Grid(title=f"box {name}", title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
        for column in COLUMNS:
            grid.add_column(column, justify="right", no_wrap=True)
        for group in np.flatnonzero(g[:, G.GREENS] + g[:, G.WALKS] > 0).tolist():
            row = g[group]
            on_green = f"{row[G.ARRIVALS_GREEN] / row[G.ARRIVALS]:.0%}" if row[G.ARRIVALS] else "-"
            green = f"{row[G.GREEN_MS] / row[G.GREENS] / 1000:.1f}" if row[G.GREENS] else "-"
            counts = [f"{row[column]:.0f}" for column in (G.FAILED, G.JUDGED, G.GAP_OUT, G.MAX_OUT, G.FORCE_OFF)]
            grid.add_row(str(group), f"{row[G.GREENS]:.0f}", green, on_green, *counts, f"{longest[group] / 1000:.0f}",
                         f"{row[G.WALKS]:.0f}")  # fmt: skip
        console.print(grid)
        for sentence in findings(sums):
            console.print(f"- {sentence}", highlight=False)
