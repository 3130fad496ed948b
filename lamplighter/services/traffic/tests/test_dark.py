# SPDX-License-Identifier: Apache-2.0
"""Neighbours of a dark intersection: what they let out towards it, and what the planner makes of that."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lamplighter.services.traffic.dark import BUCKET_VEH, DARK_VEH_S, begin, dark_boxes, hold_back
from lamplighter.services.traffic.horizon.decide import decide, start
from lamplighter.services.traffic.horizon.scheme import Network, Settings
from lamplighter.services.traffic.prepared import prepare
from lamplighter.services.traffic.telling import explain
from lamplighter.services.traffic.tests.crossroads import BEGIN_S, make_city
from lamplighter.services.traffic.tests.junctions import crossroads, seen
from lamplighter.services.traffic.tests.scenes import snapshot
from lamplighter.terms.snapshot import Column, Shared

DARK = np.array([False, True])


def pair() -> Network:
    """Return two boxes: lane 0 of the first flows into both lanes of the second, lane 1 out of the city."""
    network = crossroads(boxes=2)
    return network._replace(
        move_exit=np.array([0, 1, 1, 1]),
        exit_length_m=np.full(2, 200.0),
        exit_lane_offsets=np.array([0, 2, 2]),
        exit_lane=np.array([2, 3]),
        exit_share=np.full(2, 0.5),
        exit_travel_s=np.full(2, 10.0),
    )


def test_no_more_is_let_out_than_the_dark_intersection_passes() -> None:
    """Ten minutes of one vehicle every two seconds whenever there is room: the bucket, and its rate times the time."""
    network = pair()
    holding, out = begin(network), 0.0
    passed = np.zeros(4)
    for second in range(1, 601):
        now = seen(network)._replace(passed_veh=passed)
        room, holding = hold_back(network, holding, DARK, now, second)
        passed = np.array([0.5 if room[0] >= 1.0 else 0.0, 0.5, 0.0, 0.0])
        out += passed[0]
        assert room[1] > 1e5, "what leads elsewhere is not held back"
    assert 0.9 * DARK_VEH_S * 600 < out <= DARK_VEH_S * 600 + BUCKET_VEH + 1.0


def test_with_power_nothing_is_held_back() -> None:
    network = pair()
    room, holding = hold_back(network, begin(network), ~DARK & False, seen(network), 1)
    assert (room > 1e5).all()
    assert (holding.left_veh == BUCKET_VEH).all()


def test_what_is_seen_of_the_street_counts_too() -> None:
    network = pair()
    room, _ = hold_back(network, begin(network), DARK, seen(network)._replace(exit_room_veh=np.array([2.0, 3.0])), 1)
    np.testing.assert_array_equal(room, [2.0, 3.0])


def test_the_planner_serves_who_does_not_go_there() -> None:
    """Six stand on each lane of the first box, the bucket is empty: lane 1 is served; with power lane 0, which runs already."""
    network, chosen = pair(), list[int]()
    for empty in (True, False):
        now = seen(network)
        now.cell_veh[:2, :2] = 3.0
        holding = begin(network)._replace(left_veh=np.array([0.0 if empty else BUCKET_VEH, BUCKET_VEH]), second=1)
        room, _ = hold_back(network, holding, DARK if empty else ~DARK, now, 1)
        choice, _ = decide(network, now._replace(exit_room_veh=room), start(network, Settings()), 60.0, Settings())
        chosen.append(int(choice.stage[0]))
    assert chosen == [1, 0]


def test_dark_is_what_the_grid_says(tmp_path: Path) -> None:
    """Told dark, told alive, told nothing, told long ago."""
    city = make_city(tmp_path)
    prepared, base = prepare(city), snapshot(city)
    many, said = len(city.assets), []
    for value, present, age_s in ((0.0, True, 0.0), (1.0, True, 0.0), (0.0, False, 0.0), (0.0, True, 600.0)):
        column = Column(np.full(many, value), np.full(many, BEGIN_S - age_s), np.full(many, present))
        now = replace(base, shared={"energised": (Shared(0, column),)})
        said.append(bool(dark_boxes(now, prepared.layout)[0]))
        assert ("priority signs hold" in explain(now, prepared, city.span.start)[0]) == said[-1]
    assert said == [True, False, False, False]
