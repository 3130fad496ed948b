# SPDX-License-Identifier: Apache-2.0
"""The simulated grid's switches: a cable fails, its protection trips, crews isolate it and supply the rest again.

A failed cable takes with it all that hangs behind the same protection: at medium voltage the breaker where its half of the
ring begins, at low voltage the fuse at the station where its street's cable begins. Nothing comes back by itself.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lamplighter.services.grid.network.model import ABSENT, Branches, Grid, find
from lamplighter.terms.columns import BoolArray


class Switchgear:
    """Which ends of which branch are closed, and which branches have failed. live (nodes,): what has power now."""

    def __init__(self, grid: Grid) -> None:
        """Begin with the switches as installed."""
        self._grid = grid
        self.live = np.ones(len(grid.nodes.id), np.bool_)
        self.restore()

    def restore(self) -> None:
        """Mend everything: switches as installed, nothing failed."""
        branches = self._grid.branches
        self._from, self._to = branches.closed_from.copy(), branches.closed_to.copy()
        self._failed = np.zeros(len(branches.id), np.bool_)
        self.live = self._reached()

    @property
    def touched(self) -> bool:
        """Tell whether anything stands otherwise than installed."""
        branches = self._grid.branches
        return bool((self._from != branches.closed_from).any() or (self._to != branches.closed_to).any() or self._failed.any())

    def branches(self) -> Branches:
        """Return the branches as they are switched now."""
        return replace(self._grid.branches, closed_from=self._from.copy(), closed_to=self._to.copy())

    def _reached(self) -> BoolArray:
        b, many = self._grid.branches, len(self._grid.nodes.id)
        on = self._from & self._to
        joined = coo_matrix((np.ones(int(on.sum())), (b.from_node[on], b.to_node[on])), shape=(many, many))
        _, island = connected_components(joined, directed=False)
        return np.isin(island, island[self._grid.source_node])

    def _branch(self, name: str) -> int:
        at = int(find(self._grid.branches.id, np.array([name]))[0])
        if at == ABSENT:
            some = ", ".join(self._grid.branches.id[:5].tolist())
            raise ValueError(f"asset is {name!r}, allowed is a cable or station of the grid, such as {some}; nothing was broken")
        return at

    def _head(self, branch: int) -> tuple[int, int] | None:
        """Return the branch that the protection of a failed one switches off, and its node on the supplied side."""
        tree, grid = self._grid.tree, self._grid
        rows = np.flatnonzero(tree.branch == branch)
        if not len(rows):
            return None
        row = int(rows[0])
        if branch >= grid.branches.lines:  # a station has a switch of its own
            return branch, int(tree.node[tree.parent[row]])
        busbars = set(grid.station_busbar.tolist())
        while tree.parent[tree.parent[row]] != ABSENT and int(tree.node[tree.parent[row]]) not in busbars:
            row = int(tree.parent[row])
        return int(tree.branch[row]), int(tree.node[tree.parent[row]])

    def cut(self, name: str) -> str:
        """Let a cable fail; its protection trips. Returns what happened in a sentence."""
        branch = self._branch(name)
        self._failed[branch] = True
        before = self.live
        head = self._head(branch)
        if head is None:
            return f"{name} has failed; it carried nothing."
        top, node = head
        if self._grid.branches.from_node[top] == node:
            self._from[top] = False
        else:
            self._to[top] = False
        self.live = self._reached()
        homes = float(self._grid.nodes.connections_count[before & ~self.live].sum())
        tripped = self._grid.branches.id[top]
        return f"{name} has failed; the protection of {tripped} has tripped and {homes:.0f} connections are dark."

    def switch(self, name: str, closed: bool) -> str:
        """Open or close a branch at both ends. What would put voltage on a failed branch trips again at once."""
        branch = self._branch(name)
        kept = self._from.copy(), self._to.copy()
        self._from[branch] = self._to[branch] = closed
        live = self._reached()
        b = self._grid.branches
        faulty = self._failed & ((self._from & live[b.from_node]) | (self._to & live[b.to_node]))
        if closed and faulty.any():
            self._from, self._to = kept
            return f"{name} was closed onto {b.id[np.flatnonzero(faulty)[0]]}, which has failed: it tripped again."
        self.live = live
        dark = float(self._grid.nodes.connections_count[~live].sum())
        return f"{name} is {'closed' if closed else 'open'}; {dark:.0f} connections are dark."
