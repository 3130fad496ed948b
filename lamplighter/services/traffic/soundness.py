# SPDX-License-Identifier: Apache-2.0
"""Whether what is installed can be right at all: stages, intergreens and own programmes against one another."""

import numpy as np

from lamplighter.services.traffic.layout import FOOT, Layout

REMEDY = "Mend the table, or build the city again."


def faults(layout: Layout) -> tuple[str, ...]:
    """Return one sentence for each thing that is wrong, with intersection, value and what is needed."""
    found: list[str] = []
    for box in range(len(layout.boxes.tls)):
        name = f"{layout.boxes.tls[box]} ({layout.boxes.name[box]})"
        found += [f"{name}: {text} {REMEDY}" for text in (*_stages(layout, box), *_pairs(layout, box), *_programme(layout, box))]
    return tuple(found)


def _stages(layout: Layout, box: int) -> list[str]:
    first, last = int(layout.groups.offsets[box]), int(layout.groups.offsets[box + 1])
    rows = slice(int(layout.stages.offsets[box]), int(layout.stages.offsets[box + 1]))
    green = layout.stages.green[rows, : last - first]
    found = [f"signal_group {n} is green in no stage." for n in np.flatnonzero(~green.any(axis=0))]
    pairs = range(int(layout.pairs.offsets[box]), int(layout.pairs.offsets[box + 1]))
    for p in pairs:
        f, g = int(layout.pairs.from_group[p]) - first, int(layout.pairs.to_group[p]) - first
        both = np.flatnonzero(green[:, f] & green[:, g]) if not layout.pairs.permissive[p] else ()
        found += [f"stage {stage} lets the conflicting signal_groups {f} and {g} be green together." for stage in both]
    return found


def _pairs(layout: Layout, box: int) -> list[str]:
    found: list[str] = []
    first = int(layout.groups.offsets[box])
    for p in range(int(layout.pairs.offsets[box]), int(layout.pairs.offsets[box + 1])):
        f, g = int(layout.pairs.from_group[p]), int(layout.pairs.to_group[p])
        needed_s = layout.groups.yellow_s[f] + (layout.groups.red_amber_s[g] if layout.groups.kind[f] != FOOT else 0.0)
        if layout.pairs.intergreen_s[p] < min(needed_s, layout.groups.yellow_s[f]):
            found.append(
                f"intergreen {f - first}>{g - first} is {layout.pairs.intergreen_s[p]:.0f} s, less than the yellow of "
                f"{layout.groups.yellow_s[f]:.0f} s."
            )
    for f in np.flatnonzero(layout.groups.box == box):
        needed_s = layout.groups.crossing_m[f] / layout.groups.walk_m_s[f]
        if layout.groups.kind[f] == FOOT and layout.groups.clearance_s[f] + 0.5 < needed_s:
            found.append(
                f"signal_group {f - first} clears {layout.groups.crossing_m[f]:.1f} m in {layout.groups.clearance_s[f]:.0f} s; "
                f"at {layout.groups.walk_m_s[f]:g} m/s it needs {needed_s:.1f} s."
            )
    return found


def _programme(layout: Layout, box: int) -> list[str]:
    rows = slice(int(layout.boxes.programme_offsets[box]), int(layout.boxes.programme_offsets[box + 1]))
    total_s, cycle_s = float(layout.boxes.programme_split_s[rows].sum()), float(layout.boxes.cycle_s[box])
    if abs(total_s - cycle_s) > 0.5:
        return [f"the splits of the own programme add up to {total_s:.0f} s, its cycle is {cycle_s:.0f} s."]
    return []
