# SPDX-License-Identifier: Apache-2.0
"""Limits through the charging relay, against a station and an operator's central system that others wrote."""

import asyncio
import gc
import json
import logging
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from lamplighter.connectors.ocpp import OcppRelay, RelayDoor
from lamplighter.runtime.relay import RelayField
from lamplighter.runtime.wiring import WiringError, read_wiring
from lamplighter.services.grid import SERVICE
from lamplighter.services.grid.ocpp import Profiles, limit_of, profile
from lamplighter.services.grid.wire import LIMIT_ROW, LIMITS, ORDER_HAND_BACK, ORDER_LIMIT, TOLD_ROW, decode_rows
from lamplighter.terms.exchange import Answered, Asked
from lamplighter.terms.reading import Message

HERE = Path(__file__).parent / "ocpp_station"
CARD = "CARD-0451-2297"
NAMES, SAFE_KW = ["T00001.C", "T00002.C"], [44.0, 22.0]


@pytest.fixture(scope="module")
def node() -> str:
    """Return the Node program, with the peer installed beside it."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("no node and npm on the path: the OCPP peer cannot run")
    if not (HERE / "node_modules" / "ocpp-rpc").is_dir():
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("npm could not install ocpp-rpc, the OCPP peer")
    return program


class Peer:
    """A program of ours in JavaScript around somebody else's OCPP, and what it says."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def hears(self, what: str, wait_s: float = 20.0) -> dict[str, Any]:
        """Return the next thing of a kind that it says."""
        end = time.monotonic() + wait_s
        while True:
            one = self.said.get(timeout=max(0.1, end - time.monotonic()))
            if one["what"] == what:
                return one

    def nudge(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Stage:
    """Operator, relay field and stations of one protocol."""

    def __init__(self, node: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._node, self._protocol, self.peers = node, protocol, list[Peer]()
        self.operator = self._peer("operator.mjs", protocol, CARD)
        port = self.operator.hears("listening")["port"]
        monkeypatch.setattr("lamplighter.services.grid.ocpp.open_dialect", lambda start: Profiles(NAMES, SAFE_KW, start.fresh))
        service = replace(SERVICE, prepare=lambda _: None)
        settings = {"connector": "ocpp", "listen_host": "127.0.0.1", "listen_port": 0, "upstream_uri": f"ws://127.0.0.1:{port}"}
        start: Any = type("Start", (), {"city": None})()
        self.field = RelayField(service, start, settings, None)

    def _peer(self, program: str, *arguments: str) -> Peer:
        peer = Peer(self._node, str(HERE / program), *arguments)
        self.peers.append(peer)
        return peer

    def station(self, name: str) -> Peer:
        return self._peer("station.mjs", f"ws://127.0.0.1:{self.field.port}", name, self._protocol, CARD)

    def limits(self) -> dict[int, float]:
        """Return what stations read back since the last look."""
        self.field.begin(time.time(), (), {})
        rows = [decode_rows(reading.payload, TOLD_ROW) for reading in self.field.finish().readings]
        return {int(row["number"]): float(row["limit_10w"]) / 100.0 for batch in rows if batch for row in batch[1]}

    def until(self, number: int, limit_kw: float, wait_s: float = 20.0) -> None:
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            if self.limits().get(number) == pytest.approx(limit_kw):
                return
            time.sleep(0.05)
        raise AssertionError(f"station {number} did not read back {limit_kw} kW: {self.field.fault()}")

    def close(self) -> None:
        self.field.close()
        for peer in self.peers:
            peer.close()


@contextmanager
def staged(node: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Stage]:
    stage = Stage(node, protocol, monkeypatch)
    try:
        yield stage
    finally:
        stage.close()


def orders(*rows: tuple[int, int, float, int]) -> Message:
    table = np.zeros(len(rows), LIMIT_ROW)
    for at, (number, order, limit_kw, duration_s) in enumerate(rows):
        table[at] = (number, order, round(limit_kw * 100.0), duration_s)
    return Message(LIMITS, table.tobytes())


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_a_lease_stands_above_a_permanent_maximum_that_was_read_back_first(
    node: str, protocol: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with staged(node, protocol, monkeypatch) as stage:
        assert not stage.field.send((orders((0, ORDER_LIMIT, 60.0, 300)),), time.time()), "no station is connected"
        station = stage.station(NAMES[0])
        assert stage.operator.hears("handshake") == {"what": "handshake", "identity": NAMES[0], "password": "a password"}
        first = station.hears("profile")
        purpose = "ChargePointMaxProfile" if protocol == "ocpp1.6" else "ChargingStationMaxProfile"
        assert (first["stack"], first["limit"], first["purpose"]) == (0, 44_000.0, purpose)
        stage.until(0, 44.0)
        assert stage.field.send((orders((0, ORDER_LIMIT, 60.0, 2)),), time.time())
        second = station.hears("profile")
        assert (second["stack"], second["limit"]) == (1, 60_000.0)
        stage.until(0, 60.0)
        # the operator's own questions and the drivers' cards pass meanwhile
        assert stage.operator.hears("reset")["status"] == "Accepted"
        station.nudge()
        assert CARD not in json.dumps(station.hears("authorized"))
        time.sleep(2.2)
        assert stage.field.send((orders((0, ORDER_HAND_BACK, 0.0, 0)),), time.time())
        station.hears("clear")
        stage.until(0, 44.0)
        assert stage.operator.said.empty(), "an answer to our questions reached the operator"
        assert "T00002.C" in stage.field.fault()
        assert not any(CARD.encode() in kept for kept in texts_held_by(stage.field)), "a card is kept"
    assert CARD not in caplog.text


def texts_held_by(thing: Any) -> list[bytes]:
    """Return every text that can be reached from an object, leaving modules, types and running code out."""
    seen: set[int] = set()
    waiting, found = [thing], list[bytes]()
    while waiting:
        one = waiting.pop()
        code = isinstance(one, type | type(json)) or (isinstance(one, dict) and "__builtins__" in one)
        if id(one) in seen or code or (callable(one) and not hasattr(one, "__self__")):
            continue
        seen.add(id(one))
        if isinstance(one, str | bytes | bytearray):
            found.append(one.encode() if isinstance(one, str) else bytes(one))
        else:
            waiting += gc.get_referents(one)
    return found


def test_what_is_held_is_found() -> None:
    class Keeper:
        def __init__(self) -> None:
            self.kept = {"deep": [CARD]}

    assert CARD.encode() in texts_held_by(Keeper())


def test_a_stranger_is_refused_by_the_operator_alone(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(node, "ocpp1.6", monkeypatch) as stage:
        assert "Unauthorized" in stage.station("stranger").hears("failed")["message"]


def test_bytes_in_are_bytes_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    up = [
        b'[2,"1","Authorize",{"idTag":"04E91C5A"}]',
        b' [ 3 , "x" ,{} ]',
        '[4,"ü","","",{}]'.encode(),
        b"no JSON at all",
        b'[3,"lamplighter-"]',
    ]
    down = [b'[2,"9","RemoteStartTransaction",{"idTag":"04E91C5A"}]', b'{"a":\t1}\n', b"[2]" + b" " * 500]

    async def both() -> tuple[list[bytes], list[bytes], str]:
        reached: list[bytes] = []
        paths: list[str] = []

        async def operator(side: Any) -> None:
            paths.append(side.request.path + " " + side.request.headers["Authorization"])
            for message in down:
                await side.send(message, text=True)
            reached.extend([await side.recv(decode=False) for _ in up])
            await side.close(1001)

        mute = logging.Logger("the two peers of this test, who may log")
        async with serve(operator, "127.0.0.1", 0, subprotocols=["ocpp1.6"], logger=mute) as server:  # pyright: ignore[reportArgumentType]
            port = next(iter(server.sockets)).getsockname()[1]
            relay = await asyncio.to_thread(
                OcppRelay, RelayDoor("127.0.0.1", 0, f"ws://127.0.0.1:{port}/central"), lambda _: Answered(200, {}, b"")
            )
            uri = f"ws://127.0.0.1:{relay.port}/a/CS%2007"
            headers = {"Authorization": "Basic c2VjcmV0"}
            async with connect(uri, subprotocols=["ocpp1.6"], additional_headers=headers, logger=mute) as station:  # pyright: ignore[reportArgumentType]
                for message in up:
                    await station.send(message, text=True)
                got = [await station.recv(decode=False) for _ in down]
                await station.wait_closed()

            def kept() -> bool:
                return any(b"04E91C5A" in text or b"c2VjcmV0" in text for text in texts_held_by(relay.__dict__))

            for _ in range(100):  # the relay's own thread still lays down the line that has just been closed
                if not kept():
                    break
                await asyncio.sleep(0.05)
            assert not kept()
            await asyncio.to_thread(relay.close)
        return reached, got, paths[0]

    reached, got, path = asyncio.run(both())
    assert reached == up
    assert got == down
    assert path == "/central/a/CS%2007 Basic c2VjcmV0"
    assert "04E91C5A" not in caplog.text


def played(answers: Callable[[list[Any]], Any], names: list[str], safe_kw: list[float]) -> Profiles:
    """Return profiles after one station has connected and been asked ten times."""
    count = iter(range(1000))
    box = Profiles(names, safe_kw, lambda: f"q{next(count)}")
    box.answer(Asked("CONNECT", f"/{names[0]}", "", {"sec-websocket-protocol": "ocpp1.6"}, b""), 0.0)
    for _ in range(10):
        asked = box.next_request(0.0)
        if asked is None:
            break
        whole = json.loads(asked.body)
        box.answered(Answered(200, {}, json.dumps(answers(whole)).encode()), 0.0)
    return box


def test_a_station_that_reads_back_more_than_its_maximum_gets_no_lease() -> None:
    def liar(asked: list[Any]) -> Any:
        if asked[2] == "GetCompositeSchedule":
            schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 90_000.0}]}
            return [3, asked[1], {"status": "Accepted", "chargingSchedule": schedule}]
        return [3, asked[1], {"status": "Accepted"}]

    box = played(liar, ["T1.C"], [44.0])
    assert "reads back 90.00 kW, its permanent maximum is 44.00" in box.fault()
    assert not box.order((orders((0, ORDER_LIMIT, 50.0, 60)),), 0.0)
    assert box.order((orders((0, ORDER_HAND_BACK, 0.0, 0)),), 0.0), "handing back is never refused"
    assert box.next_request(0.0) is None
    assert box.next_request(61.0) is not None, "it is asked again later"


def test_a_station_that_refuses_smart_charging_is_named() -> None:
    box = played(lambda asked: [4, asked[1], "NotSupported", "", {}], ["T1.C"], [44.0])
    assert "T1.C does not take its permanent maximum (NotSupported)" in box.fault()


def test_limits_are_never_rounded_up_and_amperes_are_understood() -> None:
    body = json.loads(profile("ocpp2.0.1", "q", 4.2099, 0.0, 90.0))[3]["chargingProfile"]["chargingSchedule"][0]
    assert body["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 4200.0}]
    assert (body["duration"], body["startSchedule"]) == (90, "1970-01-01T00:00:00Z")
    amperes = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}
    assert limit_of({"status": "Accepted", "schedule": amperes}) == pytest.approx(11.04)
    assert limit_of({"status": "Accepted"}) is None


def test_a_wiring_file_names_the_relay_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "wiring.toml"
    good = '[grid]\nconnector = "ocpp"\nlisten_host = "127.0.0.1"\nlisten_port = 9000\nupstream_uri = "wss://operator.example/ocpp"\n'
    path.write_text(good)
    assert read_wiring(path, (SERVICE,)).services["grid"]["connector"] == "ocpp"
    path.write_text(good + 'host = "broker.example"\nport = 1883\ntopics = ["grid/#"]\n')
    assert read_wiring(path, (SERVICE,))
    path.write_text(good.replace("listen_port = 9000\n", "") + 'card_log = "cards.csv"\n')
    with pytest.raises(WiringError, match=r"card_log: unknown.*listen_port: missing"):
        read_wiring(path, (SERVICE,))
    with pytest.raises(ValueError, match="must begin with wss"):
        RelayDoor("127.0.0.1", 0, "https://operator.example")
