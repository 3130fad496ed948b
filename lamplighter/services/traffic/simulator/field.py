# SPDX-License-Identifier: Apache-2.0
"""The field in software: SUMO's streets, our signal_controllers, their detectors and telegrams, second by second."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from lamplighter.services.traffic.layout import CALL, COUNT, CYCLE, FOOT, MIXED, Layout, read_layout
from lamplighter.services.traffic.outcomes import settings_of
from lamplighter.services.traffic.simulator import box as boxes
from lamplighter.services.traffic.simulator.detection import QUARTER_S, Detection
from lamplighter.services.traffic.simulator.engine import MEAN_DATA_S, Engine, Scenario, positions
from lamplighter.services.traffic.simulator.priority import Requests
from lamplighter.services.traffic.simulator.telegram import read_command, telegrams
from lamplighter.services.traffic.simulator.truth import BICYCLE, BUS, TRAM, UNCOUNTED, VEHICLE, Account, Waits, areas_of, rows_of
from lamplighter.services.traffic.terms import DUE_WINDOW_S, GREEN, RED_AMBER, YELLOW
from lamplighter.services.traffic.wire import COUNTERS, priority_topic
from lamplighter.terms.columns import AnyArray, BoolArray, IntArray
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

SOURCE = "simulator"
EXPORT_EVERY_S = 60  # power and flows change slowly
CLOCK_FULL_S = 3600.0  # a box counts no further
MODE_OF_CLASS = {"bicycle": BICYCLE, "bus": BUS, "coach": BUS, "tram": TRAM, "rail": UNCOUNTED, "rail_urban": UNCOUNTED}
SHOWN = {GREEN: "G", YELLOW: "y", RED_AMBER: "u"}


def midnight_s(posix_s: float, timezone: str) -> float:
    """Return the POSIX second of the local midnight before a moment."""
    local = datetime.fromtimestamp(posix_s, ZoneInfo(timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


class _Told(NamedTuple):
    """What SUMO was last told to show: (b,), (b,), (g,), (b,)."""

    stage: IntArray
    changing: BoolArray
    group: IntArray
    dark: BoolArray


def _changed(before: _Told | None, now: _Told, box_of_group: IntArray) -> list[int]:
    """Return the boxes that show something else than before; all of them the first time."""
    if before is None:
        return list(range(len(now.stage)))
    changed = (now.stage != before.stage) | (now.changing != before.changing) | (now.dark != before.dark)
    changed[box_of_group[now.group != before.group]] = True
    return np.flatnonzero(changed).tolist()


class Field:
    """A simulated city's signals. See `terms.simulation.Simulator` for what each call does."""

    def __init__(self, start: SimulationStart) -> None:
        city = start.city
        self._layout = layout = read_layout(city)
        self._assets = len(city.assets)
        self._midnight_s = midnight_s(start.begin_s, city.place.timezone)
        self._now_s = int(start.begin_s - start.warm_up_s)
        drawn = city.tables.get("flows")
        flows = drawn if drawn is not None and len(drawn["flow"]) else None
        scenario = Scenario(city.folder / "sumo", self._now_s - int(self._midnight_s), start.seed, start.scale, city.place, flows)
        if scenario.begin_s < 0:
            raise ValueError(f"a run must begin and warm up after local midnight; {scenario.begin_s} s is before it")
        self._engine = Engine(scenario, layout.detectors)
        self._detection = Detection(layout, self._engine)
        self._tables = boxes.install(layout)
        self._boxes = boxes.switch_on(self._tables, float(self._now_s) - boxes.LONG_AGO_S)
        self._dark = np.zeros(len(layout.boxes.tls), np.bool_)
        self._told: _Told | None = None
        self._shown = [""] * len(layout.boxes.tls)
        self._links = _links(layout)
        self._topics = [f"box/{city.assets.id[layout.start + int(local)]}" for local in layout.boxes.local]
        self._box_of_topic = {f"{topic}/command": number for number, topic in enumerate(self._topics)}
        self._priority_topics = [priority_topic(topic.removeprefix("box/")) for topic in self._topics]
        self._requests = Requests(layout, self._engine)
        self._plan = _telegram_plan(layout)
        areas = areas_of(city.streets, city.areas)
        self._account = Account(areas, max(len(city.areas), 1), settings_of(city))
        number = {name: place for place, name in enumerate(city.areas)}
        self._group_area = np.array(
            [number.get(str(city.assets.area[layout.start + int(layout.boxes.local[b])]), 0) for b in layout.groups.box], np.int64
        )
        kind = layout.groups.kind
        self._group_wait: IntArray = np.select([kind == FOOT, (kind == CYCLE) | (kind == MIXED)], [1, 2], 0)
        self._waits, self._told_waits = Waits(len(layout.groups.box)), Waits(len(layout.groups.box))
        sumo = self._engine.sumo
        self._modes = {
            name: MODE_OF_CLASS.get(sumo.vehicletype.getVehicleClass(name), VEHICLE) for name in sumo.vehicletype.getIDList()
        }
        while self._now_s < int(start.begin_s):
            self._second()
        self._account.poll(self._engine.sumo)
        self._account.begin()
        self._begin_s = int(start.begin_s)

    def advance(self, to_s: float, messages: Sequence[Message], world: World) -> Advance:
        """Deliver the messages, then run to `to_s`; the telegrams of every second come back."""
        if "energised" in world:
            self._dark = ~np.asarray(world["energised"], np.bool_)[self._layout.start + self._layout.boxes.local]
        for message in messages:
            self._deliver(message)
        readings: list[Reading] = []
        while self._now_s < int(to_s):
            self._second()
            readings += self._telegrams()
        exports: dict[str, AnyArray] = {"arrivals_veh": self._account.take_arrivals()}
        if self._now_s % EXPORT_EVERY_S == 0 or self._now_s <= self._begin_s + 1:
            power = np.zeros(self._assets)
            power[self._layout.start + self._layout.boxes.local] = np.where(self._dark, 0.0, self._layout.boxes.power_kw)
            exports["p_kw"] = power
            exports["flow_veh_h"] = self._detection.true_flows(self._assets, self._layout.start)
        if self._now_s % MEAN_DATA_S == 0:
            self._account.poll(self._engine.sumo)
            truth = self._account.take()
        else:
            truth = rows_of(())
        return Advance(readings, exports, truth)

    def _deliver(self, message: Message) -> None:
        number = self._box_of_topic.get(message.topic)
        command = read_command(message.payload)
        if number is None or command is None or self._dark[number]:
            return
        boxes.command(self._tables, self._boxes, number, command, float(self._now_s))

    def _second(self) -> None:
        boxes.step(self._tables, self._boxes, float(self._now_s), self._dark)
        self._show()
        self._engine.step()
        self._now_s += 1
        green = self._boxes.group == GREEN
        self._detection.read(green, self._now_s)
        red = ~green & ~self._dark[self._layout.groups.box]  # a dark signal shows no red: its signs hold
        waits = self._waits.step(*self._detection.demand(len(green)), red)
        self._told_waits.step(*self._detection.told(len(green)), red)
        self._account.waited(self._group_area, self._group_wait, waits)
        records = self._engine.trip_records()
        if records:
            self._account.read_trips(records, self._modes)
        if self._now_s % MEAN_DATA_S == 0:
            self._account.read_walks(self._engine.walk_records())

    def _show(self) -> None:
        """Set SUMO's signals to what the boxes show; its own programmes never run."""
        layout, state = self._layout, self._boxes
        now = _Told(state.stage.copy(), state.changing.copy(), state.group.copy(), self._dark.copy())
        changed = _changed(self._told, now, layout.groups.box)
        self._told = now
        for number in changed:
            text = self._text(number) if not self._dark[number] else "off"
            if text == self._shown[number]:
                continue
            tls = str(layout.boxes.tls[number])
            if text == "off":
                self._engine.sumo.trafficlight.setProgram(tls, "off")
            else:
                self._engine.sumo.trafficlight.setRedYellowGreenState(tls, text)
            self._shown[number] = text

    def _text(self, number: int) -> str:
        layout, state = self._layout, self._boxes
        first = int(layout.groups.offsets[number])
        base = int(layout.stages.offsets[number])
        yields = layout.stages.gives_way[base + int(state.stage[number])]
        if state.changing[number]:
            yields = yields | layout.stages.gives_way[base + int(state.before[number])]
        text = ["r"] * int(layout.boxes.links[number])
        for link, group in self._links[number]:
            shown = SHOWN.get(int(state.group[group]), "r")
            text[link] = "g" if shown == "G" and yields[group - first] else shown
        return "".join(text)

    def _telegrams(self) -> list[Reading]:
        plan, state, now_s = self._plan, self._boxes, self._now_s
        elapsed = np.where(state.changing, 0, np.minimum(now_s - state.stage_since_s, CLOCK_FULL_S) * 10)
        watts = np.rint(self._layout.boxes.power_kw * 1000)
        of_box = np.stack([state.stage, elapsed, state.mode, watts, state.held], axis=1).astype(np.int64)
        shown_s, waited_s = (
            np.minimum(seconds, CLOCK_FULL_S) * 10 for seconds in (now_s - state.since_s, self._told_waits.waiting_s)
        )
        of_group = np.stack([state.group, shown_s, waited_s], axis=1).astype(np.int64)
        state.held[:] = 0
        everything = np.concatenate([of_box.ravel(), of_group.ravel(), self._detection.values.ravel()])
        present = np.ones(len(everything), np.bool_)
        present[len(everything) - self._detection.values.size :] = np.repeat(self._detection.present, 2)
        said = telegrams(everything[plan.place], present[plan.place], plan.offsets, now_s)
        readings = [Reading(SOURCE, topic, payload, float(now_s)) for topic, payload in zip(self._topics, said, strict=False)]
        if self._dark.any():
            readings = [reading for reading, dark in zip(readings, self._dark, strict=True) if not dark]
        if now_s % QUARTER_S == 0 and plan.offsets[-1] > plan.offsets[-2]:
            readings.append(Reading(SOURCE, COUNTERS, said[-1], float(now_s)))
        if now_s % DUE_WINDOW_S == 0:
            readings += self._priority()
        return readings

    def _priority(self) -> list[Reading]:
        """Return what the boxes make of the telegrams of buses and trams: movement, kind, and ten seconds of arrival."""
        due, offsets = self._requests.due_tens(), self._requests.offsets
        said = telegrams(due.ravel(), np.ones(due.size, np.bool_), 2 * offsets, self._now_s)
        told = zip(self._priority_topics, said, np.diff(offsets) > 0, self._dark, strict=True)
        return [Reading(SOURCE, topic, payload, float(self._now_s)) for topic, payload, asks, dark in told if asks and not dark]

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return where everybody is, sorted by place: lon_deg, lat_deg and kind (0 car, 1 bus, 2 bicycle, 3 on foot, 4 tram)."""
        xy_m, kind = positions(self._engine)
        lon_deg, lat_deg = self._engine.lon_lat(xy_m)
        return Simulated({"lon_deg": lon_deg, "lat_deg": lat_deg, "kind": kind})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break a detector (`detector_silent`, `detector_stuck`, `detector_absurd`) or `mend` it: {"detector": id}."""
        return self._detection.fail(fault, arguments)

    def close(self) -> None:
        """Stop the engine."""
        self._engine.close()

    def shown(self) -> Mapping[str, str]:
        """Return what each signal programme shows, by its id in the network: one letter per link."""
        return {str(tls): text for tls, text in zip(self._layout.boxes.tls, self._shown, strict=True)}


def _links(layout: Layout) -> list[list[tuple[int, int]]]:
    """Return for every box its links and the flat group that each obeys."""
    found: list[list[tuple[int, int]]] = [[] for _ in layout.boxes.tls]
    for box, link, group in zip(layout.movements.box, layout.movements.link, layout.movements.group, strict=True):
        found[int(box)].append((int(link), int(group)))
    return found


class _Plan(NamedTuple):
    """Where the values of every box, then of the counters, lie in the concatenated columns of all boxes: ragged."""

    offsets: IntArray
    place: IntArray


def _telegram_plan(layout: Layout) -> _Plan:
    boxes_count, groups, detectors = len(layout.boxes.tls), len(layout.groups.box), layout.detectors
    after_groups = 5 * boxes_count + 3 * groups
    rows = np.flatnonzero(detectors.boxed & (detectors.role != COUNT))
    rows = np.repeat(rows, np.where(detectors.role[rows] == CALL, 1, 2))  # a call is one value, all others are two
    second = np.concatenate(([False], rows[1:] == rows[:-1])) if len(rows) else np.zeros(0, np.bool_)
    counters = np.flatnonzero(detectors.role == COUNT)
    telegram = np.concatenate([
        np.repeat(np.arange(boxes_count), 5), np.repeat(layout.groups.box, 3), detectors.box[rows],
        np.full(len(counters), boxes_count),
    ])  # fmt: skip
    place = np.concatenate([np.arange(after_groups), after_groups + 2 * rows + second, after_groups + 2 * counters])
    order = np.argsort(telegram, kind="stable")
    lengths = np.bincount(telegram, minlength=boxes_count + 1)
    return _Plan(np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), place[order].astype(np.int64))
