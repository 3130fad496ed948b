# SPDX-License-Identifier: Apache-2.0
"""The live stream with real clients: one that reads, and one that stops reading and must not hold up anybody."""

import asyncio
import base64
import json
import socket
import time

import numpy as np
import pytest
import websockets

from lamplighter.web.server import serving
from tests.web_scripted import Scripted, lattice_streets, scene_of

SCENE = scene_of(lattice_streets(300), 6000)


def unpack(message: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Read a message as its description says, independently of what wrote it."""
    assert message[:4] == b"LAMP"
    length = int.from_bytes(message[4:8], "little")
    head = json.loads(message[8 : 8 + length])
    body = message[8 + length :]
    return head, {name: np.frombuffer(body, "<" + kind, count, at) for name, kind, at, count in head["arrays"]}


async def parts_of(address: str, seconds: float) -> list[tuple[float, dict, dict[str, np.ndarray]]]:
    found = []
    async with websockets.connect(address.replace("http", "ws") + "/live", max_size=None) as client:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(client.recv(), left)
            except TimeoutError:
                break
            assert isinstance(message, bytes)
            found.append((time.monotonic(), *unpack(message)))
    return found


def test_messages_hold_what_the_engine_says() -> None:
    engine = Scripted(SCENE, running=False)
    with serving(engine, port=0) as address:
        parts = asyncio.run(parts_of(address, 0.8))
    by_name = {head["part"]: (head, columns) for _, head, columns in parts}
    assert set(by_name) == {"live", "charts", "lines"}
    view = engine.view()
    head, columns = by_name["live"]
    assert head["now_s"] == view.now_s
    assert [one["name"] for one in head["services"]] == [one.name for one in view.services]
    for layer in view.layers:
        assert np.array_equal(columns[f"layer.{layer.layer}.asset"], layer.asset)
        assert np.allclose(columns[f"layer.{layer.layer}.value"], layer.value, atol=1e-6)
    assert np.allclose(columns["moving.lon_deg"], view.moving["lon_deg"], atol=2e-6)
    head, columns = by_name["charts"]
    assert len(head["series"]) == len(view.series)
    assert np.array_equal(columns["0.time_s"], view.series[0].time_s)
    assert len(by_name["lines"][0]["lines"]) == len(view.lines)


def test_a_foreign_page_gets_no_stream() -> None:
    async def foreign(address: str) -> None:
        async with websockets.connect(address.replace("http", "ws") + "/live", origin="http://elsewhere.example"):  # pyright: ignore[reportArgumentType]
            pass

    with serving(Scripted(SCENE), port=0) as address, pytest.raises(websockets.exceptions.InvalidStatus):
        asyncio.run(foreign(address))


def _deaf(address: str) -> socket.socket:
    """Shake hands as a browser does, then never read again until asked."""
    host, port = address.removeprefix("http://").split(":")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    deaf.connect((host, int(port)))
    key = base64.b64encode(b"0123456789abcdef").decode()
    ask = f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    deaf.sendall((ask + f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    assert deaf.recv(12).startswith(b"HTTP/1.1 101")
    return deaf


def _versions(deaf: socket.socket, seconds: float) -> list[int]:
    """Read on and return the versions of the live messages in the stream."""
    deaf.settimeout(0.5)
    raw = bytearray()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            raw += deaf.recv(1 << 16)
        except TimeoutError:
            continue
    found, at = [], 0
    while (at := raw.find(b"LAMP", at)) >= 0:
        length = int.from_bytes(raw[at + 4 : at + 8], "little")
        if len(raw) >= at + 8 + length:
            head = json.loads(bytes(raw[at + 8 : at + 8 + length]))
            if head["part"] == "live":
                found.append(head["version"])
        at += 4
    return found


def test_a_browser_that_stops_reading_holds_up_nobody_and_gets_the_newest_later() -> None:
    engine = Scripted(SCENE)
    engine.set_speed(60)
    with serving(engine, port=0) as address:
        deaf = _deaf(address)
        time.sleep(6.0)  # its buffers are full long since: a message is about 60 kB
        reader = asyncio.run(parts_of(address, 1.5))
        lives = [(at, head["version"]) for at, head, _ in reader if head["part"] == "live"]
        assert len(lives) >= 3, "another reader is served at full pace"
        assert max(np.diff([at for at, _ in lives])) < 1.5
        begun = time.perf_counter()
        engine.view()
        assert time.perf_counter() - begun < 0.2
        newest = engine.view().version
        versions = _versions(deaf, 2.5)
        deaf.close()
    assert versions == sorted(set(versions)), "nothing twice, nothing out of order"
    assert versions[-1] >= newest, "once it reads again it gets the newest"
    assert max(np.diff(versions)) > 20, "what it missed was dropped, not queued"
