# SPDX-License-Identifier: Apache-2.0
"""What was unsound in the programme that the network brought, in plain sentences with figures."""

from collections import Counter

import numpy as np

from lamplighter.services.traffic.planning import clearance
from lamplighter.services.traffic.planning.network import FOOT, Signal
from lamplighter.services.traffic.planning.plan import GREEN_MIN_S, Plan


def own_words(plan: Plan) -> tuple[str, ...]:
    """Return what was mended at one intersection, empty where its first programme was sound."""
    said = [f"{text} ({times} times)" if times > 1 else text for text, times in Counter(plan.mended).items()]
    return (*_short_greens(plan.signal), *_short_clearances(plan.signal), *_slow_stops(plan.signal), *said)


def _seconds(signal: Signal) -> list[str]:
    return [state for duration_s, state in signal.intervals for _ in range(max(1, round(duration_s)))]


def _short_greens(signal: Signal) -> list[str]:
    short = [
        least_s
        for least_s, (_, state) in zip(signal.least_s, signal.intervals, strict=True)
        if set(state) & {"G", "g"} and not set(state) & {"y", "Y"} and 0 < least_s < GREEN_MIN_S
    ]
    return [f"a green could end after {min(short):.0f} s and now lasts at least {GREEN_MIN_S:.0f} s"] if short else []


def _short_clearances(signal: Signal) -> list[str]:
    """Compare, for every pair of paths that meet, the time the first programme left between them with what they need."""
    states = _seconds(signal)
    if not states:
        return []
    wide = min(len(state) for state in states)
    lit = np.asarray([[letter in "Gg" for letter in state[:wide]] for state in states], dtype=np.bool_)
    walks: list[tuple[float, float]] = []
    drives: list[tuple[float, float]] = []
    for i, one in enumerate(signal.connections):
        for j in np.flatnonzero(signal.foes[i]):
            other = signal.connections[int(j)]
            if one.link >= wide or other.link >= wide:
                continue
            left_s = _gap_s(lit[:, one.link], lit[:, other.link])
            needed_s = clearance.intergreen_s(one, other)
            if left_s is not None and left_s < needed_s:
                (walks if one.kind == FOOT else drives).append((left_s, needed_s))
    said: list[str] = []
    for kind, short in (("people on foot", walks), ("vehicles", drives)):
        if short:
            left_s, needed_s = max(short, key=lambda pair: pair[1] - pair[0])
            pairs = "pair of signals" if len(short) == 1 else "pairs of signals"
            said.append(
                f"{len(short)} {pairs} left {kind} too little time to clear (at worst {left_s:.0f} s, {needed_s:.0f} s needed)"
            )
    return said


def _gap_s(first: "np.ndarray[tuple[int], np.dtype[np.bool_]]", then: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> int | None:
    """Return the least seconds from the end of the first's green to the start of the other's; None where that never happens."""
    total = len(first)
    ends = [t for t in range(total) if first[t - 1] and not first[t]]
    starts = [t for t in range(total) if then[t] and not then[t - 1]]
    gaps = [(start - end) % total for end in ends for start in starts if not then[end]]
    return min(gaps) if gaps else None


def _slow_stops(signal: Signal) -> list[str]:
    """Say where a vehicle signal had a yellow shorter than its speed needs."""
    states, short = _seconds(signal), 0
    for connection in signal.connections:
        needed_s = clearance.yellow_s(connection.kind, connection.speed_m_s)
        shown = [connection.link < len(state) and state[connection.link] in "yY" for state in states]
        runs = [len(run) for run in "".join("y" if on else " " for on in shown + shown).split()]
        if runs and needed_s and min(runs) < needed_s:
            short += 1
    return [f"{short} vehicle signals had too short a yellow for their speed"] if short else []
