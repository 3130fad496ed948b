# SPDX-License-Identifier: Apache-2.0
"""Limits of the network operator as OpenADR 2.0b events: the grid's side as a VEN that fetches them (simple HTTP, pull).

An event with the signal LOAD_DISPATCH of type setpoint in real power says how much may flow into what its targets name:
a station's busbar or a charging group, by the name that operator and city agreed on. What is told on is the limit in force now.
Limits are of groups alone: an event that names a person, a contract, a meter or anything that was not agreed is
refused whole (optOut), and nothing of it is kept. Between events, and when the operator has been silent for longer than agreed,
the agreed default holds. Where events overlap the lowest limit counts.
OpenADR 2.0 Profile Specification B 1.1, sections 8.1 (EiEvent), 8.6 (EiRegisterParty) and 8.7 (OadrPoll).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np

from lamplighter.services.grid.wire import ENVELOPE_ROW, GROUP_ENVELOPES, STATION_ENVELOPES, encode_rows
from lamplighter.terms.exchange import Answered, Asked, DialectStart
from lamplighter.terms.reading import Message, Reading

OADR = "http://openadr.org/oadr-2.0b/2012/07"
EI = "http://docs.oasis-open.org/ns/energyinterop/201110"
PYLD = "http://docs.oasis-open.org/ns/energyinterop/201110/payloads"
XCAL = "urn:ietf:params:xml:ns:icalendar-2.0"
STRM = "urn:ietf:params:xml:ns:icalendar-2.0:stream"
POWER = "http://docs.oasis-open.org/ns/emix/2011/06/power"
SCALE = "http://docs.oasis-open.org/ns/emix/2011/06/siscale"
SIGNAL = ("LOAD_DISPATCH", "setpoint")
KW = {"none": 1e-3, "k": 1.0, "M": 1e3}  # siScaleCode of an item in W
TARGETS = {f"{{{EI}}}resourceID", f"{{{EI}}}groupID"}  # what a target may name; a venID may stand beside it
POLL_S, POLL_USUAL_S = (1.0, 300.0), 10.0
AGAIN_S = 30.0  # before an operator that refused or did not answer is asked again
MESSAGE_MAX_BYTES, EVENTS_MAX, FOREVER = 1 << 20, 1000, float("inf")
DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
Step = Literal["register", "events", "poll", "opt"]


class RefusedError(ValueError):
    """An event is not taken; the text says why and quotes nothing of it but numbers."""


@dataclass(frozen=True)
class Limit:
    """One limit as agreed. target: the operator's name; number: on the wire; default_kw: what holds between events."""

    target: str
    is_station: bool
    number: int
    default_kw: float


@dataclass(frozen=True)
class Event:
    """One event that was taken: by target, stretches [from, to) with what may flow in kW."""

    modification: int
    stretches: Mapping[str, tuple[tuple[float, float, float], ...]]
    open_ended: bool


def seconds_of(text: str) -> float:
    """Return a duration of ISO 8601 without years and months in seconds. RefusedError where it is none."""
    found = DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise RefusedError("a duration is not readable")
    weeks, days, hours, minutes, seconds = (float(part or 0.0) for part in found.groups())
    return (((weeks * 7.0 + days) * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds


def moment_of(text: str) -> float:
    """Return a date and time in POSIX seconds; it must say its offset. RefusedError where it does not."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RefusedError("a date is not readable") from None
    if when.tzinfo is None:
        raise RefusedError("a date does not say its offset from UTC")
    return when.timestamp()


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.find(path)
    if found is None or found.text is None or not found.text.strip():
        raise RefusedError("a part that is needed is missing")
    return found.text.strip()


def targets_of(event: ElementTree.Element, known: Mapping[str, Limit], ven_id: str) -> tuple[str, ...]:
    """Return what an event limits. RefusedError where it names anything but agreed groups: one customer is none of ours."""
    found: list[str] = []
    for target in event.iter(f"{{{EI}}}eiTarget"):
        for named in target:
            name = (named.text or "").strip()
            if named.tag == f"{{{EI}}}venID" and name == ven_id:
                continue
            if named.tag not in TARGETS:
                raise RefusedError("a target is neither a resource nor a group")
            if name not in known:
                raise RefusedError("a target is not among the groups that were agreed")
            found.append(name)
    if not found:
        raise RefusedError("it names no group")
    return tuple(dict.fromkeys(found))


def event_of(event: ElementTree.Element, known: Mapping[str, Limit], ven_id: str) -> Event:
    """Return an event's limits. RefusedError where it is of another kind, or names what was not agreed."""
    signals = event.findall(f"{{{EI}}}eiEventSignals/{{{EI}}}eiEventSignal")
    if len(signals) != 1:
        raise RefusedError(f"it has {len(signals)} signals, one is allowed")
    kind = tuple(_text(signals[0], f"{{{EI}}}{name}") for name in ("signalName", "signalType"))
    if kind != SIGNAL:
        raise RefusedError(f"its signal is none of {SIGNAL[0]} of type {SIGNAL[1]}")
    item = signals[0].find(f"{{{POWER}}}powerReal")
    if item is None or _text(item, f"{{{POWER}}}itemUnits") != "W" or _text(item, f"{{{SCALE}}}siScaleCode") not in KW:
        raise RefusedError("its unit is not real power in W, kW or MW")
    factor = KW[_text(item, f"{{{SCALE}}}siScaleCode")]
    period = f"{{{EI}}}eiActivePeriod/{{{XCAL}}}properties"
    begin_s = moment_of(_text(event, f"{period}/{{{XCAL}}}dtstart/{{{XCAL}}}date-time"))
    stretches: list[tuple[float, float, float]] = []
    at_s = begin_s
    for interval in signals[0].findall(f"{{{STRM}}}intervals/{{{EI}}}interval"):
        start = interval.find(f"{{{XCAL}}}dtstart/{{{XCAL}}}date-time")
        at_s = moment_of(start.text or "") if start is not None else at_s
        length_s = seconds_of(_text(interval, f"{{{XCAL}}}duration/{{{XCAL}}}duration"))
        try:
            value = float(_text(interval, f"{{{EI}}}signalPayload/{{{EI}}}payloadFloat/{{{EI}}}value"))
        except ValueError:
            raise RefusedError("a value is no number") from None
        if not 0.0 <= value * factor < 1e6:
            raise RefusedError(f"a limit is {value * factor:g} kW, allowed is 0 to a million")
        end_s = at_s + length_s if length_s > 0.0 else FOREVER
        stretches.append((at_s, end_s, value * factor))
        at_s = end_s
    if not stretches:
        raise RefusedError("it has no intervals")
    found = tuple(stretches)
    number = _text(event, f"{{{EI}}}eventDescriptor/{{{EI}}}modificationNumber")
    named = targets_of(event, known, ven_id)
    return Event(int(number) if number.isdecimal() else 0, dict.fromkeys(named, found), found[-1][1] == FOREVER)


def document(body: str) -> bytes:
    """Return a message with its envelope."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><oadr:oadrPayload xmlns:oadr="{OADR}" xmlns:ei="{EI}" xmlns:pyld="{PYLD}">'
        f"<oadr:oadrSignedObject>{body}</oadr:oadrSignedObject></oadr:oadrPayload>"
    ).encode()


def read_document(body: bytes) -> ElementTree.Element:
    """Return what a message says, below its envelope. RefusedError where it is none, is too long or brings a document type."""
    if len(body) > MESSAGE_MAX_BYTES or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise RefusedError("a message is too long or brings its own entities")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise RefusedError("a message is no XML") from None
    signed = root.find(f"{{{OADR}}}oadrSignedObject")
    if root.tag != f"{{{OADR}}}oadrPayload" or signed is None or len(signed) != 1:
        raise RefusedError("a message is not of OpenADR 2.0b")
    return signed[0]


class Operator:
    """The dialect: registers, asks for events, says which it takes, and tells the limits in force."""

    def __init__(self, limits: Sequence[Limit], told: Mapping[str, Any], fresh: Callable[[], str]) -> None:
        """Begin unregistered, with every default in force. told: ven_name, ven_id and silent_after_s of the map."""
        self._limits = {limit.target: limit for limit in limits}
        self._name, self._ven_id = str(told["ven_name"]), str(told.get("ven_id", ""))
        self._silent_after_s, self._fresh = float(told["silent_after_s"]), fresh
        self._events: dict[str, Event] = {}
        self._registered, self._due_s, self._poll_s = False, 0.0, POLL_USUAL_S
        self._step: Step | None = None
        self._waiting: list[tuple[Step, bytes]] = []
        self._heard_s, self._told_minute = -FOREVER, -1
        self._why = "the network operator has not answered yet"
        self._refused = ""

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Answer nobody: events are fetched."""
        return Answered(404, {}, b"")

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Send nothing on this wire."""
        return not messages

    def next_request(self, now_s: float) -> Asked | None:
        """Return the next message to the operator, nothing where none is due."""
        if not self._waiting:
            if now_s < self._due_s:
                return None
            self._waiting.append(self._usual())
        self._step, body = self._waiting[0]
        service = {"register": "EiRegisterParty", "events": "EiEvent", "opt": "EiEvent", "poll": "OadrPoll"}[self._step]
        return Asked("POST", f"/{service}", "", {"content-type": "application/xml"}, body)

    def _usual(self) -> tuple[Step, bytes]:
        call = escape(self._fresh())
        ven = f"<ei:venID>{escape(self._ven_id)}</ei:venID>"
        if self._registered:
            return "poll", document(f'<oadr:oadrPoll ei:schemaVersion="2.0b">{ven}</oadr:oadrPoll>')
        return "register", document(
            f'<oadr:oadrCreatePartyRegistration ei:schemaVersion="2.0b"><pyld:requestID>{call}</pyld:requestID>'
            f"{ven if self._ven_id else ''}<oadr:oadrProfileName>2.0b</oadr:oadrProfileName>"
            "<oadr:oadrTransportName>simpleHttp</oadr:oadrTransportName><oadr:oadrReportOnly>false</oadr:oadrReportOnly>"
            f"<oadr:oadrXmlSignature>false</oadr:oadrXmlSignature><oadr:oadrVenName>{escape(self._name)}</oadr:oadrVenName>"
            "<oadr:oadrHttpPullModel>true</oadr:oadrHttpPullModel></oadr:oadrCreatePartyRegistration>"
        )

    def _ask_events(self) -> None:
        body = (
            f'<oadr:oadrRequestEvent ei:schemaVersion="2.0b"><pyld:eiRequestEvent><pyld:requestID>{escape(self._fresh())}'
            f"</pyld:requestID><ei:venID>{escape(self._ven_id)}</ei:venID></pyld:eiRequestEvent></oadr:oadrRequestEvent>"
        )
        self._waiting.append(("events", document(body)))

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the answer to the last message."""
        if self._step is None or not self._waiting:
            return
        step, _ = self._waiting.pop(0)
        self._step = None
        self._due_s = now_s + (self._poll_s if self._registered else AGAIN_S)
        if answer is None or answer.status != 200:
            self._why = f"the network operator answers with status {answer.status}" if answer is not None else "no answer came"
            self._registered = self._registered and answer is None  # one that knows us no longer is told who we are again
            self._waiting.clear()
            return
        try:
            said = read_document(answer.body)
        except RefusedError as error:
            self._why = f"the network operator's answer is not understood: {error}"
            return
        self._why, self._heard_s = "", now_s
        self._hear(step, said, now_s)

    def _hear(self, step: Step, said: ElementTree.Element, now_s: float) -> None:
        name = said.tag.rpartition("}")[2]
        if name == "oadrCreatedPartyRegistration":
            self._registration(said, now_s)
        elif name == "oadrDistributeEvent":
            self._distributed(said)
        elif name in ("oadrRequestReregistration", "oadrCancelPartyRegistration"):
            self._registered, self._due_s = False, now_s
        elif step == "register":
            self._why = "the network operator does not take the registration"
        elif said.findtext(f"{{{EI}}}eiResponse/{{{EI}}}responseCode", "200").strip() != "200":
            self._why, self._registered = "the network operator does not know this city any longer", False

    def _registration(self, said: ElementTree.Element, now_s: float) -> None:
        ven = said.find(f"{{{EI}}}venID")
        code = said.find(f"{{{EI}}}eiResponse/{{{EI}}}responseCode")
        if ven is None or not (ven.text or "").strip() or (code is not None and (code.text or "").strip() != "200"):
            self._why = "the network operator does not take the registration"
            return
        self._ven_id, self._registered = (ven.text or "").strip(), True
        asked = said.find(f"{{{OADR}}}oadrRequestedOadrPollFreq/{{{XCAL}}}duration")
        try:
            self._poll_s = float(np.clip(seconds_of(asked.text or ""), *POLL_S)) if asked is not None else POLL_USUAL_S
        except RefusedError:
            self._poll_s = POLL_USUAL_S
        self._due_s = now_s + self._poll_s
        self._ask_events()

    def _distributed(self, said: ElementTree.Element) -> None:
        """Take what was sent; answer for each event. An event no longer sent ends by itself, one without an end ends now."""
        call = said.findtext(f"{{{PYLD}}}requestID", "")
        answers: list[str] = []
        here: set[str] = set()
        self._refused = ""
        for one in said.findall(f"{{{OADR}}}oadrEvent/{{{EI}}}eiEvent")[:EVENTS_MAX]:
            descriptor = f"{{{EI}}}eventDescriptor"
            name = one.findtext(f"{descriptor}/{{{EI}}}eventID", "").strip()
            number = one.findtext(f"{descriptor}/{{{EI}}}modificationNumber", "0").strip()
            opt = "optIn" if self._take(name, one) else "optOut"
            here.add(name)
            answers.append(
                f"<ei:eventResponse><ei:responseCode>200</ei:responseCode><pyld:requestID>{escape(call)}</pyld:requestID>"
                f"<ei:qualifiedEventID><ei:eventID>{escape(name)}</ei:eventID><ei:modificationNumber>"
                f"{number if number.isdecimal() else 0}</ei:modificationNumber></ei:qualifiedEventID>"
                f"<ei:optType>{opt}</ei:optType></ei:eventResponse>"
            )
        self._events = {name: event for name, event in self._events.items() if name in here or not event.open_ended}
        if answers:
            body = (
                '<oadr:oadrCreatedEvent ei:schemaVersion="2.0b"><pyld:eiCreatedEvent><ei:eiResponse><ei:responseCode>200'
                "</ei:responseCode><ei:responseDescription>OK</ei:responseDescription><pyld:requestID/></ei:eiResponse>"
                f"<ei:eventResponses>{''.join(answers)}</ei:eventResponses><ei:venID>{escape(self._ven_id)}</ei:venID>"
                "</pyld:eiCreatedEvent></oadr:oadrCreatedEvent>"
            )
            self._waiting.append(("opt", document(body)))

    def _take(self, name: str, one: ElementTree.Element) -> bool:
        status = one.findtext(f"{{{EI}}}eventDescriptor/{{{EI}}}eventStatus", "").strip()
        if status == "cancelled":
            self._events.pop(name, None)
            return True
        try:
            event = event_of(one, self._limits, self._ven_id)
        except RefusedError as error:
            # What it changes is not known: of an event that was taken before, the limits that were known stay.
            self._refused = f"an event of the network operator is refused: {error}"
            return False
        known = self._events.get(name)
        if known is None or event.modification >= known.modification:
            self._events[name] = event
        return True

    def in_force(self, target: str, now_s: float) -> float:
        """Return the limit of a target in kW: the lowest of what covers the moment, the default where nothing does."""
        default_kw = self._limits[target].default_kw
        covering = [
            kw
            for event in self._events.values()
            for begin_s, end_s, kw in event.stretches.get(target, ())
            if begin_s <= now_s < end_s
        ]
        silent = now_s - self._heard_s > self._silent_after_s
        return min([*covering, default_kw]) if silent or not covering else min(covering)

    def readings(self, now_s: float) -> Sequence[Reading]:
        """Return the limits in force, once a minute."""
        minute = int(now_s // 60)
        if minute == self._told_minute:
            return ()
        self._told_minute = minute
        self._events = {
            name: event
            for name, event in self._events.items()
            if any(end_s > now_s for spans in event.stretches.values() for _, end_s, _ in spans)
        }
        found: list[Reading] = []
        for topic, is_station in ((STATION_ENVELOPES, True), (GROUP_ENVELOPES, False)):
            own = [limit for limit in self._limits.values() if limit.is_station == is_station]
            rows = np.zeros(len(own), ENVELOPE_ROW)
            for row, limit in zip(rows, own, strict=True):
                row["number"], row["limit_10w"] = limit.number, int(self.in_force(limit.target, now_s) * 100.0 + 1e-6)
            if len(rows):
                found.append(Reading("openadr", topic, encode_rows(minute, rows), now_s))
        return tuple(found)

    def fault(self) -> str:
        """Return why limits may be old, and whether an event was refused."""
        why = f"{self._why}; the agreed default holds beside what was promised" if self._why else ""
        return "; ".join(text for text in (why, self._refused) if text)

    def memory(self) -> bytes:
        """Return nothing: events are fetched anew after a restart, and until then the defaults hold."""
        return b""


def limits_of(told: Mapping[str, Any], numbers: Mapping[str, tuple[int, bool]]) -> list[Limit]:
    """Return the limits of a map. ValueError with all that is wrong with it.

    numbers: by asset id, its number on the wire and whether it is a station (else a charging group).
    """
    keys = ("ven_name", "ven_id", "silent_after_s", "limit")
    faults = [f"{key} is unknown, allowed are {', '.join(keys)}" for key in told if key not in keys]
    name, silent = told.get("ven_name"), told.get("silent_after_s")
    if not isinstance(name, str) or not name:
        faults.append(f"ven_name is {name!r}, allowed is the name under which the operator knows this city")
    if not isinstance(silent, (int, float)) or not 60.0 <= silent <= 86400.0:
        faults.append(f"silent_after_s is {silent!r}, allowed is 60 to 86400 seconds without the operator's word")
    rows = told.get("limit", [])
    if not isinstance(rows, list) or not rows:
        faults.append("no [[limit]]: at least one is needed, with target, of and default_kw")
        rows = []
    found: list[Limit] = []
    for row in cast("list[dict[str, Any]]", rows):
        target, of, default = row.get("target"), row.get("of"), row.get("default_kw")
        where = f"[[limit]] {target!r}"
        strange = [key for key in row if key not in ("target", "of", "default_kw")]
        own = [f"{where}: {key} is unknown, allowed are target, of, default_kw" for key in strange]
        if not isinstance(target, str) or not target or target in [limit.target for limit in found]:
            own.append(f"{where}: target is the operator's name of the group, each once")
        if of not in numbers:
            own.append(f"{where}: of is {of!r}, allowed is the id of a station or of a charging group")
        if not isinstance(default, (int, float)) or not 0.0 <= default <= 20000.0:
            own.append(f"{where}: default_kw is {default!r}, allowed is 0 to 20000: what holds when the operator is silent")
        faults += own
        if not own:
            found.append(Limit(str(target), numbers[str(of)][1], numbers[str(of)][0], float(cast("float", default))))
    if faults:
        raise ValueError("; ".join(faults))
    return found


def open_dialect(start: DialectStart) -> Operator:
    """Return the dialect for a city's stations and charging groups. ValueError with all that is wrong with the map."""
    grid, told = start.prepared.grid, start.settings["map"]
    numbers = {str(name): (number, True) for number, name in enumerate(grid.station_id.tolist())}
    numbers |= {str(name): (number, False) for number, name in enumerate(grid.groups.id.tolist())}
    return Operator(limits_of(told, numbers), told, start.fresh)
