# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as bytes, for protocols in which both sides ask; and what a service offers to speak one of them.

A dialect is the service's own translator between its messages and readings and a protocol of the field. It opens no socket and
reads no clock: requests come in and go out as values, and the runtime carries them.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lamplighter.terms.city import CityData
from lamplighter.terms.reading import Message, Reading


@dataclass(frozen=True)
class Asked:
    """One request. path: as it stands there, percent signs and all, below the base address; headers: names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """One answer; headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class DialectStart:
    """What a dialect begins with: the city, what it keeps (`prepare`), its keys of the wiring file and what it last remembered.

    own_uri, peer_uri: base addresses of the two sides; fresh: gives a new UUID, as text, with every call.
    """

    city: CityData
    prepared: Any
    own_uri: str
    peer_uri: str
    settings: Mapping[str, Any]
    memory: bytes
    fresh: Callable[[], str]


class Dialect(Protocol):
    """A translator between a service and a protocol of the field. All calls come one after the other."""

    def answer(self, asked: Asked, now_s: float) -> Answered:
        """Answer a request of the other side. What is wrong with it is told in the answer and changes nothing."""
        ...

    def order(self, messages: Sequence[Message], now_s: float) -> bool:
        """Take messages made of permits and tell whether all of them can be sent now; what cannot is not sent later."""
        ...

    def next_request(self, now_s: float) -> Asked | None:
        """Return what is to be asked of the other side now, nothing where nothing is; asked again until `answered` is called."""
        ...

    def answered(self, answer: Answered | None, now_s: float) -> None:
        """Take the answer to the last request, nothing where none came."""
        ...

    def readings(self, now_s: float) -> Sequence[Reading]:
        """Return what the field reported until now, as the service's own `decode` reads it."""
        ...

    def fault(self) -> str:
        """Return what keeps the field from being spoken to, empty where nothing does."""
        ...

    def memory(self) -> bytes:
        """Return what must be known after a restart; a few hundred bytes without a measurement in them."""
        ...


class Steering(Protocol):
    """What a dialect offers besides whose boxes ask nothing themselves and take orders by having registers written."""

    @property
    def topics(self) -> Sequence[str]:
        """Return the topics of the messages that are for its boxes; others are for another wire of the service."""
        ...

    def writable(self, host: str, port: int, unit: int) -> Container[int]:
        """Return the holding registers that may be written at one unit; empty until it is known which they are."""
        ...

    def waiting(self) -> bool:
        """Tell whether an order is being sent or waits to be."""
        ...
