# SPDX-License-Identifier: Apache-2.0
"""What the decider would have made of past quarter-hours, every command arriving: live mode against the timetable."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.lighting import adaptive
from lamplighter.services.lighting.adaptive import Memory
from lamplighter.services.lighting.layout import Layout, calendar_output
from lamplighter.services.lighting.optimum.learning import Past
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.terms import BOUNDARY_S, DIM, FLOW
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.decision import InForce
from lamplighter.terms.snapshot import Column, Shared, Snapshot

WORTH_RATIO = 0.002  # of a night's energy: less is not worth a single message
SCAN = np.arange(0.0, BOUNDARY_S, 60.0)


@dataclass(frozen=True)
class Compared:
    """Energy of cells (c,) by the timetable and with live commands; messages_count (n, s): sent to each segment."""

    timetable_kwh: FloatArray
    live_kwh: FloatArray
    messages_count: FloatArray


def _snapshot(now_s: float, counts: tuple[FloatArray, FloatArray], force: InForce, city: CityData, layout: Layout) -> Snapshot:
    value, known = np.zeros(len(city.assets)), np.zeros(len(city.assets), dtype=np.bool_)
    value[layout.sites.counter], known[layout.sites.counter] = counts
    told = Shared(0, Column(value, np.full(len(value), now_s), known))
    every = np.ones(layout.size, dtype=np.bool_)
    return Snapshot(now_s, city.assets, city.span, {}, {FLOW: (told,)}, {DIM: force}, every, city.vocabulary, {FLOW: 2400.0})


def burning_share(begin_s: float, layout: Layout) -> float:
    """Return the share of a quarter-hour in which lamps burn."""
    height = elevation_deg(begin_s + SCAN, layout.lon_deg, layout.lat_deg)
    return float((height < layout.dusk_elevation_deg).mean())


def compare(past: Past, memory: Memory, city: CityData, layout: Layout) -> tuple[Compared, Memory]:
    """Replay quarter-hours in order; the decision at the end of each holds for the next."""
    segments, size = layout.segments, layout.size
    local = segments.asset - layout.start
    light_kw = (segments.power_w - GEAR_W) * segments.lamps / 1000.0
    active, output_now, since, expires = np.zeros(size, np.bool_), np.zeros(size), np.zeros(size), np.zeros(size)
    ramp = np.zeros(size)
    kwh = np.zeros((2, len(layout.cell_asset)))
    messages = np.zeros((len(past.at_s), len(local)))
    for n, now_s in enumerate(past.at_s.tolist()):
        force = InForce(active & (expires > now_s), {"dimming_level": output_now, "ramp_s": ramp}, since, expires)
        snapshot = _snapshot(now_s, (past.flow_veh_h[n], past.sound[n]), force, city, layout)
        tables, memory = adaptive.decide(snapshot, memory, layout)
        active, output_now, since, expires, ramp = (
            force.active.copy(),
            output_now.copy(),
            since.copy(),
            expires.copy(),
            ramp.copy(),
        )
        for table in tables:
            rows = table.asset - layout.start
            active[rows], output_now[rows], ramp[rows] = True, table.values["dimming_level"], table.values["ramp_s"]
            since[rows], expires[rows] = now_s, now_s + table.lease_s
            messages[n] += np.isin(local, rows)
        calendar = calendar_output(now_s, layout)
        live = np.where(active[local] & (expires[local] > now_s), output_now[local], calendar)
        hours = burning_share(now_s, layout) * BOUNDARY_S / 3600.0
        for row, output in enumerate((calendar, live)):
            kwh[row] += np.bincount(segments.cell, weights=output * light_kw * hours, minlength=kwh.shape[1])
    return Compared(kwh[0], kwh[1], messages), memory


def worth_it(compared: Compared) -> BoolArray:
    """Return which cells (c,) live commands save energy in."""
    return compared.live_kwh < compared.timetable_kwh * (1.0 - WORTH_RATIO)
