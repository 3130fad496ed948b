# SPDX-License-Identifier: Apache-2.0
"""One second of planning for a whole network: fold what was seen, plan for every box, tell the neighbours what will leave."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon import loops, supervisor
from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived, derive
from lamplighter.services.traffic.horizon.learning import Discharge, begin, learn
from lamplighter.services.traffic.horizon.radar import AGES, fold
from lamplighter.services.traffic.horizon.rollout import Work
from lamplighter.services.traffic.horizon.scene import State, compose, workspace
from lamplighter.services.traffic.horizon.scheme import CELLS, Choice, Network, Seen, Settings
from lamplighter.services.traffic.horizon.search import DISCHARGING, MARGIN_S, search
from lamplighter.terms.columns import BoolArray, IntArray

STANDS_S = 3  # who is so long in a cell stands
TURN_PRIOR = np.array([1.0, 0.3, 0.3, 0.005])  # straight, left, right, u-turn, of vehicles on a lane from which all may be taken


class Last(NamedTuple):
    """What each box (b,) ran when it was planned last, the stage that was chosen then, why, and the second in which that plan
    has something to choose again."""

    ran: IntArray
    stage: IntArray
    because: IntArray
    again: IntArray


class Memory(NamedTuple):
    """All that a planner carries from second to second. Its arrays are used up by `decide`, which hands them on."""

    network: Network
    derived: Derived
    loops: loops.Loops
    watch: supervisor.Watch
    discharge: Discharge
    state: State
    last: Last
    work: Work


def start(network: Network, settings: Settings) -> Memory:
    """Return the memory before the first second."""
    whole, horizon = network, int(settings.horizon_s)
    network = loops.narrow(whole) if settings.loops else whole
    derived = derive(network)
    lanes = len(network.lane_length_m)
    likely = TURN_PRIOR[network.move_turn]
    total = np.bincount(derived.move_lane, weights=likely, minlength=lanes)[derived.move_lane]
    state = State(
        age_veh=np.zeros((lanes, CELLS, AGES)),
        cell_veh=np.zeros((lanes, CELLS)),
        inflow_veh=np.zeros(lanes),
        passed_veh=np.zeros((lanes, HISTORY_S)),
        depart_veh=np.zeros((2, lanes, horizon)),
    )
    return Memory(
        network,
        derived,
        loops.begin(whole),
        supervisor.begin(network),
        begin(network, derived, likely / total, settings),
        state,
        Last(*(np.zeros(len(network.stage_offsets) - 1, np.int64) for _ in Last._fields)),
        workspace(network, derived, horizon),
    )


@njit(cache=True)
def _due(network: Network, seen: Seen, last: Last, box: int, second: int) -> bool:
    """Return whether a box is planned though it is not its turn: its last plan comes to a choice, or a red nears its bound."""
    if second == last.again[box]:
        return True
    for v in range(network.move_first[box], network.move_first[box + 1]):
        if seen.movement_red_s[v] > 0.0 and seen.movement_red_s[v] + MARGIN_S >= network.red_max_s[v]:
            return True
    for f in range(network.foot_offsets[box], network.foot_offsets[box + 1]):
        if seen.foot_waiting_persons[f] > 0.0 and seen.foot_red_s[f] + MARGIN_S >= network.foot_red_max_s[f]:
            return True
    return False


@njit(cache=True)
def _go_on(network: Network, seen: Seen, memory: Memory, box: int, rows: tuple[int, int]) -> tuple[int, int]:
    """Return the last choice of a box whose turn it is not, while that still holds, and move on by a second what its last plan
    lets out. rows: of depart_veh, of this second's plans and of the last one's."""
    this, before = rows
    depart_veh, last = memory.state.depart_veh, memory.last
    horizon = depart_veh.shape[2]
    for lane in range(network.lane_offsets[box], network.lane_offsets[box + 1]):
        for t in range(horizon - 1):
            depart_veh[this, lane, t] = depart_veh[before, lane, t + 1]
        depart_veh[this, lane, horizon - 1] = 0.0
    if seen.changing[box] or seen.stage[box] != last.ran[box]:
        return seen.stage[box], DISCHARGING
    return last.stage[box], last.because[box]


@njit(cache=True)
def _plan(
    network: Network, seen: Seen, settings: Settings, memory: Memory, second: int, stage: IntArray, because: IntArray
) -> None:
    """Fill the stage that each box is to run, and why; remember what every plan lets out. Many boxes take turns."""
    derived, learned, state, work = memory.derived, memory.discharge, memory.state, memory.work
    horizon = state.depart_veh.shape[2]
    last, this, boxes = (second + 1) % 2, second % 2, len(network.stage_offsets) - 1
    turns, turn = max((boxes + settings.most_boxes - 1) // settings.most_boxes, 1), second // max(int(settings.step_s), 1)
    for box in range(boxes):
        if (box + turn) % turns != 0 and not _due(network, seen, memory.last, box, second):
            stage[box], because[box] = _go_on(network, seen, memory, box, (this, last))
            continue
        here = compose(network, derived, learned, state, seen, settings, work, (box, horizon, second, last))
        stage[box], because[box], wait_s = search(work, here)
        memory.last.ran[box], memory.last.again[box] = seen.stage[box], second + wait_s
        memory.last.stage[box], memory.last.because[box] = stage[box], because[box]
        lane0 = network.lane_offsets[box]
        for n in range(network.lane_offsets[box + 1] - lane0):
            for t in range(horizon):
                state.depart_veh[this, lane0 + n, t] = work.out_veh[n, t]


def decide(network: Network, seen: Seen, memory: Memory, now_s: float, settings: Settings) -> tuple[Choice, Memory]:
    """Return what every box should run, and the memory for the next second.

    To be called once a second; off the grid of settings.step_s, and while a box changes, the answer is what runs already.
    """
    second, boxes = int(now_s), len(network.stage_offsets) - 1
    network, state = memory.network, memory.state
    if settings.loops:
        estimate = (state.age_veh, state.inflow_veh)
        loops.fold(network, memory.derived, seen, memory.loops, state.passed_veh, memory.discharge.turn_share, estimate, second)
        state.cell_veh[:] = state.age_veh.sum(axis=2)
    else:
        fold(seen.cell_veh, seen.passed_veh, state.age_veh, state.inflow_veh)
        state.cell_veh[:] = seen.cell_veh
    state.passed_veh[:, second % HISTORY_S] = seen.passed_veh
    flows = (state.passed_veh, state.inflow_veh)
    learn(network, memory.derived, seen, memory.discharge, state.cell_veh[:, 0].copy(), flows, second)
    stage, because = seen.stage.copy(), np.zeros(boxes, np.int64)
    _plan(network, seen, settings, memory, second, stage, because)
    return Choice(stage, because, _trusted(seen, memory, second)), memory


def _trusted(seen: Seen, memory: Memory, second: int) -> BoolArray:
    """Return the boxes that the planner answers for: all of whose lanes are seen, and where what was predicted happens."""
    network, state, learned = memory.network, memory.state, memory.discharge
    trusted = supervisor.seen_whole(network, seen)
    waiting_veh = state.age_veh[:, :, STANDS_S:].sum(axis=(1, 2))
    found = (waiting_veh, state.inflow_veh, state.cell_veh.sum(axis=1))
    own_share = network.own_share if len(network.own_share) else np.zeros(len(network.green_min_s))
    supervisor.supervise(network, memory.derived, seen, memory.watch, found, learned.rate_veh_s, own_share, trusted)
    expected = np.concatenate(([0.0], np.cumsum(state.depart_veh[second % 2, :, 0])))
    memory.watch.expected_veh[:] = np.diff(expected[network.lane_offsets])
    return trusted & ~network.keeps_own if len(network.keeps_own) else trusted
