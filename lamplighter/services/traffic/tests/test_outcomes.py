# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lamplighter.services.traffic import SERVICE
from lamplighter.services.traffic.outcome_names import NAMES
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.tests.crossroads import BEGIN_S, make_city
from lamplighter.services.traffic.tests.scenes import snapshot
from lamplighter.terms.city import CityData

One = tuple[CityData, Prepared]
Seen = Mapping[str, Mapping[str, float]]
NOTHING: Seen = {}
FREE_WE_S, FREE_SN_S = (60.0 + 120.0) / 13.89, 60.0 / 13.89  # near and far area of street we1, near area of sn1


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> One:
    city = make_city(Path(tmp_path_factory.mktemp("one")) / "city")
    return city, prepare(city)


def after(one: One, minute: Sequence[Seen]) -> dict[str, tuple[float, float]]:
    """Return value and weight of every outcome after a minute; one more second before it starts the clock."""
    found: dict[str, tuple[float, float]] = {}
    state: Any = None
    for second, seen in enumerate([minute[0], *minute]):
        now_s = BEGIN_S + second
        at = snapshot(one[0], seen)
        latest = {name: replace(column, known_at_s=column.known_at_s + second) for name, column in at.latest.items()}
        rows, state = SERVICE.outcomes(replace(at, now_s=now_s, latest=latest), state, one[1])
        found |= {NAMES[code]: (float(rows.value[n]), float(rows.weight[n])) for n, code in enumerate(rows.outcome.tolist())}
    return found


def test_lost_time_is_time_spent_less_time_needed(one: One) -> None:
    standing: Seen = {"area_veh": {"d3": 3}, "queue_veh": {"d3": 3}, "count_veh": {"d1": 0}}
    leaving: Seen = {"area_veh": {"d3": 1}, "count_veh": {"d1": 1}}
    value, weight = after(one, [standing] * 50 + [leaving] * 10)["vehicle_delay_s_trip"]
    assert weight == 10.0
    assert value == pytest.approx((50 * 3 + 10 * 1 - 10 * FREE_SN_S) / 10)


def test_free_travel_loses_nothing(one: One) -> None:
    seconds: list[Seen] = [{"area_veh": {"d2": 1, "d4": 2}, "count_veh": {"d0": 1.0 if n % 4 == 0 else 0.0}} for n in range(60)]
    found = after(one, seconds)["vehicle_delay_s_trip"]
    assert found[1] == pytest.approx(16.0, abs=1.0)
    assert found[0] == pytest.approx(max(0.0, 180.0 / found[1] - FREE_WE_S), abs=1e-9)
    assert found[0] < 0.5


def test_stops_are_new_standing_vehicles(one: One) -> None:
    waves: list[Seen] = [{"queue_veh": {"d3": float(n % 10 // 5 * 2)}, "count_veh": {"d1": 0.5}} for n in range(60)]
    assert after(one, waves)["stops_per_trip"][0] == pytest.approx(12 / 30.5, abs=0.02)


def test_people_on_foot_wait_from_call_to_green(one: One) -> None:
    called: Seen = {"call_waiting": {"d6": 1}, "group_state": {"J.g2": 0}}
    value, weight = after(one, [NOTHING] * 10 + [called] * 20 + [NOTHING] * 30)["pedestrian_delay_s_trip"]
    assert (value, weight) == (20.0, 1.0)


def test_a_wait_lasts_while_somebody_is_there_and_ends_where_nobody_is_left(one: One) -> None:
    stands: Seen = {"area_veh": {"d3": 1}, "queue_veh": {"d3": 1}}
    creeps: Seen = {"area_veh": {"d3": 1}, "queue_veh": {"d3": 0}}
    assert after(one, [NOTHING] * 10 + [stands] * 20 + [creeps] * 15 + [NOTHING] * 15)["longest_red_wait_s"][0] == 35.0
    assert after(one, [NOTHING] * 10 + [stands] * 20 + [NOTHING] * 5 + [stands] * 25)["longest_red_wait_s"][0] == 25.0


def test_what_is_not_measured_is_not_counted(one: One) -> None:
    old = snapshot(one[0], {"area_veh": {"d3": 5}, "count_veh": {"d1": 9}})
    state: Any = None
    for second in (0, 100, 200):
        rows, state = SERVICE.outcomes(replace(old, now_s=BEGIN_S + second), state, one[1])
        assert "vehicle_delay_s_trip" not in [NAMES[code] for code in rows.outcome.tolist()]


def test_per_person_a_car_counts_as_many_as_are_stated_and_a_call_as_one(one: One) -> None:
    second: Seen = {"area_veh": {"d3": 2}, "count_veh": {"d1": 0.5}, "call_waiting": {"d6": 1}, "group_state": {"J.g2": 0}}
    found = after(one, [second] * 60)
    vehicle_s, vehicles = found["vehicle_delay_s_trip"]
    foot_s, calls = found["pedestrian_delay_s_trip"]
    persons_s, persons = found["person_delay_s_trip"]
    assert persons == pytest.approx(1.3 * vehicles + calls)
    assert persons_s * persons == pytest.approx(1.3 * vehicle_s * vehicles + foot_s * calls)


def test_the_longest_waits_are_told_by_kind(one: One) -> None:
    called: Seen = {"call_waiting": {"d6": 1}, "group_state": {"J.g2": 0}}
    both: Seen = {**called, "area_veh": {"d3": 1}, "queue_veh": {"d3": 1}}
    found = after(one, [NOTHING] * 10 + [called] * 15 + [both] * 20 + [NOTHING] * 15)
    assert found["longest_wait_motor_s"][0] == 20.0
    assert found["longest_wait_foot_s"][0] == 35.0
    assert found["longest_red_wait_s"][0] == 35.0
    assert "longest_wait_cycle_s" not in found
