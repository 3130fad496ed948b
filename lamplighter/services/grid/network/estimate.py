# SPDX-License-Identifier: Apache-2.0
"""The state of the grid as estimated from station meters, feeder ends and charging groups.

Up to `estimate_nodes_max` nodes by weighted least squares (power-grid-model, Newton). Larger grids, and meters that no
state fits, split each station's meter along the tree by class shares and follow the voltage down with first-order
formulas: less exact, some hundred times as fast, and said so by `by_split`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from lamplighter.services.grid.intervals import chosen
from lamplighter.services.grid.network.engine import EstimateError, Meters, estimate_state
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, at_rows, latest
from lamplighter.services.grid.network.sharing import sums_below
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

FRESH_S = 150.0
METER_SHARE = 0.005  # class 0.5: error of a station's meter, share of its rating
U_SIGMA_SHARE = 0.002
EXACT_KW = 0.02  # spread of a node at which nothing is connected


@dataclass(frozen=True)
class Estimate:
    """Columns over rows of the tree (n,), groups (g,) and stations (s,).

    known (s,): the station's meter is fresh. p_kw, q_kvar (n,): power into the branch above the row, losses
    included; base_kw (n,): of this, what is not charging; u_pu (n,); loading (n,): share of rating; charging_kw (g,)
    as reported, 0 where not fresh; reported (g,): the group's power is fresh. flow_sigma_kw, u_sigma_pu (n,): how far p_kw
    and the voltage may be off (one standard deviation); misfit_ratio (s,): by how much a station's meters disagree with
    the state beyond their own errors, at least 1: intervals are as much wider.
    """

    known: BoolArray
    p_kw: FloatArray
    q_kvar: FloatArray
    base_kw: FloatArray
    u_pu: FloatArray
    loading: FloatArray
    charging_kw: FloatArray
    reported: BoolArray
    by_split: bool
    flow_sigma_kw: FloatArray
    u_sigma_pu: FloatArray
    misfit_ratio: FloatArray


@njit(cache=True)
def _voltages(
    parent: IntArray, drop: FloatArray, gain: FloatArray, u_source: FloatArray, known_row: BoolArray, known_u: FloatArray
) -> FloatArray:
    """Follow the voltage down the tree; a measured busbar restarts it."""
    u = np.zeros(len(parent))
    for row in range(len(parent)):
        if parent[row] < 0:
            u[row] = u_source[row]
        else:
            u[row] = u[parent[row]] * gain[row] - drop[row]
        if known_row[row]:
            u[row] = known_u[row]
    return u


def _by_row(prepared: Prepared, per_node: FloatArray) -> FloatArray:
    """Return node values (nodes,) as row values (n,)."""
    return per_node[prepared.grid.tree.node]


def charging_at_nodes(prepared: Prepared, group_kw: FloatArray) -> FloatArray:
    """Return group power (g,) spread over nodes (nodes,) by numbers of points."""
    groups = prepared.grid.groups
    per_point = group_kw / np.maximum(groups.points_count, 1.0)
    weights = groups.point_count * per_point[groups.point_group]
    return np.asarray(np.bincount(groups.point_node, weights=weights, minlength=len(prepared.grid.nodes.id)), np.float64)


def estimate(snapshot: Snapshot, prepared: Prepared) -> Estimate:
    """Return the estimated state. A station without a fresh meter is not known; a silent group counts as not charging."""
    grid, at = prepared.grid, prepared.station_at
    p, p_known = latest(snapshot, "station_p_kw", at, FRESH_S)
    q, q_known = latest(snapshot, "station_q_kvar", at, FRESH_S)
    u, u_known = latest(snapshot, "station_u_v", at, FRESH_S)
    charging, reported = latest(snapshot, "charging_p_kw", prepared.group_at, FRESH_S)
    known = p_known & q_known & (u_known & (u > 0)) & (prepared.station_row != ABSENT)
    own = np.bincount(grid.groups.station, weights=charging, minlength=len(p))
    base = np.where(known, p - own, 0.0)
    below: BoolArray = prepared.row_station != ABSENT
    station = np.where(below, prepared.row_station, 0)
    base_row = np.where(below, base[station] * prepared.energy_share, 0.0)
    # What inverters supply is known and where: it is taken off there, and the rest is split as before.
    supplied = at_rows(prepared, latest(snapshot, "inverter_q_kvar", prepared.inverter_at, FRESH_S)[0])
    whole = q + np.bincount(station[below], weights=supplied[below], minlength=len(q))
    q_row = np.where(below, np.where(known, whole, 0.0)[station] * prepared.energy_share - supplied, 0.0)
    node_kw = np.zeros(len(grid.nodes.id))
    node_kvar = np.zeros(len(grid.nodes.id))
    node_kw[grid.tree.node], node_kvar[grid.tree.node] = base_row, q_row
    node_charging = charging_at_nodes(prepared, charging)
    if prepared.estimator is not None:
        meters = _meters(snapshot, prepared, (p, q, u), known, (node_kw + node_charging, node_kvar))
        try:
            return _with_interval(snapshot, prepared, _by_least_squares(prepared, meters, known, charging, reported))
        except EstimateError:
            pass  # the split below needs no fit; the safety check does not rest on either
    return _with_interval(
        snapshot, prepared, _by_tree(prepared, (base_row, q_row), np.where(known, u, 0.0), known, (charging, reported))
    )


def _with_interval(snapshot: Snapshot, prepared: Prepared, found: Estimate) -> Estimate:
    """Return the estimate with its interval: the fit's where all feeder ends of a station spoke, the split's elsewhere.

    Meters that the state fits worse than their errors explain widen it (Birge, Physical Review 40, 1932): sqrt(chi2 / n).
    """
    grid, stations = prepared.grid, len(prepared.grid.station_id)
    end_u, end_known = latest(snapshot, "end_u_v", prepared.meter_at, FRESH_S)
    row = grid.tree.row[grid.meter_node]
    use = end_known & (end_u > 0) & (row != ABSENT)
    station = np.where(row != ABSENT, prepared.row_station[np.maximum(row, 0)], ABSENT)
    inside = station != ABSENT
    silent = np.bincount(station[inside & ~use], minlength=stations) > 0
    by_row = np.maximum(prepared.row_station, 0)
    ends = (prepared.row_station != ABSENT) & ~silent[by_row] & (not found.by_split)
    interval = chosen(ends, prepared.fit, prepared.split)
    off = end_u / grid.nodes.u_rated_v[grid.meter_node] - found.u_pu[np.maximum(row, 0)]
    sigma = np.hypot(U_SIGMA_SHARE, interval.u_pu[np.maximum(row, 0)]) if found.by_split else U_SIGMA_SHARE
    seen = use & inside
    square = np.bincount(station[seen], weights=((off / sigma) ** 2)[seen], minlength=stations)
    misfit = np.sqrt(np.maximum(square / np.maximum(np.bincount(station[seen], minlength=stations), 1), 1.0))
    wider = np.where(prepared.row_station == ABSENT, 1.0, misfit[by_row])
    return replace(found, flow_sigma_kw=interval.flow_kw * wider, u_sigma_pu=interval.u_pu * wider, misfit_ratio=misfit)


def _meters(
    snapshot: Snapshot,
    prepared: Prepared,
    station: tuple[FloatArray, FloatArray, FloatArray],
    known: BoolArray,
    node: tuple[FloatArray, FloatArray],
) -> Meters:
    grid = prepared.grid
    end_u, end_known = latest(snapshot, "end_u_v", prepared.meter_at, FRESH_S)
    end_known &= end_u > 0
    rated, end_rated = grid.nodes.u_rated_v[grid.station_busbar], grid.nodes.u_rated_v[grid.meter_node]
    sn = grid.branches.rating_kva[grid.station_branch]
    spread = prepared.settings.sigma_connection_kw * np.sqrt(grid.nodes.connections_count) + EXACT_KW
    # What is not known weighs nothing: a spread as wide as the rating for power, a tenth of the rated voltage.
    blind = np.where(grid.nodes.station == ABSENT, False, ~known[np.maximum(grid.nodes.station, 0)])
    return Meters(
        busbar_u_v=np.where(known, station[2], rated),
        busbar_sigma_v=np.where(known, U_SIGMA_SHARE, 0.1) * rated,
        out_p_kw=np.where(known, station[0], 0.5 * sn),
        out_q_kvar=np.where(known, station[1], 0.1 * sn),
        out_sigma_kw=np.where(known, METER_SHARE, 1.0) * sn,
        end_u_v=np.where(end_known, end_u, end_rated),
        end_sigma_v=np.where(end_known, U_SIGMA_SHARE, 0.1) * end_rated,
        node_p_kw=node[0],
        node_q_kvar=node[1],
        node_sigma_kw=np.where(blind, 10.0, 1.0) * spread,
    )


def _either(first: BoolArray, one: FloatArray, other: FloatArray) -> FloatArray:
    return np.where(first, one, other)


def _by_least_squares(
    prepared: Prepared, meters: Meters, known: BoolArray, charging: FloatArray, reported: BoolArray
) -> Estimate:
    estimator = prepared.estimator
    assert estimator is not None  # noqa: S101 - the caller has looked
    flow = estimate_state(estimator, meters)
    tree, branches = prepared.grid.tree, prepared.grid.branches
    has = tree.branch != ABSENT
    b: IntArray = np.where(has, tree.branch, 0)
    upper: IntArray = tree.node[np.where(has, tree.parent, 0)]
    downward: BoolArray = np.asarray(branches.from_node[b] == upper, np.bool_)
    p = np.where(has, _either(downward, flow.p_from_kw[0][b], flow.p_to_kw[0][b]), 0.0)
    q = np.where(has, _either(downward, flow.q_from_kvar[0][b], flow.q_to_kvar[0][b]), 0.0)
    moving = sums_below(tree.parent, _by_row(prepared, charging_at_nodes(prepared, charging)))
    loading, none = np.where(has, flow.loading[0, b], 0.0), np.zeros(0)
    return Estimate(known, p, q, p - moving, flow.u_pu[0, tree.node], loading, charging, reported, False, none, none, none)


def _by_tree(
    prepared: Prepared,
    base: tuple[FloatArray, FloatArray],
    busbar_u_v: FloatArray,
    known: BoolArray,
    charging: tuple[FloatArray, BoolArray],
) -> Estimate:
    tree, grid = prepared.grid.tree, prepared.grid
    base_kw, q = sums_below(tree.parent, base[0]), sums_below(tree.parent, base[1])
    moving = sums_below(tree.parent, _by_row(prepared, charging_at_nodes(prepared, charging[0])))
    p = base_kw + moving
    known_row, known_u = np.zeros(len(p), np.bool_), np.zeros(len(p))
    known_row[prepared.station_row[known]] = True
    known_u[prepared.station_row[known]] = busbar_u_v[known] / grid.nodes.u_rated_v[grid.station_busbar[known]]
    u = _voltages(tree.parent, tree.r_pu * p + tree.x_pu * q, tree.gain_ratio, tree.u_source_pu, known_row, known_u)
    apparent = np.hypot(p, q) / np.where(tree.is_line, np.maximum(u, 0.5), 1.0)
    loading = np.where(np.isfinite(tree.rating_kva), apparent / tree.rating_kva, 0.0)
    none = np.zeros(0)
    return Estimate(known, p, q, base_kw, u, loading, charging[0], charging[1], True, none, none, none)
