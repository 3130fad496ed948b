# SPDX-License-Identifier: Apache-2.0
"""A city wired to a TALQ gateway, as `lamplighter run --wiring` wires it: a wiring file, real sockets, the clock on the wall."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lamplighter.connectors.https import Door, HttpClient, HttpServer, Peer
from lamplighter.runtime.dialect import DialectField
from lamplighter.runtime.wiring import WiringError, read_wiring
from lamplighter.services.lighting import SERVICE, wire
from lamplighter.services.lighting.simulator import LightingField
from lamplighter.services.lighting.talq.box import TalqGateway
from lamplighter.services.lighting.terms import LEASE_S
from lamplighter.services.lighting.tests.small import Small
from lamplighter.services.lighting.tests.talq_pair import counted
from lamplighter.services.lighting.tests.test_talq_pair import permits
from lamplighter.terms.decision import HAND_BACK
from lamplighter.terms.simulation import SimulationStart

TOKEN = "a-token-of-sixteen-or-more"
WITHIN_S = 40.0  # the machine may be busy; in quiet it takes five


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def table(tmp_path: Path, door: int, gateway: int, **more: object) -> Path:
    (tmp_path / "token").write_text(TOKEN)
    rows = {
        "connector": "talq",
        "host": "127.0.0.1",
        "port": door,
        "own_uri": f"http://127.0.0.1:{door}/talq/",
        "peer_uri": f"http://127.0.0.1:{gateway}/gw/",
        "token_file": str(tmp_path / "token"),
        "peer_token_file": str(tmp_path / "token"),
        "state_file": str(tmp_path / "talq.json"),
        **more,
    }
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in rows.items() if value is not None]
    path = tmp_path / "wiring.toml"
    path.write_text("[lighting]\n" + "\n".join(lines) + "\n")
    return path


class Box:
    """A gateway with simulated lamps that runs by the clock, a minute of the city in every second."""

    def __init__(self, small: Small, port: int, cms: int) -> None:
        own, peer = f"http://127.0.0.1:{port}/gw/", f"http://127.0.0.1:{cms}/talq/"
        self.gateway = TalqGateway(small.layout, "small", (own, peer), counted(3))
        self.begin_s = time.time()
        self.field = LightingField(SimulationStart(small.city, 1, self.begin_s, 0.0))
        self.server = HttpServer(Door("127.0.0.1", port, "/gw/", TOKEN), lambda a: self.gateway.answer(a, time.time()))
        self.client = HttpClient(Peer(peer, TOKEN))
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        stepped = 0
        while not self.ends.is_set():
            now_s = time.time()
            if now_s - self.begin_s > stepped:
                stepped += 1
                advance = self.field.advance(self.begin_s + 60.0 * stepped, [], {})
                with self.server.turn:
                    self.gateway.minute(advance.readings, now_s)
            with self.server.turn:
                asked = self.gateway.next_request(now_s)
            answer = self.client.ask(asked) if asked is not None else None
            if asked is not None:
                with self.server.turn:
                    self.gateway.answered(answer, time.time())
            self.ends.wait(0.0 if answer is not None else 0.05)

    def close(self) -> None:
        self.ends.set()
        self.thread.join(5.0)
        self.server.close()
        self.client.close()


@contextmanager
def box_of(small: Small, port: int, cms: int) -> Generator[Box]:
    box = Box(small, port, cms)
    try:
        yield box
    finally:
        box.close()


def until(true, within_s: float = WITHIN_S) -> bool:
    end_s = time.monotonic() + within_s
    while not true() and time.monotonic() < end_s:
        time.sleep(0.05)
    return bool(true())


@pytest.mark.slow
def test_a_city_behind_a_gateway_is_steered_read_and_handed_back(tmp_path: Path, small: Small) -> None:
    port, gateway_port = free_port(), free_port()
    wiring = read_wiring(table(tmp_path, port, gateway_port), (SERVICE,))
    start = SimulationStart(small.city, 0, time.time(), 0.0)
    field = wiring.open_field(SERVICE, start)
    assert isinstance(field, DialectField)
    try:
        assert "no TALQ gateway is connected" in field.fault()
        assert not field.send(SERVICE.encode(permits(small, 0.5, time.time()), small.layout), time.time())
        with box_of(small, gateway_port, port) as box:
            assert until(lambda: field.fault() == ""), field.fault()
            now_s = time.time()
            assert field.send(SERVICE.encode(permits(small, 0.5, now_s), small.layout), now_s)
            assert until(lambda: len(box.gateway.lamps.overrides) == len(small.layout.segments.design))
            assert all(o.expires_s <= now_s + LEASE_S for o in list(box.gateway.lamps.overrides.values()))
            assert not field.send(SERVICE.encode(permits(small, 0.4, now_s), small.layout), now_s - 60.0), "for another moment"
            field.begin(time.time(), (), {})
            frames = np.frombuffer(wire.decode(field.finish().readings, small.layout), dtype=wire.FRAME)
            assert len(frames) > 0
            assert field.send(SERVICE.encode(permits(small, 0.0, now_s, HAND_BACK), small.layout), None)
            field.close()
            assert box.gateway.lamps.overrides == {}, "closing waits for what hands back"
            again = wiring.open_field(SERVICE, start)
            try:
                assert until(lambda: again.fault() == ""), again.fault()
                assert (tmp_path / "talq.json").stat().st_size < 200
            finally:
                again.close()
        with pytest.raises(ValueError, match="nothing is broken on purpose"):
            field.inject("dead_lamps", {})
    finally:
        field.close()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"peer_uri": None}, "peer_uri: missing"),
        ({"topics": ["x"]}, "topics: unknown"),
        ({"port": "8443"}, "port: is"),
    ],
)
def test_what_is_wrong_with_the_table_is_named(tmp_path: Path, more: dict[str, object], told: str) -> None:
    with pytest.raises(WiringError, match=told):
        read_wiring(table(tmp_path, 8443, 8444, **more), (SERVICE,))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"host": "0.0.0.0"}, "can be reached from elsewhere"),
        ({"peer_uri": "http://gw.example/"}, "https:// is needed"),
        ({"token_file": "none"}, "No such file"),
    ],
)
def test_what_would_be_unsafe_is_refused_before_anything_is_sent(
    tmp_path: Path, small: Small, more: dict[str, object], told: str
) -> None:
    wiring = read_wiring(table(tmp_path, free_port(), 8444, **more), (SERVICE,))
    with pytest.raises(WiringError, match=told):
        wiring.open_field(SERVICE, SimulationStart(small.city, 0, time.time(), 0.0))


def test_without_the_services_a_dialect_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(WiringError, match="allowed is 'mqtt'"):
        read_wiring(table(tmp_path, 8443, 8444))
