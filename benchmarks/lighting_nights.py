# SPDX-License-Identifier: Apache-2.0
"""How much of the achievable saving live lighting reaches on nights it has never seen, and what it costs in light.

python benchmarks/lighting_nights.py [--nights 40] [--json benchmarks/results/lighting_nights.json]

A built city's own lamps and streets; two years of real hourly counts put through its network (`lighting_world`). The timetable is
learned on 2015; the nights are of 2016, some of them with an event that no timetable knows. A fifth of the detectors says
nothing, or the same for ever; three commands of ten never arrive, each segment for itself; one lamp of two hundred is dead. What
is asked passes the safety gate, goes out as bytes and is obeyed by the simulated boxes minute by minute.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import lighting_world
import numpy as np
from lighting_world import World

from lamplighter.city.directory import find_city
from lamplighter.city.folder import load
from lamplighter.runtime import loop
from lamplighter.services import discover
from lamplighter.services.lighting import SERVICE, adaptive, lamps, truth
from lamplighter.services.lighting.lamps import Drawn
from lamplighter.services.lighting.layout import Layout, calendar_output, day_kind, local_hour, quarter
from lamplighter.services.lighting.optimum import bound, learning, replay
from lamplighter.services.lighting.optimum import night as minimum
from lamplighter.services.lighting.optimum.learning import Past
from lamplighter.services.lighting.prepared import distinct_fields, prepare
from lamplighter.services.lighting.simulator import STREET_FLOW, open_simulator
from lamplighter.services.lighting.sun import elevation_deg
from lamplighter.services.lighting.terms import BOUNDARY_S, COUNTER, FLOW, STEPS
from lamplighter.terms.city import CityData
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.reading import Message
from lamplighter.terms.simulation import SimulationStart
from lamplighter.terms.snapshot import Column

MISSING_SHARE, STUCK_SHARE, LOST_SHARE, DEAD_SHARE = 0.15, 0.05, 0.3, 0.005
EVENT_FROM, EVENT_TO, EVENT_SHARE, EVENT_EVERY = 22, 24, 1.2, 8
MINUTE_S, QUARTER_MINUTES = 60.0, 15
WITNESSES = ("counted", "counter broken", "not counted")
WAYS = ("full output", "half output from 23 to 5", "best timetable", "live")


@dataclass(frozen=True)
class Night:
    """One night in quarter-hours: begin_s (q,); count_veh_h (q, streets): cars as veh/h in the one that begins then;
    told_veh_h (q, m): what counters say of it; sound (m,); burning (q, 15): which of its minutes are dark; relax (q, s): classes
    below design that the true traffic allows."""

    begin_s: FloatArray
    count_veh_h: FloatArray
    told_veh_h: FloatArray
    sound: BoolArray
    burning: BoolArray
    relax: IntArray


@dataclass(frozen=True)
class Judged:
    """What one way of running a night came to. longest_min: the longest time without a break that a field was below class: where
    counters of its own speak, where they are broken, and where nobody counts."""

    kwh: float
    below_min: FloatArray
    fields_min: float
    longest_min: IntArray


def dark(at_s: FloatArray, layout: Layout) -> BoolArray:
    return elevation_deg(at_s, layout.lon_deg, layout.lat_deg) < layout.dusk_elevation_deg


def night_of(day: datetime, world: World, layout: Layout, rows: IntArray, dice: np.random.Generator) -> Night:
    """Return a night that begins on the afternoon of a day. rows (m,): streets of the counters."""
    noon_s = day.replace(hour=12).timestamp()
    begin = noon_s + np.arange(96, dtype=np.float64) * BOUNDARY_S
    burning = dark(begin[:, None] + np.arange(QUARTER_MINUTES, dtype=np.float64) * MINUTE_S, layout)
    lit = np.flatnonzero(burning.any(axis=1))
    run = slice(max(int(lit[0]) - 4, 0), int(lit[-1]) + 1)
    begin, burning = begin[run], burning[run]
    passed = np.stack([dice.poisson(np.maximum(world.flow_veh_h(b + BOUNDARY_S), 0.0) / 4.0) for b in begin.tolist()])
    count = passed.astype(np.float64) * 4.0
    told, draw = count[:, rows].copy(), dice.random(len(rows))
    stuck = draw < STUCK_SHARE
    told[:, stuck] = told[0, stuck]
    nobody = np.zeros(len(layout.cell_asset), dtype=np.int64)
    relax = np.stack(
        [
            truth.needed(truth.Passed(None, row, nobody), b + BOUNDARY_S, layout)
            for b, row in zip(begin.tolist(), count, strict=True)
        ]
    )
    return Night(begin, count, told, draw >= STUCK_SHARE + MISSING_SHARE, burning, relax)


def past_of(days: list[datetime], world: World, layout: Layout, rows: IntArray, dice: np.random.Generator) -> Past:
    """Return the dark quarter-hours of past days as counted, every detector sound."""
    ends = np.concatenate([d.replace(hour=12).timestamp() + np.arange(1, 97, dtype=np.float64) * BOUNDARY_S for d in days])
    ends = ends[dark(ends - BOUNDARY_S, layout) | dark(ends, layout)]
    passed = np.stack([dice.poisson(np.maximum(world.flow_veh_h(e)[rows], 0.0) / 4.0) for e in ends.tolist()])
    flow = passed.astype(np.float64) * 4.0
    return Past(ends, flow, np.ones(flow.shape, dtype=np.bool_))


def counting(city: CityData) -> loop.ServiceRun:
    """Another service of the city that reports flows and commands nothing."""
    flow = Quantity(FLOW, "veh/h", 1.0, 0.0, 20000.0, "mean", 900, COUNTER, "counted flow")
    run = loop.open_run(SERVICE, city, False)
    other = replace(SERVICE, name="traffic", quantities=(flow,), actions=())
    return replace(run, service=other, city=replace(city, span=slice(0, len(city.assets))), columns={})


def live(night: Night, run: loop.ServiceRun, counts: loop.ServiceRun, city: CityData, seed: int) -> tuple[FloatArray, float, int]:
    """Run a night through gate, bytes and boxes; return outputs per minute (q, 15, s), kWh and the most messages to one lamp."""
    layout: Layout = run.prepared
    field = open_simulator(SimulationStart(city, seed, float(night.begin_s[0]), 0.0))
    outputs = np.zeros((*night.burning.shape, len(layout.segments.design)))
    messages: tuple[Message, ...] = ()
    kwh = 0.0
    for q, begin_s in enumerate(night.begin_s.tolist()):
        for minute in range(QUARTER_MINUTES):
            now_s = begin_s + minute * MINUTE_S
            flow = np.zeros(len(city.assets))
            flow[layout.sites.counter] = night.told_veh_h[q - 1] if q else night.told_veh_h[0]
            before = night.count_veh_h[q - 1] if q else night.count_veh_h[0]
            if minute == 0:
                present = np.zeros(len(city.assets), dtype=np.bool_)
                present[layout.sites.counter] = night.sound
                counts.columns = {FLOW: Column(flow, np.full(len(flow), now_s), present)}
            done = field.advance(now_s, messages, {FLOW: flow, STREET_FLOW: before})
            kwh += float(done.truth.value[done.truth.outcome == 0].sum())
            tick = loop.tick(run, [run, counts], done.readings, now_s)
            if tick.fault:
                raise RuntimeError(tick.fault)
            messages = tick.messages
            if minute or q:
                outputs[(q, minute - 1) if minute else (q - 1, QUARTER_MINUTES - 1)] = field.segment_levels()
    outputs[-1, -1] = outputs[-1, -2]
    return outputs, kwh, int(run.state.spent.sent.max())


def judged(night: Night, outputs: FloatArray, drawn: Drawn, layout: Layout) -> Judged:
    """Judge outputs (q, 15, s) against the class that the true traffic of each quarter-hour asks for, every lamp taken as sound:
    a dead one is for the repair van."""
    needed = np.take_along_axis(layout.class_share[None, :, :], night.relax[:, :, None], axis=2)[:, :, 0]
    short = (outputs < needed[:, None, :] - 1e-6) & night.burning[:, :, None]
    flat = short.reshape(-1, short.shape[2])
    longest = running = np.zeros(flat.shape[1], dtype=np.int64)
    for row in flat:
        running = (running + 1) * row
        longest = np.maximum(longest, running)
    witness = witnesses(night, layout)
    by_witness = [longest[witness == k].max(initial=0) for k in range(len(WITNESSES))]
    below = np.bincount(witness, weights=short.sum(axis=(0, 1)), minlength=len(WITNESSES)).astype(np.float64)
    every = np.ones(outputs.shape[2], dtype=np.bool_)
    kwh = sum(
        float(drawn.power_w(np.where(night.burning[q, m], outputs[q, m], 0.0), every).sum()) / 60_000.0
        for q in range(outputs.shape[0])
        for m in range(QUARTER_MINUTES)
        if night.burning[q, m]
    )
    fields = float(night.burning.sum()) * outputs.shape[2]
    return Judged(kwh, below, fields, np.array(by_witness, dtype=np.int64))


def witnesses(night: Night, layout: Layout) -> IntArray:
    """Return (s,) who tells of the traffic of each segment this night, as positions in WITNESSES."""
    sites, count = layout.sites, len(layout.segments.design)
    segment = np.repeat(np.arange(count), np.diff(sites.offsets))
    speaks = sites.counted & night.sound[np.maximum(sites.near[:, 0], 0)]
    counted = np.bincount(segment, weights=sites.counted, minlength=count)
    broken = counted - np.bincount(segment, weights=speaks, minlength=count)
    whole = counted == np.diff(sites.offsets)
    return np.where((broken == 0) & whole, 0, np.where(broken > 0, 1, 2)).astype(np.int64)


def fixed(night: Night, layout: Layout, way: str) -> FloatArray:
    """Return the outputs (q, 15, s) of a way that asks nobody."""
    shape = (*night.burning.shape, len(layout.segments.design))
    out = np.ones(shape)
    for q, begin_s in enumerate(night.begin_s.tolist()):
        hour = local_hour(begin_s, layout.local)
        if way == WAYS[1] and (hour >= 23.0 or hour < 5.0):
            out[q] = 0.5
        if way == WAYS[2]:
            out[q] = calendar_output(begin_s, layout)
    return out


def bounds(night: Night, layout: Layout, drawn: Drawn, certified: minimum.Certified) -> dict[str, float]:
    """Return the least energy of a night for one who knows all counts: under the same rules, then rule after rule taken away."""
    segments, cells = layout.segments, len(layout.cell_asset)
    hours = night.burning.sum(axis=1) / 60.0
    most, follows = layout.relax_most, segments.by_traffic
    allowed = np.stack([adaptive.cell_steps(row, layout) for row in night.relax])
    gear_kwh = float(drawn.gear_w.sum() / 1000.0 * hours.sum())

    def kwh(shares: FloatArray, lower: IntArray) -> FloatArray:
        picked = np.take_along_axis(shares, lower[:, None], axis=1)[:, 0]
        return (drawn.light_w * picked + drawn.fixed_w) / 1000.0

    cost = np.zeros((len(hours), cells, STEPS))
    for q in range(len(hours)):
        for k in range(STEPS):
            lower = np.where(follows, np.minimum(most, k), night.relax[q])
            cost[q, :, k] = np.bincount(segments.cell, weights=kwh(layout.class_share, lower), minlength=cells) * hours[q]
    times = layout.timetables.step
    calendar = np.stack([times[day_kind(b, layout.local), :, quarter(b, layout.local)] for b in night.begin_s.tolist()])
    rows, columns = np.arange(len(hours))[:, None], np.arange(cells)[None, :]
    found = {
        "same rules": bound.least_kwh(cost, allowed, calendar, layout.downlink_max),
        "any number of messages": bound.least_kwh(cost, allowed, calendar, 2 * len(hours)),
        "and no holds": cost[rows, columns, allowed].sum(axis=0),
    }
    # Where a dozen messages cannot keep every class the bound is that of any number of them.
    same = np.where(np.isfinite(found["same rules"]), found["same rules"], found["any number of messages"])
    every = sum(float(kwh(layout.class_share, night.relax[q]).sum()) * hours[q] for q in range(len(hours)))
    certain = sum(float(kwh(certified.bound, night.relax[q]).sum()) * hours[q] for q in range(len(hours)))
    return {
        "same rules": float(same.sum()) + gear_kwh,
        "any number of messages": float(found["any number of messages"].sum()) + gear_kwh,
        "and no holds": float(found["and no holds"].sum()) + gear_kwh,
        "and no cells": every + gear_kwh,
        "and every lamp for itself": certain + gear_kwh,
    }


def chosen_days(nights: int, world: World, dice: np.random.Generator) -> Iterator[tuple[datetime, World, str]]:
    """Return days of the second year: drawn, the strangest, and some with an event that is in no record."""
    first, last = datetime(2016, 1, 2, tzinfo=world.zone), datetime(2016, 6, 27, tzinfo=world.zone)
    span = (last - first).days
    drawn = sorted(dice.choice(span, size=min(nights, span), replace=False).tolist())
    for number, offset in enumerate(drawn):
        day = first + timedelta(days=int(offset))
        if number % EVENT_EVERY:
            yield day, world, "as recorded"
            continue
        hourly = world.hourly_share.copy()
        begin = int((day.replace(tzinfo=None, hour=0) - world.begin).total_seconds() // 3600)
        crowd = dice.random(int(hourly.shape[1])) < 0.25
        hourly[begin + EVENT_FROM : begin + EVENT_TO, crowd] += EVENT_SHARE
        yield day, replace(world, hourly_share=hourly), "with an event"


def learned(city: CityData, world: World, rows: IntArray, days: int) -> tuple[CityData, dict[str, int]]:
    """Return the city with the best compliant timetable of 2015 in its lamps, and live mode only where it was worth it."""
    layout = prepare(city)
    dice = np.random.default_rng([1, 2015])
    every = [datetime(2015, 1, 1, tzinfo=world.zone) + timedelta(days=d) for d in range(0, 364, max(1, 364 // days))]
    past = past_of(every, world, layout, rows, dice)
    found = learning.learn(past, layout)
    tables = {**city.tables, **learning.rows_of(found, city.tables["cells"]["id"], city.tables["segments"]["id"], layout)}
    timed = replace(city, tables=tables)
    recent = past_of(every[:: max(1, len(every) // 28)], world, layout, rows, np.random.default_rng([2, 2015]))
    compared, _ = replay.compare(recent, adaptive.start(layout), timed, prepare(timed))
    on = replay.worth_it(compared)
    ids = city.tables["cells"]["id"]
    tables["live"] = {
        "cell": ids, "live": on, "timetable_kwh": compared.timetable_kwh, "live_kwh": compared.live_kwh,
        "nights": np.full(len(ids), len(every[:: max(1, len(every) // 28)]), dtype=np.int64),
    }  # fmt: skip
    return replace(city, tables=tables), {
        "days learned on": len(every),
        "cells": len(ids),
        "cells with live mode on": int(on.sum()),
    }


def report(sums: dict[str, Any]) -> str:
    """Return the tables as text."""
    full, least = sums["ways"][WAYS[0]]["kwh"], sums["bounds"]["same rules"]
    head = f"{'way':<28}{'kWh':>10}{'of full':>9}{'reached':>9}{'below class':>13}"
    lines = [f"{head}   longest below class, min ({', '.join(WITNESSES)})"]
    for way, row in sums["ways"].items():
        reached = (full - row["kwh"]) / (full - least)
        figures = f"{row['kwh']:>10.1f}{row['kwh'] / full:>9.1%}{reached:>9.1%}{row['below_share']:>13.4%}"
        lines.append(f"{way:<28}{figures}   {', '.join(str(m) for m in row['longest_min'])}")
    lines.append("bounds, all counts known beforehand:")
    lines += [f"{name:<28}{kwh:>10.1f}{kwh / full:>9.1%}" for name, kwh in sums["bounds"].items()]
    return "\n".join(lines)


@click.command()
@click.option("--city", "name", default="adlershof", show_default=True)
@click.option("--nights", default=40, show_default=True)
@click.option("--learn", "days", default=364, show_default=True, help="Days of 2015 from which the timetable is learned.")
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(name: str, nights: int, days: int, file: Path | None) -> None:
    """Run the benchmark and print its tables."""
    plain = load(find_city(name), discover())["lighting"]
    world = lighting_world.made(plain.streets, plain.settings.flow_max_per_lane_veh_h, plain.place.timezone, 1)
    place = {street: row for row, street in enumerate(plain.streets.id.tolist())}
    layout = prepare(plain)
    rows = np.array([place[str(street)] for street in plain.assets.street[layout.sites.counter]], dtype=np.int64)
    city, known = learned(plain, world, rows, days)
    click.echo(json.dumps(known))
    faulty = replace(city, settings=replace(city.settings, lost_command_share=LOST_SHARE, lamp_fault_share=DEAD_SHARE))
    run, counts = loop.open_run(SERVICE, city, True), counting(city)
    layout = run.prepared
    roads, _ = distinct_fields(city.tables["segments"])
    certified = minimum.certified(layout, roads)
    drawn = lamps.drawn(open_simulator(SimulationStart(faulty, 1, 0.0, 0.0)).fleet(), layout)
    sums: dict[str, Any] = {
        "ways": {way: {"kwh": 0.0, "below_min": np.zeros(3), "longest_min": np.zeros(3, np.int64)} for way in WAYS},
        "bounds": {},
    }
    minutes, most_sent, metered = 0.0, 0, 0.0
    dice = np.random.default_rng([1, 2016])
    kinds: dict[str, int] = {}
    for number, (day, traffic, kind) in enumerate(chosen_days(nights, world, dice)):
        night = night_of(day, traffic, layout, rows, np.random.default_rng([number, 2016]))
        kinds[kind] = kinds.get(kind, 0) + 1
        outputs, meter_kwh, sent = live(night, run, counts, faulty, 1)
        most_sent, metered = max(most_sent, sent), metered + meter_kwh
        verdicts = {way: judged(night, outputs if way == WAYS[3] else fixed(night, layout, way), drawn, layout) for way in WAYS}
        for way, found in verdicts.items():
            row = sums["ways"][way]
            row["kwh"], row["below_min"] = row["kwh"] + found.kwh, row["below_min"] + found.below_min
            row["longest_min"] = np.maximum(row["longest_min"], found.longest_min)
        minutes += verdicts[WAYS[3]].fields_min
        for key, kwh in bounds(night, layout, drawn, certified).items():
            sums["bounds"][key] = sums["bounds"].get(key, 0.0) + kwh
        if number % 10 == 9:
            click.echo(f"{number + 1} nights")
    for row in sums["ways"].values():
        row["below_share_by_witness"] = (row["below_min"] / minutes).tolist()
        row["below_share"], row["longest_min"] = float(row.pop("below_min").sum()) / minutes, row["longest_min"].tolist()
    sums |= {"nights": kinds, "messages to one lamp at most": most_sent, "known": known, "live kWh by the meters": metered}
    click.echo(report(sums))
    click.echo(f"messages to one lamp in a night, at most: {most_sent}")
    if file is not None:
        file.write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
