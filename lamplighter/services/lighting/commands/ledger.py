# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting ledger`: burn hours and energy of every cell and day, computed from the record beside the meters."""

import csv
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.city.directory import record_folder
from lamplighter.history import History, HistoryInUseError, HistoryUnreadableError
from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.upkeep import burning
from lamplighter.services.lighting.upkeep.burning import COLUMNS, Quarters
from lamplighter.terms.columns import IntArray

SHOWN = 20


@click.command()
@click.option("--city", "city_name", default="adlershof", show_default=True, help="Name of a built city, or its folder.")
@click.option("--record", type=click.Path(path_type=Path), help="Folder of the record; by default the city's own.")
@click.option("--csv", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the ledger to this file.")
@click.option(
    "--verify",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compute a ledger that was handed over again, and say where it differs.",
)
def ledger(city_name: str, record: Path | None, file: Path | None, verify: Path | None) -> None:
    """Compute the ledger of burn hours and energy from the record, day by day and cell by cell."""
    folder, city = group.opened_city(city_name)
    layout = prepare(city)
    history = record or record_folder(folder.name)
    history = history / "history" if (history / "history").is_dir() else history
    rows = [row.cells() for row in burning.ledger(_quarters(history, layout, city.areas), layout)]
    if not rows:
        raise click.ClickException(f"{history}: nothing of this city's lamps is on record; record a run first")
    if file is not None:
        _write(file, rows)
    if verify is not None:
        with group.csv_of("--verify", verify) as reader:
            told = [[str(cell) for cell in row.values()] for row in reader]
        wrong = burning.differing(told, rows)
        for line in wrong[:SHOWN]:
            click.echo(line)
        click.echo(f"{len(rows)} rows computed again, {len(wrong)} differ.")
        if wrong:
            raise SystemExit(1)
        return
    _print(rows)


def _groups(layout: Layout, areas: tuple[str, ...]) -> tuple[tuple[str, IntArray], ...]:
    """Return every group that the record may keep lamps by: each cell, and all cells of each area."""
    cells = [str(layout.asset_id[int(a) - layout.start]) for a in layout.cell_asset.tolist()]
    single = [(name, np.array([k], dtype=np.int64)) for k, name in enumerate(cells)]
    whole = [(name, np.flatnonzero(layout.cell_area == k).astype(np.int64)) for k, name in enumerate(areas)]
    return (*single, *whole)


def _quarters(folder: Path, layout: Layout, areas: tuple[str, ...]) -> Quarters:
    """Return what the record keeps of cells; ClickException where it cannot be read."""
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: there is no record. Give its folder with --record.")
    try:
        with History.open(folder) as history:
            told = history.read("measurements")
    except (HistoryInUseError, HistoryUnreadableError) as error:
        raise click.ClickException(str(error)) from error
    ours = told["service"] == "lighting"
    groups = _groups(layout, areas)
    number = {name: k for k, (name, _) in enumerate(groups)}
    energy = np.flatnonzero(ours & (told["quantity"] == "cell_energy_kwh"))
    output = np.flatnonzero(ours & (told["quantity"] == "cell_light_kwh"))
    at = {(str(told["group_name"][i]), int(told["window_start_s"][i])): float(told["value_sum"][i]) for i in output.tolist()}
    kept = [i for i in energy.tolist() if str(told["group_name"][i]) in number]
    kept = [i for i in kept if (str(told["group_name"][i]), int(told["window_start_s"][i])) in at]
    rows = np.array(kept, dtype=np.int64)
    return Quarters(
        groups,
        told["window_start_s"][rows].astype(np.float64),
        told["window_s"][rows].astype(np.float64),
        np.array([number[str(told["group_name"][i])] for i in kept], dtype=np.int64),
        np.array([at[str(told["group_name"][i]), int(told["window_start_s"][i])] for i in kept], dtype=np.float64),
        told["value_sum"][rows].astype(np.float64),
    )


def _write(file: Path, rows: list[tuple[str, ...]]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    except OSError as error:
        raise click.UsageError(f"--csv {file}: cannot be written ({error.strerror}); choose another place") from error


def _print(rows: list[tuple[str, ...]]) -> None:
    table = Table(title="Burn hours and energy, computed beside metered")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in COLUMNS[:2] else "right")
    for row in rows[:SHOWN]:
        table.add_row(*row)
    console = Console()
    console.print(table)
    computed, metered = (sum(float(row[k]) for row in rows) for k in (5, 6))
    off = 100.0 * (computed - metered) / metered if metered > 0 else 0.0
    console.print(f"{len(rows)} rows in all: {computed:,.1f} kWh computed, {metered:,.1f} kWh metered, {off:+.2f} %.")
