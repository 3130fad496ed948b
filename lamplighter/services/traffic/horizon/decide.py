# SPDX-License-Identifier: Apache-2.0
"""One second of planning for a whole network: fold what was seen, plan for every box, tell the neighbours what will leave."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon import loops, supervisor
from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived, derive
from lamplighter.services.traffic.horizon.learning import Discharge, begin, learn, queues
from lamplighter.services.traffic.horizon.radar import AGES, fold
from lamplighter.services.traffic.horizon.rollout import PLAN, Work
from lamplighter.services.traffic.horizon.scene import Learned, State, compose, workspace
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, RED, Choice, Network, Seen, Settings
from lamplighter.services.traffic.horizon.search import search
from lamplighter.terms.columns import BoolArray, IntArray

RATE_MEMORY_S = 240.0
RATE_PRIOR_VEH_S = 0.06
CREDIT_MIN_VEH = -1.0
QUEUE_CELLS, STANDS_S = 4, 3  # a queue is looked for so far back; who is so long in a cell stands
TURN_PRIOR = np.array([1.0, 0.3, 0.3, 0.005])  # straight, left, right, u-turn, of vehicles on a lane from which all may be taken


class Memory(NamedTuple):
    """All that a planner carries from second to second. Its arrays are used up by `decide`, which hands them on."""

    network: Network
    derived: Derived
    loops: loops.Loops
    watch: supervisor.Watch
    discharge: Discharge
    learned: Learned
    state: State
    work: Work


def start(network: Network, settings: Settings) -> Memory:
    """Return the memory before the first second."""
    whole, horizon = network, int(settings.horizon_s)
    network = loops.narrow(whole) if settings.loops else whole
    derived = derive(network)
    lanes, boxes = len(network.lane_length_m), len(network.stage_offsets) - 1
    likely = TURN_PRIOR[network.move_turn]
    total = np.bincount(derived.move_lane, weights=likely, minlength=lanes)[derived.move_lane]
    discharge = begin(network, derived, likely / total, settings)
    learned = Learned(
        rate_veh_s=np.full(lanes, RATE_PRIOR_VEH_S),
        headway_s=discharge.headway_s,
        start_s=discharge.start_s,
        turn_share=discharge.turn_share,
        free_veh_s=discharge.free_veh_s,
        opposed_veh_s=discharge.opposed_veh_s,
    )
    state = State(
        age_veh=np.zeros((lanes, CELLS, AGES)),
        inflow_veh=np.zeros(lanes),
        passed_veh=np.zeros((lanes, HISTORY_S)),
        depart_veh=np.zeros((2, lanes, horizon)),
        credit_veh=np.zeros(lanes),
        used_veh=np.zeros(lanes),
        ahead_veh=np.zeros(lanes),
        plan=np.zeros((boxes, 2 * PLAN + 1), np.int64),
    )
    return Memory(
        network,
        derived,
        loops.begin(whole),
        supervisor.begin(network),
        discharge,
        learned,
        state,
        workspace(network, derived, horizon),
    )


@njit(cache=True)
def _watch(network: Network, seen: Seen, learned: Learned, state: State, second: int) -> None:
    """Carry arrival rates, credits and passed vehicles over one second."""
    for lane in range(len(seen.passed_veh)):
        learned.rate_veh_s[lane] += (state.inflow_veh[lane] - learned.rate_veh_s[lane]) / RATE_MEMORY_S
        state.passed_veh[lane, second % HISTORY_S] = seen.passed_veh[lane]
        green = False
        for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
            green = green or seen.movement_green[v] != RED
        rate = 1.0 / learned.headway_s[lane]
        if green:
            credit = min(state.credit_veh[lane] + rate, max(1.0, rate)) - seen.passed_veh[lane]
            state.credit_veh[lane] = max(credit, CREDIT_MIN_VEH)
            state.used_veh[lane] += seen.passed_veh[lane]
        else:
            state.credit_veh[lane] = -learned.start_s[lane] * rate
            state.used_veh[lane] = 0.0


@njit(cache=True)
def _ahead(network: Network, derived: Derived, seen: Seen, state: State, standing: BoolArray) -> None:
    """Follow what is left of the queue that stood when a green, or a stage, began, and fill where any of it stands (l,).

    Where vehicles are dense would be where they are slow: only what a queue does from its start to its end is its discharge.
    """
    for lane in range(len(standing)):
        green = False
        for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
            green = green or seen.movement_green[v] != RED
        last = int(network.reach_m[lane] / CELL_M) if network.enters[lane] else CELLS
        if not green or seen.stage_elapsed_s[derived.lane_box[lane]] <= 1.0:
            state.ahead_veh[lane] = 0.0
            for c in range(min(QUEUE_CELLS, max(last, 1))):
                for a in range(STANDS_S, AGES):
                    state.ahead_veh[lane] += state.age_veh[lane, c, a]
            standing[lane] = green and state.ahead_veh[lane] >= 1.0
        else:
            standing[lane] = state.ahead_veh[lane] >= 1.0
            state.ahead_veh[lane] = max(state.ahead_veh[lane] - seen.passed_veh[lane], 0.0)


@njit(cache=True)
def _plan(
    network: Network, seen: Seen, settings: Settings, memory: Memory, second: int, stage: IntArray, because: IntArray
) -> None:
    """Fill the stage that each box is to run, and why; remember every plan and what it lets out."""
    derived, learned, state, work = memory.derived, memory.learned, memory.state, memory.work
    horizon = state.depart_veh.shape[2]
    last, this = (second + 1) % 2, second % 2
    for box in range(len(network.stage_offsets) - 1):
        here = compose(network, derived, learned, state, seen, settings, work, (box, horizon, second, last))
        stage[box], because[box] = search(state, work, here, box, settings)
        lane0 = network.lane_offsets[box]
        for n in range(network.lane_offsets[box + 1] - lane0):
            for t in range(horizon):
                state.depart_veh[this, lane0 + n, t] = work.out_veh[t, n]


def decide(network: Network, seen: Seen, memory: Memory, now_s: float, settings: Settings) -> tuple[Choice, Memory]:
    """Return what every box should run, and the memory for the next second.

    To be called once a second; off the grid of settings.step_s, and while a box changes, the answer is what runs already.
    """
    second, boxes = int(now_s), len(network.stage_offsets) - 1
    network, lanes, state = memory.network, len(seen.passed_veh), memory.state
    if settings.loops:
        estimate = (state.age_veh, state.inflow_veh)
        loops.fold(network, memory.derived, seen, memory.loops, state.passed_veh, memory.discharge.turn_share, estimate, second)
    else:
        fold(seen.cell_veh, seen.passed_veh, state.age_veh, state.inflow_veh)
    _watch(network, seen, memory.learned, state, second)
    queued = (np.zeros(lanes, np.bool_), np.zeros(lanes, np.bool_))
    queues(state.age_veh, *queued)
    _ahead(network, memory.derived, seen, state, queued[0])
    priors = (settings.headway_s, settings.start_s)
    learn(network, memory.derived, seen, memory.discharge, (state.passed_veh, state.inflow_veh), queued, priors, second)
    stage, because = seen.stage.copy(), np.zeros(boxes, np.int64)
    _plan(network, seen, settings, memory, second, stage, because)
    return Choice(stage, because, _trusted(seen, memory, second)), memory


def _trusted(seen: Seen, memory: Memory, second: int) -> BoolArray:
    """Return the boxes that the planner answers for: all of whose lanes are seen, and where what was predicted happens."""
    network, state, learned = memory.network, memory.state, memory.learned
    trusted = supervisor.seen_whole(network, seen)
    waiting_veh = state.age_veh[:, :, STANDS_S:].sum(axis=(1, 2))
    found, rates = (waiting_veh, state.inflow_veh, state.age_veh.sum(axis=(1, 2))), (learned.free_veh_s, learned.opposed_veh_s)
    own_share = network.own_share if len(network.own_share) else np.zeros(len(network.green_min_s))
    supervisor.supervise(network, memory.derived, seen, memory.watch, found, rates, own_share, trusted)
    expected = np.concatenate(([0.0], np.cumsum(state.depart_veh[second % 2, :, 0])))
    memory.watch.expected_veh[:] = np.diff(expected[network.lane_offsets])
    return trusted
