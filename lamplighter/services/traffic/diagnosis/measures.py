# SPDX-License-Identifier: Apache-2.0
"""The measures, as tables: one row per quarter of an hour and signal_group (or detector, or box) where there is anything to say.

Names and definitions follow the Highway Capacity Manual (7th ed., 2022, ch. 19: platoon ratio and arrival type) and C. M.
Day et al., Performance Measures for Traffic Signal Systems: An Outcome-Oriented Approach, Purdue University, 2014.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from lamplighter.services.traffic.diagnosis.codes import QUALITY, Interval
from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums
from lamplighter.services.traffic.diagnosis.tally import OFFSET_BIN_S, OFFSET_FIRST_S, B, D, G, I
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

Measure = Mapping[str, AnyArray]
SECOND_MS = 1_000.0
FEW = 5  # fewer vehicles in a quarter of an hour are not written for one approach: at night they would be one person's way
ARRIVAL_TYPES = (0.50, 0.85, 1.15, 1.50, 2.00)  # Highway Capacity Manual, exhibit 19-13: bounds of types 1 to 5


def _where(sums: BoxSums, mask: BoolArray, name: str) -> tuple[tuple[IntArray, IntArray], dict[str, AnyArray]]:
    """Return the places of a mask over (quarters of the log, numbers) and the two columns that name them."""
    quarter, number = np.nonzero(mask)
    start_s = sums.quarter_starts_ms[sums.quarters][quarter] / SECOND_MS
    return (quarter, number), {"begin_s": start_s, name: number}


def _groups(sums: BoxSums) -> FloatArray:
    return sums.tally.group[sums.quarters]


def arrivals(sums: BoxSums, least: int = FEW) -> Measure:
    """Arrivals at the advance detectors, and the share of them on green and on yellow."""
    g = _groups(sums)
    at, columns = _where(sums, g[:, :, G.ARRIVALS] >= max(least, 1), "group")
    total = g[at][:, G.ARRIVALS]
    green, yellow = g[at][:, G.ARRIVALS_GREEN] / total, g[at][:, G.ARRIVALS_YELLOW] / total
    return {**columns, "arrivals_veh": total, "on_green_share": green, "on_yellow_share": yellow}


def platoons(sums: BoxSums, least: int = FEW) -> Measure:
    """The platoon ratio: share of arrivals on green over the share of time that is green; and its arrival type 1 to 6."""
    g = _groups(sums)
    at, columns = _where(sums, (g[:, :, G.ARRIVALS] >= max(least, 1)) & (g[:, :, G.GREEN_MS] > 0), "group")
    rows = g[at]
    days = np.maximum(sums.tally.box[sums.quarters][at[0]][:, B.SEEN], 1.0)
    green_s = rows[:, G.GREEN_MS] / SECOND_MS
    green_ratio = green_s * SECOND_MS / (sums.rules.quarter_ms * (days if sums.rules.folded else 1.0))
    ratio = rows[:, G.ARRIVALS_GREEN] / rows[:, G.ARRIVALS] / green_ratio
    kind = 1 + np.searchsorted(np.array(ARRIVAL_TYPES), ratio, side="left")
    return {**columns, "green_s": green_s, "green_ratio": green_ratio, "platoon_ratio": ratio, "arrival_type": kind}


def split_failures(sums: BoxSums) -> Measure:
    """Cycles judged and failed; means over them of green and of the shares of green and early red that were occupied."""
    g = _groups(sums)
    at, columns = _where(sums, g[:, :, G.JUDGED] > 0, "group")
    rows = g[at]
    judged = rows[:, G.JUDGED]
    return {
        **columns, "cycles": judged, "failed": rows[:, G.FAILED], "green_s": rows[:, G.JUDGED_GREEN_MS] / judged / SECOND_MS,
        "green_occupied_share": rows[:, G.GREEN_OCCUPIED] / judged, "red_occupied_share": rows[:, G.RED_OCCUPIED] / judged,
    }  # fmt: skip


def terminations(sums: BoxSums) -> Measure:
    """Why greens ended: nobody came (gap-out), the longest green was reached (max-out), coordination ended it (force-off)."""
    g = _groups(sums)
    names = {"gap_out": G.GAP_OUT, "max_out": G.MAX_OUT, "force_off": G.FORCE_OFF}
    at, columns = _where(sums, g[:, :, G.GAP_OUT : G.FORCE_OFF + 1].sum(axis=2) > 0, "group")
    return {**columns, **{name: g[at][:, column] for name, column in names.items()}}


def splits(sums: BoxSums) -> Measure:
    """Greens served and their length, and the splits that the box itself says (MAXTIME's events 300 to 315)."""
    g = _groups(sums)
    at, columns = _where(sums, (g[:, :, G.GREENS] > 0) | (g[:, :, G.SPLITS] > 0), "group")
    rows = g[at]
    said = rows[:, G.SPLIT_S] / np.maximum(rows[:, G.SPLITS], 1.0)
    return {**columns, "greens": rows[:, G.GREENS], "green_s": rows[:, G.GREEN_MS] / SECOND_MS, "splits_said": rows[:, G.SPLITS],
            "split_said_s": said, "incomplete": rows[:, G.INCOMPLETE]}  # fmt: skip


def yellow_red(sums: BoxSums, least: int = FEW) -> Measure:
    """Actuations behind the stop line in whole cycles, by what was shown; by the quarter in which red began."""
    g = _groups(sums)
    all_three = g[:, :, G.CROSSED_GREEN : G.CROSSED_RED + 1].sum(axis=2)
    at, columns = _where(sums, all_three >= max(least, 1), "group")
    rows = g[at]
    return {**columns, "cycles": rows[:, G.CROSSED_CYCLES], "green_veh": rows[:, G.CROSSED_GREEN],
            "yellow_veh": rows[:, G.CROSSED_YELLOW], "red_veh": rows[:, G.CROSSED_RED]}  # fmt: skip


def red_offsets(sums: BoxSums) -> Measure:
    """Actuations over the whole log by their distance from the beginning of red, to the nearest half second."""
    group, place = np.nonzero(sums.tally.crossing)
    return {"group": group, "offset_s": OFFSET_FIRST_S + OFFSET_BIN_S * place, "actuations": sums.tally.crossing[group, place]}


def pedestrians(sums: BoxSums) -> Measure:
    """Walks served, pushes, callers (pushes more than 15 s apart) and the wait from the first push to walk."""
    g = _groups(sums)
    at, columns = _where(sums, g[:, :, [G.WALKS, G.PUSHES, G.FOOT_WAITS]].sum(axis=2) > 0, "group")
    rows = g[at]
    mean_s = rows[:, G.FOOT_WAIT_MS] / np.maximum(rows[:, G.FOOT_WAITS], 1.0) / SECOND_MS
    counts = {
        "walks": rows[:, G.WALKS],
        "pushes": rows[:, G.PUSHES],
        "callers": rows[:, G.CALLERS],
        "waits": rows[:, G.FOOT_WAITS],
    }
    return {**columns, **counts, "wait_mean_s": mean_s, "wait_max_s": rows[:, G.FOOT_WAIT_MAX_MS] / SECOND_MS}


def waits(sums: BoxSums) -> Measure:
    """From a call to green: how many waits ended, mean and longest, and how many waited as if a cycle had skipped them."""
    g = _groups(sums)
    at, columns = _where(sums, g[:, :, G.WAITS] > 0, "group")
    rows = g[at]
    return {**columns, "waits": rows[:, G.WAITS], "wait_mean_s": rows[:, G.WAIT_MS] / rows[:, G.WAITS] / SECOND_MS,
            "wait_max_s": rows[:, G.WAIT_MAX_MS] / SECOND_MS, "skipped": rows[:, G.SKIPS]}  # fmt: skip


def detectors(sums: BoxSums) -> Measure:
    """Every detector that spoke in the log, in every quarter of it in which the box spoke."""
    d, box = sums.tally.detector[sums.quarters], sums.tally.box[sums.quarters]
    speaks = d[:, :, [D.ACTUATIONS, D.ON_MS, D.REPEATED]].sum(axis=(0, 2)) > 0
    at, columns = _where(sums, (box[:, B.EVENTS] > 0)[:, None] & speaks[None, :], "detector")
    rows = d[at]
    days = np.maximum(box[at[0]][:, B.SEEN], 1.0) if sums.rules.folded else 1.0
    return {**columns, "actuations": rows[:, D.ACTUATIONS], "on_share": rows[:, D.ON_MS] / (sums.rules.quarter_ms * days),
            "short": rows[:, D.SHORT], "repeated": rows[:, D.REPEATED], "longest_on_s": rows[:, D.LONGEST_ON_MS] / SECOND_MS,
            "longest_off_s": rows[:, D.LONGEST_OFF_MS] / SECOND_MS, "faults": rows[:, D.FAULTS]}  # fmt: skip


def box(sums: BoxSums) -> Measure:
    """The box itself: events, whether the quarter is complete, silences, and the plan that it says to run."""
    rows = sums.tally.box[sums.quarters]
    kept = np.flatnonzero(rows[:, B.EVENTS] > 0)
    columns = {"begin_s": sums.quarter_starts_ms[sums.quarters][kept] / SECOND_MS, "events": rows[kept, B.EVENTS]}
    columns |= {"complete": rows[kept, B.COMPLETE] >= rows[kept, B.SEEN], "gaps": rows[kept, B.GAPS]}
    columns |= {"gap_s": rows[kept, B.GAP_MS] / SECOND_MS, "gap_max_s": rows[kept, B.GAP_MAX_MS] / SECOND_MS}
    for name, said in (("pattern", B.PATTERNS), ("cycle_s", B.CYCLES), ("run_cycle_s", B.RUN_CYCLES), ("offset_s", B.OFFSETS)):
        known, last = _last_known(rows[:, said], rows[:, said + 1])
        columns |= {name: last[kept], f"{name}_known": known[kept]}
    return {**columns, "preempts": rows[kept, B.PREEMPTS], "clock_sets": rows[kept, B.CLOCK_SETS]}


def _last_known(said: FloatArray, value: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Return whether something had been said by the end of each quarter, and what was said last."""
    place = np.maximum.accumulate(np.where(said > 0, np.arange(len(said)), -1))
    return place >= 0, np.where(place >= 0, value[np.maximum(place, 0)], 0.0)


def line_quality(sums: BoxSums) -> Measure:
    """Means of what the box says of its line to the centre (events 400, 502, 503 of MaxView)."""
    rows = sums.tally.box[sums.quarters]
    counts = rows[:, B.QUALITY_FIRST :: 2]
    at, columns = _where(sums, counts > 0, "event")
    mean = rows[:, B.QUALITY_FIRST + 1 :: 2][at] / counts[at]
    return {**columns, "event": np.array(QUALITY)[at[1]], "mean": mean}


def intervals(sums: BoxSums) -> Measure:
    """What went on for how long: intervals that began in the quarter, by kind. Doubtful ones lack an end or a beginning."""
    rows = sums.tally.interval[sums.quarters]
    at, columns = _where(sums, (rows[:, :, I.COUNT] > 0) | (rows[:, :, I.DOUBTFUL] > 0), "kind")
    names = np.array([kind.name.lower() for kind in Interval])
    sums_of = rows[at]
    return {**columns, "kind": names[at[1]], "count": sums_of[:, I.COUNT], "total_s": sums_of[:, I.MS] / SECOND_MS,
            "doubtful": sums_of[:, I.DOUBTFUL]}  # fmt: skip


def withheld(sums: BoxSums, least: int = FEW) -> int:
    """Return how many quarters of an approach are not written because too few vehicles came."""
    few = _groups(sums)[:, :, G.ARRIVALS]
    return int(((few > 0) & (few < least)).sum())


def measures(sums: BoxSums, least: int = FEW) -> Mapping[str, Measure]:
    """Return every table that may be written, by name."""
    return {
        "arrivals": arrivals(sums, least), "platoons": platoons(sums, least), "split_failures": split_failures(sums),
        "terminations": terminations(sums), "splits": splits(sums), "yellow_red": yellow_red(sums, least),
        "red_offsets": red_offsets(sums), "pedestrians": pedestrians(sums), "waits": waits(sums), "detectors": detectors(sums),
        "box": box(sums), "line_quality": line_quality(sums), "intervals": intervals(sums),
    }  # fmt: skip


def runs(mask: BoolArray) -> list[tuple[int, int]]:
    """Return the unbroken runs of a mask as (first, behind the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in list(pairwise(edges.tolist()))[::2]]
