# SPDX-License-Identifier: Apache-2.0
"""Branch and bound over configurations: every loop must be open somewhere, so a loop's free branches are the cases.

Of the loops that are left, the one with the fewest possible cases is split: case j opens its j-th branch and knows the
cheaper ones before it to be closed. A leaf is one tree; its loss is the exact power flow's. Depth first, no dice, no
clock: the same case gives the same search. A search that ends has proved that nothing better than it kept exists.
"""

import numpy as np
from numba import njit

from lamplighter.services.grid.switching.radial import Net, above, loss_of
from lamplighter.services.grid.switching.relaxation import (
    CLOSED,
    FREE,
    LEAF,
    OPEN,
    PRUNED,
    ROUNDS_MAX,
    SAFE_SHARE,
    SPLIT,
    StateArray,
    depths,
    downward,
    least,
    least_drops,
    least_losses,
    loops,
    settle,
)
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


@njit(cache=True)
def sharpen(
    net: Net, state: StateArray, v2_max: FloatArray, own_kw: FloatArray, own_kvar: FloatArray, kva: FloatArray, swing: FloatArray,
    cut_kw: float,
) -> tuple[int, float]:  # fmt: skip
    """Tighten one part of the search: (PRUNED, LEAF or SPLIT, bound in kW). All arrays are changed to what holds in it."""
    n, m = len(net.p_kw), len(net.tail)
    order, up, depth = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    chosen, rest = np.empty(m, np.bool_), np.empty(m, np.int64)
    p, q, rho, reach = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    bound, before = 0.0, 0.0
    for turn in range(ROUNDS_MAX):
        many = settle(net, state, kva, chosen, rest)
        if many < 0:
            return PRUNED, np.inf
        depths(net, chosen, order, up, depth)
        p_kw, q_kvar = net.p_kw + own_kw, net.q_kvar + own_kvar
        downward(net, order, up, p_kw, q_kvar, p, q)
        for e in range(m):
            rho[e] = net.r_pu[e] / max(v2_max[net.tail[e]], v2_max[net.head[e]])
        bound = least(loops(net, up, depth, rest, many), rho, p, q, swing) * (1.0 - SAFE_SHARE)
        if bound >= cut_kw:
            return PRUNED, bound
        left, fixed = cut_kw - bound, 0
        for e in range(m):
            kva[e] = np.sqrt(p[e] ** 2 + q[e] ** 2)
            reach[e] = np.sqrt(left * swing[e]) * (1.0 + SAFE_SHARE) + SAFE_SHARE
            if state[e] == FREE and (swing[e] == 0.0 or kva[e] > reach[e]):
                state[e] = CLOSED
                fixed += 1
        if many == 0:
            return LEAF, bound
        if not least_losses(net, state, v2_max, reach, p, q, kva, p_kw, q_kvar, own_kw, own_kvar):
            return PRUNED, np.inf
        if not least_drops(net, state, v2_max, reach, p, q, p_kw, q_kvar):
            return PRUNED, np.inf
        if turn > 0 and bound - before < 0.02 * left and fixed == 0:
            break
        before = bound
    return SPLIT, bound


@njit(cache=True)
def cases(net: Net, state: StateArray, kva: FloatArray, swing: FloatArray, case: IntArray) -> int:
    """Fill case (m,) with the free branches of the loop that has fewest, cheapest first; return how many, or LEAF marks.

    0: all loops are open already; -1: a loop is closed all around.
    """
    n, m = len(net.p_kw), len(net.tail)
    chosen, rest = np.empty(m, np.bool_), np.empty(m, np.int64)
    many = settle(net, state, kva, chosen, rest)
    if many <= 0:
        return many
    order, up, depth = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    depths(net, chosen, order, up, depth)
    here, price = np.empty(m, np.int64), np.empty(m)
    fewest, dearest = m + 1, -1.0
    for j in range(many):
        u, w = net.tail[rest[j]], net.head[rest[j]]
        here[0], count = rest[j], 1
        while u != w:
            if depth[u] >= depth[w]:
                g = up[u]
                u = above(net, g, u)
            else:
                g = up[w]
                w = above(net, g, w)
            if state[g] == FREE:
                here[count] = g
                count += 1
        for k in range(count):
            price[k] = kva[here[k]] ** 2 / swing[here[k]]
        cheapest = price[:count].min()
        if count < fewest or (count == fewest and cheapest > dearest):
            fewest, dearest = count, cheapest
            by = np.argsort(price[:count])
            for k in range(count):
                case[k] = here[by[k]]
    return fewest


@njit(cache=True)
def search(
    net: Net, known: StateArray, best_kw: float, cut_share: float, parts_max: int, best_closed: BoolArray
) -> tuple[float, int, bool]:
    """Look for trees with a loss below best_kw (1 - cut_share); whatever is found becomes best_kw and best_closed (m,).

    known (m,): FREE, or CLOSED or OPEN where a branch has no switch.

    Returns (best_kw, parts examined, True where all were). Where True, no tree has a loss below best_kw (1 - cut_share).
    """
    n, m = len(net.p_kw), len(net.tail)
    deep = max(m - n + 1, 0) + 2
    state = np.zeros((deep, m), np.int8)
    state[0] = known
    v2_max = np.full((deep, n), net.v2_source_pu)
    own_kw, own_kvar = np.zeros((deep, n)), np.zeros((deep, n))
    kva, swing, bound = np.ones((deep, m)), np.zeros((deep, m)), np.zeros(deep)
    case, count, at = np.zeros((deep, m), np.int64), np.zeros(deep, np.int64), np.zeros(deep, np.int64)
    d, parts = 0, 0
    while True:
        parts += 1
        if parts > parts_max:
            return best_kw, parts - 1, False
        cut_kw = best_kw * (1.0 - cut_share)
        kind, bound[d] = sharpen(net, state[d], v2_max[d], own_kw[d], own_kvar[d], kva[d], swing[d], cut_kw)
        at[d], count[d] = 0, 0
        if kind == SPLIT:
            count[d] = cases(net, state[d], kva[d], swing[d], case[d])
            kind = LEAF if count[d] == 0 else SPLIT
        if kind == LEAF:
            closed = state[d] != OPEN
            loss, _ = loss_of(net, closed)
            if 0.0 <= loss < best_kw:
                best_kw = loss
                best_closed[:] = closed
        while d >= 0 and (at[d] >= count[d] or bound[d] >= best_kw * (1.0 - cut_share)):
            d -= 1
        if d < 0:
            return best_kw, parts, True
        e = case[d, at[d]]
        at[d] += 1
        state[d + 1] = state[d]
        v2_max[d + 1], own_kw[d + 1], own_kvar[d + 1], kva[d + 1] = v2_max[d], own_kw[d], own_kvar[d], kva[d]
        state[d + 1, e], state[d, e] = OPEN, CLOSED
        d += 1
