# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamplighter.services.traffic.interlock import install
from lamplighter.services.traffic.interlock.signals import box_reports
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.tests.crossroads import make_city
from lamplighter.services.traffic.tests.scenes import proposal, refused, snapshot
from lamplighter.terms.city import CityData
from lamplighter.terms.decision import Proposals

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


def test_who_comes_late_has_not_waited_since_the_red_began(one: One) -> None:
    late = {"queue_veh": {"d3": 2}, "group_elapsed_s": {"J.g1": 130}, "group_waited_s": {"J.g1": 4}}
    assert refused(*one, snapshot(one[0], late), proposal("hold_stage", 0)) == {}
    long = {**late, "group_waited_s": {"J.g1": 96}}
    assert refused(*one, snapshot(one[0], long), proposal("hold_stage", 0)) == {"maximum red": (96.0 + 7.0, 100.0)}
    seen = snapshot(one[0], late)
    column = seen.latest["group_waited_s"]
    old = replace(seen, latest={**seen.latest, "group_waited_s": replace(column, known_at_s=column.known_at_s - 30.0)})
    assert refused(*one, old, proposal("hold_stage", 0)) == {"maximum red": (137.0, 100.0)}, "what is not known is the worst case"


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
    groups, assets = prepared.layout.groups, city.span.stop - city.span.start
    longer = replace(prepared.layout, groups=replace(groups, crossing_m=np.array([0.0, 0.0, 9.6])))
    found = refused(city, replace(prepared, installed=install(longer, assets)), snapshot(city), proposal("start_stage", 1))
    assert found == {"pedestrian clearance": (7.0, 8.0)}
    slower = replace(prepared.layout, groups=replace(groups, walk_m_s=np.array([1.2, 1.2, 0.8])))
    found = refused(city, replace(prepared, installed=install(slower, assets)), snapshot(city), proposal("start_stage", 1))
    assert found == {"pedestrian clearance": (7.0, pytest.approx(7.2 / 0.8))}, "a crossing that asks for more time gets it"


def test_a_walk_lasts_until_the_slowest_can_be_in_the_middle(one: One) -> None:
    city, prepared = one
    groups, assets = prepared.layout.groups, city.span.stop - city.span.start
    long = replace(prepared.layout, groups=replace(groups, crossing_m=np.array([0.0, 0.0, 26.4])))
    pairs = replace(prepared.layout.pairs, intergreen_s=np.full(4, 30.0))
    installed = install(replace(long, pairs=pairs), assets)
    seen = snapshot(city, {"group_elapsed_s": {"J.g2": 9}})
    found = refused(city, replace(prepared, installed=installed), seen, proposal("start_stage", 1))
    assert found["minimum walk"] == (9.0, pytest.approx(26.4 / 1.2 / 2))


@pytest.mark.parametrize(("clear_m", "enter_m", "needed_s"), [(14.0, 0.0, 4.5), (24.0, 10.0, 7.0 - 0.9), (40.0, 0.0, 11.0)])
def test_bicycles_that_were_let_go_last_can_clear(one: One, clear_m: float, enter_m: float, needed_s: float) -> None:
    # by hand: 1 s, the way at 4 m/s, less 10 m at 40 km/h
    city, prepared = one
    pairs = prepared.layout.pairs
    first = np.array([clear_m, 0.0, 0.0, 0.0])
    with_cycles = replace(pairs, cycle_clear_m=first, cycle_enter_m=np.array([enter_m, 0.0, 0.0, 0.0]))
    installed = install(replace(prepared.layout, pairs=with_cycles), city.span.stop - city.span.start)
    found = refused(city, replace(prepared, installed=installed), snapshot(city), proposal("start_stage", 1))
    assert found == ({} if needed_s <= 5.0 else {"bicycle clearance": (5.0, pytest.approx(needed_s))})


def clear_way(stage: float, arm: str = "operator") -> Proposals:
    return replace(proposal("clear_way", stage), arm=arm)


def test_an_operator_clears_the_way_through_the_same_checks(one: One) -> None:
    city = one[0]
    assert refused(*one, snapshot(city), clear_way(1)) == {}
    early = snapshot(city, {"group_elapsed_s": {"J.g0": 3, "J.g2": 3}, "stage_elapsed_s": {"J": 3}})
    assert set(refused(*one, early, clear_way(1))) == {"minimum green", "minimum walk"}
    ended = snapshot(city, {"group_state": {"J.g2": 0}, "group_elapsed_s": {"J.g2": 1}})
    assert {"intergreen", "no change under way"} <= set(refused(*one, ended, clear_way(1)))
    assert "box reports" in refused(*one, snapshot(city, {"box_mode": {"J": 2}}), clear_way(1))
    assert "asked by an operator" in refused(*one, snapshot(city), clear_way(1, "adaptive"))


def test_an_operators_wish_is_renewed_while_the_box_is_on_its_way(one: One) -> None:
    on_its_way = {"running_stage": {"J": 1}, "stage_elapsed_s": {"J": 0}, "group_state": {"J.g0": 3, "J.g2": 0},
                  "group_elapsed_s": {"J.g0": 1, "J.g2": 3}}  # fmt: skip
    assert refused(*one, snapshot(one[0], on_its_way), clear_way(1)) == {}
    assert "no change under way" in refused(*one, snapshot(one[0], on_its_way), clear_way(0))


def test_nobody_is_forgotten_while_help_passes(one: One) -> None:
    waits = {"queue_veh": {"d3": 2}, "group_elapsed_s": {"J.g1": 120}}
    assert "maximum red" in refused(*one, snapshot(one[0], waits), proposal("hold_stage", 0))
    assert refused(*one, snapshot(one[0], waits), clear_way(0)) == {}
    longer = {"queue_veh": {"d3": 2}, "group_elapsed_s": {"J.g1": 156}}
    found = refused(*one, snapshot(one[0], longer), clear_way(0))
    assert found == {"maximum red while help passes": (156.0 + 7.0, 160.0)}


def test_a_box_without_groups_reports_like_any_other(one: One) -> None:
    city, prepared = one
    t = prepared.installed
    bare = t._replace(box_local=np.array([0, 0, 0]), group_offsets=np.array([0, 0, 3, 3]))
    seen = snapshot(city)
    table = replace(proposal("start_stage", 1), asset=np.array([0]))
    for box in range(3):
        found = box_reports(seen, (table,), bare._replace(box_of_local=np.full_like(t.box_of_local, box)))
        assert found.ok.tolist() == [True]
        assert found.observed.tolist() == [0.0]


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
