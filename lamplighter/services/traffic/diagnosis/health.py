# SPDX-License-Identifier: Apache-2.0
"""Which detectors can be believed: from a log's sums, afterwards; and from what the box reports, second by second.

`watch` is pure and reads dense columns of a Snapshot only, so that a decider may leave out what it finds unsound.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit

from lamplighter.services.traffic.diagnosis.diagnosing import BoxSums
from lamplighter.services.traffic.diagnosis.measures import SECOND_MS, Measure, runs
from lamplighter.services.traffic.diagnosis.tally import B, D, T
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


class Health(IntEnum):
    """What a detector is found to be."""

    SOUND = 0
    STUCK_ON = 1
    STUCK_OFF = 2
    CHATTERING = 3
    LOSING = 4
    FAULTY = 5
    SILENT = 6


WORDS = ("sound", "stuck on", "stuck off", "chattering", "losing events", "found faulty by its box", "silent")
STUCK_ON_S = 900.0  # longer than any red: greens went by, and nobody left a gap
STUCK_OFF_QUARTERS = 2
BESIDE_VEH = 20.0  # what detectors of the same signal_groups count in a quarter in which this one counts nothing
SHORT_SHARE, SHORT_LEAST = 0.2, 20.0
RATE_MAX_VEH_S = 0.75  # no lane discharges faster than a vehicle in 1.3 s
REPEATED_SHARE, REPEATED_LEAST = 0.05, 20.0


def judge(sums: BoxSums) -> Measure:
    """Return the verdict on every detector that spoke or stands in the table (k,).

    health: a Health; for_s: how long it has been, or was at worst, stuck; share: short or repeated changes of all.
    lasts: still so when the log ended.
    """
    d = sums.tally.detector[sums.quarters]
    total = d.sum(axis=0)
    speaks = total[:, [D.ACTUATIONS, D.ON_MS, D.REPEATED, D.FAULTS]].sum(axis=1) > 0
    speaks[sums.table.detector] = True
    numbers = np.flatnonzero(speaks)
    rows = [_verdict(sums, int(number)) for number in numbers]
    health, for_s, share, lasts = zip(*rows, strict=True) if rows else ((), (), (), ())
    return {
        "detector": numbers, "health": np.array(health, np.int64), "for_s": np.array(for_s, np.float64),
        "share": np.array(share, np.float64), "lasts": np.array(lasts, np.bool_),
    }  # fmt: skip


def _verdict(sums: BoxSums, number: int) -> tuple[Health, float, float, bool]:
    d = sums.tally.detector[sums.quarters]
    mine, known = d[:, number], sums.carry.detector[number]
    actuations = float(mine[:, D.ACTUATIONS].sum())
    on_s, off_s = float(mine[:, D.LONGEST_ON_MS].max()) / SECOND_MS, _off_s(sums, number)
    lasts_s = (sums.last_ms - float(known[T.SINCE_MS])) / SECOND_MS
    repeated = float(mine[:, D.REPEATED].sum())
    short, quarter_s = mine[:, D.SHORT], sums.rules.quarter_ms / SECOND_MS
    flickers = (short >= SHORT_LEAST) & (short >= SHORT_SHARE * mine[:, D.ACTUATIONS])
    seen = np.maximum(sums.tally.box[sums.quarters][:, B.SEEN], 1.0) if sums.rules.folded else 1.0
    if on_s >= STUCK_ON_S:
        return Health.STUCK_ON, on_s, 0.0, bool(known[T.STATE] == 2 and lasts_s >= STUCK_ON_S)
    if known[T.STATE] == 0:
        return Health.SILENT, (sums.last_ms - sums.first_ms) / SECOND_MS, 0.0, True
    if off_s > 0:
        return Health.STUCK_OFF, off_s, 0.0, bool(known[T.STATE] == 1 and lasts_s >= quarter_s)
    if bool((flickers | (mine[:, D.ACTUATIONS] > RATE_MAX_VEH_S * quarter_s * seen)).any()):
        return Health.CHATTERING, 0.0, float(short.sum()) / max(actuations, 1.0), False
    if repeated >= REPEATED_LEAST and repeated >= REPEATED_SHARE * 2 * actuations:
        return Health.LOSING, 0.0, repeated / (2 * max(actuations, 1.0)), False
    return (Health.FAULTY if mine[:, D.FAULTS].any() else Health.SOUND), 0.0, 0.0, False


def _off_s(sums: BoxSums, number: int) -> float:
    """Return for how long a detector counted nothing while those of the same signal_groups counted; 0 where it did not."""
    d, table = sums.tally.detector[sums.quarters], sums.table
    groups = table.group[table.detector == number]
    beside = np.unique(table.detector[np.isin(table.group, groups) & (table.detector != number)])
    if len(beside) == 0 or sums.rules.folded:
        return 0.0
    counted = np.median(d[:, beside, D.ACTUATIONS], axis=1)
    empty = (d[:, number, D.ACTUATIONS] == 0) & (d[:, number, D.ON_MS] == 0) & (counted >= BESIDE_VEH)
    longest = max((last - first for first, last in runs(empty)), default=0)
    return longest * sums.rules.quarter_ms / SECOND_MS if longest >= STUCK_OFF_QUARTERS else 0.0


class Watched(NamedTuple):
    """What `watch` remembers per detector (d,): seconds covered without a gap, vehicles that others beside it counted since
    it last saw anything, and its own count, fading over a minute."""

    covered_s: FloatArray
    missed_veh: FloatArray
    faded_veh: FloatArray


COVERED_SHARE = 0.99
MISSED_VEH = 30.0
FADE_S = 60.0


def new_watched(detectors: int) -> Watched:
    """Return what is remembered before the first second."""
    return Watched(np.zeros(detectors), np.zeros(detectors), np.zeros(detectors))


@njit(cache=True)
def watch(
    watched: Watched,
    count_veh: FloatArray,
    occupancy_share: FloatArray,
    fresh: BoolArray,
    beside_veh: FloatArray,
    passed_s: float,
) -> tuple[Watched, IntArray]:
    """Return the new memory and the Health (d,) of every detector, from one Snapshot's columns.

    count_veh, occupancy_share, fresh (d,): what it reported for the last second, and whether that is fresh; beside_veh (d,):
    vehicles that the other detectors of its signal_groups counted; passed_s: seconds since the last call.
    """
    covered, missed, faded = watched.covered_s.copy(), watched.missed_veh.copy(), watched.faded_veh.copy()
    health = np.zeros(len(count_veh), np.int64)
    fade = np.exp(-passed_s / FADE_S)
    for n in range(len(count_veh)):
        if not fresh[n]:
            health[n] = Health.SILENT
            continue
        covered[n] = covered[n] + passed_s if occupancy_share[n] >= COVERED_SHARE and count_veh[n] == 0 else 0.0
        missed[n] = missed[n] + beside_veh[n] if occupancy_share[n] == 0 and count_veh[n] == 0 else 0.0
        faded[n] = faded[n] * fade + count_veh[n]
        if covered[n] >= STUCK_ON_S:
            health[n] = Health.STUCK_ON
        elif missed[n] >= MISSED_VEH:
            health[n] = Health.STUCK_OFF
        elif faded[n] > RATE_MAX_VEH_S * FADE_S:
            health[n] = Health.CHATTERING
    return Watched(covered, missed, faded), health
