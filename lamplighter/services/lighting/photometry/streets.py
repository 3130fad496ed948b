# SPDX-License-Identifier: Apache-2.0
"""Streets with luminaires where they really stand along a straight road: every field between two of them.

A street goes on beyond its ends as it began: its row of luminaires repeats itself, and so does their output. Hence a field at
the end is judged like one in the middle, and the street's own lamps alone decide.
"""

import math
from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.photometry.columns import Fields, Poles, grid_counts
from lamplighter.services.lighting.photometry.field import GLARE_AHEAD_M
from lamplighter.terms.columns import FloatArray, IntArray

SPACING_LEAST_M, SPACING_MOST_M = 1.0, 200.0


@dataclass(frozen=True)
class Street:
    """A straight street and its luminaires (n,): places along and across from the right kerb, side +1 facing +y or -1.

    period_m: length after which it repeats itself; light (n,), surface: rows of the luminaire types and r-tables in use.
    """

    x_m: FloatArray
    y_m: FloatArray
    side: IntArray
    light: IntArray
    period_m: float
    width_m: float
    lanes: int
    height_m: float
    tilt_deg: float
    surface: int

    def __post_init__(self) -> None:
        if len(self.x_m) == 0 or not np.isfinite(self.x_m).all() or not np.isfinite(self.y_m).all():
            raise ValueError("street: it needs one luminaire or more, each at a finite place")
        bounds = (
            ("period_m", self.period_m, SPACING_LEAST_M, 100_000.0),
            ("width_m", self.width_m, 0.5, 60.0),
            ("lanes", self.lanes, 1, 12),
            ("height_m", self.height_m, 2.0, 40.0),
            ("tilt_deg", self.tilt_deg, -30.0, 45.0),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise ValueError(f"street: {name} is {value:g}, allowed is {low:g} to {high:g}; mend the geometry")
        if float(self.x_m.min()) < 0.0 or float(self.x_m.max()) >= self.period_m:
            raise ValueError(
                f"street: luminaires from {self.x_m.min():g} to {self.x_m.max():g} m; 0 to {self.period_m:g} is its length"
            )
        begin, _ = field_ends(self)
        if len(begin) == 0:
            raise ValueError(f"street: no two luminaires of a row stand {SPACING_LEAST_M:g} to {SPACING_MOST_M:g} m apart")


def field_ends(street: Street) -> tuple[FloatArray, FloatArray]:
    """Return where the fields of a street begin, and their lengths: between luminaires of its fuller row."""
    right = int((street.side > 0).sum()) * 2 >= len(street.side)
    row = np.sort(street.x_m[street.side > 0 if right else street.side < 0])
    gap = np.diff(np.append(row, row[0] + street.period_m))
    use = (gap >= SPACING_LEAST_M) & (gap <= SPACING_MOST_M)
    return row[use], gap[use]


def _poles_of(street: Street, first_lamp: int, luminance: bool) -> Poles:
    height = street.height_m
    back = 5.0 * height + 1.0
    ahead = street.period_m + (max(12.0 * height, GLARE_AHEAD_M) if luminance else 5.0 * height) + SPACING_MOST_M
    times = np.arange(-math.ceil(back / street.period_m) - 1, math.ceil(ahead / street.period_m) + 1)
    x = (street.x_m[None, :] + times[:, None] * street.period_m).ravel()
    place = np.tile(np.arange(len(street.x_m)), len(times))
    near = np.flatnonzero((x >= -back) & (x <= ahead))
    order = near[np.argsort(x[near], kind="stable")]
    own, count = place[order], len(order)
    tilt_rad = np.full(count, math.radians(street.tilt_deg))
    return Poles(
        x[order], street.y_m[own], street.side[own], np.full(count, height), tilt_rad, street.light[own], own + first_lamp
    )


def fields_of_streets(streets: list[Street], luminance: list[bool]) -> tuple[Fields, Poles, IntArray]:
    """Return the fields of streets, their luminaires, and each field's street; lamps are numbered street after street.

    luminance: False where only illuminance will be asked of a street, for which fewer luminaires count.
    """
    lamp_at = np.concatenate(([0], np.cumsum([len(s.x_m) for s in streets]))).astype(np.int64)
    poles = [_poles_of(s, int(lamp_at[i]), luminance[i]) for i, s in enumerate(streets)]
    ends = np.cumsum([len(p.x_m) for p in poles]).astype(np.int64)
    parts = [field_ends(s) for s in streets]
    of = np.repeat(np.arange(len(streets)), [len(begin) for begin, _ in parts])
    spacing = np.concatenate([gap for _, gap in parts])
    width, height = (np.array([getattr(s, name) for s in streets])[of] for name in ("width_m", "height_m"))
    lanes, surface = (np.array([getattr(s, name) for s in streets], dtype=np.int64)[of] for name in ("lanes", "surface"))
    along, across, strip = grid_counts(spacing, width, lanes)
    first = np.concatenate(([0], ends[:-1])).astype(np.int64)
    begin = np.concatenate([b for b, _ in parts])
    fields = Fields(begin, spacing, width, height, lanes, along, across, strip, surface, first[of], ends[of])
    x, y, side, high, tilt, light, lamp = (np.concatenate(column) for column in zip(*poles, strict=True))
    return fields, Poles(x, y, side, high, tilt, light, lamp), of
