# SPDX-License-Identifier: Apache-2.0
"""A made-up city slice for `bench loop`: intersections of four arms in a grid, with eight measured approaches each.

Every intersection has four signal groups, each for two opposite approaches, and four stages that run one after the
other; queues grow at red and shrink at green, each approach with its own flow.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lamplighter.services.traffic import terms
from lamplighter.services.traffic.planning.tables import columns
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import CityData, Place, Streets
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray, TextArray
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.service import Synthetic
from lamplighter.terms.table import Table

INTERSECTIONS = 10_000
GROUPS, APPROACHES = 4, 8
SPLIT_S, CHANGE_S, YELLOW_S = 20, 5, 3
CYCLE_S = GROUPS * SPLIT_S
LON0_DEG, LAT0_DEG = 13.0, 52.0


def synthetic(scale: float, seed: int) -> Synthetic:
    """Return the slice (10,000 intersections at scale 1) and the frames of one second."""
    many = max(1, int(INTERSECTIONS * scale))
    assets = _assets(many)
    vocabulary = tuple(quantity.name for quantity in terms.QUANTITIES)
    city = CityData(
        name="bench",
        title="Bench",
        simulated=True,
        place=Place(LON0_DEG, LAT0_DEG, "Europe/Berlin"),
        streets=_no_streets(),
        assets=assets,
        span=slice(0, len(assets)),
        tables=_tables(many),
        settings=terms.Settings(),
        vocabulary=vocabulary,
        areas=("bench",),
        folder=Path(tempfile.gettempdir()),
    )
    return Synthetic(city, _frames(many, seed, vocabulary))


def _names(prefix: str, many: int) -> TextArray:
    return np.char.add(prefix, np.char.zfill(np.arange(many).astype(np.str_), 6))


def _assets(many: int) -> Assets:
    """Return all intersections, then all groups, then all lane areas."""
    kinds = ((terms.INTERSECTION, "J", 1), (terms.SIGNAL_GROUP, "G", GROUPS), (terms.LANE_AREA, "A", APPROACHES))
    side = int(np.ceil(np.sqrt(many)))
    number = np.concatenate([np.repeat(np.arange(many), each) for _, _, each in kinds])
    total = len(number)
    return Assets(
        id=np.concatenate([_names(prefix, many * each) for _, prefix, each in kinds]),
        kind=np.concatenate([np.full(many * each, kind) for kind, _, each in kinds]),
        service=np.full(total, "traffic"),
        area=np.full(total, "bench"),
        street=np.full(total, ""),
        lon_deg=np.asarray(LON0_DEG + 0.003 * (number % side), dtype=np.float64),
        lat_deg=np.asarray(LAT0_DEG + 0.002 * (number // side), dtype=np.float64),
        fed_by=np.full(total, ""),
    )


def _no_streets() -> Streets:
    text, number, whole = np.zeros(0, np.str_), np.zeros(0), np.zeros(0, np.int64)
    lit, offsets = np.zeros(0, np.bool_), np.zeros(1, np.int64)
    return Streets(text, text, text, text, text, text, number, number, whole, number, lit, text, offsets, number, number)


def _tables(many: int) -> dict[str, Table]:
    names = _names("J", many)
    by_group = np.repeat(names, GROUPS)
    group: IntArray = np.tile(np.arange(GROUPS), many)
    pairs = np.asarray([(g, h) for g in range(GROUPS) for h in range(GROUPS) if g != h], dtype=np.int64)
    approach: IntArray = np.tile(np.arange(APPROACHES), many)
    ones, text = np.ones(many * GROUPS), group.astype(np.str_)
    made: dict[str, Table] = {
        "intersections": {
            "id": names, "tls_id": names, "name": names, "cycle_s": np.full(many, float(CYCLE_S)),
            "offset_s": np.zeros(many), "lone_crossing": np.zeros(many, np.bool_),
            "links": np.full(many, APPROACHES), "power_kw": np.full(many, 0.4),
        },
        "signal_groups": {
            "id": _names("G", many * GROUPS), "intersection": by_group, "group": group,
            "kind": np.full(many * GROUPS, "motor"),
            "links": np.char.add(np.char.add(text, ";"), (group + GROUPS).astype(np.str_)),
            "green_min_s": 5.0 * ones, "red_max_s": 120.0 * ones, "yellow_s": YELLOW_S * ones, "red_amber_s": ones,
            "clearance_s": 2.0 * ones, "crossing_m": 0.0 * ones, "walk_m_s": terms.WALK_M_S * ones,
        },
        "intergreens": {
            "intersection": np.repeat(names, len(pairs)), "from_group": np.tile(pairs[:, 0], many),
            "to_group": np.tile(pairs[:, 1], many), "intergreen_s": np.full(many * len(pairs), float(CHANGE_S)),
            "permissive": np.zeros(many * len(pairs), np.bool_), "cycle_clear_m": np.zeros(many * len(pairs)),
            "cycle_enter_m": np.zeros(many * len(pairs)),
        },
        "stages": {"intersection": by_group, "stage": group, "groups": text, "permissive": np.full(many * GROUPS, "")},
        "programmes": {"intersection": by_group, "position": group, "stage": group, "split_s": SPLIT_S * ones},
        "detectors": _lane_areas(many, approach),
        "movements": _movements(many, approach),
    }  # fmt: skip
    return {**made, terms.FLOWS.name: columns(terms.FLOWS, [])}


def _streets_of(many: int) -> TextArray:
    return _names("S", many * APPROACHES)


def _lane_areas(many: int, approach: IntArray) -> Table:
    total = len(approach)
    return {
        "id": _names("A", total), "kind": np.full(total, terms.LANE_AREA), "role": np.full(total, "near"),
        "intersection": np.repeat(_names("J", many), APPROACHES), "groups": (approach % GROUPS).astype(np.str_),
        "street": _streets_of(many), "lane": np.zeros(total, np.int64), "position_m": np.full(total, 40.0),
        "length_m": np.full(total, 60.0), "beside": np.full(total, ""),
    }  # fmt: skip


def _movements(many: int, approach: IntArray) -> Table:
    total = len(approach)
    return {
        "intersection": np.repeat(_names("J", many), APPROACHES), "link": approach, "group": approach % GROUPS,
        "kind": np.full(total, "motor"), "from_edge": _streets_of(many), "from_lane": np.zeros(total, np.int64),
        "to_edge": _names("E", total), "to_lane": np.zeros(total, np.int64), "turn": np.full(total, "straight"),
        "saturation_flow_pcu_h": np.full(total, 1900.0), "permissive": np.zeros(total, np.bool_),
    }  # fmt: skip


def _frames(many: int, seed: int, vocabulary: tuple[str, ...]) -> Callable[[float], bytes]:
    """Return the maker of a second's frames: three values of a box, two of each group, two of each lane area."""
    dice = np.random.default_rng((seed, 0x7AF1C))
    offset_s: IntArray = dice.integers(0, CYCLE_S, many)
    flow_veh_s: FloatArray = dice.uniform(0.02, 0.11, (many, APPROACHES))
    groups, areas = many * GROUPS, many * APPROACHES
    starts = (0, many, many + groups)
    said = (("running_stage", 0, many), ("stage_elapsed_s", 0, many), ("box_mode", 0, many), ("group_state", 1, groups),
            ("group_elapsed_s", 1, groups), ("area_veh", 2, areas), ("queue_veh", 2, areas))  # fmt: skip
    rows: AnyArray = np.zeros(sum(count for _, _, count in said), FRAME)
    place, at = {}, 0
    for name, kind, count in said:
        part = rows[at : at + count]
        part["asset"], part["quantity"], part["count"] = starts[kind] + np.arange(count), vocabulary.index(name), 1
        place[name] = slice(at, at + count)
        at += count

    def frames(now_s: float) -> bytes:
        clock_s = (int(now_s) + offset_s) % CYCLE_S
        into_s = clock_s % SPLIT_S
        since_s = (clock_s[:, None] - np.arange(GROUPS) * SPLIT_S) % CYCLE_S
        green = (since_s >= CHANGE_S) & (since_s < SPLIT_S)
        yellow = (since_s >= SPLIT_S) & (since_s < SPLIT_S + YELLOW_S)
        amber = since_s == CHANGE_S - 1
        shown = np.select([green, yellow, amber], [terms.GREEN, terms.YELLOW, terms.RED_AMBER], terms.RED)
        red_s = (since_s - SPLIT_S - YELLOW_S) % CYCLE_S
        elapsed_s = np.select([green, yellow, amber], [since_s - CHANGE_S, since_s - SPLIT_S, np.zeros_like(since_s)], red_s)
        waited_s = np.tile(np.where(green, np.maximum(0, CYCLE_S - 6 * (since_s - CHANGE_S)), (since_s - SPLIT_S) % CYCLE_S), 2)
        queue = np.floor(waited_s * flow_veh_s)
        values = {"running_stage": clock_s // SPLIT_S, "stage_elapsed_s": np.maximum(0, into_s - CHANGE_S), "box_mode": 0,
                  "group_state": shown.ravel(), "group_elapsed_s": elapsed_s.ravel(), "area_veh": (queue + 1).ravel(),
                  "queue_veh": queue.ravel()}  # fmt: skip
        rows["window"] = int(now_s) - 1
        for name, value in values.items():
            rows["value"][place[name]] = value
        return rows.tobytes()

    return frames
