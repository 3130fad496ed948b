# SPDX-License-Identifier: Apache-2.0
"""The check's own power flow, and its own account of how hot it makes cables and transformers.

Branch-flow equations on the tree (Baran and Wu, Network reconfiguration in distribution systems, IEEE Trans. Power Delivery
4(2), 1989, eq. 1-3), swept backward and forward until the losses stand still.
"""

import numpy as np
from numba import njit

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 150.0  # two ticks and a half: a meter that missed two windows is stale
SWEEPS_MAX = 16
SETTLED_KW = 0.1  # a sweep that changes no branch by more has settled; margins are a hundred times as wide
U_COLLAPSED = 0.5
LOSS_CERTAIN = 0.9  # voltage above rated makes losses a little smaller
FULL_TAN = 0.3  # reactive share of a transformer that counts as full

# IEC 60076-7:2018, table 4 (ONAN distribution transformers) and 8.2.2; table 1 for the most that may be carried.
OIL_RISE_K, WINDING_RISE_K = 55.0, 23.0
OIL_EXPONENT, WINDING_EXPONENT = 0.8, 1.6
HOTTEST_C, TRANSFORMER_SHARE_MAX = 98.0, 1.5
OIL_TIME_MIN, WITHIN_MIN = 180.0, 20.0
# Heat of a cable in the ground: what it carries now, and the mean square of its day (Neher and McGrath 1957; rated at a
# load factor of 0.7).
HEAT_NOW, HEAT_OF_DAY = 0.72, 0.50


@njit(cache=True)
def branch_flow(
    parent: IntArray,
    network: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    power: tuple[FloatArray, FloatArray, FloatArray],
    fixed_kw: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Solve the branch-flow equations: return power at the lower end (kW, kvar) and voltage (pu), and the last change in kW.

    network: r_pu, x_pu, gain_ratio, u_source_pu; power: homes (kW), reactive (kvar) and charging through the branch
    above each row (kW, already a bound, not summed); fixed_kw: constant loss of the branch above a row.
    """
    r, x, gain, u_source = network
    homes, reactive, charging = power
    rows = len(parent)
    u = np.ones(rows)
    p, q, change = np.zeros(rows), np.zeros(rows), 1e9
    for _ in range(SWEEPS_MAX):
        below_p, below_q = homes.copy(), reactive.copy()
        change = 0.0
        for row in range(rows - 1, -1, -1):
            new_p = below_p[row] + charging[row]
            change = max(change, abs(new_p - p[row]))
            p[row], q[row] = new_p, below_q[row]
            if parent[row] >= 0:
                square = (p[row] ** 2 + q[row] ** 2) / max(u[row], U_COLLAPSED) ** 2
                below_p[parent[row]] += below_p[row] + r[row] * square + fixed_kw[row]
                below_q[parent[row]] += below_q[row] + x[row] * square
        for row in range(rows):
            if parent[row] < 0:
                u[row] = u_source[row]
                continue
            upper = u[parent[row]] * gain[row]
            square = (p[row] ** 2 + q[row] ** 2) / max(u[row], U_COLLAPSED) ** 2
            sent_p, sent_q = p[row] + r[row] * square, q[row] + x[row] * square
            v2 = (
                upper**2
                - 2.0 * (r[row] * sent_p + x[row] * sent_q)
                + (r[row] ** 2 + x[row] ** 2) * (sent_p**2 + sent_q**2) / max(upper, U_COLLAPSED) ** 2
            )
            u[row] = np.sqrt(max(v2, 0.0))
        if change <= SETTLED_KW:
            break
    return p, q, u, change


def homes(snapshot: Snapshot, prepared: Prepared) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return what is not charging at each row (kW, kvar), a full transformer where stale; and which stations are fresh."""
    grid, at = prepared.grid, prepared.station_at
    p, p_fresh = latest(snapshot, "station_p_kw", at, FRESH_S)
    q, q_fresh = latest(snapshot, "station_q_kvar", at, FRESH_S)
    drawn, _ = latest(snapshot, "charging_p_kw", prepared.group_at, FRESH_S)  # a silent group's power stays with the homes
    supplied, _ = latest(snapshot, "inverter_q_kvar", prepared.inverter_at, FRESH_S)  # and so does a silent inverter's
    of_inverter = prepared.row_station[np.maximum(prepared.inverter_row, 0)]
    on = (prepared.inverter_row != ABSENT) & (of_inverter != ABSENT)
    taken_off = np.bincount(of_inverter[on], weights=supplied[on], minlength=len(p))
    moving = np.bincount(grid.groups.station, weights=drawn, minlength=len(p))
    sn = grid.branches.rating_kva[grid.station_branch]
    fresh = p_fresh & q_fresh
    own = np.where(fresh, p - moving, sn)
    reactive = np.where(fresh, q + taken_off, FULL_TAN * sn)
    low = prepared.row_station != ABSENT
    station = np.where(low, prepared.row_station, 0)
    share = np.where(low, prepared.energy_share, 0.0)
    # The meter has counted the losses of the cables already; the sweep adds them again. What homes alone lose is certain.
    through = gathered(grid.tree.parent, np.where(low, own[station] * share, 0.0))
    lost = np.where(low & grid.tree.is_line, grid.tree.r_pu * through**2, 0.0)
    own = own - np.where(fresh, LOSS_CERTAIN * np.bincount(station, weights=lost, minlength=len(p)), 0.0)
    return own[station] * share, reactive[station] * share, fresh


def through_kw(prepared: Prepared, most_kw: FloatArray, evenly: bool = False) -> FloatArray:
    """Return the most charging (n,) through the branch above each row: at low voltage limited by the points below, or their even
    share of what the group draws."""
    tree = prepared.grid.tree
    own = np.zeros(len(tree.node))
    on = prepared.attach != ABSENT
    np.add.at(own, prepared.station_row[prepared.grid.groups.station[on]], most_kw[on])
    total = gathered(tree.parent, own)
    below = prepared.entry_kw
    part = most_kw[prepared.entry_group]
    share = below / np.maximum(prepared.installed_kw[prepared.entry_group], 1e-9)
    np.add.at(total, prepared.entry_row, part * share if evenly else np.minimum(part, below))
    return total


@njit(cache=True)
def gathered(parent: IntArray, own: FloatArray) -> FloatArray:
    """Return sums towards the source; parents stand before children."""
    total = own.copy()
    for row in range(len(parent) - 1, 0, -1):
        if parent[row] >= 0:
            total[parent[row]] += total[row]
    return total


@njit(cache=True)
def per_station(parent: IntArray, row_station: IntArray, value: FloatArray, stations: int, highest: bool) -> FloatArray:
    """Return the worst value of each station: of its own branches, and of every branch between it and the source."""
    above = value.copy()
    worst = np.full(stations, -np.inf if highest else np.inf)
    for row in range(len(parent)):
        if parent[row] >= 0 and row_station[parent[row]] < 0:
            up = above[parent[row]]
            above[row] = max(above[row], up) if highest else min(above[row], up)
        station = row_station[row]
        if station >= 0:
            worst[station] = max(worst[station], above[row]) if highest else min(worst[station], above[row])
    return worst


def solved(
    prepared: Prepared, demand: tuple[FloatArray, FloatArray], charging_kw: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    """Return kW and kvar at the lower end and voltage of every row (n,), and whether the sweep settled."""
    tree = prepared.grid.tree
    has = tree.branch != ABSENT
    fixed = np.where(has, prepared.grid.branches.no_load_kw[np.where(has, tree.branch, 0)], 0.0)
    network = (tree.r_pu, tree.x_pu, tree.gain_ratio, tree.u_source_pu)
    p, q, u, change = branch_flow(tree.parent, network, (*demand, charging_kw), fixed)
    return p, q, u, bool(change <= SETTLED_KW)


def heat_of_transformers(snapshot: Snapshot, prepared: Prepared, share: FloatArray) -> FloatArray:
    """Return the heat (s,) that each transformer reaches at a share of its rating, 1 being all it stands: the rise of its hottest
    winding over the ambient within WITHIN_MIN from the oil's told temperature, or for good where none is told."""
    oil, warm = latest(snapshot, "station_oil_c", prepared.station_at, FRESH_S)
    table = prepared.grid.tables["transformers"]
    loss = np.asarray(table["pk_kw"], np.float64) / np.maximum(np.asarray(table["p0_kw"], np.float64), 1e-3)
    outside = prepared.settings.ambient_c
    settles = outside + OIL_RISE_K * ((1.0 + loss * share**2) / (1.0 + loss)) ** OIL_EXPONENT
    reached = 1.0 - np.exp(-WITHIN_MIN / OIL_TIME_MIN)
    then = np.where(warm, oil + (settles - oil) * np.where(settles > oil, reached, 0.0), settles)
    hottest = then + WINDING_RISE_K * share**WINDING_EXPONENT
    outside = min(outside, HOTTEST_C - 1.0)
    return np.maximum((hottest - outside) / (HOTTEST_C - outside), (share / TRANSFORMER_SHARE_MAX) ** 2)


def heat_of_cables(prepared: Prepared, share: FloatArray, charging_share: FloatArray) -> FloatArray:
    """Return the heat (n,) of each cable, 1 being all it stands: charging counts as if it went on all day (load factor 1)."""
    rating = np.where(np.isfinite(prepared.grid.tree.rating_kva), prepared.grid.tree.rating_kva, 1e12)
    usual, stations = prepared.usual, prepared.stations
    home, shop = stations.home_kw / rating, stations.shop_kw / rating
    mean = home * usual.household_ratio.mean() + shop * usual.commerce_ratio.mean()
    square = (
        home**2 * (usual.household_ratio**2).mean()
        + 2.0 * home * shop * (usual.household_ratio * usual.commerce_ratio).mean()
        + shop**2 * (usual.commerce_ratio**2).mean()
    )
    day = square + 2.0 * mean * charging_share + charging_share**2
    return np.maximum(HEAT_NOW * share**2 + HEAT_OF_DAY * day, share**2)
