# SPDX-License-Identifier: Apache-2.0
"""Where there are more boxes than can be planned in a second they take turns, and in between go by their last plan."""

from typing import Any

import numpy as np
import pytest

from lamplighter.services.traffic.horizon.decide import decide, start
from lamplighter.services.traffic.horizon.scheme import CELLS, Network, Seen, Settings
from lamplighter.services.traffic.tests.junctions import crossroads, seen

BOXES = 6
EVERY, TURNS = Settings(most_boxes=BOXES), Settings(most_boxes=2)


def busy(network: Network, seed: int) -> Seen:
    """Return a second in which vehicles are anywhere."""
    rng, now = np.random.default_rng(seed), seen(network)
    return now._replace(cell_veh=np.floor(rng.uniform(0, 4, (len(network.lane_length_m), CELLS))) * 1.0)


def flat(value: Any) -> list[Any]:
    """Return all arrays of a memory."""
    if isinstance(value, tuple):
        return [array for part in value for array in flat(part)]
    return [value]


def test_up_to_that_many_each_is_planned_every_second_whatever_was_chosen_before() -> None:
    """Bit for bit: as with no limit at all, and as if there had been no last choice."""
    network = crossroads(boxes=BOXES, lanes=4, stages=4)
    plain, few = start(network, Settings()), start(network, EVERY)
    for second in range(40):
        few.last.stage[:], few.last.ran[:] = 3, 0
        one, plain = decide(network, busy(network, second), plain, float(second), Settings())
        other, few = decide(network, busy(network, second), few, float(second), EVERY)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))
    both = zip(flat(plain), flat(few), strict=True)
    assert all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in both)


def test_boxes_take_turns_and_keep_their_last_choice_in_between() -> None:
    network = crossroads(boxes=BOXES, lanes=4, stages=4)
    memory = start(network, TURNS)
    for second in range(60, 72):
        waits = busy(network, second)
        before_veh, before = memory.state.depart_veh[(second + 1) % 2].copy(), memory.last.stage.copy()
        alone, _ = decide(network, waits, start(network, EVERY), float(second), EVERY)
        planned = ((np.arange(BOXES) + second) % 3 == 0) | (memory.last.again == second)
        choice, memory = decide(network, waits, memory, float(second), TURNS)
        kept_veh = memory.state.depart_veh[second % 2]
        for box in range(BOXES):
            lanes = slice(4 * box, 4 * box + 4)
            if not planned[box]:
                assert choice.stage[box] == before[box]
                assert np.array_equal(kept_veh[lanes, :-1], before_veh[lanes, 1:])
                assert kept_veh[lanes, -1].sum() == 0.0
        assert memory.watch.expected_veh.tolist() == pytest.approx(kept_veh[:, 0].reshape(BOXES, 4).sum(axis=1).tolist())
        if second == 60:
            assert choice.stage[planned].tolist() == alone.stage[planned].tolist()


def test_a_choice_that_was_taken_or_overtaken_is_not_repeated() -> None:
    network = crossroads(boxes=BOXES, lanes=4, stages=4)
    memory, chosen = start(network, TURNS), list[int]()
    for second in range(3):
        waits = seen(network)
        waits.cell_veh[2::4, 0] = 2.0
        choice, memory = decide(network, waits, memory, float(second), TURNS)
        chosen = choice.stage.tolist()
    assert chosen == [2] * BOXES
    for stage, changing in ((2, True), (1, False)):
        now = seen(network, stage)._replace(changing=np.full(BOXES, changing), change_left_s=np.full(BOXES, 2.0 * changing))
        choice, _ = decide(network, now, memory, 3.0, TURNS)
        assert choice.stage.tolist() == [stage] * BOXES


def test_who_nears_a_bound_is_not_left_waiting_for_a_turn() -> None:
    network = crossroads(boxes=BOXES, lanes=2, red_max_s=90.0)
    now = seen(network)
    now.cell_veh[:, 0] = 1.0
    now.movement_red_s[1::2] = 84.0
    choice, _ = decide(network, now, start(network, TURNS), 0.0, TURNS)
    assert choice.stage.tolist() == [1] * BOXES


def test_a_plan_that_holds_for_some_seconds_is_looked_at_again_when_they_are_over() -> None:
    """A long queue runs, somebody waits elsewhere: after the hold that was planned the change comes, whoever's turn it is."""
    network = crossroads(boxes=BOXES, lanes=2)
    memory, turns = start(network, Settings(most_boxes=1)), list[int]()
    for second in range(BOXES):
        now = seen(network)._replace(stage_elapsed_s=np.full(BOXES, 3.0 + second))
        now.cell_veh[0::2, 0] = 2.0
        now.cell_veh[1::2, 0] = 2.0
        before = memory.last.again.copy()
        _, memory = decide(network, now, memory, float(second), Settings(most_boxes=1))
        turns += np.flatnonzero((before == second) & (np.arange(BOXES) + second) % BOXES != 0).tolist()
    assert len(turns) > 0


def test_who_is_past_a_bound_is_served_though_their_green_would_begin_early_in_the_change() -> None:
    """To wait and change later must not look sooner than to change now, because of a green that begins within the change."""
    network = crossroads(boxes=1, lanes=2, red_max_s=90.0)
    rows, stages = network.change_s.shape
    change_s = np.where(network.change_s > 0.0, 8.0, 0.0)
    begins_s = np.broadcast_to(np.minimum(change_s, 1.0)[:, :, None], (rows, stages, 2)).copy()
    network = network._replace(change_s=change_s, keeps_s=np.zeros((rows, stages, 2)), begins_s=begins_s)
    now = seen(network)._replace(stage_elapsed_s=np.full(1, 40.0))
    now.cell_veh[0] = 3.0
    now.cell_veh[1, 0] = 1.0
    now.movement_red_s[1] = 200.0
    choice, _ = decide(network, now, start(network, EVERY), 0.0, EVERY)
    assert choice.stage.tolist() == [1]
