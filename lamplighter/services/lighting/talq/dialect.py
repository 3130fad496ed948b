# SPDX-License-Identifier: Apache-2.0
"""The CMS side as a dialect of the lighting service: permits go out as overrides, what a gateway logs comes in as reports."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.talq import documents as docs
from lamplighter.services.lighting.talq import protocol, refusals, registry
from lamplighter.services.lighting.talq.cms import Announcements
from lamplighter.services.lighting.talq.collecting import Collector
from lamplighter.services.lighting.talq.outbox import Job
from lamplighter.services.lighting.talq.registry import READY, Registration
from lamplighter.services.lighting.talq.shape import Rows, Text, faults, fits, record_of, rows_of
from lamplighter.services.lighting.talq.steering import Steering
from lamplighter.terms.city import CityData
from lamplighter.terms.exchange import Answered, Asked, DialectStart
from lamplighter.terms.reading import Message, Reading

_UUID = Text("uuid")


class TalqCms:
    """One gateway, spoken to as its CMS."""

    def __init__(self, start: DialectStart) -> None:
        """Begin with what was remembered."""
        layout: Layout = start.prepared
        fresh = start.fresh
        remembered = _remembered(start.memory)
        self._address = remembered.get("cms") or fresh()
        self._fresh = fresh
        self._layout = layout
        self.collector = Collector(layout)
        self.announced = Announcements(self._address, start.peer_uri, fresh, self.collector.heard)
        self.steering = Steering(layout, self.announced, self.collector, fresh)
        self.steering.watch = bool(start.settings.get("watch", False))
        self._last_gateway = remembered.get("gateway", "")
        self._adopting = False

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Answer a request of the gateway."""
        return protocol.answer(asked, self.announced.routes, now_s)

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Take messages made of permits."""
        return self.steering.order(messages, now_s)

    def next_request(self, now_s: float) -> Asked | None:
        """Return what is to be asked of the gateway now."""
        if self.announced.held is None and self._last_gateway and not self._adopting:
            self._adopt(now_s)
        self.steering.tick(now_s)
        return self.steering.outbox.next(now_s)

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the gateway's answer to the last request."""
        self.steering.outbox.answered(answer, now_s)

    def readings(self, now_s: float) -> Sequence[Reading]:
        """Return what the minute that ends now was."""
        return self.collector.readings(now_s)

    def memory(self) -> bytes:
        """Return the addresses of both sides."""
        held = self.announced.held
        gateway = held.address if held is not None and held.stage == READY else self._last_gateway
        return json.dumps({"cms": self._address, "gateway": gateway}).encode()

    def fault(self) -> str:
        """Return what keeps the lamps from being steered."""
        held = self.announced.held
        if held is None or held.stage < READY:
            return "no TALQ gateway is connected; it connects by itself (bootstrap). Until then every lamp keeps its own calendar"
        said: list[str] = []
        if self.steering.outbox.silent:
            said.append("the gateway does not answer; overrides end by themselves and every lamp keeps its own calendar")
        strange = len(self.collector.pairs.strange)
        if strange:
            said.append(f"{strange} announced lamps or meters are no asset of the city (assetId); they are left alone")
        unready = int((~self.steering.segments_ready()).sum())
        if unready:
            said.append(
                f"{unready} of {len(self._layout.segments.design)} segments are not commanded: not every lamp is announced and "
                "read back"
            )
        return "; ".join([*said, *list(self.steering.faults.values())[:5]])

    def standing(self) -> str:
        """Say in a line how the connection stands, for who looks on."""
        held = self.announced.held
        if held is None or held.stage < READY:
            return self.fault()
        pairs = self.collector.pairs
        lamps = int(sum(pairs.weight.values()))
        return (
            f"connected: {len(held.members)} devices announced; {lamps} lamps and {len(pairs.meter_cabinet)} meters are the "
            f"city's, {len(pairs.strange)} are not; {len(self.collector.conditions())} conditions reported" + self._rounding()
        )

    def _rounding(self) -> str:
        """Say that levels are rounded where the city's own step is no whole percent."""
        percent = self._layout.output_step_share * 100.0
        if abs(percent - round(percent)) < 1e-9:
            return ""
        return (
            f"; levels are permitted in steps of {percent:g} % and go out rounded up to whole ones: with output_step_share = "
            "0.01 under [lighting] in city.toml both are the same"
        )

    def members(self) -> Mapping[str, Any]:
        """Return what is kept of the announced members, by address."""
        return self.announced.held.members if self.announced.held is not None else {}

    def open_events(self) -> Mapping[str, int]:
        """Return how many members report each condition."""
        out: dict[str, int] = {}
        for _, name in self.collector.conditions():
            out[name] = out.get(name, 0) + 1
        return out

    def _adopt(self, now_s: float) -> None:
        """Ask a gateway that we knew before a restart for what it is, so that it need not begin anew."""
        self._adopting = True
        found: dict[str, Any] = {}
        shapes = {"services": Rows(docs.SERVICE), "device-classes": Rows(docs.CLASS), "devices": Rows(docs.MEMBER)}

        def take(name: str) -> Callable[[Answered | None], None]:
            def done(answer: Answered | None) -> None:
                rows = protocol.answer_document(answer) if answer is not None and answer.status == 200 else None
                if rows is not None and not faults(rows, shapes[name]):
                    found[name] = rows_of(rows)
                if name == "devices":
                    self._adopted(found, now_s)

            return done

        for name in shapes:
            asked = protocol.request("GET", (name,), self._address, "")
            self.steering.outbox.add(Job(asked, take(name)))

    def _adopted(self, found: dict[str, Any], now_s: float) -> None:
        if self.announced.held is not None or len(found) < 3:
            self._last_gateway, self._adopting = "", False  # it begins anew when it likes
            return
        classes = {str(row["name"]): refusals.kept_class(row) for row in found["device-classes"]}
        sound = [row for row in found["devices"] if not list(refusals.member_faults(record_of(row), ""))]
        members = {str(row["address"]).lower(): refusals.kept_member(row) for row in sound}
        known = {a: m for a, m in members.items() if not registry.misfits(m, classes, "") and a != self._last_gateway}
        services = {str(row["name"]): row for row in found["services"]}
        self.announced.adopt(Registration(self._last_gateway, READY, services, classes, known), now_s)
        self._adopting = False


def _remembered(memory: bytes) -> dict[str, str]:
    """Return the addresses that were kept; nothing of what is no UUID."""
    try:
        held = record_of(json.loads(memory or b"{}"))
    except ValueError:
        return {}
    return {name: str(held[name]) for name in ("cms", "gateway") if fits(held.get(name), _UUID)}


def open_look(city: CityData, prepared: Layout, settings: Mapping[str, Any]) -> TalqCms:
    """Return the CMS side of somebody who looks on: it installs nothing and commands nothing."""
    own, peer = str(settings["own_uri"]), str(settings["peer_uri"])
    return TalqCms(DialectStart(city, prepared, own, peer, {"watch": True}, b"", lambda: str(uuid.uuid4())))


def open_cms(start: DialectStart) -> TalqCms:
    """Return the CMS side for a city's lamps."""
    return TalqCms(start)
