# SPDX-License-Identifier: Apache-2.0
"""Kill the deciding process at a random moment, again and again: does any lamp go dark, and is the timetable back in force?

python benchmarks/lighting_kill.py [--times 1000] [--json benchmarks/results/lighting_kill.json]

The field runs on while a process of its own decides; it is killed (SIGKILL) after a random number of minutes, at a random
moment of its work. What it had written of its messages until then is delivered, cut off in the middle or not.
"""

import copy
import json
import os
import pickle
import select
import signal
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import numpy as np

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.runtime import loop
from lamplighter.services import discover
from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.layout import Layout, calendar_output
from lamplighter.services.lighting.simulator import LightingField, open_simulator
from lamplighter.services.lighting.terms import COUNTER, FLOW
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.reading import Message, Reading
from lamplighter.terms.simulation import SimulationStart
from lamplighter.terms.snapshot import Column

HEAD = struct.Struct("<HI")
MINUTE_S, AFTER_MIN, LEASE_MIN = 60.0, 40, 30
LIVED_MOST_MIN = 45
WORK_MOST_S = 0.02  # a tick takes about so long, so the moment of death lies before, within or after it


@dataclass(frozen=True)
class Died:
    """One trial. dark_min: minutes, summed over lamps, without light at night; back_min: until the timetable held everywhere."""

    lived_min: int
    delivered: int
    cut: bool
    dark_min: float
    back_min: int


def _decide(run: loop.ServiceRun, counts: loop.ServiceRun, inward: int, outward: int) -> None:
    """Be the deciding process: read what was reported, decide, write messages; until killed."""
    reader = os.fdopen(inward, "rb")
    while True:
        now_s, flow, readings = pickle.load(reader)
        counts.columns = {FLOW: Column(flow, np.full(len(flow), now_s), np.ones(len(flow), dtype=np.bool_))}
        for message in loop.tick(run, [run, counts], readings, now_s).messages:
            topic = message.topic.encode()
            os.write(outward, HEAD.pack(len(topic), len(message.payload)) + topic + message.payload)
        os.write(outward, HEAD.pack(0, 0))


def _messages(raw: bytes) -> tuple[list[Message], bool, bool]:
    """Return the messages in these bytes, whether they end with the end of a tick, and whether the last is cut off. What is cut
    off is delivered as it is: the box has to bear it."""
    out: list[Message] = []
    while len(raw) >= HEAD.size:
        topic, payload = HEAD.unpack_from(raw)
        if topic == 0:
            return out, True, False
        body = raw[HEAD.size : HEAD.size + topic + payload]
        out.append(Message(body[:topic].decode(errors="replace"), body[topic:]))
        if len(body) < topic + payload:
            return out, False, True
        raw = raw[HEAD.size + topic + payload :]
    return out, False, len(raw) > 0


def _received(source: int, wait_s: float | None) -> bytes:
    """Return what is written until the end of a tick, or within so many seconds."""
    raw = b""
    until = None if wait_s is None else time.perf_counter() + wait_s
    while not raw.endswith(HEAD.pack(0, 0)):
        left = None if until is None else max(until - time.perf_counter(), 0.0)
        if not select.select([source], [], [], left)[0]:
            break
        part = os.read(source, 65_536)
        if not part:
            break
        raw += part
    return raw


def _off(field: LightingField, at_s: float, layout: Layout) -> tuple[float, bool]:
    """Return the lamps without light, and whether every segment stands as its calendar says."""
    now = field.segment_levels()
    return float(layout.segments.lamps[now <= 0.0].sum()), bool(np.allclose(now, calendar_output(at_s - MINUTE_S, layout)))


def trial(
    start: tuple[LightingField, loop.ServiceRun, loop.ServiceRun], begin_s: float, flow: FloatArray, dice: np.random.Generator
) -> Died:
    """Run one life and death. The moment lies in the night."""
    field, run, counts = copy.deepcopy(start[0]), start[1], start[2]
    layout: Layout = run.prepared
    down, up = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(down[1])
        os.close(up[0])
        try:
            _decide(run, counts, down[0], up[1])
        finally:
            os._exit(0)
    os.close(down[0])
    os.close(up[1])
    lives = int(dice.integers(1, LIVED_MOST_MIN))
    dark, delivered, cut, back = 0.0, 0, False, -1
    messages: Sequence[Message] = ()
    for minute in range(1, lives + AFTER_MIN + 1):
        at_s = begin_s + minute * MINUTE_S
        done = field.advance(at_s, messages, {})
        off, home = _off(field, at_s, layout)
        dark += off
        messages = ()
        if minute < lives:
            messages = _told(down[1], up[0], (at_s, flow, list(done.readings)), None)[0]
        elif minute == lives:
            messages, cut = _told(down[1], up[0], (at_s, flow, list(done.readings)), float(dice.uniform(0.0, WORK_MOST_S)))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        elif home and back < 0:
            back = minute - 1 - lives  # the calendar held from the beginning of this minute on
        elif not home:
            back = -1
        delivered += len(messages)
    os.close(down[1])
    os.close(up[0])
    return Died(lives, delivered, cut, dark, back)


def _told(
    sink: int, source: int, what: tuple[float, FloatArray, list[Reading]], wait_s: float | None
) -> tuple[list[Message], bool]:
    os.write(sink, pickle.dumps(what))
    messages, _, cut = _messages(_received(source, wait_s))
    return messages, cut


Start = tuple[LightingField, loop.ServiceRun, loop.ServiceRun]


def campaign(start: Start, begin_s: float, flow: FloatArray, times: int) -> dict[str, Any]:
    """Return what so many deaths came to."""
    dice = np.random.default_rng(1)
    found = [trial(start, begin_s, flow, dice) for _ in range(times)]
    back = [d.back_min for d in found]
    return {
        "times": times,
        "dark lamp-minutes": sum(d.dark_min for d in found),
        "timetable back within, min": max(back),
        "never back": sum(b < 0 for b in back),
        "messages delivered": sum(d.delivered for d in found),
        "cut off within a message": sum(d.cut for d in found),
    }


def prepared_start(city: Any, begin_s: float) -> tuple[LightingField, loop.ServiceRun, loop.ServiceRun]:
    """Return the field at a moment, the deciding run and the counters' run of a city."""
    run = loop.open_run(SERVICE, city, True)
    flow = Quantity(FLOW, "veh/h", 1.0, 0.0, 20000.0, "mean", 900, COUNTER, "counted flow")
    other = replace(SERVICE, name="traffic", quantities=(flow,), actions=())
    counts = replace(run, service=other, city=replace(city, span=slice(0, len(city.assets))), columns={})
    return open_simulator(SimulationStart(city, 1, begin_s, 0.0)), run, counts


@click.command()
@click.option("--city", "name", default="adlershof", show_default=True)
@click.option("--times", default=1000, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(name: str, times: int, file: Path | None) -> None:
    """Run the campaign and print what it came to."""
    city = load(find_city(name), discover())["lighting"]
    begin_s = datetime(2026, 1, 14, 1, 0, tzinfo=ZoneInfo(city.place.timezone)).timestamp()
    found = campaign(prepared_start(city, begin_s), begin_s, np.full(len(city.assets), 40.0), times)
    click.echo(json.dumps(found, indent=1))
    if file is not None:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
