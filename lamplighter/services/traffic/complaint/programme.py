# SPDX-License-Identifier: Apache-2.0
"""What is installed for one approach: its own programme's green and red, and the longest wait that is allowed."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic.prepared import Prepared
from lamplighter.terms.columns import BoolArray, FloatArray


@dataclass(frozen=True)
class Installed:
    """One approach as installed. Greens and reds of the own programme are rounded: a change belongs to the green before it.

    bound_s: the longest red while somebody waits, over all its signals; green_s and red_longest_s in one cycle.
    """

    bound_s: float
    cycle_s: float
    green_s: float
    red_longest_s: float


def installed(cell: int, prepared: Prepared) -> Installed:
    """Return what is installed for one cell of an intersection."""
    layout, what = prepared.layout, prepared.counting
    box = int(what.cells.cell_box[cell])
    groups = what.pair_group[what.pair_cell == cell]
    rows = slice(int(layout.boxes.programme_offsets[box]), int(layout.boxes.programme_offsets[box + 1]))
    stage_rows = int(layout.stages.offsets[box]) + layout.boxes.programme_stage[rows]
    green = layout.stages.green[stage_rows][:, groups - int(layout.groups.offsets[box])]
    split_s = layout.boxes.programme_split_s[rows]
    reds_s = [_longest_red_s(green[:, n], split_s) for n in range(len(groups))]
    return Installed(
        bound_s=float(layout.groups.red_max_s[groups].max(initial=0.0)),
        cycle_s=float(layout.boxes.cycle_s[box]),
        green_s=float(split_s[green.any(axis=1)].sum()) if len(groups) else 0.0,
        red_longest_s=max(reds_s, default=0.0),
    )


def _longest_red_s(green: BoolArray, split_s: FloatArray) -> float:
    """Return the longest run of positions without green, around the cycle's end too."""
    longest_s = run_s = 0.0
    for is_green, length_s in zip(np.tile(green, 2), np.tile(split_s, 2), strict=True):
        run_s = 0.0 if is_green else run_s + float(length_s)
        longest_s = max(longest_s, run_s)
    return min(longest_s, float(split_s.sum()))
