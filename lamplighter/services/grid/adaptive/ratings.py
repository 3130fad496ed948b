# SPDX-License-Identifier: Apache-2.0
"""What cables and transformers may carry, as they are used: by their heat, not by their plate.

Transformers by the hottest winding (IEC 60076-7:2018, 8.2.2, exponential equations; table 4, ONAN distribution
transformers): never above 98 degrees, at which they age as fast as rated, whatever the outside. Where the oil's temperature
is told it counts; where not, the stated ambient and a steady state do.

Cables by the ground around them (Neher and McGrath, AIEE Trans. 76(3), 1957): tables of ratings hold for a load factor of 0.7. Of
the heat that a rated cable stands, NEAR comes from what it carries now and FAR from the mean square of the day. Homes
count there with their own day, charging as if it went on all day and night (a load factor of 1).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.grid.moments import Usual
from lamplighter.terms.columns import BoolArray, FloatArray

OIL_K, WINDING_K, OIL_POWER, WINDING_POWER = 55.0, 23.0, 0.8, 1.6
HOTTEST_C, SHARE_MAX = 98.0, 1.5
OIL_H, AHEAD_H = 3.0, 0.5  # time constant of the oil; a share must be bearable for so long
STEPS = 9
# A four-core cable of 45 mm at 0.7 m in ground of 1 K m/W: 0.35 + 0.25 K m/W inside and within 0.21 m, 0.41 beyond;
# loss factor 0.55.
NEAR, FAR = 0.72, 0.50


class DayOfHomes(NamedTuple):
    """Over a day, homes and shops over their yearly mean: means, mean squares and the mean product."""

    home_ratio: float
    shop_ratio: float
    home_square_ratio: float
    shop_square_ratio: float
    product_ratio: float


def day_of(usual: Usual) -> DayOfHomes:
    """Return the moments of the classes' day."""
    home, shop = usual.household_ratio, usual.commerce_ratio
    return DayOfHomes(
        float(home.mean()), float(shop.mean()), float((home**2).mean()), float((shop**2).mean()), float((home * shop).mean())
    )


@njit(cache=True)
def transformer_shares(oil_c: FloatArray, known: BoolArray, loss_ratio: FloatArray, ambient_c: float) -> FloatArray:
    """Return the share (s,) of its rating that each transformer may carry for AHEAD_H from now, by bisection."""
    out = np.zeros(len(oil_c))
    cold_ratio, cold_share = -1.0, 0.0  # where no temperature is told, transformers of one type are alike
    for s in range(len(oil_c)):
        if not known[s] and loss_ratio[s] == cold_ratio:
            out[s] = cold_share
            continue
        low, high = 0.5, SHARE_MAX
        left = np.exp(-AHEAD_H / OIL_H) if known[s] else 0.0
        for _ in range(STEPS):
            share = 0.5 * (low + high)
            lost = (1.0 + loss_ratio[s] * share * share) / (1.0 + loss_ratio[s])
            steady = ambient_c + OIL_K * lost**OIL_POWER
            oil = steady + (oil_c[s] - steady) * left
            if known[s]:  # what cools meanwhile is not counted on
                oil = max(oil, oil_c[s])
            if oil + WINDING_K * share**WINDING_POWER <= HOTTEST_C:
                low = share
            else:
                high = share
        out[s] = low
        if not known[s]:
            cold_ratio, cold_share = loss_ratio[s], low
    return out


def cable_shares(base_share: FloatArray, mean_share: FloatArray, square_share: FloatArray) -> FloatArray:
    """Return the share (n,) of its rating that each cable may carry now, homes and charging together, at most 1.

    base_share: what homes take now; mean_share, square_share: mean and mean square of their day, as shares of the rating.
    """
    base = np.maximum(base_share, 0.0)
    linear = NEAR * base + FAR * mean_share
    rest = NEAR * base**2 + FAR * square_share - 1.0
    charging = (-linear + np.sqrt(np.maximum(linear**2 - (NEAR + FAR) * rest, 0.0))) / (NEAR + FAR)
    return np.clip(base + np.maximum(charging, 0.0), 0.1, 1.0)
