# SPDX-License-Identifier: Apache-2.0
"""Record what a simulated city's fields send, and run the recording through the loop again."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.connectors import replay
from lamplighter.runtime.cityrun import CityRun, RunPlan
from lamplighter.runtime.wiring import Field, ReplayField, simulated
from lamplighter.terms.city import CityData
from lamplighter.terms.decision import Permits
from lamplighter.terms.service import Service
from lamplighter.terms.simulation import Simulated, SimulationStart

ABOUT = "recording.json"


class RecordingError(ValueError):
    """A folder is no recording, or not of this city; the message says what is missing and the remedy."""


@dataclass(frozen=True)
class Driven:
    """What one service did over a run: counts, and a digest over every permit in order."""

    service: str
    readings: int
    admitted: int
    rejected: int
    permits: int
    refusals: int
    digest: str
    faults: tuple[str, ...]


def _update(digest: Any, permit: Permits) -> None:
    table = permit.proposals
    digest.update(table.action.encode())
    digest.update(table.asset[permit.row].astype("<i8").tobytes())
    for name in sorted(table.values):
        digest.update(np.round(table.values[name][permit.row], 9).astype("<f8").tobytes())


def drive(run: CityRun, end_s: float, report: Callable[[float], None], recorders: Mapping[str, replay.Recorder]) -> list[Driven]:
    """Run a city to its end without a page; record each field's readings where a recorder is given."""
    begin_s = run.now_s
    counts = {r.service.name: [0, 0, 0, 0, 0] for r in run.runs}
    digests = {name: hashlib.sha256() for name in counts}
    faults: dict[str, list[str]] = {name: [] for name in counts}
    while run.now_s < end_s:
        for name, done in run.advance().items():
            readings = run.latest_advance[name].readings
            if name in recorders:
                recorders[name].record(Simulated(readings))
            made = (
                len(readings),
                len(done.measured),
                len(done.rejected),
                done.verdict.permitted_count,
                done.verdict.refused_count,
            )
            counts[name] = [total + more for total, more in zip(counts[name], made, strict=True)]
            for permit in done.verdict.permits:
                _update(digests[name], permit)
            if done.fault and done.fault not in faults[name]:
                faults[name].append(done.fault)
        report((run.now_s - begin_s) / (end_s - begin_s))
    return [
        Driven(name, c[0], c[1], c[2], c[3], c[4], digests[name].hexdigest(), tuple(faults[name])) for name, c in counts.items()
    ]


def record(
    folder: Path | None, services: Sequence[Service], cities: Mapping[str, CityData], plan: RunPlan, end_s: float,
    report: Callable[[float], None],
) -> list[Driven]:  # fmt: skip
    """Run a simulated city under lamplighter and keep what its fields sent in `folder`, where one is given."""
    city = next(iter(cities.values()))
    about = {"city": city.name, "seed": str(plan.seed), "begin_s": repr(plan.begin_s), "end_s": repr(end_s)}
    recorders: dict[str, replay.Recorder] = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        recorders = {s.name: replay.Recorder(folder / f"{s.name}.readings", {**about, "service": s.name}) for s in services}
    run = CityRun(services, cities, plan, simulated)
    try:
        run.wait_ready()
        driven = drive(run, end_s, report, recorders)
    finally:
        run.close()
        for recorder in recorders.values():
            recorder.close()
    if folder is None:
        return driven
    decisions = {one.service: one.digest for one in driven}
    (folder / ABOUT).write_text(json.dumps({**about, "decisions": decisions}, indent=1) + "\n", encoding="utf-8")
    return driven


def read_about(folder: Path) -> dict[str, Any]:
    """Return what a recording says of itself; RecordingError where the folder holds none."""
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{folder}: no recording here ({error}). Make one with `lamplighter run CITY --headless --record {folder}`."
        ) from error


def play(
    folder: Path, services: Sequence[Service], cities: Mapping[str, CityData], report: Callable[[float], None]
) -> tuple[list[Driven], list[str]]:
    """Run a recording through the loop again; return what was done and the services that decided otherwise."""
    about = read_about(folder)
    city = next(iter(cities.values()))
    if about.get("city") != city.name:
        raise RecordingError(f"{folder}: a recording of {about.get('city')!r}, the city is {city.name!r}. Give --city.")

    def open_field(service: Service, start: SimulationStart) -> Field:
        return ReplayField(folder / f"{service.name}.readings")

    begin_s, end_s = float(about["begin_s"]), float(about["end_s"])
    plan = RunPlan(int(about["seed"]), begin_s, 0.0, {s.name: "adaptive" for s in services})
    run = CityRun(services, cities, plan, open_field)
    driven = drive(run, end_s, report, {})
    known: Mapping[str, str] = about.get("decisions", {})
    return driven, [one.service for one in driven if known.get(one.service) != one.digest]
