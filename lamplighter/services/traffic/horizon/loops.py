# SPDX-License-Identifier: Apache-2.0
"""From a stop line loop and one advance loop per lane to the same estimate that cells give.

Between the two loops vehicles are what came in less what went out, put right by what the loops cannot miss: a loop that
stays covered has a queue on it, one that stays free has none. Beyond the advance loop nothing is seen. A queue that stands
over it grows by what the signals upstream have let out (or, where there are none, by the usual rate), and shrinks by what
passes while it discharges; a gap in the discharge says that its end has passed (the method of X. Liu, X. Wu, W. Ma, H. Hu,
Real-time queue length estimation for congested signalized intersections, Transp. Res. C 17 (2009) 412-427, at 1 s).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import HISTORY_S, Derived
from lamplighter.services.traffic.horizon.radar import AGES
from lamplighter.services.traffic.horizon.scheme import CELL_M, CELLS, Network, Seen
from lamplighter.terms.columns import FloatArray

ADVANCE_M = 30.0  # where the advance loop lies
VEHICLE_M = 7.5
COVERED = 0.8  # share of a second for which a loop with a standing vehicle is covered at least
COVERED_S = 2.0
GAP_S = 3.0  # no passage for so long over a free loop ends a discharge
FOLLOWS_S = 2.6  # a vehicle that follows so closely belongs to a discharging queue
FREE_S = 4.0  # a stop line loop that is free for so long has nobody waiting
RATE_MEMORY_S = 300.0
GAIN_PRIOR_VEH_S = 0.03
GAIN = (0.4, 2.5)


class Loops(NamedTuple):
    """What is carried per lane. near_veh (l, AGES): between the loops, by seconds since the advance loop, the last one for all
    that are longer there; beyond_veh (l,): standing upstream of the advance loop; covered_s: for how long that is covered;
    since_s: since a vehicle passed it; free_s: for how long the stop line loop is free; storage_m: from the stop line to the
    signal upstream; came_veh_s, sent_veh_s (l,): passages over the advance loop, and what signals upstream sent, lately."""

    near_veh: FloatArray
    beyond_veh: FloatArray
    covered_s: FloatArray
    since_s: FloatArray
    free_s: FloatArray
    storage_m: FloatArray
    came_veh_s: FloatArray
    sent_veh_s: FloatArray


def narrow(network: Network) -> Network:
    """Return the network as loops see it: up to the advance loop; what is beyond comes from the signals upstream."""
    reach_m = np.minimum(network.reach_m, ADVANCE_M)
    nearer_s = (network.reach_m - reach_m) / np.maximum(network.lane_speed_m_s, 1.0)
    at, lane = network.exit_lane_offsets, network.exit_lane
    many = np.diff(at)
    exit_row = np.repeat(np.arange(len(many)), many)
    added_s = np.bincount(exit_row, weights=nearer_s[lane], minlength=len(many)) / np.maximum(many, 1)
    return network._replace(reach_m=reach_m, exit_travel_s=network.exit_travel_s + added_s)


def begin(network: Network) -> Loops:
    """Return what is carried before the first second. network: as it is, not narrowed."""
    lanes = len(network.reach_m)
    return Loops(
        near_veh=np.zeros((lanes, AGES)),
        beyond_veh=np.zeros(lanes),
        covered_s=np.zeros(lanes),
        since_s=np.zeros(lanes),
        free_s=np.zeros(lanes),
        storage_m=np.maximum(network.reach_m, network.lane_length_m),
        came_veh_s=np.zeros(lanes),
        sent_veh_s=np.zeros(lanes),
    )


@njit(cache=True)
def _sent(derived: Derived, passed_veh: FloatArray, turn_share: FloatArray, lane: int, second: int) -> float:
    """Return what the signals upstream have let out that should be at the advance loop now."""
    veh = 0.0
    for i in range(derived.feed_offsets[lane], derived.feed_offsets[lane + 1]):
        then = int(derived.feed_s[i] + 0.5)
        out = passed_veh[derived.feed_lane[i], (second - then) % HISTORY_S]
        veh += turn_share[derived.feed_move[i]] * derived.feed_share[i] * out
    return veh


@njit(cache=True)
def _near(ages: FloatArray, room_veh: float, passed: float, came: float) -> None:
    """Carry the vehicles between the loops over one second: `passed` left at the stop line, `came` over the advance loop."""
    ages[AGES - 1] += ages[AGES - 2]
    for a in range(AGES - 2, 0, -1):
        ages[a] = ages[a - 1]
    ages[0] = came
    for a in range(AGES - 1, -1, -1):
        gone = min(ages[a], passed)
        ages[a] -= gone
        passed -= gone
    total = 0.0
    for a in range(AGES):
        total += ages[a]
    ages[AGES - 1] = max(ages[AGES - 1] - max(total - room_veh, 0.0), 0.0)


@njit(cache=True)
def _put_right(ages: FloatArray, room_veh: float, covered: bool, free_s: float, stop_occupancy_share: float) -> None:
    """Let the loops' own words stand above the sums: covered means full, free means empty."""
    total = 0.0
    for a in range(AGES):
        total += ages[a]
    if covered:
        ages[AGES - 1] += max(room_veh - total, 0.0)
    elif free_s >= FREE_S:
        ages[AGES - 1] = 0.0
    elif stop_occupancy_share >= COVERED and total < 1.0:
        ages[AGES - 1] += 1.0 - total


@njit(cache=True)
def _beyond(loops: Loops, lane: int, joins: float, came: float, covered: bool) -> None:
    """Carry the queue beyond the advance loop over one second."""
    beyond, since_s = loops.beyond_veh[lane], loops.since_s[lane]
    if covered:
        beyond += joins
    elif beyond > 0.0:
        beyond = max(beyond + joins - came, 0.0)
        if since_s >= GAP_S:
            beyond = 0.0
        elif came > 0.0 and since_s <= FOLLOWS_S:
            beyond = max(beyond, 1.0)
    loops.since_s[lane] = 0.0 if came > 0.0 else since_s + 1.0
    most = max(loops.storage_m[lane] - ADVANCE_M, 0.0) / VEHICLE_M
    loops.beyond_veh[lane] = min(beyond, most)


@njit(cache=True)
def _spread(loops: Loops, lane: int, reach_m: float, speed_m_s: float, age_veh: FloatArray) -> None:
    """Fill cells and ages (CELLS, AGES) of a lane so that they say what the loops say."""
    age_veh[:, :] = 0.0
    for a in range(AGES):
        veh = loops.near_veh[lane, a]
        left_m = reach_m - speed_m_s * (a + 0.5)
        if a == AGES - 1 or left_m <= 0.0:
            age_veh[0, AGES - 1] += veh
        else:
            age_veh[0, min(max(int((CELL_M - left_m) / speed_m_s), 0), AGES - 1)] += veh
    left, c = loops.beyond_veh[lane], 1
    while left > 0.0:
        here = left if c == CELLS - 1 else min(left, CELL_M / VEHICLE_M)
        age_veh[c, AGES - 1] += here
        left -= here
        c = min(c + 1, CELLS - 1)


@njit(cache=True)
def fold(network: Network, derived: Derived, seen: Seen, loops: Loops, passed_veh: FloatArray, turn_share: FloatArray,
         out: tuple[FloatArray, FloatArray], second: int) -> None:  # fmt: skip
    """Carry the estimate over one second and fill out: age_veh (l, CELLS, AGES) and inflow_veh (l,), over the advance loop.

    network: narrowed, derived from that. passed_veh (l, HISTORY_S): what passed each stop line, a ring by second.
    """
    age_veh, inflow_veh = out
    for lane in range(len(inflow_veh)):
        reach_m, speed = network.reach_m[lane], max(network.lane_speed_m_s[lane], 1.0)
        came, passed, room_veh = seen.advance_veh[lane], seen.passed_veh[lane], reach_m / VEHICLE_M
        occupied = seen.advance_occupancy_share[lane] >= COVERED
        loops.covered_s[lane] = loops.covered_s[lane] + 1.0 if occupied else 0.0
        covered = loops.covered_s[lane] >= COVERED_S
        quiet = seen.stop_occupancy_share[lane] < 0.05 and passed == 0.0
        loops.free_s[lane] = loops.free_s[lane] + 1.0 if quiet else 0.0
        sent = _sent(derived, passed_veh, turn_share, lane, second)
        loops.came_veh_s[lane] += (came - loops.came_veh_s[lane]) / RATE_MEMORY_S
        loops.sent_veh_s[lane] += (sent - loops.sent_veh_s[lane]) / RATE_MEMORY_S
        gain = (loops.came_veh_s[lane] + GAIN_PRIOR_VEH_S) / (loops.sent_veh_s[lane] + GAIN_PRIOR_VEH_S)
        fed = derived.feed_offsets[lane + 1] > derived.feed_offsets[lane]
        joins = sent * min(max(gain, GAIN[0]), GAIN[1]) if fed else loops.came_veh_s[lane]
        _near(loops.near_veh[lane], room_veh + 1.0, passed, came)
        _put_right(loops.near_veh[lane], room_veh, covered, loops.free_s[lane], seen.stop_occupancy_share[lane])
        _beyond(loops, lane, joins, came, covered)
        _spread(loops, lane, reach_m, speed, age_veh[lane])
        inflow_veh[lane] = came
