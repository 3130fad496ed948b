# SPDX-License-Identifier: Apache-2.0
"""Diagnoses a running city from its twin: the same measures, from what aggregates allow, and no log anywhere.

Every second's changes live in memory for a minute at most and are then sums.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.history.tables import LOW_COUNT
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums, Diagnosis, Settings
from lamplighter.services.traffic.diagnosis.events import Events, join
from lamplighter.services.traffic.diagnosis.findings import Names, standing_out
from lamplighter.services.traffic.diagnosis.watching import Second, Watcher, detector_tables, outlook
from lamplighter.services.traffic.layout import CALL, FAR, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.prepared import Prepared
from lamplighter.terms.asking import Finding
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.snapshot import Column, Snapshot

TOGETHER_S = 60
HOUR_S = 3600.0
BOXES_MAX = 200  # half a megabyte each while an hour is watched; larger cities are diagnosed from their record
BOXES_A_TICK = 2  # how many are judged in one tick once the hour is over
SILENT_SHARE = 0.05
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
        self.take(self.see(second_of(snapshot), snapshot.now_s))

    def see(self, now: Second, now_s: float) -> Events:
        """Return what changed in the second that ended at now_s."""
        return self._watcher.see(now, now_s)

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

    def finish_each(self) -> Iterator[tuple[int, BoxSums]]:
        """Give the sums box by box, by number of the box; nothing may follow once the first was taken."""
        self._diagnosis.add(join(self._waiting))
        self._waiting.clear()
        yield from self._diagnosis.finish_each()


def names_of(city: CityData, layout: Layout) -> Mapping[int, Names]:
    """Return by number of the box what its signal_groups and detectors are called: asset ids, with streets."""
    view, start, ids = outlook(layout), layout.start, city.assets.id
    signs = dict(zip(city.streets.id.tolist(), city.streets.name.tolist(), strict=True))
    groups: dict[int, dict[int, str]] = {}
    detectors: dict[int, dict[int, str]] = {}
    of = (
        (groups, view.group_at, view.group_box, view.group_number),
        (detectors, view.loop_at, view.loop_box, view.loop_number),
        (detectors, view.area_at, view.area_box, view.area_number),
    )
    for into, places, boxes, numbers in of:
        for place, box, number in zip((places + start).tolist(), boxes.tolist(), numbers.tolist(), strict=True):
            street = str(signs.get(str(city.assets.street[place]), ""))
            into.setdefault(box, {})[number] = f"{ids[place]} ({street})" if street else str(ids[place])
    return {box: Names(groups.get(box, {}), detectors.get(box, {})) for box in range(len(layout.boxes.tls))}


class CityWatch:
    """Watches a running city hour by hour. An hour that is over is judged a few boxes a tick, so that no tick waits for it."""

    def __init__(self, city: CityData, layout: Layout) -> None:
        self._layout, self._zone = layout, ZoneInfo(city.place.timezone)
        self._names, self._ids = names_of(city, layout), city.assets.id
        d = layout.detectors
        self._heard_rows = np.flatnonzero(d.boxed & np.isin(d.role, (STOP_LINE, NEAR, FAR, CALL)))
        self._heard_s: FloatArray = np.zeros(len(self._heard_rows))
        self._follower: Follower | None = None
        self._begin_s = self._seen_s = 0.0
        self._judging: Iterator[tuple[int, BoxSums]] | None = None
        self._over: tuple[float, float] = (0.0, 0.0)
        self._made: list[Finding] = []
        self._found: tuple[Finding, ...] = ()

    def follow(self, snapshot: Snapshot) -> None:
        """Take in one more second; judge a little of the hour before."""
        if self._follower is None or snapshot.now_s // HOUR_S != self._begin_s // HOUR_S:
            self._turn(snapshot.now_s)
        if self._follower is not None:
            self._follower.follow(snapshot)
        second = _heard(snapshot)[self._layout.detectors.local[self._heard_rows]]
        self._heard_s += second
        self._seen_s += 1.0
        self._judge()

    def found(self) -> tuple[Finding, ...]:
        """Return what stood out in the last hour that is judged."""
        return self._found

    def _turn(self, now_s: float) -> None:
        """End the hour and begin the next one."""
        if self._follower is not None:
            self._judging, self._over = self._follower.finish_each(), (self._begin_s, now_s)
            self._made = list(self._silent())
        offset = datetime.fromtimestamp(now_s, self._zone).utcoffset()
        self._follower = Follower(self._layout, int(offset.total_seconds()) if offset is not None else 0)
        self._begin_s, self._seen_s = now_s, 0.0
        self._heard_s = np.zeros(len(self._heard_rows))

    def _judge(self) -> None:
        if self._judging is None:
            return
        for _ in range(BOXES_A_TICK):
            one = next(self._judging, None)
            if one is None:
                self._judging, self._found = None, tuple(self._made)
                return
            number, sums = one
            self._made += [self._finding(number, text) for text in standing_out(sums, self._names[number], LOW_COUNT)]

    def _finding(self, box: int, text: str) -> Finding:
        return Finding(int(self._layout.boxes.local[box]) + self._layout.start, *self._over, text)

    def _silent(self) -> Iterator[Finding]:
        """Give the detectors of which nothing was heard for long."""
        silent_share = 1.0 - self._heard_s / max(self._seen_s, 1.0)
        d, start = self._layout.detectors, self._layout.start
        for row in np.flatnonzero(silent_share > SILENT_SHARE).tolist():
            detector = int(self._heard_rows[row])
            name = self._ids[int(d.local[detector]) + start]
            minutes = silent_share[row] * (self._over[1] - self._over[0]) / 60.0
            yield self._finding(int(d.box[detector]), f"Nothing was heard of {name} for {minutes:.0f} min.")


def _heard(snapshot: Snapshot) -> BoolArray:
    """Return of which assets of the service's run anything fresh is known (k,)."""
    found: BoolArray = np.zeros(int(snapshot.span.stop) - int(snapshot.span.start), np.bool_)
    for column in snapshot.latest.values():
        found |= column.fresh(snapshot.now_s, 5.0)
    return found


class Nobody:
    """Watches nothing: the city is too large to be watched in memory."""

    def follow(self, snapshot: Snapshot) -> None:
        """Look away."""

    def found(self) -> tuple[Finding, ...]:
        """Return nothing."""
        return ()


def watch_city(city: CityData, prepared: Prepared) -> CityWatch | Nobody:
    """Return what watches a running city for its operators; its kernels are compiled here, not in a tick."""
    layout = prepared.layout
    if len(layout.boxes.tls) > BOXES_MAX:
        return Nobody()
    trial = Follower(layout, 0)
    nothing = np.zeros(city.span.stop - city.span.start)
    for now_s in range(3):
        light = np.full(len(nothing), 2.0 * (now_s % 2))
        trial.take(trial.see(Second(light, light, light, light, light, np.ones(len(nothing), np.bool_)), float(now_s)))
    for number, sums in trial.finish_each():
        standing_out(sums, Names(), number)
    return CityWatch(city, layout)
