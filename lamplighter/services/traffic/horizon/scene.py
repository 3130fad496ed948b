# SPDX-License-Identifier: Apache-2.0
"""One box made ready for planning: arrivals second by second, how each stage serves each lane, and reds that are bounded."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived
from lamplighter.services.traffic.horizon.learning import RATE_MAX_VEH_S, Discharge, able_ratio
from lamplighter.services.traffic.horizon.rollout import (
    CLOCK_COLUMNS,
    CLOCK_LANE,
    CLOCK_MAX,
    CLOCK_NOW,
    MASK,
    MASK_COLUMNS,
    PLAYED,
    Situation,
    Work,
)
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, RED, Network, Seen, Settings
from lamplighter.terms.columns import FloatArray

NEVER_VEH = 1e6
RARE_SHARE = 0.03  # a turn that so few take does not block a lane
VEHICLE_M = 7.5
SHORT_RATIO = 0.6  # a lane so much shorter than its neighbours is a pocket
LEAVES_VEH_S = 0.3  # what a full street lets out, and so takes, each second
FOOT_RATE = 1e3  # all who wait before a crossing leave at once


class State(NamedTuple):
    """What is carried from second to second, by lane. age_veh (l, CELLS, AGES), cell_veh (l, CELLS): vehicles by cell and
    seconds since they entered it, and by cell; inflow_veh (l,): what came to the seen stretch; passed_veh (l, HISTORY_S), a
    ring by second; depart_veh (2, l, H): what is expected to leave, of this
    second's plans and of the last one's."""

    age_veh: FloatArray
    cell_veh: FloatArray
    inflow_veh: FloatArray
    passed_veh: FloatArray
    depart_veh: FloatArray


def workspace(network: Network, derived: Derived, horizon: int) -> Work:
    """Return scratch that is large enough for every box of a network."""
    feet = int(np.diff(network.foot_offsets).max()) if len(network.foot_offsets) > 1 else 0
    n, m = derived.widest_lanes + feet, derived.widest_stages
    clocks = (int(np.diff(network.move_first).max()) if len(network.move_first) > 1 else 0) + feet
    return Work(
        arrive_veh=np.zeros((n, horizon)),
        until_veh=np.zeros((n, horizon + 1)),
        rate_veh_s=np.zeros((m + 1, n)),
        weight=np.zeros(n),
        room_veh=np.zeros(n),
        room_veh_s=np.zeros(n),
        store_veh=np.zeros(n),
        queue_veh=np.zeros((PLAYED, n)),
        space_veh=np.zeros((PLAYED, n)),
        change_s=np.zeros((m, m), np.int64),
        lost_s=np.zeros((m, m)),
        keeps_s=np.zeros((m + 1, m, n), np.int64),
        begins_s=np.zeros((m + 1, m, n), np.int64),
        green_min_s=np.zeros(m, np.int64),
        clock_s=np.zeros((clocks, CLOCK_COLUMNS)),
        clock_mask=np.zeros((clocks, MASK_COLUMNS), np.int64),
        out_veh=np.zeros((n, horizon)),
        served=np.zeros((m, n), np.int64),
        served_lanes=np.zeros(m, np.int64),
    )


@njit(cache=True)
def _arrivals(network: Network, derived: Derived, learned: Discharge, state: State, work: Work,
              at: tuple[int, int, int, int, int], send_ratio: float) -> None:  # fmt: skip
    """Fill when vehicles can be at the stop line: those seen, and those sent by other signals. Nobody else is expected: each
    plan would be charged for whom the next choices can still serve. at: lane, its number, horizon, second of the clock, row
    of depart_veh that holds the last second's."""
    lane, n, horizon, second, row = at
    for t in range(horizon):
        work.arrive_veh[n, t] = 0.0
    for c in range(CELLS):
        veh = state.cell_veh[lane, c]
        many = int(np.ceil(veh - 1e-9))
        near_s, far_s = network.cell_s[lane, c], network.cell_s[lane, c + 1]
        for j in range(many):
            t = int(near_s + (far_s - near_s) * (j + 0.5) / many)
            if t < horizon:
                work.arrive_veh[n, t] += min(1.0, veh - j)
    edge = min(int(network.reach_m[lane] / CELL_M), CELLS - 1)
    beyond_s = (network.cell_s[lane, edge + 1] - network.cell_s[lane, edge]) * (network.reach_m[lane] / CELL_M - edge)
    first = int(network.cell_s[lane, edge] + beyond_s) + 1
    for i in range(derived.feed_offsets[lane], derived.feed_offsets[lane + 1]):
        up = derived.feed_lane[i]
        share = send_ratio * learned.turn_share[derived.feed_move[i]] * derived.feed_share[i]
        travel = int(derived.feed_s[i] + 0.5)
        for t in range(first, horizon):
            then = t - first - travel
            if then >= horizon - 1:
                break
            sent = state.depart_veh[row, up, then + 1] if then >= 0 else state.passed_veh[up, (second + then) % HISTORY_S]
            work.arrive_veh[n, t] += share * sent
    _sum_up(work, n, horizon)


@njit(cache=True)
def _sum_up(work: Work, n: int, horizon: int) -> None:
    for t in range(horizon):
        work.until_veh[n, t + 1] = work.until_veh[n, t] + work.arrive_veh[n, t]


@njit(cache=True)
def _storage_m(network: Network, lane: int) -> float:
    return max(network.reach_m[lane], min(network.lane_length_m[lane], CELL_M * CELLS))


@njit(cache=True)
def _room(network: Network, learned: Discharge, state: State, seen: Seen, lane: int, fill_ratio: float) -> tuple[float, float]:
    """Return how many vehicles a lane can send before a street that it feeds is full, and how many more each second.

    Of a street's lanes the fullest counts, unless it is a short one: those who want to be there stand in the way of others.
    """
    room, room_s = NEVER_VEH, 0.0
    for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
        e = network.move_exit[v]
        first, last = network.exit_lane_offsets[e], network.exit_lane_offsets[e + 1]
        if learned.turn_share[v] <= RARE_SHARE:
            continue
        if len(seen.exit_room_veh) > 0 and seen.exit_room_veh[e] / learned.turn_share[v] < room:
            room, room_s = seen.exit_room_veh[e] / learned.turn_share[v], 0.0
            if room > 0.0:
                room_s = LEAVES_VEH_S / learned.turn_share[v]
        if last == first:
            continue
        longest_m, free = 0.0, NEVER_VEH
        for i in range(first, last):
            longest_m = max(longest_m, _storage_m(network, network.exit_lane[i]))
        for i in range(first, last):
            into = network.exit_lane[i]
            if _storage_m(network, into) > SHORT_RATIO * longest_m:
                left = max(fill_ratio * _storage_m(network, into) / VEHICLE_M - state.cell_veh[into].sum(), 0.0)
                free = min(free, left / max(network.exit_share[i], RARE_SHARE))
        if free / learned.turn_share[v] < room:
            room, room_s = free / learned.turn_share[v], LEAVES_VEH_S / learned.turn_share[v]
    return room, room_s


@njit(cache=True)
def _store(network: Network, lane: int, store_ratio: float) -> float:
    """Return how many may wait before they stand in the way of others. Beyond the network's edge there is nobody."""
    own_m = network.lane_length_m[lane]
    if network.enters[lane] and min(own_m, CELL_M * CELLS) - 1.0 <= network.reach_m[lane] <= own_m + 1.0:
        return NEVER_VEH
    return store_ratio * own_m / VEHICLE_M


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
        for t in range(horizon):
            work.arrive_veh[n, t] = 0.0
        if seen.foot_due_s[f] < horizon:
            work.arrive_veh[n, int(max(seen.foot_due_s[f], 0.0))] += seen.foot_waiting_persons[f]
        _sum_up(work, n, horizon)
        for m in range(stages):
            work.rate_veh_s[m, n] = FOOT_RATE if network.foot_serve[first + m, c] else 0.0
        work.weight[n], work.room_veh[n], work.room_veh_s[n], work.store_veh[n] = (
            network.foot_persons[f],
            NEVER_VEH,
            0.0,
            NEVER_VEH,
        )


@njit(cache=True)
def serves(work: Work, stages: int, lanes: int) -> None:
    """Fill which lanes each stage serves, from the rates."""
    for m in range(stages):
        many = 0
        for n in range(lanes):
            if work.rate_veh_s[m, n] > 0.0:
                work.served[m, many] = n
                many += 1
        work.served_lanes[m] = many


@njit(cache=True)
def _courses(network: Network, work: Work, first: int, stages: int, lanes: int) -> None:
    """Fill which lanes are green in the midst of each change, and what a change costs the lanes of both stages on average."""
    work.keeps_s[stages, :stages, :lanes] = 0
    for m in range(stages):
        for other in range(stages):
            change_s = work.change_s[m, other]
            work.begins_s[stages, other, :lanes] = HISTORY_S
            work.keeps_s[m, other, :lanes], work.begins_s[m, other, :lanes] = 0, change_s
            work.lost_s[m, other] = change_s
            if len(network.keeps_s) == 0 or m == other:
                continue
            keeps_s, begins_s = 0.0, 0.0
            for n in range(lanes):
                work.keeps_s[m, other, n] = min(int(network.keeps_s[first + m, other, n]), change_s)
                work.begins_s[m, other, n] = min(int(np.ceil(network.begins_s[first + m, other, n])), change_s)
            for i in range(work.served_lanes[m]):
                keeps_s += work.keeps_s[m, other, work.served[m, i]] / work.served_lanes[m]
            for i in range(work.served_lanes[other]):
                begins_s += work.begins_s[m, other, work.served[other, i]] / work.served_lanes[other]
            work.lost_s[m, other] = min(max(begins_s - keeps_s, 0.0), change_s)


@njit(cache=True)
def compose(network: Network, derived: Derived, learned: Discharge, state: State, seen: Seen, settings: Settings, work: Work,
            at: tuple[int, int, int, int]) -> Situation:  # fmt: skip
    """Make box ready and return where it stands. at: box, horizon, second of the clock, row of depart_veh of the last second."""
    box, horizon, second, row = at
    first, stages = network.stage_offsets[box], network.stage_offsets[box + 1] - network.stage_offsets[box]
    lane0, lanes = network.lane_offsets[box], network.lane_offsets[box + 1] - network.lane_offsets[box]
    for n in range(lanes):
        lane = lane0 + n
        _arrivals(network, derived, learned, state, work, (lane, n, horizon, second, row), settings.send_ratio)
        work.weight[n], work.store_veh[n] = network.lane_persons[lane], _store(network, lane, settings.store_ratio)
        work.room_veh[n], work.room_veh_s[n] = _room(network, learned, state, seen, lane, settings.fill_ratio)
        for m in range(stages):
            rate = learned.rate_veh_s[first + m, n]
            most = max(rate, RATE_MAX_VEH_S)
            work.rate_veh_s[m, n] = min(rate * able_ratio(network, learned, first + m, lane, network.move_first[box]), most)
    feet = network.foot_offsets[box + 1] - network.foot_offsets[box]
    _feet(network, seen, work, box, (lanes, horizon))
    work.rate_veh_s[stages, : lanes + feet] = 0.0
    serves(work, stages, lanes + feet)
    for m in range(stages):
        work.green_min_s[m] = int(np.ceil(network.green_min_s[first + m]))
        for other in range(stages):
            work.change_s[m, other] = int(np.ceil(network.change_s[first + m, other]))
    _courses(network, work, first, stages, lanes + feet)
    step = max(int(settings.step_s), 1)
    return Situation(
        lanes + feet, stages, _clocks(network, seen, work, box), horizon, seen.stage[box], int(np.ceil(seen.change_left_s[box])),
        int(seen.stage_elapsed_s[box]), (step - second % step) % step, step,
        settings.back_ratio, settings.keep_ratio, settings.end_s, settings.end_s_per_veh, settings.spill_ratio,
    )  # fmt: skip
