# SPDX-License-Identifier: Apache-2.0
"""One decision: estimate, look ahead, plan station by station, fit to what is so now, ramp, whole points.

A plan looks a day ahead (`envelopes`): what is due until when, at which branch, against what that branch will have left. A
large city plans a part of its stations every minute, all of them in a quarter of an hour or a little more; plans of the
others are fitted to what is so now, max-min fair.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit

from lamplighter.services.grid import arrivals
from lamplighter.services.grid.adaptive.reactive import Reactive, decided
from lamplighter.services.grid.adaptive.room import (
    BLOCK_ENDS_H,
    WIDE_KW,
    headrooms,
    medium_caps,
    moment_of,
    today_of,
)
from lamplighter.services.grid.adaptive.wishes import Wish, needs_of, wishes
from lamplighter.services.grid.arrivals import Arrivals
from lamplighter.services.grid.envelopes.city import limits
from lamplighter.services.grid.network.estimate import Estimate, estimate
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.network.sharing import fallen, share, sums_of_groups
from lamplighter.services.grid.terms import (
    BELOW_GUARANTEE,
    CABLE,
    FULL,
    INSTALL,
    MEDIUM_VOLTAGE,
    OPERATOR,
    POINT_MIN_KW,
    RAMP,
    TRANSFORMER,
    TURN,
    VOLTAGE,
)
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

ALL_AT_ONCE = 400  # stations up to which all are planned every minute
TURNS = 15  # a larger city plans so much of itself at a time, and no more than
GROUPS_A_TICK = 3400
LOST_SHARE = 0.04  # of charging, on the way: kept free where only first-order formulas tell the room
BEHIND_MAX_KW = 2.0 * POINT_MIN_KW
VOLTAGE_BINDS = 0.97
CARE_UP, CARE_DOWN = 0.25, 0.02
ROUNDING_KW = 0.05
CITED = {
    "limit_charging": ("station_p_kw", "station_u_v", "charging_p_kw", "charging_limit_kw", "charging_safe_kw"),
    "install_maximum": ("charging_p_kw", "charging_limit_kw"),
    "supply_reactive": ("station_p_kw", "station_u_v", "inverter_q_kvar", "inverter_set_kvar"),
}


@dataclass(frozen=True)
class Memory:
    """What is remembered from tick to tick: each group's plan (g,), what it is behind by for whole points (g,), whose turn it
    is to be planned, by how much medium voltage will fall (s,) when all that is granted is drawn, what newcomers bring, what was
    asked for (g,), and how much more care each station needs (s,), 0 to 1, lest what is asked for be refused."""

    plan_kw: FloatArray
    behind_kw: FloatArray
    turn: int
    sag_pu: FloatArray
    arrivals: Arrivals
    asked_kw: FloatArray
    care_ratio: FloatArray


def start(prepared: Prepared) -> Memory:
    """Return the first memory: no plan yet, which is no limit but the room there is."""
    groups, stations = len(prepared.installed_kw), len(prepared.grid.station_id)
    none, nobody = np.zeros(stations), np.zeros(groups)
    return Memory(np.full(groups, WIDE_KW), nobody, 0, none, arrivals.start(prepared), nobody, none)


def _care(snapshot: Snapshot, prepared: Prepared, memory: Memory) -> FloatArray:
    """Return how much more care each station (s,) needs: more where a limit was refused, slowly less where none was."""
    force = snapshot.in_force["limit_charging"]
    held = np.where(force.active, force.values["p_max_kw"], 0.0)[prepared.group_at]
    refused = memory.asked_kw > held + ROUNDING_KW
    often = np.bincount(prepared.grid.groups.station, weights=refused, minlength=len(memory.care_ratio)) > 0
    return np.clip(memory.care_ratio + np.where(often, CARE_UP, -CARE_DOWN), 0.0, 1.0)


def _turn(prepared: Prepared, memory: Memory, found: Estimate) -> IntArray:
    """Return the stations that are planned now."""
    stations = len(prepared.grid.station_id)
    turns = max(TURNS, -(-len(prepared.installed_kw) // GROUPS_A_TICK))
    mine = np.arange(stations) if stations <= ALL_AT_ONCE else np.arange(memory.turn % turns, stations, turns)
    return mine[found.known[mine]].astype(np.int64)


def adaptive(snapshot: Snapshot, state: Memory, prepared: Prepared) -> tuple[tuple[Proposals, ...], Memory]:
    """Propose a limit for every group whose station and box report, the permanent maximum where none is read back, and reactive
    power for inverters that report."""
    if len(prepared.installed_kw) + len(prepared.inverter_at) == 0:
        return (), state
    found = estimate(snapshot, prepared)
    wish = wishes(snapshot, prepared, found)
    limit, because, supply, state = decide(snapshot, prepared, state, found, wish)
    safe = prepared.grid.groups.p_safe_kw
    given = (
        (np.flatnonzero(wish.steered), ("limit_charging", "p_max_kw"), (limit, because)),
        (np.flatnonzero(wish.reports & ~wish.installed), ("install_maximum", "p_safe_kw"), (safe, np.full(len(safe), INSTALL))),
        (np.flatnonzero(supply.asked), ("supply_reactive", "q_kvar"), (supply.q_kvar, supply.because)),
    )
    leases = _proposals(snapshot, prepared, *given[0])
    return (leases, *(_proposals(snapshot, prepared, *table) for table in given[1:] if len(table[0]))), state


def decide(
    snapshot: Snapshot, prepared: Prepared, memory: Memory, found: Estimate, wish: Wish
) -> tuple[FloatArray, IntArray, Reactive, Memory]:
    """Return limit and reason (g,) of every group, what inverters shall do, and what is remembered."""
    care = _care(snapshot, prepared, memory)
    moment = moment_of(snapshot, prepared, found, care)
    headroom = headrooms(prepared, found, moment.room)
    supply = decided(snapshot, prepared, found, wish, (moment.room, headroom))
    if len(supply.q_kvar):
        moment = replace(moment, room=moment.room._replace(most_share=supply.most_share, u_min_pu=supply.u_min_pu))
        headroom = headrooms(prepared, found, moment.room)
    groups, stations = prepared.grid.groups, len(prepared.grid.station_id)
    station = np.maximum(groups.station, 0)
    b = np.maximum(prepared.station_row, 0)
    operator = np.maximum(wish.station_kw - found.base_kw[b] - moment.room.margin_kw[b], 0.0)
    headroom[b] = np.minimum(headroom[b], operator)
    taken = _below(prepared, np.where(wish.steered, 0.0, wish.reserved_kw))
    asked = np.minimum(np.bincount(station, weights=wish.usable_kw, minlength=stations), headroom[b])
    caps = np.minimum(medium_caps(prepared, headroom - taken, asked), operator)
    which = _turn(prepared, memory, found)
    mine = np.isin(groups.station, which) if len(which) < stations else np.ones(len(groups.id), np.bool_)
    arrived = arrivals.follow(snapshot, prepared, memory.arrivals)
    ahead = (BLOCK_ENDS_H, moment.local_h, arrivals.coming_kwh(arrived, BLOCK_ENDS_H))
    needs = needs_of(snapshot, prepared, wish, ahead, np.flatnonzero(mine))
    today = today_of(prepared, found, wish, moment.room, (caps, memory.sag_pu))
    planned, shared, room = limits(prepared.stations, today, moment.horizon, needs, memory.behind_kw, which)
    fresh = mine & (prepared.attach != ABSENT)
    limit, stopped, loose = _fitted(prepared, memory, wish, fresh, (planned, room, headroom))
    behind = np.where(fresh, np.clip(memory.behind_kw + shared - planned, -BEHIND_MAX_KW, BEHIND_MAX_KW), memory.behind_kw)
    tight = np.where(fresh, shared, loose)
    because = _reasons(prepared, wish, (limit, tight), stopped, (room, headroom))
    raised = wish.reported_kw + prepared.settings.ramp_kw_min
    because = np.where(limit > raised, RAMP, because)
    limit = _whole(np.minimum(np.minimum(limit, raised), wish.most_kw), wish.wanting_count)
    sag = _sag(prepared, np.maximum(limit - found.charging_kw, 0.0))
    plan = np.where(fresh, np.maximum(shared, POINT_MIN_KW), memory.plan_kw)
    asked = np.where(wish.steered, limit, 0.0)
    return limit, because, supply, Memory(plan, behind, memory.turn + 1, sag, arrived, asked, care)


def _fitted(
    prepared: Prepared, memory: Memory, wish: Wish, fresh: BoolArray, now: tuple[FloatArray, FloatArray, FloatArray]
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return limits (g,), the row that stops each group, and limits before rounding: fresh plans with what room is left,
    older ones as far as they fit. now: fresh limits (g,), room of their branches (n,), first-order headroom (n,)."""
    planned, room, headroom = now
    tree, groups = prepared.grid.tree, prepared.grid.groups
    low = prepared.row_station
    row_fresh = np.zeros(len(prepared.grid.station_id) + 1, np.bool_)
    row_fresh[groups.station[fresh]] = True
    known = row_fresh[low] & (low != ABSENT)
    rest = np.where(known, room, headroom * (1.0 - LOST_SHARE)) - _below(
        prepared, np.where(wish.steered | known[np.maximum(prepared.attach, 0)], 0.0, wish.reserved_kw)
    )
    attach = np.maximum(prepared.attach, 0)
    weight = np.where(wish.steered, np.maximum(wish.wanting_count, 1.0), 0.0)
    older = np.where(fresh, 0.0, np.minimum(memory.plan_kw, wish.usable_kw))
    first = planned
    if bool((~fresh).any()):
        given, _ = share(
            tree.parent, rest - _below(prepared, np.where(fresh, np.maximum(planned, wish.held_kw), 0.0)), attach, weight, older
        )
        first = np.where(fresh, planned, _whole(given, wish.wanting_count))
    left = rest - _below(prepared, np.maximum(first, wish.held_kw))
    full = first >= wish.wanting_count * POINT_MIN_KW - 1e-6  # elsewhere only whole points count, and they are given out
    more, stopped = share(tree.parent, np.maximum(left, 0.0), attach, np.where(full, weight, 0.0), wish.usable_kw - first)
    limit = first + np.where(full, more, 0.0)
    return limit, np.where(full, stopped, _tightest(tree.parent, left)[attach]), limit


@njit(cache=True)
def _tightest(parent: IntArray, left: FloatArray) -> IntArray:
    """Return for each row (n,) the row above it, or itself, whose branch has least left."""
    best, where = left.copy(), np.arange(len(left))
    for row in range(len(parent)):
        up = parent[row]
        if up >= 0 and best[up] < best[row]:
            best[row], where[row] = best[up], where[up]
    return where


def _below(prepared: Prepared, given: FloatArray) -> FloatArray:
    """Return what groups draw (g,) as sums over the tree (n,)."""
    return sums_of_groups(prepared.grid.tree.parent, prepared.attach, given)


def _whole(limit_kw: FloatArray, wanting: FloatArray) -> FloatArray:
    """Return limits that leave every point 0 or at least 6 A: whole points where not all who want can charge at once."""
    points = np.floor(limit_kw / POINT_MIN_KW + 1e-9)
    rounded = np.where(points < wanting, points * POINT_MIN_KW, np.floor(limit_kw * 10.0 + 1e-6) / 10.0)
    return np.where(points >= 1.0, np.maximum(rounded, POINT_MIN_KW), 0.0)


def _sag(prepared: Prepared, more_kw: FloatArray) -> FloatArray:
    """Return by how much (s,) the voltage that feeds each station falls when so much more (g,) is drawn."""
    tree = prepared.grid.tree
    own = np.where(prepared.row_station == ABSENT, tree.r_pu * _below(prepared, more_kw), 0.0)
    total = fallen(tree.parent, own)
    feeding = tree.parent[np.maximum(prepared.station_row, 0)]
    return np.where(feeding == ABSENT, 0.0, total[np.maximum(feeding, 0)])


def _reasons(
    prepared: Prepared,
    wish: Wish,
    given: tuple[FloatArray, FloatArray],
    stopped: IntArray,
    rooms: tuple[FloatArray, FloatArray],
) -> IntArray:
    """Return why each group (g,) gets what it gets."""
    limit, shared = given
    tree = prepared.grid.tree
    where = np.maximum(np.where(stopped >= 0, stopped, prepared.attach), 0)
    medium = prepared.row_station[where] == ABSENT
    branch = np.where(tree.is_line[where], np.where(medium, MEDIUM_VOLTAGE, CABLE), TRANSFORMER)
    volts = tree.is_line[where] & ~medium & (rooms[0][where] > 0.0) & (rooms[0][where] < VOLTAGE_BINDS * rooms[1][where])
    branch = np.where(volts, VOLTAGE, branch)
    branch = np.where((limit < POINT_MIN_KW) & (shared > 0.5), TURN, branch)
    private = prepared.grid.groups.access == "private"
    short = private & (limit < wish.guaranteed_kw - POINT_MIN_KW)
    branch = np.where(short, BELOW_GUARANTEE, branch)
    enough = limit >= np.minimum(wish.usable_kw, prepared.installed_kw) - 0.2
    operators = (wish.most_kw < prepared.installed_kw) & enough
    return np.where(operators, OPERATOR, np.where(enough, FULL, branch)).astype(np.int64)


def _proposals(
    snapshot: Snapshot, prepared: Prepared, rows: IntArray, action: tuple[str, str], of_boxes: tuple[FloatArray, Any]
) -> Proposals:
    """Return one action's table for some groups or inverters; of_boxes: value and reason of each."""
    start_at = prepared.city.span.start
    codes = {name: code for code, name in enumerate(snapshot.vocabulary)}
    if action[0] == "supply_reactive":
        box, of_station = prepared.inverter_at[rows] + start_at, prepared.row_station[prepared.inverter_row[rows]]
    else:
        box, of_station = prepared.group_at[rows] + start_at, prepared.grid.groups.station[rows]
    station = prepared.station_at[of_station] + start_at
    cited = CITED[action[0]]
    asset = np.stack([station if name.startswith("station") else box for name in cited], axis=1).reshape(-1)
    quantity = np.tile(np.array([codes[name] for name in cited], dtype=np.int64), len(rows))
    return Proposals(
        action=action[0],
        asset=box,
        values={action[1]: of_boxes[0][rows]},
        because=of_boxes[1][rows].astype(np.int64),
        cites=Cites(np.arange(len(rows) + 1, dtype=np.int64) * len(cited), asset, quantity),
        arm="adaptive",
        issued_s=snapshot.now_s,
        lease_s=prepared.settings.lease_s,
    )
