# SPDX-License-Identifier: Apache-2.0
"""Programmes that SUMO runs itself: the network's own with the full intergreens, and actuated and delay-based ones.

The actuated arms are the own programme with SUMO's detectors: greens longer than 4 s may last from 5 to 50 s, the rest
is unchanged.
"""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from lamplighter.services.traffic.planning.network import Signal
from lamplighter.services.traffic.trials.owning import Intervals
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.stages import GOES, TRANSITION_S
from lamplighter.services.traffic.trials.survey import Box

NAME = "trial"
SHORTEST_S, LONGEST_S = 5, 50


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
        intervals = box.own.intervals if box is not None else signal.intervals
        parts.append(written(signal, intervals, kind))
    return "\n".join(parts)
