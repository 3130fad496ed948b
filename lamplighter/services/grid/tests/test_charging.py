# SPDX-License-Identifier: Apache-2.0
"""Boxes: nothing between 0 and 6 A, leases that lapse safely, groups that say no more than a group may."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.grid import charging
from lamplighter.services.grid.network.model import read_grid
from lamplighter.services.grid.terms import GROUP_CONNECTIONS_MIN, GROUP_POINTS_MIN, POINT_MIN_KW, POINTS_REPORTED_MIN
from lamplighter.services.grid.tests.small import EVENING_S, small_city


def opened() -> tuple[charging.Points, charging.Boxes]:
    """Return all points and boxes of the small town, a car that wants 20 kWh at each."""
    grid = read_grid(small_city().tables)
    points, boxes = charging.open_points(grid), charging.open_boxes(grid)
    points.plugged[:] = True
    points.lacks_kwh[:] = 20.0
    points.leaves_s[:] = EVENING_S + 8 * 3600.0
    return points, boxes


@given(st.floats(0.0, 400.0))
@settings(max_examples=60, deadline=None)
def test_a_point_draws_nothing_or_at_least_six_amperes(limit_kw: float) -> None:
    """Whatever the limit: each point 0 or 4.14 kW and more, and the group never above its limit."""
    points, boxes = opened()
    many = len(boxes.limit_kw)
    boxes.take(np.arange(many), np.full(many, limit_kw), np.full(many, EVENING_S + 100.0), np.zeros(many, np.bool_))
    charging.share_limits(points, boxes, EVENING_S)
    assert ((points.p_kw == 0.0) | (points.p_kw >= POINT_MIN_KW - 1e-9)).all()
    assert (np.bincount(points.group, weights=points.p_kw) <= np.minimum(limit_kw, boxes.full_kw) + 1e-6).all()


def test_turns_reach_everybody() -> None:
    """With room for a third of the points at a time everybody has charged something after three hours."""
    points, boxes = opened()
    many = len(boxes.limit_kw)
    limit = np.maximum(boxes.full_kw / 11.0 / 3.0 * POINT_MIN_KW, POINT_MIN_KW)
    for minute in range(300):
        now_s = EVENING_S + 60.0 * minute
        boxes.take(np.arange(many), limit, np.full(many, now_s + 100.0), np.zeros(many, np.bool_))
        charging.share_limits(points, boxes, now_s)
        charging.charge(points, 60.0, now_s + 60.0)
    assert (points.lacks_kwh < 20.0).all()


def test_a_lapsed_lease_uncovers_the_permanent_maximum_and_not_full_power() -> None:
    """Before anything is installed a box charges at will, also after a lease; ever after, silence means the permanent maximum."""
    _, boxes = opened()
    assert (boxes.obeyed_kw(EVENING_S) == boxes.full_kw).all()
    many = len(boxes.limit_kw)
    boxes.take(np.arange(many), np.full(many, 50.0), np.full(many, EVENING_S - 1.0), np.zeros(many, np.bool_))
    assert (boxes.obeyed_kw(EVENING_S) == boxes.full_kw).all()
    boxes.install(np.arange(many), np.full(many, 20.7))
    boxes.take(np.arange(many), np.full(many, 50.0), np.full(many, EVENING_S + 180.0), np.zeros(many, np.bool_))
    assert (boxes.obeyed_kw(EVENING_S + 179.0) == np.minimum(50.0, boxes.full_kw)).all()
    assert (boxes.obeyed_kw(EVENING_S + 180.0) == boxes.safe_kw).all()
    boxes.take(np.arange(many), np.zeros(many), np.zeros(many), np.ones(many, np.bool_))
    assert (boxes.obeyed_kw(EVENING_S + 10.0) == boxes.safe_kw).all()


def test_few_points_do_not_tell_what_they_want() -> None:
    """Energy wanted is told from five points on: below, it would be one driver's."""
    points, boxes = opened()
    first = np.flatnonzero(points.group == 0)
    points.lacks_kwh[first[POINTS_REPORTED_MIN - 1 :]] = 0.0
    said = charging.sums(points, len(boxes.limit_kw), EVENING_S)
    assert said["told"][0] == 0
    assert said["told"][1] == 1


def test_leaving_early_is_counted_as_late_energy() -> None:
    """A car that leaves with 20 kWh missing is counted with 20 kWh, once."""
    points, boxes = opened()
    points.leaves_s[0] = EVENING_S + 30.0
    boxes = replace(boxes, installed=np.ones(len(boxes.limit_kw), np.bool_), safe_kw=np.zeros(len(boxes.limit_kw)))
    charging.share_limits(points, boxes, EVENING_S)
    late = charging.charge(points, 60.0, EVENING_S + 60.0)
    assert late[0] == 20.0
    assert late[1:].sum() == 0.0
    assert charging.charge(points, 60.0, EVENING_S + 120.0).sum() == 0.0


def test_groups_are_groups() -> None:
    """Every group has ten points or more; a private one also 100 connections behind its cable."""
    grid = read_grid(small_city().tables)
    assert (grid.groups.points_count >= GROUP_POINTS_MIN).all()
    for group in np.flatnonzero(grid.groups.access == "private"):
        feeder = str(grid.groups.id[group]).rsplit(".", 1)[0]
        mine = np.array([name.startswith(feeder + ".") for name in grid.nodes.id.tolist()])
        assert grid.nodes.connections_count[mine].sum() >= GROUP_CONNECTIONS_MIN
