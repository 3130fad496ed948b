# SPDX-License-Identifier: Apache-2.0
"""Which lane areas are believed: one that shows vehicles and never changes, though its groups are green, is stuck."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.adaptive.survey import Lanes
from lamplighter.services.traffic.terms import GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

STUCK_AFTER_S = 90.0  # seconds of green without any change; a queue that stood so long would be a blocked street


class Trust(NamedTuple):
    """Per lane (l,): the vehicles last seen on its near area and the seconds of green since that changed."""

    seen_veh: FloatArray
    still_s: FloatArray


@njit(cache=True)
def _still(lanes: Lanes, trust: Trust, near_veh: FloatArray, group_state: IntArray, passed_s: float, still_s: FloatArray) -> None:
    for lane in range(len(near_veh)):
        served = False
        for i in range(lanes.group_offsets[lane], lanes.group_offsets[lane + 1]):
            served = served or group_state[lanes.group[i]] == GREEN
        if near_veh[lane] == trust.seen_veh[lane] and near_veh[lane] > 0:
            still_s[lane] = trust.still_s[lane] + (passed_s if served else 0.0)


def watch(lanes: Lanes, trust: Trust, near_veh: FloatArray, group_state: IntArray, passed_s: float) -> tuple[Trust, BoolArray]:
    """Return the new memory and the mask (l,) of lanes whose near area is stuck.

    near_veh (l,): vehicles on it; group_state (g,); passed_s: seconds since the last call.
    """
    still_s = np.zeros(len(near_veh))
    _still(lanes, trust, near_veh, group_state, passed_s, still_s)
    return Trust(near_veh, still_s), still_s >= STUCK_AFTER_S
