# SPDX-License-Identifier: Apache-2.0
"""A made-up city slice for benchmarks: 1,000,000 lamps at scale 1, with the frames their field would send each minute."""

from pathlib import Path

import numpy as np

from lamplighter.services.lighting import build, design, grouping
from lamplighter.services.lighting.design import Road
from lamplighter.services.lighting.photometry import luminaires
from lamplighter.services.lighting.terms import (
    BOUNDARY_S,
    CABINET,
    CADENCE_S,
    CELL,
    LEVEL_STEP,
    LUMINAIRE,
    QUANTITIES,
    SEGMENT,
    Settings,
)
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import CityData, Place, Streets
from lamplighter.terms.columns import FloatArray, IntArray, TextArray
from lamplighter.terms.measurement import FRAME, FrameArray
from lamplighter.terms.service import Synthetic
from lamplighter.terms.table import Table

LAMPS = 1_000_000
LAMPS_PER_SEGMENT = 10
BLOCK_M = 0.0025  # degrees between neighbouring segments of the made-up grid
KINDS_OF_ROAD = 40
# North enough that it is dark on every winter afternoon, so that a benchmark measures deciding and not waiting.
PLACE = Place(24.94, 60.17, "Europe/Helsinki")
VOCABULARY = (*(quantity.name for quantity in QUANTITIES), "flow_veh_h")


def _no_streets() -> Streets:
    text, number = np.zeros(0, dtype=np.str_), np.zeros(0)
    whole = np.zeros(0, dtype=np.int64)
    return Streets(
        text, text, text, text, text, text, number, number, whole, number, np.zeros(0, dtype=np.bool_), text,
        np.zeros(1, dtype=np.int64), number, number,
    )  # fmt: skip


def _roads(dice: np.random.Generator) -> list[tuple[Road, str, design.Plan]]:
    """Return some designed roads of the usual kinds."""
    made: list[tuple[Road, str, design.Plan]] = []
    kinds = (("primary", 50.0, 12.8, 4), ("secondary", 50.0, 9.6, 3), ("tertiary", 50.0, 6.4, 2), ("unclassified", 50.0, 6.4, 2))
    calm = (("residential", 30.0, 6.4, 2), ("living_street", 10.0, 5.0, 1), ("footway", 5.0, 2.5, 1), ("service", 20.0, 4.0, 1))
    for number in range(KINDS_OF_ROAD):
        highway, speed, width, lanes = (kinds + calm)[number % 8]
        path = highway == "footway"
        road = Road(f"highway.{highway}", path, False, speed, width, lanes, False)
        name = design.design_class(road)
        wide = design.wide_spacing_m(road, name, "R3", 0.8)
        spacing = round(float(wide * dice.uniform(0.9, 1.0)) * 2.0) / 2.0
        made.append((road, name, design.plan(road, name, spacing, "R3", 0.8)))
    return made


def _tables(segments: int, kind: IntArray, groups: grouping.Groups, dice: np.random.Generator) -> dict[str, Table]:
    roads = _roads(dice)

    def number(values: list[float]) -> FloatArray:
        return np.array(values, dtype=np.float64)[kind]

    def text(values: list[str]) -> TextArray:
        return np.array(values, dtype=np.str_)[kind]

    ids, lamps = build.segment_ids(segments), np.full(segments, LAMPS_PER_SEGMENT, dtype=np.int64)
    flux = number([plan.rated_flux_lm for _, _, plan in roads])
    flow = number([0.0 if road.path else 900.0 * build.lanes_one_way(road) for road, _, _ in roads])
    rated_kw = np.bincount(groups.cabinet, weights=luminaires.rated_power_w(flux) * lamps, minlength=groups.cabinets) / 1000.0
    cell_of_cabinet = np.zeros(groups.cabinets, dtype=np.int64)
    cell_of_cabinet[groups.cabinet] = groups.cell
    empty = np.zeros(0, dtype=np.str_)
    return {
        "segments": {
            "id": ids,
            "name": np.full(segments, "Made-up Street"),
            "highway": text([road.highway for road, _, _ in roads]),
            "lighting_class": text([name for _, name, _ in roads]),
            "arrangement": text([plan.road.arrangement for _, _, plan in roads]),
            "optic": text([plan.optic for _, _, plan in roads]),
            "surface": np.full(segments, "R3"),
            "length_m": number([plan.road.spacing_m * LAMPS_PER_SEGMENT for _, _, plan in roads]),
            "spacing_m": number([plan.road.spacing_m for _, _, plan in roads]),
            "width_m": number([plan.road.width_m for _, _, plan in roads]),
            "lanes": np.array([plan.road.lanes for _, _, plan in roads], dtype=np.int64)[kind],
            "height_m": number([plan.road.height_m for _, _, plan in roads]),
            "overhang_m": number([plan.road.overhang_m for _, _, plan in roads]),
            "tilt_deg": number([plan.road.tilt_deg for _, _, plan in roads]),
            "rated_flux_lm": flux,
            "rated_power_w": luminaires.rated_power_w(flux),
            "maintenance_ratio": np.full(segments, 0.8),
            "luminaires": lamps,
            "volume_weight": np.array([design.volume_weight(road.highway) for road, _, _ in roads], dtype=np.int64)[kind],
            "flow_max_veh_h": flow,
            "cabinet": build.cabinet_ids(groups.cabinets)[groups.cabinet],
            "cell": build.cell_ids(groups.cells)[groups.cell],
        },
        "segment_streets": {"segment": empty, "street": empty},
        "luminaires": {
            "id": build.lamp_ids(segments * LAMPS_PER_SEGMENT),
            "segment": np.repeat(ids, LAMPS_PER_SEGMENT),
            "place": np.tile(np.arange(LAMPS_PER_SEGMENT), segments),
        },
        "cabinets": {
            "id": build.cabinet_ids(groups.cabinets),
            "cell": build.cell_ids(groups.cells)[cell_of_cabinet],
            "rated_power_kw": np.round(rated_kw, 3),
        },
        "cells": {
            "id": build.cell_ids(groups.cells),
            "luminaires": np.bincount(groups.cell, weights=lamps, minlength=groups.cells).astype(np.int64),
        },
        **grouping.no_timetables(),
    }


def made_up_city(scale: float, seed: int) -> CityData:
    """Return a city with LAMPS times scale lamps in a square grid of segments."""
    dice = np.random.default_rng([seed, 13201])
    segments = max(round(LAMPS * scale / LAMPS_PER_SEGMENT), 16)
    side = int(np.ceil(np.sqrt(segments)))
    column, row = np.arange(segments) % side, np.arange(segments) // side
    kind = dice.integers(0, KINDS_OF_ROAD, segments)
    lamps = np.full(segments, LAMPS_PER_SEGMENT, dtype=np.int64)
    groups = grouping.group(
        (column * 100.0).astype(np.float64), (row * 100.0).astype(np.float64), lamps, np.full(segments, "made-up")
    )
    tables = _tables(segments, kind, groups, dice)
    counts = (groups.cells, groups.cabinets, segments, segments * LAMPS_PER_SEGMENT)
    total = sum(counts)
    spread = np.zeros(total)
    spread[-counts[3] :] = np.repeat(column * BLOCK_M, LAMPS_PER_SEGMENT)
    assets = Assets(
        id=np.concatenate(
            [tables["cells"]["id"], tables["cabinets"]["id"], tables["segments"]["id"], tables["luminaires"]["id"]]
        ),
        kind=np.repeat(np.array([CELL, CABINET, SEGMENT, LUMINAIRE]), counts),
        service=np.full(total, build.SERVICE_NAME),
        area=np.full(total, "made-up"),
        street=np.full(total, ""),
        lon_deg=PLACE.lon0_deg + spread / 1000.0,
        lat_deg=np.full(total, PLACE.lat0_deg),
        fed_by=np.full(total, ""),
    )
    return CityData(
        name="made-up",
        title="A made-up city",
        simulated=True,
        place=PLACE,
        streets=_no_streets(),
        assets=assets,
        span=slice(0, total),
        tables=tables,
        settings=Settings(),
        vocabulary=VOCABULARY,
        areas=("made-up",),
        folder=Path("made-up"),
    )


def synthetic(scale: float, seed: int) -> Synthetic:
    """Return a made-up city of 1,000,000 lamps times scale and what its gateway says each minute."""
    city = made_up_city(scale, seed)
    kind = city.assets.kind
    word = city.vocabulary.index
    segment, cabinet, cell = (np.flatnonzero(kind == name) for name in (SEGMENT, CABINET, CELL))
    parts = [(segment, "dimming_level", round(1.0 / LEVEL_STEP)), (cabinet, "p_kw", 1500), (cabinet, "q_kvar", -180)]
    minute = np.concatenate([_frames(asset, word(name), value) for asset, name, value in parts])
    quarter = np.concatenate([_frames(cell, word("cell_energy_kwh"), 1200), _frames(cell, word("cell_light_kwh"), 1100)])

    def frames(now_s: float) -> bytes:
        minute["window"] = int(now_s - 1) // CADENCE_S
        if now_s % BOUNDARY_S >= CADENCE_S:
            return minute.tobytes()
        quarter["window"] = int(now_s - 1) // BOUNDARY_S
        return minute.tobytes() + quarter.tobytes()

    return Synthetic(city, frames)


def _frames(asset: IntArray, quantity: int, value: int) -> FrameArray:
    made = np.zeros(len(asset), dtype=FRAME)
    made["asset"], made["quantity"], made["count"], made["value"] = asset, quantity, 1, value
    return made
