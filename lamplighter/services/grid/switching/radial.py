# SPDX-License-Identifier: Apache-2.0
"""Trees that closed branches leave, and the exact power flow on them. Everything is in kW, kvar and per unit of voltage.

Branch e joins nodes tail[e] and head[e]; node 0 is the source. Rows of a branch table never change; which branches are
closed is an array of its own, so that a search over configurations copies nothing else.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

ITERATIONS_MAX = 200
TOLERANCE_SHARE = 1e-13  # change of the sum of squared amperes from one iteration to the next
LOWEST_V2_PU = 0.04  # below a fifth of rated voltage no operating point is looked for
NO_TREE, NO_POINT = -1.0, -2.0


class Net(NamedTuple):
    """Nodes (n,) and branches (m,). first (n+1,), along (2m,): branches at each node. v2: squared voltage."""

    first: IntArray
    along: IntArray
    tail: IntArray
    head: IntArray
    r_pu: FloatArray
    x_pu: FloatArray
    p_kw: FloatArray
    q_kvar: FloatArray
    v2_source_pu: float


def neighbours(nodes: int, tail: IntArray, head: IntArray) -> tuple[IntArray, IntArray]:
    """Return (first, along): the branches at node i are along[first[i]:first[i + 1]]."""
    at = np.concatenate([tail, head])
    order = np.argsort(at, kind="stable")
    first = np.searchsorted(at[order], np.arange(nodes + 1)).astype(np.int64)
    return first, (order % max(len(tail), 1)).astype(np.int64)


@njit(cache=True)
def span(net: Net, closed: BoolArray, order: IntArray, up: IntArray) -> int:
    """Walk from the source over closed branches: fill `order` (nodes) and `up` (branch to the parent, -1 where there is none).

    Returns how many nodes are reached, or -1 where closed branches leave a ring.
    """
    up[:] = -1
    seen = np.zeros(len(up), np.bool_)
    order[0], seen[0], found = 0, True, 1
    at = 0
    ring = False
    while at < found:
        here = order[at]
        for k in range(net.first[here], net.first[here + 1]):
            e = net.along[k]
            if not closed[e] or e == up[here]:
                continue
            other = net.head[e] if net.tail[e] == here else net.tail[e]
            if seen[other]:
                ring = True
            else:
                seen[other], up[other], order[found] = True, e, other
                found += 1
        at += 1
    return -1 if ring else found


@njit(cache=True)
def above(net: Net, e: int, i: int) -> int:
    """Return the other end of branch e than node i."""
    return net.head[e] if net.tail[e] == i else net.tail[e]


@njit(cache=True)
def flow(
    net: Net, order: IntArray, found: int, up: IntArray, v2: FloatArray, p_in: FloatArray, q_in: FloatArray, square: FloatArray
) -> float:
    """Solve the branch-flow equations on a tree exactly, by sweeps up and down (Baran and Wu 1989, eq. 1 to 3).

    Fills v2 (n,) squared voltage, p_in, q_in (n,) power into each node's branch at its upper end, square (n,) squared
    amperes of that branch, for the nodes reached. Returns the loss in kW, or NO_POINT where none is found.
    """
    for k in range(found):
        v2[order[k]], square[order[k]] = net.v2_source_pu, 0.0
    before = -1.0
    for _ in range(ITERATIONS_MAX):
        for k in range(found):
            p_in[order[k]], q_in[order[k]] = net.p_kw[order[k]], net.q_kvar[order[k]]
        total, loss = 0.0, 0.0
        for k in range(found - 1, 0, -1):
            i: int = order[k]
            e: int = up[i]
            over = above(net, e, i)
            p_in[i] += net.r_pu[e] * square[i]
            q_in[i] += net.x_pu[e] * square[i]
            p_in[over] += p_in[i]
            q_in[over] += q_in[i]
            loss += net.r_pu[e] * square[i]
        for k in range(1, found):
            i: int = order[k]
            e: int = up[i]
            r, x = net.r_pu[e], net.x_pu[e]
            upper = v2[above(net, e, i)]
            square[i] = (p_in[i] ** 2 + q_in[i] ** 2) / upper
            v2[i] = upper - 2.0 * (r * p_in[i] + x * q_in[i]) + (r * r + x * x) * square[i]
            if v2[i] < LOWEST_V2_PU:
                return NO_POINT
            total += square[i]
        if abs(total - before) <= TOLERANCE_SHARE * total:
            return loss
        before = total
    return NO_POINT


@njit(cache=True)
def loss_of(net: Net, closed: BoolArray) -> tuple[float, float]:
    """Return (loss in kW, lowest voltage in pu) of one configuration; the loss is NO_TREE where closed branches are no
    tree over all nodes, NO_POINT where no operating point is found."""
    n = len(net.p_kw)
    order, up = np.empty(n, np.int64), np.empty(n, np.int64)
    found = span(net, closed, order, up)
    if found != n:
        return NO_TREE, 0.0
    v2, p_in, q_in, square = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    loss = flow(net, order, found, up, v2, p_in, q_in, square)
    return (loss, np.sqrt(v2.min())) if loss >= 0.0 else (loss, 0.0)


@njit(cache=True)
def descend(net: Net, closed: BoolArray, may_switch: BoolArray) -> float:
    """Exchange one open for one closed branch as long as that lowers the loss; `closed` is changed. Returns the loss."""
    n = len(net.p_kw)
    best, _ = loss_of(net, closed)
    order, up = np.empty(n, np.int64), np.empty(n, np.int64)
    better = True
    while better:
        better = False
        for e in range(len(net.tail)):
            if closed[e] or not may_switch[e]:
                continue
            span(net, closed, order, up)
            depth = np.zeros(n, np.int64)
            for k in range(1, n):
                i: int = order[k]
                depth[i] = depth[above(net, up[i], i)] + 1
            u, w, gain, out = net.tail[e], net.head[e], best, -1
            closed[e] = True
            while u != w:
                if depth[u] >= depth[w]:
                    g = up[u]
                    u = above(net, g, u)
                else:
                    g = up[w]
                    w = above(net, g, w)
                if may_switch[g]:
                    closed[g] = False
                    loss, _ = loss_of(net, closed)
                    closed[g] = True
                    if loss >= 0.0 and loss < gain * (1.0 - 1e-12):
                        gain, out = loss, g
            closed[e] = False
            if out >= 0:
                closed[e], closed[out], best, better = True, False, gain, True
    return best
