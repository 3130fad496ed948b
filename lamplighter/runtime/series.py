# SPDX-License-Identifier: Apache-2.0
"""Outcomes over time, window by window, for the charts: the same keeper runs with lamplighter and without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamplighter.evidence.totals import OutcomeTotals
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.service import Service

WINDOW_S = 120.0
POINTS_MAX = 2_000  # per outcome; beyond it the oldest go: a page shows hours, not weeks


@dataclass(frozen=True)
class Point:
    """The values of one service's outcomes over one closed window, and since the start."""

    service: str
    end_s: float
    window: Mapping[str, float]
    since_start: Mapping[str, float]


class SeriesKeeper:
    """Adds outcome rows up into windows of city time and hands out closed ones."""

    def __init__(self, services: Sequence[Service], areas: tuple[str, ...], begin_s: float) -> None:
        self._services = tuple(services)
        self._areas = areas
        self._open = {s.name: OutcomeTotals(s.outcome_names, areas) for s in services}
        self._all = {s.name: OutcomeTotals(s.outcome_names, areas) for s in services}
        self._end_s = begin_s + WINDOW_S

    def add(self, service: str, rows: OutcomeRows | None) -> None:
        """Count contributions of the window now open."""
        if rows is not None and len(rows.outcome):
            self._open[service].add(rows)
            self._all[service].add(rows)

    def closed(self, now_s: float) -> list[Point]:
        """Return the points of windows that ended by `now_s`; empty while the window is open."""
        points: list[Point] = []
        while now_s >= self._end_s:
            for service in self._services:
                name = service.name
                points.append(Point(name, self._end_s, self._open[name].totals(), self._all[name].totals()))
                self._open[name] = OutcomeTotals(service.outcome_names, self._areas)
            self._end_s += WINDOW_S
        return points

    def since_start(self) -> dict[str, dict[str, float]]:
        """Return every service's outcomes since the start."""
        return {name: totals.totals() for name, totals in self._all.items()}
