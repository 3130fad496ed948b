# SPDX-License-Identifier: Apache-2.0
"""Vertical and semi-cylindrical illuminance at 1.5 m, along the road and against it (EN 13201-3:2015, 8.3 and 8.4)."""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry.columns import Fields, Lights, Poles, Surfaces
from lamplighter.services.lighting.photometry.influence import intensity_cd, pole_of
from lamplighter.terms.columns import FloatArray

ABOVE_ROAD_M = 1.5


@dataclass(frozen=True)
class Upright:
    """The least vertical and semi-cylindrical illuminance over the illuminance grid and both directions."""

    vertical_min_lx: float
    semicylindrical_min_lx: float


@njit(cache=True, error_model="numpy")
def _least(fields: Fields, poles: Poles, lights: Lights, f: int, share: FloatArray) -> tuple[float, float]:
    along, across = fields.along[f], fields.across[f]
    vertical, round_ = np.inf, np.inf
    for i in range(along):
        x = fields.begin_m[f] + (i + 0.5) * fields.spacing_m[f] / along
        for j in range(across):
            y = (j + 0.5) * fields.width_m[f] / across
            ahead, back, curved_ahead, curved_back = 0.0, 0.0, 0.0, 0.0
            for k in range(fields.first[f], fields.last[f]):
                height = poles.height_m[k]
                dx, dy, up = poles.x_m[k] - x, poles.y_m[k] - y, height - ABOVE_ROAD_M
                if abs(dx) > 5.0 * height + 1e-9 or abs(dy) > 5.0 * height + 1e-9:
                    continue
                flat2 = dx * dx + dy * dy
                d2 = flat2 + up * up
                strength = share[k] * intensity_cd(lights, pole_of(poles, k), -dx, -dy, -up) / d2
                flat = math.sqrt(flat2)
                sine = flat / math.sqrt(d2)  # of the angle between the ray and the vertical
                cosine = dx / flat if flat > 0.0 else 0.0  # between the ray's plane and the road's direction
                ahead += strength * sine * max(cosine, 0.0)
                back += strength * sine * max(-cosine, 0.0)
                curved_ahead += strength * sine * (1.0 + cosine) / math.pi
                curved_back += strength * sine * (1.0 - cosine) / math.pi
            vertical = min(vertical, ahead, back)
            round_ = min(round_, curved_ahead, curved_back)
    return vertical, round_


def upright(fields: Fields, poles: Poles, optics: tuple[Lights, Surfaces], maintenance: float) -> tuple[Upright, ...]:
    """Return the least upright illuminances of every field at full output, maintained."""
    share = np.full(len(poles.x_m), maintenance)
    return tuple(Upright(*_least(fields, poles, optics[0], f, share)) for f in range(len(fields.begin_m)))
