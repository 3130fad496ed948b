# SPDX-License-Identifier: Apache-2.0
"""What a run came to, reduced from SUMO's records of trips to sums and quantiles; nothing about one trip leaves here.

Delay is RESCO's: the mean over all vehicles of time lost plus the delay of insertion, unfinished trips included, plus
for vehicles that were never inserted the time that they waited for it. SUMO 1.9.0 does not write those; there RESCO's
own rule holds: of vehicles scheduled after the last one inserted, the time from their schedule to the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError, iterparse

import numpy as np

from lamplighter.services.traffic.trials.scenario import Scenario
from lamplighter.services.traffic.trials.strands import open_xml
from lamplighter.terms.columns import FloatArray


@dataclass
class Trips:
    """Columns of one run's trips while they are being reduced."""

    loss_s: list[float] = field(default_factory=lambda: [])
    late_s: list[float] = field(default_factory=lambda: [])
    duration_s: list[float] = field(default_factory=lambda: [])
    waiting_s: list[float] = field(default_factory=lambda: [])
    kind: list[str] = field(default_factory=lambda: [])
    finished: int = 0
    undeparted_s: list[float] = field(default_factory=lambda: [])
    last_depart_s: float = -1.0
    walk_wait_s: list[float] = field(default_factory=lambda: [])


def read_trips(path: Path, until_s: float) -> Trips:
    """Read SUMO's records of trips. A record without a time of departure is a vehicle never inserted."""
    trips = Trips()
    try:
        for _, e in iterparse(path, events=("end",)):
            if e.tag == "tripinfo":
                _trip(trips, e.attrib, until_s)
            elif e.tag == "personinfo":
                trips.walk_wait_s += [float(w.get("timeLoss", "0")) for w in e.iterfind("walk") if float(w.get("arrival", "-1")) >= 0]
            else:
                continue
            e.clear()
    except ParseError as error:
        raise RuntimeError(f"SUMO's records of trips are cut off ({error}): it was ended before it had written them") from error
    return trips


def _trip(trips: Trips, said: dict[str, str], until_s: float) -> None:
    depart_s, late_s = float(said.get("depart", "-1")), float(said.get("departDelay", "0"))
    if depart_s < 0:
        trips.undeparted_s.append(late_s)
        return
    trips.last_depart_s = max(trips.last_depart_s, depart_s)
    trips.finished += float(said.get("arrival", "-1")) >= 0
    trips.loss_s.append(float(said.get("timeLoss", "0")))
    trips.late_s.append(late_s)
    trips.duration_s.append(float(said.get("duration", "0")))
    trips.waiting_s.append(float(said.get("waitingTime", "0")))
    trips.kind.append(said.get("vType", ""))


def scheduled_after(routes: Iterable[Path], last_s: float, end_s: float) -> list[float]:
    """Return the scheduled departures after `last_s` and before the end, from vehicles and trips of route files."""
    found: list[float] = []
    for path in routes:
        for element in open_xml(path):
            if element.tag not in ("vehicle", "trip"):
                continue
            try:
                depart_s = float(element.get("depart", ""))
            except ValueError:
                continue
            if last_s < depart_s < end_s:
                found.append(depart_s)
    return found


def summed(trips: Trips, never_s: list[float]) -> dict[str, float | int]:
    """Return the measures of one run. never_s: how long each vehicle that was never inserted has waited for it."""
    loss, late = np.asarray(trips.loss_s), np.asarray(trips.late_s)
    waiting: FloatArray = np.asarray(trips.waiting_s)
    total = len(loss) + len(never_s)
    many = max(total, 1)
    return {
        "delay_s": float(loss.sum() + late.sum() + sum(never_s)) / many,
        "time_loss_s": _mean(loss),
        "depart_delay_s": float(late.sum() + sum(never_s)) / many,
        "duration_s": _mean(np.asarray(trips.duration_s)),
        "waiting_s": _mean(waiting),
        "wait_p95_s": float(np.quantile(waiting, 0.95)) if len(waiting) else 0.0,
        "wait_max_s": float(waiting.max(initial=0.0)),
        "pedestrian_wait_s": _mean(np.asarray(trips.walk_wait_s)),
        "finished": trips.finished,
        "total": total,
        "never_inserted": len(never_s),
    }


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else 0.0


def never_inserted_s(trips: Trips, scenario: Scenario, end_s: float, written: bool) -> list[float]:
    """Return the waits of vehicles never inserted: as written, or by RESCO's rule where SUMO does not write them."""
    if written:
        return trips.undeparted_s
    return [end_s - depart_s for depart_s in scheduled_after(scenario.routes, trips.last_depart_s, end_s)]
