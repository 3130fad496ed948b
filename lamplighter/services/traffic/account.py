# SPDX-License-Identifier: Apache-2.0
"""What the record keeps of intersections: users, waits and greens by approach, stages, who decided, which detectors spoke.

An approach is a street before an intersection, with its lanes. People on foot (calls) and on bicycles of their own way
(loops) are counted for all crossings of an intersection together. Trams follow a timetable that anybody may read:
they are no users here.
"""

from typing import Any, NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import CALL, CYCLE, FAR, FOOT, MIXED, MOTOR, NEAR, STOP_LINE, Layout
from lamplighter.services.traffic.progression import FRESH_S, Progression, Zones, latest_of, nothing_yet, second, zones
from lamplighter.services.traffic.terms import FAULT, GREEN, LEASED, LOCAL
from lamplighter.terms.account import APPROACH, CROSSINGS, Account, Accounting, Cells, Tallied
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.snapshot import Snapshot

NOWHERE = -1  # the stage of a box that is changing, or silent

ACCOUNTS = (
    Account("users_count", "cell", "sum", "vehicles over the stop line; crossings: calls, and bicycles over loops of their own"),
    Account("wait_s", "cell", "sum", "seconds that users stood, all added up; crossings: seconds from a call to its green"),
    Account("over_bound_s", "cell", "sum", "seconds in which somebody had waited longer than is allowed"),
    Account("green_s", "cell", "sum", "seconds in which any of its signals was green", shaped=True),
    Account("greens_count", "cell", "sum", "how often it turned green", shaped=True),
    Account("red_longest_s", "cell", "max", "longest time without green of any of its signals", shaped=True),
    Account("wait_longest_s", "cell", "max", "longest time that somebody had stood at red", shaped=True),
    Account("arrivals_count", "cell", "sum", "vehicles that came onto the last stretch before the stop line", shaped=True),
    Account("arrivals_green_count", "cell", "sum", "those of them that came while a signal of their lane was green", shaped=True),
    Account("judged_count", "cell", "sum", "greens of its signals of which it can be said whether they served all", shaped=True),
    Account("failed_count", "cell", "sum", "those of them that did not: the stop line stayed occupied", shaped=True),
    Account("own_s", "box", "sum", "seconds on the own programme; where lamplighter steers no box of the area, all but faults"),
    Account("leased_s", "box", "sum", "seconds in which the box did as it was asked"),
    Account("fault_s", "box", "sum", "seconds in fault"),
    Account("silent_s", "box", "sum", "seconds without a word from the box"),
    Account("detectors_silent_s", "box", "sum", "seconds in which a detector was silent, over all detectors of a box that spoke"),
    Account("stage_s", "part", "sum", "seconds in which the stage ran", shaped=True),
    Account("starts_count", "part", "sum", "how often it began", shaped=True),
)  # fmt: skip
CELL_ACCOUNTS = sum(account.of == "cell" for account in ACCOUNTS)


class Counting(NamedTuple):
    """Which cell each loop, lane area, call and group counts for; local columns are run positions.

    pair_group, pair_cell: groups with the cells that they serve, sorted by cell. asker_of_group, asker_group: near areas
    and calls with the groups that they ask for. health: per quantity, the detectors that speak by it and their boxes;
    area (b,): a number for each box's area.
    """

    layout: Layout
    cells: Cells
    loop_local: IntArray
    loop_cell: IntArray
    area_local: IntArray
    area_cell: IntArray
    call_local: IntArray
    call_cell: IntArray
    pair_group: IntArray
    pair_cell: IntArray
    asker_local: IntArray
    asker_of_group: IntArray
    asker_group: IntArray
    health: tuple[tuple[str, IntArray, IntArray], ...]
    area: IntArray
    zones: Zones


class Memory(NamedTuple):
    """From one second to the next: not-green and waiting clocks (g,), what was green (c,), called (k,), running (b,), and how
    greens and arrivals went on."""

    then_s: float
    red_s: FloatArray
    waiting_s: FloatArray
    green: BoolArray
    called: BoolArray
    stage: IntArray
    progression: Progression


def _edges(layout: Layout) -> tuple[dict[tuple[int, str], int], list[tuple[int, str, str]]]:
    """Return cells by (box, street), and (box, name, kind) of every cell, sorted by box."""
    d, kinds = layout.detectors, layout.groups.kind
    found: set[tuple[int, str, str]] = set()
    for row in np.flatnonzero(d.boxed & ((d.role == STOP_LINE) | (d.role == NEAR))).tolist():
        groups = d.group[d.group_offsets[row] : d.group_offsets[row + 1]]
        if np.isin(kinds[groups], (MOTOR, MIXED)).any():
            found.add((int(d.box[row]), str(d.street[row]), APPROACH))
    for group in np.flatnonzero(np.isin(kinds, (FOOT, CYCLE))).tolist():
        found.add((int(layout.groups.box[group]), CROSSINGS, CROSSINGS))
    listed = sorted(found)
    return {(box, name): number for number, (box, name, _) in enumerate(listed)}, listed


def cells_of(layout: Layout, ids: TextArray, areas: TextArray) -> Cells:
    """Return boxes, cells and stages. ids, areas: (b,) of the intersections."""
    _, listed = _edges(layout)
    kinds, many = layout.groups.kind, np.diff(layout.groups.offsets)
    strict = np.zeros(len(layout.boxes.tls), np.bool_)
    for row, box in enumerate(layout.stages.box.tolist()):
        first = int(layout.groups.offsets[box])
        served = kinds[first + np.flatnonzero(layout.stages.green[row, : many[box]])]
        strict[box] |= not np.isin(served, (MOTOR, MIXED)).any() and bool(np.isin(served, (FOOT, CYCLE)).any())
    number = np.arange(len(layout.stages.box)) - layout.stages.offsets[:-1][layout.stages.box]
    return Cells(
        box_asset=layout.boxes.local + layout.start,
        box_name=ids,
        box_area=areas,
        cell_box=np.array([box for box, _, _ in listed], np.int64),
        cell_name=np.array([name for _, name, _ in listed], np.str_),
        cell_kind=np.array([kind for _, _, kind in listed], np.str_),
        part_box=layout.stages.box,
        part_name=number.astype(np.str_),
        strict=strict,
    )


def _cell_of_detectors(layout: Layout, cell_at: dict[tuple[int, str], int]) -> IntArray:
    """Return the cell of every detector (d,), -1 where it counts for none: by its street, else by the streets it serves."""
    d, kinds, moves = layout.detectors, layout.groups.kind, layout.movements
    street_of = {int(group): str(edge) for group, edge in zip(moves.group[::-1], moves.from_edge[::-1], strict=True)}
    cell = np.full(len(d.role), -1, np.int64)
    for row in np.flatnonzero(d.boxed & np.isin(d.role, (STOP_LINE, NEAR, FAR, CALL))).tolist():
        groups = d.group[d.group_offsets[row] : d.group_offsets[row + 1]]
        box = int(d.box[row])
        if d.role[row] == CALL or (len(groups) and np.isin(kinds[groups], (FOOT, CYCLE)).all()):
            cell[row] = cell_at.get((box, CROSSINGS), -1)
        elif np.isin(kinds[groups], (MOTOR, MIXED)).any():
            streets = [str(d.street[row]), *(street_of.get(int(group), "") for group in groups)]
            cell[row] = next((cell_at[box, street] for street in streets if (box, street) in cell_at), -1)
    return cell


def _pairs(layout: Layout, cell_at: dict[tuple[int, str], int]) -> tuple[IntArray, IntArray]:
    """Return groups and the cells that they serve, sorted by cell."""
    found: set[tuple[int, int]] = set()
    kinds, moves = layout.groups.kind, layout.movements
    for box, group, edge in zip(moves.box.tolist(), moves.group.tolist(), moves.from_edge, strict=True):
        name = str(edge) if kinds[group] in (MOTOR, MIXED) else CROSSINGS
        if kinds[group] in (MOTOR, MIXED, FOOT, CYCLE) and (box, name) in cell_at:
            found.add((cell_at[box, name], group))
    listed = np.array(sorted(found), np.int64).reshape(-1, 2)
    return listed[:, 1], listed[:, 0]


def counting(layout: Layout, city: CityData) -> Counting:
    """Return which detector and signal counts for which cell of the city."""
    cell_at, _ = _edges(layout)
    place = layout.start + layout.boxes.local
    d = layout.detectors
    cell = _cell_of_detectors(layout, cell_at)
    loops, areas, calls = (np.flatnonzero((cell >= 0) & np.isin(d.role, roles)) for roles in ((STOP_LINE,), (NEAR, FAR), (CALL,)))
    askers = np.flatnonzero(d.boxed & np.isin(d.role, (NEAR, CALL)))
    number = np.zeros(len(d.role), np.int64)
    number[askers] = np.arange(len(askers))
    row = np.repeat(np.arange(len(d.role)), np.diff(d.group_offsets))
    asks = np.isin(row, askers)
    pair_group, pair_cell = _pairs(layout, cell_at)
    spoken = (("count_veh", (STOP_LINE,)), ("area_veh", (NEAR, FAR)), ("call_waiting", (CALL,)))
    by_quantity = [(name, np.flatnonzero(d.boxed & np.isin(d.role, roles))) for name, roles in spoken]
    return Counting(
        layout=layout,
        cells=cells_of(layout, city.assets.id[place], city.assets.area[place]),
        loop_local=d.local[loops],
        loop_cell=cell[loops],
        area_local=d.local[areas],
        area_cell=cell[areas],
        call_local=d.local[calls],
        call_cell=cell[calls],
        pair_group=pair_group,
        pair_cell=pair_cell,
        asker_local=d.local[askers],
        asker_of_group=number[row[asks]],
        asker_group=d.group[asks],
        health=tuple((name, d.local[rows], d.box[rows]) for name, rows in by_quantity),
        area=np.unique(city.assets.area[place], return_inverse=True)[1].astype(np.int64),
        zones=zones(layout, cell, pair_group, pair_cell),
    )


def _begin(what: Counting, now_s: float) -> Tallied:
    groups, cells, stages = len(what.layout.groups.box), len(what.cells.cell_box), len(what.cells.part_box)
    memory = Memory(
        now_s, np.zeros(groups), np.zeros(groups), np.zeros(cells, np.bool_), np.zeros(len(what.call_local), np.bool_),
        np.full(len(what.cells.box_asset), NOWHERE, np.int64), nothing_yet(what.zones),
    )  # fmt: skip
    return Tallied(np.zeros((cells, CELL_ACCOUNTS)), np.zeros((len(what.cells.box_asset), 5)), np.zeros((stages, 2)), memory)


def _before_red(tells: BoolArray, what: Counting) -> BoolArray:
    found = np.zeros(len(what.layout.groups.box), np.bool_)
    found[what.asker_group[tells[what.asker_of_group]]] = True
    return found


def _clocks(snapshot: Snapshot, memory: Memory, what: Counting, passed_s: float) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return for how long each group has not been green and somebody has waited for it, and which are green (g,)."""
    state, known = latest_of(snapshot, "group_state", what.layout.groups.local)
    calls = latest_of(snapshot, "call_waiting", what.asker_local)[0] > 0
    stands = _before_red(calls | (latest_of(snapshot, "queue_veh", what.asker_local)[0] > 0), what)
    here = _before_red(calls | (latest_of(snapshot, "area_veh", what.asker_local)[0] > 0), what)
    closed = known & (state != GREEN)
    red_s = np.where(closed, memory.red_s + passed_s, 0.0)
    waiting_s = np.where(closed & (stands | (here & (memory.waiting_s > 0))), memory.waiting_s + passed_s, 0.0)
    return red_s, waiting_s, known & (state == GREEN)


def _cells_tally(snapshot: Snapshot, tallied: Tallied, what: Counting, passed_s: float) -> tuple[FloatArray, Memory]:
    memory: Memory = tallied.memory
    red_s, waiting_s, green = _clocks(snapshot, memory, what, passed_s)
    queue = latest_of(snapshot, "queue_veh", what.area_local)[0]
    call = latest_of(snapshot, "call_waiting", what.call_local)[0] > 0
    passed = latest_of(snapshot, "count_veh", what.loop_local)[0] * (passed_s > 0)
    cells, pairs, at = len(tallied.cell), what.pair_group, what.pair_cell
    over = waiting_s > what.layout.groups.red_max_s
    green_now = np.bincount(at, weights=green[pairs], minlength=cells) > 0
    more = np.zeros((cells, CELL_ACCOUNTS))
    more[:, 0] = np.bincount(what.loop_cell, weights=passed, minlength=cells)
    more[:, 0] += np.bincount(what.call_cell, weights=call & ~memory.called, minlength=cells)
    more[:, 1] = passed_s * np.bincount(what.area_cell, weights=queue, minlength=cells)
    more[:, 1] += passed_s * np.bincount(what.call_cell, weights=call, minlength=cells)
    more[:, 2] = passed_s * (np.bincount(at, weights=over[pairs], minlength=cells) > 0)
    more[:, 3] = passed_s * green_now
    more[:, 4] = green_now & ~memory.green
    more[:, 7:], progression = second(snapshot, memory.progression, what.zones, cells, passed_s)
    cell = tallied.cell + more
    np.maximum.at(cell[:, 5], at, red_s[pairs])
    np.maximum.at(cell[:, 6], at, waiting_s[pairs])
    return cell, Memory(snapshot.now_s, red_s, waiting_s, green_now, call, memory.stage, progression)


def _somewhere(mask: BoolArray, area: IntArray) -> BoolArray:
    """Return for every box whether the mask holds for any box of its area."""
    return (np.bincount(area, weights=mask) > 0)[area] if len(area) else mask


def _boxes_tally(snapshot: Snapshot, tallied: Tallied, what: Counting, passed_s: float) -> FloatArray:
    mode, known = latest_of(snapshot, "box_mode", what.layout.boxes.local)
    box = tallied.box.copy()
    # Where nobody but an operator could have asked, a lease would tell where he let somebody through.
    steered = snapshot.adaptive[what.layout.boxes.local]
    mode = np.where((mode == LEASED) & ~_somewhere(steered, what.area), LOCAL, mode)
    for column, code in enumerate((LOCAL, LEASED, FAULT)):
        box[:, column] += passed_s * (known & (mode == code))
    box[:, 3] += passed_s * ~known
    for name, local, owner in what.health:
        silent = ~latest_of(snapshot, name, local)[1]
        box[:, 4] += passed_s * known * np.bincount(owner, weights=silent, minlength=len(box))
    return box


def tally(snapshot: Snapshot, tallied: Tallied | None, prepared: Any) -> Tallied:
    """Return the sums with one more tick in them. `prepared.counting` is what `counting` returned."""
    what: Counting = prepared.counting
    before = tallied or _begin(what, snapshot.now_s)
    passed_s = min(max(snapshot.now_s - before.memory.then_s, 0.0), FRESH_S) if tallied else 1.0
    cell, memory = _cells_tally(snapshot, before, what, passed_s)
    stage, known = latest_of(snapshot, "running_stage", what.layout.boxes.local)
    settled = known & (latest_of(snapshot, "stage_elapsed_s", what.layout.boxes.local)[0] > 0)
    row = np.where(settled, what.layout.stages.offsets[:-1] + stage.astype(np.int64), NOWHERE)
    part = before.part.copy()
    ran = row[settled & (row < len(part))]
    part[ran, 0] += passed_s
    part[row[settled & (row < len(part)) & (row != memory.stage)], 1] += 1.0
    return Tallied(cell, _boxes_tally(snapshot, before, what, passed_s), part, memory._replace(stage=row))


def _cells(prepared: Any) -> Cells:
    return prepared.counting.cells


ACCOUNTING = Accounting(ACCOUNTS, "users_count", _cells, tally)
