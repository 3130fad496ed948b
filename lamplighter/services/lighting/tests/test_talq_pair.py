# SPDX-License-Identifier: Apache-2.0
"""A CMS and a gateway that drive each other over real HTTP: from the announcement to the light on the street."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from lamplighter.services.lighting import SERVICE, wire
from lamplighter.services.lighting.interlock import INTERLOCKS
from lamplighter.services.lighting.talq.intake import Log, Taken
from lamplighter.services.lighting.talq.lamps import SimulatedLamps
from lamplighter.services.lighting.talq.registry import READY
from lamplighter.services.lighting.talq.steering import moment
from lamplighter.services.lighting.terms import DIM, LEASE_S
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.services.lighting.tests.talq_pair import TOKEN, Pair, paired
from lamplighter.terms.decision import HAND_BACK, Permits, Proposals, no_cites


@pytest.fixture
def pair(small: Small) -> Iterator[Pair]:
    with paired(small.city, small.layout, EVENING_S) as both:
        both.run(EVENING_S + 60.0)
        yield both


def permits(small: Small, share: float, now_s: float, action: str = DIM) -> Permits:
    asset = small.layout.segments.asset
    count = len(asset)
    values = {"dimming_level": np.full(count, share), "ramp_s": np.full(count, 30.0)} if action == DIM else {}
    table = Proposals(action, asset, values, np.zeros(count, np.int64), no_cites(count), "adaptive", now_s, LEASE_S)
    return Permits(table, np.arange(count), len(INTERLOCKS), now_s + LEASE_S)


def asked(pair: Pair, side: int, method: str, path: str, **more: Any) -> httpx.Response:
    server = pair.servers[side]
    base = f"http://127.0.0.1:{server.port}/{('talq', 'gw')[side]}"
    client = (pair.gateway.side.address, pair.gateway.side.cms)[side]
    query = {"clientAddress": client, "talqRequestId": "11111111-1111-4111-8111-111111111111"}
    headers = {"talq-api-version": "2.7.1", "authorization": f"Bearer {TOKEN}"}
    return httpx.request(method, base + path, params=query, headers={**headers, **more.pop("headers", {})}, timeout=60, **more)


def test_a_gateway_announces_itself_and_its_lamps_are_found_set_up_and_read_back(pair: Pair, small: Small) -> None:
    held = pair.cms.announced.held
    assert held is not None
    assert held.stage == READY
    assert pair.gateway.connected
    assert held.address == pair.gateway.side.address != pair.gateway.side.cms
    assert len(held.members) == len(small.layout.segments.design) + len(small.layout.cabinet_asset)
    assert pair.cms.steering.segments_ready().all()
    assert pair.cms.fault() == ""
    assert set(pair.gateway.lamps.calendar) == set(range(len(small.layout.segments.design)))
    assert {"lamplighter-values", "lamplighter-events"} == set(pair.gateway.loggers.rows)


def test_permits_become_overrides_with_an_end_and_the_lamps_report_them(pair: Pair, small: Small) -> None:
    now_s = pair.now_s
    assert pair.cms.order(SERVICE.encode(permits(small, 0.555, now_s), small.layout), now_s)
    pair.settle()
    overrides = pair.gateway.lamps.overrides
    assert len(overrides) == len(small.layout.segments.design)
    assert {o.percent for o in overrides.values()} == {56}, "half percents are rounded up, never down"
    assert all(o.expires_s <= now_s + LEASE_S for o in overrides.values())
    pair.run(now_s + 120.0)
    assert np.allclose(pair.field.segment_levels(), 0.56)
    frames = np.frombuffer(wire.decode(pair.cms.readings(pair.now_s), small.layout), dtype=wire.FRAME)
    level = frames[frames["quantity"] == small.layout.vocabulary.index("dimming_level")]
    assert len(level) == len(small.layout.segments.design)
    assert set(level["value"].tolist()) == {112}
    power = frames[frames["quantity"] == small.layout.vocabulary.index("p_kw")]
    assert len(power) == len(small.layout.cabinet_asset)
    assert (power["value"] > 0).all()


def test_an_override_ends_by_itself_and_handing_back_ends_it_at_once(pair: Pair, small: Small) -> None:
    now_s = pair.now_s
    pair.cms.order(SERVICE.encode(permits(small, 0.5, now_s), small.layout), now_s)
    pair.run(now_s + LEASE_S + 120.0, step_s=60.0)
    assert pair.gateway.lamps.overrides == {}
    assert (pair.field.segment_levels() == 1.0).all()
    pair.cms.order(SERVICE.encode(permits(small, 0.5, pair.now_s), small.layout), pair.now_s)
    pair.cms.order(SERVICE.encode(permits(small, 0.0, pair.now_s, HAND_BACK), small.layout), pair.now_s)
    pair.settle()
    assert pair.gateway.lamps.overrides == {}, "an order that still waited does not come after its end"
    pair.run(pair.now_s + 60.0)
    assert (pair.field.segment_levels() == 1.0).all()


def test_an_order_that_waited_is_not_sent_late_and_silence_is_told(pair: Pair, small: Small) -> None:
    now_s = pair.now_s
    pair.cms.order(SERVICE.encode(permits(small, 0.5, now_s), small.layout), now_s)
    wanted = pair.cms.next_request(now_s)
    assert wanted is not None
    pair.cms.answered(None, now_s)
    assert "does not answer" in pair.cms.fault()
    pair.now_s += 60.0
    pair.settle()
    assert pair.gateway.lamps.overrides == {}
    assert pair.cms.steering.outbox.late > 0


def test_a_cms_that_starts_again_asks_the_gateway_that_it_knew(pair: Pair, small: Small) -> None:
    from lamplighter.services.lighting.talq.dialect import TalqCms
    from lamplighter.terms.exchange import DialectStart

    uris = pair.gateway.cms_uri, pair.gateway.own_uri
    pair.cms = TalqCms(DialectStart(small.city, small.layout, *uris, {}, pair.cms.memory(), lambda: "never asked for"))
    assert pair.cms.announced.held is None
    pair.run(pair.now_s + 60.0)
    assert pair.cms.announced.held is not None
    assert pair.cms.announced.held.address == pair.gateway.side.address
    assert pair.cms.steering.segments_ready().all()


def test_a_gateway_that_starts_again_is_served_beside_the_old_one_until_it_is_through(pair: Pair, small: Small) -> None:
    old = pair.cms.announced.held
    assert old is not None
    pair.gateway._restart()
    first = pair.gateway.next_request(pair.now_s)
    assert first is not None
    pair.gateway.answered(pair.clients[1].ask(first), pair.now_s)
    assert pair.cms.announced.held is old, "what is known stays until the new bootstrap is through"
    pair.run(pair.now_s + 60.0)
    assert pair.cms.announced.held is not old
    assert pair.cms.steering.segments_ready().all()


def test_a_cms_may_ask_for_a_value_and_for_the_log(pair: Pair) -> None:
    address = pair.gateway.lamps.segment_address[0]
    said = asked(pair, 1, "GET", f"/devices/{address}/lampActuator/actualLightState").json()
    assert said["value"] == {"name": "LevelState", "value": 100}
    assert said["timestamp"].endswith("Z")
    log = asked(pair, 1, "GET", "/log-reports/lamplighter-values").json()
    assert log["address"] == "lamplighter-values"
    assert {"LampActuator", "totalPower"} & {e["data"]["attributeName"] for e in log["entries"]}
    page = asked(pair, 1, "GET", "/devices")
    assert len(page.json()) == len(pair.gateway.lamps.addresses()) + 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"state": {"name": "levelState", "value": 50}}, "LevelState"),  # as the standard's own example writes it
        ({"state": {"name": "LevelState", "value": "fifty"}}, "whole number"),
        ({"state": {"name": "LevelState", "value": 0}}, "not made dark"),
        ({"state": {"name": "BooleanState", "value": True}}, "LevelState"),
        ({"expiration": None}, "text"),
        ({"expiration": moment(EVENING_S + 7200.0)}, "1 to 1800 s off"),
        ({"expiration": moment(EVENING_S - 60.0)}, "1 to 1800 s off"),
        ({"start": moment(EVENING_S + 600.0)}, "calendar"),
        ({"rampToLevelTime": 1e9}, "0 to 120"),
    ],
)
def test_an_override_that_is_not_lawful_reaches_no_lamp(pair: Pair, change: dict[str, object], told: str) -> None:
    command = {"state": {"name": "LevelState", "value": 50}, "expiration": moment(pair.now_s + 900.0), **change}
    lamp = {"resource": "devices", "address": pair.gateway.lamps.segment_address[0]}
    answer = asked(pair, 1, "POST", "/override-commands", json={"addresses": [lamp], "targetCommand": command})
    assert answer.status_code in (400, 422)
    assert told in answer.text
    assert pair.gateway.lamps.overrides == {}
    assert pair.gateway.messages() == [] or all(m.payload[4] == wire.COMMAND_DIM for m in pair.gateway.messages())


def test_without_an_end_no_override_is_taken(pair: Pair) -> None:
    lamp = {"resource": "devices", "address": pair.gateway.lamps.segment_address[0]}
    command = {"state": {"name": "LevelState", "value": 50}}
    answer = asked(pair, 1, "POST", "/override-commands", json={"addresses": [lamp], "targetCommand": command})
    assert answer.status_code == 422
    assert answer.json()[0]["key"] == "overrideCommandNotValid"
    assert "outlives its sender" in answer.text


def test_one_strange_address_refuses_the_whole_command(pair: Pair) -> None:
    rows = [{"resource": "devices", "address": a} for a in (pair.gateway.lamps.segment_address[0], "no-lamp")]
    command = {"state": {"name": "LevelState", "value": 50}, "expiration": moment(pair.now_s + 900.0)}
    answer = asked(pair, 1, "POST", "/override-commands", json={"addresses": rows, "targetCommand": command})
    assert answer.status_code == 422
    assert pair.gateway.lamps.overrides == {}


def test_a_calendar_runs_the_lamps_and_an_override_goes_before_it(pair: Pair) -> None:
    cms, lamps = pair.gateway.side.cms, pair.gateway.lamps
    period = {"name": "AstroClockActivePeriod", "sunsetOffset": 0, "sunriseOffset": 0}
    points = [{"startTime": "12:00:00", "command": {"state": {"name": "LevelState", "value": 40}}}]
    programme = {"type": "ControlProgramOne", "id": "p", "ownerCMS": cms, "activePeriods": [period], "fixedTimeControls": points}
    assert asked(pair, 1, "POST", "/control-programs", json=[programme]).status_code == 201
    assert asked(pair, 1, "POST", "/calendars", json=[{"id": "c", "ownerCMS": cms, "defaultProgram": "p"}]).status_code == 201
    lamp = {"resource": "devices", "address": lamps.segment_address[3]}
    assignment = {"addresses": [lamp], "entity": {"resource": "calendars", "address": "c"}}
    assert asked(pair, 1, "POST", "/assign-commands", json=assignment).status_code == 201
    pair.run(pair.now_s + 180.0)
    assert pair.field.segment_levels()[3] == pytest.approx(0.4)
    assert pair.field.segment_levels()[4] == 1.0
    command = {"state": {"name": "LevelState", "value": 80}, "expiration": moment(pair.now_s + 200.0)}
    asked(pair, 1, "POST", "/override-commands", json={"addresses": [lamp], "targetCommand": command})
    pair.run(pair.now_s + 120.0)
    assert pair.field.segment_levels()[3] == pytest.approx(0.8)
    pair.run(pair.now_s + 240.0)
    assert pair.field.segment_levels()[3] == pytest.approx(0.4)
    assert asked(pair, 1, "DELETE", "/calendars/c").status_code == 422, "it is in use"
    assert asked(pair, 1, "DELETE", "/control-programs/p").status_code == 422


def test_lamps_without_an_asset_are_told_and_left_alone(pair: Pair, small: Small) -> None:
    held = pair.cms.announced.held
    assert held is not None
    stranger = {
        "address": "22222222-2222-4222-8222-222222222222",
        "name": "lamp of another city",
        "class": "segmentLamps",
        "functions": [{"id": "lampActuator", "type": "LampActuatorFunction"}],
    }
    assert asked(pair, 0, "POST", "/devices", json=[stranger]).status_code == 201
    pair.run(pair.now_s + 60.0)
    assert "1 announced lamps or meters are no asset" in pair.cms.fault()
    pair.cms.order(SERVICE.encode(permits(small, 0.5, pair.now_s), small.layout), pair.now_s)
    pair.settle()
    assert len(pair.gateway.lamps.overrides) == len(small.layout.segments.design)


def test_a_segment_of_which_a_lamp_is_missing_is_not_commanded(pair: Pair, small: Small) -> None:
    assert asked(pair, 0, "DELETE", f"/devices/{pair.gateway.lamps.segment_address[5]}").status_code == 200
    pair.run(pair.now_s + 60.0)
    assert not pair.cms.order(SERVICE.encode(permits(small, 0.5, pair.now_s), small.layout), pair.now_s)
    pair.settle()
    assert 5 not in pair.gateway.lamps.overrides
    assert len(pair.gateway.lamps.overrides) == len(small.layout.segments.design) - 1
    assert "1 of" in pair.cms.fault()


def test_a_dark_cabinet_says_nothing_and_its_segments_become_unknown(pair: Pair, small: Small) -> None:
    pair.field.inject("dark_cabinet", {"number": 0})
    pair.run(pair.now_s + 360.0)
    frames = np.frombuffer(wire.decode(pair.cms.readings(pair.now_s), small.layout), dtype=wire.FRAME)
    level = frames[frames["quantity"] == small.layout.vocabulary.index("dimming_level")]
    dark = int((small.layout.segments.cabinet == 0).sum())
    assert len(level) == len(small.layout.segments.design) - dark
    assert pair.cms.open_events().get("out_of_touch") == dark, "a silent radio is told as what it is, no lamp is called broken"
    assert "lamp_failed" not in pair.cms.open_events()


def test_a_quarter_hour_of_a_cell_is_reported_when_every_minute_of_it_is_known(pair: Pair, small: Small) -> None:
    end_s = (EVENING_S // 900 + 2) * 900
    cells: list[int] = []
    while pair.now_s < end_s:
        pair.run(pair.now_s + 60.0)
        cells += [len(r.payload) for r in pair.cms.readings(pair.now_s) if r.topic == "cells"]
    assert len(cells) == 1, "the first quarter was not known from its beginning"


def test_what_a_meter_counted_from_noon_to_noon_is_its_day(pair: Pair, small: Small) -> None:
    collector, meters = pair.cms.collector, list(pair.gateway.lamps.cabinets.items())
    noon_s = EVENING_S - 6 * 3600.0
    counted: list[np.ndarray[tuple[int, ...], np.dtype[np.void]]] = []
    for day in range(1, 5):
        at_s = noon_s + day * 86_400.0
        rows = tuple(Taken(a, "electricalMeter", "totalActiveEnergy", 1000.0 * day * (k + 1), at_s) for a, k in meters)
        collector.heard(Log(rows if day < 4 else rows[1:], (), 0))
        for minute in (-60.0, 0.0, 60.0):
            sent = [r.payload for r in collector.readings(at_s + minute) if r.topic == "registers"]
            counted += [np.frombuffer(p, dtype=wire.REGISTER_ROW, offset=wire.HEADER.size) for p in sent]
    assert [len(rows) for rows in counted] == [len(meters), len(meters), len(meters) - 1], (
        "from the first whole day on, and not where one is missing"
    )
    assert counted[0]["energy_wh"].tolist() == [1000 * (k + 1) for k in range(len(meters))]


def test_who_bears_no_token_is_kept_out(pair: Pair) -> None:
    for side in (0, 1):
        assert asked(pair, side, "GET", "/devices", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert asked(pair, side, "GET", "/devices", headers={"authorization": ""}).status_code == 401


def test_simulated_members_have_the_same_addresses_in_every_run(small: Small) -> None:
    assert SimulatedLamps(small.layout, "small").addresses() == SimulatedLamps(small.layout, "small").addresses()
