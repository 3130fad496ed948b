# SPDX-License-Identifier: Apache-2.0
"""The trips of one day: what the city's flows become under one seed.

Every hour of the day has its own stream of dice, so that a window of the day holds the same trips whatever else is
drawn. The number of trips of a flow in an hour is Poisson with the flow's expectation (lines keep their timetable, up
to a minute early or late), their times uniform within it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.services.traffic.demand import profiles
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray
from lamplighter.terms.table import Table

DAY_S = 86400.0
HOUR_S = 3600.0


@dataclass(frozen=True)
class Trips:
    """Trips sorted by departure: flow (t,) position in the table of flows, depart_s (t,) seconds since midnight."""

    flow: IntArray
    depart_s: FloatArray


def draw(flows: Table, seed: int, begin_s: float, end_s: float, scale: float = 1.0) -> Trips:
    """Draw the trips that start in [begin_s, end_s), seconds since midnight (beyond 86400: the next day).

    flows: columns mode, per_day, profile; scale: factor on all but lines. Raises ValueError for an empty window.
    """
    if not begin_s < end_s:
        raise ValueError(f"trips from {begin_s:.0f} s to {end_s:.0f} s: the end must be later than the beginning")
    parts = [_hour(flows, seed, hour, scale) for hour in range(int(begin_s // HOUR_S), int(np.ceil(end_s / HOUR_S)))]
    flow = np.concatenate([part.flow for part in parts])
    depart_s = np.concatenate([part.depart_s for part in parts])
    inside = (depart_s >= begin_s) & (depart_s < end_s)
    flow, depart_s = flow[inside], depart_s[inside]
    order = np.lexsort((flow, depart_s))
    return Trips(flow[order], depart_s[order])


def _hour(flows: Table, seed: int, hour: int, scale: float) -> Trips:
    rng = np.random.default_rng([seed, hour])
    profile = flows["profile"]
    share = np.zeros(len(profile))
    for name in (profiles.MOTOR, profiles.ACTIVE, profiles.TIMETABLE):
        share = np.where(profile == name, profiles.hourly_share(name)[hour % 24], share)
    wanted = flows["per_day"] * share
    timetable = profile == profiles.TIMETABLE
    count = np.where(timetable, np.round(wanted), rng.poisson(np.where(timetable, 0.0, wanted * scale))).astype(np.int64)
    flow = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(flow)) - np.repeat(np.cumsum(count) - count, count)
    even_s = (within + 0.5) * HOUR_S / np.maximum(1, count[flow]) + (flow % 7 - 3) * 20.0
    dice_s = rng.uniform(0.0, HOUR_S, len(flow))
    depart_s = np.where(timetable[flow], even_s + (dice_s / HOUR_S - 0.5) * 120.0, dice_s)
    return Trips(flow, np.round(hour * HOUR_S + np.clip(depart_s, 0.0, HOUR_S - 0.1), 1))


def write_trips(trips: Trips, flows: Table, path: Path, begin_s: float = 0.0) -> int:
    """Write a SUMO route file of these trips and return their number; departures count from `begin_s`.

    It names routes `f<flow>` and types by mode, both defined in the city's `sumo/demand.rou.xml`.
    """
    mode: AnyArray = flows["mode"]
    lines = ["<routes>"]
    for number, (flow, depart_s) in enumerate(zip(trips.flow.tolist(), trips.depart_s.tolist(), strict=True)):
        at_s = depart_s - begin_s
        if mode[flow] == "person":
            lines.append(f'<person id="p{number}" type="person" depart="{at_s:.1f}"><walk route="f{flow}"/></person>')
        else:
            lines.append(f'<vehicle id="v{number}" type="{mode[flow]}" route="f{flow}" depart="{at_s:.1f}" departLane="best"/>')
    lines.append("</routes>")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(trips.flow)
