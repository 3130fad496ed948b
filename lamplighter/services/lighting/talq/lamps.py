# SPDX-License-Identifier: Apache-2.0
"""A simulated city's lamps as a TALQ gateway shows them: one member per segment with its lamps, one per cabinet with its meter.

What runs a lamp, first that holds: an override until it ends, the calendar assigned to it, its own programme (full output by
night). Commands to the simulated boxes are the service's own and end by themselves: a gateway that dies leaves no lamp dimmed.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from lamplighter.services.lighting import wire
from lamplighter.services.lighting.layout import Layout, local_s
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.talq.programme import DAY_S, Moment, percent_at
from lamplighter.services.lighting.talq.shape import moment_s
from lamplighter.services.lighting.talq.steering import moment
from lamplighter.services.lighting.terms import CADENCE_S
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.reading import Message, Reading

PERCENT_MIN = 10  # the same bound that the service's own commands have
LEASE_MAX_S = 1800.0
CALENDAR_LEASE_S = 3 * CADENCE_S
ACTUATOR, MONITOR, METER, BASIC = "lampActuator", "lampMonitor", "electricalMeter", "basic"
LAMP_CLASS, METER_CLASS, GATEWAY_CLASS = "segmentLamps", "cabinetMeter", "gatewayBox"
_SPACE = uuid.UUID("6f3c1c0e-6a52-5c0f-9a0c-2f7d54a1b6d1")


@dataclass(frozen=True)
class Override:
    """A command in force at a segment's lamps."""

    command: Mapping[str, Any]
    percent: int
    ramp_s: float
    expires_s: float


class SimulatedLamps:
    """Keeps what a gateway's lamps are told and what they reported last."""

    def __init__(self, layout: Layout, city: str) -> None:
        self.layout = layout
        count = len(layout.segments.design)
        ids = layout.asset_id
        self.segment_id = [str(ids[a - layout.start]) for a in layout.segments.asset]
        self.cabinet_id = [str(ids[a - layout.start]) for a in layout.cabinet_asset]
        self.segments = {str(uuid.uuid5(_SPACE, f"{city}/{name}")): k for k, name in enumerate(self.segment_id)}
        self.cabinets = {str(uuid.uuid5(_SPACE, f"{city}/{name}")): k for k, name in enumerate(self.cabinet_id)}
        self.segment_address = list(self.segments)
        self.overrides: dict[int, Override] = {}
        self.calendar: dict[int, str] = {}
        self._share: FloatArray = np.ones(count)
        self._share_at_s: FloatArray = np.full(count, -np.inf)
        cabinets = len(self.cabinet_id)
        self._power_kw, self._reactive_kvar, self._energy_kwh = np.zeros(cabinets), np.zeros(cabinets), np.zeros(cabinets)
        self._power_at_s: FloatArray = np.full(cabinets, -np.inf)
        self._waiting: list[Message] = []
        self._since_s = float("inf")  # when boxes were first listened to: before, none of them is silent

    # What they are told ------------------------------------------------------------------------------------------------------

    def override(self, segments: Sequence[int], command: Mapping[str, Any], now_s: float) -> None:
        """Put a command, found sound before, in force; it is sent with the next exchange."""
        percent, ramp_s = int(command["state"]["value"]), float(command.get("rampToLevelTime", 0.0))
        expires_s = moment_s(str(command["expiration"])) or now_s
        for segment in segments:
            self.overrides[segment] = Override(command, percent, ramp_s, expires_s)
        self._tell(segments, percent, ramp_s, expires_s)

    def resume(self, segments: Sequence[int]) -> None:
        """End overrides: calendars and own programmes hold again."""
        for segment in segments:
            self.overrides.pop(segment, None)
        rows = np.zeros(len(segments), dtype=wire.COMMAND_ROW)
        rows["number"] = np.array(segments, dtype=np.int64)
        for a in range(0, len(rows), wire.ROWS_MAX):
            part = rows[a : a + wire.ROWS_MAX]
            head = wire.HEADER.pack(wire.COMMAND_MAGIC, wire.COMMAND_BACK, 0, len(part), 0)
            self._waiting.append(Message("gateway", head + part.tobytes()))

    def _tell(self, segments: Sequence[int], percent: int, ramp_s: float, expires_s: float) -> None:
        rows = np.zeros(len(segments), dtype=wire.COMMAND_ROW)
        rows["number"] = np.array(segments, dtype=np.int64)
        rows["half_percent"] = round(percent / 100.0 * wire.HALF_PERCENT)
        for a in range(0, len(rows), wire.ROWS_MAX):
            part = rows[a : a + wire.ROWS_MAX]
            head = wire.HEADER.pack(wire.COMMAND_MAGIC, wire.COMMAND_DIM, int(ramp_s), len(part), int(expires_s))
            self._waiting.append(Message("gateway", head + part.tobytes()))

    def run_calendars(self, calendars: Mapping[str, Any], programmes: Mapping[str, Any], now_s: float) -> list[int]:
        """Have every segment without an override do what its calendar asks; return the segments whose override has ended."""
        ended = [segment for segment, held in self.overrides.items() if held.expires_s <= now_s]
        for segment in ended:
            del self.overrides[segment]
        now = self.moment(now_s)
        asked = {name: percent_at(calendar, programmes, now) for name, calendar in calendars.items()}
        wanted: dict[int, list[int]] = {}
        for segment, name in self.calendar.items():
            percent = asked.get(name)
            if percent is not None and segment not in self.overrides:
                wanted.setdefault(percent, []).append(segment)
        for percent, segments in wanted.items():
            self._tell(segments, percent, 5.0, now_s + CALENDAR_LEASE_S)
        return ended

    def moment(self, now_s: float) -> Moment:
        """Return local time, and when the sun sets and rises there, to the minute."""
        there_s = local_s(now_s, self.layout.local)
        local = datetime(1970, 1, 1) + timedelta(seconds=int(there_s))
        minutes = now_s - there_s % DAY_S + np.arange(1440.0) * 60.0
        light = elevation_deg(minutes, self.layout.lon_deg, self.layout.lat_deg) >= self.layout.dusk_elevation_deg
        lit = np.flatnonzero(light)
        rise, fall = (int(lit[0]), int(lit[-1]) + 1) if len(lit) else (720, 720)
        second = local.hour * 3600 + local.minute * 60 + local.second
        return Moment(local.date(), second, fall % 1440 * 60, rise * 60)

    def messages(self) -> list[Message]:
        """Return what the boxes are to be told now, once."""
        out, self._waiting = self._waiting, []
        return out

    # What they report --------------------------------------------------------------------------------------------------------

    def observed(self, readings: Sequence[Reading], now_s: float) -> None:
        """Take the boxes' reports of a minute."""
        self._since_s = min(self._since_s, now_s)
        frames = np.frombuffer(wire.decode(readings, self.layout), dtype=wire.FRAME)
        for name, places, scale in (
            ("dimming_level", self.layout.segments.asset, 0.005),
            ("p_kw", self.layout.cabinet_asset, 0.001),
            ("q_kvar", self.layout.cabinet_asset, 0.001),
        ):
            rows = frames[frames["quantity"] == self.layout.vocabulary.index(name)]
            order = np.argsort(places)
            at = order[np.searchsorted(places[order], rows["asset"].astype(np.int64))]
            value = rows["value"] * scale
            if name == "dimming_level":
                self._share[at], self._share_at_s[at] = value, now_s
            elif name == "p_kw":
                self._power_kw[at], self._power_at_s[at] = value, now_s
                self._energy_kwh[at] += value * CADENCE_S / 3600.0
            else:
                self._reactive_kvar[at] = value

    def silent(self, segment: int, now_s: float) -> bool:
        """Tell whether a segment has not reported for more than two minutes."""
        return bool(now_s - max(self._share_at_s[segment], self._since_s) > 2.5 * CADENCE_S)

    def member(self, address: str, now_s: float) -> dict[str, Any]:
        """Return a member with its attributes as they are; KeyError where there is none."""
        if address in self.segments:
            return self._lamp(address, self.segments[address], now_s)
        return self._meter(address, self.cabinets[address])

    def addresses(self) -> list[str]:
        """Return the addresses of all members, in order."""
        return [*self.segments, *self.cabinets]

    def class_of(self, address: str) -> str:
        """Return the class of a member."""
        return LAMP_CLASS if address in self.segments else METER_CLASS

    def _lamp(self, address: str, segment: int, now_s: float) -> dict[str, Any]:
        at = _moment_or_none(float(self._share_at_s[segment]))
        light = {"name": "LevelState", "value": round(float(self._share[segment]) * 100.0)}
        held = self.overrides.get(segment)
        full = {"state": {"name": "LevelState", "value": 100}, "reason": "default"}
        actuator: dict[str, Any] = {
            "id": ACTUATOR,
            "type": "LampActuatorFunction",
            "defaultLightState": _attribute("LevelState", {"name": "LevelState", "value": 100}, None),
            "targetLightCommand": _attribute("Command", full if held is None else dict(held.command), None),
            "feedbackLightCommand": _attribute("Command", full if held is None else dict(held.command), at),
            "actualLightState": _attribute("LevelState", light, at),
            "calendarID": _attribute("String", self.calendar.get(segment, ""), None),
        }
        failed = self.silent(segment, now_s)
        lamps = int(self.layout.segments.lamps[segment])
        monitor = {
            "id": MONITOR,
            "type": "LampMonitorFunction",
            "numberOfLamps": _attribute("Integer", lamps, None),
            "lampFailure": _attribute("Boolean", False, at),  # a silent radio is no broken lamp
        }
        radio = {
            "id": "communication",
            "type": "CommunicationFunction",
            "physicalAddress": _attribute("String", f"simulated/{self.segment_id[segment]}", None),
            "communicationFailure": _attribute("Boolean", failed, moment(now_s)),
        }
        name = self.segment_id[segment]
        functions = [_basic(name), actuator, monitor, radio]
        return {"address": address, "name": name, "class": LAMP_CLASS, "functions": functions}

    def _meter(self, address: str, cabinet: int) -> dict[str, Any]:
        at = _moment_or_none(float(self._power_at_s[cabinet]))
        name = self.cabinet_id[cabinet]
        meter = {
            "id": METER,
            "type": "ElectricalMeterFunction",
            "totalPower": _attribute("Float", round(float(self._power_kw[cabinet]), 3), at),
            "totalVAR": _attribute("Float", round(float(self._reactive_kvar[cabinet]), 3), at),
            "totalActiveEnergy": _attribute("Float", round(float(self._energy_kwh[cabinet]), 3), at),
        }
        return {"address": address, "name": name, "class": METER_CLASS, "functions": [_basic(name), meter]}


def _basic(name: str) -> dict[str, Any]:
    version = _attribute("String", "simulated", None)
    return {"id": BASIC, "type": "BasicFunction", "assetId": _attribute("String", name, None), "swVersion": version}


def _attribute(kind: str, value: Any, at: str | None) -> dict[str, Any]:
    return {"type": f"Attribute{kind}", "value": value, **({"timestamp": at} if at else {})}


def _moment_or_none(at_s: float) -> str | None:
    return moment(at_s) if np.isfinite(at_s) else None


def _about(function: str, kind: str, attributes: Mapping[str, Mapping[str, Any]], events: Sequence[str] = ()) -> dict[str, Any]:
    described = [{"name": name, **more} for name, more in attributes.items()]
    return {"functionId": function, "type": kind, "attributes": described, "events": [{"type": event} for event in events]}


_READ: Mapping[str, Any] = {"readOnly": True}
_COMMANDED: Mapping[str, Any] = {
    "commands": {
        "scope": "override",
        "states": [{"name": "LevelState"}],
        "levels": [{"start": PERCENT_MIN, "end": 100}],
        "attributes": ["reason", "cmsRefId", "expiration", "rampToLevelTime"],
    }
}
_BASIC_ABOUT = _about(BASIC, "BasicFunction", {"assetId": _READ, "swVersion": _READ})
CLASSES: tuple[Mapping[str, Any], ...] = (
    {
        "name": LAMP_CLASS,
        "functions": [
            _BASIC_ABOUT,
            _about(
                ACTUATOR,
                "LampActuatorFunction",
                {
                    "defaultLightState": {},
                    "targetLightCommand": _COMMANDED,
                    "feedbackLightCommand": _READ,
                    "actualLightState": {**_READ, "unit": "Percent"},
                    "calendarID": {},
                },
                ("lightStateChange", "invalidCalendar", "invalidProgram"),
            ),
            _about(MONITOR, "LampMonitorFunction", {"numberOfLamps": _READ, "lampFailure": _READ}, ("lampFailure",)),
            _about(
                "communication",
                "CommunicationFunction",
                {"physicalAddress": _READ, "communicationFailure": _READ},
                ("communicationFailure",),
            ),
        ],
    },
    {
        "name": METER_CLASS,
        "functions": [
            _BASIC_ABOUT,
            _about(
                METER,
                "ElectricalMeterFunction",
                {
                    "totalPower": {**_READ, "unit": "KiloWatt"},
                    "totalVAR": {**_READ, "unit": "KiloVoltAmpereReactive"},
                    "totalActiveEnergy": {**_READ, "unit": "KiloWattHours"},
                },
            ),
        ],
    },
)
GATEWAY_ABOUT: Mapping[str, Any] = {
    "name": GATEWAY_CLASS,
    "functions": [
        _BASIC_ABOUT,
        _about(
            "gateway",
            "GatewayFunction",
            {"cmsUri": {}, "cmsAddress": {}, "gatewayUri": _READ, "gatewayAddress": {}, "crlUrn": {}, "vendor": _READ},
        ),
    ],
}
