# SPDX-License-Identifier: Apache-2.0
"""Inverters for the tests: registers laid out by pysunspec2's own model definitions, served by libmodbus in a process of its
own, and read by pysunspec2's own client; and the dialect with its client in lock step."""

import ctypes.util
import json
import struct
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from sunspec2 import device
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from lamplighter.connectors.modbus import ModbusClient
from lamplighter.services.grid.sunspec.inverters import Inverters, boxes_of
from lamplighter.services.grid.sunspec.talks import Expected
from lamplighter.services.grid.wire import (
    INVERTER_ROW,
    INVERTERS,
    ORDER_HAND_BACK,
    ORDER_LIMIT,
    SET_ROW,
    SETS,
    decode_rows,
)
from lamplighter.terms.exchange import Asked
from lamplighter.terms.reading import Message

PEER = Path(__file__).parent / "peers" / "sunspec_inverter.py"
NUMBERS = {"I0": (0, Expected(18.0, 30.0)), "I1": (1, Expected(18.0, 30.0)), "I2": (2, Expected(18.0, 30.0))}
NEW = (1, 701, 702, 704)
OLD = (1, 103, 120, 121, 123)
SET = {"enabled": "VarSetEna", "timer": "VarSetRvrtTms", "left": "VarSetRvrtRem", "after": "VarSetEnaRvrt"}
FOLLOWS = {"value": (704, "VarSet"), "measured": (701, "Var")}
OLD_SET = {"enabled": "VArPct_Ena", "timer": "VArPct_RvrtTms"}
# What stands in the registers before anybody asks: numbers as they are, scale factors beside them.
START: dict[int, dict[str, int]] = {
    1: {},
    701: {"ACType": 2, "Var": 0, "Var_SF": 1},
    702: {"WMaxRtg": 3000, "WMax": 3000, "W_SF": 1, "VAMaxRtg": 3000, "VAMax": 3000, "VA_SF": 1, "VarMaxInjRtg": 180,
          "VarMaxAbsRtg": 180, "VarMaxInj": 180, "VarMaxAbs": 180, "Var_SF": 2},
    704: {"VarSetEna": 0, "VarSetMod": 0, "VarSetPri": 0, "VarSet": 0, "VarSetRvrt": 700, "VarSetPct": 0, "VarSetPctRvrt": 0,
          "VarSetEnaRvrt": 1, "VarSetRvrtTms": 0, "VarSetRvrtRem": 0, "VarSet_SF": 0, "VarSetPct_SF": -1},
    103: {"VAr": 0, "VAr_SF": 0},
    120: {"WRtg": 300, "WRtg_SF": 2, "VARtg": 300, "VARtg_SF": 2, "VArRtgQ1": 180, "VArRtgQ4": -180, "VArRtg_SF": 2},
    121: {"WMax": 300, "WMax_SF": 2, "VArMaxQ1": 180, "VArMaxQ4": -180, "VArMax_SF": 2},
    123: {"VArMaxPct": 0, "VArPct_WinTms": 40, "VArPct_RvrtTms": 0, "VArPct_Mod": 2, "VArPct_Ena": 0, "VArPct_SF": -2},
}  # fmt: skip


@dataclass
class Peer:
    """A running inverter: its port, and where pysunspec2 says that its points lie."""

    port: int
    at: dict[str, tuple[int, int]]
    stdin: IO[str]

    def lives(self, now_s: float) -> None:
        """Tell one that follows what time it is."""
        self.stdin.write(f"{now_s}\n")
        self.stdin.flush()

    @contextmanager
    def seen(self) -> Generator[Any, None, None]:
        """Read it with pysunspec2's own client."""
        client: Any = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=self.port, timeout=2)
        client.scan()
        try:
            yield client
        finally:
            client.disconnect()

    def points(self, model: int, *names: str) -> list[Any]:
        """Return points as pysunspec2 reads them, scale factors applied."""
        with self.seen() as client:
            return [client.models[model][0].points[name].cvalue for name in names]

    def put(self, model: int, **numbers: float) -> None:
        """Write points with pysunspec2's own client, as another master or the inverter itself would."""
        with self.seen() as client:
            for name, number in numbers.items():
                point = client.models[model][0].points[name]
                point.cvalue = number
                point.write()


def laid(models: Sequence[int], base: int, changes: dict[str, int | None], end: bool) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Return the registers of a chain of models by pysunspec2's definitions, and where each point lies; None: not there."""
    octets, at = b"SunS", dict[str, tuple[int, int]]()
    for model_id in models:
        model: Any = device.Model(model_id)
        own = {key: value for key, value in changes.items() if key in model.points}
        own |= {key[4:]: value for key, value in changes.items() if key.startswith(f"{model_id}.")}
        for name, number in (START[model_id] | own).items():
            model.points[name].value = number
        begin = base + len(octets) // 2
        at |= {f"{model_id}.{name}": (begin + point.offset, point.len) for name, point in model.points.items()}
        octets += bytes(model.get_mb())
    return octets + (struct.pack(">HH", 0xFFFF, 0) if end else b""), at


def of_model(model: int, **numbers: int) -> dict[str, Any]:
    """Return changes to the points of one model, where others have points of the same name."""
    return {f"{model}.{name}": number for name, number in numbers.items()}


@contextmanager
def inverter(
    models: Sequence[int] = NEW, base: int = 40000, habit: str = "", speed: float = 1.0, **changes: int | None
) -> Generator[Peer, None, None]:
    """Run an inverter with these models."""
    octets, at = laid(models, base, changes, end=True)
    control = {}
    for model, names in ((704, SET), (123, OLD_SET)):
        if model in models:
            control = {word: at[f"{model}.{name}"] for word, name in names.items()}
    if habit == "follows":
        control |= {word: at[f"{model}.{name}"] for word, (model, name) in FOLLOWS.items()}
    with process_of(octets, base, habit, speed, control) as (port, stdin):
        yield Peer(port, at, stdin)


@contextmanager
def served(octets: bytes, base: int = 40000) -> Generator[int, None, None]:
    """Serve registers by libmodbus; the port."""
    with process_of(octets, base, "", 1.0, {}) as (port, _):
        yield port


@contextmanager
def process_of(
    octets: bytes, base: int, habit: str, speed: float, control: dict[str, tuple[int, int]]
) -> Generator[tuple[int, IO[str]], None, None]:
    """Run the peer; its port and what it hears."""
    if ctypes.util.find_library("modbus") is None:
        pytest.skip("libmodbus is not installed: the Modbus peer cannot run (scripts/debian-packages.sh names it)")
    told = json.dumps({"base": base, "words": octets.hex(), "habit": habit, "speed": speed, "control": control})
    with subprocess.Popen([sys.executable, str(PEER), told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline()), process.stdin
        finally:
            process.kill()


class Wire:
    """The dialect and its client in lock step, at times that the test sets, with a list of what was asked."""

    def __init__(self, *ports: int, numbers: Mapping[str, tuple[int, Expected]] = NUMBERS) -> None:
        """Name the inverters of a city's table in its order, one behind each port."""
        names = sorted(numbers, key=lambda name: numbers[name][0])
        rows = [{"asset": name, "host": "127.0.0.1", "port": port} for name, port in zip(names, ports, strict=False)]
        self.dialect = Inverters(*boxes_of({"inverter": rows}, numbers))
        self.client = ModbusClient(1.0, self.dialect.writable)
        self.asked: list[Asked] = []

    def run(self, now_s: float) -> list[Asked]:
        """Ask all that is due; what was written."""
        begun = len(self.asked)
        while (asked := self.dialect.next_request(now_s)) is not None and len(self.asked) - begun < 500:
            self.asked.append(asked)
            self.dialect.answered(self.client.ask(asked), now_s)
        return [asked for asked in self.asked[begun:] if asked.method == "WRITE"]

    def send(self, kvar: float | None, now_s: float, number: int = 0, duration_s: int = 900) -> bool:
        """Order a set-point, or the return where there is none."""
        return self.dialect.order((sets((number, kvar, duration_s)),), now_s)

    def rows(self, now_s: float) -> list[tuple[int, int, float, float]]:
        """Return (minute, number, measured kvar, set kvar) of what is told."""
        found = list[tuple[int, int, float, float]]()
        for reading in self.dialect.readings(now_s):
            assert reading.topic == INVERTERS
            minute, rows = decode_rows(reading.payload, INVERTER_ROW) or (0, np.zeros(0, INVERTER_ROW))
            found += [(minute, int(row["number"]), row["q_10var"] / 100.0, row["set_10var"] / 100.0) for row in rows]
        return found

    def close(self) -> None:
        """Hang up."""
        self.client.close()


def sets(*orders: tuple[int, float | None, int]) -> Message:
    """Return the service's message of some orders (number, kvar or nothing to hand back, seconds)."""
    rows = np.zeros(len(orders), SET_ROW)
    for row, (number, kvar, duration_s) in zip(rows, orders, strict=True):
        row["number"], row["duration_s"] = number, duration_s
        row["order"], row["q_10var"] = (ORDER_HAND_BACK, 0) if kvar is None else (ORDER_LIMIT, round(kvar * 100))
    return Message(SETS, rows.tobytes())


@contextmanager
def wired(*ports: int) -> Generator[Wire, None, None]:
    """Run the dialect against some inverters."""
    wire = Wire(*ports)
    try:
        yield wire
    finally:
        wire.close()
