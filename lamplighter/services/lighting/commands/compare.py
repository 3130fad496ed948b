# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting compare`: a measured EN 13201-4 grid beside the computed one."""

from pathlib import Path
from typing import cast

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.photometry import field, inventory, measured
from lamplighter.services.lighting.photometry.textfile import PhotometryError


@click.command()
@group.with_options((*group.LUMINAIRE_OPTIONS, *group.ROAD_OPTIONS, group.MAINTENANCE_OPTION))
@click.option(
    "--measured",
    "measured_file",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV with x_m (from the field's first luminaire), y_m (from the right kerb) and illuminance_lx or luminance_cd_m2.",
)
@click.option("--uncertainty", "uncertainty_percent", default=5.0, show_default=True, help="Of the measured values, in per cent.")
@click.option("--lane", default=1, show_default=True, help="Lane of the observer, from the right, for luminance.")
@group.JSON_OPTION
def compare(measured_file: Path, lane: int, uncertainty_percent: float, json_file: Path | None, **given: object) -> None:
    """Set measured points beside computed ones. Give the maintenance factor of the day of measuring, not of the design."""
    asked = group.asked(given)
    if not 1 <= lane <= asked.road.lanes:
        raise click.UsageError(f"--lane {lane}: the road has lanes 1 to {asked.road.lanes}")
    if not 0.0 <= uncertainty_percent < 50.0:
        raise click.UsageError(f"--uncertainty {uncertainty_percent:g}: 0 to below 50 per cent is allowed")
    try:
        grid = measured.read_grid(measured_file)
    except PhotometryError as error:
        raise click.UsageError(str(error)) from error
    light = asked.facing.light
    observer_y_m = float(field.lane_centre_y(asked.road)[lane - 1])
    found = measured.compared(grid, asked.road, light, asked.surface, asked.maintenance_ratio, observer_y_m)
    span = inventory.interval(asked.road, light, asked.surface, asked.maintenance_ratio, inventory.Errors())
    row = span[5] if grid.quantity == measured.ILLUMINANCE else span[0]
    slack = uncertainty_percent / 100.0 * float(grid.value.mean())
    explained = bool(row[0] - slack <= grid.value.mean() <= row[1] + slack)
    met = {
        "as_measured": measured.classes_met(grid, 1.0),
        "at_the_lower_end": measured.classes_met(grid, 1.0 - uncertainty_percent / 100.0),
    }
    _print(grid, found, (cast("list[float]", row.tolist()), explained))
    Console().print(_classes(met, grid.quantity, uncertainty_percent), highlight=False)
    usual = measured.usual_points(asked.road, grid.quantity)
    if len(grid.value) < usual:
        Console().print(
            f"{len(grid.value)} points were measured where the grid of the standard has {usual}: what lies between them is not "
            "known.",
            highlight=False,
        )
    if json_file is not None:
        more = {"uncertainty_percent": uncertainty_percent, "classes": met, "points_of_the_standard": usual}
        group.write_json(json_file, {**_plain(grid, found, row.tolist(), explained), **more})


def _classes(met: dict[str, dict[str, str | None]], quantity: str, uncertainty_percent: float) -> str:
    """Say which classes the measured average and least value meet."""
    families, lower = (
        " and ".join(name or f"no {family} class" for family, name in met[when].items())
        for when in ("as_measured", "at_the_lower_end")
    )
    asked = "Lav and Uo alone" if quantity == measured.LUMINANCE else "average and least illuminance"
    return (
        f"Best classes by {asked}, as measured: {families}; with every value {uncertainty_percent:g} % lower: {lower}. What was "
        "measured is of today; a class is kept to the end of the maintenance period."
    )


def _print(grid: measured.Grid, found: measured.Comparison, interval: tuple[list[float], bool]) -> None:
    console = Console()
    table = Table(title=f"{len(grid.value)} points, {grid.quantity}")
    for heading in ("figure", "measured", "computed", "computed over measured"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    pairs = (
        ("average", float(grid.value.mean()), float(found.values.mean()), found.mean_ratio),
        ("least", float(grid.value.min()), float(found.values.min()), found.least_ratio),
        ("least over average", found.uniformity_measured_ratio, found.uniformity_computed_ratio, np.nan),
    )
    for label, seen, made, ratio in pairs:
        table.add_row(label, f"{seen:.4g}", f"{made:.4g}", "" if np.isnan(ratio) else f"{ratio:.3f}")
    console.print(table)
    (low, high), explained = interval
    console.print(
        f"Root mean square of the differences {found.deviation_share * 100:.1f} % of the measured average; the largest is "
        f"{found.worst_share * 100:+.1f} % at x {found.worst_at_m[0]:g} m, y {found.worst_at_m[1]:g} m."
    )
    console.print(
        f"Errors of the inventory alone put the computed average between {low:.4g} and {high:.4g}: the measured one is "
        + ("explained by them." if explained else "not explained by them; look for dirt, another surface, or another luminaire.")
    )


def _plain(grid: measured.Grid, found: measured.Comparison, row: list[float], explained: bool) -> dict[str, object]:
    return {
        "quantity": grid.quantity,
        "points": len(grid.value),
        "measured": {"mean": float(grid.value.mean()), "min": float(grid.value.min())},
        "computed": {"mean": float(found.values.mean()), "min": float(found.values.min())},
        "mean_ratio": found.mean_ratio,
        "deviation_share": found.deviation_share,
        "worst": {"share": found.worst_share, "x_m": found.worst_at_m[0], "y_m": found.worst_at_m[1]},
        "inventory_interval": row,
        "explained_by_inventory": explained,
    }
