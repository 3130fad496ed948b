# SPDX-License-Identifier: Apache-2.0
"""With and without: the same seeds under each arm, one process an arm, outcomes side by side."""

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lamplighter.city.folder import load
from lamplighter.city.manifest import FILE, read_about
from lamplighter.runtime.cityrun import Arm, CityRun, RunPlan
from lamplighter.runtime.processes import context
from lamplighter.services import discover, names
from lamplighter.terms.outcome import Outcome
from lamplighter.terms.service import Service

WARM_UP_S = 300.0  # longer than most trips through a district take
REPORT_EVERY_S = 60

Totals = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Happened:
    """What is done to one simulated field at a moment of city time: a fault, or what a crew does after it."""

    at_s: float
    service: str
    fault: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One arm of one seed: everything a worker process needs to run it."""

    folder: Path
    services: tuple[str, ...]
    arm: Arm
    seed: int
    begin_s: float
    end_s: float
    warm_up_s: float
    scale: float = 1.0
    happenings: tuple[Happened, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A service and its outcomes, as a worker that has loaded it declares them."""

    name: str
    outcome_names: tuple[Outcome, ...]


@dataclass(frozen=True)
class JobResult:
    """What one job found: truth and what a real city could have measured, per service, and truth per area."""

    arm: Arm
    seed: int
    truth: Totals
    measured: Totals
    areas: dict[str, Totals]
    refusals: dict[str, int]
    permits: dict[str, int]
    faults: tuple[str, ...]
    wall_s: float
    judged: tuple[Judged, ...]


@dataclass(frozen=True)
class Evaluation:
    """All jobs of one comparison."""

    city: str
    title: str
    services: tuple[Judged, ...]
    begin: datetime
    end: datetime
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    results: tuple[JobResult, ...]


def chosen_names(wanted: Sequence[str]) -> tuple[str, ...]:
    """Return these names, all services' where none is wanted; ValueError lists those there are. Loads no service."""
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"no service called {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(name for name in known if not wanted or name in wanted)


def chosen_services(wanted: Sequence[str]) -> tuple[Service, ...]:
    """Return the services of these names, all where none is named; ValueError lists those there are."""
    chosen = chosen_names(wanted)
    return tuple(service for service in discover() if service.name in chosen)


def local_instant(day: date, at: clock_time, timezone: str) -> datetime:
    """Return a moment of local time as an aware datetime."""
    return datetime.combine(day, at, ZoneInfo(timezone))


def window(day: date, begin: clock_time, end: clock_time, timezone: str) -> tuple[datetime, datetime]:
    """Return begin and end of an evaluation; an end at or before the begin means the next day."""
    first = local_instant(day, begin, timezone)
    last = local_instant(day, end, timezone)
    return first, last if last > first else local_instant(day + timedelta(days=1), end, timezone)


def inject_due(run: CityRun, waiting: list[Happened]) -> None:
    """Do what is due by now to the fields, and take it off the list, which is in order of time."""
    while waiting and waiting[0].at_s <= run.now_s:
        one = waiting.pop(0)
        run.inject(one.service, one.fault, one.arguments)


def run_job(job: Job, report: Callable[[float], None] | None = None) -> JobResult:
    """Run one arm of one seed to its end in this process, fields in processes of their own."""
    began = time.perf_counter()
    services = chosen_services(job.services)
    cities = load(job.folder, discover())
    arms: Mapping[str, Arm] = {service.name: job.arm for service in services}
    run = CityRun(services, cities, RunPlan(job.seed, job.begin_s, job.warm_up_s, arms, job.scale))
    refusals, permits = ({service.name: 0 for service in services} for _ in range(2))
    faults: list[str] = []
    try:
        run.wait_ready()
        gc.freeze()  # what was built while opening stays: no collection need look at it again
        waiting = sorted(job.happenings, key=lambda one: one.at_s)
        while run.now_s < job.end_s:
            inject_due(run, waiting)
            for name, done in run.advance().items():
                refusals[name] += done.verdict.refused_count
                permits[name] += done.verdict.permitted_count
                if done.fault and done.fault not in faults and len(faults) < 20:
                    faults.append(done.fault)
            if report is not None and (run.now_s - job.begin_s) % REPORT_EVERY_S == 0:
                report((run.now_s - job.begin_s) / (job.end_s - job.begin_s))
        return JobResult(
            job.arm,
            job.seed,
            {name: totals.totals() for name, totals in run.truth.items()},
            {name: totals.totals() for name, totals in run.measured.items()},
            _by_area(run),
            refusals,
            permits,
            tuple(faults),
            time.perf_counter() - began,
            tuple(Judged(service.name, service.outcome_names) for service in services),
        )
    finally:
        run.close()


def _by_area(run: CityRun) -> dict[str, Totals]:
    areas: dict[str, Totals] = {}
    for name, totals in run.truth.items():
        for area, values in totals.per_area().items():
            areas.setdefault(area, {})[name] = dict(values)
    return areas


_progress: Any = None


def _remember(queue: Any) -> None:
    global _progress
    _progress = queue


def _work(job: Job, number: int) -> JobResult:
    return run_job(job, lambda share: _progress.put((number, share)))


def run_jobs(jobs: Sequence[Job], workers: int, report: Callable[[float], None]) -> tuple[JobResult, ...]:
    """Run jobs in worker processes, never more at once than `workers`; report the share done of all, 0 to 1."""
    processes = context()
    queue: Any = processes.Queue()
    shares = [0.0] * len(jobs)
    with ProcessPoolExecutor(min(workers, len(jobs)), processes, _remember, (queue,)) as pool:
        futures: list[Future[JobResult]] = [pool.submit(_work, job, number) for number, job in enumerate(jobs)]
        waiting = set(futures)
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                while not queue.empty():
                    number, share = queue.get()
                    shares[number] = share
                report(sum(shares) / len(shares))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(future.result() for future in futures)


@dataclass(frozen=True)
class Comparison:
    """What is to be compared: which services of which city, which arms, which seeds, over which span of city time."""

    folder: Path
    services: tuple[str, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    begin: datetime
    end: datetime


def evaluate(wanted: Comparison, report: Callable[[float], None], workers: int = 2) -> Evaluation:
    """Run every arm on every seed over the span of city time and return all outcomes."""
    chosen = chosen_names(wanted.services)
    about = read_about(wanted.folder / FILE)
    begin_s, end_s = wanted.begin.timestamp(), wanted.end.timestamp()
    jobs = [Job(wanted.folder, chosen, arm, seed, begin_s, end_s, WARM_UP_S) for seed in wanted.seeds for arm in wanted.arms]
    results = run_jobs(jobs, workers, report)
    judged = results[0].judged  # the workers have loaded the services; this process need not
    return Evaluation(about.name, about.title, judged, wanted.begin, wanted.end, wanted.seeds, wanted.arms, results)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the stable JSON of an evaluation (docs/reference/evaluation-json.md)."""

    def table(pick: Callable[[JobResult], Totals]) -> dict[str, dict[str, Totals]]:
        return {arm: {str(r.seed): pick(r) for r in evaluation.results if r.arm == arm} for arm in evaluation.arms}

    areas = sorted({area for result in evaluation.results for area in result.areas})
    return {
        "city": evaluation.city,
        "from": evaluation.begin.isoformat(),
        "to": evaluation.end.isoformat(),
        "arms": table(lambda r: r.truth),
        "measured": table(lambda r: r.measured),
        "areas": {area: table(lambda r, a=area: r.areas.get(a, {})) for area in areas},
        "refusals": {arm: {str(r.seed): r.refusals for r in evaluation.results if r.arm == arm} for arm in evaluation.arms},
        "faults": sorted({fault for result in evaluation.results for fault in result.faults}),
        "wall_s": {arm: {str(r.seed): round(r.wall_s, 2) for r in evaluation.results if r.arm == arm} for arm in evaluation.arms},
        "python": sys.version.split()[0],
    }
