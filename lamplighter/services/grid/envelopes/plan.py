# SPDX-License-Identifier: Apache-2.0
"""Who may charge how much in the coming quarter of an hour, so that the whole night suffices.

A branch is the more critical the larger the share of its forecast headroom that is needed until some deadline:
need(b, k) / headroom(b, k), the greatest over deadlines k. Energy is given in small portions, each to a group below
the most critical branch that still has energy of that deadline to take, until branches are full. Sets below branches
are nested, so greedy portions minimise the largest criticality, then the next (Federgruen and Groenevelt, The greedy
procedure for resource allocation problems, Operations Research 34(6), 1986). Equal criticality is shared max-min
fair by points that want power. What is left when all needs are met is shared max-min fair.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

PORTIONS = 160  # a portion is this fraction of what the widest branch has
TIE_RATIO = 0.01  # criticalities nearer than this are alike: fairness decides
NEVER_KWH = 1e-6  # headroom that counts as none


class Needs(NamedTuple):
    """What groups (g,) need, from sums over their cars; blocks of time (k,) begin now, the first is the quarter of an hour.

    due_kwh (g, k): energy that must be drawn by the end of each block, ascending, of cars that are there;
    coming_kwh (g, k): the same of cars that are expected; usable_kw (g,): what cars there can draw in the first block;
    most_kw (g,): what all points of a group can draw; weight (g,): points that want power; least_kw: least power of one;
    portions: into how many portions what there is to give is cut.
    """

    due_kwh: FloatArray
    coming_kwh: FloatArray
    usable_kw: FloatArray
    most_kw: FloatArray
    weight: FloatArray
    least_kw: float
    portions: int = PORTIONS


def with_floor(needs: Needs, floor_kw: FloatArray, hours_first: float) -> Needs:
    """Return the needs with so much power (g,) guaranteed now: as energy due by the end of the first block it goes before all
    else, and where even that does not fit all below a full branch have the same share of it."""
    least = np.minimum(floor_kw, needs.usable_kw) * hours_first
    return needs._replace(due_kwh=np.maximum(needs.due_kwh, least[:, None]))


@njit(cache=True)
def _sums(parent: IntArray, own: FloatArray) -> FloatArray:
    total = own.copy()
    for row in range(len(parent) - 1, 0, -1):
        if parent[row] >= 0:
            for k in range(own.shape[1]):
                total[parent[row], k] += total[row, k]
    return total


@njit(cache=True)
def reachable(parent: IntArray, attach: IntArray, headroom_kw: FloatArray, hours: FloatArray, most_kw: FloatArray) -> FloatArray:
    """Return the energy (n, k) that can pass each branch from the second block until the end of block k."""
    rows, blocks = headroom_kw.shape
    own = np.zeros((rows, blocks))
    for g in range(len(attach)):
        for k in range(blocks):
            own[attach[g], k] += most_kw[g]
    for row in range(rows - 1, -1, -1):
        for k in range(blocks):
            own[row, k] = min(own[row, k], max(headroom_kw[row, k], 0.0))
            if parent[row] >= 0:
                own[parent[row], k] += own[row, k]
    for row in range(rows):
        own[row, 0] = 0.0
        for k in range(1, blocks):
            own[row, k] = own[row, k - 1] + own[row, k] * hours[k]
    return own


@njit(cache=True)
def _portion(parent: IntArray, room: FloatArray, hours_first: float, needs: Needs) -> float:
    """Return the energy that is given at a time: a fraction of what cars can draw, or of what the widest branches have."""
    most = 0.0
    for g in range(len(needs.usable_kw)):
        most += min(needs.usable_kw[g], needs.due_kwh[g, -1] / hours_first) * hours_first
    widest = 0.0
    for row in range(len(parent)):
        if parent[row] < 0 and room[row] < 1e11:
            widest += room[row]
    return max(min(most, widest if widest > 0 else most) / needs.portions, 0.02)


@njit(cache=True)
def _refresh(worst: FloatArray, changed: BoolArray, need: FloatArray, later: FloatArray) -> None:
    """Write the criticality (n, k) of the branches that changed (n,), the greatest from each deadline on."""
    for row in range(len(changed)):
        if changed[row]:
            high = 0.0
            for k in range(worst.shape[1] - 1, -1, -1):
                high = max(high, need[row, k] / (later[row, k] + 1e-3) if need[row, k] > 1e-9 else 0.0)
                worst[row, k] = high
            changed[row] = False


@njit(cache=True)
def _alone(parent: IntArray, attach: int, headroom_kw: FloatArray) -> float:
    """Return the least headroom above a group that shares with nobody."""
    least, row = np.inf, attach
    while row >= 0:
        least = min(least, headroom_kw[row])
        row = parent[row]
    return least


@njit(cache=True)
def plan(parent: IntArray, attach: IntArray, headroom_kw: FloatArray, hours: FloatArray, needs: Needs) -> FloatArray:
    """Return the power (g,) of each group in the first block. attach (g,): row below which it draws; headroom_kw (n, k)."""
    rows, blocks = headroom_kw.shape
    groups = len(attach)
    if groups == 1:
        most = min(needs.usable_kw[0], needs.due_kwh[0, blocks - 1] / hours[0])
        room_kw = _alone(parent, attach[0], headroom_kw[:, 0])
        return np.array([max(min(most, room_kw), 0.0) if room_kw >= min(needs.least_kw, most) else 0.0])
    own = np.zeros((rows, blocks))
    for g in range(groups):
        for k in range(blocks):
            own[attach[g], k] += needs.due_kwh[g, k] + needs.coming_kwh[g, k]
    need = _sums(parent, own)
    later = reachable(parent, attach, headroom_kw, hours, needs.most_kw)
    room = np.maximum(headroom_kw[:, 0], 0.0) * hours[0]
    given = np.zeros(groups)
    step = np.zeros(groups, np.int64)  # first deadline of which a group still has energy to take
    worst, changed = np.zeros((rows, blocks)), np.ones(rows, np.bool_)
    open_group = np.ones(groups, np.bool_)
    portion = _portion(parent, room, hours[0], needs)
    for _ in range(needs.portions * 12):
        _refresh(worst, changed, need, later)
        best, best_value, best_share, best_step = -1, -1.0, np.inf, blocks
        for g in range(groups):
            if not open_group[g]:
                continue
            left = needs.usable_kw[g] * hours[0] - given[g]
            while step[g] < blocks and needs.due_kwh[g, step[g]] - given[g] <= 1e-9:
                step[g] += 1
            if step[g] >= blocks or left <= 1e-9:
                open_group[g] = False
                continue
            value, row = 0.0, attach[g]
            while row >= 0:
                if room[row] <= NEVER_KWH:
                    open_group[g] = False
                    break
                value = max(value, worst[row, step[g]])
                row = parent[row]
            if not open_group[g]:
                continue
            share = given[g] / max(needs.due_kwh[g, blocks - 1], 1e-6)
            alike = abs(value - best_value) <= TIE_RATIO * max(best_value, 1e-9)
            before = step[g] < best_step or (step[g] == best_step and share < best_share)
            if value > best_value * (1.0 + TIE_RATIO) or best < 0 or (alike and before):
                best, best_share, best_step = g, share, step[g]
                best_value = max(value, best_value) if alike else value
        if best < 0:
            break
        g = best
        # The first portion of a group lets one car charge: less than 6 A would be nothing.
        least = min(needs.least_kw, needs.usable_kw[g]) * hours[0] - given[g]
        amount = max(min(portion, needs.due_kwh[g, step[g]] - given[g]), least)
        amount = min(amount, needs.usable_kw[g] * hours[0] - given[g])
        row = attach[g]
        while row >= 0:
            amount = min(amount, room[row])
            row = parent[row]
        if amount < least - 1e-9:
            open_group[g] = False
            continue
        given[g] += amount
        row = attach[g]
        while row >= 0:
            room[row] -= amount
            for k in range(step[g], blocks):
                need[row, k] -= amount
            changed[row] = True
            row = parent[row]
    return given / hours[0]


@njit(cache=True)
def service_shares(
    parent: IntArray, attach: IntArray, headroom_kw: FloatArray, hours: FloatArray, needs: tuple[Needs, Needs], shares: FloatArray
) -> FloatArray:
    """Return the share (g,) of its energy that every car of a group can be served with, the same for all below a full branch.

    needs: what is due if cars get shares[0] and shares[1] of what they want; between, it grows evenly. A branch allows
    the share at which what is due until any time just passes it; a group has the least of the branches above it.
    """
    rows, blocks = headroom_kw.shape
    low, high = np.zeros((rows, blocks)), np.zeros((rows, blocks))
    for g in range(len(attach)):
        for k in range(blocks):
            low[attach[g], k] += needs[0].due_kwh[g, k] + shares[0] * needs[0].coming_kwh[g, k]
            high[attach[g], k] += needs[1].due_kwh[g, k] + shares[1] * needs[1].coming_kwh[g, k]
    low, high = _sums(parent, low), _sums(parent, high)
    later = reachable(parent, attach, headroom_kw, hours, needs[1].most_kw)
    allowed = np.full(rows, shares[1])
    for row in range(rows):
        now = max(headroom_kw[row, 0], 0.0) * hours[0]
        for k in range(1, blocks):
            passes = now + later[row, k]
            if high[row, k] > passes and high[row, k] > low[row, k] + 1e-9:
                part = (passes - low[row, k]) / (high[row, k] - low[row, k])
                allowed[row] = min(allowed[row], shares[0] + (shares[1] - shares[0]) * max(part, 0.0))
        if parent[row] >= 0:
            allowed[row] = min(allowed[row], allowed[parent[row]])
    return allowed[attach]
