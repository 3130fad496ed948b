# SPDX-License-Identifier: Apache-2.0
"""The city's own timetable of each segment as points for a control programme: what is in the lamps before the first command.

The timetable is that of the city folder (`layout.day_outputs`), the same that the simulated boxes hold. Outputs are rounded
up to whole percents, and where a gateway holds fewer points or programmes, what is left is never darker than what was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from lamplighter.services.lighting.layout import DAY_S, QUARTERS, REST, WORK, Layout, day_outputs, local_s

Points = tuple[tuple[int, int], ...]  # (local second of the day, percent of full output), in order of time
QUARTER_S = 900
HOLIDAYS_MOST = 40
FULL: Points = ((0, 100),)


@dataclass(frozen=True)
class Limits:
    """What a gateway can hold (TALQ 2.7.1, ControlService). noon: its days begin at noon."""

    programmes: int
    calendars: int
    points: int
    noon: bool


@dataclass(frozen=True)
class Programmes:
    """Timetables as a gateway is to hold them. of_segment (s): position in `days`; days: points of work days and of rest days."""

    of_segment: tuple[int, ...]
    days: tuple[tuple[Points, Points], ...]


def holidays_ahead(layout: Layout, now_s: float) -> list[str]:
    """Return the city's next holidays as dates, as many as a calendar is given rules for."""
    today = int(local_s(now_s, layout.local) // DAY_S)
    ahead = np.unique(layout.local.holiday[layout.local.holiday >= today - 1])[:HOLIDAYS_MOST]
    return [(date(1970, 1, 1) + timedelta(days=int(day))).isoformat() for day in ahead.tolist()]


def limits_of(services: Mapping[str, Any]) -> Limits:
    """Return what an announced control service can hold; what it does not say is without a bound."""
    control: Mapping[str, Any] = services.get("ControlService", {})

    def number(name: str) -> int:
        value = control.get(name)
        return value if isinstance(value, int) and value > 0 else 1 << 30

    programmes = min(number("maximumPrograms"), number("maximumCalendars") * 2)
    return Limits(programmes, number("maximumCalendars"), number("maxSwitchPointsPerProgram"), control.get("dayOffset") == 12)


def programmes(layout: Layout, limits: Limits) -> Programmes:
    """Return the timetable of every segment in as few programmes as there are different ones."""
    percents = np.clip(np.ceil(day_outputs(layout) * 100.0 - 1e-6), 1, 100).astype(np.uint8)
    work, rest = percents[WORK], percents[REST]
    if limits.noon:  # a night then has the rules of one day throughout: the brighter of both is right on either
        work = rest = np.maximum(work, rest)
    table = np.concatenate([work, rest], axis=1)
    kinds, of_segment, count = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    of_segment = of_segment.reshape(-1)
    most = max(min(limits.calendars, limits.programmes // 2), 1)
    days: list[tuple[Points, Points]] = []
    place = np.zeros(len(kinds), dtype=np.int64)
    for rank, kind in enumerate(np.argsort(-count, kind="stable").tolist()):
        if rank < most - (len(kinds) > most):
            row = kinds[kind]
            days.append((_points(row[:QUARTERS], limits.points), _points(row[QUARTERS:], limits.points)))
        elif rank == most - 1 or not days:
            days.append((FULL, FULL))  # more kinds than can be held: the rarest burn in full
        place[kind] = len(days) - 1
    return Programmes(tuple(place[of_segment].tolist()), tuple(days))


def _points(percents: "Sequence[int] | np.ndarray[Any, Any]", most: int) -> Points:
    """Return the points at which a day's output changes; where there are too many, neighbours become the brighter of both."""
    points: list[tuple[int, int]] = []
    for k, percent in enumerate(int(p) for p in percents):
        if not points or points[-1][1] != percent:
            points.append((k * QUARTER_S, percent))
    while len(points) > max(most, 1):
        ends = [at_s for at_s, _ in points[1:]] + [QUARTERS * QUARTER_S]
        hours = [end - at_s for (at_s, _), end in zip(points, ends, strict=True)]
        cost = [
            (max(a, b) - a) * ha + (max(a, b) - b) * hb
            for (_, a), (_, b), ha, hb in zip(points, points[1:], hours, hours[1:], strict=False)
        ]
        at = cost.index(min(cost))
        merged = (points[at][0], max(points[at][1], points[at + 1][1]))
        points = [*points[:at], merged, *points[at + 2 :]]
        points = [p for k, p in enumerate(points) if k == 0 or p[1] != points[k - 1][1]]
    return tuple(points)
