# SPDX-License-Identifier: Apache-2.0
"""What lamplighter would do: hold the running stage, or start the stage that serves people sooner.

Each second the rolling-horizon planner (`horizon`, docs/decisions/0005) compares plans for every intersection over the next
minute, over what lane areas, loops, call buttons and announcements say, and counts persons times seconds. On top of it:
nobody is kept at red beyond the bound of the group, nor beyond the longest red of the intersection's own programme (or
90 s, where that is longer); nothing is fed into a full street; and where detectors cannot be trusted, or what was predicted
does not happen, nothing is proposed, so that the box runs its own programme. No training and no order of stages.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic import dark
from lamplighter.services.traffic.adaptive import finish, observe, roads, survey, trust
from lamplighter.services.traffic.adaptive.ways import Ways
from lamplighter.services.traffic.horizon import decide as horizon
from lamplighter.services.traffic.horizon.people import ON_FOOT, People, Persons, people_rows, waiting_now
from lamplighter.services.traffic.horizon.scheme import CELLS, RED, Network, Seen
from lamplighter.services.traffic.horizon.scheme import Settings as Planning
from lamplighter.services.traffic.layout import Layout
from lamplighter.services.traffic.terms import FAULT, GREEN, Settings
from lamplighter.terms.city import Streets
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

LEASE_S = 15.0
RENEW_S = 8.0  # a lease is renewed when less than this is left of it
RENEW_CHANGING_S = 3.0  # nothing can be chosen during a change: a lease is renewed only where it would end before
FRESH_S = 5.0
PLANNING = Planning()
UNSEEN_PERSONS = 0.3  # before a group that no detector sees: enough for its bound to count
FULL_RATIO = 0.85  # a street this full of standing vehicles takes no more
NEVER_FULL_VEH = 1e6


class Plan(NamedTuple):
    """What deciding needs and does not change. move_group, exit_of_row: the group of each movement, and the exit row of each
    exit area; locals are run positions of detectors."""

    layout: Layout
    survey: survey.Survey
    network: Network
    people: People
    installed: finish.Installed
    move_group: IntArray
    exit_of_row: IntArray
    groups_of_exit: tuple[IntArray, IntArray]
    area_local: IntArray
    loop_local: IntArray
    exit_local: IntArray
    call_local: IntArray
    call_box: IntArray


class Memory(NamedTuple):
    """What is remembered from second to second: the planner's own memory and what areas showed (both used up by each call),
    what areas, loops and exits did lately, and what is let out towards intersections without power."""

    planner: horizon.Memory
    sight: observe.Sight
    areas: trust.Trust
    loops: trust.Trust
    exits: trust.Trust
    holding: dark.Holding
    then_s: float


def plan(layout: Layout, streets: Streets, settings: Settings) -> Plan:
    """Return what deciding needs of a city."""
    d = layout.detectors
    ways = Ways(streets, set(layout.movements.from_edge.tolist()))
    seen = survey.survey(layout, ways)
    network, exits, moves = roads.network(layout, seen, ways, settings)
    groups, pairs = layout.groups, layout.pairs
    number = {key: row for row, key in enumerate(zip(exits.box.tolist(), exits.street, strict=True))}
    keys = zip(d.box[seen.exit_row].tolist(), d.street[seen.exit_row].tolist(), strict=True)
    return Plan(
        layout=layout,
        survey=seen,
        network=network,
        people=people_rows(layout, Persons(settings.persons_per_car, settings.persons_per_bus, settings.persons_per_tram)),
        installed=finish.Installed(
            layout.stages.offsets, groups.offsets, layout.stages.green, groups.green_min_s,
            roads.red_bounds_s(layout, seen.change_s), groups.yellow_s, groups.red_amber_s, pairs.offsets, pairs.from_group,
            pairs.to_group, pairs.intergreen_s, seen.change_s,
        ),
        move_group=moves.group,
        exit_of_row=np.array([number.get(key, len(number)) for key in keys], np.int64),
        groups_of_exit=(seen.exit_group_offsets, seen.exit_group),
        area_local=d.local[seen.areas.row],
        loop_local=d.local[seen.lanes.loop],
        exit_local=d.local[seen.exit_row],
        call_local=d.local[seen.call_row],
        call_box=d.box[seen.call_row],
    )  # fmt: skip


def start(prepared: Plan) -> Memory:
    """Return the memory before the first second."""
    seen = prepared.survey
    return Memory(
        planner=horizon.start(prepared.network, PLANNING),
        sight=observe.begin(seen.areas),
        areas=trust.begin(len(seen.areas.row)),
        loops=trust.begin(len(seen.lanes.row)),
        exits=trust.begin(len(seen.exit_row)),
        holding=dark.begin(prepared.network),
        then_s=0.0,
    )


def _column(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return value and freshness of one quantity at run positions; 0 where it is not fresh."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.zeros(len(local), np.bool_)
    known = column.present[local] & (snapshot.now_s - column.known_at_s[local] <= FRESH_S)
    return np.where(known, column.value[local], 0.0), known


class _Boxes(NamedTuple):
    """What boxes report: running stage (b,), whether deciding is possible (b,), seconds since the stage's green (b,), what
    groups show and since when (g,)."""

    stage: IntArray
    able: BoolArray
    settled_s: FloatArray
    state: IntArray
    elapsed_s: FloatArray


def _boxes(snapshot: Snapshot, prepared: Plan) -> _Boxes:
    layout = prepared.layout
    stage, known = _column(snapshot, "running_stage", layout.boxes.local)
    mode, _ = _column(snapshot, "box_mode", layout.boxes.local)
    settled_s, _ = _column(snapshot, "stage_elapsed_s", layout.boxes.local)
    state, state_known = _column(snapshot, "group_state", layout.groups.local)
    elapsed_s, _ = _column(snapshot, "group_elapsed_s", layout.groups.local)
    _, call_known = _column(snapshot, "call_waiting", prepared.call_local)
    able = known & (mode != FAULT) & (stage < np.diff(layout.stages.offsets)) & snapshot.adaptive[layout.boxes.local]
    able[prepared.call_box[~call_known]] = False
    able[layout.groups.box[~state_known]] = False
    return _Boxes(np.where(able, stage, 0.0).astype(np.int64), able, settled_s, state.astype(np.int64), elapsed_s)


class _Streets(NamedTuple):
    """What detectors report: vehicles and standing ones by area (a,), passages by lane (l,), room behind signals by exit (e,),
    groups (g,) behind which streets are full, and lanes (l,) that are seen."""

    veh: FloatArray
    standing_veh: FloatArray
    passed_veh: FloatArray
    exit_room_veh: FloatArray
    full: BoolArray
    alive: BoolArray


def _streets(snapshot: Snapshot, memory: Memory, prepared: Plan, boxes: _Boxes) -> tuple[_Streets, Memory]:
    lanes, areas = prepared.survey.lanes, prepared.survey.areas
    passed_s = min(max(snapshot.now_s - memory.then_s, 0.0), 1.0) if memory.then_s else 0.0
    veh, known = _column(snapshot, "area_veh", prepared.area_local)
    standing_veh, _ = _column(snapshot, "queue_veh", prepared.area_local)
    veh = np.maximum(veh, standing_veh)
    kept, stuck = trust.watch((areas.group_offsets, areas.group), memory.areas, veh, boxes.state, passed_s)
    passed_veh, loop_known = _column(snapshot, "count_veh", prepared.loop_local)
    counted = (
        snapshot.latest["count_veh"].known_at_s[prepared.loop_local] > memory.then_s if "count_veh" in snapshot.latest else False
    )
    passed_veh = np.where(lanes.has_loop & counted, passed_veh, 0.0)
    kept_loops, stuck_loop = trust.watch((lanes.group_offsets, lanes.group), memory.loops, passed_veh, boxes.state, passed_s)
    near = np.flatnonzero(areas.near)
    alive = boxes.able[lanes.box] & (loop_known | ~lanes.has_loop) & ~stuck_loop
    alive[areas.lane[near[~known[near] | stuck[near]]]] = False
    fell = np.zeros(len(lanes.row))
    fell[areas.lane[near]] = np.maximum(memory.areas.seen_veh[near] - veh[near], 0.0)
    passed_veh = np.where(lanes.has_loop, passed_veh, fell)
    exit_veh, _ = _column(snapshot, "area_veh", prepared.exit_local)
    exit_standing_veh, _ = _column(snapshot, "queue_veh", prepared.exit_local)
    kept_exits, stuck_exit = trust.watch(prepared.groups_of_exit, memory.exits, exit_veh, boxes.state, passed_s)
    room_veh, full = _room(prepared, np.where(stuck_exit, 0.0, exit_veh), exit_standing_veh)
    believed = np.where(stuck, 0.0, 1.0)
    found = _Streets(veh * believed, standing_veh * believed, passed_veh, room_veh, full, alive)
    return found, memory._replace(areas=kept, loops=kept_loops, exits=kept_exits, then_s=snapshot.now_s)


def _room(prepared: Plan, veh: FloatArray, standing_veh: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return what each street entered still takes (e,), and groups (g,) most of whose streets are full. A street through which
    vehicles move takes any number."""
    exits = len(prepared.network.exit_length_m)
    row = prepared.exit_of_row
    whole, there, stand = (
        np.bincount(row, weights=w, minlength=exits + 1)[:exits] for w in (prepared.survey.exit_room_veh, veh, standing_veh)
    )
    jammed = (stand >= 0.5 * there) & (there > 0)
    left_veh = np.where(jammed, np.maximum(FULL_RATIO * whole - there, 0.0), NEVER_FULL_VEH)
    full = jammed & (left_veh <= 0.0)
    moves, groups = prepared.network.move_exit, len(prepared.layout.groups.box)
    blocked = np.bincount(prepared.move_group, weights=full[moves], minlength=groups)
    return left_veh, blocked > 0.5 * np.maximum(np.bincount(prepared.move_group, minlength=groups), 1)


class _Persons(NamedTuple):
    """Persons by group (g,): on foot, announced, and all of them with those who may be where nobody sees; seconds until they
    are there; for how long somebody has been waiting (0: nobody)."""

    walkers_persons: FloatArray
    announced_persons: FloatArray
    every_persons: FloatArray
    due_s: FloatArray
    waited_s: FloatArray


def _persons(snapshot: Snapshot, prepared: Plan, boxes: _Boxes, stands: BoolArray) -> _Persons:
    people, layout = prepared.people, prepared.layout
    groups = len(layout.groups.box)
    now = waiting_now(snapshot, people, layout)
    foot = people.kind == ON_FOOT
    walkers = np.bincount(people.group[foot], weights=now.persons[foot], minlength=groups).astype(np.float64)
    announced = np.bincount(people.group[~foot], weights=now.persons[~foot], minlength=groups).astype(np.float64)
    due_s = np.full(groups, np.inf)
    np.minimum.at(due_s, people.group, np.where(now.persons > 0, now.due_s, np.inf))
    red, unseen = boxes.state != GREEN, prepared.survey.unwatched
    every = np.maximum(walkers + announced, np.where(unseen & red, UNSEEN_PERSONS, 0.0))
    due_s = np.where(np.isfinite(due_s), due_s, 0.0)
    told_s, told = _column(snapshot, "group_waited_s", layout.groups.local)
    waited_s = np.maximum(np.where(told, np.minimum(told_s, boxes.elapsed_s), boxes.elapsed_s), 1.0)
    return _Persons(walkers, announced, every, due_s, np.where(red & (stands | (walkers > 0) | unseen), waited_s, 0.0))


def _by_group(prepared: Plan, areas: FloatArray) -> FloatArray:
    """Return the sum over areas before each group (g,)."""
    seen = prepared.survey.areas
    row = np.repeat(np.arange(len(areas)), np.diff(seen.group_offsets))
    return np.bincount(seen.group, weights=areas[row], minlength=len(prepared.layout.groups.box)).astype(np.float64)


def _seen(prepared: Plan, memory: Memory, boxes: _Boxes, streets: _Streets, persons: _Persons) -> Seen:
    network, seen = prepared.network, prepared.survey
    observe.follow(seen.areas, streets.veh, streets.standing_veh, streets.passed_veh, memory.sight)
    cell_veh, none = np.zeros((len(seen.lanes.row), CELLS)), np.zeros(len(seen.lanes.row))
    observe.place(seen.lanes, seen.areas, seen.pieces, streets.standing_veh, memory.sight.age_veh, cell_veh)
    changing = boxes.settled_s <= 0.0
    red = boxes.state != GREEN
    move_box = np.repeat(np.arange(len(boxes.stage)), np.diff(network.move_first))
    row = network.stage_offsets[:-1][move_box] + boxes.stage[move_box]
    shown = network.serve[row, np.arange(len(move_box)) - network.move_first[:-1][move_box]]
    red_s = np.where(red, np.where(persons.waited_s > 0, persons.waited_s, 1.0), 0.0)
    return Seen(
        cell_veh=cell_veh,
        cell_occupancy_share=cell_veh,
        passed_veh=streets.passed_veh,
        stop_occupancy_share=none,
        advance_veh=none,
        advance_occupancy_share=none,
        alive=streets.alive,
        stage=boxes.stage,
        stage_elapsed_s=boxes.settled_s,
        changing=changing,
        change_left_s=finish.change_left_s(prepared.installed, boxes.stage, changing, boxes.state, boxes.elapsed_s),
        movement_green=np.where(red[prepared.move_group], RED, shown),
        movement_red_s=red_s[prepared.move_group],
        foot_waiting_persons=persons.every_persons,
        foot_due_s=persons.due_s,
        foot_red_s=red_s,
        exit_room_veh=streets.exit_room_veh,
    )


class _Chosen(NamedTuple):
    """What is chosen (b,): stage, reason, whether the change may begin now, and whether anything is proposed at all."""

    stage: IntArray
    because: IntArray
    free: BoolArray
    able: BoolArray


def _choose(snapshot: Snapshot, state: Memory, prepared: Plan) -> tuple[_Chosen, _Boxes, Memory]:
    boxes = _boxes(snapshot, prepared)
    streets, memory = _streets(snapshot, state, prepared, boxes)
    standing_veh = _by_group(prepared, np.where(prepared.survey.areas.near, streets.standing_veh, 0.0))
    persons = _persons(snapshot, prepared, boxes, standing_veh > 0)
    seen = _seen(prepared, memory, boxes, streets, persons)
    without = dark.dark_boxes(snapshot, prepared.layout)
    room_veh, holding = dark.hold_back(prepared.network, memory.holding, without, seen, int(snapshot.now_s))
    seen = seen._replace(exit_room_veh=room_veh)
    choice, planner = horizon.decide(prepared.network, seen, memory.planner, snapshot.now_s, PLANNING)
    scene = finish.Scene(
        boxes.stage, seen.changing, boxes.state, boxes.elapsed_s, _by_group(prepared, streets.veh), standing_veh,
        persons.walkers_persons, persons.announced_persons, persons.waited_s, streets.full,
    )  # fmt: skip
    finish.keep_bounds(prepared.installed, scene, choice.stage, choice.because)
    finish.say_why(prepared.installed, scene, choice.stage, choice.because)
    free = finish.free(prepared.installed, scene, choice.stage)
    chosen = _Chosen(choice.stage, choice.because, free, boxes.able & choice.trusted)
    return chosen, boxes, memory._replace(planner=planner, holding=holding)


def _cites(prepared: Plan, boxes: IntArray) -> Cites:
    at = prepared.survey.cite_offsets
    lengths = np.diff(at)[boxes]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    item = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], lengths) + np.repeat(at[:-1][boxes], lengths)
    return Cites(offsets, prepared.survey.cite_local[item] + prepared.layout.start, prepared.survey.cite_quantity[item])


def _left_s(snapshot: Snapshot, local: IntArray, stage: IntArray) -> FloatArray:
    """Return for how long each box is still under a lease on the given stage, by either action."""
    left_s = np.zeros(len(local))
    for entry in snapshot.in_force.values():
        same = entry.active[local] & (entry.values["stage"][local] == stage)
        left_s = np.maximum(left_s, np.where(same, entry.expires_s[local] - snapshot.now_s, 0.0))
    return left_s


def _table(action: str, snapshot: Snapshot, prepared: Plan, boxes: IntArray, chosen: tuple[IntArray, IntArray]) -> Proposals:
    stage, because = chosen
    return Proposals(
        action=action,
        asset=prepared.layout.boxes.local[boxes] + prepared.layout.start,
        values={"stage": stage[boxes].astype(np.float64)},
        because=because[boxes],
        cites=_cites(prepared, boxes),
        arm="adaptive",
        issued_s=snapshot.now_s,
        lease_s=LEASE_S,
    )


def adaptive(snapshot: Snapshot, state: Memory, prepared: Plan) -> tuple[tuple[Proposals, ...], Memory]:
    """Return what lamplighter proposes this second: stages to start, and leases on running stages to renew."""
    chosen, boxes, memory = _choose(snapshot, state, prepared)
    local = prepared.layout.boxes.local
    starts = chosen.able & chosen.free & (boxes.settled_s > 0) & (chosen.stage != boxes.stage)
    left_s = _left_s(snapshot, local, boxes.stage)
    holds = chosen.able & ~starts & (left_s < np.where(boxes.settled_s > 0, RENEW_S, RENEW_CHANGING_S))
    return (
        _table("start_stage", snapshot, prepared, np.flatnonzero(starts), (chosen.stage, chosen.because)),
        _table("hold_stage", snapshot, prepared, np.flatnonzero(holds), (boxes.stage, chosen.because)),
    ), memory
