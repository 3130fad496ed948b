# SPDX-License-Identifier: Apache-2.0
"""What one signal can be told to show: the green intervals of its own programme, and how it changes between them."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.planning import clearance
from lamplighter.services.traffic.planning.network import FOOT, Connection, Signal
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.terms.columns import BoolArray, FloatArray

Bytes2 = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
BoolArray2 = np.ndarray[tuple[int, int], np.dtype[np.bool_]]

TRANSITION_S = 4.0  # an interval that is no longer belongs to a change
GOES = frozenset("Gg")


@dataclass(frozen=True)
class Stages:
    """Stages of one signal. states: one letter per signal link; own_stage (i,): per own interval its stage, or None."""

    states: tuple[str, ...]
    own_stage: tuple[int | None, ...]


@dataclass(frozen=True)
class Times:
    """Per signal link (n,): yellow, red-amber and least green; intergreen_s (n, n): zero where two links do not meet."""

    yellow_s: FloatArray
    red_amber_s: FloatArray
    green_min_s: FloatArray
    intergreen_s: FloatArray
    conflict: BoolArray


def stages_of(signal: Signal, rules: Rules) -> Stages:
    """Return the green intervals that are longer than the changes between them, each state once.

    Where the published rules do not hold, each is filled up with every green that meets none of it, and has a twin without
    its walks.
    """
    greens = [bool(GOES & set(state)) and not set(state) & set("yYu") for _, state in signal.intervals]
    long = [green and seconds > TRANSITION_S for green, (seconds, _) in zip(greens, signal.intervals, strict=True)]
    if not any(long):
        long = greens
    kept = [state for wanted, (_, state) in zip(long, signal.intervals, strict=True) if wanted]
    shown = list(dict.fromkeys(kept + _missing(signal, kept)))
    states = shown if rules.yellow_alone else [_filled(signal, state) for state in shown]
    distinct = list(dict.fromkeys(states if rules.yellow_alone else states + [_unwalked(signal, state) for state in states]))
    own = tuple(distinct.index(states[shown.index(state)]) if state in shown else None for _, state in signal.intervals)
    return Stages(tuple(distinct), own)


def _unwalked(signal: Signal, state: str) -> str:
    """Return a state without its walks, for when nobody calls; as it is where nobody else would have green."""
    on_foot = {c.link for c in signal.connections if c.kind == FOOT}
    twin = "".join("r" if n in on_foot else letter for n, letter in enumerate(state))
    return twin if GOES & set(twin) else state


def _filled(signal: Signal, state: str) -> str:
    """Return a state in which every signal link is green that the own programme serves and that meets no other green."""
    letters = list(state)
    for i, connection in enumerate(signal.connections):
        link = connection.link
        mine = [k for k, c in enumerate(signal.connections) if c.link == link]
        meets = {signal.connections[int(j)].link for k in mine for j in np.flatnonzero(signal.foes[k])} - {link}
        used = any(shown[link] in GOES for _, shown in signal.intervals)
        if used and i == mine[0] and letters[link] in "rs" and not any(letters[other] in GOES for other in meets):
            letters[link] = "G"
    return "".join(letters)


def _missing(signal: Signal, kept: list[str]) -> list[str]:
    """Return stages for signal links that the own programme serves, but none of the kept intervals does.

    Each is the longest interval that serves the link; what ends or begins in it is red.
    """
    found: list[str] = []
    for link in range(links_of(signal)):
        served = [(seconds, state) for seconds, state in signal.intervals if state[link] in GOES]
        if served and not any(state[link] in GOES for state in (*kept, *found)):
            _, longest = max(served, key=lambda pair: pair[0])
            found.append("".join("r" if letter in "yYu" else letter for letter in longest))
    return found


def links_of(signal: Signal) -> int:
    """Return how many signal links the states of a programme have."""
    return max(len(state) for _, state in signal.intervals)


def times_of(signal: Signal, rules: Rules) -> Times:
    """Return what every signal link must keep: by geometry, or what the own programme keeps if that is less, or yellow alone."""
    many = links_of(signal)
    conflict, between_s = np.zeros((many, many), np.bool_), np.zeros((many, many))
    yellow, amber, least = np.full(many, float(rules.yellow_s)), np.zeros(many), np.full(many, float(rules.green_min_s))
    goes = green(seconds_of(signal))
    for i, one in enumerate(signal.connections):
        if rules.full:
            yellow[one.link] = max(_yellow_s(one, rules), yellow[one.link] if one.kind != FOOT else 0.0)
            amber[one.link] = clearance.red_amber_s(one.kind)
            least[one.link] = max(least[one.link], _walk_s(one) / 2.0)
        elif one.kind == FOOT:
            yellow[one.link] = 0.0
            least[one.link] = max(least[one.link], min(_walk_s(one) / 2.0, shortest_s(goes[:, one.link])))
        for j in np.flatnonzero(signal.foes[i]):
            other = signal.connections[int(j)]
            if one.link != other.link:
                conflict[one.link, other.link] = True
                apart_s = apart_at_least_s(one, other, rules, goes)
                between_s[one.link, other.link] = max(between_s[one.link, other.link], apart_s)
    return Times(np.ceil(yellow), np.ceil(amber), np.ceil(least), np.ceil(between_s), conflict)


def apart_at_least_s(one: Connection, other: Connection, rules: Rules, goes: BoolArray2) -> float:
    """Return the time from one's end of green to the other's start. goes (t, n): the own programme's greens."""
    yellow_s = 0.0 if one.kind == FOOT else float(rules.yellow_s)
    if rules.yellow_alone:
        return yellow_s
    needed_s = max(clearance.intergreen_s(one, other), yellow_s)
    return needed_s if rules.full else max(min(needed_s, gap_s(goes, one.link, other.link)), yellow_s)


LONG_S = 1e6  # longer than any run


def seconds_of(signal: Signal) -> Bytes2:
    """Return the letters (t, n) that the own programme shows in each second of a cycle."""
    rows = [state for seconds, state in signal.intervals for _ in range(max(round(seconds), 1))]
    return np.array([[ord(letter) for letter in state] for state in rows], np.uint8)


def green(shown: Bytes2) -> BoolArray2:
    """Return where letters mean green, giving way or not."""
    return (shown == ord("G")) | (shown == ord("g"))


def shortest_s(on: BoolArray) -> float:
    """Return the length of the shortest unbroken run round the cycle; long where there is none."""
    if on.all() or not on.any():
        return LONG_S
    turned = np.roll(on, -int(np.flatnonzero(~on)[0]))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], turned, [False])).astype(np.int64)))
    return float((edges[1::2] - edges[::2]).min())


def gap_s(goes: BoolArray2, a: int, b: int) -> float:
    """Return the shortest time in the own programme from an end of green of `a` to the next start of green of `b`."""
    cycle = len(goes)
    ends = [t for t in range(cycle) if goes[t - 1, a] and not goes[t, a]]
    starts = [t for t in range(cycle) if goes[t, b] and not goes[t - 1, b]]
    return float(min(((s - e) % cycle for e in ends for s in starts), default=LONG_S))


def _yellow_s(connection: Connection, rules: Rules) -> float:
    return (
        0.0 if connection.kind == FOOT else max(float(rules.yellow_s), clearance.yellow_s(connection.kind, connection.speed_m_s))
    )


def _walk_s(connection: Connection) -> float:
    return clearance.walk_clearance_s(clearance.length_m(connection.path_m)) if connection.kind == FOOT else 0.0


def plain_change(before: str, after: str, rules: Rules) -> tuple[str, ...]:
    """Return the state of each second of a change: what ends shows yellow, what stays stays, what starts waits.

    Where nothing ends there is nothing to wait for, but at the published cadence the step's head passes all the same.
    """
    ends = [a in GOES and b not in GOES for a, b in zip(before, after, strict=True)]
    if before == after or (rules.step_s == 1 and not any(ends)):
        return ()
    return ("".join("y" if end else a for a, end in zip(before, ends, strict=True)),) * rules.yellow_s


def kept_change(before: str, after: str, times: Times, ended_s: FloatArray | None = None) -> tuple[str, ...]:
    """Return the state of each second of a change that keeps every intergreen.

    The change is as long as its longest intergreen. A green that clears faster ends later, and one starts as soon as every
    green that it meets is clear; who gave way, or must from now on, gives way throughout.
    ended_s (n,): how long ago the greens ended that are over already; None: long ago.
    """
    if before == after:
        return ()
    was, now = _greens(before), _greens(after)
    ends, starts = was & ~now, now & ~was
    loses, gains = _letters(before, "G") & _letters(after, "g"), _letters(before, "g") & _letters(after, "G")
    enters = starts | gains
    apart_s = np.where((ends | loses)[:, None] & enters[None, :], times.intergreen_s, 0.0)
    free_s = np.where(starts, times.red_amber_s, 0.0)
    if ended_s is not None:
        left_s = np.where(~was[:, None] & enters[None, :], times.intergreen_s - ended_s[:, None], 0.0)
        free_s = np.maximum(free_s, left_s.max(axis=0, initial=0.0))
    clears_s = np.maximum(apart_s.max(axis=1, initial=0.0), np.where(ends, times.yellow_s, 0.0))
    length_s = int(np.ceil(max(clears_s.max(initial=0.0), free_s.max(initial=0.0))))
    end_s = np.where(ends, length_s - clears_s, 0.0)
    start_s = np.maximum(free_s, np.where(apart_s > 0, end_s[:, None] + apart_s, 0.0).max(axis=0, initial=0.0))
    gives = loses | gains
    return tuple(_second(second, (before, after), (end_s, start_s, ends, starts, gives), times) for second in range(length_s))


def _greens(state: str) -> BoolArray:
    return np.array([letter in GOES for letter in state], np.bool_)


def _letters(state: str, wanted: str) -> BoolArray:
    return np.array([letter == wanted for letter in state], np.bool_)


_Course = tuple[FloatArray, FloatArray, BoolArray, BoolArray, BoolArray]


def _second(second: int, states: tuple[str, str], course: _Course, times: Times) -> str:
    """Return the state of one second of a change."""
    before, after = states
    end_s, start_s, ends, starts, gives = course
    row = list(before)
    for n in range(len(row)):
        if ends[n] and second >= end_s[n]:
            row[n] = "y" if second < end_s[n] + times.yellow_s[n] else "r"
        elif starts[n]:
            green, amber = second >= start_s[n], second >= start_s[n] - times.red_amber_s[n]
            row[n] = after[n] if green else "u" if amber else before[n]
        elif gives[n]:
            row[n] = "g"
    return "".join(row)


def change(before: str, after: str, times: Times, rules: Rules, ended_s: FloatArray | None = None) -> tuple[str, ...]:
    """Return what is shown in each second between two states under the rules; see `kept_change`."""
    if rules.yellow_alone:
        return plain_change(before, after, rules)
    return kept_change(before, after, times, ended_s)
