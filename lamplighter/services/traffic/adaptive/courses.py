# SPDX-License-Identifier: Apache-2.0
"""What is green in the midst of a change: a green that clears fast ends late, and one that is free early begins early."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.layout import Layout
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


class Course(NamedTuple):
    """What changes go by: stages and groups by box, what is shown (s, m), yellow and red-amber (g,), intergreens (p,); all times
    in whole seconds, rounded up as boxes count them."""

    stage_offsets: IntArray
    group_offsets: IntArray
    green: BoolArray
    gives_way: BoolArray
    yellow_s: FloatArray
    red_amber_s: FloatArray
    pair_offsets: IntArray
    pair_from: IntArray
    pair_to: IntArray
    pair_s: FloatArray


class Rows(NamedTuple):
    """Movements by lane: lane_offsets (b+1,), move_offsets (l+1,), and the flat group of each movement (v,)."""

    lane_offsets: IntArray
    move_offsets: IntArray
    move_group: IntArray


@njit(cache=True)
def _course(t: Course, box: int, a: int, b: int, change_s: float, ends_s: FloatArray, starts_s: FloatArray) -> None:
    """Fill for the groups of a box when each green ends, and begins, in the change from stage row a to b: what is green in both
    never ends and has begun, what is green in neither has ended and does not begin before the change is over."""
    first = t.group_offsets[box]
    groups = t.group_offsets[box + 1] - first
    for n in range(groups):
        before, after = t.green[a, n], t.green[b, n]
        ends_s[n], starts_s[n] = change_s if before else 0.0, 0.0 if after else change_s
        if before and not after:
            ends_s[n] = max(change_s - t.yellow_s[first + n], 0.0)
        elif after and not before:
            starts_s[n] = min(t.red_amber_s[first + n], change_s)
    pairs = range(t.pair_offsets[box], t.pair_offsets[box + 1])
    for p in pairs:
        f, g = t.pair_from[p] - first, t.pair_to[p] - first
        gains = t.green[a, g] and t.gives_way[a, g] and not t.gives_way[b, g]
        if t.green[a, f] and not t.green[b, f] and t.green[b, g] and (gains or not t.green[a, g]):
            ends_s[f] = max(min(ends_s[f], change_s - t.pair_s[p]), 0.0)
    for p in pairs:
        f, g = t.pair_from[p] - first, t.pair_to[p] - first
        if t.green[a, f] and t.green[b, g] and not t.green[a, g]:
            loses = t.green[b, f] and t.gives_way[b, f] and not t.gives_way[a, f]
            if loses or not t.green[b, f]:
                free_s = t.pair_s[p] if loses else ends_s[f] + t.pair_s[p]
                starts_s[g] = min(max(starts_s[g], free_s), change_s)


@njit(cache=True)
def _fill(t: Course, rows: Rows, change_s: FloatArray, keeps_s: FloatArray, begins_s: FloatArray) -> None:
    """Fill keeps_s, begins_s (s, n, k): lanes by number within the box, then its groups."""
    ends_s, starts_s = np.zeros(t.green.shape[1]), np.zeros(t.green.shape[1])
    for box in range(len(t.stage_offsets) - 1):
        first, lane0 = t.group_offsets[box], rows.lane_offsets[box]
        lanes, groups = rows.lane_offsets[box + 1] - lane0, t.group_offsets[box + 1] - first
        for a in range(t.stage_offsets[box], t.stage_offsets[box + 1]):
            for b in range(t.stage_offsets[box], t.stage_offsets[box + 1]):
                other = b - t.stage_offsets[box]
                whole_s = change_s[a, other]
                _course(t, box, a, b, whole_s, ends_s, starts_s)
                for n in range(lanes):
                    shown, shows = False, False
                    keeps_s[a, other, n], begins_s[a, other, n] = whole_s, 0.0
                    for v in range(rows.move_offsets[lane0 + n], rows.move_offsets[lane0 + n + 1]):
                        g = rows.move_group[v] - first
                        if t.green[a, g]:
                            shown, keeps_s[a, other, n] = True, min(keeps_s[a, other, n], ends_s[g])
                        if t.green[b, g]:
                            shows, begins_s[a, other, n] = True, max(begins_s[a, other, n], starts_s[g])
                    keeps_s[a, other, n] = keeps_s[a, other, n] if shown else 0.0
                    begins_s[a, other, n] = begins_s[a, other, n] if shows else whole_s
                for g in range(groups):
                    keeps_s[a, other, lanes + g], begins_s[a, other, lanes + g] = ends_s[g], starts_s[g]


def courses(layout: Layout, rows: Rows, change_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return until when the lanes and groups of the old stage stay green in each change, and from when those of the new one are:
    (s, n, k), from stage row to stage number, by lane number within the box, its groups after them. change_s (s, n): how long
    changes take. Of a lane's movements the first that ends and the last that begins count."""
    stages, groups, pairs = layout.stages, layout.groups, layout.pairs
    table = Course(
        stages.offsets, groups.offsets, stages.green, stages.gives_way, np.ceil(groups.yellow_s), np.ceil(groups.red_amber_s),
        pairs.offsets, pairs.from_group, pairs.to_group, np.ceil(pairs.intergreen_s),
    )  # fmt: skip
    widest = int((np.diff(rows.lane_offsets) + np.diff(groups.offsets)).max(initial=0))
    keeps_s = np.zeros((*change_s.shape, widest))
    begins_s = np.zeros_like(keeps_s)
    _fill(table, rows, change_s, keeps_s, begins_s)
    return keeps_s, begins_s
