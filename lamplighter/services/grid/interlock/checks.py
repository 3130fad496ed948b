# SPDX-License-Identifier: Apache-2.0
"""The checks themselves: row checks of one limit, and set checks of a station's limits by a power flow of all that is permitted.

A set is a station's groups that rise. Rows that lower what a box obeys now, or ask for no more than its permanent maximum,
never fail a set check.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.grid.interlock.effect import groups_of, in_effect, operators, permanent, worst_case
from lamplighter.services.grid.interlock.flow import (
    FRESH_S,
    U_COLLAPSED,
    heat_of_cables,
    heat_of_transformers,
    homes,
    per_station,
    solved,
    through_kw,
)
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals
from lamplighter.terms.snapshot import Snapshot

UNBALANCE_MAX = 0.02  # EN 50160, 4.2.4: negative over positive sequence, means of ten minutes
SHIFT_MAX_PU = 0.06  # meters that say more than this against the model are not believed about it
NO_LIMIT_KW = 1e9


class Worst(NamedTuple):
    """The power flow of all that is permitted, per row (n,): heat (1 is all a branch stands), voltage, unbalance; and power into
    the branch above each row in kW."""

    heat_ratio: FloatArray
    u_pu: FloatArray
    unbalance_ratio: FloatArray
    p_kw: FloatArray


def whole_point(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a limit at which no point of the group could charge and that is not 0."""
    limit = proposals[0].values["p_max_kw"]
    return Findings((limit == 0.0) | (limit >= POINT_MIN_KW - 1e-6), limit, np.full(len(limit), POINT_MIN_KW))


def installed(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a limit above what the group's points can draw together."""
    limit = proposals[0].values["p_max_kw"]
    most = prepared.installed_kw[groups_of(snapshot, proposals[0].asset, prepared)]
    return Findings(limit <= most + 1e-6, limit, most)


def read_back(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse any lease to a box that has not read back a permanent maximum, or a higher one than it should have."""
    group = groups_of(snapshot, proposals[0].asset, prepared)
    safe, told = permanent(snapshot, prepared)
    held = np.where(told, safe, prepared.installed_kw)[group]
    most = prepared.grid.groups.p_safe_kw[group]
    return Findings(told[group] & (held <= most + 0.02), held, most)


def no_higher(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse to install a permanent maximum above what the grid bears with nobody steering."""
    value = proposals[0].values["p_safe_kw"]
    most = prepared.grid.groups.p_safe_kw[groups_of(snapshot, proposals[0].asset, prepared)]
    return Findings(value <= most + 1e-6, value, most)


def group_envelope(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a raised limit above what the network operator allows the group; an old word of his counts no more than the
    permanent maximum."""
    limit = proposals[0].values["p_max_kw"]
    group = groups_of(snapshot, proposals[0].asset, prepared)
    value, fresh, ever = operators(snapshot, prepared, "group_limit_kw", prepared.group_at)
    most = np.where(fresh, value, np.minimum(value, prepared.grid.groups.p_safe_kw))
    most = np.where(ever, most, NO_LIMIT_KW)[group]
    obeyed, _ = in_effect(snapshot, prepared)
    return Findings((limit <= most + 1e-6) | (limit <= obeyed[group] + 1e-6), limit, most)


def worst_of(snapshot: Snapshot, most_kw: FloatArray, prepared: Prepared) -> Worst:
    """Return the state when the groups draw `most_kw` (g,), the worst of what is not known included.

    The error of the estimate is that of splitting each station's meter, and what may change while a lease holds. Voltage is the
    model's, shifted by what meters say against it now. A sweep that does not settle counts as the worst everywhere.
    """
    tree, settings, grid = prepared.grid.tree, prepared.settings, prepared.grid
    home_kw, home_kvar, fresh = homes(snapshot, prepared)
    charging = through_kw(prepared, most_kw)
    p, q, u, settled = solved(prepared, (home_kw, home_kvar), charging)
    many = len(p)
    if not settled:
        return Worst(np.full(many, np.inf), np.zeros(many), np.full(many, np.inf), p)
    drawn, _ = latest(snapshot, "charging_p_kw", prepared.group_at, FRESH_S)
    _, _, u_now, _ = solved(prepared, (home_kw, home_kvar), through_kw(prepared, drawn))
    u = u + _shift(snapshot, prepared, u_now)
    finite = np.isfinite(tree.rating_kva)
    rating = np.where(finite, tree.rating_kva, 1e12)
    open_kw = settings.confidence_ratio * np.hypot(prepared.split.flow_kw, prepared.change_kw)
    own_kw = np.maximum(p - charging, 0.0) * prepared.line_phases.fullest_ratio
    full = np.maximum(p, own_kw + charging) + open_kw
    received = np.hypot(full, q) / np.maximum(u, U_COLLAPSED)
    square = (full**2 + q**2) / np.maximum(u, U_COLLAPSED) ** 2
    sent = np.hypot(full + tree.r_pu * square, q + tree.x_pu * square)
    heat = np.where(finite & tree.is_line, heat_of_cables(prepared, received / rating, charging / rating), 0.0)
    at = prepared.station_row
    here = at != ABSENT
    b = np.maximum(at, 0)
    idle = grid.branches.no_load_kw[grid.station_branch]
    heat[at[here]] = heat_of_transformers(snapshot, prepared, (sent[b] + idle) / rating[b])[here]
    # A station whose meter is stale counts as fully loaded already: nothing more fits.
    heat[at[here & ~fresh]] = np.inf
    unbalance = _down_sum(tree.parent, np.abs(tree.r_pu + 1j * tree.x_pu) * own_kw * prepared.line_phases.unbalanced_ratio)
    return Worst(heat, u - settings.confidence_ratio * prepared.split.u_pu, unbalance / np.maximum(u, U_COLLAPSED), p)


def _shift(snapshot: Snapshot, prepared: Prepared, u_now: FloatArray) -> FloatArray:
    """Return by how much (n,) meters at busbars and feeder ends say that the model's voltage is off, one value per station."""
    grid, stations = prepared.grid, len(prepared.grid.station_id)
    rows = np.concatenate([prepared.station_row, grid.tree.row[grid.meter_node]])
    rated = grid.nodes.u_rated_v[np.concatenate([grid.station_busbar, grid.meter_node])]
    busbar, one = latest(snapshot, "station_u_v", prepared.station_at, FRESH_S)
    end, other = latest(snapshot, "end_u_v", prepared.meter_at, FRESH_S)
    value, use = np.concatenate([busbar, end]) / rated, np.concatenate([one, other]) & (rows != ABSENT)
    use &= (value > 0.0) & (prepared.row_station[np.maximum(rows, 0)] != ABSENT)
    station = prepared.row_station[rows[use]]
    off = np.clip(value[use] - u_now[rows[use]], -SHIFT_MAX_PU, SHIFT_MAX_PU)
    mean = np.bincount(station, weights=off, minlength=stations) / np.maximum(np.bincount(station, minlength=stations), 1)
    return np.where(prepared.row_station != ABSENT, mean[np.maximum(prepared.row_station, 0)], 0.0)


def _down_sum(parent: IntArray, own: FloatArray) -> FloatArray:
    """Return sums (n,) from the source down to each row, by pointer doubling."""
    if not bool(own.any()):
        return own
    total, up = own.copy(), parent.copy()
    while bool((up != ABSENT).any()):
        above = np.maximum(up, 0)
        total = total + np.where(up != ABSENT, total[above], 0.0)
        up = np.where(up == ABSENT, ABSENT, up[above])
    return total


def _judged(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> tuple[IntArray, Worst | None]:
    """Return the set (n,) of each row and the worst state; the last set, which never fails, are the rows that only lower."""
    table = proposals[0]
    group = groups_of(snapshot, table.asset, prepared)
    value = table.values["p_max_kw"]
    obeyed, _ = in_effect(snapshot, prepared)
    safe = prepared.grid.groups.p_safe_kw
    lowers = (value <= obeyed[group] + 1e-6) | (value <= safe[group] + 1e-6)
    sets = np.where(lowers, len(prepared.grid.station_id), prepared.grid.groups.station[group])
    if bool(lowers.all()):
        return sets, None
    asked, is_asked = np.zeros(len(prepared.installed_kw)), np.zeros(len(prepared.installed_kw), np.bool_)
    asked[group], is_asked[group] = value, True
    return sets, worst_of(snapshot, worst_case(snapshot, asked, is_asked, prepared), prepared)


def _by_set(prepared: Prepared, value: FloatArray, highest: bool) -> FloatArray:
    stations = len(prepared.grid.station_id)
    worst = per_station(prepared.grid.tree.parent, prepared.row_station, value, stations, highest)
    return np.append(worst, 0.0 if highest else np.inf)


def thermal(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits where any branch of it, or between it and the source, could get hotter than it stands."""
    sets, worst = _judged(snapshot, proposals, prepared)
    if worst is None:
        return _nothing_rises(sets, prepared)
    heat = _by_set(prepared, worst.heat_ratio, True)
    return Findings(heat <= 1.0, heat, np.ones(len(heat)), sets)


def band(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits where the voltage of any of its nodes could leave the band."""
    sets, worst = _judged(snapshot, proposals, prepared)
    if worst is None:
        return _nothing_rises(sets, prepared)
    low = prepared.settings.u_low_pu
    lowest = _by_set(prepared, worst.u_pu, False)
    return Findings(lowest >= low, np.minimum(lowest, 2.0), np.full(len(lowest), low), sets)


def unbalance(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits where homes on few line phases could pull voltages more than 2 % apart; only where the
    line phases of connections are known."""
    sets, worst = _judged(snapshot, proposals, prepared) if prepared.line_phases.known else (None, None)
    if sets is None or worst is None:
        table = proposals[0]
        return _nothing_rises(np.full(len(table), len(prepared.grid.station_id)), prepared)
    most = _by_set(prepared, worst.unbalance_ratio, True)
    return Findings(most <= UNBALANCE_MAX, most, np.full(len(most), UNBALANCE_MAX), sets)


def station_envelope(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits where power into its busbar could pass what the network operator allows."""
    value, fresh, ever = operators(snapshot, prepared, "station_limit_kw", prepared.station_at)
    if not bool(ever.any()):
        return _nothing_rises(np.full(len(proposals[0]), len(prepared.grid.station_id)), prepared)
    sets, worst = _judged(snapshot, proposals, prepared)
    if worst is None:
        return _nothing_rises(sets, prepared)
    groups, stations, b = prepared.grid.groups, len(prepared.grid.station_id), np.maximum(prepared.station_row, 0)
    home_kw, _, _ = homes(snapshot, prepared)
    low = prepared.row_station != ABSENT
    other = np.bincount(prepared.row_station[low], weights=home_kw[low], minlength=stations)
    safe = np.bincount(groups.station, weights=groups.p_safe_kw, minlength=stations)
    most = np.where(fresh, value, np.minimum(value, other + safe))
    limit = np.append(np.where(ever, most, NO_LIMIT_KW), NO_LIMIT_KW)
    into = np.append(worst.p_kw[b] + prepared.settings.confidence_ratio * prepared.change_kw[b], 0.0)
    return Findings(into <= limit + 1e-6, into, limit, sets)


def _nothing_rises(sets: IntArray, prepared: Prepared) -> Findings:
    many = len(prepared.grid.station_id) + 1
    return Findings(np.ones(many, np.bool_), np.zeros(many), np.ones(many), sets)
