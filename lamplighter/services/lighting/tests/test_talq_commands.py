# SPDX-License-Identifier: Apache-2.0
"""The commands of TALQ: a check of somebody's documents, a gateway for a CMS, a look at a gateway."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lamplighter.connectors.https import Door, HttpClient, HttpServer, Peer
from lamplighter.services.lighting.commands import lighting, talq
from lamplighter.services.lighting.talq.dialect import TalqCms
from lamplighter.services.lighting.talq.lamps import CLASSES, GATEWAY_ABOUT, SimulatedLamps
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.services.lighting.tests.talq_pair import counted
from lamplighter.services.lighting.tests.test_talq_wired import TOKEN, box_of, free_port, table
from lamplighter.terms.exchange import DialectStart


@pytest.fixture
def in_small(small: Small, monkeypatch: pytest.MonkeyPatch) -> Small:
    module = __import__("lamplighter.services.lighting.commands.talq", fromlist=["_city"])
    monkeypatch.setattr(module, "_city", lambda name: small.city)
    return small


def run(*words: str) -> Result:
    return CliRunner().invoke(lighting, ["talq", *words])


def saved(tmp_path: Path, name: str, document: Any) -> str:
    file = tmp_path / name
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(file)


def test_our_own_announcements_are_sound(tmp_path: Path, in_small: Small) -> None:
    lamps = SimulatedLamps(in_small.layout, "small")
    members = [lamps.member(address, EVENING_S) for address in lamps.addresses()]
    classes = saved(tmp_path, "classes.json", [GATEWAY_ABOUT, *CLASSES])
    done = run("check", classes, saved(tmp_path, "devices.json", members), "--city", "small")
    assert done.exit_code == 0, done.output
    assert "missing" not in done.output
    assert f"{len(members)} announced lamps and meters are assets of small, 0 are not." in done.output


def test_what_is_wrong_or_refused_is_told_with_its_place_and_reason(tmp_path: Path) -> None:
    sniffer = {"id": "c", "type": "TrafficCounterFunction", "sensorType": {"type": "AttributeString", "value": "WIFI detector"}}
    member = {"address": "22222222-2222-4222-8222-222222222222", "name": "x", "class": "c", "functions": [sniffer]}
    devices = saved(tmp_path, "devices.json", [member])
    command = saved(tmp_path, "command.json", {"targetCommand": {"state": {"name": "levelState", "value": 50}}})
    done = run("check", devices, command)
    assert done.exit_code == 1
    assert "devices.json: 1 devices: refused" in done.output
    assert "/0/functions/0/sensorType" in done.output
    assert "recognises what people carry" in done.output
    assert "command.json: 1 override command: wrong" in done.output
    assert "LevelState" in done.output


@pytest.mark.parametrize("text", ["", "{", "\x00", "[" * 5000, '{"a": NaN}'])
def test_a_file_that_is_no_document_is_told(tmp_path: Path, text: str) -> None:
    done = run("check", saved(tmp_path, "x.json", text))
    assert done.exit_code == 1
    assert "no JSON" in done.output


def test_a_gateway_is_served_to_a_cms_and_ends_when_it_is_told_to(tmp_path: Path, in_small: Small) -> None:
    port, cms_port = free_port(), free_port()
    (tmp_path / "token").write_text(TOKEN)
    own, peer = f"http://127.0.0.1:{cms_port}/", f"http://127.0.0.1:{port}/"
    cms = TalqCms(DialectStart(in_small.city, in_small.layout, own, peer, {}, b"", counted(5)))
    server = HttpServer(Door("127.0.0.1", cms_port, "/", TOKEN), lambda asked: cms.answer(asked, time.time()))
    client = HttpClient(Peer(peer, TOKEN))
    ends = threading.Event()

    def steer() -> None:
        while not ends.is_set():
            with server.turn:
                asked = cms.next_request(time.time())
            answer = client.ask(asked) if asked is not None else None
            if asked is not None:
                with server.turn:
                    cms.answered(answer, time.time())
            ends.wait(0.05)

    thread = threading.Thread(target=steer)
    thread.start()
    try:
        token = str(tmp_path / "token")
        words = ["--cms", own, "--port", str(port), "--token-file", token, "--cms-token-file", token]
        for minutes in ("0.08", "0.4", "1.5"):  # five seconds do on a machine that is not busy
            done = run("serve", "small", *words, "--minutes", minutes)
            assert done.exit_code == 0, done.output
            if "connected;" in done.output:
                break
        assert "SIMULATED" in done.output
        assert "connected; the CMS steers the simulated lamps" in done.output
        assert len(cms.members()) == len(in_small.layout.segments.design) + len(in_small.layout.cabinet_asset)
    finally:
        ends.set()
        thread.join()
        server.close()
        client.close()


@pytest.mark.slow
def test_who_looks_at_a_gateway_commands_nothing_and_installs_nothing(tmp_path: Path, in_small: Small) -> None:
    port, gateway_port = free_port(), free_port()
    wiring = table(tmp_path, port, gateway_port)
    with box_of(in_small, gateway_port, port) as box:
        kept = tmp_path / "announced.json"
        for minutes in ("0.1", "0.4", "1.5"):  # six seconds do on a machine that is not busy
            done = run("connect", "small", "--wiring", str(wiring), "--minutes", minutes, "--json", str(kept))
            assert done.exit_code == 0, done.output
            if "segmentLamps" in done.output and box.gateway.loggers.rows:
                break
        assert "segmentLamps" in done.output
        assert len(json.loads(kept.read_text())) == len(box.gateway.lamps.addresses())
        assert box.gateway.lamps.overrides == {}
        assert box.gateway.side.calendars.rows == {}
        assert list(box.gateway.loggers.rows) == ["lamplighter-values", "lamplighter-events"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "0.0.0.0"), "can be reached from elsewhere"),
        (("--cms", "http://cms.example/"), "https:// is needed"),
    ],
)
def test_what_would_be_open_to_others_is_not_served(in_small: Small, words: tuple[str, ...], told: str) -> None:
    done = run("serve", "small", "--cms", "https://cms.example/", *words)
    assert done.exit_code == 1
    assert told in done.output
    assert "Nothing was started" in done.output


def test_a_city_whose_lamps_are_real_is_not_served(monkeypatch: pytest.MonkeyPatch, small: Small) -> None:
    from dataclasses import replace

    module = __import__("lamplighter.services.lighting.commands.talq", fromlist=["_city"])
    monkeypatch.setattr(module, "_city", lambda name: replace(small.city, simulated=False))
    done = run("serve", "small", "--cms", "https://cms.example/")
    assert done.exit_code == 1
    assert "gateway of their own" in done.output
    assert talq.name == "talq"
