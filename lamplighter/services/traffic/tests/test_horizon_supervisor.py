# SPDX-License-Identifier: Apache-2.0
"""When a box gets its own programme back, and when not."""

import numpy as np

from lamplighter.services.traffic.horizon import supervisor
from lamplighter.services.traffic.horizon.derive import derive
from lamplighter.services.traffic.horizon.scheme import Network
from lamplighter.services.traffic.tests.junctions import crossroads, seen


class _Road:
    """A box watched second by second."""

    def __init__(self, own_share: tuple[float, ...] = (0.0, 0.0), network: Network | None = None) -> None:
        self.network = crossroads() if network is None else network
        self.derived, self.watch = derive(self.network), supervisor.begin(self.network)
        self.own_share = np.array(own_share)
        self.rate_veh_s = np.full((2, 2), 0.5)

    def second(self, expected: float, left: float, waiting: float = 2.0, came: float = 0.1, *, there: float = 2.0,
               changing: bool = False) -> bool:  # fmt: skip
        now = seen(self.network)
        now.passed_veh[0] = left
        now.changing[:] = changing
        self.watch.expected_veh[:] = expected
        trusted = supervisor.seen_whole(self.network, now)
        found = (np.full(2, waiting), np.full(2, came), np.full(2, there))
        supervisor.supervise(self.network, self.derived, now, self.watch, found, self.rate_veh_s, self.own_share, trusted)
        return bool(trusted[0])

    def run(self, seconds: int, **said: float) -> float:
        """Return the share of the seconds in which the planner was trusted."""
        return sum(self.second(**said) for _ in range(seconds)) / seconds  # type: ignore[arg-type]


def test_a_box_that_does_as_predicted_is_kept() -> None:
    assert _Road().run(3600, expected=0.4, left=0.36) == 1.0


def test_a_box_whose_vehicles_do_not_leave_is_handed_back_and_taken_again() -> None:
    road = _Road()
    assert road.run(int(supervisor.SETTLED_S) - 1, expected=0.4, left=0.02) == 1.0
    assert not road.second(0.4, 0.02)
    assert road.run(int(supervisor.OWN_S) - 1, expected=0.4, left=0.3) == 0.0
    assert road.run(600, expected=0.4, left=0.36) > 0.99


def test_each_failure_doubles_the_while() -> None:
    road = _Road()
    road.run(4000, expected=0.4, left=0.0)
    assert road.watch.next_s[0] > 2 * supervisor.OWN_S
    road.watch.back_s[:] = 0.0
    road.watch.left_veh_s[:], road.watch.predicted_veh_s[:] = 0.4, 0.4
    road.run(int(supervisor.FORGIVEN_S) + 1, expected=0.4, left=0.4)
    assert road.watch.next_s[0] == supervisor.OWN_S


def test_a_full_street_is_no_failure_of_the_prediction() -> None:
    assert _Road().run(3600, expected=0.4, left=0.02, there=22.0) == 1.0


def test_queues_that_the_own_programme_would_carry_are_handed_back() -> None:
    able, unable, unknown = _Road((0.45, 0.45)), _Road((0.1, 0.1)), _Road()
    for road in (able, unable, unknown):
        road.run(900, expected=0.2, left=0.2, waiting=1.0, came=0.3)
    assert able.run(600, expected=0.3, left=0.15, waiting=30.0, there=10.0, came=0.3) < 1.0
    assert unable.run(600, expected=0.3, left=0.15, waiting=30.0, there=10.0, came=0.3) == 1.0
    assert unknown.run(600, expected=0.3, left=0.15, waiting=30.0, there=10.0, came=0.3) == 1.0


def test_a_queue_that_grows_while_all_leave_as_predicted_is_demand() -> None:
    road = _Road((0.45, 0.45))
    road.run(900, expected=0.2, left=0.2, waiting=1.0, came=0.3)
    assert road.run(600, expected=0.3, left=0.28, waiting=30.0, there=10.0, came=0.3) == 1.0


def test_a_box_that_nothing_leaves_though_some_wait_is_handed_back() -> None:
    road = _Road()
    road.run(600, expected=0.2, left=0.2)
    assert road.run(int(supervisor.STILL_S), expected=0.01, left=0.0, waiting=5.0) == 1.0
    assert road.run(5, expected=0.01, left=0.0, waiting=5.0) < 1.0


def test_changing_all_the_time_while_queues_grow_is_handed_back() -> None:
    road = _Road()
    road.run(900, expected=0.2, left=0.2, waiting=1.0)
    assert any(not road.second(0.2, 0.2, 30.0, changing=True) for _ in range(300))


def test_a_box_with_a_blind_lane_has_its_own_programme() -> None:
    network = crossroads(boxes=3)
    now = seen(network)
    now.alive[2] = False
    assert supervisor.seen_whole(network, now).tolist() == [True, False, True]
