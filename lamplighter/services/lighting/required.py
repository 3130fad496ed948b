# SPDX-License-Identifier: Apache-2.0
"""The class that each segment needs now: from counted or estimated flow, ambient light, weather and the clock.

What is not known makes nothing darker. A street about which no counter says anything keeps the class of its timetable, or its
design class where there is none; weather that was reported once and is no longer counts as wet.
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.lighting.flows.estimate import Estimate, estimate
from lamplighter.services.lighting.layout import P_FIRST, Layout, calendar_lower, quiet
from lamplighter.services.lighting.terms import FLOW, STEPS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.snapshot import Snapshot

FLOW_AGE_MAX_S = 1200.0  # a counter speaks every quarter-hour; a missed one is no count
SURROUNDINGS_AGE_MAX_S = 2700.0
WET_SHARE = 0.01  # any rain in the quarter-hour leaves the road wet for the next
SURE_OF_STREET = 1.645  # one-sided 95 %, of an estimate for what nobody counts


@dataclass(frozen=True)
class Need:
    """What each segment needs. relax (s,): classes below its design class: given (s,) by flow, timetable or clock, moved (s,) by
    the surroundings; known (s,): whether some count says so; share (s,): of the largest flow in its busiest direction, as sure
    as asked; own (s,): whether it has a counter of its own; counts: the flow on every direction."""

    relax: IntArray
    given: IntArray
    moved: IntArray
    known: BoolArray
    share: FloatArray
    own: BoolArray
    counts: Estimate


def counted(snapshot: Snapshot, layout: Layout) -> tuple[FloatArray, BoolArray]:
    """Return the flow of every counter (m,) in veh/h and whether it is fresh."""
    value, known = snapshot.citywide(FLOW, FLOW_AGE_MAX_S)
    return value[layout.sites.counter], known[layout.sites.counter]


def counted_now(found: Estimate, layout: Layout) -> BoolArray:
    """Return which directions (d,) a counter of their own tells of now."""
    return layout.sites.counted & (found.rests.sum(axis=1) == 1) & found.rests[:, :1].any(axis=1)


def gone_silent(found: Estimate, layout: Layout) -> BoolArray:
    """Return which directions (d,) have a counter of their own that cannot be relied on now."""
    return layout.sites.counted & ~counted_now(found, layout)


def _with_any(directions: BoolArray, layout: Layout) -> BoolArray:
    """Return the segments (s,) of which any direction (d,) is among these."""
    out = np.zeros(len(layout.segments.design), dtype=np.bool_)
    out[np.repeat(np.arange(len(out)), np.diff(layout.sites.offsets))[directions]] = True
    return out


def thinly(found: Estimate, layout: Layout) -> BoolArray:
    """Return which segments (s,) have a direction that nobody counts and of whose nearest counters one is silent now: what the
    others say of it may be too little."""
    sites = layout.sites
    return _with_any(~sites.counted & ((sites.near >= 0) & ~found.rests).any(axis=1), layout)


def surely(found: Estimate, layout: Layout, sure: float = SURE_OF_STREET) -> FloatArray:
    """Return the flow (d,) of the past quarter-hour: as counted; where nobody counts the end of the estimate's interval, `sure`
    standard deviations beyond it; where a counter is silent the estimate itself, beside the timetable made from its counts."""
    sees = counted_now(found, layout) | gone_silent(found, layout)
    return np.where(sees, found.flow_veh_h, found.flow_veh_h + sure * found.deviation_veh_h)


def moves(ambient_lx: FloatArray, wet_share: FloatArray, layout: Layout) -> IntArray:
    """Return the classes by which this ambient light and weather put streets lower; negative: higher. Any shape."""
    place = np.searchsorted(layout.surroundings.ambient_lx, ambient_lx, side="right")
    return layout.surroundings.ambient_relax[place] + layout.surroundings.wet_relax * (wet_share >= WET_SHARE)


def surroundings(snapshot: Snapshot, layout: Layout) -> IntArray:
    """Return the classes (c,) by which ambient light and weather put each cell's streets lower; negative: higher."""
    local = layout.cell_asset - layout.start
    cells = len(local)
    usual_lx = float(layout.surroundings.ambient_lx.mean())  # between the bounds: what a design reckons with
    ambient_lx, wet_share = np.full(cells, usual_lx), np.zeros(cells)
    if (ambient := snapshot.latest.get("ambient_lx")) is not None:
        fresh = ambient.fresh(snapshot.now_s, SURROUNDINGS_AGE_MAX_S)[local]
        ambient_lx = np.where(fresh, ambient.value[local], usual_lx)
    if (wet := snapshot.latest.get("wet_share")) is not None:
        fresh = wet.fresh(snapshot.now_s, SURROUNDINGS_AGE_MAX_S)[local]
        wet_share = np.where(fresh, wet.value[local], wet.present[local] * 1.0)
    return moves(ambient_lx, wet_share, layout)


def need(flow_veh_h: FloatArray, counts: Estimate, move: IntArray, now_s: float, layout: Layout) -> Need:
    """Return the class that each segment needs.

    flow_veh_h (d,): of every direction, of `surely`, grown or not; counts: what it rests on; move (c,): of `surroundings`. The
    busier direction decides, and one that nobody knows leaves the segment unknown. Where a counter of its own does not speak the
    timetable made from its counts is the better witness: counters around may only ask for more than that.
    """
    segments, sites = layout.segments, layout.sites
    count = len(segments.design)
    share, known = np.zeros(count), np.zeros(count, dtype=np.bool_)
    begin, size = sites.offsets[:-1], np.diff(sites.offsets)
    filled = size > 0
    if filled.any():
        share[filled] = np.maximum.reduceat(flow_veh_h / sites.flow_max_veh_h, begin[filled])
        known[filled] = np.logical_and.reduceat(counts.known, begin[filled])
    share = np.where(known, share, 0.0)
    interval = (share[:, None] >= segments.bound_share).sum(axis=1)
    by_flow = np.take_along_axis(segments.bound_relax, interval[:, None], axis=1)[:, 0]
    silent, own = _with_any(gone_silent(counts, layout), layout), _with_any(sites.counted, layout)
    by_table = calendar_lower(now_s, layout)
    by_flow = np.where(silent, np.minimum(by_flow, by_table), by_flow)
    by_clock = (segments.design >= P_FIRST) * (layout.surroundings.quiet_classes * quiet(now_s, layout))
    given = np.where(segments.by_traffic & known, by_flow, np.where(segments.by_traffic, by_table, by_clock))
    moved = np.where(segments.by_traffic & (~known | silent), np.minimum(move[segments.cell], 0), move[segments.cell])
    relax = np.clip(given + moved, 0, STEPS - 1)
    spoken = known & segments.by_traffic & ~silent
    return Need(relax.astype(np.int64), given.astype(np.int64), moved, spoken, share, own, counts)


def by_timetable(needed: Need, plain: Need, now_s: float, layout: Layout) -> Need:
    """Return the same with streets that nobody counts where their timetable puts them or lower, unless their estimate of the past
    quarter-hour asks for more: the growth that a new override allows for is in the timetable already."""
    table = calendar_lower(now_s, layout)
    stands = layout.segments.by_traffic & ~needed.own & (plain.relax >= table)
    given = np.where(stands, np.maximum(needed.given, table), needed.given)
    return replace(needed, relax=np.clip(given + needed.moved, 0, STEPS - 1).astype(np.int64), given=given.astype(np.int64))


def without_estimates(needed: Need, layout: Layout) -> Need:
    """Return the same with the design class on every segment that no counter of its own tells of now."""
    guessed = layout.segments.by_traffic & ~(needed.own & needed.known)
    return replace(needed, relax=np.where(guessed, 0, needed.relax), given=np.where(guessed, 0, needed.given))


def now(snapshot: Snapshot, layout: Layout) -> Need:
    """Return the class that each segment needs by the counts, the weather and the clock of this moment."""
    found = estimate(*counted(snapshot, layout), layout.sites)
    return need(surely(found, layout), found, surroundings(snapshot, layout), snapshot.now_s, layout)
