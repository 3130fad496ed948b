# SPDX-License-Identifier: Apache-2.0
"""Illuminance of curved or irregular roads from where luminaires really stand; luminance has no meaning there (EN 13201-3).

Points lie along the road's middle line and across it, no further apart than the grid of a straight field would have them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry import columns
from lamplighter.services.lighting.photometry.columns import Lights
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import points_across
from lamplighter.services.lighting.photometry.influence import intensity_cd
from lamplighter.terms.columns import FloatArray

STEP_MOST_M = 3.0
STEP_LEAST_M = 0.25
POINTS_MOST = 200_000


@dataclass(frozen=True)
class Standing:
    """Luminaires in plan (k,): facing_deg is where C90 points, counter-clockwise from the x axis."""

    x_m: FloatArray
    y_m: FloatArray
    height_m: FloatArray
    facing_deg: FloatArray
    tilt_deg: FloatArray


@dataclass(frozen=True)
class Ground:
    """Points of a road surface (p,)."""

    x_m: FloatArray
    y_m: FloatArray


@njit(cache=True, error_model="numpy")
def _influence(x: FloatArray, y: FloatArray, stand: FloatArray, lights: Lights) -> FloatArray:
    """Return (p, k) lx at full output; stand (k, 5): x, y, height, facing and tilt in rad. Beyond 5 heights none counts."""
    out = np.zeros((len(x), len(stand)))
    for k in range(len(stand)):
        height, facing, tilt = stand[k, 2], stand[k, 3], stand[k, 4]
        pole = (0, 1.0, math.cos(tilt), math.sin(tilt))
        for p in range(len(x)):
            dx, dy = x[p] - stand[k, 0], y[p] - stand[k, 1]
            along = dx * math.sin(facing) - dy * math.cos(facing)
            across = dx * math.cos(facing) + dy * math.sin(facing)
            if abs(along) > 5.0 * height + 1e-9 or abs(across) > 5.0 * height + 1e-9:
                continue
            d2 = dx * dx + dy * dy + height * height
            out[p, k] = intensity_cd(lights, pole, along, across, -height) * height / (d2 * math.sqrt(d2))
    return out


def ground_of(axis_x_m: FloatArray, axis_y_m: FloatArray, width_m: float, step_m: float) -> Ground:
    """Return grid points over a road of a width along its middle line (n,), in steps along it of step_m at most.

    ValueError for a line without length, steps outside 0.25 to 3 m, or a road too long for one computation.
    """
    steps_m = np.hypot(np.diff(axis_x_m), np.diff(axis_y_m))
    reach: FloatArray = np.append(0.0, np.cumsum(steps_m))
    if len(axis_x_m) < 2 or not reach[-1] > 0.0:
        raise ValueError("middle line: it has no length; two different points or more are needed")
    if not STEP_LEAST_M <= step_m <= STEP_MOST_M:
        raise ValueError(f"grid step is {step_m:g} m; {STEP_LEAST_M:g} to {STEP_MOST_M:g} m is allowed")
    count, rows = max(10, math.ceil(float(reach[-1]) / step_m - 1e-9)), points_across(width_m)
    if count * rows > POINTS_MOST:
        raise ValueError(f"road of {reach[-1]:.0f} m needs {count * rows} points; at most {POINTS_MOST}: compute it in parts")
    along: FloatArray = (np.arange(count) + 0.5) * reach[-1] / count
    keep = np.flatnonzero(np.append(True, np.diff(reach) > 0.0))
    reach, line_x, line_y = reach[keep], axis_x_m[keep], axis_y_m[keep]
    piece = np.clip(np.searchsorted(reach, along, side="right") - 1, 0, len(reach) - 2)
    ux, uy = np.diff(line_x)[piece] / np.diff(reach)[piece], np.diff(line_y)[piece] / np.diff(reach)[piece]
    x, y = np.interp(along, reach, line_x), np.interp(along, reach, line_y)
    off = ((np.arange(rows) + 0.5) / rows - 0.5) * width_m
    return Ground((x[:, None] - uy[:, None] * off).ravel(), (y[:, None] + ux[:, None] * off).ravel())


def illuminance_lx(ground: Ground, standing: Standing, light: Distribution, share: FloatArray, maintenance: float) -> FloatArray:
    """Return (p,) maintained illuminance of every point; share (k,): output of each luminaire."""
    stand = np.stack(
        [standing.x_m, standing.y_m, standing.height_m, np.radians(standing.facing_deg), np.radians(standing.tilt_deg)], axis=1
    )
    return _influence(ground.x_m, ground.y_m, stand, columns.lights_of([light])) @ share * maintenance
