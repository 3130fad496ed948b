# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting curve`: illuminance of a curved or irregular road from where its luminaires really stand."""

import csv
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.photometry import curved, judgement
from lamplighter.services.lighting.photometry.curved import Standing
from lamplighter.services.lighting.photometry.textfile import PhotometryError, lines_of
from lamplighter.terms.columns import FloatArray

ROWS_MOST = 5_000
_LAMP_COLUMNS = ("x_m", "y_m", "height_m", "facing_deg", "tilt_deg")
_BOUNDS = {"height_m": (2.0, 40.0), "tilt_deg": (-30.0, 45.0)}


@click.command()
@group.with_options(group.LUMINAIRE_OPTIONS)
@click.option(
    "--lamps",
    "lamps_file",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV with x_m, y_m, height_m, facing_deg (counter-clockwise from the x axis) and tilt_deg of every luminaire.",
)
@click.option(
    "--axis", "axis_file", required=True, type=click.Path(path_type=Path), help="CSV with x_m, y_m along the road's middle line."
)
@click.option("--width", "width_m", required=True, type=float, help="Width of the carriageway in metres.")
@click.option("--step", "step_m", default=3.0, show_default=True, help="Metres between points along the road, at most.")
@group.MAINTENANCE_OPTION
@group.JSON_OPTION
def curve(lamps_file: Path, axis_file: Path, width_m: float, json_file: Path | None, **given: object) -> None:
    """Compute the illuminance on a curved or irregular road, and the C and P classes it meets."""
    facing = group.facing_of(str(given["photometry"]), given["turn"])  # pyright: ignore[reportArgumentType]  # click's own type
    maintenance = group.maintenance_of(given)
    if not 0.5 <= width_m <= 60.0:
        raise click.UsageError(f"--width {width_m:g}: 0.5 to 60 m is allowed")
    try:
        lamps, axis = read_columns(lamps_file, _LAMP_COLUMNS), read_columns(axis_file, ("x_m", "y_m"))
        ground = curved.ground_of(axis[0], axis[1], width_m, float(str(given["step_m"])))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    lit = curved.illuminance_lx(ground, Standing(*lamps), facing.light, np.ones(len(lamps[0])), maintenance)
    mean, least = float(lit.mean()), float(lit.min())
    met = judgement.illuminance_classes_met(mean, least)
    table = Table(title=f"{len(lamps[0])} luminaires, {len(lit)} points")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for label, value in (
        ("Eav, average illuminance (lx)", f"{mean:.3f}"),
        ("Emin, least illuminance (lx)", f"{least:.3f}"),
        ("Emin/Eav", f"{least / mean:.4f}" if mean > 0 else "-"),
        ("best C class", met.c_class or "none"),
        ("best P class", met.p_class or "none"),
    ):
        table.add_row(label, value)
    Console().print(table)
    Console().print("Luminance is defined for straight roads alone; here the illuminance of a C or P class is what counts.")
    if json_file is not None:
        found = {"Eav": mean, "Emin": least, "points": len(lit), "classes": {"C": met.c_class, "P": met.p_class}}
        group.write_json(json_file, found)


def read_columns(path: Path, names: tuple[str, ...]) -> list[FloatArray]:
    """Return columns of a CSV file by name; PhotometryError names file and line of what is wrong."""
    rows = list(csv.reader(lines_of(path, "a CSV file")))
    head = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in names if name not in head]
    if missing:
        raise PhotometryError(f"{path}, line 1: no column {', '.join(missing)}; {', '.join(names)} are needed")
    table: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            cells = [float(row[head.index(name)]) for name in names]
        except (ValueError, IndexError):
            cells = [np.nan]
        if not np.isfinite(cells).all():
            raise PhotometryError(f"{path}, line {number}: {','.join(row)[:60]!r}; numbers for {', '.join(names)} are needed")
        for name, value in zip(names, cells, strict=True):
            low, high = _BOUNDS.get(name, (-1e7, 1e7))
            if not low <= value <= high:
                raise PhotometryError(f"{path}, line {number}: {name} is {value:g}; {low:g} to {high:g} is allowed")
        table.append(cells)
    if not 1 <= len(table) <= ROWS_MOST:
        raise PhotometryError(f"{path}: {len(table)} rows; 1 to {ROWS_MOST} are needed")
    return list(np.array(table).transpose())
