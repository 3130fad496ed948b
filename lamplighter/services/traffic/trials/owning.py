# SPDX-License-Identifier: Apache-2.0
"""The own programme of one signal as a timetable: as the network brought it, or with the full intergreens.

With full intergreens each change begins in the second of the cycle in which it began before and takes as long as it
must; the green that follows is shorter, but never below its least, else the cycle grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lamplighter.services.traffic.planning.network import Signal
from lamplighter.services.traffic.trials.rules import Rules
from lamplighter.services.traffic.trials.stages import GOES, Stages, Times, change

Intervals = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Timetable:
    """Intervals of one cycle, (seconds, state), and the stage that each belongs to (None: a change)."""

    intervals: Intervals
    stage: tuple[int | None, ...]
    offset_s: float

    @property
    def cycle_s(self) -> float:
        """Return the length of the cycle."""
        return sum(seconds for seconds, _ in self.intervals)

    def at(self, now_s: float) -> tuple[int, float]:
        """Return which interval runs at a time, and for how long it has run."""
        place_s = (now_s - self.offset_s) % self.cycle_s
        for position, (seconds, _) in enumerate(self.intervals):
            if place_s < seconds:
                return position, place_s
            place_s -= seconds
        return 0, 0.0

    def green_left_s(self, link: int, now_s: float) -> int:
        """Return for how many seconds more the link stays green from a time on."""
        left = 0
        while left < self.cycle_s and self.intervals[self.at(now_s + left)[0]][1][link] in GOES:
            left += 1
        return left


def timetable(signal: Signal, stages: Stages, times: Times, rules: Rules) -> Timetable:
    """Return the own programme under the rules."""
    if not rules.full:
        return Timetable(signal.intervals, stages.own_stage, signal.offset_s)
    own, many = stages.own_stage, len(signal.intervals)
    places = [n for n in range(many) if own[n] is not None and (own[n - 1] != own[n] or own.count(own[n]) == many)]
    rows: list[tuple[float, str]] = []
    stage: list[int | None] = []
    for k, place in enumerate(places):
        before, after = places[k - 1], places[(k + 1) % len(places)]
        states = [signal.intervals[n][1] for n in (before, place, after)]
        late_s = len(change(states[0], states[1], times, rules)) - (
            _span_s(signal, before, place) - _green_s(signal, own, before)
        )
        least_s = max((float(times.green_min_s[n]) for n, c in enumerate(states[1]) if c in GOES), default=0.0)
        rows.append((max(_green_s(signal, own, place) - max(late_s, 0.0), least_s), states[1]))
        stage.append(own[place])
        folded = _folded(change(states[1], states[2], times, rules))
        rows += folded
        stage += [None] * len(folded)
    return Timetable(tuple(rows), tuple(stage), signal.offset_s)


def _span_s(signal: Signal, begin: int, end: int) -> float:
    """Return the seconds from the beginning of one interval to that of another, round the cycle."""
    many = len(signal.intervals)
    steps = (end - begin) % many or many
    return sum(signal.intervals[(begin + n) % many][0] for n in range(steps))


def _green_s(signal: Signal, own: tuple[int | None, ...], place: int) -> float:
    """Return how long the stage that begins at an interval lasts, intervals of the same stage together."""
    many, total_s, n = len(signal.intervals), 0.0, place
    while own[n % many] == own[place] and n < place + many:
        total_s += signal.intervals[n % many][0]
        n += 1
    return total_s


def _folded(states: Sequence[str]) -> list[tuple[float, str]]:
    rows: list[tuple[float, str]] = []
    for state in states:
        if rows and rows[-1][1] == state:
            rows[-1] = (rows[-1][0] + 1.0, state)
        else:
            rows.append((1.0, state))
    return rows
