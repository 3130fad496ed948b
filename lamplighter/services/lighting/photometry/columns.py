# SPDX-License-Identifier: Apache-2.0
"""Many fields at once as plain columns: what the compiled sums of `influence` read.

x runs along the road in the direction of travel, y across it from the kerb on the right. A field lies between two consecutive
luminaires of one row; its luminaires are a run of `Poles`, sorted by x.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry import rtables
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import ARRANGEMENTS, GLARE_AHEAD_M, RoadField
from lamplighter.terms.columns import FloatArray, IntArray

_ROAD_COLUMNS = ("spacing_m", "width_m", "lanes", "height_m", "overhang_m", "tilt_deg")


class Poles(NamedTuple):
    """Luminaires where they stand (k,): side +1 faces +y, -1 faces -y; light: row of `Lights`; lamp: which lamp gives
    the light (a street that repeats itself names a lamp more than once)."""

    x_m: FloatArray
    y_m: FloatArray
    side: IntArray
    height_m: FloatArray
    tilt_rad: FloatArray
    light: IntArray
    lamp: IntArray


class Fields(NamedTuple):
    """Fields (f,): begin_m to begin_m + spacing_m; along, across, strip_across: points of the grids; poles from first to last
    (not included) count; height_m: of the field's first luminaire, for the glare positions."""

    begin_m: FloatArray
    spacing_m: FloatArray
    width_m: FloatArray
    height_m: FloatArray
    lanes: IntArray
    along: IntArray
    across: IntArray
    strip_across: IntArray
    surface: IntArray
    first: IntArray
    last: IntArray


class Lights(NamedTuple):
    """Luminaire types (t,): intensity_cd (t, c, g) padded, steps_deg (t, 2) of C and gamma, cells (t, 2) of each grid."""

    intensity_cd: FloatArray
    steps_deg: FloatArray
    cells: IntArray


class Surfaces(NamedTuple):
    """r-tables (s, 29, 20) in sr^-1, and for each whole degree the column of beta at or below it."""

    r_per_sr: FloatArray
    beta_at: IntArray
    beta_deg: FloatArray


def lights_of(kinds: list[Distribution]) -> Lights:
    """Return luminaire types as one padded stack."""
    shapes = np.array([k.intensity_cd.shape for k in kinds], dtype=np.int64)
    candela = np.zeros((len(kinds), *shapes.max(axis=0)))
    for row, kind in enumerate(kinds):
        candela[row, : shapes[row, 0], : shapes[row, 1]] = kind.intensity_cd
    steps = np.array([[k.c_step_deg, k.gamma_step_deg] for k in kinds])
    return Lights(candela, steps, shapes - 1)


def surfaces_of(names: list[str]) -> Surfaces:
    """Return r-tables by name; ValueError names the surfaces there are."""
    tables = np.stack([rtables.surface(name) for name in names]) * 1e-4
    beta_at = np.searchsorted(rtables.BETA_DEG, np.arange(181), side="right") - 1
    return Surfaces(tables, np.minimum(beta_at, len(rtables.BETA_DEG) - 2).astype(np.int64), np.array(rtables.BETA_DEG))


def grid_counts(spacing_m: FloatArray, width_m: FloatArray, lanes: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return (f,) points along, across and across a strip of one lane, as in `field` for one road."""
    along = np.where(spacing_m <= 30.0, 10, np.ceil(spacing_m / 3.0 - 1e-9)).astype(np.int64)
    across = np.maximum(3, np.ceil(width_m / 1.5 - 1e-9)).astype(np.int64)
    strip = np.minimum(width_m / lanes, width_m / 2.0)
    return along, across, np.maximum(3, np.ceil(strip / 1.5 - 1e-9)).astype(np.int64)


def part_of(fields: Fields, begin: int, end: int) -> Fields:
    """Return the fields from begin to end (not included)."""
    cut = slice(begin, end)
    across, strip, surface = fields.across[cut], fields.strip_across[cut], fields.surface[cut]
    where = fields.begin_m[cut], fields.spacing_m[cut], fields.width_m[cut], fields.height_m[cut]
    return Fields(*where, fields.lanes[cut], fields.along[cut], across, strip, surface, fields.first[cut], fields.last[cut])


def fields_of(roads: list[RoadField], surface: IntArray, light: IntArray) -> tuple[Fields, Poles]:
    """Return one field per straight endless road with all its luminaires; the lamps of a road are its rows, in order.

    surface, light (f,): rows of the surfaces and luminaire types in use.
    """
    number = {name: np.array([getattr(r, name) for r in roads], dtype=np.float64) for name in _ROAD_COLUMNS}
    rows = np.array([ARRANGEMENTS.index(r.arrangement) for r in roads], dtype=np.int64)
    return fields_of_columns(rows, number, surface, light, np.ones(len(roads), dtype=np.int64))


def fields_of_columns(
    arrangement: IntArray, number: dict[str, FloatArray], surface: IntArray, light: IntArray, luminance: IntArray
) -> tuple[Fields, Poles]:
    """Return fields of roads given as columns (f,): codes of ARRANGEMENTS and the numbers of a `RoadField` by name.

    luminance (f,): 0 where only illuminance will be asked, for which fewer luminaires count.
    """
    spacing, width, height = number["spacing_m"], number["width_m"], number["height_m"]
    lanes = np.rint(number["lanes"]).astype(np.int64)
    along, across, strip = grid_counts(spacing, width, lanes)
    back = 5.0 * height
    ahead = np.where(luminance > 0, np.maximum(12.0 * height, GLARE_AHEAD_M), 5.0 * height)
    sites = np.stack([-np.ceil(back / spacing) - 1, np.ceil(ahead / spacing) + 2], axis=1).astype(np.int64)
    rows = np.where(arrangement == ARRANGEMENTS.index("single"), 1, 2)
    ends = np.cumsum((sites[:, 1] - sites[:, 0]) * rows)
    first = np.concatenate(([0], ends[:-1])).astype(np.int64)
    count = int(ends[-1]) if len(ends) else 0
    x, y, high, tilt = np.zeros((4, count))
    side = np.zeros(count, dtype=np.int64)
    poles = Poles(x, y, side, high, tilt, np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64))
    _lay(arrangement, (spacing, width, height, number["overhang_m"], np.radians(number["tilt_deg"])), sites, light, poles)
    zero = np.zeros(len(spacing))
    return Fields(zero, spacing, width, height, lanes, along, across, strip, surface.astype(np.int64), first, ends), poles


@njit(cache=True)
def _lay(
    arrangement: IntArray,
    number: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    sites: IntArray,
    light: IntArray,
    poles: Poles,
) -> None:
    """Write the luminaires of every road, sorted by x; arrangement 0 single, 1 opposite, 2 staggered, 3 central."""
    spacing, width, height, overhang, tilt = number
    k, lamp = 0, 0
    for f in range(len(spacing)):
        kind = arrangement[f]
        rows = 1 if kind == 0 else 2
        for site in range(sites[f, 0], sites[f, 1]):
            for row in range(rows):
                poles.x_m[k] = site * spacing[f] + (spacing[f] / 2.0 if kind == 2 and row == 1 else 0.0)
                if kind == 3:
                    poles.y_m[k] = width[f] / 2.0 + (overhang[f] if row == 0 else -overhang[f])
                else:
                    poles.y_m[k] = overhang[f] if row == 0 else width[f] - overhang[f]
                poles.side[k] = 1 if row == 0 else -1
                poles.height_m[k], poles.tilt_rad[k] = height[f], tilt[f]
                poles.light[k], poles.lamp[k] = light[f], lamp + row
                k += 1
        lamp += rows
