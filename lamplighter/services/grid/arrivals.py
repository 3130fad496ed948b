# SPDX-License-Identifier: Apache-2.0
"""What charging is about to be wanted, from vehicles that traffic counts in the area: sums on both sides, nobody in either.

The energy that newcomers bring to a group in a quarter of an hour is what its wish has grown by, and what was charged meanwhile.
Over the evening that is set against the vehicles counted in the group's area in the same quarter: kWh per vehicle, a ratio that
belongs to the place. What is counted now then tells what will be wanted, for as long as a usual stay. Until the place has told
enough of its own, the ratio of the whole city counts. The mean rate of late is kept beside it, and the way that has been less off
is used: where charging has nothing to do with what is counted, or nobody counts, that is the mean rate.
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.estimate import FRESH_S
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import Prepared, latest
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.snapshot import Snapshot

FLOW = "flow_veh_h"
WANTED = "energy_wanted_kwh"
FLOW_AGE_MAX_S = 1200.0
SLOT_S = 900.0
KEEPS = 0.85  # of what was learned, after a quarter of an hour: the last hour and a half
OWN_KWH = 60.0  # energy that must have come to a group before its own ratio counts for half
AHEAD_H = 2.0  # what is counted now tells of no more than this


@dataclass(frozen=True)
class Arrivals:
    """What is remembered (g,): energy come and vehicles counted, both fading; energy charged and time since the slot began, what
    was wanted then and whether it was told; by_count_kw, by_rate_kw: what is expected to come each hour by either way, and by how
    much each has been off lately, over all groups; rate_kw: the better of them."""

    come_kwh: FloatArray
    counted_veh: FloatArray
    slots_h: FloatArray
    charged_kwh: FloatArray
    wanted_kwh: FloatArray
    told: BoolArray
    by_count_kw: FloatArray
    by_rate_kw: FloatArray
    rate_kw: FloatArray
    off_count_kwh: float
    off_rate_kwh: float
    begun_s: float
    last_s: float


def start(prepared: Prepared) -> Arrivals:
    """Return the memory before the first minute: nothing has come yet, and nothing is expected."""
    groups = len(prepared.installed_kw)
    zero = np.zeros(groups)
    return Arrivals(zero, zero, zero, zero, zero, np.zeros(groups, np.bool_), zero, zero, zero, 0.0, 0.0, 0.0, 0.0)


def counted_by_area(snapshot: Snapshot, areas: tuple[str, ...]) -> tuple[FloatArray, BoolArray]:
    """Return the mean flow of the counters of each area in veh/h (a,), and whether any is fresh."""
    value, known = snapshot.citywide(FLOW, FLOW_AGE_MAX_S)
    at = np.flatnonzero(known)
    number = {name: place for place, name in enumerate(areas)}
    area = np.array([number.get(name, ABSENT) for name in snapshot.assets.area[at].tolist()], np.int64)
    inside = area != ABSENT
    count = np.bincount(area[inside], minlength=len(areas))
    total = np.bincount(area[inside], weights=value[at][inside], minlength=len(areas))
    return total / np.maximum(count, 1), count > 0


def follow(snapshot: Snapshot, prepared: Prepared, memory: Arrivals) -> Arrivals:
    """Return the memory after one more tick; the rate changes when a quarter of an hour is over."""
    at = prepared.group_at
    drawn, _ = latest(snapshot, "charging_p_kw", at, FRESH_S)
    wanted, told = latest(snapshot, WANTED, at, FRESH_S)
    now_s = snapshot.now_s
    if memory.begun_s == 0.0:
        return replace(memory, wanted_kwh=wanted, told=told, begun_s=now_s, last_s=now_s)
    hours = min(max(now_s - memory.last_s, 0.0), SLOT_S) / 3600.0
    memory = replace(memory, charged_kwh=memory.charged_kwh + drawn * hours, last_s=now_s)
    if now_s - memory.begun_s < SLOT_S:
        return memory
    slot_h = (now_s - memory.begun_s) / 3600.0
    both = told & memory.told
    come = np.where(both, np.maximum(wanted - memory.wanted_kwh + memory.charged_kwh, 0.0), 0.0)
    flow, known = counted_by_area(snapshot, prepared.city.areas)
    area = prepared.area[at]
    known_here = (area != ABSENT) & known[np.maximum(area, 0)]
    here = np.where(known_here, flow[np.maximum(area, 0)], 0.0)
    off = [float(np.abs(come - by_kw * slot_h)[both].sum()) for by_kw in (memory.by_count_kw, memory.by_rate_kw)]
    learned = replace(
        memory,
        come_kwh=KEEPS * memory.come_kwh + come,
        counted_veh=KEEPS * memory.counted_veh + np.where(both & known_here, here * slot_h, 0.0),
        slots_h=KEEPS * memory.slots_h + np.where(both, slot_h, 0.0),
        charged_kwh=np.zeros(len(come)),
        wanted_kwh=wanted,
        told=told,
        off_count_kwh=KEEPS * memory.off_count_kwh + off[0],
        off_rate_kwh=KEEPS * memory.off_rate_kwh + off[1],
        begun_s=now_s,
    )
    return expected(learned, here, known_here)


def expected(memory: Arrivals, here_veh_h: FloatArray, known: BoolArray) -> Arrivals:
    """Return the memory with the rate that is expected from now: by vehicles where that has been the better way, else as of late.

    here_veh_h, known (g,): what is counted in each group's area now.
    """
    total_veh = float(memory.counted_veh.sum())
    city = float(memory.come_kwh[memory.counted_veh > 0].sum()) / total_veh if total_veh > 0.0 else 0.0
    own = memory.come_kwh / np.maximum(memory.counted_veh, 1e-9)
    trust = memory.come_kwh / (memory.come_kwh + OWN_KWH)
    ratio = np.where(memory.counted_veh > 0.0, trust * own + (1.0 - trust) * city, city)
    by_rate = np.where(memory.slots_h > 0.0, memory.come_kwh / np.maximum(memory.slots_h, 1e-9), 0.0)
    by_count = np.where(known & (total_veh > 0.0), ratio * here_veh_h, by_rate)
    rate = by_count if memory.off_count_kwh < memory.off_rate_kwh else by_rate
    return replace(memory, by_count_kw=by_count, by_rate_kw=by_rate, rate_kw=rate)


def coming_kwh(memory: Arrivals, ends_h: FloatArray) -> FloatArray:
    """Return the energy (g, k) expected to come within so many hours from now (k,)."""
    return np.asarray(memory.rate_kw[:, None] * np.minimum(ends_h, AHEAD_H)[None, :], np.float64)
