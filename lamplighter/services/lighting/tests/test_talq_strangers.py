# SPDX-License-Identifier: Apache-2.0
"""Whatever a stranger sends over a real socket: a clear refusal, nothing changed, and the next honest request is answered."""

import json
import socket
from collections.abc import Generator
from dataclasses import dataclass

import pytest

from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.talq.steering import moment
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.services.lighting.tests.talq_pair import TOKEN, Pair, paired
from lamplighter.services.lighting.tests.test_talq_pair import permits


@pytest.fixture(scope="module")
def pair(small: Small) -> Generator[Pair]:
    with paired(small.city, small.layout, EVENING_S) as made:
        made.run(EVENING_S + 60.0)
        yield made


@dataclass(frozen=True)
class Said:
    """A raw answer: status (0 where the line was closed without one) and body."""

    status: int
    body: bytes


def raw(port: int, sent: bytes, ends: bool = True) -> Said:
    """Return what is answered. ends: say that nothing more will come, as one who breaks off does."""
    with socket.create_connection(("127.0.0.1", port), timeout=20.0) as line:
        got = bytearray()
        try:
            line.sendall(sent)
            if ends:
                line.shutdown(socket.SHUT_WR)
            while part := line.recv(65_536):
                got += part
        except OSError:
            pass  # the other side would hear no more of it
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return Said(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, body)


def request(pair: Pair, side: int, path: str, body: bytes, method: str = "POST", more: str = "") -> Said:
    held = pair.cms.announced.held
    assert held is not None
    client = held.address if side == 0 else pair.gateway.side.cms
    base = ("/talq", "/gw")[side]
    query = f"?clientAddress={client}&talqRequestId={client}"
    head = (
        f"{method} {base}{path}{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n"
        f"talq-api-version: 2.7.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    )
    return raw(pair.servers[side].port, head.encode("latin-1") + body, ends=False)


def state(pair: Pair) -> tuple[object, ...]:
    """Return all that a request could have changed."""
    held, side = pair.cms.announced.held, pair.gateway.side
    assert held is not None
    kept = json.dumps([held.members, held.classes, held.services], sort_keys=True)
    rows = json.dumps([side.calendars.rows, side.programmes.rows, side.groups.rows, side.loggers.rows], sort_keys=True)
    counted = sorted(pair.cms.collector.events)
    return kept, rows, counted, dict(side.lamps.overrides), dict(side.lamps.calendar)


def in_service(pair: Pair, small: Small) -> None:
    """Both sides answer, and a permit still reaches the lamps."""
    assert request(pair, 0, "/devices", b"", "GET").status == 200
    assert request(pair, 1, "/devices", b"", "GET").status == 200
    assert [server.failed for server in pair.servers] == [0, 0]
    pair.cms.order(SERVICE.encode(permits(small, 0.5, pair.now_s), small.layout), pair.now_s)
    pair.settle()
    assert len(pair.gateway.lamps.overrides) == len(small.layout.segments.design)
    pair.gateway.lamps.resume(list(pair.gateway.lamps.overrides))


LAMP = b'{"address": "33333333-3333-4333-8333-333333333333", "name": "n", "class": "segmentLamps", "functions": [%s]}'
RUBBISH = [
    b"", b"null", b"0", b"true", b'"devices"', b"{}", b"[]]", b"[{}]", b"[[[]]]", b"[null]", b"\xef\xbb\xbf[]",
    "[]".encode("utf-16"),
    b"[" * 100_000, b'{"a":' * 50_000, b"[NaN]", b"[1e999]", b"[" + b"9" * 5000 + b"]", b"[-Infinity]", b"\x00\x01\x02",
    b"\xff" * 64,
    b"<xml/>", b"a=b&c=d", b'[{"address": 5, "name": [], "class": {}}]', b'[{"address": "\\ud800", "class": "y"}]',
    b"[" + LAMP % b'{"id": "lampActuator", "type": 7}' + b"]",
    b"[" + LAMP % b'{"id": "lampActuator", "type": "LampActuatorFunction", "actualLightState": {"type": "AttributeLevelState", '
    b'"value": {"name": "LevelState", "value": "fifty"}}}' + b"]",
    b"[" + LAMP % b'{"id": "lampActuator", "type": "LampActuatorFunction", "calendarID": []}' + b"]",
]  # fmt: skip


@pytest.mark.parametrize("side", [0, 1])
def test_rubbish_over_a_real_socket_is_refused_with_a_reason_and_changes_nothing(pair: Pair, small: Small, side: int) -> None:
    before = state(pair)
    paths = {
        0: ("/devices", "/device-classes", "/services", "/log-reports"),
        1: ("/override-commands", "/calendars", "/control-programs", "/groups", "/assign-commands", "/logger-configs"),
    }[side]
    for path in paths:
        for body in RUBBISH:
            if (path, body) in (("/services", b""), ("/log-reports", b"{}")):
                continue  # by the standard a list of services may be missing, and a report may be empty
            said = request(pair, side, path, body)
            assert said.status in (400, 403, 409, 413, 415, 422), (path, body[:80], said)
            rows = json.loads(said.body)
            assert rows, (path, body[:80])
            assert all(row["key"] and 8 <= len(row["description"]) <= 1000 for row in rows), (path, body[:80], rows)
    assert state(pair) == before
    in_service(pair, small)


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"A" * 100_000,
        b"POST /talq/devices HTTP/1.1\r\ncontent-length: -5\r\n\r\n", b"POST /talq/devices HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
        b"POST /talq/devices HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /talq/../gw/devices HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /talq/%00%ff%2e%2e HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /talqdevices HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n",
        b"BREW /talq/devices HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n",
        b"GET /talq/devices HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + b"x-long: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_of_ours_is_turned_away(pair: Pair, sent: bytes) -> None:
    before = state(pair)
    said = raw(pair.servers[0].port, sent)
    assert said.status == 0 or 400 <= said.status < 500, said
    assert state(pair) == before
    assert pair.servers[0].failed == 0


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("totalPower", 1e300), ("totalPower", 10**299), ("totalVAR", -1e300), ("totalActiveEnergy", 1e300), ("totalPower", 3e4)],
)
def test_a_value_that_no_meter_has_is_left_and_the_last_one_stands(pair: Pair, attribute: str, value: float) -> None:
    address = next(iter(pair.gateway.lamps.cabinets))
    kind = {"type": "AttributeFloat", "value": value}
    data = {"type": "AttributeLogData", "srcAddress": f"{address}/electricalMeter", "timestamp": moment(pair.now_s)}
    entry = {"data": {**data, "attributeName": attribute, "attributeValue": kind}}
    left = pair.cms.collector.left
    said = request(pair, 0, "/log-reports", json.dumps({"address": "l", "entries": [entry]}).encode())
    assert said.status == 201
    assert pair.cms.collector.left == left + 1
    pair.cms.readings(pair.now_s + 60.0)
