# SPDX-License-Identifier: Apache-2.0
"""What the boxes say once a second, as bytes in their own units, and what they read from a command."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lamplighter.services.traffic.wire import COMMAND, HEADER, VERSION
from lamplighter.terms.columns import BoolArray, IntArray

MOST = 2**32 - 1  # what a value of 32 bits can say


@dataclass(frozen=True)
class Command:
    """A command as a box reads it: what to do (see `wire`), the stage, the second at which it ends."""

    what: int
    stage: int
    until_s: int


def read_command(payload: bytes) -> Command | None:
    """Return the command, or None where a box of this version cannot read it."""
    if len(payload) != COMMAND.size:
        return None
    version, what, stage, until_s = COMMAND.unpack(payload)
    return Command(what, stage, until_s) if version == VERSION else None


def telegrams(values: IntArray, present: BoolArray, offsets: IntArray, clock_s: int) -> list[bytes]:
    """Return one telegram per run of values: values, present (n,) in device units, runs by offsets (t+1,).

    Values not present are said to be missing.
    """
    kept = np.where(present, np.minimum(np.maximum(values, 0), MOST), 0).astype("<u4").tobytes()
    whole = bool(present.all())
    at: list[int] = offsets.tolist()
    said: list[bytes] = []
    for first, last in pairwise(at):
        count = last - first
        marks = _full(count) if whole else np.packbits(present[first:last], bitorder="little").tobytes()
        said.append(HEADER.pack(VERSION, 0, count, clock_s) + marks + kept[4 * first : 4 * last])
    return said


def _full(count: int) -> bytes:
    """Return the marks of a telegram in which nothing is missing."""
    return ((1 << count) - 1).to_bytes((count + 7) // 8, "little")
