# SPDX-License-Identifier: Apache-2.0
"""Which detectors are believed: one that shows vehicles and never changes, though its groups are green, is stuck."""

from typing import NamedTuple

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray

STUCK_AFTER_S = 90.0  # seconds of green without any change; a queue that stood so long would be a blocked street
NO_CHANGE = 0.005


class Trust(NamedTuple):
    """Per detector (d,): the value last seen and the seconds of green since it changed."""

    value: FloatArray
    still_s: FloatArray


def watch(trust: Trust, value: FloatArray, served: BoolArray, passed_s: float) -> tuple[Trust, BoolArray]:
    """Return the new memory and the mask (d,) of detectors that are stuck.

    value (d,): vehicles on an area or the occupancy of a loop; served (d,): some group that it serves is green;
    passed_s: seconds since the last call.
    """
    moved = (np.abs(value - trust.value) > NO_CHANGE) | (value < NO_CHANGE)
    still_s = np.where(moved, 0.0, trust.still_s + np.where(served, passed_s, 0.0))
    return Trust(value, still_s), still_s >= STUCK_AFTER_S
