# SPDX-License-Identifier: Apache-2.0
"""What the CMS side asks of a gateway: install the lamps' own calendar and read it back, have them logged, override, hand back.

A segment is commanded only when every lamp of it is announced and was read back with our calendar and full light as its default:
what a lamp does when a command ends is installed before the first command. Every override ends by itself, 30 minutes on at the
latest. An order that cannot be sent within seconds is not sent at all.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from lamplighter.services.lighting import wire
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import intake, programme, protocol, refusals, registry, timetable
from lamplighter.services.lighting.talq.cms import Announcements
from lamplighter.services.lighting.talq.collecting import Collector
from lamplighter.services.lighting.talq.outbox import Job, Outbox
from lamplighter.services.lighting.talq.registry import READY, Registration
from lamplighter.services.lighting.talq.shape import Rows, faults, record_of, rows_of
from lamplighter.services.lighting.talq.timetable import Points, Programmes
from lamplighter.services.lighting.terms import LEASE_S
from lamplighter.terms.exchange import Answered
from lamplighter.terms.reading import Message

ORDER_LATE_S = 20.0
BACK_LATE_S = LEASE_S + 60.0  # by then every override has ended by itself
SETTLE_S = 2.0
QUIET_MAX_S = 75.0  # nothing logged for so long: the log is asked for
VERIFY_ROUNDS = 5
VERIFY_PAUSE_S = 5.0
CHUNK = 500
LOGGER, EVENT_LOGGER = "lamplighter-values", "lamplighter-events"
_LOGGED = {
    "LampActuatorFunction": ("actualLightState",),
    "LampMonitorFunction": ("activePower", "reactivePower"),
    "ElectricalMeterFunction": ("totalPower", "totalVAR", "totalActiveEnergy"),
}
_LOGGED_WHERE_ANNOUNCED = {
    "LampMonitorFunction": ("activeEnergy", "operatingHours"),
    "LightSensorFunction": ("lightLevel",),
    "PrecipitationSensorFunction": ("precipitationRate",),
}
_WATCHED = """lampFailure dimmingFailure relayFailure controlGearCommFailure cyclingFailure lampUnexpectedOn lampPowerTooLow
    lampPowerTooHigh powerFactorTooLow highTemperature leakageDetected supplyLoss communicationFailure invalidCalendar
    invalidProgram""".split()


def moment(at_s: float) -> str:
    """Return a moment as RFC 3339 text."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Steering:
    """Turns permits into overrides and keeps a gateway set up for them."""

    def __init__(
        self,
        layout: Layout,
        announced: Announcements,
        collector: Collector,
        fresh: Callable[[], str],
    ) -> None:
        self.outbox = Outbox()
        self.watch = False  # look on: configure loggers, but install nothing and command nothing
        self.faults: dict[str, str] = {}
        self.commandable: set[str] = set()
        self._layout, self._announced, self._collector = layout, announced, collector
        self._tables, self._fresh = Programmes((), ()), fresh
        self._address = ""
        self._seen_s = self._asked_s = float("-inf")
        self._verify_s: float | None = None
        self._rounds = 0
        self._members_of: dict[int, list[str]] = {}
        self._group_of: dict[int, str] = {}

    # Setting up ------------------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Look at what was announced meanwhile and queue what follows from it."""
        held = self._announced.held
        if held is None or held.stage < READY:
            if self._address:
                self._lost()
            return
        if held.address != self._address:
            self._lost()
            self._address = held.address
            self._introduce(held)
        if self._announced.changed_s > self._seen_s and now_s - self._announced.changed_s >= SETTLE_S:
            self._seen_s = self._announced.changed_s
            self._collector.pair(held.members)
            self._members_of = _gathered(self._collector.pairs.lamp_segment)
            self._set_up(held, now_s)
        if self._verify_s is not None and now_s >= self._verify_s:
            self._verify_s = None
            self._read_back(held, [], now_s)
        quiet_s = now_s - max(self._collector.heard_s, self._asked_s)
        if self._members_of and quiet_s > QUIET_MAX_S and LOGGER in self._announced.loggers:
            self._asked_s = now_s
            self._get(("log-reports", LOGGER), lambda answer: self._polled(answer, now_s))

    def _lost(self) -> None:
        self._address, self.commandable, self._members_of = "", set(), {}
        self._seen_s, self._verify_s, self._rounds = float("-inf"), None, 0
        self._announced.loggers, self._announced.groups, self._group_of = {}, {}, {}
        self.outbox.drop(lambda job: True)
        self.faults.clear()

    def _send(self, method: str, path: Sequence[str], document: Any, done: Callable[[Answered | None], None]) -> None:
        asked = protocol.request(method, path, self._announced.address, self._fresh(), document)
        self.outbox.add(Job(asked, done))

    def _get(self, path: Sequence[str], done: Callable[[Answered | None], None]) -> None:
        self.outbox.add(Job(protocol.request("GET", path, self._announced.address, ""), done))

    def _expect(self, what: str) -> Callable[[Answered | None], None]:
        """Return what notes a refusal of the gateway as a fault, and its consent as the fault's end."""

        def done(answer: Answered | None) -> None:
            if answer is not None and answer.status < 300:
                self.faults.pop(what, None)
            elif answer is not None:
                self.faults[what] = f"the gateway refuses {what}: {protocol.told(answer)}"

        return done

    def _put_or_post(self, resource: str, document: Any, name: str, what: str) -> None:
        """Create something at the gateway; where it is there already, replace it."""
        done = self._expect(what)

        def created(answer: Answered | None) -> None:
            if answer is not None and answer.status == 409:
                rows = rows_of(document)
                path = (resource, name) if not rows or len(rows) == 1 else (resource,)
                self._send("PUT", path, rows[0] if len(rows) == 1 else document, done)
            else:
                done(answer)

        self._send("POST", (resource,), document, created)

    def _introduce(self, held: Registration) -> None:
        """Tell the gateway who we are (TALQ 2.7.1, 5.1, end of step 1)."""
        function = {"id": registry.gateway_function(held), "type": "GatewayFunction"}
        function_of_ours: dict[str, Any] = {
            **function,
            "cmsAddress": {"type": "AttributeString", "value": self._announced.address},
        }
        member = {"address": held.address, "name": "gateway", "class": "gateway", "functions": [function_of_ours]}
        self._send("PATCH", ("devices", held.address), member, self._expect("our address"))

    def _set_up(self, held: Registration, now_s: float) -> None:
        self._loggers(held, now_s)
        if self.watch:
            return
        self._groups(held)
        self._tables = timetable.programmes(self._layout, timetable.limits_of(held.services))
        owner = self._announced.address
        names: dict[Points, str] = {}
        for days in self._tables.days:
            for points in days:
                if points not in names:
                    names[points] = f"lamplighter-{len(names)}"
                    document = programme.programme_of(names[points], owner, points)
                    self._put_or_post("control-programs", [document], names[points], f"control programme {names[points]}")
        holidays = timetable.holidays_ahead(self._layout, now_s)
        for k, (work, rest) in enumerate(self._tables.days):
            name = _calendar(k)
            calendar = programme.calendar_of(name, owner, names[work], names[rest], holidays)
            self._put_or_post("calendars", [calendar], name, f"calendar {name}")
        by_calendar: dict[str, list[str]] = defaultdict(list)
        for segment, addresses in self._members_of.items():
            by_calendar[_calendar(self._tables.of_segment[segment])] += addresses
        for name, addresses in by_calendar.items():
            for a in range(0, len(addresses), CHUNK):
                rows = [{"resource": "devices", "address": address} for address in addresses[a : a + CHUNK]]
                document = {"addresses": rows, "entity": {"resource": "calendars", "address": name}}
                self._send("POST", ("assign-commands",), document, self._expect(f"calendar {name} for its lamps"))
        self._rounds = VERIFY_ROUNDS
        self._verify_s = now_s + 1.0

    def _loggers(self, held: Registration, now_s: float) -> None:
        """Have values logged every minute where the gateway can, else by its own strategy; and the events of lamps."""
        content = [
            {"function": {"functionType": kind, "attributes": [{"name": name} for name in names]}}
            for kind, names in _LOGGED.items()
        ]
        told = registry.attributes_of(held)
        content += [
            {"function": {"functionType": kind, "attributes": [{"name": name} for name in names if (kind, name) in told]}}
            for kind, names in _LOGGED_WHERE_ANNOUNCED.items()
            if any((kind, name) in told for name in names)
        ]
        mode: dict[str, Any] = {"type": "VendorRecordingMode", "content": content}
        if registry.supports(held, "DataCollectService", "supportedModes", "PeriodicRecordingMode"):
            sampling = {"samplingStartTime": moment(now_s), "samplingPeriod": "PT60S"}
            mode = {"type": "PeriodicRecordingMode", "content": content, "samplingProfiles": [sampling]}
        events = {"type": "EventRecordingMode", "sourceEvents": {"whiteList": list(_WATCHED)}}
        for name, recording in ((LOGGER, mode), (EVENT_LOGGER, events)):
            if name not in self._announced.loggers:
                document: dict[str, Any] = {
                    "address": name,
                    "ownerCMS": self._announced.address,
                    "sourceAddresses": {"blackList": []},
                    "recordingMode": recording,
                    "reportingMode": {"type": "ImmediateReportingMode", "delay": 5},
                }
                self._announced.loggers[name] = document
                self._put_or_post("logger-configs", document, name, f"logger {name}")

    def _groups(self, held: Registration) -> None:
        """Make a group per segment, so that an override names one address, where the gateway holds that many."""
        offered = record_of(held.services.get("GroupManagementService"))
        most = offered.get("maximumNumberOfGroups", 0)
        size = offered.get("maximumGroupSize", 0)
        largest = max((len(addresses) for addresses in self._members_of.values()), default=0)
        if (
            not offered
            or not isinstance(most, int)
            or not isinstance(size, int)
            or most < len(self._members_of)
            or size < largest
        ):
            return
        wanted: dict[int, dict[str, Any]] = {}
        for segment, addresses in self._members_of.items():
            name = str(self._layout.asset_id[self._layout.segments.asset[segment] - self._layout.start])
            members = [{"resource": "devices", "address": address} for address in addresses]
            wanted[segment] = {"address": name, "ownerCMS": self._announced.address, "members": members, "purpose": "override"}
        for segment, group in wanted.items():
            if self._announced.groups.get(group["address"]) == group or len(group["members"]) < 2:
                continue
            note = self._expect(f"group {group['address']}")

            def done(answer: Answered | None, segment: int = segment, group: Mapping[str, Any] = group, note: Any = note) -> None:
                note(answer)
                if answer is not None and answer.status < 300:
                    self._announced.groups[group["address"]] = group
                    self._group_of[segment] = group["address"]

            self._group_of.pop(segment, None)
            method, path = (
                ("PUT", ("groups", group["address"])) if group["address"] in self._announced.groups else ("POST", ("groups",))
            )
            self._send(method, path, group if method == "PUT" else [group], done)

    # Reading back ----------------------------------------------------------------------------------------------------------

    def _read_back(self, held: Registration, before: list[Any], asked_s: float) -> None:
        """Ask for the gateway's own account of its lamps, page by page where it can."""
        pages = record_of(held.services.get("ConfigurationService")).get("devicesPaginationSupported") is True

        def done(answer: Answered | None) -> None:
            rows = protocol.answer_document(answer) if answer is not None and answer.status == 200 else None
            if faults(rows, Rows(docs.MEMBER)):
                self.faults["reading back"] = "the lamps' calendars cannot be read back; no lamp is commanded"
                self.commandable = set()
                return
            self.faults.pop("reading back", None)
            if pages and len(rows_of(rows)) == CHUNK and len(before) < registry.MEMBERS_MAX:
                self._read_back(held, [*before, *rows_of(rows)], asked_s)
            else:
                self._verified([*before, *rows_of(rows)], asked_s)

        more = {"offset": str(len(before)), "limit": str(CHUNK)} if pages else {}
        self.outbox.add(Job(protocol.request("GET", ("devices",), self._announced.address, "", more=more), done))

    def _verified(self, rows: list[Any], asked_s: float) -> None:
        """Take the gateway's own account of its lamps: with our calendar and full light by default they may be commanded."""
        sound = [row for row in rows if not any(_inner_faults(record_of(row)))]
        said = {str(row["address"]).lower(): refusals.kept_member(row) for row in sound}
        self.commandable = set()
        missing = 0
        for address, segment in self._collector.pairs.lamp_segment.items():
            member = said.get(address, {})
            calendar = registry.value_of(member, "LampActuatorFunction", "calendarID")
            default = record_of(registry.value_of(member, "LampActuatorFunction", "defaultLightState")).get("value")
            if default != 100 and member:
                function = registry.function_of(member, "LampActuatorFunction")
                full = {"type": "AttributeLevelState", "value": {"name": "LevelState", "value": 100}}
                path = ("devices", address, str(function.get("id")), "defaultLightState")
                if self._rounds == VERIFY_ROUNDS:
                    self._send("PATCH", path, full, self._expect("full light as default"))
            if calendar == _calendar(self._tables.of_segment[segment]) and default == 100:
                self.commandable.add(address)
            else:
                missing += 1
        self._rounds -= 1
        if missing and self._rounds > 0:
            self._verify_s = asked_s + VERIFY_PAUSE_S
        if missing:
            self.faults["installing"] = (
                f"{missing} lamps are not read back with their calendar and full light; they are not commanded"
            )
        else:
            self.faults.pop("installing", None)

    def _polled(self, answer: Answered | None, asked_s: float) -> None:
        """Take a log that we asked for, as strictly as one that was sent."""
        if answer is None or answer.status != 200:
            return
        report = protocol.answer_document(answer)
        if faults(report, docs.LOG_REPORT) or intake.report_faults(record_of(report)):
            self.faults["asking for the log"] = "the log that the gateway gave on demand cannot be read; it was left"
            return
        self.faults.pop("asking for the log", None)
        self._collector.heard(intake.log_of(record_of(report), asked_s))

    # Orders ----------------------------------------------------------------------------------------------------------------

    def segments_ready(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return (s,) which segments have every lamp announced and read back."""
        lamps = np.zeros(len(self._layout.segments.design), dtype=np.int64)
        for segment, addresses in self._members_of.items():
            lamps[segment] = sum(self._collector.pairs.weight[a] for a in addresses if a in self.commandable)
        return lamps >= self._layout.segments.lamps

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Queue the overrides that say what the service's messages say; tell whether all of them can go out now."""
        if not self._address or self.watch:
            return False
        ready = self.segments_ready()
        grouped: dict[tuple[int, float, float], list[int]] = defaultdict(list)
        back: list[int] = []
        whole = True
        for message in messages:
            command = wire.read_command(message)
            rows = [int(s) for s in command.segment if s < len(ready)]
            if command.hand_back:
                back += [s for s in rows if s in self._members_of]
                continue
            if not 0.0 < command.expires_s - now_s <= LEASE_S + 60.0:
                whole = False
                continue
            for segment, share in zip(rows, command.dimming_level.tolist(), strict=True):
                if ready[segment]:
                    # Whole percents only: rounded up, so that no class is missed for it.
                    percent = int(np.ceil(share * 100.0 - 1e-6))
                    grouped[percent, command.ramp_s, command.expires_s].append(segment)
                else:
                    whole = False
        if back:
            self._hand_back(back, now_s)
        for (percent, ramp_s, expires_s), segments in grouped.items():
            command_of_ours = {
                "state": {"name": "LevelState", "value": percent},
                "reason": "override",
                "cmsRefId": "lamplighter",
                "rampToLevelTime": ramp_s,
                "expiration": moment(min(expires_s, now_s + LEASE_S)),
            }
            whole &= self._override(segments, command_of_ours, now_s + ORDER_LATE_S)
        return whole

    def _hand_back(self, segments: list[int], now_s: float) -> None:
        """Free segments at once: orders that still wait are forgotten first, so that none comes after."""
        self.outbox.drop(lambda job: job.asked.path == "/override-commands" and b'"targetCommand"' in job.asked.body)
        self._override(segments, None, now_s + BACK_LATE_S)

    def _override(self, segments: list[int], command: Mapping[str, Any] | None, not_after_s: float) -> bool:
        rows: list[dict[str, str]] = []
        for segment in segments:
            if segment in self._group_of:
                rows.append({"resource": "groups", "address": self._group_of[segment]})
            else:
                rows += [{"resource": "devices", "address": address} for address in self._members_of.get(segment, [])]
        room = True
        for a in range(0, len(rows), CHUNK):
            document: dict[str, Any] = {"addresses": rows[a : a + CHUNK]}
            if command is not None:
                document["targetCommand"] = command
            asked = protocol.request("POST", ("override-commands",), self._announced.address, self._fresh(), document)
            room &= self.outbox.add(Job(asked, self._expect("an override"), not_after_s), urgent=True)
        return room


def _gathered(segment_of: Mapping[str, int]) -> dict[int, list[str]]:
    out: dict[int, list[str]] = defaultdict(list)
    for address, segment in segment_of.items():
        out[segment].append(address)
    return dict(out)


def _calendar(number: int) -> str:
    return f"lamplighter-{number}"


def _inner_faults(member: Mapping[str, Any]) -> list[object]:
    return [wrong for function in rows_of(member.get("functions")) for wrong in docs.function_faults(record_of(function), "")]
