# SPDX-License-Identifier: Apache-2.0
"""Turns a city's tables into the arrays of `layout`: photometry once, neighbours once, local time once."""

from collections import defaultdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.lighting import plan, stretches
from lamplighter.services.lighting.layout import Layout, Local, Points, Segments, Sites, relax_most
from lamplighter.services.lighting.photometry import classes, luminaires, quality
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.terms import CABINET, CELL, COUNTER, LUMINAIRE, Settings
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table

UNIT_LM = 1000.0
NEIGHBOURS = 4
SAME_LANES_M = 500.0  # a street with as many lanes counts as so much nearer
FROM_YEAR, TO_YEAR = 2015, 2046
_GEOMETRY = ("spacing_m", "width_m", "lanes", "height_m", "overhang_m", "tilt_deg")


def _index(ids: TextArray, wanted: TextArray) -> IntArray:
    """Return the positions of `wanted` among `ids`, -1 where missing."""
    if len(ids) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(ids)
    place = np.clip(np.searchsorted(ids[order], wanted), 0, len(ids) - 1)
    return np.where(ids[order][place] == wanted, order[place], -1).astype(np.int64)


def distinct_fields(table: Table) -> tuple[list[tuple[RoadField, str, str]], IntArray]:
    """Return the distinct fields (road, optic, surface) of a segments table, and each segment's position among them."""
    words = [np.unique(table[name], return_inverse=True) for name in ("arrangement", "optic", "surface")]
    keys = np.stack([np.asarray(code, dtype=np.float64) for _, code in words] + [table[name] for name in _GEOMETRY], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    made: list[tuple[RoadField, str, str]] = []
    for row in unique:
        arrangement, optic, surface = (str(words[k][0][int(row[k])]) for k in range(3))
        spacing, width, lanes, height, overhang, tilt = (float(v) for v in row[3:])
        road = RoadField(arrangement, spacing, width, int(lanes), height, overhang, tilt)  # pyright: ignore[reportArgumentType]
        made.append((road, optic, surface))
    return made, inverse.reshape(-1).astype(np.int64)


def points_of(fields: list[tuple[RoadField, str, str]]) -> tuple[Points, FloatArray]:
    """Return the coefficients of the fields per 1000 lm, and their figures (f, 7) per 1000 lm, new."""
    parts = [quality.coefficients(road, luminaires.luminaire(optic, UNIT_LM), surface) for road, optic, surface in fields]
    shape = np.array([(*p.luminance_cd_m2.shape, p.illuminance_lx.size) for p in parts], dtype=np.int64).reshape(-1, 4)
    figures: list[list[float]] = []
    for part in parts:
        q = quality.quality(part, 1.0)
        row = [q.luminance_cd_m2, q.uniformity_ratio, q.lengthwise_ratio, q.glare_percent, q.edge_ratio]
        figures.append([*row, q.illuminance_lx, q.illuminance_min_lx])

    def ragged(columns: list[FloatArray]) -> tuple[IntArray, FloatArray]:
        sizes = np.array([c.size for c in columns], dtype=np.int64)
        flat = np.concatenate([c.ravel() for c in columns]) if columns else np.zeros(0)
        return np.concatenate(([0], np.cumsum(sizes)))[:-1].astype(np.int64), flat

    luminance_at, luminance = ragged([p.luminance_cd_m2 for p in parts])
    illuminance_at, illuminance = ragged([p.illuminance_lx for p in parts])
    veil_at, veil = ragged([p.veil_cd_m2 for p in parts])
    strips = np.array([p.strips_lx for p in parts]).reshape(-1, 4)
    points = Points(shape, luminance_at, luminance, illuminance_at, illuminance, veil_at, veil, strips)
    return points, np.array(figures).reshape(-1, 7)


def local_time(timezone: str) -> Local:
    """Return the offsets of local time as a table, exact to the hour in which they change."""
    zone = ZoneInfo(timezone)
    begin = datetime(FROM_YEAR, 1, 1, tzinfo=UTC).timestamp()
    end = datetime(TO_YEAR, 1, 1, tzinfo=UTC).timestamp()

    def offset(at_s: float) -> float:
        shift = datetime.fromtimestamp(at_s, zone).utcoffset()
        return shift.total_seconds() if shift is not None else 0.0

    days = np.arange(begin, end, 86_400.0)
    per_day = np.array([offset(at_s) for at_s in days.tolist()])
    begins, offsets = [begin], [float(per_day[0])]
    for day in np.flatnonzero(np.diff(per_day)).tolist():
        hours = days[day] + np.arange(1, 25) * 3600.0
        first = next(at_s for at_s in hours.tolist() if offset(at_s) != offsets[-1])
        begins.append(first)
        offsets.append(offset(first))
    return Local(np.array(begins), np.array(offsets))


def _sites(city: CityData, table: Table, settings: Settings) -> Sites:
    """Return where flow is counted and which of these places each segment goes by."""
    streets, assets = city.streets, city.assets
    counter = np.flatnonzero(assets.kind == COUNTER)
    row = _index(streets.id, assets.street[counter])
    counter, row = counter[row >= 0], row[row >= 0]
    lit = city.tables["segment_streets"]
    segment_of_row = np.full(len(streets), -1, dtype=np.int64)
    segment_of_row[_index(streets.id, lit["street"])] = _index(table["id"], lit["segment"])
    gathered: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k, at in enumerate(row.tolist()):
        segment = int(segment_of_row[at])
        gathered[(0, segment) if segment >= 0 else (1, at)].append(k)
    groups = list(gathered.values())
    order = np.array([k for g in groups for k in g], dtype=np.int64)
    offsets = np.concatenate(([0], np.cumsum([len(g) for g in groups]))).astype(np.int64)
    flow_max = settings.flow_max_per_lane_veh_h * np.maximum(streets.lanes[row[order]], 1).astype(np.float64)
    first = np.array([row[g[0]] for g in groups], dtype=np.int64)
    own = np.array([number if dark == 0 else -1 for dark, number in gathered], dtype=np.int64)
    nearest = _nearest(city, table, first, own)
    return Sites(offsets, counter[order], flow_max, nearest)


def _nearest(city: CityData, table: Table, site_row: IntArray, own: IntArray) -> IntArray:
    """Return (s, NEIGHBOURS) sites: the segment's own first, then those on streets of its class, lanes and vicinity."""
    count = len(table["id"])
    chosen = np.full((count, NEIGHBOURS), -1, dtype=np.int64)
    if len(site_row) == 0:
        return chosen
    streets, place = city.streets, city.place
    middle = (streets.shape_offsets[site_row] + streets.shape_offsets[site_row + 1]) // 2
    sx, sy = stretches.metres(streets.shape_lon_deg[middle], streets.shape_lat_deg[middle], place)
    at = _index(city.assets.id, table["id"])
    x, y = stretches.metres(city.assets.lon_deg[at], city.assets.lat_deg[at], place)
    per_lane = city.settings.flow_max_per_lane_veh_h
    lanes, site_lanes = np.rint(table["flow_max_veh_h"] / per_lane).astype(np.int64), streets.lanes[site_row]
    moving = table["flow_max_veh_h"] > 0
    for highway in np.unique(table["highway"]):
        here = np.flatnonzero((table["highway"] == highway) & moving)
        alike = np.flatnonzero(streets.highway[site_row] == highway)
        if len(alike) == 0:
            continue
        # In blocks, so that a large city needs no distance table of every segment to every counter.
        for block in np.array_split(here, max(1, len(here) * len(alike) // 4_000_000)):
            away = np.hypot(x[block, None] - sx[alike], y[block, None] - sy[alike])
            away += SAME_LANES_M * (lanes[block, None] != site_lanes[alike])
            away[block[:, None] == own[alike]] = -1.0
            best = np.argsort(away, axis=1, kind="stable")[:, :NEIGHBOURS]
            chosen[block, : best.shape[1]] = alike[best]
    return chosen


def _segments(
    city: CityData, table: Table, fields: tuple[IntArray, FloatArray], cells: TextArray, cabinets: TextArray
) -> Segments:
    field, unit = fields
    flux_klm = table["rated_flux_lm"] / UNIT_LM
    maintenance = table["maintenance_ratio"]
    figures = unit[field].copy()
    for column in (plan.LUMINANCE, plan.AVERAGE, plan.LEAST):
        figures[:, column] *= flux_klm * maintenance
    figures[:, plan.GLARE] *= flux_klm**0.2
    design = _index(np.array(classes.CLASSES), table["lighting_class"])
    at = _index(city.assets.id, table["id"])
    moving = (table["flow_max_veh_h"] > 0) & (design < classes.code("P1"))
    multilane = table["flow_max_veh_h"] > city.settings.flow_max_per_lane_veh_h * 1.5
    low, high = (np.where(multilane, classes.VOLUME_MULTILANE[k], classes.VOLUME_TWO_LANE[k]) for k in (0, 1))
    return Segments(
        asset=at,
        name=table["name"],
        cell=_index(cells, table["cell"]),
        cabinet=_index(cabinets, table["cabinet"]),
        area=_index(np.array(city.areas, dtype=np.str_), city.assets.area[at]),
        design=design,
        volume_weight=table["volume_weight"],
        by_traffic=moving,
        low_share=low,
        high_share=high,
        field=field,
        flux_klm=flux_klm,
        maintenance_ratio=maintenance,
        power_w=table["rated_power_w"],
        lamps=table["luminaires"],
        figures=figures,
    )


def prepare(city: CityData) -> Layout:
    """Return the arrays of a city's street lights: photometry of every distinct field, neighbours, local time."""
    settings: Settings = city.settings
    table, cells, cabinets, lamps = (city.tables[name] for name in ("segments", "cells", "cabinets", "luminaires"))
    roads, field = distinct_fields(table)
    points, unit = points_of(roads)
    segments = _segments(city, table, (field, unit), cells["id"], cabinets["id"])
    areas = np.array(city.areas, dtype=np.str_)
    span = city.span
    own_id = city.assets.id[span]
    kind = city.assets.kind[span]

    def placed(ids: TextArray, name: str) -> IntArray:
        here = np.flatnonzero(kind == name)
        return here[_index(own_id[here], ids)] + span.start

    cell_asset, cabinet_asset = placed(cells["id"], CELL), placed(cabinets["id"], CABINET)
    return Layout(
        segments=segments,
        points=points,
        sites=_sites(city, table, settings),
        local=local_time(city.place.timezone),
        step_share=plan.planned_share(segments.figures, segments.design, relax_most(segments.volume_weight, segments.by_traffic)),
        cell_asset=cell_asset,
        cell_lamps=np.bincount(segments.cell, weights=segments.lamps, minlength=len(cell_asset)).astype(np.int64),
        cell_area=_index(areas, city.assets.area[cell_asset]),
        cabinet_asset=cabinet_asset,
        cabinet_area=_index(areas, city.assets.area[cabinet_asset]),
        cabinet_cell=_index(cells["id"], cabinets["cell"]),
        lamp_asset=placed(lamps["id"], LUMINAIRE),
        lamp_segment=_index(table["id"], lamps["segment"]),
        start=span.start,
        size=span.stop - span.start,
        vocabulary=city.vocabulary,
        asset_id=own_id,
        lon_deg=city.place.lon0_deg,
        lat_deg=city.place.lat0_deg,
        dusk_elevation_deg=settings.dusk_elevation_deg,
        quiet_from_h=settings.quiet_from_h,
        quiet_to_h=settings.quiet_to_h,
    )
