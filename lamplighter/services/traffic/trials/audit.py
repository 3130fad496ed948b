# SPDX-License-Identifier: Apache-2.0
"""A watch over the states that signals really show, second by second, independent of the light model that made them.

It knows the paths that meet, the least times of the rules, and what the programme that the network brought does itself:
a pair of paths that it lets go at once, or a time that it keeps shorter, is installed and not held against an arm.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.planning import clearance
from lamplighter.services.traffic.planning.network import FOOT, Connection, Signal
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.stages import Bytes2, gap_s, green, seconds_of, shortest_s
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

_LONG_AGO_S = 1e6
_G, _YIELDS, _Y, _Y_BIG = ord("G"), ord("g"), ord("y"), ord("Y")


class Watch(NamedTuple):
    """Signals s with n links each. meets (s, n, n): paths that must not have green at once; least times (s, n), (s, n, n).

    used (s, n): links that the own programme gives green at all. The last five are the state: what was shown last (s, n),
    since when, when green and yellow ended (s, n). counts: 0 conflicts, 1 greens cut, 2 yellows or clearances cut.
    """

    meets: BoolArray
    green_s: FloatArray
    yellow_s: FloatArray
    apart_s: FloatArray
    used: BoolArray
    last: Bytes2
    green_from_s: FloatArray
    green_until_s: FloatArray
    yellow_from_s: FloatArray
    counts: IntArray
    red_max_s: FloatArray


def watch(signals: Sequence[Signal], rules: Rules, letters: int) -> Watch:
    """Return the watch over all signals of a network, before the first second."""
    many = len(signals)
    meets, apart = np.zeros((many, letters, letters), np.bool_), np.zeros((many, letters, letters))
    green, yellow = np.zeros((many, letters)), np.zeros((many, letters))
    used = np.zeros((many, letters), np.bool_)
    for number, signal in enumerate(signals):
        _signal(signal, rules, (meets[number], apart[number], green[number], yellow[number], used[number]))
    return Watch(
        meets,
        green,
        yellow,
        apart,
        used,
        np.zeros((many, letters), np.uint8),
        np.full((many, letters), -_LONG_AGO_S),
        np.full((many, letters), -_LONG_AGO_S),
        np.full((many, letters), -_LONG_AGO_S),
        np.zeros(3, np.int64),
        np.zeros(1),
    )


_Tables = tuple[BoolArray, FloatArray, FloatArray, FloatArray, BoolArray]


def _signal(signal: Signal, rules: Rules, out: _Tables) -> None:
    meets, apart, least, yellow, used = out
    on_foot = {c.link for c in signal.connections if c.kind == FOOT}
    shown = seconds_of(signal)
    goes = green(shown)
    links = shown.shape[1]
    used[:links] = goes.any(axis=0)
    for link in range(links):
        least[link] = float(rules.green_min_s)
        yellow[link] = 0.0 if link in on_foot else float(rules.yellow_s)
        if not rules.full:
            least[link] = min(least[link], shortest_s(goes[:, link]))
            yellow[link] = min(
                yellow[link], shortest_s((shown[:, link] == _Y) | (shown[:, link] == _Y_BIG)), _after(goes, shown, link)
            )
    for i, one in enumerate(signal.connections):
        for j in np.flatnonzero(signal.foes[i]):
            other = signal.connections[int(j)]
            a, b = one.link, other.link
            if a == b:
                continue
            meets[a, b] = rules.full or not bool(((shown[:, a] == _G) & (shown[:, b] == _G)).any())
            apart[a, b] = max(apart[a, b], _apart_s(one, other, rules, gap_s(goes, a, b)))


def _apart_s(one: Connection, other: Connection, rules: Rules, own_s: float) -> float:
    """Return the least time between two greens: by geometry, by geometry or the own programme, or yellow alone."""
    yellow_s = 0.0 if one.kind == FOOT else float(rules.yellow_s)
    if rules.yellow_alone:
        return min(yellow_s, own_s)
    needed_s = clearance.intergreen_s(one, other)
    return needed_s if rules.full else min(needed_s, own_s)


def _after(goes: BoolArray, shown: "Bytes2", link: int) -> float:
    """Return 0 where the own programme ends a green of this link without yellow."""
    following = np.roll(shown[:, link], -1)
    bare = goes[:, link] & ~np.isin(following, (_G, _YIELDS, _Y, _Y_BIG))
    return 0.0 if bool(bare.any()) else _LONG_AGO_S


@njit(cache=True)
def look(seen: Watch, states: Bytes2, now_s: float) -> None:
    """Judge what was shown in the second that ended now."""
    begin_s = now_s - 1.0
    first = seen.last[0, 0] == 0
    for s in range(states.shape[0]):
        for n in range(states.shape[1]):
            letter, before = states[s, n], seen.last[s, n]
            goes, went = letter in (_G, _YIELDS), before in (_G, _YIELDS)
            yellow, was_yellow = letter in (_Y, _Y_BIG), before in (_Y, _Y_BIG)
            if letter == 0 or first:
                continue
            if went and not goes:
                seen.green_until_s[s, n] = begin_s
                if begin_s - seen.green_from_s[s, n] < seen.green_s[s, n] - 1e-6:
                    seen.counts[1] += 1
                if not yellow and seen.yellow_s[s, n] > 0.0:
                    seen.counts[2] += 1
            if yellow and not was_yellow:
                seen.yellow_from_s[s, n] = begin_s
            if was_yellow and not yellow and not goes and begin_s - seen.yellow_from_s[s, n] < seen.yellow_s[s, n] - 1e-6:
                seen.counts[2] += 1
            if goes and not went:
                seen.green_from_s[s, n] = begin_s
                if seen.used[s, n] and seen.green_until_s[s, n] > 0.0:
                    seen.red_max_s[0] = max(seen.red_max_s[0], begin_s - seen.green_until_s[s, n])
                for m in range(states.shape[1]):
                    if seen.apart_s[s, m, n] > 0.0 and states[s, m] != _G and states[s, m] != _YIELDS:
                        ended_s = begin_s if seen.last[s, m] == _G or seen.last[s, m] == _YIELDS else seen.green_until_s[s, m]
                        if begin_s - ended_s < seen.apart_s[s, m, n] - 1e-6:
                            seen.counts[2] += 1
        for n in range(states.shape[1]):
            if states[s, n] == _G:
                for m in range(n):
                    if states[s, m] == _G and (seen.meets[s, n, m] or seen.meets[s, m, n]):
                        seen.counts[0] += 1
    if first:
        for s in range(states.shape[0]):
            for n in range(states.shape[1]):
                if states[s, n] == _G or states[s, n] == _YIELDS:
                    seen.green_from_s[s, n] = -_LONG_AGO_S
    seen.last[:] = states
