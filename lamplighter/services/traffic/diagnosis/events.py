# SPDX-License-Identifier: Apache-2.0
"""Events as they come out of a file, a chunk at a time, and what is known of a box's detectors."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.diagnosis.codes import ADVANCE, DETECTORS_MAX, GROUPS_MAX, PRESENCE, USES, YELLOW_RED
from lamplighter.terms.columns import IntArray


class Events(NamedTuple):
    """One chunk of a log, (n,) each: local time in ms since 1970 as the box wrote it, number of the box, event, parameter."""

    time_ms: IntArray
    box: IntArray
    event: IntArray
    parameter: IntArray

    def take(self, rows: IntArray) -> "Events":
        """Return some of the rows."""
        return Events(self.time_ms[rows], self.box[rows], self.event[rows], self.parameter[rows])


def join(chunks: "tuple[Events, ...] | list[Events]") -> Events:
    """Return several chunks as one."""
    if not chunks:
        return Events(*(np.zeros(0, np.int64) for _ in range(4)))
    return Events(*(np.concatenate(columns) for columns in zip(*chunks, strict=True)))


@dataclass(frozen=True)
class DetectorTable:
    """What each detector of one box is for, (r,): detector, signal_group and use (a position in USES).

    A detector may stand in several rows. Detectors that stand in none are counted and their health is judged.
    """

    detector: IntArray
    group: IntArray
    use: IntArray

    def __post_init__(self) -> None:
        """ValueError where a number is out of range."""
        for name, column, most in (("detector", self.detector, DETECTORS_MAX), ("signal_group", self.group, GROUPS_MAX)):
            wrong = np.flatnonzero((column < 0) | (column > most))
            if len(wrong):
                raise ValueError(f"detector table, row {wrong[0] + 1}: {name} {column[wrong[0]]} is not within 0 to {most}")


NO_TABLE = DetectorTable(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


class Uses(NamedTuple):
    """A detector table as the kernels read it: rows of each detector and use, ragged by detector.

    advance and crossing hold rows of the table, presence holds signal_groups; group (r,) is the table's column.
    """

    group: IntArray
    advance_offsets: IntArray
    advance: IntArray
    crossing_offsets: IntArray
    crossing: IntArray
    presence_offsets: IntArray
    presence: IntArray


def uses(table: DetectorTable) -> Uses:
    """Return the table sorted by detector, once per use; a row that stands there twice counts once."""
    columns: list[IntArray] = []
    for use in (ADVANCE, YELLOW_RED, PRESENCE):
        rows = np.flatnonzero(table.use == use)
        keys = table.detector[rows] * (GROUPS_MAX + 1) + table.group[rows]
        _, first = np.unique(keys, return_index=True)
        rows = rows[first]
        counts = np.bincount(table.detector[rows], minlength=DETECTORS_MAX + 1)
        columns += [np.concatenate(([0], np.cumsum(counts))).astype(np.int64), rows.astype(np.int64)]
    columns[5] = table.group[columns[5]]
    return Uses(table.group, *columns)


def use_of(word: str) -> int | None:
    """Return the use that a word of a detector table names, None for one that no measure needs (a count at the stop line)."""
    plain = word.strip().lower().replace(" ", "_").replace("/", "_")
    names = [name.lower() for name in USES]
    return names.index(plain) if plain in names else None
