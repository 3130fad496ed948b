# SPDX-License-Identifier: Apache-2.0
"""Split failures: was the zone before the stop line occupied through the green, and still when red had begun?

A cycle is judged where the log holds one green, one yellow and the first seconds of red of it, and where the zone's
detectors had spoken before (J. D. Freije et al., Graphical performance measures for practitioners to triage split failure
trouble calls, Transportation Research Record 2439, 2014: both occupancies of 80 %, red over its first 5 s).
"""

from numba import njit

from lamplighter.services.traffic.diagnosis import codes
from lamplighter.services.traffic.diagnosis.events import Uses
from lamplighter.services.traffic.diagnosis.signals import cell
from lamplighter.services.traffic.diagnosis.tally import Carry, G, Rules, S, T, Tally
from lamplighter.terms.columns import IntArray

NOTHING, BARRIER = 0, 11  # beside the events that begin green, yellow and red: no cycle yet; its judged part is over


@njit(cache=True)
def _advance(state: IntArray, time_ms: int) -> None:
    lasts_ms = time_ms - state[S.ZONE_AT_MS]
    if state[S.ZONE_STATE] == codes.GREEN_BEGIN:
        state[S.ZONE_GREEN_ON_MS if state[S.ZONE_ON] > 0 else S.ZONE_GREEN_OFF_MS] += lasts_ms
    elif state[S.ZONE_STATE] == codes.RED_BEGIN and state[S.ZONE_ON] > 0:
        state[S.ZONE_RED_ON_MS] += lasts_ms
    state[S.ZONE_AT_MS] = time_ms


@njit(cache=True)
def _settle(state: IntArray, time_ms: int, event: int) -> None:
    """Close the judged part of red where it ends before this event."""
    ends_ms = state[S.ZONE_BARRIER_MS]
    if state[S.ZONE_BARRIER_SET] == 1 and (ends_ms < time_ms or (ends_ms == time_ms and event > BARRIER)):
        _advance(state, ends_ms)
        state[S.ZONE_STATE], state[S.ZONE_BARRIER_SET] = BARRIER, 0
        state[S.ZONE_BARRIERS] += 1
        state[S.ZONE_JUDGED_MS] = ends_ms


@njit(cache=True)
def zone_commit(tally: Tally, carry: Carry, rules: Rules, group: int) -> None:
    """Judge the cycle that ends, by the quarter of an hour in which its judged part ended."""
    state = carry.group[group]
    green_ms = state[S.ZONE_GREEN_ON_MS] + state[S.ZONE_GREEN_OFF_MS]
    whole = state[S.ZONE_YELLOWS] == 1 and state[S.ZONE_BARRIERS] == 1 and state[S.ZONE_KNOWN] == 1
    if state[S.ZONE_STATE] == NOTHING or not whole or green_ms <= 0:
        return
    row = tally.group[cell(tally, rules, state[S.ZONE_JUDGED_MS]), group]
    in_green, in_red = state[S.ZONE_GREEN_ON_MS] / green_ms, state[S.ZONE_RED_ON_MS] / rules.red_ms
    row[G.JUDGED] += 1
    row[G.JUDGED_GREEN_MS] += green_ms
    row[G.GREEN_OCCUPIED] += in_green
    row[G.RED_OCCUPIED] += in_red
    row[G.FAILED] += in_green >= rules.occupied_share and in_red >= rules.occupied_share


@njit(cache=True)
def zone_signal(tally: Tally, carry: Carry, rules: Rules, group: int, event: int, time_ms: int) -> None:
    """Lead the cycle from green to green; a red shorter than its judged part leaves its own cycle unjudged, no other."""
    state = carry.group[group]
    _settle(state, time_ms, event)
    if event == codes.GREEN_BEGIN:
        zone_commit(tally, carry, rules, group)
        for column in range(S.ZONE_YELLOWS, S.ZONE_JUDGED_MS + 1):
            state[column] = 0
        state[S.ZONE_STATE], state[S.ZONE_KNOWN], state[S.ZONE_AT_MS] = event, state[S.ZONE_SEEN], time_ms
        return
    if state[S.ZONE_STATE] == NOTHING:
        return
    _advance(state, time_ms)
    state[S.ZONE_STATE] = max(state[S.ZONE_STATE], event)
    if event == codes.YELLOW_BEGIN:
        state[S.ZONE_YELLOWS] += 1
        return
    state[S.ZONE_BARRIERS] += state[S.ZONE_BARRIER_SET]
    state[S.ZONE_BARRIER_MS], state[S.ZONE_BARRIER_SET] = time_ms + rules.red_ms, 1


@njit(cache=True)
def zone_changes(carry: Carry, uses: Uses, detector: int, on: bool, time_ms: int) -> None:
    """Note that one detector of the zones it belongs to came on or went off."""
    known = carry.detector[detector]
    changed = (known[T.ZONE_ON] == 1) != on
    known[T.ZONE_ON] = 1 if on else 0
    for at in range(uses.presence_offsets[detector], uses.presence_offsets[detector + 1]):
        state = carry.group[uses.presence[at]]
        _settle(state, time_ms, codes.DETECTOR_ON)
        if changed:
            _advance(state, time_ms)
            state[S.ZONE_ON] += 1 if on else -1
        state[S.ZONE_SEEN] = 1


@njit(cache=True)
def zone_end(tally: Tally, carry: Carry, rules: Rules, group: int, end_ms: int) -> None:
    """Judge the last cycle of a log; its judged part may end in the log's last quarter, though no event follows."""
    _settle(carry.group[group], (end_ms // rules.quarter_ms + 1) * rules.quarter_ms, codes.GREEN_BEGIN)
    zone_commit(tally, carry, rules, group)
