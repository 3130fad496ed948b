# SPDX-License-Identifier: Apache-2.0
"""Groups of neighbouring charging points, each large enough that nobody stands out in its sums."""

import numpy as np

from lamplighter.services.grid.envelopes.envelope import Members
from lamplighter.services.grid.envelopes.radial import Radial
from lamplighter.services.grid.hosting.cars import FULL_KW
from lamplighter.services.grid.terms import GROUP_POINTS_MIN
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray


def depth_pu(parent: IntArray, z_pu: AnyArray) -> FloatArray:
    """Return the resistance (n,) from the source down to each row."""
    depth = np.asarray(np.real(z_pu), np.float64).copy()
    for row in range(1, len(parent)):
        if parent[row] >= 0:
            depth[row] += depth[parent[row]]
    return depth


def grouped(tree: Radial, points: FloatArray, least: int = GROUP_POINTS_MIN) -> tuple[Members, IntArray]:
    """Return the groups of a grid with so many points (n,) at each row, and the group (n,) of each row, -1 where none.

    From the far ends up: a part of the tree becomes a group as soon as it has `least` points. What is left at the head
    of a feeder joins the smallest group of that feeder; feeders with fewer points than that share a group.
    """
    many = len(tree.parent)
    waiting: list[list[int]] = [[row] if points[row] > 0 else [] for row in range(many)]
    count = np.asarray(points, np.float64).copy()
    rows_of: list[list[int]] = []
    top: list[int] = []
    made: list[list[int]] = [[] for _ in range(many)]  # groups of the feeder below a row
    for row in range(many - 1, -1, -1):
        up = int(tree.parent[row])
        ends_here = up < 0 or not (tree.is_line[row] and tree.is_line[up])
        if count[row] >= least:
            made[row].append(len(rows_of))
            rows_of.append(waiting[row])
            top.append(row)
            waiting[row], count[row] = [], 0.0
        elif ends_here and waiting[row] and made[row]:
            smallest = min(made[row], key=lambda group: sum(float(points[r]) for r in rows_of[group]))
            rows_of[smallest] += waiting[row]
            top[smallest] = row
            waiting[row], count[row] = [], 0.0
        elif up < 0 and waiting[row]:
            rows_of.append(waiting[row])
            top.append(row)
        if up >= 0:
            waiting[up] += waiting[row]
            count[up] += count[row]
            if not ends_here:
                made[up] += made[row]
            waiting[row] = []
    depth = depth_pu(tree.parent, tree.z_pu)
    of_row = np.full(many, -1, np.int64)
    parts: list[tuple[int, int]] = []
    for group, rows in enumerate(rows_of):
        of_row[rows] = group
        parts += [(group, row) for row in sorted(rows, key=lambda r: -depth[r])]
    part_row = np.array([row for _, row in parts], dtype=np.int64)
    members = Members(
        np.array(top, dtype=np.int64),
        np.array([group for group, _ in parts], dtype=np.int64),
        part_row,
        np.asarray(points, np.float64)[part_row] * FULL_KW,
    )
    return members, of_row
