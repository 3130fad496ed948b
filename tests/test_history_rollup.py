# SPDX-License-Identifier: Apache-2.0
"""Rolling up: sums are kept, windows close once, low counts are merged, and nothing finer comes out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.history import FLOORS, Groups, History, RollUp, by_area
from lamplighter.terms.measurement import Measurements
from lamplighter.terms.quantity import Quantity

COUNT = Quantity("flow_veh", "veh", 1, 0, 1000, "total", 60, "detector", "")
OCCUPANCY = Quantity("occupancy_share", "1", 0.01, 0, 1, "mean", 60, "detector", "")
SERVICES = ("water", "water")


def measured(asset, quantity, window, value):
    size = len(asset)
    return Measurements(
        np.array(asset, dtype=np.int64),
        np.array(quantity, dtype=np.int64),
        np.array(value, dtype=float),
        np.array(window, dtype=np.int64),
        np.ones(size, dtype=np.int64),
        np.zeros(size),
    )


def approaches(assets_each=2, approaches_n=4, zones=2):
    return Groups(
        np.array(["approach"] * approaches_n),
        np.array([f"J{n}" for n in range(approaches_n)]),
        np.array([f"Z{n % zones}" for n in range(approaches_n)]),
        np.full(approaches_n, assets_each),
        np.repeat(np.arange(approaches_n), assets_each),
    )


def test_counts_add_up_and_means_are_means():
    roll = RollUp((COUNT, OCCUPANCY), SERVICES, approaches(), 300)
    for minute in range(5):
        asset = list(range(8))
        roll.add(measured(asset, [0] * 8, [minute] * 8, [10.0 + a for a in asset]))
        roll.add(measured(asset, [1] * 8, [minute] * 8, [0.1 * minute] * 8))
    assert roll.closed(359, "r1") is None, "the window is held open for latecomers"
    rows = roll.closed(360, "r1")
    assert rows is not None
    assert rows["group_name"].tolist() == ["J0", "J0", "J1", "J1", "J2", "J2", "J3", "J3"]
    assert rows["value_sum"][::2].tolist() == [105.0, 125.0, 145.0, 165.0]
    assert rows["value_mean"][1::2] == pytest.approx([0.2] * 4)
    assert rows["count"].tolist() == [10] * 8
    assert roll.closed(360, "r1") is None


def test_a_zone_with_a_lone_car_is_recorded_as_one_zone():
    roll = RollUp((COUNT, OCCUPANCY), SERVICES, approaches(), 300)
    roll.add(measured(range(8), [0] * 8, [0] * 8, [1, 0, 30, 30, 30, 30, 30, 30]))
    roll.add(measured(range(8), [1] * 8, [0] * 8, [0.5] * 8))
    rows = roll.closed(600, "r1")
    assert rows is not None
    found = {
        (k, n, q): v
        for k, n, q, v in zip(*(rows[c].tolist() for c in ("group_kind", "group_name", "quantity", "value_sum")), strict=True)
    }
    assert found[("zone", "Z0", "flow_veh")] == 61.0
    assert ("approach", "J0", "flow_veh") not in found
    assert ("approach", "J2", "flow_veh") not in found, "its sister would give the lone car away by subtraction"
    assert ("approach", "J0", "occupancy_share") not in found
    assert found[("approach", "J1", "flow_veh")] == 60.0
    assert set(rows["members"][rows["group_kind"] == "zone"]) == {2}


def test_a_lone_approach_with_a_lone_car_is_not_recorded():
    roll = RollUp((COUNT,), ("water",), approaches(approaches_n=1, zones=1), 300)
    roll.add(measured([0], [0], [0], [1]))
    assert roll.closed(600, "r1") is None


def test_latecomers_are_counted_and_left_out():
    roll = RollUp((COUNT,), ("water",), approaches(), 300)
    roll.closed(660, "r1")
    roll.add(measured([0, 1], [0, 0], [2, 11], [50, 50]))
    assert roll.late == 1


def test_a_clock_gone_mad_opens_a_bounded_number_of_windows():
    roll = RollUp((COUNT,), ("water",), approaches(), 300)
    roll.add(measured([0] * 50, [0] * 50, list(range(0, 500, 10)), [50] * 50))
    assert roll.late > 0
    assert len(roll._open) <= 8


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30), st.integers(0, 40)), max_size=60),
    st.lists(st.integers(0, 2400), max_size=5),
)
def test_nothing_is_counted_twice_or_lost_but_what_is_late(content, looks):
    roll = RollUp((COUNT,), ("water",), approaches(), 300)
    total = late = 0.0
    parts = []
    marks = [*sorted(looks), 10**6]
    for number, look in enumerate(marks):
        mine = content[number :: len(marks)]
        for asset, window, value in mine:
            before = roll.late
            roll.add(measured([asset], [0], [window], [value]))
            late += value if roll.late > before else 0
            total += value
        rows = roll.closed(look, "r1")
        if rows is not None:
            parts.append(rows)
            assert (rows["window_start_s"] + 300 + 60 <= look).all()
    assert sum(float(rows["value_sum"].sum()) for rows in parts) == pytest.approx(total - late)


def test_windows_below_the_groups_floor_and_cells_below_theirs_cannot_be_made():
    with pytest.raises(ValueError, match="window_s is 60, the groups' floor is 300"):
        RollUp((COUNT,), ("water",), approaches(), 60)
    with pytest.raises(ValueError, match="group C1 of kind luminaire_cell has 63 members, needs 64"):
        Groups(np.array(["luminaire_cell"]), np.array(["C1"]), np.array([""]), np.array([63]), np.zeros(63, dtype=np.int64))
    with pytest.raises(ValueError, match="groups of kind luminaire may not be recorded"):
        Groups(np.array(["luminaire"]), np.array(["L1"]), np.array([""]), np.array([1]), np.zeros(1, dtype=np.int64))
    with pytest.raises(ValueError, match="approach J1 names no zone"):
        Groups(np.array(["approach"]), np.array(["J1"]), np.array([""]), np.array([1]), np.zeros(1, dtype=np.int64))
    assert FLOORS["connection_cell"].members_min == 100


def test_rolled_up_rows_fit_the_record(tmp_path):
    areas = by_area(np.array(["north", "south", "north", "sea"]), ("north", "south"))
    assert areas.of_asset.tolist() == [0, 1, 0, -1]
    roll = RollUp((COUNT, OCCUPANCY), SERVICES, areas, 900)
    roll.add(measured([0, 1, 2, 3], [0] * 4, [1] * 4, [3, 4, 5, 6]))
    rows = roll.closed(2000, "r1")
    assert rows is not None
    with History.open(tmp_path) as history:
        assert history.wait(history.append("measurements", rows))
        assert history.read("measurements")["value_sum"].tolist() == [8.0, 4.0]


def test_a_group_counts_those_who_reported_and_not_those_who_stand_in_it():
    cell = Groups(np.array(["luminaire_cell"]), np.array(["C1"]), np.array([""]), np.array([70]), np.zeros(70, dtype=np.int64))
    roll = RollUp((COUNT, OCCUPANCY), SERVICES, cell, 900)
    roll.add(measured(range(70), [0] * 70, [0] * 70, [1] * 70))
    roll.add(measured(range(63), [1] * 63, [0] * 63, [0.5] * 63))
    roll.add(measured(range(63), [1] * 63, [1] * 63, [0.5] * 63))
    rows = roll.closed(2000, "r1")
    assert rows is not None
    assert dict(zip(rows["quantity"].tolist(), rows["members"].tolist(), strict=True)) == {"flow_veh": 70}, "63 lamps are too few"


def test_the_one_meter_of_a_cell_stands_for_all_its_connections():
    cell = Groups(np.array(["connection_cell"]), np.array(["S1"]), np.array([""]), np.array([120]), np.zeros(1, dtype=np.int64))
    roll = RollUp((OCCUPANCY,), ("water",), cell, 900)
    roll.add(measured([0], [0], [3], [0.5]))
    rows = roll.closed(2000, "r1")
    assert rows is not None
    assert rows["members"].tolist() == [120]
