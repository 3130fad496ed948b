# SPDX-License-Identifier: Apache-2.0
"""A service wired to boxes behind a real broker, and what a wiring file can get wrong."""

import math
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.wiring import WiringError, read_wiring
from lamplighter.terms.simulation import SimulationStart
from tests.spine import CITY
from tests.water import SERVICE
from tests.water.simulator import ROW

GOOD = '[water]\nconnector = "mqtt"\nhost = "127.0.0.1"\nport = 1883\ntopics = ["pumps"]\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "wiring.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no service is named"),
        ("[water", "cannot be read"),
        ('water = "mqtt"', "allowed is a table"),
        (GOOD + 'plate_reader = "on"\n', r"plate_reader: unknown, allowed are connector"),
        (GOOD.replace("1883", '"1883"'), "port: is '1883', allowed is a int"),
        (GOOD.replace('"mqtt"', '"carrier pigeon"'), "allowed is 'mqtt'"),
        ('[water]\nconnector = "mqtt"\n', "host: missing"),
    ],
)
def test_all_that_is_wrong_with_a_wiring_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WiringError, match=said):
        read_wiring(written(tmp_path, text))


def test_a_service_without_a_table_and_a_bad_port_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    wiring = read_wiring(written(tmp_path, GOOD.replace("1883", "99999")))
    plan = RunPlan(0, 0.0, 0.0, {"water": "adaptive"})
    with pytest.raises(WiringError, match="port 99999 must lie between"):
        CityRun((SERVICE,), {"water": CITY}, plan, wiring.open_field)
    other = replace(SERVICE, name="wind")
    with pytest.raises(WiringError, match=r"no table \[wind\]"):
        CityRun((other,), {"wind": CITY}, plan, wiring.open_field)


def until(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    end_s = time.monotonic() + within_s
    while not true() and time.monotonic() < end_s:
        time.sleep(0.02)
    return true()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed: scripts/debian-packages.sh installs it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8")
    process = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(timeout=10)


def test_boxes_behind_a_broker_are_read_and_steered(tmp_path: Path, broker: int) -> None:
    wiring = read_wiring(written(tmp_path, GOOD.replace("1883", str(broker))))
    service = replace(SERVICE, cadence_s=1)
    obeyed: dict[str, bytes] = {}
    boxes = paho.Client(CallbackAPIVersion.VERSION2, client_id="boxes")
    boxes.on_message = lambda client, data, message: obeyed.update({message.topic: bytes(message.payload)})
    boxes.connect("127.0.0.1", broker)
    boxes.subscribe("pump/#")
    boxes.loop_start()
    begin_s = float(math.ceil(time.time()))
    run = CityRun((service,), {"water": CITY}, RunPlan(0, begin_s, 0.0, {"water": "adaptive"}), wiring.open_field)
    rows = np.zeros(8, ROW)
    rows["pump"], rows["pressure_mbar"], rows["speed_pm"] = np.arange(8), [2500] * 4 + [3500] * 4, 600
    try:
        run.wait_ready()
        admitted = 0
        for _ in range(5):
            boxes.publish("pumps", rows.tobytes())
            admitted += len(run.advance()["water"].measured)
        run.set_arm("water", "baseline")
        run.advance()
        time.sleep(0.5)
    finally:
        run.close()
        boxes.loop_stop()
        boxes.disconnect()
    assert admitted >= 16
    assert set(obeyed) == {f"pump/{n}" for n in range(8)}
    assert set(obeyed.values()) == {b"local"}, "handing back reached every box"
    assert struct.calcsize("<HI") == 6


def test_handing_back_reaches_the_boxes_at_once_also_between_ticks_and_when_the_run_ends(tmp_path: Path, broker: int) -> None:
    wiring = read_wiring(written(tmp_path, GOOD.replace("1883", str(broker))))
    heard: list[bytes] = []
    boxes = paho.Client(CallbackAPIVersion.VERSION2, client_id="boxes")
    boxes.on_message = lambda client, data, message: heard.append(bytes(message.payload))
    boxes.connect("127.0.0.1", broker)
    boxes.subscribe("pump/#")
    boxes.loop_start()
    plan = RunPlan(0, float(math.ceil(time.time())), 0.0, {"water": "adaptive"})
    run = CityRun((SERVICE,), {"water": CITY}, plan, wiring.open_field)
    try:
        assert until(lambda: run.faults() == ())
        run.set_arm("water", "baseline")  # no tick follows: its cadence is a minute
        assert until(lambda: len(heard) == 8)
        run.set_arm("water", "adaptive")
        run.release()
        run.close()
        assert until(lambda: len(heard) == 16)
    finally:
        boxes.loop_stop()
        boxes.disconnect()
    assert set(heard) == {b"local"}


def test_what_hands_back_is_owed_until_the_broker_is_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wiring = read_wiring(written(tmp_path, GOOD.replace("1883", str(port))))
    run = CityRun((SERVICE,), {"water": CITY}, RunPlan(0, time.time(), 0.0, {"water": "adaptive"}), wiring.open_field)
    try:
        run.set_arm("water", "baseline")
        said = " ".join(run.faults())
        assert "could not be told yet" in said
        assert f"127.0.0.1:{port}" in said
        run.set_arm("water", "adaptive")
        assert "could not be told yet" not in " ".join(run.faults())
    finally:
        run.close()


def test_orders_for_another_moment_are_not_sent(tmp_path: Path) -> None:
    field = read_wiring(written(tmp_path, GOOD)).open_field(SERVICE, SimulationStart(CITY, 0, 0.0, 0.0, 1.0))
    try:
        assert not field.send((), time.time() - 3600)
        assert "3600 s behind the clock" in field.fault()
        assert not field.send((), time.time() + 3600)
        assert field.send((), time.time())
        assert field.send((), None), "handing back is never too late"
    finally:
        field.close()
