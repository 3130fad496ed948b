# SPDX-License-Identifier: Apache-2.0
"""The worst state in which all that is permitted can leave the grid, by power flows of the check's own.

Reactive power bends a branch's apparent power upwards on both sides, so that the least and the most that inverters may supply
bound what lies between; without inverters there is one state alone.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.grid.interlock.flow import (
    FRESH_S,
    U_COLLAPSED,
    heat_of_cables,
    heat_of_transformers,
    homes,
    solved,
    through_kw,
)
from lamplighter.services.grid.interlock.supply import Supply, supply_of
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, at_rows, latest
from lamplighter.terms.columns import FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

SHIFT_MAX_PU = 0.06  # meters that say more than this against the model are not believed about it


class Worst(NamedTuple):
    """The power flow of all that is permitted, per row (n,): heat (1 is all a branch stands), voltage, unbalance; and power into
    the branch above each row in kW. u_pu rests on what inverters are sure to supply; u_lost_pu: were they to stop; u_high_pu: the
    highest, with all that they may supply and nobody charging."""

    heat_ratio: FloatArray
    u_pu: FloatArray
    u_lost_pu: FloatArray
    u_high_pu: FloatArray
    unbalance_ratio: FloatArray
    p_kw: FloatArray


class _State(NamedTuple):
    """A solved power flow (n,): kW and kvar into each row from above, voltage; settled: whether it is one."""

    p_kw: FloatArray
    q_kvar: FloatArray
    u_pu: FloatArray
    settled: bool


def worst_of(snapshot: Snapshot, most_kw: FloatArray, prepared: Prepared, supply: Supply | None = None) -> Worst:
    """Return the state when the groups draw `most_kw` (g,), the worst of what is not known included.

    The error of the estimate is that of splitting each station's meter, and what may change while a lease holds. Voltage is the
    model's, shifted by what meters say against it now. A sweep that does not settle counts as the worst everywhere. supply: of
    the inverters; where not given, what they obey now.
    """
    tree = prepared.grid.tree
    inverters = len(prepared.inverter_at)
    if supply is None:
        supply = supply_of(snapshot, prepared, np.zeros(inverters), np.zeros(inverters, np.bool_))
    home_kw, home_kvar, fresh = homes(snapshot, prepared)

    def at(supplied_kvar: FloatArray, charging_kw: FloatArray) -> _State:
        own = home_kvar - at_rows(prepared, supplied_kvar) if inverters else home_kvar
        return _State(*solved(prepared, (home_kw, own), charging_kw))

    charging = through_kw(prepared, most_kw)
    drawn, _ = latest(snapshot, "charging_p_kw", prepared.group_at, FRESH_S)
    relied = at(supply.relied_kvar, charging)
    low = at(supply.least_kvar, charging) if inverters else relied
    high = at(supply.most_kvar, charging) if inverters else relied
    many = len(relied.p_kw)
    if not (relied.settled and low.settled and high.settled):
        none, endless = np.zeros(many), np.full(many, np.inf)
        return Worst(endless, none, none, endless, endless, relied.p_kw)
    # Against the likely state: one that is too low by itself would let meters lift what is asked for.
    shift = _shift(snapshot, prepared, at(supply.measured_kvar, through_kw(prepared, drawn, evenly=True)).u_pu)
    idle = at(supply.most_kvar, np.zeros(many)) if inverters else relied
    off = prepared.settings.confidence_ratio * prepared.split.u_pu
    states = (relied, low, high) if inverters else (relied,)
    shifted = [state._replace(u_pu=state.u_pu + shift) for state in states]
    heat = np.max([_heat(snapshot, prepared, state, charging) for state in shifted], axis=0)
    # A station whose meter is stale counts as fully loaded already: nothing more fits.
    at_busbar = prepared.station_row
    heat[at_busbar[(at_busbar != ABSENT) & ~fresh]] = np.inf
    u, p = relied.u_pu + shift, relied.p_kw
    own_kw = np.maximum(p - charging, 0.0) * prepared.line_phases.fullest_ratio
    unbalance = _down_sum(tree.parent, np.abs(tree.r_pu + 1j * tree.x_pu) * own_kw * prepared.line_phases.unbalanced_ratio)
    return Worst(heat, u - off, low.u_pu + shift - off, idle.u_pu + shift + off, unbalance / np.maximum(u, U_COLLAPSED), p)


def _heat(snapshot: Snapshot, prepared: Prepared, state: _State, charging_kw: FloatArray) -> FloatArray:
    """Return the heat (n,) of the branch above each row in a state, 1 being all it stands."""
    tree, settings, grid = prepared.grid.tree, prepared.settings, prepared.grid
    p, q, u = state.p_kw, state.q_kvar, np.maximum(state.u_pu, U_COLLAPSED)
    finite = np.isfinite(tree.rating_kva)
    rating = np.where(finite, tree.rating_kva, 1e12)
    open_kw = settings.confidence_ratio * np.hypot(prepared.split.flow_kw, prepared.change_kw)
    own_kw = np.maximum(p - charging_kw, 0.0) * prepared.line_phases.fullest_ratio
    full = np.maximum(p, own_kw + charging_kw) + open_kw
    received = np.hypot(full, q) / u
    square = (full**2 + q**2) / u**2
    sent = np.hypot(full + tree.r_pu * square, q + tree.x_pu * square)
    heat = np.where(finite & tree.is_line, heat_of_cables(prepared, received / rating, charging_kw / rating), 0.0)
    at = prepared.station_row
    here = at != ABSENT
    b = np.maximum(at, 0)
    idle = grid.branches.no_load_kw[grid.station_branch]
    heat[at[here]] = heat_of_transformers(snapshot, prepared, (sent[b] + idle) / rating[b])[here]
    return heat


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
