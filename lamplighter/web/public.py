# SPDX-License-Identifier: Apache-2.0
"""For everybody: the page itself, its files, and the decisions as a stream of text."""

import asyncio
import functools
import gzip
import mimetypes
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from lamplighter.runtime.view import DecisionLine
from lamplighter.terms.simulation import Simulated
from lamplighter.web.api import City
from lamplighter.web.broadcast import Broadcast

STATIC = Path(__file__).parent / "static"
KEEP_ALIVE_S = 15.0
NOT_BUILT = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>lamplighter</title><h1>The page is not built</h1>"
    "<p>The city runs and its data is at <a href=/api/view>/api/view</a>, but this copy of lamplighter holds no front end. "
    "Build it with <code>npm ci</code> and <code>npm run build</code> in the folder <code>frontend</code>, or with <code>make "
    "install</code>, and load this page again.</p>"
)
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}


@get("/", media_type="text/html", include_in_schema=False)
async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the page."""
    if not (STATIC / "index.html").is_file():
        return Response(NOT_BUILT.encode(), media_type="text/html", status_code=503)
    return _static(request, "index.html", "no-cache")


@get("/favicon.svg", include_in_schema=False)
async def favicon(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the page's little lamp."""
    return _static(request, "favicon.svg", "max-age=3600")


@get("/assets/{name:str}", include_in_schema=False)
async def static_file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return a file of the page; its name changes with its content, so browsers may keep it."""
    return _static(request, f"assets/{name}", "public, max-age=31536000, immutable")


@get("/events")
async def events(city: City) -> ServerSentEvent:
    """Return decisions, refusals and faults as they come: `curl -N` shows them as text."""
    return ServerSentEvent(_lines(city))


async def _lines(city: Broadcast) -> AsyncGenerator[ServerSentEventMessage, None]:
    sent: tuple[DecisionLine, ...] = ()
    yield ServerSentEventMessage(comment=f"{city.scene.title}{': SIMULATED' if city.scene.simulated else ''}")
    while not city.stopping():
        _, woken = city.newest()
        view = city.shown.value if isinstance(city.shown, Simulated) else city.shown
        fresh = [line for line in view.lines if line not in sent]
        sent = view.lines
        for line in sorted(fresh, key=lambda one: one.at_s):
            yield ServerSentEventMessage(event=line.kind, data=msgspec.json.encode(line).decode())
        try:
            await asyncio.wait_for(woken.wait(), KEEP_ALIVE_S)
        except TimeoutError:
            yield ServerSentEventMessage(comment="still here")


def _static(request: Request[Any, Any, Any], name: str, cache: str) -> Response[bytes]:
    path = (STATIC / name).resolve()
    if not path.is_relative_to(STATIC.resolve()) or not path.is_file():
        raise NotFoundException(f"the page has no file {name!r}; a page that was rebuilt wants to be loaded again")
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    content = path.read_bytes()
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = _packed(path, path.stat().st_mtime_ns), "gzip"
    return Response(content, media_type=media_type, headers=headers)


HANDLERS = (page, favicon, static_file, events)


@functools.lru_cache(maxsize=64)
def _packed(path: Path, _changed_ns: int) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)
