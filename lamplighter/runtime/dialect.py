# SPDX-License-Identifier: Apache-2.0
"""Real boxes behind a protocol in which both sides ask: a service's dialect, carried over HTTP by a server and a client."""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from lamplighter.connectors.https import HttpClient, HttpServer, door_of, peer_of
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.exchange import Answered, Asked, Dialect, DialectStart
from lamplighter.terms.outcome import no_rows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

OFF_MAX_S = 5.0  # an order for a moment further off than this is not sent, as with every other field
WAIT_MAX_S = 5.0
PAUSE_S = 0.2
DRAIN_MAX_S = 5.0  # how long closing waits for what hands boxes back


class DialectField:
    """The field of one service behind its dialect. City time is the clock on the wall; nothing here is simulated."""

    lock_step = False

    def __init__(self, service: Service, start: SimulationStart, settings: Mapping[str, Any]) -> None:
        """Listen and begin to ask. ValueError, OSError and ImportError say what is wrong; nothing was sent then."""
        module, _, name = service.dialects[str(settings["connector"])].partition(":")
        self._state_file = Path(settings["state_file"]) if "state_file" in settings else None
        remembered = self._state_file.read_bytes() if self._state_file is not None and self._state_file.is_file() else b""
        begin = DialectStart(
            city=start.city,
            prepared=service.prepare(start.city),
            own_uri=str(settings["own_uri"]),
            peer_uri=str(settings["peer_uri"]),
            settings=settings,
            memory=remembered,
            fresh=lambda: str(uuid.uuid4()),
        )
        self._dialect = cast("Dialect", getattr(import_module(module), name)(begin))
        self._written = remembered
        self._lock = threading.RLock()
        self._until_s = self._off_s = 0.0
        self._failed = ""
        self._ends = threading.Event()
        peer, door = peer_of(settings), door_of(settings)
        self._client = HttpClient(peer)
        self._server = HttpServer(door, self._answer)
        self._thread = threading.Thread(target=self._ask, name="dialect", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        return self._server.port

    @property
    def dialect(self) -> Dialect:
        """Return the dialect, for who looks at how it stands."""
        return self._dialect

    def _answer(self, asked: Asked) -> Answered:
        with self._lock:
            answered = self._dialect.answer(asked, time.time())
            self._remember()
        return answered

    def _ask(self) -> None:
        """Ask what the dialect wants to be asked until the end; a dialect that fails is told of and asks no more."""
        while not self._ends.is_set():
            if not self._ask_once():
                self._ends.wait(PAUSE_S)

    def _ask_once(self) -> bool:
        try:
            with self._lock:
                asked = self._dialect.next_request(time.time())
            if asked is None:
                return False
            answer = self._client.ask(asked)
            with self._lock:
                self._dialect.answered(answer, time.time())
                self._remember()
        except Exception as error:  # noqa: BLE001 - whatever fails here must not leave the thread dead and the page silent
            self._failed = f"asking the gateway failed ({type(error).__name__}: {error}); overrides end by themselves"
            return False
        self._failed = ""
        return answer is not None

    def _remember(self) -> None:
        """Write what must be known after a restart, whole or not at all."""
        if self._state_file is None:
            return
        memory = self._dialect.memory()
        if memory != self._written:
            with contextlib.suppress(OSError):
                new = self._state_file.with_suffix(".new")
                new.write_bytes(memory)
                os.replace(new, self._state_file)
                self._written = memory

    def wait_ready(self) -> None:
        """Nothing to wait for: until the gateway has connected, every box stays on its local programme."""

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Queue what was permitted, unless the clock on the wall says that it is for another moment."""
        self._off_s = 0.0 if due_s is None else time.time() - due_s
        if abs(self._off_s) > OFF_MAX_S:
            return False
        with self._lock:
            return not messages or self._dialect.order(messages, time.time())

    def fault(self) -> str:
        """Return why the boxes cannot be spoken to, empty where they can."""
        if abs(self._off_s) > OFF_MAX_S:
            return (
                f"the city is {self._off_s:.0f} s behind the clock, allowed are {OFF_MAX_S:g}: until it is not, no orders go out"
            )
        with self._lock:
            return "; ".join(text for text in (self._failed, self._client.fault, self._dialect.fault()) if text)

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Take note of the second to wait for; messages have been sent already."""
        self._until_s = to_s

    def finish(self) -> Advance:
        """Wait for the second to come and return what arrived."""
        time.sleep(max(0.0, min(self._until_s - time.time(), WAIT_MAX_S)))
        with self._lock:
            readings: Sequence[Reading] = self._dialect.readings(self._until_s)
        return Advance(readings, {}, no_rows())

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return nothing: single things are shown for simulated cities alone."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Refuse: nothing is broken on purpose in a real city."""
        raise ValueError(f"{fault}: nothing is broken on purpose in a real city. Nothing was done.")

    def close(self) -> None:
        """Let what hands boxes back go out for a few seconds, then stop."""
        self._ends.set()
        self._thread.join(DRAIN_MAX_S)
        end_s = time.monotonic() + DRAIN_MAX_S
        while time.monotonic() < end_s and self._ask_once():
            pass
        self._server.close()
        self._client.close()
