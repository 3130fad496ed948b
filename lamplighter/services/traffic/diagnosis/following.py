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
from lamplighter.terms.columns import BoolArray
from lamplighter.terms.snapshot import Column, Snapshot

TOGETHER_S = 60
QUANTITIES = ("group_state", "count_veh", "occupancy_share", "area_veh", "call_waiting")


def second_of(snapshot: Snapshot, within_s: float = 1.5) -> Second:
    """Return what a Snapshot holds that is not older than within_s."""
    many = int(snapshot.span.stop) - int(snapshot.span.start)
    nowhere: BoolArray = np.zeros(many, np.bool_)
    nothing = Column(np.zeros(many), np.zeros(many), nowhere)
    columns = [snapshot.latest.get(name, nothing) for name in QUANTITIES]
    known = [column.fresh(snapshot.now_s, within_s) for column in columns]
    states, counts, shares, areas, calls = (np.where(k, column.value, 0.0) for k, column in zip(known, columns, strict=True))
    fresh: BoolArray = np.logical_or.reduce(known)
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
