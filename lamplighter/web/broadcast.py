# SPDX-License-Identifier: Apache-2.0
"""One look at the engine for all who watch, and one message each: a slow reader misses frames and holds up nobody."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from lamplighter.runtime.view import Engine, Series
from lamplighter.terms.simulation import Simulated
from lamplighter.web import frames
from lamplighter.web.plane import Shown, Windows, combines, shown

LOOK_S = 0.12  # about eight pictures a second
CHARTS_S = 1.0


@dataclass(frozen=True)
class Part:
    """One of the messages that together are the page, numbered so that a reader knows whether it has it."""

    name: str
    number: int
    payload: bytes


class Broadcast:
    """The newest of everything that is shown. Readers take what is newest when they are ready for it."""

    def __init__(self, engine: Engine, stopping: Callable[[], bool] = lambda: False) -> None:
        self.engine = engine
        self.scene = engine.scene()
        self.stopping = stopping
        self._windows = Windows(self.scene)
        self._combine = combines(self.scene)
        self._wake = asyncio.Event()
        self._parts: dict[str, Part] = {}
        self._series: tuple[Series, ...] | None = None
        self._charts_due_s = 0.0
        self.shown: Shown = shown(self.scene, engine.view(), self._windows)

    async def run(self) -> None:
        """Look at the engine again and again until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Take the newest view, make what has changed into messages, and wake the readers."""
        view = self.engine.view()
        before = self._parts.get("live")
        if before is not None and before.number == view.version:
            return
        now_s = time.monotonic()
        self.shown = shown(self.scene, view, self._windows)
        self._parts["live"] = Part("live", view.version, frames.live(self.shown))
        self._renew("lines", frames.lines(self.shown))
        visible = self.shown.value if isinstance(self.shown, Simulated) else self.shown
        if visible.series is not self._series and (now_s >= self._charts_due_s or view.ended or not view.running):
            self._renew("charts", frames.charts(visible.series, self._combine))
            self._series, self._charts_due_s = visible.series, now_s + CHARTS_S
        woken, self._wake = self._wake, asyncio.Event()
        woken.set()

    def newest(self) -> tuple[tuple[Part, ...], asyncio.Event]:
        """Return the newest messages, and what is set when there are newer ones."""
        return tuple(self._parts.values()), self._wake

    def _renew(self, name: str, payload: bytes) -> None:
        before = self._parts.get(name)
        if before is None or before.payload != payload:
            self._parts[name] = Part(name, 0 if before is None else before.number + 1, payload)
