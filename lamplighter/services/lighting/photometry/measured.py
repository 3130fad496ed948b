# SPDX-License-Identifier: Apache-2.0
"""Sets a measured grid (EN 13201-4) beside what is computed for the same points."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.services.lighting.photometry import classes, field, judgement, kernels, rtables
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.textfile import PhotometryError, lines_of
from lamplighter.terms.columns import FloatArray

ILLUMINANCE, LUMINANCE = "illuminance_lx", "luminance_cd_m2"
POINTS_MOST = 100_000
PLACE_MOST_M = 1_000.0
VALUE_MOST = 1e6  # lx or cd/m2: ten times the sun


@dataclass(frozen=True)
class Grid:
    """Measured points (p,): place in the field, and what was measured there; quantity is ILLUMINANCE or LUMINANCE."""

    quantity: str
    x_m: FloatArray
    y_m: FloatArray
    value: FloatArray


@dataclass(frozen=True)
class Comparison:
    """Computed values (p,) beside measured ones. Ratios: computed over measured; worst_at_m: where they differ most."""

    values: FloatArray
    mean_ratio: float
    least_ratio: float
    uniformity_measured_ratio: float
    uniformity_computed_ratio: float
    deviation_share: float
    worst_share: float
    worst_at_m: tuple[float, float]


def read_grid(path: Path) -> Grid:
    """Return the grid of a CSV file with columns x_m, y_m and illuminance_lx or luminance_cd_m2; PhotometryError otherwise."""
    rows = list(csv.reader(lines_of(path, "a CSV file of measured points")))
    head = [name.strip() for name in rows[0]] if rows else []
    asked = [name for name in (ILLUMINANCE, LUMINANCE) if name in head]
    if "x_m" not in head or "y_m" not in head or len(asked) != 1:
        raise PhotometryError(
            f"{path}, line 1: columns are {', '.join(head)[:80] or 'none'}; x_m, y_m and one of "
            f"{ILLUMINANCE}, {LUMINANCE} are needed"
        )
    places = [head.index(name) for name in ("x_m", "y_m", asked[0])]
    points: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            found = [float(row[place]) for place in places]
        except (ValueError, IndexError):
            found = []
        if not (found and all(abs(place_m) <= PLACE_MOST_M for place_m in found[:2]) and 0.0 <= found[2] <= VALUE_MOST):
            raise PhotometryError(
                f"{path}, line {number}: {','.join(row)[:60]!r}; a place within {PLACE_MOST_M:g} m of the field's first "
                f"luminaire and a measured value of 0 to {VALUE_MOST:g} are needed"
            )
        points.append(found)
    if not 3 <= len(points) <= POINTS_MOST:
        raise PhotometryError(f"{path}: {len(points)} points; 3 to {POINTS_MOST} are needed")
    table = np.array(points)
    if not table[:, 2].any():
        raise PhotometryError(f"{path}: every measured value is 0; nothing can be compared with darkness")
    return Grid(asked[0], table[:, 0], table[:, 1], table[:, 2])


def usual_points(road: RoadField, quantity: str) -> int:
    """Return how many points the grid of EN 13201-3 has on a road, which EN 13201-4 measures at."""
    across = field.luminance_y(road) if quantity == LUMINANCE else field.illuminance_y(road)
    return len(field.grid_x(road)) * len(across)


def classes_met(grid: Grid, factor: float) -> dict[str, str | None]:
    """Return by family the best class that the measured average and least value meet, each value times a factor: C and P by
    illuminance, M by Lav and Uo alone (a grid holds neither glare nor the other criteria)."""
    mean, least = float(grid.value.mean()) * factor, float(grid.value.min()) * factor
    if grid.quantity == ILLUMINANCE:
        met = judgement.illuminance_classes_met(mean, least)
        return {"C": met.c_class, "P": met.p_class}
    fine = (classes.LUMINANCE_CD_M2 > 0) & (mean >= classes.LUMINANCE_CD_M2) & (least >= classes.UNIFORMITY * mean)
    return {"M": next((name for name, good in zip(classes.CLASSES, fine.tolist(), strict=True) if good), None)}


def compared(
    grid: Grid, road: RoadField, light: Distribution, surface: str, maintenance: float, observer_y_m: float
) -> Comparison:
    """Return computed beside measured; maintenance: the factor of the day of measuring; observer_y_m: for luminance."""
    lamps = field.lamps_of(road)
    columns = np.stack([lamps.x_m, lamps.y_m, lamps.side.astype(np.float64)], axis=1)
    mount = np.array([road.height_m, np.radians(road.tilt_deg)])
    steps = np.array([light.c_step_deg, light.gamma_step_deg])
    points = np.stack([grid.x_m, grid.y_m], axis=1)
    if grid.quantity == ILLUMINANCE:
        each = kernels.illuminance(points, columns, light.intensity_cd, steps, mount)
    else:
        observer = np.array([-field.OBSERVER_BEFORE_M, observer_y_m])
        table = (rtables.surface(surface), rtables.TAN_GAMMA, rtables.BETA_DEG)
        each = kernels.luminance(points, observer, columns, (light.intensity_cd, steps), mount, table)
    computed: FloatArray = each.sum(axis=1) * maintenance
    off = (computed - grid.value) / grid.value.mean()
    worst = int(np.argmax(np.abs(off)))
    least = float(grid.value.min())
    return Comparison(
        values=computed,
        mean_ratio=float(computed.mean() / grid.value.mean()),
        least_ratio=float(computed.min()) / least if least > 0.0 else float("inf"),
        uniformity_measured_ratio=least / float(grid.value.mean()),
        uniformity_computed_ratio=float(computed.min() / max(computed.mean(), 1e-12)),
        deviation_share=float(np.sqrt((off**2).mean())),
        worst_share=float(off[worst]),
        worst_at_m=(float(grid.x_m[worst]), float(grid.y_m[worst])),
    )
