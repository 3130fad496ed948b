# SPDX-License-Identifier: Apache-2.0
"""Retiming against what theory knows: delay, optimal cycle, offsets, platoons, bands and plan periods."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.traffic.planning import webster
from lamplighter.services.traffic.retiming import bandwidth, kernel, periods
from lamplighter.services.traffic.retiming.kernel import watch
from lamplighter.services.traffic.tests import streets


@pytest.mark.parametrize(("cycle_s", "green_s", "flow"), [(60, 30, 0.1), (90, 40, 0.15), (120, 30, 0.08), (80, 50, 0.05)])
def test_even_arrivals_wait_as_the_closed_form_says(cycle_s: int, green_s: int, flow: float) -> None:
    roads = streets.row_of_signals([flow], [], 1.0)
    seen = watch(roads, streets.lights(cycle_s, [green_s], [0]), 2 * cycle_s, cycle_s)
    found_s = seen.queued_veh_s[0] / seen.arrived_veh[0]
    assert found_s == pytest.approx(streets.uniform_s(cycle_s, green_s, flow, 0.5), abs=1.0)
    assert seen.possible_veh[0] == pytest.approx(0.5 * green_s)


@pytest.mark.parametrize("ratio", [0.5, 0.8, 0.9])
def test_delay_by_chance_is_that_of_even_service_in_the_long_run(ratio: float) -> None:
    passes_h = 900.0
    wait_s = kernel.chance_s(ratio, passes_h, 1000.0, 1.0)
    closed_s = 3600.0 / passes_h * ratio / (2.0 * (1.0 - ratio))  # M/D/1: Pollaczek and Khinchine
    ran_s = 3600.0 / passes_h * streets.waiting_m_d_1(ratio, 400_000, 7)
    assert ran_s == pytest.approx(closed_s, rel=0.08)
    assert wait_s == pytest.approx(2.0 * 0.5 * closed_s, rel=0.02)


def test_too_much_demand_delays_by_half_of_what_is_left_over() -> None:
    growth_s = kernel.chance_s(1.2, 1000.0, 1.0, 1.0) - kernel.chance_s(1.0, 1000.0, 1.0, 1.0)
    assert kernel.chance_s(1.2, 1e9, 1.0, 1.0) == pytest.approx(0.2 * 3600.0 / 2.0, rel=1e-3)
    assert growth_s > 0


@pytest.mark.parametrize(("cycle_s", "green_s", "flow"), [(60, 30, 0.18), (90, 40, 0.17)])
def test_model_and_webster_and_a_queue_that_runs_agree(cycle_s: int, green_s: int, flow: float) -> None:
    ran_s = streets.signal_queue_s(cycle_s, green_s, flow, 0.5, 3)
    x = flow / (0.5 * green_s / cycle_s)
    model_s = streets.uniform_s(cycle_s, green_s, flow, 0.5)
    model_s += kernel.chance_s(x, 1800.0 * green_s / cycle_s, 4000.0 * cycle_s / 3600.0, 1.0)
    assert streets.webster_s(cycle_s, green_s, flow, 0.5) == pytest.approx(ran_s, rel=0.1)
    assert model_s == pytest.approx(ran_s, rel=0.15)


@pytest.mark.parametrize("ratio", [0.2, 0.3, 0.4])
def test_webster_cycle_has_nearly_the_least_delay_of_all_cycles(ratio: float) -> None:
    lost_s, full = 8.0, 0.5

    def delay_s(cycle_s: float) -> float:
        green_s = (cycle_s - lost_s) / 2.0
        return streets.webster_s(cycle_s, green_s, ratio * full, full) if ratio * cycle_s / green_s < 0.99 else np.inf

    best_s = min(delay_s(c) for c in np.arange(15.0, 200.0))
    chosen_s = webster.cycle_s(np.asarray([ratio, ratio]), lost_s, 10.0, 300.0)
    assert chosen_s == pytest.approx((1.5 * lost_s + 5.0) / (1.0 - 2 * ratio), abs=1.0)
    assert delay_s(chosen_s) <= 1.05 * best_s


@pytest.mark.parametrize("travel_s", [7, 23, 41, 75, 130])
def test_the_best_offset_between_two_signals_is_the_travel_time_within_the_cycle(travel_s: int) -> None:
    cycle_s = 60
    roads = streets.row_of_signals([0.2, 0.0], [travel_s], 1.0)
    cost = [
        watch(roads, streets.lights(cycle_s, [30, 30], [0, offset]), 6 * cycle_s, cycle_s).queued_veh_s[1]
        for offset in range(cycle_s)
    ]
    best = int(np.argmin(cost))
    assert (best - travel_s) % cycle_s in (
        0,
        *range(cycle_s - 6, cycle_s),
        1,
    )  # the queue leaves within 24 s of 30: room to be early
    assert cost[travel_s % cycle_s] == pytest.approx(min(cost), abs=0.3)
    assert max(cost) > 20 * min(cost) + 20


@given(travel_s=st.integers(1, 150), green_s=st.integers(20, 50), offset_s=st.integers(0, 59))
@settings(max_examples=25, deadline=None)
def test_dispersed_platoons_lose_nobody(travel_s: int, green_s: int, offset_s: int) -> None:
    delay_s, smooth = kernel.platoon(float(travel_s))
    roads = streets.row_of_signals([0.1, 0.0], [delay_s], smooth)
    seen = watch(roads, streets.lights(60, [green_s, 60], [0, offset_s]), 1200, 600)
    assert seen.arrived_veh[1] == pytest.approx(60.0, rel=0.01)
    assert 0.0 < smooth <= 1.0


def test_the_longer_the_way_the_wider_the_platoon() -> None:
    roads = [streets.row_of_signals([0.1, 0.0], [delay], smooth) for delay, smooth in map(kernel.platoon, (10.0, 40.0, 120.0))]
    # Green is as long as the platoon and begins as it arrives: what it misses grows with the way.
    late = [watch(r, streets.lights(60, [20, 20], [0, int(r.feed_delay_s[0])]), 1200, 600).queued_veh_s[1] for r in roads]
    assert late[0] < late[1] < late[2]


def test_a_two_way_street_with_signals_half_a_cycle_apart_has_bands_as_long_as_green() -> None:
    out_s, back_s, _ = bandwidth.widest([30.0] * 5, [0.0, 30.0, 60.0, 90.0, 120.0], 60.0)
    assert (out_s, back_s) == (pytest.approx(30.0), pytest.approx(30.0))


def test_signals_a_quarter_cycle_apart_cannot_have_both_bands_whole() -> None:
    out_s, back_s, offsets = bandwidth.widest([30.0] * 4, [0.0, 15.0, 30.0, 45.0], 60.0)
    assert out_s + back_s == pytest.approx(30.0, abs=0.1)
    assert len(offsets) == 4


@given(st.lists(st.integers(4, 40), min_size=2, max_size=4), st.lists(st.integers(12, 30), min_size=4, max_size=4))
@settings(max_examples=15, deadline=None)
def test_bands_read_off_the_signals_are_those_of_the_programme(steps_s: list[int], greens: list[int]) -> None:
    travel_s = [float(t) for t in np.cumsum([0, *steps_s])]
    greens_s = [float(g) for g in greens[: len(travel_s)]] + [20.0] * max(0, len(travel_s) - 4)
    out_s, back_s, offsets = bandwidth.widest(greens_s, travel_s, 60.0)
    shown = [(np.arange(60) - round(o)) % 60 < g for o, g in zip(offsets, greens_s, strict=True)]
    read = [bandwidth.band(shown, [sign * t for t in travel_s]).width_s for sign in (1.0, -1.0)]
    assert read[0] == pytest.approx(out_s, abs=2.1)
    assert read[1] == pytest.approx(back_s, abs=2.1)


def brute(flow: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", count: int, least: int) -> float:
    size, best = len(flow), np.inf
    for inner in combinations(range(1, size), count - 1):
        edges = (0, *inner, size)
        if min(b - a for a, b in pairwise(edges)) >= least:
            best = min(best, sum(((flow[a:b] - flow[a:b].mean(axis=0)) ** 2).sum() for a, b in pairwise(edges)))
    return float(best)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=6, max_size=10), st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_periods_are_the_best_of_all_cuts(rows: list[tuple[float, float]], count: int, least: int) -> None:
    flow = np.asarray(rows)
    found = periods.cuts(flow, count, least)
    ends = (*found[1:], len(flow))
    cost = sum(((flow[a:b] - flow[a:b].mean(axis=0)) ** 2).sum() for a, b in zip(found, ends, strict=True))
    assert cost == pytest.approx(brute(flow, count, least), abs=1e-9)
    assert all(b - a >= least for a, b in zip(found, ends, strict=True))


def test_a_day_of_two_peaks_is_cut_where_they_begin_and_end() -> None:
    flow = np.asarray([[1.0]] * 6 + [[5.0]] * 3 + [[2.0]] * 6 + [[5.0]] * 4)
    assert periods.choose(flow, 6, 2) == (0, 6, 9, 15)
    with pytest.raises(ValueError, match="do not fit"):
        periods.cuts(flow, 12, 3)
