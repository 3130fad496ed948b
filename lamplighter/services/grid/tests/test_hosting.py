# SPDX-License-Identifier: Apache-2.0
"""Hosting: the same physics by three engines, cars that nest, plans that keep what they must, a bound that bounds."""

import importlib.util
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.grid.envelopes import station
from lamplighter.services.grid.envelopes.plan import Needs, plan
from lamplighter.services.grid.envelopes.radial import flat, loadings, sweep
from lamplighter.services.grid.hosting.bound import relaxed
from lamplighter.services.grid.hosting.cars import FULL_KW, STEP_H, STEPS, draw
from lamplighter.services.grid.hosting.check import refereed
from lamplighter.services.grid.hosting.field import Disorder, Field, disordered
from lamplighter.services.grid.hosting.grouping import grouped
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.hosting.reading import read_case
from lamplighter.services.grid.hosting.run import most, run
from lamplighter.services.grid.hosting.search import WAYS
from lamplighter.services.grid.hosting.truth import run_true
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.terms import GROUP_POINTS_MIN, POINT_MIN_KW
from lamplighter.terms.columns import IntArray

pytestmark = pytest.mark.skipif(importlib.util.find_spec("simbench") is None, reason="SimBench is not installed")


@cache
def case() -> tuple[Night, Network, IntArray]:
    """Return the worst night of SimBench's smallest low-voltage grid."""
    return read_case("rural1")


def test_sweeps_power_grid_model_and_opendss_agree() -> None:
    """The planner's sweep, the referee and a balanced three-phase circuit give the same loading and voltage."""
    night, network, row_node = case()
    cars = np.zeros((STEPS, len(row_node)))
    cars[:, night.connection_row] = 6.0
    loading, lowest = refereed(night, network, row_node, cars)
    own = [sweep(night.tree, night.base_kva[step] + cars[step], flat(night.tree)) for step in range(STEPS)]
    assert loading == pytest.approx(max(float(loadings(night.tree, u, i).max()) for u, i, _ in own), abs=2e-3)
    assert lowest == pytest.approx(min(float(np.abs(u).min()) for u, _, _ in own), abs=2e-4)
    if importlib.util.find_spec("dss") is None:
        return
    many = len(row_node)
    even = Disorder(np.ones(many), -1, -1, np.full((many, 3), 1 / 3), np.full((many, 3), 1 / 3))
    state = Field(night, network, row_node, even).solve(night.base_kva[30], cars[30])
    u, i, _ = own[30]
    lines = night.tree.is_line
    assert state.loading[lines] == pytest.approx(loadings(night.tree, u, i)[lines], abs=1e-3)
    assert state.lowest_pu == pytest.approx(np.abs(u), abs=1e-3)


def test_more_cars_contain_fewer() -> None:
    """The first cars are the same however many are drawn, and their distributions are those asked for."""
    rows = np.arange(7)
    few, many = draw(3, 50, rows), draw(3, 6000, rows)
    assert (many.head(50).row == few.row).all()
    assert (many.head(50).energy_kwh == few.energy_kwh).all()
    assert many.energy_kwh.mean() == pytest.approx(12.06, abs=0.3)
    assert (many.energy_kwh >= 3.0).all()
    assert (many.energy_kwh <= 45.0).all()
    assert many.first.mean() * STEP_H + 12.0 == pytest.approx(18.125, abs=0.1)


def test_groups_hide_their_members() -> None:
    """Every group has ten points or more where the grid has as many, and every row with points is in one."""
    night, _, _ = case()
    points = np.bincount(draw(1, 90, night.connection_row).row, minlength=len(night.tree.parent)).astype(np.float64)
    members, of_row = grouped(night.tree, points)
    size = np.bincount(of_row[points > 0], weights=points[points > 0], minlength=len(members.attach))
    assert (of_row[points > 0] >= 0).all()
    assert (size >= GROUP_POINTS_MIN).all()


@given(st.lists(st.floats(0.0, 30.0), min_size=3, max_size=12), st.floats(0.0, 60.0))
@settings(max_examples=60, deadline=None)
def test_a_box_keeps_its_limit_and_six_amperes(left: list[float], limit: float) -> None:
    """No car between 0 and 6 A but one that needs less for the rest of the quarter of an hour; never more than the limit."""
    wants = np.minimum(np.array(left) / STEP_H, FULL_KW)
    group = np.zeros(len(wants), np.int64)
    power = station.choose(group, np.array([limit]), np.arange(len(wants)).astype(np.float64), wants, (POINT_MIN_KW, FULL_KW))
    assert power.sum() <= limit + 1e-9
    assert (power <= wants + 1e-9).all()
    partial = (power > 0) & (power < POINT_MIN_KW - 1e-9)
    assert (power[partial] == wants[partial]).all()


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_plan_fills_no_branch_beyond_its_headroom(seed: int) -> None:
    """On random trees: sums keep headroom, nobody gets more than can be used, and 6 A is the least."""
    dice = np.random.default_rng(seed)
    rows, groups, blocks = 8, 5, 4
    parent = np.array([-1, *(dice.integers(0, row) for row in range(1, rows))], dtype=np.int64)
    attach = dice.integers(1, rows, groups)
    headroom = dice.uniform(0.0, 80.0, (rows, blocks))
    headroom[0] = 1e12
    due = np.cumsum(dice.uniform(0.0, 6.0, (groups, blocks)), axis=1)
    usable = dice.uniform(5.0, 60.0, groups)
    needs = Needs(due, np.zeros((groups, blocks)), usable, usable, np.full(groups, 5.0), POINT_MIN_KW)
    given_kw = plan(parent, attach, headroom, np.full(blocks, STEP_H), needs)
    total = np.bincount(attach, weights=given_kw, minlength=rows)
    for row in range(rows - 1, 0, -1):
        total[parent[row]] += total[row]
    assert (total[1:] <= headroom[1:, 0] + 1e-6).all()
    assert (given_kw <= usable + 1e-9).all()
    assert ((given_kw == 0.0) | (given_kw >= POINT_MIN_KW - 1e-6)).all()


def test_steering_hosts_more_than_charging_at_will_and_less_than_the_bound() -> None:
    """150 cars: at will they overload the transformer, by envelopes all is kept; what the bound excludes stays excluded."""
    night, network, row_node = case()
    cars = draw(1, 150, night.connection_row)
    at_will, _ = run(night, cars, WAYS["uncontrolled"](night, cars))
    steered, drawn = run(night, cars, WAYS["adaptive"](night, cars))
    assert not at_will.safe
    assert steered.hosted
    loading, lowest = refereed(night, network, row_node, drawn)
    assert loading <= 1.005
    assert lowest >= 0.95
    if importlib.util.find_spec("clarabel") is None:
        return
    assert relaxed(night, cars).short_share < 0.0
    too_many = draw(1, 230, night.connection_row)
    assert relaxed(night, too_many).short_share > 0.0
    assert not run(night, too_many, WAYS["adaptive"](night, too_many))[0].hosted


def test_a_field_that_is_not_as_modelled_stays_within_bounds_and_raises_doubt() -> None:
    """Line phases, lengths and a link box wrong, meters late, chargers deaf: no bound broken, and the model is in doubt."""
    if importlib.util.find_spec("dss") is None:
        pytest.skip("OpenDSS is not installed")
    night, network, row_node = case()
    cars = draw(2, 90, night.connection_row)
    field = Field(night, network, row_node, disordered(night, 2))
    found = run_true(night, cars, WAYS["adaptive"](night, cars), field, 2)
    assert found.kept
    assert found.doubts


def test_the_search_finds_the_edge() -> None:
    """On a threshold the search returns it, from any guess."""
    for edge in (0, 1, 7, 93, 400):
        for guess in (1, 10, 90, 500):
            assert most(lambda n, edge=edge: n <= edge, guess, 1000) == edge
