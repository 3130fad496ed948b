# SPDX-License-Identifier: Apache-2.0
"""How far an estimate may be off, station by station, from the meters there are: what control margins are made of.

A station's connections differ from their class by themselves (sigma_connection_kw each, new every minute) and for good
(LASTING_SHARE of what they usually draw). Two ways of estimating are judged: splitting the station's meter by class, and
the fit that also knows voltages at feeder ends. All values are one standard deviation; those who steer and those who check
keep `confidence_ratio` of them free.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.services.grid.terms import Settings
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

METER_SHARE = 0.005  # class 0.5: a station's meter, of its rating
U_METER_PU = 0.002  # a voltage meter with its transformer
LASTING_SHARE = 0.15  # how much a street's end differs from its class for good
KEEPS_A_MINUTE = 0.93  # of what connections differ by themselves, left after a minute
LEASE_MINUTES = 4.0  # what is decided holds until the next decision has arrived
EXACT_KW = 0.02
SURE_KW = 1e-3


class Interval(NamedTuple):
    """One standard deviation per row of the tree (n,): power through the branch above, voltage below the busbar's."""

    flow_kw: FloatArray
    u_pu: FloatArray


class Parts(NamedTuple):
    """The tree cut into stations: rows[offsets[s]:offsets[s + 1]] are the busbar of station s and all below it, parents first;
    above (m,): place of each row's parent within its own part, ABSENT for the busbar."""

    offsets: IntArray
    rows: IntArray
    above: IntArray


def parts_of(parent: IntArray, row_station: IntArray, stations: int) -> Parts:
    """Return the parts of a tree. row_station (n,): station of each row, ABSENT at medium voltage."""
    low = np.flatnonzero(row_station != ABSENT)
    rows = low[np.argsort(row_station[low], kind="stable")]
    offsets = np.searchsorted(row_station[rows], np.arange(stations + 1))
    place = np.full(len(parent) + 1, ABSENT, np.int64)
    place[rows] = np.arange(len(rows)) - offsets[row_station[rows]]
    up = parent[rows]
    inside = (up != ABSENT) & (row_station[np.maximum(up, 0)] == row_station[rows])
    return Parts(offsets.astype(np.int64), rows.astype(np.int64), np.where(inside, place[up], ABSENT).astype(np.int64))


def own_variance(grid: Grid, settings: Settings) -> FloatArray:
    """Return the variance (n,) in kW2 of what each row's connections draw, around their class."""
    nodes, tree = grid.nodes, grid.tree
    usual_kw = (nodes.household_kwh + nodes.commerce_kwh) / 8760.0 * 1.9  # at the evening's peak
    variance = settings.sigma_connection_kw**2 * nodes.connections_count + (LASTING_SHARE * usual_kw) ** 2
    return np.asarray(variance[tree.node], np.float64)


@njit(cache=True)
def _change(parent: IntArray, own_kw2: FloatArray) -> FloatArray:
    total = own_kw2.copy()
    for row in range(len(parent) - 1, 0, -1):
        if parent[row] >= 0:
            total[parent[row]] += total[row]
    return total


def change_kw(grid: Grid, settings: Settings) -> FloatArray:
    """Return by how much (n,) the power through each branch changes by itself while a lease holds (one standard deviation)."""
    own = settings.sigma_connection_kw**2 * grid.nodes.connections_count[grid.tree.node]
    left = KEEPS_A_MINUTE ** (2.0 * LEASE_MINUTES)
    return np.asarray(np.sqrt(_change(grid.tree.parent, own) * (1.0 - left)), np.float64)


@njit(cache=True)
def _split(
    parts: Parts, r_pu: FloatArray, own_kw2: FloatArray, share: FloatArray, meter_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the error of flows and of voltage drops when a station's meter is split by `share`; see `split_interval`."""
    flow, drop = np.zeros(len(r_pu)), np.zeros(len(r_pu))
    for station in range(len(parts.offsets) - 1):
        begin, end = parts.offsets[station], parts.offsets[station + 1]
        many = end - begin
        weight, total = np.zeros(many), np.zeros(many)
        whole = 0.0
        for k in range(many - 1, -1, -1):
            row = parts.rows[begin + k]
            weight[k] += share[row]
            total[k] += own_kw2[row]
            whole += own_kw2[row]
            up = parts.above[begin + k]
            if up >= 0:
                weight[up] += weight[k]
                total[up] += total[k]
        for k in range(many):
            row = parts.rows[begin + k]
            # Below the branch each counts 1 - w, elsewhere w: the meter's sum holds, only its place is unknown.
            inside, outside = total[k] * (1.0 - weight[k]) ** 2, (whole - total[k]) * weight[k] ** 2
            flow[row] = np.sqrt(inside + outside + (weight[k] * meter_kw[station]) ** 2)
            up = parts.above[begin + k]
            if up >= 0:  # drops along a way go together: their errors are added, not their squares
                drop[row] = drop[parts.rows[begin + up]] + r_pu[row] * flow[row]
    return flow, drop


def split_interval(grid: Grid, parts: Parts, share: FloatArray, settings: Settings) -> Interval:
    """Return the interval of the estimate that splits each station's meter by `share` (n,)."""
    tree = grid.tree
    meter = METER_SHARE * grid.branches.rating_kva[grid.station_branch]
    flow, drop = _split(parts, tree.r_pu, own_variance(grid, settings), share, meter)
    medium = np.ones(len(flow), np.bool_)
    medium[parts.rows] = False
    square = np.zeros(len(flow))
    busbar = parts.rows[parts.offsets[:-1][np.diff(parts.offsets) > 0]]
    square[busbar] = flow[busbar] ** 2  # meters of several stations err by themselves
    above = np.sqrt(_change(tree.parent, square))
    return Interval(np.where(medium, above, flow), np.hypot(drop, U_METER_PU))


def _local(parts: Parts, station: int, r_pu: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return a part's rows, which rows are below which branch (d, d), and drops per kW (d, d) of resistances."""
    begin, end = int(parts.offsets[station]), int(parts.offsets[station + 1])
    rows, above = parts.rows[begin:end], parts.above[begin:end]
    below = np.eye(end - begin)
    for k in range(end - begin - 1, 0, -1):
        below[above[k]] += below[k]
    way = np.where(np.arange(end - begin) == 0, 0.0, r_pu[rows])
    drop = np.zeros_like(below)
    for k in range(1, end - begin):
        drop[k] = drop[above[k]] + way[k] * below[k]
    return rows, below, drop


def fit_interval(grid: Grid, parts: Parts, settings: Settings) -> Interval:
    """Return the interval of the fit that knows station power, busbar voltage and the voltage of every feeder end.

    Its gain is that of weighted least squares with `sigma_connection_kw` alone; the errors are those of the whole prior,
    lasting differences included (Joseph's form; Abur and Exposito 2004, chapter 5).
    """
    tree = grid.tree
    own = own_variance(grid, settings)
    fitted = settings.sigma_connection_kw**2 * grid.nodes.connections_count[tree.node] + EXACT_KW**2
    meter = METER_SHARE * grid.branches.rating_kva[grid.station_branch]
    split = split_interval(grid, parts, np.zeros(len(tree.node)), settings)
    flow, u = split.flow_kw.copy(), split.u_pu.copy()
    ends = tree.row[grid.meter_node]
    is_end = np.zeros(len(tree.node), np.bool_)
    is_end[ends[ends != ABSENT]] = True
    for station in range(len(parts.offsets) - 1):
        rows, below, drop = _local(parts, station, tree.r_pu)
        many = len(rows)
        if many == 0:
            continue
        end = np.flatnonzero(is_end[rows])
        h = np.zeros((2 + len(end), many + 1))
        h[0, :many] = 1.0
        h[1:, many] = 1.0
        h[2:, :many] = -drop[end]
        noise = np.concatenate([[meter[station] ** 2], np.full(1 + len(end), U_METER_PU**2)])
        prior = np.append(fitted[rows], 0.05**2)
        held = prior[:, None] * h.T
        gain = np.linalg.solve(h @ held + np.diag(noise), held.T).T
        rest = np.eye(many + 1) - gain @ h
        true = np.append(own[rows] + EXACT_KW**2, 0.05**2)
        covariance = (rest * true) @ rest.T + (gain * noise) @ gain.T
        flow[rows] = np.sqrt(np.maximum(np.diag(below @ covariance[:many, :many] @ below.T), SURE_KW**2))
        to_u = np.concatenate([-drop, np.ones((many, 1))], axis=1)
        u[rows] = np.sqrt(np.maximum(np.diag(to_u @ covariance @ to_u.T), 0.0))
    busbar = parts.rows[parts.offsets[:-1][np.diff(parts.offsets) > 0]]
    square = np.zeros(len(flow))
    square[busbar] = flow[busbar] ** 2
    medium = np.ones(len(flow), np.bool_)
    medium[parts.rows] = False
    return Interval(np.where(medium, np.sqrt(_change(tree.parent, square)), flow), u)


def chosen(ends: BoolArray, fit: Interval, split: Interval) -> Interval:
    """Return the fit's interval where `ends` (n,) says that its meters spoke, the split's elsewhere."""
    return Interval(np.where(ends, fit.flow_kw, split.flow_kw), np.where(ends, fit.u_pu, split.u_pu))
