# SPDX-License-Identifier: Apache-2.0
"""`lamplighter traffic diagnose`: what a log of events says, as tables, JSON and a page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Settings

COLUMNS = "group greens green_s on_green failed judged gap-out max-out force-off wait_max_s walks".split()
SIMULATED = "SIMULATED-"  # how the boxes of a simulated city's log are called: whoever reads it is told
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("logs", nargs=-1, required=True, type=FILE)
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
    logs: tuple[Path, ...],
    detectors: Path | None,
    minutes: int,
    fold: bool,
    latency_s: float,
    maxtime: bool,
    json_to: Path | None,
    html_to: Path | None,
) -> None:
    """Say what hi-resolution event LOGS (CSV, CSV.gz, Parquet) tell of their signals.

    Columns: time, box, event, parameter, in the Indiana enumeration. Events are summed up as they are read and not kept.
    """
    from lamplighter.services.traffic.diagnosis.diagnosing import Settings
    from lamplighter.services.traffic.diagnosis.report import page
    from lamplighter.services.traffic.diagnosis.writing import document

    try:
        settings = Settings(quarter_min=minutes, fold=fold, latency_s=latency_s, run_cycle=maxtime)
        boxes, notes = read(logs, detectors, settings)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    simulated = any(name.startswith(SIMULATED) for name in boxes)
    for note in notes:
        click.echo(note, err=True)
    show(boxes)
    if json_to is not None:
        json_to.write_text(json.dumps(document(boxes, simulated)) + "\n")
    if html_to is not None:
        html_to.write_text(page(boxes, simulated))


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
    return {reader.names[number]: sums for number, sums in under_way.finish().items()}, notes


def show(boxes: "Mapping[str, BoxSums]") -> None:
    """Print one table per box, and what stands out."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table as Grid

    from lamplighter.services.traffic.diagnosis.findings import findings
    from lamplighter.services.traffic.diagnosis.tally import G

    console = Console()
    for name, sums in boxes.items():
        g = sums.tally.group[sums.quarters].sum(axis=0)
        longest = sums.tally.group[sums.quarters][:, :, G.WAIT_MAX_MS].max(axis=0)
        grid = Grid(title=f"box {name}", title_justify="left")
        for column in COLUMNS:
            grid.add_column(column, justify="right")
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
