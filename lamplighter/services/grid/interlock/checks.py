# SPDX-License-Identifier: Apache-2.0
"""The checks themselves: row checks of one limit, and set checks of a station's limits by a power flow of all that is permitted.

A set is a station's groups that rise and its inverters that move. Rows that lower what a box obeys now, ask for no more than its
permanent maximum, or bring an inverter nearer to nothing for heat's sake never fail a set check.
"""

import numpy as np

from lamplighter.services.grid.interlock.effect import groups_of, in_effect, operators, permanent, worst_case
from lamplighter.services.grid.interlock.flow import homes, per_station
from lamplighter.services.grid.interlock.supply import ROUNDING_KVAR, asked_of, moves, supply_of
from lamplighter.services.grid.interlock.worst import Worst, worst_of
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared
from lamplighter.services.grid.terms import POINT_MIN_KW
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals
from lamplighter.terms.snapshot import Snapshot

UNBALANCE_MAX = 0.02  # EN 50160, 4.2.4: negative over positive sequence, means of ten minutes
NO_LIMIT_KW = 1e9
U_LOST_PU = 0.85  # EN 50160, 4.2.2: no mean of ten minutes is below, were all that lifts the voltage to stop at once


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


def _judged(
    snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared, moving: BoolArray | None = None
) -> tuple[IntArray, Worst | None]:
    """Return the set (n,) of each row and the worst state; the last set, which never fails, are the rows that only lower.

    proposals: limits, and set-points of inverters where the check is of both; moving: which of the latter count.
    """
    table, last = proposals[0], len(prepared.grid.station_id)
    group = groups_of(snapshot, table.asset, prepared)
    value = table.values["p_max_kw"] if len(table) else np.zeros(0)
    obeyed, _ = in_effect(snapshot, prepared)
    safe = prepared.grid.groups.p_safe_kw
    lowers = (value <= obeyed[group] + 1e-6) | (value <= safe[group] + 1e-6)
    sets = np.where(lowers, last, prepared.grid.groups.station[group])
    supplying = proposals[1] if len(proposals) > 1 else None
    if supplying is not None and moving is not None:
        sets = np.concatenate([sets, np.where(moving, moves(snapshot, supplying, prepared)[0], last)])
    if bool((sets == last).all()):
        return sets, None
    asked, is_asked = np.zeros(len(prepared.installed_kw)), np.zeros(len(prepared.installed_kw), np.bool_)
    asked[group], is_asked[group] = value, True
    supply = supply_of(snapshot, prepared, *asked_of(snapshot, supplying, prepared)) if supplying is not None else None
    return sets, worst_of(snapshot, worst_case(snapshot, asked, is_asked, prepared), prepared, supply)


def _by_set(prepared: Prepared, value: FloatArray, highest: bool) -> FloatArray:
    stations = len(prepared.grid.station_id)
    worst = per_station(prepared.grid.tree.parent, prepared.row_station, value, stations, highest)
    return np.append(worst, 0.0 if highest else np.inf)


def thermal(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits and growing reactive power where any branch of it, or between it and the source, could get
    hotter than it stands. Reactive power that only comes nearer to nothing is never refused for heat."""
    _, asked, now = moves(snapshot, proposals[1], prepared)
    grows = np.abs(asked - np.clip(now, np.minimum(asked, 0.0), np.maximum(asked, 0.0))) > ROUNDING_KVAR
    sets, worst = _judged(snapshot, proposals, prepared, grows)
    if worst is None:
        return _nothing_rises(sets, prepared)
    heat = _by_set(prepared, worst.heat_ratio, True)
    return Findings(heat <= 1.0, heat, np.ones(len(heat)), sets)


def band(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse a station's raised limits, and less reactive power, where the voltage of any of its nodes could fall out of the
    band; or out of the wider one of EN 50160 if inverters stopped at once."""
    _, asked, now = moves(snapshot, proposals[1], prepared)
    sets, worst = _judged(snapshot, proposals, prepared, asked < now - ROUNDING_KVAR)
    if worst is None:
        return _nothing_rises(sets, prepared)
    low = prepared.settings.u_low_pu
    lowest, lost = _by_set(prepared, worst.u_pu, False), _by_set(prepared, worst.u_lost_pu, False)
    by_loss = (lowest >= low) & (lost < U_LOST_PU)
    seen, limit = np.where(by_loss, lost, lowest), np.where(by_loss, U_LOST_PU, low)
    return Findings(seen >= limit, np.minimum(seen, 2.0), limit, sets)


def lifted(snapshot: Snapshot, proposals: tuple[Proposals, ...], prepared: Prepared) -> Findings:
    """Refuse more reactive power where the voltage of any node of a station could rise out of the band, were nobody to charge."""
    _, asked, now = moves(snapshot, proposals[1], prepared)
    rises = asked > now + ROUNDING_KVAR
    last = len(prepared.grid.station_id)
    if not bool(rises.any()):
        return _nothing_rises(np.full(len(proposals[0]) + len(proposals[1]), last), prepared)
    sets, worst = _judged(snapshot, proposals, prepared, rises)
    sets[: len(proposals[0])] = last  # charging lifts no voltage
    if worst is None:
        return _nothing_rises(sets, prepared)
    high = prepared.settings.u_high_pu
    highest = _by_set(prepared, worst.u_high_pu, True)
    return Findings(highest <= high, np.clip(highest, 0.0, 2.0), np.full(len(highest), high), sets)


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
