# SPDX-License-Identifier: Apache-2.0
"""The quality of a straight road's lighting: from coefficients per point to the figures of EN 13201-2."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.photometry import field, kernels, rtables
from lamplighter.services.lighting.photometry.distribution import Distribution
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.terms.columns import FloatArray

DARK_GLARE_PERCENT = 1e9  # on a road that gets no light


@dataclass(frozen=True)
class Coefficients:
    """What each point of a field gets at full output, new (maintenance factor 1), all luminaires together.

    luminance_cd_m2 (lanes, n, 3 lanes): per observer, along, across; illuminance_lx (n, m); veil_cd_m2 (lanes, n): per
    observer and glare position; strips_lx (4,): averages outside right, inside right, inside left, outside left.
    """

    luminance_cd_m2: FloatArray
    illuminance_lx: FloatArray
    veil_cd_m2: FloatArray
    strips_lx: FloatArray


@dataclass(frozen=True)
class Quality:
    """The figures of EN 13201-2 for one field: maintained values, and glare of the new installation."""

    luminance_cd_m2: float
    uniformity_ratio: float
    lengthwise_ratio: float
    glare_percent: float
    edge_ratio: float
    illuminance_lx: float
    illuminance_min_lx: float


def _columns(road: RoadField) -> FloatArray:
    lamps = field.lamps_of(road)
    return np.stack([lamps.x_m, lamps.y_m, lamps.side.astype(np.float64)], axis=1)


def _mesh(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.stack([np.repeat(x, len(y)), np.tile(y, len(x))], axis=1)


def coefficients(road: RoadField, light: Distribution, surface: str, output: FloatArray | None = None) -> Coefficients:
    """Return what every point, observer and glare position of a field gets; ValueError for an unknown surface.

    output: share of its full flux that each luminaire of `field.lamps_of` gives (1 for all unless stated).
    """
    mount = np.array([road.height_m, np.radians(road.tilt_deg)])
    steps = np.array([light.c_step_deg, light.gamma_step_deg])
    table, lamps = light.intensity_cd, _columns(road)
    share = np.ones(len(lamps)) if output is None else output
    r_road = (rtables.surface(surface), rtables.TAN_GAMMA, rtables.BETA_DEG)
    x, across, centres = field.grid_x(road), field.luminance_y(road), field.lane_centre_y(road)
    points = _mesh(x, across)
    seen = [
        kernels.luminance(points, np.array([-field.OBSERVER_BEFORE_M, y]), lamps, (table, steps), mount, r_road) @ share
        for y in centres
    ]
    on_road = kernels.illuminance(_mesh(x, field.illuminance_y(road)), lamps, table, steps, mount) @ share
    strips = [np.mean(kernels.illuminance(_mesh(x, y), lamps, table, steps, mount) @ share) for y in field.strips_y(road)]
    first_eye = -(road.height_m - field.EYE_HEIGHT_M) / field.SCREEN_TAN
    eyes_x = first_eye + np.arange(len(x)) * road.spacing_m / len(x)
    veils = [kernels.veil(_mesh(eyes_x, np.array([y])), lamps, table, steps, mount) @ share for y in centres]
    return Coefficients(
        luminance_cd_m2=np.stack(seen).reshape(road.lanes, len(x), len(across)),
        illuminance_lx=on_road.reshape(len(x), -1),
        veil_cd_m2=np.stack(veils),
        strips_lx=np.array(strips, dtype=np.float64),
    )


def threshold_increment(veil_cd_m2: FloatArray, luminance_cd_m2: FloatArray) -> FloatArray:
    """Return fTI in per cent for veiling luminances and the average luminance of the new road (EN 13201-3:2015, 8.5).

    DARK_GLARE_PERCENT where the road is dark.
    """
    mean = np.where(luminance_cd_m2 > 0.0, luminance_cd_m2, 1.0)
    found = np.where(mean <= 5.0, 65.0 * veil_cd_m2 / mean**0.8, 95.0 * veil_cd_m2 / mean**1.05)
    return np.where(luminance_cd_m2 > 0.0, found, DARK_GLARE_PERCENT)


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return part over whole, 0 where the whole is dark."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0.0)


def quality(points: Coefficients, maintenance: float) -> Quality:
    """Return the figures of a field at full output; maintenance: factor in 0 to 1 on luminance and illuminance."""
    seen = points.luminance_cd_m2
    lanes = len(seen)
    averages = seen.mean(axis=(1, 2))
    lengthwise = np.stack([seen[lane, :, 3 * lane + 1] for lane in range(lanes)])
    glare = threshold_increment(points.veil_cd_m2, averages[:, None])
    outside, inside = points.strips_lx[[0, 3]], points.strips_lx[[1, 2]]
    return Quality(
        luminance_cd_m2=float(averages.min()) * maintenance,
        uniformity_ratio=float(ratio(seen.min(axis=(1, 2)), averages).min()),
        lengthwise_ratio=float(ratio(lengthwise.min(axis=1), lengthwise.max(axis=1)).min()),
        glare_percent=float(glare.max()),
        edge_ratio=float(ratio(outside, inside).min()),
        illuminance_lx=float(points.illuminance_lx.mean()) * maintenance,
        illuminance_min_lx=float(points.illuminance_lx.min()) * maintenance,
    )


def evaluate(road: RoadField, light: Distribution, surface: str, maintenance: float) -> Quality:
    """Return the figures of EN 13201-2 for a straight road; ValueError for an unknown surface."""
    return quality(coefficients(road, light, surface), maintenance)
