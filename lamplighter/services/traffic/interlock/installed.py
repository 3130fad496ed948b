# SPDX-License-Identifier: Apache-2.0
"""The installed tables as the checks read them, and what the boxes report of themselves."""

from typing import NamedTuple

import numpy as np

from lamplighter.services.traffic.layout import CALL, FOOT, NEAR, Layout
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Proposals
from lamplighter.terms.snapshot import Snapshot

NEVER_S = 1e9
CYCLE_CROSSES_S, CYCLE_CLEARS_M_S = 1.0, 4.0
ENTERS_M_S = np.array([40 / 3.6, 5.0, 1.5, 1.5, 20 / 3.6])  # by kind of group: motor, cycle, foot, mixed, rail (RiLSA 2015, 2.5)


class Installed(NamedTuple):
    """The installed tables as the checks read them: flat groups and stage rows, pairs by box, box of each run position."""

    start: int
    box_of_local: IntArray
    box_local: IntArray
    group_offsets: IntArray
    group_local: IntArray
    stage_offsets: IntArray
    green: BoolArray
    foot: BoolArray
    green_min_s: FloatArray
    red_max_s: FloatArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    crossing_s: FloatArray  # (g,) what the slowest on foot needs, at the speed that the crossing asks for; 0 for others
    pair_offsets: IntArray
    pair_from: IntArray
    pair_to: IntArray
    pair_s: FloatArray
    pair_permissive: BoolArray
    pair_walk_s: FloatArray  # what people on foot of the first need to clear, 0 where it has none
    pair_cycle_s: FloatArray  # what a bicycle of the first needs until the second gets there, 0 where it has none
    asker_local: IntArray  # detectors that tell of waiting people: near areas and call buttons
    asker_call: BoolArray
    asker_group: IntArray  # one entry per detector and group that it serves
    asker_of_group: IntArray
    unwatched: BoolArray  # (g,) groups that no such detector serves


def install(layout: Layout, run_length: int) -> Installed:
    """Return the installed tables of a city. run_length: assets of the service's run."""
    d, groups = layout.detectors, layout.groups
    box_of_local = np.zeros(run_length, np.int64)
    box_of_local[layout.boxes.local] = np.arange(len(layout.boxes.local))
    tells = d.boxed & ((d.role == NEAR) | (d.role == CALL))
    number = np.cumsum(tells) - 1
    row = np.repeat(np.arange(len(d.role)), np.diff(d.group_offsets))
    asks = tells[row]
    unwatched = np.ones(len(groups.box), np.bool_)
    unwatched[d.group[asks]] = False
    crossing_s = groups.crossing_m / groups.walk_m_s
    return Installed(
        layout.start, box_of_local, layout.boxes.local, groups.offsets, groups.local, layout.stages.offsets,
        layout.stages.green,
        groups.kind == FOOT, groups.green_min_s, groups.red_max_s, groups.yellow_s, groups.red_amber_s,
        crossing_s,
        layout.pairs.offsets, layout.pairs.from_group, layout.pairs.to_group, layout.pairs.intergreen_s,
        layout.pairs.permissive, np.where(groups.kind == FOOT, crossing_s, 0.0)[layout.pairs.from_group], _cycle_s(layout),
        d.local[tells], d.role[tells] == CALL, d.group[asks], number[row[asks]], unwatched,
    )  # fmt: skip


def _cycle_s(layout: Layout) -> FloatArray:
    """Return per pair (p,) the time that a bicycle of the first group needs (RiLSA 2015, 2.5): 1 s in which the last one
    still passes the stop line, its way at 4 m/s, less the time in which the second gets there at the speed of its kind."""
    pairs = layout.pairs
    enters_m_s = ENTERS_M_S[layout.groups.kind[pairs.to_group]]
    needed_s = CYCLE_CROSSES_S + pairs.cycle_clear_m / CYCLE_CLEARS_M_S - pairs.cycle_enter_m / enters_m_s
    return np.where(pairs.cycle_clear_m > 0, np.maximum(needed_s, 0.0), 0.0)


def latest(snapshot: Snapshot, name: str, local: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return value and age in seconds of one quantity at run positions; never known is as old as can be."""
    column = snapshot.latest.get(name)
    if column is None:
        return np.zeros(len(local)), np.full(len(local), NEVER_S)
    age_s = np.where(column.present[local], snapshot.now_s - column.known_at_s[local], NEVER_S)
    return column.value[local], age_s


def asked(proposals: Proposals, t: Installed) -> tuple[IntArray, IntArray]:
    """Return the box and the stage number that each row asks for."""
    return t.box_of_local[proposals.asset - t.start], proposals.values["stage"].astype(np.int64)


def rows(t: Installed, box: IntArray, stage: IntArray) -> IntArray:
    """Return the stage rows, a number that the box does not have being taken for its last."""
    return t.stage_offsets[box] + np.minimum(stage, t.stage_offsets[box + 1] - t.stage_offsets[box] - 1)


def groups_now(snapshot: Snapshot, t: Installed) -> tuple[IntArray, FloatArray]:
    """Return what every group (g,) shows and for how many seconds."""
    state, _ = latest(snapshot, "group_state", t.group_local)
    elapsed_s, _ = latest(snapshot, "group_elapsed_s", t.group_local)
    return state.astype(np.int64), elapsed_s
