# SPDX-License-Identifier: Apache-2.0
"""The next hours of many series, with spread: seasonal quantiles, corrected by how the last hours differed.

A slot is a time of day on a kind of day (working day, Saturday, Sunday or holiday). Each series has a median and a
spread per slot; what the last measurements lay above or below the median is carried forward by a factor fitted
per horizon; the quantiles are those of the errors that this would have made. Pure, and deterministic.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
DAY_S = 86400
FADE = 0.4  # weight of a measurement against the next newer one
BEHIND_MAX = 4  # a lift rests on so many steps at most
SLOT_MIN = 4  # values below which a slot borrows the slot of all days
RIDGE = 20.0  # pulls the factor of a series with little history towards 0, which is the plain profile

Basis = Literal["recent", "profile", "nothing"]
BASES: tuple[Basis, ...] = ("recent", "profile", "nothing")


@dataclass(frozen=True)
class Series:
    """Values of k series at regular steps. value (n, k) where present (n, k); no other sign for a missing value.

    begin_s, step_s: local clock time in seconds since 1970-01-01, a Thursday, so that a time of day is the same all year.
    """

    begin_s: int
    step_s: int
    value: FloatArray
    present: BoolArray

    def __post_init__(self) -> None:
        if self.value.ndim != 2 or self.value.shape != self.present.shape:
            raise ValueError(f"series: value {self.value.shape} and present {self.present.shape} must be one shape (n, k)")
        if self.step_s < 1 or DAY_S % self.step_s or self.begin_s % self.step_s:
            raise ValueError(f"series: step_s {self.step_s} must divide a day, and begin_s {self.begin_s} be a multiple of it")
        if not np.isfinite(self.value[self.present]).all():
            raise ValueError("series: a present value is not finite; mark it as not present")

    @property
    def end_s(self) -> int:
        """The step after the last."""
        return self.begin_s + len(self.value) * self.step_s


@dataclass(frozen=True)
class Profile:
    """What was learned, in each series' own unit: middle and spread (slots, k), where known (slots, k).

    carry_per_step (h, k): share of the recent lift that is left; error_per_step (h, quantiles, k) in spreads.
    """

    step_s: int
    holidays: frozenset[int]
    middle_per_slot: FloatArray
    spread_per_slot: FloatArray
    known: BoolArray
    carry_per_step: FloatArray
    error_per_step: FloatArray
    low: float


@dataclass(frozen=True)
class Forecast:
    """Quantiles of the steps from begin_s on: value (h, quantiles, k) where present (h, k).

    basis (k,): position in BASES of what it rests on; newest_s (k,): local time of the newest measurement used, where
    `basis` is "recent"; missing_share (k,): share of the last steps that were missing.
    """

    begin_s: int
    step_s: int
    value: FloatArray
    present: BoolArray
    basis: IntArray
    newest_s: IntArray
    missing_share: FloatArray


def slots(begin_s: int, step_s: int, steps: int, holidays: frozenset[int] = frozenset()) -> IntArray:
    """Return the slot (steps,) of each step; holidays are days since 1970-01-01 (local)."""
    time_s = begin_s + step_s * np.arange(steps, dtype=np.int64)
    day = time_s // DAY_S
    weekday = (day + 3) % 7  # 0 is Monday
    kind = np.where(weekday < 5, 0, np.where(weekday == 5, 1, 2))
    kind = np.where(np.isin(day, np.array(sorted(holidays), dtype=np.int64)), 2, kind)
    return kind * (DAY_S // step_s) + time_s % DAY_S // step_s


def fit(history: Series, ahead: int, holidays: frozenset[int] = frozenset(), low: float = 0.0) -> Profile:
    """Learn from some weeks of history (eight are plenty) to forecast `ahead` steps. No forecast falls below `low`."""
    if ahead < 1:
        raise ValueError(f"ahead is {ahead}; at least 1 step must be forecast")
    slot = slots(history.begin_s, history.step_s, len(history.value), holidays)
    per_day = DAY_S // history.step_s
    shape = (3 * per_day, history.value.shape[1])
    median, spread, known = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    inflation = np.ones(shape)
    for each in range(3 * per_day):
        own = slot == each
        wide = slot % per_day == each % per_day
        few = _counted(history.present[own]) < SLOT_MIN
        rows = ((few[None, :] & wide[:, None]) | (~few[None, :] & own[:, None])) & history.present
        use = _counted(rows.T) > 0
        median[each], spread[each], counts = _middle(history.value[use], rows[use])
        known[each] = counts > 0
        # A median drawn through few values lies too close to them; out of sample the errors are larger by this.
        inflation[each] = np.sqrt((counts + 1) / np.maximum(counts - 1, 1))
    spread = np.maximum(spread, _least_spread(median, known))
    residual = np.where(history.present, (history.value - median[slot]) / spread[slot] * inflation[slot], 0.0)
    lift, _ = _lifts(residual, history.present)
    factor, error = _carry(residual, history.present, lift, ahead)
    return Profile(history.step_s, holidays, median, spread, known, factor, error, low)


def predict(profile: Profile, recent: Series) -> Forecast:
    """Return the forecast of the steps after `recent`, which needs to hold only the last BEHIND_MAX steps."""
    if recent.step_s != profile.step_s or recent.value.shape[1] != profile.middle_per_slot.shape[1]:
        raise ValueError(
            f"recent has step {recent.step_s} s and {recent.value.shape[1]} series; the profile was fitted with "
            f"step {profile.step_s} s and {profile.middle_per_slot.shape[1]} series"
        )
    ahead = len(profile.carry_per_step)
    tail = min(BEHIND_MAX, len(recent.value))
    value, present = recent.value[len(recent.value) - tail :], recent.present[len(recent.value) - tail :]
    begin_s = recent.end_s - tail * recent.step_s
    behind = slots(begin_s, recent.step_s, tail, profile.holidays)
    usable = present & profile.known[behind]
    residual = np.where(usable, (value - profile.middle_per_slot[behind]) / profile.spread_per_slot[behind], 0.0)
    lift, found = _lifts(residual, usable)
    lift_now, any_now = (
        (lift[-1], found[-1]) if tail else (np.zeros(recent.value.shape[1]), np.zeros(recent.value.shape[1], bool))
    )
    slot = slots(recent.end_s, recent.step_s, ahead, profile.holidays)
    shift = (profile.carry_per_step * lift_now[None, :])[:, None, :] + profile.error_per_step
    quantiles = profile.middle_per_slot[slot][:, None, :] + profile.spread_per_slot[slot][:, None, :] * shift
    known = profile.known[slot]
    steps = np.arange(tail, dtype=np.int64)[:, None]
    newest = begin_s + recent.step_s * np.max(np.where(usable, steps, 0), axis=0, initial=0)
    return Forecast(
        recent.end_s,
        recent.step_s,
        np.maximum(quantiles, profile.low),
        known,
        np.where(~known.any(axis=0), 2, np.where(any_now, 0, 1)).astype(np.int64),
        newest.astype(np.int64),
        1.0 - usable.sum(axis=0) / max(tail, 1),
    )


def pinball(actual: FloatArray, present: BoolArray, quantiles: FloatArray) -> float:
    """Return the mean pinball loss of quantiles (h, quantiles, k) at the present actual values (h, k).

    ValueError where none is present.
    """
    if not present.any():
        raise ValueError("no actual value is present, so there is no loss to state")
    share = np.array(QUANTILES)[None, :, None]
    gap = actual[:, None, :] - quantiles
    loss = np.maximum(share * gap, (share - 1) * gap).mean(axis=1)
    return float(loss[present].mean())


def _middle(value: FloatArray, use: BoolArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Median (k,), spread (k,) as 1.4826 times the median absolute deviation, and count (k,) over the used rows."""
    median, count = _median(value, use)
    deviation, _ = _median(np.abs(value - median[None, :]), use)
    return median, 1.4826 * deviation, count


def _counted(use: BoolArray) -> IntArray:
    return np.asarray(np.count_nonzero(use, axis=0), dtype=np.int64)


def _median(value: FloatArray, use: BoolArray) -> tuple[FloatArray, IntArray]:
    count = _counted(use)
    if len(value) == 0:
        return np.zeros(int(value.shape[1]), dtype=np.float64), count
    ordered: FloatArray = np.sort(np.where(use, value, np.inf), axis=0)
    lower, upper = np.maximum(count - 1, 0) // 2, count // 2
    low: FloatArray = np.take_along_axis(ordered, lower[None, :], axis=0)[0]
    high: FloatArray = np.take_along_axis(ordered, np.minimum(upper, len(value) - 1)[None, :], axis=0)[0]
    low[count == 0], high[count == 0] = 0.0, 0.0
    return 0.5 * (low + high), count


def _least_spread(median: FloatArray, known: BoolArray) -> FloatArray:
    """A slot that never varied still gets a spread: a twentieth of the series' own mean height, or a hair."""
    height = np.where(known, np.abs(median), 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.maximum(0.05 * height, 1e-9)[None, :]


def _lifts(residual: FloatArray, present: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Faded mean (n, k) of the last BEHIND_MAX residuals up to each step, and whether there was any."""
    total, weight = np.zeros_like(residual), np.zeros_like(residual)
    for back in range(min(BEHIND_MAX, len(residual))):
        size = len(residual) - back
        total[back:] += FADE**back * np.where(present[:size], residual[:size], 0.0)
        weight[back:] += FADE**back * present[:size]
    return total / np.maximum(weight, 1e-12), weight > 0


def _carry(residual: FloatArray, present: BoolArray, lift: FloatArray, ahead: int) -> tuple[FloatArray, FloatArray]:
    """Per horizon the factor (h, k) that carries the lift forward, and the quantiles (h, q, k) of what is then left."""
    series = residual.shape[1]
    factor, error = np.zeros((ahead, series)), np.zeros((ahead, len(QUANTILES), series))
    clipped = np.clip(residual, -6.0, 6.0)
    base = np.clip(lift, -6.0, 6.0)
    for step in range(ahead):
        size = len(residual) - step - 1
        if size < 1:
            factor[step], error[step] = factor[max(step - 1, 0)], error[max(step - 1, 0)]
            continue
        use = present[step + 1 :] & present[:size]
        before, after = np.where(use, base[:size], 0.0), np.where(use, clipped[step + 1 :], 0.0)
        factor[step] = np.clip((before * after).sum(axis=0) / ((before**2).sum(axis=0) + RIDGE), 0.0, 1.0)
        error[step] = _quantiles(residual[step + 1 :] - factor[step] * lift[:size], use)
    return factor, error


def _quantiles(value: FloatArray, use: BoolArray) -> FloatArray:
    """QUANTILES (q, k) over the used rows, by linear interpolation between order statistics."""
    count = use.sum(axis=0)
    ordered = np.sort(np.where(use, value, np.inf), axis=0)
    place = np.array(QUANTILES)[:, None] * np.maximum(count - 1, 0)[None, :]
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0)[None, :])
    low, high = np.take_along_axis(ordered, lower, axis=0), np.take_along_axis(ordered, upper, axis=0)
    known = count[None, :] > 0
    low, high = np.where(known, low, 0.0), np.where(known, high, 0.0)
    return low + (place - lower) * (high - low)
