# SPDX-License-Identifier: Apache-2.0
"""Frames (canonical, fixed width, integers) and the measurements that the privacy gate makes of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamplighter.terms.columns import FloatArray, IntArray

# asset: position in the city's asset table; quantity: position in the city's vocabulary; count: samples behind
# the value; window: index of the window (window start divided by its length); value: integer count of steps.
FRAME = np.dtype([("asset", "<u4"), ("quantity", "<u2"), ("count", "<u2"), ("window", "<u4"), ("value", "<i4")])

FrameArray = NDArray[np.void]


@dataclass(frozen=True)
class Measurements:
    """Admitted values, columns of equal length. Made only by `privacy.py`.

    asset (n,) position in the city's assets; quantity (n,) position in the vocabulary; value (n,) in the
    quantity's unit; window (n,) index; count (n,) samples; known_at_s (n,) when the value was known.
    """

    asset: IntArray
    quantity: IntArray
    value: FloatArray
    window: IntArray
    count: IntArray
    known_at_s: FloatArray

    def __len__(self) -> int:
        return len(self.asset)
