# SPDX-License-Identifier: Apache-2.0
"""What the boxes say once a second, as bytes in their own units, and what they read from a command."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.wire import COMMAND, HEADER, VERSION
from lamplighter.terms.columns import BoolArray, IntArray


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


def telegram(values: IntArray, present: BoolArray, clock_s: int) -> bytes:
    """Return one telegram: values (n,) in device units, of which those not present are said to be missing."""
    kept = np.where(present, np.clip(values, 0, np.iinfo(np.uint32).max), 0).astype("<u4")
    return HEADER.pack(VERSION, 0, len(kept), clock_s) + np.packbits(present, bitorder="little").tobytes() + kept.tobytes()
