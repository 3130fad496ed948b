# SPDX-License-Identifier: Apache-2.0
"""Which detectors are believed: one that shows vehicles and never changes, though its groups are green, is stuck."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

STUCK_AFTER_S = 90.0  # seconds of green without any change; a queue that stood so long would be a blocked street


class Trust(NamedTuple):
    """Per detector (n,): the vehicles last seen and the seconds of green since that changed."""

    seen_veh: FloatArray
    still_s: FloatArray


def begin(detectors: int) -> Trust:
    """Return the memory before the first second."""
    return Trust(np.zeros(detectors), np.zeros(detectors))


@njit(cache=True)
def _still(
    offsets: IntArray, group: IntArray, green: BoolArray, trust: Trust, veh: FloatArray, passed_s: float, still_s: FloatArray
) -> None:
    for n in range(len(veh)):
        if veh[n] != trust.seen_veh[n] or veh[n] <= 0:
            continue
        served = False
        for i in range(offsets[n], offsets[n + 1]):
            served = served or green[group[i]]
        still_s[n] = trust.still_s[n] + (passed_s if served else 0.0)


def watch(
    groups: tuple[IntArray, IntArray], trust: Trust, veh: FloatArray, group_state: IntArray, passed_s: float
) -> tuple[Trust, BoolArray]:
    """Return the new memory and the mask (n,) of detectors that are stuck.

    groups: offsets and values of the groups (ragged) that each serves; veh (n,): vehicles on it; group_state (g,); passed_s:
    seconds since the last call.
    """
    still_s = np.zeros(len(veh))
    _still(*groups, group_state == GREEN, trust, veh, passed_s, still_s)
    return Trust(veh, still_s), still_s >= STUCK_AFTER_S
