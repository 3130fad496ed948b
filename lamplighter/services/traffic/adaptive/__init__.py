# SPDX-License-Identifier: Apache-2.0
"""What lamplighter would do: hold the running stage, or start the stage that serves more people per second.

Each second every intersection weighs its stages by a priority index, expected people served per second of service
including the change (S. Laemmer, D. Helbing, Self-control of traffic lights and vehicle flows in urban road networks,
J. Stat. Mech. (2008) P04019), over what lane areas, loops and call buttons report. On top of it: nobody is kept at
red beyond the bound of the group, nor beyond the longest red of the intersection's own programme (or 90 s, where that
is longer); nothing is fed into a full street, and where detectors cannot be trusted nothing is proposed, so that the
box runs its own programme. No training, no order of stages, no talk between intersections.
"""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.adaptive.rule import Bounds, Scene, choose
from lamplighter.services.traffic.adaptive.survey import Survey, own_red_s, survey
from lamplighter.services.traffic.adaptive.trust import Trust, watch
from lamplighter.services.traffic.layout import Layout
from lamplighter.services.traffic.terms import FAULT
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

LEASE_S = 15.0
RENEW_S = 8.0  # a lease is renewed when less than this is left of it
RENEW_CHANGING_S = 3.0  # nothing can be chosen during a change: a lease is renewed only where it would end before
OWN_RED_RATIO = 0.95  # the longest red is to be shorter than under the own programme by so much
RED_ASKED_S = 90.0  # but need not be shorter than this
FRESH_S = 5.0
RATE_MEMORY_S = 300.0


class Plan(NamedTuple):
    """What deciding needs and does not change: run positions of near areas, far areas, loops and exits by lane."""

    layout: Layout
    survey: Survey
    bounds: Bounds
    near_local: IntArray
    far_local: IntArray
    loop_local: IntArray
    exit_local: IntArray
    call_local: IntArray
    call_box: IntArray


class Memory(NamedTuple):
    """What is remembered from second to second: arrivals per lane (l,) in veh/s, and what lane areas did lately."""

    rate_veh_s: FloatArray
    trust: Trust
    then_s: float


def plan(layout: Layout) -> Plan:
    """Return what deciding needs of a city."""
    seen, d = survey(layout), layout.detectors
    own_s = np.maximum(OWN_RED_RATIO * own_red_s(layout, seen), RED_ASKED_S)[layout.groups.box]
    bounds = Bounds(layout.stages.green, layout.groups.green_min_s, np.minimum(layout.groups.red_max_s, own_s))
    return Plan(
        layout=layout,
        survey=seen,
        bounds=bounds,
        near_local=d.local[seen.lanes.near],
        far_local=d.local[seen.lanes.far],
        loop_local=d.local[seen.lanes.loop],
        exit_local=d.local[seen.exit_row],
        call_local=d.local[seen.call_row],
        call_box=d.box[seen.call_row],
    )


def start(prepared: Plan) -> Memory:
    """Return the memory before the first second."""
    zeros = np.zeros(len(prepared.survey.lanes.box))
    return Memory(zeros, Trust(zeros.copy(), zeros.copy()), 0.0)


def _column(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return value and freshness of one quantity at run positions."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.zeros(len(local), np.bool_)
    known = column.present[local] & (snapshot.now_s - column.known_at_s[local] <= FRESH_S)
    return column.value[local], known


def _fresh(snapshot: Snapshot, name: str, local: IntArray, has: BoolArray) -> FloatArray:
    """Return values at run positions, 0 where there is no such detector or it says nothing lately."""
    value, known = _column(snapshot, name, local)
    return np.where(has & known, value, 0.0)


def _scene(snapshot: Snapshot, memory: Memory, prepared: Plan) -> tuple[Scene, Memory]:
    layout, lanes = prepared.layout, prepared.survey.lanes
    stage, known = _column(snapshot, "running_stage", layout.boxes.local)
    mode, _ = _column(snapshot, "box_mode", layout.boxes.local)
    state, state_known = _column(snapshot, "group_state", layout.groups.local)
    elapsed_s, _ = _column(snapshot, "group_elapsed_s", layout.groups.local)
    near_veh, near_known = _column(snapshot, "area_veh", prepared.near_local)
    near_veh = np.where(lanes.has_near & near_known, near_veh, 0.0)
    call, call_known = _column(snapshot, "call_waiting", prepared.call_local)
    group_state, number = state.astype(np.int64), stage.astype(np.int64)
    passed_s = min(max(snapshot.now_s - memory.then_s, 0.0), 1.0) if memory.then_s else 0.0
    trust, stuck = watch(lanes, memory.trust, near_veh, group_state, passed_s)
    able = known & (mode != FAULT) & (number < np.diff(layout.stages.offsets))
    able[lanes.box[lanes.has_near & (~near_known | stuck)]] = False
    able[prepared.call_box[~call_known]] = False
    able[layout.groups.box[~state_known]] = False
    passed = _fresh(snapshot, "count_veh", prepared.loop_local, lanes.has_loop)
    rate_veh_s = memory.rate_veh_s + (passed - memory.rate_veh_s) * passed_s / RATE_MEMORY_S
    near_queue_veh = _fresh(snapshot, "queue_veh", prepared.near_local, lanes.has_near)
    far_queue_veh = _fresh(snapshot, "queue_veh", prepared.far_local, lanes.has_far)
    every = np.ones(len(prepared.exit_local), np.bool_)
    scene = Scene(
        able=able,
        stage=np.where(able, number, 0),
        group_state=group_state,
        group_elapsed_s=elapsed_s,
        near_veh=np.maximum(near_veh, near_queue_veh),
        near_queue_veh=near_queue_veh,
        far_veh=np.maximum(_fresh(snapshot, "area_veh", prepared.far_local, lanes.has_far), far_queue_veh),
        far_queue_veh=far_queue_veh,
        rate_veh_s=rate_veh_s,
        call=call > 0,
        exit_veh=_fresh(snapshot, "area_veh", prepared.exit_local, every),
        exit_queue_veh=_fresh(snapshot, "queue_veh", prepared.exit_local, every),
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
    holds = scene.able & ~starts & (left_s < np.where(settled_s > 0, RENEW_S, RENEW_CHANGING_S))
    chosen = (choice.stage, choice.because)
    kept = (scene.stage, choice.because)
    return (
        _table("start_stage", snapshot, prepared, np.flatnonzero(starts), chosen),
        _table("hold_stage", snapshot, prepared, np.flatnonzero(holds), kept),
    ), memory
