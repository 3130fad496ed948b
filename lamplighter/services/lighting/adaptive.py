# SPDX-License-Identifier: Apache-2.0
"""What lamplighter would do: the least output, in one step per cell, that keeps every segment in the class it needs now.

The calendar stored in the lamps does what is regular. A command is an override for half an hour where the counts ask for more
light than the calendar gives, or allow enough less to be worth one of the night's few messages.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lamplighter.services.lighting import downlink, outage, required, unusual
from lamplighter.services.lighting.downlink import Spent
from lamplighter.services.lighting.flows.estimate import estimate
from lamplighter.services.lighting.layout import Layout, calendar_lower, calendar_output, day_kind, own_lower, quarter, quiet
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.required import Need, counted
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.terms import (
    BESIDE_DARK,
    BOUNDARY_S,
    CADENCE_S,
    CELL_LAMPS_MIN,
    CLOCK,
    DESIGN,
    DIM,
    FLOW,
    HELD,
    LEASE_S,
    LEVEL_STEP,
    QUIET,
    STEPS,
    TIMETABLE,
    TRAFFIC,
)
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.snapshot import Snapshot

STUCK_AFTER = 4  # so many quarter-hours without any change of the count and the counter is not believed
RAMP_UP_S, RAMP_DOWN_S = 5.0, 60.0
SAME = LEVEL_STEP / 2.0


@dataclass(frozen=True)
class Memory:
    """What the decider remembers: counts of the last quarter-hour (m,) and for how many they stood still (m,); per cell
    the step that the last quarter-hour would have allowed (c,) and the step that the rule of two allows (c,); messages spent;
    unusual_count: for how many quarter-hours more something that past nights do not know is taken to be on; least_share (s,):
    what each segment needs itself, whatever its cell does."""

    flow_veh_h: FloatArray
    still: IntArray
    allowed: IntArray
    step: IntArray
    spent: Spent
    unusual_count: int
    least_share: FloatArray


@dataclass(frozen=True)
class Wanted:
    """Shares of full output (s,): target of this quarter-hour; held now and later, a quarter-hour on, if nothing is sent;
    by_calendar, runs_on (s,): whether it is the calendar that holds now, or an override that will a quarter-hour on."""

    target_share: FloatArray
    held_share: FloatArray
    later_share: FloatArray
    by_calendar: BoolArray
    runs_on: BoolArray


class Raised(NamedTuple):
    """Which cells (c,) need more light than holds: any of them; surely, where a counter of the street's own says so, or more than
    a class is missing."""

    any: BoolArray
    surely: BoolArray


def start(layout: Layout) -> Memory:
    """Return the memory before the first decision: nothing counted yet, every cell at its design class."""
    counters, cells = len(layout.sites.counter), len(layout.cell_asset)
    zero = np.zeros(cells, dtype=np.int64)
    spent = downlink.nothing_spent(len(layout.segments.design), cells)
    return Memory(np.full(counters, -1.0), np.zeros(counters, dtype=np.int64), zero, zero, spent, 0, layout.class_share[:, 0])


def lit_soon(now_s: float, layout: Layout) -> bool:
    """Tell whether the lamps burn now or will before the next quarter-hour."""
    height = elevation_deg(np.array([now_s, now_s + BOUNDARY_S]), layout.lon_deg, layout.lat_deg)
    return bool(height.min() < layout.dusk_elevation_deg)


def at_boundary(now_s: float) -> bool:
    """Tell whether this tick is the first of a quarter-hour."""
    return now_s % BOUNDARY_S < CADENCE_S


def cell_steps(given: IntArray, layout: Layout) -> IntArray:
    """Return the largest step (c,) that keeps every segment of each cell that goes by traffic in its class.

    A segment that is as far down as traffic can ever put it stays there at every later step, hence holds nobody back.
    """
    allowed = np.full(len(layout.cell_asset), STEPS - 1, dtype=np.int64)
    follows = layout.segments.by_traffic
    bounds = np.where(given < layout.relax_most, given, STEPS - 1)
    np.minimum.at(allowed, layout.segments.cell[follows], bounds[follows])
    bound = np.bincount(layout.segments.cell[follows], minlength=len(allowed)) > 0
    return np.where(bound, allowed, 0)


def furthest(needed: Need, now_s: float, layout: Layout) -> IntArray:
    """Return (s,) how far each segment may go down now: one of which no sound counter tells anything, or that nobody counts while
    a counter near it is silent, stays where its timetable puts it, and holds nobody back."""
    doubtful = layout.segments.by_traffic & (~needed.known | required.thinly(needed.counts, layout))
    return np.where(doubtful, np.minimum(layout.relax_most, calendar_lower(now_s, layout)), layout.relax_most)


def _reported(snapshot: Snapshot, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """Return the output (s,) that lamps reported last (full where they never did) and when."""
    local = layout.segments.asset - layout.start
    column = snapshot.latest.get("dimming_level")
    if column is None:
        return np.ones(len(local)), np.full(len(local), -np.inf)
    seen = np.where(column.present[local], column.value[local], 1.0)
    return seen, np.where(column.present[local], column.known_at_s[local], -np.inf)


def _ramp_s(dimming_level: FloatArray, snapshot: Snapshot, layout: Layout) -> FloatArray:
    """Return (s,) how fast to move: quickly up, slowly down; an unchanged dimming_level keeps the ramp that is in force, unless
    that was at once: it need not be said three times again."""
    local = layout.segments.asset - layout.start
    force = snapshot.in_force[DIM]
    ramp = np.where(dimming_level < _reported(snapshot, layout)[0] - 1e-9, RAMP_DOWN_S, RAMP_UP_S)
    same = force.active[local] & (np.abs(force.values["dimming_level"][local] - dimming_level) < 1e-9)
    same &= force.values["ramp_s"][local] > downlink.AT_ONCE_S
    return np.where(same, force.values["ramp_s"][local], ramp)


def _cites(rows: IntArray, needed: Need, snapshot: Snapshot, layout: Layout) -> Cites:
    """Return for each row the counters whose count lets it go below its design class."""
    sites = layout.sites
    rests = (needed.relax > 0) & needed.known
    of_direction = np.repeat(np.arange(len(rests)), np.diff(sites.offsets))
    used = needed.counts.rests & rests[of_direction][:, None]
    per_segment = np.bincount(of_direction, weights=used.sum(axis=1), minlength=len(rests)).astype(np.int64)
    begin = np.concatenate(([0], np.cumsum(per_segment)))
    sizes = per_segment[rows]
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    if offsets[-1] == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Cites(offsets, empty, empty)
    place = np.arange(int(offsets[-1]), dtype=np.int64) - np.repeat(offsets[:-1], sizes) + np.repeat(begin[rows], sizes)
    quantity = np.full(int(offsets[-1]), snapshot.vocabulary.index(FLOW), dtype=np.int64)
    return Cites(offsets, sites.counter[sites.near[used][place]], quantity)


def _because(needed: Need, step: IntArray, is_quiet: bool, layout: Layout) -> IntArray:
    segments = layout.segments
    held = needed.given > step[segments.cell]
    by_table = ~needed.known & layout.timetables.stored[segments.cell]
    counted_ = np.where(needed.given == 0, DESIGN, np.where(held, HELD, TRAFFIC))
    moving = np.where(by_table, TIMETABLE, np.where(needed.known, counted_, DESIGN))
    return np.where(segments.by_traffic, moving, QUIET if is_quiet else CLOCK).astype(np.int64)


def _outputs(lower: IntArray, layout: Layout) -> FloatArray:
    return np.take_along_axis(layout.class_share, np.clip(lower, 0, STEPS - 1)[:, None], axis=1)[:, 0]


def raised_cells(held_share: FloatArray, plain: Need, lasts: int, layout: Layout) -> Raised:
    """Return which cells need more light than what holds (s,) gives. lasts: above 0 while something unusual is on."""
    cell, cells = layout.segments.cell, len(layout.cell_asset)
    short = held_share < _outputs(plain.relax, layout) - SAME
    far = held_share < _outputs(plain.relax + 1, layout) - SAME
    surely = short & ((plain.own & plain.known) | far | (lasts > 0))
    return Raised(np.bincount(cell, weights=short, minlength=cells) > 0, np.bincount(cell, weights=surely, minlength=cells) > 0)


def _wanted(snapshot: Snapshot, needed: Need, step: IntArray, layout: Layout) -> Wanted:
    now_s, local = snapshot.now_s, layout.segments.asset - layout.start
    target = _outputs(own_lower(step, quiet(now_s, layout), layout) + needed.moved, layout)
    force = snapshot.in_force[DIM]
    holds = force.active[local] & (force.expires_s[local] > now_s + CADENCE_S)
    in_force = force.values["dimming_level"][local]
    held = np.where(holds, in_force, calendar_output(now_s, layout))
    longer = holds & (force.expires_s[local] > now_s + BOUNDARY_S + CADENCE_S)
    return Wanted(target, held, np.where(longer, in_force, calendar_output(now_s + BOUNDARY_S, layout)), ~holds, longer)


def _saved_kwh(wanted: Wanted, layout: Layout) -> FloatArray:
    """Return (c,) what a message saves in the half hour for which it holds, against what lamps would do without it."""
    segments = layout.segments
    light_kw = (segments.power_w - GEAR_W) * segments.lamps / 1000.0
    less = light_kw * (wanted.held_share + wanted.later_share - 2.0 * wanted.target_share) * BOUNDARY_S / 3600.0
    return np.bincount(segments.cell, weights=less, minlength=len(layout.cell_asset)).astype(np.float64)


def _kept(spent: Spent, now_s: float, layout: Layout) -> IntArray:
    """Return the messages (c,) that are kept back for light."""
    times = layout.timetables
    clock, kind = quarter(now_s, layout.local), day_kind(now_s, layout.local)
    by_table = downlink.kept_for_light(times.step[kind], spent.lit, clock)
    return np.where(times.stored, by_table, downlink.KEPT_WITHOUT_TIMETABLE).astype(np.int64)


def _chosen(wanted: Wanted, raised: Raised, spent: Spent, now_s: float, layout: Layout) -> tuple[BoolArray, Spent]:
    """Return which cells (c,) get a message now, and the books with what it is worth. To save light all lamps of a cell need
    messages left; more light goes to those that have."""
    segments, cells, clock = layout.segments, len(layout.cell_asset), quarter(now_s, layout.local)
    worth = np.maximum(_saved_kwh(wanted, layout), 0.0)
    most = np.zeros(cells, dtype=np.int64)
    np.maximum.at(most, segments.cell, spent.sent)
    left = layout.downlink_max - most
    saving: IntArray = (left - _kept(spent, now_s, layout)).astype(np.int64)
    worthwhile = (worth > 1e-6) & (worth >= downlink.least_worth(spent, saving, clock) - 1e-9)
    # An override that runs on is let run out first: half an hour for each message.
    lapses = np.bincount(segments.cell, weights=wanted.runs_on, minlength=cells) == 0
    dimmed = layout.timetables.live & (saving > 0) & worthwhile & lapses
    told = spent.sent < layout.downlink_max
    reached = np.bincount(segments.cell, weights=np.where(told, segments.lamps, 0), minlength=cells)
    kept = min(downlink.KEPT_FOR_COUNTED, layout.downlink_max // 3)  # a radio that allows few keeps fewer
    brighter = raised.any & (raised.surely | (left > kept))
    send = (reached >= CELL_LAMPS_MIN) & (brighter | dimmed)
    return send, downlink.learned(spent, worth, clock)


def _table(dimming_level: FloatArray, rows: IntArray, lease_s: float, snapshot: Snapshot, layout: Layout) -> Proposals:
    empty = np.zeros(0, dtype=np.int64)
    return Proposals(
        action=DIM,
        asset=layout.segments.asset[rows],
        values={"dimming_level": dimming_level[rows], "ramp_s": _ramp_s(dimming_level, snapshot, layout)[rows]},
        because=np.full(len(rows), HELD, dtype=np.int64),
        cites=Cites(np.zeros(len(rows) + 1, dtype=np.int64), empty, empty),
        arm="adaptive",
        issued_s=snapshot.now_s,
        lease_s=lease_s,
    )


def _with_sent(memory: Memory, rows: IntArray, table: Proposals) -> Memory:
    sent = memory.spent.sent.copy()
    sent[rows] += downlink.copies(table.values["ramp_s"])
    return replace(memory, spent=replace(memory.spent, sent=sent))


def _at_once(table: Proposals, rows: IntArray, late: BoolArray, memory: Memory, layout: Layout) -> Proposals:
    """Return the table with light that has been missing (late (s,)) brought up without a ramp, where messages are left for it."""
    urgent = late[rows] & (memory.spent.sent[rows] + downlink.COPIES + downlink.KEPT_AFTER_COPIES <= layout.downlink_max)
    ramp_s = table.values["ramp_s"]
    urgent &= ramp_s == RAMP_UP_S
    return replace(table, values={**table.values, "ramp_s": np.where(urgent, downlink.AT_ONCE_S, ramp_s)})


def _said_again(snapshot: Snapshot, memory: Memory, layout: Layout) -> tuple[tuple[Proposals, ...], Memory]:
    """Say a command of this quarter-hour again to segments that report less light than it and their own class ask for: it did not
    arrive.

    Only light that is missing is worth it. Nothing new is asked, so nothing is told between quarter-hours that was not before.
    """
    local = layout.segments.asset - layout.start
    force = snapshot.in_force[DIM]
    seen, when_s = _reported(snapshot, layout)
    asked, left_s = force.values["dimming_level"][local], force.expires_s[local] - snapshot.now_s
    deaf = force.active[local] & (left_s >= CADENCE_S) & (when_s >= force.since_s[local] + CADENCE_S)
    deaf &= (seen > 0.0) & (seen < np.minimum(asked, memory.least_share) - SAME) & (memory.spent.sent < layout.downlink_max)
    if not deaf.any():
        return (), memory
    longest_s = float(left_s[deaf].max())  # one table has one lease: the newest commands first
    rows = np.flatnonzero(deaf & (left_s > longest_s - CADENCE_S))
    table = _table(asked, rows, longest_s, snapshot, layout)
    return (table,), _with_sent(memory, rows, table)


def decide(snapshot: Snapshot, memory: Memory, layout: Layout) -> tuple[tuple[Proposals, ...], Memory]:
    """Return at most one table of `dim` proposals, and the new memory.

    At quarter-hours of the night a cell goes brighter at once, and darker when two quarter-hours running have allowed it; in
    between, only what did not arrive is said again.
    """
    now_s = snapshot.now_s
    if not at_boundary(now_s):
        return _said_again(snapshot, memory, layout)
    if quarter(now_s, layout.local) == downlink.NOON:
        memory = replace(memory, spent=downlink.renewed(memory.spent))
    flow, fresh = counted(snapshot, layout)
    still = np.where(fresh & (flow == memory.flow_veh_h), memory.still + 1, 0)
    stuck = fresh & (still >= STUCK_AFTER)
    found = estimate(flow, fresh & ~stuck, layout.sites)
    near = outage.beside(snapshot, layout)
    growth = float(layout.timetables.growth_ratio[day_kind(now_s, layout.local), quarter(now_s, layout.local)])
    move = required.surroundings(snapshot, layout)
    passed = required.surely(found, layout)
    plain = required.need(passed, found, move, now_s, layout)
    needed = required.need(passed * max(growth, 1.0), found, move, now_s, layout)
    timed = bool(layout.timetables.stored.any())
    both = fresh & ~stuck & (memory.flow_veh_h >= 0.0)
    sign = unusual.against_timetables(plain, now_s, layout) or unusual.rising(flow, memory.flow_veh_h, both, growth)
    lasts = unusual.left(memory.unusual_count, sign and timed)
    if lasts:
        needed, plain = required.without_estimates(needed, layout), required.without_estimates(plain, layout)
    else:
        needed = required.by_timetable(needed, plain, now_s, layout)
        layout = replace(layout, relax_most=furthest(needed, now_s, layout))
    needed, plain = outage.raised(needed, near), outage.raised(plain, near)
    least = _outputs(plain.relax, layout)
    allowed = cell_steps(needed.given, layout)
    step: IntArray = np.minimum(allowed, np.maximum(memory.step, np.minimum(allowed, memory.allowed)))
    told = np.where(fresh, flow, memory.flow_veh_h)
    remembered = Memory(told, still.astype(np.int64), allowed, step, memory.spent, lasts, least)
    if not lit_soon(now_s, layout):
        return (), replace(remembered, spent=downlink.by_day(memory.spent, quarter(now_s, layout.local)))
    # A new override allows for how traffic grows at this hour. Against what holds already, the calendar too, only what is counted
    # now speaks, and then as much light as that asks for.
    wanted = _wanted(snapshot, needed, step, layout)
    raised = raised_cells(wanted.held_share, plain, lasts, layout)
    if stuck.any() or raised.any.any():
        # The interlock believes every counter that speaks, also those that the decider takes to be stuck.
        seen = estimate(flow, fresh, layout.sites)
        surely = required.need(required.surely(seen, layout), seen, move, now_s, layout)
        surely = replace(surely, known=surely.known & needed.known)
        surely = required.without_estimates(surely, layout) if lasts else required.by_timetable(surely, plain, now_s, layout)
        surely = outage.raised(surely, near)
        most = cell_steps(surely.given, layout)
        by_calendar = np.bincount(layout.segments.cell, weights=~wanted.by_calendar, minlength=len(step)) == 0
        # What rises goes on rising: to the design class at once, so that each half hour costs one message.
        most = np.where(raised.any & (lasts > 0), 0, most)
        step = np.where(raised.any & by_calendar, most, np.minimum(step, most)).astype(np.int64)
        wanted = _wanted(snapshot, needed, step, layout)
    send, spent = _chosen(wanted, raised, memory.spent, now_s, layout)
    rows = np.flatnonzero(send[layout.segments.cell] & (memory.spent.sent < layout.downlink_max))
    remembered = replace(remembered, spent=spent)
    if len(rows) == 0:
        return (), remembered
    given = _reported(snapshot, layout)[0]
    late = needed.own & needed.known & layout.segments.by_traffic & (given > 0.0) & (given < _outputs(plain.relax, layout) - SAME)
    table = _at_once(_table(wanted.target_share, rows, LEASE_S, snapshot, layout), rows, late, remembered, layout)
    because = np.where(near, BESIDE_DARK, _because(needed, step, quiet(now_s, layout), layout))[rows]
    table = replace(table, because=because, cites=_cites(rows, needed, snapshot, layout))
    return (table,), _with_sent(remembered, rows, table)
