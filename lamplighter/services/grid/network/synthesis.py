# SPDX-License-Identifier: Apache-2.0
"""A synthetic but sound grid along a city's streets: stations, cables, connections, charging, a ring above.

Sizes follow German practice: about 480 connections to a station of 630 kVA and 300 to one of 400 kVA, four-core
aluminium cables in the street, each with at least 100 connections, stations strung on rings with an open point.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from lamplighter.services.grid.network.catalogue import LOW_VOLTAGE_CABLES, MEDIUM_VOLTAGE_CABLES, TRANSFORMERS, CableType
from lamplighter.services.grid.network.demand import commerce, household, nodes_kw
from lamplighter.services.grid.network.streets import StreetGraph, distances, preorder, walk
from lamplighter.services.grid.terms import GROUP_CONNECTIONS_MIN, GROUP_POINTS_MIN, Settings
from lamplighter.terms.columns import FloatArray, IntArray

CONNECTIONS_OF_STATION = (300.0, 480.0)  # for 400 and 630 kVA
FEEDER_CONNECTIONS = 130.0
STATIONS_OF_RING = 24
PUBLIC_SHARE = 0.6  # stations with public charging points beside them
PUBLIC_POINTS = (GROUP_POINTS_MIN, 14)
PV_KW_CONNECTION = 0.12
SOURCE_U_PU, SOURCE_SK_MVA = 1.02, 350.0
TAP = -1  # one step up: 2.5 % for the way to the street's end
ROOF_SHARE = 0.5  # stations with a school's or a depot's roof of the city's own in their streets
ROOF_KVA = (30.0, 120.0)
REACTIVE_SHARE = 0.43  # of the rating, whatever the sun does: a power factor of 0.9 at full power (VDE-AR-N 4105:2018, 5.7.2)
TRENCH = 1.05  # a cable is a little longer than the street

Row = dict[str, object]


@dataclass
class Plan:
    """Rows of the tables while they grow, and where (graph point) and in which street each asset stands."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in (
        "nodes", "sources", "lines", "transformers", "switches", "groups", "group_points", "line_phases", "meters",
        "inverters")})  # fmt: skip
    at: dict[str, int] = field(default_factory=dict[str, int])
    kinds: dict[str, str] = field(default_factory=dict[str, str])

    def place(self, asset: str, kind: str, point: int) -> None:
        """Note that an asset of a kind stands at a graph point."""
        self.at[asset] = point
        self.kinds[asset] = kind

    def node(
        self, name: str, station: str, u_rated_v: float, point: int, homes: tuple[int, float, float, float] = (0, 0.0, 0.0, 0.0)
    ) -> None:
        """Add a node with (connections, household kWh, commerce kWh, photovoltaic kW)."""
        self.rows["nodes"].append(
            {"id": name, "station": station, "u_rated_v": u_rated_v, "point": point, "connections": homes[0],
             "household_kwh": round(homes[1]), "commerce_kwh": round(homes[2]), "pv_kw": round(homes[3], 1)}
        )  # fmt: skip
        self.at[name] = point

    def line(self, name: str, ends: tuple[str, str], cable: CableType, length_m: float) -> None:
        """Add a cable."""
        self.rows["lines"].append(
            {"id": name, "from_node": ends[0], "to_node": ends[1], "type": cable.name, "length_m": round(max(length_m, 5.0), 1),
             "r_ohm_km": cable.r_ohm_km, "x_ohm_km": cable.x_ohm_km, "c_nf_km": cable.c_nf_km, "i_n_a": cable.i_n_a}
        )  # fmt: skip
        self.place(name, "line", self.at[ends[1]])


@dataclass(frozen=True)
class Ground:
    """What a grid is laid into: streets, connections at every point, settings, and seeded dice."""

    graph: StreetGraph
    count: IntArray
    settings: Settings
    dice: np.random.Generator


def connections_at(graph: StreetGraph, settings: Settings, dice: np.random.Generator) -> IntArray:
    """Return the number of connections at every point: by street length and class, with a spread of 30 %."""
    spread = dice.lognormal(-0.045, 0.3, len(graph.weight))
    count = np.round(graph.weight / 1000.0 * settings.connections_per_km * spread)
    return np.where(graph.weight > 0, np.maximum(count, 1.0), 0.0).astype(np.int64)


def clusters(graph: StreetGraph, count: IntArray, dice: np.random.Generator) -> list[IntArray]:
    """Return points per station: subtrees of the streets cut off where they hold what a transformer is sized for."""
    root = int(np.argmin(np.hypot(graph.x_m - graph.x_m.mean(), graph.y_m - graph.y_m.mean())))
    _, before = walk(graph, root)
    order = preorder(before, root)
    target = float(dice.choice(CONNECTIONS_OF_STATION, p=(0.35, 0.65)))
    bag: dict[int, list[int]] = {int(p): [int(p)] if count[p] else [] for p in order}
    held = {int(p): float(count[p]) for p in order}
    found: list[list[int]] = []
    for here in order[::-1].tolist():
        parent = int(before[here])
        crowded = parent >= 0 and held[here] >= 0.5 * target and held[parent] + held[here] > 1.15 * target
        if held[here] >= target or crowded:
            found.append(bag[here])
            target = float(dice.choice(CONNECTIONS_OF_STATION, p=(0.35, 0.65)))
        elif parent >= 0:
            bag[parent].extend(bag[here])
            held[parent] += held[here]
        elif bag[here]:
            found.append(bag[here])
        del bag[here], held[here]
    return _merged(graph, count, [np.array(part, dtype=np.int64) for part in found if part])


def _merged(graph: StreetGraph, count: IntArray, parts: list[IntArray]) -> list[IntArray]:
    """Return the clusters with those too small for a charging group joined to their nearest neighbour."""
    while len(parts) > 1:
        held = [int(count[part].sum()) for part in parts]
        small = int(np.argmin(held))
        if held[small] >= GROUP_CONNECTIONS_MIN * 1.5:
            break
        x, y = float(graph.x_m[parts[small]].mean()), float(graph.y_m[parts[small]].mean())
        away = [
            math.hypot(graph.x_m[p].mean() - x, graph.y_m[p].mean() - y) if i != small else math.inf for i, p in enumerate(parts)
        ]
        near = int(np.argmin(away))
        parts[near] = np.concatenate([parts[near], parts[small]])
        del parts[small]
    return parts


def _feeders(count: IntArray, order: IntArray) -> list[IntArray]:
    """Cut a station's points, in walking order, into feeders of nearly equal numbers of connections, 100 or more each."""
    total = int(count[order].sum())
    for many in range(max(1, int(total / FEEDER_CONNECTIONS)), 0, -1):
        slot = np.minimum((np.cumsum(count[order]) - count[order] / 2) * many / max(total, 1), many - 1e-9).astype(np.int64)
        parts = [order[slot == k] for k in range(many)]
        if many == 1 or min(int(count[part].sum()) for part in parts) >= GROUP_CONNECTIONS_MIN:
            return parts
    return [order]


def _homes(count: int, settings: Settings, shops: float) -> tuple[int, float, float, float]:
    year = count * settings.household_kwh
    return count, year, year * settings.commerce_share * shops, PV_KW_CONNECTION * count


def _cable_for(peak_kw: float) -> CableType:
    """Return the lightest standard cable that today's peak fills to no more than 55 %."""
    for cable in LOW_VOLTAGE_CABLES:
        if peak_kw <= 0.55 * math.sqrt(3.0) * 0.4 * cable.i_n_a:
            return cable
    return LOW_VOLTAGE_CABLES[-1]


def _peak_kw(homes: list[tuple[int, float, float, float]]) -> float:
    hours = np.arange(0.0, 24.0, 0.25)
    year, shops = sum(h[1] for h in homes), sum(h[2] for h in homes)
    return float((year / 8760.0 * household(hours) + shops / 8760.0 * commerce(hours)).max())


def add_feeder(
    plan: Plan, graph: StreetGraph, name: str, points: IntArray, start: int, homes: list[tuple[int, float, float, float]]
) -> None:
    """Lay one feeder: from the station's busbar to its nearest point, then always to the nearest point not yet reached."""
    station = name.split(".")[0]
    way = distances(graph, points)
    from_station = way[:, start]
    cable = _cable_for(_peak_kw(homes))
    first = int(np.argmin(from_station))
    done, nodes = [first], {first: f"{name}.N01"}
    plan.node(nodes[first], station, 400.0, int(points[first]), homes[first])
    plan.line(f"{name}.L01", (f"{station}.B", nodes[first]), cable, float(from_station[first]) * TRENCH)
    left = [k for k in range(len(points)) if k != first]
    while left:
        between = way[np.ix_(np.array(done), points[np.array(left)])]
        near, far = np.unravel_index(int(np.argmin(between)), between.shape)
        here, there = done[int(near)], left.pop(int(far))
        nodes[there] = f"{name}.N{len(nodes) + 1:02d}"
        plan.node(nodes[there], station, 400.0, int(points[there]), homes[there])
        plan.line(f"{name}.L{len(nodes):02d}", (nodes[here], nodes[there]), cable, float(between[near, far]) * TRENCH)
        done.append(there)
    end = int(np.argmax(from_station))
    plan.rows["meters"].append({"id": f"{name}.E", "node": nodes[end]})
    plan.place(f"{name}.E", "meter", int(points[end]))


def add_private_charging(plan: Plan, name: str, first_node: int, settings: Settings, dice: np.random.Generator) -> None:
    """Spread a feeder's private points over its nodes by connections; a feeder with too few for a group has none."""
    nodes = plan.rows["nodes"][first_node:]
    count = np.array([float(str(row["connections"])) for row in nodes])
    total = round(float(count.sum()) * settings.cars_per_connection * settings.electric_share)
    if count.sum() < GROUP_CONNECTIONS_MIN or total < GROUP_POINTS_MIN:
        return
    points = dice.multinomial(total, count / count.sum())
    group = f"{name}.C"
    plan.rows["groups"].append({"id": group, "access": "private", "p_point_kw": settings.point_kw, "p_safe_kw": 0.0})
    for row, many in zip(nodes, points.tolist(), strict=True):
        if many:
            plan.rows["group_points"].append({"group": group, "node": row["id"], "points": many})
    plan.place(group, "charging_group", plan.at[str(nodes[int(np.argmax(points))]["id"])])


def add_station(plan: Plan, ground: Ground, name: str, points: IntArray) -> None:
    """Build one station with its feeders, private and (for some) public charging."""
    graph, count, settings, dice = ground.graph, ground.count, ground.settings, ground.dice
    weight = count[points].astype(np.float64)
    way = distances(graph, points)
    start = int(points[int(np.argmin(way[:, points] @ weight))])
    total = int(weight.sum())
    kind = TRANSFORMERS[settings.medium_voltage_kv][0 if total <= 390 else 1]
    plan.node(f"{name}.M", "", settings.medium_voltage_kv * 1000.0, start)
    plan.node(f"{name}.B", name, 400.0, start)
    plan.rows["transformers"].append(
        {"id": name, "from_node": f"{name}.M", "to_node": f"{name}.B", "sn_kva": kind.sn_kva, "u1_v": kind.u1_v, "u2_v": 400.0,
         "uk_pu": kind.uk_pu, "pk_kw": kind.pk_kw, "i0_pu": kind.i0_pu, "p0_kw": kind.p0_kw, "tap_position": TAP,
         "tap_step_v": kind.tap_step_v}
    )  # fmt: skip
    plan.place(name, "station", start)
    _, before = walk(graph, start)
    order = preorder(before, start)
    mine = order[np.isin(order, points)]
    for number, part in enumerate(_feeders(count, mine), start=1):
        feeder, first_node = f"{name}.F{number}", len(plan.rows["nodes"])
        shops = dice.lognormal(-0.18, 0.6, len(part))
        homes = [_homes(int(count[p]), settings, float(s)) for p, s in zip(part, shops, strict=True)]
        add_feeder(plan, graph, feeder, part, start, homes)
        add_private_charging(plan, feeder, first_node, settings, dice)
    if dice.random() < PUBLIC_SHARE:
        _add_public(plan, ground, name, start, mine)


def _add_public(plan: Plan, ground: Ground, station: str, start: int, points: IntArray) -> None:
    """Lay a cable of its own to public charging points, to the point of the station's streets nearest to 120 m away."""
    graph, settings = ground.graph, ground.settings
    many = int(ground.dice.integers(PUBLIC_POINTS[0], PUBLIC_POINTS[1] + 1))
    away = distances(graph, np.array([start]))[0][points]
    point = int(points[int(np.argmin(np.abs(away - 120.0)))])
    feeder = f"{station}.P1"
    plan.node(f"{feeder}.N01", station, 400.0, point)
    plan.line(f"{feeder}.L01", (f"{station}.B", f"{feeder}.N01"), LOW_VOLTAGE_CABLES[0], float(away[points == point][0]) * TRENCH)
    plan.rows["groups"].append({"id": f"{feeder}.C", "access": "public", "p_point_kw": settings.point_kw, "p_safe_kw": 0.0})
    plan.rows["group_points"].append({"group": f"{feeder}.C", "node": f"{feeder}.N01", "points": many})
    plan.place(f"{feeder}.C", "charging_group", point)
    plan.rows["meters"].append({"id": f"{feeder}.E", "node": f"{feeder}.N01"})
    plan.place(f"{feeder}.E", "meter", point)


def add_roofs(plan: Plan, seed: int) -> None:
    """Put the city's own inverters under half of the stations, at the farthest end of a street that has a meter."""
    dice = np.random.default_rng((seed, 0x1A7E))
    for row in plan.rows["transformers"]:
        station = str(row["id"])
        ends = [str(meter["node"]) for meter in plan.rows["meters"] if str(meter["id"]).startswith(f"{station}.F")]
        has, which, size = float(dice.random()), float(dice.random()), float(dice.uniform(*ROOF_KVA))
        if has >= ROOF_SHARE or not ends:
            continue
        node, rating = ends[int(which * len(ends))], round(size / 10.0) * 10.0
        name = f"{station}.I1"
        plan.rows["inverters"].append(
            {"id": name, "node": node, "sn_kva": rating, "q_max_kvar": round(REACTIVE_SHARE * rating, 1)}
        )
        plan.place(name, "inverter", plan.at[node])


def _tour(x: FloatArray, y: FloatArray) -> IntArray:
    """Return a short round trip from row 0 through all rows: nearest insertion order by angle, then 2-opt."""
    order = [0, *(1 + np.argsort(np.arctan2(y[1:] - y.mean(), x[1:] - x.mean()), kind="stable")).tolist()]
    better = True
    while better:
        better = False
        for i in range(1, len(order) - 1):
            for j in range(i + 1, len(order)):
                a, b, c, d = order[i - 1], order[i], order[j], order[(j + 1) % len(order)]
                old = math.hypot(x[a] - x[b], y[a] - y[b]) + math.hypot(x[c] - x[d], y[c] - y[d])
                new = math.hypot(x[a] - x[c], y[a] - y[c]) + math.hypot(x[b] - x[d], y[b] - y[d])
                if new < old - 1e-6:
                    order[i : j + 1] = order[i : j + 1][::-1]
                    better = True
    return np.array(order, dtype=np.int64)


def add_rings(plan: Plan, ground: Ground) -> int:
    """String the stations on rings from one source at the edge of town; return the number of rings."""
    graph, settings = ground.graph, ground.settings
    stations = [str(row["id"]) for row in plan.rows["transformers"]]
    place = np.array([plan.at[name] for name in stations], dtype=np.int64)
    x, y = graph.x_m[place], graph.y_m[place]
    corner = int(np.argmin((graph.x_m - graph.x_m.min()) + (graph.y_m - graph.y_m.min())))
    plan.node("MV.B", "", settings.medium_voltage_kv * 1000.0, corner)
    plan.rows["sources"].append({"id": "MV", "node": "MV.B", "u_ref_pu": SOURCE_U_PU, "sk_mva": SOURCE_SK_MVA})
    rings = max(1, math.ceil(len(stations) / STATIONS_OF_RING))
    sector = np.argsort(np.arctan2(y - graph.y_m[corner], x - graph.x_m[corner]), kind="stable")
    energy = {str(row["id"]): 0.0 for row in plan.rows["transformers"]}
    for row in plan.rows["nodes"]:
        if row["station"]:
            energy[str(row["station"])] += _peak_kw([(0, float(str(row["household_kwh"])), float(str(row["commerce_kwh"])), 0.0)])
    for ring, part in enumerate(np.array_split(sector, rings), start=1):
        order = _tour(np.append(graph.x_m[corner], x[part]), np.append(graph.y_m[corner], y[part]))
        names = ["MV.B", *(f"{stations[int(part[k - 1])]}.M" for k in order[1:].tolist()), "MV.B"]
        _add_ring(plan, ground, f"R{ring}", names, energy)
    return rings


def _add_ring(plan: Plan, ground: Ground, ring: str, names: list[str], peak_kw: dict[str, float]) -> None:
    """Lay one ring's cables, able to carry today's peak from one end alone, and open it where both halves weigh alike."""
    graph, settings = ground.graph, ground.settings
    peaks = [peak_kw[name.split(".")[0]] for name in names[1:-1]]
    cables = MEDIUM_VOLTAGE_CABLES[settings.medium_voltage_kv]
    kva = [math.sqrt(3.0) * settings.medium_voltage_kv * cable.i_n_a for cable in cables]
    cable = next((c for c, rating in zip(cables, kva, strict=True) if sum(peaks) * 1.1 <= rating), cables[-1])
    way = distances(graph, np.array([plan.at[name] for name in names]))
    for k, (near, far) in enumerate(pairwise(names)):
        name = f"{ring}.L{k + 1:02d}"
        plan.line(name, (near, far), cable, float(way[k, plan.at[far]]) * TRENCH)
        plan.place(name, "line", plan.at[far] if far != "MV.B" else plan.at[near])
    halves = np.abs(2.0 * np.concatenate(([0.0], np.cumsum(peaks))) - sum(peaks))
    opened = int(np.argmin(halves))
    plan.rows["switches"].append(
        {"id": f"{ring}.S1", "line": f"{ring}.L{opened + 1:02d}", "node": names[opened], "closed": False}
    )


def synthesise(graph: StreetGraph, settings: Settings, seed: int) -> tuple[Plan, int]:
    """Return the whole plan and the number of rings. Deterministic in streets, settings and seed."""
    dice = np.random.default_rng((seed, 0x6E1D))
    count = connections_at(graph, settings, dice)
    ground, plan = Ground(graph, count, settings, dice), Plan()
    parts = clusters(graph, count, dice)
    digits = max(2, len(str(len(parts))))
    middle = sorted(parts, key=lambda p: (-float(graph.y_m[p].mean()), float(graph.x_m[p].mean())))
    for number, points in enumerate(middle, start=1):
        add_station(plan, ground, f"ST{number:0{digits}d}", points)
    add_roofs(plan, seed)
    return plan, add_rings(plan, ground)


def today_kw(plan: Plan, hour: float) -> float:
    """Return what homes and shops of the whole plan draw at a local hour of a winter working day."""
    year = np.array([[float(str(row["household_kwh"])), float(str(row["commerce_kwh"]))] for row in plan.rows["nodes"]])
    return float(nodes_kw(year[:, 0], year[:, 1], hour).sum())
