# SPDX-License-Identifier: Apache-2.0
"""The operators' room: the live stream and the few things that can be asked of a running city."""

import asyncio
import contextlib
from typing import Any, Literal, get_args

import msgspec
from litestar import WebSocket, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, NotFoundException, PermissionDeniedException, WebSocketDisconnect
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from lamplighter.runtime.view import Asked, Found, Offer, Reason, Wished
from lamplighter.runtime.view import Box as Steered
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


class Box(msgspec.Struct, frozen=True):
    """One box of a wish, and what it is asked for: the action's columns by name."""

    asset: str
    values: dict[str, float] = {}


class Ask(msgspec.Struct, frozen=True):
    """An operator's wish: one of the service's actions for operators, or "hold", for so many seconds, and why."""

    action: str
    boxes: list[Box]
    duration_s: float
    reason: Reason


class Watched(msgspec.Struct, frozen=True):
    """What operators are shown of a service besides its decisions."""

    service: str
    title: str
    doc: str


class Requested(msgspec.Struct, frozen=True):
    """What an action that operators may ask for is called."""

    service: str
    action: str
    title: str


class Desk(msgspec.Struct, frozen=True):
    """What the operators' room has besides what everybody sees: the boxes of which something may be asked, and the reasons."""

    boxes: list[Steered]
    reasons: list[str]
    requests: list[Requested]
    watched: list[Watched]


class Taken(msgspec.Struct, frozen=True):
    """The number under which a wish can be asked after and withdrawn, and what happens now."""

    number: int
    done: str


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


@get("/api/control/desk", guards=[ours_only], sync_to_thread=False)
def desk(city: City) -> Desk:
    """Return what an operator may do here besides looking: only whoever may operate the city gets an answer."""
    watched = [Watched(one.name, one.watch.title, one.watch.doc) for one in city.scene.services if one.watch is not None]
    asked = [Requested(one.name, request.action, request.title) for one in city.scene.services for request in one.requests]
    return Desk(list(city.engine.boxes()), list(get_args(Reason)), asked, watched)


@get("/api/control/offers/{asset:str}", guards=[ours_only], sync_to_thread=False)
def offers(city: City, asset: FromPath[str]) -> list[Offer]:
    """Return what may be asked of the box that steers an asset, with every choice in words."""
    try:
        return list(city.engine.offers(asset))
    except KeyError as unknown:
        raise NotFoundException(f"{city.scene.title} has no asset {asset!r}") from unknown


@get("/api/control/found", guards=[ours_only], sync_to_thread=False)
def found(city: City) -> list[Found]:
    """Return what stands out in the running city, service by service."""
    return list(city.engine.found())


@post("/api/control/ask/{service:str}", guards=[ours_only], status_code=200, sync_to_thread=False)
def ask(city: City, service: FromPath[str], data: JSONBody[Ask]) -> Taken:
    """Put an operator's wish to the safety gate, again and again until it ends. Nothing is skipped for it."""
    asked = Asked(data.action, tuple((box.asset, box.values) for box in data.boxes), data.duration_s, data.reason)
    try:
        number = city.engine.ask(service, asked)
    except KeyError as unknown:
        known = ", ".join(one.name for one in city.scene.services)
        raise NotFoundException(f"Nothing was asked: there is no service {service!r}; there are {known}") from unknown
    except ValueError as wrong:
        raise ClientException(f"Nothing was asked: {wrong}") from wrong
    return Taken(number, f"wish {number} is put to the safety gate; see /api/control/wishes for its permits and refusals")


@post("/api/control/withdraw/{number:int}", guards=[ours_only], status_code=200, sync_to_thread=False)
def withdraw(city: City, number: FromPath[int]) -> Done:
    """End an operator's wish; its boxes run their own programmes."""
    if number not in {wish.number for wish in city.engine.wishes() if not wish.ended}:
        raise NotFoundException(f"Nothing was changed: no wish {number} stands")
    city.engine.withdraw(number)
    return Done(f"wish {number} ends; its boxes return to their own programmes")


@get("/api/control/wishes", guards=[ours_only], sync_to_thread=False)
def wishes(city: City) -> list[Wished]:
    """Return the operators' wishes that stand and those that ended lately, with what the gate says at each box."""
    return list(city.engine.wishes())


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


HANDLERS = (play, pause, set_speed, set_arm, hand_back, desk, offers, found, ask, withdraw, wishes, live)
