# SPDX-License-Identifier: Apache-2.0
"""How lamps of a city are spread in spacing, height and wattage, beside those of a real inventory."""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.table import Table

SHARES = (0.10, 0.25, 0.50, 0.75, 0.90)
LAMPS_LEAST = 3  # segments with fewer lamps say nothing of a spacing
# Power of a networked LED for the sodium lamp that it replaced: 58.6 % less (San Diego, California Lighting Technology Center).
LED_FOR_SODIUM = 0.41


@dataclass(frozen=True)
class Spread:
    """Quantiles SHARES of lamps: spacing of one row, mounting height, spacing in heights, watts."""

    spacing_m: tuple[float, ...]
    height_m: tuple[float, ...]
    spacing_ratio: tuple[float, ...]
    power_w: tuple[float, ...]


# Downtown Washington, DC: 3,963 lamps of the city's inventory (3,220 high-pressure sodium of 70 to 400 W, 592 LED) as published
# with a downtown plan (repository izzyoungs/downtown-action-agenda, data/streetlights.csv); only these quantiles are used.
# Spacing: 2,568 gaps of 8 to 120 m between neighbours on the same side of the same block; power: the 592 LED lamps.
WASHINGTON = Spread(
    spacing_m=(11.3, 15.8, 23.0, 34.6, 53.3),
    height_m=(4.9, 4.9, 6.1, 9.1, 9.1),
    spacing_ratio=(2.1, 2.7, 3.9, 5.7, 8.2),
    power_w=(100.0, 100.0, 100.0, 200.0, 215.0),
)
WASHINGTON_SODIUM_W = (150.0, 250.0, 400.0, 400.0, 400.0)


def spread_of(segments: Table) -> Spread:
    """Return the spread of a city's lamps from its segments table; ValueError where no segment has three lamps or more."""
    lamps = segments["luminaires"]
    told = lamps >= LAMPS_LEAST
    if not told.any():
        raise ValueError(f"no segment has {LAMPS_LEAST} lamps or more, so that no spacing can be told")

    def quantiles(values: FloatArray, count: IntArray) -> tuple[float, ...]:
        return tuple(np.quantile(np.repeat(values, count), SHARES).tolist())

    ratio = segments["spacing_m"] / segments["height_m"]
    return Spread(
        quantiles(segments["spacing_m"][told], lamps[told]),
        quantiles(segments["height_m"], lamps),
        quantiles(ratio[told], lamps[told]),
        quantiles(segments["rated_power_w"], lamps),
    )
