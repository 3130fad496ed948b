# SPDX-License-Identifier: Apache-2.0
"""Raw bytes as a transport brought them, and bytes on their way out. Never stored."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """Bytes that arrived. `source` is the connector's name, `topic` the wire's own address of them."""

    source: str
    topic: str
    payload: bytes
    received_s: float


@dataclass(frozen=True)
class Message:
    """Bytes to deliver. Made by a service's `wire.encode` from permits only."""

    topic: str
    payload: bytes
