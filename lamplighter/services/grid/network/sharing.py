# SPDX-License-Identifier: Apache-2.0
"""Sums over the tree and the max-min fair share of what every branch has left.

Progressive filling (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2) on a forest: the rate per
point rises for all groups together; a group stops when it has all it wants or when a branch above it is full.
Branches that fill independently of one another are handled in the same round, so rounds grow with the depth of
nested bottlenecks and not with the number of stations.
"""

import numpy as np
from numba import njit

from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.terms.columns import FloatArray, IntArray

ROUNDS_MAX = 64


@njit(cache=True)
def sums_below(parent: IntArray, own: FloatArray) -> FloatArray:
    """Return per row (n,) the sum of `own` over the row and everything below it. Parents stand before children."""
    total = own.copy()
    for row in range(len(parent) - 1, -1, -1):
        if parent[row] >= 0:
            total[parent[row]] += total[row]
    return total


@njit(cache=True)
def fallen(parent: IntArray, own: FloatArray) -> FloatArray:
    """Return sums (n,) from the source down to each row."""
    total = own.copy()
    for row in range(len(parent)):
        if parent[row] >= 0:
            total[row] += total[parent[row]]
    return total


def sums_of_groups(parent: IntArray, attach: IntArray, group_kw: FloatArray) -> FloatArray:
    """Return what groups draw (g,) below the rows `attach` (ABSENT: nowhere) as sums over the tree (n,)."""
    on = attach != ABSENT
    own = np.bincount(attach[on], weights=group_kw[on], minlength=len(parent))
    return sums_below(parent, np.asarray(own, np.float64))


@njit(cache=True)
def share(
    parent: IntArray, headroom_kw: FloatArray, attach: IntArray, weight: FloatArray, wanted_kw: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Return the max-min fair power (g,) per weight, and the row of the branch that stopped each group (-1: none).

    headroom_kw (n,): what the branch above each row has left; attach (g,): row below which the group draws;
    weight (g,): points that want power; wanted_kw (g,): most the group wants. No branch is filled beyond its headroom.
    """
    rows, groups = len(parent), len(attach)
    given, stopped = np.zeros(groups), np.full(groups, -1, np.int64)
    active = (weight > 0) & (wanted_kw > 0)
    least, by = np.zeros(rows), np.full(rows, -1, np.int64)
    for _ in range(ROUNDS_MAX):
        if not active.any():
            break
        wanting, taken = np.zeros(rows), np.zeros(rows)
        for g in range(groups):
            if active[g]:
                wanting[attach[g]] += weight[g]
            else:
                taken[attach[g]] += given[g]
        for row in range(rows - 1, -1, -1):
            if parent[row] >= 0:
                wanting[parent[row]] += wanting[row]
                taken[parent[row]] += taken[row]
        rate, least, by = np.full(rows, np.inf), np.full(rows, np.inf), np.full(rows, -1, np.int64)
        for row in range(rows):
            if wanting[row] > 0.0:
                rate[row] = max(headroom_kw[row] - taken[row], 0.0) / wanting[row]
            least[row], by[row] = rate[row], row
            if parent[row] >= 0 and least[parent[row]] <= least[row]:
                least[row], by[row] = least[parent[row]], by[parent[row]]
        lowest = np.full(rows, np.inf)
        for g in range(groups):
            if active[g]:
                lowest[attach[g]] = min(lowest[attach[g]], least[attach[g]], wanted_kw[g] / weight[g])
        for row in range(rows - 1, -1, -1):
            if parent[row] >= 0:
                lowest[parent[row]] = min(lowest[parent[row]], lowest[row])
        full = np.zeros(rows, np.bool_)
        for row in range(rows):
            full[row] = wanting[row] > 0.0 and rate[row] <= lowest[row]
            if parent[row] >= 0 and full[parent[row]]:
                full[row] = True
        moved = False
        for g in range(groups):
            if not active[g]:
                continue
            row = attach[g]
            if wanted_kw[g] <= least[row] * weight[g]:
                given[g], active[g], moved = wanted_kw[g], False, True
            elif full[row]:
                given[g], stopped[g], active[g], moved = least[row] * weight[g], by[row], False, True
        if not moved:
            break
    for g in range(groups):
        if active[g]:  # rounds ran out: what all branches above still allow is safe, if not the last word in fairness
            given[g], stopped[g] = least[attach[g]] * weight[g], by[attach[g]]
    return given, stopped


def attach_rows(grid: Grid) -> IntArray:
    """Return per group (g,) the row below which all its points lie (the lowest such), ABSENT where one is cut off."""
    tree, groups = grid.tree, grid.groups
    attach = np.full(len(groups.id), ABSENT, np.int64)
    cut = np.zeros(len(groups.id), np.bool_)
    for group, row in zip(groups.point_group.tolist(), tree.row[groups.point_node].tolist(), strict=True):
        if row == ABSENT:
            cut[group] = True
        elif attach[group] == ABSENT:
            attach[group] = row
        else:
            attach[group] = _common(tree.parent, int(attach[group]), row)
    attach[cut] = ABSENT
    return attach


def _common(parent: IntArray, first: int, second: int) -> int:
    """Return the lowest row above (or at) both. Rows grow with depth, so the larger one climbs."""
    while first != second:
        if first > second:
            first = int(parent[first])
        else:
            second = int(parent[second])
        if first == ABSENT or second == ABSENT:
            return 0
    return first


def points_below(grid: Grid) -> tuple[IntArray, IntArray, FloatArray]:
    """Return entries (m,): row, group, most that the group can draw below that row, for rows up to the busbar.

    How a group's limit spreads over its points is not known, so each branch is taken to carry as much of it as
    there are points below.
    """
    tree, groups = grid.tree, grid.groups
    stop = np.zeros(len(tree.node), np.bool_)
    stop[tree.row[grid.station_busbar[tree.row[grid.station_busbar] != ABSENT]]] = True
    total: dict[tuple[int, int], float] = {}
    power = groups.point_count * groups.p_point_kw[groups.point_group]
    for group, node, kw in zip(groups.point_group.tolist(), groups.point_node.tolist(), power.tolist(), strict=True):
        row = int(tree.row[node])
        while row != ABSENT and not stop[row]:
            total[row, group] = total.get((row, group), 0.0) + kw
            row = int(tree.parent[row])
    keys = sorted(total)
    rows = np.array([key[0] for key in keys], dtype=np.int64)
    return rows, np.array([key[1] for key in keys], dtype=np.int64), np.array([total[key] for key in keys], dtype=np.float64)
