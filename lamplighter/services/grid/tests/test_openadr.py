# SPDX-License-Identifier: Apache-2.0
"""Limits of the network operator as OpenADR 2.0b events, against openleadr as the operator's server in a process of its own."""

import importlib.util
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lamplighter.connectors.https import HttpClient, Peer
from lamplighter.services.grid.openadr import Limit, Operator, RefusedError, limits_of, moment_of, read_document, seconds_of
from lamplighter.services.grid.wire import ENVELOPE_ROW, GROUP_ENVELOPES, STATION_ENVELOPES, decode_rows
from lamplighter.terms.exchange import Answered, Asked
from lamplighter.terms.reading import Message

PEER = Path(__file__).parent / "peers" / "openadr_operator.py"
NAME = "lamplighter-town"
LIMITS = [Limit("TRAFO 12", True, 3, 250.0), Limit("STREET 5", False, 1, 44.0)]
TOLD = {"ven_name": NAME, "silent_after_s": 300.0}


class Stage:
    """The operator's server and our side, asked as the runtime would."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, str(PEER), str(port), NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        numbers = iter(range(10**9))
        self.operator = Operator(LIMITS, TOLD, lambda: f"call {next(numbers)}")
        self.client = HttpClient(Peer(f"http://127.0.0.1:{port}/OpenADR2/Simple/2.0b", timeout_s=10.0))
        self.sent: list[Asked] = []
        assert self.said.get(timeout=60.0)["what"] == "listening"

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.said.put(json.loads(line))

    def tell(self, **order: Any) -> None:
        """Give the operator an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def hears(self, what: str, wait_s: float = 60.0) -> dict[str, Any]:
        """Return the next thing of a kind that the operator says, asking meanwhile."""
        end_s = time.monotonic() + wait_s
        while time.monotonic() < end_s:
            self.turn()
            try:
                one = self.said.get(timeout=0.05)
            except queue.Empty:
                continue
            if one["what"] == what:
                return one
        raise AssertionError(f"the operator did not say {what}: {self.operator.fault()}")

    def turn(self) -> None:
        """Ask what is to be asked."""
        while (asked := self.operator.next_request(time.time())) is not None:
            self.sent.append(asked)
            self.operator.answered(self.client.ask(asked), time.time())

    def opted(self, event: str, **order: Any) -> str:
        """Add an event and return what we said to it."""
        self.tell(add=event, **order)
        answer = self.hears("opt")
        assert answer["event"] == event
        return str(answer["opt"])

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def stage() -> Generator[Stage, None, None]:
    """Run the operator's server once for all; its messages are checked against the published schema by openleadr itself."""
    if importlib.util.find_spec("openleadr") is None:
        pytest.skip("openleadr is not installed: the operator's server cannot run")
    made = Stage()
    made.hears("registered")
    yield made
    made.close()


def in_force(stage: Stage, target: str, ahead_s: float = 0.0) -> float:
    """Return what our side holds to be in force."""
    return stage.operator.in_force(target, time.time() + ahead_s)


def test_events_become_limits_and_end(stage: Stage) -> None:
    """One event now and later, another that overlaps: the lowest counts, between events the default, a cancelled one is over."""
    assert in_force(stage, "TRAFO 12") == 250.0
    now_and_later = [[0, 600, 120.0], [600, 600, 90.5]]
    assert stage.opted("e1", targets=[{"resource_id": "TRAFO 12"}], intervals=now_and_later) == "optIn"
    assert [in_force(stage, "TRAFO 12", ahead) for ahead in (0.0, 700.0, 1300.0)] == [120.0, 90.5, 250.0]
    assert in_force(stage, "STREET 5") == 44.0
    both = [{"resource_id": "TRAFO 12"}, {"resource_id": "STREET 5"}]
    assert stage.opted("e2", targets=both, intervals=[[0, 300, 30000.0]], unit="none") == "optIn"
    assert [in_force(stage, target) for target in ("TRAFO 12", "STREET 5")] == [30.0, 30.0]
    told = {reading.topic: decode_rows(reading.payload, ENVELOPE_ROW) for reading in stage.operator.readings(time.time())}
    for topic, number in ((STATION_ENVELOPES, 3), (GROUP_ENVELOPES, 1)):
        batch = told[topic]
        assert batch is not None
        assert batch[1].tolist() == [(number, 3000)]
    assert stage.operator.readings(time.time() // 60 * 60 + 59.0) == ()
    stage.tell(cancel="e2")
    end_s = time.monotonic() + 60.0
    while in_force(stage, "TRAFO 12") != 120.0 and time.monotonic() < end_s:
        stage.turn()
        time.sleep(0.1)
    assert in_force(stage, "TRAFO 12") == 120.0
    assert in_force(stage, "STREET 5") == 44.0


@pytest.mark.parametrize(
    ("event", "more"),
    [
        ("a person", {"targets": [{"resource_id": "TRAFO 12"}, {"party_id": "Erika Mustermann"}]}),
        ("a stranger", {"targets": [{"resource_id": "Contract 4711"}]}),
        ("nobody", {"targets": [{"ven_id": "ven-7"}]}),
        ("a price", {"name": "ELECTRICITY_PRICE", "type": "price"}),
        ("no unit", {"unit": ""}),
    ],
)
def test_what_is_not_of_an_agreed_group_is_refused_whole_and_not_kept(stage: Stage, event: str, more: dict[str, Any]) -> None:
    """optOut, no limit changes, and nothing of the event stands anywhere in what our side holds."""
    before = in_force(stage, "TRAFO 12")
    order: dict[str, Any] = {"targets": [{"resource_id": "TRAFO 12"}], "intervals": [[0, 600, 10.0]], **more}
    assert stage.opted(event, **order) == "optOut"
    assert in_force(stage, "TRAFO 12") == before
    held = repr(vars(stage.operator))
    assert "Mustermann" not in held
    assert "4711" not in held
    assert "is refused" in stage.operator.fault()
    stage.tell(cancel=event)
    end_s = time.monotonic() + 30.0
    while stage.operator.fault() and time.monotonic() < end_s:
        stage.turn()
        time.sleep(0.05)
    assert in_force(stage, "TRAFO 12") == before


def test_a_silent_operator_leaves_the_default_or_what_is_lower() -> None:
    """The default from the start; after a promise of more, no more than the default once it is silent for long."""
    operator = Operator(LIMITS, TOLD, lambda: "call")
    assert operator.in_force("TRAFO 12", 0.0) == 250.0
    assert operator.next_request(0.0) is not None
    operator.answered(None, 0.0)
    assert operator.next_request(10.0) is None
    assert "agreed default" in operator.fault()
    assert not operator.order((Message("x", b""),), 0.0)
    operator._heard_s = 0.0  # pyright: ignore[reportPrivateUsage] - as if it had answered then
    event = type("E", (), {"stretches": {"TRAFO 12": ((0.0, 9000.0, 400.0),)}, "open_ended": False})()
    operator._events = {"e": event}  # type: ignore[dict-item]  # pyright: ignore[reportPrivateUsage]
    assert operator.in_force("TRAFO 12", 100.0) == 400.0
    assert operator.in_force("TRAFO 12", 400.0) == 250.0


def test_messages_that_are_none_are_refused() -> None:
    """Entities, other documents, half ones: refused, and no state of ours changes."""
    for body in (b"", b"<a>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<a/>", b"x" * (1 << 21)):
        with pytest.raises(RefusedError):
            read_document(body)
    operator = Operator(LIMITS, TOLD, lambda: "call")
    operator.next_request(0.0)
    operator.answered(Answered(200, {}, b"<a/>"), 0.0)
    assert "not understood" in operator.fault()
    assert isinstance(
        ElementTree.fromstring((operator.next_request(60.0) or Asked("", "", "", {}, b"")).body), ElementTree.Element
    )


def test_durations_and_moments_are_read_exactly() -> None:
    """ISO 8601 as the standard uses it; a moment without an offset is none."""
    assert [seconds_of(text) for text in ("PT15M", "P1DT1H", "PT0S", "P2W", "PT1.5S")] == [900.0, 90000.0, 0.0, 1209600.0, 1.5]
    assert moment_of("2026-01-13T17:00:00Z") == moment_of("2026-01-13T18:00:00+01:00")
    for wrong in ("P1Y", "", "15M", "P"):
        with pytest.raises(RefusedError):
            seconds_of(wrong)
    with pytest.raises(RefusedError):
        moment_of("2026-01-13T17:00:00")


def test_a_map_is_told_all_that_is_wrong_with_it_at_once() -> None:
    """Names, defaults, groups that are not there and keys for which there is no room."""
    numbers = {"T12": (3, True), "T12.C": (1, False)}
    rows = [
        {"target": "a", "of": "T12", "default_kw": 250.0},
        {"target": "a", "of": "Home 7", "customer": "E. M.", "default_kw": -1},
    ]
    with pytest.raises(ValueError, match="ven_name is None") as error:
        limits_of({"silent_after_s": 5, "limit": rows}, numbers)
    for part in ("silent_after_s is 5", "customer is unknown", "of is 'Home 7'", "default_kw is -1", "each once"):
        assert part in str(error.value), part
    good = limits_of({**TOLD, "limit": rows[:1]}, numbers)
    assert good == [Limit("a", True, 3, 250.0)]
