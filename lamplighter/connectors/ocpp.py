# SPDX-License-Identifier: Apache-2.0
"""A relay between charging stations and their operator that reads nothing of what passes, and speaks for one id only: its own.

A station connects here as it would to its operator; for each the relay connects on, with the station's own path, protocol
and credentials. Every message then goes on as the bytes that came. Of a message the relay looks at its kind (the first
digit) and, where it is an answer, at whether its id is one of the relay's; nothing else is decoded, logged, counted by
content or kept. Who charges, with which card, for how long, and what it costs passes through as it is.

Own questions (OCPP-J: `[2, id, action, payload]`) go to the station between those of the operator, never while one of them is
open, and their answers go to who asked here, not to the operator. Where the operator hangs up, so does the relay, and the other
way round: to both it is as if they spoke to each other. Compression is not offered, so that messages are not even unpacked.
"""

import asyncio
import contextlib
import http
import logging
import re
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamplighter.terms.exchange import Answered, Asked

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.asyncio.server import Server, ServerConnection, serve
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol
except ImportError as error:
    raise ImportError("the charging relay needs websockets: pip install websockets") from error

KEYS: dict[str, tuple[type, ...]] = {
    "connector": (str,), "listen_host": (str,), "listen_port": (int,), "upstream_uri": (str,), "tls_cert_file": (str,),
    "tls_key_file": (str,), "upstream_ca_file": (str,),
}  # fmt: skip
NEEDED = ("connector", "listen_host", "listen_port", "upstream_uri")
PROTOCOLS = ("ocpp2.0.1", "ocpp1.6")
MESSAGE_MAX_BYTES = 1 << 20
HEAD_BYTES = 96  # how much of a message is looked at
WAITING_MAX = 16  # messages of one side that may wait, for the other side to take them
ANSWER_MAX_S = 20.0
TURN_MAX_S = 20.0  # how long one side may keep the other waiting for its turn to ask
OPEN_MAX_S = 10.0
KIND = re.compile(rb"\s*\[\s*([234])\s*,")


def _silent() -> logging.Logger:
    """Return a logger that belongs to no tree and writes nothing: the library logs whole messages where it may."""
    logger = logging.Logger("charging relay", logging.CRITICAL + 1)
    logger.disabled = True
    logger.propagate = False
    return logger


def kind_of(message: bytes) -> bytes:
    """Return a message's first digit: 2 asks, 3 answers, 4 says why not; nothing where it begins otherwise."""
    found = KIND.match(message[:HEAD_BYTES])
    return found.group(1) if found is not None else b""


@dataclass(frozen=True)
class RelayDoor:
    """Where stations connect, and where their operator is. upstream_uri: the station's own path is appended to it."""

    host: str
    port: int
    upstream_uri: str
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    upstream_ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise ValueError(f"listen_port {self.port} must lie between 0 and 65535; 0 takes any free one")
        if not self.upstream_uri.startswith(("ws://", "wss://")):
            raise ValueError(f"upstream_uri {self.upstream_uri!r} must begin with wss:// (or ws:// within a machine)")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together; name both or neither")


@dataclass
class _Station:
    """One station while it is connected: both sides, whose turn it is to ask, and what the relay itself asked."""

    here: ServerConnection
    upstream: ClientConnection
    asked: dict[bytes, asyncio.Future[bytes]] = field(default_factory=dict[bytes, "asyncio.Future[bytes]"])
    open_count: int = 0
    turn: asyncio.Condition = field(default_factory=asyncio.Condition)


class OcppRelay:
    """The relay, in a thread of its own. `ask` speaks to one station; `tell` hears who comes and goes, and nothing else."""

    def __init__(self, door: RelayDoor, tell: Callable[[Asked], Answered]) -> None:
        """Begin to listen; OSError where the port is taken or a certificate cannot be read."""
        self._door, self._tell = door, tell
        self.prefix = f"lamplighter-{uuid.uuid4().hex[:12]}-"
        self._own = re.compile(rb'\s*\[\s*[34]\s*,\s*"(' + self.prefix.encode() + rb'[0-9a-f]{1,36})"')
        self._stations: dict[str, _Station] = {}
        self._upstream: dict[ServerConnection, ClientConnection] = {}
        self._loop = asyncio.new_event_loop()
        self._ready, self._failed = threading.Event(), list[OSError]()
        self._ends: asyncio.Event | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._run, name="charging relay", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failed:
            raise self._failed[0]

    def fresh(self) -> str:
        """Return an id for one question of our own."""
        return f"{self.prefix}{uuid.uuid4().hex[:16]}"

    def ask(self, asked: Asked) -> Answered | None:
        """Ask the station of a path with a body `[2, id, ...]`, the id made by `fresh`; nothing where no answer came in time."""
        future = asyncio.run_coroutine_threadsafe(self._ask(asked), self._loop)
        with contextlib.suppress(Exception):
            return future.result(ANSWER_MAX_S + TURN_MAX_S + 5.0)
        return None

    def close(self) -> None:
        """Hang up on both sides and stop listening."""
        if self._ends is not None:
            self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(OPEN_MAX_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        except OSError as error:
            self._failed.append(error)
        finally:
            self._ready.set()
            self._loop.close()

    async def _listen(self) -> None:
        self._ends = asyncio.Event()
        context: ssl.SSLContext | None = None
        if self._door.tls_cert_file is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._door.tls_cert_file, self._door.tls_key_file)
        server: Server = await serve(
            self._station, self._door.host, self._door.port, process_request=self._meet, select_subprotocol=self._agreed,
            compression=None, logger=_silent(), max_size=MESSAGE_MAX_BYTES, max_queue=WAITING_MAX, ssl=context,
            server_header=None,
        )  # fmt: skip
        async with server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._ends.wait()

    async def _meet(self, here: ServerConnection, request: Request) -> Response | None:
        """Connect on to the operator before the station is answered: it is let in where its operator lets it in."""
        offered = [
            Subprotocol(word.strip()) for line in request.headers.get_all("Sec-WebSocket-Protocol") for word in line.split(",")
        ]
        headers = {name: request.headers[name] for name in ("Authorization", "User-Agent") if name in request.headers}
        uri = self._door.upstream_uri.rstrip("/") + request.path
        extra: dict[str, Any] = {}
        if uri.startswith("wss://") and self._door.upstream_ca_file is not None:
            extra["ssl"] = ssl.create_default_context(cafile=str(self._door.upstream_ca_file))
        try:
            self._upstream[here] = await connect(
                uri, subprotocols=offered or None, additional_headers=headers, user_agent_header=None, compression=None,
                logger=_silent(), max_size=MESSAGE_MAX_BYTES, max_queue=WAITING_MAX, open_timeout=OPEN_MAX_S, proxy=None, **extra,
            )  # fmt: skip
        except InvalidStatus as refused:
            return here.respond(http.HTTPStatus(refused.response.status_code), "")
        except Exception:  # noqa: BLE001 - whatever keeps the operator from being reached, the station must hear that it is not
            return here.respond(http.HTTPStatus.BAD_GATEWAY, "")
        return None

    def _agreed(self, here: ServerConnection, _offered: Any) -> Subprotocol | None:
        return self._upstream[here].subprotocol

    async def _station(self, here: ServerConnection) -> None:
        """Pass on both ways until one side ends."""
        station = _Station(here, self._upstream.pop(here))
        path = here.request.path if here.request is not None else "/"
        version = station.upstream.subprotocol or ""
        self._stations[path] = station
        self._note("CONNECT", path, version)
        ways = [asyncio.create_task(way) for way in (self._up(station), self._down(station))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for future in station.asked.values():
                future.cancel()
            if self._stations.get(path) is station:
                del self._stations[path]
                self._note("DISCONNECT", path, version)
            for side, other in ((station.here, station.upstream), (station.upstream, station.here)):
                code = other.close_code if other.close_code in (1000, 1001, 1011, 1012) else 1000
                with contextlib.suppress(Exception):
                    await side.close(code)

    async def _up(self, station: _Station) -> None:
        """From the station: our own answers end here, all else goes on."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await station.here.recv(decode=False)
                own = self._own.match(message[:HEAD_BYTES])
                if own is not None:
                    future = station.asked.pop(own.group(1), None)
                    if future is not None and not future.done():
                        future.set_result(message)
                    continue
                await station.upstream.send(message, text=True)
                answer = kind_of(message) in (b"3", b"4")
                del message, own  # or it would be held until the next one comes
                if answer:
                    async with station.turn:
                        station.open_count = max(0, station.open_count - 1)
                        station.turn.notify_all()

    async def _down(self, station: _Station) -> None:
        """From the operator: a question waits while one of ours is open; all else goes on at once."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await station.upstream.recv(decode=False)
                if kind_of(message) == b"2":
                    await self._turn(station, lambda: not station.asked)
                    station.open_count += 1
                await station.here.send(message, text=True)
                del message  # or it would be held until the next one comes

    async def _turn(self, station: _Station, free: Callable[[], bool]) -> None:
        """Wait until the other has no question open, but not for ever: an answer may be lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TURN_MAX_S), station.turn:
                await station.turn.wait_for(free)

    async def _ask(self, asked: Asked) -> Answered | None:
        station = self._stations.get(asked.path)
        found = re.search(rb'"(' + self.prefix.encode() + rb'[0-9a-f]{1,36})"', asked.body[:HEAD_BYTES])
        if station is None or found is None:
            return None
        await self._turn(station, lambda: station.open_count == 0)
        future: asyncio.Future[bytes] = self._loop.create_future()
        station.asked[found.group(1)] = future
        try:
            await station.here.send(asked.body, text=True)
            async with asyncio.timeout(ANSWER_MAX_S):
                return Answered(200, {}, await future)
        except (TimeoutError, ConnectionClosed, asyncio.CancelledError):
            return None
        finally:
            station.asked.pop(found.group(1), None)
            async with station.turn:
                station.turn.notify_all()

    def _note(self, method: str, path: str, version: str) -> None:
        """Say who comes or goes: a station's own path and protocol, nothing of its messages."""
        self._tell(Asked(method, path, "", {"sec-websocket-protocol": version}, b""))
