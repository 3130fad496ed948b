# SPDX-License-Identifier: Apache-2.0
"""Intergreens against the formula worked by hand."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lamplighter.services.traffic.planning import clearance
from lamplighter.services.traffic.planning.network import Connection
from lamplighter.services.traffic.tests import district


def way(kind: str, turn: str, points: list[tuple[float, float]], cycles: bool = False, speed_m_s: float = 13.89) -> Connection:
    shape = np.asarray(points, dtype=np.float64)
    return Connection("a", 0, "b", 0, turn, "t", 0, kind, cycles, "j", 0, 4.0, speed_m_s, shape)


def test_two_straight_streams_by_hand() -> None:
    # Clearing car: 3 s + (15 m + 6 m) / 10 m/s = 5.1 s; entering car: 10 m / (40 km/h) = 0.9 s; 4.2 s, rounded up.
    clearing = way("motor", "straight", [(0.0, 0.0), (30.0, 0.0)])
    entering = way("motor", "straight", [(15.0, -10.0), (15.0, 20.0)])
    clear_m, enter_m = clearance.conflict_distances_m(clearing, entering)
    assert clear_m == pytest.approx(15.0, abs=1.5)
    assert enter_m == pytest.approx(10.0, abs=1.5)
    assert clearance.intergreen_s(clearing, entering) == 5.0


def test_a_turning_car_clears_at_its_own_speed() -> None:
    exact_s = clearance.formula_s(clearance.TURNING, 15.0, 10.0, clearance.ENTER_MOTOR_M_S)
    assert exact_s == pytest.approx(2.0 + 21.0 / 7.0 - 0.9)


def test_cycles_in_the_lane_decide_where_they_are_slower() -> None:
    far = [(0.0, 0.0), (40.0, 0.0)]
    entering = way("motor", "straight", [(38.0, -1.0), (38.0, 20.0)])
    cars, both = way("motor", "straight", far), way("motor", "straight", far, cycles=True)
    # 1 s + 37 m / 4 m/s = 10.3 s on a bicycle, 3 s + 43 m / 10 m/s = 7.3 s in a car.
    assert clearance.intergreen_s(both, entering) == 11.0
    assert clearance.intergreen_s(cars, entering) == 8.0


def test_on_foot_the_whole_crossing_is_cleared_at_walking_pace() -> None:
    walk = way("foot", "cross", [(0.0, 0.0), (0.0, 13.0)])
    assert clearance.intergreen_s(walk, way("motor", "straight", [(-20.0, 6.0), (20.0, 6.0)])) == 11.0  # 13 / 1.2 = 10.8


@pytest.mark.parametrize(("kind", "speed_km_h", "yellow_s"), [("motor", 50, 3.0), ("motor", 60, 4.0), ("motor", 70, 5.0),
                                                              ("cycle", 50, 2.0), ("foot", 50, 0.0)])  # fmt: skip
def test_yellow_by_speed(kind: str, speed_km_h: float, yellow_s: float) -> None:
    assert clearance.yellow_s(kind, speed_km_h / 3.6) == yellow_s


def test_the_real_crossing_of_adlergestell_from_the_network_file_itself() -> None:
    root = ET.parse(district.net_path()).getroot()
    lane = root.find("./edge[@id=':246771374_c0']/lane")
    assert lane is not None
    ends = [tuple(map(float, point.split(","))) for point in lane.get("shape", "").split()]
    walk_m = float(np.hypot(ends[0][0] - ends[-1][0], ends[0][1] - ends[-1][1]))
    needed_s = np.ceil(walk_m / 1.2)
    plan = next(p for p in district.plans() if p.signal.id == "246771374")
    foot = next(g for g, group in enumerate(plan.stage_plan.groups) if group.kind == "foot")
    assert needed_s == 9.0
    assert plan.times.intergreen_s[foot].max() == needed_s
    assert plan.times.clearance_s[foot] == needed_s
