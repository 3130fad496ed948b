# SPDX-License-Identifier: Apache-2.0
"""Power flow of a tree in a few microseconds: backward and forward sweeps over complex currents.

Own code path for planning; the interlock solves branch-flow equations, the referees use power-grid-model and OpenDSS.
Per unit of each node's rated voltage and 1 kVA, so that an ampere is counted as the kVA it carries at rated voltage.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

SWEEPS_MAX = 40
SETTLED_PU = 1e-7
U_COLLAPSED = 0.3


class Radial(NamedTuple):
    """A forest, parents before children (n,). parent: ABSENT (-1) at a source; z_pu: series impedance of the branch above;
    gain_ratio: voltage below over voltage above without demand; rating_kva: of that branch (inf where none);
    is_line; source_pu: voltage held (own row of a source); shunt_kva: constant draw of each row at rated voltage;
    idle_kva: what the transformer above a row takes by itself."""

    parent: IntArray
    z_pu: AnyArray
    gain_ratio: FloatArray
    rating_kva: FloatArray
    is_line: BoolArray
    source_pu: FloatArray
    shunt_kva: AnyArray
    idle_kva: FloatArray


@njit(cache=True)
def sweep(tree: Radial, s_kva: AnyArray, u_start: AnyArray) -> tuple[AnyArray, AnyArray, bool]:
    """Return voltages (n,), currents through the branch above each row at its lower side (n,), and whether it settled.

    s_kva (n,): complex demand of each row, consumption positive; u_start (n,): voltages to start from.
    """
    many = len(tree.parent)
    u = u_start.copy()
    i = np.zeros(many, np.complex128)
    for _ in range(SWEEPS_MAX):
        for row in range(many):
            drawn = s_kva[row] + tree.shunt_kva[row] * (u[row].real ** 2 + u[row].imag ** 2)
            i[row] = np.conj(drawn / u[row])
        for row in range(many - 1, -1, -1):
            up = tree.parent[row]
            if up >= 0:
                i[up] += tree.gain_ratio[row] * i[row]
        change = 0.0
        for row in range(many):
            up = tree.parent[row]
            fresh = tree.source_pu[row] + 0.0j
            if up >= 0:
                fresh = u[up] * tree.gain_ratio[row] - tree.z_pu[row] * i[row]
            if abs(fresh) < U_COLLAPSED:
                return u, i, False
            change = max(change, abs(fresh - u[row]))
            u[row] = fresh
        if change < SETTLED_PU:
            return u, i, True
    return u, i, False


@njit(cache=True)
def flat(tree: Radial) -> AnyArray:
    """Return the voltages (n,) without demand, to start from."""
    u = np.zeros(len(tree.parent), np.complex128)
    for row in range(len(u)):
        up = tree.parent[row]
        u[row] = tree.source_pu[row] if up < 0 else u[up] * tree.gain_ratio[row]
    return u


@njit(cache=True)
def loadings(tree: Radial, u: AnyArray, i: AnyArray) -> FloatArray:
    """Return the loading (n,) of the branch above each row: current over rated current, the worse end of a transformer,
    and there no less than apparent power over rating."""
    out = np.zeros(len(u))
    for row in range(len(u)):
        up = tree.parent[row]
        if up < 0 or not np.isfinite(tree.rating_kva[row]):
            continue
        amps = abs(i[row])
        if not tree.is_line[row]:
            upper = amps * tree.gain_ratio[row] + tree.idle_kva[row] * abs(u[up])
            amps = max(amps, upper, upper * abs(u[up]))
        out[row] = amps / tree.rating_kva[row]
    return out
