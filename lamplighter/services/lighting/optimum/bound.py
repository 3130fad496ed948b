# SPDX-License-Identifier: Apache-2.0
"""The least energy of a cell's night that anyone could reach who knew all counts beforehand, under the same rules.

Same cells, same calendar stored in the lamps, same holds (down after two quiet quarter-hours), same number of messages, each
good for half an hour. Exact, by dynamic programming over quarter-hours, messages spent and the override that runs.
"""

import numpy as np
from numba import njit

from lamplighter.terms.columns import FloatArray, IntArray

NEVER = 1e18


def held(allowed: IntArray) -> IntArray:
    """Return (q, c) the largest step that may be commanded where so much is allowed (q, c): up at once, down after two."""
    out = np.zeros_like(allowed)
    before, step = np.zeros_like(allowed[0]), np.zeros_like(allowed[0])
    for q in range(len(allowed)):
        step = np.minimum(allowed[q], np.maximum(step, np.minimum(allowed[q], before)))
        before = allowed[q]
        out[q] = step
    return out


@njit(cache=True)
def _least(cost: FloatArray, allowed: IntArray, may: IntArray, calendar: IntArray, messages: int) -> float:
    quarters, steps = cost.shape
    # State: messages spent, and the step of an override that still runs for one quarter-hour (steps: none does).
    best = np.full((messages + 1, steps + 1), NEVER)
    best[0, steps] = 0.0
    for q in range(quarters):
        after = np.full((messages + 1, steps + 1), NEVER)
        for m in range(messages + 1):
            for k in range(steps + 1):
                so_far = best[m, k]
                if so_far >= NEVER:
                    continue
                step = calendar[q] if k == steps else k
                if step <= allowed[q]:
                    after[m, steps] = min(after[m, steps], so_far + cost[q, step])
                if m < messages:
                    for wanted in range(may[q] + 1):
                        after[m + 1, wanted] = min(after[m + 1, wanted], so_far + cost[q, wanted])
        best = after
    return best.min()


def least_kwh(cost_kwh: FloatArray, allowed: IntArray, calendar: IntArray, messages: int) -> FloatArray:
    """Return (c,) the least energy of a night; inf where so few messages cannot keep every class.

    cost_kwh (q, c, STEPS): energy of each quarter-hour of the night on each step; allowed (q, c): the step that the
    traffic of the quarter-hour itself allows; calendar (q, c): the step of the calendar stored in the lamps.
    """
    may = held(allowed)
    out = np.zeros(cost_kwh.shape[1])
    for c in range(len(out)):
        columns = (cost_kwh[:, c].copy(), allowed[:, c].copy(), may[:, c].copy(), calendar[:, c].copy())
        found = _least(*columns, messages)
        out[c] = found if found < NEVER else np.inf
    return out
