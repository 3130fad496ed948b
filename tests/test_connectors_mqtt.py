# SPDX-License-Identifier: Apache-2.0
"""MQTT against a real broker: bytes both ways, a broker that dies and returns, a flood, and silence in the logs."""

import logging
import os
import shutil
import socket
import subprocess
import time
from typing import Any

import pytest

from lamplighter.terms.reading import Message

pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: pip install 'lamplighter[mqtt]'")

from lamplighter.connectors.mqtt import Broker, MqttConnector

PROGRAM = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed: apt install mosquitto")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunningBroker:
    def __init__(self, folder, port):
        self.port = port
        self.config = folder / "mosquitto.conf"
        self.config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
        self.process = None

    def start(self):
        assert PROGRAM is not None
        self.process = subprocess.Popen([PROGRAM, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.answers(), "the broker did not start")

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def until(test, otherwise, timeout_s=15.0):
    end = time.monotonic() + timeout_s
    while not test():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path):
    running = RunningBroker(tmp_path, free_port())
    running.start()
    yield running
    running.stop()


def connected(broker, name="field", **changed):
    settings: dict[str, Any] = {"topics": ("box/#",), "retry_max_s": 1, "client_id": name} | changed
    link = MqttConnector(name, Broker("127.0.0.1", broker.port, **settings), clock=lambda: 42.0)
    until(lambda: link.status().connected and link.status().connections, "not connected")
    time.sleep(0.1)
    return link


def test_bytes_travel_both_ways_unchanged(broker):
    payloads = [bytes(range(256)), b"", b"\x00" * 16]
    with connected(broker) as link, connected(broker, "box", topics=("command/#",)) as box:
        assert box.send([Message(f"box/{n}", p) for n, p in enumerate(payloads)]) == 0
        assert link.send([Message("command/7", b"\x01\x02")]) == 0
        got = []
        until(lambda: got.extend(link.take()) or len(got) == 3, "three readings were sent")
        assert [(r.source, r.topic, r.payload, r.received_s) for r in got] == [
            ("field", f"box/{n}", p, 42.0) for n, p in enumerate(payloads)
        ]
        back = []
        until(lambda: back.extend(box.take()) or back, "the command did not arrive")
        assert (back[0].topic, back[0].payload) == ("command/7", b"\x01\x02")
        assert link.take() == []
        assert (link.status().received, link.status().sent, link.status().fault) == (3, 1, "")


def test_a_broker_that_dies_and_returns_is_found_again_and_no_late_command_is_sent(broker):
    with connected(broker) as link, connected(broker, "box", topics=("command/#",)) as box:
        broker.stop()
        until(lambda: not link.status().connected, "the lost connection was not noticed")
        until(lambda: "stays on its local programme" in link.status().fault, "the fault was not told")
        assert f"127.0.0.1:{broker.port}" in link.status().fault
        assert link.send([Message("command/1", b"late")] * 3) == 3
        broker.start()
        until(lambda: link.status().connections == 2 and box.status().connections == 2, "not connected again")
        assert link.status().fault == ""
        time.sleep(0.3)
        assert link.send([Message("command/2", b"new")]) == 0
        got = []
        until(lambda: got.extend(box.take()) or got, "the subscription was not renewed")
        assert [r.payload for r in got] == [b"new"]
        assert link.status().unsent == 3


def test_a_broker_that_is_not_there_is_named_with_the_remedy():
    port = free_port()
    with MqttConnector("field", Broker("127.0.0.1", port, ("box/#",))) as link:
        until(lambda: "cannot be reached" in link.status().fault, "no fault told")
        assert f"broker 127.0.0.1:{port} cannot be reached. Start it, or correct host and port" in link.status().fault
        assert link.send([Message("command/1", b"x")]) == 1
        assert link.take() == []


def test_a_flood_is_bounded_and_counted(broker):
    with connected(broker, queue_max=50) as link, connected(broker, "box", topics=("command/#",)) as box:
        box.send([Message("box/1", b"x")] * 200 + [Message("box/2", b"x" * 70_000)])
        until(lambda: link.status().received == 201, "the flood did not arrive")
        assert len(link.take()) == 50
        assert link.status().dropped == 151
        box.send([Message("box/2", b"x" * 70_000), Message("box/3", b"small")])
        until(lambda: link.status().received == 203, "what came after the flood did not arrive")
        assert [r.topic for r in link.take()] == ["box/3"]


def test_no_content_reaches_a_log(broker, caplog):
    caplog.set_level(logging.DEBUG)
    secret = b"B-XY 1234"
    with connected(broker, queue_max=1) as link, connected(broker, "box", topics=("command/#",)) as box:
        box.send([Message("box/secret-place", secret)] * 5)
        until(lambda: link.status().received == 5, "nothing arrived")
        broker.stop()
        until(lambda: not link.status().connected, "the lost connection was not noticed")
        link.send([Message("command/secret-place", secret)])
    assert "connected to 127.0.0.1" in caplog.text
    assert secret.decode() not in caplog.text
    assert "secret-place" not in caplog.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"port": 0}, "port 0 must lie between 1 and 65535"),
        ({"topics": ()}, "name at least one topic"),
        ({"retry_max_s": 0}, "must lie in 1 to 300"),
        ({"queue_max": 0}, "queue_max 0 must be at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        Broker(**({"host": "h", "port": 1883, "topics": ("a",)} | changed))
