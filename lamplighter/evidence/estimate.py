# SPDX-License-Identifier: Apache-2.0
"""What the difference between two arms is, how sure that is, and who gained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy import stats

from lamplighter.terms.columns import AnyArray, FloatArray
from lamplighter.terms.outcome import Outcome

CONFIDENCE = 0.95
EXACT_MAX = 16  # up to so many pairs every assignment of signs is tried
DRAWS = 20_000
BURN_IN = 10  # a confidence sequence says nothing before so many differences
HARM_SHARE = 0.01  # an area is harmed where it is surely worse off by more than this share


@dataclass(frozen=True)
class Estimate:
    """Mean paired difference (with minus without) in the outcome's unit, and its 95 % interval.

    value, low, high; with one pair the interval is unbounded. by_chance_share: share of sign assignments that
    would give a difference as large if the arms were alike (two-sided randomisation test); pairs: how many.
    """

    value: float
    low: float
    high: float
    by_chance_share: float
    pairs: int

    @property
    def difference(self) -> float:
        """The mean paired difference."""
        return self.value


@dataclass(frozen=True)
class AreaGain:
    """How one area fared: its outcome without lamplighter, and its gain (positive is better) with interval.

    harmed: worse off by more than HARM_SHARE of the outcome without, with confidence.
    """

    area: str
    without_value: "Estimate"
    gain: Estimate
    harmed: bool


@dataclass(frozen=True)
class Sequence95:
    """Running mean and bounds (n,) that hold at all times at once; unbounded before BURN_IN."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def paired(without: Sequence[float] | FloatArray, with_: Sequence[float] | FloatArray) -> Estimate:
    """Return the estimate from pairs (the same seed, or the same hours) under each arm.

    Student's t interval on the differences; ValueError where the pairs do not match or are not finite.
    """
    first, second = np.asarray(without, dtype=np.float64), np.asarray(with_, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) == 0:
        raise ValueError(
            f"{len(first)} values without and {len(second)} with: each pair needs one of both, and one pair at least"
        )
    differences = second - first
    if not np.isfinite(differences).all():
        raise ValueError("a value is not finite; leave the pair out")
    return of_differences(differences)


def of_differences(differences: FloatArray) -> Estimate:
    """Return the estimate from paired differences (n,)."""
    pairs, mean = len(differences), float(differences.mean())
    if pairs < 2:
        return Estimate(mean, -math.inf, math.inf, 1.0, pairs)
    quantile = float(cast(float, stats.t.ppf(0.5 + CONFIDENCE / 2, pairs - 1)))
    half = quantile * float(differences.std(ddof=1)) / math.sqrt(pairs)
    return Estimate(mean, mean - half, mean + half, by_chance(differences), pairs)


def by_chance(differences: FloatArray) -> float:
    """Return the two-sided p-value of the sign-flip randomisation test: exact for few pairs, else by fixed draws."""
    pairs = len(differences)
    if pairs <= EXACT_MAX:
        numbers = np.arange(2**pairs, dtype=np.int64)
        signs = 1.0 - 2.0 * ((numbers[:, None] >> np.arange(pairs, dtype=np.int64)[None, :]) & 1)
        means = np.abs(signs @ differences)
        return float(np.count_nonzero(means >= abs(differences.sum()) * (1 - 1e-12)) / len(means))
    dice = np.random.default_rng(0)
    signs = 1.0 - 2.0 * dice.integers(0, 2, (DRAWS, pairs))
    means = np.abs(signs @ differences)
    return float((1 + np.count_nonzero(means >= abs(differences.sum()) * (1 - 1e-12))) / (1 + DRAWS))


def who_gained(
    outcome: Outcome, without: Sequence[Mapping[str, float]], with_: Sequence[Mapping[str, float]]
) -> tuple[AreaGain, ...]:
    """Return how every area fared, from one mapping (area to value) per pair and arm; the worst-off area first.

    Worst off is whoever fares worst without lamplighter. Areas that lack a value in a pair are estimated from the
    pairs in which both arms have one, and left out where there is none.
    """
    sign = -1.0 if outcome.better == "lower" else 1.0
    names = sorted({name for each in without for name in each})
    gains: list[AreaGain] = []
    for name in names:
        both = [(a[name], b[name]) for a, b in zip(without, with_, strict=True) if name in a and name in b]
        if not both:
            continue
        before = np.array([a for a, _ in both])
        gain = of_differences(sign * np.array([b - a for a, b in both]))
        allowed = HARM_SHARE * abs(float(before.mean()))
        gains.append(AreaGain(name, of_differences(before), gain, len(both) > 1 and gain.high < -allowed))
    return tuple(sorted(gains, key=lambda each: (sign * each.without_value.value, each.area)))


def confidence_sequence(differences: FloatArray, tuned_for: int = 84) -> Sequence95:
    """Return bounds that may be looked at every day: asymptotic confidence sequence, tightest near `tuned_for` values.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
    sequences" (2021), theorem 2.2 with rho after their appendix on tuning. Asymptotic: differences of pairs are near enough to
    symmetric for it; on a strongly skewed series (exponential, say) the bounds cover about 90 % instead of 95 %.
    """
    alpha = 1 - CONFIDENCE
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuned_for
    t = np.arange(1, len(differences) + 1, dtype=np.float64)
    mean: FloatArray = np.cumsum(differences) / t
    variance: FloatArray = np.maximum(np.cumsum(differences**2) / t - mean**2, 0.0) * t / np.maximum(t - 1, 1)
    radius: FloatArray = np.sqrt(variance * 2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / alpha))
    early = t < BURN_IN
    low, high = _bounded(mean - radius, early, -math.inf), _bounded(mean + radius, early, math.inf)
    return Sequence95(mean, low, high)


def _bounded(values: FloatArray, early: AnyArray, edge: float) -> FloatArray:
    values[early] = edge
    return values
