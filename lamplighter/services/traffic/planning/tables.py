# SPDX-License-Identifier: Apache-2.0
"""Plans and detectors as the tables of a city folder, and the assets that they speak of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.services.traffic import terms
from lamplighter.services.traffic.planning.clearance import length_m
from lamplighter.services.traffic.planning.detectors import Detector
from lamplighter.services.traffic.planning.network import FOOT, RAIL, Connection, RoadNetwork
from lamplighter.services.traffic.planning.plan import PERMISSIVE_SHARE, SATURATION_PCU_H, Plan
from lamplighter.services.traffic.planning.timeline import link_count
from lamplighter.terms.columns import AnyArray, FloatArray
from lamplighter.terms.table import Table, TableSpec

KINDS: Mapping[str, type] = {"text": str, "int": int, "float": float, "bool": bool}
BASE_KW, PER_SIGNAL_KW = 0.08, 0.012  # a signal_controller with its detectors, and one LED signal head (own estimate)


@dataclass(frozen=True)
class AssetRows:
    """Assets in order: id, kind, street (may be empty) and place_m (n, 2) in metres of the network."""

    id: tuple[str, ...]
    kind: tuple[str, ...]
    street: tuple[str, ...]
    place_m: FloatArray


def intersection_ids(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Return the asset ids of the intersections: J01, J02 ... in the order of the network."""
    digits = max(2, len(str(len(plans))))
    return tuple(f"J{number:0{digits}d}" for number in range(1, len(plans) + 1))


def group_id(intersection: str, group: int) -> str:
    """Return the asset id of a signal_group."""
    return f"{intersection}-G{group:02d}"


def detector_ids(found: Sequence[Detector], ids: Sequence[str]) -> tuple[str, ...]:
    """Return the asset ids of detectors: J01-L01 (loop), J01-A01 (lane area), J01-C01 (call button), K001 (counter)."""
    letter = {terms.LOOP: "L", terms.LANE_AREA: "A", terms.CALL_BUTTON: "C", terms.COUNTER: "K"}
    counts: dict[str, int] = {}
    named: list[str] = []
    for one in found:
        start = letter[one.kind] if one.intersection is None else f"{ids[one.intersection]}-{letter[one.kind]}"
        counts[start] = counts.get(start, 0) + 1
        named.append(f"{start}{counts[start]:0{3 if one.intersection is None else 2}d}")
    return tuple(named)


def name_of(network: RoadNetwork, plan: Plan) -> str:
    """Return the names of the streets that meet, the widest first; the streets crossed where people on foot cross alone."""
    lanes: dict[str, int] = {}
    for c in plan.signal.connections:
        if c.kind != FOOT and network.edges[c.from_edge].name:
            name = network.edges[c.from_edge].name
            lanes[name] = max(lanes.get(name, 0), len(network.edges[c.from_edge].lanes))
    best = sorted(lanes, key=lambda name: (-lanes[name], name))[:3]
    if plan.lone_crossing:
        rails = all(c.kind in (FOOT, RAIL) for c in plan.signal.connections)
        return f"Crossing of {best[0]}" if best else "Tram crossing" if rails else "Crossing"
    return " / ".join(best) if best else "Intersection"


def tables(network: RoadNetwork, plans: Sequence[Plan], found: Sequence[Detector]) -> dict[str, Table]:
    """Return every table of the service but `flows`."""
    ids = intersection_ids(plans)
    named = detector_ids(found, ids)
    rows: dict[str, list[tuple[object, ...]]] = {spec.name: [] for spec in terms.TABLES}
    for name, plan in zip(ids, plans, strict=True):
        _plan_rows(rows, network, name, plan)
    for name, one in zip(named, found, strict=True):
        owner = "" if one.intersection is None else ids[one.intersection]
        rows["detectors"].append((name, one.kind, one.role, owner, terms.cell(list(one.groups)), one.street, one.lane,
                                  round(one.position_m, 2), round(one.length_m, 2), " ".join(one.beside)))  # fmt: skip
    return {spec.name: columns(spec, rows[spec.name]) for spec in terms.TABLES if spec is not terms.FLOWS}


def columns(spec: TableSpec, rows: Sequence[tuple[object, ...]]) -> Table:
    """Return rows as the columns of a table."""
    made: dict[str, AnyArray] = {}
    for n, column in enumerate(spec.columns):
        values = [row[n] for row in rows]
        made[column.name] = np.asarray(values, dtype=KINDS[column.kind]) if values else np.zeros(0, dtype=KINDS[column.kind])
    return made


def _plan_rows(rows: dict[str, list[tuple[object, ...]]], network: RoadNetwork, name: str, plan: Plan) -> None:
    times, stages = plan.times, plan.stage_plan
    heads = sum(2 if c.kind == FOOT else 1 for c in plan.signal.connections)
    rows["intersections"].append((name, plan.signal.id, name_of(network, plan), plan.cycle_s, plan.offset_s, plan.lone_crossing,
                                  link_count(plan), round(BASE_KW + PER_SIGNAL_KW * heads, 3)))  # fmt: skip
    gives = {g for stage in stages.stages for g in stage.permissive}
    for g, group in enumerate(stages.groups):
        mine = [plan.signal.connections[m] for m in plan.members[g]]
        walk_m = max((length_m(c.path_m) for c in mine if c.kind == FOOT), default=0.0)
        rows["signal_groups"].append((
            group_id(name, g), name, g, group.kind, terms.cell(list(group.links)), times.green_min_s[g], times.red_max_s[g],
            times.yellow_s[g], times.red_amber_s[g], times.clearance_s[g], round(walk_m, 2), times.walk_m_s[g],
        ))  # fmt: skip
        for c in mine:
            rows["movements"].append(_movement(name, g, c, g in gives))
    size = len(stages.groups)
    rows["intergreens"] += [
        (
            name,
            g,
            h,
            times.intergreen_s[g, h],
            bool(stages.shared[g, h]),
            *_centimetres(times.cycle_clear_m[g, h], times.cycle_enter_m[g, h]),
        )
        for g in range(size)
        for h in range(size)
        if stages.conflict[g, h]
    ]
    for number, stage in enumerate(stages.stages):
        rows["stages"].append((name, number, terms.cell(list(stage.groups)), terms.cell(list(stage.permissive))))
    for position, (stage, split_s) in enumerate(zip(plan.order, plan.split_s, strict=True)):
        rows["programmes"].append((name, position, stage, float(split_s)))


def _centimetres(clear_m: float, enter_m: float) -> tuple[float, float]:
    """Return ways as the table keeps them, rounded so that they never ask for more than the whole seconds derived of them."""
    return float(np.floor(clear_m * 100) / 100), float(np.ceil(enter_m * 100) / 100)


def _movement(name: str, group: int, c: Connection, gives: bool) -> tuple[object, ...]:
    full_pcu_h = 0.0 if c.kind == FOOT else SATURATION_PCU_H[c.turn]
    flow_pcu_h = round(full_pcu_h * (PERMISSIVE_SHARE if gives and c.turn != "right" else 1.0))
    return (name, c.link, group, c.kind, c.from_edge, c.from_lane, c.to_edge, c.to_lane, c.turn, flow_pcu_h, gives)


def asset_rows(network: RoadNetwork, plans: Sequence[Plan], found: Sequence[Detector]) -> AssetRows:
    """Return every asset of the service: each intersection, then all groups, then all detectors."""
    ids = intersection_ids(plans)
    rows: list[tuple[str, str, str, FloatArray]] = []
    for name, plan in zip(ids, plans, strict=True):
        spots = np.stack([c.path_m.mean(axis=0) for c in plan.signal.connections])
        first = next((c.from_edge for c in plan.signal.connections if c.kind != FOOT), plan.signal.connections[0].from_edge)
        rows.append((name, terms.INTERSECTION, first, spots.mean(axis=0)))
    for name, plan in zip(ids, plans, strict=True):
        for g, members in enumerate(plan.members):
            mine = [plan.signal.connections[m] for m in members]
            spots = np.stack([c.path_m.mean(axis=0) if c.kind == FOOT else c.path_m[0] for c in mine])
            rows.append((group_id(name, g), terms.SIGNAL_GROUP, mine[0].from_edge, spots.mean(axis=0)))
    for name, one in zip(detector_ids(found, ids), found, strict=True):
        shape = network.edges[one.street].lanes[one.lane].shape_m
        share = (one.position_m + one.length_m / 2) / max(network.edges[one.street].lanes[one.lane].length_m, 0.1)
        rows.append((name, one.kind, one.street, _along(shape, 0.5 if one.kind == terms.CALL_BUTTON else share)))
    return AssetRows(
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        np.stack([row[3] for row in rows]) if rows else np.zeros((0, 2)),
    )


def _along(shape_m: FloatArray, share: float) -> FloatArray:
    steps_m = np.linalg.norm(np.diff(shape_m, axis=0), axis=1)
    along_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    at_m = min(1.0, max(0.0, share)) * float(along_m[-1])
    return np.asarray([np.interp(at_m, along_m, shape_m[:, k]) for k in (0, 1)])
