# SPDX-License-Identifier: Apache-2.0
"""The operators' room: the live stream and the few things that can be asked of a running city."""

import asyncio
import contextlib
from typing import Any, Literal

import msgspec
from litestar import WebSocket, post, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, NotFoundException, PermissionDeniedException, WebSocketDisconnect
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from lamplighter.web import guard
from lamplighter.web.api import City
from lamplighter.web.broadcast import Broadcast

SEND_MAX_S = 60.0  # a browser that has not read for so long is let go


class Speed(msgspec.Struct, frozen=True):
    """How many times real time the simulated city is to run."""

    speed: float


class Arm(msgspec.Struct, frozen=True):
    """Which arm of a service is to decide."""

    arm: Literal["adaptive", "baseline"]


class Done(msgspec.Struct, frozen=True):
    """What was done, in a sentence."""

    done: str


def ours_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let pass what comes from our own page on this machine, as JSON; say to everybody else why not."""
    fault = guard.origin_fault(connection.headers) or guard.peer_fault(connection.client.host if connection.client else None)
    if fault is None and not connection.headers.get("content-type", "").startswith("application/json"):
        fault = "control takes Content-Type: application/json, which no other site's form can send"
    if fault is not None:
        raise PermissionDeniedException(f"Nothing was changed: {fault}")


@post("/api/control/play", guards=[ours_only], status_code=200, sync_to_thread=False)
def play(city: City) -> Done:
    """Let the city run on."""
    city.engine.play()
    return Done("the city runs")


@post("/api/control/pause", guards=[ours_only], status_code=200, sync_to_thread=False)
def pause(city: City) -> Done:
    """Hold the simulated city still."""
    try:
        city.engine.pause()
    except ValueError as wrong:
        raise ClientException(f"Nothing was changed: {wrong}") from wrong
    return Done("the city stands still")


@post("/api/control/speed", guards=[ours_only], status_code=200, sync_to_thread=False)
def set_speed(city: City, data: JSONBody[Speed]) -> Done:
    """Run at so many times real time."""
    try:
        city.engine.set_speed(data.speed)
    except ValueError as wrong:
        raise ClientException(f"Nothing was changed: {wrong}") from wrong
    return Done(f"the city runs at {data.speed:g} times real time")


@post("/api/control/arm/{service:str}", guards=[ours_only], status_code=200, sync_to_thread=False)
def set_arm(city: City, service: FromPath[str], data: JSONBody[Arm]) -> Done:
    """Choose who decides for a service: lamplighter (adaptive) or the boxes' own programmes (baseline)."""
    try:
        city.engine.set_arm(service, data.arm)
    except KeyError as unknown:
        known = ", ".join(one.name for one in city.scene.services)
        raise NotFoundException(f"Nothing was changed: there is no service {service!r}; there are {known}") from unknown
    return Done(f"{service} is in the {data.arm} arm")


@post("/api/control/hand-back", guards=[ours_only], status_code=200, sync_to_thread=False)
def hand_back(city: City) -> Done:
    """Put every service into the baseline arm and every box onto its local programme."""
    return Done(f"handed back: {city.engine.hand_back()} boxes run their own programmes")


@websocket("/live")
async def live(socket: WebSocket[Any, Any, Any], city: City) -> None:
    """Send the newest of everything, as binary messages, as fast as this browser reads and no faster."""
    if guard.origin_fault(socket.headers) is not None:
        await socket.close(code=4403, reason="foreign origin")
        return
    await socket.accept()
    sending = asyncio.create_task(_send(socket, city))
    listening = asyncio.create_task(_listen(socket))
    try:
        await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, listening):
            task.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)
    with contextlib.suppress(Exception):
        await socket.close()


async def _send(socket: WebSocket[Any, Any, Any], city: Broadcast) -> None:
    """Waiting inside `send_data` is the bounded queue: its length is one, and what comes next is the newest."""
    sent: dict[str, int] = {}
    while not city.stopping():
        parts, woken = city.newest()
        for part in parts:
            if sent.get(part.name) != part.number:
                sent[part.name] = part.number
                await asyncio.wait_for(socket.send_data(part.payload, mode="binary"), SEND_MAX_S)
        await woken.wait()


async def _listen(socket: WebSocket[Any, Any, Any]) -> None:
    """Wait for the browser to leave; what it sends meanwhile is not looked at."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data(mode="text")


HANDLERS = (play, pause, set_speed, set_arm, hand_back, live)
