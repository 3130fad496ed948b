# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting least`: the least power that keeps a street of real lamp places in a class, with its bound."""

from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.commands.curve import read_columns
from lamplighter.services.lighting.commands.waiting import waiting
from lamplighter.services.lighting.optimum import least as programme
from lamplighter.services.lighting.optimum.least import Optimum, Task, Unreachable
from lamplighter.services.lighting.photometry import classes, columns, rtables, streets, verdict
from lamplighter.services.lighting.photometry.columns import Fields
from lamplighter.services.lighting.photometry.streets import Street
from lamplighter.terms.columns import FloatArray, IntArray

MISSED_SHOWN = 12
CELLS_MOST = 40_000_000  # of the programme, some 300 lamps beside two lanes


@click.command()
@group.with_options(group.LUMINAIRE_OPTIONS)
@click.option(
    "--lamps",
    "lamps_file",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV with x_m along the street, y_m from its right kerb and side (1 faces away from that kerb, -1 towards it).",
)
@click.option("--length", "length_m", required=True, type=float, help="Metres after which the street repeats itself.")
@click.option("--width", "width_m", required=True, type=float, help="Width of the carriageway in metres.")
@click.option("--lanes", required=True, type=int, help="Number of driving lanes over the whole width.")
@click.option("--height", "height_m", required=True, type=float, help="Mounting height in metres.")
@click.option("--tilt", "tilt_deg", default=0.0, show_default=True, help="Tilt of the luminaires in degrees.")
@click.option("--class", "lighting_class", required=True, type=click.Choice(classes.CLASSES), help="Lighting class to keep.")
@click.option("--surface", default="R3", show_default=True, help="r-table: " + ", ".join(rtables.SURFACES) + ".")
@click.option("--least-output", "low", default=0.1, show_default=True, help="Least output of a lamp, as a share.")
@click.option("--dead", multiple=True, type=int, help="Row of a lamp that is dead, counted from 1; may be given again.")
@group.MAINTENANCE_OPTION
@group.JSON_OPTION
def least(json_file: Path | None, **given: object) -> None:
    """Find the least power that keeps every field of a street in a class: all lamps alike, and each its own."""
    street, task, maintenance = _task(given)
    with waiting("searching the least power"):
        alike, each = programme.uniform(task), programme.per_lamp(task)
    full_w = float(task.power_w.sum())
    console = Console()
    table = Table(title=f"{given['lighting_class']}, {len(street.x_m)} lamps, {full_w:.0f} W at full output")
    for heading in ("dimming", "power (W)", "bound (W)", "gap", "of full"):
        table.add_column(heading, justify="left" if heading == "dimming" else "right")
    for label, found in (("all alike", alike), ("each its own", each)):
        if isinstance(found, Optimum):
            shown = (f"{found.power_w:.2f}", f"{found.bound_w:.2f}", f"{found.gap_ratio() * 100:.3f} %")
            table.add_row(label, *shown, f"{found.power_w / full_w * 100:.1f} %")
        else:
            table.add_row(label, "out of reach", "", "", "")
    console.print(table)
    for label, found in (("All alike", alike), ("Each its own", each)):
        if isinstance(found, Unreachable):
            for miss in found.missed[:MISSED_SHOWN]:
                console.print(
                    f"{label}: field {miss.field + 1}, {miss.criterion} would be {miss.observed:.3g}, needs {miss.limit:.3g}."
                )
            if len(found.missed) > MISSED_SHOWN:
                console.print(f"{label}: {len(found.missed) - MISSED_SHOWN} more; --json lists every one.")
    console.print(
        f"Computed for r-table {given['surface']} and maintenance factor {maintenance:g}; power without the gear's own."
    )
    if json_file is not None:
        group.write_json(json_file, {"alike": _plain(alike), "each": _plain(each), "full_w": full_w})


def _task(given: dict[str, object]) -> tuple[Street, Task, float]:
    facing = group.facing_of(str(given["photometry"]), cast("bool | None", given["turn"]))
    maintenance, low = group.maintenance_of(given), cast("float", given["low"])
    kind = classes.code(str(given["lighting_class"]))
    if not 0.0 <= low < 1.0:
        raise click.UsageError(f"--least-output {low:g}: 0 to below 1 is allowed")
    try:
        x, y, side = read_columns(cast("Path", given["lamps_file"]), ("x_m", "y_m", "side"))
        surfaces = columns.surfaces_of([str(given["surface"]).upper()])
        length_m, width_m = cast("float", given["length_m"]), cast("float", given["width_m"])
        height_m, tilt_deg = cast("float", given["height_m"]), cast("float", given["tilt_deg"])
        one = np.zeros(len(x), dtype=np.int64)
        street = Street(x, y, _sides(side), one, length_m, width_m, cast("int", given["lanes"]), height_m, tilt_deg, 0)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    high, lows = np.ones(len(x)), np.full(len(x), low)
    for row in cast("tuple[int, ...]", given["dead"]):
        if not 1 <= row <= len(x):
            raise click.UsageError(f"--dead {row}: the street has lamps 1 to {len(x)}")
        high[row - 1] = lows[row - 1] = 0.0
    fields, poles, _ = streets.fields_of_streets([street], [bool(classes.LUMINANCE_CD_M2[kind] > 0)])
    _bounded(fields, len(x), bool(classes.LUMINANCE_CD_M2[kind] > 0))
    wanted = verdict.blocks_for(np.full(len(fields.begin_m), kind))
    stored = verdict.store(fields, poles, (columns.lights_of([facing.light]), surfaces), wanted, np.float64)
    return street, Task(stored, np.full(len(x), facing.light.power_w), lows, high, kind, maintenance), maintenance


def _bounded(fields: Fields, lamps: int, luminance: bool) -> None:
    """Refuse a street whose programme would take more memory than a small computer has."""
    rows, unknowns = int((fields.along * fields.across).sum()), lamps
    if luminance:
        rows = int((fields.lanes * fields.along * (3 * fields.lanes + 3)).sum())
        unknowns += int(fields.lanes.sum())
    if rows * unknowns > CELLS_MOST:
        raise click.UsageError(
            f"--lamps: {lamps} lamps make a programme of {rows} requirements for {unknowns} unknowns, {rows * unknowns:,} "
            f"figures; {CELLS_MOST:,} are allowed: compute the street in parts"
        )


def _sides(side: FloatArray) -> IntArray:
    if not np.isin(side, (-1.0, 1.0)).all():
        raise ValueError(f"--lamps: side is {side[~np.isin(side, (-1.0, 1.0))][0]:g}; 1 or -1 is needed")
    return side.astype(np.int64)


def _plain(found: Optimum | Unreachable) -> dict[str, object]:
    if isinstance(found, Unreachable):
        return {"reached": False, "missed": [{name: getattr(m, name) for name in m.__dataclass_fields__} for m in found.missed]}
    return {
        "reached": True,
        "power_w": found.power_w,
        "bound_w": found.bound_w,
        "gap_ratio": found.gap_ratio(),
        "margin_ratio": found.margin_ratio,
        "dimming_level": found.dimming_level.tolist(),
    }
