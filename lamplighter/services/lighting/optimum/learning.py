# SPDX-License-Identifier: Apache-2.0
"""The best compliant timetable from past counts, and how fast traffic grows at each hour of the day.

Compliant means: in no quarter-hour of the day would any segment have been below class on more than four past days in a hundred,
by the count of that quarter-hour or of the one before it. That is the safe side: it must hold where a counter is silent, and live
commands go down from it. Best means: no timetable of as many steps takes less energy (exact, by the dynamic programme of
`timetable`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.lighting import required
from lamplighter.services.lighting.flows.estimate import estimate
from lamplighter.services.lighting.layout import REST, WORK, Layout, Timetables, day_kind, own_lower, quarter
from lamplighter.services.lighting.optimum import timetable
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.terms import STEPS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table

QUARTERS = 96
FROM_NOON = np.roll(np.arange(QUARTERS), QUARTERS // 2)
PROGRAMME_STEPS = 8  # of a calendar in a lamp with a radio; a stand-alone driver holds five (`lighting night`)
SURE_GROWTH_SHARE = 0.95
DAYS_SHARE = 0.04  # of the past days, for one segment in one quarter-hour: so often may it have been below class
LEAST_FLOW_VEH_H = 50.0  # over the whole city: fewer cars tell nothing of growth


@dataclass(frozen=True)
class Past:
    """Counted quarter-hours: at_s (n,) their ends; flow_veh_h, sound (n, m): of every counter, and whether it was told."""

    at_s: FloatArray
    flow_veh_h: FloatArray
    sound: BoolArray


def needs(past: Past, layout: Layout) -> IntArray:
    """Return (n, s) how many classes below design each past quarter-hour allowed each segment, by its traffic and by that of the
    quarter-hour before: the one asks for light as it is ruled, the other for the cars that are there. Nothing is told of a wet
    road, so it counts as wet."""
    move = np.full(len(layout.cell_asset), min(layout.surroundings.wet_relax, 0), dtype=np.int64)
    out = np.zeros((len(past.at_s), len(layout.segments.cell)), dtype=np.int64)
    for n, at_s in enumerate(past.at_s.tolist()):
        found = estimate(past.flow_veh_h[n], past.sound[n], layout.sites)
        need = required.need(required.surely(found, layout), found, move, at_s - 1.0, layout)
        out[n] = need.relax
    follows = np.diff(past.at_s, prepend=np.nan) == timetable.SLOT_S
    before = np.concatenate([out[:1], out[:-1]])
    return np.where(follows[:, None] & layout.segments.by_traffic[None, :], np.minimum(out, before), out)


def slots_of(past: Past, layout: Layout) -> IntArray:
    """Return (n,) kind of day and local quarter-hour of each past quarter-hour as one number."""
    begun = past.at_s - 1.0
    kinds = [day_kind(t, layout.local) * QUARTERS + quarter(t, layout.local) for t in begun.tolist()]
    return np.array(kinds, dtype=np.int64)


def compliant(slots: IntArray, relax: IntArray, most: IntArray, layout: Layout) -> IntArray:
    """Return (2, c, QUARTERS) the largest step at which, of all the past days of a kind, no segment of the cell would have been
    below class in that quarter-hour on more than DAYS_SHARE of them; 0 where no day is known."""
    segments, cells = layout.segments, len(layout.cell_asset)
    days = np.bincount(slots, minlength=2 * QUARTERS)
    step = np.zeros((2 * QUARTERS, cells), dtype=np.int64)
    for k in range(1, STEPS):
        short = (relax < np.minimum(most, k)[None, :]) & segments.by_traffic
        missed = np.zeros((2 * QUARTERS, len(most)))
        np.add.at(missed, slots, short)
        many = missed > DAYS_SHARE * days[:, None]
        often = np.stack([np.bincount(segments.cell, weights=row, minlength=cells) for row in many])
        step = np.where((often == 0) & (step == k - 1), k, step)
    follows = np.bincount(segments.cell[segments.by_traffic], minlength=cells) > 0
    step = np.where((days > 0)[:, None] & follows, step, 0)
    return np.ascontiguousarray(step.reshape(2, QUARTERS, cells).transpose(0, 2, 1))


def steady(slots: IntArray, relax: IntArray, layout: Layout) -> IntArray:
    """Return (s,) how far each segment may go down at most, so that a street that hardly ever may does not hold its whole cell.

    Greedy, cell by cell: the one bound that saves most by the timetable and by the counts of the past, again until none does.
    """
    segments = layout.segments
    light_kw = (segments.power_w - GEAR_W) * segments.lamps / 1000.0
    most = layout.relax_most.copy()
    order = np.argsort(slots, kind="stable")
    begin = np.flatnonzero(np.diff(slots[order], prepend=-1))
    for cell in range(len(layout.cell_asset)):
        rows = np.flatnonzero(segments.by_traffic & (segments.cell == cell))
        if len(rows) < 2:
            continue
        own, share, kw = relax[order][:, rows], layout.class_share[rows], light_kw[rows]

        def cost(bound: IntArray, own: IntArray = own, share: FloatArray = share, kw: FloatArray = kw) -> float:
            free = np.where(own < bound, own, STEPS - 1).min(axis=1)
            by_table = np.repeat(np.minimum.reduceat(free, begin), np.diff([*begin.tolist(), len(free)]))
            taken = np.bincount(free, minlength=STEPS) + np.bincount(by_table, minlength=STEPS)
            output = np.take_along_axis(share, np.minimum(np.arange(STEPS)[None, :], bound[:, None]), axis=1)
            return float(kw @ output @ taken)

        most[rows] = _lowered(most[rows], cost)
    return most


def _lowered(bound: IntArray, cost: Callable[[IntArray], float]) -> IntArray:
    """Return bounds lowered one by one as long as that saves."""
    best = cost(bound)
    while True:
        tried = [(s, b) for s in range(len(bound)) for b in range(int(bound[s]))]
        found = [(cost(np.where(np.arange(len(bound)) == s, b, bound)), s, b) for s, b in tried]
        if not found or min(found)[0] >= best * (1.0 - 1e-6):
            return bound
        best, s, b = min(found)
        bound = np.where(np.arange(len(bound)) == s, b, bound)


def few_steps(step: IntArray, hours_h: FloatArray, steps: int, layout: Layout) -> IntArray:
    """Return steps (2, c, QUARTERS) that change a few times a night at most and are never beyond `step`.

    hours_h (QUARTERS,): burnt in a year in each local quarter-hour, so that a change in summer's daylight costs nothing.
    """
    segments = layout.segments
    light_kw = (segments.power_w - GEAR_W) * segments.lamps / 1000.0
    out = step.copy()
    cells = len(layout.cell_asset)
    for kind in (WORK, REST):
        shares = np.zeros((len(segments.cell), QUARTERS))
        for q in range(QUARTERS):
            lower = own_lower(step[kind, :, q], False, layout)
            shares[:, q] = np.take_along_axis(layout.class_share, lower[:, None], axis=1)[:, 0]
        for cell in range(cells):
            rows = np.flatnonzero(segments.by_traffic & (segments.cell == cell))
            if len(rows) == 0:
                continue
            best = timetable.best(shares[rows][:, FROM_NOON], light_kw[rows], hours_h[FROM_NOON], steps)
            ends = [*best.begin[1:].tolist(), QUARTERS]
            for a, b in zip(best.begin.tolist(), ends, strict=True):
                out[kind, cell, FROM_NOON[a:b]] = step[kind, cell, FROM_NOON[a:b]].min()
    return out


def growth(past: Past, layout: Layout) -> FloatArray:
    """Return (2, QUARTERS) by how much a quarter-hour's traffic exceeded the one before it on 19 of 20 past days, at least 1."""
    told: BoolArray = np.asarray(past.sound.any(axis=1), dtype=np.bool_)
    total = np.where(past.sound, past.flow_veh_h, 0.0).sum(axis=1)
    ratios: dict[tuple[int, int], list[float]] = {}
    for n in range(1, len(past.at_s)):
        if past.at_s[n] - past.at_s[n - 1] != timetable.SLOT_S or not (told[n] and told[n - 1]):
            continue
        begun_s = float(past.at_s[n]) - 1.0
        slot = (day_kind(begun_s, layout.local), quarter(begun_s, layout.local))
        ratios.setdefault(slot, []).append(float((total[n] + LEAST_FLOW_VEH_H) / (total[n - 1] + LEAST_FLOW_VEH_H)))
    out = np.ones((2, QUARTERS))
    for (kind, q), values in ratios.items():
        out[kind, q] = max(1.0, float(np.quantile(values, SURE_GROWTH_SHARE)))
    return out


def hours_of_year(year_from_s: float, layout: Layout) -> FloatArray:
    """Return (QUARTERS,) the hours burnt in a year in each local quarter-hour."""
    place = (layout.lon_deg, layout.lat_deg)
    nights = timetable.nights_of(year_from_s, 365, place, layout.dusk_elevation_deg, layout.local)
    share = np.bincount(nights.quarter.ravel(), weights=nights.burning_share.ravel(), minlength=QUARTERS)
    return (share / 4.0).astype(np.float64)


@dataclass(frozen=True)
class Learned:
    """The timetables, live commands on everywhere, and how far each segment may go down at most (s,)."""

    timetables: Timetables
    relax_most: IntArray


def learn(past: Past, layout: Layout, steps: int = PROGRAMME_STEPS) -> Learned:
    """Return the best compliant timetable of every cell."""
    slots, relax = slots_of(past, layout), needs(past, layout)
    most = steady(slots, relax, layout)
    layout = replace(layout, relax_most=most)
    every = compliant(slots, relax, most, layout)
    step = few_steps(every, hours_of_year(float(past.at_s[0]), layout), steps, layout)
    cells = np.ones(len(layout.cell_asset), dtype=np.bool_)
    return Learned(Timetables(step, cells, cells.copy(), growth(past, layout)), most)


def rows_of(found: Learned, cell_id: TextArray, segment_id: TextArray, layout: Layout) -> dict[str, Table]:
    """Return the tables `timetable`, `growth` and `steady` of a city folder: a row wherever something changes."""
    times = found.timetables
    held = np.flatnonzero(found.relax_most < layout.relax_most)
    names = ("work", "rest")
    cell: list[str] = []
    days: list[str] = []
    from_h: list[float] = []
    step: list[int] = []
    for c in np.flatnonzero(times.stored).tolist():
        for kind in (WORK, REST):
            column = times.step[kind, c]
            changes = np.flatnonzero(column != np.roll(column, 1))
            for q in changes.tolist() or [0]:
                cell.append(str(cell_id[c]))
                days.append(names[kind])
                from_h.append(q / 4.0)
                step.append(int(column[q]))
    quarter_h = np.tile(np.arange(QUARTERS) / 4.0, 2)
    return {
        "timetable": {"cell": np.array(cell), "days": np.array(days), "from_h": np.array(from_h), "step": np.array(step)},
        "growth": {
            "days": np.repeat(np.array(names), QUARTERS),
            "from_h": quarter_h,
            "growth_ratio": np.round(times.growth_ratio.ravel(), 4),
        },
        "steady": {"segment": segment_id[held], "relax_most": found.relax_most[held]},
    }
