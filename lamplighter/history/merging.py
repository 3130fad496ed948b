# SPDX-License-Identifier: Apache-2.0
"""How finely what was counted of users may be kept: the fewer there were, the coarser in time, then in place, then not.

What is put together leaves out what is kept by itself, holds enough users and more than one cell or box, and no total is
kept beside it: nothing can be found by taking sums from one another. Windows of two lengths are never mixed in a box.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.history.tables import FLOORS, LOW_COUNT
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

BLOCK_S = 900
WINDOW_S = 300

# Each cell by itself in every window, or over the block; the quiet cells of a box together; the quiet boxes of an
# area together; nothing.
BY_WINDOW, BY_BLOCK, BY_BOX, BY_REST, NOT_KEPT = range(5)


@dataclass(frozen=True)
class Fineness:
    """How finely each box is kept (b,), one of the five above, and what its cells counted over the block (b,).

    joined (c,): of boxes that are kept BY_BOX, the cells that are put together; their other cells stand by themselves.
    """

    how: IntArray
    users_count: FloatArray
    joined: BoolArray


def _every(ok: BoolArray, box: IntArray, boxes: int) -> BoolArray:
    """Return for every box whether all its cells are fine; False where it has none."""
    short = np.bincount(box[~ok], minlength=boxes) > 0
    return ~short & (np.bincount(box, minlength=boxes) > 0)


def fineness(users_count: FloatArray, cell_box: IntArray, box_area: IntArray, kind: str) -> Fineness:
    """Return how finely the boxes may be kept.

    users_count (w, c): what each cell of this kind counted in each whole window of a block; cell_box (c,): its box;
    box_area (b,): a number per box; kind: the cells' kind, whose floors hold.
    """
    boxes = len(box_area)
    total = users_count.sum(axis=0)
    of_box = np.bincount(cell_box, weights=total, minlength=boxes).astype(np.float64)
    cells = np.bincount(cell_box, minlength=boxes)
    how = np.full(boxes, BY_REST, np.int64)
    how[cells == 0] = NOT_KEPT
    how[(cells >= FLOORS["zone"].members_min) & (of_box >= LOW_COUNT)] = BY_BOX
    how[_every(total >= LOW_COUNT, cell_box, boxes)] = BY_BLOCK
    if FLOORS[kind].window_min_s <= WINDOW_S and len(users_count):
        how[_every(users_count.min(axis=0) >= LOW_COUNT, cell_box, boxes)] = BY_WINDOW
    for area in np.unique(box_area[how == BY_REST]):
        _gather(how, of_box, np.flatnonzero((box_area == area) & (cells > 0)))
    joined = np.zeros(len(cell_box), np.bool_)
    for box in np.flatnonzero(how == BY_BOX):
        mine = np.flatnonzero(cell_box == box)
        joined[mine[_quietest(total[mine], FLOORS["zone"].members_min)]] = True
    return Fineness(how, of_box, joined)


def _quietest(users_count: FloatArray, members_min: int) -> IntArray:
    """Return those with too few users and the next quietest, until together they are enough; none where all are too few."""
    order = np.argsort(users_count, kind="stable")
    few = int(np.count_nonzero(users_count < LOW_COUNT))
    enough = (np.cumsum(users_count[order]) >= LOW_COUNT) & (np.arange(1, len(order) + 1) >= max(members_min, few))
    return order[: int(np.argmax(enough)) + 1] if enough.any() else order[:0]


def _gather(how: IntArray, of_box: FloatArray, mine: IntArray) -> None:
    """Let the quietest boxes of an area join those that are too quiet, until together they may be kept; else keep none."""
    quiet = how[mine] == BY_REST
    order = np.concatenate([mine[quiet], mine[~quiet][np.argsort(of_box[mine[~quiet]], kind="stable")]])
    reached = np.cumsum(of_box[order]) >= LOW_COUNT
    enough = reached & (np.arange(1, len(order) + 1) >= max(FLOORS["rest"].members_min, int(quiet.sum())))
    if enough.any():
        how[order[: int(np.argmax(enough)) + 1]] = BY_REST
    else:
        how[order] = NOT_KEPT


def merged(values: FloatArray, into: IntArray, groups: int, biggest: BoolArray) -> FloatArray:
    """Return rows (n, j) put together into groups (g, j): summed, or the largest where `biggest` (j,); -1 leaves a row out."""
    use = into >= 0
    result = np.zeros((groups, values.shape[1]))
    sums = np.zeros((groups, int((~biggest).sum())))
    np.add.at(sums, into[use], values[use][:, ~biggest])
    tops = np.zeros((groups, int(biggest.sum())))
    np.maximum.at(tops, into[use], values[use][:, biggest])
    result[:, ~biggest], result[:, biggest] = sums, tops
    return result


def few_together(counts: IntArray, box_area: IntArray) -> tuple[BoolArray, dict[int, tuple[int, int]]]:
    """Return which boxes (b,) may show their own count, and per area what the others counted together and how many they are.

    Areas whose others counted too little, or are a single box, are left out.
    """
    own = counts >= LOW_COUNT
    rest: dict[int, tuple[int, int]] = {}
    for area in np.unique(box_area[~own & (counts > 0)]).tolist():
        others = ~own & (box_area == area)
        total, members = int(counts[others].sum()), int(others.sum())
        if total >= LOW_COUNT and members >= FLOORS["rest"].members_min:
            rest[area] = (total, members)
    return own, rest
