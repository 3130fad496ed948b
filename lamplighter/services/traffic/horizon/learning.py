# SPDX-License-Identifier: Apache-2.0
"""What counts teach on the way: how a lane discharges under each stage, and where its vehicles turn.

How fast a standing queue leaves is measured, not modelled: a rate for every stage and lane, once while those who have the
way stand too and once while they do not. That takes in turning speeds, gaps that are found or not, turns that stand in the
way of others, and streets that take nothing more. Only seconds in which a queue stands and the green is older than the
start count. Turning shares follow from which downstream lanes fill after a lane has let vehicles out (expectation and
maximisation, A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39 (1977) 1-38, one step each second).
Each estimate is a mean with a prior of stated weight, forgets slowly and is bounded.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived
from lamplighter.services.traffic.horizon.scheme import GIVES_WAY, GREEN, RED, Network, Seen, Settings
from lamplighter.terms.columns import BoolArray, FloatArray

START_OVER_S = 5.0  # a green this old discharges at its full rate
PRIOR_S = 30.0  # seconds of saturated green for which a prior counts
FORGET = 0.998  # per second of saturated green: a memory of some eight minutes of it
RATE_MIN_VEH_S, RATE_MAX_VEH_S = 0.02, 0.75
HEADWAY_S = (1.35, 4.0)
START_S = (0.0, 4.0)
START_PRIOR = 5.0  # greens for which the prior of the start counts
START_FORGET = 0.97
GIVES_WAY_RATIO = 0.85  # of the full rate, nobody being in the way
HELD_UP_RATIO = 0.25  # of the full rate while a queue has the way: gaps in it, and those who turn at its end
TURN_PRIOR_VEH = 6.0
TURN_FORGET = 0.9985  # per vehicle: a memory of some 700
TURN_FLOOR = 0.002
SPREAD_S = 3  # a vehicle may enter the seen stretch so much earlier or later than at free flow
QUEUE_CELLS, SLOW_AGE_S = 6, 4  # a queue is looked for so far back; who is so long in a cell is slow
QUEUE_VEH, DENSE_VEH = 2.0, 3.0
EVERY_S = 5  # estimates are taken anew so often
FREE, OPPOSED, UNCLEAR = 0, 1, 2


class Discharge(NamedTuple):
    """What is learned of discharge. saturated_s, passed_veh (s, k, 2): by stage row, lane number within the box, and whether
    those with the way stood (OPPOSED) or nobody was there (FREE); free_veh_s, opposed_veh_s (s, k): the estimates;
    gives_way (s, k): the lane has somebody to give way to in the stage. full_s, full_veh (l,): saturated seconds and vehicles
    in stages that serve all of the lane with the way; begun_count, begun_veh (l,): saturated starts of green, and what passed in
    each, begins_veh of the green that has just begun; turned_veh (v,). headway_s, start_s (l,), turn_share (v,): estimates."""

    saturated_s: FloatArray
    passed_veh: FloatArray
    free_veh_s: FloatArray
    opposed_veh_s: FloatArray
    gives_way: BoolArray
    full_s: FloatArray
    full_veh: FloatArray
    begun_count: FloatArray
    begun_veh: FloatArray
    begins_veh: FloatArray
    turned_veh: FloatArray
    headway_s: FloatArray
    start_s: FloatArray
    turn_share: FloatArray


def begin(network: Network, derived: Derived, prior_share: FloatArray, settings: Settings) -> Discharge:
    """Return what is believed before anything was counted. prior_share (v,): of the vehicles of the movement's lane."""
    stages, widest = len(network.green_min_s), derived.widest_lanes
    lanes = len(network.lane_length_m)
    learned = Discharge(
        saturated_s=np.zeros((stages, widest, 2)),
        passed_veh=np.zeros((stages, widest, 2)),
        free_veh_s=np.zeros((stages, widest)),
        opposed_veh_s=np.zeros((stages, widest)),
        gives_way=np.zeros((stages, widest), np.bool_),
        full_s=np.zeros(lanes),
        full_veh=np.zeros(lanes),
        begun_count=np.zeros(lanes),
        begun_veh=np.zeros(lanes),
        begins_veh=np.zeros(lanes),
        turned_veh=prior_share * TURN_PRIOR_VEH,
        headway_s=np.full(lanes, settings.headway_s),
        start_s=np.full(lanes, settings.start_s),
        turn_share=prior_share.copy(),
    )
    _ways(network, derived, learned)
    _estimate(network, derived, learned)
    return learned


@njit(cache=True)
def _ways(network: Network, derived: Derived, learned: Discharge) -> None:
    """Fill which lanes give way to somebody, by stage."""
    for box in range(len(network.stage_offsets) - 1):
        base = network.move_first[box]
        for row in range(network.stage_offsets[box], network.stage_offsets[box + 1]):
            for lane in range(network.lane_offsets[box], network.lane_offsets[box + 1]):
                for i in range(derived.cross_offsets[lane], derived.cross_offsets[lane + 1]):
                    giver, haver = derived.cross_giver[i] - base, derived.cross_haver[i] - base
                    if network.serve[row, giver] == GIVES_WAY and network.serve[row, haver] != RED:
                        learned.gives_way[row, lane - network.lane_offsets[box]] = True


@njit(cache=True)
def _prior(network: Network, learned: Discharge, at: tuple[int, int, int], held_up: bool) -> float:
    """Return the discharge that a lane should have: harmonic over its turns. at: box, stage row, lane."""
    box, row, lane = at
    full, served, time_s = 1.0 / learned.headway_s[lane], 0.0, 0.0
    for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
        way = network.serve[row, v - network.move_first[box]]
        if way != RED:
            served += learned.turn_share[v]
            ratio = 1.0 if way == GREEN else HELD_UP_RATIO if held_up else GIVES_WAY_RATIO
            time_s += learned.turn_share[v] / (ratio * full)
    return served / time_s if time_s > 0.0 else 0.0


@njit(cache=True)
def _estimate(network: Network, derived: Derived, learned: Discharge) -> None:
    """Fill all estimates from what was counted and the priors."""
    for box in range(len(network.stage_offsets) - 1):
        lane0 = network.lane_offsets[box]
        for row in range(network.stage_offsets[box], network.stage_offsets[box + 1]):
            for lane in range(lane0, network.lane_offsets[box + 1]):
                n = lane - lane0
                for kind in range(2):
                    prior = _prior(network, learned, (box, row, lane), kind == OPPOSED and learned.gives_way[row, n])
                    rate = 0.0
                    if prior > 0.0:
                        veh = learned.passed_veh[row, n, kind] + PRIOR_S * prior
                        rate = veh / (learned.saturated_s[row, n, kind] + PRIOR_S)
                        rate = min(max(rate, RATE_MIN_VEH_S), RATE_MAX_VEH_S)
                    if kind == FREE:
                        learned.free_veh_s[row, n] = rate
                    else:
                        learned.opposed_veh_s[row, n] = min(rate, learned.free_veh_s[row, n])


@njit(cache=True)
def _opposed(network: Network, derived: Derived, standing: BoolArray, near: BoolArray, at: tuple[int, int, int]) -> int:
    """Return OPPOSED where a queue with the way stands, FREE where nobody with it is near, else UNCLEAR. at: box, row, lane."""
    box, row, lane = at
    base, lane0, kind = network.move_first[box], network.lane_offsets[box], FREE
    for i in range(derived.cross_offsets[lane], derived.cross_offsets[lane + 1]):
        giver, haver = derived.cross_giver[i] - base, derived.cross_haver[i] - base
        if network.serve[row, giver] == GIVES_WAY and network.serve[row, haver] != RED:
            other = lane0 + derived.cross_lane[i]
            if standing[other]:
                return OPPOSED
            if near[other]:
                kind = UNCLEAR
    return kind


@njit(cache=True)
def _count(network: Network, derived: Derived, seen: Seen, learned: Discharge, standing: BoolArray, near: BoolArray) -> bool:
    """Count one second of discharge; return whether anything was counted."""
    counted = False
    for box in range(len(network.stage_offsets) - 1):
        lane0, row, elapsed_s = network.lane_offsets[box], network.stage_offsets[box] + seen.stage[box], seen.stage_elapsed_s[box]
        for lane in range(lane0, network.lane_offsets[box + 1]):
            if seen.changing[box] or not seen.alive[lane]:
                continue
            n, veh, served, full = lane - lane0, seen.passed_veh[lane], False, True
            for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
                way = network.serve[row, v - network.move_first[box]]
                served = served or way != RED
                full = full and way == GREEN
            if not served:
                continue
            if full:
                _start(learned, lane, elapsed_s, veh, standing[lane])
            if elapsed_s < START_OVER_S or not standing[lane]:
                continue
            kind = _opposed(network, derived, standing, near, (box, row, lane))
            if kind != UNCLEAR:
                for k in range(2):
                    if k == kind or not learned.gives_way[row, n]:
                        learned.saturated_s[row, n, k] = learned.saturated_s[row, n, k] * FORGET + 1.0
                        learned.passed_veh[row, n, k] = learned.passed_veh[row, n, k] * FORGET + veh
                counted = True
            if full:
                learned.full_s[lane] = learned.full_s[lane] * FORGET + 1.0
                learned.full_veh[lane] = learned.full_veh[lane] * FORGET + veh
    return counted


@njit(cache=True)
def _start(learned: Discharge, lane: int, elapsed_s: float, veh: float, standing: bool) -> None:
    """Follow what passes in the first seconds of a green with a standing queue. begins_veh: -1 while none is followed."""
    if elapsed_s <= 1.0:
        learned.begins_veh[lane] = veh if standing else -1.0
    elif learned.begins_veh[lane] >= 0.0:
        learned.begins_veh[lane] = learned.begins_veh[lane] + veh if standing else -1.0
        if standing and elapsed_s >= START_OVER_S:
            learned.begun_count[lane] = learned.begun_count[lane] * START_FORGET + 1.0
            learned.begun_veh[lane] = learned.begun_veh[lane] * START_FORGET + learned.begins_veh[lane]
            learned.begins_veh[lane] = -1.0


@njit(cache=True)
def _headways(learned: Discharge, prior_headway_s: float, prior_start_s: float) -> None:
    """Fill headways and start-up losses."""
    for lane in range(len(learned.headway_s)):
        rate = (learned.full_veh[lane] + PRIOR_S / prior_headway_s) / (learned.full_s[lane] + PRIOR_S)
        headway_s = min(max(1.0 / max(rate, 0.01), HEADWAY_S[0]), HEADWAY_S[1])
        first_veh = (learned.begun_veh[lane] + START_PRIOR * (START_OVER_S - prior_start_s) / headway_s) / (
            learned.begun_count[lane] + START_PRIOR
        )
        learned.headway_s[lane] = headway_s
        learned.start_s[lane] = min(max(START_OVER_S - first_veh * headway_s, START_S[0]), START_S[1])


@njit(cache=True)
def _turn(network: Network, derived: Derived, seen: Seen, learned: Discharge, history_veh: FloatArray, inflow_veh: FloatArray,
          second: int) -> None:  # fmt: skip
    """Give what entered each lane this second to the movements that may have sent it, by what their lanes let out then."""
    for lane in range(len(inflow_veh)):
        veh = inflow_veh[lane]
        if veh <= 0.0 or not seen.alive[lane]:
            continue
        total = 0.0
        for turn in range(2):
            for i in range(derived.feed_offsets[lane], derived.feed_offsets[lane + 1]):
                up, v, then = derived.feed_lane[i], derived.feed_move[i], int(derived.feed_s[i] + 0.5)
                out = 0.0
                for t in range(max(then - 1, 0), min(then + SPREAD_S + 1, HISTORY_S)):
                    out += history_veh[up, (second - t) % HISTORY_S]
                weight = out * learned.turn_share[v] * derived.feed_share[i]
                if turn == 0:
                    total += weight
                elif total > 0.0:
                    learned.turned_veh[v] += veh * weight / total
    for lane in range(len(inflow_veh)):
        passed = seen.passed_veh[lane]
        if passed > 0.0:
            _share(network, learned, lane, passed)


@njit(cache=True)
def _share(network: Network, learned: Discharge, lane: int, passed: float) -> None:
    """Fill the turning shares of a lane that has let vehicles out; exits that nothing watches get the rest by their prior."""
    first, last = network.move_offsets[lane], network.move_offsets[lane + 1]
    total = 0.0
    for v in range(first, last):
        e = network.move_exit[v]
        if network.exit_lane_offsets[e + 1] == network.exit_lane_offsets[e]:
            learned.turned_veh[v] += passed * learned.turn_share[v]
        learned.turned_veh[v] *= TURN_FORGET**passed
        total += learned.turned_veh[v] + TURN_FLOOR
    for v in range(first, last):
        learned.turn_share[v] = (learned.turned_veh[v] + TURN_FLOOR) / total


@njit(cache=True)
def queues(age_veh: FloatArray, standing: BoolArray, near: BoolArray) -> None:
    """Fill where a queue stands and where somebody is near, from vehicles by cell and seconds since entry (l, CELLS, AGES)."""
    for lane in range(len(standing)):
        slow, first, second = 0.0, 0.0, 0.0
        for c in range(QUEUE_CELLS):
            ages = age_veh[lane, c]
            for a in range(len(ages)):
                slow += ages[a] if a >= SLOW_AGE_S else 0.0
                first += ages[a] if c == 0 else 0.0
                second += ages[a] if c == 1 else 0.0
        standing[lane] = slow >= QUEUE_VEH or first + second >= DENSE_VEH
        near[lane] = slow + first + second >= 0.5


@njit(cache=True)
def learn(network: Network, derived: Derived, seen: Seen, learned: Discharge, flows: tuple[FloatArray, FloatArray],
          queued: tuple[BoolArray, BoolArray], priors: tuple[float, float], second: int) -> None:  # fmt: skip
    """Learn from one second, in place.

    flows: vehicles passed per lane and second, a ring (l, HISTORY_S), and those that entered the seen stretch now (l,);
    queued: a queue stands before the stop line (l,), somebody is near it (l,); priors: headway_s and start_s.
    """
    history_veh, inflow_veh = flows
    standing, near = queued
    counted = _count(network, derived, seen, learned, standing, near)
    _turn(network, derived, seen, learned, history_veh, inflow_veh, second)
    if counted and second % EVERY_S == 0:
        _headways(learned, priors[0], priors[1])
        _estimate(network, derived, learned)
