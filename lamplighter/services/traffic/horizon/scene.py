# SPDX-License-Identifier: Apache-2.0
"""One box made ready for planning: arrivals second by second, how each stage serves each lane, and reds that are bounded."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived
from lamplighter.services.traffic.horizon.radar import arrive
from lamplighter.services.traffic.horizon.rollout import (
    BLOCK,
    CLOCK_COLUMNS,
    CLOCK_LANE,
    CLOCK_MAX,
    CLOCK_NOW,
    CLOSED,
    CREDIT_NOW,
    CROSS_AT,
    CROSS_END,
    FREE,
    KIND,
    LANE_COLUMNS,
    MASK,
    MASK_COLUMNS,
    MIXED,
    OPPOSED,
    PLAN,
    RATE,
    ROOM,
    ROOM_S,
    SERVICE_COLUMNS,
    START,
    STOP,
    TAIL,
    USED_NOW,
    WAY_COLUMNS,
    WEIGHT,
    Situation,
    Work,
)  # fmt: skip
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, GIVES_WAY, GREEN, RED, Network, Seen, Settings
from lamplighter.terms.columns import FloatArray, IntArray

PLANS = 1536  # plans that are compared at most for one box in one second
NEVER_VEH = 1e6
RARE_SHARE = 0.03  # a turn that so few take does not block a lane
FILL_RATIO = 1.0  # at 0.7 short streets look full for ever and nobody is let into them
VEHICLE_M = 7.5
SHORT_RATIO = 0.6  # a lane so much shorter than its neighbours is a pocket
FOOT_RATE = 1e3  # all who wait before a crossing leave at once
SLOW_AGE_S = 5
UNSEEN_S, UNSEEN_VEH_S = 20, 0.4  # a queue that is longer than what is seen goes on for so long
SPEED_RATIO = 0.97  # of the permitted speed, as driven freely


class Learned(NamedTuple):
    """What is learned on the way: rate_veh_s (l,), arrivals beyond what is seen; headway_s, start_s (l,); turn_share (v,) of
    the lane's vehicles; free_veh_s, opposed_veh_s (s, k): discharge by stage row and lane number within the box."""

    rate_veh_s: FloatArray
    headway_s: FloatArray
    start_s: FloatArray
    turn_share: FloatArray
    free_veh_s: FloatArray
    opposed_veh_s: FloatArray


class State(NamedTuple):
    """What is carried from second to second, by lane, unless said otherwise. age_veh (l, CELLS, AGES); inflow_veh (l,);
    passed_veh (l, HISTORY_S), a ring by second; depart_veh (2, l, H): what is expected to leave, of this second and of the
    last; credit_veh, used_veh, ahead_veh (l,), the last one what is left
    of the queue that stood when the green began; plan (b, 2 PLAN + 1): the plan of the last second."""

    age_veh: FloatArray
    inflow_veh: FloatArray
    passed_veh: FloatArray
    depart_veh: FloatArray
    credit_veh: FloatArray
    used_veh: FloatArray
    ahead_veh: FloatArray
    plan: IntArray


def _f(*shape: int) -> FloatArray:
    return np.zeros(shape)


def _i(*shape: int) -> IntArray:
    return np.zeros(shape, np.int64)


def workspace(network: Network, derived: Derived, horizon: int) -> Work:
    """Return scratch that is large enough for every box of a network."""
    feet = int(np.diff(network.foot_offsets).max()) if len(network.foot_offsets) > 1 else 0
    n, m = derived.widest_lanes + feet, derived.widest_stages
    moves = int(np.diff(network.move_first).max()) if len(network.move_first) > 1 else 0
    crossings = 1 + (m + 1) * int(np.diff(network.yield_offsets).sum() if len(network.yield_offsets) > 1 else 0)
    crossings = min(crossings, 1 + (m + 1) * moves * moves)
    clocks = moves + feet
    return Work(
        _f(horizon + 1, n), _f(horizon, n), _f(m + 1, n, SERVICE_COLUMNS), _i(m + 1, n, WAY_COLUMNS), _i(crossings),
        _f(crossings), _f(n, LANE_COLUMNS), _i(m, m + 1), _f(clocks, CLOCK_COLUMNS), _i(clocks, MASK_COLUMNS), _f(horizon, n),
        _i(PLANS, 2 * PLAN + 1), _i(2 * PLAN + 1),
    )  # fmt: skip


@njit(cache=True)
def _arrivals(
    network: Network,
    derived: Derived,
    learned: Learned,
    state: State,
    work: Work,
    at: tuple[int, int, int, int, int],
    beyond: float,
) -> None:
    """Fill when vehicles can be at the stop line: those seen, those sent by other signals, and those that are usual beyond.
    at: lane, its number, horizon, second of the clock, row of depart_veh that holds the last second's."""
    lane, n, horizon, second, row = at
    speed = network.lane_speed_m_s[lane] * SPEED_RATIO
    for t in range(horizon + 1):
        work.cum_veh[t, n] = 0.0
    for t in range(horizon):
        work.fresh_veh[t, n] = 0.0
    arrive(state.age_veh[lane], network.reach_m[lane], speed, work.cum_veh[1:, n], work.fresh_veh[:, n])
    first = int(network.reach_m[lane] / speed) + 1
    feeds = derived.feed_offsets[lane + 1] - derived.feed_offsets[lane]
    if network.enters[lane]:
        last = min(int((network.reach_m[lane] - 1.0) / CELL_M), CELLS - 1)
        if state.age_veh[lane, last, SLOW_AGE_S:].sum() >= 1.0:  # it stands to the edge of what is seen, so more stand beyond
            for t in range(first, min(first + UNSEEN_S, horizon)):
                work.cum_veh[t + 1, n] += UNSEEN_VEH_S
    if feeds == 0:
        for t in range(first, horizon):
            work.cum_veh[t + 1, n] += beyond * learned.rate_veh_s[lane]
            work.fresh_veh[t, n] += beyond * learned.rate_veh_s[lane]
    for i in range(derived.feed_offsets[lane], derived.feed_offsets[lane + 1]):
        up = derived.feed_lane[i]
        share = learned.turn_share[derived.feed_move[i]] * derived.feed_share[i]
        travel = int(derived.feed_s[i] + 0.5)
        for t in range(first, horizon):
            then = t - first - travel
            if then >= 0:
                veh = share * (state.depart_veh[row, up, then + 1] if then + 1 < horizon else learned.rate_veh_s[up])
            else:
                veh = share * state.passed_veh[up, (second + then) % HISTORY_S]
            work.cum_veh[t + 1, n] += veh
            work.fresh_veh[t, n] += veh
    for t in range(horizon):
        work.cum_veh[t + 1, n] += work.cum_veh[t, n]


@njit(cache=True)
def _service(
    network: Network, derived: Derived, learned: Learned, work: Work, at: tuple[int, int, int, int], shown: IntArray
) -> int:
    """Fill how each stage, and what is shown now, serves a lane. at: box, lane, its number, crossings filled so far."""
    box, lane, n, many = at
    first, stages = network.stage_offsets[box], network.stage_offsets[box + 1] - network.stage_offsets[box]
    for m in range(stages + 1):
        free, gives = 0.0, 0.0
        for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
            way = network.serve[first + m, v - network.move_first[box]] if m < stages else shown[v]
            free += learned.turn_share[v] if way == GREEN else 0.0
            gives += learned.turn_share[v] if way == GIVES_WAY else 0.0
        served = free + gives
        work.way[m, n, KIND] = CLOSED if served < RARE_SHARE else MIXED if gives > RARE_SHARE * served else FREE
        work.service_veh_s[m, n, RATE] = learned.free_veh_s[first + m, n] if m < stages else 1.0 / learned.headway_s[lane]
        work.service_veh_s[m, n, OPPOSED] = (
            learned.opposed_veh_s[first + m, n] if m < stages else 0.2 * work.service_veh_s[m, n, RATE]
        )
        work.service_veh_s[m, n, BLOCK] = NEVER_VEH
        work.way[m, n, CROSS_AT] = many
        if work.way[m, n, KIND] == MIXED:
            for i in range(derived.cross_offsets[lane], derived.cross_offsets[lane + 1]):
                giver, haver, base = derived.cross_giver[i], derived.cross_haver[i], network.move_first[box]
                gives_way = network.serve[first + m, giver - base] if m < stages else shown[giver]
                has_way = network.serve[first + m, haver - base] if m < stages else shown[haver]
                if gives_way == GIVES_WAY and has_way != RED and learned.turn_share[giver] > 0.0 and many < len(work.cross_lane):
                    work.cross_lane[many] = derived.cross_lane[i]
                    work.cross_share[many] = learned.turn_share[haver] * learned.turn_share[giver] / gives
                    many += 1
        work.way[m, n, CROSS_END] = many
    return many


@njit(cache=True)
def _room(network: Network, learned: Learned, state: State, lane: int) -> tuple[float, float]:
    """Return how many vehicles a lane can send before a street that it feeds is full, and how many more each second.

    Of a street's lanes the fullest counts, unless it is a short one: those who want to be there stand in the way of others.
    """
    room, room_s = NEVER_VEH, 0.0
    for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
        e = network.move_exit[v]
        first, last = network.exit_lane_offsets[e], network.exit_lane_offsets[e + 1]
        if last == first or learned.turn_share[v] <= RARE_SHARE:
            continue
        longest_m, free, out = 0.0, NEVER_VEH, 0.0
        for i in range(first, last):
            longest_m = max(longest_m, _storage_m(network, network.exit_lane[i]))
        for i in range(first, last):
            into = network.exit_lane[i]
            out += learned.rate_veh_s[into]
            if _storage_m(network, into) > SHORT_RATIO * longest_m:
                left = max(FILL_RATIO * _storage_m(network, into) / VEHICLE_M - state.age_veh[into].sum(), 0.0)
                free = min(free, left / max(network.exit_share[i], RARE_SHARE))
        if free / learned.turn_share[v] < room:
            room, room_s = free / learned.turn_share[v], out / learned.turn_share[v]
    return room, room_s


@njit(cache=True)
def _storage_m(network: Network, lane: int) -> float:
    return max(network.reach_m[lane], min(network.lane_length_m[lane], CELL_M * CELLS))


@njit(cache=True)
def _clocks(network: Network, seen: Seen, work: Work, box: int) -> int:
    """Fill the reds that are bounded, one for every movement and crossing that is green in some stages and not in others."""
    many, first = 0, network.stage_offsets[box]
    stages = network.stage_offsets[box + 1] - first
    lane0, lanes = network.lane_offsets[box], network.lane_offsets[box + 1] - network.lane_offsets[box]
    for n in range(lanes):
        begins = many
        for v in range(network.move_offsets[lane0 + n], network.move_offsets[lane0 + n + 1]):
            mask = 0
            for m in range(stages):
                mask |= int(network.serve[first + m, v - network.move_first[box]] != RED) << m
            known = False
            for k in range(begins, many):
                known = known or work.clock_mask[k, MASK] == mask
            if not known and mask > 0 and mask != (1 << stages) - 1:
                work.clock_mask[many, CLOCK_LANE], work.clock_mask[many, MASK] = n, mask
                work.clock_s[many, CLOCK_NOW], work.clock_s[many, CLOCK_MAX] = seen.movement_red_s[v], network.red_max_s[v]
                many += 1
    for f in range(network.foot_offsets[box], network.foot_offsets[box + 1]):
        mask = 0
        for m in range(stages):
            mask |= int(network.foot_serve[first + m, f - network.foot_offsets[box]]) << m
        if mask > 0 and mask != (1 << stages) - 1:
            work.clock_mask[many, CLOCK_LANE], work.clock_mask[many, MASK] = lanes + f - network.foot_offsets[box], mask
            work.clock_s[many, CLOCK_NOW], work.clock_s[many, CLOCK_MAX] = seen.foot_red_s[f], network.foot_red_max_s[f]
            many += 1
    return many


@njit(cache=True)
def _feet(network: Network, seen: Seen, work: Work, box: int, at: tuple[int, int]) -> None:
    """Fill crossings on foot as lanes: who waits leaves at once. at: lanes of the box, horizon."""
    lanes, horizon = at
    first, stages = network.stage_offsets[box], network.stage_offsets[box + 1] - network.stage_offsets[box]
    for f in range(network.foot_offsets[box], network.foot_offsets[box + 1]):
        c = f - network.foot_offsets[box]
        n = lanes + c
        work.cum_veh[0, n] = 0.0
        for t in range(horizon):
            known = seen.foot_waiting_persons[f] if t >= seen.foot_due_s[f] else 0.0
            work.cum_veh[t + 1, n] = known + network.foot_flow_s[f] * (t + 1.0)
            work.fresh_veh[t, n] = 0.0
        for m in range(stages + 1):
            walks = network.foot_serve[first + m, c] if m < stages else seen.foot_red_s[f] == 0.0
            work.way[m, n, KIND] = FREE if walks else CLOSED
            work.service_veh_s[m, n, RATE], work.service_veh_s[m, n, BLOCK], work.service_veh_s[m, n, OPPOSED] = (
                FOOT_RATE,
                NEVER_VEH,
                FOOT_RATE,
            )
            work.way[m, n, CROSS_AT] = work.way[m, n, CROSS_END] = 0
        lane = work.lane_veh[n]
        lane[START], lane[TAIL], lane[CREDIT_NOW], lane[USED_NOW] = 0.0, 0.0, 0.0, 0.0
        lane[WEIGHT], lane[STOP] = network.foot_persons[f], 0.0
        lane[ROOM], lane[ROOM_S] = NEVER_VEH, 0.0


@njit(cache=True)
def compose(network: Network, derived: Derived, learned: Learned, state: State, seen: Seen, settings: Settings, work: Work,
            at: tuple[int, int, int, int]) -> Situation:  # fmt: skip
    """Make box ready and return where it stands. at: box, horizon, second of the clock, row of depart_veh of the last second."""
    box, horizon, second, row = at
    first, stages = network.stage_offsets[box], network.stage_offsets[box + 1] - network.stage_offsets[box]
    lane0, lanes = network.lane_offsets[box], network.lane_offsets[box + 1] - network.lane_offsets[box]
    many = 1
    for n in range(lanes):
        lane = lane0 + n
        _arrivals(network, derived, learned, state, work, (lane, n, horizon, second, row), settings.beyond_ratio)
        many = _service(network, derived, learned, work, (box, lane, n, many), seen.movement_green)
        rate = 1.0 / learned.headway_s[lane]
        columns = work.lane_veh[n]
        columns[START], columns[TAIL] = -learned.start_s[lane] * rate, 1.5 * rate
        columns[CREDIT_NOW], columns[USED_NOW] = state.credit_veh[lane], state.used_veh[lane]
        columns[WEIGHT], columns[STOP] = network.lane_persons[lane], network.lane_persons[lane] * settings.stop_s
        columns[ROOM], columns[ROOM_S] = _room(network, learned, state, lane)
    feet = network.foot_offsets[box + 1] - network.foot_offsets[box]
    _feet(network, seen, work, box, (lanes, horizon))
    for m in range(stages):
        work.stages[m, stages] = int(np.ceil(network.green_min_s[first + m]))
        for other in range(stages):
            work.stages[m, other] = int(np.ceil(network.change_s[first + m, other]))
    step = max(int(settings.step_s), 1)
    return Situation(
        lanes + feet, stages, _clocks(network, seen, work, box), horizon, seen.stage[box], int(np.ceil(seen.change_left_s[box])),
        int(seen.stage_elapsed_s[box]), (step - second % step) % step, step,
        settings.arrive_ratio, settings.back_ratio, settings.end_s,
    )  # fmt: skip
