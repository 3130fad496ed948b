# SPDX-License-Identifier: Apache-2.0
"""One second of planning for a whole network: fold what was seen, plan for every box, tell the neighbours what will leave."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived, derive
from lamplighter.services.traffic.horizon.radar import AGES, fold
from lamplighter.services.traffic.horizon.rollout import PLAN, Work
from lamplighter.services.traffic.horizon.scene import Learned, State, compose, workspace
from lamplighter.services.traffic.horizon.scheme import CELLS, RED, Choice, Network, Seen, Settings
from lamplighter.services.traffic.horizon.search import search
from lamplighter.terms.columns import IntArray

RATE_MEMORY_S = 240.0
RATE_PRIOR_VEH_S = 0.06
CREDIT_MIN_VEH = -1.0


class Memory(NamedTuple):
    """All that a planner carries from second to second. Its arrays are used up by `decide`, which hands them on."""

    derived: Derived
    learned: Learned
    state: State
    work: Work


def start(network: Network, settings: Settings) -> Memory:
    """Return the memory before the first second."""
    derived, horizon = derive(network), int(settings.horizon_s)
    lanes, moves, boxes = len(network.lane_length_m), len(network.move_exit), len(network.stage_offsets) - 1
    many = np.maximum(np.diff(network.move_offsets), 1)[derived.move_lane]
    learned = Learned(
        headway_s=np.full(lanes, settings.headway_s),
        start_s=np.full(lanes, settings.start_s),
        rate_veh_s=np.full(lanes, RATE_PRIOR_VEH_S),
        turn_share=np.ones(moves) / many,
        permissive_ratio=np.ones(lanes),
    )
    state = State(
        age_veh=np.zeros((lanes, CELLS, AGES)),
        inflow_veh=np.zeros(lanes),
        passed_veh=np.zeros((lanes, HISTORY_S)),
        depart_veh=np.zeros((2, lanes, horizon)),
        credit_veh=np.zeros(lanes),
        used_veh=np.zeros(lanes),
        plan=np.zeros((boxes, 2 * PLAN + 1), np.int64),
    )
    return Memory(derived, learned, state, workspace(network, derived, horizon))


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
    fold(seen.cell_veh, seen.passed_veh, memory.state.age_veh, memory.state.inflow_veh)
    _watch(network, seen, memory.learned, memory.state, second)
    stage, because = seen.stage.copy(), np.zeros(boxes, np.int64)
    _plan(network, seen, settings, memory, second, stage, because)
    return Choice(stage, because, _trusted(network, seen)), memory


def _trusted(network: Network, seen: Seen) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return the boxes all of whose lanes are seen."""
    dead = np.concatenate(([0], np.cumsum(~seen.alive)))
    return np.diff(dead[network.lane_offsets]) == 0
