# SPDX-License-Identifier: Apache-2.0
"""How warm the transformers of a simulated city get: oil and hottest winding.

By the difference equations of IEC 60076-7:2018, 8.2.3.
Constants of table 4 for distribution transformers with natural cooling (ONAN).
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray

OIL_RISE_K, WINDING_RISE_K = 55.0, 23.0
OIL_EXPONENT, WINDING_EXPONENT = 0.8, 1.6
OIL_MIN, WINDING_MIN, K11, K22 = 180.0, 4.0, 1.0, 2.0
RATED_C = 98.0  # hottest winding at rated power and 20 degrees outside: what ages as fast as the maker rates (6.3)
SHARE_MAX = 1.5  # of the rated power, for distribution transformers in normal cyclic use (table 1)


def outside_c(day_of_year: int, hour: float) -> float:
    """Return a mean outside temperature: our own cosines of year and day for the middle of Germany, 0 in January, 19 in July."""
    year = 9.5 - 9.5 * np.cos(2.0 * np.pi * (day_of_year - 18) / 365.0)
    return float(year + 3.0 * np.cos(2.0 * np.pi * (hour - 15.0) / 24.0))


@dataclass
class Heat:
    """Transformers (s,): oil_c at the top, winding_k above it at the hottest spot; loss_ratio: rated over no-load loss."""

    oil_c: FloatArray
    winding_k: FloatArray
    loss_ratio: FloatArray

    def settle(self, share: FloatArray, outside_c: float) -> None:
        """Take the temperatures that a lasting share (s,) of the rating leads to."""
        self.oil_c = outside_c + self._oil_rise(share)
        self.winding_k = WINDING_RISE_K * share**WINDING_EXPONENT

    def _oil_rise(self, share: FloatArray) -> FloatArray:
        lost = (1.0 + self.loss_ratio * share**2) / (1.0 + self.loss_ratio)
        return np.asarray(OIL_RISE_K * lost**OIL_EXPONENT, np.float64)

    def pass_minute(self, share: FloatArray, outside_c: float) -> None:
        """Let a minute pass at a share (s,) of the rating."""
        self.oil_c = self.oil_c + (self._oil_rise(share) - (self.oil_c - outside_c)) / (K11 * OIL_MIN)
        self.winding_k = self.winding_k + (WINDING_RISE_K * share**WINDING_EXPONENT - self.winding_k) / (K22 * WINDING_MIN)

    def too_hot(self, share: FloatArray) -> BoolArray:
        """Return which transformers (s,) age faster than rated, or carry more than any may."""
        return (self.oil_c + self.winding_k > RATED_C) | (share > SHARE_MAX)
