# SPDX-License-Identifier: Apache-2.0
"""Boxes that belong to somebody else's central system: a service's dialect speaks between what passes through a relay."""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from lamplighter.connectors.ocpp import OcppRelay, RelayDoor
from lamplighter.runtime.wiring import OFF_MAX_S, WAIT_MAX_S, BrokerField, WiringError
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.exchange import Answered, Asked, Dialect, DialectStart
from lamplighter.terms.outcome import no_rows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

PAUSE_S = 0.1
DRAIN_MAX_S = 5.0  # how long closing waits for what hands boxes back
FILES = ("tls_cert_file", "tls_key_file", "upstream_ca_file")


class RelayField:
    """The field of one service behind a relay, with a broker beside it for what the relay does not bring."""

    lock_step = False

    def __init__(self, service: Service, start: SimulationStart, settings: Mapping[str, Any], broker: BrokerField | None) -> None:
        """Listen. ValueError and OSError say what is wrong; nothing was sent then."""
        module, _, name = service.dialects[str(settings["connector"])].partition(":")
        self._lock, self._ends, self._waiting = threading.RLock(), threading.Event(), list[Asked]()
        self._broker, self._until_s, self._off_s, self._failed = broker, 0.0, 0.0, ""
        files: dict[str, Any] = {key: Path(settings[key]) for key in FILES if key in settings}
        door = RelayDoor(str(settings["listen_host"]), int(settings["listen_port"]), str(settings["upstream_uri"]), **files)
        self._relay = OcppRelay(door, self._heard)
        try:
            begin = DialectStart(start.city, service.prepare(start.city), "", door.upstream_uri, settings, b"", self._relay.fresh)
            self._dialect = cast("Dialect", getattr(import_module(module), name)(begin))
        except BaseException:
            self._relay.close()
            raise
        self._thread = threading.Thread(target=self._ask, name="relay dialect", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the port on which stations are met."""
        return self._relay.port

    def _heard(self, asked: Asked) -> Answered:
        """Take note, in the relay's own thread, of who comes and goes; it is told in turn, so that the relay never waits."""
        self._waiting.append(asked)
        return Answered(200, {}, b"")

    def _ask(self) -> None:
        while not self._ends.is_set():
            try:
                busy = self._ask_once()
            except Exception as error:  # noqa: BLE001 - whatever fails must not leave the thread dead and the page silent
                self._failed, busy = f"asking stations failed ({type(error).__name__}: {error}); leases end by themselves", False
            if not busy:
                self._ends.wait(PAUSE_S)

    def _ask_once(self) -> bool:
        with self._lock:
            while self._waiting:
                self._dialect.answer(self._waiting.pop(0), time.time())
            asked = self._dialect.next_request(time.time())
        if asked is None:
            return False
        answer = self._relay.ask(asked)
        with self._lock:
            self._dialect.answered(answer, time.time())
        self._failed = ""
        return True

    def wait_ready(self) -> None:
        """Nothing to wait for: until a station has connected it keeps its own maximum."""

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Queue what was permitted, unless the clock on the wall says that it is for another moment."""
        self._off_s = 0.0 if due_s is None else time.time() - due_s
        if abs(self._off_s) > OFF_MAX_S:
            return False
        with self._lock:
            return not messages or self._dialect.order(messages, time.time())

    def fault(self) -> str:
        """Return why boxes cannot be spoken to, empty where they can."""
        if abs(self._off_s) > OFF_MAX_S:
            return (
                f"the city is {self._off_s:.0f} s behind the clock, allowed are {OFF_MAX_S:g}: until it is not, no orders go out"
            )
        with self._lock:
            found = (self._failed, self._dialect.fault(), self._broker.fault() if self._broker is not None else "")
        return "; ".join(text for text in found if text)

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Take note of the second to wait for; messages have been sent already."""
        self._until_s = to_s
        if self._broker is not None:
            self._broker.begin(to_s, messages, world)

    def finish(self) -> Advance:
        """Wait for the second to come and return what arrived."""
        readings: list[Reading] = []
        if self._broker is not None:
            readings += self._broker.finish().readings
        else:
            time.sleep(max(0.0, min(self._until_s - time.time(), WAIT_MAX_S)))
        with self._lock:
            readings += self._dialect.readings(self._until_s)
        return Advance(readings, {}, no_rows())

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return nothing: single things are shown for simulated cities alone."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Refuse: nothing is broken on purpose in a real city."""
        raise WiringError(f"{fault}: nothing is broken on purpose in a real city. Nothing was done.")

    def close(self) -> None:
        """Send what hands boxes back, then hang up."""
        until_s = time.monotonic() + DRAIN_MAX_S
        self._ends.set()
        self._thread.join(DRAIN_MAX_S)
        with contextlib.suppress(Exception):
            while time.monotonic() < until_s and self._ask_once():
                pass
        self._relay.close()
        if self._broker is not None:
            self._broker.close()
