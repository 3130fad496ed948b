# SPDX-License-Identifier: Apache-2.0
"""What lamplighter would do: the least output, in one step per cell, that keeps every segment in the class it needs now."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Layout, quiet, relax_most
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.terms import (
    BOUNDARY_S,
    CADENCE_S,
    CELL_LAMPS_MIN,
    CLOCK,
    DESIGN,
    DIM,
    FLOW,
    HELD,
    LEASE_S,
    QUIET,
    STEPS,
    TRAFFIC,
)
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

FLOW_AGE_MAX_S = 1200.0  # a counter speaks every quarter-hour; a missed one means the design class
STUCK_AFTER = 4  # so many quarter-hours without any change of the count and the counter is not believed
SURE_DEVIATIONS = 1.645 * 2.0**0.5  # one-sided 95 % for the next count given this one, both Poisson
RAMP_UP_S, RAMP_DOWN_S = 5.0, 60.0


@dataclass(frozen=True)
class Memory:
    """What the decider remembers: counts of the last quarter-hour (m,) and for how many they stood still (m,); per cell
    the step that the last quarter-hour would have allowed (c,) and the step in force (c,)."""

    flow_veh_h: FloatArray
    still: IntArray
    allowed: IntArray
    step: IntArray


@dataclass(frozen=True)
class Need:
    """What each segment needs now. relax (s,): classes below its design class; site (s,): the counter site it goes by,
    -1 where none can be relied on; share (s,): flow there as a share of the largest, 0 where unknown."""

    relax: IntArray
    site: IntArray
    share: FloatArray


def start(layout: Layout) -> Memory:
    """Return the memory before the first decision: nothing counted yet, every cell at its design class."""
    counters, cells = len(layout.sites.counter), len(layout.cell_asset)
    zero = np.zeros(cells, dtype=np.int64)
    return Memory(np.full(counters, -1.0), np.zeros(counters, dtype=np.int64), zero, zero)


def counted(snapshot: Snapshot, layout: Layout) -> tuple[FloatArray, BoolArray]:
    """Return the flow of every counter (m,) in veh/h and whether it is fresh."""
    value, known = snapshot.citywide(FLOW, FLOW_AGE_MAX_S)
    return value[layout.sites.counter], known[layout.sites.counter]


def likely_most(flow_veh_h: FloatArray) -> FloatArray:
    """Return the flow in veh/h that the next quarter-hour passes in one case of twenty, if traffic stays as it is.

    The class must hold for the cars that will come, and the count of a quarter-hour is a draw: its standard deviation is
    the root of the count, hence twice the root of the flow per hour.
    """
    return flow_veh_h + SURE_DEVIATIONS * 2.0 * np.sqrt(np.maximum(flow_veh_h, 1.0))


def need(flow_veh_h: FloatArray, sound: BoolArray, is_quiet: bool, layout: Layout) -> Need:
    """Return the class that each segment needs, after CEN/TR 13201-1:2014, from counts and the clock.

    flow_veh_h, sound (m,): count of each counter and whether it can be relied on. A site needs all its counters; the
    busier direction decides. Without a count, or above what it was designed for, a segment needs its design class.
    """
    segments, sites = layout.segments, layout.sites
    count = len(segments.design)
    site = np.full(count, -1, dtype=np.int64)
    share = np.zeros(count)
    if len(sites.counter):
        begin = sites.offsets[:-1]
        of_site = np.maximum.reduceat(flow_veh_h / sites.flow_max_veh_h, begin)
        whole = np.logical_and.reduceat(sound, begin)
        for k in range(sites.nearest.shape[1]):
            candidate = sites.nearest[:, k]
            use = (site < 0) & (candidate >= 0) & whole[np.maximum(candidate, 0)]
            site = np.where(use, candidate, site)
        share = np.where(site >= 0, of_site[np.maximum(site, 0)], 0.0)
    weight = np.where(share > segments.high_share, 1, np.where(share < segments.low_share, -1, 0))
    less = np.clip(segments.volume_weight - weight, 0, STEPS - 1)
    by_clock = (segments.design >= classes.code("P1")) & is_quiet
    relax = np.where(segments.by_traffic, np.where(site >= 0, less, 0), by_clock)
    return Need(relax.astype(np.int64), site, share)


def lit_soon(now_s: float, layout: Layout) -> bool:
    """Tell whether the lamps burn now or will before the next quarter-hour."""
    height = elevation_deg(np.array([now_s, now_s + BOUNDARY_S]), layout.lon_deg, layout.lat_deg)
    return bool(height.min() < layout.dusk_elevation_deg)


def at_boundary(now_s: float) -> bool:
    """Tell whether this tick is the first of a quarter-hour."""
    return now_s % BOUNDARY_S < CADENCE_S


def cell_steps(relax: IntArray, layout: Layout) -> IntArray:
    """Return the largest step (c,) that keeps every segment of each cell that goes by traffic in its class.

    A segment that is as far down as it can ever be stays there at every later step, hence holds nobody back.
    """
    allowed = np.full(len(layout.cell_asset), STEPS - 1, dtype=np.int64)
    segments = layout.segments
    follows = segments.by_traffic
    bounds = np.where(relax < relax_most(segments.volume_weight, follows), relax, STEPS - 1)
    np.minimum.at(allowed, segments.cell[follows], bounds[follows])
    bound = np.bincount(layout.segments.cell[follows], minlength=len(allowed)) > 0
    return np.where(bound, allowed, 0)


def _ramp_s(dimming_level: FloatArray, snapshot: Snapshot, layout: Layout) -> FloatArray:
    """Return (s,) how fast to move: quickly up, slowly down; an unchanged dimming_level keeps the ramp that is in force."""
    local = layout.segments.asset - layout.start
    force = snapshot.in_force[DIM]
    reported = snapshot.latest.get("dimming_level")
    seen = np.ones(len(dimming_level)) if reported is None else np.where(reported.present[local], reported.value[local], 1.0)
    ramp = np.where(dimming_level < seen - 1e-9, RAMP_DOWN_S, RAMP_UP_S)
    same = force.active[local] & (np.abs(force.values["dimming_level"][local] - dimming_level) < 1e-9)
    return np.where(same, force.values["ramp_s"][local], ramp)


def _cites(rows: IntArray, needed: Need, snapshot: Snapshot, layout: Layout) -> Cites:
    """Return for each row the counters whose count lets it go below its design class."""
    sites = layout.sites
    rests = (needed.relax[rows] > 0) & (needed.site[rows] >= 0)
    site = np.where(rests, needed.site[rows], 0)
    sizes = (
        np.where(rests, sites.offsets[site + 1] - sites.offsets[site], 0) if len(sites.counter) else np.zeros(len(rows), np.int64)
    )
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    if offsets[-1] == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Cites(offsets, empty, empty)
    place = np.arange(int(offsets[-1]), dtype=np.int64) - np.repeat(offsets[:-1], sizes) + np.repeat(sites.offsets[site], sizes)
    quantity = np.full(int(offsets[-1]), snapshot.vocabulary.index(FLOW), dtype=np.int64)
    return Cites(offsets, sites.counter[place], quantity)


def _because(needed: Need, step: IntArray, is_quiet: bool, layout: Layout) -> IntArray:
    held = needed.relax > step[layout.segments.cell]
    moving = np.where(needed.relax == 0, DESIGN, np.where(held, HELD, TRAFFIC))
    return np.where(layout.segments.by_traffic, moving, QUIET if is_quiet else CLOCK).astype(np.int64)


def decide(snapshot: Snapshot, memory: Memory, layout: Layout) -> tuple[tuple[Proposals, ...], Memory]:
    """Return one table of `dim` proposals at quarter-hours of the night, nothing otherwise, and the new memory.

    A cell goes brighter at once, and darker when two quarter-hours running have allowed it.
    """
    if not at_boundary(snapshot.now_s):
        return (), memory
    flow, fresh = counted(snapshot, layout)
    still = np.where(fresh & (flow == memory.flow_veh_h), memory.still + 1, 0)
    is_quiet = quiet(snapshot.now_s, layout)
    needed = need(likely_most(flow), fresh & (still < STUCK_AFTER), is_quiet, layout)
    allowed = cell_steps(needed.relax, layout)
    step: IntArray = np.minimum(allowed, np.maximum(memory.step, np.minimum(allowed, memory.allowed)))
    remembered = Memory(np.where(fresh, flow, memory.flow_veh_h), still.astype(np.int64), allowed, step)
    if not lit_soon(snapshot.now_s, layout):
        return (), remembered
    rows = np.flatnonzero(layout.cell_lamps[layout.segments.cell] >= CELL_LAMPS_MIN)
    of_cell: IntArray = step[layout.segments.cell]
    place: IntArray = np.where(layout.segments.by_traffic, of_cell, np.asarray(needed.relax))
    dimming_level = layout.step_share[np.arange(len(place)), place]
    table = Proposals(
        action=DIM,
        asset=layout.segments.asset[rows],
        values={"dimming_level": dimming_level[rows], "ramp_s": _ramp_s(dimming_level, snapshot, layout)[rows]},
        because=_because(needed, step, is_quiet, layout)[rows],
        cites=_cites(rows, needed, snapshot, layout),
        arm="adaptive",
        issued_s=snapshot.now_s,
        lease_s=LEASE_S,
    )
    return (table,), remembered
