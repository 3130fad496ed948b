# SPDX-License-Identifier: Apache-2.0
"""What a gateway logs, read strictly: values of attributes and events, each with its moment, and nothing else.

A report is taken whole or not at all. What names no attribute of the closed list is counted and forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.shape import Record, Wrong, faults, moment_s, record_of, rows_of

AHEAD_MAX_S = 300.0  # a value from further in the future than this is not believed
# Attributes that are taken: of which function, their unit here in units of the standard's, and the most that is believed.
MEASURED = {
    "actualLightState": ("LampActuatorFunction", 1.0, 100.0),
    "activePower": ("LampMonitorFunction", 1.0, 1e5),  # W
    "reactivePower": ("LampMonitorFunction", 1.0, 1e5),  # var
    "activeEnergy": ("LampMonitorFunction", 1000.0, 1e12),  # kWh to Wh
    "operatingHours": ("LampMonitorFunction", 1.0, 1e6),  # h
    "totalPower": ("ElectricalMeterFunction", 1000.0, 1e7),  # kW to W
    "totalVAR": ("ElectricalMeterFunction", 1000.0, 1e7),  # kvar to var
    "totalActiveEnergy": ("ElectricalMeterFunction", 1000.0, 1e15),  # kWh to Wh
    "lightLevel": ("LightSensorFunction", 1.0, 2e5),  # lx
    "precipitationRate": ("PrecipitationSensorFunction", 1.0, 1e4),  # mm/h
}
EVENT_ATTRIBUTES = frozenset(("lampFailure", "supplyLoss", "communicationFailure"))
_VALUE = Record(("attributeName", "attributeValue"), {"attributeName": docs.TEXT, "attributeValue": docs.ATTRIBUTE})
_EVENT = Record(("eventType",), {"eventType": docs.EVENT, "startEndFlag": docs.Flag()})


@dataclass(frozen=True)
class Taken:
    """One value of one function. name: the attribute; value: percent, W, var, Wh, h, lx or mm/h as it is named; at_s: when it
    was so."""

    address: str
    function: str
    name: str
    value: float
    at_s: float


@dataclass(frozen=True)
class Event:
    """One event. begins: a condition begins or ends; nothing where it is a moment's."""

    address: str
    name: str
    begins: bool | None
    at_s: float


@dataclass(frozen=True)
class Log:
    """What one report holds; left: entries that are about nothing we listen to."""

    taken: tuple[Taken, ...]
    events: tuple[Event, ...]
    left: int


def report_faults(report: Mapping[str, Any]) -> list[Wrong]:
    """Return what is wrong with the entries of a report, by the names of what they hold."""
    wrong: list[Wrong] = []
    for k, row in enumerate(rows_of(report.get("entries"))):
        data = record_of(record_of(row).get("data"))
        at = f"/entries/{k}/data"
        shape = _VALUE if data.get("type") == "AttributeLogData" else _EVENT
        if data:
            found = faults(data, shape)
            wrong += [Wrong(at + one.where, one.said, one.allowed) for one in found]
            name = str(data.get("attributeName"))
            if not found and data["type"] == "AttributeLogData" and name in docs.TYPES:
                wrong += docs.attribute_faults(record_of(data["attributeValue"]), name, f"{at}/attributeValue")
        if len(wrong) > 20:
            break
    return wrong


def log_of(report: Mapping[str, Any], now_s: float) -> Log:
    """Return the values and events of a report without faults."""
    taken: list[Taken] = []
    events: list[Event] = []
    left = 0
    for row in rows_of(report.get("entries")):
        data = record_of(record_of(row).get("data"))
        address, _, function = str(data.get("srcAddress", "")).removeprefix("/devices/").strip("/").partition("/")
        written_s = moment_s(str(data.get("timestamp", ""))) or now_s
        if data.get("type") == "AttributeLogData":
            one = value_of(
                address.lower(),
                function.partition("/")[0],
                str(data["attributeName"]),
                record_of(data["attributeValue"]),
                written_s,
            )
        elif data.get("eventType") in words.LAMP_EVENTS:
            flag = data.get("startEndFlag")
            one = Event(address.lower(), str(data["eventType"]), flag if isinstance(flag, bool) else None, written_s)
        else:
            one = None
        if one is None or one.at_s > now_s + AHEAD_MAX_S:
            left += 1
        elif isinstance(one, Event):
            events.append(one)
        else:
            taken.append(one)
    return Log(tuple(taken), tuple(events), left)


def value_of(address: str, function: str, name: str, attribute: Mapping[str, Any], otherwise_s: float) -> Taken | Event | None:
    """Return an attribute's value as something we listen to, nothing where it is not."""
    value = attribute.get("value")
    at_s = moment_s(str(attribute.get("timestamp", ""))) or otherwise_s
    if name in EVENT_ATTRIBUTES and isinstance(value, bool):
        return Event(address, name, value, at_s)
    if name == "actualLightState":
        value = record_of(value).get("value")
    if name in MEASURED and isinstance(value, int | float) and not isinstance(value, bool):
        _, unit, most = MEASURED[name]
        return Taken(address, function, name, float(value) * unit, at_s) if abs(value) * unit <= most else None
    return None


def log_of_members(members: list[Mapping[str, Any]], now_s: float) -> Log:
    """Return the values and events that announced or updated members carry with them."""
    taken: list[Taken] = []
    events: list[Event] = []
    for member in members:
        for row in rows_of(member.get("functions")):
            function = record_of(row)
            for name, attribute in function.items():
                if name in ("id", "type"):
                    continue
                one = value_of(str(member["address"]).lower(), str(function["id"]), name, record_of(attribute), now_s)
                if isinstance(one, Event):
                    events.append(one)
                elif one is not None and one.at_s <= now_s + AHEAD_MAX_S:
                    taken.append(one)
    return Log(tuple(taken), tuple(events), 0)
