# SPDX-License-Identifier: Apache-2.0
"""Diagnoses a running city from its twin: the same measures, from what aggregates allow, and no log anywhere.

Every second's changes live in memory for a minute at most and are then sums.
"""

from collections.abc import Mapping

import numpy as np

from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Diagnosis, Settings
from lamplighter.services.traffic.diagnosis.events import Events, join
from lamplighter.services.traffic.diagnosis.watching import Second, Watcher, detector_tables
from lamplighter.services.traffic.layout import Layout
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.snapshot import Snapshot

TOGETHER_S = 60
QUANTITIES = ("group_state", "count_veh", "occupancy_share", "area_veh", "call_waiting")


def second_of(snapshot: Snapshot, within_s: float = 1.5) -> Second:
    """Return what a Snapshot holds that is not older than within_s."""
    many = snapshot.span.stop - snapshot.span.start
    fresh: BoolArray = np.zeros(many, np.bool_)

    def reported(name: str) -> FloatArray:
        column = snapshot.latest.get(name)
        if column is None:
            return np.zeros(many)
        known = column.fresh(snapshot.now_s, within_s)
        np.logical_or(fresh, known, out=fresh)
        return np.where(known, column.value, 0.0)

    states, counts, shares, areas, calls = (reported(name) for name in QUANTITIES)
    return Second(states, counts, shares, areas, calls, fresh)


class Follower:
    """Follows a city second by second. offset_s: local time less UTC."""

    def __init__(self, layout: Layout, offset_s: int, settings: Settings | None = None) -> None:
        self._watcher = Watcher(layout, offset_s)
        self._diagnosis = Diagnosis(settings or Settings(slack_s=60.0), detector_tables(layout))
        self._waiting: list[Events] = []

    def follow(self, snapshot: Snapshot) -> None:
        """Count what changed since the last second."""
        self.take(self._watcher.see(second_of(snapshot), snapshot.now_s))

    def take(self, events: Events) -> None:
        """Count one second's changes."""
        self._waiting.append(events)
        if len(self._waiting) >= TOGETHER_S:
            self._diagnosis.add(join(self._waiting))
            self._waiting.clear()

    def finish(self) -> Mapping[int, BoxSums]:
        """Return the sums by number of the box; nothing may follow."""
        self._diagnosis.add(join(self._waiting))
        self._waiting.clear()
        return self._diagnosis.finish()
