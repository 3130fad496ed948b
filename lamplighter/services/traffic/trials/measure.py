# SPDX-License-Identifier: Apache-2.0
"""What a run came to, reduced from SUMO's records of trips to sums and quantiles; nothing about one trip leaves here.

Delay is RESCO's: the mean over all vehicles of time lost plus the delay of insertion, unfinished trips included, plus
for vehicles that were never inserted the time that they waited for it. SUMO 1.9.0 does not write those; there RESCO's
own rule holds: of vehicles scheduled after the last one inserted, the time from their schedule to the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import ParseError, iterparse

import numpy as np

from lamplighter.services.traffic.trials.scenario import Scenario
from lamplighter.services.traffic.trials.strands import open_xml
from lamplighter.terms.columns import FloatArray


@dataclass
class Trips:
    """Columns of one run's trips while they are being reduced."""

    loss_s: list[float] = field(default_factory=list[float])
    late_s: list[float] = field(default_factory=list[float])
    duration_s: list[float] = field(default_factory=list[float])
    waiting_s: list[float] = field(default_factory=list[float])
    kind: list[str] = field(default_factory=list[str])
    finished: int = 0
    undeparted_s: list[float] = field(default_factory=list[float])
    names: set[str] = field(default_factory=set[str])
    last_depart_s: float = -1.0
    last_scheduled_s: float = -1.0
    walk_wait_s: list[float] = field(default_factory=list[float])


def read_trips(records: Path | BinaryIO) -> Trips:
    """Read SUMO's records of trips, from a file or as they come. One without a time of departure is a vehicle never inserted."""
    trips = Trips()
    try:
        for _, e in iterparse(records, events=("end",)):
            if e.tag == "tripinfo":
                _trip(trips, e.attrib)
            elif e.tag == "personinfo":
                trips.walk_wait_s += [
                    float(w.get("timeLoss", "0")) for w in e.iterfind("walk") if float(w.get("arrival", "-1")) >= 0
                ]
            else:
                continue
            e.clear()
    except ParseError as error:
        raise RuntimeError(f"SUMO's records of trips are cut off ({error}): it was ended before it had written them") from error
    return trips


def _trip(trips: Trips, said: dict[str, str]) -> None:
    depart_s, late_s = float(said.get("depart", "-1")), float(said.get("departDelay", "0"))
    if depart_s < 0:
        trips.undeparted_s.append(late_s)
        return
    trips.names.add(said.get("id", ""))
    if depart_s > trips.last_depart_s:
        trips.last_depart_s, trips.last_scheduled_s = depart_s, depart_s - late_s
    trips.finished += float(said.get("arrival", "-1")) >= 0
    trips.loss_s.append(float(said.get("timeLoss", "0")))
    trips.late_s.append(late_s)
    trips.duration_s.append(float(said.get("duration", "0")))
    trips.waiting_s.append(float(said.get("waitingTime", "0")))
    trips.kind.append(said.get("vType", ""))


@dataclass(frozen=True)
class NeverInserted:
    """How long vehicles that were never inserted had waited for it: those that the delay counts, and all of them."""

    counted_s: tuple[float, ...]
    all_s: tuple[float, ...]


def never_inserted(trips: Trips, scenario: Scenario, end_s: float, written: bool) -> NeverInserted:
    """Return them as written, or by RESCO's rule where SUMO does not write them.

    RESCO's rule: the `vehicle` elements (not `trip`) that were scheduled after the last vehicle inserted was.
    """
    if written:
        return NeverInserted(tuple(trips.undeparted_s), tuple(trips.undeparted_s))
    counted: list[float] = []
    every: list[float] = []
    for path in scenario.routes:
        for element in open_xml(path):
            depart_s = _number(element.get("depart", ""))
            if element.tag not in ("vehicle", "trip") or depart_s is None or not scenario.begin_s <= depart_s < end_s:
                continue
            if element.tag == "vehicle" and depart_s > trips.last_scheduled_s:
                counted.append(end_s - depart_s)
            if element.get("id") not in trips.names:
                every.append(end_s - depart_s)
    return NeverInserted(tuple(counted), tuple(every))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def summed(trips: Trips, never: NeverInserted) -> dict[str, float | int]:
    """Return the measures of one run. delay_all_s counts every vehicle never inserted, also where RESCO's rule does not."""
    loss, late = np.asarray(trips.loss_s), np.asarray(trips.late_s)
    waiting: FloatArray = np.asarray(trips.waiting_s)
    walking: FloatArray = np.asarray(trips.walk_wait_s)
    lost_s = float(loss.sum() + late.sum())
    total, every = len(loss) + len(never.counted_s), len(loss) + len(never.all_s)
    return {
        "delay_s": (lost_s + sum(never.counted_s)) / max(total, 1),
        "delay_all_s": (lost_s + sum(never.all_s)) / max(every, 1),
        "time_loss_s": _mean(loss),
        "depart_delay_s": (float(late.sum()) + sum(never.counted_s)) / max(total, 1),
        "duration_s": _mean(np.asarray(trips.duration_s)),
        "waiting_s": _mean(waiting),
        "wait_p95_s": float(np.quantile(waiting, 0.95)) if len(waiting) else 0.0,
        "wait_max_s": float(waiting.max(initial=0.0)),
        "pedestrian_wait_s": _mean(walking),
        "pedestrian_wait_max_s": float(walking.max(initial=0.0)),
        "pedestrians": len(walking),
        "finished": trips.finished,
        "total": total,
        "never_inserted": len(never.all_s),
    }


def by_class(trips: Trips, class_of: Mapping[str, str]) -> dict[str, float]:
    """Return the mean delay of buses, trams and bicycles where there are any. class_of: SUMO's class of a vehicle type."""
    delay_s = np.asarray(trips.loss_s) + np.asarray(trips.late_s)
    classes = np.asarray([class_of.get(kind.split("@")[0], "passenger") for kind in trips.kind], np.str_)
    found: dict[str, float] = {}
    for name in ("bus", "tram", "bicycle"):
        mine = classes == name
        if bool(mine.any()):
            found[f"{name}_delay_s"] = float(delay_s[mine].mean())
    return found


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else 0.0
