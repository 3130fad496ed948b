# SPDX-License-Identifier: Apache-2.0
"""The gain of one plan over another on paired seeds, with Student's interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Gain:
    """Means of both, and the share of the own mean that is gained with its 95 % interval (equal to it for one seed)."""

    own_s: float
    planned_s: float
    share: float
    low: float
    high: float


def gain(own_s: Sequence[float], planned_s: Sequence[float]) -> Gain:
    """Return the gain of paired runs; both in the same unit and order of seeds."""
    own, planned = np.asarray(own_s, np.float64), np.asarray(planned_s, np.float64)
    mean = float(own.mean())
    saved = own - planned
    half = 0.0
    if len(own) > 1:
        half = float(student.ppf(0.975, len(own) - 1) * saved.std(ddof=1) / np.sqrt(len(own)))
    middle = float(saved.mean())
    return Gain(mean, float(planned.mean()), middle / mean, (middle - half) / mean, (middle + half) / mean)
