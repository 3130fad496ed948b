# SPDX-License-Identifier: Apache-2.0
"""Programmes that SUMO runs itself: the network's own with the full intergreens, and actuated and delay-based ones.

The actuated arms are the own programme with SUMO's detectors: greens longer than 4 s may last from 5 to 50 s, the rest
is unchanged. With full intergreens each change begins in the second of the cycle in which it began before and takes as
long as it must; the green that follows is shorter, but never below its least, else the cycle grows.
"""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from lamplighter.services.traffic.planning.network import Signal
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.stages import GOES, TRANSITION_S
from lamplighter.services.traffic.trials.survey import Box, change

NAME = "trial"
SHORTEST_S, LONGEST_S = 5, 50
Intervals = tuple[tuple[float, str], ...]


def lengthened(box: Box, rules: Rules) -> Intervals:
    """Return the own programme of one box with every change as the rules demand."""
    own = box.stages.own_stage
    places = [n for n, stage in enumerate(own) if stage is not None]
    merged = [n for k, n in enumerate(places) if own[n] != own[places[k - 1]] or len(places) == 1]
    rows: list[tuple[float, str]] = []
    for k, place in enumerate(merged):
        after = merged[(k + 1) % len(merged)]
        state, following = box.signal.intervals[place][1], box.signal.intervals[after][1]
        before = box.signal.intervals[merged[k - 1]][1]
        span_s = _span_s(box.signal, place, after)
        own_change_s = span_s - _green_s(box, place)
        late_s = len(change(before, state, box.times, rules)) - _own_change_s(box, merged[k - 1], place)
        least_s = max((float(box.times.green_min_s[n]) for n, c in enumerate(state) if c in GOES), default=5.0)
        rows.append((max(span_s - own_change_s - max(late_s, 0.0), least_s), state))
        rows += _folded(change(state, following, box.times, rules))
    return tuple(rows)


def _span_s(signal: Signal, begin: int, end: int) -> float:
    """Return the seconds from the beginning of one interval to that of another, round the cycle."""
    many = len(signal.intervals)
    steps = (end - begin) % many or many
    return sum(signal.intervals[(begin + n) % many][0] for n in range(steps))


def _green_s(box: Box, place: int) -> float:
    """Return how long the stage that begins at an interval lasts, intervals of the same stage together."""
    own, many = box.stages.own_stage, len(box.signal.intervals)
    total_s, n = 0.0, place
    while own[n % many] == own[place] and n < place + many:
        total_s += box.signal.intervals[n % many][0]
        n += 1
    return total_s


def _own_change_s(box: Box, before: int, after: int) -> float:
    return _span_s(box.signal, before, after) - _green_s(box, before)


def _folded(states: Sequence[str]) -> list[tuple[float, str]]:
    rows: list[tuple[float, str]] = []
    for state in states:
        if rows and rows[-1][1] == state:
            rows[-1] = (rows[-1][0] + 1.0, state)
        else:
            rows.append((1.0, state))
    return rows


def written(signal: Signal, intervals: Intervals, kind: str) -> str:
    """Return a programme as SUMO's additional file has it."""
    lines: list[str] = []
    for seconds, state in intervals:
        long = kind != "static" and seconds > TRANSITION_S and bool(GOES & set(state)) and not set(state) & set("yYu")
        bounds = f' minDur="{SHORTEST_S}" maxDur="{LONGEST_S}"' if long else ""
        lines.append(f'<phase duration="{seconds:g}" state="{state}"{bounds}/>')
    head = f'<tlLogic id={quoteattr(signal.id)} type="{kind}" programID="{NAME}" offset="{signal.offset_s:g}">'
    return "\n".join([head, *lines, "</tlLogic>"])


def added(signals: Sequence[Signal], boxes: Sequence[Box], rules: Rules, arm: str) -> str:
    """Return the programmes that an arm run by SUMO itself needs; nothing where the network's own run as they are."""
    kind = "static" if arm == "own" else arm
    if kind == "static" and not rules.full:
        return ""
    of = {box.signal.id: box for box in boxes}
    parts: list[str] = []
    for signal in signals:
        box = of.get(signal.id)
        if box is None and kind == "static":
            continue
        intervals = lengthened(box, rules) if rules.full and box is not None else signal.intervals
        parts.append(written(signal, intervals, kind))
    return "\n".join(parts)
