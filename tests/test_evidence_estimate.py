# SPDX-License-Identifier: Apache-2.0
"""Intervals that cover as often as they say, tests that cry wolf as rarely as they say, and who gained."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lamplighter.evidence.design import Switchback, arm, paired_differences
from lamplighter.evidence.estimate import by_chance, confidence_sequence, of_differences, paired, who_gained
from lamplighter.terms.outcome import Outcome

DELAY = Outcome("delay_s_per_trip", "mean", "lower", "")


def test_the_interval_is_students():
    without, with_ = [60.0, 62.0, 58.0], [51.0, 55.0, 50.0]
    found = paired(without, with_)
    reference = stats.ttest_rel(with_, without)
    low, high = reference.confidence_interval(0.95)
    assert found.difference == pytest.approx(-8.0)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.pairs == 3


def test_the_randomisation_test_is_exact():
    assert by_chance(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    assert by_chance(np.array([1.0, -1.0])) == pytest.approx(1.0)
    assert by_chance(np.full(5, 0.3)) == pytest.approx(2 / 32)
    many = np.random.default_rng(2).standard_normal(17) + 0.5
    every = 2 ** len(many)  # as many as there are signs to flip, so none is drawn by chance
    reference = stats.permutation_test((many,), np.mean, permutation_type="samples", n_resamples=every, alternative="two-sided")
    assert by_chance(many) == pytest.approx(reference.pvalue, abs=0.01)


def test_one_pair_bounds_nothing():
    found = paired([1.0], [2.0])
    assert (found.difference, found.low, found.high, found.by_chance_share) == (1.0, -math.inf, math.inf, 1.0)


@pytest.mark.parametrize(("without", "with_"), [([1.0], [1.0, 2.0]), ([], []), ([1.0, math.nan], [1.0, 2.0])])
def test_pairs_that_do_not_match_are_refused(without, with_):
    with pytest.raises(ValueError, match=r"each pair needs one of both|not finite"):
        paired(without, with_)


@pytest.mark.parametrize("pairs", [3, 5, 10])
def test_the_interval_covers_as_often_as_it_says(pairs):
    dice = np.random.default_rng(pairs)
    trials = 2000
    found = [of_differences(dice.normal(2.0, 5.0, pairs)) for _ in range(trials)]
    covered = sum(each.low <= 2.0 <= each.high for each in found) / trials
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / trials))


def test_the_randomisation_test_cries_wolf_no_more_often_than_it_says():
    dice = np.random.default_rng(1)
    trials = 2000
    skew = [by_chance(dice.choice([-1.0, 1.0], 10) * dice.exponential(1.0, 10)) for _ in range(trials)]
    assert np.mean(np.array(skew) <= 0.05) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / trials)


def test_daily_peeking_fools_the_fixed_test_and_not_the_sequence():
    """Programmes of 84 days in which both arms are the same: how often does a daily look declare a winner?"""
    dice = np.random.default_rng(4)
    programmes, days = 1000, 84
    fixed = sequence = 0
    for _ in range(programmes):
        daily = dice.normal(0.0, 10.0, (days, 12)).mean(axis=1)
        bounds = confidence_sequence(daily)
        sequence += bool(((bounds.low > 0) | (bounds.high < 0)).any())
        t = np.arange(1, days + 1)
        mean = np.cumsum(daily) / t
        spread = np.sqrt(np.maximum(np.cumsum(daily**2) / t - mean**2, 0) * t / np.maximum(t - 1, 1))
        fixed += bool((np.abs(mean) > 1.96 * spread / np.sqrt(t))[9:].any())
    assert fixed / programmes > 0.15
    assert sequence / programmes <= 0.05


def test_a_gain_of_two_per_cent_is_found_within_the_programme():
    dice = np.random.default_rng(5)
    found = []
    for _ in range(200):
        bounds = confidence_sequence(dice.normal(-2.0, 10.0, (84, 12)).mean(axis=1))
        hits = np.flatnonzero(bounds.high < 0)
        found.append(hits[0] + 1 if len(hits) else 999)
    assert np.mean(np.array(found) <= 84) >= 0.9
    assert np.median(found) <= 40


def test_the_sequence_says_nothing_too_early_and_covers_the_truth_at_all_times():
    dice = np.random.default_rng(6)
    covered = 0
    for _ in range(500):
        bounds = confidence_sequence(3.0 + dice.exponential(3.0, 200) - dice.exponential(3.0, 200))
        assert np.isinf(bounds.low[:9]).all()
        covered += bool(((bounds.low <= 3.0) & (bounds.high >= 3.0)).all())
    assert covered / 500 >= 0.94


def test_a_switchback_over_a_trend_finds_the_effect():
    """A city that grows busier by the day, with a rush hour: the paired blocks see through both."""
    design, dice = Switchback(3, 0), np.random.default_rng(8)
    blocks = np.arange(84 * 12)
    quiet = 50 + 0.2 * (blocks // 12) + 20 * (blocks % 12 == 8) + dice.normal(0, 2, len(blocks))
    treated = np.array([arm(design, "north", b * 7200.0) == "adaptive" for b in blocks])
    found = of_differences(paired_differences(design, "north", blocks, quiet - 3.0 * treated))
    assert found.low < -3.0 < found.high
    assert found.high - found.low < 0.8


def test_who_gained_puts_the_worst_off_area_first_and_tells_of_harm():
    without = [{"rich": 20.0 + s, "poor": 80.0 + s, "side": 40.0 + s} for s in range(3)]
    with_ = [{"rich": 15.0 + s, "poor": 70.0 + 1.1 * s, "side": 44.0 + s + 0.1 * (s % 2)} for s in range(3)]
    found = who_gained(DELAY, without, with_)
    assert [each.area for each in found] == ["poor", "side", "rich"]
    assert found[0].gain.value == pytest.approx(9.9)
    assert [each.harmed for each in found] == [False, True, False]
    assert found[2].without_value.value == pytest.approx(21.0)


def test_an_area_without_pairs_is_left_out():
    found = who_gained(DELAY, [{"a": 1.0, "b": 1.0}, {"a": 2.0}], [{"a": 1.0}, {"a": 2.0, "b": 3.0}])
    assert [each.area for each in found] == ["a"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(0.1, 100))
def test_estimates_scale_with_the_unit(differences, factor):
    one, other = of_differences(np.array(differences)), of_differences(np.array(differences) * factor)
    assert other.value == pytest.approx(one.value * factor, rel=1e-6, abs=1e-6)
    assert other.high - other.low == pytest.approx((one.high - one.low) * factor, rel=1e-6, abs=1e-3)
