# SPDX-License-Identifier: Apache-2.0
"""Loops against a road whose every vehicle is known: the queue they infer is the queue that stands."""

import numpy as np
import pytest

from lamplighter.services.traffic.horizon import loops
from lamplighter.services.traffic.horizon.derive import HISTORY_S, derive
from lamplighter.services.traffic.horizon.radar import AGES
from lamplighter.services.traffic.horizon.scheme import CELLS
from lamplighter.services.traffic.tests.junctions import crossroads, seen

SPEED_M_S, GAP_M, LONG_M = 13.89, 7.5, 200.0


class _Street:
    """Vehicles on one lane in steps of a tenth of a second, each as far as the one before lets it (a Newell follower)."""

    def __init__(self) -> None:
        self.left_m: list[float] = []
        self.passed, self.over, self.covered_stop, self.covered = 0.0, 0.0, 0.0, 0.0

    def second(self, green: bool, enters: bool) -> None:
        self.passed = self.over = self.covered_stop = self.covered = 0.0
        if enters:
            self.left_m.append(LONG_M)
        for _ in range(10):
            before = -1e9
            for n, left in enumerate(self.left_m):
                least = before + GAP_M + 1.1 * (0.1 * SPEED_M_S if before < -50 else 0.0)
                wish = left - 0.1 * SPEED_M_S * (0.6 if left < before + 22.0 else 1.0)
                stop = 0.0 if not green and left >= 0.0 else -1e9
                new = min(max(wish, least, stop), left)
                self.over += left > loops.ADVANCE_M >= new
                self.passed += left > 0.0 >= new and green
                self.left_m[n] = new if not (left > 0.0 >= new and green) else -1.0
                before = self.left_m[n]
            self.left_m = [left for left in self.left_m if left >= 0.0]
            self.covered_stop += 0.1 * any(left < 5.0 for left in self.left_m)
            self.covered += 0.1 * any(loops.ADVANCE_M - 5.0 < left <= loops.ADVANCE_M for left in self.left_m)


def _follow(every_s: int, red_s: int, seconds: int) -> tuple[list[float], list[float]]:
    """Return vehicles on the street and vehicles as inferred, at the end of each red."""
    network = crossroads(lanes=1, stages=1)
    narrowed = loops.narrow(network)
    derived, state = derive(narrowed), loops.begin(network)
    age, inflow, passed = np.zeros((1, CELLS, AGES)), np.zeros(1), np.zeros((1, HISTORY_S))
    street, true, inferred = _Street(), [], []
    for second in range(seconds):
        green = second % 60 >= red_s
        street.second(green, second % every_s == 0)
        now = seen(network)
        now.passed_veh[0], now.advance_veh[0] = street.passed, street.over
        now.stop_occupancy_share[0], now.advance_occupancy_share[0] = street.covered_stop, street.covered
        passed[0, second % HISTORY_S] = street.passed
        loops.fold(narrowed, derived, now, state, passed, np.ones(1), (age, inflow), second)
        if second > 300 and second % 60 == red_s - 1:
            true.append(sum(left < GAP_M * len(street.left_m) for left in street.left_m))
            inferred.append(float(age.sum()))
    return true, inferred


@pytest.mark.parametrize("every_s", [4, 6, 12])
def test_the_queue_at_the_end_of_red_is_found(every_s: int) -> None:
    true, inferred = _follow(every_s, 30, 1800)
    assert np.mean(inferred) == pytest.approx(np.mean(true), abs=2.0)


def test_an_empty_street_stays_empty() -> None:
    _, inferred = _follow(10**6, 30, 900)
    assert max(inferred) == 0.0


def test_a_loop_that_stays_covered_has_a_queue_on_it_and_one_that_stays_free_has_none() -> None:
    network = crossroads(lanes=1, stages=1)
    narrowed = loops.narrow(network)
    derived, state = derive(narrowed), loops.begin(network)
    age, inflow, passed = np.zeros((1, CELLS, AGES)), np.zeros(1), np.zeros((1, HISTORY_S))

    def second(n: int, stop: float, advance: float) -> float:
        now = seen(network)
        now.stop_occupancy_share[0], now.advance_occupancy_share[0] = stop, advance
        loops.fold(narrowed, derived, now, state, passed, np.ones(1), (age, inflow), n)
        return float(age.sum())

    held = [second(n, 1.0, 1.0) for n in range(10)]
    assert held[-1] >= loops.ADVANCE_M / loops.VEHICLE_M - 1e-9
    freed = [second(n, 0.0, 0.0) for n in range(10, 20)]
    assert freed[-1] == 0.0


def test_seen_from_loops_the_rest_of_the_way_belongs_to_the_signal_upstream() -> None:
    network = crossroads(boxes=2, lanes=1, stages=1)
    network = network._replace(
        move_exit=np.array([0, 1]), exit_length_m=np.full(2, 200.0), exit_lane_offsets=np.array([0, 1, 1]),
        exit_lane=np.array([1]), exit_share=np.ones(1), exit_travel_s=np.array([2.0, 0.0]),
    )  # fmt: skip
    narrowed = loops.narrow(network)
    assert narrowed.reach_m.tolist() == [loops.ADVANCE_M, loops.ADVANCE_M]
    assert narrowed.exit_travel_s[0] == pytest.approx(2.0 + (200.0 - loops.ADVANCE_M) / 13.89)
    assert narrowed.exit_travel_s[1] == 0.0


def test_what_stands_beyond_never_exceeds_the_street() -> None:
    true, inferred = _follow(2, 55, 1200)
    assert max(inferred) <= LONG_M / GAP_M + 2.0
    assert min(inferred) >= 0.0
    assert len(true) == len(inferred)
