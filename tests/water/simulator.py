# SPDX-License-Identifier: Apache-2.0
"""Pumps in software: pressure follows speed against a demand that rises and falls."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamplighter.terms.columns import AnyArray
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.simulation import Advance, Simulated, SimulationStart, World
from tests.water.wire import ROW


class Pumps:
    """The field: every pump with its own float switch, obeying a lease while it lasts."""

    def __init__(self, start: SimulationStart) -> None:
        self._count = start.city.span.stop - start.city.span.start
        self._dice = np.random.default_rng(start.seed)
        self._until_s = np.zeros(self._count)
        self._speed = np.full(self._count, 0.6)
        self._wished = np.full(self._count, 0.6)
        self._lowest_bar = start.city.tables["pumps"]["pressure_min_bar"]

    def advance(self, to_s: float, messages: Sequence[Message], world: World) -> Advance:
        """Obey, let a minute pass, report."""
        for message in messages:
            pump = int(message.topic.split("/")[1])
            if message.payload == b"local":
                self._until_s[pump] = 0.0
            else:
                speed_pm, hold_s = struct.unpack("<HI", message.payload)
                self._wished[pump], self._until_s[pump] = speed_pm / 1000, to_s - 60 + hold_s
        self._speed = np.where(self._until_s >= to_s, self._wished, 0.6)
        pressure = np.clip(5 * self._speed + self._dice.normal(0, 0.1, self._count), 0, 10)
        rows = np.zeros(self._count, ROW)
        rows["pump"], rows["pressure_mbar"] = np.arange(self._count), np.round(pressure * 1000)
        rows["speed_pm"] = np.round(self._speed * 1000)
        value = np.array([float((pressure < self._lowest_bar).sum()), float(pressure.min())])
        truth = OutcomeRows(np.array([0, 1]), np.zeros(2, np.int64), value, np.ones(2))
        return Advance([Reading("pipe", "pumps", rows.tobytes(), to_s)], {}, truth)

    def scene(self) -> Simulated[Mapping[str, AnyArray]]:
        """Show nothing that moves."""
        return Simulated({})

    def inject(self, fault: str, arguments: Mapping[str, Any]) -> str:
        """Break nothing."""
        return "nothing was broken"

    def close(self) -> None:
        """Nothing to close."""


def open_simulator(start: SimulationStart) -> Pumps:
    """Open the field."""
    return Pumps(start)
