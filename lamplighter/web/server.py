# SPDX-License-Identifier: Apache-2.0
"""The server of the page: one application over one engine, in this thread or in one of its own."""

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from litestar import Litestar, Request
from litestar.config.compression import CompressionConfig
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.exceptions import PermissionDeniedException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

import lamplighter
from lamplighter.runtime.view import Engine
from lamplighter.web import api, guard, public, room
from lamplighter.web.broadcast import Broadcast

LOOPBACK = "127.0.0.1"
STOP_MAX_S = 5.0
SEND_BUFFER_BYTES = 1 << 17  # small, so that old pictures do not pile up in it for a browser that stopped reading


class PortBusyError(OSError):
    """The port is taken: the message says by what remedy."""


def build_app(engine: Engine, stopping: Callable[[], bool] = lambda: False) -> Litestar:
    """Return the application over an engine. `stopping` tells long answers that the server wants to end."""
    city = Broadcast(engine, stopping)

    @contextlib.asynccontextmanager
    async def looking(_: Litestar) -> AsyncGenerator[None, None]:
        city.look()
        task = asyncio.create_task(city.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return Litestar(
        route_handlers=[*public.HANDLERS, *api.HANDLERS, *room.HANDLERS],
        dependencies={"city": Provide(lambda: city, use_cache=True, sync_to_thread=False)},
        lifespan=[looking],
        before_request=_known_host,
        response_headers=[ResponseHeader(name=name, value=value) for name, value in guard.HEADERS.items()],
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=1000, exclude=["^/$", "^/assets/", "^/favicon", "^/events$"]
        ),
        openapi_config=OpenAPIConfig(
            title="lamplighter",
            version=lamplighter.__version__,
            description="What the page of a running city shows, for programs.",
            path="/api/openapi",
            render_plugins=[JsonRenderPlugin()],
        ),
        logging_config=None,
    )


def serve(engine: Engine, host: str = LOOPBACK, port: int = 8000, ready: Callable[[str], None] = lambda _: None) -> None:
    """Serve the page until Ctrl-C; `ready` is called with its address once it answers. PortBusyError where the port is taken."""
    server = _server(engine)
    listener = listen(host, port)
    address = address_of(listener, host)
    threading.Thread(target=_call_when_started, args=(server, ready, address), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends cleanly and then raises what it caught
        server.run(sockets=[listener])


@contextmanager
def serving(engine: Engine, host: str = LOOPBACK, port: int = 8000) -> Generator[str, None, None]:
    """Serve the page from a thread of its own while the block lasts; gives its address. PortBusyError as in `serve`."""
    server = _server(engine)
    listener = listen(host, port)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
    thread.start()
    try:
        _call_when_started(server, lambda _: None, "")
        yield address_of(listener, host)
    finally:
        server.should_exit = True
        thread.join(STOP_MAX_S)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket (port 0: any free one); the error of a busy port names it and what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    try:
        listener.bind((host, port))
    except OSError as fault:
        listener.close()
        if fault.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65535 else port - 1
            raise PortBusyError(
                errno.EADDRINUSE,
                f"port {port} on {host} is in use by another program, perhaps a lamplighter that still runs. "
                f"End that one, or choose another port with --port {other} (--port 0 takes any free one). Nothing was started",
            ) from fault
        raise OSError(
            fault.errno, f"cannot listen on {host} port {port}: {fault.strerror}. Choose others with --host, --port"
        ) from fault
    listener.listen(128)
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address to open in a browser."""
    port = int(listener.getsockname()[1])
    name = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _server(engine: Engine) -> uvicorn.Server:
    servers: list[uvicorn.Server] = []
    app = build_app(engine, stopping=lambda: servers[0].should_exit)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="on",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=1024,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    servers.append(uvicorn.Server(config))
    return servers[0]


def _call_when_started(server: uvicorn.Server, ready: Callable[[str], None], address: str) -> None:
    while not server.started and not server.should_exit:
        time.sleep(0.01)
    if server.started:
        ready(address)


def _known_host(request: Request[Any, Any, Any]) -> None:
    fault = guard.host_fault(request.headers)
    if fault is not None:
        raise PermissionDeniedException(fault)
