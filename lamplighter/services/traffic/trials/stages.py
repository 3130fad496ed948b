# SPDX-License-Identifier: Apache-2.0
"""What one signal can be told to show: the green intervals of its own programme, and how it changes between them."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.planning import clearance
from lamplighter.services.traffic.planning.network import FOOT, Connection, Signal
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.terms.columns import BoolArray, FloatArray

TRANSITION_S = 4.0  # an interval that is no longer belongs to a change
GOES = frozenset("Gg")


@dataclass(frozen=True)
class Stages:
    """Stages of one signal. states: one letter per signal link; own_stage (i,): per own interval the stage it shows, or None."""

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


def stages_of(signal: Signal) -> Stages:
    """Return the green intervals that are longer than the changes between them, each state once."""
    greens = [bool(GOES & set(state)) and not set(state) & set("yYu") for _, state in signal.intervals]
    long = [green and seconds > TRANSITION_S for green, (seconds, _) in zip(greens, signal.intervals, strict=True)]
    if not any(long):
        long = greens
    states: list[str] = []
    own: list[int | None] = []
    for kept, (_, state) in zip(long, signal.intervals, strict=True):
        if kept and state not in states:
            states.append(state)
        own.append(states.index(state) if state in states else None)
    return Stages(tuple(states), tuple(own))


def links_of(signal: Signal) -> int:
    """Return how many signal links the states of a programme have."""
    return max(len(state) for _, state in signal.intervals)


def times_of(signal: Signal, rules: Rules) -> Times:
    """Return what every signal link must keep."""
    many = links_of(signal)
    conflict, between_s = np.zeros((many, many), np.bool_), np.zeros((many, many))
    yellow, amber, least = np.full(many, float(rules.yellow_s)), np.zeros(many), np.full(many, float(rules.green_min_s))
    for i, one in enumerate(signal.connections):
        if rules.full:
            yellow[one.link] = max(_yellow_s(one, rules), yellow[one.link] if one.kind != FOOT else 0.0)
            amber[one.link] = clearance.red_amber_s(one.kind)
            least[one.link] = max(least[one.link], _walk_s(one) / 2.0)
        for j in np.flatnonzero(signal.foes[i]):
            other = signal.connections[int(j)]
            if one.link == other.link:
                continue
            conflict[one.link, other.link] = True
            if rules.full:
                needed_s = max(clearance.intergreen_s(one, other), _yellow_s(one, rules))
                between_s[one.link, other.link] = max(between_s[one.link, other.link], needed_s)
    return Times(np.ceil(yellow), np.ceil(amber), np.ceil(least), np.ceil(between_s), conflict)


def _yellow_s(connection: Connection, rules: Rules) -> float:
    return (
        0.0 if connection.kind == FOOT else max(float(rules.yellow_s), clearance.yellow_s(connection.kind, connection.speed_m_s))
    )


def _walk_s(connection: Connection) -> float:
    return clearance.walk_clearance_s(clearance.length_m(connection.path_m)) if connection.kind == FOOT else 0.0


def plain_change(before: str, after: str, yellow_s: int) -> tuple[str, ...]:
    """Return the state of each second of a change: what ends shows yellow, what stays stays, what starts waits."""
    state = "".join("y" if a in GOES and b not in GOES else a for a, b in zip(before, after, strict=True))
    return (state,) * (yellow_s if before != after else 0)


def full_change(before: str, after: str, times: Times) -> tuple[str, ...]:
    """Return the state of each second of a change that keeps every intergreen.

    Greens end at once and start as soon as every green that they meet is clear; who gave way gives way until the end.
    """
    if before == after:
        return ()
    many = len(before)
    ends = np.array([a in GOES and b not in GOES for a, b in zip(before, after, strict=True)])
    loses = np.array([a == "G" and b == "g" for a, b in zip(before, after, strict=True)])
    starts = np.array([b in GOES and a not in GOES for a, b in zip(before, after, strict=True)])
    gains = np.array([a == "g" and b == "G" for a, b in zip(before, after, strict=True)])
    apart_s = np.where((ends | loses)[:, None] & (starts | gains)[None, :], times.intergreen_s, 0.0)
    start_s = np.maximum(apart_s.max(axis=0, initial=0.0), np.where(starts, times.red_amber_s, 0.0))
    length_s = int(max(start_s.max(initial=0.0), (times.yellow_s * ends).max(initial=0.0)))
    rows: list[str] = []
    for second in range(length_s):
        row = list(before)
        for n in range(many):
            if ends[n]:
                row[n] = "y" if second < times.yellow_s[n] else "r"
            elif starts[n]:
                green, amber = second >= start_s[n], second >= start_s[n] - times.red_amber_s[n]
                row[n] = "g" if green and after[n] == "g" else after[n] if green else "u" if amber else before[n]
            elif gains[n] or loses[n]:
                row[n] = "g"
        rows.append("".join(row))
    return tuple(rows)
