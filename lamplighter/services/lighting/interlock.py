# SPDX-License-Identifier: Apache-2.0
"""What must never happen with street lights: small pure checks, the clause beside each.

The class check sums the light of every grid point, observer and glare position of a field again, from coefficients per
point and at the very output that would be sent; it knows nothing of the decider's closed form.
"""

import numpy as np
from numba import njit

from lamplighter.services.lighting.layout import Layout, calendar_lower, quiet
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.terms import (
    BOUNDARY_S,
    CADENCE_S,
    CELL_LAMPS_MIN,
    DIM,
    FLOW,
    LEVEL_MIN,
    LEVEL_STEP,
    STEPS,
)
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Findings, Proposals, Rule
from lamplighter.terms.service import Interlock
from lamplighter.terms.snapshot import Snapshot

RAMP_DOWN_MIN_S, RAMP_UP_MAX_S = 30.0, 30.0
COUNT_AGE_MAX_S = 1200.0
SURROUNDINGS_AGE_MAX_S = 2700.0
WET_SHARE = 0.01
INTERVAL = 1.645  # standard deviations of what nobody counts: one-sided 95 %
WIDE = 1e3  # variance of a share that is not known beforehand, in squares of what is counted
CLOSE = 1e-6


def _local(proposals: Proposals, layout: Layout) -> IntArray:
    """Return the position in `segments` of each proposal's asset (the gate has checked that it is a segment)."""
    place = np.full(layout.size, 0, dtype=np.int64)
    place[layout.segments.asset - layout.start] = np.arange(len(layout.segments.asset))
    return place[proposals.asset - layout.start]


def quarter_hour(snapshot: Snapshot, tables: tuple[Proposals, ...], layout: Layout) -> Findings:
    """Lamps change at quarter-hours only: what follows counts by the minute would show who passes.

    What is in force already may be said again at any minute: it tells nothing new, and it may not have arrived.
    """
    own, force = tables[0].asset - layout.start, snapshot.in_force[DIM]
    past_s = np.full(len(tables[0]), snapshot.now_s % BOUNDARY_S)
    same = force.active[own] & (force.values["dimming_level"][own] == tables[0].values["dimming_level"])
    no_longer = snapshot.now_s + tables[0].lease_s <= force.expires_s[own] + CLOSE
    return Findings((past_s < CADENCE_S) | (same & no_longer), past_s, np.full(len(past_s), float(CADENCE_S)))


def never_off(snapshot: Snapshot, tables: tuple[Proposals, ...], layout: Layout) -> Findings:
    """No command may put a street in the dark, at any hour: less than the least steady output is refused."""
    del snapshot, layout
    dimming_level = tables[0].values["dimming_level"]
    return Findings(dimming_level >= LEVEL_MIN - CLOSE, dimming_level, np.full(len(dimming_level), LEVEL_MIN))


def ramp(snapshot: Snapshot, tables: tuple[Proposals, ...], layout: Layout) -> Findings:
    """Light fades slowly and returns quickly, judged against the output that the lamps report."""
    table = tables[0]
    own = table.asset - layout.start
    reported = snapshot.latest.get("dimming_level")
    seen = np.ones(len(table)) if reported is None else np.where(reported.present[own], reported.value[own], 1.0)
    change = table.values["dimming_level"] - seen
    ramp_s = table.values["ramp_s"]
    down, up = change < -LEVEL_STEP / 2, change > LEVEL_STEP / 2
    ok = ~(down & (ramp_s < RAMP_DOWN_MIN_S)) & ~(up & (ramp_s > RAMP_UP_MAX_S))
    return Findings(ok, ramp_s, np.where(down, RAMP_DOWN_MIN_S, RAMP_UP_MAX_S))


def cell_size(snapshot: Snapshot, tables: tuple[Proposals, ...], layout: Layout) -> Findings:
    """Fewer lamps than a cell needs are never commanded: their switching could lead to a walker's door."""
    del snapshot
    lamps = layout.cell_lamps[layout.segments.cell[_local(tables[0], layout)]].astype(np.float64)
    return Findings(lamps >= CELL_LAMPS_MIN, lamps, np.full(len(lamps), float(CELL_LAMPS_MIN)))


def _together(snapshot: Snapshot, table: Proposals, layout: Layout) -> tuple[FloatArray, BoolArray, IntArray]:
    """Return what would hold: output (s,) proposed or in force, whether any holds (s,), and the cell of each row (n,)."""
    own = layout.segments.asset - layout.start
    force = snapshot.in_force[DIM]
    dimming_level = np.where(force.active[own], force.values["dimming_level"][own], 1.0)
    held = force.active[own].copy()
    rows = _local(table, layout)
    dimming_level[rows] = table.values["dimming_level"]
    held[rows] = True
    return dimming_level, held, layout.segments.cell[rows]


def _moves(snapshot: Snapshot, layout: Layout) -> IntArray:
    """Return the classes (c,) by which the surroundings put each cell lower; what was said once and is stale counts as wet."""
    at, about = layout.cell_asset - layout.start, layout.surroundings
    moves = np.zeros(len(at), dtype=np.int64)
    if (ambient := snapshot.latest.get("ambient_lx")) is not None:
        known = ambient.present[at] & (snapshot.now_s - ambient.known_at_s[at] <= SURROUNDINGS_AGE_MAX_S)
        passed = (ambient.value[at][:, None] >= about.ambient_lx[None, :]).sum(axis=1)
        moves += known * about.ambient_relax[passed]
    if (wet := snapshot.latest.get("wet_share")) is not None:
        stale = snapshot.now_s - wet.known_at_s[at] > SURROUNDINGS_AGE_MAX_S
        moves += (wet.present[at] & (stale | (wet.value[at] >= WET_SHARE))) * about.wet_relax
    return moves


def _flows(snapshot: Snapshot, layout: Layout) -> tuple[FloatArray, BoolArray]:
    """Return the flow (d,) of every direction at the end of its interval, and whether any counter says something of it."""
    value, fresh = snapshot.citywide(FLOW, COUNT_AGE_MAX_S)
    sites = layout.sites
    if len(sites.counter) == 0:
        return np.zeros(len(sites.street)), np.zeros(len(sites.street), dtype=np.bool_)
    return _conditioned(
        value[sites.counter],
        fresh[sites.counter],
        sites.near,
        sites.counted,
        (sites.usual_veh_h, sites.usual_near_veh_h, sites.own_ratio, sites.towards_ratio, sites.among_ratio),
    )


def one_step(snapshot: Snapshot, tables: tuple[Proposals, ...], layout: Layout) -> Findings:
    """All segments of a cell stand on the same step of their own plans, or all at full output. Those that are not commanded, for
    want of messages, stand on their timetable, which is the same every night; the others are still a cell's worth of lamps."""
    dimming_level, held, group = _together(snapshot, tables[0], layout)
    segments, every = layout.segments, np.arange(len(layout.segments.cell))
    path = (segments.design >= classes.code("P1")) & ~segments.by_traffic
    resting = path * layout.surroundings.quiet_classes * int(quiet(snapshot.now_s, layout))
    unknown = segments.by_traffic & ~_known(_flows(snapshot, layout)[1] & ~_silent(snapshot, layout), layout)
    moves = _moves(snapshot, layout)[segments.cell]
    moves = np.where(unknown, np.minimum(moves, 0), moves)
    cells = len(layout.cell_asset)
    shared = np.zeros((cells, STEPS + 1), dtype=np.int64)
    timed = np.minimum(layout.relax_most, calendar_lower(snapshot.now_s, layout))
    for k in range(STEPS):
        on_step = np.zeros(len(every), dtype=np.bool_)
        # A segment whose counter cannot be relied on may stay where its timetable puts it: that is the same every night.
        for most in (layout.relax_most, timed):
            lower = np.where(segments.by_traffic, np.minimum(most, k), resting) + moves
            share = layout.class_share[every, np.clip(lower, 0, STEPS - 1)]
            on_step |= held & (np.abs(share - dimming_level) < LEVEL_STEP / 2)
        shared[:, k] = np.bincount(segments.cell, weights=on_step, minlength=cells).astype(np.int64)
    full = held & (dimming_level >= 1.0 - CLOSE)
    shared[:, STEPS] = np.bincount(segments.cell, weights=full, minlength=cells).astype(np.int64)
    commanded = np.bincount(segments.cell, weights=held, minlength=cells)
    lamps = np.bincount(segments.cell, weights=np.where(held, segments.lamps, 0), minlength=cells)
    of_all = np.where(lamps >= CELL_LAMPS_MIN, commanded, np.bincount(segments.cell, minlength=cells))
    outside = (of_all - shared.max(axis=1)).astype(np.float64)
    return Findings(outside == 0, outside, np.zeros(cells), group)


def _silent(snapshot: Snapshot, layout: Layout) -> BoolArray:
    """Return the directions (d,) that have a counter of their own which says nothing now."""
    sites = layout.sites
    if len(sites.counter) == 0:
        return np.zeros(len(sites.street), dtype=np.bool_)
    speaks = snapshot.citywide(FLOW, COUNT_AGE_MAX_S)[1][sites.counter]
    return sites.counted & ~speaks[np.maximum(sites.near[:, 0], 0)]


def _known(direction_known: BoolArray, layout: Layout) -> BoolArray:
    """Return whether every direction (d,) of each segment (s,) is known."""
    segment = np.repeat(np.arange(len(layout.segments.cell)), np.diff(layout.sites.offsets))
    missing = np.bincount(segment, weights=~direction_known, minlength=len(layout.segments.cell))
    return (missing == 0) & (np.diff(layout.sites.offsets) > 0)


def _needed_class(snapshot: Snapshot, layout: Layout) -> IntArray:
    """Return the class (s,) that counts, surroundings and clock ask for now; that of the timetable where no count says anything,
    the design class where there is no timetable. A street that nobody counts may stand where its timetable puts it: without a
    command it would. Weights: `layout`, from the table that the city chose."""
    flow, direction_known = _flows(snapshot, layout)
    segments, known = layout.segments, _known(direction_known, layout)
    busiest = np.zeros(len(segments.cell))
    segment = np.repeat(np.arange(len(busiest)), np.diff(layout.sites.offsets))
    np.maximum.at(busiest, segment, flow / layout.sites.flow_max_veh_h)
    passed = (busiest[:, None] >= segments.bound_share).sum(axis=1)
    below = segments.bound_relax[np.arange(len(busiest)), passed]
    spoken = _known(direction_known & ~_silent(snapshot, layout), layout)
    timed = calendar_lower(snapshot.now_s, layout)
    own = np.bincount(segment, weights=layout.sites.counted, minlength=len(busiest)) > 0
    below = np.where(known & spoken, np.where(own, below, np.maximum(below, timed)), timed)
    paths = (segments.design >= classes.code("P1")) & ~segments.by_traffic
    resting = layout.surroundings.quiet_classes * int(quiet(snapshot.now_s, layout))
    below = np.where(segments.by_traffic, below, paths * resting)
    moves = _moves(snapshot, layout)[segments.cell]
    below += np.where(segments.by_traffic & ~spoken, np.minimum(moves, 0), moves)
    return np.minimum(segments.design + np.clip(below, 0, STEPS - 1), classes.FAMILY_LAST[segments.design])


@njit(cache=True)
def _conditioned(
    count: FloatArray,
    fresh: BoolArray,
    near: IntArray,
    counted: BoolArray,
    tables: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, BoolArray]:
    """Return the flow of each direction at the end of its one-sided interval, and whether a counter says something of it.

    The share of the usual flow is taken as nearly unknown beforehand; each counter's share is then put in, one after the other
    (the scalar updates of a Kalman filter), its variance that of a Poisson count.
    """
    usual, usual_near, own, towards, among = tables
    directions, width = near.shape
    out, known = np.zeros(directions), np.zeros(directions, dtype=np.bool_)
    for d in range(directions):
        if counted[d] and fresh[near[d, 0]]:
            out[d], known[d] = count[near[d, 0]], True
            continue
        told, expected = 0.0, 0.0
        for k in range(width):
            if near[d, k] >= 0 and fresh[near[d, k]]:
                told, expected = told + count[near[d, k]], expected + usual_near[d, k]
        if expected <= 0.0:
            continue
        common = told / expected
        size = max(common, 0.01) ** 2
        mean = np.full(width + 1, common)
        spread = np.full((width + 1, width + 1), WIDE * size)
        spread[0, 0] += size * own[d]
        for k in range(width):
            spread[0, k + 1] += size * towards[d, k]
            spread[k + 1, 0] += size * towards[d, k]
            for j in range(width):
                spread[k + 1, j + 1] += size * among[d, k, j]
        for k in range(width):
            if near[d, k] < 0 or not fresh[near[d, k]]:
                continue
            at, flow = k + 1, count[near[d, k]]
            gain = spread[:, at] / (spread[at, at] + 4.0 * max(flow, 4.0) / usual_near[d, k] ** 2)
            mean = mean + gain * (flow / usual_near[d, k] - mean[at])
            spread = spread - np.outer(gain, spread[at].copy())
        out[d] = (max(mean[0], 0.0) + INTERVAL * np.sqrt(max(spread[0, 0], 0.0))) * usual[d]
        known[d] = True
    return out, known


@njit(cache=True)
def _sum_lanes(f: int, shape: IntArray, tables: tuple[IntArray, FloatArray, IntArray, FloatArray], out: FloatArray) -> None:
    """Sum one field's luminance points into its row of figures: Uo and Ul at 0 and 1, mean and veil per lane from 6 on."""
    luminance_at, luminance, veil_at, veil = tables
    lanes, along, across = shape[0], shape[1], shape[2]
    out[0], out[1] = np.inf, np.inf
    for lane in range(lanes):
        total, least, low, high, veiling = 0.0, np.inf, np.inf, 0.0, 0.0
        for i in range(along):
            veiling = max(veiling, veil[veil_at[f] + lane * along + i])
            for j in range(across):
                seen = luminance[luminance_at[f] + (lane * along + i) * across + j]
                total += seen
                least = min(least, seen)
                if j == 3 * lane + 1:
                    low, high = min(low, seen), max(high, seen)
        mean = total / (along * across)
        out[0] = min(out[0], least / mean)
        out[1] = min(out[1], low / high)
        out[6 + 2 * lane], out[7 + 2 * lane] = mean, veiling


@njit(cache=True)
def _sum_fields(
    shapes: IntArray,
    seen: tuple[IntArray, FloatArray, IntArray, FloatArray],
    illuminance_at: IntArray,
    illuminance: FloatArray,
    strips: FloatArray,
) -> FloatArray:
    """Return per field, at the unit of the coefficients: Uo, Ul, REI, mean and least illuminance, lanes, then per lane
    mean luminance and worst veiling luminance. Summed over the points anew at every call."""
    lanes_max = 1
    for f in range(len(shapes)):
        lanes_max = max(lanes_max, shapes[f, 0])
    out = np.zeros((len(shapes), 6 + 2 * lanes_max))
    for f in range(len(shapes)):
        _sum_lanes(f, shapes[f], seen, out[f])
        out[f, 2] = min(strips[f, 0] / strips[f, 1], strips[f, 3] / strips[f, 2])
        total, least = 0.0, np.inf
        for k in range(illuminance_at[f], illuminance_at[f] + shapes[f, 3]):
            total += illuminance[k]
            least = min(least, illuminance[k])
        out[f, 3], out[f, 4], out[f, 5] = total / shapes[f, 3], least, shapes[f, 0]
    return out


@njit(cache=True)
def _luminance_share(row: FloatArray, maintained: float, new: float, need: FloatArray) -> float:
    """Return how much of the most pressing luminance requirement a field meets at these factors on its coefficients."""
    share = min(row[0] / need[1], row[1] / need[2], row[2] / need[4])
    for lane in range(int(row[5])):
        mean, veiling = row[6 + 2 * lane], row[7 + 2 * lane] * new
        first = mean * new
        glare = 65.0 * veiling / first**0.8 if first <= 5.0 else 95.0 * veiling / first**1.05
        share = min(share, mean * maintained / need[0], need[3] / glare)
    return share


@njit(cache=True)
def _judge(
    dimming_level: FloatArray, kind: IntArray, field: IntArray, scale: FloatArray, sums: FloatArray, required: FloatArray
) -> FloatArray:
    """Return (s,) how much of the most pressing requirement each segment meets: 1 or more is in class.

    scale (s, 3): maintained and initial factor from coefficients to full output, and the step of commanded output. A segment at
    full output that misses its class passes (nothing is brighter), and so does a path whose ceiling its own darkest point
    forbids to keep.
    """
    met = np.ones(len(dimming_level))
    for s in range(len(dimming_level)):
        row, need = sums[field[s]], required[kind[s]]
        factor = scale[s, 0] * dimming_level[s]
        share = np.inf
        if need[0] > 0.0:
            share = _luminance_share(row, factor, scale[s, 1] * dimming_level[s], need)
        if need[5] > 0.0:
            darker = scale[s, 0] * (dimming_level[s] - scale[s, 2])
            share = min(share, row[3] * factor / need[5])
            forced = row[3] * darker < need[5]
            if need[6] > 0.0:
                share = min(share, row[4] * factor / need[6])
                forced = forced or row[4] * darker < need[6]
            if need[7] > 0.0:
                share = min(share, row[4] / row[3] / need[7])
            if row[3] * factor > need[8] and not forced:
                met[s] = need[8] / (row[3] * factor)
                continue
        met[s] = 1.0 if dimming_level[s] >= 1.0 - 1e-9 else share
    return met


def in_class(snapshot: Snapshot, tables: tuple[Proposals, ...], layout: Layout) -> Findings:
    """Every segment of a cell meets every criterion of its class at the output that would hold."""
    dimming_level, held, group = _together(snapshot, tables[0], layout)
    segments, points = layout.segments, layout.points
    rows = np.flatnonzero(held & np.isin(segments.cell, np.unique(group)))
    seen = (points.luminance_at, points.luminance_cd_m2, points.veil_at, points.veil_cd_m2)
    steps = np.full(len(segments.cell), layout.output_step_share)
    met = _judge(
        dimming_level[rows],
        _needed_class(snapshot, layout)[rows],
        segments.field[rows],
        np.stack([segments.flux_klm * segments.maintenance_ratio, segments.flux_klm, steps], axis=1)[rows],
        _sum_fields(points.shape, seen, points.illuminance_at, points.illuminance_lx, points.strips_lx),
        classes.REQUIRED,
    )
    worst = np.full(len(layout.cell_asset), np.inf)
    np.minimum.at(worst, segments.cell[rows], met)
    worst = np.where(np.isfinite(worst), worst, 1.0)
    return Findings(worst >= 1.0 - CLOSE, worst, np.ones(len(worst)), group)


INTERLOCKS = (
    Interlock(
        Rule("quarter-hour", "s past it", "lamplighter house rule on actuator logs", "lamps change at quarter-hours only"),
        (DIM,),
        "row",
        quarter_hour,
    ),
    Interlock(
        Rule(
            "never off",
            "of full output",
            "EN 13201-2:2015, tables 1 to 3 (every class asks for light)",
            "no lit street goes dark",
        ),
        (DIM,),
        "row",
        never_off,
    ),
    Interlock(
        Rule("ramp", "s", "lamplighter house rule on ramps", "30 s or more down, 30 s or less up"),
        (DIM,),
        "row",
        ramp,
    ),
    Interlock(
        Rule("cell of 64", "lamps", "lamplighter privacy floor", "lamps are commanded in cells of 64 or more"),
        (DIM,),
        "row",
        cell_size,
    ),
    Interlock(
        Rule("one step per cell", "segments off the step", "lamplighter privacy floor", "a cell changes as one"),
        (DIM,),
        "set",
        one_step,
    ),
    Interlock(
        Rule(
            "lighting class", "of the requirement", "EN 13201-2:2015, tables 1 to 3", "every segment stays in the class it needs"
        ),
        (DIM,),
        "set",
        in_class,
    ),
)
