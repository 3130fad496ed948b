# SPDX-License-Identifier: Apache-2.0
"""A service wired to boxes behind a real broker, and what a wiring file can get wrong."""

import math
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.wiring import WiringError, read_wiring
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
