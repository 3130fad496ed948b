# SPDX-License-Identifier: Apache-2.0
"""A running city watched in memory: what stands out over a while that is over, and nothing by which one user could be told."""

import numpy as np
import pytest

from lamplighter.services.traffic.diagnosis import following
from lamplighter.services.traffic.diagnosis.following import CityWatch, Nobody, watch_city
from lamplighter.services.traffic.layout import CALL, FAR, NEAR, STOP_LINE
from lamplighter.services.traffic.prepared import Prepared, prepare
from lamplighter.services.traffic.tests import crossroads
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.snapshot import Column, Snapshot

WHILE_S = 600.0
RED, GREEN, YELLOW = 0.0, 2.0, 3.0
GREEN_S, YELLOW_S, CYCLE_S = 20, 3, 60


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[CityData, Prepared]:
    made = crossroads.make_city(tmp_path_factory.mktemp("one") / "city")
    return made, prepare(made)


def snapshot(city: CityData, prepared: Prepared, second: int, a_cycle_veh: int, dumb: BoolArray) -> Snapshot:
    """Return one second: so many come at red in each cycle and leave at green, and the stop line stays occupied. dumb (k,): what
    reports nothing."""
    d, many = prepared.layout.detectors, city.span.stop - city.span.start
    at = second % CYCLE_S
    state = GREEN if at < GREEN_S else YELLOW if at < GREEN_S + YELLOW_S else RED
    left = float(at < 2 * a_cycle_veh and at % 2 == 0)
    waiting = max(a_cycle_veh - at // 2 - 1, 0) if at < GREEN_S else min((at - GREEN_S) // 2, a_cycle_veh)
    now_s = crossroads.BEGIN_S + second

    def column(rows: BoolArray | None, value: float) -> Column:
        local = prepared.layout.groups.local if rows is None else d.local[rows]
        present: BoolArray = np.zeros(many, np.bool_)
        present[local] = True
        values: FloatArray = np.full(many, value)
        return Column(values, np.full(many, now_s), present & ~dumb)

    loops, areas, calls = (d.boxed & np.isin(d.role, roles) for roles in ((STOP_LINE,), (NEAR, FAR), (CALL,)))
    latest = {
        "group_state": column(None, state),
        "count_veh": column(loops, left),
        "occupancy_share": column(loops, float(a_cycle_veh > 0)),
        "area_veh": column(areas, float(waiting)),
        "call_waiting": column(calls, 0.0),
    }
    return Snapshot(now_s, city.assets, city.span, latest, {}, {}, np.ones(many, np.bool_), city.vocabulary, {})


def followed(city: tuple[CityData, Prepared], a_cycle_veh: int, dumb: BoolArray | None = None) -> CityWatch:
    watch = CityWatch(city[0], city[1].layout)
    nobody: BoolArray = np.zeros(city[0].span.stop - city[0].span.start, np.bool_)
    for second in range(int(WHILE_S) + 5):
        watch.follow(snapshot(*city, second, a_cycle_veh, nobody if dumb is None else dumb))
    return watch


@pytest.fixture(autouse=True)
def short_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HOUR_S", WHILE_S)


def test_greens_that_leave_people_behind_are_told_by_name_when_the_hour_is_over(city: tuple[CityData, Prepared]) -> None:
    found = followed(city, 5).found()
    failing = [one for one in found if "of its greens between 16:00 and" in one.text]
    assert failing
    assert {str(city[0].assets.id[one.asset]) for one in found} == {"J"}
    groups = set(city[0].assets.id[city[0].assets.kind == "signal_group"].tolist())
    assert all(one.text.split()[0] in groups for one in failing)
    assert all(one.end_s - one.begin_s == WHILE_S for one in found)


def test_where_fewer_than_ten_came_nothing_is_said_of_them(city: tuple[CityData, Prepared]) -> None:
    assert [one.text for one in followed(city, 0).found()] == []
    few = CityWatch(city[0], city[1].layout)
    nobody: BoolArray = np.zeros(city[0].span.stop - city[0].span.start, np.bool_)
    for second in range(int(WHILE_S) + 5):
        few.follow(snapshot(*city, second, 2 if second < 4 * CYCLE_S else 0, nobody))
    assert not [one for one in few.found() if "fails" in one.text or "waited" in one.text]


def test_a_detector_of_which_nothing_is_heard_is_named(city: tuple[CityData, Prepared]) -> None:
    made, prepared = city
    d = prepared.layout.detectors
    loop = int(np.flatnonzero(d.boxed & (d.role == STOP_LINE))[0])
    dumb: BoolArray = np.zeros(made.span.stop - made.span.start, np.bool_)
    dumb[d.local[loop]] = True
    name = str(made.assets.id[int(d.local[loop]) + prepared.layout.start])
    said = [one.text for one in followed(city, 0, dumb).found()]
    assert said == [f"Nothing was heard of {name} for 10 min."]


def test_nothing_is_told_before_the_hour_is_over_and_large_cities_are_left_alone(
    city: tuple[CityData, Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watch_city(*city)
    nobody: BoolArray = np.zeros(city[0].span.stop - city[0].span.start, np.bool_)
    for second in range(120):
        watch.follow(snapshot(*city, second, 5, nobody))
    assert watch.found() == ()
    monkeypatch.setattr(following, "BOXES_MAX", 0)
    assert isinstance(watch_city(*city), Nobody)
