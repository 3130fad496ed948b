# SPDX-License-Identifier: Apache-2.0
"""What counts teach: rates come out as they were put in, stay bounded, and do not move where nobody is."""

import numpy as np
import pytest

from lamplighter.services.traffic.horizon.derive import HISTORY_S, derive
from lamplighter.services.traffic.horizon.learning import (
    LEAST_ODDS,
    MOST_RATIO,
    RATE_MAX_VEH_S,
    RATE_MIN_VEH_S,
    START_OVER_S,
    Discharge,
    able_ratio,
    begin,
    learn,
)
from lamplighter.services.traffic.horizon.scheme import GIVES_WAY, GREEN, RED, Network, Settings
from lamplighter.services.traffic.tests.junctions import crossroads, seen
from lamplighter.terms.columns import FloatArray

SETTINGS = Settings()
SOMEBODY, NOBODY = np.array([1.0, 1.0]), np.zeros(2)


def _begin(network: Network, share: FloatArray | None = None) -> Discharge:
    return begin(network, derive(network), np.ones(len(network.move_exit)) if share is None else share, SETTINGS)


def _run(network: Network, learned: Discharge, every_s: int, seconds: int, first_veh: FloatArray) -> None:
    """Let lane 0 discharge one vehicle every so many seconds."""
    derived, history = derive(network), np.zeros((len(network.reach_m), HISTORY_S))
    for second in range(seconds):
        now = seen(network, 0, 30.0)
        now.passed_veh[0] = 1.0 if second % every_s == 0 else 0.0
        learn(network, derived, now, learned, first_veh, (history, np.zeros(len(network.reach_m))), second)


@pytest.mark.parametrize("every_s", [2, 3, 5])
def test_a_rate_is_learned_as_it_is(every_s: int) -> None:
    network = crossroads()
    learned = _begin(network)
    _run(network, learned, every_s, 1800, SOMEBODY)
    assert learned.rate_veh_s[0, 0] == pytest.approx(1.0 / every_s, rel=0.12)


def test_nothing_is_learned_where_nobody_is() -> None:
    network = crossroads()
    learned = _begin(network)
    before = learned.rate_veh_s.copy()
    _run(network, learned, 7, 900, NOBODY)
    assert np.array_equal(learned.rate_veh_s, before)


def test_a_lane_at_red_learns_nothing_and_discharges_nothing() -> None:
    network = crossroads()
    learned = _begin(network)
    before = learned.there_s[0, 1]
    _run(network, learned, 2, 600, SOMEBODY)
    assert learned.there_s[0, 1] == before
    assert learned.rate_veh_s[0, 1] == 0.0
    assert learned.rate_veh_s[1, 1] == 1.0 / SETTINGS.headway_s


def test_the_start_of_a_green_does_not_count() -> None:
    network = crossroads()
    learned, derived = _begin(network), derive(network)
    before = learned.rate_veh_s.copy()
    for second in range(200):
        now = seen(network, 0, START_OVER_S)
        learn(network, derived, now, learned, SOMEBODY, (np.zeros((2, HISTORY_S)), np.zeros(2)), second)
    assert np.array_equal(learned.rate_veh_s, before)


def test_rates_are_bounded() -> None:
    network = crossroads()
    learned, derived = _begin(network), derive(network)
    history, none = np.zeros((2, HISTORY_S)), np.zeros(2)
    for veh, bound in ((5.0, RATE_MAX_VEH_S), (0.0, RATE_MIN_VEH_S)):
        for second in range(6_000):
            now = seen(network, 0, 30.0)
            now.passed_veh[0] = veh
            learn(network, derived, now, learned, SOMEBODY, (history, none), second)
            assert RATE_MIN_VEH_S <= learned.rate_veh_s[0, 0] <= RATE_MAX_VEH_S
        assert learned.rate_veh_s[0, 0] == bound


def test_who_stands_through_the_green_of_a_turn_wants_another_one() -> None:
    # one lane from which some go straight on and some turn right; stage 0 serves the right turn alone, stage 1 both
    network = crossroads(lanes=1)._replace(
        move_offsets=np.array([0, 2]), move_turn=np.array([0, 2]), move_exit=np.zeros(2, np.int64), move_first=np.array([0, 2]),
        serve=np.array([[RED, GREEN], [GREEN, GREEN]], np.int64), yield_offsets=np.zeros(3, np.int64),
        red_max_s=np.full(2, 120.0),
    )  # fmt: skip
    learned, derived = _begin(network, np.array([0.6, 0.4])), derive(network)
    flows = (np.zeros((1, HISTORY_S)), np.zeros(1))
    now = seen(network, 0)
    assert able_ratio(network, learned, 0, 0, 0) == able_ratio(network, learned, 1, 0, 0) == 1.0
    for second in range(30):
        learn(network, derived, now, learned, np.ones(1), flows, second)
    odds = 0.4 * LEAST_ODDS
    assert able_ratio(network, learned, 0, 0, 0) == pytest.approx(odds / (0.6 + odds) / 0.4)
    assert able_ratio(network, learned, 1, 0, 0) == pytest.approx(1.0)
    now.passed_veh[0] = 1.0
    learn(network, derived, now, learned, np.ones(1), flows, 30)
    assert able_ratio(network, learned, 0, 0, 0) == 1.0
    # whoever has stood through the green of the straight movement turns right, however rare that is
    learned.turn_share[:], learned.tried_s[:] = (0.9, 0.1), (60.0, 0.0)
    assert able_ratio(network, learned, 0, 0, 0) == MOST_RATIO


def test_a_lane_that_gives_way_is_believed_slower_until_it_is_seen() -> None:
    network = crossroads(stages=1)
    network = network._replace(serve=np.array([[GIVES_WAY, GREEN]], np.int64))
    learned = _begin(network)
    assert learned.rate_veh_s[0, 0] < learned.rate_veh_s[0, 1]
    _run(network, learned, 2, 900, SOMEBODY)
    assert learned.rate_veh_s[0, 0] == pytest.approx(0.5, abs=0.03)


def _forked(true_share: float) -> float:
    """Return what is learned of a lane's share of vehicles that go to the first of two further boxes."""
    network = crossroads(boxes=3, lanes=1, stages=1)
    network = network._replace(
        move_offsets=np.array([0, 2, 3, 4]), move_turn=np.array([0, 1, 0, 0]), move_exit=np.array([0, 1, 2, 2]),
        move_first=np.array([0, 2, 3, 4]), serve=np.full((3, 2), GREEN), yield_offsets=np.zeros(5, np.int64),
        exit_length_m=np.full(3, 200.0), exit_lane_offsets=np.array([0, 1, 2, 2]), exit_lane=np.array([1, 2]),
        exit_share=np.ones(2), exit_travel_s=np.array([3.0, 4.0, 0.0]), red_max_s=np.full(4, 120.0),
    )  # fmt: skip
    learned, derived = _begin(network, np.array([0.5, 0.5, 1.0, 1.0])), derive(network)
    history, rng = np.zeros((3, HISTORY_S)), np.random.default_rng(1)
    due = np.zeros((2, 6000))
    for second in range(5000):
        now = seen(network._replace(serve=np.full((3, 1), GREEN)), 0, 30.0)._replace(movement_green=np.full(4, GREEN))
        now.passed_veh[0] = float(rng.random() < 0.3)
        history[:, second % HISTORY_S] = now.passed_veh
        if now.passed_veh[0]:
            first = rng.random() < true_share
            due[0 if first else 1, second + (3 if first else 4)] += 1.0
        inflow = np.array([0.0, due[0, second], due[1, second]])
        learn(network, derived, now, learned, np.zeros(3), (history, inflow), second)
    return float(learned.turn_share[0])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_turning_shares_follow_from_the_lanes_that_fill(share: float) -> None:
    assert _forked(share) == pytest.approx(share, abs=0.08)


def test_what_a_dead_lane_says_is_not_learned() -> None:
    network = crossroads()
    learned, derived = _begin(network), derive(network)
    before = learned.rate_veh_s.copy()
    for second in range(300):
        now = seen(network, 0, 30.0)
        now.alive[:] = False
        learn(network, derived, now, learned, SOMEBODY, (np.zeros((2, HISTORY_S)), np.zeros(2)), second)
    assert np.array_equal(learned.rate_veh_s, before)
