# SPDX-License-Identifier: Apache-2.0
"""What must never happen in the grid, as small pure checks.

The set check is a power flow of its own: branch-flow equations on the tree (Baran and Wu, Network reconfiguration
in distribution systems, IEEE Trans. Power Delivery 4(2), 1989, eq. 1-3), swept backward and forward until the losses
stand still. It takes what is proposed, what is in force elsewhere, and the worst of everything that is not known:
a station without a fresh meter counts as fully loaded, a box that does not follow counts as it says it stands, a
group's power may sit at the far end of the street, and what a meter leaves open is added to every branch.
"""

import numpy as np
from numba import njit

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals, Rule
from lamplighter.terms.service import Interlock
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 150.0  # two ticks and a half: a meter that missed two windows is stale
FOLLOWS_AFTER_S = 60.0  # by the next window a box has been asked, has obeyed and has said so
ARRIVALS = 4.0  # points of a group that nobody steers that may start within a lease
METER_SHARE = 0.005  # class 0.5, share of the rating
SWEEPS_MAX = 16
LOSS_CERTAIN = 0.9  # voltage above rated makes losses a little smaller
SETTLED_KW = 0.1  # a sweep that changes no branch by more has settled; margins are a hundred times as wide
U_COLLAPSED = 0.5

WHOLE_POINT = Rule(
    "nothing between 0 and 6 A", "kW", "IEC 61851-1:2017, table A.8", "a group gets 0, or at least what one car needs to charge"
)
INSTALLED = Rule("within what is installed", "kW", "IEC 60364-7-722", "a group is not granted more than its points can draw")
THERMAL = Rule(
    "no branch above its rating",
    "of rating",
    "DIN VDE 0276-603 (cables), IEC 60076-1 (transformers)",
    "the power flow of all that is permitted keeps every cable and transformer within its rating; a station's set fails whole",
)
BAND = Rule(
    "voltage in band",
    "pu",
    "EN 50160, 4.2.2",
    "the power flow of all that is permitted keeps the voltage of every node in the city's band; a station's set fails whole",
)


def whole_point(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a limit at which no point of the group could charge and that is not 0."""
    limit = proposals[0].values["p_max_kw"]
    return Findings((limit == 0.0) | (limit >= POINT_MIN_KW - 1e-6), limit, np.full(len(limit), POINT_MIN_KW))


def installed(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a limit above what the group's points can draw together."""
    limit = proposals[0].values["p_max_kw"]
    most = prepared.installed_kw[_groups_of(snapshot, proposals[0].asset, prepared)]
    return Findings(limit <= most + 1e-6, limit, most)


def _groups_of(snapshot: Snapshot, asset: IntArray, prepared: Prepared) -> IntArray:
    back = np.zeros(snapshot.span.stop - snapshot.span.start, np.int64)
    back[prepared.group_at] = np.arange(len(prepared.group_at))
    return back[asset - snapshot.span.start]


def _in_effect(snapshot: Snapshot, prepared: Prepared) -> tuple[FloatArray, FloatArray]:
    """Return per group (g,) the limit that its box obeys now at worst, and what it may draw within a lease, in kW."""
    at = prepared.group_at
    told, told_fresh = latest(snapshot, "charging_limit_kw", at, FRESH_S)
    drawn, drawn_fresh = latest(snapshot, "charging_p_kw", at, FRESH_S)
    force = snapshot.in_force["limit_charging"]
    active, granted = force.active[at], force.values["p_max_kw"][at]
    stated = np.where(told_fresh, np.minimum(told, prepared.installed_kw), prepared.installed_kw)
    settled = snapshot.now_s - force.since_s[at] >= FOLLOWS_AFTER_S
    # A young lease may not have arrived yet: until it must have, the worse of what was said and what was granted.
    obeyed = np.where(active, np.where(settled & told_fresh, stated, np.maximum(stated, granted)), stated)
    grows = np.minimum(drawn + ARRIVALS * prepared.grid.groups.p_point_kw, obeyed)
    return obeyed, np.where(active | ~drawn_fresh, obeyed, grows)


def _worst_case(snapshot: Snapshot, asked: FloatArray, is_asked: BoolArray, prepared: Prepared) -> FloatArray:
    """Return the most (g,) that each group may draw if the proposals are permitted."""
    told, told_fresh = latest(snapshot, "charging_limit_kw", prepared.group_at, FRESH_S)
    force = snapshot.in_force["limit_charging"]
    at = prepared.group_at
    granted, active = force.values["p_max_kw"][at], force.active[at]
    overdue = active & (snapshot.now_s - force.since_s[at] >= FOLLOWS_AFTER_S)
    # A box that says it stands above what it was granted long ago does not follow: no proposal lowers it.
    deaf = overdue & (~told_fresh | (told > granted + 0.1))
    obeyed, others = _in_effect(snapshot, prepared)
    return np.where(is_asked, np.where(deaf, np.maximum(obeyed, asked), asked), others)


@njit(cache=True)
def _sweep(
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


def _homes(snapshot: Snapshot, prepared: Prepared) -> tuple[FloatArray, FloatArray]:
    """Return what is not charging at each row (kW, kvar): as metered and a little more, or a full transformer where stale."""
    grid, at = prepared.grid, prepared.station_at
    p, p_fresh = latest(snapshot, "station_p_kw", at, FRESH_S)
    q, q_fresh = latest(snapshot, "station_q_kvar", at, FRESH_S)
    drawn, _ = latest(snapshot, "charging_p_kw", prepared.group_at, FRESH_S)  # a silent group's power stays with the homes
    moving = np.bincount(grid.groups.station, weights=drawn, minlength=len(p))
    sn = grid.branches.rating_kva[grid.station_branch]
    fresh = p_fresh & q_fresh
    homes = np.where(fresh, p - moving + prepared.settings.growth_share * sn, sn)
    reactive = np.where(fresh, q, 0.3 * sn)
    low = prepared.row_station != ABSENT
    station = np.where(low, prepared.row_station, 0)
    share = np.where(low, prepared.energy_share, 0.0)
    spread_kw, spread_kvar = homes[station] * share, reactive[station] * share
    # The meter has counted the losses of the cables already; the sweep adds them again. What homes alone lose is certain.
    through = _gather(grid.tree.parent, np.where(low, spread_kw, 0.0))
    lost = np.where(low & (grid.tree.is_line), grid.tree.r_pu * through**2, 0.0)
    homes = homes - np.where(fresh, LOSS_CERTAIN * np.bincount(station, weights=lost, minlength=len(p)), 0.0)
    return homes[station] * share, spread_kvar


def _through(prepared: Prepared, most_kw: FloatArray) -> FloatArray:
    """Return the most charging (n,) through the branch above each row: at low voltage limited by the points below."""
    tree = prepared.grid.tree
    own = np.zeros(len(tree.node))
    on = prepared.attach != ABSENT
    np.add.at(own, prepared.station_row[prepared.grid.groups.station[on]], most_kw[on])
    total = _gather(tree.parent, own)
    np.add.at(total, prepared.entry_row, np.minimum(most_kw[prepared.entry_group], prepared.entry_kw))
    return total


@njit(cache=True)
def _gather(parent: IntArray, own: FloatArray) -> FloatArray:
    """Return sums towards the source; parents stand before children."""
    total = own.copy()
    for row in range(len(parent) - 1, 0, -1):
        if parent[row] >= 0:
            total[parent[row]] += total[row]
    return total


@njit(cache=True)
def _per_station(parent: IntArray, row_station: IntArray, value: FloatArray, stations: int, highest: bool) -> FloatArray:
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


def solve_worst(snapshot: Snapshot, most_kw: FloatArray, prepared: Prepared) -> tuple[FloatArray, FloatArray]:
    """Return loading (share of rating) and voltage (pu) of every row (n,) when the groups draw `most_kw` (g,).

    Worst of what is not known included. A sweep that does not settle counts as an overload everywhere.
    """
    tree, settings = prepared.grid.tree, prepared.settings
    homes, reactive = _homes(snapshot, prepared)
    has = tree.branch != ABSENT
    fixed = np.where(has, prepared.grid.branches.no_load_kw[np.where(has, tree.branch, 0)], 0.0)
    network = (tree.r_pu, tree.x_pu, tree.gain_ratio, tree.u_source_pu)
    p, q, u, change = _sweep(tree.parent, network, (homes, reactive, _through(prepared, most_kw)), fixed)
    if change > SETTLED_KW:
        return np.full(len(p), np.inf), np.zeros(len(p))
    rating = np.where(np.isfinite(tree.rating_kva), tree.rating_kva, 1e12)
    meter = np.where(prepared.row_station == ABSENT, METER_SHARE * rating, 0.0)
    meter[prepared.station_row] = METER_SHARE * rating[prepared.station_row]
    open_kw = settings.confidence_ratio * np.hypot(prepared.sigma_kw, np.where(rating < 1e12, meter, 0.0))
    square = (p**2 + q**2) / np.maximum(u, U_COLLAPSED) ** 2
    sent = np.hypot(p + open_kw + tree.r_pu * square + fixed, q + tree.x_pu * square)
    received = np.hypot(p + open_kw, q) / np.maximum(u, U_COLLAPSED)
    loading = np.where(tree.is_line, received, sent) / rating
    sag = tree.r_pu * np.where(prepared.row_station != ABSENT, settings.confidence_ratio * prepared.sigma_kw, 0.0)
    return loading, u - sag


def _judge(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the set (n,) of each row and the worst loading and voltage per set (s + 1,); the last set only lowers."""
    table = proposals[0]
    group = _groups_of(snapshot, table.asset, prepared)
    asked, is_asked = np.zeros(len(prepared.installed_kw)), np.zeros(len(prepared.installed_kw), np.bool_)
    asked[group], is_asked[group] = table.values["p_max_kw"], True
    obeyed, _ = _in_effect(snapshot, prepared)
    safe = prepared.grid.groups.p_safe_kw
    lowers = (table.values["p_max_kw"] <= obeyed[group] + 1e-6) | (table.values["p_max_kw"] <= safe[group] + 1e-6)
    stations = len(prepared.grid.station_id)
    loading, u = solve_worst(snapshot, _worst_case(snapshot, asked, is_asked, prepared), prepared)
    parent, row_station = prepared.grid.tree.parent, prepared.row_station
    worst = _per_station(parent, row_station, loading, stations, True)
    lowest = _per_station(parent, row_station, u, stations, False)
    return np.where(lowers, stations, prepared.grid.groups.station[group]), np.append(worst, 0.0), np.append(lowest, 1.0)


def thermal(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits where any branch of it, or between it and the source, could exceed its rating.

    Rows that lower what a box obeys now, or ask for no more than its permanent maximum, are a set that never fails.
    """
    group, loading, _ = _judge(snapshot, proposals, prepared)
    return Findings(loading <= 1.0, loading, np.ones(len(loading)), group)


def band(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits where the voltage of any of its nodes could leave the band."""
    group, _, lowest = _judge(snapshot, proposals, prepared)
    low = prepared.settings.u_low_pu
    return Findings(lowest >= low, lowest, np.full(len(lowest), low), group)


LIMITING = ("limit_charging",)
INTERLOCKS = (
    Interlock(WHOLE_POINT, LIMITING, "row", whole_point),
    Interlock(INSTALLED, LIMITING, "row", installed),
    Interlock(THERMAL, LIMITING, "set", thermal),
    Interlock(BAND, LIMITING, "set", band),
)
