# SPDX-License-Identifier: Apache-2.0
"""A network of signals second by second: platoons, queues, spillback and the delay that follows.

Cyclic flow profiles after D. I. Robertson, TRANSYT: a traffic network study tool, RRL Report LR 253, 1969: what
leaves a stop line arrives downstream spread by q'(t + bT) = F q(t) + (1 - F) q'(t + bT - 1), F = 1 / (1 + a b T),
with T the mean travel time, a = 0.35 and b = 0.8. Vehicles queue at stop lines; a lane passes its movements in the
order in which they came; who gives way finds gaps in the flow that he gives way to; nobody enters a street that is full.
On top of this comes the delay from chance and from too much demand (HCM 2000, eq. 16-12), per lane.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

DARK, FREE, YIELDS, LAST = 0, 1, 2, 3  # what a movement may do in a second; LAST: those who waited inside clear out
DISPERSION_A, DISPERSION_B = 0.35, 0.8
# Critical gap and follow-up time of turns that give way. HCM 2000, exhibit 17-5 has 4.1 s and 2.2 s; in SUMO, drivers wait for
# longer gaps, and one flow stands for several lanes here: these two come nearest to the queues seen in five scenarios.
GAP_S, FOLLOW_S = 6.0, 5.0
LAST_VEH_S = 0.4
PAST_S = 512  # how long ago a platoon may have left the stop line upstream


class Roads(NamedTuple):
    """Lanes l before stop lines, their movements v (sorted by lane), streets e that they belong to, feeders k of streets.

    lane_share: share of a street's arrivals that takes the lane; outside_veh_s: arrivals that no signal shapes;
    move_share: share of the lane's vehicles; move_veh_s: discharge at full green; yield_to: movements given way to;
    feed_*: sorted by street fed: the movement, the share of it that arrives here, delay and smoothing of its platoon;
    exit_*: streets that a movement feeds (for spillback); storage_veh: how many stand in a street; chance_share: I of
    HCM 2000 eq. 16-12 (1 for arrivals by chance, less behind signals); gap_s, follow_s: of those who give way.
    """

    lane_box: IntArray
    lane_edge: IntArray
    lane_first: IntArray
    lane_share: FloatArray
    outside_veh_s: FloatArray
    chance_share: FloatArray
    move_link: IntArray
    move_share: FloatArray
    move_veh_s: FloatArray
    yield_first: IntArray
    yield_to: IntArray
    feed_first: IntArray
    feed_move: IntArray
    feed_share: FloatArray
    feed_delay_s: IntArray
    feed_smooth_ratio: FloatArray
    exit_first: IntArray
    exit_edge: IntArray
    exit_share: FloatArray
    storage_veh: FloatArray
    gap_s: float
    follow_s: float


class Lights(NamedTuple):
    """What every box shows: code of link n at second t of the cycle of box b is code[first[b] + t * links[b] + n]."""

    first: IntArray
    links: IntArray
    cycle_s: IntArray
    offset_s: IntArray
    code: AnyArray


class Seen(NamedTuple):
    """Sums over the seconds that were watched, per lane: arrivals and what could have passed (veh), queue (veh s) without
    what was left over from cycle to cycle, stops (veh), the longest queue (veh); per street the most vehicles in it."""

    arrived_veh: FloatArray
    possible_veh: FloatArray
    queued_veh_s: FloatArray
    stopped_veh: FloatArray
    longest_veh: FloatArray
    fullest_veh: FloatArray


def platoon(travel_s: float, a: float = DISPERSION_A, b: float = DISPERSION_B) -> tuple[int, float]:
    """Return the delay of a platoon's front in whole seconds and the smoothing factor F."""
    return round(b * travel_s), 1.0 / (1.0 + a * b * travel_s)


@njit(cache=True)
def _gap_veh_s(roads: Roads, most_veh_s: Any, all_veh_s: Any, full_veh_s: Any) -> float:  # numbers inside a kernel
    """Return what passes a flow that has priority; nothing while that flow leaves a queue."""
    if all_veh_s < 1e-4:
        return min(full_veh_s, 1.0 / roads.follow_s)
    free = max(0.0, 1.0 - (most_veh_s / 0.5) ** 2)
    return free * min(full_veh_s, all_veh_s * np.exp(-all_veh_s * roads.gap_s) / (1.0 - np.exp(-all_veh_s * roads.follow_s)))


@njit(cache=True)
def _rate(roads: Roads, v: int, code: Any, flow: FloatArray, open_ratio: FloatArray) -> float:  # code: a number of int8
    """Return what movement v may pass this second (veh/s)."""
    if code == DARK:
        return 0.0
    room = 1.0
    for k in range(roads.exit_first[v], roads.exit_first[v + 1]):
        room = min(room, 1.0 - roads.exit_share[k] * (1.0 - open_ratio[roads.exit_edge[k]]))
    if room < 0.05:
        return 0.0
    if code == FREE:
        return room * roads.move_veh_s[v]
    if code == LAST:
        return room * min(LAST_VEH_S, roads.move_veh_s[v])
    most: Any = 0.0
    total: Any = 0.0
    for k in range(roads.yield_first[v], roads.yield_first[v + 1]):
        total += flow[roads.yield_to[k]]
        most = max(most, flow[roads.yield_to[k]])
    return room * _gap_veh_s(roads, most, total, roads.move_veh_s[v])


@njit(cache=True)
def _room(roads: Roads, queue: FloatArray, inside: FloatArray, lanes_of: FloatArray, open_ratio: FloatArray) -> None:
    """Fill the share of each street's arrivals that still finds room: none in a full street, none for a full lane."""
    for e in range(len(open_ratio)):
        open_ratio[e] = 0.0 if inside[e] >= roads.storage_veh[e] else 1.0
    for lane in range(len(queue)):
        e = roads.lane_edge[lane]
        if queue[lane] * lanes_of[e] >= roads.storage_veh[e]:
            open_ratio[e] = max(0.0, open_ratio[e] - 1.5 * roads.lane_share[lane])


@njit(cache=True)
def watch(roads: Roads, lights: Lights, settle_s: int, watch_s: int) -> Seen:
    """Run the network from empty for settle_s seconds and return what the watch_s seconds after them showed."""
    lanes, moves, edges = len(roads.lane_box), len(roads.move_link), len(roads.storage_veh)
    past = np.zeros((PAST_S, moves))
    flow, then, rate = np.zeros(moves), np.zeros(moves), np.zeros(moves)
    since, would = (
        np.zeros(moves),
        np.zeros(moves),
    )  # vehicles past since a movement is stopped: the queue's, and an endless one's
    smooth, inside, into = np.zeros(len(roads.feed_move)), np.zeros(edges), np.zeros(edges)
    queue, low = np.zeros(lanes), np.full(lanes, 1e12)
    arrived, possible, area, stopped = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes), np.zeros(lanes)
    longest, fullest = np.zeros(lanes), np.zeros(edges)
    lanes_of, open_ratio = np.zeros(edges), np.ones(edges)
    for lane in range(lanes):
        lanes_of[roads.lane_edge[lane]] += 1.0
    for t in range(settle_s + watch_s):
        watched = t >= settle_s
        for e in range(edges):
            into[e] = 0.0
            for k in range(roads.feed_first[e], roads.feed_first[e + 1]):
                ago = t - roads.feed_delay_s[k]
                x = past[ago % PAST_S, roads.feed_move[k]] if ago >= 0 else 0.0
                smooth[k] += roads.feed_smooth_ratio[k] * (x - smooth[k])
                into[e] += smooth[k] * roads.feed_share[k]
        flow, then = then, flow
        _room(roads, queue, inside, lanes_of, open_ratio)
        for lane in range(lanes):
            b = roads.lane_box[lane]
            row = lights.first[b] + ((t - lights.offset_s[b]) % lights.cycle_s[b]) * lights.links[b]
            new = roads.outside_veh_s[lane] + into[roads.lane_edge[lane]] * roads.lane_share[lane]
            inside[roads.lane_edge[lane]] += roads.outside_veh_s[lane]
            gate, full_gate, need, open_share = 1.0, 1.0, 0.0, 0.0
            for v in range(roads.lane_first[lane], roads.lane_first[lane + 1]):
                share = roads.move_share[v]
                rate[v] = _rate(roads, v, lights.code[row + roads.move_link[v]], then, open_ratio) if share > 0 else 0.0
                if rate[v] > 0.02:
                    need += share / rate[v]
                    open_share += share
                elif share > 0:
                    gate *= (1.0 - share) ** (since[v] + 1.0)
                    full_gate *= (1.0 - share) ** (would[v] + 1.0)
            pace = open_share / need if need > 0 else 0.0
            could = gate * pace
            before = queue[lane]
            went = min(before + new, could)
            queue[lane] = before + new - went
            for v in range(roads.lane_first[lane], roads.lane_first[lane + 1]):
                flow[v] = went * roads.move_share[v] / open_share if rate[v] > 0.02 and roads.move_share[v] > 0 else 0.0
                since[v] = 0.0 if rate[v] > 0.02 else since[v] + went
                would[v] = 0.0 if rate[v] > 0.02 else would[v] + full_gate * pace
                past[t % PAST_S, v] = flow[v]
                for k in range(roads.exit_first[v], roads.exit_first[v + 1]):
                    inside[roads.exit_edge[k]] += flow[v] * roads.exit_share[k]
            inside[roads.lane_edge[lane]] -= went
            if watched:
                arrived[lane] += new
                possible[lane] += full_gate * pace
                area[lane] += queue[lane]
                stopped[lane] += new if before > 0.3 or could < 0.02 else 0.0
                longest[lane] = max(longest[lane], queue[lane])
                low[lane] = min(low[lane], queue[lane])
        if watched:
            for e in range(edges):
                fullest[e] = max(fullest[e], inside[e])
    for lane in range(lanes):
        area[lane] -= low[lane] * watch_s
    return Seen(arrived, possible, area, stopped, longest, fullest)


@njit(cache=True)
def chance_s(ratio: float, headroom_veh_h: float, period_h: float, share: float) -> float:
    """Return the delay per vehicle from chance and from too much demand: HCM 2000, eq. 16-12, with k = 0.5.

    ratio: demand over what can pass; headroom_veh_h: what can pass in an hour; period_h: how long it lasts; share: I.
    """
    over = ratio - 1.0
    root = np.sqrt(over * over + 8.0 * 0.5 * share * ratio / (headroom_veh_h * period_h))
    return 900.0 * period_h * (over + root)


@njit(cache=True)
def delays_s(roads: Roads, seen: Seen, watch_s: int, period_h: float) -> FloatArray:
    """Return the delay of every lane in vehicle seconds per second (vehicles waiting on average), (l, 2): even and by chance."""
    found = np.zeros((len(seen.arrived_veh), 2))
    for lane in range(len(found)):
        if seen.arrived_veh[lane] <= 1e-6:
            continue
        passes_h = max(seen.possible_veh[lane] / watch_s * 3600.0, 20.0)
        ratio = seen.arrived_veh[lane] / watch_s * 3600.0 / passes_h
        extra_s = chance_s(ratio, passes_h, period_h, roads.chance_share[lane])
        found[lane, 0] = seen.queued_veh_s[lane] / watch_s
        found[lane, 1] = seen.arrived_veh[lane] / watch_s * extra_s
    return found
