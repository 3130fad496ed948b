# SPDX-License-Identifier: Apache-2.0
"""The server as a neighbour on the machine: ports, addresses, and how it ends."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from lamplighter.web import guard
from lamplighter.web.server import PortBusyError, listen, serving
from tests.web_scripted import Scripted, lattice_streets, scene_of

SCENE = scene_of(lattice_streets(100), 100)
ROOT = Path(__file__).parent.parent


def test_a_busy_port_names_itself_and_the_remedy() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortBusyError) as caught, serving(Scripted(SCENE), port=port):
            pass
    says = str(caught.value)
    assert f"port {port}" in says
    assert f"--port {port + 1}" in says
    assert "Nothing was started" in says


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 203\.0\.113\.1 port 0"):
        listen("203.0.113.1", 0)


def test_it_is_the_machines_own_by_default() -> None:
    with serving(Scripted(SCENE), port=0) as address:
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(address + "/api/view").status_code == 200


def test_the_thread_ends_even_while_somebody_watches() -> None:
    begun = time.monotonic()
    with (
        serving(Scripted(SCENE), port=0) as address,
        httpx.Client() as client,
        client.stream("GET", address + "/events") as events,
    ):
        next(events.iter_lines())
        begun = time.monotonic()
    assert time.monotonic() - begun < 4.0
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


PROGRAM = """
from tests.web_scripted import Scripted, lattice_streets, scene_of
from lamplighter.web.server import serve
serve(Scripted(scene_of(lattice_streets(100), 100)), port=0, ready=lambda address: print(address, flush=True))
print("ended", flush=True)
"""


def test_ctrl_c_ends_it_cleanly() -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        assert httpx.get(address + "/api/view").status_code == 200
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=10)
    assert program.returncode == 0, err
    assert out == "ended\n"
    assert err == ""


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("localhost", True),
        ("192.0.2.7:80", True),
        ("evil.example", False),
        ("", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_host_names(host: str, ours: bool) -> None:
    assert (guard.host_fault({"host": host}) is None) is ours


@pytest.mark.parametrize(("peer", "may"), [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), (None, False)])
def test_only_the_machine_itself_operates_the_city(peer: str | None, may: bool) -> None:
    assert (guard.peer_fault(peer) is None) is may
