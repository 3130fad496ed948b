# SPDX-License-Identifier: Apache-2.0
"""The demo as a newcomer runs it: headless, behind its page, stopped with Ctrl-C, started twice, on a taken port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lamplighter.city.directory import cities_directory
from lamplighter.cli import cli
from lamplighter.ledger import verify
from lamplighter.runtime.settings import is_current
from lamplighter.services import discover

pytestmark = [pytest.mark.engine, pytest.mark.slow]
START_MAX_S = 240.0  # on a machine that does other things too


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory of its own with the demo city in it: linked where it is built, built where not."""
    place = tmp_path_factory.mktemp("data")
    built = cities_directory() / "adlershof"
    if is_current(built):
        (place / "cities").mkdir()
        (place / "cities" / "adlershof").symlink_to(built)
    else:
        assert command(place, "city", "build", "adlershof").returncode == 0
    return place


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "LAMPLIGHTER_DATA": str(data), "COLUMNS": "160"}


def command(data: Path, *words: str, timeout_s: float = 600.0) -> subprocess.CompletedProcess[str]:
    """Run lamplighter to its end."""
    line = [sys.executable, "-m", "lamplighter", *words]
    return subprocess.run(line, env=environment(data), capture_output=True, text=True, timeout=timeout_s, check=False)


def left_of(group: int) -> str:
    """Return the processes that are left of a process group."""
    return subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False).stdout


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def asked(port: int, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the page's API; posts where a body is given."""
    url = f"http://127.0.0.1:{port}{path}"
    headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    payload = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, payload, headers), timeout=20) as answer:
        text = answer.read()
        return json.loads(text) if text else None


@pytest.fixture(scope="module")
def running(data: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the demo behind its page and stop it with Ctrl-C."""
    port = free_port()
    line = [sys.executable, "-m", "lamplighter", "demo", "--no-browser", "--port", str(port), "--speed", "60", "--minutes", "30"]
    process = subprocess.Popen(line, env=environment(data), stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + START_MAX_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if asked(port, "/api/view")["version"] > 3:
                break
        except OSError:
            time.sleep(0.5)
    yield process, port
    if process.poll() is None:
        process.kill()


def test_headless_simulates_both_arms_and_writes_the_stable_json(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = command(data, "demo", "--headless", "--minutes", "3", "--seed", "1", "--json", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["city"] == "adlershof"
    assert set(found["arms"]) == {"baseline", "adaptive"}
    assert set(found["arms"]["adaptive"]["1"]) == {service.name for service in discover()}
    for service in discover():
        values = found["arms"]["baseline"]["1"][service.name]
        assert values or service.name == "lighting", "lamps are not lit at four in the afternoon"
        assert all(isinstance(value, float | int) for value in values.values())
    assert found["faults"] == []
    assert "vehicle_delay_s_trip" in done.stdout


def test_the_city_runs_behind_its_page(running: tuple[subprocess.Popen[str], int]) -> None:
    _, port = running
    first = asked(port, "/api/view")
    time.sleep(3)
    second = asked(port, "/api/view")
    assert second["now_s"] > first["now_s"]
    assert second["faults"] == []
    scene = asked(port, "/api/scene")
    assert scene["simulated"] is True
    assert any("OpenStreetMap" in line for line in scene["attribution"])


def test_a_second_start_on_the_same_data_says_who_holds_it(running: tuple[subprocess.Popen[str], int], data: Path) -> None:
    process, _ = running
    done = command(data, "demo", "--no-browser", "--port", str(free_port()))
    assert done.returncode == 2
    assert str(process.pid) in done.stderr
    assert process.poll() is None, "the first one goes on"


def test_a_busy_port_is_named_with_the_remedy(running: tuple[subprocess.Popen[str], int], data: Path) -> None:
    _, port = running
    done = command(data, "demo", "--no-browser", "--port", str(port))
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "--port" in done.stderr


def test_ctrl_c_stops_it_cleanly_and_the_record_and_ledger_stand(running: tuple[subprocess.Popen[str], int], data: Path) -> None:
    process, _ = running
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "Stopping" in said
    records = data / "records" / "adlershof"
    assert (records / "history").is_dir()
    assert verify(records / "ledger").sound
    assert (records / "resume-1.json").is_file()
    end = time.monotonic() + 30
    while (left := left_of(process.pid)) and time.monotonic() < end:
        time.sleep(0.2)
    assert left == "", "no process is left behind"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "--arms", "best"), "baseline"),
        (("evaluate", "--seeds", "one"), "whole numbers"),
        (("evaluate", "--from", "teatime"), "16:00"),
        (("evaluate", "--date", "yesterday"), "2026-01-13"),
        (("evaluate", "--service", "water"), "traffic"),
        (("demo", "--headless", "--json", "no/where.json"), "does not exist"),
        (("demo", "--speed", "0"), "0.1"),
        (("run", "adlershof", "--record", "somewhere"), "--headless"),
    ],
)
def test_bad_words_end_in_one_plain_line(data: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str) -> None:
    monkeypatch.setenv("LAMPLIGHTER_DATA", str(data))
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_city_that_is_not_there_is_told_with_those_that_are(data: Path) -> None:
    done = command(data, "evaluate", "--city", "atlantis")
    assert done.returncode == 2
    assert "atlantis" in done.stderr
    assert "adlershof" in done.stderr
    assert "Traceback" not in done.stderr
