# SPDX-License-Identifier: Apache-2.0
"""Calls and announcements as persons: against closed forms and a draw of many crossings."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic.horizon.people import (
    BUS,
    NO_BOUND_S,
    ON_FOOT,
    TRAM,
    Persons,
    announced_due_s,
    expected_walkers,
    people_rows,
    waiting,
    waiting_now,
)
from lamplighter.services.traffic.layout import read_layout
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.services.traffic.tests.scenes import snapshot


def test_rows_are_crossings_and_movements_that_vehicles_announce(tmp_path: Path) -> None:
    rows = people_rows(read_layout(make_city(tmp_path / "city")), Persons(1.3, 20.0, 60.0))
    assert list(zip(rows.group.tolist(), rows.kind.tolist(), strict=True)) == [
        (0, BUS), (0, TRAM), (1, BUS), (1, TRAM), (2, ON_FOOT),
    ]  # fmt: skip
    assert rows.offsets.tolist() == [0, 5]
    assert rows.serve.tolist() == [[True, True, False, False, True], [False, False, True, True, False]]
    assert rows.persons.tolist() == [20.0, 60.0, 20.0, 60.0, 1.0]
    assert rows.red_max_s.tolist() == [NO_BOUND_S] * 4 + [90.0]


@pytest.mark.parametrize(("flow_s", "red_s"), [(0.02, 10.0), (0.02, 60.0), (0.2, 45.0)])
def test_a_call_stands_for_as_many_as_come_on_average(flow_s: float, red_s: float) -> None:
    came = np.random.default_rng(5).poisson(flow_s * red_s, 400_000)
    expected = float(came[came > 0].mean())
    assert expected_walkers(np.array([flow_s]), np.array([red_s]))[0] == pytest.approx(expected, rel=0.01)


def test_the_first_call_is_one_person() -> None:
    assert expected_walkers(np.array([0.02]), np.array([0.0]))[0] == pytest.approx(1.0)


@given(due=st.sampled_from([0.0, 10.0, 20.0, 30.0, 60.0]), age=st.floats(0.0, 60.0))
def test_an_announcement_comes_nearer_and_is_never_nearer_than_the_stop_line(due: float, age: float) -> None:
    there, left_s = announced_due_s(np.array([due]), np.array([age]))
    assert bool(there[0]) == (due > 0 and age <= 20.0)
    assert 0.0 <= left_s[0] <= max(due - 5.0, 0.0)
    if there[0]:
        assert left_s[0] == pytest.approx(0.0 if due <= age else max(due - 5.0 - age, 0.0))


def test_what_counts_now(tmp_path: Path) -> None:
    rows = people_rows(read_layout(make_city(tmp_path / "city")), Persons(1.3, 20.0, 60.0))
    zeros, old = np.zeros(3), np.full(3, 1e9)
    called = np.array([False, False, True])
    red_s = np.array([0.0, 30.0, 40.0])
    bus_s = np.array([20.0, 0.0, 0.0])
    now = waiting(rows, called, (bus_s, np.array([0.0, 10.0, 0.0])), (zeros + 3.0, old), red_s)
    assert now.persons[:4].tolist() == [20.0, 0.0, 0.0, 0.0], "a tram's word that is too old says nothing"
    assert now.persons[4] == pytest.approx(0.8 / (1 - np.exp(-0.8)))
    assert now.due_s.tolist() == [12.0, 0.0, 0.0, 0.0, 0.0]
    assert now.red_s.tolist() == [0.0, 0.0, 30.0, 30.0, 40.0]
    at_green = waiting(rows, called, (zeros, zeros), (zeros, zeros), zeros)
    assert not at_green.persons.any()


def test_a_snapshot_tells_who_waits(tmp_path: Path) -> None:
    city = make_city(tmp_path / "city")
    layout = read_layout(city)
    rows = people_rows(layout, Persons(1.3, 20.0, 60.0))
    said = {"group_state": {"J.g2": 0}, "group_elapsed_s": {"J.g2": 40}, "call_waiting": {"d6": 1}, "bus_due_s": {"J.g1": 20},
            "tram_due_s": {"J.g0": 0}}  # fmt: skip
    now = waiting_now(snapshot(city, said), rows, layout)
    assert now.persons.tolist() == pytest.approx([0.0, 0.0, 20.0, 0.0, 0.8 / (1 - np.exp(-0.8))])
    assert now.due_s.tolist() == [0.0, 0.0, 15.0, 0.0, 0.0]
    assert now.red_s.tolist() == [0.0, 0.0, 30.0, 30.0, 40.0]
    nobody = waiting_now(snapshot(city), rows, layout)
    assert not nobody.persons.any()
