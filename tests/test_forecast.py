# SPDX-License-Identifier: Apache-2.0
"""Forecasts: exact where the series is simple, honest about spread, better than last week's value on real counts."""

import os
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.forecast import BASES, DAY_S, QUANTILES, Series, fit, pinball, predict, slots

SHARED = Path(os.environ.get("LAMPLIGHTER_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
MONDAY_S = 4 * DAY_S
MEDIAN = QUANTILES.index(0.5)


def series(value, present=None, begin_s=MONDAY_S, step_s=3600):
    value = np.atleast_2d(np.asarray(value, dtype=float).T).T
    return Series(begin_s, step_s, value, np.ones(value.shape, dtype=bool) if present is None else present)


def rhythm(weeks, noise=0.0, seed=1):
    hours = np.arange(weeks * 168)
    weekend = hours % 168 >= 120
    base = 100 + 60 * np.sin(2 * np.pi * hours / 24) - 40 * weekend
    return base + noise * np.random.default_rng(seed).standard_normal(len(hours))


def test_slots_know_the_days_of_the_week_and_holidays():
    found = slots(MONDAY_S, 3600, 7 * 24)
    assert found[:24].tolist() == list(range(24))
    assert (found[: 5 * 24].reshape(5, 24) == found[:24]).all()
    assert found[5 * 24] == 24
    assert found[6 * 24] == 48
    assert slots(MONDAY_S, 3600, 1, frozenset({4}))[0] == 48


def test_a_series_that_repeats_is_forecast_exactly():
    history = rhythm(6)
    profile = fit(series(history), 24)
    made = predict(profile, series(history))
    assert made.begin_s == MONDAY_S + 6 * 7 * DAY_S
    assert made.value[:, MEDIAN, 0] == pytest.approx(history[:24], abs=1e-6)


def test_a_shift_of_level_is_carried_forward_and_fades():
    dice = np.random.default_rng(5)
    weeks = 10
    slow = np.zeros(weeks * 168)
    for step in range(1, len(slow)):
        slow[step] = 0.9 * slow[step - 1] + dice.standard_normal() * 5
    profile = fit(series(rhythm(weeks) + slow), 12)
    high = predict(profile, series(rhythm(1)[:48] + 30))
    usual = predict(profile, series(rhythm(1)[:48]))
    lift = high.value[:, MEDIAN, 0] - usual.value[:, MEDIAN, 0]
    assert lift[0] == pytest.approx(27, abs=6), "an autoregression of 0.9 keeps nine tenths after a step"
    assert lift[0] > lift[2] > lift[5] > lift[-1]
    assert lift[-1] < 0.5 * lift[0]


def test_the_spread_is_the_spread_of_the_noise():
    profile = fit(series(rhythm(12, noise=10)), 6)
    made = predict(profile, series(rhythm(1)[:6]))
    width = made.value[:, QUANTILES.index(0.9), 0] - made.value[:, QUANTILES.index(0.1), 0]
    assert width.mean() == pytest.approx(2 * 1.2816 * 10, rel=0.25)


def test_missing_values_are_used_nowhere_and_reported():
    value = rhythm(6, noise=3)
    hole = value.copy()
    present = np.ones((len(value), 1), dtype=bool)
    present[::5] = False
    hole[::5] = 1e12
    profile = fit(series(hole, present), 6)
    gone = predict(profile, series(hole[:24], np.zeros((24, 1), dtype=bool)))
    assert BASES[gone.basis[0]] == "profile"
    assert gone.missing_share[0] == 1.0
    assert gone.value[:, MEDIAN, 0] == pytest.approx(rhythm(1)[:6] + 0, abs=8) or gone.value.max() < 400
    some = predict(profile, series(value[:24], present[:24]))
    assert BASES[some.basis[0]] == "recent"
    assert some.newest_s[0] == MONDAY_S + 23 * 3600


def test_a_series_never_seen_has_no_forecast():
    value = np.zeros((24 * 14, 2))
    present = np.ones_like(value, dtype=bool)
    present[:, 1] = False
    made = predict(fit(Series(MONDAY_S, 3600, value, present), 3), Series(MONDAY_S, 3600, value[:24], present[:24]))
    assert made.present[:, 0].all()
    assert not made.present[:, 1].any()
    assert BASES[made.basis[1]] == "nothing"
    assert made.value[:, :, 0] == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 40), st.floats(0, 1))
def test_quantiles_are_in_order_finite_and_repeatable(seed, count, days, missing):
    dice = np.random.default_rng(seed)
    value = dice.gamma(1.0, 50.0, (days * 24, count))
    present = dice.random(value.shape) >= missing
    history = Series(MONDAY_S, 3600, value, present)
    made, again = predict(fit(history, 5), history), predict(fit(history, 5), history)
    assert np.isfinite(made.value).all()
    assert (np.diff(made.value, axis=1) >= -1e-9).all()
    assert (made.value >= 0).all()
    assert (made.value == again.value).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Series(0, 7, np.zeros((1, 1)), np.ones((1, 1), bool)), "step_s 7 must divide a day"),
        (lambda: Series(0, 60, np.zeros((1, 1)), np.ones((2, 1), bool)), "must be one shape"),
        (lambda: Series(0, 60, np.full((1, 1), np.nan), np.ones((1, 1), bool)), "mark it as not present"),
        (lambda: fit(series(rhythm(2)), 0), "at least 1 step"),
        (lambda: predict(fit(series(rhythm(2)), 1), series(rhythm(1), step_s=1800)), "recent has step 1800 s"),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.fixture(scope="module")
def counts():
    path = SHARED / "data" / "muenster_signal_counts" / "counts_hourly.parquet"
    if not path.exists():
        pytest.skip(f"the counts of Münster are not at {path}")
    picked = [name for name in duckdb.read_parquet(str(path)).columns if name.startswith("MQ_")][::8]
    columns = duckdb.execute(f"select {', '.join(chr(34) + n + chr(34) for n in picked)} from '{path}'").fetchnumpy()
    value = np.column_stack([np.ma.filled(np.ma.asarray(columns[n]).astype(float), -1.0) for n in picked])
    present = value >= 0
    days_2015 = int((np.datetime64("2015-01-01") - np.datetime64("1970-01-01")).astype(int))
    return Series(days_2015 * DAY_S, 3600, np.where(present, value, 0.0), present)


def rows(data, begin, end):
    return Series(data.begin_s + begin * data.step_s, data.step_s, data.value[begin:end], data.present[begin:end])


def test_on_real_counts_it_beats_last_week_and_its_interval_covers(counts):
    ahead, starts = 6, [n * 168 for n in (60, 61, 62, 63, 68, 69, 70, 71)]
    easter = frozenset(int((np.datetime64(d) - np.datetime64("1970-01-01")).astype(int)) for d in ("2016-03-25", "2016-03-28"))
    losses, naive_losses, inside, seen = [], [], 0, 0
    for begin in starts:
        profile = fit(rows(counts, begin - 10 * 168, begin), ahead, easter)
        past = rows(counts, begin - 10 * 168, begin)
        gap = past.value[168:] - past.value[:-168]
        both = past.present[168:] & past.present[:-168]
        empty = np.zeros(len(QUANTILES))
        errors = [np.quantile(gap[both[:, k], k], QUANTILES) if both[:, k].any() else empty for k in range(gap.shape[1])]
        spread = np.array(errors).T
        for hour in range(0, 168, 5):
            at = begin + hour
            made = predict(profile, rows(counts, at - 24, at))
            truth, there = counts.value[at : at + ahead], counts.present[at : at + ahead]
            last = counts.value[at - 168 : at - 168 + ahead]
            fair = there & counts.present[at - 168 : at - 168 + ahead] & made.present
            losses.append(pinball(truth, fair, made.value))
            naive_losses.append(pinball(truth, fair, np.maximum(last[:, None, :] + spread[None], 0)))
            low, high = made.value[:, QUANTILES.index(0.1)], made.value[:, QUANTILES.index(0.9)]
            inside += int(((truth >= low) & (truth <= high))[fair].sum())
            seen += int(fair.sum())
    ratio = np.mean(losses) / np.mean(naive_losses)
    coverage = inside / seen
    assert seen > 10_000
    assert ratio < 0.78, "against last week with the spread of its own errors"
    assert 0.74 < coverage < 0.88
