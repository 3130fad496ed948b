# SPDX-License-Identifier: Apache-2.0
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.lighting.optimum import night, timetable
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.plan import least_output, shaped
from lamplighter.services.lighting.prepared import distinct_fields, local_time
from lamplighter.services.lighting.terms import LEVEL_MIN, STEPS
from lamplighter.services.lighting.tests.small import NOON_S, PLACE, Small


@pytest.fixture(scope="module")
def found(small: Small) -> night.Certified:
    return night.certified(small.layout, distinct_fields(small.city.tables["segments"])[0])


def test_the_minimum_of_a_city_is_certified(small: Small, found: night.Certified) -> None:
    assert found.gap_ratio() <= 0.005
    assert (found.bound <= found.share + 1e-9).all()
    assert (found.share <= found.alike + 1e-4).all()
    assert (np.diff(found.share, axis=1) <= 1e-4).all()  # a lower class never asks for more
    assert found.reached[:, 0].all()
    assert len(found.missed) == 0 or not found.reached.all()


def test_dimming_alike_is_the_deciders_closed_form(small: Small, found: night.Certified) -> None:
    segments = small.layout.segments
    for step in range(STEPS):
        kind = classes.lowered(segments.design, np.full(len(segments.design), step))
        closed = np.maximum(least_output(segments.figures, kind), LEVEL_MIN)
        fits = shaped(segments.figures, kind) & (closed <= 1.0) & found.reached[:, step]
        assert found.alike[fits, step] == pytest.approx(closed[fits], rel=1e-3)


def test_energy_of_a_night_is_ordered(small: Small, found: night.Certified) -> None:
    count = len(small.layout.segments.design)
    dice = np.random.default_rng(1)
    relax = dice.integers(0, STEPS, (40, count))
    energy = night.energy(small.layout, found, relax, np.full(40, 0.25))
    assert (energy.bound_kwh <= energy.segments_kwh + 1e-9).all()
    assert (energy.segments_kwh <= energy.cells_kwh * (1 + 1e-4)).all()
    assert (energy.cells_kwh <= energy.full_kwh + 1e-9).all()
    bright = night.energy(small.layout, found, np.zeros_like(relax), np.full(40, 0.25))
    assert bright.cells_kwh == pytest.approx(bright.segments_kwh)


def test_a_cell_brightens_at_once_and_darkens_after_two() -> None:
    allowed = np.array([[2], [2], [0], [3], [1], [1]])
    assert night.held(allowed).ravel().tolist() == [0, 2, 0, 0, 1, 1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=6, max_size=9), st.integers(1, 4))
def test_no_timetable_of_so_many_steps_is_better(values: list[int], steps: int) -> None:
    asked = np.array([values, values[::-1]]) / 20.0
    power, hours = np.array([1.0, 0.4]), np.linspace(0.5, 1.0, len(values))
    got = timetable.best(asked, power, hours, steps)
    slots, least_kwh = len(values), np.inf
    for used in range(steps):
        for cuts in combinations(range(1, slots), used):
            edges = [0, *cuts, slots]
            total = sum((power @ asked[:, a:b].max(axis=1)) * hours[a:b].sum() for a, b in pairwise(edges))
            least_kwh = min(least_kwh, total)
    assert got.energy_kwh == pytest.approx(least_kwh)
    assert got.bound_kwh <= got.energy_kwh + 1e-9
    assert len(got.begin) <= steps
    step = np.searchsorted(got.begin, np.arange(slots), side="right") - 1
    assert (got.dimming_level[:, step] >= asked - 1e-12).all()


def test_a_year_of_nights_has_its_hours_and_its_middle() -> None:
    nights = timetable.nights_of(NOON_S, 365, (PLACE.lon0_deg, PLACE.lat0_deg), -3.0, local_time(PLACE.timezone))
    assert len(nights.middle_s) == 365
    assert nights.hours_h().sum() == pytest.approx(4085.0, abs=40.0)  # a north German year below -3 degrees
    assert ((nights.quarter[:, timetable.SLOTS // 2] + 4) % 96 <= 12).all()  # the middle: 23 to 2 o'clock local time


def test_what_a_driver_must_give_covers_every_night() -> None:
    nights = timetable.nights_of(NOON_S, 365, (PLACE.lon0_deg, PLACE.lat0_deg), -3.0, local_time(PLACE.timezone))
    asked = np.where((np.arange(96) >= 92) | (np.arange(96) < 20), 0.4, 1.0)[None, :]  # 23 to 5 o'clock
    by_night = timetable.asked_by_night(asked, nights)
    for n in range(0, 365, 30):
        burning = nights.burning_share[n] > 0
        assert (by_night[0, burning] >= asked[0, nights.quarter[n, burning]]).all()
    best = timetable.best(by_night, np.array([1.0]), nights.hours_h(), 5)
    assert 0.4 * nights.hours_h().sum() < best.energy_kwh < nights.hours_h().sum()
