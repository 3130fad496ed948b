# SPDX-License-Identifier: Apache-2.0
"""A gateway with a device on every lamp: groups, reading back by pages, sums over a segment, answers not to be believed."""

import json
import uuid
from typing import Any

import numpy as np
import pytest

from lamplighter.services.lighting import SERVICE, wire
from lamplighter.services.lighting.talq import protocol
from lamplighter.services.lighting.talq import vocabulary as words
from lamplighter.services.lighting.talq.dialect import TalqCms
from lamplighter.services.lighting.talq.intake import Log, Taken
from lamplighter.services.lighting.talq.registry import READY, Registration
from lamplighter.services.lighting.talq.steering import CHUNK
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.services.lighting.tests.talq_pair import counted
from lamplighter.services.lighting.tests.test_talq_pair import permits
from lamplighter.terms.decision import HAND_BACK
from lamplighter.terms.exchange import Answered, Asked, DialectStart

GATEWAY = str(uuid.UUID(int=5 << 100))


class Gateway:
    """Answers as a gateway with a device per lamp would, and remembers what it was asked."""

    def __init__(self, small: Small, offered: dict[str, Any], pages: bool) -> None:
        ids = small.layout.asset_id
        self.lamps = [str(ids[a - small.layout.start]) for a in small.layout.lamp_asset]
        self.address = {name: str(uuid.uuid5(uuid.NAMESPACE_OID, name)) for name in self.lamps}
        self.calendar: dict[str, str] = {}
        self.default = 100
        self.asked: list[Asked] = []
        self.refuse: dict[str, int] = {}
        self.spoiled = b""
        configuration = {"name": "ConfigurationService", "devicesPaginationSupported": pages}
        collect = {"name": "DataCollectService", "supportedModes": ["PeriodicRecordingMode"]}
        self.services = {"ConfigurationService": configuration, "DataCollectService": collect, **offered}

    def member(self, name: str) -> dict[str, Any]:
        state = {"type": "AttributeLevelState", "value": {"name": "LevelState", "value": self.default}}
        calendar = {"type": "AttributeString", "value": self.calendar.get(self.address[name], "")}
        actuator = {"id": "a", "type": "LampActuatorFunction", "defaultLightState": state, "calendarID": calendar}
        basic = {"id": "b", "type": "BasicFunction", "assetId": {"type": "AttributeString", "value": name}}
        monitor = {"id": "m", "type": "LampMonitorFunction"}
        return {"address": self.address[name], "name": "any", "class": "lamp", "functions": [basic, actuator, monitor]}

    def registration(self) -> Registration:
        members = {self.address[name]: self.member(name) for name in self.lamps}
        return Registration(GATEWAY, READY, self.services, {}, members)

    def answer(self, asked: Asked) -> Answered:
        self.asked.append(asked)
        resource = asked.path.split("/")[1]
        if resource in self.refuse:
            return Answered(self.refuse[resource], {}, b"[]")
        if resource == "assign-commands":
            document = json.loads(asked.body)
            for row in document["addresses"]:
                self.calendar[row["address"]] = document["entity"]["address"]
        if asked.method == "GET" and resource == "devices":
            query = dict(part.split("=") for part in asked.query.split("&"))
            rows = [self.member(name) for name in self.lamps]
            first = int(query.get("offset", 0))
            part = rows[first : first + int(query["limit"])] if "limit" in query else rows
            return Answered(200, {}, self.spoiled or protocol.written(part))
        if asked.method == "GET" and resource == "log-reports":
            return Answered(200, {}, b'{"entries": []}')
        if asked.method == "PATCH" and asked.path.endswith("/defaultLightState"):
            self.default = json.loads(asked.body)["value"]["value"]
        return Answered(201 if asked.method == "POST" else 200, {}, b"")

    def of(self, method: str, resource: str) -> list[Any]:
        found = [a for a in self.asked if a.method == method and a.path.split("/")[1] == resource]
        return [json.loads(a.body) if a.body else None for a in found]


def begun(small: Small, offered: dict[str, Any] | None = None, pages: bool = False) -> tuple[TalqCms, Gateway]:
    start = DialectStart(small.city, small.layout, "https://cms/", "https://gw/", {}, b"", counted(7))
    cms, gateway = TalqCms(start), Gateway(small, offered or {}, pages)
    cms.announced.adopt(gateway.registration(), EVENING_S)
    return cms, gateway


def settle(cms: TalqCms, gateway: Gateway, from_s: float, seconds: int = 40) -> None:
    for k in range(seconds):
        while (asked := cms.next_request(from_s + k)) is not None:
            cms.answered(gateway.answer(asked), from_s + k)


GROUPS = {"GroupManagementService": {"name": "GroupManagementService", "maximumNumberOfGroups": 500, "maximumGroupSize": 500}}


@pytest.mark.parametrize("pages", [False, True])
def test_every_lamp_is_set_up_and_read_back(small: Small, pages: bool) -> None:
    cms, gateway = begun(small, pages=pages)
    settle(cms, gateway, EVENING_S)
    assert set(gateway.calendar) == set(gateway.address.values())
    assert cms.steering.segments_ready().all()
    assert cms.fault() == ""
    reads = [a for a in gateway.asked if a.method == "GET" and a.path == "/devices"]
    assert all(("limit" in a.query) == pages for a in reads)


def test_lamps_whose_default_is_not_full_light_are_set_to_it_first(small: Small) -> None:
    cms, gateway = begun(small)
    gateway.default = 50
    settle(cms, gateway, EVENING_S, 3)
    settle(cms, gateway, EVENING_S + 10.0)
    assert gateway.default == 100
    assert cms.steering.segments_ready().all()


@pytest.mark.parametrize(
    "spoiled", [b"[]", b"{}", b"[{}]", b"\xff", b'[{"address": "x", "name": "y", "class": "z"}]', b"[" * 2000, b"null"]
)
def test_what_a_gateway_says_of_itself_is_not_believed_when_it_cannot_be_read(small: Small, spoiled: bytes) -> None:
    cms, gateway = begun(small)
    gateway.spoiled = spoiled
    settle(cms, gateway, EVENING_S)
    assert not cms.steering.segments_ready().any()
    assert not cms.order(SERVICE.encode(permits(small, 0.5, EVENING_S + 60), small.layout), EVENING_S + 60)
    settle(cms, gateway, EVENING_S + 60)
    assert gateway.of("POST", "override-commands") == []


@pytest.mark.parametrize("resource", ["calendars", "control-programs", "assign-commands", "logger-configs", "groups"])
def test_what_the_gateway_refuses_is_told_and_repeated_by_nobody_for_ever(small: Small, resource: str) -> None:
    cms, gateway = begun(small, GROUPS)
    gateway.refuse = {resource: 422}
    settle(cms, gateway, EVENING_S, 120)
    assert "the gateway refuses" in cms.fault()
    assert len([a for a in gateway.asked if a.path.split("/")[1] == resource]) < 100
    assert cms.steering.segments_ready().all() == (resource != "assign-commands")


@pytest.mark.parametrize("offered", [{}, GROUPS])
def test_an_override_names_every_lamp_of_a_segment_or_its_group(small: Small, offered: dict[str, Any]) -> None:
    cms, gateway = begun(small, offered)
    settle(cms, gateway, EVENING_S)
    now_s = EVENING_S + 60.0
    assert cms.order(SERVICE.encode(permits(small, 0.4, now_s), small.layout), now_s)
    settle(cms, gateway, now_s, 1)
    sent = gateway.of("POST", "override-commands")
    named = [row for one in sent for row in one["addresses"]]
    assert all(len(one["addresses"]) <= CHUNK for one in sent)
    members = {g["address"]: [m["address"] for m in g["members"]] for rows in gateway.of("POST", "groups") for g in rows}
    lamps = [a for row in named for a in (members[row["address"]] if row["resource"] == "groups" else [row["address"]])]
    assert sorted(lamps) == sorted(gateway.address.values())
    assert bool(members) == bool(offered)
    for one in sent:
        assert one["targetCommand"]["state"] == {"name": "LevelState", "value": 40}
        assert "expiration" in one["targetCommand"]
    cms.order(SERVICE.encode(permits(small, 0.0, now_s, HAND_BACK), small.layout), now_s)
    settle(cms, gateway, now_s, 1)
    assert "targetCommand" not in gateway.of("POST", "override-commands")[-1]


def test_a_gateway_that_holds_too_few_groups_gets_none(small: Small) -> None:
    few = {"GroupManagementService": {**GROUPS["GroupManagementService"], "maximumNumberOfGroups": 3}}
    cms, gateway = begun(small, few)
    settle(cms, gateway, EVENING_S)
    assert gateway.of("POST", "groups") == []
    assert cms.steering.segments_ready().all()


def test_a_segment_is_the_mean_of_its_lamps_when_more_than_half_of_them_say_it(small: Small) -> None:
    cms, gateway = begun(small)
    settle(cms, gateway, EVENING_S)
    now_s, segment = EVENING_S + 60.0, int(small.layout.lamp_segment[0])
    own = [gateway.address[gateway.lamps[k]] for k in np.flatnonzero(small.layout.lamp_segment == segment)]
    half = len(own) // 2

    def said(count: int, percent: float, at_s: float) -> dict[int, float]:
        cms.collector.heard(Log(tuple(Taken(a, "a", "actualLightState", percent, at_s) for a in own[:count]), (), 0))
        frames = np.frombuffer(wire.decode(cms.readings(at_s), small.layout), dtype=wire.FRAME)
        level = frames[frames["quantity"] == small.layout.vocabulary.index("dimming_level")]
        return dict(zip(level["asset"].tolist(), (level["value"] * 0.005).tolist(), strict=True))

    asset = int(small.layout.segments.asset[segment])
    assert asset not in said(half, 40.0, now_s)
    assert said(half + 1, 40.0, now_s)[asset] == pytest.approx(0.4)
    mixed = said(1, 100.0, now_s + 1.0)[asset]
    assert 0.4 < mixed < 1.0
    assert asset not in said(0, 0.0, now_s + 200.0), "what is old is not said again as new"


def test_the_power_of_a_cabinet_without_a_meter_is_that_of_all_its_lamps_or_unknown(small: Small) -> None:
    cms, gateway = begun(small)
    settle(cms, gateway, EVENING_S)
    cabinet = small.layout.segments.cabinet[small.layout.lamp_segment] == 0
    own = [gateway.address[gateway.lamps[k]] for k in np.flatnonzero(cabinet)]

    def power(count: int, at_s: float) -> list[int]:
        cms.collector.heard(Log(tuple(Taken(a, "m", "activePower", 30.0, at_s) for a in own[:count]), (), 0))
        sent = [r.payload for r in cms.readings(at_s) if r.topic == "cabinets"]
        return [int(v) for p in sent for v in np.frombuffer(p, dtype=wire.CABINET_ROW, offset=wire.HEADER.size)["power_w"]]

    assert power(len(own) - 1, EVENING_S + 60.0) == []
    assert power(len(own), EVENING_S + 61.0) == [30 * len(own)]


def test_a_value_for_a_function_of_another_kind_is_left(small: Small) -> None:
    cms, gateway = begun(small)
    settle(cms, gateway, EVENING_S)
    before = cms.collector.left
    cms.collector.heard(Log((Taken(gateway.address[gateway.lamps[0]], "m", "actualLightState", 50.0, EVENING_S),), (), 0))
    cms.collector.heard(Log((Taken(words.NOBODY, "a", "actualLightState", 50.0, EVENING_S),), (), 0))
    assert cms.collector.left == before + 2
