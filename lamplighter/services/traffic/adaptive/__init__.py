# SPDX-License-Identifier: Apache-2.0
"""What lamplighter would do: hold the running stage, or start the stage that serves more people per second.

Each second every intersection weighs its stages by a priority index, expected people served per second of service
including the change (S. Laemmer, D. Helbing, Self-control of traffic lights and vehicle flows in urban road networks,
J. Stat. Mech. (2008) P04019), over what lane areas, loops and call buttons report. On top of it: nobody waits at red
beyond the bound of the group, nothing is fed into a full street, and where detectors cannot be trusted nothing is
proposed, so that the box runs its own programme. No training, no order of stages, no talk between intersections.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.adaptive.rule import Bounds, Scene, choose
from lamplighter.services.traffic.adaptive.survey import Survey, survey
from lamplighter.services.traffic.adaptive.trust import Trust, watch
from lamplighter.services.traffic.layout import COUNT, EXIT, STOP_LINE, Layout
from lamplighter.services.traffic.terms import FAULT, GREEN
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

LEASE_S = 15.0
RENEW_S = 8.0  # a lease is renewed when less than this is left of it
FRESH_S = 5.0
RATE_MEMORY_S = 300.0


class Plan(NamedTuple):
    """What deciding needs and does not change."""

    layout: Layout
    survey: Survey
    bounds: Bounds
    row_of_group_item: IntArray  # detector of each entry of Detectors.group


class Memory(NamedTuple):
    """What is remembered from second to second: arrivals per lane (l,) in veh/s, and what detectors did lately."""

    rate_veh_s: FloatArray
    trust: Trust
    then_s: float


def plan(layout: Layout) -> Plan:
    """Return what deciding needs of a city."""
    bounds = Bounds(layout.stages.green, layout.groups.green_min_s, layout.groups.red_max_s)
    rows = np.repeat(np.arange(len(layout.detectors.role)), np.diff(layout.detectors.group_offsets))
    return Plan(layout, survey(layout), bounds, rows)


def start(prepared: Plan) -> Memory:
    """Return the memory before the first second."""
    zeros = np.zeros(len(prepared.layout.detectors.role))
    return Memory(np.zeros(len(prepared.survey.lanes.box)), Trust(zeros, zeros.copy()), 0.0)


def _column(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return value and freshness of one quantity at run positions."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.zeros(len(local), np.bool_)
    known = column.present[local] & (snapshot.now_s - column.known_at_s[local] <= FRESH_S)
    return column.value[local], known


def _detected(snapshot: Snapshot, layout: Layout) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return both values of every detector (d,) and whether they are fresh: loop counts and occupancy, area vehicles and
    queue, calls (twice)."""
    d = layout.detectors
    loop = d.role == STOP_LINE
    area_veh, known = _column(snapshot, "area_veh", d.local)
    queue_veh, _ = _column(snapshot, "queue_veh", d.local)
    count, loop_known = _column(snapshot, "count_veh", d.local)
    occupancy, _ = _column(snapshot, "occupancy_share", d.local)
    call, call_known = _column(snapshot, "call_waiting", d.local)
    return (
        np.where(loop, count, area_veh + call),
        np.where(loop, occupancy, queue_veh + call),
        known | loop_known | call_known,
    )


def _scene(snapshot: Snapshot, memory: Memory, prepared: Plan) -> tuple[Scene, Memory]:
    layout, lanes = prepared.layout, prepared.survey.lanes
    stage, known = _column(snapshot, "running_stage", layout.boxes.local)
    mode, _ = _column(snapshot, "box_mode", layout.boxes.local)
    state, state_known = _column(snapshot, "group_state", layout.groups.local)
    elapsed_s, _ = _column(snapshot, "group_elapsed_s", layout.groups.local)
    veh, queue, fresh = _detected(snapshot, layout)
    served = np.zeros(len(veh), np.bool_)
    np.logical_or.at(served, prepared.row_of_group_item, state[layout.detectors.group] == GREEN)
    passed_s = min(max(snapshot.now_s - memory.then_s, 0.0), 1.0) if memory.then_s else 0.0
    trust, stuck = watch(memory.trust, np.where(layout.detectors.role == STOP_LINE, queue, veh), served, passed_s)
    number = stage.astype(np.int64)
    able = known & (mode != FAULT) & (number < np.diff(layout.stages.offsets))
    silent = layout.detectors.boxed & ~np.isin(layout.detectors.role, [COUNT, EXIT]) & (~fresh | stuck)
    able[layout.detectors.box[silent]] = False
    able[layout.groups.box[~state_known]] = False
    rate = np.where(lanes.has_loop, np.where(fresh[lanes.loop], veh[lanes.loop], 0.0), 0.0)
    rate_veh_s = memory.rate_veh_s + (rate - memory.rate_veh_s) * passed_s / RATE_MEMORY_S
    near_veh, near_queue = (np.where(lanes.has_near, column[lanes.near], 0.0) for column in (veh, queue))
    far_veh, far_queue = (np.where(lanes.has_far, column[lanes.far], 0.0) for column in (veh, queue))
    ways_out, calls = prepared.survey.exit_row, prepared.survey.call_row
    scene = Scene(
        able=able,
        stage=np.where(able, number, 0),
        group_state=state.astype(np.int64),
        group_elapsed_s=elapsed_s,
        near_veh=np.maximum(near_veh, near_queue),
        near_queue=near_queue,
        far_veh=np.maximum(far_veh, far_queue),
        far_queue=far_queue,
        rate_veh_s=rate_veh_s,
        call=veh[calls] > 0,
        exit_veh=np.where(fresh[ways_out], veh[ways_out], 0.0),
        exit_queue=np.where(fresh[ways_out], queue[ways_out], 0.0),
    )
    return scene, Memory(rate_veh_s, trust, snapshot.now_s)


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
    scene, memory = _scene(snapshot, state, prepared)
    choice = choose(prepared.survey, prepared.bounds, scene)
    local = prepared.layout.boxes.local
    settled_s, _ = _column(snapshot, "stage_elapsed_s", local)
    starts = scene.able & choice.free & (settled_s > 0) & (choice.stage != scene.stage)
    left_s = _left_s(snapshot, local, scene.stage)
    holds = scene.able & ~starts & (left_s < RENEW_S)
    chosen = (choice.stage, choice.because)
    kept = (scene.stage, choice.because)
    return (
        _table("start_stage", snapshot, prepared, np.flatnonzero(starts), chosen),
        _table("hold_stage", snapshot, prepared, np.flatnonzero(holds), kept),
    ), memory
