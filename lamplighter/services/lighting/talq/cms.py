# SPDX-License-Identifier: Apache-2.0
"""The server of the CMS side: what a gateway announces and logs (TALQ 2.7.1, CMS API, lighting profile).

Every handler reads the whole request first and changes what is held last, in one step: a request that is refused changes nothing.
A gateway that starts its bootstrap anew is served beside the one that is held, which stays until the new bootstrap is through.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import intake, refusals, registry
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.catalogue import unsupported
from lamplighter.services.lighting.talq.intake import Log
from lamplighter.services.lighting.talq.protocol import Call, RefusedError, Reply, Route, refuse, refuse_where
from lamplighter.services.lighting.talq.registry import ADDRESSED, DESCRIBED, FOUND, OFFERED, READY, Registration
from lamplighter.services.lighting.talq.shape import Rows, Wrong, record_of, rows_of

_MEMBERS, _CLASSES = Rows(docs.MEMBER), Rows(docs.CLASS)


class Announcements:
    """Holds what the gateway announced and answers its requests. `heard` is given every log, after it was found sound."""

    def __init__(self, address: str, peer_uri: str, fresh: Callable[[], str], heard: Callable[[Log], None]) -> None:
        self.address = address
        self.held: Registration | None = None
        self.changed_s = 0.0
        self.loggers: dict[str, Any] = {}
        self.groups: dict[str, Any] = {}
        self._coming: Registration | None = None
        self._peer_uri, self._fresh, self._heard = peer_uri.rstrip("/"), fresh, heard
        self.routes = self._routes()

    def _routes(self) -> tuple[Route, ...]:
        one, many = docs.MEMBER, _MEMBERS
        return (
            Route("POST", "/services", self._services, Rows(docs.SERVICE), body_may_be_missing=True),
            Route("POST", "/device-classes", self._add_classes, _CLASSES),
            Route("PUT", "/device-classes", self._put_classes, _CLASSES),
            Route("PUT", "/device-classes/{className}", self._put_class, docs.CLASS),
            Route("DELETE", "/device-classes/{className}", self._drop_class),
            Route("GET", "/devices", self._list),
            Route("POST", "/devices", self._add, many),
            Route("PUT", "/devices", self._put, many),
            Route("PATCH", "/devices", self._patch, many),
            Route("GET", "/devices/{deviceAddress}", self._get),
            Route("PUT", "/devices/{deviceAddress}", self._put_one, one),
            Route("PATCH", "/devices/{deviceAddress}", self._patch_one, one),
            Route("DELETE", "/devices/{deviceAddress}", self._drop),
            Route("GET", "/devices/{deviceAddress}/{functionId}", self._function),
            Route("GET", "/devices/{deviceAddress}/{functionId}/{attributeName}", self._attribute),
            Route("POST", "/log-reports", self._log, docs.LOG_REPORT),
            Route("GET", "/logger-configs/{loggerAddress}", self._logger),
            Route("GET", "/groups", lambda call: Reply(200, list(self._from(call) and self.groups.values()))),
            Route("GET", "/groups/{groupAddress}", self._group),
            *unsupported(self._from, "cms"),
        )

    def _from(self, call: Call) -> Registration:
        """Return whom a request comes from; 403 where nobody of that address was ever admitted."""
        for registration in (self.held, self._coming):
            if registration is not None and registration.address == call.client:
                return registration
        told = "no gateway of this clientAddress is connected; begin with POST /devices (TALQ 2.7.1, 5.1)"
        raise RefusedError(403, "genericError", [told])

    def _ready(self, call: Call) -> Registration:
        """Return whom a request comes from; 403 until its bootstrap is through (TALQ 2.7.1, 5.1)."""
        registration = self._from(call)
        if registration.stage < READY:
            refuse(403, "genericError", f"the bootstrap is not through; next comes {_NEXT[registration.stage]} (TALQ 2.7.1, 5.1)")
        return registration

    def _keep(self, registration: Registration, now_s: float) -> None:
        """Hold what is known now; what comes in place of another takes its place when its bootstrap is through."""
        if self.held is not None and self.held.address == registration.address:
            self.held = registration
        elif registration.stage == READY:
            self.held, self._coming = registration, None
        else:
            self._coming = registration
        self.changed_s = now_s

    def adopt(self, registration: Registration, now_s: float) -> None:
        """Hold a gateway that was asked for what it is, after a restart of ours."""
        self.held, self.changed_s = registration, now_s

    def forget(self) -> None:
        """Forget the gateway, so that it begins anew."""
        self.held = None

    # Bootstrap -------------------------------------------------------------------------------------------------------------

    def _announce(self, call: Call) -> Reply:
        """Give a new gateway its address (5.1, step 1)."""
        rows = rows_of(call.document)
        gateways = [member for member in rows if registry.function_of(member, "GatewayFunction")]
        if len(rows) != 1 or len(gateways) != 1:
            refuse(422, "payloadError", "a gateway announces itself alone: one device with one GatewayFunction")
        member = refusals.kept_member(rows[0])
        said = str(registry.value_of(member, "GatewayFunction", "gatewayAddress") or words.NOBODY)
        if said != words.NOBODY:
            refuse(422, "payloadError", "gatewayAddress is assigned here; leave it out or send the NIL UUID (TALQ 2.7.1, 5.1)")
        refuse_where([*_inner([rows[0]]), *self._uri_faults(member)])
        address = self._fresh()
        self._coming = Registration(address)
        function = dict(registry.function_of(member, "GatewayFunction"))
        function["gatewayAddress"] = {"type": "AttributeString", "value": address}
        function["cmsAddress"] = {"type": "AttributeString", "value": self.address}
        return Reply(201, [{**member, "address": address, "functions": [function]}])

    def _uri_faults(self, member: Mapping[str, Any]) -> list[Wrong]:
        """Return a fault where the gateway wants to be spoken to elsewhere than where it was said to be."""
        said = registry.value_of(member, "GatewayFunction", "gatewayUri")
        if said is None or str(said).rstrip("/") == self._peer_uri:
            return []
        return [Wrong("GatewayFunction/gatewayUri", repr(str(said)[:80]), f"{self._peer_uri}/, as the wiring file has it")]

    def _services(self, call: Call) -> Reply:
        registration = self._from(call)
        if registration.stage < FOUND:
            refuse(403, "genericError", f"the bootstrap is not so far; next comes {_NEXT[registration.stage]} (TALQ 2.7.1, 5.1)")
        services = {str(record_of(row)["name"]): _service(record_of(row)) for row in rows_of(call.document)}
        missing = [name for name in ("ConfigurationService", "ControlService", "DataCollectService") if name not in services]
        if missing:
            refuse(422, "payloadError", f"{', '.join(missing)} missing: the lighting profile makes it mandatory")
        self._keep(replace(registration.grown(OFFERED), services=services), call.now_s)
        return Reply(201)

    # Classes ---------------------------------------------------------------------------------------------------------------

    def _add_classes(self, call: Call) -> Reply:
        registration = self._from(call)
        rows = [record_of(row) for row in rows_of(call.document)]
        refuse_where([wrong for k, row in enumerate(rows) for wrong in refusals.class_faults(row, f"/{k}")])
        made = [refusals.kept_class(row) for row in rows]
        names = [one["name"] for one in made]
        again = [name for name in (*registry.twice(names), *names) if name in registration.classes or names.count(name) > 1]
        if again:
            refuse(409, "resourceConflict", f"class {again[0][:60]!r} was announced before; PUT lets it grow")
        if len(registration.classes) + len(made) > registry.CLASSES_MAX:
            refuse(422, "serviceConstraintExceeded", f"more than {registry.CLASSES_MAX} classes")
        stage = {ADDRESSED: DESCRIBED, OFFERED: READY}.get(registration.stage, registration.stage)
        classes = {**registration.classes, **{one["name"]: one for one in made}}
        self._keep(replace(registration.grown(stage), classes=classes), call.now_s)
        return Reply(201, made)

    def _put_classes(self, call: Call) -> Reply:
        return self._classes_grown(call, [record_of(row) for row in rows_of(call.document)])

    def _put_class(self, call: Call) -> Reply:
        reply = self._classes_grown(call, [{**record_of(call.document), "name": call.names["className"]}])
        return Reply(200, reply.document[0])

    def _classes_grown(self, call: Call, rows: list[Mapping[str, Any]]) -> Reply:
        registration = self._ready(call)
        refuse_where([wrong for k, row in enumerate(rows) for wrong in refusals.class_faults(row, f"/{k}")])
        made = {str(row["name"]): refusals.kept_class(row) for row in rows}
        for name, one in made.items():
            if name not in registration.classes:
                refuse(
                    404 if "className" not in call.names else 422, "resourceNotFound", f"class {name[:60]!r} was not announced"
                )
            lost = registry.reduced(registration.classes[name], one)
            if lost:
                refuse(422, "resourceConflict", f"class {name[:60]!r} may only grow; it would lose {', '.join(lost)[:80]}")
        self._keep(replace(registration, classes={**registration.classes, **made}), call.now_s)
        return Reply(200, list(made.values()))

    def _drop_class(self, call: Call) -> Reply:
        registration = self._ready(call)
        name = call.names["className"]
        if name not in registration.classes:
            refuse(404, "resourceNotFound", f"class {name[:60]!r} was not announced")
        if any(member["class"] == name for member in registration.members.values()):
            refuse(422, "deletingResourceIsReferred", f"class {name[:60]!r} has members; delete them first")
        self._keep(replace(registration, classes=_without(registration.classes, name)), call.now_s)
        return Reply(200, registration.classes[name])

    # Members ---------------------------------------------------------------------------------------------------------------

    def _add(self, call: Call) -> Reply:
        if call.client == words.NOBODY:
            return self._announce(call)
        registration = self._ready(call)
        members = self._sound(call, registration, rows_of(call.document))
        addresses = [member["address"] for member in members]
        again = [a for a in addresses if a in registration.members] + registry.twice(addresses)
        if again:
            refuse(409, "resourceConflict", f"device {again[0]} is announced already; PUT or PATCH changes it")
        if len(registration.members) + len(members) > registry.MEMBERS_MAX:
            refuse(422, "serviceConstraintExceeded", f"more than {registry.MEMBERS_MAX} devices")
        return self._taken(call, registration, members, 201)

    def _put(self, call: Call) -> Reply:
        registration = self._ready(call)
        members = self._sound(call, registration, rows_of(call.document))
        self._known(registration, [member["address"] for member in members])
        return self._taken(call, registration, members, 200)

    def _put_one(self, call: Call) -> Reply:
        registration = self._ready(call)
        self._known(registration, [call.names["deviceAddress"].lower()])
        self._same(call)
        reply = self._taken(call, registration, self._sound(call, registration, [call.document]), 200)
        return Reply(200, reply.document[0])

    def _patch(self, call: Call) -> Reply:
        return self._changed(call, self._from(call), [record_of(row) for row in rows_of(call.document)])

    def _patch_one(self, call: Call) -> Reply:
        registration = self._from(call)
        self._same(call)
        return self._changed(call, registration, [record_of(call.document)])

    def _changed(self, call: Call, registration: Registration, rows: list[Mapping[str, Any]]) -> Reply:
        """Take partial updates: of the gateway itself within the bootstrap, of any member after it."""
        own = [row for row in rows if str(row["address"]).lower() == registration.address]
        if own and len(rows) == 1:
            member = refusals.kept_member(own[0])
            refuse_where([*_inner(own), *self._uri_faults(member)])
            if registration.stage == DESCRIBED and registry.value_of(member, "GatewayFunction", "gatewayUri") is None:
                refuse(422, "payloadError", "gatewayUri is needed in the GatewayFunction (TALQ 2.7.1, 5.1)")
            stage = FOUND if registration.stage == DESCRIBED else registration.stage
            self._keep(registration.grown(stage), call.now_s)
            return Reply(200)
        registration = self._ready(call)
        rows = [row for row in rows if row not in own]
        self._known(registration, [str(row["address"]).lower() for row in rows])
        refuse_where(_inner(rows))
        members = [registry.joined(registration.members[c["address"]], c) for c in map(refusals.kept_member, rows)]
        refuse_where([wrong for k, m in enumerate(members) for wrong in registry.misfits(m, registration.classes, f"/{k}")])
        self._heard(intake.log_of_members(rows, call.now_s))
        self._hold(call, registration, members)
        return Reply(200)

    def _sound(self, call: Call, registration: Registration, rows: list[Any]) -> list[dict[str, Any]]:
        """Return what is kept of announced members; refuses what they must not be."""
        refuse_where(_inner([record_of(row) for row in rows]))
        members = [refusals.kept_member(record_of(row)) for row in rows]
        refuse_where([wrong for k, m in enumerate(members) for wrong in registry.misfits(m, registration.classes, f"/{k}")])
        return members

    def _taken(self, call: Call, registration: Registration, members: list[dict[str, Any]], status: int) -> Reply:
        self._heard(intake.log_of_members(list(members), call.now_s))
        self._hold(call, registration, members)
        return Reply(status, members)

    def _hold(self, call: Call, registration: Registration, members: list[dict[str, Any]]) -> None:
        kept = {member["address"]: _lasting(member) for member in members}
        if any(registration.members.get(address) != member for address, member in kept.items()):
            self._keep(replace(registration, members={**registration.members, **kept}), call.now_s)

    def _known(self, registration: Registration, addresses: list[str]) -> None:
        unknown = [address for address in addresses if address not in registration.members]
        if unknown:
            refuse(404, "resourceNotFound", f"device {unknown[0]} was not announced")

    def _same(self, call: Call) -> None:
        if str(record_of(call.document)["address"]).lower() != call.names["deviceAddress"].lower():
            refuse(422, "payloadError", "/address is another than that of the path")

    def _drop(self, call: Call) -> Reply:
        registration = self._from(call)
        address = call.names["deviceAddress"].lower()
        if address == registration.address:  # the gateway begins anew (5.1, resynchronizing)
            if registration is self.held:
                self.held = None
            else:
                self._coming = None
            self.changed_s = call.now_s
            return Reply(200, {"address": address, "name": "gateway", "class": "gateway", "functions": []})
        registration = self._ready(call)
        self._known(registration, [address])
        self._keep(replace(registration, members=_without(registration.members, address)), call.now_s)
        return Reply(200, registration.members[address])

    def _list(self, call: Call) -> Reply:
        members = list(self._from(call).members.values())
        wanted = call.query.get("deviceClasses")
        if wanted:
            members = [member for member in members if member["class"] in wanted]
        return paged(members, call)

    def _get(self, call: Call) -> Reply:
        registration = self._from(call)
        self._known(registration, [call.names["deviceAddress"].lower()])
        return Reply(200, registration.members[call.names["deviceAddress"].lower()])

    def _function(self, call: Call) -> Reply:
        for row in rows_of(self._get(call).document["functions"]):
            if record_of(row)["id"] == call.names["functionId"]:
                return Reply(200, row)
        raise RefusedError(404, "resourceNotFound", ["the device has no function of this id that is kept here"])

    def _attribute(self, call: Call) -> Reply:
        function = record_of(self._function(call).document)
        if call.names["attributeName"] in ("id", "type") or call.names["attributeName"] not in function:
            refuse(404, "resourceNotFound", "the function has no attribute of this name that is kept here")
        return Reply(200, function[call.names["attributeName"]])

    # Logs ------------------------------------------------------------------------------------------------------------------

    def _log(self, call: Call) -> Reply:
        registration = self._ready(call)
        report = record_of(call.document)
        refuse_where(intake.report_faults(report))
        log = intake.log_of(report, call.now_s)
        known = {*registration.members, registration.address}
        strange = [one.address for one in (*log.taken, *log.events) if one.address not in known]
        if strange:
            refuse(422, "relatedResourceNotFound", f"device {strange[0][:40]} was not announced; announce it before its log")
        self._heard(log)
        return Reply(201)

    def _logger(self, call: Call) -> Reply:
        self._from(call)
        if call.names["loggerAddress"] not in self.loggers:
            refuse(404, "resourceNotFound", "no logger of this address was configured")
        return Reply(200, self.loggers[call.names["loggerAddress"]])

    def _group(self, call: Call) -> Reply:
        self._from(call)
        if call.names["groupAddress"] not in self.groups:
            refuse(404, "resourceNotFound", "no group of this address was made")
        return Reply(200, self.groups[call.names["groupAddress"]])


_NEXT = {
    ADDRESSED: "POST /device-classes for the gateway itself",
    DESCRIBED: "PATCH /devices/<gatewayAddress> with gatewayUri",
    FOUND: "POST /services",
    OFFERED: "POST /device-classes",
}


def paged(rows: list[Any], call: Call) -> Reply:
    """Return a list, or the part of it that offset and limit ask for, with the headers of 5.10."""
    if "offset" not in call.query and "limit" not in call.query:
        return Reply(200, rows)
    offset = int(call.query.get("offset", ["0"])[-1])
    limit = int(call.query.get("limit", [str(PAGE)])[-1])
    part = rows[offset : offset + limit]
    told = {"offset": offset, "count": len(part), "defaultLimit": PAGE, "totalCount": len(rows)}
    return Reply(200, part, {f"pagination-{name}": str(value) for name, value in told.items()})


PAGE = 200
_PASSING = frozenset(
    (*intake.MEASURED, *intake.EVENT_ATTRIBUTES, "targetLightCommand", "feedbackLightCommand", "calendarID", "currentTime")
)


def _inner(rows: list[Any]) -> list[Wrong]:
    """Return what is wrong inside the functions of members, by the names of their parts, and what is refused of them."""
    wrong: list[Wrong] = []
    for k, row in enumerate(rows):
        member = record_of(row)
        wrong += refusals.member_faults(member, f"/{k}")
        for m, function in enumerate(rows_of(member.get("functions"))):
            wrong += docs.function_faults(record_of(function), f"/{k}/functions/{m}")
    return wrong


def _lasting(member: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member without what it measured or did: what lamps did when is not kept beyond the latest value."""
    functions: list[dict[str, Any]] = []
    for row in rows_of(member["functions"]):
        function: dict[str, Any] = {}
        for key, value in record_of(row).items():
            if key not in _PASSING:
                function[key] = _without(record_of(value), "timestamp") if record_of(value) else value
        functions.append(function)
    return {**member, "functions": functions}


def _service(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a service: its name and its numbers and lists of words."""
    out: dict[str, Any] = {}
    for key, value in one.items():
        if isinstance(value, str | int | float) and len(str(value)) <= 64:
            out[key[:64]] = value
        elif rows_of(value):
            out[key[:64]] = [text[:64] for text in rows_of(value)[:64] if isinstance(text, str)]
    return out


def _without(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in held.items() if key != name}
