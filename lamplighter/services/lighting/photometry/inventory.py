# SPDX-License-Identifier: Apache-2.0
"""What errors of the inventory do to the figures of a road: the interval in which the true ones lie.

A register says where a luminaire stands within some metres, how it leans within some degrees and how bright it is within some
per cent. Roads are drawn at random within those errors (seeded, so that the same question has the same answer) and computed
each; the interval holds the middle 95 of 100.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.photometry import columns, verdict
from lamplighter.services.lighting.photometry.columns import Fields, Lights, Poles, Surfaces
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.terms.columns import FloatArray

DRAWS = 400
SEED = 13201
SPACING_LEAST_M = 3.0


@dataclass(frozen=True)
class Errors:
    """Largest errors of a register, evenly likely within: of each luminaire's place along the road and its tilt, and of the
    flux of all luminaires together (they are of one type)."""

    position_m: float = 5.0
    tilt_deg: float = 5.0
    flux_share: float = 0.10


def interval(road: RoadField, light: Distribution, surface: str, maintenance: float, errors: Errors) -> FloatArray:
    """Return (7, 2) the lower and upper end of Lav, Uo, Ul, fTI, REI, Eav and Emin under errors of the inventory.

    Each field lies between the first and the second luminaire of its row where these really stand.
    """
    zero = np.zeros(1, dtype=np.int64)
    fields, poles = columns.fields_of([road], zero, zero)
    optics = (columns.lights_of([light]), columns.surfaces_of([surface]))
    dice = np.random.default_rng(SEED)
    found = np.array([_draw(fields, poles, optics, errors, dice) for _ in range(DRAWS)])
    found[:, [0, 5, 6]] *= maintenance
    return np.quantile(found, [0.025, 0.975], axis=0).transpose()


def _draw(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], errors: Errors, dice: np.random.Generator) -> FloatArray:
    count = len(poles.x_m)
    x = poles.x_m + dice.uniform(-errors.position_m, errors.position_m, count)
    tilt = poles.tilt_rad + np.radians(dice.uniform(-errors.tilt_deg, errors.tilt_deg, count))
    flux = 1.0 + dice.uniform(-errors.flux_share, errors.flux_share)
    row = np.flatnonzero(poles.side > 0)
    at = row[int(np.argmin(np.abs(poles.x_m[row])))]
    begin = float(x[at])
    after = x[row][x[row] > begin + SPACING_LEAST_M]
    spacing = np.array([float(after.min()) - begin])
    along, across, strip = columns.grid_counts(spacing, fields.width_m, fields.lanes)
    moved = fields._replace(begin_m=np.array([begin]), spacing_m=spacing, along=along, across=across, strip_across=strip)
    order = np.argsort(x, kind="stable")
    shifted = Poles(
        x[order], poles.y_m[order], poles.side[order], poles.height_m, tilt[order], poles.light[order], np.zeros(count, np.int64)
    )
    stored = verdict.store(moved, shifted, optics, verdict.every_block(1), np.float64)
    return verdict.figures(stored, np.array([flux]))[0]
