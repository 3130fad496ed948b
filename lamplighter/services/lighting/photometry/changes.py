# SPDX-License-Identifier: Apache-2.0
"""Which fields a lamp lights: so that after a change only those are judged again."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from lamplighter.services.lighting.photometry.recheck import Kept
from lamplighter.services.lighting.photometry.verdict import Stored
from lamplighter.terms.columns import IntArray


@dataclass(frozen=True)
class Touch:
    """Lamp i counts for the fields field[offsets[i] : offsets[i + 1]], each once, in rising order."""

    offsets: IntArray
    field: IntArray


@njit(cache=True)
def _scan(run: IntArray, lamp: IntArray, offsets: IntArray, field: IntArray, write: bool) -> None:
    last = np.full(len(offsets) - 1, -1)
    at = offsets[:-1].copy()
    for f in range(len(run)):
        for block in range(run.shape[1]):
            for k in range(run[f, block, 0], run[f, block, 1]):
                own = lamp[k]
                if last[own] == f:
                    continue
                last[own] = f
                if write:
                    field[at[own]] = f
                    at[own] += 1
                else:
                    offsets[own + 1] += 1


def touch_of(stored: Stored | Kept, lamps: int) -> Touch:
    """Return for each of so many lamps the stored fields for which it counts."""
    offsets = np.zeros(lamps + 1, dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    _scan(stored.run, stored.lamp, offsets, none, write=False)
    offsets = np.cumsum(offsets)
    field = np.empty(int(offsets[-1]), dtype=np.int64)
    _scan(stored.run, stored.lamp, offsets, field, write=True)
    return Touch(offsets, field)


def touched(touch: Touch, lamps: IntArray) -> IntArray:
    """Return the fields, each once, for which any of these lamps counts."""
    parts = [touch.field[touch.offsets[i] : touch.offsets[i + 1]] for i in lamps.tolist()]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
