# SPDX-License-Identifier: Apache-2.0
"""Who is supplied first after a fault, from the city's own assets: every node ranks as the first of all that hang below it."""

from collections.abc import Mapping

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, Grid, find
from lamplighter.services.grid.switching.restoration import CLASSES
from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import IntArray, TextArray

HOME = CLASSES.index("home")


def ranks(grid: Grid, assets: Assets, supplied: Mapping[str, str], node_id: TextArray) -> IntArray:
    """Return the class (n,) of each named node, a position in CLASSES. supplied: class by kind of asset.

    An asset counts for the node that feeds it and, through that node's station, for the station's node of medium voltage.
    Of street lights every cabinet counts: all streets of a city are walked on.
    """
    own = np.array([CLASSES.index(supplied.get(kind, "home")) for kind in assets.kind.tolist()], np.int64)
    node = find(grid.nodes.id, assets.fed_by)
    hangs = (node != ABSENT) & (own < HOME)
    rank = np.full(len(grid.nodes.id), HOME, np.int64)
    np.minimum.at(rank, node[hangs], own[hangs])
    station = grid.nodes.station
    below = station != ABSENT
    upper = np.where(below, grid.branches.from_node[grid.station_branch[np.maximum(station, 0)]], 0)
    np.minimum.at(rank, upper[below], rank[below].copy())
    at = find(grid.nodes.id, node_id)
    return np.where(at != ABSENT, rank[np.maximum(at, 0)], HOME).astype(np.int64)
