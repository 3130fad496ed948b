# SPDX-License-Identifier: Apache-2.0
"""Reactive power of charging points' inverters, where voltage and not heat is short: the least that lifts it into its band.

A kvar supplied at a point lifts the voltage at another by the reactance that both ways share, to first order; each round
lifts the lowest node and the next power flow says what is still missing. An inverter supplies no more than a power factor of
POWER_FACTOR beside what it draws, within its rating (as generators above 4.6 kVA must be able to: VDE-AR-N 4105:2018), and
nothing while it draws nothing.
"""

import numpy as np
from numba import njit

from lamplighter.services.grid.envelopes.envelope import Bounds, Members, spread
from lamplighter.services.grid.envelopes.radial import Radial, flat, sweep
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

POWER_FACTOR = 0.9
TAN_MAX = float(np.sqrt(1.0 / POWER_FACTOR**2 - 1.0))  # kvar per kW
ROUNDS_MAX = 12
BEYOND_PU = 1e-4  # a node is lifted so far above its bound, or the last rounds would creep


@njit(cache=True)
def spread_kvar(members: Members, limit_kw: FloatArray, kvar: FloatArray, rows: int) -> FloatArray:
    """Return the reactive power (n,) supplied at rows: each group's (g,) goes with the power that it draws at its far end."""
    left, out = limit_kw.copy(), np.zeros(rows)
    ratio = kvar / np.maximum(limit_kw, 1e-9)
    for part in range(len(members.part_row)):
        g = members.part_group[part]
        amount = min(left[g], members.part_kw[part])
        out[members.part_row[part]] += amount * ratio[g]
        left[g] -= amount
    for g in range(len(left)):
        out[members.attach[g]] += left[g] * ratio[g]
    return out


@njit(cache=True)
def _lifts(tree: Radial, attach: IntArray, row: int) -> FloatArray:
    """Return by how much (g,) in pu a kvar of each group lifts a row: the reactance of the branches above both."""
    above = np.zeros(len(tree.parent), np.bool_)
    while row >= 0:
        above[row] = True
        row = tree.parent[row]
    out = np.zeros(len(attach))
    for g in range(len(attach)):
        at = attach[g]
        while at >= 0:
            if above[at] and tree.parent[at] >= 0:
                out[g] += np.imag(tree.z_pu[at])
            at = tree.parent[at]
    return out


@njit(cache=True)
def _raised(kvar: FloatArray, room: FloatArray, lift: FloatArray, gap_pu: float) -> FloatArray:
    """Return kvar (g,) raised in proportion to what it lifts, none beyond its room, until the gap is closed or room is out."""
    low, high = 0.0, 0.0
    for g in range(len(lift)):
        if lift[g] > 0.0:
            high = max(high, room[g] / lift[g])
    for _ in range(40):
        middle = 0.5 * (low + high)
        lifted = 0.0
        for g in range(len(lift)):
            lifted += lift[g] * min(room[g], middle * lift[g])
        if lifted < gap_pu:
            low = middle
        else:
            high = middle
    return kvar + np.minimum(room, high * lift)


@njit(cache=True)
def set_points(
    tree: Radial, base_kva: AnyArray, members: Members, limit_kw: FloatArray, most_kvar: FloatArray, bounds: Bounds
) -> FloatArray:
    """Return the reactive power (g,) in kvar that each group supplies so that no row is below its band while limits are drawn.

    most_kvar (g,): what its inverters can. All zero where the band is kept without; where even all is too little, what lifts.
    """
    rows = len(tree.parent)
    drawn = spread(members, limit_kw, rows)
    kvar = np.zeros(len(limit_kw))
    for _ in range(ROUNDS_MAX):
        u, _, settled = sweep(tree, base_kva + drawn - 1j * spread_kvar(members, limit_kw, kvar, rows), flat(tree))
        if not settled:
            return np.zeros(len(limit_kw))
        lowest, gap = 0, -np.inf
        for row in range(rows):
            short = bounds.u_min_pu[row] - abs(u[row])
            if short > gap:
                lowest, gap = row, short
        room = np.maximum(most_kvar - kvar, 0.0)
        lift = _lifts(tree, members.attach, lowest)
        if gap <= 0.0 or (room * lift).sum() <= 1e-9:
            break
        kvar = _raised(kvar, room, lift, gap + BEYOND_PU)
    return kvar
