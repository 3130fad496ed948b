# SPDX-License-Identifier: Apache-2.0
"""Operating envelopes of a whole city: each station planned by itself over its own little tree, medium voltage as a cap.

A station's tree hangs on the point that feeds its transformer, whose voltage the caller foresees. What the meters told of
the station is repeated by a power flow first, so that losses are not counted twice.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.grid.envelopes.envelope import Bounds, Members, envelopes
from lamplighter.services.grid.envelopes.plan import Needs
from lamplighter.services.grid.envelopes.radial import Radial, flat, sweep
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

SURE_SHARE = 0.998  # of headroom, for what a lifted whole point changes in losses


class Stations(NamedTuple):
    """What never changes. Part s is rows[offsets[s]:offsets[s + 1]] of the tree, busbar first; above (m,): place of the parent
    within the part. Groups of a part: groups[group_offsets[s]:...], attach: place below which each draws; members: member_group
    (place among the part's groups), member_place, member_kw, farthest first. z_pu ... idle_kva (n,) are those of the tree;
    home_kw, shop_kw (n,): mean power below each row by class."""

    offsets: IntArray
    rows: IntArray
    above: IntArray
    group_offsets: IntArray
    groups: IntArray
    attach: IntArray
    member_offsets: IntArray
    member_group: IntArray
    member_place: IntArray
    member_kw: FloatArray
    z_pu: AnyArray
    gain_ratio: FloatArray
    rating_kva: FloatArray
    is_line: AnyArray
    idle_kva: FloatArray
    home_kw: FloatArray
    shop_kw: FloatArray


class Today(NamedTuple):
    """What is so now. own_kva (n,): demand of each row without charging; reserved_kw, held_kw, charging_kw (g,): kept free for a
    group beside what it can use, of what it can use, and drawn by it now; metered_kw (s,): power into the
    busbar; feed_pu (s,): voltage at the point that feeds the transformer;
    loading_max_ratio, u_min_pu (n,): bounds now; full_kw (n,): power that may pass each branch later;
    base_kw (n,): power through each branch now without charging."""

    own_kva: AnyArray
    reserved_kw: FloatArray
    held_kw: FloatArray
    charging_kw: FloatArray
    metered_kw: FloatArray
    feed_pu: FloatArray
    loading_max_ratio: FloatArray
    u_min_pu: FloatArray
    full_kw: FloatArray
    base_kw: FloatArray


class Horizon(NamedTuple):
    """Blocks of time (k,), the first is the present: how long each lasts; household and commerce power over their yearly mean, at
    present and in each block; fades_share (k,): what is left then of today's difference from usual."""

    lasts_h: FloatArray
    now_ratio: FloatArray
    home_ratio: FloatArray
    shop_ratio: FloatArray
    fades_share: FloatArray


@njit(cache=True)
def tree_of(city: Stations, station: int, feed_pu: float) -> Radial:
    """Return a station's own tree: the feeding point, the busbar, and all below."""
    begin, end = city.offsets[station], city.offsets[station + 1]
    many = end - begin + 1
    rows = city.rows[begin:end]
    parent = np.full(many, -1, np.int64)
    z, gain, rating = np.zeros(many, np.complex128), np.ones(many), np.full(many, np.inf)
    line, held, idle = np.zeros(many, np.bool_), np.zeros(many), np.zeros(many)
    parent[1:] = city.above[begin:end] + 1
    z[1:], gain[1:], rating[1:] = city.z_pu[rows], city.gain_ratio[rows], city.rating_kva[rows]
    line[1:], idle[1:] = city.is_line[rows], city.idle_kva[rows]
    held[0] = feed_pu
    return Radial(parent, z, gain, rating, line, held, np.zeros(many, np.complex128), idle)


@njit(cache=True)
def members_of(city: Stations, station: int) -> Members:
    """Return the groups of a station in its own tree."""
    begin, end = city.group_offsets[station], city.group_offsets[station + 1]
    first, last = city.member_offsets[station], city.member_offsets[station + 1]
    return Members(
        city.attach[begin:end] + 1,
        city.member_group[first:last],
        city.member_place[first:last] + 1,
        city.member_kw[first:last],
    )


@njit(cache=True)
def placed(members: Members, power_kw: FloatArray, rows: int) -> FloatArray:
    """Return power (n,) of rows when each group's is spread evenly over its points."""
    total, out = np.zeros(len(power_kw)), np.zeros(rows)
    for part in range(len(members.part_row)):
        total[members.part_group[part]] += members.part_kw[part]
    for part in range(len(members.part_row)):
        g = members.part_group[part]
        out[members.part_row[part]] += power_kw[g] * members.part_kw[part] / max(total[g], 1e-9)
    return out


@njit(cache=True)
def believed(city: Stations, today: Today, station: int, tree: Radial, members: Members) -> AnyArray:
    """Return the demand (n,) of a station's rows without charging, such that a power flow gives what the meter told."""
    begin, end = city.offsets[station], city.offsets[station + 1]
    begin_g, end_g = city.group_offsets[station], city.group_offsets[station + 1]
    own = np.zeros(end - begin + 1, np.complex128)
    own[1:] = today.own_kva[city.rows[begin:end]]
    charging = placed(members, today.charging_kw[city.groups[begin_g:end_g]], len(own))
    u, i, settled = sweep(tree, own + charging, flat(tree))
    total = own.real.sum()
    if settled and total > 1.0:
        through = (u[1] * np.conj(i[1])).real
        own = own * min(max(1.0 - (through - today.metered_kw[station]) / total, 0.7), 1.3)
    return own + placed(members, today.reserved_kw[city.groups[begin_g:end_g]], len(own))


@njit(cache=True)
def _ahead(city: Stations, today: Today, horizon: Horizon, station: int) -> FloatArray:
    """Return the headroom (n, k) for charging of a station's branches in each block."""
    begin, end = city.offsets[station], city.offsets[station + 1]
    blocks = len(horizon.lasts_h)
    out = np.full((end - begin + 1, blocks), 1e12)
    for place in range(begin, end):
        row = city.rows[place]
        if not np.isfinite(today.full_kw[row]):
            continue
        home, shop = city.home_kw[row], city.shop_kw[row]
        away = today.base_kw[row] - home * horizon.now_ratio[0] - shop * horizon.now_ratio[1]
        for k in range(blocks):
            usual = home * horizon.home_ratio[k] + shop * horizon.shop_ratio[k]
            out[place - begin + 1, k] = max(today.full_kw[row] - usual - horizon.fades_share[k] * away, 0.0)
    return out


@njit(cache=True)
def rotated(
    parent: IntArray,
    members: Members,
    room_kw: FloatArray,
    wants: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    least_kw: float,
) -> FloatArray:
    """Return limits (g,) that leave each point 0 or at least `least_kw`, what is too little for a point going round in turns.

    room_kw (n,): charging that may pass each branch; wants: limits shared out (g,), points that want power, and what each group
    is behind by for having been rounded down before: the most behind is the first to be lifted by a point; and what counts as
    drawn by a group in any case (what its lapsing lease would uncover).
    """
    given, wanting, behind, held = wants
    out = np.zeros(len(given))
    room = room_kw * SURE_SHARE
    for g in range(len(given)):
        points = np.floor(given[g] / least_kw + 1e-9)
        out[g] = points * least_kw if points < wanting[g] else np.floor(given[g] * 10.0 + 1e-6) / 10.0
        row = members.attach[g]
        while row >= 0:
            room[row] -= max(out[g], held[g])
            row = parent[row]
    for g in np.argsort(-(behind + given - out)):
        points = np.floor(out[g] / least_kw + 1e-9)
        if points >= wanting[g] or behind[g] + given[g] - out[g] <= 0.0:
            continue
        lift = (points + 1.0) * least_kw - max(out[g], held[g])
        row, fits = members.attach[g], True
        while row >= 0:
            fits = fits and room[row] >= lift
            row = parent[row]
        if fits:
            out[g] = (points + 1.0) * least_kw
            row = members.attach[g]
            while row >= 0:
                room[row] -= max(lift, 0.0)
                row = parent[row]
    return out


@njit(cache=True, nogil=True)
def limits(
    city: Stations, today: Today, horizon: Horizon, needs: Needs, behind_kw: FloatArray, which: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return for the stations `which` limit and share before rounding (g,), and headroom for charging now (n,); 0 elsewhere.

    needs: of all groups (g,), blocks as in the horizon; behind_kw (g,): as in `rotated`.
    """
    limit, shared, room = np.zeros(len(needs.weight)), np.zeros(len(needs.weight)), np.zeros(len(today.full_kw))
    for station in which:
        begin, end = city.group_offsets[station], city.group_offsets[station + 1]
        if end == begin:
            continue
        mine = city.groups[begin:end]
        rows = city.rows[city.offsets[station] : city.offsets[station + 1]]
        tree, members = tree_of(city, station, float(today.feed_pu[station])), members_of(city, station)
        own = believed(city, today, station, tree, members)
        ratio, low = np.ones(len(own)), np.zeros(len(own))
        ratio[1:], low[1:] = today.loading_max_ratio[rows], today.u_min_pu[rows]
        local = Needs(
            needs.due_kwh[mine],
            needs.coming_kwh[mine],
            needs.usable_kw[mine],
            needs.most_kw[mine],
            needs.weight[mine],
            needs.least_kw,
            needs.portions,
        )
        ahead = _ahead(city, today, horizon, station)
        given, head = envelopes(tree, own, members, (ahead, horizon.lasts_h), local, Bounds(ratio, low))
        whole = rotated(tree.parent, members, head, (given, local.weight, behind_kw[mine], today.held_kw[mine]), needs.least_kw)
        for k in range(end - begin):
            limit[mine[k]], shared[mine[k]] = whole[k], given[k]
        room[rows] = head[1:]
    return limit, shared, room
