# SPDX-License-Identifier: Apache-2.0
"""Turns a city's tables into the arrays of `layout`: photometry once, neighbours once, local time once."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.lighting import plan, stretches
from lamplighter.services.lighting.flows import network
from lamplighter.services.lighting.flows.network import Related
from lamplighter.services.lighting.layout import REST, WORK, Layout, Local, Points, Segments, Sites, Surroundings, Timetables
from lamplighter.services.lighting.obtrusive import facades
from lamplighter.services.lighting.photometry import classes, luminaires, quality
from lamplighter.services.lighting.photometry.field import RoadField
from lamplighter.services.lighting.selection import weights
from lamplighter.services.lighting.terms import CABINET, CELL, COUNTER, LUMINAIRE, STEPS, Settings
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table

UNIT_LM = 1000.0
NEIGHBOURS = 6
FAR_M = 1000.0  # a counter of the same road class says half as much that far away
LEFT_MOST_RATIO = 0.9  # standard deviation of an estimate, of the estimate itself
QUARTERS = 96
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


def local_time(timezone: str, holidays: tuple[str, ...] = ()) -> Local:
    """Return the offsets of local time as a table, exact to the hour in which they change, and the holidays (ISO dates)."""
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
    dates = np.array(sorted(holidays), dtype="datetime64[D]").astype(np.int64)
    return Local(np.array(begins), np.array(offsets), dates)


def _sites(city: CityData, table: Table, settings: Settings) -> Sites:
    """Return where flow is counted, and the directions of each segment with the counters that say most about them."""
    streets, assets = city.streets, city.assets
    counter = np.flatnonzero(assets.kind == COUNTER)
    row = _index(streets.id, assets.street[counter])
    counter, row = counter[row >= 0], row[row >= 0]
    lit = city.tables["segment_streets"]
    street, segment = _index(streets.id, lit["street"]), _index(table["id"], lit["segment"])
    moving = (street >= 0) & (segment >= 0)
    driven = (table["flow_max_veh_h"] > 0) & ~np.char.startswith(table["lighting_class"], "P")
    moving[moving] = driven[segment[moving]]
    street, segment = street[moving], segment[moving]
    order = np.lexsort((street, segment))
    street, segment = street[order], segment[order]
    offsets = np.searchsorted(segment, np.arange(len(table["id"]) + 1)).astype(np.int64)
    per_lane = settings.flow_max_per_lane_veh_h
    flow_max = per_lane * np.maximum(streets.lanes[street], 1).astype(np.float64)
    related = network.relate(streets, row, per_lane)
    near = _nearest(city, related, street, row)
    at, own = np.maximum(near, 0), related.own_ratio[street]
    if len(row):
        towards = related.between_ratio[street][np.arange(len(street))[:, None], at]
        among = related.between_ratio[row][at[:, :, None], at[:, None, :]]
        usual_near, counted = related.usual_veh_h[row[at]], (near[:, 0] >= 0) & (row[at[:, 0]] == street)
    else:
        towards, among = np.zeros(near.shape), np.zeros((*near.shape, NEIGHBOURS))
        usual_near, counted = np.ones(near.shape), np.zeros(len(street), dtype=np.bool_)
    # What even all counters around say little about is not known: it keeps its design class.
    near[~counted & (network.left_ratio(near >= 0, own, towards, among) > LEFT_MOST_RATIO)] = -1
    usual = related.usual_veh_h[street]
    return Sites(counter, offsets, street, flow_max, usual, near, counted, usual_near, own, towards, among)


def _nearest(city: CityData, related: Related, street: IntArray, counted: IntArray) -> IntArray:
    """Return (d, NEIGHBOURS) counters that say most about each direction: by correlation, then by road class and distance."""
    chosen = np.full((len(street), NEIGHBOURS), -1, dtype=np.int64)
    if len(counted) == 0 or len(street) == 0:
        return chosen
    streets, place = city.streets, city.place
    middle = (streets.shape_offsets[:-1] + streets.shape_offsets[1:]) // 2
    x_m, y_m = stretches.metres(streets.shape_lon_deg[middle], streets.shape_lat_deg[middle], place)
    width = min(NEIGHBOURS, len(counted))
    spread = np.sqrt(related.own_ratio[counted])
    # In blocks, so that a large city needs no table of every street by every counter besides the covariance.
    for block in np.array_split(np.arange(len(street)), max(1, len(street) * len(counted) // 4_000_000)):
        rows = street[block]
        says = related.between_ratio[rows] / (np.sqrt(related.own_ratio[rows])[:, None] * spread[None, :])
        away_m = np.hypot(x_m[rows][:, None] - x_m[counted], y_m[rows][:, None] - y_m[counted])
        alike = related.kind[rows][:, None] == related.kind[counted][None, :]
        score = says + (0.1 * alike + 0.02) / (1.0 + away_m / FAR_M) + 10.0 * (rows[:, None] == counted)
        chosen[block, :width] = np.argsort(-score, axis=1, kind="stable")[:, :width]
    return chosen


def _timetables(city: CityData, cells: TextArray) -> Timetables:
    """Return the calendars stored in the lamps, by cell, kind of day and quarter-hour."""
    rows, live, growth = (city.tables[name] for name in ("timetable", "live", "growth"))
    kinds = {"all": (WORK, REST), "work": (WORK,), "rest": (REST,)}
    step = np.zeros((2, len(cells), QUARTERS), dtype=np.int64)
    stored = np.zeros(len(cells), dtype=np.bool_)
    cell = _index(cells, rows["cell"])
    for kind in (WORK, REST):
        mine = np.flatnonzero([kind in kinds[str(d)] for d in rows["days"]]).astype(np.int64)
        mine = mine[np.lexsort((rows["from_h"][mine], cell[mine]))]
        for c in np.unique(cell[mine]).tolist():
            part = mine[cell[mine] == c]
            quarter = np.rint(rows["from_h"][part] * 4.0).astype(np.int64)
            place = np.searchsorted(quarter, np.arange(QUARTERS), side="right") - 1  # -1: what the evening before began
            step[kind, c] = rows["step"][part][place]
            stored[c] = True
    on = np.ones(len(cells), dtype=np.bool_)
    on[_index(cells, live["cell"])] = live["live"]
    ratio = np.ones((2, QUARTERS))
    columns = (growth[name].tolist() for name in ("days", "from_h", "growth_ratio"))
    for days, from_h, value in zip(*columns, strict=True):
        ratio[list(kinds[days]), round(from_h * 4.0)] = value
    return Timetables(step, stored, on, ratio)


def _segments(
    city: CityData, table: Table, fields: tuple[IntArray, FloatArray, FloatArray], cells: TextArray, cabinets: TextArray
) -> Segments:
    field, unit, facade = fields
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
    chosen = weights.load(city.settings.weights)
    share, relax = weights.relax_table(chosen, np.clip(table["volume_weight"], -1, 1), multilane, STEPS - 1)
    return Segments(
        asset=at,
        name=table["name"],
        cell=_index(cells, table["cell"]),
        cabinet=_index(cabinets, table["cabinet"]),
        area=_index(np.array(city.areas, dtype=np.str_), city.assets.area[at]),
        design=design,
        volume_weight=table["volume_weight"],
        by_traffic=moving,
        bound_share=share,
        bound_relax=relax,
        field=field,
        flux_klm=flux_klm,
        maintenance_ratio=maintenance,
        power_w=table["rated_power_w"],
        lamps=table["luminaires"],
        figures=figures,
        facade_lx=facade[field] * flux_klm,
        length_m=np.asarray(table["length_m"], dtype=np.float64),
    )


def _relax_most(segments: Segments, steady: Table, ids: TextArray) -> IntArray:
    """Return (s,) as many classes as each segment may go below its design class by traffic."""
    most = np.where(segments.by_traffic, segments.bound_relax.max(axis=1, initial=0), 0).astype(np.int64)
    row = _index(ids, steady["segment"])
    most[row] = np.minimum(most[row], steady["relax_most"])
    return most


def _surroundings(settings: Settings) -> Surroundings:
    """Return how ambient light and weather move the class, from the design's usual surroundings (weight 0) on."""
    table = weights.load(settings.weights)
    less = np.floor(-np.array(table.ambient.weight) + 1e-9).astype(np.int64)
    return Surroundings(np.array(table.ambient.value), less, int(np.floor(-table.wet_ratio + 1e-9)), table.quiet_classes)


def prepare(city: CityData) -> Layout:
    """Return the arrays of a city's street lights: photometry of every distinct field, neighbours, local time."""
    settings: Settings = city.settings
    table, cells, cabinets, lamps = (city.tables[name] for name in ("segments", "cells", "cabinets", "luminaires"))
    roads, field = distinct_fields(table)
    points, unit = points_of(roads)
    segments = _segments(city, table, (field, unit, facades.per_klm_lx(roads)), cells["id"], cabinets["id"])
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
        timetables=_timetables(city, cells["id"]),
        surroundings=_surroundings(settings),
        local=local_time(city.place.timezone, settings.holidays),
        class_share=plan.planned_share(segments.figures, segments.design, settings.output_step_share),
        relax_most=_relax_most(segments, city.tables["steady"], table["id"]),
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
        downlink_max=settings.downlink_max,
        output_step_share=settings.output_step_share,
    )
