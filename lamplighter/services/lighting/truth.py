# SPDX-License-Identifier: Apache-2.0
"""What the simulated street lights truly did, from the state of every lamp, reduced to sums per area.

A street's class in a quarter-hour is that of the cars counted in the quarter-hour before: it changes at the boundary at which the
count is known, up and down alike. Paths go by the clock as it stands. Light is noted per minute against every class, and settled
at the end of each quarter-hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.lighting import required
from lamplighter.services.lighting.flows.estimate import Estimate, estimate
from lamplighter.services.lighting.layout import FigureTable, Layout
from lamplighter.services.lighting.photometry import classes, field, luminaires, quality
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.plan import AVERAGE, EDGE, GLARE, LEAST, LENGTHWISE, LUMINANCE, UNIFORMITY
from lamplighter.services.lighting.prepared import UNIT_LM, distinct_fields
from lamplighter.services.lighting.terms import BELOW, ENERGY, OVER, STEPS, UNLIT
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.outcome import OutcomeRows, no_rows

SLACK = 1e-6


@dataclass(frozen=True)
class Account:
    """The books of a quarter-hour. figures (s, 7): the worst field of each segment with its dead lamps, at full output;
    energy_wh (areas,); below, over (s, STEPS): minutes in which the class of each step was missed, or passed by 1.5;
    unlit_km_h (areas,): streets without light; before (s,): what the traffic of the quarter-hour before allowed, None at the
    start."""

    roads: tuple[tuple[RoadField, str, str], ...]
    figures: FigureTable
    energy_wh: FloatArray
    below_min: FloatArray
    over_min: FloatArray
    unlit_km_h: FloatArray
    before: IntArray | None


def open_account(city: CityData, layout: Layout) -> Account:
    """Return empty books, every lamp alive."""
    roads, _ = distinct_fields(city.tables["segments"])
    count = len(layout.segments.design)
    zero = np.zeros((count, STEPS))
    return Account(tuple(roads), layout.segments.figures, np.zeros(len(city.areas)), zero, zero, np.zeros(len(city.areas)), None)


def _lamp_output(road: RoadField, alive: BoolArray, place: int) -> FloatArray:
    """Return the output (k,) of the lamps of an endless road around the field that begins at lamp `place` of a segment.

    Beyond the segment's ends the lamps of its neighbours are taken to burn.
    """
    lamps = field.lamps_of(road)
    rows = road.rows()
    number = np.floor(lamps.x_m / road.spacing_m + 1e-6).astype(np.int64)
    at = (number + place // rows) * rows + (lamps.side < 0)
    inside = (at >= 0) & (at < len(alive))
    return np.where(inside, alive[np.clip(at, 0, len(alive) - 1)], True).astype(np.float64)


def _worst_figures(segment: int, alive: BoolArray, account: Account, layout: Layout) -> FloatArray:
    """Return (7,) the worst of each figure over the fields of a segment with dead lamps, at full output."""
    segments = layout.segments
    road, optic, surface = account.roads[int(segments.field[segment])]
    light = luminaires.luminaire(optic, UNIT_LM * float(segments.flux_klm[segment]))
    found: list[list[float]] = []
    for place in range(-road.rows(), len(alive), road.rows()):
        output = _lamp_output(road, alive, place)
        q = quality.quality(quality.coefficients(road, light, surface, output), float(segments.maintenance_ratio[segment]))
        row = [q.luminance_cd_m2, q.uniformity_ratio, q.lengthwise_ratio, q.glare_percent, q.edge_ratio]
        found.append([*row, q.illuminance_lx, q.illuminance_min_lx])
    fields = np.array(found)
    worst = fields.min(axis=0)
    worst[GLARE] = fields[:, GLARE].max()
    return worst


def refitted(account: Account, alive: BoolArray, layout: Layout) -> Account:
    """Return the books with the figures of every segment that has a dead lamp (alive (l,)) computed anew."""
    figures = layout.segments.figures.copy()
    for segment in np.unique(layout.lamp_segment[~alive]).tolist():
        own = alive[layout.lamp_segment == segment]
        figures[segment] = _worst_figures(segment, own, account, layout) if own.any() else 0.0
    return replace(account, figures=figures)


def _misses(figures: FloatArray, dimming_level: FloatArray, kind: IntArray) -> BoolArray:
    """Return (s,) whether segments at these outputs miss any criterion of these classes."""
    with np.errstate(invalid="ignore"):
        glare = figures[:, GLARE] * np.maximum(dimming_level, 1e-9) ** 0.2
    return ~(
        (figures[:, LUMINANCE] * dimming_level >= classes.LUMINANCE_CD_M2[kind] * (1 - SLACK))
        & (figures[:, UNIFORMITY] >= classes.UNIFORMITY[kind])
        & (figures[:, LENGTHWISE] >= classes.LENGTHWISE[kind])
        & (glare <= classes.GLARE_PERCENT[kind])
        & (figures[:, EDGE] >= classes.EDGE[kind])
        & (figures[:, AVERAGE] * dimming_level >= classes.ILLUMINANCE_LX[kind] * (1 - SLACK))
        & (figures[:, LEAST] * dimming_level >= classes.ILLUMINANCE_MIN_LX[kind] * (1 - SLACK))
        & (figures[:, LEAST] >= classes.ILLUMINANCE_UNIFORMITY[kind] * figures[:, AVERAGE])
    )


def minute(account: Account, dimming_level: FloatArray, dark: bool, drawn_w: FloatArray, layout: Layout) -> Account:
    """Return the books after one more minute: outputs (s,) and power (s,) of each segment."""
    segments = layout.segments
    energy = account.energy_wh + np.bincount(segments.area, weights=drawn_w, minlength=len(account.energy_wh)) / 60.0
    if not dark:
        return replace(account, energy_wh=energy)
    below, over = account.below_min.copy(), account.over_min.copy()
    for k in range(STEPS):
        kind = classes.lowered(segments.design, np.full(len(dimming_level), k))
        below[:, k] += _misses(account.figures, dimming_level, kind)
        over[:, k] += account.figures[:, AVERAGE] * dimming_level > classes.ILLUMINANCE_MAX_LX[kind] * (1 + SLACK)
    unlit_km = np.where(dimming_level <= 0.0, segments.length_m / 1000.0, 0.0)
    unlit = account.unlit_km_h + np.bincount(segments.area, weights=unlit_km, minlength=len(energy)) / 60.0
    return replace(account, energy_wh=energy, below_min=below, over_min=over, unlit_km_h=unlit)


@dataclass(frozen=True)
class Passed:
    """What truly was in a quarter-hour. counted_veh_h: flow of every asset of the city, None where no traffic is simulated;
    street_veh_h: of every street, where that is known too; move (c,): classes by which the surroundings put streets lower."""

    counted_veh_h: FloatArray | None
    street_veh_h: FloatArray | None
    move: IntArray


def needed(passed: Passed, now_s: float, layout: Layout) -> IntArray:
    """Return the classes below design (s,) that the quarter-hour ending now truly allowed.

    Streets that nobody counts are taken at the end of their estimate's interval from the true counts, where the simulation does
    not tell them.
    """
    sites = layout.sites
    if passed.street_veh_h is not None:
        every = np.ones(len(sites.street), dtype=np.bool_)
        nobody = np.zeros(sites.near.shape, dtype=np.bool_)
        found = Estimate(passed.street_veh_h[sites.street], np.zeros(len(sites.street)), every, nobody)
        layout = replace(layout, sites=replace(sites, counted=~every))
    else:
        flow = np.zeros(len(sites.counter)) if passed.counted_veh_h is None else passed.counted_veh_h[sites.counter]
        found = estimate(flow, np.full(len(flow), passed.counted_veh_h is not None), sites)
    # Where nothing is known of the traffic the design class is asked, whatever a timetable says.
    asked = required.need(required.surely(found, layout), found, passed.move, now_s - 1.0, layout)
    return np.where(layout.segments.by_traffic & ~asked.known, np.minimum(asked.moved, 0), asked.relax).clip(0)


def by_rule(relax: IntArray, before: IntArray, layout: Layout) -> IntArray:
    """Return the classes below design (..., s) that are asked for in a quarter-hour that itself allows `relax` after one that
    allowed `before`: streets that go by traffic follow the count that is known as it begins, paths the clock."""
    return np.where(layout.segments.by_traffic, before, relax)


def close_quarter(account: Account, now_s: float, passed: Passed, layout: Layout) -> tuple[Account, OutcomeRows]:
    """Return empty books and the sums of the quarter-hour that ends now."""
    allowed = needed(passed, now_s, layout)
    relax = allowed if account.before is None else by_rule(allowed, account.before, layout)
    rows = np.arange(len(relax))
    area, count = layout.segments.area, len(account.energy_wh)
    below = np.bincount(area, weights=account.below_min[rows, relax], minlength=count).astype(np.float64)
    over = np.bincount(area, weights=account.over_min[rows, relax], minlength=count).astype(np.float64)
    made = rows_of(((ENERGY, account.energy_wh / 1000.0), (BELOW, below), (OVER, over), (UNLIT, account.unlit_km_h)))
    zero = np.zeros_like(account.below_min)
    nothing = np.zeros(count)
    return replace(account, energy_wh=nothing, below_min=zero, over_min=zero, unlit_km_h=nothing, before=allowed), made


def rows_of(sums: Sequence[tuple[int, FloatArray]]) -> OutcomeRows:
    """Return outcome rows of sums per area (areas,), one outcome after the other."""
    value = np.concatenate([column for _, column in sums])
    outcome = np.concatenate([np.full(len(column), code, dtype=np.int64) for code, column in sums])
    area = np.concatenate([np.arange(len(column), dtype=np.int64) for _, column in sums])
    return OutcomeRows(outcome, area, value, np.ones(len(value)))


def joined(parts: Sequence[OutcomeRows]) -> OutcomeRows:
    """Return several tables of outcome rows as one."""
    if not parts:
        return no_rows()
    return OutcomeRows(
        np.concatenate([p.outcome for p in parts]),
        np.concatenate([p.area for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.weight for p in parts]),
    )
