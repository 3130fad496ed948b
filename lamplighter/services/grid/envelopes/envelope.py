# SPDX-License-Identifier: Apache-2.0
"""Operating envelopes of all groups of a low-voltage grid for the coming quarter of an hour.

The plan shares headroom; the power flow of everything shared out tells what headroom there really is (losses,
voltage, reactive power); the two are repeated until they agree. A group's own box picks who charges, so its power is
taken to sit at its far end, as far as points there can draw it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.grid.envelopes.plan import Needs, plan
from lamplighter.services.grid.envelopes.radial import Radial, flat, loadings, sweep
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

ROUNDS_MAX = 6
AGREED_KW = 0.05
SHRINK = 0.995
SHRINKS_MAX = 400
WIDE_KW = 1e12


class Members(NamedTuple):
    """Groups (g,) attach: row below which each draws; parts (p,), each group's rows from the far end on: group, row, most_kw."""

    attach: IntArray
    part_group: IntArray
    part_row: IntArray
    part_kw: FloatArray


class Bounds(NamedTuple):
    """What must hold: loading_max_ratio (n,) of the branch above each row, u_min_pu (n,) of each row."""

    loading_max_ratio: FloatArray
    u_min_pu: FloatArray


@njit(cache=True)
def spread(members: Members, limit_kw: FloatArray, rows: int) -> FloatArray:
    """Return power (n,) of rows when each group draws its limit at its far end."""
    left, out = limit_kw.copy(), np.zeros(rows)
    for part in range(len(members.part_row)):
        g = members.part_group[part]
        amount = min(left[g], members.part_kw[part])
        out[members.part_row[part]] += amount
        left[g] -= amount
    for g in range(len(left)):
        out[members.attach[g]] += left[g]
    return out


@njit(cache=True)
def below(parent: IntArray, own: FloatArray) -> FloatArray:
    """Return sums (n,) over each row and all below it."""
    total = own.copy()
    for row in range(len(parent) - 1, 0, -1):
        if parent[row] >= 0:
            total[parent[row]] += total[row]
    return total


@njit(cache=True)
def thermal_headroom(tree: Radial, u: AnyArray, i: AnyArray, charging_kw: FloatArray, bounds: Bounds) -> FloatArray:
    """Return the charging (n,) that may pass each branch at its limit, with the losses and voltages of the given state."""
    out = np.full(len(u), WIDE_KW)
    for row in range(len(u)):
        up = tree.parent[row]
        if up < 0 or not np.isfinite(tree.rating_kva[row]):
            continue
        amps = tree.rating_kva[row] * bounds.loading_max_ratio[row]
        if not tree.is_line[row]:
            upper = amps / max(1.0, abs(u[up])) - tree.idle_kva[row] * abs(u[up])
            amps = min(amps, max(upper, 0.0) / tree.gain_ratio[row])
        s = u[row] * np.conj(i[row])
        most = np.sqrt(max((amps * abs(u[row])) ** 2 - s.imag**2, 0.0))
        out[row] = charging_kw[row] + most - s.real
    return out


@njit(cache=True)
def voltage_headroom(tree: Radial, u: AnyArray, i: AnyArray, charging_kw: FloatArray, bounds: Bounds) -> FloatArray:
    """Return the charging (n,) that may pass each cable so that no end falls below its band.

    What charging takes from an end's voltage along the cables is scaled, all cables of that way alike; ends share the
    cables above them, so a cable takes the least of what its ends allow.
    """
    many = len(u)
    drop, out = np.zeros(many), np.full(many, WIDE_KW)
    for row in range(many):
        up = tree.parent[row]
        if up >= 0 and tree.is_line[row]:
            drop[row] = drop[up] + tree.z_pu[row].real * charging_kw[row] / max(abs(u[row]), 0.5)
    least = np.full(many, np.inf)
    for row in range(many - 1, -1, -1):
        slack = abs(u[row]) - bounds.u_min_pu[row]
        if drop[row] > 1e-6:
            least[row] = min(least[row], 1.0 + slack / drop[row])
        elif slack < 0.0:
            least[row] = 0.0
        up = tree.parent[row]
        if up >= 0 and tree.is_line[row]:
            least[up] = min(least[up], least[row]) if tree.is_line[up] else least[up]
            if charging_kw[row] > 0.0 and least[row] < 4.0:
                out[row] = max(least[row], 0.0) * charging_kw[row]
    return out


@njit(cache=True)
def violates(tree: Radial, u: AnyArray, i: AnyArray, bounds: Bounds) -> AnyArray:
    """Return which rows (n,) break a bound."""
    loading = loadings(tree, u, i)
    bad = np.zeros(len(u), np.bool_)
    for row in range(len(u)):
        bad[row] = loading[row] > bounds.loading_max_ratio[row] + 1e-9 or abs(u[row]) < bounds.u_min_pu[row] - 1e-9
    return bad


@njit(cache=True)
def shrink(tree: Radial, base_kva: AnyArray, members: Members, limit_kw: FloatArray, bounds: Bounds) -> FloatArray:
    """Return limits (g,) that hold all bounds in a power flow: groups whose power passes or reaches a fault give way."""
    given = limit_kw.copy()
    u = flat(tree)
    for _ in range(SHRINKS_MAX):
        u, i, settled = sweep(tree, base_kva + spread(members, given, len(u)), flat(tree))
        if not settled:
            given *= 0.9
            continue
        bad = violates(tree, u, i, bounds)
        if not bad.any():
            break
        touched = np.zeros(len(u), np.bool_)  # below a fault, or above one whose voltage is low
        for row in range(len(u) - 1, -1, -1):
            if bad[row]:
                up = row
                while up >= 0:
                    touched[up] = True
                    up = tree.parent[up]
        for g in range(len(given)):
            row, hit = members.attach[g], False
            while row >= 0:
                hit = hit or (touched[row] and tree.is_line[row]) or bad[row]
                row = tree.parent[row]
            if hit:
                given[g] *= SHRINK
    return given


@njit(cache=True)
def envelopes(
    tree: Radial, base_kva: AnyArray, members: Members, ahead: tuple[FloatArray, FloatArray], needs: Needs, bounds: Bounds
) -> tuple[FloatArray, FloatArray]:
    """Return the limit (g,) of each group and the headroom (n,) of each branch in the first block.

    base_kva (n,): what is not charging, as estimated; ahead: forecast headroom (n, k) of the blocks, hours (k,) of each.
    """
    headroom, hours = ahead[0].copy(), ahead[1]
    given = np.zeros(len(members.attach))
    u = flat(tree)
    for _ in range(ROUNDS_MAX):
        drawn = spread(members, given, len(u))
        u, i, settled = sweep(tree, base_kva + drawn, flat(tree))
        if not settled:
            given *= 0.5
            continue
        charging = below(tree.parent, drawn)
        headroom[:, 0] = np.minimum(
            thermal_headroom(tree, u, i, charging, bounds), voltage_headroom(tree, u, i, charging, bounds)
        )
        fresh = plan(tree.parent, members.attach, headroom, hours, needs)
        change = np.abs(fresh - given).max() if len(given) else 0.0
        given = fresh
        if change < AGREED_KW:
            break
    return shrink(tree, base_kva, members, given, bounds), headroom[:, 0]
