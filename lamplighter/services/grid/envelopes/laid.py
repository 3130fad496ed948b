# SPDX-License-Identifier: Apache-2.0
"""A city's grid laid out for planning station by station: what `envelopes.city` takes and what never changes."""

import numpy as np

from lamplighter.services.grid.envelopes.city import Stations
from lamplighter.services.grid.intervals import Parts
from lamplighter.services.grid.moments import Usual
from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.services.grid.network.sharing import sums_below
from lamplighter.terms.columns import FloatArray, IntArray


def _depth(parts: Parts, r_pu: FloatArray) -> FloatArray:
    """Return the resistance (m,) from the busbar down to each place of the parts."""
    depth = r_pu[parts.rows].copy()
    begins = np.repeat(parts.offsets[:-1], np.diff(parts.offsets))
    up = np.where(parts.above == ABSENT, ABSENT, begins + parts.above)
    depth[up == ABSENT] = 0.0
    waiting = up.copy()
    while bool((waiting != ABSENT).any()):  # pointer doubling
        has = waiting != ABSENT
        depth = depth + np.where(has, depth[np.where(has, waiting, 0)], 0.0)
        waiting = np.where(has, waiting[np.where(has, waiting, 0)], ABSENT)
    return depth


def lay_out(grid: Grid, parts: Parts, attach: IntArray, usual: Usual) -> Stations:
    """Return the stations of a grid. attach (g,): row below which each group draws, ABSENT where it is cut off."""
    tree, groups, stations = grid.tree, grid.groups, len(grid.station_id)
    place = np.full(len(tree.node), ABSENT, np.int64)
    begins = np.repeat(parts.offsets[:-1], np.diff(parts.offsets))
    place[parts.rows] = np.arange(len(parts.rows)) - begins
    supplied = np.flatnonzero((attach != ABSENT) & (place[np.maximum(attach, 0)] != ABSENT))
    mine = supplied[np.argsort(groups.station[supplied], kind="stable")]
    group_offsets = np.searchsorted(groups.station[mine], np.arange(stations + 1))
    local = np.full(len(groups.id), ABSENT, np.int64)
    local[mine] = np.arange(len(mine)) - np.repeat(group_offsets[:-1], np.diff(group_offsets))
    at = tree.row[groups.point_node]
    use = np.flatnonzero((local[groups.point_group] != ABSENT) & (at != ABSENT))
    depth = np.zeros(len(tree.node))
    depth[parts.rows] = _depth(parts, tree.r_pu)
    group, station = groups.point_group[use], groups.station[groups.point_group[use]]
    order = use[np.lexsort((-depth[at[use]], local[group], station))]
    station = groups.station[groups.point_group[order]]
    branches = grid.branches
    has = tree.branch != ABSENT
    b = np.where(has, tree.branch, 0)
    idle = np.where(has & ~tree.is_line, np.hypot(branches.no_load_kw[b], branches.no_load_kvar[b]), 0.0)
    return Stations(
        offsets=parts.offsets,
        rows=parts.rows,
        above=parts.above,
        group_offsets=group_offsets.astype(np.int64),
        groups=mine.astype(np.int64),
        attach=place[attach[mine]],
        member_offsets=np.searchsorted(station, np.arange(stations + 1)).astype(np.int64),
        member_group=local[groups.point_group[order]],
        member_place=place[at[order]],
        member_kw=groups.point_count[order] * groups.p_point_kw[groups.point_group[order]],
        z_pu=np.asarray(tree.r_pu + 1j * tree.x_pu, np.complex128),
        gain_ratio=tree.gain_ratio,
        rating_kva=tree.rating_kva,
        is_line=tree.is_line,
        idle_kva=idle,
        home_kw=sums_below(tree.parent, usual.home_kw),
        shop_kw=sums_below(tree.parent, usual.shop_kw),
    )
