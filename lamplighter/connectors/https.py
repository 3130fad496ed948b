# SPDX-License-Identifier: Apache-2.0
"""Requests and answers over HTTP, for protocols in which both sides ask. No content is ever logged; what is refused is counted.

The server reads no request past its bounds (size, time, how many at once) and answers nobody without the token that was agreed or
a certificate that the named authority signed. The client follows no redirection and uses no proxy: it speaks to one base address.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from lamplighter.terms.exchange import Answered, Asked

try:
    import httpx
except ImportError as error:
    raise ImportError("speaking to a gateway over HTTP needs httpx: pip install 'lamplighter[talq]'") from error

log = logging.getLogger(__name__)

BODY_MAX_BYTES = 16 << 20
ANSWER_MAX_BYTES = 64 << 20
AT_ONCE_MAX = 16
STOP_MAX_S = 5.0
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Door:
    """Where this side listens. token: what a request must bear; client_ca_file: who signs the certificates of those let in.

    Off this machine's own loopback, a certificate of ours and one of the two are needed.
    """

    host: str
    port: int
    path: str = "/"
    token: str = ""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    client_ca_file: Path | None = None
    body_max_bytes: int = BODY_MAX_BYTES
    read_max_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise ValueError(f"port {self.port} must lie between 0 and 65535; 0 takes any free one")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together; name both or neither")
        if self.client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError(
                "client_ca_file needs tls_cert_file and tls_key_file: without TLS there are no certificates to check"
            )
        if not is_loopback(self.host) and (self.tls_cert_file is None or not (self.token or self.client_ca_file)):
            raise ValueError(
                f"host {self.host} can be reached from elsewhere: name tls_cert_file, tls_key_file and a token_file or "
                "client_ca_file, or listen on 127.0.0.1"
            )


@dataclass(frozen=True)
class Peer:
    """The one base address that is spoken to. ca_file: who signed its certificate; cert_file, key_file: ours, where it asks."""

    uri: str
    token: str = ""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError(f"{self.uri!r} is no base address; https://host:port/path/ is needed")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(f"{self.uri}: HTTP without TLS is spoken on this machine only; https:// is needed")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("a client certificate and its key go together; name both or neither")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine's own loopback."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def token_of(file: Path | None) -> str:
    """Return the token in a file; ValueError where it is too short to keep anybody out, OSError where it cannot be read."""
    if file is None:
        return ""
    token = file.read_text(encoding="utf-8").strip()
    if len(token) < 16 or not token.isascii() or any(c.isspace() for c in token):
        raise ValueError(f"{file}: a token of 16 ASCII characters or more is needed; `openssl rand -hex 32` makes one")
    return token


# Keys of a wiring table whose connector is a dialect: of the door, of the peer, and of both together.
KEYS: Mapping[str, tuple[type, ...]] = {
    "connector": (str,), "host": (str,), "port": (int,), "own_uri": (str,), "peer_uri": (str,), "token_file": (str,),
    "peer_token_file": (str,), "tls_cert_file": (str,), "tls_key_file": (str,), "client_ca_file": (str,), "tls_ca_file": (str,),
    "state_file": (str,), "timeout_s": (int,),
}  # fmt: skip
NEEDED = ("connector", "host", "port", "own_uri", "peer_uri")


def _path(settings: Mapping[str, Any], key: str) -> Path | None:
    return Path(settings[key]) if key in settings else None


def door_of(settings: Mapping[str, Any]) -> Door:
    """Return where a wiring table says that we listen; ValueError and OSError say what is wrong with it."""
    path = "/" + str(settings["own_uri"]).split("://", 1)[-1].partition("/")[2]
    return Door(
        host=str(settings["host"]),
        port=int(settings["port"]),
        path=path,
        token=token_of(_path(settings, "token_file")),
        tls_cert_file=_path(settings, "tls_cert_file"),
        tls_key_file=_path(settings, "tls_key_file"),
        client_ca_file=_path(settings, "client_ca_file"),
    )


def peer_of(settings: Mapping[str, Any]) -> Peer:
    """Return whom a wiring table says that we speak to; ValueError and OSError say what is wrong with it."""
    return Peer(
        uri=str(settings["peer_uri"]),
        token=token_of(_path(settings, "peer_token_file")),
        ca_file=_path(settings, "tls_ca_file"),
        cert_file=_path(settings, "tls_cert_file"),
        key_file=_path(settings, "tls_key_file"),
        timeout_s=float(settings.get("timeout_s", 10)),
    )


class HttpServer:
    """Answers requests from a thread of its own. `answer` is called from one thread at a time."""

    def __init__(self, door: Door, answer: Callable[[Asked], Answered]) -> None:
        """Begin to listen; OSError where the port is taken or a certificate cannot be read."""
        self._door, self._answer = door, answer
        self.turn = threading.RLock()  # held while a request is answered; whoever else touches what answers holds it too
        self.refused = self.served = self.failed = 0
        family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((door.host, door.port))
            self._listener.listen(AT_ONCE_MAX)  # at once, so that who asks before the thread runs waits and is not turned away
            self._server = uvicorn.Server(self._config())
            if door.tls_cert_file is not None:
                self._server.config.load()
        except BaseException:
            self._listener.close()
            raise
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, name="https", daemon=True)
        self._thread.start()

    def _config(self) -> uvicorn.Config:
        door = self._door
        tls: dict[str, Any] = {}
        if door.tls_cert_file is not None:
            tls = {"ssl_certfile": str(door.tls_cert_file), "ssl_keyfile": str(door.tls_key_file)}
        if door.client_ca_file is not None:
            tls |= {"ssl_ca_certs": str(door.client_ca_file), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return uvicorn.Config(
            self._app, log_config=None, access_log=False, lifespan="off", limit_concurrency=AT_ONCE_MAX, timeout_keep_alive=30,
            timeout_graceful_shutdown=2, server_header=False, date_header=False, ws="none", interface="asgi3",
            proxy_headers=False, **tls,
        )  # fmt: skip

    async def _app(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refused = self._kept_out(headers)
        if refused is None:
            try:
                body = await asyncio.wait_for(self._body(headers, receive), self._door.read_max_s)
            except TimeoutError:
                body = _plain(408, "the request did not come in time")
            refused = body if isinstance(body, Answered) else None
            if isinstance(body, bytes):
                raw: bytes = scope.get("raw_path") or scope["path"].encode()
                path, base = raw.decode("latin-1"), self._door.path.rstrip("/")
                if path != base and not path.startswith(base + "/"):
                    refused = _plain(404, "no such resource")
                else:
                    asked = Asked(str(scope["method"]), path[len(base) :], scope["query_string"].decode("latin-1"), headers, body)
                    await _sent(send, await asyncio.to_thread(self._answered, asked), str(scope["method"]))
                    return
        self.refused += 1
        await _sent(send, refused or _plain(500, "no answer"), str(scope["method"]))

    def _answered(self, asked: Asked) -> Answered:
        with self.turn:
            self.served += 1
            try:
                return self._answer(asked)
            except Exception as error:  # noqa: BLE001 - whatever a request brings about, the next one is answered
                self.failed += 1
                log.error("a request could not be answered (%s)", type(error).__name__)  # no text of it: it may quote content
                return _plain(500, "the request could not be answered")

    def _kept_out(self, headers: Mapping[str, str]) -> Answered | None:
        """Return the refusal of who bears no token, or of what is too large by its own word."""
        if self._door.token:
            said = headers.get("authorization", "")
            if not hmac.compare_digest(said.encode("latin-1", "replace"), f"Bearer {self._door.token}".encode()):
                return _plain(401, "a bearer token is needed", {"www-authenticate": "Bearer"})
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._door.body_max_bytes:
            return _plain(413, f"a request holds {self._door.body_max_bytes} bytes at most; send it in parts")
        return None

    async def _body(self, headers: Mapping[str, str], receive: _Receive) -> bytes | Answered:
        parts: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return _plain(400, "the request broke off")
            part = bytes(event.get("body", b""))
            size += len(part)
            if size > self._door.body_max_bytes:
                return _plain(413, f"a request holds {self._door.body_max_bytes} bytes at most; send it in parts")
            parts.append(part)
            if not event.get("more_body", False):
                return b"".join(parts)

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._server.should_exit = True
        self._thread.join(STOP_MAX_S)
        with contextlib.suppress(OSError):
            self._listener.close()


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answered:
    body = f'[{{"key":"genericError","description":"{text}"}}]'.encode()
    return Answered(status, {"content-type": "application/json", **(headers or {})}, body)


async def _sent(send: _Send, answered: Answered, method: str) -> None:
    headers = {**answered.headers, "content-length": str(len(answered.body))}
    raw = [(k.encode("latin-1"), v.encode("latin-1", "replace")) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": answered.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answered.body})


class HttpClient:
    """Asks one peer, one request at a time."""

    def __init__(self, peer: Peer) -> None:
        """Prepare to ask; OSError where a certificate cannot be read."""
        self._peer = peer
        self.fault = ""
        verify: ssl.SSLContext | bool = True
        if urlsplit(peer.uri).scheme == "https":
            verify = ssl.create_default_context(cafile=str(peer.ca_file) if peer.ca_file else None)
            if peer.cert_file is not None:
                verify.load_cert_chain(str(peer.cert_file), str(peer.key_file))
        self._client = httpx.Client(verify=verify, timeout=peer.timeout_s, follow_redirects=False, trust_env=False)

    def ask(self, asked: Asked) -> Answered | None:
        """Return the peer's answer, nothing where none came whole; `fault` then says why."""
        headers = dict(asked.headers)
        if self._peer.token:
            headers["authorization"] = f"Bearer {self._peer.token}"
        address = self._peer.uri.rstrip("/") + asked.path + (f"?{asked.query}" if asked.query else "")
        try:
            with self._client.stream(asked.method, address, headers=headers, content=asked.body or None) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if len(body) > ANSWER_MAX_BYTES:
                        self.fault = f"{self._peer.uri} answers with more than {ANSWER_MAX_BYTES} bytes; it was left"
                        return None
                told = {k.lower(): v for k, v in response.headers.items() if k.lower() != "content-encoding"}
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            self.fault = f"{self._peer.uri} does not answer ({type(error).__name__}: {str(error)[:120]}); it is asked again"
            return None
        self.fault = ""
        return Answered(response.status_code, told, bytes(body))

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()
