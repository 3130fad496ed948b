# SPDX-License-Identifier: Apache-2.0
"""Cycle and splits of a fixed-time programme.

F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, 1958: the cycle with least delay is
(1.5 L + 5) / (1 - Y), with L the lost time per cycle and Y the sum of the critical flow ratios; green is shared in
proportion to those ratios. A group that is green in several stages needs its ratio over all of them, so the least
sum of stage ratios that serves every group is a small linear programme.
"""

from typing import Any

import numpy as np
from scipy.optimize import linprog

from lamplighter.terms.columns import BoolArray, FloatArray

RATIO_MAX = 0.92  # above it Webster's cycle runs away; the programme then takes its longest cycle


def stage_ratios(served: BoolArray, group_ratio: FloatArray) -> FloatArray:
    """Return the least flow ratios (s,) of stages that together serve every group. served (g, s), group_ratio (g,)."""
    wanted = group_ratio > 0
    if not wanted.any():
        return np.zeros(int(served.shape[1]), dtype=np.float64)
    limits = -served[wanted].astype(np.float64)
    solved: Any = linprog(np.ones(served.shape[1]), A_ub=limits, b_ub=-group_ratio[wanted], method="highs")
    if solved.x is None:
        raise ValueError(
            f"no stage serves a group with a flow ratio above 0 (stages {served.shape[1]}, groups {served.shape[0]})"
        )
    ratio: FloatArray = np.asarray(solved.x, dtype=np.float64)
    return np.round(ratio, 9)


def cycle_s(ratio: FloatArray, lost_s: float, least_s: float, most_s: float) -> float:
    """Return Webster's cycle in whole seconds, not below `least_s` and not above `most_s`."""
    total = float(ratio.sum())
    best_s = (1.5 * lost_s + 5.0) / (1.0 - total) if total < RATIO_MAX else most_s
    return float(max(least_s, min(most_s, np.ceil(round(best_s, 6)))))


def greens_s(ratio: FloatArray, green_min_s: FloatArray, available_s: float) -> FloatArray:
    """Share `available_s` whole seconds of green among stages (s,) by flow ratio, none below its minimum.

    Where the minima need more than is available they are returned, and the cycle grows.
    """
    least_s = np.ceil(green_min_s)
    spare_s = available_s - float(least_s.sum())
    if spare_s <= 0:
        return least_s
    weight = ratio if ratio.sum() > 0 else np.ones(len(ratio))
    free = np.ones(len(ratio), dtype=np.bool_)
    share_s = least_s.copy()
    for _ in range(len(ratio)):
        if not free.any() or weight[free].sum() <= 0:
            break
        wish_s = weight / weight[free].sum() * (available_s - least_s[~free].sum())
        short = free & (wish_s < least_s)
        share_s = np.where(free & ~short, wish_s, least_s)
        if not short.any():
            break
        free &= ~short
    whole_s = np.maximum(least_s, np.floor(share_s + 1e-9))
    rest = round(available_s - float(whole_s.sum()))
    order = np.argsort(-(share_s - whole_s), kind="stable")
    for k in range(max(0, rest)):
        whole_s[order[k % len(order)]] += 1.0
    return whole_s
