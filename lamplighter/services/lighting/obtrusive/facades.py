# SPDX-License-Identifier: Apache-2.0
"""Light on the facades beside a straight road: vertical illuminance at windows, and the intensity that looks into them.

No city tells where its facades stand, so they are taken along both sides at a stated distance from the carriageway's edge, as one
flat wall. Only light straight from luminaires counts, new and without obstruction (CIE 150:2017, 5.2).
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry import columns, field, luminaires
from lamplighter.services.lighting.photometry.columns import Lights
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.influence import intensity_cd
from lamplighter.terms.columns import FloatArray

BEYOND_EDGE_M = 4.0  # a usual footway and its verge
WINDOWS_M = (1.5, 4.5, 7.5)  # middle of the windows of three storeys
ALONG_M = 1.0
REACH_HEIGHTS = 12.0


@dataclass(frozen=True)
class Facades:
    """Where facades are taken to stand: metres beyond the edge of the carriageway, and heights of windows."""

    beyond_edge_m: float = BEYOND_EDGE_M
    windows_m: tuple[float, ...] = WINDOWS_M

    def __post_init__(self) -> None:
        if not 0.5 <= self.beyond_edge_m <= 100.0:
            raise ValueError(f"facades {self.beyond_edge_m:g} m beyond the edge; 0.5 to 100 m is allowed")
        if not self.windows_m or not all(0.1 <= z <= 60.0 for z in self.windows_m):
            raise ValueError("heights of windows: one or more from 0.1 to 60 m are needed")


@dataclass(frozen=True)
class OnFacade:
    """The most that any window of either side gets at full output, new, and the largest intensity towards any of them."""

    vertical_max_lx: float
    intensity_max_cd: float


@njit(cache=True, error_model="numpy")
def _wall(points: FloatArray, lamps: FloatArray, lights: Lights, mount: FloatArray, inward: float) -> tuple[FloatArray, float]:
    """Return (p,) vertical illuminance of a wall that looks along y times inward, and the largest intensity towards it."""
    height, cosine, sine = mount[0], math.cos(mount[1]), math.sin(mount[1])
    out, most = np.zeros(len(points)), 0.0
    for p in range(len(points)):
        for k in range(len(lamps)):
            dx, dy, dz = points[p, 0] - lamps[k, 0], points[p, 1] - lamps[k, 1], points[p, 2] - height
            away = -dy * inward  # how far the luminaire stands before the wall
            if away <= 0.0 or abs(dx) > REACH_HEIGHTS * height:
                continue
            d2 = dx * dx + dy * dy + dz * dz
            strength = intensity_cd(lights, (0, lamps[k, 2], cosine, sine), dx, dy, dz)
            out[p] += strength * away / (d2 * math.sqrt(d2))
            most = max(most, strength)
    return out, most


def walls_lx(road: RoadField, light: Distribution, facades: Facades, heights_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (2, heights, along) vertical illuminance on the right and left wall over one spacing at full output, and (2,) the
    largest intensity in cd towards each."""
    lamps = field.lamps_of(road)
    table = np.stack([lamps.x_m, lamps.y_m, lamps.side.astype(np.float64)], axis=1)
    count = max(10, math.ceil(road.spacing_m / ALONG_M))
    x = (np.arange(count) + 0.5) * road.spacing_m / count
    mount = np.array([road.height_m, math.radians(road.tilt_deg)])
    lights = columns.lights_of([light])
    lit = np.zeros((2, len(heights_m), count))
    most = np.zeros(2)
    walls = ((-facades.beyond_edge_m, 1.0), (road.width_m + facades.beyond_edge_m, -1.0))
    for wall, (y, inward) in enumerate(walls):
        points = np.stack([np.tile(x, len(heights_m)), np.full(count * len(heights_m), y), np.repeat(heights_m, count)], axis=1)
        values, most[wall] = _wall(points, table, lights, mount, inward)
        lit[wall] = values.reshape(len(heights_m), count)
    return lit, most


def on_facade(road: RoadField, light: Distribution, facades: Facades) -> OnFacade:
    """Return the most light that a window beside a road gets."""
    lit, most = walls_lx(road, light, facades, np.array(facades.windows_m))
    return OnFacade(float(lit.max()), float(most.max()))


def per_klm_lx(roads: list[tuple[RoadField, str, str]]) -> FloatArray:
    """Return (f,) the most light on a facade at the usual distance, per 1000 lm, of every road with one of our own optics."""
    usual = Facades()
    return np.array([on_facade(road, luminaires.luminaire(optic, 1000.0), usual).vertical_max_lx for road, optic, _ in roads])
