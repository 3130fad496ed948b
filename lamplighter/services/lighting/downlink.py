# SPDX-License-Identifier: Apache-2.0
"""Which quarter-hours of a night are worth a message: many radios bring a lamp a dozen a night and no more.

A message moves a cell for half an hour. What it saves is compared with what the best of the remaining quarter-hours of the
night have saved on past nights; where as many of them as messages are left were worth more, it is kept for them. Some are kept
back for light that must be brought up, and for saying again what did not arrive.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

KEPT_FOR_LIGHT = 8
KEPT_FOR_COUNTED = 4  # for light that a counter asks for, or much of it: an estimate that asks for a class more may be wrong
SAID_AGAIN_RATIO = 1.4  # messages per one that arrives, of a radio that loses three in ten
AT_ONCE_S, COPIES = 0.0, 3  # light that has been missing comes up without a ramp, and is said three times: no time to ask back
KEPT_AFTER_COPIES = 7
KEPT_WITHOUT_TIMETABLE = 2  # without one every lapse ends in full light, so hardly any is needed
QUARTERS = 96
NOON = QUARTERS // 2
LEARNED_SHARE = 0.2  # of a new night in what is remembered of past ones
HALF_HOURS = 2  # quarter-hours for which a message holds


@dataclass(frozen=True)
class Spent:
    """sent (s,): messages to the lamps of each segment since last noon; worth_kwh (c, QUARTERS): what a message was worth at each
    local quarter-hour of past nights; lit (QUARTERS,): the last night's dark quarter-hours; seen: whether a night has passed."""

    sent: IntArray
    worth_kwh: FloatArray
    lit: BoolArray


def nothing_spent(segments: int, cells: int) -> Spent:
    """Return the books before the first night."""
    return Spent(np.zeros(segments, dtype=np.int64), np.zeros((cells, QUARTERS)), np.zeros(QUARTERS, dtype=np.bool_))


def copies(ramp_s: FloatArray) -> IntArray:
    """Return how often a command with this ramp is said."""
    return np.where(ramp_s <= AT_ONCE_S, COPIES, 1).astype(np.int64)


def kept_for_light(calendar_step: IntArray, lit: BoolArray, quarter: int) -> IntArray:
    """Return (c,) the messages to keep back for light: as many as it takes to hold the design class for the rest of the
    night, KEPT_FOR_LIGHT at most. calendar_step (c, QUARTERS): where the timetable stands at design nothing need be kept."""
    ahead = remaining(lit, quarter)
    if len(ahead) == 0:
        return np.full(len(calendar_step), KEPT_FOR_LIGHT, dtype=np.int64)
    below = (calendar_step[:, ahead] > 0).sum(axis=1)
    return np.minimum(np.ceil(SAID_AGAIN_RATIO * below / HALF_HOURS), KEPT_FOR_LIGHT).astype(np.int64)


def remaining(lit: BoolArray, quarter: int) -> IntArray:
    """Return the dark quarter-hours from this one to the end of the night, in order; empty where none is known yet."""
    ahead = (quarter + np.arange(QUARTERS // 2)) % QUARTERS
    dark = lit[ahead]
    until = int(np.argmin(dark)) if not dark.all() else len(ahead)
    return ahead[1:until]


def least_worth(spent: Spent, left: IntArray, quarter: int) -> FloatArray:
    """Return (c,) the least that a message must be worth now, given how many are left per cell (c,) for saving light."""
    ahead = remaining(spent.lit, quarter)
    if len(ahead) == 0:
        return np.zeros(len(left))
    expected = -np.sort(-spent.worth_kwh[:, ahead], axis=1)
    # Each message serves two quarter-hours, so twice as many of them can be served as messages are left.
    place = np.minimum(np.maximum(left, 1) * HALF_HOURS - 1, len(ahead))
    padded = np.concatenate([expected, np.zeros((len(left), 1))], axis=1)
    return padded[np.arange(len(left)), place]


def learned(spent: Spent, worth_kwh: FloatArray, quarter: int) -> Spent:
    """Return the books with what a message is worth at this quarter-hour of the night."""
    kept = spent.worth_kwh.copy()
    kept[:, quarter] += (worth_kwh - kept[:, quarter]) * np.where(spent.lit[quarter], LEARNED_SHARE, 1.0)
    lit = spent.lit.copy()
    lit[quarter] = True
    return Spent(spent.sent, kept, lit)


def renewed(spent: Spent) -> Spent:
    """Return the books at noon, from which messages are counted: where the sun does not rise no daylight parts the nights."""
    return Spent(np.zeros_like(spent.sent), spent.worth_kwh, spent.lit)


def by_day(spent: Spent, quarter: int) -> Spent:
    """Return the books at a quarter-hour in which no lamp burns: a new night begins with nothing sent."""
    lit = spent.lit.copy()
    lit[quarter] = False
    return Spent(np.zeros_like(spent.sent), spent.worth_kwh, lit)
