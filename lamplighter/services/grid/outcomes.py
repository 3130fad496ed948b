# SPDX-License-Identifier: Apache-2.0
"""What residents would notice, from aggregates alone, and the sentences that say why.

Station meters, feeder ends and charging groups give the same outcomes, under the same names, as a simulator knows
from the inside; the difference between both is the bias of what a real city can measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.estimate import FRESH_S, Estimate, estimate
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.services.grid.outage.belief import ENERGISED, believe
from lamplighter.services.grid.outage.telling import told_dark
from lamplighter.services.grid.tap_advice import tap_advice
from lamplighter.services.grid.terms import FULL, OUTCOMES, REASONS
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray
from lamplighter.terms.decision import Proposals
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.snapshot import Column, Snapshot

CADENCE_S = 60.0  # what the first call accounts for
TICK_MAX_S = 900.0  # a longer silence is not filled with the latest value
CLOSE_SHARE = 0.9  # a branch this full is worth a word


MEAN_S = 600.0  # voltages are judged by means of ten minutes (EN 50160, 4.2.2)
# A winding hotter than this ages faster than its rating allows, and no distribution transformer carries more than this share
# (IEC 60076-7:2018, 6.3, 8.2.2 and table 1; the winding's rise of table 4, ONAN).
HOTTEST_C, SHARE_MAX, WINDING_RISE_K, WINDING_EXPONENT = 98.0, 1.5, 23.0, 1.6


@dataclass(frozen=True)
class Since:
    """What outcomes remember: when they were last asked, and voltages at feeder ends (m,) added up since the last ten minutes
    were full, with how many are in each sum."""

    last_s: float
    u_sum_pu: FloatArray
    added_count: FloatArray


def outcomes(snapshot: Snapshot, state: Since | None, prepared: Prepared) -> tuple[OutcomeRows, Since]:
    """Return what the time since the last call adds, per area; state tells since when."""
    if state is None:
        blank = np.zeros(len(prepared.meter_at))
        state = Since(snapshot.now_s - CADENCE_S, blank, blank)
    hours = min(snapshot.now_s - state.last_s, TICK_MAX_S) / 3600.0
    found = estimate(snapshot, prepared)
    table = np.full((len(OUTCOMES), len(prepared.city.areas)), np.nan)
    row = {outcome.name: number for number, outcome in enumerate(OUTCOMES)}
    tree, grid = prepared.grid.tree, prepared.grid
    branch_at = np.concatenate([prepared.line_at, prepared.station_at])
    has = tree.branch != ABSENT
    at = branch_at[tree.branch[has]]
    children = _children_loss(prepared, found)
    _add(table[row["overload_h"]], prepared, at, np.where(_over(snapshot, prepared, found)[has], hours, 0.0))
    _add(table[row["loss_kwh"]], prepared, at, children[has] * hours)
    group = prepared.group_at
    drawn, _ = latest(snapshot, "charging_p_kw", group, FRESH_S)
    wanted, _ = latest(snapshot, "energy_wanted_kwh", group, FRESH_S)
    late, late_now = latest(snapshot, "energy_late_kwh", group, hours * 3600.0 + 1.0)
    _add(table[row["charging_kwh"]], prepared, group, drawn * hours)
    _add(table[row["energy_waiting_kwh_h"]], prepared, group, wanted * hours)
    _add(table[row["energy_late_kwh"]], prepared, group, np.where(late_now, late, 0.0))
    told = believe(snapshot, prepared)[ENERGISED]
    here = prepared.node_at + snapshot.span.start
    dark = np.flatnonzero((prepared.node_at != ABSENT) & told.present[here] & (told.value[here] == 0.0))
    _add(table[row["dark_connection_h"]], prepared, prepared.node_at[dark], grid.nodes.connections_count[dark] * hours)
    end_u, end_known = latest(snapshot, "end_u_v", prepared.meter_at, FRESH_S)
    use = end_known & (end_u > 0)
    total = state.u_sum_pu + np.where(use, end_u / grid.nodes.u_rated_v[grid.meter_node], 0.0)
    count = state.added_count + use
    if snapshot.now_s // MEAN_S > state.last_s // MEAN_S:
        _lowest(table[row["voltage_lowest_pu"]], prepared, total / np.maximum(count, 1.0), count > 0)
        total, count = np.zeros(len(total)), np.zeros(len(total))
    outcome, area = np.nonzero(np.isfinite(table))
    value = table[outcome, area]
    return OutcomeRows(outcome.astype(np.int64), area.astype(np.int64), value, np.ones(len(value))), Since(
        snapshot.now_s, total, count
    )


def _over(snapshot: Snapshot, prepared: Prepared, found: Estimate) -> BoolArray:
    """Return which branches (n,) are above what they stand: cables by their rating, transformers by their hottest winding."""
    at = prepared.station_row
    here = at != ABSENT
    share = found.loading[np.maximum(at, 0)]
    oil, warm = latest(snapshot, "station_oil_c", prepared.station_at, FRESH_S)
    hot = np.where(warm, oil + WINDING_RISE_K * share**WINDING_EXPONENT > HOTTEST_C, share > 1.0) | (share > SHARE_MAX)
    over = found.loading > 1.0
    over[at[here]] = hot[here]
    return over


def _add(sums: FloatArray, prepared: Prepared, at: AnyArray, value: FloatArray) -> None:
    """Add values at own positions to the areas they lie in."""
    area = prepared.area[at]
    inside = area != ABSENT
    sums[:] = np.bincount(area[inside], weights=value[inside], minlength=len(sums))


def _lowest(into: FloatArray, prepared: Prepared, u_pu: FloatArray, known: BoolArray) -> None:
    area = prepared.area[prepared.meter_at]
    inside = known & (area != ABSENT)
    least = np.full(len(into), np.inf)
    np.minimum.at(least, area[inside], u_pu[inside])
    into[np.isfinite(least)] = least[np.isfinite(least)]


def _children_loss(prepared: Prepared, found: Estimate) -> FloatArray:
    """Return the loss (n,) in kW of the branch above each row: Joule and no-load."""
    tree, branches = prepared.grid.tree, prepared.grid.branches
    fixed = np.where(tree.branch != ABSENT, branches.no_load_kw[np.where(tree.branch != ABSENT, tree.branch, 0)], 0.0)
    square = (np.maximum(np.abs(found.p_kw) - fixed, 0.0) ** 2 + found.q_kvar**2) / np.maximum(found.u_pu, 0.5) ** 2
    return tree.r_pu * square + fixed


def derive(snapshot: Snapshot, state: None, prepared: Prepared) -> Mapping[str, Column]:
    """Return for map and explanations: `loading` of lines and stations, `u_pu` of feeder ends, `granted_share` of groups, and
    `energised`, where power is believed to be."""
    found = estimate(snapshot, prepared)
    tree, grid, size = prepared.grid.tree, prepared.grid, prepared.size
    columns = {name: (np.zeros(size), np.zeros(size, np.bool_)) for name in ("loading", "u_pu", "granted_share")}
    told = believe(snapshot, prepared)[ENERGISED]
    columns[ENERGISED] = told.value[snapshot.span], told.present[snapshot.span]
    branch_at = np.concatenate([prepared.line_at, prepared.station_at])
    has = tree.branch != ABSENT
    at = branch_at[tree.branch[has]]
    station = prepared.row_station[has]
    value, known = columns["loading"]
    value[at] = found.loading[has]
    known[at] = np.where(station == ABSENT, bool(found.known.any()), found.known[np.maximum(station, 0)])
    end_u, end_known = latest(snapshot, "end_u_v", prepared.meter_at, FRESH_S)
    value, known = columns["u_pu"]
    value[prepared.meter_at], known[prepared.meter_at] = end_u / grid.nodes.u_rated_v[grid.meter_node], end_known
    limit, told = latest(snapshot, "charging_limit_kw", prepared.group_at, FRESH_S)
    wanting, told_wanting = latest(snapshot, "charging_wanting", prepared.group_at, FRESH_S)
    full = np.maximum(wanting, 1.0) * grid.groups.p_point_kw
    value, known = columns["granted_share"]
    value[prepared.group_at], known[prepared.group_at] = np.clip(limit / full, 0.0, 1.0), told & told_wanting
    return {name: Column(value, np.full(size, snapshot.now_s), known) for name, (value, known) in columns.items()}


def group_of(prepared: Prepared, asset: int) -> int | None:
    """Return the number of a charging group by its city position, or nothing where it is none."""
    where = np.flatnonzero(prepared.group_at == asset - prepared.city.span.start)
    return int(where[0]) if len(where) else None


def describe(proposals: Proposals, row: int, prepared: Prepared) -> str:
    """Return one proposed limit or set-point as a sentence."""
    group = group_of(prepared, int(proposals.asset[row]))
    reason = REASONS[int(proposals.because[row])]
    if "q_kvar" in proposals.values:
        at, asked = int(proposals.asset[row]) - prepared.city.span.start, float(proposals.values["q_kvar"][row])
        name = prepared.city.assets.id[proposals.asset[row]]
        return f"{name}, {prepared.street[at]}: {_reactive(asked)}; {reason}."
    if group is None:
        return f"{proposals.action}: {reason}."
    limit = float(proposals.values["p_max_kw"][row]) if "p_max_kw" in proposals.values else 0.0
    points = int(prepared.grid.groups.points_count[group])
    street = prepared.street[prepared.group_at[group]]
    name = prepared.grid.groups.id[group]
    if int(proposals.because[row]) == FULL:
        return f"{name}, {street}: all who want may charge, up to {limit:.0f} kW ({points} points); {reason}."
    return f"{name}, {street}: {limit:.0f} kW for {points} points; {reason}."


def explain(snapshot: Snapshot, prepared: Prepared, asset: int) -> Sequence[str]:
    """Return why an asset of the grid does what it does, in plain sentences, from aggregates alone."""
    if dark := told_dark(snapshot, prepared, asset):
        return dark
    found = estimate(snapshot, prepared)
    local = asset - snapshot.span.start
    for places, say in (
        (prepared.station_at, _say_station),
        (prepared.group_at, _say_group),
        (prepared.line_at, _say_line),
        (prepared.meter_at, _say_meter),
        (prepared.inverter_at, _say_inverter),
    ):
        where = np.flatnonzero(places == local)
        if len(where):
            return say(snapshot, prepared, found, int(where[0]))
    return _say_node(prepared, found, str(snapshot.assets.id[asset]))


def _percent(loading: float) -> str:
    return f"{100.0 * loading:.0f} %"


def station_sentence(snapshot: Snapshot, prepared: Prepared, found: Estimate, number: int) -> str:
    """Return one station's state in a sentence: transformer, fullest cable, what its charging points share."""
    grid = prepared.grid
    name, sn = grid.station_id[number], grid.branches.rating_kva[grid.station_branch[number]]
    if not found.known[number]:
        return f"Station {name}: its meter is silent, so it counts as full ({sn:.0f} kVA) and no charging limit is raised."
    row = int(prepared.station_row[number])
    mine = np.flatnonzero((prepared.row_station == number) & (np.arange(len(found.loading)) != row))
    cable = ""
    if len(mine):
        worst = int(mine[int(np.argmax(found.loading[mine]))])
        street = prepared.street[prepared.line_at[grid.tree.branch[worst]]]
        cable = f", cable to {street} at {_percent(found.loading[worst])}"
    groups = np.flatnonzero(grid.groups.station == number)
    wanting, _ = latest(snapshot, "charging_wanting", prepared.group_at[groups], FRESH_S)
    limit, _ = latest(snapshot, "charging_limit_kw", prepared.group_at[groups], FRESH_S)
    shared = f"; {wanting.sum():.0f} charging points share up to {limit.sum():.0f} kW" if len(groups) else ""
    return f"Station {name}: transformer at {_percent(found.loading[row])} of {sn:.0f} kVA{cable}{shared}."


def _say_station(snapshot: Snapshot, prepared: Prepared, found: Estimate, number: int) -> Sequence[str]:
    said = [station_sentence(snapshot, prepared, found, number)]
    if found.known[number]:
        row = int(prepared.station_row[number])
        connections = int(prepared.grid.nodes.connections_count[prepared.grid.nodes.station == number].sum())
        said.append(f"It supplies {connections} connections, now {found.base_kw[row]:.0f} kW beside charging.")
        said.append(f"Its busbar is at {found.u_pu[row]:.3f} pu.")
        said.append(_interval(prepared, found, row))
        said += tap_advice(prepared, found, number)
        oil, warm = latest(snapshot, "station_oil_c", prepared.station_at[[number]], FRESH_S)
        if warm[0]:
            hottest = oil[0] + WINDING_RISE_K * found.loading[row] ** WINDING_EXPONENT
            said.append(f"Its oil is at {oil[0]:.0f} degrees, its winding at about {hottest:.0f} of {HOTTEST_C:.0f} at most.")
    return said


def _say_group(snapshot: Snapshot, prepared: Prepared, found: Estimate, number: int) -> Sequence[str]:
    groups, at = prepared.grid.groups, prepared.group_at[[number]]
    limit, told = latest(snapshot, "charging_limit_kw", at, FRESH_S)
    wanting, _ = latest(snapshot, "charging_wanting", at, FRESH_S)
    force = snapshot.in_force["limit_charging"]
    drawn = f"{int(wanting[0])} want power and draw {found.charging_kw[number]:.0f} kW"
    said = [f"{int(groups.points_count[number])} {groups.access[number]} charging points; {drawn}."]
    if not told[0]:
        said.append("Its box is silent; it falls back to its permanent maximum when its lease ends.")
    elif force.active[at[0]]:
        said.append(
            f"Its box obeys {limit[0]:.0f} kW under a lease; without one it falls back to {groups.p_safe_kw[number]:.0f} kW."
        )
    else:
        said.append(f"Its box follows its own programme, up to {limit[0]:.0f} kW.")
    station = int(groups.station[number])
    if station != ABSENT:
        said.append(station_sentence(snapshot, prepared, found, station))
    return said


def _say_line(snapshot: Snapshot, prepared: Prepared, found: Estimate, number: int) -> Sequence[str]:
    tree, lines = prepared.grid.tree, prepared.grid.tables["lines"]
    where = np.flatnonzero(tree.branch == number)
    kind = f"{lines['type'][number]}, {lines['length_m'][number]:.0f} m, {lines['i_n_a'][number]:.0f} A"
    if len(where) == 0:
        return (f"Cable {kind}: open at one end, it carries nothing but its own charge.",)
    row = int(where[0])
    word = "it is short of room" if found.loading[row] > CLOSE_SHARE else "it has room"
    return (
        f"Cable {kind}: estimated at {_percent(found.loading[row])} of its rating, {word}.",
        f"It carries {found.p_kw[row]:.0f} kW, of this {found.p_kw[row] - found.base_kw[row]:.0f} kW charging.",
        _interval(prepared, found, row),
    )


def _interval(prepared: Prepared, found: Estimate, row: int) -> str:
    """Return how far the estimate may be off at a row, and what is kept free for it."""
    ratio = prepared.settings.confidence_ratio
    change = prepared.change_kw[row]
    free = ratio * float(np.hypot(max(found.flow_sigma_kw[row], prepared.split.flow_kw[row]), change))
    sure = f"The estimate is within {1.96 * found.flow_sigma_kw[row]:.0f} kW and {1.96 * found.u_sigma_pu[row]:.3f} pu"
    return f"{sure} in 95 of 100 cases; {free:.0f} kW are kept free for it and for {change:.0f} kW of usual change in a lease."


def _say_meter(snapshot: Snapshot, prepared: Prepared, found: Estimate, number: int) -> Sequence[str]:
    u, known = latest(snapshot, "end_u_v", prepared.meter_at[[number]], FRESH_S)
    rated = float(prepared.grid.nodes.u_rated_v[prepared.grid.meter_node[number]])
    if not known[0]:
        return ("This meter is silent; the voltage here is estimated from the station.",)
    return (f"{u[0]:.1f} V between line phases at the end of the cable, {u[0] / rated:.3f} of what is rated.",)


def _reactive(kvar: float) -> str:
    if abs(kvar) < 0.05:
        return "no reactive power"
    return f"{abs(kvar):.1f} kvar {'supplied' if kvar > 0.0 else 'taken'}"


def _say_inverter(snapshot: Snapshot, prepared: Prepared, found: Estimate, number: int) -> Sequence[str]:
    at, row = prepared.inverter_at[[number]], int(prepared.inverter_row[number])
    measured, known = latest(snapshot, "inverter_q_kvar", at, FRESH_S)
    told, read_back = latest(snapshot, "inverter_set_kvar", at, FRESH_S)
    inverters = prepared.grid.inverters
    what = f"Inverters of {inverters.sn_kva[number]:.0f} kVA that can supply or take {inverters.q_max_kvar[number]:.1f} kvar"
    if not (known[0] and read_back[0]):
        return (f"{what}; they are silent, and nothing is asked of them.",)
    leased = "under a lease" if snapshot.in_force["supply_reactive"].active[at[0]] else "by their own programme"
    said = [f"{what}; now {_reactive(float(measured[0]))}, their set-point is {_reactive(float(told[0]))}, {leased}."]
    if row != ABSENT:
        said.append(f"The voltage here is {found.u_pu[row]:.3f} pu; without a lease they supply and take nothing by order.")
    return said


def _say_node(prepared: Prepared, found: Estimate, name: str) -> Sequence[str]:
    where = np.flatnonzero(prepared.grid.nodes.id == name)
    if len(where) == 0 or prepared.grid.tree.row[where[0]] == ABSENT:
        return ("This point is cut off: no closed way leads to a source.",)
    row = int(prepared.grid.tree.row[where[0]])
    return (
        f"{int(prepared.grid.nodes.connections_count[where[0]])} connections; estimated voltage {found.u_pu[row]:.3f} pu.",
        "Cabinets and signals nearby hang here.",
    )
