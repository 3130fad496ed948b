# SPDX-License-Identifier: Apache-2.0
"""The dimming of each step: the least output that keeps a segment in the class of that step, in closed form.

Uniform dimming scales luminance and illuminance, leaves every ratio as it is and lowers fTI with the fifth root of the
output (EN 13201-3:2015, 8.5: Lv over L to the power 0.8). So a field that meets a class at full output meets it at every
output down to the one at which its average (of a P class also its least illuminance) reaches the requirement.
"""

import numpy as np

from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.terms import LEVEL_MIN, LEVEL_STEP, STEPS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

LUMINANCE, UNIFORMITY, LENGTHWISE, GLARE, EDGE, AVERAGE, LEAST = range(7)
MARGIN = 1.0005  # so that rounding in two computations of the same physics never disagrees


def least_output(figures: FloatArray, lighting_class: IntArray) -> FloatArray:
    """Return (s,) the least share of full output that meets each segment's class; above 1 where full output does not.

    figures (s, 7): as in `layout.Segments`; lighting_class (s,): codes.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.stack(
            [
                classes.LUMINANCE_CD_M2[lighting_class] / figures[:, LUMINANCE],
                classes.ILLUMINANCE_LX[lighting_class] / figures[:, AVERAGE],
                classes.ILLUMINANCE_MIN_LX[lighting_class] / figures[:, LEAST],
            ]
        )
    return np.nan_to_num(needed, nan=0.0, posinf=np.inf).max(axis=0) * MARGIN


def shaped(figures: FloatArray, lighting_class: IntArray) -> BoolArray:
    """Return (s,) whether everything that dimming does not change meets the class (glare at full output, the worst)."""
    even = figures[:, LEAST] >= classes.ILLUMINANCE_UNIFORMITY[lighting_class] * figures[:, AVERAGE]
    return (
        even
        & (figures[:, UNIFORMITY] >= classes.UNIFORMITY[lighting_class])
        & (figures[:, LENGTHWISE] >= classes.LENGTHWISE[lighting_class])
        & (figures[:, GLARE] <= classes.GLARE_PERCENT[lighting_class])
        & (figures[:, EDGE] >= classes.EDGE[lighting_class])
    )


def rounded_up(dimming_level: FloatArray, step: float = LEVEL_STEP) -> FloatArray:
    """Return levels as the next multiple of a step from LEVEL_MIN to 1."""
    return np.clip(np.ceil(dimming_level / step - 1e-9) * step, LEVEL_MIN, 1.0)


def planned_share(figures: FloatArray, design: IntArray, step: float = LEVEL_STEP) -> FloatArray:
    """Return (s, STEPS) the dimming of each segment for its design class and the classes below it, in order, in whole steps.

    A lower class asks never for more than the one above it. A segment whose road is not lit evenly enough for a class at full
    output stays at full output.
    """
    shares: list[FloatArray] = []
    for k in range(STEPS):
        lower = classes.lowered(design, np.full(len(design), k))
        shares.append(np.where(shaped(figures, lower), rounded_up(least_output(figures, lower), step), 1.0))
    return np.minimum.accumulate(np.stack(shares, axis=1), axis=1)
