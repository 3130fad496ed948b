# SPDX-License-Identifier: Apache-2.0
"""The street lights of a city, made up along its lit streets and paths: lamps, segments, cabinets and cells."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting import design, grouping, stretches
from lamplighter.services.lighting.design import Plan, Road
from lamplighter.services.lighting.photometry import luminaires
from lamplighter.services.lighting.stretches import Stretch
from lamplighter.services.lighting.terms import CABINET, CELL, LUMINAIRE, SEGMENT, Settings
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import BuildContext, Built, Streets
from lamplighter.terms.columns import FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table

SERVICE_NAME = "lighting"
SETBACK_M = 6.0  # no lamp nearer to the middle of a junction
PATH_SETBACK_M = 2.0
CONFLICT_M = 60.0  # shorter stretches cannot be judged by luminance from 60 m away: C class
PATH_WIDTH_MIN_M = 1.5
JITTER_SHARE = 0.10
COLUMN_BESIDE_M = 0.5


@dataclass(frozen=True)
class Segment:
    """One stretch with its lamps. lamp_x_m, lamp_y_m (n,): where they stand, in metres from the city's origin."""

    stretch: Stretch
    road: Road
    lighting_class: str
    plan: Plan
    lamp_x_m: FloatArray
    lamp_y_m: FloatArray

    def middle(self) -> tuple[float, float]:
        """Return the middle of its lamps."""
        return float(self.lamp_x_m.mean()), float(self.lamp_y_m.mean())


def _road(stretch: Stretch, streets: Streets) -> Road:
    row = stretch.longest
    path = bool(streets.kind[row] != "motor")
    width = max(round(stretch.width_m, 1), PATH_WIDTH_MIN_M)
    speed_km_h = float(streets.speed_m_s[row]) * 3.6
    conflict = stretch.length_m < CONFLICT_M
    return Road(str(streets.highway[row]), path, conflict, speed_km_h, width, stretch.lanes, stretch.one_way)


def _lamps_along(stretch: Stretch, plan: Plan, free: tuple[float, float], count: int) -> tuple[FloatArray, FloatArray]:
    """Return where the lamps stand: `count` per row, evenly over the free part of the middle line, beside the road."""
    begin, end = free
    gap = (end - begin) / count
    along: FloatArray = (begin + (np.arange(count) + 0.5) * gap).astype(np.float64)
    beside = stretch.width_m / 2.0 + COLUMN_BESIDE_M
    if plan.road.arrangement == "single":
        return _offset(stretch, along, np.full(count, beside))
    other = along if plan.road.arrangement == "opposite" else along + gap / 2.0
    every = np.concatenate([along, np.minimum(other, end)])
    side = np.concatenate([np.full(count, beside), np.full(count, -beside)])
    order = np.argsort(every, kind="stable")
    return _offset(stretch, every[order].astype(np.float64), side[order])


def _offset(stretch: Stretch, along_m: FloatArray, beside_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return points at distances along the middle line, moved to its right by `beside_m`."""
    reach = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(stretch.x_m), np.diff(stretch.y_m)))])
    x, y = np.interp(along_m, reach, stretch.x_m), np.interp(along_m, reach, stretch.y_m)
    piece = np.clip(np.searchsorted(reach, along_m, side="right") - 1, 0, len(reach) - 2)
    dx, dy = np.diff(stretch.x_m)[piece], np.diff(stretch.y_m)[piece]
    length = np.maximum(np.hypot(dx, dy), 1e-9)
    return x + dy / length * beside_m, y - dx / length * beside_m


def _segment(stretch: Stretch, streets: Streets, settings: Settings, jitter: float) -> Segment | None:
    """Return the stretch with its lamps; None where it is too short for a lamp of its own."""
    road = _road(stretch, streets)
    name = design.design_class(road)
    setback = PATH_SETBACK_M if road.path else SETBACK_M
    begin = setback if stretch.junction_start else 0.0
    end = stretch.length_m - (setback if stretch.junction_end else 0.0)
    wide = design.wide_spacing_m(road, name, settings.surface, settings.maintenance_ratio)
    free_m = end - begin
    if free_m < 0.5 * wide:
        return None
    count = max(1, round(free_m / (wide * (1.0 + jitter))))
    for more in range(4):
        # Rounded up to half a metre: the field that is computed is never tighter than the one that stands.
        spacing_m = max(float(np.ceil(free_m / (count + more) * 2.0) / 2.0), 3.0)
        made = design.plan(road, name, spacing_m, settings.surface, settings.maintenance_ratio)
        if made.meets:
            count += more
            break
    else:
        made = design.plan(
            road, name, max(float(np.ceil(free_m / count * 2.0) / 2.0), 3.0), settings.surface, settings.maintenance_ratio
        )
    lamp_x_m, lamp_y_m = _lamps_along(stretch, made, (begin, end), count)
    return Segment(stretch, road, name, made, lamp_x_m, lamp_y_m)


def _segments(context: BuildContext, settings: Settings) -> tuple[list[Segment], int]:
    """Return every segment with lamps, and how many stretches were too short for one."""
    dice = np.random.default_rng([context.seed, 13201])
    found = stretches.stretches_of(context.streets, context.place)
    jitter = dice.uniform(-JITTER_SHARE, JITTER_SHARE, len(found))
    made: list[Segment] = []
    for number, stretch in enumerate(found):
        segment = _segment(stretch, context.streets, settings, float(jitter[number]))
        if segment is not None:
            made.append(segment)
        if number % 100 == 0:
            context.progress("placing lamps", 0.8 * number / len(found))
    return made, len(found) - len(made)


def _tables(segments: list[Segment], groups: grouping.Groups, context: BuildContext, settings: Settings) -> dict[str, Table]:
    """Return the service's tables; every number that the field obeys stands in one of them."""
    streets = context.streets
    flux = np.array([s.plan.rated_flux_lm for s in segments])
    lamps = np.array([len(s.lamp_x_m) for s in segments], dtype=np.int64)
    power_w = luminaires.rated_power_w(flux)
    cabinet_kw = np.bincount(groups.cabinet, weights=power_w * lamps, minlength=groups.cabinets) / 1000.0
    ids = segment_ids(len(segments))
    flow_max = [0.0 if s.road.path else settings.flow_max_per_lane_veh_h * lanes_one_way(s.road) for s in segments]
    segment_table: Table = {
        "id": ids,
        "name": np.array([str(streets.name[s.stretch.longest]) for s in segments], dtype=np.str_),
        "highway": np.array([s.road.highway for s in segments], dtype=np.str_),
        "lighting_class": np.array([s.lighting_class for s in segments], dtype=np.str_),
        "arrangement": np.array([s.plan.road.arrangement for s in segments], dtype=np.str_),
        "optic": np.array([s.plan.optic for s in segments], dtype=np.str_),
        "surface": np.full(len(segments), settings.surface),
        "length_m": np.round([s.stretch.length_m for s in segments], 1),
        "spacing_m": np.array([s.plan.road.spacing_m for s in segments]),
        "width_m": np.array([s.plan.road.width_m for s in segments]),
        "lanes": np.array([s.plan.road.lanes for s in segments], dtype=np.int64),
        "height_m": np.array([s.plan.road.height_m for s in segments]),
        "overhang_m": np.array([s.plan.road.overhang_m for s in segments]),
        "tilt_deg": np.array([s.plan.road.tilt_deg for s in segments]),
        "rated_flux_lm": flux,
        "rated_power_w": power_w,
        "maintenance_ratio": np.full(len(segments), settings.maintenance_ratio),
        "luminaires": lamps,
        "volume_weight": np.array([design.volume_weight(s.road.highway) for s in segments], dtype=np.int64),
        "flow_max_veh_h": np.array(flow_max),
        "cabinet": cabinet_ids(groups.cabinets)[groups.cabinet],
        "cell": cell_ids(groups.cells)[groups.cell],
    }
    rows = [(number, row) for number, s in enumerate(segments) for row in s.stretch.streets]
    order: IntArray = np.concatenate([np.arange(n, dtype=np.int64) for n in lamps.tolist()])
    cell_of_cabinet = np.zeros(groups.cabinets, dtype=np.int64)
    cell_of_cabinet[groups.cabinet] = groups.cell
    return {
        "segments": segment_table,
        "segment_streets": {"segment": ids[[n for n, _ in rows]], "street": streets.id[[row for _, row in rows]]},
        "luminaires": {"id": lamp_ids(int(lamps.sum())), "segment": np.repeat(ids, lamps), "place": order},
        "cabinets": {
            "id": cabinet_ids(groups.cabinets),
            "cell": cell_ids(groups.cells)[cell_of_cabinet],
            "rated_power_kw": np.round(cabinet_kw, 3),
        },
        "cells": {
            "id": cell_ids(groups.cells),
            "luminaires": np.bincount(groups.cell, weights=lamps, minlength=groups.cells).astype(np.int64),
        },
        **grouping.no_timetables(),
    }


def lanes_one_way(road: Road) -> int:
    """Return the lanes of one direction."""
    return road.lanes if road.one_way else max(1, road.lanes // 2)


def segment_ids(count: int) -> TextArray:
    """Return the ids of so many segments."""
    return _ids("lit", count)


def lamp_ids(count: int) -> TextArray:
    """Return the ids of so many lamps."""
    return _ids("lamp", count)


def cabinet_ids(count: int) -> TextArray:
    """Return the ids of so many cabinets."""
    return _ids("pillar", count)


def cell_ids(count: int) -> TextArray:
    """Return the ids of so many cells."""
    return _ids("cell", count)


def _ids(word: str, count: int) -> TextArray:
    width = len(str(max(count - 1, 0)))
    return np.array([f"{word}-{number:0{width}d}" for number in range(count)], dtype=np.str_)


def _assets(segments: list[Segment], groups: grouping.Groups, context: BuildContext) -> Assets:
    """Return cells, cabinets, segments and lamps as asset rows; all of a cell lie in the cell's area."""
    streets = context.streets
    middle = np.array([s.middle() for s in segments]).reshape(-1, 2)
    lamps = np.array([len(s.lamp_x_m) for s in segments], dtype=np.int64)
    street = np.array([str(streets.id[s.stretch.longest]) for s in segments], dtype=np.str_)
    area = groups.area_of_cell[groups.cell]
    first = np.array([int(np.flatnonzero(groups.cabinet == c)[0]) for c in range(groups.cabinets)], dtype=np.int64)
    at_cabinet = np.array([(s.lamp_x_m[0] + 1.0, s.lamp_y_m[0] + 1.0) for s in segments]).reshape(-1, 2)[first]
    weight = np.bincount(groups.cell, minlength=groups.cells)
    at_cell = np.stack([np.bincount(groups.cell, weights=middle[:, k], minlength=groups.cells) / weight for k in (0, 1)], axis=1)
    at_lamp = np.stack([np.concatenate([s.lamp_x_m for s in segments]), np.concatenate([s.lamp_y_m for s in segments])], axis=1)
    place = np.concatenate([at_cell, at_cabinet, middle, at_lamp])
    lon_deg, lat_deg = stretches.degrees(place[:, 0], place[:, 1], context.place)
    counts = (groups.cells, groups.cabinets, len(segments), int(lamps.sum()))
    return Assets(
        id=np.concatenate([cell_ids(counts[0]), cabinet_ids(counts[1]), segment_ids(counts[2]), lamp_ids(counts[3])]),
        kind=np.repeat(np.array([CELL, CABINET, SEGMENT, LUMINAIRE]), counts),
        service=np.full(sum(counts), SERVICE_NAME),
        area=np.concatenate([groups.area_of_cell, area[first], area, np.repeat(area, lamps)]),
        street=np.concatenate([np.full(counts[0], ""), street[first], street, np.repeat(street, lamps)]),
        lon_deg=lon_deg,
        lat_deg=lat_deg,
        fed_by=np.full(sum(counts), "", dtype=np.str_),
    )


def _report(segments: list[Segment], short: int, groups: grouping.Groups) -> tuple[str, ...]:
    """Return what was made up and how, with figures."""
    lamps = sum(len(s.lamp_x_m) for s in segments)
    km = sum(s.stretch.length_m for s in segments) / 1000.0
    flux = np.concatenate([np.full(len(s.lamp_x_m), s.plan.rated_flux_lm) for s in segments])
    spacing = np.array([s.plan.road.spacing_m for s in segments])
    heights = np.array([s.plan.road.height_m for s in segments])
    power = luminaires.rated_power_w(flux)
    named = sorted({s.lighting_class for s in segments})
    split = ", ".join(
        f"{name} {sum(s.stretch.length_m for s in segments if s.lighting_class == name) / 1000:.1f} km" for name in named
    )
    failing = sum(not s.plan.meets for s in segments)
    mounting = f"{heights.min():g} to {heights.max():g} m, spacing {spacing.min():g} to {spacing.max():g} m"
    watts = f"{power.min():.0f} to {power.max():.0f} W (median {np.median(power):.0f}), {power.sum() / 1000:.1f} kW in all"
    met = "Every segment meets its class at full output."
    missed = f"{failing} segments miss a criterion of their class even at full output."
    said = (
        f"{lamps} lamps were made up along {km:.1f} km of lit streets and paths, in {len(segments)} segments (both directions "
        f"of a street are one); {short} stretches too short for a lamp of their own are lit by their neighbours."
    )
    return (
        said,
        "Crossings have no lamps of their own: those of the street they cross light them.",
        f"Design classes after CEN/TR 13201-1 by road class, speed and width: {split}.",
        f"Mounting heights {mounting} (median {np.median(spacing):g}), lamps of {watts}.",
        "Luminaires are of lamplighter's own making; each is the next product step above what its class needs.",
        missed if failing else met,
        f"{groups.cabinets} cabinets and {groups.cells} cells of 64 or more lamps that change together.",
    )


def build(context: BuildContext) -> Built:
    """Return lamps, segments, cabinets and cells along every lit street and path; seeded by the city's seed."""
    settings: Settings = context.settings
    segments, short = _segments(context, settings)
    middle = np.array([s.middle() for s in segments]).reshape(-1, 2)
    lamps = np.array([len(s.lamp_x_m) for s in segments], dtype=np.int64)
    area = np.array([str(context.streets.area[s.stretch.longest]) for s in segments], dtype=np.str_)
    groups = grouping.group(middle[:, 0], middle[:, 1], lamps, area)
    context.progress("grouping lamps into cabinets and cells", 0.9)
    tables = _tables(segments, groups, context, settings)
    return Built(_assets(segments, groups, context), tables, _report(segments, short, groups))
