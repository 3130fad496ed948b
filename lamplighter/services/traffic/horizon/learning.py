# SPDX-License-Identifier: Apache-2.0
"""What counts teach on the way: how a lane discharges under each stage, and where its vehicles turn.

How fast vehicles leave is measured, not modelled: those that pass the stop line, over the seconds of green in which somebody
is in the last 25 m before it, for every stage and lane. That takes in turning speeds, gaps that are found or not, turns that
stand in the way of others, and streets that take nothing more. Turning shares follow from which downstream lanes fill after a
lane has let vehicles out (expectation and maximisation, A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39
(1977) 1-38, one step each second). Each estimate is a mean with a prior of stated weight, forgets slowly and is bounded.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived
from lamplighter.services.traffic.horizon.scheme import GREEN, RED, Network, Seen, Settings
from lamplighter.terms.columns import BoolArray, FloatArray

START_OVER_S = 2.0  # a green older than this is counted
PRIOR_S = 20.0  # seconds of green with somebody there for which a prior counts
FORGET = 0.998  # per such second: a memory of some eight minutes of them
RATE_MIN_VEH_S, RATE_MAX_VEH_S = 0.02, 0.7
SHARED_RATIO = 0.8  # of the full rate, where a lane gives way or some of it is red, before anything is counted
THERE_VEH = 0.5
TURN_PRIOR_VEH = 6.0
TURN_FORGET = 0.9985  # per vehicle: a memory of some 700
TURN_FLOOR = 0.002
STARTS_S, DOUBT_S = 5.0, 2.0  # who has not left in so long a green hardly wants it; every so many seconds more halve the odds
LEAST_ODDS, MOST_RATIO = 0.02, 3.0
SPREAD_S = 3  # a vehicle may enter the seen stretch so much earlier or later than at free flow


class Discharge(NamedTuple):
    """What is learned. there_s, passed_veh (s, k): seconds of green with somebody there and what passed in them, by stage row
    and lane number within the box, forgetting; rate_veh_s (s, k): the estimates, 0 where the stage does not serve the lane;
    there (l,): somebody was in the first cell a second ago. turned_veh (v,), turn_share (v,): where a lane's vehicles turn.
    tried_s (v,): for how long a movement has had its own green while the same vehicle stood first in its lane."""

    there_s: FloatArray
    passed_veh: FloatArray
    rate_veh_s: FloatArray
    there: BoolArray
    turned_veh: FloatArray
    turn_share: FloatArray
    tried_s: FloatArray


def begin(network: Network, derived: Derived, prior_share: FloatArray, settings: Settings) -> Discharge:
    """Return what is believed before anything was counted. prior_share (v,): of the vehicles of the movement's lane."""
    stages, widest = len(network.green_min_s), derived.widest_lanes
    rate_veh_s = np.zeros((stages, widest))
    _priors(network, 1.0 / settings.headway_s, rate_veh_s)
    return Discharge(
        there_s=np.full((stages, widest), PRIOR_S),
        passed_veh=PRIOR_S * rate_veh_s,
        rate_veh_s=rate_veh_s,
        there=np.zeros(len(network.lane_length_m), np.bool_),
        turned_veh=prior_share * TURN_PRIOR_VEH,
        turn_share=prior_share.copy(),
        tried_s=np.zeros(len(prior_share)),
    )


@njit(cache=True)
def _priors(network: Network, full_veh_s: float, rate_veh_s: FloatArray) -> None:
    """Fill the rates (s, k) that are believed at first."""
    for box in range(len(network.stage_offsets) - 1):
        base, lane0 = network.move_first[box], network.lane_offsets[box]
        for row in range(network.stage_offsets[box], network.stage_offsets[box + 1]):
            for lane in range(lane0, network.lane_offsets[box + 1]):
                least, most = GREEN, RED
                for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
                    way = network.serve[row, v - base]
                    least, most = min(least, way), max(most, way)
                if most != RED:
                    rate_veh_s[row, lane - lane0] = full_veh_s * (1.0 if least == GREEN else SHARED_RATIO)


@njit(cache=True)
def _count(network: Network, seen: Seen, learned: Discharge, first_veh: FloatArray) -> None:
    """Count one second of discharge. first_veh (l,): vehicles in the first cell now."""
    for box in range(len(network.stage_offsets) - 1):
        lane0, row = network.lane_offsets[box], network.stage_offsets[box] + seen.stage[box]
        counts = not seen.changing[box] and seen.stage_elapsed_s[box] > START_OVER_S
        for lane in range(lane0, network.lane_offsets[box + 1]):
            n = lane - lane0
            if counts and learned.there[lane] and seen.alive[lane] and learned.rate_veh_s[row, n] > 0.0:
                learned.there_s[row, n] = learned.there_s[row, n] * FORGET + 1.0
                learned.passed_veh[row, n] = learned.passed_veh[row, n] * FORGET + seen.passed_veh[lane]
                rate = learned.passed_veh[row, n] / learned.there_s[row, n]
                learned.rate_veh_s[row, n] = min(max(rate, RATE_MIN_VEH_S), RATE_MAX_VEH_S)
            learned.there[lane] = first_veh[lane] >= THERE_VEH


@njit(cache=True)
def _try(network: Network, seen: Seen, learned: Discharge, first_veh: FloatArray) -> None:
    """Count for how long each lane's first vehicle has stood through a green of its movements. first_veh (l,): as for _count."""
    for lane in range(len(first_veh)):
        another = seen.passed_veh[lane] > 0.0 or first_veh[lane] < THERE_VEH or not seen.alive[lane]
        for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
            if another:
                learned.tried_s[v] = 0.0
            elif seen.movement_green[v] == GREEN:
                learned.tried_s[v] += 1.0


@njit(cache=True)
def able_ratio(network: Network, learned: Discharge, row: int, lane: int, base: int) -> float:
    """Return by how much likelier than usual a lane's first vehicle can leave under a stage row, at most MOST_RATIO.

    Who stands through the green of one movement wants another one (Bayes, with the turning shares as the prior): a lane from
    which some turn right lets nobody out under the right turn's green while its first vehicle goes straight on. base: movement
    row of the box's first movement.
    """
    if network.move_offsets[lane + 1] - network.move_offsets[lane] == 1:
        return 1.0
    served, likely_served, likely = 0.0, 0.0, 0.0
    for v in range(network.move_offsets[lane], network.move_offsets[lane + 1]):
        share = learned.turn_share[v]
        odds = share * max(LEAST_ODDS, 0.5 ** (max(learned.tried_s[v] - STARTS_S, 0.0) / DOUBT_S))
        likely += odds
        if network.serve[row, v - base] != RED:
            served += share
            likely_served += odds
    if served <= 0.0 or likely <= 0.0:
        return 1.0
    return min(likely_served / likely / served, MOST_RATIO)


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
def learn(network: Network, derived: Derived, seen: Seen, learned: Discharge, first_veh: FloatArray,
          flows: tuple[FloatArray, FloatArray], second: int) -> None:  # fmt: skip
    """Learn from one second, in place.

    first_veh (l,): vehicles in the first cell; flows: vehicles passed per lane and second, a ring (l, HISTORY_S), and those
    that entered the seen stretch now (l,).
    """
    history_veh, inflow_veh = flows
    _count(network, seen, learned, first_veh)
    _try(network, seen, learned, first_veh)
    _turn(network, derived, seen, learned, history_veh, inflow_veh, second)
