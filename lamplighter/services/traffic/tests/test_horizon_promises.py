# SPDX-License-Identifier: Apache-2.0
"""What the planner promises whatever comes: bounded reds, flat memory, names that do not matter, and boxes given back."""

from itertools import permutations
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.services.traffic.horizon.decide import decide, start
from lamplighter.services.traffic.horizon.derive import shortest_round_s
from lamplighter.services.traffic.horizon.scheme import CELLS, RED, Network, Seen, Settings
from lamplighter.services.traffic.tests.junctions import crossroads, seen
from lamplighter.services.traffic.trials.survey import kept_bounds
from lamplighter.terms.columns import FloatArray, IntArray

PLAIN = Settings()
BOUND_S = 80.0
KILOBYTES = 1024


def _crowd(network: Network, seed: int) -> Seen:
    """Return a second in which somebody is anywhere; counts are broken so that no two plans cost the same."""
    rng, now = np.random.default_rng(seed), seen(network)
    shape = now.cell_veh.shape
    now.cell_veh[:] = rng.poisson(rng.uniform(0.0, 1.2, (shape[0], 1)), shape) * rng.uniform(0.7, 1.0, shape)
    return now


def _asked(network: Network, now: Seen) -> IntArray:
    choice, _ = decide(network, now, start(network, PLAIN), 100.0, PLAIN)
    return choice.stage


def _walkers(network: Network) -> Network:
    """Return crossroads with a crossing that walks in the last stage of each box alone."""
    boxes = len(network.stage_offsets) - 1
    serve = np.zeros((len(network.green_min_s), 1), np.bool_)
    serve[network.stage_offsets[1:] - 1] = True
    each = np.ones(boxes)
    return network._replace(
        foot_offsets=np.arange(boxes + 1), foot_serve=serve, foot_walk_s=5.0 * each, foot_red_max_s=BOUND_S * each,
        foot_flow_s=0.02 * each, foot_persons=each,
    )  # fmt: skip


def _longest_red_s(seed: int, seconds: int) -> tuple[FloatArray, float]:
    """Step one box that cannot carry what comes; return the longest red with somebody there by lane, and on foot."""
    network = _walkers(crossroads(lanes=3, stages=4, red_max_s=BOUND_S))
    network = network._replace(serve=np.where(np.arange(4)[:, None] == np.arange(3), 2, RED))
    rng, memory = np.random.default_rng(seed), start(network, PLAIN)
    queue, red_s, longest_s = np.zeros(3), np.zeros(4), np.zeros(4)
    stage, elapsed, left, waiting = 0, 0, 0, 0.0
    for second in range(seconds):
        shows = np.zeros(4, np.bool_) if left else np.arange(4) == stage
        passed = np.where(shows[:3] & (queue >= 1) & (second % 2 == 0), 1.0, 0.0)
        queue += rng.poisson([0.5, 0.3, 0.01]) - passed
        waiting = 0.0 if shows[3] else max(waiting, float(rng.random() < 0.05))
        there = np.append(queue > 0, waiting > 0)
        red_s = np.where(shows | ~there, 0.0, red_s + 1.0)
        longest_s = np.maximum(longest_s, red_s)
        now = seen(network, stage, float(elapsed))._replace(
            cell_veh=np.minimum(np.maximum(queue[:, None] - 3.0 * np.arange(CELLS), 0.0), 3.0),
            passed_veh=passed, changing=np.array([left > 0]), change_left_s=np.array([float(left)]),
            movement_green=np.where(shows[:3], 2, 0), movement_red_s=red_s[:3].copy(),
            foot_waiting_persons=np.array([waiting]), foot_due_s=np.zeros(1), foot_red_s=red_s[3:].copy(),
        )  # fmt: skip
        choice, memory = decide(network, now, memory, float(second), PLAIN)
        wanted = int(choice.stage[0])
        if left:
            left, elapsed = left - 1, 0
        elif wanted != stage:
            stage, left, elapsed = wanted, 3, 0
        else:
            elapsed += 1
    return longest_s[:3], float(longest_s[3])


def test_reds_are_bounded_where_more_comes_than_can_leave() -> None:
    for seed in range(3):
        lanes_s, foot_s = _longest_red_s(seed, 1200)
        assert lanes_s.max() <= BOUND_S
        assert foot_s <= BOUND_S


def test_the_bound_is_what_keeps_them_short() -> None:
    network = crossroads(lanes=2)
    now = seen(network, 0, 60.0)
    now.cell_veh[0], now.cell_veh[1, 0] = 3.0, 1.0
    assert _asked(network, now)[0] == 0
    now.movement_red_s[1] = 119.0
    assert _asked(network, now)[0] == 1


def _resident_kb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / KILOBYTES


def test_memory_is_flat_over_ten_thousand_decisions() -> None:
    network = _walkers(crossroads(boxes=2, lanes=4, stages=2))
    memory, now, rng = start(network, PLAIN), seen(network, 0, 3.0), np.random.default_rng(2)
    now = now._replace(foot_waiting_persons=np.ones(2), foot_due_s=np.zeros(2), foot_red_s=np.full(2, 9.0))
    before_kb = 0.0
    for second in range(11_000):
        now.cell_veh[:] = rng.poisson(0.3, now.cell_veh.shape)
        now.stage_elapsed_s[:] = 30.0 if second % 10 == 0 else 3.0  # free to choose in every tenth second
        _, memory = decide(network, now, memory, float(second), PLAIN)
        if second == 1_000:
            before_kb = _resident_kb()
    assert _resident_kb() - before_kb < 2_000
    arrays = [value for part in (memory.state, memory.discharge, memory.watch, memory.work) for value in part]
    assert sum(a.nbytes for a in arrays) < 200 * KILOBYTES
    assert all(np.isfinite(a).all() for a in arrays if a.dtype == np.float64)


def _round_s(network: Network, box: int) -> float:
    """Return the shortest round that serves everybody, by trying every order of every set of stages."""
    rows = range(int(network.stage_offsets[box]), int(network.stage_offsets[box + 1]))
    stages, first = range(len(rows)), rows[0]
    served = [{m for m in stages if network.serve[first + m, v] != RED} for v in range(network.serve.shape[1])]
    shortest_s = np.inf
    for many in range(1, len(rows) + 1):
        for order in permutations(stages, many):
            if all(not able or able & set(order) for able in served):
                changes = zip(order, (*order[1:], order[0]), strict=True)
                green_s = sum(float(network.green_min_s[first + m]) for m in order)
                shortest_s = min(shortest_s, green_s + sum(float(network.change_s[first + a, b]) for a, b in changes))
    return float(shortest_s)


def test_the_shortest_round_is_the_shortest_of_all_orders() -> None:
    rng = np.random.default_rng(6)
    for _ in range(10):
        network = crossroads(boxes=2, lanes=5, stages=5)
        serve = np.where(rng.random((10, 5)) < 0.4, 2, RED)
        change_s = np.where(network.change_s > 0, rng.integers(2, 20, (10, 5)), 0.0)
        network = network._replace(serve=serve, change_s=change_s, green_min_s=rng.integers(4, 12, 10).astype(np.float64))
        assert shortest_round_s(network).tolist() == [_round_s(network, 0), _round_s(network, 1)]


def test_a_bound_that_no_order_could_keep_is_not_chased() -> None:
    network = crossroads(lanes=4, stages=4, red_max_s=40.0)  # four greens of 5 s and four changes of 3 s leave 8 s to spare
    assert kept_bounds(network).red_max_s.tolist() == [96.0] * 4
    assert kept_bounds(network._replace(red_max_s=np.full(4, 42.0))).red_max_s.tolist() == [42.0] * 4


def test_a_box_that_could_not_keep_its_bound_to_people_on_foot_keeps_its_own_programme() -> None:
    network = crossroads(boxes=2, lanes=4, stages=4)
    network = network._replace(
        foot_offsets=np.arange(3), foot_serve=np.tile(np.array([[True], [False], [False], [False]]), (2, 1)),
        foot_walk_s=np.full(2, 5.0), foot_red_max_s=np.array([40.0, 90.0]), foot_flow_s=np.full(2, 0.01), foot_persons=np.ones(2),
    )  # fmt: skip
    kept = kept_bounds(network)
    assert kept.keeps_own.tolist() == [True, False]
    now = seen(kept)._replace(foot_waiting_persons=np.zeros(2), foot_due_s=np.zeros(2), foot_red_s=np.zeros(2))
    choice, _ = decide(kept, now, start(kept, Settings()), 0.0, Settings())
    assert choice.trusted.tolist() == [False, True]


def test_the_order_of_boxes_does_not_matter() -> None:
    network = crossroads(boxes=6, lanes=4, stages=4)
    shuffled = np.random.default_rng(4).permutation(6)
    rows = (shuffled[:, None] * 4 + np.arange(4)).ravel()
    for seed in range(5):
        now = _crowd(network, seed)
        other = now._replace(cell_veh=now.cell_veh[rows].copy())
        assert np.array_equal(_asked(network, other), _asked(network, now)[shuffled])


def test_a_box_decides_alone_as_among_others() -> None:
    network, alone = crossroads(boxes=5, lanes=4, stages=4), crossroads(lanes=4, stages=4)
    now = _crowd(network, 9)
    together = _asked(network, now)
    for box in range(5):
        mine = seen(alone)._replace(cell_veh=now.cell_veh[4 * box : 4 * box + 4].copy())
        assert _asked(alone, mine)[0] == together[box]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(4)), st.permutations(range(1, 4)))
def test_the_names_of_lanes_and_stages_do_not_matter(seed: int, lanes: list[int], others: list[int]) -> None:
    network = crossroads(lanes=4, stages=4)
    now, stages = _crowd(network, seed), [0, *others]  # the stage that runs keeps its number
    renamed = network._replace(serve=network.serve[stages][:, lanes].copy())
    other = now._replace(
        cell_veh=now.cell_veh[lanes].copy(), movement_green=now.movement_green[lanes].copy(),
        movement_red_s=now.movement_red_s[lanes].copy(),
    )  # fmt: skip
    assert stages[_asked(renamed, other)[0]] == _asked(network, now)[0]


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 15)), st.integers(0, 1000))
def test_boxes_whose_detectors_are_silent_are_given_back_and_no_others(lost: set[int], seed: int) -> None:
    network = crossroads(boxes=4, lanes=4, stages=4)
    now = _crowd(network, seed)
    whole, _ = decide(network, now, start(network, PLAIN), 100.0, PLAIN)
    now.alive[list(lost)] = False
    choice, _ = decide(network, now, start(network, PLAIN), 100.0, PLAIN)
    assert whole.trusted.all()
    assert choice.trusted.tolist() == [not lost & set(range(4 * box, 4 * box + 4)) for box in range(4)]
    assert np.array_equal(choice.stage[choice.trusted], whole.stage[choice.trusted])


def test_a_box_is_taken_again_when_its_detectors_speak_again() -> None:
    network = crossroads(lanes=2)
    memory, now = start(network, PLAIN), seen(network)
    for second in range(60):
        now.alive[1] = second < 20 or second >= 40
        choice, memory = decide(network, now, memory, float(second), PLAIN)
        assert bool(choice.trusted[0]) == bool(now.alive[1])
