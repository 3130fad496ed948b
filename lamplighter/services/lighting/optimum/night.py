# SPDX-License-Identifier: Apache-2.0
"""A city's certified minimum: the least output of every segment in every class it may need, and the least energy of its nights.

A segment is a straight endless road. Where a road looks the same from every luminaire, so does the best output (the programme is
convex, hence the mean of shifted optima is one too): one luminaire per row stands for all, and the programme is small.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.optimum import least
from lamplighter.services.lighting.optimum.bound import held
from lamplighter.services.lighting.optimum.least import Missed, Optimum, Task, Unreachable
from lamplighter.services.lighting.photometry import classes, columns, field, luminaires, streets, verdict
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.photometry.streets import Street
from lamplighter.services.lighting.terms import LEVEL_MIN, STEPS
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

UNIT_LM = 1000.0
StepShares = FloatArray  # (segments, STEPS): share of the power that light takes at full output


@dataclass(frozen=True)
class Certified:
    """Per segment and step, of the power that its light takes at full output: share needed and share that nothing lawful goes
    below; alike (s, STEPS): share with every lamp at one output; reached (s, STEPS): False where the class is out of reach and
    the segment stays at full output; missed: (segment, step, criterion) of those."""

    share: StepShares
    bound: StepShares
    alike: StepShares
    reached: BoolArray
    missed: tuple[tuple[int, int, Missed], ...]

    def gap_ratio(self) -> float:
        """Return the largest distance between a share and its bound, where the class is reached."""
        gap = np.where(self.reached, (self.share - self.bound) / self.share, 0.0)
        return float(gap.max()) if gap.size else 0.0


@dataclass(frozen=True)
class Energy:
    """Energy of cells (c,) over some nights: at full output, least with a common step per cell, least with every segment in its
    own class, and the bound of the latter. Gear draws its power in all of them."""

    full_kwh: FloatArray
    cells_kwh: FloatArray
    segments_kwh: FloatArray
    bound_kwh: FloatArray


def street_of(road: RoadField, light: int, surface: int) -> Street:
    """Return one spacing of an endless road as a street that repeats itself."""
    lamps = field.lamps_of(road)
    once = np.flatnonzero((lamps.x_m >= 0.0) & (lamps.x_m < road.spacing_m - 1e-9))
    kind = np.full(len(once), light, dtype=np.int64)
    place = lamps.x_m[once], lamps.y_m[once], lamps.side[once]
    return Street(*place, kind, road.spacing_m, road.width_m, road.lanes, road.height_m, road.tilt_deg, surface)


def task_of(road: RoadField, optic: str, surface: str, kind: int, scale: tuple[float, float, float]) -> Task:
    """Return the least-power task of an endless road; scale: flux in klm, light's watts at full output, maintenance factor."""
    flux_klm, power_w, maintenance = scale
    fields, poles, _ = streets.fields_of_streets([street_of(road, 0, 0)], [bool(classes.LUMINANCE_CD_M2[kind] > 0)])
    optics = (columns.lights_of([luminaires.luminaire(optic, UNIT_LM)]), columns.surfaces_of([surface]))
    stored = verdict.store(fields, poles, optics, verdict.blocks_for(np.array([kind])), np.float64)
    stored = verdict.Stored(stored.fields, stored.run, stored.start, stored.values * flux_klm, stored.lamp)
    rows = road.rows()
    return Task(stored, np.full(rows, power_w), np.full(rows, LEVEL_MIN), np.ones(rows), kind, maintenance)


def certified(layout: Layout, roads: list[tuple[RoadField, str, str]]) -> Certified:
    """Return the least shares of every segment at every step, each distinct road and class solved once.

    roads: the distinct fields that `layout.segments.field` points to.
    """
    segments = layout.segments
    count = len(segments.design)
    share, bound, alike = (np.ones((count, STEPS)) for _ in range(3))
    reached = np.ones((count, STEPS), dtype=np.bool_)
    missed: list[tuple[int, int, Missed]] = []
    known: dict[tuple[int, float, float, float, int], tuple[Optimum | Unreachable, Optimum | Unreachable]] = {}
    for step in range(STEPS):
        kind = classes.lowered(segments.design, np.full(count, step))
        for s in range(count):
            light_w = float(segments.power_w[s]) - GEAR_W
            scale = (float(segments.flux_klm[s]), light_w, float(segments.maintenance_ratio[s]))
            key = (int(segments.field[s]), *scale, int(kind[s]))
            if key not in known:
                road, optic, surface = roads[key[0]]
                task = task_of(road, optic, surface, key[4], scale)
                known[key] = (least.per_lamp(task), least.uniform(task))
            each, same = known[key]
            if isinstance(each, Optimum):
                whole = light_w * roads[key[0]][0].rows()
                share[s, step], bound[s, step] = each.power_w / whole, each.bound_w / whole
                alike[s, step] = same.power_w / whole if isinstance(same, Optimum) else 1.0
            else:
                reached[s, step] = False
                missed += [(s, step, reason) for reason in each.missed]
    return Certified(share, bound, alike, reached, tuple(missed))


def relaxed(layout: Layout, volume_weight: IntArray) -> IntArray:
    """Return (s, 96) classes below its design class that each local quarter-hour allows a segment.

    volume_weight (96,): the weight of traffic volume after CEN/TR 13201-1, -1 to 1, on roads that go by traffic; paths go by
    the quiet hours.
    """
    segments = layout.segments
    hour = np.arange(len(volume_weight)) / 4.0
    begin, end = layout.quiet_from_h % 24.0, layout.quiet_to_h
    quiet = (hour >= begin) & (hour < end) if begin <= end else (hour >= begin) | (hour < end)
    by_flow = np.clip(segments.volume_weight[:, None] - volume_weight[None, :], 0, STEPS - 1)
    by_clock = (segments.design >= classes.code("P1"))[:, None] & quiet[None, :]
    return np.where(segments.by_traffic[:, None], by_flow, by_clock).astype(np.int64)


def energy(layout: Layout, found: Certified, relax: IntArray, hours_h: FloatArray) -> Energy:
    """Return the least energy per cell; relax (q, s): classes below design that each quarter-hour allows; hours_h (q,): burnt."""
    segments, cells = layout.segments, len(layout.cell_asset)
    light_kw = (segments.power_w - GEAR_W) * segments.lamps / 1000.0
    gear_kw = np.bincount(segments.cell, weights=segments.lamps * GEAR_W / 1000.0, minlength=cells)
    most = np.where(segments.by_traffic, layout.relax_most, STEPS - 1)
    allowed = np.full((len(relax), cells), STEPS - 1, dtype=np.int64)
    for q in range(len(relax)):
        bounds = np.where(relax[q] < most, relax[q], STEPS - 1)
        np.minimum.at(allowed[q], segments.cell[segments.by_traffic], bounds[segments.by_traffic])
    common = np.where(segments.by_traffic, np.minimum(held(allowed)[:, segments.cell], most), relax)
    every = np.arange(len(segments.design))

    def kwh(shares: StepShares, step: IntArray) -> FloatArray:
        per_segment = sum((hours_h[q] * shares[every, step[q]] for q in range(len(step))), np.zeros(len(every)))
        return np.bincount(segments.cell, weights=per_segment * light_kw, minlength=cells) + gear_kw * hours_h.sum()

    full = np.bincount(segments.cell, weights=light_kw, minlength=cells) * hours_h.sum() + gear_kw * hours_h.sum()
    return Energy(full, kwh(found.share, common), kwh(found.share, relax), kwh(found.bound, relax))
