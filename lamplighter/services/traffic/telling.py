# SPDX-License-Identifier: Apache-2.0
"""Decisions and states in words that a resident understands, from aggregates alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamplighter.services.traffic.dark import dark_boxes
from lamplighter.services.traffic.layout import CALL, FOOT, NEAR, Layout
from lamplighter.services.traffic.terms import BOX_MODES, GREEN, GROUP_STATES, REASONS
from lamplighter.terms.columns import IntArray
from lamplighter.terms.decision import HAND_BACK, Proposals
from lamplighter.terms.snapshot import Snapshot


def _streets(layout: Layout, groups: IntArray, names: Mapping[str, str]) -> str:
    """Return the names of the streets that these groups let go, in the order of the links."""
    found: list[str] = []
    if len(groups) == 0:
        return ""
    box = layout.groups.box[groups[0]]
    rows = range(int(np.searchsorted(layout.movements.box, box)), int(np.searchsorted(layout.movements.box, box, "right")))
    for row in rows:
        if layout.movements.group[row] not in groups:
            continue
        name = names.get(str(layout.movements.from_edge[row]), "")
        if name and name not in found and layout.movements.kind[row] != FOOT:
            found.append(name)
    return " and ".join(found[:3])


def stage_name(layout: Layout, box: int, stage: int, names: Mapping[str, str]) -> str:
    """Return a stage in words: the streets that have green, and whether people on foot do."""
    row = int(layout.stages.offsets[box]) + stage
    first = int(layout.groups.offsets[box])
    green = first + np.flatnonzero(layout.stages.green[row, : int(layout.groups.offsets[box + 1]) - first])
    streets = _streets(layout, green, names)
    on_foot = bool((layout.groups.kind[green] == FOOT).any())
    if not streets:
        return "people on foot" if on_foot else f"stage {stage}"
    return f"{streets}{', with people on foot' if on_foot else ''}"


def describe(proposals: Proposals, row: int, prepared: Any) -> str:
    """Return one proposal in plain words."""
    layout: Layout = prepared.layout
    box = int(prepared.installed.box_of_local[int(proposals.asset[row]) - layout.start])
    name = str(layout.boxes.name[box])
    if proposals.action == HAND_BACK:
        return f"{name}: back to its own programme."
    stage = int(proposals.values["stage"][row])
    green = stage_name(layout, box, stage, prepared.street_names)
    verb = "green stays with" if proposals.action == "hold_stage" else "green to"
    return f"{name}: {verb} {green}, because {REASONS[int(proposals.because[row])]}."


def explain(snapshot: Snapshot, prepared: Any, asset: int) -> tuple[str, ...]:
    """Return why an asset does what it does now: the intersection that it belongs to, what is green, what is counted."""
    layout: Layout = prepared.layout
    local = asset - layout.start
    box = box_row(layout, local)
    if box is None:
        return ("It counts the vehicles of its street, over a quarter of an hour.",)
    name = str(layout.boxes.name[box])
    if dark_boxes(snapshot, layout)[box]:
        return (
            f"{name}: the grid tells that it has no power. It shows nothing and its priority signs hold; nothing is asked of it.",
        )
    here = int(layout.boxes.local[box])
    stage, elapsed_s, mode = (_value(snapshot, word, here) for word in ("running_stage", "stage_elapsed_s", "box_mode"))
    if stage is None or elapsed_s is None or mode is None:
        return (f"{name}: the signal_controller has not reported yet; it runs its own programme.",)
    row = int(layout.stages.offsets[box]) + int(stage)
    green = stage_name(layout, box, int(stage), prepared.street_names)
    who = {"local": "by its own programme", "leased": "as lamplighter asked", "fault": "in fault"}[BOX_MODES[int(mode)]]
    now = f"green to {green} for {elapsed_s:.0f} s" if elapsed_s > 0 else f"changing to {green}"
    return (f"{name}: {now}, {who}.", *_counted(snapshot, layout, box, row), *_group(snapshot, layout, local))


def box_row(layout: Layout, local: int) -> int | None:
    """Return the row of the box to which an asset of the run belongs, None where it belongs to none."""
    for places, box in ((layout.boxes.local, None), (layout.groups.local, layout.groups.box)):
        found = np.flatnonzero(places == local)
        if len(found):
            return int(found[0]) if box is None else int(box[found[0]])
    found = np.flatnonzero((layout.detectors.local == local) & layout.detectors.boxed)
    return int(layout.detectors.box[found[0]]) if len(found) else None


def _value(snapshot: Snapshot, name: str, local: int) -> float | None:
    column = snapshot.latest.get(name)
    return float(column.value[local]) if column is not None and bool(column.present[local]) else None


def _counted(snapshot: Snapshot, layout: Layout, box: int, row: int) -> tuple[str, ...]:
    """Say how many vehicles were counted before green and before red, and how many crossings are called for."""
    d, first = layout.detectors, int(layout.groups.offsets[box])
    before = {True: 0.0, False: 0.0}
    calls = 0.0
    for at in np.flatnonzero(d.boxed & (d.box == box) & ((d.role == NEAR) | (d.role == CALL))):
        groups = d.group[d.group_offsets[at] : d.group_offsets[at + 1]] - first
        if d.role[at] == CALL:
            calls += _value(snapshot, "call_waiting", int(d.local[at])) or 0.0
        else:
            green = bool(layout.stages.green[row, groups].any())
            before[green] += _value(snapshot, "area_veh", int(d.local[at])) or 0.0
    people = f" People wait at {calls:.0f} crossing{'s' if calls > 1 else ''}." if calls else ""
    return (f"{before[True]:.0f} vehicles are counted before the green, {before[False]:.0f} before the red.{people}",)


def _group(snapshot: Snapshot, layout: Layout, local: int) -> tuple[str, ...]:
    """Say what one signal_group shows, where the asset is one."""
    found = np.flatnonzero(layout.groups.local == local)
    state, elapsed_s = _value(snapshot, "group_state", local), _value(snapshot, "group_elapsed_s", local)
    if len(found) == 0 or state is None or elapsed_s is None:
        return ()
    group = int(found[0])
    limit = f"it must last {layout.groups.green_min_s[group]:.0f} s" if state == GREEN else (
        f"nobody should wait longer than {layout.groups.red_max_s[group]:.0f} s"
    )  # fmt: skip
    return (f"This signal has been {GROUP_STATES[int(state)].replace('_', '-')} for {elapsed_s:.0f} s; {limit}.",)
