# SPDX-License-Identifier: Apache-2.0
"""The grid's field in software: homes, sun and cars as they are, power flow as truth, meters and boxes as they report.

Every minute: orders reach the boxes, cars come and go, boxes share their limits, power-grid-model solves the whole
grid, meters report sums. Nothing about one home or one car leaves the process. Seeded and deterministic.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.grid import charging, field_inverters, wire
from lamplighter.services.grid.field_heat import Heat, outside_c
from lamplighter.services.grid.network.demand import HOURS_A_YEAR, POWER_FACTOR_TAN, commerce, household, sun_share
from lamplighter.services.grid.network.engine import Flow, open_engine, power_flow
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.prepared import prepare
from lamplighter.services.grid.outage.field import Switchgear
from lamplighter.services.grid.terms import DUE_H, OUTCOMES
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

MINUTE_S = 60
NODE_SPREAD = 0.12  # lasting difference of a node from its class (standard deviation of its logarithm)
NOISE_KEEPS = 0.93  # how much of a node's noise is left after a minute
NOISE_KW = 0.45  # standard deviation of one connection's noise
P_METER_SHARE = 0.002  # error of a station's meter, share of the transformer's rating
U_METER_SHARE = 0.001
BEFORE_S = 4 * 3600  # cars that came before the warm-up are charging already
CLOUD_KEEPS = 0.95
MEAN_S = 600  # voltages are judged by means of ten minutes (EN 50160, 4.2.2)


class GridField:
    """The simulated grid of one city. `advance` runs it minute by minute."""

    def __init__(self, start: SimulationStart) -> None:
        """Open the engine, draw the lasting differences and let the afternoon's cars charge."""
        self._city, self._seed = start.city, start.seed
        self._prepared = prepare(start.city)
        self._grid = self._prepared.grid
        self._engine = open_engine(self._grid)
        self._switchgear = Switchgear(self._grid)
        self._zone = ZoneInfo(start.city.place.timezone)
        self._scale = start.scale
        self._begin_s = start.begin_s
        self._points = charging.open_points(self._grid)
        self._boxes = charging.open_boxes(self._grid)
        self._inverters = field_inverters.open_inverters(self._grid.inverters)
        many = len(self._grid.nodes.id)
        dice = np.random.default_rng((start.seed, 0x40DE))
        self._lasting: FloatArray = dice.lognormal(-0.5 * NODE_SPREAD**2, NODE_SPREAD, many)
        self._noise_kw: FloatArray = NOISE_KW * np.sqrt(self._grid.nodes.connections_count) * dice.normal(size=many)
        self._cloud = 0.0
        kva = self._grid.tables["transformers"]
        loss = np.asarray(kva["pk_kw"], np.float64) / np.maximum(np.asarray(kva["p0_kw"], np.float64), 1e-3)
        self._heat = Heat(np.zeros(len(loss)), np.zeros(len(loss)), loss)
        self._warm = False
        self._u_sum: FloatArray = np.zeros(many)
        self._u_minutes: FloatArray = np.zeros(many)
        self._fed = self._fed_nodes()
        self._mute: dict[str, BoolArray] = {t: np.zeros(len(wire.positions(t, self._prepared)), np.bool_) for t in wire.FIELDS}
        self._stuck: dict[int, float] = {}
        self._unsupplied: dict[str, BoolArray] = {}
        self._box_node = np.zeros(len(self._grid.groups.id), np.int64)
        self._box_node[self._grid.groups.point_group[::-1]] = self._grid.groups.point_node[::-1]
        self._factor: FloatArray = np.ones(len(self._grid.groups.id))
        self._truth = np.zeros((len(OUTCOMES), len(start.city.areas)))
        self._flow: Flow | None = None
        self._now_s = int(start.begin_s - start.warm_up_s) - BEFORE_S
        while self._now_s < start.begin_s - start.warm_up_s:
            self._cars(self._now_s)
            self._now_s += MINUTE_S
        while self._now_s < start.begin_s:
            self._minute({})
        self._clear()

    def _fed_nodes(self) -> AnyArray:
        """Return for every asset of the city the grid node that feeds it, ABSENT where none."""
        order = np.argsort(self._grid.nodes.id)
        names = self._grid.nodes.id[order]
        fed = self._city.assets.fed_by
        place = np.clip(np.searchsorted(names, fed), 0, len(names) - 1)
        return np.where(names[place] == fed, order[place], ABSENT)

    def _clear(self) -> None:
        self._truth = np.zeros_like(self._truth)
        self._truth[[o.name == "voltage_lowest_pu" for o in OUTCOMES]] = np.inf

    def advance(self, to_s: float, messages: Sequence[Message], world: World) -> Advance:
        """Deliver orders, run to `to_s` in whole minutes, and return the last minute's readings."""
        self._deliver(messages)
        self._arrivals(world)
        self._clear()
        readings: list[Reading] = []
        while self._now_s + MINUTE_S <= to_s:
            readings = self._minute(world)
        return Advance(readings, self._exports(), self._truth_rows())

    def _deliver(self, messages: Sequence[Message]) -> None:
        """Let the boxes take orders; whatever is no whole number of rows is dropped, as a real head end would."""
        for message in messages:
            if message.topic == wire.SETS and len(message.payload) % wire.SET_ROW.itemsize == 0:
                self._set_inverters(np.frombuffer(message.payload, wire.SET_ROW))
            if message.topic != wire.LIMITS or len(message.payload) % wire.LIMIT_ROW.itemsize:
                continue
            rows = np.frombuffer(message.payload, wire.LIMIT_ROW)
            rows = rows[rows["number"] < len(self._grid.groups.id)]
            number = rows["number"].astype(np.int64)
            install = rows["order"] == wire.ORDER_INSTALL
            self._boxes.install(number[install], rows["limit_10w"][install] / 100.0)
            rows, number = rows[~install], number[~install]
            back = rows["order"] == wire.ORDER_HAND_BACK
            self._boxes.take(number, rows["limit_10w"] / 100.0, self._now_s + rows["duration_s"].astype(np.float64), back)

    def _set_inverters(self, rows: AnyArray) -> None:
        rows = rows[rows["number"] < len(self._grid.inverters.id)]
        until_s = self._now_s + rows["duration_s"].astype(np.float64)
        back = rows["order"] == wire.ORDER_HAND_BACK
        self._inverters.take(rows["number"].astype(np.int64), rows["q_10var"] / 100.0, until_s, back)

    def _supplied(self) -> FloatArray:
        """Return the reactive power (i,) that inverters supply in the minute that begins; nothing without voltage."""
        live = self._switchgear.live[self._grid.inverters.node]
        return np.where(live, self._inverters.obeyed_kvar(float(self._now_s)), 0.0)

    def _arrivals(self, world: World) -> None:
        """Scale public charging by the trips that traffic says ended in each area, against what is usual there."""
        arrived = world.get("arrivals_veh")
        if arrived is None or len(arrived) != len(self._city.areas):
            return
        area = self._prepared.area[self._prepared.group_at]
        share = np.asarray(arrived, np.float64) / max(float(np.mean(arrived)), 1.0)
        self._factor = np.where(area != ABSENT, 0.5 + 0.5 * np.clip(share[np.maximum(area, 0)], 0.0, 3.0), 1.0)

    def _local(self, at_s: float) -> tuple[float, float, float, int]:
        """Return local hour, UTC hour, POSIX second of local midnight, and day of the year."""
        local = datetime.fromtimestamp(at_s, self._zone)
        hour = local.hour + local.minute / 60.0 + local.second / 3600.0
        return hour, (at_s % 86400.0) / 3600.0, at_s - hour * 3600.0, local.timetuple().tm_yday

    def _cars(self, at_s: float) -> FloatArray:
        """Let one minute of charging pass; return the energy that leaving cars lacked, per point."""
        _, _, midnight_s, _ = self._local(at_s)
        for ago in (0, 1):
            night_s = midnight_s - ago * charging.DAY_S
            evening = charging.evening_of(self._seed, round(night_s / charging.DAY_S), night_s, len(self._points.group))
            charging.plug_in_private(self._points, evening, at_s, at_s + MINUTE_S)
        charging.plug_in_public(self._points, self._seed, round(at_s / MINUTE_S), self._factor * self._scale)
        charging.share_limits(self._points, self._boxes, at_s)
        self._points.p_kw[~self._switchgear.live[self._points.node]] = 0.0
        return charging.charge(self._points, MINUTE_S, at_s + MINUTE_S)

    def _minute(self, world: World) -> list[Reading]:
        """Run one minute: homes, sun, cars, power flow, outcomes, readings."""
        at_s = float(self._now_s)
        minute = round(at_s / MINUTE_S)
        dice = np.random.default_rng((self._seed, minute, 0x3E7E))
        late = self._cars(at_s)
        p_kw, q_kvar = self._demand(at_s, dice)
        for name, total in (("p_kw", p_kw), ("q_kvar", q_kvar)):
            drawn = world.get(name)
            if drawn is not None and len(drawn) == len(self._fed):
                hangs = self._fed != ABSENT
                np.add.at(total, self._fed[hangs], np.asarray(drawn, np.float64)[hangs])
        p_kw += np.bincount(self._points.node, weights=self._points.p_kw, minlength=len(p_kw))
        supplied = self._supplied()
        q_kvar -= np.bincount(self._grid.inverters.node, weights=supplied, minlength=len(q_kvar))
        self._flow = power_flow(self._engine, p_kw[None], q_kvar[None])
        self._heated(at_s)
        self._now_s += MINUTE_S
        self._account(late)
        return self._readings(minute, (late, supplied), dice)

    def _demand(self, at_s: float, dice: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        nodes = self._grid.nodes
        hour, utc, _, day = self._local(at_s + MINUTE_S / 2)
        now = np.array([hour])
        homes = (nodes.household_kwh * float(household(now)[0]) + nodes.commerce_kwh * float(commerce(now)[0])) / HOURS_A_YEAR
        spread = NOISE_KW * np.sqrt(nodes.connections_count) * math.sqrt(1.0 - NOISE_KEEPS**2)
        self._noise_kw = NOISE_KEEPS * self._noise_kw + spread * dice.normal(size=len(spread))
        self._cloud = CLOUD_KEEPS * self._cloud + math.sqrt(1.0 - CLOUD_KEEPS**2) * float(dice.normal())
        sun = sun_share(day, utc, self._city.place.lat0_deg, self._city.place.lon0_deg) * float(
            np.clip(0.6 + 0.3 * self._cloud, 0.05, 1.0)
        )
        homes = np.maximum(homes * self._lasting * self._scale + self._noise_kw, 0.1 * homes)
        return homes - nodes.pv_kw * sun, homes * POWER_FACTOR_TAN

    def _heated(self, at_s: float) -> None:
        """Let the minute warm the transformers; the first one finds them as warm as it would make them."""
        assert self._flow is not None  # noqa: S101 - solved just before
        hour, _, _, day = self._local(at_s)
        share = self._flow.loading[0, self._grid.station_branch]
        if self._warm:
            self._heat.pass_minute(share, outside_c(day, hour))
        else:
            self._heat.settle(share, outside_c(day, hour))
            self._warm = True

    def _account(self, late: FloatArray) -> None:
        """Add the minute to the true outcomes of each area."""
        flow, prepared, areas = self._flow, self._prepared, self._truth.shape[1]
        assert flow is not None  # noqa: S101 - solved just before
        row = {outcome.name: number for number, outcome in enumerate(OUTCOMES)}
        hours = MINUTE_S / 3600.0
        branch_at = np.concatenate([prepared.line_at, prepared.station_at])
        loss = flow.p_from_kw[0] + flow.p_to_kw[0]
        point_at = prepared.group_at[self._points.group]

        def add(name: str, at: AnyArray, value: AnyArray) -> None:
            area = prepared.area[at]
            inside = area != ABSENT
            self._truth[row[name]] += np.bincount(area[inside], weights=np.asarray(value, np.float64)[inside], minlength=areas)

        over = flow.loading[0] > 1.0
        over[self._grid.station_branch] = self._heat.too_hot(flow.loading[0, self._grid.station_branch])
        add("overload_h", branch_at, over * hours)
        add("loss_kwh", branch_at, loss * hours)
        add("energy_late_kwh", point_at, late)
        add("energy_waiting_kwh_h", point_at, self._points.lacks_kwh * hours)
        add("charging_kwh", point_at, self._points.p_kw * hours)
        dark = np.flatnonzero(~self._switchgear.live & (self._grid.nodes.connections_count > 0.0))
        node_at = self._city.assets.positions(self._grid.nodes.id[dark]) - self._city.span.start
        add("dark_connection_h", node_at, self._grid.nodes.connections_count[dark] * hours)
        self._u_sum, self._u_minutes = self._u_sum + flow.u_pu[0] * flow.energised[0], self._u_minutes + flow.energised[0]
        if self._now_s % MEAN_S:
            return
        mean_pu, blank = self._u_sum / np.maximum(self._u_minutes, 1.0), np.zeros_like(self._u_sum)
        self._u_sum, self._u_minutes = blank, blank
        low = (self._grid.nodes.station != ABSENT) & flow.energised[0] & (mean_pu > 0.0)
        at = self._city.assets.positions(self._grid.nodes.id[low]) - self._city.span.start
        area = prepared.area[at]
        lowest = self._truth[row["voltage_lowest_pu"]]
        np.minimum.at(lowest, area[area != ABSENT], mean_pu[low][area != ABSENT])

    def _truth_rows(self) -> OutcomeRows:
        outcome, area = np.nonzero(np.isfinite(self._truth))
        value = self._truth[outcome, area]
        return OutcomeRows(outcome.astype(np.int64), area.astype(np.int64), value, np.ones(len(value)))

    def _readings(self, minute: int, passed: tuple[FloatArray, FloatArray], dice: np.random.Generator) -> list[Reading]:
        """Return the head end's batches: stations, feeder ends, charging groups, inverters. passed: energy that leaving cars
        lacked, per point, and what inverters supplied."""
        late, supplied = passed
        flow, grid, many = self._flow, self._grid, len(self._grid.groups.id)
        assert flow is not None  # noqa: S101 - solved just before
        stations = np.zeros(len(grid.station_id), wire.STATION_ROW)
        sn = grid.branches.rating_kva[grid.station_branch]
        p = -flow.p_to_kw[0, grid.station_branch] + P_METER_SHARE * sn * dice.normal(size=len(sn))
        q = -flow.q_to_kvar[0, grid.station_branch] + P_METER_SHARE * sn * dice.normal(size=len(sn))
        stations["p_10w"], stations["q_10var"] = np.round(p * 100.0), np.round(q * 100.0)
        stations["u_10mv"] = self._volts(grid.station_busbar, dice)
        stations["warm"], stations["oil_100mc"] = 1, np.round(self._heat.oil_c * 10.0)
        ends = np.zeros(len(grid.meter_node), wire.END_ROW)
        ends["u_10mv"] = self._volts(grid.meter_node, dice)
        groups = np.zeros(many, wire.CHARGING_ROW)
        said = charging.sums(self._points, many, float(self._now_s))
        groups["p_100w"], groups["wanting"], groups["told"] = np.round(said["p_kw"] * 10.0), said["wanting"], said["told"]
        groups["limit_10w"] = np.floor(self._boxes.obeyed_kw(self._now_s - 1.0) * 100.0 + 1e-6)
        groups["installed"], groups["safe_10w"] = self._boxes.installed, np.floor(self._boxes.safe_kw * 100.0 + 1e-6)
        for name in (*(f"due_{hours}h" for hours in DUE_H), "wanted"):
            groups[f"{name}_5kwh"] = np.round(said[f"{name}_kwh"] / 5.0)
        groups["late_1kwh"] = np.round(np.bincount(self._points.group, weights=late, minlength=many))
        for number, value in self._stuck.items():
            stations["p_10w"][number] = round(value * 100.0)
        live = self._switchgear.live  # a station's meter has a battery and reads no voltage; what has none falls silent
        stations["p_10w"][~live[grid.station_busbar]] = stations["q_10var"][~live[grid.station_busbar]] = 0
        inverters = np.zeros(len(supplied), wire.INVERTER_ROW)
        inverters["q_10var"] = np.round(supplied * 100.0)
        inverters["set_10var"] = np.round(self._inverters.obeyed_kvar(self._now_s - 1.0) * 100.0)
        self._unsupplied = {
            wire.ENDS: ~live[grid.meter_node],
            wire.CHARGING: ~live[self._box_node],
            wire.INVERTERS: ~live[grid.inverters.node],
        }
        batches = ((wire.STATIONS, stations), (wire.ENDS, ends), (wire.CHARGING, groups), (wire.INVERTERS, inverters))
        return [Reading("grid field", topic, self._batch(topic, minute, rows), float(self._now_s)) for topic, rows in batches]

    def _volts(self, node: AnyArray, dice: np.random.Generator) -> FloatArray:
        assert self._flow is not None  # noqa: S101 - solved just before
        u = self._flow.u_pu[0, node] * self._grid.nodes.u_rated_v[node]
        return np.asarray(np.round(u * (1.0 + U_METER_SHARE * dice.normal(size=len(u))) * 100.0), np.float64)

    def _batch(self, topic: str, minute: int, rows: AnyArray) -> bytes:
        rows["number"] = np.arange(len(rows))
        return wire.encode_rows(minute, rows[~self._mute[topic] & ~self._unsupplied.get(topic, np.zeros(len(rows), np.bool_))])

    def _exports(self) -> World:
        """Return which assets of the city have power: all that hang on a node under voltage, and those that hang on none."""
        energised = np.ones(len(self._fed))
        if self._flow is not None:
            hangs = self._fed != ABSENT
            energised[hangs] = self._flow.energised[0, self._fed[hangs]]
        return {"energised": energised}

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return the true loading of lines and stations, by city position."""
        start = self._city.span.start
        at = np.concatenate([self._prepared.line_at, self._prepared.station_at]) + start
        loading = self._flow.loading[0] if self._flow is not None else np.zeros(len(at))
        return Simulated({"asset": at, "true_loading": loading})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break: `silent_station`, `stuck_station` (p_kw), `deaf_group`, `deaf_inverter`, `cable_cut`, `station_off`.

        `mend` mends everything; `switch` (asset, closed) is what a crew does after a fault.
        """
        if fault in ("cable_cut", "station_off", "switch"):
            return self._switch(fault, str(arguments.get("asset", "")), bool(arguments.get("closed", False)))
        names = {
            "silent_station": self._grid.station_id,
            "stuck_station": self._grid.station_id,
            "deaf_group": self._grid.groups.id,
            "deaf_inverter": self._grid.inverters.id,
        }
        if fault == "mend":
            self._stuck.clear()
            self._switchgear.restore()
            self._engine = open_engine(self._grid)
            self._boxes.deaf[:] = self._inverters.deaf[:] = False
            for mute in self._mute.values():
                mute[:] = False
            return "All meters report again and all boxes hear."
        if fault not in names:
            raise ValueError(f"no fault {fault!r}; allowed are {', '.join(names)}, cable_cut, station_off, switch and mend")
        asset = str(arguments.get("asset", ""))
        found = np.flatnonzero(names[fault] == asset)
        if len(found) == 0:
            raise ValueError(f"asset is {asset!r}, allowed is one of {', '.join(names[fault][:5].tolist())} ...")
        number = int(found[0])
        if fault == "silent_station":
            self._mute[wire.STATIONS][number] = True
            return f"The meter of {asset} says nothing any more."
        if fault == "stuck_station":
            self._stuck[number] = float(arguments.get("p_kw", 0.0))
            return f"The meter of {asset} is stuck at {self._stuck[number]:g} kW."
        (self._inverters if fault == "deaf_inverter" else self._boxes).deaf[number] = True
        return f"The box of {asset} hears no orders any more."

    def _switch(self, fault: str, asset: str, closed: bool) -> str:
        """Break or switch a branch and let the engine know; ValueError names what may be broken."""
        said = self._switchgear.switch(asset, closed) if fault == "switch" else self._switchgear.cut(asset)
        self._engine = open_engine(replace(self._grid, branches=self._switchgear.branches()))
        return said

    def close(self) -> None:
        """Free what is held."""
        self._flow = None


def open_field(start: SimulationStart) -> GridField:
    """Open the simulated grid of a city."""
    return GridField(start)
