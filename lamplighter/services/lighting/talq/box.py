# SPDX-License-Identifier: Apache-2.0
"""The gateway side whole: it announces itself to a CMS, answers it, logs to it, and begins anew when it is told to."""

from collections.abc import Callable, Sequence
from typing import Any

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import protocol, registry
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.gateway import SERVICES, GatewaySide
from lamplighter.services.lighting.talq.lamps import CLASSES, GATEWAY_ABOUT, GATEWAY_CLASS, SimulatedLamps
from lamplighter.services.lighting.talq.loggers import Loggers
from lamplighter.services.lighting.talq.outbox import Job, Outbox
from lamplighter.services.lighting.talq.shape import Rows, Text, faults, fits, record_of, rows_of
from lamplighter.terms.exchange import Answered, Asked
from lamplighter.terms.reading import Message, Reading

CHUNK = 200
AGAIN_S = 30.0
_UUID = Text("uuid")


class TalqGateway:
    """A simulated city's lamps behind TALQ. own_uri: where the CMS reaches us; fresh: a new UUID with every call."""

    def __init__(self, layout: Layout, city: str, uris: tuple[str, str], fresh: Callable[[], str]) -> None:
        self.own_uri, self.cms_uri = uris
        self.lamps = SimulatedLamps(layout, city)
        self.loggers = Loggers(self.lamps, lambda: self.side.groups.rows)
        self.side = GatewaySide(self.lamps, self.loggers, self._restart)
        self.outbox = Outbox()
        self.connected = False
        self.fault = "not yet connected to the CMS"
        self._fresh = fresh
        self._begin_s = 0.0
        self._begun = self._reporting = False

    # As a server -------------------------------------------------------------------------------------------------------------

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Answer a request of the CMS."""
        return protocol.answer(asked, self.side.routes, now_s)

    # As a client -------------------------------------------------------------------------------------------------------------

    def next_request(self, now_s: float) -> Asked | None:
        """Return what is to be asked of the CMS now."""
        if not self._begun and now_s >= self._begin_s:
            self._begun = True
            self._announce(now_s)
        if self.connected and not self._reporting:
            report = self.loggers.next_report()
            if report is not None:
                self._reporting = True
                self._send("POST", ("log-reports",), report, lambda answer: self._reported(report, answer))
        return self.outbox.next(now_s)

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the CMS's answer to the last request."""
        self.outbox.answered(answer, now_s)

    def _send(self, method: str, path: Sequence[str], document: Any, done: Callable[[Answered | None], None]) -> None:
        client = self.side.address or words.NOBODY
        self.outbox.add(Job(protocol.request(method, path, client, self._fresh(), document), done))

    def _member(self) -> dict[str, Any]:
        """Return the device that is the gateway itself."""
        side = self.side
        function: dict[str, Any] = {
            "id": "gateway",
            "type": "GatewayFunction",
            "cmsUri": {"type": "AttributeUri", "value": self.cms_uri},
            "cmsAddress": {"type": "AttributeString", "value": side.cms or words.NOBODY},
            "gatewayUri": {"type": "AttributeUri", "value": self.own_uri},
            "gatewayAddress": {"type": "AttributeString", "value": side.address or words.NOBODY},
            "vendor": {"type": "AttributeString", "value": "lamplighter (simulated)"},
        }
        basic = {"id": "basic", "type": "BasicFunction", "swVersion": {"type": "AttributeString", "value": words.VERSION}}
        return {
            "address": side.address or words.NOBODY,
            "name": "gateway",
            "class": GATEWAY_CLASS,
            "functions": [basic, function],
        }

    def _announce(self, now_s: float) -> None:
        """Begin the bootstrap (TALQ 2.7.1, 5.1)."""
        self._send("POST", ("devices",), [self._member()], lambda answer: self._addressed(answer, now_s))

    def _addressed(self, answer: Answered | None, now_s: float) -> None:
        rows = protocol.answer_document(answer) if answer is not None and answer.status == 201 else None
        given = record_of(rows_of(rows)[0]) if not faults(rows, Rows(docs.MEMBER)) and rows else record_of(None)
        address = registry.value_of(given, "GatewayFunction", "gatewayAddress") or given.get("address")
        cms = registry.value_of(given, "GatewayFunction", "cmsAddress")
        if not all(fits(one, _UUID) and one != words.NOBODY for one in (address, cms)):
            self._again("the announcement", answer, now_s)
            return
        self.side.address, self.side.cms = str(address).lower(), str(cms).lower()
        self.side.own = self._member()
        steps: list[tuple[str, Sequence[str], Any]] = [
            ("POST", ("device-classes",), [GATEWAY_ABOUT]),
            ("PATCH", ("devices", self.side.address), self.side.own),
            ("POST", ("services",), list(SERVICES)),
            ("POST", ("device-classes",), list(CLASSES)),
        ]
        addresses = self.lamps.addresses()
        for a in range(0, len(addresses), CHUNK):
            members = [self.lamps.member(address, now_s) for address in addresses[a : a + CHUNK]]
            steps.append(("POST", ("devices",), members))
        self._step(steps, now_s)

    def _step(self, steps: list[tuple[str, Sequence[str], Any]], now_s: float) -> None:
        """Take one step after the other; a refusal begins anew later."""
        if not steps:
            self.connected, self.fault = True, ""
            return
        (method, path, document), left = steps[0], steps[1:]

        def done(answer: Answered | None) -> None:
            if answer is not None and answer.status < 300:
                self._step(left, now_s)
            else:
                self._again(f"{method} /{path[0]}", answer, now_s)

        self._send(method, path, document, done)

    def _again(self, what: str, answer: Answered | None, now_s: float) -> None:
        said = protocol.told(answer) if answer is not None else "no answer"
        self.fault = f"the CMS refuses {what}: {said}; announcing again in {AGAIN_S:g} s"
        self._forget()
        self._begin_s = now_s + AGAIN_S

    def _forget(self) -> None:
        self.side.address = self.side.cms = ""
        self.connected = self._begun = self._reporting = False
        self.outbox.drop(lambda job: True)

    def _restart(self) -> None:
        """Begin anew because the CMS asked for it."""
        self._forget()
        self._begin_s = 0.0

    def _reported(self, report: dict[str, Any], answer: Answered | None) -> None:
        self._reporting = False
        if answer is not None and answer.status < 300:
            self.loggers.taken(report)
        elif answer is not None and answer.status in (403, 404):
            self.fault = f"the CMS knows us no more: {protocol.told(answer)}; announcing again"
            self._restart()
        elif answer is not None:  # refused for what it holds: sending it for ever would keep all that comes after it
            self.fault = f"the CMS refuses a log: {protocol.told(answer)}; it was left"
            self.loggers.taken(report)

    # As a field --------------------------------------------------------------------------------------------------------------

    def minute(self, readings: Sequence[Reading], now_s: float) -> None:
        """Take what the boxes reported of a minute, log it, and let calendars act."""
        self.lamps.observed(readings, now_s)
        self.lamps.run_calendars(self.side.calendars.rows, self.side.programmes.rows, now_s)
        self.loggers.minute(now_s)

    def messages(self) -> list[Message]:
        """Return what the boxes are to be told now."""
        return self.lamps.messages()
