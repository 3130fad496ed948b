# SPDX-License-Identifier: Apache-2.0
"""Which line phases connections hang on, where the operator's register says so: how lopsided each branch is."""

from typing import NamedTuple

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, Grid, find
from lamplighter.services.grid.network.sharing import sums_below
from lamplighter.terms.columns import FloatArray

TURN = np.exp(2j * np.pi / 3.0)


class LinePhases(NamedTuple):
    """Per row (n,): negative over positive sequence of what homes take through the branch above (0 where not known), and the
    fullest line phase over their mean (1 where not known). known: whether any row says."""

    unbalanced_ratio: FloatArray
    fullest_ratio: FloatArray
    known: bool


def line_phases_of(grid: Grid) -> LinePhases:
    """Return the lopsidedness of branches, from counts of connections per line phase. Nodes without counts are taken as even."""
    tree, many = grid.tree, len(grid.tree.node)
    table = grid.tables["line_phases"]
    if len(table["node"]) == 0:
        return LinePhases(np.zeros(many), np.ones(many), False)
    even = np.asarray(grid.nodes.connections_count[tree.node], np.float64) / 3.0
    counts = np.stack([even, even, even])
    node = find(grid.nodes.id, table["node"].astype(np.str_))
    row = tree.row[np.maximum(node, 0)]
    use = (node != ABSENT) & (row != ABSENT)
    for line_phase in range(3):
        counts[line_phase, row[use]] = np.asarray(table[f"connections_l{line_phase + 1}"], np.float64)[use]
    below = np.stack([sums_below(tree.parent, one) for one in counts])
    total = np.maximum(below.sum(axis=0), 1e-9)
    minus = np.abs(below[0] + TURN**2 * below[1] + TURN * below[2])
    low = grid.nodes.station[tree.node] != ABSENT
    fullest = np.where(low & (below.sum(axis=0) > 0), 3.0 * below.max(axis=0) / total, 1.0)
    return LinePhases(np.where(low, minus / total, 0.0), fullest, True)
