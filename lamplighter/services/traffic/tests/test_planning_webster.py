# SPDX-License-Identifier: Apache-2.0
"""Cycle and splits against Webster's closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic.planning import webster


def test_two_stages_by_hand() -> None:
    # Y = 0.3 + 0.2, L = 10 s: C = (15 + 5) / 0.5 = 40 s, and 30 s of green are shared 18 to 12.
    ratio = webster.stage_ratios(np.eye(2, dtype=np.bool_), np.asarray([0.3, 0.2]))
    cycle_s = webster.cycle_s(ratio, 10.0, 20.0, 120.0)
    assert cycle_s == 40.0
    assert webster.greens_s(ratio, np.asarray([5.0, 5.0]), cycle_s - 10.0).tolist() == [18.0, 12.0]


def test_webster_cycle_is_near_the_least_delay_of_his_own_formula() -> None:
    # Webster's two-term delay per vehicle, evaluated over cycles; his rule is within a few per cent of the best.
    ratio, flow_veh_s, lost_s = np.asarray([0.3, 0.25]), np.asarray([0.15, 0.125]), 10.0

    def delay_s(cycle_s: float) -> float:
        green = (cycle_s - lost_s) * ratio / ratio.sum() / cycle_s
        full = ratio / green
        each_s = cycle_s * (1 - green) ** 2 / (2 * (1 - ratio)) + full**2 / (2 * flow_veh_s * (1 - full))
        return float((each_s * flow_veh_s).sum() / flow_veh_s.sum())

    chosen_s = webster.cycle_s(ratio, lost_s, 20.0, 200.0)
    best_s = min(delay_s(c) for c in np.arange(25.0, 200.0, 1.0))
    assert delay_s(chosen_s) <= 1.05 * best_s


def test_a_group_of_two_stages_needs_no_green_of_its_own() -> None:
    served = np.asarray([[True, False], [False, True], [True, True]])
    assert webster.stage_ratios(served, np.asarray([0.2, 0.2, 0.4])).sum() == pytest.approx(0.4)
    assert webster.stage_ratios(served, np.asarray([0.2, 0.2, 0.5])).sum() == pytest.approx(0.5)


def test_a_full_intersection_takes_the_longest_cycle() -> None:
    assert webster.cycle_s(np.asarray([0.6, 0.5]), 12.0, 40.0, 120.0) == 120.0


@given(
    st.lists(st.tuples(st.floats(0.0, 0.9), st.integers(5, 20)), min_size=1, max_size=6),
    st.integers(0, 120),
)
def test_greens_keep_their_minima_and_use_up_what_there_is(stages: list[tuple[float, int]], available_s: int) -> None:
    ratio = np.asarray([r for r, _ in stages])
    least_s = np.asarray([float(m) for _, m in stages])
    greens_s = webster.greens_s(ratio, least_s, float(available_s))
    assert (greens_s >= least_s).all()
    assert greens_s.sum() == max(available_s, least_s.sum())
    assert np.array_equal(greens_s, np.round(greens_s))
