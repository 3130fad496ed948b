# SPDX-License-Identifier: Apache-2.0
"""When a box gets its own programme back: where what was predicted does not happen, and where its own would do better.

Four findings count, each with room for chance. Vehicles that should have left did not, although the streets that they would
enter have room (a detector that lies, a blocked lane). Nothing leaves at all for a while though some wait: vehicles stand in
one another's way, and a programme that gives each turn its own green may free them. Much of the time goes into changes while
queues grow. Or queues grow and less leaves than predicted although the own programme, with its greens and the discharge that
was measured, would carry what comes: then the planner is at fault, not the demand. A box that is handed back keeps its
programme for a while, and so do neighbours in a like state; then it is taken again, and each time it fails anew that while
doubles.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.horizon.derive import Derived
from lamplighter.services.traffic.horizon.scheme import Network, Seen
from lamplighter.terms.columns import BoolArray, FloatArray

MEMORY_S = 120.0
LONG_S = 600.0
SETTLED_S = 240.0  # a box is judged only after so long under the planner
LEFT_MIN_VEH_S = 0.08  # less than this predicted to leave says nothing
FAILED_RATIO = 0.35  # of what was predicted
UNEASY_RATIO = 0.55  # a neighbour that does no better than this goes with a box that fails
CHANGING_SHARE = 0.45
GROWN_RATIO, GROWN_VEH = 1.5, 8.0  # a queue has grown if it is so much above its long mean
SLACK_RATIO = 0.7  # of what was predicted: with less than that leaving, a queue that grows is the planner's doing
STILL_S, STILL_VEH = 45.0, 4.0  # nothing leaves for so long though so many wait
SPARE_RATIO = 0.9  # the own programme carries what comes if that is below this share of its discharge
OWN_S, OWN_MOST_S = 300.0, 2400.0
FULL_RATIO = 0.6  # a street so full explains that vehicles do not leave
VEHICLE_M = 7.5
SEEN_M, POCKET_M = 200.0, 40.0  # lanes shorter than a pocket are often full
FORGIVEN_S = 1200.0  # after so long without failing a box is judged afresh


class Watch(NamedTuple):
    """What is carried per box: predicted_veh_s, left_veh_s, changing_share, queue_veh lately, and the queue over the long run;
    under_s: for how long the planner runs it; back_s: for how long yet it has its own programme; next_s: for how long it would
    have it when it fails next; still_s: for how long nothing has left though some wait. came_veh_s (l,): arrivals by lane
    lately. expected_veh (b,): predicted for the next second."""

    predicted_veh_s: FloatArray
    left_veh_s: FloatArray
    changing_share: FloatArray
    queue_veh: FloatArray
    usual_queue_veh: FloatArray
    under_s: FloatArray
    back_s: FloatArray
    next_s: FloatArray
    still_s: FloatArray
    came_veh_s: FloatArray
    expected_veh: FloatArray


def begin(network: Network) -> Watch:
    """Return what is carried before the first second."""
    boxes = len(network.stage_offsets) - 1
    return Watch(
        predicted_veh_s=np.zeros(boxes),
        left_veh_s=np.zeros(boxes),
        changing_share=np.zeros(boxes),
        queue_veh=np.zeros(boxes),
        usual_queue_veh=np.zeros(boxes),
        under_s=np.zeros(boxes),
        back_s=np.zeros(boxes),
        next_s=np.full(boxes, OWN_S),
        still_s=np.zeros(boxes),
        came_veh_s=np.zeros(len(network.reach_m)),
        expected_veh=np.zeros(boxes),
    )


def seen_whole(network: Network, seen: Seen) -> BoolArray:
    """Return the boxes (b,) all of whose lanes are seen; the others keep their own programme."""
    dead = np.concatenate(([0], np.cumsum(~seen.alive)))
    return np.diff(dead[network.lane_offsets]) == 0


@njit(cache=True)
def _carries(network: Network, watch: Watch, own_share: FloatArray, rate_veh_s: FloatArray, box: int) -> bool:
    """Return whether the own programme would carry what comes to every lane. False where it is not known."""
    known = False
    lane0 = network.lane_offsets[box]
    for lane in range(lane0, network.lane_offsets[box + 1]):
        carried = 0.0
        for row in range(network.stage_offsets[box], network.stage_offsets[box + 1]):
            carried += own_share[row] * rate_veh_s[row, lane - lane0]
            known = known or own_share[row] > 0.0
        if watch.came_veh_s[lane] > SPARE_RATIO * carried:
            return False
    return known


@njit(cache=True)
def _measure(network: Network, seen: Seen, watch: Watch, waiting_veh: FloatArray, inflow_veh: FloatArray, box: int) -> None:
    """Carry the means of one box over one second."""
    queue, left = 0.0, 0.0
    for lane in range(network.lane_offsets[box], network.lane_offsets[box + 1]):
        queue += waiting_veh[lane]
        left += seen.passed_veh[lane]
        watch.came_veh_s[lane] += (inflow_veh[lane] - watch.came_veh_s[lane]) / LONG_S
    watch.predicted_veh_s[box] += (watch.expected_veh[box] - watch.predicted_veh_s[box]) / MEMORY_S
    watch.left_veh_s[box] += (left - watch.left_veh_s[box]) / MEMORY_S
    changing = 1.0 if seen.changing[box] else 0.0
    watch.changing_share[box] += (changing - watch.changing_share[box]) / MEMORY_S
    watch.still_s[box] = watch.still_s[box] + 1.0 if left == 0.0 and queue >= STILL_VEH else 0.0
    watch.queue_veh[box] += (queue - watch.queue_veh[box]) / MEMORY_S
    watch.usual_queue_veh[box] += (queue - watch.usual_queue_veh[box]) / LONG_S


@njit(cache=True)
def _full(network: Network, there_veh: FloatArray, box: int) -> bool:
    """Return whether a street before or behind the box is so full that neither what comes nor what can leave is known."""
    lane0, lane1 = network.lane_offsets[box], network.lane_offsets[box + 1]
    for v in range(network.move_offsets[lane0], network.move_offsets[lane1]):
        e = network.move_exit[v]
        for i in range(network.exit_lane_offsets[e], network.exit_lane_offsets[e + 1]):
            if _crowded(network, there_veh, network.exit_lane[i]):
                return True
    crowded = False
    for lane in range(lane0, lane1):
        crowded = crowded or _crowded(network, there_veh, lane)
    return crowded


@njit(cache=True)
def _crowded(network: Network, there_veh: FloatArray, lane: int) -> bool:
    storage_m = max(network.reach_m[lane], min(network.lane_length_m[lane], SEEN_M))
    return storage_m >= POCKET_M and there_veh[lane] > FULL_RATIO * storage_m / VEHICLE_M


@njit(cache=True)
def _hand_back(watch: Watch, box: int) -> None:
    watch.back_s[box] = watch.next_s[box]
    watch.next_s[box] = min(2.0 * watch.next_s[box], OWN_MOST_S)
    watch.under_s[box] = 0.0


@njit(cache=True)
def supervise(network: Network, derived: Derived, seen: Seen, watch: Watch, found: tuple[FloatArray, FloatArray, FloatArray],
              rate_veh_s: FloatArray, own_share: FloatArray, trusted: BoolArray) -> None:  # fmt: skip
    """Carry the watch over one second and clear `trusted` (b,) where a box is to run its own programme.

    found: vehicles that wait before each stop line, that came to the seen stretch, and that are on it (l,); rate_veh_s (s, k):
    discharge by stage row and lane number; own_share (s,): share of the own programme's cycle for which each
    stage is green, zeros where it is not known. watch.expected_veh is what the plan of the last second let out in this one.
    """
    waiting_veh, inflow_veh, there_veh = found
    boxes = len(trusted)
    failed = np.zeros(boxes, np.bool_)
    for box in range(boxes):
        _measure(network, seen, watch, waiting_veh, inflow_veh, box)
        if watch.back_s[box] > 0.0:
            watch.back_s[box] -= 1.0
            trusted[box] = trusted[box] and watch.back_s[box] <= 0.0
            continue
        if not trusted[box]:
            watch.under_s[box] = 0.0
            continue
        watch.under_s[box] += 1.0
        if watch.under_s[box] >= FORGIVEN_S:
            watch.next_s[box] = OWN_S
        if watch.under_s[box] < SETTLED_S:
            continue
        queue, usual = watch.queue_veh[box], watch.usual_queue_veh[box]
        grown = queue > GROWN_RATIO * usual + GROWN_VEH
        full = _full(network, there_veh, box)
        predicted = watch.predicted_veh_s[box]
        stuck = not full and predicted > LEFT_MIN_VEH_S and watch.left_veh_s[box] < FAILED_RATIO * predicted
        busy = watch.changing_share[box] > CHANGING_SHARE and grown
        slack = watch.left_veh_s[box] < SLACK_RATIO * predicted
        outdone = grown and slack and not full and _carries(network, watch, own_share, rate_veh_s, box)
        failed[box] = stuck or busy or outdone or watch.still_s[box] > STILL_S
    for box in range(boxes):
        if failed[box]:
            _hand_back(watch, box)
            trusted[box] = False
    _neighbours(network, derived, watch, failed, trusted)


@njit(cache=True)
def _neighbours(network: Network, derived: Derived, watch: Watch, failed: BoolArray, trusted: BoolArray) -> None:
    """Hand back the boxes that feed a box that fails, where they are uneasy themselves."""
    for box in range(len(failed)):
        if not failed[box]:
            continue
        for lane in range(network.lane_offsets[box], network.lane_offsets[box + 1]):
            for i in range(derived.feed_offsets[lane], derived.feed_offsets[lane + 1]):
                up = int(derived.lane_box[derived.feed_lane[i]])
                predicted = watch.predicted_veh_s[up]
                if trusted[up] and predicted > LEFT_MIN_VEH_S and watch.left_veh_s[up] < UNEASY_RATIO * predicted:
                    _hand_back(watch, up)
                    trusted[up] = False
