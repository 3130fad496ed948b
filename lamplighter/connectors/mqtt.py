# SPDX-License-Identifier: Apache-2.0
"""Bytes from and to an MQTT broker. No content is ever logged; what cannot be kept or sent is counted.

Commands go out with quality of service 0 and only while connected: a command that waited in a queue and arrived
late would be obeyed late. What was lost is seen in what the field reports, and every lease lapses by itself.
"""

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.terms.reading import Message, Reading

try:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion
except ImportError as error:
    raise ImportError("the MQTT connector needs paho-mqtt: pip install 'lamplighter[mqtt]'") from error

log = logging.getLogger(__name__)

QUEUE_MAX = 100_000  # readings that wait for the loop; more are dropped and counted
PAYLOAD_MAX = 65_536  # bytes; a longer message is dropped and counted
KEEPALIVE_S = 15


@dataclass(frozen=True)
class Broker:
    """Where a broker is and what is wanted of it. topics: subscriptions, MQTT wildcards allowed.

    retry_min_s, retry_max_s: bounds of the pause before connecting again, which doubles with every failure.
    """

    host: str
    port: int
    topics: tuple[str, ...]
    client_id: str = "lamplighter"
    user: str = ""
    password_file: Path | None = None
    tls_ca_file: Path | None = None
    retry_min_s: int = 1
    retry_max_s: int = 30
    queue_max: int = QUEUE_MAX

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"broker {self.host}: port {self.port} must lie between 1 and 65535 (1883 as a rule, 8883 with TLS)")
        if not self.topics or not all(0 < len(topic.encode()) < 65536 for topic in self.topics):
            raise ValueError(f"broker {self.host}: name at least one topic, none of them empty")
        if not 1 <= self.retry_min_s <= self.retry_max_s <= 300:
            raise ValueError(f"broker {self.host}: retry {self.retry_min_s} to {self.retry_max_s} s must lie in 1 to 300")
        if self.queue_max < 1:
            raise ValueError(f"broker {self.host}: queue_max {self.queue_max} must be at least 1")


@dataclass(frozen=True)
class ConnectionStatus:
    """How the connection stands; counts since the start. `fault` is empty, or says what is wrong and what happens now."""

    connected: bool
    received: int
    dropped: int
    sent: int
    unsent: int
    connections: int
    fault: str


class MqttConnector:
    """A connection that mends itself. `take` hands over what arrived; `send` delivers or says how much it could not."""

    def __init__(self, name: str, broker: Broker, clock: Callable[[], float] = time.time) -> None:
        """Begin to connect in a thread; returns at once. OSError where the password or certificate file cannot be read."""
        self._name = name
        self._broker = broker
        self._clock = clock
        self._waiting: deque[Reading] = deque()
        self._lock = threading.Lock()
        self._received = self._dropped = self._sent = self._unsent = self._connections = 0
        self._fault = f"not yet connected to {broker.host}:{broker.port}"
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=broker.client_id)
        if broker.user:
            password = broker.password_file.read_text().strip() if broker.password_file else None
            client.username_pw_set(broker.user, password)
        if broker.tls_ca_file:
            untyped: Any = client  # its stubs leave the context untyped
            untyped.tls_set_context(ssl.create_default_context(cafile=str(broker.tls_ca_file)))
        client.reconnect_delay_set(broker.retry_min_s, broker.retry_max_s)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client
        client.connect_async(broker.host, broker.port, keepalive=KEEPALIVE_S)
        client.loop_start()

    def take(self) -> list[Reading]:
        """Return what arrived since the last call, oldest first."""
        with self._lock:
            readings = list(self._waiting)
            self._waiting.clear()
        return readings

    def send(self, messages: Sequence[Message]) -> int:
        """Send messages and return how many could not be sent (no connection); they are not sent later."""
        unsent = 0
        for message in messages:
            if self._client.is_connected():
                info = self._client.publish(message.topic, message.payload, qos=0)
                unsent += info.rc != paho.MQTT_ERR_SUCCESS
            else:
                unsent += 1
        with self._lock:
            self._sent += len(messages) - unsent
            self._unsent += unsent
        return unsent

    def status(self) -> ConnectionStatus:
        """Return how the connection stands."""
        with self._lock:
            connected = self._client.is_connected()
            counts = self._received, self._dropped, self._sent, self._unsent, self._connections
            return ConnectionStatus(connected, *counts, self._fault)

    def close(self) -> None:
        """Disconnect and stop the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> "MqttConnector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        where = f"{self._broker.host}:{self._broker.port}"
        if reason.is_failure:
            self._tell(f"broker {where} refuses the connection ({reason}). Check user, password file and client id; trying again")
            return
        with self._lock:
            self._connections += 1
            self._fault = ""
        client.subscribe([(topic, 0) for topic in self._broker.topics])
        log.info("%s: connected to %s, %d subscriptions", self._name, where, len(self._broker.topics))

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        self._tell(
            f"broker {self._broker.host}:{self._broker.port} cannot be reached. Start it, or correct host and port; "
            f"trying again at least every {self._broker.retry_max_s} s. Until then every box stays on its local programme"
        )

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._tell(
                f"the connection to broker {self._broker.host}:{self._broker.port} broke ({reason}); "
                f"trying again at least every {self._broker.retry_max_s} s. Until then every box stays on its local programme"
            )

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._lock:
            self._received += 1
            if len(self._waiting) >= self._broker.queue_max or len(message.payload) > PAYLOAD_MAX:
                self._dropped += 1
                return
            self._waiting.append(Reading(self._name, message.topic, bytes(message.payload), self._clock()))

    def _tell(self, fault: str) -> None:
        with self._lock:
            told = self._fault == fault
            self._fault = fault
        if not told:
            log.warning("%s: %s", self._name, fault)
