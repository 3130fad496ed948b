# SPDX-License-Identifier: Apache-2.0
"""Limits of charging groups as OCPP smart charging, versions 1.6 and 2.0.1: the grid's dialect behind the charging relay.

A group is one station (or one local controller before several) that connects under the group's own name. Three messages
are ours, each answered to us alone: SetChargingProfile, ClearChargingProfile and GetCompositeSchedule. The station's whole
power is limited (ChargePointMaxProfile with connectorId 0, ChargingStationMaxProfile with evseId 0), so no transaction is
ever named. At stack level 0 stands the permanent maximum, without an end; a lease stands at level 1 and ends by itself, and
what it uncovers is that maximum. Nothing is leased to a station before it has read the permanent maximum back.
OCPP 1.6 edition 2, 3.13 and 5.16; OCPP 2.0.1 edition 2, use cases K01, K08 and K10.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast
from urllib.parse import unquote

import numpy as np

from lamplighter.services.grid.wire import LIMIT_ROW, LIMITS, ORDER_INSTALL, ORDER_LIMIT, TOLD, TOLD_ROW, encode_rows
from lamplighter.terms.exchange import Answered, Asked, DialectStart
from lamplighter.terms.reading import Message, Reading

V16, V201 = "ocpp1.6", "ocpp2.0.1"
SAFE_ID, LEASE_ID = 71_000, 71_001
SAFE_STACK, LEASE_STACK = 0, 1
AGAIN_S = 60.0  # between two readings of the limit in force, and before a station that refused is asked again
VOLTS, LINE_PHASES = 230.0, 3
SLACK_KW = 0.011  # a station may round to ten watts
Standing = Literal["away", "install", "clear", "read", "ready", "refused"]


def profile(version: str, call: str, limit_kw: float, now_s: float, lease_s: float | None) -> bytes:
    """Return SetChargingProfile for the whole station: with a lease at stack level 1, without one for good at level 0."""
    begin = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    number, stack = (SAFE_ID, SAFE_STACK) if lease_s is None else (LEASE_ID, LEASE_STACK)
    schedule: dict[str, Any] = {
        "startSchedule": begin,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": float(np.floor(limit_kw * 100.0 + 1e-6) * 10.0)}],
    }
    if lease_s is not None:
        schedule["duration"] = round(lease_s)
    if version == V16:
        body: dict[str, Any] = {
            "connectorId": 0,
            "csChargingProfiles": {
                "chargingProfileId": number, "stackLevel": stack, "chargingProfilePurpose": "ChargePointMaxProfile",
                "chargingProfileKind": "Absolute", "chargingSchedule": schedule,
            },
        }  # fmt: skip
    else:
        body = {
            "evseId": 0,
            "chargingProfile": {
                "id": number, "stackLevel": stack, "chargingProfilePurpose": "ChargingStationMaxProfile",
                "chargingProfileKind": "Absolute", "chargingSchedule": [{"id": number, **schedule}],
            },
        }  # fmt: skip
    return json.dumps([2, call, "SetChargingProfile", body], separators=(",", ":")).encode()


def clear(version: str, call: str) -> bytes:
    """Return ClearChargingProfile for our lease alone: the permanent maximum is left in force."""
    body = {"id": LEASE_ID} if version == V16 else {"chargingProfileId": LEASE_ID}
    return json.dumps([2, call, "ClearChargingProfile", body], separators=(",", ":")).encode()


def read_back(version: str, call: str) -> bytes:
    """Return GetCompositeSchedule for the next minute of the whole station."""
    body = {"connectorId" if version == V16 else "evseId": 0, "duration": 60, "chargingRateUnit": "W"}
    return json.dumps([2, call, "GetCompositeSchedule", body], separators=(",", ":")).encode()


def answer_of(body: bytes) -> Mapping[str, Any]:
    """Return the payload of an answer; an error of the station, or what is no answer, as a status in words."""
    try:
        whole: object = json.loads(body)
    except ValueError:
        return {"status": "no JSON"}
    parts = cast("list[Any]", whole) if isinstance(whole, list) else []
    if len(parts) >= 3 and parts[0] == 3 and isinstance(parts[2], dict):
        return cast("dict[str, Any]", parts[2])
    return {"status": str(parts[2]) if len(parts) >= 3 and parts[0] == 4 else "no answer"}


def limit_of(payload: Mapping[str, Any]) -> float | None:
    """Return the lowest limit in kW of a composite schedule, nothing where it has none."""
    schedule: Any = payload.get("chargingSchedule", payload.get("schedule"))
    if payload.get("status") != "Accepted" or not isinstance(schedule, dict):
        return None
    made = cast("dict[str, Any]", schedule)
    kw: list[float] = []
    for period in cast("list[dict[str, Any]]", made.get("chargingSchedulePeriod", [])):
        limit = float(period.get("limit", float("nan")))
        amperes = made.get("chargingRateUnit") == "A"
        kw.append(limit * VOLTS * int(period.get("numberPhases", LINE_PHASES)) / 1e3 if amperes else limit / 1e3)
    return min(kw) if kw and all(np.isfinite(kw)) else None


@dataclass
class _Box:
    """One group's station: how it stands, what it is to be told next, and what it read back."""

    path: str = ""
    version: str = ""
    standing: Standing = "away"
    order_kw_s: tuple[float, float] | Literal["back"] | None = None
    told_kw: float | None = None
    safe_kw: float | None = None
    due_s: float = 0.0
    why: str = ""


class Profiles:
    """The dialect: orders of the grid to questions to stations, their answers to what limits are in force."""

    def __init__(self, names: Sequence[str], safe_kw: Sequence[float], fresh: Callable[[], str]) -> None:
        """Begin with every station away. names, safe_kw: of the charging groups, in their own order."""
        self._number = {name: number for number, name in enumerate(names)}
        self._names, self._safe_kw, self._fresh = list(names), list(safe_kw), fresh
        self._boxes = [_Box() for _ in names]
        self._asking: tuple[int, Asked, str] | None = None
        self._next = 0
        self._told: set[int] = set()

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Hear that a station comes or goes. One that belongs to no group is not ours: 404, and the relay passes it on."""
        number = self._number.get(unquote(asked.path.rpartition("/")[2]))
        version = asked.headers.get("sec-websocket-protocol", "")
        if number is None or version not in (V16, V201):
            return Answered(404, {}, b"")
        if asked.method == "CONNECT":
            self._boxes[number] = _Box(asked.path, version, "install", due_s=now_s)
        elif self._boxes[number].path == asked.path:
            self._boxes[number] = _Box()
        return Answered(200, {}, b"")

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Take limits and hand-backs. One for a station that has not read back its permanent maximum is not sent."""
        whole = True
        for message in messages:
            if message.topic != LIMITS:
                continue
            for row in np.frombuffer(message.payload, LIMIT_ROW):
                box = self._boxes[int(row["number"])]
                if int(row["order"]) == ORDER_INSTALL:  # a station is given its maximum whenever it comes, before anything else
                    continue
                if box.standing not in ("ready", "read") or box.told_kw is None:
                    whole = whole and int(row["order"]) != ORDER_LIMIT
                    continue
                limit = int(row["order"]) == ORDER_LIMIT
                box.order_kw_s = (int(row["limit_10w"]) / 100.0, float(row["duration_s"])) if limit else "back"
        return whole

    def next_request(self, now_s: float) -> Asked | None:
        """Return the next question to a station, the same one until it is answered."""
        if self._asking is not None:
            return self._asking[1]
        for turn in range(len(self._boxes)):
            number = (self._next + turn) % len(self._boxes)
            found = self._question(number, now_s)
            if found is not None:
                self._next = number + 1
                self._asking = (number, Asked("CALL", self._boxes[number].path, "", {}, found[0]), found[1])
                return self._asking[1]
        return None

    def _question(self, number: int, now_s: float) -> tuple[bytes, str] | None:
        box = self._boxes[number]
        if box.standing == "away" or (box.standing in ("refused", "install") and now_s < box.due_s):
            return None
        if box.standing in ("install", "refused"):
            return profile(box.version, self._fresh(), self._safe_kw[number], now_s, None), "install"
        if box.standing == "clear":  # a lease that outlived us: what is read back next is the permanent maximum
            return clear(box.version, self._fresh()), "back"
        if box.standing == "ready" and box.order_kw_s is not None:
            order, box.order_kw_s = box.order_kw_s, None
            if order == "back":
                return clear(box.version, self._fresh()), "back"
            return profile(box.version, self._fresh(), order[0], now_s, order[1]), "lease"
        if box.standing == "read" or now_s >= box.due_s:
            return read_back(box.version, self._fresh()), "read"
        return None

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the answer to the last question. What the station reads back counts, not what it was told."""
        if self._asking is None:
            return
        number, asked, what = self._asking
        self._asking = None
        box = self._boxes[number]
        if box.path != asked.path:
            return
        payload = answer_of(answer.body) if answer is not None else {"status": "no answer in time"}
        status = str(payload.get("status", "no status"))
        if what == "read":
            self._read(number, limit_of(payload), status, now_s)
        elif status == "Accepted" or (what == "back" and status == "Unknown"):
            box.standing = "clear" if what == "install" else "read"
        elif what == "install":
            self._refuse(number, f"does not take its permanent maximum ({status})", now_s)
        else:
            box.why, box.standing = f"does not take a {what} ({status})", "read"

    def _read(self, number: int, limit_kw: float | None, status: str, now_s: float) -> None:
        box = self._boxes[number]
        if limit_kw is None:
            self._refuse(number, f"does not tell the limit in force ({status})", now_s)
            return
        first = box.told_kw is None
        if first and limit_kw > self._safe_kw[number] + SLACK_KW:
            self._refuse(number, f"reads back {limit_kw:.2f} kW, its permanent maximum is {self._safe_kw[number]:.2f}", now_s)
            return
        box.told_kw, box.standing, box.due_s = limit_kw, "ready", now_s + AGAIN_S
        if first:
            box.why, box.safe_kw = "", limit_kw
        self._told.add(number)

    def _refuse(self, number: int, why: str, now_s: float) -> None:
        box = self._boxes[number]
        box.standing, box.why, box.told_kw, box.due_s = "refused", why, None, now_s + AGAIN_S
        box.safe_kw = None

    def readings(self, now_s: float) -> Sequence[Reading]:
        """Return the limits that stations read back since the last call."""
        told = sorted(self._told)
        self._told.clear()
        rows = np.zeros(len(told), TOLD_ROW)
        for row, number in enumerate(told):
            box = self._boxes[number]
            safe = round((box.safe_kw or 0.0) * 100.0)
            rows[row] = (number, round((box.told_kw or 0.0) * 100.0), int(box.safe_kw is not None), safe)
        return (Reading("ocpp", TOLD, encode_rows(int(now_s // 60), rows), now_s),) if told else ()

    def fault(self) -> str:
        """Return which stations cannot be limited, at most three by name, and what holds there meanwhile."""
        away = [name for name, box in zip(self._names, self._boxes, strict=True) if box.standing == "away"]
        wrong = [f"{name} {box.why}" for name, box in zip(self._names, self._boxes, strict=True) if box.why]
        found = [f"{len(away)} of {len(self._names)} stations are not connected ({', '.join(away[:3])})"] if away else []
        found += wrong[:3]
        return "; ".join(found) + ("; there the station's own maximum holds" if found else "")

    def memory(self) -> bytes:
        """Return nothing: every station is asked anew after a restart."""
        return b""


def open_dialect(start: DialectStart) -> Profiles:
    """Return the dialect for a city's charging groups. ValueError where it has none or a group has no permanent maximum."""
    groups = start.prepared.grid.groups
    if len(groups.id) == 0 or np.any(groups.p_safe_kw <= 0.0):
        raise ValueError("every charging group needs p_safe_kw above 0 in grid/groups.csv: its station keeps that for ever")
    return Profiles(groups.id.tolist(), groups.p_safe_kw.tolist(), start.fresh)
