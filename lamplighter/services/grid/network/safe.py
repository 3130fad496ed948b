# SPDX-License-Identifier: Apache-2.0
"""The permanent maximum of each charging group: what the grid bears on a winter evening with nobody steering."""

import numpy as np

from lamplighter.services.grid.network.demand import POWER_FACTOR_TAN, nodes_kw
from lamplighter.services.grid.network.model import ABSENT, Grid
from lamplighter.services.grid.network.sharing import attach_rows, points_below, share, sums_below
from lamplighter.services.grid.terms import POINT_MIN_KW, Settings
from lamplighter.terms.columns import FloatArray, IntArray

RATING_SHARE = 0.90  # the rest is for losses and for what the classes do not know
HOURS = np.arange(0.0, 24.0, 0.5)
U_END_PU = 0.94


def design_kw(grid: Grid) -> FloatArray:
    """Return homes and shops of each node (n,) at the half hour at which the whole grid draws most."""
    best, most = np.zeros(len(grid.nodes.id)), -1.0
    for hour in HOURS:
        power = nodes_kw(grid.nodes.household_kwh, grid.nodes.commerce_kwh, float(hour))
        if float(power.sum()) > most:
            best, most = power, float(power.sum())
    return best


def whole_points(limit_kw: FloatArray) -> FloatArray:
    """Return limits below which every point that charges has at least 6 A: rounded down to whole points."""
    return np.where(limit_kw >= POINT_MIN_KW, np.floor(limit_kw * 10.0) / 10.0, 0.0)


def safe_limits(grid: Grid, settings: Settings) -> FloatArray:
    """Return the permanent maximum (g,) in kW per group: the max-min share on the worst winter evening, by points."""
    tree, groups = grid.tree, grid.groups
    attach = attach_rows(grid)
    power = np.zeros(len(tree.node))
    spread = np.zeros(len(tree.node))
    design = design_kw(grid)
    power[tree.row[tree.row != ABSENT]] = design[tree.row != ABSENT]
    spread[tree.row[tree.row != ABSENT]] = grid.nodes.connections_count[tree.row != ABSENT] * settings.sigma_connection_kw**2
    margin = settings.confidence_ratio * np.sqrt(sums_below(tree.parent, spread))
    base = sums_below(tree.parent, power)
    usable = np.where(np.isfinite(tree.rating_kva), tree.rating_kva * RATING_SHARE / np.hypot(1.0, POWER_FACTOR_TAN / 2), 1e12)
    headroom = np.maximum(usable - base - margin, 0.0)
    wanted = groups.points_count * groups.p_point_kw
    # Homes pull the street's end down already; what charging may add is what keeps it above the band.
    cap = _by_voltage(grid, base, attach)
    rows, entry_group, below = points_below(grid)
    binding = below > headroom[rows]
    np.minimum.at(cap, entry_group[binding], headroom[rows[binding]])
    active = attach != ABSENT
    given, _ = share(
        tree.parent, headroom, np.where(active, attach, 0), np.where(active, groups.points_count, 0.0), np.minimum(wanted, cap)
    )
    return whole_points(given)


def _by_voltage(grid: Grid, base: FloatArray, attach: IntArray) -> FloatArray:
    """Return per group (g,) the power at its farthest point that pulls the voltage there down to U_END_PU."""
    tree, groups = grid.tree, grid.groups
    low = np.zeros(len(tree.node), np.bool_)
    busbar = tree.row[grid.station_busbar]
    drop, resistance = np.zeros(len(tree.node)), np.zeros(len(tree.node))
    u = np.zeros(len(tree.node))
    station_row = np.zeros(len(tree.node), np.bool_)
    station_row[busbar[busbar != ABSENT]] = True
    for row in range(len(tree.node)):
        parent = int(tree.parent[row])
        if parent == ABSENT:
            u[row] = tree.u_source_pu[row]
            continue
        low[row] = low[parent] or station_row[row]
        here = (tree.r_pu[row] + POWER_FACTOR_TAN * tree.x_pu[row]) * base[row]
        u[row] = u[parent] * tree.gain_ratio[row] - here
        if low[parent]:
            resistance[row] = resistance[parent] + tree.r_pu[row]
            drop[row] = drop[parent] + here
    cap = np.full(len(groups.id), 1e9)
    entry = tree.row[groups.point_node]
    reach = entry != ABSENT
    # 2 % stays for transformer and medium voltage under the charging of others.
    allowed = np.maximum(u[entry] - 0.02 - U_END_PU, 0.0) / np.maximum(resistance[entry], 1e-9)
    np.minimum.at(cap, groups.point_group[reach], allowed[reach])
    return np.where(attach == ABSENT, 0.0, cap)
