# SPDX-License-Identifier: Apache-2.0
"""A drill of an outage in a simulated city: the same evening calm and with a fault, without lamplighter and with it.

Five runs of each seed. Calm ones show what the arm is worth without any fault; a fault in the same run shows what it costs.
The second of the three with a fault switches at the pace of the first: what differs there is what the services did, and not
the advice.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lamplighter.city.folder import load
from lamplighter.runtime.cityrun import Arm
from lamplighter.runtime.evaluate import WARM_UP_S, Happened, Job, JobResult, Judged, run_jobs
from lamplighter.services import discover
from lamplighter.terms.drill import Drill, Happening, Pace, Wanted

RUNS: Mapping[str, tuple[Arm, str]] = {
    "calm, without": ("baseline", ""),
    "calm, with": ("adaptive", ""),
    "fault, without": ("baseline", "by_hand"),
    "fault, with, same switching": ("adaptive", "by_hand"),
    "fault, with": ("adaptive", "advised"),
}


@dataclass(frozen=True)
class Asked:
    """What is to be drilled: the city's folder, what fails (the service's choice where empty), seeds, the moment of the fault,
    how long before it the runs begin and how long after it they end, and how fast crews are."""

    folder: Path
    asset: str
    seeds: tuple[int, ...]
    fault_s: float
    before_s: float
    after_s: float
    pace: Pace


@dataclass(frozen=True)
class Drilled:
    """What was found: the drill as laid out, by whom, and per run (in the order of RUNS) and seed what happened."""

    service: str
    drill: Drill
    seeds: tuple[int, ...]
    results: Mapping[str, tuple[JobResult, ...]]
    judged: tuple[Judged, ...]


class NoDrillError(ValueError):
    """No service of the city knows how to drill an outage."""


def laid_out(asked: Asked) -> tuple[str, Drill]:
    """Return the service that lays out the drill, and the drill."""
    services = discover()
    supplied = {kind.name: kind.supplied for service in services for kind in service.kinds}
    cities = load(asked.folder, services)
    for service in services:
        if service.drill and service.name in cities:
            module, _, name = service.drill.partition(":")
            wanted = Wanted(cities[service.name], asked.asset, supplied, asked.pace)
            return service.name, getattr(importlib.import_module(module), name)(wanted)
    raise NoDrillError(f"{asked.folder}: no service of this city can drill an outage; nothing was run.")


def jobs_of(asked: Asked, service: str, drill: Drill) -> list[tuple[str, Job]]:
    """Return every run: its name and its job."""
    names = tuple(one.name for one in discover())
    begin_s, end_s = asked.fault_s - asked.before_s, asked.fault_s + asked.after_s
    made: list[tuple[str, Job]] = []
    for seed in asked.seeds:
        for name, (arm, way) in RUNS.items():
            told: tuple[Happening, ...] = getattr(drill, way) if way else ()
            happened = tuple(Happened(asked.fault_s + one.after_s, service, one.fault, one.arguments) for one in told)
            job = Job(asked.folder, names, arm, seed, begin_s, end_s, WARM_UP_S)
            made.append((name, replace(job, happenings=happened)))
    return made


def run_drill(asked: Asked, report: Callable[[float], None], workers: int = 2) -> Drilled:
    """Lay the drill out and run it."""
    service, drill = laid_out(asked)
    made = jobs_of(asked, service, drill)
    results = run_jobs([job for _, job in made], workers, report)
    by_run = {name: tuple(r for (own, _), r in zip(made, results, strict=True) if own == name) for name in RUNS}
    return Drilled(service, drill, asked.seeds, by_run, results[0].judged)


def mean(results: Sequence[JobResult], service: str, outcome: str) -> float | None:
    """Return the mean of one outcome's truth over seeds, nothing where no run has it."""
    values = [r.truth[service][outcome] for r in results if outcome in r.truth.get(service, {})]
    return sum(values) / len(values) if values else None


def as_json(done: Drilled, asked: Asked) -> dict[str, Any]:
    """Return everything as plain values."""
    return {
        "drill": done.drill.title,
        "asset": done.drill.asset,
        "takes": dict(done.drill.dark),
        "seeds": list(done.seeds),
        "before_s": asked.before_s,
        "after_s": asked.after_s,
        "pace": {name: getattr(asked.pace, name) for name in ("find_s", "plan_s", "read_s", "step_s")},
        "sheet": list(done.drill.sheet),
        "by_hand": [{"after_s": one.after_s, "what": one.text} for one in done.drill.by_hand],
        "advised": [{"after_s": one.after_s, "what": one.text} for one in done.drill.advised],
        "truth": {name: {str(r.seed): r.truth for r in results} for name, results in done.results.items()},
        "measured": {name: {str(r.seed): r.measured for r in results} for name, results in done.results.items()},
        "refusals": {name: {str(r.seed): r.refusals for r in results} for name, results in done.results.items()},
        "faults": sorted({fault for results in done.results.values() for r in results for fault in r.faults}),
        "notes": list(done.drill.notes),
    }
