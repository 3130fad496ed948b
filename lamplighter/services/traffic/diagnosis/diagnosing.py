# SPDX-License-Identifier: Apache-2.0
"""Takes a log chunk by chunk and keeps sums: one box after the other, nothing per event."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from lamplighter.services.traffic.diagnosis import counting
from lamplighter.services.traffic.diagnosis.events import NO_TABLE, DetectorTable, Events, uses
from lamplighter.services.traffic.diagnosis.ordering import DAY_MS, Sorter, Wait
from lamplighter.services.traffic.diagnosis.tally import (
    DAY_MIN,
    FLOOR_MIN,
    C,
    Carry,
    Rules,
    Tally,
    make_room,
    new_carry,
    new_tally,
)
from lamplighter.terms.columns import IntArray

SECOND_MS, MINUTE_MS = 1_000, 60_000
# The longest silence of a box by the minute of the day from which it counts (the times of day are those that Oregon's
# Department of Transportation found on 420 signals): at night a box that rests in green says nothing for minutes.
SILENCES_S: Mapping[int, float] = {300: 300.0, 360: 120.0, 1260: 300.0, 1380: 900.0}


@dataclass(frozen=True)
class Settings:
    """How a log is diagnosed.

    quarter_min: minutes that are summed up together, a divisor of the day, not below 5 (what the record plane may hold);
    fold: days are laid over one another, so that the sums do not grow; slack_s: how much later than the newest event one
    may come and still count; ahead_s: how long a lost change of a detector may be filled in; latency_s: how late the box
    hears its detectors; red_s and occupied_share: split failures; caller_s: pushes closer together are one caller's;
    assumed_cycle_s, skip_ratio, priority_skip_ratio, recovery_s: calls that waited so many cycles were skipped, those
    during a preemption or recovery_s after it are not counted; short_s: a shorter actuation is a flicker;
    run_cycle: the box says its cycle as event 316.
    """

    quarter_min: int = 15
    fold: bool = False
    slack_s: float = 300.0
    ahead_s: float = 300.0
    latency_s: float = 0.0
    part_min: int = 5
    part_events: int = 3
    silences_s: Mapping[int, float] = field(default_factory=lambda: SILENCES_S)
    red_s: float = 5.0
    occupied_share: float = 0.8
    caller_s: float = 15.0
    assumed_cycle_s: float = 140.0
    skip_ratio: float = 1.5
    priority_skip_ratio: float = 2.0
    recovery_s: float = 120.0
    short_s: float = 0.1
    run_cycle: bool = False

    def __post_init__(self) -> None:
        """ValueError says which setting is out of range and what is allowed."""
        if self.quarter_min < FLOOR_MIN or DAY_MIN % self.quarter_min:
            raise ValueError(
                f"quarter_min {self.quarter_min}: a whole number of minutes that divides the day, {FLOOR_MIN} or more; "
                "finer than that the record may not hold"
            )
        if self.quarter_min % self.part_min:
            raise ValueError(f"part_min {self.part_min}: must divide quarter_min, {self.quarter_min}")
        if not 0 <= self.latency_s <= self.ahead_s or self.ahead_s < SECOND_MS * 5 / SECOND_MS:
            raise ValueError(f"latency_s {self.latency_s} and ahead_s {self.ahead_s}: 0 to ahead_s, and 5 or more")


def rules_of(settings: Settings) -> Rules:
    """Return the settings as the kernels read them."""
    gap_ms = np.zeros(DAY_MIN, np.int64)
    starts = sorted(settings.silences_s)
    for minute in range(DAY_MIN):
        begun = [start for start in starts if start <= minute]
        gap_ms[minute] = int(settings.silences_s[begun[-1] if begun else starts[-1]] * SECOND_MS)
    return Rules(
        quarter_ms=settings.quarter_min * MINUTE_MS,
        day_quarters=DAY_MIN // settings.quarter_min,
        folded=settings.fold,
        part_ms=settings.part_min * MINUTE_MS,
        part_events=settings.part_events,
        gap_ms=gap_ms,
        red_ms=int(settings.red_s * SECOND_MS),
        occupied_share=settings.occupied_share,
        caller_ms=int(settings.caller_s * SECOND_MS),
        assumed_cycle_s=int(settings.assumed_cycle_s),
        skip_ratio=settings.skip_ratio,
        priority_skip_ratio=settings.priority_skip_ratio,
        recovery_ms=int(settings.recovery_s * SECOND_MS),
        short_ms=int(settings.short_s * SECOND_MS),
        run_cycle=settings.run_cycle,
    )


@dataclass(frozen=True)
class BoxSums:
    """What a log says of one box: sums, the first and last event (local ms), its detector table, and what was dropped.

    `carry` tells what stood when the log ended: which detector was on, since when.
    """

    tally: Tally
    carry: Carry
    rules: Rules
    table: DetectorTable
    first_ms: int
    last_ms: int
    dropped: Mapping[str, int]

    @property
    def quarter_starts_ms(self) -> IntArray:
        """Return when each row of the sums begins: local ms since 1970, or since midnight where days are folded."""
        return (np.arange(len(self.tally.box)) + int(self.tally.first[0])) * self.rules.quarter_ms

    @property
    def quarters(self) -> slice:
        """Return the rows between the first and the last event."""
        if self.rules.folded:
            return slice(0, self.rules.day_quarters)
        first = int(self.tally.first[0])
        return slice(self.first_ms // self.rules.quarter_ms - first, self.last_ms // self.rules.quarter_ms - first + 1)


class _Box:
    def __init__(self, table: DetectorTable, settings: Settings, rules: Rules) -> None:
        self.table, self.rules, self.uses = table, rules, uses(table)
        wait = Wait(*(int(part * SECOND_MS) for part in (settings.slack_s, settings.ahead_s, settings.latency_s)))
        self.sorter = Sorter(self.uses, wait)
        self.tally, self.carry = new_tally(rules), new_carry()

    def count(self, rows: IntArray) -> None:
        if len(rows) == 0:
            return
        group, detector = counting.extent(rows)
        group = max(group, int(self.table.group.max(initial=0)))
        detector = max(detector, int(self.table.detector.max(initial=0)))
        quarter_ms = self.rules.quarter_ms
        self.tally = make_room(
            self.tally, self.rules, (int(rows[0, 0]) // quarter_ms, int(rows[-1, 0]) // quarter_ms), group, detector
        )
        counting.count(rows, self.tally, self.carry, self.rules, self.uses)

    def sums(self) -> BoxSums:
        self.count(self.sorter.finish())
        counting.end(self.tally, self.carry, self.rules)
        dropped = dict(self.sorter.dropped)
        dropped["strange"] += int(self.carry.box[C.STRANGE])
        first_ms, last_ms = int(self.carry.box[C.FIRST_MS]), int(self.carry.box[C.LAST_MS])
        return BoxSums(self.tally, self.carry, self.rules, self.table, first_ms, last_ms, dropped)


class Diagnosis:
    """A diagnosis under way. tables: the detector table of each box by its number; a box without one has no zones."""

    def __init__(self, settings: Settings, tables: Mapping[int, DetectorTable]) -> None:
        self._settings, self._rules, self._tables = settings, rules_of(settings), tables
        self._boxes: dict[int, _Box] = {}

    def add(self, events: Events) -> None:
        """Count a chunk of any length, in any order within the slack; it is not kept."""
        if len(events.box) == 0:
            return
        first = int(events.box[0])
        if bool((events.box == first).all()):
            self._add(first, events)
            return
        order = np.argsort(events.box, kind="stable")
        ordered = events.take(order.astype(np.int64))
        cuts = np.flatnonzero(np.diff(ordered.box)) + 1
        for from_row, to_row in zip((0, *cuts.tolist()), (*cuts.tolist(), len(order)), strict=True):
            self._add(int(ordered.box[from_row]), Events(*(column[from_row:to_row] for column in ordered)))

    def _add(self, number: int, events: Events) -> None:
        box = self._boxes.get(number)
        if box is None:
            box = self._boxes[number] = _Box(self._tables.get(number, NO_TABLE), self._settings, self._rules)
        box.count(box.sorter.push(events))

    def finish_each(self) -> Iterator[tuple[int, BoxSums]]:
        """Give the sums box by box; nothing may be added once the first was taken."""
        for number, box in sorted(self._boxes.items()):
            yield number, box.sums()

    def finish(self) -> Mapping[int, BoxSums]:
        """Return the sums by number of the box; nothing may be added after it."""
        return dict(self.finish_each())


__all__ = ["DAY_MS", "SILENCES_S", "BoxSums", "Diagnosis", "Settings", "rules_of"]
