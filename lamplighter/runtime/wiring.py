# SPDX-License-Identifier: Apache-2.0
"""Which connector feeds which service: a simulated field, real boxes behind a broker or a gateway, or a recording."""

import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from lamplighter.connectors import replay
from lamplighter.runtime.asking import AskingField, JoinedField, transport_of
from lamplighter.runtime.simulation import SimulatorProcess
from lamplighter.terms.columns import AnyArray
from lamplighter.terms.outcome import no_rows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World

KEYS: Mapping[str, tuple[type, ...]] = {
    "connector": (str,), "host": (str,), "port": (int,), "topics": (list,), "client_id": (str,), "user": (str,),
    "password_file": (str,), "tls_ca_file": (str,), "retry_min_s": (int,), "retry_max_s": (int,), "queue_max": (int,),
}  # fmt: skip
OFF_MAX_S = 5.0  # an order for a moment further off than this (a clock that jumped, a machine that slept) is not sent
ASKING = ("modbus", "openadr", "sunspec")  # dialects whose boxes never ask themselves: a service may have several such wires
RELAY = "ocpp"  # a dialect that speaks through a relay between stations and their operator, not over HTTP
WAIT_MAX_S = 5.0  # never longer in one go, also where the clock was set back: whoever hands back must not wait for it


class WiringError(ValueError):
    """A wiring file cannot be used; the message names file, key, what was found, what is allowed and the remedy."""


class Field(Protocol):
    """What the loop asks of a field, simulated or real.

    lock_step: the field waits for the loop and takes messages with `begin` alone; otherwise they are sent at once.
    """

    lock_step: bool

    def wait_ready(self) -> None:
        """Wait until the field can be asked."""
        ...

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Send now; tell whether all of it went out. Only for fields that are not in lock step.

        due_s: the second for which orders were permitted; nothing where boxes are handed back, which is never too late.
        """
        ...

    def fault(self) -> str:
        """Return what keeps the field from being spoken to, empty where nothing does."""
        ...

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Deliver messages; let the field run up to `to_s`."""
        ...

    def finish(self) -> Advance:
        """Return what arrived until then."""
        ...

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return what a simulated field shows of itself; nothing otherwise."""
        ...

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break something on purpose in a simulated field."""
        ...

    def close(self) -> None:
        """Let go of the field."""
        ...


OpenField = Callable[[Service, SimulationStart], Field]


def simulated(service: Service, start: SimulationStart) -> Field:
    """Open the field in software, in a process of its own."""
    return SimulatorProcess(service.name, service.simulator, start)


class BrokerField:
    """Real boxes behind an MQTT broker. City time is the clock on the wall; nothing here is simulated."""

    lock_step = False

    def __init__(self, service: Service, settings: Mapping[str, Any]) -> None:
        from lamplighter.connectors import mqtt  # loaded only where a city is wired to a broker

        files: dict[str, Any] = {key: Path(settings[key]) for key in ("password_file", "tls_ca_file") if key in settings}
        plain = {key: value for key, value in settings.items() if key not in ("connector", "topics", *files)}
        broker = mqtt.Broker(topics=tuple(settings["topics"]), **plain, **files)
        self._connector = mqtt.MqttConnector(service.name, broker)
        self._until_s = self._off_s = 0.0

    def wait_ready(self) -> None:
        """Nothing to wait for: until the broker answers, every box stays on its local programme."""

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Send what was permitted, unless the clock on the wall says that it is for another moment."""
        self._off_s = 0.0 if due_s is None else time.time() - due_s
        return abs(self._off_s) <= OFF_MAX_S and self._connector.send(messages) == 0

    def fault(self) -> str:
        """Return why the boxes cannot be spoken to, empty where they can."""
        if abs(self._off_s) > OFF_MAX_S:
            return (
                f"the city is {self._off_s:.0f} s behind the clock, allowed are {OFF_MAX_S:g}: until it is not, no orders go out"
            )
        return self._connector.status().fault

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Take note of the second to wait for; messages have been sent already."""
        self._until_s = to_s

    def finish(self) -> Advance:
        """Wait for the second to come and return what arrived."""
        time.sleep(max(0.0, min(self._until_s - time.time(), WAIT_MAX_S)))
        return Advance(self._connector.take(), {}, no_rows())

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return nothing: single things are shown for simulated cities alone."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Refuse: nothing is broken on purpose in a real city."""
        raise WiringError(f"{fault}: nothing is broken on purpose in a real city. Nothing was done.")

    def close(self) -> None:
        """Disconnect."""
        self._connector.close()


class ReplayField:
    """A recording of a simulated field. What is sent to it goes nowhere."""

    lock_step = True

    def __init__(self, path: Path) -> None:
        self.recording = replay.read(path)
        self._replay = replay.Replay(self.recording)
        self._until_s = 0.0

    def wait_ready(self) -> None:
        """The recording is read already."""

    def send(self, messages: Sequence[Message], due_s: float | None) -> bool:
        """Send nothing: a recording hears nothing."""
        return not messages

    def fault(self) -> str:
        """Nothing keeps a recording from being read on."""
        return ""

    def begin(self, to_s: float, messages: Sequence[Message], world: World) -> None:
        """Take note of the second to go to."""
        self._until_s = to_s

    def finish(self) -> Advance:
        """Return what was recorded until then."""
        readings: Sequence[Reading] = self._replay.take(self._until_s)
        return Advance(readings, {}, no_rows())

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Return nothing: a recording holds readings alone."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Refuse: a recording cannot be changed."""
        raise WiringError(f"{fault}: a recording cannot be broken on purpose. Nothing was done.")

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Wiring:
    """What a wiring file says: per service the settings of its broker or gateway."""

    path: Path
    services: Mapping[str, Mapping[str, Any]]

    def open_field(self, service: Service, start: SimulationStart) -> Field:
        """Open the field of one service; WiringError where the file does not name it or its settings are wrong."""
        if service.name not in self.services:
            raise WiringError(
                f"{self.path}: no table [{service.name}]. Add one with connector, host, port and topics, or take the service out "
                "of the run. Nothing was connected."
            )
        whole = self.services[service.name]
        settings = {key: value for key, value in whole.items() if not isinstance(value, dict)}
        first = self._open(service, start, settings)
        others: list[AskingField] = []
        try:
            for name, table in _wires_of(whole).items():
                others.append(self._asking(f"{service.name}.{name}", service, start, table))
        except WiringError:
            for field in (first, *others):
                field.close()
            raise
        return JoinedField(first, others) if others else first

    def _asking(self, name: str, service: Service, start: SimulationStart, settings: Mapping[str, Any]) -> AskingField:
        try:
            return AskingField(service, start, settings)
        except (ValueError, TypeError, OSError, ImportError) as error:
            raise WiringError(f"{self.path} [{name}]: {error}. Nothing was asked.") from error

    def _open(self, service: Service, start: SimulationStart, settings: Mapping[str, Any]) -> Field:
        if settings["connector"] in ASKING:
            return self._asking(service.name, service, start, settings)
        try:
            if settings["connector"] in service.dialects and settings["connector"] == RELAY:
                from lamplighter.runtime.relay import RelayField  # loaded only where a city's charging stations are wired

                broker = {key: settings[key] for key in settings if key in KEYS and key != "connector"}
                return RelayField(service, start, settings, BrokerField(service, broker) if broker else None)
            if settings["connector"] in service.dialects:
                from lamplighter.runtime.dialect import DialectField  # loaded only where a city is wired to a gateway

                return DialectField(service, start, settings)
            return BrokerField(service, settings)
        except (ValueError, TypeError, OSError, ImportError) as error:
            raise WiringError(f"{self.path} [{service.name}]: {error}. Nothing was sent; every box stays as it is.") from error


def read_wiring(path: Path, known: Sequence[Service] = ()) -> Wiring:
    """Read a wiring file (docs/how-to/connect-a-city.md); WiringError names all that is wrong with it.

    known: the services there are, for the protocols that their boxes may speak beside MQTT.
    """
    dialects = {service.name: tuple(service.dialects) for service in known}
    try:
        document: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WiringError(f"{path}: cannot be read ({error}). Nothing was connected.") from error
    faults: list[str] = []
    services: dict[str, Mapping[str, Any]] = {}
    for name, table in document.items():
        if isinstance(table, dict):
            services[name] = cast("Mapping[str, Any]", table)
            faults += _faults(name, services[name], dialects.get(name, ()))
        else:
            faults.append(f"{name}: is {table!r}, allowed is a table [{name}]")
    if faults or not services:
        text = "; ".join(faults) or "no service is named"
        raise WiringError(f"{path}: {text}. Mend the file; nothing was connected, every box stays on its local programme.")
    return Wiring(path, services)


def _wires_of(table: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the further wires of a service: tables within its own."""
    return {name: cast("Mapping[str, Any]", value) for name, value in table.items() if isinstance(value, dict)}


def _faults(name: str, whole: Mapping[str, Any], dialects: Sequence[str]) -> list[str]:
    faults = _faults_of(name, {key: value for key, value in whole.items() if not isinstance(value, dict)}, dialects)
    for wire, table in _wires_of(whole).items():
        if table.get("connector") in ASKING:
            faults += _faults_of(f"{name}.{wire}", table, dialects)
        else:
            allowed = " or ".join(repr(word) for word in ASKING if word in dialects)
            found = table.get("connector")
            faults.append(f"[{name}.{wire}] connector: is {found!r}, allowed is {allowed or 'no further wire for this service'}")
    return faults


def _faults_of(name: str, table: Mapping[str, Any], dialects: Sequence[str]) -> list[str]:
    connector = table.get("connector", "mqtt")
    keys, needed = KEYS, ("connector", "host", "port", "topics")
    if connector in dialects and connector == RELAY:
        from lamplighter.connectors import ocpp  # as below; a broker may bring what the relay does not

        with_broker = any(key in table for key in KEYS if key != "connector")
        keys, needed = {**KEYS, **ocpp.KEYS}, (*ocpp.NEEDED, *(needed if with_broker else ()))
    elif connector in dialects and (transport := transport_of(str(connector))) is not None:
        keys, needed = transport.keys, transport.needed
    elif connector in dialects:
        from lamplighter.connectors import https  # its libraries are needed only where a city is wired to a gateway

        keys, needed = https.KEYS, https.NEEDED
    faults = [f"[{name}] {key}: unknown, allowed are {', '.join(keys)}" for key in table if key not in keys]
    faults += [
        f"[{name}] {key}: is {table[key]!r}, allowed is a {' or '.join(kind.__name__ for kind in kinds)}"
        for key, kinds in keys.items()
        if key in table and not isinstance(table[key], kinds)
    ]
    faults += [f"[{name}] {key}: missing" for key in needed if key not in table]
    if connector != "mqtt" and connector not in dialects:
        allowed = " or ".join(repr(word) for word in ("mqtt", *dialects))
        faults.append(f"[{name}] connector: is {connector!r}, allowed is {allowed}")
    return faults
