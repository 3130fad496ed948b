# SPDX-License-Identifier: Apache-2.0
"""Which announced member is which asset, and what their logs add up to: light by segment, power by cabinet, energy by cell.

Single lamps are held as their latest value only, in memory, and leave as sums over a segment, a cabinet or a cell, and once a day
as the registers of the fault finder, in the form that the service's own `wire` reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamplighter.services.lighting import wire
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.talq import registry, surroundings
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.intake import MEASURED, Event, Log
from lamplighter.services.lighting.talq.registers import LAMP_OLD_S, Counters, Registers
from lamplighter.services.lighting.talq.shape import record_of, rows_of
from lamplighter.services.lighting.talq.surroundings import Surroundings
from lamplighter.services.lighting.terms import BOUNDARY_S, CADENCE_S
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.measurement import FrameArray
from lamplighter.terms.reading import Reading

SOURCE = "talq"
FRESH_S = 90.0  # a lamp's value counts for so long; older ones leave their segment unknown
EVENTS_MAX = 10_000
MINUTES = BOUNDARY_S // CADENCE_S
NO_LAMP = -1
_KINDS = (
    "LampActuatorFunction", "LampMonitorFunction", "ElectricalMeterFunction", "LightSensorFunction",
    "PrecipitationSensorFunction",
)  # fmt: skip
_LAMP, _MONITOR, _METER, _LIGHT, _RAIN = range(5)


@dataclass(frozen=True)
class Paired:
    """Which member stands for which asset. lamp_segment, meter_cabinet: by address; weight: lamps behind an address; strange:
    addresses with a lamp or a meter that no asset of the city is; lamp: luminaires by the address of a member of their own;
    sensor_cell: by the address of what speaks for a whole cell."""

    lamp_segment: Mapping[str, int]
    meter_cabinet: Mapping[str, int]
    weight: Mapping[str, int]
    strange: tuple[str, ...]
    lamp: Mapping[str, int]
    sensor_cell: Mapping[str, int]


def paired(members: Mapping[str, Any], layout: Layout) -> Paired:
    """Return who is who: a member with a lamp by the id of a luminaire or of a whole segment, one with a meter by a cabinet's."""
    ids = layout.asset_id
    lamp_of = {str(ids[a - layout.start]): k for k, a in enumerate(layout.lamp_asset)}
    cell_of = {str(ids[a - layout.start]): k for k, a in enumerate(layout.cell_asset)}
    segment_of = {str(ids[a - layout.start]): k for k, a in enumerate(layout.segments.asset)}
    cabinet_of = {str(ids[a - layout.start]): k for k, a in enumerate(layout.cabinet_asset)}
    lamp_segment: dict[str, int] = {}
    meter_cabinet: dict[str, int] = {}
    weight: dict[str, int] = {}
    strange: list[str] = []
    lamp: dict[str, int] = {}
    sensor_cell: dict[str, int] = {}
    for address, member in members.items():
        asset = registry.asset_of(member)
        lit, metered = (bool(registry.function_of(member, _KINDS[k])) for k in (_LAMP, _METER))
        if lit and asset in lamp_of:
            lamp[address], weight[address] = lamp_of[asset], 1
            lamp_segment[address] = int(layout.lamp_segment[lamp_of[asset]])
        elif lit and asset in segment_of:
            lamp_segment[address] = segment_of[asset]
            weight[address] = int(layout.segments.lamps[segment_of[asset]])
        elif metered and asset in cabinet_of:
            meter_cabinet[address] = cabinet_of[asset]
        elif lit or metered:
            strange.append(address)
        elif asset in cell_of:
            sensor_cell[address] = cell_of[asset]
    return Paired(lamp_segment, meter_cabinet, weight, tuple(strange), lamp, sensor_cell)


@dataclass
class _Slots:
    """Columns (n,) of functions that report: kind, place (segment, cabinet, cell), lamps behind it, latest value and its moment;
    energy_wh, hours_h: of meters and lamps, as they count since they were installed; lamp: the luminaire, -1 where none."""

    of: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    first: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    kind: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    place: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    lamps: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    value: FloatArray = field(default_factory=lambda: np.zeros(0))
    reactive_var: FloatArray = field(default_factory=lambda: np.zeros(0))
    at_s: FloatArray = field(default_factory=lambda: np.zeros(0))
    energy_wh: FloatArray = field(default_factory=lambda: np.zeros(0))
    energy_at_s: FloatArray = field(default_factory=lambda: np.zeros(0))
    hours_h: FloatArray = field(default_factory=lambda: np.zeros(0))
    hours_at_s: FloatArray = field(default_factory=lambda: np.zeros(0))
    lamp: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Collector:
    """Adds up what a gateway logs."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._slots = _Slots()
        self.pairs = Paired({}, {}, {}, (), {}, {})
        self.events: dict[tuple[str, str], float] = {}
        self.left = self.counted = 0
        self.heard_s = float("-inf")
        cells = len(layout.cell_asset)
        self._cell_wh, self._cell_light_wh = np.zeros(cells), np.zeros(cells)
        self._cell_minutes: IntArray = np.zeros(cells, dtype=np.int64)
        self._registers, self._surroundings = Registers(layout), Surroundings(layout)

    def pair(self, members: Mapping[str, Any]) -> None:
        """Take the members as they are announced now; latest values of those that stay are kept."""
        self.pairs = pairs = paired(members, self._layout)
        old, new = self._slots, _Slots()
        kind: list[int] = []
        place: list[int] = []
        lamps: list[int] = []
        kept: list[int] = []
        lamp: list[int] = []
        for address, member in members.items():
            for row in rows_of(member["functions"]):
                function = record_of(row)
                code = _KINDS.index(function["type"]) if function["type"] in _KINDS else -1
                where = self._place(address, code)
                if where is None:
                    continue
                slot = new.of[address, str(function["id"])] = len(kind)
                new.first.setdefault((address, code), slot)
                kind.append(code)
                place.append(where)
                lamps.append(pairs.weight.get(address, 0))
                kept.append(old.of.get((address, str(function["id"])), -1))
                lamp.append(pairs.lamp.get(address, NO_LAMP))
        new.kind, new.place, new.lamps, new.lamp = (np.array(column, dtype=np.int64) for column in (kind, place, lamps, lamp))
        from_old = np.array(kept, dtype=np.int64)
        stays = from_old >= 0
        for name in ("value", "reactive_var", "energy_wh", "hours_h", "at_s", "energy_at_s", "hours_at_s"):
            setattr(new, name, np.full(len(kind), -np.inf if name.endswith("at_s") else 0.0))
            getattr(new, name)[stays] = getattr(old, name)[from_old[stays]]
        self._slots = new

    def _place(self, address: str, code: int) -> int | None:
        """Return the segment of a lamp, the cabinet of a lamp's power or of a meter, the cell of a sensor; nothing for what is no
        asset of ours."""
        segment = self.pairs.lamp_segment.get(address)
        if code == _METER:
            return self.pairs.meter_cabinet.get(address)
        if code in (_LIGHT, _RAIN):
            return self.pairs.sensor_cell.get(address)
        if segment is None or code < 0:
            return None
        return segment if code == _LAMP else int(self._layout.segments.cabinet[segment])

    def heard(self, log: Log) -> None:
        """Take a sound log: the latest value of each function, and which conditions hold."""
        slots = self._slots
        for one in log.taken:
            code = _KINDS.index(MEASURED[one.name][0])
            slot = slots.of.get((one.address, one.function)) if one.function else slots.first.get((one.address, code))
            if slot is None or slots.kind[slot] != code:
                self.left += 1
            elif one.name in ("totalActiveEnergy", "activeEnergy"):
                if one.at_s >= slots.energy_at_s[slot]:
                    slots.energy_wh[slot], slots.energy_at_s[slot] = one.value, one.at_s
            elif one.name == "operatingHours":
                if one.at_s >= slots.hours_at_s[slot]:
                    slots.hours_h[slot], slots.hours_at_s[slot] = one.value, one.at_s
            elif one.at_s < slots.at_s[slot]:
                self.left += 1
            elif one.name in ("reactivePower", "totalVAR"):
                slots.reactive_var[slot] = one.value
            else:
                slots.value[slot], slots.at_s[slot] = one.value, one.at_s
                self.heard_s = max(self.heard_s, one.at_s)
        for event in log.events:
            self._event(event)
        self.left += log.left

    def _event(self, event: Event) -> None:
        key = event.address, event.name
        if event.begins and len(self.events) < EVENTS_MAX:
            self.events.setdefault(key, event.at_s // BOUNDARY_S * BOUNDARY_S)
        elif event.begins is False:
            self.events.pop(key, None)
        else:
            self.counted += 1

    def conditions(self) -> set[tuple[str, str]]:
        """Return which members report which conditions, by what they mean; several events may mean one condition."""
        return {(address, words.LAMP_EVENTS.get(name, name)) for address, name in self.events}

    def readings(self, now_s: float) -> list[Reading]:
        """Return what the minute that ends now was, as reports of the service's own wire."""
        share, known = self._segments(now_s)
        power_w, reactive_var, metered = self._cabinets(now_s)
        rows = np.zeros(int(known.sum()), dtype=wire.SEGMENT_ROW)
        rows["number"], rows["count"] = np.flatnonzero(known), 1
        rows["half_percent"] = np.floor(share[known] * wire.HALF_PERCENT + 1e-9)
        meters = np.zeros(int(metered.sum()), dtype=wire.CABINET_ROW)
        meters["number"] = np.flatnonzero(metered)
        meters["power_w"], meters["reactive_var"] = np.rint(power_w[metered]), np.rint(reactive_var[metered])
        out = [("segments", wire.SEGMENTS, rows), ("cabinets", wire.CABINETS, meters)]
        cells = self._cells(now_s, (share, known), (power_w, metered))
        out += [] if cells is None else [("cells", wire.CELLS, cells)]
        if self.pairs.lamp_segment or self.pairs.meter_cabinet:
            out.append(("conditions", wire.CONDITIONS, self._conditions()))
        out += self._daily(now_s)
        out += self._around(now_s)
        parts = [
            (topic, kind, part[a : a + wire.ROWS_MAX]) for topic, kind, part in out for a in range(0, len(part), wire.ROWS_MAX)
        ]
        return [Reading(SOURCE, topic, wire.report(kind, part, now_s), now_s) for topic, kind, part in parts]

    def _segments(self, now_s: float) -> tuple[FloatArray, BoolArray]:
        """Return the mean light of each segment and whether more than half of its lamps said it."""
        slots, segments = self._slots, self._layout.segments
        said = (slots.kind == _LAMP) & (now_s - slots.at_s <= FRESH_S)
        count = len(segments.design)
        lamps = np.bincount(slots.place[said], weights=slots.lamps[said], minlength=count)
        light = np.bincount(slots.place[said], weights=(slots.lamps * slots.value / 100.0)[said], minlength=count)
        return light / np.maximum(lamps, 1.0), 2.0 * lamps > segments.lamps

    def _cabinets(self, now_s: float) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return power of each cabinet by its meter, else by all of its lamps, and whether either is known."""
        slots, segments = self._slots, self._layout.segments
        count = len(self._layout.cabinet_asset)
        fresh = now_s - slots.at_s <= FRESH_S

        def sums(mask: BoolArray, weights: FloatArray) -> FloatArray:
            return np.bincount(slots.place[mask], weights=weights[mask], minlength=count).astype(np.float64)

        meter, lamp = fresh & (slots.kind == _METER), fresh & (slots.kind == _MONITOR)
        by_meter = sums(meter, np.ones(len(slots.at_s))) > 0
        lamps = np.bincount(segments.cabinet, weights=segments.lamps, minlength=count)
        by_lamps = ~by_meter & (sums(lamp, slots.lamps.astype(np.float64)) >= lamps) & (lamps > 0)
        power = np.where(by_meter, sums(meter, slots.value), np.where(by_lamps, sums(lamp, slots.value), 0.0))
        reactive = np.where(by_meter, sums(meter, slots.reactive_var), np.where(by_lamps, sums(lamp, slots.reactive_var), 0.0))
        return power, reactive, by_meter | by_lamps

    def _cells(
        self, now_s: float, light: tuple[FloatArray, BoolArray], power: tuple[FloatArray, BoolArray]
    ) -> "np.ndarray[Any, Any] | None":
        """Add the minute up; return the rows of cells of which every minute of the quarter is known, where one ends now."""
        layout, segments, count = self._layout, self._layout.segments, len(self._layout.cell_asset)
        whole = np.bincount(layout.cabinet_cell, weights=~power[1], minlength=count) == 0
        whole &= np.bincount(segments.cell, weights=~light[1], minlength=count) == 0
        self._cell_wh += np.bincount(layout.cabinet_cell, weights=power[0], minlength=count) / 60.0
        rated_w = light[0] * (segments.power_w - GEAR_W) * segments.lamps
        self._cell_light_wh += np.bincount(segments.cell, weights=rated_w, minlength=count) / 60.0
        self._cell_minutes += whole
        if now_s % BOUNDARY_S:
            return None
        full = np.flatnonzero(self._cell_minutes == MINUTES)
        rows = np.zeros(len(full), dtype=wire.CELL_ROW)
        rows["number"], rows["energy_wh"] = full, np.rint(self._cell_wh[full])
        rows["light_wh"] = np.rint(self._cell_light_wh[full])
        self._cell_wh[:], self._cell_light_wh[:], self._cell_minutes[:] = 0.0, 0.0, 0
        return rows

    def _conditions(self) -> FrameArray:
        """Return how many lamps of each cabinet report a failure or are out of touch, and where supply is lost: where its meter
        says so, or every lamp that is announced."""
        pairs, cabinet_of = self.pairs, self._layout.segments.cabinet
        count = len(self._layout.cabinet_asset)
        told = {meaning: np.zeros(count, dtype=np.int64) for meaning in ("lamp_failed", "out_of_touch", "supply_lost")}
        announced: IntArray = np.zeros(count, dtype=np.int64)
        for address, segment in pairs.lamp_segment.items():
            announced[cabinet_of[segment]] += pairs.weight[address]
        lost = np.zeros(count, dtype=np.bool_)
        for address, meaning in self.conditions():
            segment = pairs.lamp_segment.get(address)
            if segment is not None and meaning in told:
                told[meaning][cabinet_of[segment]] += pairs.weight[address]
            elif address in pairs.meter_cabinet and meaning == "supply_lost":
                lost[pairs.meter_cabinet[address]] = True
        known = announced > 0
        for cabinet in pairs.meter_cabinet.values():
            known[cabinet] = True
        rows = np.zeros(int(known.sum()), dtype=wire.CONDITION_ROW)
        rows["number"] = np.flatnonzero(known)
        rows["failed"], rows["unreached"] = told["lamp_failed"][known], told["out_of_touch"][known]
        rows["lost"] = (lost | ((announced > 0) & (told["supply_lost"] >= announced)))[known]
        return rows

    def _daily(self, now_s: float) -> list[tuple[str, int, FrameArray]]:
        """Add a minute of every lamp's light; return the registers of the day where one ends now."""
        slots = self._slots
        lit = np.flatnonzero((slots.kind == _LAMP) & (slots.lamp >= 0) & (now_s - slots.at_s <= FRESH_S))
        self._registers.lit(slots.lamp[lit], slots.value[lit] / 100.0)
        if not self._registers.due(now_s):
            return []

        def counters(mask: BoolArray, place: IntArray, old_s: float) -> Counters:
            told = now_s - slots.energy_at_s[mask] <= old_s
            return Counters(place[mask], slots.energy_wh[mask], slots.hours_h[mask], told)

        meters = counters(slots.kind == _METER, slots.place, FRESH_S)
        lamps = counters(
            (slots.kind == _MONITOR) & (slots.lamp >= 0) & (now_s - slots.hours_at_s <= LAMP_OLD_S), slots.lamp, LAMP_OLD_S
        )
        of_meters, of_lamps = self._registers.rows(meters, lamps, now_s)
        return [("registers", wire.REGISTERS, of_meters), ("lamps", wire.LAMPS, of_lamps)]

    def _around(self, now_s: float) -> list[tuple[str, int, FrameArray]]:
        """Add a minute of ambient light and rain; return their quarter-hour where one ends now."""
        slots = self._slots
        heard = now_s - slots.at_s <= surroundings.OLD_S
        light, rain = heard & (slots.kind == _LIGHT), heard & (slots.kind == _RAIN)
        self._surroundings.ambient(slots.place[light], slots.value[light], now_s)
        self._surroundings.rain(slots.place[rain], slots.value[rain], now_s)
        if now_s % BOUNDARY_S:
            return []
        ambient, wet = self._surroundings.rows()
        return [("ambient", wire.AMBIENT, ambient), ("wet", wire.WET, wet)]
