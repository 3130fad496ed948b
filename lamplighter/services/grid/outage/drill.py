# SPDX-License-Identifier: Apache-2.0
"""A drill at medium voltage: a cable fails, its half of the ring is dark, crews isolate it and supply the rest from both sides.

By hand and with advice the same switchings are done at the same pace by the same crews, and the place of the fault is found at
the same time: no measurement of lamplighter tells which section between two stations has failed. What the advice saves is the
time for planning a switching and checking it by power flow.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, Grid, GridError, find
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.services.grid.network.readers import network_of
from lamplighter.services.grid.outage.field import Switchgear
from lamplighter.services.grid.outage.priorities import ranks
from lamplighter.services.grid.switching.case import Case, case_of
from lamplighter.services.grid.switching.restoration import CLASSES, restore
from lamplighter.services.grid.switching.sequence import Step, fault_steps
from lamplighter.terms.columns import BoolArray, IntArray
from lamplighter.terms.drill import Drill, Happening, Pace, Wanted

HEAD_REASON = "the protection that tripped is closed again: the failed section is out"


@dataclass(frozen=True)
class Ordered:
    """One switching of the sheet: the line, whether it is closed, why, and what the state after it is (empty: not solved)."""

    line: str
    closed: bool
    why: str
    state: str


def default_cable(prepared: Prepared) -> str:
    """Return the medium-voltage cable whose failure leaves most to supply again from both sides."""
    grid, best, least = prepared.grid, "", -1.0
    for branch in medium(grid).tolist():
        gear = Switchgear(grid)
        name = str(grid.branches.id[branch])
        gear.cut(name)
        dark = ~gear.live
        gear.switch(name, False)
        near = _back(gear, _head(grid, branch))
        homes = grid.nodes.connections_count
        both = min(float(homes[dark & near].sum()), float(homes[dark & ~near].sum()))
        if both > least:
            best, least = name, both
    return best


def medium(grid: Grid) -> IntArray:
    """Return the lines (k,) of medium voltage that carry power."""
    lines = np.arange(grid.branches.lines)
    upper = grid.nodes.station[grid.branches.from_node[lines]] == ABSENT
    return lines[upper & np.isin(lines, grid.tree.branch)]


def _head(grid: Grid, branch: int) -> str:
    """Return the line whose protection trips when a line of medium voltage fails."""
    tree = grid.tree
    row = int(np.flatnonzero(tree.branch == branch)[0])
    while tree.parent[tree.parent[row]] != ABSENT:
        row = int(tree.parent[row])
    return str(grid.branches.id[tree.branch[row]])


def _back(gear: Switchgear, line: str) -> BoolArray:
    """Return what has power (nodes,) once a line is closed; the switches are left as they were."""
    gear.switch(line, True)
    live = gear.live.copy()
    gear.switch(line, False)
    return live


def _worth(prepared: Prepared, rank: IntArray, gear: Switchgear, line: str) -> tuple[float, ...]:
    """Return what closing a line supplies again: connections at stations of the first class, of the second, and so on."""
    grid = prepared.grid
    back = _back(gear, line) & ~gear.live & (grid.nodes.connections_count > 0)
    mine = rank[back]
    weights = grid.nodes.connections_count[back]
    return tuple(float(weights[mine == k].sum()) for k in range(len(CLASSES)))


def _station_ranks(prepared: Prepared, rank: IntArray, case: Case) -> IntArray:
    """Return the class (nodes,) of the station from which each node is supplied."""
    grid = prepared.grid
    at = find(case.node_id, grid.nodes.id[grid.branches.from_node[grid.station_branch]])
    of_station = np.where(at != ABSENT, rank[np.maximum(at, 0)], len(CLASSES) - 1)
    station = grid.nodes.station
    return np.where(station != ABSENT, of_station[np.maximum(station, 0)], len(CLASSES) - 1).astype(np.int64)


def _ordered(prepared: Prepared, case: Case, rank: IntArray, steps: tuple[Step, ...]) -> list[Ordered]:
    """Return the sheet: isolate first, then what supplies most of the first class, the tripped protection among it."""
    grid = prepared.grid
    names = [str(case.branch_id[step.branch]) for step in steps]
    failed = names[0]
    head = _head(grid, int(find(grid.branches.id, np.array([failed]))[0]))
    gear = Switchgear(grid)
    gear.cut(failed)
    gear.switch(failed, False)
    sheet = [Ordered(failed, False, steps[0].reason, _state(steps[0]))]
    waiting = [Ordered(name, step.close, step.reason, _state(step)) for name, step in zip(names[1:], steps[1:], strict=True)]
    if head != failed:
        waiting.append(Ordered(head, True, HEAD_REASON, ""))
    classes = _station_ranks(prepared, rank, case)
    closings = sorted(
        (one for one in waiting if one.closed), key=lambda one: _worth(prepared, classes, gear, one.line), reverse=True
    )
    return [*sheet, *closings, *(one for one in waiting if not one.closed)]


def _state(step: Step) -> str:
    kept = f"; NOT KEPT: {'; '.join(step.faults)}" if step.faults else ""
    return f"lowest voltage {step.u_lowest_pu:.4f} pu, {step.i_a:.0f} A{kept}"


def _happenings(asset: str, sheet: list[Ordered], begin_s: float, pace: Pace) -> tuple[Happening, ...]:
    told = [Happening(0.0, "cable_cut", {"asset": asset}, f"{asset} fails")]
    for number, one in enumerate(sheet, 1):
        text = f"{'close' if one.closed else 'open'} {one.line}: {one.why}"
        told.append(Happening(begin_s + number * pace.step_s, "switch", {"asset": one.line, "closed": one.closed}, text))
    return tuple(told)


def lay_out(wanted: Wanted) -> Drill:
    """Return the drill. GridError where the asset is no cable of medium voltage that carries power, or nothing can be done."""
    prepared = prepare(wanted.city)
    grid = prepared.grid
    asset = wanted.asset or default_cable(prepared)
    known = [str(grid.branches.id[branch]) for branch in medium(grid)]
    if asset not in known:
        raise GridError(
            f"asset is {asset!r}, allowed is a cable of medium voltage that carries power ({', '.join(known[:5])} ...): at low "
            "voltage there is no other way to supply a street, and no switching to advise. Nothing was run."
        )
    case = case_of(network_of(grid, wanted.city.name, 18.0))
    rank = ranks(grid, wanted.city.assets, wanted.supplied, case.node_id)
    branch = case.branch(asset)
    found = restore(case, branch, rank)
    sheet = _ordered(prepared, case, rank, fault_steps(case, branch, found.start, found.target))
    pace, takes = wanted.pace, _takes(prepared, asset, wanted)
    each = 60.0 / max(takes["connections"], 1.0)
    return Drill(
        title=f"{wanted.city.title}: {asset} fails",
        asset=asset,
        by_hand=_happenings(asset, sheet, pace.find_s + pace.plan_s, pace),
        advised=_happenings(asset, sheet, pace.find_s + pace.read_s, pace),
        sheet=tuple(
            f"{number}. {'CLOSE' if one.closed else 'OPEN'} {one.line}: {one.why}{f' ({one.state})' if one.state else ''}"
            for number, one in enumerate(sheet, 1)
        ),
        dark=takes,
        figures=(("minutes without power of each connection that went dark, mean", "dark_connection_h", each),),
        notes=_notes(pace, found.proved),
    )


def _takes(prepared: Prepared, asset: str, wanted: Wanted) -> dict[str, float]:
    """Return what the fault takes with it: connections, and assets of others by kind."""
    grid = prepared.grid
    gear = Switchgear(grid)
    gear.cut(asset)
    assets = wanted.city.assets
    node = find(grid.nodes.id, assets.fed_by)
    dark = (node != ABSENT) & ~gear.live[np.maximum(node, 0)]
    kinds, count = np.unique(assets.kind[dark], return_counts=True)
    return {
        "connections": float(grid.nodes.connections_count[~gear.live].sum()),
        "stations": float((~gear.live[grid.station_busbar]).sum()),
        **{str(kind): float(many) for kind, many in zip(kinds, count, strict=True)},
    }


def _notes(pace: Pace, proved: bool) -> tuple[str, ...]:
    find, plan, read, step = (f"{seconds / 60.0:g} min" for seconds in (pace.find_s, pace.plan_s, pace.read_s, pace.step_s))
    assumed = f"Assumed, not measured: {find} until the failed section is found and {step} for each switching, with advice and "
    follows = "What the advice saves in minutes without power is therefore what was assumed; what follows in traffic and light "
    return (
        f"{assumed}without; {plan} to plan and check the switching by hand, {read} to read and check the sheet.",
        f"{follows}is simulated.",
        "No measurement tells which section has failed: finding it takes as long with lamplighter as without.",
        "Homes draw as much after the outage as they would have without it (no peak when heating comes back).",
        f"{'No way of switching supplies more' if proved else 'It is not proved that no way supplies more'} than the sheet.",
    )
