# SPDX-License-Identifier: Apache-2.0
"""What the lamps of a city mean to those who live beside them: light on their facades, upward light, energy, street by street."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting.layout import DAY_S, QUARTER_S, QUARTERS, REST, WORK, Layout, Local
from lamplighter.services.lighting.mounting.candidates import UNIT_LM
from lamplighter.services.lighting.obtrusive import facades as walls
from lamplighter.services.lighting.obtrusive import upward
from lamplighter.services.lighting.obtrusive.facades import Facades
from lamplighter.services.lighting.obtrusive.limits import INTENSITY_CLASSES, Zone
from lamplighter.services.lighting.optimum.timetable import Nights
from lamplighter.services.lighting.photometry import luminaires
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

ROUNDING = 0.001  # light below this counts as none


@dataclass(frozen=True)
class Unit:
    """Per distinct road and optic (f,), per 1000 lm, new: most light on a facade, largest intensity towards it, share upward, and
    rank of the intensity class (0 none, 1 the most lenient)."""

    facade_lx: FloatArray
    facade_cd: FloatArray
    upward_share: FloatArray
    class_rank: IntArray


@dataclass(frozen=True)
class Clock:
    """hours_h (2, 96): burnt in a year in each local quarter-hour of WORK and of REST days; output_share (2, s, 96): of each
    segment then; late (96,): after curfew."""

    hours_h: FloatArray
    output_share: FloatArray
    late: BoolArray


@dataclass(frozen=True)
class Effects:
    """Columns of segments or streets (n,). *_lx: most light on a facade at full output, before and after curfew at the most that
    lamps give then by their clock; *_cd: largest intensity towards it at those; energies of a year: at full output, with the
    usual half output from 23 to 5 o'clock, and by the clock; upward_klm: at full output; class_rank as in `Unit`."""

    name: TextArray
    lamps: IntArray
    length_m: FloatArray
    full_lx: FloatArray
    early_lx: FloatArray
    late_lx: FloatArray
    early_cd: FloatArray
    late_cd: FloatArray
    upward_share: FloatArray
    upward_klm: FloatArray
    class_rank: IntArray
    full_kwh: FloatArray
    usual_kwh: FloatArray
    clock_kwh: FloatArray

    def __len__(self) -> int:
        return len(self.name)


def units(roads: list[tuple[RoadField, str, str]], facades: Facades) -> Unit:
    """Return what every distinct road and optic does to its facades and to the sky."""
    lights = [luminaires.luminaire(optic, UNIT_LM) for _, optic, _ in roads]
    found = [walls.on_facade(road, light, facades) for (road, _, _), light in zip(roads, lights, strict=True)]
    names = [None, *(one.name for one in INTENSITY_CLASSES)]
    seen: dict[tuple[str, float], tuple[float, int]] = {}
    for (road, optic, _), light in zip(roads, lights, strict=True):
        if (optic, road.tilt_deg) not in seen:
            rank = names.index(upward.intensity_class(light, road.tilt_deg))
            seen[optic, road.tilt_deg] = (upward.upward_share(light, road.tilt_deg), rank)
    above = [seen[optic, road.tilt_deg] for road, optic, _ in roads]
    return Unit(
        np.array([one.vertical_max_lx for one in found]),
        np.array([one.intensity_max_cd for one in found]),
        np.array([share for share, _ in above]),
        np.array([rank for _, rank in above], dtype=np.int64),
    )


def hours_of(nights: Nights, local: Local) -> FloatArray:
    """Return (2, 96) the hours burnt in each local quarter-hour of WORK and of REST days, by the date on which it lies."""
    many = int(nights.quarter.shape[1])
    begin_s: FloatArray = nights.middle_s[:, None] + (np.arange(many, dtype=np.float64) - many / 2) * QUARTER_S
    zone = np.clip(np.searchsorted(local.begin_s, begin_s, side="right") - 1, 0, None)
    date: FloatArray = (begin_s + local.offset_s[zone]) // DAY_S
    resting = ((date + 3) % 7 >= 5) | np.isin(date, local.holiday)  # the first day of 1970 was a Thursday
    kind = np.where(resting, REST, WORK)
    place = (kind * QUARTERS + nights.quarter).ravel()
    hours = np.bincount(place, weights=nights.burning_share.ravel(), minlength=2 * QUARTERS) * QUARTER_S / 3600.0
    return np.asarray(hours.reshape(2, QUARTERS), np.float64)


def by_volume(layout: Layout, relax: IntArray) -> FloatArray:
    """Return (2, s, 96) the output that keeps each segment in its class; relax (s, 96): classes below its design."""
    output = np.take_along_axis(layout.class_share, relax, axis=1)
    return np.stack([output, output])


def of_segments(layout: Layout, length_m: FloatArray, unit: Unit, clock: Clock) -> Effects:
    """Return what every segment's lamps do in a year; length_m (s,)."""
    segments = layout.segments
    klm, lamps = segments.flux_klm, segments.lamps
    burning = clock.hours_h > 0.0
    lit = np.where(burning[:, None, :], clock.output_share, 0.0)
    early = lit[:, :, ~clock.late].max(axis=(0, 2), initial=0.0)
    late = lit[:, :, clock.late].max(axis=(0, 2), initial=0.0)
    hour = np.arange(QUARTERS) / 4.0
    usual = np.where((hour >= 23.0) | (hour < 5.0), 0.5, 1.0)
    light_kw, gear_kw = (segments.power_w - GEAR_W) * lamps / 1000.0, GEAR_W * lamps / 1000.0
    whole = float(clock.hours_h.sum())
    lx, cd, share = unit.facade_lx[segments.field], unit.facade_cd[segments.field], unit.upward_share[segments.field]
    return Effects(
        name=segments.name,
        lamps=lamps,
        length_m=length_m,
        full_lx=lx * klm,
        early_lx=lx * klm * early,
        late_lx=lx * klm * late,
        early_cd=cd * klm * early,
        late_cd=cd * klm * late,
        upward_share=share,
        upward_klm=share * klm * lamps,
        class_rank=unit.class_rank[segments.field],
        full_kwh=(light_kw + gear_kw) * whole,
        usual_kwh=light_kw * float((clock.hours_h @ usual).sum()) + gear_kw * whole,
        clock_kwh=light_kw * np.einsum("ksq,kq->s", clock.output_share, clock.hours_h) + gear_kw * whole,
    )


def by_street(found: Effects, ids: TextArray) -> Effects:
    """Return segments of one name as one street: sums of lamps, lengths and energy, and the worst of the rest. A segment without
    a name stays alone under its id (s,)."""
    name, of = np.unique(np.where(found.name == "", ids, found.name), return_inverse=True)
    count = len(name)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(of, weights=values, minlength=count).astype(np.float64)

    def most(values: FloatArray) -> FloatArray:
        out = np.zeros(count)
        np.maximum.at(out, of, values)
        return out

    rank = np.full(count, len(INTENSITY_CLASSES), dtype=np.int64)
    np.minimum.at(rank, of, found.class_rank)
    return Effects(
        name, np.rint(total(found.lamps.astype(np.float64))).astype(np.int64), total(found.length_m), most(found.full_lx),
        most(found.early_lx), most(found.late_lx), most(found.early_cd), most(found.late_cd), most(found.upward_share),
        total(found.upward_klm), rank, total(found.full_kwh), total(found.usual_kwh), total(found.clock_kwh),
    )  # fmt: skip


def worst_ratio(found: Effects, zone: Zone) -> FloatArray:
    """Return (n,) the largest of what a street does over what its zone allows; above 1 a limit is passed. 0 allows nothing."""
    pairs = (
        (found.early_lx, zone.early_lx),
        (found.late_lx, zone.late_lx),
        (found.early_cd, zone.early_cd),
        (found.late_cd, zone.late_cd),
        (found.upward_share, zone.upward_share),
    )
    ratios = [values / limit if limit > 0.0 else np.where(values > ROUNDING, np.inf, 0.0) for values, limit in pairs]
    return np.max(np.stack(ratios), axis=0)
