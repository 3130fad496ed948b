# SPDX-License-Identifier: Apache-2.0
"""A lower bound on the loss of every tree that is still possible, from the loops' own small quadratic programme.

Some branches are known to be closed, some open, the rest free; trees with a loss of `cut_kw` or more are of no interest.
The power of a tree T in branch e is at least f_T(e): all demand below it, plus what is known of the losses below it. So

    loss(T) >= sum over e of rho(e) |f_T(e)|^2,    rho(e) = r(e) / (highest squared voltage at its upper end),

and the smallest value over all ways to route the demand, rings allowed, is a bound: a linear system with one unknown per
independent loop. The minimum f* has the Pythagoras property: bound(T) = bound + sum of rho |f_T - f*|^2. What is left
below `cut_kw` therefore confines every tree's power: |f_T(e) - f*(e)|^2 <= left * swing(e), swing being the inverse of
the resistance that a power circulating through e meets. From this follow which branches cannot be open, how high the
voltage can be at most (the shortest path of least voltage drops), and how large losses are at least. Each sharpens
the next bound; all hold for every tree in question, with exact alternating-current losses.

It needs demands without a negative part: the power in a branch is then at least that of what lies below it.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lamplighter.services.grid.switching.radial import Net, above, span
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

StateArray = NDArray[np.int8]  # FREE, CLOSED or OPEN

FREE, CLOSED, OPEN = 0, 1, 2
PRUNED, LEAF, SPLIT = 0, 1, 2
SAFE_SHARE = 1e-9  # so much worse than computed every bound is taken: rounding is a million times smaller
ROUNDS_MAX = 6


@njit(cache=True)
def _rooted(joined: IntArray, i: int) -> int:
    while joined[i] != i:
        joined[i] = joined[joined[i]]
        i = joined[i]
    return i


@njit(cache=True)
def settle(net: Net, state: StateArray, kva: FloatArray, chosen: BoolArray, rest: IntArray) -> int:
    """Open what would close a ring of closed branches, and choose a tree: closed ones, then free ones of most power.

    Fills chosen (m,) and rest (m,): the free branches outside of the tree. Returns how many, or -1 where no tree is left.
    """
    n, m = len(net.p_kw), len(net.tail)
    joined = np.arange(n)
    parts = n
    for e in range(m):
        chosen[e] = False
        if state[e] == CLOSED:
            u, w = _rooted(joined, net.tail[e]), _rooted(joined, net.head[e])
            if u == w:
                return -1
            joined[u] = w
            chosen[e] = True
            parts -= 1
    free, key = np.empty(m, np.int64), np.empty(m)
    count = 0
    for e in range(m):
        if state[e] == FREE:
            if _rooted(joined, net.tail[e]) == _rooted(joined, net.head[e]):
                state[e] = OPEN
            else:
                free[count], key[count] = e, -kva[e]
                count += 1
    many = 0
    by = np.argsort(key[:count])
    for k in range(count):
        e: int = free[int(by[k])]
        u, w = _rooted(joined, net.tail[e]), _rooted(joined, net.head[e])
        if u == w:
            rest[many] = e
            many += 1
        else:
            joined[u] = w
            chosen[e] = True
            parts -= 1
    return many if parts == 1 else -1


@njit(cache=True)
def depths(net: Net, chosen: BoolArray, order: IntArray, up: IntArray, depth: IntArray) -> None:
    """Root the chosen tree: fill order, up and depth (n,)."""
    span(net, chosen, order, up)
    depth[0] = 0
    for k in range(1, len(order)):
        i: int = order[k]
        depth[i] = depth[above(net, up[i], i)] + 1


@njit(cache=True)
def loops(net: Net, up: IntArray, depth: IntArray, rest: IntArray, many: int) -> FloatArray:
    """Return the loop of each branch outside of the tree, as columns of signs (m, k): power from its tail to its head."""
    loops = np.zeros((len(net.tail), many))
    for j in range(many):
        e = rest[j]
        loops[e, j] = 1.0
        u, w = net.tail[e], net.head[e]
        while u != w:
            if depth[u] >= depth[w]:
                g = up[u]
                loops[g, j] = 1.0 if net.head[g] == u else -1.0
                u = above(net, g, u)
            else:
                g = up[w]
                loops[g, j] = 1.0 if net.tail[g] == w else -1.0
                w = above(net, g, w)
    return loops


@njit(cache=True)
def downward(net: Net, order: IntArray, up: IntArray, p_kw: FloatArray, q_kvar: FloatArray, p: FloatArray, q: FloatArray) -> None:
    """Fill the power (m,) of the chosen tree's branches from tail to head; zero elsewhere."""
    p[:], q[:] = 0.0, 0.0
    sum_p, sum_q = p_kw.copy(), q_kvar.copy()
    for k in range(len(order) - 1, 0, -1):
        i: int = order[k]
        e: int = up[i]
        over = above(net, e, i)
        sign = -1.0 if net.tail[e] == i else 1.0
        p[e], q[e] = sign * sum_p[i], sign * sum_q[i]
        sum_p[over] += sum_p[i]
        sum_q[over] += sum_q[i]


@njit(cache=True)
def least(loops: FloatArray, rho: FloatArray, p: FloatArray, q: FloatArray, swing: FloatArray) -> float:
    """Move p, q (m,) to the routing of least sum of rho |power|^2 along the loops (m, k); fill swing (m,); return the sum."""
    m, many = loops.shape
    row = np.empty(many, np.int64)
    matrix, push_p, push_q = np.zeros((many, many)), np.zeros(many), np.zeros(many)
    for e in range(m):
        count = 0
        for j in range(many):
            if loops[e, j] != 0.0:
                row[count] = j
                count += 1
        for u in range(count):
            weight = rho[e] * loops[e, row[u]]
            push_p[row[u]] += weight * p[e]
            push_q[row[u]] += weight * q[e]
            for w in range(count):
                matrix[row[u], row[w]] += weight * loops[e, row[w]]
    inverse = np.linalg.inv(matrix)
    turn_p, turn_q = inverse @ push_p, inverse @ push_q
    total = 0.0
    for e in range(m):
        swing[e] = 0.0
        count = 0
        for j in range(many):
            if loops[e, j] != 0.0:
                row[count] = j
                count += 1
        for u in range(count):
            p[e] -= loops[e, row[u]] * turn_p[row[u]]
            q[e] -= loops[e, row[u]] * turn_q[row[u]]
            for w in range(count):
                swing[e] += loops[e, row[u]] * loops[e, row[w]] * inverse[row[u], row[w]]
        total += rho[e] * (p[e] ** 2 + q[e] ** 2)
    return total


@njit(cache=True)
def least_losses(
    net: Net, state: StateArray, v2_max: FloatArray, reach: FloatArray, p: FloatArray, q: FloatArray, kva: FloatArray,
    p_kw: FloatArray, q_kvar: FloatArray, own_kw: FloatArray, own_kvar: FloatArray,
) -> bool:  # fmt: skip
    """Raise own_kw, own_kvar (n,), what the branch that feeds a node loses at least; False where none can feed it."""
    for i in range(1, len(p_kw)):
        least_kw, least_kvar = np.inf, np.inf
        for k in range(net.first[i], net.first[i + 1]):
            e = net.along[k]
            if state[e] == OPEN:
                continue
            sign = 1.0 if net.head[e] == i else -1.0
            if sign * p[e] + reach[e] < p_kw[i] or sign * q[e] + reach[e] < q_kvar[i]:
                continue
            power = max(kva[e] - reach[e], np.sqrt(p_kw[i] ** 2 + q_kvar[i] ** 2))
            square = power * power / v2_max[above(net, e, i)] * (1.0 - SAFE_SHARE)
            least_kw, least_kvar = min(least_kw, net.r_pu[e] * square), min(least_kvar, net.x_pu[e] * square)
        if least_kw == np.inf:
            return False
        own_kw[i], own_kvar[i] = max(own_kw[i], least_kw), max(own_kvar[i], least_kvar)
    return True


@njit(cache=True)
def least_drops(
    net: Net, state: StateArray, v2_max: FloatArray, reach: FloatArray, p: FloatArray, q: FloatArray, p_kw: FloatArray,
    q_kvar: FloatArray,
) -> bool:  # fmt: skip
    """Lower v2_max (n,) along the shortest paths of least voltage drops; False where a node cannot be reached."""
    n = len(p_kw)
    done, drop = np.zeros(n, np.bool_), np.full(n, np.inf)
    drop[0] = 0.0
    for _ in range(n):
        i, near = -1, np.inf
        for k in range(n):
            if not done[k] and drop[k] < near:
                i, near = k, drop[k]
        if i < 0:
            return False
        done[i] = True
        for k in range(net.first[i], net.first[i + 1]):
            e = net.along[k]
            j = above(net, e, i)
            if state[e] == OPEN or done[j]:
                continue
            sign = 1.0 if net.tail[e] == i else -1.0
            if sign * p[e] + reach[e] < p_kw[j] or sign * q[e] + reach[e] < q_kvar[j]:
                continue
            sent_p, sent_q = max(sign * p[e] - reach[e], p_kw[j]), max(sign * q[e] - reach[e], q_kvar[j])
            r, x = net.r_pu[e], net.x_pu[e]
            # v_i - v_j = 2 (r P + x Q) + |z|^2 l with P, Q at the lower end: own losses are taken off again
            lower = r * (sent_p - (p_kw[j] - net.p_kw[j])) + x * (sent_q - (q_kvar[j] - net.q_kvar[j]))
            fall = 2.0 * lower + (r * r + x * x) * (sent_p * sent_p + sent_q * sent_q) / v2_max[i]
            drop[j] = min(drop[j], drop[i] + fall)
    for i in range(n):
        v2_max[i] = min(v2_max[i], net.v2_source_pu - drop[i] * (1.0 - SAFE_SHARE))
    return True
