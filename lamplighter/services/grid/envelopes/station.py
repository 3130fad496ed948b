# SPDX-License-Identifier: Apache-2.0
"""What a group's own box works out of its cars: sums that it tells, and who of them charges within its limit.

Cars stay inside: what leaves is, per quarter of an hour, how much energy must have been drawn by then so that all can
still be served, summed over the group. A car enters that sum with the energy that even full power from then until it
leaves could not bring, so no car's own time or energy shows as such.
"""

import numpy as np
from numba import njit

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

FIRST_SHARE = 0.955  # all cars of a group get so much of their energy before any gets more
SLIVER_KWH = 1e-6


@njit(cache=True)
def sums(
    group: IntArray,
    groups: int,
    core_kwh: FloatArray,
    left_kwh: FloatArray,
    leaves_h: FloatArray,
    times: tuple[FloatArray, float],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return due_kwh (g, k), usable_kw (g,) in the first block, and points that want power (g,).

    core_kwh, left_kwh (m,): energy needed and wanted yet, 0 for cars that are not there; leaves_h (m,): hours from now;
    times: ends of the blocks in hours from now (k,), and full power of a point in kW.
    """
    ends_h, full_kw = times
    due, usable, wanting = np.zeros((groups, len(ends_h))), np.zeros(groups), np.zeros(groups)
    for car in range(len(group)):
        if left_kwh[car] <= SLIVER_KWH or leaves_h[car] <= 0.0:
            continue
        g = group[car]
        wanting[g] += 1.0
        usable[g] += min(full_kw, left_kwh[car] / ends_h[0])
        for k in range(len(ends_h)):
            due[g, k] += max(0.0, core_kwh[car] - full_kw * max(leaves_h[car] - ends_h[k], 0.0))
    return due, usable, wanting


@njit(cache=True)
def choose(
    group: IntArray, limit_kw: FloatArray, spare_h: FloatArray, usable_kw: FloatArray, point: tuple[float, float]
) -> FloatArray:
    """Return the power (m,) of every car: the least time to spare first, each 0 or at least 6 A, no group above its limit.

    spare_h (m,): time to spare; usable_kw (m,): what a car can draw, 0 where none; point: least and full power in kW.
    A car that needs less than the least power until the end of the quarter of an hour draws the least for a part of it.
    """
    least_kw, full_kw = point
    power = np.zeros(len(group))
    left = limit_kw.copy()
    last = np.full(len(limit_kw), -1, np.int64)
    for car in np.argsort(spare_h):
        g = group[car]
        wants = min(usable_kw[car], full_kw)
        if wants <= 0.0 or left[g] <= 0.0:
            continue
        if left[g] >= wants:
            power[car] = wants
            left[g] -= wants
            if wants > least_kw:
                last[g] = car
        elif left[g] >= least_kw:
            power[car] = left[g]
            left[g] = 0.0
        elif last[g] >= 0 and wants >= least_kw and power[last[g]] - (least_kw - left[g]) >= least_kw:
            power[last[g]] -= least_kw - left[g]
            power[car] = least_kw
            left[g] = 0.0
    return power


def presence(first: IntArray, last: IntArray, step: int) -> BoolArray:
    """Return which cars (m,) are plugged in during a step."""
    return np.asarray((first <= step) & (step < last), np.bool_)
