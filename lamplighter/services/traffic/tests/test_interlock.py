# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.services.traffic.tests.scenes import proposal, refused, snapshot
from lamplighter.terms.city import CityData

One = tuple[CityData, Prepared]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> One:
    city = make_city(Path(tmp_path_factory.mktemp("one")) / "city")
    return city, prepare(city)


def test_a_sound_change_and_a_sound_hold_pass(one: One) -> None:
    assert refused(*one, snapshot(one[0]), proposal("start_stage", 1)) == {}
    assert refused(*one, snapshot(one[0]), proposal("hold_stage", 0)) == {}


def test_a_stage_that_does_not_exist(one: One) -> None:
    assert refused(*one, snapshot(one[0]), proposal("start_stage", 4))["known stage"] == (4.0, 1.0)


def test_a_green_within_its_minimum_does_not_end(one: One) -> None:
    seen = snapshot(one[0], {"group_elapsed_s": {"J.g0": 3}, "stage_elapsed_s": {"J": 3}})
    assert refused(*one, seen, proposal("start_stage", 1)) == {"minimum green": (3.0, 5.0)}


def test_a_green_that_ended_too_lately_keeps_its_conflicting_group_red(one: One) -> None:
    # the crossing went red 2 s ago while cars beside it kept their green: from it to g1 is 2 + 5 s of change, needs 7
    seen = snapshot(one[0], {"group_state": {"J.g2": 0}, "group_elapsed_s": {"J.g2": 1}})
    found = refused(*one, seen, proposal("start_stage", 1))
    assert found["intergreen"] == (6.0, 7.0)
    assert "no change under way" in found


def test_no_second_change_while_one_is_under_way(one: One) -> None:
    seen = snapshot(one[0], {"group_state": {"J.g0": 1}, "stage_elapsed_s": {"J": 0}})
    assert refused(*one, seen, proposal("start_stage", 1))["no change under way"][0] >= 1.0


def test_only_the_running_stage_can_be_held(one: One) -> None:
    assert "running stage" in refused(*one, snapshot(one[0]), proposal("hold_stage", 1))


def test_nobody_is_held_at_red_beyond_the_bound(one: One) -> None:
    waits = {"queue_veh": {"d3": 2}, "group_elapsed_s": {"J.g1": 96}}
    found = refused(*one, snapshot(one[0], waits), proposal("hold_stage", 0))
    assert found == {"maximum red": (96.0 + 7.0, 100.0)}
    assert refused(*one, snapshot(one[0], waits), proposal("start_stage", 1)) == {}
    nobody = {"group_elapsed_s": {"J.g1": 96}}
    assert refused(*one, snapshot(one[0], nobody), proposal("hold_stage", 0)) == {}


def test_a_detector_that_fell_silent_counts_as_somebody_waiting(one: One) -> None:
    seen = snapshot(one[0], {"group_elapsed_s": {"J.g1": 96}}, age_s=30.0)
    assert "maximum red" in refused(*one, seen, proposal("hold_stage", 0))


def test_a_box_in_fault_or_silent_is_told_nothing(one: One) -> None:
    assert "box reports" in refused(*one, snapshot(one[0], {"box_mode": {"J": 2}}), proposal("start_stage", 1))
    seen = snapshot(one[0])
    column = seen.latest["group_state"]
    old = replace(column, known_at_s=column.known_at_s - 30.0)
    silent = replace(seen, latest={**seen.latest, "group_state": old})
    assert refused(*one, silent, proposal("start_stage", 1))["box reports"] == (30.0, 5.0)


def test_too_short_a_pedestrian_clearance_is_found_from_the_length_of_the_crossing(one: One) -> None:
    city, prepared = one
    crossing_s = prepared.installed.crossing_s.copy()
    crossing_s[2] = 9.6 / 1.2
    longer = replace(prepared, installed=prepared.installed._replace(crossing_s=crossing_s))
    found = refused(city, longer, snapshot(city), proposal("start_stage", 1))
    assert found == {"pedestrian clearance": (7.0, 8.0)}


def test_two_wishes_that_conflict_are_refused_whole(one: One) -> None:
    found = refused(*one, snapshot(one[0]), proposal("start_stage", 1), proposal("hold_stage", 0))
    assert found == {"conflicting greens": (4.0, 0.0)}


def test_a_lease_beyond_the_backup_time(one: One) -> None:
    assert "lease within backup time" in refused(*one, snapshot(one[0]), proposal("start_stage", 1, lease_s=120.0))


def test_a_stage_with_conflicting_greens_is_never_permitted(one: One) -> None:
    city, prepared = one
    green = prepared.installed.green.copy()
    green[1] = True
    wrong = replace(prepared, installed=prepared.installed._replace(green=green))
    assert "conflicting greens" in refused(city, wrong, snapshot(city), proposal("start_stage", 1))
    assert np.array_equal(prepared.installed.green[1], [False, True, False])
