# SPDX-License-Identifier: Apache-2.0
"""What the decider makes of counts on areas: where vehicles are, and what a city's tables are as a network."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.services.traffic.adaptive import finish, observe
from lamplighter.services.traffic.horizon.scheme import CELLS
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.simulator import box as boxes
from lamplighter.services.traffic.simulator.telegram import Command
from lamplighter.services.traffic.terms import GREEN
from lamplighter.services.traffic.tests.crossroads import BEGIN_S, make_city
from lamplighter.services.traffic.wire import GO_TO

SPEED_M_S = 13.89


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(make_city(Path(tmp_path_factory.mktemp("one")) / "city"))


def cells(one: Prepared, seconds: list[tuple[dict[str, float], dict[str, float], float]]) -> np.ndarray:
    """Return the cells of the west lane after some seconds of (vehicles, of these standing, passed)."""
    seen = one.plan.survey
    ids = one.layout.detectors.id[seen.areas.row].tolist()
    sight, cell_veh = observe.begin(seen.areas), np.zeros((len(seen.lanes.row), CELLS))
    west = one.layout.detectors.street[seen.lanes.row].tolist().index("we1")
    for veh, standing, passed in seconds:
        there, stands = (np.array([column.get(name, 0.0) for name in ids]) for column in (veh, standing))
        out = np.zeros(len(seen.lanes.row))
        out[west] = passed
        observe.follow(seen.areas, there, stands, out, sight)
        observe.place(seen.lanes, seen.areas, seen.pieces, stands, sight.age_veh, cell_veh)
    return cell_veh[west].copy()


def test_the_network_of_the_hand_made_city(one: Prepared) -> None:
    network, lanes = one.plan.network, one.plan.survey.lanes
    assert one.layout.detectors.street[lanes.row].tolist() == ["we1", "sn1"]
    assert network.reach_m.tolist() == [185.0, 65.0], "60 m near and 120 m far, to 5 m before the stop line; 60 m near alone"
    assert network.serve.tolist() == [[2, 0], [0, 2]]
    assert network.foot_serve.tolist() == [[True, False, True], [False, True, False]]
    assert network.change_s.tolist() == [[0.0, 7.0], [5.0, 0.0]]
    assert network.green_min_s.tolist() == [5.0, 5.0]
    assert network.own_share.tolist() == pytest.approx([23.0 / 60.0, 25.0 / 60.0])
    assert network.red_max_s.tolist() == [97.0, 97.0], "90 s, and the planner keeps 10 s where 3 are enough"
    assert network.cell_s[0].tolist() == pytest.approx([25.0 * n / SPEED_M_S for n in range(CELLS + 1)])


def test_who_drives_is_as_far_as_the_seconds_since_entry_say(one: Prepared) -> None:
    """One vehicle enters the far area 185 m before the stop line and drives at 13.89 m/s."""
    for second in range(1, 8):
        found = cells(one, [({"d4": 1.0}, {}, 0.0)] * second)
        at_m = 185.0 - SPEED_M_S * (second - 0.5)
        assert np.flatnonzero(found).tolist() == [int(at_m / 25.0)]


def test_who_stands_queues_from_the_stop_line(one: Prepared) -> None:
    queue = cells(one, [({"d2": 8.0, "d4": 2.0}, {"d2": 8.0, "d4": 2.0}, 0.0)] * 30)
    assert queue[:4].tolist() == [4.0, 3.0, 3.0, 0.0], "one every 7.5 m; nobody of the far area nearer than 65 m"


def test_one_who_passes_is_not_taken_for_one_who_comes(one: Prepared) -> None:
    """The loop lies before the end of the area: a vehicle is counted on the area for a second after it has passed."""
    stands = ({"d2": 4.0}, {"d2": 4.0}, 0.0)
    after = cells(one, [*[stands] * 20, ({"d2": 4.0}, {"d2": 3.0}, 1.0), ({"d2": 3.0}, {"d2": 3.0}, 0.0)])
    assert after[:2].tolist() == [3.0, 0.0]
    came = cells(one, [*[stands] * 20, ({"d2": 4.0}, {"d2": 3.0}, 1.0), ({"d2": 4.0}, {"d2": 3.0}, 0.0)])
    assert came.sum() == 4.0
    assert came[1:].sum() == 1.0, "if the count has not fallen since, another one came"


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 16), st.integers(0, 2)), min_size=1, max_size=30))
def test_as_many_are_placed_as_are_counted(one: Prepared, seconds: list[tuple[int, int, int]]) -> None:
    told = [({"d2": float(n), "d4": float(f)}, {"d2": float(n // 2), "d4": float(f // 3)}, float(p)) for n, f, p in seconds]
    found = cells(one, told)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(seconds[-1][0] + seconds[-1][1])


@pytest.mark.parametrize("stage", [0, 1])
def test_how_long_a_change_still_takes_is_what_the_box_takes(one: Prepared, stage: int) -> None:
    """Against the box in software: in every second of a change, the seconds until its stage is green."""
    tables = boxes.install(one.layout)
    state = boxes.switch_on(tables, BEGIN_S)
    told: list[float] = []
    now_s, dark = BEGIN_S, np.zeros(1, np.bool_)
    for second in range(120):
        now_s += 1.0
        boxes.command(tables, state, 0, Command(GO_TO, (1 - stage) if second < 60 else stage, int(now_s) + 60), now_s)
        boxes.step(tables, state, now_s, dark)
        if second >= 60 and bool(state.changing[0]):
            left_s = finish.change_left_s(one.plan.installed, state.stage, state.changing, state.group, now_s - state.since_s)
            told.append(float(left_s[0]))
    assert state.group[tables.green[stage]].tolist() == [GREEN] * int(tables.green[stage].sum())
    assert told == [float(n) for n in range(len(told), 0, -1)]
