# SPDX-License-Identifier: Apache-2.0
"""Anybody's grid from a pandapower JSON file or a SimBench code, as the same tables.

What is kept: buses, lines, transformers to low voltage, switches, where loads and photovoltaics are and how large.
What is not: profiles (a household's own course of power has no place here). Loads become connection counts and yearly
energies of a class. Medium voltage begins at the upper grid's transformers, which become sources.
"""

import importlib
import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from lamplighter.services.grid.network.catalogue import TRANSFORMERS
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.streets import StreetGraph, preorder, to_metres, walk
from lamplighter.services.grid.network.synthesis import Plan
from lamplighter.services.grid.terms import GROUP_CONNECTIONS_MIN, GROUP_POINTS_MIN, Settings
from lamplighter.terms.city import Place
from lamplighter.terms.columns import FloatArray

LOW_VOLTAGE_KV = 1.0
FULL_HOURS = {"household": 1200.0, "commerce": 1800.0}  # yearly energy over a single customer's peak
SOURCE_SK_MVA = 350.0


@dataclass
class Source:
    """A pandapower net and what has been worked out: the bus that stands for each (closed couplers join buses)."""

    net: Any
    stands: dict[int, int]
    plan: Plan
    notes: list[str]


def read_net(asked: str) -> Any:
    """Return the pandapower net that `[source] grid` names. GridError says what is missing."""
    simbench = asked.startswith("simbench:")
    try:
        reader: Any = importlib.import_module("simbench" if simbench else "pandapower")
    except ImportError as error:
        raise GridError(
            f"[source] grid is {asked!r}: reading it needs {'simbench' if simbench else 'pandapower'}, which is not installed. "
            'Install it with `pip install "lamplighter[grid]"`, or take the key out for a synthetic grid. Nothing was built.'
        ) from error
    try:
        return reader.get_simbench_net(asked.removeprefix("simbench:")) if simbench else reader.from_json(str(Path(asked)))
    except Exception as error:
        raise GridError(
            f"[source] grid is {asked!r}: it cannot be read ({type(error).__name__}: {error}). Allowed is a pandapower JSON file "
            "or simbench:CODE, as in simbench:1-LV-urban6--0-sw. Mend the file or the code. Nothing was built."
        ) from error


def import_plan(asked: str, graph: StreetGraph, place: Place, settings: Settings) -> tuple[Plan, StreetGraph, tuple[str, ...]]:
    """Return the plan, the graph with the grid's own points added, and what was done, in sentences."""
    source = Source(read_net(asked), {}, Plan(), [])
    _join(source)
    graph, at = _placed(source, graph, place)
    stations = _stations(source, at, settings)
    _lines(source, at, stations)
    _charging(source, at, settings)
    rows = source.plan.rows
    if asked.startswith("simbench:"):
        source.notes.append(
            "SimBench grid data: University of Kassel, Fraunhofer IEE, RWTH Aachen, TU Dortmund; ODbL 1.0, as are these tables."
        )
    sizes = f"{len(rows['transformers'])} stations, {len(rows['nodes'])} nodes, {len(rows['lines'])} lines"
    source.notes.insert(0, f"The grid is read from {asked}: {sizes}.")
    if not rows["transformers"]:
        raise GridError(
            f"[source] grid is {asked!r}: it holds no transformer to low voltage and no load; allowed is a grid that supplies "
            "somebody. Name another file, or take the key out for a synthetic grid. Nothing was built."
        )
    return source.plan, graph, tuple(source.notes)


def _join(source: Source) -> None:
    """Let one bus stand for all that closed couplers join; leave out what is out of service."""
    net = source.net
    stands = {int(bus): int(bus) for bus in net.bus.index[net.bus.in_service.astype(bool)]}

    def root(bus: int) -> int:
        while stands[bus] != bus:
            bus = stands[bus]
        return bus

    couplers = net.switch[(net.switch.et == "b") & net.switch.closed.astype(bool)]
    for one, other in zip(couplers.bus.tolist(), couplers.element.tolist(), strict=True):
        if int(one) in stands and int(other) in stands:
            stands[root(int(other))] = root(int(one))
    source.stands = {bus: root(bus) for bus in stands}


def _geo(source: Source) -> dict[int, tuple[float, float]]:
    """Return longitude and latitude of buses that carry any."""
    found: dict[int, tuple[float, float]] = {}
    net = source.net
    if "geo" in net.bus.columns:
        for bus, text in net.bus.geo.items():
            if isinstance(text, str) and text:
                x, y = json.loads(text)["coordinates"][:2]
                found[int(bus)] = (float(x), float(y))
    return {bus: where for bus, where in found.items() if bus in source.stands and all(map(math.isfinite, where))}


def _placed(source: Source, graph: StreetGraph, place: Place) -> tuple[StreetGraph, dict[int, int]]:
    """Return the graph with a point for each bus, and the point of each bus."""
    buses = sorted(set(source.stands.values()))
    known = _geo(source)
    if len(known) < len(buses) / 2:
        x, y = _along_streets(source, buses, graph)
        source.notes.append(
            "Its buses carry no coordinates: they were laid along the city's streets, neighbours beside one another."
        )
    else:
        middle = (float(np.mean([w[0] for w in known.values()])), float(np.mean([w[1] for w in known.values()])))
        where = np.array([known.get(bus, middle) for bus in buses], dtype=np.float64)
        x, y = to_metres(place, where[:, 0], where[:, 1])
        inside = (x >= graph.x_m.min()) & (x <= graph.x_m.max()) & (y >= graph.y_m.min()) & (y <= graph.y_m.max())
        if int(np.count_nonzero(inside)) < len(x) / 2:
            x, y = _fitted(x, graph.x_m), _fitted(y, graph.y_m)
            source.notes.append("Its coordinates lie elsewhere: they were stretched onto the bounding box of the city's streets.")
    found: Any = cKDTree(np.c_[graph.x_m, graph.y_m]).query(np.c_[x, y])
    near = np.asarray(found[1], np.int64)
    first = len(graph.x_m)
    more = replace(
        graph,
        x_m=np.concatenate([graph.x_m, x]),
        y_m=np.concatenate([graph.y_m, y]),
        weight=np.concatenate([graph.weight, np.zeros(len(x))]),
        street=np.concatenate([graph.street, graph.street[near]]),
    )
    return more, {bus: first + k for k, bus in enumerate(buses)}


def _fitted(value: FloatArray, onto: FloatArray) -> FloatArray:
    low, high = float(value.min()), float(value.max())
    share = (value - low) / max(high - low, 1e-9)
    return onto.min() + (0.05 + 0.9 * share) * (onto.max() - onto.min())


def _along_streets(source: Source, buses: list[int], graph: StreetGraph) -> tuple[FloatArray, FloatArray]:
    near: dict[int, list[int]] = defaultdict(list)
    ends = [("line", "from_bus", "to_bus"), ("trafo", "hv_bus", "lv_bus")]
    for table, one, other in ends:
        rows = source.net[table]
        for a, b in zip(rows[one].tolist(), rows[other].tolist(), strict=True):
            if int(a) in source.stands and int(b) in source.stands:
                near[source.stands[int(a)]].append(source.stands[int(b)])
                near[source.stands[int(b)]].append(source.stands[int(a)])
    order: list[int] = []
    seen: set[int] = set()
    for start in buses:
        waiting = [start]
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                order.append(here)
                waiting.extend(near[here])
    root = int(np.argmin(graph.x_m + graph.y_m))
    points = preorder(walk(graph, root)[1], root)
    picked = points[np.linspace(0, len(points) - 1, len(order)).astype(np.int64)]
    x, y = dict(zip(order, graph.x_m[picked].tolist(), strict=True)), dict(zip(order, graph.y_m[picked].tolist(), strict=True))
    return np.array([x[bus] for bus in buses]), np.array([y[bus] for bus in buses])


def _homes(source: Source) -> dict[int, tuple[int, float, float, float]]:
    """Return per bus: connections, household kWh, commerce kWh, photovoltaic kW."""
    net = source.net
    found: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    active = net.load[net.load.in_service.astype(bool)]
    classes = active["profile"].tolist() if "profile" in active.columns else ["H"] * len(active)
    for bus, p_mw, kind in zip(active.bus.tolist(), active.p_mw.tolist(), classes, strict=True):
        if int(bus) in source.stands:
            household = str(kind).startswith("H") or str(kind) == "nan"
            hours = FULL_HOURS["household" if household else "commerce"]
            found[source.stands[int(bus)]][0 if household else 1] += max(float(p_mw), 0.0) * 1000.0 * hours
    for bus, p_mw in zip(net.sgen.bus.tolist(), net.sgen.p_mw.tolist(), strict=True):
        if int(bus) in source.stands:
            found[source.stands[int(bus)]][2] += max(float(p_mw), 0.0) * 1000.0
    return {bus: (max(1, round((h + c) / 2600.0)) if h + c > 0 else 0, h, c, pv) for bus, (h, c, pv) in found.items()}


def _stations(source: Source, at: dict[int, int], settings: Settings) -> dict[int, str]:
    """Add nodes, sources and transformers; return the station that supplies each bus at low voltage."""
    net, plan, homes = source.net, source.plan, _homes(source)
    kv = {bus: float(net.bus.vn_kv[bus]) for bus in at}
    low = {
        int(t): source.stands[int(b)]
        for t, b in net.trafo.lv_bus.items()
        if int(b) in source.stands and kv[source.stands[int(b)]] < LOW_VOLTAGE_KV
    }
    station = _supplied(source, {bus: f"T{t:05d}" for t, bus in low.items()})
    upper = _upper(source, kv)
    medium = [bus for bus in at if kv[bus] >= LOW_VOLTAGE_KV and bus not in upper]
    for bus in at:
        if bus in upper:
            continue
        own = homes.get(bus, (0, 0.0, 0.0, 0.0)) if kv[bus] < LOW_VOLTAGE_KV else (0, 0.0, 0.0, 0.0)
        plan.node(f"N{bus:05d}", station.get(bus, ""), kv[bus] * 1000.0, at[bus], own)
    for bus, u_pu in _source_buses(source, upper).items():
        plan.rows["sources"].append({"id": f"Q{bus:05d}", "node": f"N{bus:05d}", "u_ref_pu": u_pu, "sk_mva": SOURCE_SK_MVA})
    for t, bus in low.items():
        _transformer(source, t, bus, at)
    added = [bus for bus in medium if homes.get(bus, (0,))[0] > 0]
    for bus in added:
        _station_for(source, bus, homes[bus], at, settings)
    if added:
        source.notes.append(
            f"{len(added)} loads at medium voltage became stations of a size that fits them: the file ends above low voltage."
        )
    return station


def _upper(source: Source, kv: dict[int, float]) -> set[int]:
    """Return buses above the transformers that feed medium voltage: the upper grid is not modelled."""
    net = source.net
    pairs = [
        (source.stands.get(int(h)), source.stands.get(int(b))) for h, b in zip(net.trafo.hv_bus, net.trafo.lv_bus, strict=True)
    ]
    return {
        bus
        for bus in kv
        if any(b is not None and kv[b] >= LOW_VOLTAGE_KV and h is not None and kv[bus] >= kv[h] for h, b in pairs)
    }


def _source_buses(source: Source, upper: set[int]) -> dict[int, float]:
    net = source.net
    found: dict[int, float] = {}
    for h, b in zip(net.trafo.hv_bus.tolist(), net.trafo.lv_bus.tolist(), strict=True):
        if source.stands.get(int(h)) in upper and int(b) in source.stands:
            found[source.stands[int(b)]] = 1.02
    for bus, u_pu in zip(net.ext_grid.bus.tolist(), net.ext_grid.vm_pu.tolist(), strict=True):
        if int(bus) in source.stands and source.stands[int(bus)] not in upper:
            found[source.stands[int(bus)]] = float(u_pu)
    return found


def _supplied(source: Source, busbar: dict[int, str]) -> dict[int, str]:
    """Return the station of every low-voltage bus, following closed lines from the busbars."""
    net = source.net
    opened = {
        (int(s.element), int(s.bus)) for s in net.switch[(net.switch.et == "l") & ~net.switch.closed.astype(bool)].itertuples()
    }
    near: dict[int, list[int]] = defaultdict(list)
    for line in net.line[net.line.in_service.astype(bool)].itertuples():
        shut = {(int(line.Index), int(line.from_bus)), (int(line.Index), int(line.to_bus))} & opened
        if not shut and int(line.from_bus) in source.stands and int(line.to_bus) in source.stands:
            one, other = source.stands[int(line.from_bus)], source.stands[int(line.to_bus)]
            near[one].append(other)
            near[other].append(one)
    station: dict[int, str] = {}
    for start, name in busbar.items():
        waiting = [start]
        while waiting:
            here = waiting.pop()
            if here not in station:
                station[here] = name
                waiting.extend(near[here])
    return station


def _transformer(source: Source, number: int, bus: int, at: dict[int, int]) -> None:
    row, plan = source.net.trafo.loc[number], source.plan
    parallel = float(row.parallel) if "parallel" in row else 1.0
    sn, name = float(row.sn_mva) * 1000.0 * parallel, f"T{number:05d}"
    step, position = float(row.tap_step_percent), float(row.tap_pos) - float(row.tap_neutral)
    step, position = (step, position) if math.isfinite(step * position) else (0.0, 0.0)
    sign = -1.0 if str(row.tap_side) == "lv" else 1.0
    upper = source.stands[int(row.hv_bus)]
    plan.rows["transformers"].append(
        {"id": name, "from_node": f"N{upper:05d}", "to_node": f"N{bus:05d}", "sn_kva": sn, "u1_v": float(row.vn_hv_kv) * 1000.0,
         "u2_v": float(row.vn_lv_kv) * 1000.0, "uk_pu": float(row.vk_percent) / 100.0,
         "pk_kw": float(row.vkr_percent) / 100.0 * sn, "i0_pu": float(row.i0_percent) / 100.0,
         "p0_kw": float(row.pfe_kw) * parallel, "tap_position": round(sign * position),
         "tap_step_v": step / 100.0 * float(row.vn_hv_kv) * 1000.0}
    )  # fmt: skip
    plan.place(name, "station", at[bus])


def _station_for(
    source: Source, bus: int, homes: tuple[int, float, float, float], at: dict[int, int], settings: Settings
) -> None:
    """Add a station for a load at medium voltage: standard transformers side by side, one busbar with all connections."""
    plan, name = source.plan, f"T9{bus:05d}"
    u1_v = float(source.net.bus.vn_kv[bus]) * 1000.0
    kind = TRANSFORMERS[20.0 if u1_v > 15_000.0 else 10.0][1]
    beside = max(1, math.ceil((homes[1] + homes[2]) / 8760.0 * 2.0 / (0.65 * kind.sn_kva)))
    plan.node(f"N9{bus:05d}", name, 400.0, at[bus], homes)
    plan.rows["transformers"].append(
        {"id": name, "from_node": f"N{bus:05d}", "to_node": f"N9{bus:05d}", "sn_kva": kind.sn_kva * beside, "u1_v": u1_v,
         "u2_v": 400.0, "uk_pu": kind.uk_pu, "pk_kw": kind.pk_kw * beside, "i0_pu": kind.i0_pu, "p0_kw": kind.p0_kw * beside,
         "tap_position": -1, "tap_step_v": 0.025 * u1_v}
    )  # fmt: skip
    plan.place(name, "station", at[bus])


def _lines(source: Source, at: dict[int, int], station: dict[int, str]) -> None:
    net, plan = source.net, source.plan
    nodes = {str(row["id"]) for row in plan.rows["nodes"]}
    kept: set[int] = set()
    for line in net.line[net.line.in_service.astype(bool)].itertuples():
        ends = [source.stands.get(int(bus)) for bus in (line.from_bus, line.to_bus)]
        if None in ends or ends[0] == ends[1] or any(f"N{bus:05d}" not in nodes for bus in ends):
            continue
        one, other = int(ends[0] or 0), int(ends[1] or 0)
        side = float(line.parallel)
        plan.rows["lines"].append(
            {"id": f"L{line.Index:05d}", "from_node": f"N{one:05d}", "to_node": f"N{other:05d}", "type": str(line.std_type or ""),
             "length_m": float(line.length_km) * 1000.0, "r_ohm_km": float(line.r_ohm_per_km) / side,
             "x_ohm_km": float(line.x_ohm_per_km) / side, "c_nf_km": float(line.c_nf_per_km) * side,
             "i_n_a": float(line.max_i_ka) * 1000.0 * side * float(line.df)}
        )  # fmt: skip
        plan.place(f"L{line.Index:05d}", "line", at[other])
        kept.add(int(line.Index))
    opened = net.switch[(net.switch.et == "l") & ~net.switch.closed.astype(bool)]
    for switch in opened.itertuples():
        if int(switch.element) in kept:
            node = f"N{source.stands[int(switch.bus)]:05d}"
            plan.rows["switches"].append(
                {"id": f"W{switch.Index:05d}", "line": f"L{int(switch.element):05d}", "node": node, "closed": False}
            )


def _charging(source: Source, at: dict[int, int], settings: Settings) -> None:
    """Give each station with enough connections one group of private points, and a meter at its farthest node."""
    plan = source.plan
    of: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in plan.rows["nodes"]:
        if row["station"]:
            of[str(row["station"])].append(row)
    without = 0
    for name in sorted(of):
        count = np.array([int(str(row["connections"])) for row in of[name]])
        total = round(float(count.sum()) * settings.cars_per_connection * settings.electric_share)
        if count.sum() < GROUP_CONNECTIONS_MIN or total < GROUP_POINTS_MIN:
            without += 1
        else:
            share = np.floor(np.cumsum(count) / count.sum() * total + 1e-9).astype(np.int64)
            for row, many in zip(of[name], np.diff(share, prepend=0).tolist(), strict=True):
                if many:
                    plan.rows["group_points"].append({"group": f"{name}.C", "node": row["id"], "points": many})
            plan.rows["groups"].append(
                {"id": f"{name}.C", "access": "private", "p_point_kw": settings.point_kw, "p_safe_kw": 0.0}
            )
            plan.place(f"{name}.C", "charging_group", plan.at[name])
        ends = [str(row["id"]) for row in of[name]]
        plan.rows["meters"].append({"id": f"{name}.E", "node": ends[-1]})
        plan.place(f"{name}.E", "meter", plan.at[ends[-1]])
    if without:
        few = f"{GROUP_CONNECTIONS_MIN} connections or {GROUP_POINTS_MIN} cars"
        source.notes.append(f"{without} stations have fewer than {few}: no charging group there.")
