# SPDX-License-Identifier: Apache-2.0
"""How fast the bare loop is: every service on a made-up city, frames brought by another process over a pipe."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import perf_counter

import numpy as np

from lamplighter.runtime import loop
from lamplighter.runtime.loop import STAGES, ServiceRun
from lamplighter.runtime.processes import context
from lamplighter.services import discover
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.service import Service, Synthetic

WARM_TICKS = 3
BEGIN_S = 1_768_321_500.0  # 2026-01-13 17:25 in Berlin: dark, busy, cold


@dataclass(frozen=True)
class LoopBench:
    """What the bench found. tick_s (n,) is the whole tick of every second; stage_share sums to 1."""

    tick_s: FloatArray
    stage_share: dict[str, float]
    service_stage_s: dict[str, dict[str, float]]
    service_p99_s: dict[str, float]
    assets: dict[str, int]
    frames: int
    permits: int
    refusals: int
    faults: tuple[str, ...]
    machine: str

    def percentile_s(self, share: float) -> float:
        """Return the tick time not exceeded by this share of ticks."""
        return float(np.quantile(self.tick_s, share))


def _send_frames(service_name: str, scale: float, seed: int, seconds: Sequence[float], pipe: Connection) -> None:
    """In the child: make the frames of every due second ahead of time and send them as they are asked for."""
    service = next(s for s in discover() if s.name == service_name)
    synthetic = service.synthetic(scale, seed)
    pipe.send_bytes(b"ready")
    for now_s in seconds:
        payload = synthetic.frames(now_s)
        pipe.recv_bytes()
        pipe.send_bytes(payload)
    pipe.close()


class _Field:
    """One service's made-up field in a process of its own."""

    def __init__(self, service: Service, scale: float, seed: int, seconds: Sequence[float]) -> None:
        processes = context()
        self._pipe, child = processes.Pipe()
        self._process = processes.Process(
            target=_send_frames, args=(service.name, scale, seed, tuple(seconds), child), daemon=True
        )
        self._process.start()
        child.close()

    def wait_ready(self) -> None:
        """Wait until the made-up field stands."""
        self._pipe.recv_bytes()

    def ask(self) -> None:
        """Ask for the next frames; they are ready or nearly so."""
        self._pipe.send_bytes(b"next")

    def frames(self) -> bytes:
        """Receive the frames asked for."""
        return self._pipe.recv_bytes()

    def close(self) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.join(timeout=5)


def _seconds(service: Service, place: int, number: int, ticks: int) -> list[float]:
    """Return the seconds at which a service is due, services spread evenly over their cadence."""
    offset_s = place * service.cadence_s // max(number, 1)
    return [BEGIN_S + k for k in range(1, ticks + 1) if (k - offset_s) % service.cadence_s == 0]


def bench_loop(scale: float, ticks: int, seed: int, report: Callable[[float], None]) -> LoopBench:
    """Drive the loop for `ticks` seconds of city time as fast as it goes. scale 1 is the full size."""
    services = discover()
    due = {s.name: _seconds(s, place, len(services), ticks + WARM_TICKS) for place, s in enumerate(services)}
    made: dict[str, Synthetic] = {s.name: s.synthetic(scale, seed) for s in services}
    runs = [loop.open_run(s, made[s.name].city, True) for s in services]
    fields = {s.name: _Field(s, scale, seed, due[s.name]) for s in services}
    tick_s, per_service = np.zeros(ticks), {s.name: list[float]() for s in services}
    counts = {"frames": 0, "permits": 0, "refusals": 0}
    faults: list[str] = []
    try:
        for field in fields.values():
            field.wait_ready()
        for second in range(1, ticks + WARM_TICKS + 1):
            now_s = BEGIN_S + second
            here = [run for run in runs if now_s in due[run.service.name]]
            if second == WARM_TICKS + 1:
                for run in runs:
                    run.stage_s.update(dict.fromkeys(STAGES, 0.0))
            begun = perf_counter()
            for run in here:
                mark = perf_counter()
                fields[run.service.name].ask()
                done = loop.tick_frames(run, runs, fields[run.service.name].frames(), now_s, mark)
                per_service[run.service.name].append(perf_counter() - mark)
                counts["frames"] += len(done.measured)
                counts["permits"] += done.verdict.permitted_count
                counts["refusals"] += done.verdict.refused_count
                if done.fault and done.fault not in faults:
                    faults.append(done.fault)
            if second > WARM_TICKS:
                tick_s[second - WARM_TICKS - 1] = perf_counter() - begun
            report(second / (ticks + WARM_TICKS))
    finally:
        for field in fields.values():
            field.close()
    return _result(tick_s, runs, per_service, counts, tuple(faults))


def _result(
    tick_s: FloatArray,
    runs: Sequence[ServiceRun],
    per_service: dict[str, list[float]],
    counts: dict[str, int],
    faults: tuple[str, ...],
) -> LoopBench:
    total = {stage: sum(run.stage_s[stage] for run in runs) for stage in STAGES}
    whole = sum(total.values()) or 1.0
    return LoopBench(
        tick_s=tick_s,
        service_stage_s={run.service.name: dict(run.stage_s) for run in runs},
        stage_share={stage: seconds / whole for stage, seconds in total.items()},
        service_p99_s={name: float(np.quantile(times[1:] or times or [0.0], 0.99)) for name, times in per_service.items()},
        assets={run.service.name: len(run.adaptive) for run in runs},
        frames=counts["frames"],
        permits=counts["permits"],
        refusals=counts["refusals"],
        faults=faults,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    )
