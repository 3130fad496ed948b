# SPDX-License-Identifier: Apache-2.0
"""What a resident would notice, as sums that can be added up over time and area."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.terms.columns import FloatArray, IntArray

Combine = Literal["sum", "mean", "max", "min"]


@dataclass(frozen=True)
class Outcome:
    """One outcome; the unit ends the name. `combine` says how values of intervals and areas become one.

    sum: values add up; mean: weighted by `weight`; max, min: the extreme. `measurable`: a real city can
    compute it from aggregates; otherwise only a simulator knows it.
    """

    name: str
    combine: Combine
    better: Literal["lower", "higher"]
    doc: str
    measurable: bool = True
    chart: bool = False


@dataclass(frozen=True)
class OutcomeRows:
    """Contributions since the last tick: columns (n,).

    outcome: position in the service's outcomes; area: position in the city's areas; value; weight (1 for sums,
    trips or minutes for means).
    """

    outcome: IntArray
    area: IntArray
    value: FloatArray
    weight: FloatArray


def no_rows() -> OutcomeRows:
    """Return contributions of nothing."""
    empty = np.zeros(0, np.int64)
    return OutcomeRows(empty, empty, np.zeros(0), np.zeros(0))
