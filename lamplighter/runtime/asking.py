# SPDX-License-Identifier: Apache-2.0
"""Boxes that never ask themselves, and several wires of one service joined: meters read, limits of an operator fetched,
inverters steered."""

import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from lamplighter.terms.columns import AnyArray
from lamplighter.terms.exchange import Answered, Asked, Dialect, DialectStart, Steering
from lamplighter.terms.outcome import no_rows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

OFF_MAX_S = 5.0  # an order for a moment further off than this is not sent, as with every other field
WAIT_MAX_S = 5.0
PAUSE_S = 0.1
DRAIN_MAX_S = 5.0  # how long closing waits for what hands boxes back
CLOSE_MAX_S = 35.0  # longer than any single question may take


class Client(Protocol):
    """What asks: one question at a time, nothing where no answer came whole."""

    @property
    def fault(self) -> str:
        """Return why who is asked does not answer, empty where it does."""
        ...

    def ask(self, asked: Asked) -> Answered | None:
        """Return the answer."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


@dataclass(frozen=True)
class Transport:
    """How the boxes of a dialect are asked: keys of its wiring table, those needed, and what opens the client.

    steers: whether the dialect's boxes take orders on this wire; its client alone can write, and what the dialect names.
    """

    keys: Mapping[str, tuple[type, ...]]
    needed: tuple[str, ...]
    open_client: Callable[[Mapping[str, Any], Dialect], Client]
    steers: bool = False


def transport_of(connector: str) -> Transport | None:
    """Return how a connector asks, nothing for one whose boxes ask too."""
    if connector == "modbus":
        from lamplighter.connectors import modbus

        return Transport(
            modbus.KEYS, modbus.NEEDED, lambda settings, dialect: modbus.ModbusClient(float(settings.get("timeout_s", 2.0)))
        )
    if connector == "sunspec":
        from lamplighter.connectors import modbus

        return Transport(
            modbus.KEYS,
            modbus.NEEDED,
            lambda settings, dialect: modbus.ModbusClient(
                float(settings.get("timeout_s", 2.0)), cast("Steering", dialect).writable
            ),
            steers=True,
        )
    if connector == "openadr":
        from lamplighter.connectors import https  # its library is needed only where a city is wired to an operator

        keys = ("connector", "peer_uri", "peer_token_file", "tls_ca_file", "tls_cert_file", "tls_key_file", "timeout_s")
        return Transport(
            {key: https.KEYS[key] for key in keys} | {"map_file": (str,)},
            ("connector", "peer_uri", "map_file"),
            lambda settings, dialect: https.HttpClient(https.peer_of(settings)),
        )
    return None


def read_map(file: Path) -> Mapping[str, Any]:
    """Return what a map file says. ValueError where it is no TOML, OSError where it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{file}: it is no TOML ({error})") from error


class AskingField:
    """The field of one service whose boxes never ask themselves. Orders go out only where the transport steers."""

    lock_step = False

    def __init__(self, service: Service, start: SimulationStart, settings: Mapping[str, Any]) -> None:
        """Begin to ask. ValueError, OSError and ImportError say what is wrong; nothing was asked then."""
        connector = str(settings["connector"])
        transport = transport_of(connector)
        if transport is None:
            raise ValueError(f"connector {connector!r}: its boxes ask too")
        module, _, name = service.dialects[connector].partition(":")
        told = {**settings, "map": read_map(Path(settings["map_file"]))}
        peer = str(settings.get("peer_uri", ""))
        begin = DialectStart(start.city, service.prepare(start.city), "", peer, told, b"", lambda: str(uuid.uuid4()))
        self._dialect = cast("Dialect", getattr(import_module(module), name)(begin))
        self._steering = cast("Steering", self._dialect) if transport.steers else None
        self._client = transport.open_client(settings, self._dialect)
        self._lock, self._ends = threading.RLock(), threading.Event()
        self._until_s, self._off_s, self._failed = 0.0, 0.0, ""
        self._thread = threading.Thread(target=self._ask, name=f"{connector} wire", daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        while not self._ends.is_set():
            try:
                busy = self._ask_once()
                self._failed = ""
            except Exception as error:  # noqa: BLE001 - whatever fails must not leave the thread dead and the page silent
                self._failed, busy = f"asking failed ({type(error).__name__}: {error}); what is not read counts as stale", False
            if not busy:
                self._ends.wait(PAUSE_S)

    def _ask_once(self) -> bool:
        with self._lock:
            asked = self._dialect.next_request(time.time())
        if asked is None:
            return False
        answer = self._client.ask(asked)
        with self._lock:
            self._dialect.answered(answer, time.time())
        return True

    def wait_ready(self) -> None:
        """Nothing to wait for: what has not been read yet counts as not known."""

    @property
    def topics(self) -> Sequence[str]:
        """Return the topics of the messages that this wire takes."""
        return self._steering.topics if self._steering is not None else ()

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Have what was permitted sent, unless the clock on the wall says that it is for another moment."""
        if not messages or self._steering is None:
            return not messages
        self._off_s = 0.0 if due_s is None else time.time() - due_s
        with self._lock:
            return abs(self._off_s) <= OFF_MAX_S and self._dialect.order(messages, time.time())

    def fault(self) -> str:
        """Return what is not read or not steered, empty where all is."""
        if abs(self._off_s) > OFF_MAX_S:
            return (
                f"the city is {self._off_s:.0f} s behind the clock, allowed are {OFF_MAX_S:g}: until it is not, no orders go out"
            )
        with self._lock:
            return "; ".join(text for text in (self._failed, self._client.fault, self._dialect.fault()) if text)

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Take note of the second to wait for."""
        self._until_s = to_s

    def finish(self) -> Advance:
        """Wait for the second to come and return what was read."""
        time.sleep(max(0.0, min(self._until_s - time.time(), WAIT_MAX_S)))
        with self._lock:
            return Advance(self._dialect.readings(self._until_s), {}, no_rows())

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return nothing: single things are shown for simulated cities alone."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Refuse: nothing is broken on purpose in a real city."""
        raise ValueError(f"{fault}: nothing is broken on purpose in a real city. Nothing was done.")

    def close(self) -> None:
        """Let what hands boxes back go out for a few seconds, stop asking and hang up."""
        end_s = time.monotonic() + DRAIN_MAX_S
        while self._steering is not None and self._waiting() and time.monotonic() < end_s:
            self._ends.wait(PAUSE_S)
        self._ends.set()
        self._thread.join(CLOSE_MAX_S)
        self._client.close()

    def _waiting(self) -> bool:
        with self._lock:
            return self._steering is not None and self._steering.waiting()


class JoinedField:
    """Several wires of one service as one field: readings come in on all, and orders go out on the wires that take their topic,
    on the first where none does."""

    lock_step = False

    def __init__(self, first: Any, others: Sequence[AskingField]) -> None:
        """Join open fields; `first` is one that orders can be sent on (runtime.wiring.Field)."""
        self._first, self._others = first, tuple(others)

    def wait_ready(self) -> None:
        """Wait for the first."""
        self._first.wait_ready()

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Send each message on its wire; whether all went out."""
        taken = {topic for field in self._others for topic in field.topics}
        went = bool(self._first.send([message for message in messages if message.topic not in taken], due_s))
        for field in self._others:
            went = field.send([message for message in messages if message.topic in field.topics], due_s) and went
        return went

    def fault(self) -> str:
        """Return all that is wrong."""
        return "; ".join(text for text in (field.fault() for field in (self._first, *self._others)) if text)

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Tell all the second to wait for."""
        for field in (self._first, *self._others):
            field.begin(to_s, messages, world)

    def finish(self) -> Advance:
        """Wait for the second to come and return what arrived on any wire."""
        first: Advance = self._first.finish()
        readings: list[Reading] = list(first.readings)
        for field in self._others:
            readings += field.finish().readings
        return Advance(readings, first.exports, first.truth)

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return what the first shows."""
        return self._first.scene()

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Leave it to the first."""
        return self._first.inject(fault, arguments)

    def close(self) -> None:
        """Close all, the first (which hands boxes back) before the others."""
        for field in (self._first, *self._others):
            field.close()
