# SPDX-License-Identifier: Apache-2.0
"""The server of the gateway side: what a CMS may ask of a simulated city's lamps (TALQ 2.7.1, gateway API, lighting profile).

A request is read whole and found sound before anything of it is done. An override needs an end, at most 30 minutes off, and no
command makes a lit street dark: what a foreign CMS sends meets the same bounds as a command of our own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import programme
from lamplighter.services.lighting.talq.catalogue import unsupported
from lamplighter.services.lighting.talq.cms import paged
from lamplighter.services.lighting.talq.holding import Holding
from lamplighter.services.lighting.talq.lamps import CLASSES, GATEWAY_ABOUT, LEASE_MAX_S, PERCENT_MIN, SimulatedLamps
from lamplighter.services.lighting.talq.loggers import Loggers
from lamplighter.services.lighting.talq.protocol import Call, RefusedError, Reply, Route, refuse, refuse_where
from lamplighter.services.lighting.talq.shape import Wrong, moment_s, record_of, rows_of

AHEAD_MAX_S = 5.0
CALENDARS_MAX, PROGRAMMES_MAX, GROUPS_MAX, GROUP_MEMBERS_MAX, LOGGERS_MAX = 100, 100, 100_000, 100_000, 20
SERVICES: tuple[Mapping[str, Any], ...] = (
    {
        "name": "ConfigurationService",
        "commissioningSupported": False,
        "devicesPaginationSupported": True,
        "supportedProfiles": ["lighting"],
    },
    {
        "name": "ControlService",
        "supportedTypes": ["AbsoluteActivePeriod", "AstroClockActivePeriod", "ccDate", "ccDay"],
        "maximumCalendars": CALENDARS_MAX,
        "maximumPrograms": PROGRAMMES_MAX,
        "maxProgramsPerCalendar": programme.RULES_MAX + 1,
        "maxSwitchPointsPerProgram": programme.POINTS_MAX,
        "maxActivePeriodsPerProgram": programme.PERIODS_MAX,
        "dayOffset": 0,
        "ccDateSupport": "full",
        "ccDaySupport": "full",
        "programSecondsSupported": True,
    },
    {
        "name": "DataCollectService",
        "maximumDataLogs": LOGGERS_MAX,
        "supportedModes": ["VendorRecordingMode", "EventRecordingMode", "PeriodicRecordingMode", "ImmediateReportingMode"],
        "samplingAccuracy": 60.0,
        "minCollectionTime": 60,
        "samplingPeriodSupported": True,
        "attributeScopeSupported": False,
        "recordingActivePeriodsSupported": False,
    },
    {"name": "GroupManagementService", "maximumNumberOfGroups": GROUPS_MAX, "maximumGroupSize": GROUP_MEMBERS_MAX},
)


class GatewaySide:
    """Answers a CMS. who: its address and our own, as the bootstrap settled them."""

    def __init__(self, lamps: SimulatedLamps, loggers: Loggers, restart: Callable[[], None]) -> None:
        self.lamps, self.loggers = lamps, loggers
        self.cms = self.address = ""
        self.own: dict[str, Any] = {}
        self._restart = restart
        check = self._admitted
        self.programmes = Holding("control-programs", "id", PROGRAMMES_MAX, self._programme_faults, check)
        self.calendars = Holding("calendars", "id", CALENDARS_MAX, self._calendar_faults, check)
        self.groups = Holding("groups", "address", GROUPS_MAX, self._group_faults, check)
        self.programmes.used = lambda name: any(name in _programmes_of(one) for one in self.calendars.rows.values())
        self.calendars.used = lambda name: name in lamps.calendar.values()
        self.groups.used = lambda name: any(
            row["address"] == name and row["resource"] == "groups" for g in self.groups.rows.values() for row in g["members"]
        )
        self.routes = self._routes()

    def _routes(self) -> tuple[Route, ...]:
        member, group = "/devices/{deviceAddress}", "/groups/{groupAddress}"
        return (
            Route("GET", "/services", lambda call: self._said(call, list(SERVICES))),
            Route("GET", "/services/{serviceName}", lambda call: self._named(call, SERVICES, "serviceName")),
            Route("GET", "/device-classes", lambda call: self._said(call, [GATEWAY_ABOUT, *CLASSES])),
            Route("GET", "/device-classes/count", lambda call: self._said(call, 1 + len(CLASSES))),
            Route("GET", "/device-classes/{className}", lambda call: self._named(call, (GATEWAY_ABOUT, *CLASSES), "className")),
            Route("GET", "/devices", self._list),
            Route("GET", "/devices/count", lambda call: self._said(call, len(self._wanted(call)))),
            Route("POST", "/devices", self._fixed, docs.Rows(docs.MEMBER)),
            Route("PUT", "/devices", self._fixed, docs.Rows(docs.MEMBER)),
            Route("PATCH", "/devices", self._patch_many, docs.Rows(docs.MEMBER)),
            Route("GET", member, self._get),
            Route("PATCH", member, self._patch_one, docs.MEMBER),
            Route("DELETE", member, self._drop),
            Route("GET", member + "/{functionId}", self._function),
            Route("PATCH", member + "/{functionId}", self._patch_function, docs.FUNCTION),
            Route("GET", member + "/{functionId}/{attributeName}", self._attribute),
            Route("PATCH", member + "/{functionId}/{attributeName}", self._patch_attribute, docs.ATTRIBUTE),
            *self.programmes.routes("controlProgramAddress", docs.PROGRAM),
            *self.calendars.routes("calendarAddress", docs.CALENDAR),
            *self.groups.routes("groupAddress", docs.GROUP),
            Route("PUT", group + "/members", self._grow, docs.REFERENCES),
            Route("GET", group + "/members/count", lambda call: self._said(call, len(self.groups.one(call)["members"]))),
            Route("DELETE", group + "/members/{memberResource}/{memberAddress}", self._shrink),
            Route("POST", "/override-commands", self._override, docs.OVERRIDE),
            Route("GET", "/assign-commands", lambda call: self._said(call, self._assignments())),
            Route("POST", "/assign-commands", self._assign, docs.ASSIGNMENT),
            *self.loggers.routes(self._admitted),
            *unsupported(self._admitted, "gateway"),
        )

    def _admitted(self, call: Call) -> None:
        """Refuse who is not the CMS of the bootstrap."""
        if not self.cms or call.client != self.cms:
            refuse(403, "genericError", "no CMS of this clientAddress is connected; this gateway begins by announcing itself")

    def _said(self, call: Call, document: Any) -> Reply:
        self._admitted(call)
        return Reply(200, document)

    def _named(self, call: Call, rows: tuple[Mapping[str, Any], ...], which: str) -> Reply:
        self._admitted(call)
        for row in rows:
            if row["name"] == call.names[which]:
                return Reply(200, row)
        raise RefusedError(404, "resourceNotFound", ["nothing of this name is announced"])

    # Members -----------------------------------------------------------------------------------------------------------------

    def _wanted(self, call: Call) -> list[str]:
        wanted = call.query.get("deviceClasses")
        addresses = [a for a in self.lamps.addresses() if not wanted or self.lamps.class_of(a) in wanted]
        return ([self.address] if not wanted or GATEWAY_ABOUT["name"] in wanted else []) + addresses

    def _list(self, call: Call) -> Reply:
        self._admitted(call)
        reply = paged(self._wanted(call), call)
        return Reply(200, [self._member(address, call.now_s) for address in reply.document], reply.headers)

    def _member(self, address: str, now_s: float) -> dict[str, Any]:
        if address == self.address:
            return self.own
        if address not in self.lamps.segments and address not in self.lamps.cabinets:
            refuse(404, "resourceNotFound", "no device of this address")
        return self.lamps.member(address, now_s)

    def _get(self, call: Call) -> Reply:
        self._admitted(call)
        return Reply(200, self._member(call.names["deviceAddress"].lower(), call.now_s))

    def _function(self, call: Call) -> Reply:
        for row in self._get(call).document["functions"]:
            if row["id"] == call.names["functionId"]:
                return Reply(200, row)
        raise RefusedError(404, "resourceNotFound", ["the device has no function of this id"])

    def _attribute(self, call: Call) -> Reply:
        function = self._function(call).document
        if call.names["attributeName"] in ("id", "type") or call.names["attributeName"] not in function:
            refuse(404, "resourceNotFound", "the function has no attribute of this name")
        return Reply(200, function[call.names["attributeName"]])

    def _fixed(self, call: Call) -> Reply:
        self._admitted(call)
        raise RefusedError(
            422, "serviceConstraintExceeded", ["devices come from the city's folder (commissioningSupported is false)"]
        )

    def _drop(self, call: Call) -> Reply:
        """Begin anew where the CMS asks for it (5.1, resynchronizing); no other device is deleted."""
        self._admitted(call)
        address = call.names["deviceAddress"].lower()
        member = self._member(address, call.now_s)
        if address != self.address:
            return self._fixed(call)
        self.lamps.resume(list(self.lamps.overrides))
        self.lamps.calendar.clear()
        for holding in (self.calendars, self.programmes, self.groups):
            holding.rows.clear()
        self.loggers.clear()
        self._restart()
        return Reply(200, member)

    # Attributes --------------------------------------------------------------------------------------------------------------

    def _patch_many(self, call: Call) -> Reply:
        self._admitted(call)
        return self._patched(call, [record_of(row) for row in rows_of(call.document)])

    def _patch_one(self, call: Call) -> Reply:
        self._admitted(call)
        return self._patched(call, [{**record_of(call.document), "address": call.names["deviceAddress"]}])

    def _patch_function(self, call: Call) -> Reply:
        self._function(call)
        function = {**record_of(call.document), "id": call.names["functionId"]}
        return self._patched(call, [{"address": call.names["deviceAddress"], "functions": [function]}])

    def _patch_attribute(self, call: Call) -> Reply:
        self._attribute(call)
        function = {"id": call.names["functionId"], call.names["attributeName"]: call.document}
        return self._patched(call, [{"address": call.names["deviceAddress"], "functions": [function]}])

    def _patched(self, call: Call, members: list[Mapping[str, Any]]) -> Reply:
        """Change attributes of members: all of the request is found sound before any of it is done."""
        todo: list[Callable[[], None]] = []
        wrong: list[Wrong] = []
        for k, member in enumerate(members):
            address = str(member["address"]).lower()
            held = self._member(address, call.now_s)
            kinds = {function["id"]: function for function in held["functions"]}
            for m, row in enumerate(rows_of(member.get("functions"))):
                function, at = record_of(row), f"/{k}/functions/{m}"
                there = kinds.get(function["id"])
                if there is None:
                    wrong.append(Wrong(f"{at}/id", repr(str(function["id"])[:40]), "a function that the device has"))
                    continue
                wrong += docs.function_faults({**function, "type": there["type"]}, at)
                for name, value in function.items():
                    if name not in ("id", "type"):
                        self._change(call, (address, there, name), (record_of(value), f"{at}/{name}"), (todo, wrong))
        refuse_where(wrong)
        for done in todo:
            done()
        return Reply(200)

    def _change(
        self,
        call: Call,
        where: tuple[str, Mapping[str, Any], str],
        given: tuple[Mapping[str, Any], str],
        out: tuple[list[Callable[[], None]], list[Wrong]],
    ) -> None:
        """Add what one attribute's change does, or what is wrong with it."""
        (address, there, name), (attribute, at), (todo, wrong) = where, given, out
        value, segment = attribute.get("value"), self.lamps.segments.get(address)
        if name not in there:
            wrong.append(Wrong(at, "there", "an attribute of the announced class"))
        elif name in ("cmsAddress", "cmsUri", "gatewayAddress", "gatewayUri", "crlUrn", "vendor"):
            if name == "cmsAddress" and str(value).lower() != self.cms:
                wrong.append(Wrong(at, "another address", "that of the CMS that answered the announcement"))
        elif segment is None:
            wrong.append(Wrong(at, "written", "nothing: it is read only"))
        elif name == "calendarID" and (not value or value in self.calendars.rows):
            todo.append(lambda: self._run(segment, str(value or "")))
        elif name == "calendarID":
            wrong.append(Wrong(at, "no calendar", "the id of a calendar that is held here"))
        elif name == "targetLightCommand":
            wrong += self.command_faults(record_of(value), at, call.now_s)
            todo.append(lambda: self.lamps.override([segment], _bare(record_of(value)), call.now_s))
        elif name == "defaultLightState":
            if record_of(value).get("value") != 100:
                wrong.append(Wrong(at, "dimmed", "100 %: without command and calendar a street is lit in full"))
        else:
            wrong.append(Wrong(at, "written", "nothing: it is read only"))

    def _run(self, segment: int, calendar: str) -> None:
        if calendar:
            self.lamps.calendar[segment] = calendar
        else:
            self.lamps.calendar.pop(segment, None)

    # Commands ----------------------------------------------------------------------------------------------------------------

    def command_faults(self, command: Mapping[str, Any], at: str, now_s: float) -> list[Wrong]:
        """Return what keeps an override from being obeyed."""
        wrong = list(programme.command_faults(command, at, PERCENT_MIN))
        end_s = moment_s(str(command.get("expiration", "")))
        start_s = moment_s(str(command.get("start", "")))
        if end_s is None:
            wrong.append(
                Wrong(f"{at}/expiration", "missing", "an end, at most 30 minutes off: no command here outlives its sender")
            )
        elif not now_s < end_s <= now_s + LEASE_MAX_S + AHEAD_MAX_S:
            wrong.append(Wrong(f"{at}/expiration", f"{end_s - now_s:.0f} s off", f"1 to {LEASE_MAX_S:.0f} s off"))
        if start_s is not None and start_s > now_s + AHEAD_MAX_S:
            wrong.append(Wrong(f"{at}/start", f"{start_s - now_s:.0f} s off", "now: what is to come belongs in a calendar"))
        return wrong

    def _override(self, call: Call) -> Reply:
        self._admitted(call)
        document = record_of(call.document)
        segments = self._segments(rows_of(document.get("addresses")), "overrideAddressNotValid")
        if "targetCommand" not in document:
            self.lamps.resume(segments)
            return Reply(201)
        command = record_of(document["targetCommand"])
        refuse_where(self.command_faults(command, "/targetCommand", call.now_s), "overrideCommandNotValid")
        self.lamps.override(segments, _bare(command), call.now_s)
        self.loggers.state_changed([self.lamps.segment_address[segment] for segment in segments], command, call.now_s)
        return Reply(201)

    def _assign(self, call: Call) -> Reply:
        self._admitted(call)
        document = record_of(call.document)
        assigned = record_of(document["entity"])
        name = str(assigned["address"])
        if str(assigned["resource"]).strip("/") != "calendars":
            refuse(422, "assignmentEntityNotValid", f"{str(assigned['resource'])[:40]!r} is not assigned here; calendars are")
        if name and name not in self.calendars.rows:
            refuse(422, "assignmentEntityNotValid", f"calendar {name[:40]!r} is not held here")
        for segment in self._segments(rows_of(document["addresses"]), "assignmentAddressNotValid"):
            self._run(segment, name)
        return Reply(201)

    def _assignments(self) -> list[dict[str, Any]]:
        by_name: dict[str, list[dict[str, str]]] = {}
        for segment, name in self.lamps.calendar.items():
            by_name.setdefault(name, []).append({"resource": "devices", "address": self.lamps.segment_address[segment]})
        return [{"addresses": rows, "entity": {"resource": "calendars", "address": name}} for name, rows in by_name.items()]

    def _segments(self, references: list[Any], key: str) -> list[int]:
        """Return the segments behind addresses of devices, functions, attributes and groups; refuses what has no lamp."""
        if not references:
            refuse(422, key, "no address is named; external triggers of dynamic control are not run here")
        found: dict[int, None] = {}
        waiting = [record_of(row) for row in references]
        seen: set[str] = set()
        while waiting:
            row = waiting.pop(0)
            resource, address = str(row["resource"]).strip("/"), str(row["address"])
            if resource == "groups" and address in self.groups.rows:
                if address not in seen:
                    seen.add(address)
                    waiting += [record_of(member) for member in self.groups.rows[address]["members"]]
                continue
            head, *inner = address.strip("/").split("/")
            segment = self.lamps.segments.get(head.lower())
            if resource != "devices" or segment is None or (inner and inner[0] != "lampActuator"):
                refuse(422, key, f"{resource[:20]}/{address[:80]} is no lamp, no group of lamps")
            else:
                found[segment] = None
        return list(found)

    # What is held ------------------------------------------------------------------------------------------------------------

    def _programme_faults(self, one: Mapping[str, Any], at: str) -> list[Wrong]:
        return list(programme.programme_faults(one, at, PERCENT_MIN))

    def _calendar_faults(self, one: Mapping[str, Any], at: str) -> list[Wrong]:
        return list(programme.calendar_faults(one, at, self.programmes.rows))

    def _group_faults(self, one: Mapping[str, Any], at: str) -> list[Wrong]:
        return self._reference_faults(rows_of(one["members"]), f"{at}/members")

    def _reference_faults(self, references: list[Any], at: str) -> list[Wrong]:
        wrong: list[Wrong] = []
        if len(references) > GROUP_MEMBERS_MAX:
            wrong.append(Wrong(at, f"{len(references)} members", f"{GROUP_MEMBERS_MAX} at most"))
        for k, row in enumerate(references):
            resource, address = str(row["resource"]).strip("/"), str(row["address"])
            head = address.strip("/").partition("/")[0].lower()
            known = head in self.lamps.segments or head in self.lamps.cabinets
            if not (resource == "groups" and address in self.groups.rows) and not (resource == "devices" and known):
                wrong.append(Wrong(f"{at}/{k}", f"{resource[:20]}/{address[:60]}", "a device or group that is held here"))
        return wrong

    def _grow(self, call: Call) -> Reply:
        group = self.groups.one(call)
        refuse_where(self._reference_faults(rows_of(call.document), ""), "relatedResourceNotFound")
        members = [*group["members"], *(row for row in rows_of(call.document) if row not in group["members"])]
        self.groups.rows[call.names["groupAddress"]] = {**group, "members": members}
        return Reply(200, members)

    def _shrink(self, call: Call) -> Reply:
        group = self.groups.one(call)
        gone = {"resource": call.names["memberResource"], "address": call.names["memberAddress"]}
        left = [row for row in group["members"] if row["resource"] != gone["resource"] or row["address"] != gone["address"]]
        if len(left) == len(group["members"]):
            refuse(404, "resourceNotFound", "the group has no such member")
        self.groups.rows[call.names["groupAddress"]] = {**group, "members": left}
        return Reply(200, gone)


def _programmes_of(calendar: Mapping[str, Any]) -> list[str]:
    return [*(str(record_of(row).get("program")) for row in rows_of(calendar.get("rules"))), str(calendar.get("defaultProgram"))]


def _bare(command: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command with nothing in it but what is obeyed, and the sender's own mark cut short."""
    kept = {key: command[key] for key in ("reason", "rampToLevelTime", "start", "expiration") if key in command}
    state = {"name": "LevelState", "value": int(command["state"]["value"])}
    mark = {"cmsRefId": str(command["cmsRefId"])[:64]} if "cmsRefId" in command else {}
    return {"state": state, **kept, **mark}
