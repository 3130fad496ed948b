# SPDX-License-Identifier: Apache-2.0
"""Reactive power of the city's own inverters: the least that lets all charge whom the cables bear, and that keeps voltages low
enough while nobody does.

A kvar supplied at one row lifts another by the reactance that the ways to both share, to first order; what is in force shows in
the next minute's meters, and so errors of first order mend themselves. Supplying goes up at once and down step by step.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.grid.adaptive.room import Room
from lamplighter.services.grid.adaptive.wishes import Wish
from lamplighter.services.grid.network.estimate import FRESH_S, Estimate
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, at_rows, latest
from lamplighter.services.grid.network.sharing import fallen, share, sums_below, sums_of_groups
from lamplighter.services.grid.terms import LIFT, LOWER, REST
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

ROUNDS = 12
MORE_RATIO = 1.1  # losses and falling voltage, which first order leaves out
STEADY_SHARE = 0.1  # of what inverters can: a smaller difference is left as it is
DOWN_SHARE = 0.2  # of what inverters can: so much less at most from one decision to the next
STEP_KVAR = 0.1


class Reactive(NamedTuple):
    """What inverters shall supply (i,) in kvar and why, and which are asked; what that leaves for charging (n,): the share of its
    rating that each branch may carry, and the voltage below which no row may be planned."""

    q_kvar: FloatArray
    because: IntArray
    asked: BoolArray
    most_share: FloatArray
    u_min_pu: FloatArray


@njit(cache=True)
def _lifts(parent: IntArray, x_pu: FloatArray, at: IntArray, row: int, lift: FloatArray) -> None:
    """Write by how much (i,) in pu a kvar at each row `at` lifts a row."""
    for k in range(len(at)):
        one, other, total = at[k], row, 0.0
        above_one = one
        while above_one >= 0:
            if parent[above_one] >= 0:
                above_other = other
                while above_other > above_one:
                    above_other = parent[above_other]
                if above_other == above_one:
                    total += x_pu[above_one]
            above_one = parent[above_one]
        lift[k] = total


@njit(cache=True)
def _closing(parent: IntArray, x_pu: FloatArray, at: IntArray, most: FloatArray, gap: FloatArray, rows: IntArray) -> FloatArray:
    """Return the least kvar (i,) that lifts every row by its gap, as far as inverters can; gap (n,), of which `rows` count."""
    many = len(at)
    q, lift = np.zeros(many), np.zeros(many)
    left = gap[rows]
    for _ in range(ROUNDS):
        worst = int(np.argmax(left))
        if left[worst] <= 1e-6:
            break
        _lifts(parent, x_pu, at, rows[worst], lift)
        high = 0.0
        for k in range(many):
            if lift[k] > 0.0:
                high = max(high, (most[k] - q[k]) / lift[k])
        low = 0.0
        for _ in range(40):
            middle, reached = 0.5 * (low + high), 0.0
            for k in range(many):
                reached += lift[k] * min(most[k] - q[k], middle * lift[k])
            if reached < left[worst]:
                low = middle
            else:
                high = middle
        more = np.minimum(most - q, high * lift)
        if more.sum() <= 1e-9:
            left[worst] = 0.0  # nothing here can lift it further
            continue
        q += more
        for place in range(len(rows)):
            _lifts(parent, x_pu, at, rows[place], lift)
            left[place] -= (lift * more).sum()
    return q


@njit(cache=True)
def _fitting(parent: IntArray, x_pu: FloatArray, at: IntArray, q: FloatArray, room: FloatArray, rows: IntArray) -> float:
    """Return the share of q (i,) by which no row is lifted further than its room (n,)."""
    share_of, lift = 1.0, np.zeros(len(at))
    for place in range(len(rows)):
        _lifts(parent, x_pu, at, rows[place], lift)
        lifted = (lift * q).sum()
        if lifted > 1e-9:
            share_of = min(share_of, max(room[rows[place]], 0.0) / lifted)
    return share_of


@njit(cache=True)
def least_supply(
    tree: tuple[IntArray, FloatArray], parts: tuple[IntArray, IntArray], inverters: tuple[IntArray, IntArray, FloatArray],
    gaps: tuple[FloatArray, FloatArray],
) -> FloatArray:  # fmt: skip
    """Return what inverters supply (i,), negative where they take: it lifts rows by what they lack, or lowers what is too high.

    tree: parent, x_pu (n,); parts: offsets and rows, as of `Stations`; inverters (i,): station, row, most;
    gaps (n,): what rows lack while all charge whom cables bear, and what they are too high while nobody does, negative: room.
    """
    parent, x = tree
    offsets, rows = parts
    station, row, most = inverters
    q = np.zeros(len(row))
    for s in np.unique(station):
        mine = np.flatnonzero(station == s)
        own = rows[offsets[s] : offsets[s + 1]]
        supply = _closing(parent, x, row[mine], most[mine], gaps[0], own)
        supply *= _fitting(parent, x, row[mine], supply, -gaps[1], own)
        if supply.sum() <= 0.0:
            take = _closing(parent, x, row[mine], most[mine], gaps[1], own)
            supply = -take * _fitting(parent, x, row[mine], take, -gaps[0], own)
        q[mine] = supply
    return q


def decided(snapshot: Snapshot, prepared: Prepared, found: Estimate, wish: Wish, rooms: tuple[Room, FloatArray]) -> Reactive:
    """Return what inverters shall supply. rooms: bounds of rows, and power (n,) that may charge through each branch for heat."""
    room, many, tree = rooms[0], len(prepared.inverter_at), prepared.grid.tree
    if many == 0:
        nobody = np.zeros(0)
        return Reactive(nobody, np.zeros(0, np.int64), np.zeros(0, np.bool_), room.most_share, room.u_min_pu)
    now, measured = latest(snapshot, "inverter_q_kvar", prepared.inverter_at, FRESH_S)
    told, set_fresh = latest(snapshot, "inverter_set_kvar", prepared.inverter_at, FRESH_S)
    row = np.maximum(prepared.inverter_row, 0)
    station = np.where(prepared.inverter_row == ABSENT, ABSENT, prepared.row_station[row])
    here = station != ABSENT
    steered = measured & set_fresh & snapshot.adaptive[prepared.inverter_at] & here & found.known[np.maximum(station, 0)]
    lift_now = fallen(tree.parent, tree.x_pu * sums_below(tree.parent, at_rows(prepared, now)))
    gaps = _gaps(prepared, found, wish, rooms, lift_now)
    which = np.flatnonzero(steered)
    target = np.zeros(many)
    parts = (prepared.stations.offsets, prepared.stations.rows)
    of_which = (station[which], row[which], prepared.grid.inverters.q_max_kvar[which])
    target[which] = least_supply((tree.parent, tree.x_pu), parts, of_which, gaps)
    target = _steadied(target, told, prepared.grid.inverters.q_max_kvar)
    target = np.where(steered, target, 0.0)
    # The check leans on what is measured and goes on; heat has to hold with and without it.
    below_now = sums_below(tree.parent, at_rows(prepared, now))
    below_then = sums_below(tree.parent, at_rows(prepared, np.maximum(np.where(steered, target, now), now)))
    bare = found.q_kvar + below_now
    corner = np.maximum(np.abs(bare), np.abs(bare - below_then))
    rating = np.where(np.isfinite(tree.rating_kva), tree.rating_kva, np.inf)
    more = np.maximum(corner**2 - found.q_kvar**2, 0.0) / rating**2
    lost = np.maximum(now - np.minimum(now, target), 0.0)
    drop = fallen(tree.parent, tree.x_pu * sums_below(tree.parent, at_rows(prepared, lost)))
    return Reactive(
        q_kvar=target,
        because=np.where(target > 0.0, LIFT, np.where(target < 0.0, LOWER, REST)).astype(np.int64),
        asked=steered & ((np.abs(target) > 0.0) | (np.abs(told) > 0.5 * STEP_KVAR)),
        most_share=np.sqrt(np.maximum(room.most_share**2 - more, 0.0025)),
        u_min_pu=room.u_min_pu + np.where(prepared.row_station == ABSENT, 0.0, drop),
    )


def _gaps(
    prepared: Prepared, found: Estimate, wish: Wish, rooms: tuple[Room, FloatArray], lift_now: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what rows (n,) lack in pu while all charge whom the cables bear, and what they are too high while nobody does, both
    without reactive power."""
    room, headroom_kw = rooms
    tree, settings = prepared.grid.tree, prepared.settings
    reserved = sums_of_groups(tree.parent, prepared.attach, np.where(wish.steered, 0.0, wish.reserved_kw))
    weight = np.where(wish.steered, np.maximum(wish.wanting_count, 1.0), 0.0)
    attach = np.maximum(prepared.attach, 0)
    given, _ = share(tree.parent, np.maximum(headroom_kw - reserved, 0.0), attach, weight, wish.usable_kw)
    moving = found.p_kw - found.base_kw
    more = _farthest(prepared, given) + reserved - moving
    bare = found.u_pu - lift_now
    full = bare - MORE_RATIO * fallen(tree.parent, tree.r_pu * np.maximum(more, 0.0))
    idle = bare + fallen(tree.parent, tree.r_pu * np.maximum(moving, 0.0))
    care = room.u_min_pu - settings.u_low_pu
    return room.u_min_pu - full, idle + care - settings.u_high_pu


def _farthest(prepared: Prepared, given_kw: FloatArray) -> FloatArray:
    """Return the power (n,) through each branch if every group's limit (g,) is drawn by the points below it."""
    through = sums_of_groups(prepared.grid.tree.parent, prepared.attach, given_kw)
    low = np.zeros(len(through))
    np.add.at(low, prepared.entry_row, np.minimum(given_kw[prepared.entry_group], prepared.entry_kw))
    return np.maximum(through, low)


def _steadied(target: FloatArray, told: FloatArray, most: FloatArray) -> FloatArray:
    """Return set-points (i,) that neither follow every flicker of a meter nor fall at once."""
    down = np.sign(told) * np.maximum(np.abs(told) - DOWN_SHARE * most, 0.0)
    falls = (np.sign(target) != np.sign(told)) | (np.abs(target) < np.abs(told))
    slow = np.where(falls & (np.abs(down) > np.abs(target)), down, target)
    stays = (np.abs(slow - told) <= STEADY_SHARE * most) & (target != 0.0)
    stepped = np.round(np.where(stays, told, slow) / STEP_KVAR) * STEP_KVAR
    return np.clip(stepped, -most, most)
