# SPDX-License-Identifier: Apache-2.0
"""The loggers of the gateway side: what a CMS has logged, kept until it has been taken, and given on demand."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq.intake import MEASURED
from lamplighter.services.lighting.talq.lamps import SimulatedLamps
from lamplighter.services.lighting.talq.protocol import Call, Reply, Route, refuse, refuse_where
from lamplighter.services.lighting.talq.shape import Wrong, record_of, rows_of
from lamplighter.services.lighting.talq.steering import moment

ENTRIES_MAX = 200_000  # kept per logger while the CMS is away; the oldest go first and are counted
CHUNK = 2_000
LOGGERS_MAX = 20
_LOGGABLE = frozenset(
    (*MEASURED, "totalActiveEnergy", "communicationFailure", "lampFailure", "calendarID", "feedbackLightCommand")
)
_DEFAULT = ("actualLightState", "totalPower", "totalVAR", "totalActiveEnergy")


class Loggers:
    """Loggers by address, and what each holds that was not taken yet."""

    def __init__(self, lamps: SimulatedLamps, groups: Callable[[], Mapping[str, Any]]) -> None:
        self.rows: dict[str, Any] = {}
        self.lost = 0
        self._lamps, self._groups = lamps, groups
        self._waiting: dict[str, deque[dict[str, Any]]] = {}
        self._silent: set[int] = set()

    def clear(self) -> None:
        """Forget every logger."""
        self.rows.clear()
        self._waiting.clear()

    def routes(self, known: Callable[[Call], None]) -> tuple[Route, ...]:
        """Return the operations on loggers. known: refuses who may not ask."""

        def add(call: Call) -> Reply:
            known(call)
            name = str(call.document["address"])
            if name in self.rows:
                refuse(409, "resourceConflict", f"logger {name[:60]!r} is held already; PUT replaces it")
            if len(self.rows) >= LOGGERS_MAX:
                refuse(422, "serviceConstraintExceeded", f"{LOGGERS_MAX} loggers are held at most, as announced")
            self._set(call, name)
            return Reply(201)

        def one(call: Call) -> Any:
            known(call)
            if call.names["loggerAddress"] not in self.rows:
                refuse(404, "resourceNotFound", "no logger of this address")
            return self.rows[call.names["loggerAddress"]]

        def put(call: Call) -> Reply:
            one(call)
            if str(call.document["address"]) != call.names["loggerAddress"]:
                refuse(422, "payloadError", "/address is another than that of the path")
            self._set(call, call.names["loggerAddress"])
            return Reply(200)

        def drop(call: Call) -> Reply:
            row = one(call)
            del self.rows[call.names["loggerAddress"]], self._waiting[call.names["loggerAddress"]]
            return Reply(200, row)

        def report(call: Call) -> Reply:
            row = one(call)
            entries = [*self._waiting[row["address"]], *self._sample(row, call.now_s)]
            return Reply(200, {"address": row["address"], "entries": entries[-ENTRIES_MAX:]})

        def count(call: Call) -> Reply:
            known(call)
            return Reply(200, len(self.rows))

        return (
            Route("POST", "/logger-configs", add, docs.LOGGER),
            Route("GET", "/logger-configs/{loggerAddress}", lambda call: Reply(200, one(call))),
            Route("PUT", "/logger-configs/{loggerAddress}", put, docs.LOGGER),
            Route("DELETE", "/logger-configs/{loggerAddress}", drop),
            Route("GET", "/log-reports/count", count),
            Route("GET", "/log-reports/{loggerAddress}", report),
        )

    def _set(self, call: Call, name: str) -> None:
        document = record_of(call.document)
        wrong: list[Wrong] = []
        if str(document["ownerCMS"]).lower() != call.client:
            wrong.append(Wrong("/ownerCMS", "another address", "the clientAddress of the request"))
        recording = record_of(document.get("recordingMode"))
        if rows_of(recording.get("activePeriods")):
            wrong.append(Wrong("/recordingMode/activePeriods", "there", "none (recordingActivePeriodsSupported is false)"))
        if record_of(document.get("reportingMode")).get("type") == "ScheduledReportingMode":
            wrong.append(Wrong("/reportingMode/type", "ScheduledReportingMode", "ImmediateReportingMode, as announced"))
        if not 0 < len(name) <= 128:
            wrong.append(Wrong("/address", f"{len(name)} characters", "1 to 128"))
        refuse_where(wrong)
        self.rows[name] = document
        self._waiting.setdefault(name, deque(maxlen=ENTRIES_MAX))

    # What is logged ----------------------------------------------------------------------------------------------------------

    def minute(self, now_s: float) -> None:
        """Log a minute: values for loggers of values, lamps that fell silent or came back for loggers of events."""
        for name, row in self.rows.items():
            if record_of(row.get("recordingMode")).get("type") != "EventRecordingMode":
                self._keep(name, self._sample(row, now_s))
        silent = {segment for segment in self._lamps.segments.values() if self._lamps.silent(segment, now_s)}
        for segment in sorted(silent ^ self._silent):
            self._event("communicationFailure", self._lamps.segment_address[segment], segment in silent, now_s)
        self._silent = silent

    def _event(self, name: str, address: str, begins: bool, now_s: float) -> None:
        data = {
            "type": "EventLogData",
            "eventType": name,
            "srcAddress": address,
            "startEndFlag": begins,
            "timestamp": moment(now_s),
        }
        for logger, row in self.rows.items():
            if _listens(row, name):
                self._keep(logger, [{"data": data}])

    def state_changed(self, addresses: Sequence[str], command: Mapping[str, Any], now_s: float) -> None:
        """Log that lamps took a command."""
        for logger, row in self.rows.items():
            if _listens(row, "lightStateChange"):
                self._keep(logger, [_changed(address, command, now_s) for address in addresses])

    def _keep(self, name: str, entries: Sequence[dict[str, Any]]) -> None:
        held = self._waiting[name]
        self.lost += max(len(held) + len(entries) - ENTRIES_MAX, 0)
        held.extend(entries)

    def next_report(self) -> dict[str, Any] | None:
        """Return a report of what was not taken yet, nothing where all was."""
        for name, held in self._waiting.items():
            if held:
                return {"address": name, "entries": [held[k] for k in range(min(len(held), CHUNK))]}
        return None

    def taken(self, report: Mapping[str, Any]) -> None:
        """Forget what the CMS has taken."""
        held = self._waiting.get(report["address"], deque())
        for entry in report["entries"]:
            if held and held[0] is entry:
                held.popleft()

    def _sample(self, row: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        """Return what a logger's attributes are now."""
        mode = record_of(row.get("recordingMode"))
        if mode.get("type") == "EventRecordingMode":
            return []
        wanted = [record_of(record_of(part)["function"]) for part in rows_of(mode.get("content"))]
        out: list[dict[str, Any]] = []
        for address in self._sources(record_of(row.get("sourceAddresses"))):
            for function in self._lamps.member(address, now_s)["functions"]:
                for name in _names(function, wanted):
                    data = {"type": "AttributeLogData", "srcAddress": f"{address}/{function['id']}", "timestamp": moment(now_s)}
                    out.append({"data": {**data, "attributeName": name, "attributeValue": function[name]}})
        return out

    def _sources(self, lists: Mapping[str, Any]) -> list[str]:
        white = self._behind(rows_of(lists.get("whiteList"))) if lists.get("whiteList") else set(self._lamps.addresses())
        black = self._behind(rows_of(lists.get("blackList")))
        return [address for address in self._lamps.addresses() if address in white and address not in black]

    def _behind(self, references: list[Any]) -> set[str]:
        found: set[str] = set()
        waiting = [record_of(row) for row in references]
        seen: set[str] = set()
        while waiting:
            row = waiting.pop()
            address = str(row["address"])
            group = self._groups().get(address) if str(row["resource"]).strip("/") == "groups" else None
            if group is not None and address not in seen:
                seen.add(address)
                waiting += [record_of(member) for member in group["members"]]
            found.add(address.strip("/").partition("/")[0].lower())
        return found


def _names(function: Mapping[str, Any], wanted: list[Mapping[str, Any]]) -> list[str]:
    """Return which attributes of a function a logger wants; without wishes those that change."""
    if not wanted:
        return [name for name in _DEFAULT if name in function]
    names: list[str] = []
    for want in wanted:
        if (
            want.get("functionType", function["type"]) == function["type"]
            and want.get("functionId", function["id"]) == function["id"]
        ):
            listed = [str(record_of(a)["name"]) for a in rows_of(want.get("attributes"))] or list(_DEFAULT)
            names += [name for name in listed if name in function and name in _LOGGABLE and name not in names]
    return names


def _listens(row: Mapping[str, Any], event: str) -> bool:
    mode = record_of(row.get("recordingMode"))
    if mode.get("type") != "EventRecordingMode":
        return False
    lists = record_of(mode.get("sourceEvents"))
    white = lists.get("whiteList")
    return (not white or event in white) and event not in rows_of(lists.get("blackList"))


def _changed(address: str, command: Mapping[str, Any], now_s: float) -> dict[str, Any]:
    mark = {"cmsRefId": str(command["cmsRefId"])[:64]} if "cmsRefId" in command else {}
    data = {"type": "StateChangeEventLogData", "eventType": "lightStateChange", "srcAddress": f"{address}/lampActuator"}
    state = {"name": "LevelState", "value": int(command["state"]["value"])}
    return {
        **mark,
        "data": {**data, "timestamp": moment(now_s), "command": {"state": state, "reason": "override"}, "state": state},
    }
