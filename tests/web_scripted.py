# SPDX-License-Identifier: Apache-2.0
"""A scripted engine for the tests of the page: it keeps the Engine's promises and runs a fixed play, quickly."""

import math
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

import numpy as np

from lamplighter.runtime.view import DecisionLine, Explanation, LayerValues, Scene, Series, ServiceAbout, ServiceState, View
from lamplighter.terms.asset import Assets
from lamplighter.terms.city import Place, Streets
from lamplighter.terms.outcome import Outcome
from lamplighter.terms.service import Layer
from tests.web_wishes import CLEAR, INQUIRY, WATCH, Asked, ScriptedAnswers, ScriptedDesk, Wished, box_of

BEGIN_S = 1768316400.0  # 2026-01-13 16:00 Europe/Berlin
LON0, LAT0 = 13.5097, 52.4144
M_PER_DEG_LAT = 111_320.0
M_PER_DEG_LON = M_PER_DEG_LAT * math.cos(math.radians(52.43))


def _streets(rows: list[tuple[str, str, str, str, list[tuple[float, float]]]]) -> Streets:
    """Return streets of rows (id, name, kind, highway, points in metres)."""
    points = [np.array(row[4]) for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in points])]).astype(np.int64)
    every = np.concatenate(points)
    length = np.array([float(np.hypot(*np.diff(one, axis=0).T).sum()) for one in points])
    n = len(rows)
    width = {"motor": 7.0, "cycle": 2.5, "foot": 2.0, "crossing": 3.0}
    middle = np.array([one[len(one) // 2] for one in points])
    area = np.array([f"{'NS'[int(y < 1600)]}{'WE'[int(x > 1300)]}" for x, y in middle])
    return Streets(
        id=np.array([row[0] for row in rows]),
        name=np.array([row[1] for row in rows]),
        kind=np.array([row[2] for row in rows]),
        highway=np.array([row[3] for row in rows]),
        from_node=np.array([f"a{i}" for i in range(n)]),
        to_node=np.array([f"b{i}" for i in range(n)]),
        length_m=length,
        width_m=np.array([width[row[2]] * (1.8 if "primary" in row[3] or "secondary" in row[3] else 1.0) for row in rows]),
        lanes=np.ones(n, dtype=np.int64),
        speed_m_s=np.full(n, 8.33),
        lit=np.ones(n, dtype=np.bool_),
        area=area,
        shape_offsets=offsets,
        shape_lon_deg=LON0 - 0.0192 + every[:, 0] / M_PER_DEG_LON,
        shape_lat_deg=LAT0 + every[:, 1] / M_PER_DEG_LAT,
    )


def district_streets() -> Streets | None:
    """Return the streets inside the SUMO wheel, or None where SUMO is not installed."""
    try:
        import sumo
    except ImportError:
        return None
    path = Path(sumo.SUMO_HOME) / "tools" / "game" / "DRT" / "osm.net.xml"
    if not path.is_file():
        return None
    rows: list[tuple[str, str, str, str, list[tuple[float, float]]]] = []
    for edge in ET.parse(path).getroot().iter("edge"):
        function = edge.get("function")
        lane = edge.find("lane")
        if function == "internal" or lane is None:
            continue
        highway = edge.get("type", "")
        if highway.startswith("railway"):
            continue
        shape = edge.get("shape") or lane.get("shape") or ""
        points = [(float(x), float(y)) for x, y in (pair.split(",")[:2] for pair in shape.split())]
        foot = any(word in highway for word in ("footway", "path", "steps", "track"))
        kind = {"crossing": "crossing", "walkingarea": ""}.get(function or "", "foot" if foot else "motor")
        if kind and len(points) > 1:
            rows.append((edge.get("id", ""), edge.get("name", ""), kind, highway, points))
    return _streets(rows)


def lattice_streets(segments: int) -> Streets:
    """Return a made-up town of straight streets."""
    side = max(2, math.isqrt(segments // 2))
    rows: list[tuple[str, str, str, str, list[tuple[float, float]]]] = []
    step = 2600.0 / side
    for i in range(side):
        for j in range(side):
            a, b, c = (i * step, j * step), ((i + 1) * step, j * step), (i * step, (j + 1) * step)
            rows.append((f"h{i}_{j}", f"Row {j}", "motor", "highway.residential", [a, b]))
            rows.append((f"v{i}_{j}", f"Lane {i}", "motor" if i % 5 else "foot", "highway.residential", [a, c]))
    return _streets(rows[:segments])


def _along(streets: Streets, wanted: int, seed: int) -> tuple[Any, Any, Any]:
    """Return about `wanted` places along the streets: street position, lon_deg, lat_deg."""
    ends = streets.shape_offsets
    total = float(streets.length_m.sum())
    every_m = total / wanted
    street: list[int] = []
    lon: list[float] = []
    lat: list[float] = []
    rest = every_m * 0.5
    for i in range(len(streets)):
        x = streets.shape_lon_deg[ends[i] : ends[i + 1]]
        y = streets.shape_lat_deg[ends[i] : ends[i + 1]]
        d = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x) * M_PER_DEG_LON, np.diff(y) * M_PER_DEG_LAT))])
        at = np.arange(rest, d[-1], every_m)
        rest = float((at[-1] if len(at) else rest - every_m) + every_m - d[-1])
        street += [i] * len(at)
        lon += np.interp(at, d, x).tolist()
        lat += np.interp(at, d, y).tolist()
    del seed
    return np.array(street, dtype=np.int64), np.array(lon), np.array(lat)


TRAFFIC_LAYERS = (
    Layer(
        "signals", "signal_group", "point", "group_state", 0, 3, "stage",
        "what the signals show: 0 red, 1 red-amber, 2 green, 3 yellow",
    ),
)  # fmt: skip
LIGHTING_LAYERS = (
    Layer("lamps", "luminaire", "point", "dimming_level", 0, 1, "sequential", "street lamps by output, 1 = full light"),
)
GRID_LAYERS = (
    Layer("cables", "line", "line", "loading_ratio", 0, 1.2, "sequential", "cables by loading, 1 = full"),
    Layer("stations", "transformer", "point", "loading_ratio", 0, 1.2, "sequential", "transformer stations by loading, 1 = full"),
    Layer("voltage", "node", "point", "u_pu", 0.9, 1.1, "diverging", "voltage at nodes, 1 = rated"),
)
TRAFFIC_OUTCOMES = (
    Outcome("vehicle_delay_s_per_trip", "mean", "lower", "seconds that a car loses on a trip", chart=True),
    Outcome("pedestrian_delay_s_per_trip", "mean", "lower", "seconds that somebody on foot waits", chart=True),
    Outcome("longest_red_wait_s", "max", "lower", "the longest wait at red"),
)
LIGHTING_OUTCOMES = (
    Outcome("energy_kwh", "sum", "lower", "electric energy of all lamps", chart=True),
    Outcome("below_class_min", "sum", "lower", "minutes in which a street was darker than its class demands"),
)
GRID_OUTCOMES = (
    Outcome("overload_h", "sum", "lower", "hours above the rating of a cable or transformer, added up", chart=True),
    Outcome("late_energy_kwh", "sum", "lower", "energy that cars got later than they asked for", chart=True),
    Outcome("lowest_voltage_pu", "min", "higher", "the lowest voltage at any node"),
)


def scene_of(streets: Streets, lamps: int, simulated: bool = True, title: str = "Adlershof, Berlin") -> Scene:
    """Return a scene with signals, lamps, stations and cables along the given streets."""
    lit, lamp_lon, lamp_lat = _along(streets, lamps, 1)
    sig, sig_lon, sig_lat = _along(streets, max(30, lamps // 40), 2)
    node, node_lon, node_lat = _along(streets, max(24, lamps // 60), 3)
    k, g, n = len(lit), len(sig), len(node)
    st = np.arange(0, n, 6)
    ids = (
        [f"station-{i}" for i in range(len(st))] + [f"node-{i}" for i in range(n)] + [f"cable-{i}" for i in range(n - 1)]
        + [f"lamp-{i}" for i in range(k)] + [f"J{i // 4}-{i % 4}" for i in range(g)]
    )  # fmt: skip
    cable = slice(len(st) + n, len(st) + n + n - 1)
    hop = np.array([_nearest(node_lon, node_lat, i) for i in range(1, n)])
    street_at = np.concatenate([node[st], node, node[1:], lit, sig])
    lon = np.concatenate([node_lon[st], node_lon, (node_lon[1:] + node_lon[hop]) / 2, lamp_lon, sig_lon])
    lat = np.concatenate([node_lat[st], node_lat, (node_lat[1:] + node_lat[hop]) / 2, lamp_lat, sig_lat])
    assets = Assets(
        id=np.array(ids),
        kind=np.array(["transformer"] * len(st) + ["node"] * n + ["line"] * (n - 1) + ["luminaire"] * k + ["signal_group"] * g),
        service=np.array(["grid"] * (len(st) + 2 * n - 1) + ["lighting"] * k + ["traffic"] * g),
        area=streets.area[street_at],
        street=streets.id[street_at],
        lon_deg=lon,
        lat_deg=lat,
        fed_by=np.array([""] * (len(st) + 2 * n - 1) + [f"node-{i % n}" for i in range(k + g)]),
    )
    lines = {
        "asset": np.arange(cable.start, cable.stop, dtype=np.int64),
        "lon1_deg": node_lon[1:],
        "lat1_deg": node_lat[1:],
        "lon2_deg": node_lon[hop],
        "lat2_deg": node_lat[hop],
    }
    services = (
        ServiceAbout(
            "grid", "Power grid", "Shares what is free on every cable among charging cars.", GRID_LAYERS, GRID_OUTCOMES, lines
        ),
        ServiceAbout(
            "lighting", "Street lights", "Gives each street the light its class needs.", LIGHTING_LAYERS, LIGHTING_OUTCOMES, {}
        ),
        ServiceAbout(
            "traffic",
            "Traffic signals",
            "Gives green where most wait.",
            TRAFFIC_LAYERS,
            TRAFFIC_OUTCOMES,
            {},
            (CLEAR,),
            INQUIRY,
            WATCH,
        ),
    )
    areas = tuple(sorted(set(streets.area.tolist())))
    place = Place(float(streets.shape_lon_deg.min()), float(streets.shape_lat_deg.min()), "Europe/Berlin")
    credit = ("Streets © OpenStreetMap contributors, ODbL", "Network and simulation: Eclipse SUMO, EPL-2.0")
    return Scene("adlershof", title, simulated, credit, place, streets, assets, areas, services, 1, BEGIN_S)


def _nearest(lon: Any, lat: Any, i: int) -> int:
    d = np.hypot((lon[:i] - lon[i]) * M_PER_DEG_LON, (lat[:i] - lat[i]) * M_PER_DEG_LAT)
    return int(np.argmin(d))


class Scripted(ScriptedAnswers):
    """An engine that plays: the clock runs with the wall's, values follow from the clock alone."""

    def __init__(self, scene: Scene, running: bool = True, ahead_s: float = 5400.0, moving: int = 400) -> None:
        super().__init__(scene)
        self._lock = threading.Lock()
        self._base_s, self._since = scene.begin_s + ahead_s, time.monotonic()
        self._running, self._speed = running, 20.0
        self._arms: dict[str, Literal["adaptive", "baseline"]] = {one.name: "adaptive" for one in scene.services}
        self._acts: tuple[DecisionLine, ...] = ()
        self._extra = 0
        self._moving = moving
        self._view: View | None = None
        self.calls: list[str] = []
        self._desk = ScriptedDesk(self.calls)

    def scene(self) -> Scene:
        return self._scene

    def _now(self) -> float:
        gone = (time.monotonic() - self._since) * self._speed if self._running else 0.0
        return self._base_s + gone

    def _hold(self) -> None:
        self._base_s, self._since = self._now(), time.monotonic()
        self._extra += 1

    def play(self) -> None:
        with self._lock:
            self._hold()
            self._running = True
            self.calls.append("play")

    def pause(self) -> None:
        with self._lock:
            self._hold()
            self._running = False
            self.calls.append("pause")

    def set_speed(self, speed: float) -> None:
        if not 0.1 <= speed <= 3600:
            raise ValueError(f"speed {speed:g} is outside 0.1 to 3600 times real time")
        with self._lock:
            self._hold()
            self._speed = speed
            self.calls.append(f"speed {speed:g}")

    def set_arm(self, service: str, arm: Literal["adaptive", "baseline"]) -> None:
        with self._lock:
            if service not in self._arms:
                raise KeyError(service)
            self._hold()
            self._arms[service] = arm
            self._say(service, "operator", f"the operator put {service} into the {arm} arm")
            self.calls.append(f"arm {service} {arm}")

    def hand_back(self) -> int:
        with self._lock:
            self._hold()
            self._arms = dict.fromkeys(self._arms, "baseline")
            self._say("", "hand_back", "the operator handed everything back: every box runs its own programme")
            self.calls.append("hand back")
        return 42

    def ask(self, service: str, asked: Asked) -> int:
        if service not in self._arms:
            raise KeyError(service)
        return self._desk.ask(service, asked, self._now())

    def withdraw(self, number: int) -> None:
        self._desk.withdraw(number)

    def wishes(self) -> tuple[Wished, ...]:
        return self._desk.wished

    def _say(self, service: str, kind: Literal["operator", "hand_back"], text: str) -> None:
        self._acts = (DecisionLine(self._now(), service, "", kind, text), *self._acts)[:20]

    def explain(self, asset_id: str) -> Explanation:
        assets = self._scene.assets
        at = int(assets.positions(np.array([asset_id]))[0])
        if at < 0:
            raise KeyError(asset_id)
        kind = str(assets.kind[at])
        says = {
            "luminaire": (
                "Runs at 62 % of its light.",
                "The street needs class P4 this quarter of an hour: 34 people an hour were counted, and P4 is for up to 50.",
                "At 62 % every point of the street keeps 1.0 lx or more, computed for dry road and a maintenance factor of 0.80.",
            ),
            "signal_group": ("Shows green for another 9 s at most.", "11 vehicles wait here; 3 wait on the other streets."),
        }.get(kind, ("Stands at 74 % of its rating.", "Charging on this branch is limited to 62 kW, shared evenly."))
        values = (("dimming_level", 0.62, "1", 41.0), ("p_kw", 0.0431, "kW", 41.0))
        street = str(assets.street[at])
        name = str(self._scene.streets.name[np.flatnonzero(self._scene.streets.id == street)[0]])
        return Explanation(
            asset_id, kind, str(assets.service[at]), name or street, str(assets.area[at]), str(assets.fed_by[at]), says, values,
            box_of(asset_id),
        )  # fmt: skip

    def view(self) -> View:
        with self._lock:
            now = self._now()
            version = int((now - self._scene.begin_s) / max(1.0, self._speed / 8)) + self._extra
            if self._view is None or self._view.version != version:
                self._view = self._make(now, version)
            return self._view

    def _make(self, now_s: float, version: int) -> View:
        scene = self._scene
        values = tuple(self._layer(layer, now_s) for service in scene.services for layer in service.layers)
        states = tuple(
            ServiceState(
                one.name, self._arms[one.name], int(np.sum(scene.assets.service == one.name)), 12, 5321, 7, 991_231, 3, now_s
            )
            for one in scene.services
        )
        return View(
            version, now_s, self._running, self._speed, False, self._speed * 0.97, states, values, self._cars(now_s),
            self._series(now_s), self._lines(now_s), (),
        )  # fmt: skip

    def _layer(self, layer: Layer, now_s: float) -> LayerValues:
        at = np.flatnonzero(self._scene.assets.of_kind(layer.of))
        lon, lat = self._scene.assets.lon_deg[at], self._scene.assets.lat_deg[at]
        wave = np.sin((lon - LON0) * 500 + now_s / 900) * np.cos((lat - LAT0) * 400 - now_s / 1400)
        if layer.palette == "stage":
            value = np.where((np.arange(len(at)) % 4 + now_s // 24) % 4 < 1, 2.0, np.where((now_s % 24) > 21, 3.0, 0.0) * 0)
            amber = ((np.arange(len(at)) % 4 + now_s // 24) % 4 < 1) & (now_s % 24 > 21)
            value = np.where(amber, 3.0, value)
        elif layer.palette == "diverging":
            value = 1 + 0.06 * wave
        elif layer.of == "luminaire":
            base = np.clip(0.62 + 0.36 * wave, 0.3, 1)
            value = np.round(base * 10) / 10 if self._arms.get("lighting") == "adaptive" else np.ones(len(at))
        else:
            value = np.clip(0.55 + 0.5 * wave, 0.02, 1.25)
        return LayerValues(layer.name, at, value.astype(np.float64))

    def _cars(self, now_s: float) -> dict[str, Any]:
        if not self._scene.simulated:
            return {}
        streets = self._scene.streets
        motor = np.flatnonzero((streets.kind == "motor") & (streets.length_m >= np.quantile(streets.length_m, 0.3)))
        n = self._moving
        on = motor[(np.arange(n) * 7919) % len(motor)]
        first, last = streets.shape_offsets[on], streets.shape_offsets[on + 1] - 1
        t = (now_s / (streets.length_m[on] / 8.0) + np.arange(n) * 0.137) % 1.0
        lon = streets.shape_lon_deg[first] * (1 - t) + streets.shape_lon_deg[last] * t
        lat = streets.shape_lat_deg[first] * (1 - t) + streets.shape_lat_deg[last] * t
        return {"lon_deg": lon, "lat_deg": lat, "kind": np.arange(n, dtype=np.int64) % 10 // 8}

    def _series(self, now_s: float) -> tuple[Series, ...]:
        begin = self._scene.begin_s
        t = np.arange(begin, now_s, 60.0)
        tb = np.arange(begin, now_s - 45.0, 60.0)
        rows: list[Series] = []
        for service in self._scene.services:
            for i, outcome in enumerate(service.outcomes):
                base = 40.0 / (i + 1) * (1 + 0.3 * np.sin(tb / 1500)) + 2 * np.sin(tb / 130)
                with_ = 29.0 / (i + 1) * (1 + 0.25 * np.sin(t / 1500)) + 2 * np.sin(t / 170)
                if outcome.combine == "min":
                    base, with_ = 0.93 + base / 4000, 0.95 + with_ / 4000
                fold = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}[outcome.combine]
                total, total_b = float(fold(with_)) if len(t) else None, float(fold(base)) if len(tb) else None
                rows.append(Series(service.name, outcome.name, t, with_, tb, base, total, total_b))
        return tuple(rows)

    def _lines(self, now_s: float) -> tuple[DecisionLine, ...]:
        at = math.floor(now_s / 15) * 15.0
        assets = self._scene.assets
        j = [str(one) for one in assets.id[assets.of_kind("signal_group")][:12]]
        rows: list[DecisionLine] = []
        for i in range(14):
            asset = j[(int(at / 15) - i) % len(j)]
            kind: Literal["permit", "refusal"] = "refusal" if (int(at / 15) - i) % 5 == 0 else "permit"
            text = (
                f"traffic {asset}: intergreen A>C would be 3.0 s, needs 5.0 s (rule intergreen). Nothing was sent."
                if kind == "refusal"
                else f"{asset} changes to stage 2: its queues weigh more than those of the running stage (11 against 3 vehicles)"
            )
            rows.append(DecisionLine(at - 15 * i, "traffic", asset, kind, text, 1 + (i % 3 == 0) * 2))
        rows.insert(3, DecisionLine(at - 50, "lighting", "", "permit", "9 cells keep their lamps one step lower for class P4", 9))
        return (*self._acts, *rows)


def real(scene: Scene) -> Scene:
    """Return the same city as one that is not simulated."""
    return replace(scene, simulated=False)
