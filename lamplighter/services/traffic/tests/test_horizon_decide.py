# SPDX-License-Identifier: Apache-2.0
"""The planner as a whole: what it may never do, and what it must do, on crossroads that are stepped through second by second."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.traffic.horizon.decide import decide, start
from lamplighter.services.traffic.horizon.scheme import CELLS, RED, Network, Seen, Settings
from lamplighter.services.traffic.tests.junctions import crossroads, seen

PLAIN = Settings()


def filled(network: Network, seed: int, stage: int, elapsed_s: float) -> Seen:
    rng, now = np.random.default_rng(seed), seen(network, stage, elapsed_s)
    now.cell_veh[:] = rng.poisson(rng.uniform(0.0, 1.5, (len(now.cell_veh), 1)), now.cell_veh.shape)
    return now


def drive(network: Network, rate_veh_s: np.ndarray, seconds: int, seed: int) -> tuple[list[int], np.ndarray, float]:
    """Step one box: vehicles come, drive a cell in 2 s, stand three to a cell, leave every 2 s.

    Return the stages wanted, the longest red before which somebody was, by lane, and the seconds spent in first cells.
    """
    rng, memory = np.random.default_rng(seed), start(network, PLAIN)
    lanes = len(network.lane_length_m)
    cells, since = np.zeros((lanes, CELLS)), np.zeros(lanes)
    stage, elapsed, left, red_s, longest_s, delay_s = 0, 0, 0, np.zeros(lanes), np.zeros(lanes), 0.0
    stages: list[int] = []
    for second in range(seconds):
        green = np.zeros(lanes, np.bool_) if left else network.serve[stage] != RED
        passed = np.zeros(lanes)
        for lane in range(lanes):
            since[lane] += 1
            if green[lane] and cells[lane, 0] > 0 and since[lane] >= 2:
                cells[lane, 0] -= 1
                passed[lane], since[lane] = 1, 0
            if second % 2 == 0:
                for c in range(CELLS - 1):
                    moves = min(cells[lane, c + 1], 3 - cells[lane, c])
                    cells[lane, c], cells[lane, c + 1] = cells[lane, c] + moves, cells[lane, c + 1] - moves
            cells[lane, CELLS - 1] += rng.random() < rate_veh_s[lane]
        red_s = np.where(green | (cells.sum(axis=1) == 0), 0, red_s + 1)
        longest_s = np.maximum(longest_s, red_s)
        delay_s += cells[:, 0].sum()
        now = seen(network, stage, float(elapsed))._replace(
            cell_veh=cells.copy(),
            passed_veh=passed,
            changing=np.array([left > 0]),
            change_left_s=np.array([float(left)]),
            movement_green=np.where(green, 2, 0),
            movement_red_s=red_s.astype(np.float64),
        )
        choice, memory = decide(network, now, memory, float(second), PLAIN)
        wanted = int(choice.stage[0])
        if left:
            assert wanted == stage
            left -= 1
            elapsed = 0
        elif wanted != stage:
            assert elapsed >= network.green_min_s[stage]
            stage, left, elapsed = wanted, 3, 0
        else:
            elapsed += 1
        stages.append(wanted)
    return stages, longest_s, delay_s


def test_no_green_ends_before_its_least_time():
    network = crossroads(boxes=3, lanes=4, stages=2, green_min_s=8.0)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(0, 1), st.floats(0.0, 7.0))
    def check(seed: int, stage: int, elapsed_s: float) -> None:
        choice, _ = decide(network, filled(network, seed, stage, elapsed_s), start(network, PLAIN), 100.0, PLAIN)
        assert (choice.stage == stage).all()

    check()


def test_off_the_grid_nothing_changes():
    network, every = crossroads(lanes=2), Settings(step_s=10.0)
    for second in range(1, 10):
        now = seen(network)
        now.cell_veh[1] = 3.0
        choice, _ = decide(network, now, start(network, every), 100.0 + second, every)
        assert choice.stage[0] == 0


def test_those_who_wait_are_served_where_nobody_else_is():
    network = crossroads(lanes=2)
    now = seen(network)
    now.cell_veh[1, 0] = 2.0
    choice, _ = decide(network, now, start(network, PLAIN), 100.0, PLAIN)
    assert choice.stage[0] == 1


def test_a_long_queue_that_discharges_is_not_cut_for_one():
    network = crossroads(lanes=2)
    now = seen(network)
    now.cell_veh[0, :4] = 3.0
    now.cell_veh[1, 7] = 1.0
    choice, _ = decide(network, now, start(network, PLAIN), 100.0, PLAIN)
    assert choice.stage[0] == 0


def test_same_seconds_give_the_same_answers():
    network = crossroads(lanes=4, stages=4)
    rate_veh_s = np.array([0.15, 0.05, 0.12, 0.03])
    assert drive(network, rate_veh_s, 400, 3)[0] == drive(network, rate_veh_s, 400, 3)[0]


def test_nobody_waits_beyond_the_bound_where_the_bound_can_be_kept():
    network = crossroads(lanes=4, stages=4, red_max_s=70.0)
    for seed in range(3):
        _, longest_s, _ = drive(network, np.array([0.3, 0.01, 0.2, 0.01]), 900, seed)
        assert longest_s.max() <= 70.0


def test_light_traffic_waits_little():
    network = crossroads(lanes=2)
    _, _, delay_s = drive(network, np.array([0.05, 0.05]), 1200, 1)
    assert delay_s / (0.1 * 1200) < 9.0  # two-phase fixed time of 30 s would give about 8 s, and 4 s more in the first cell
