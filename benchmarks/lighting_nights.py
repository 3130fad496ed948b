# SPDX-License-Identifier: Apache-2.0
"""How much of the achievable saving live lighting reaches on nights it has never seen, and what it costs in light.

python benchmarks/lighting_nights.py [--nights 24] [--seed 2016] [--json benchmarks/results/lighting_nights.json]

A built city's own lamps and streets; two years of real hourly counts put through its network (`lighting_world`). The timetable is
learned on 2015; the nights are of 2016, some of them with an event that no timetable knows. A fifth of the detectors says
nothing, or the same for ever; three commands of ten never arrive, each segment for itself; one lamp of two hundred is dead. What
is asked passes the safety gate, goes out as bytes and is obeyed by the simulated boxes minute by minute.

The class that is asked for in a quarter-hour is the rule's: of the cars counted in the quarter-hour before by all counters of the
city, as if none were broken; streets that have none by the end of their estimate's interval; up at the boundary at which that is
known, cells down after two quiet ones; paths by the clock. The bound and every way of running the lamps are judged by it
alike. The second table judges the same outputs harder, by the cars that pass on every street in the same quarter-hour, which
only the simulation knows.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import lighting_world
import numpy as np
from lighting_judging import QUARTER_MINUTES, WITNESSES, Judged, Night, judged
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
MINUTE_S = 60.0
WAYS = ("full output", "half output from 23 to 5", "best timetable", "live")
RULE, TRUE = "by the rule, from perfect counts", "by the cars of every street, in the same quarter-hour"


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
    sound = draw >= STUCK_SHARE + MISSING_SHARE
    ends = begin + BOUNDARY_S
    relax, ruled = needed_of(ends, count, layout), needed_of(ends, count[:, rows], layout, counted=True)
    asked = truth.by_rule(ruled, np.concatenate([ruled[:1], ruled[:-1]]), layout)
    return Night(begin, count, told, sound, (draw < STUCK_SHARE) | sound, burning, asked, relax)


def needed_of(end_s: FloatArray, flow_veh_h: FloatArray, layout: Layout, counted: bool = False) -> IntArray:
    """Return (q, s) the classes below design that these flows on every street (q, streets), or of every counter (q, m), allow."""
    nobody = np.zeros(len(layout.cell_asset), dtype=np.int64)
    out: list[IntArray] = []
    for end, row in zip(end_s.tolist(), flow_veh_h, strict=True):
        flow = np.zeros(int(layout.sites.counter.max()) + 1)
        if counted:
            flow[layout.sites.counter] = row
        out.append(truth.needed(truth.Passed(flow, None if counted else row, nobody), end, layout))
    return np.stack(out)


def past_of(
    days: list[datetime], world: World, layout: Layout, rows: IntArray, dice: np.random.Generator
) -> tuple[Past, FloatArray]:
    """Return the dark quarter-hours of past days as counted, every detector sound; and the cars on every street (n, streets)."""
    ends = np.concatenate([d.replace(hour=12).timestamp() + np.arange(1, 97, dtype=np.float64) * BOUNDARY_S for d in days])
    ends = ends[dark(ends - BOUNDARY_S, layout) | dark(ends, layout)]
    passed = np.stack([dice.poisson(np.maximum(world.flow_veh_h(e), 0.0) / 4.0) for e in ends.tolist()])
    flow = passed.astype(np.float64) * 4.0
    return Past(ends, flow[:, rows], np.ones((len(ends), len(rows)), dtype=np.bool_)), flow


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
                present[layout.sites.counter] = night.speaks
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


def bounds(
    night: Night, asked: IntArray, layout: Layout, steady: IntArray, drawn: Drawn, certified: minimum.Certified
) -> dict[str, float]:
    """Return the least energy of a night for one who knows all counts: under the same rules, then rule after rule taken away.

    asked (q, s): classes below design that are asked for; steady (s,): how far segments go down at most if every street had been
    counted in the past too; then whatever calendar.
    """
    found = kept_rules(night, asked, layout, drawn)
    perfect = kept_rules(night, asked, replace(layout, relax_most=steady), drawn)
    hours = night.burning.sum(axis=1) / 60.0
    gear_kwh = float(drawn.gear_w.sum() / 1000.0 * hours.sum())

    def kwh(shares: FloatArray, lower: IntArray) -> float:
        picked = np.take_along_axis(shares, lower[:, None], axis=1)[:, 0]
        return float(((drawn.light_w * picked + drawn.fixed_w) / 1000.0).sum())

    every = sum(kwh(layout.class_share, asked[q]) * hours[q] for q in range(len(hours)))
    certain = sum(kwh(certified.bound, asked[q]) * hours[q] for q in range(len(hours)))
    return {
        **found,
        "past counts perfect too": min(found["any number of messages"], perfect["any number of messages"]),
        "and no cells": every + gear_kwh,
        "and every lamp for itself": certain + gear_kwh,
    }


def kept_rules(night: Night, asked: IntArray, layout: Layout, drawn: Drawn) -> dict[str, float]:
    """Return the least energy of a night by the same cells: with the same messages, of which as many are lost, and holds; then
    without."""
    segments, cells = layout.segments, len(layout.cell_asset)
    hours = night.burning.sum(axis=1) / 60.0
    most, follows = layout.relax_most, segments.by_traffic
    allowed = np.stack([adaptive.cell_steps(row, layout) for row in asked])
    gear_kwh = float(drawn.gear_w.sum() / 1000.0 * hours.sum())

    def kwh(shares: FloatArray, lower: IntArray) -> FloatArray:
        picked = np.take_along_axis(shares, lower[:, None], axis=1)[:, 0]
        return (drawn.light_w * picked + drawn.fixed_w) / 1000.0

    cost = np.zeros((len(hours), cells, STEPS))
    for q in range(len(hours)):
        for k in range(STEPS):
            lower = np.where(follows, np.minimum(most, k), asked[q])
            cost[q, :, k] = np.bincount(segments.cell, weights=kwh(layout.class_share, lower), minlength=cells) * hours[q]
    times = layout.timetables.step
    calendar = np.stack([times[day_kind(b, layout.local), :, quarter(b, layout.local)] for b in night.begin_s.tolist()])
    rows, columns = np.arange(len(hours))[:, None], np.arange(cells)[None, :]
    found = {
        "same rules": bound.least_kwh(cost, allowed, calendar, math.ceil(layout.downlink_max * (1.0 - LOST_SHARE))),
        "any number of messages": bound.least_kwh(cost, allowed, calendar, 2 * len(hours)),
        "and no holds": cost[rows, columns, allowed].sum(axis=0),
    }
    # Where a dozen messages cannot keep every class the bound is that of any number of them.
    same = np.where(np.isfinite(found["same rules"]), found["same rules"], found["any number of messages"])
    return {
        "same rules": float(same.sum()) + gear_kwh,
        "any number of messages": float(found["any number of messages"].sum()) + gear_kwh,
        "and no holds": float(found["and no holds"].sum()) + gear_kwh,
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


def learned(city: CityData, world: World, rows: IntArray, days: int) -> tuple[CityData, IntArray, dict[str, int]]:
    """Return the city with the best compliant timetable of 2015 in its lamps, live mode darkening only where that was worth it;
    and how far segments would go down at most (s,) if every street had been counted."""
    layout = prepare(city)
    dice = np.random.default_rng([1, 2015])
    every = [datetime(2015, 1, 1, tzinfo=world.zone) + timedelta(days=d) for d in range(0, 364, max(1, 364 // days))]
    past, passed = past_of(every, world, layout, rows, dice)
    steady = learning.steady(learning.slots_of(past, layout), needed_of(past.at_s, passed, layout), layout)
    found = learning.learn(past, layout)
    tables = {**city.tables, **learning.rows_of(found, city.tables["cells"]["id"], city.tables["segments"]["id"], layout)}
    timed = replace(city, tables=tables)
    recent, _ = past_of(every[:: max(1, len(every) // 28)], world, layout, rows, np.random.default_rng([2, 2015]))
    compared, _ = replay.compare(recent, adaptive.start(layout), timed, prepare(timed))
    on = replay.worth_it(compared)
    ids = city.tables["cells"]["id"]
    tables["live"] = {
        "cell": ids, "live": on, "timetable_kwh": compared.timetable_kwh, "live_kwh": compared.live_kwh,
        "nights": np.full(len(ids), len(every[:: max(1, len(every) // 28)]), dtype=np.int64),
    }  # fmt: skip
    return (
        replace(city, tables=tables),
        steady,
        {
            "days learned on": len(every),
            "cells": len(ids),
            "cells with live mode on": int(on.sum()),
        },
    )


def report(measure: str, sums: dict[str, Any]) -> str:
    """Return the tables of one measure as text."""
    full, least = sums["ways"][WAYS[0]]["kwh"], sums["bounds"]["same rules"]
    head = f"{'way':<28}{'kWh':>10}{'of full':>9}{'reached':>9}{'below class':>13}"
    lines = [f"judged {measure}:", f"{head}   longest breach, min; breaches of more than 15 min ({', '.join(WITNESSES)})"]
    for way, row in sums["ways"].items():
        figures = f"{row['kwh']:>10.1f}{row['kwh'] / full:>9.1%}{(full - row['kwh']) / (full - least):>9.1%}"
        long = "; ".join(", ".join(str(m) for m in row[key]) for key in ("longest_min", "long_count"))
        lines.append(f"{way:<28}{figures}{row['below_share']:>13.4%}   {long}")
    lines.append("bounds, all counts known beforehand:")
    lines += [f"{name:<28}{kwh:>10.1f}{kwh / full:>9.1%}" for name, kwh in sums["bounds"].items()]
    return "\n".join(lines)


@dataclass
class Sums:
    """What all nights came to so far by one measure."""

    ways: dict[str, list[Judged]]
    bounds: dict[str, float]

    def add(self, found: dict[str, Judged], least: dict[str, float]) -> None:
        """Add a night."""
        for way, verdict in found.items():
            self.ways[way].append(verdict)
        self.bounds = {key: self.bounds.get(key, 0.0) + kwh for key, kwh in least.items()}

    def told(self) -> dict[str, Any]:
        """Return it as it is written."""
        out: dict[str, Any] = {}
        for way, every in self.ways.items():
            minutes = sum(v.fields_min for v in every)
            below = np.sum([v.below_min for v in every], axis=0) / minutes
            out[way] = {
                "kwh": sum(v.kwh for v in every),
                "below_share": float(below.sum()),
                "below_share_by_witness": below.tolist(),
                "longest_min": np.max([v.longest_min for v in every], axis=0).tolist(),
                "long_count": np.sum([v.long_count for v in every], axis=0).tolist(),
                "kwh_by_night": [round(v.kwh, 2) for v in every],
                "below_share_by_night": [round(float(v.below_min.sum()) / v.fields_min, 6) for v in every],
                "long_count_by_night": [v.long_count.tolist() for v in every],
            }
        return {"ways": out, "bounds": self.bounds}


@click.command()
@click.option("--city", "name", default="adlershof", show_default=True)
@click.option("--nights", default=24, show_default=True, type=click.IntRange(1))
@click.option("--learn", "days", default=182, show_default=True, help="Days of 2015 from which the timetable is learned, about.")
@click.option("--seed", default=2016, show_default=True, help="Which nights of 2016, faults, losses and draws.")
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(name: str, nights: int, days: int, seed: int, file: Path | None) -> None:
    """Run the benchmark and print its tables."""
    plain = load(find_city(name), discover())["lighting"]
    world = lighting_world.made(plain.streets, plain.settings.flow_max_per_lane_veh_h, plain.place.timezone, 1)
    place = {street: row for row, street in enumerate(plain.streets.id.tolist())}
    layout = prepare(plain)
    rows = np.array([place[str(street)] for street in plain.assets.street[layout.sites.counter]], dtype=np.int64)
    click.echo("learning the timetable ...")
    city, steady, known = learned(plain, world, rows, days)
    click.echo(json.dumps(known))
    faulty = replace(city, settings=replace(city.settings, lost_command_share=LOST_SHARE, lamp_fault_share=DEAD_SHARE))
    run, counts = loop.open_run(SERVICE, city, True), counting(city)
    layout = run.prepared
    certified = minimum.certified(layout, distinct_fields(city.tables["segments"])[0])
    drawn = lamps.drawn(open_simulator(SimulationStart(faulty, 1, 0.0, 0.0)).fleet(), layout)
    sums = {measure: Sums({way: [] for way in WAYS}, {}) for measure in (RULE, TRUE)}
    told: dict[str, Any] = {}
    most_sent, metered_kwh = 0, 0.0
    chosen = list(chosen_days(nights, world, np.random.default_rng([1, seed])))
    with click.progressbar(chosen, label="nights") as bar:
        for number, (day, traffic, _) in enumerate(bar):
            night = night_of(day, traffic, layout, rows, np.random.default_rng([number, seed]))
            outputs, meter_kwh, sent = live(night, run, counts, faulty, 1)
            most_sent, metered_kwh = max(most_sent, sent), metered_kwh + meter_kwh
            every = {way: outputs if way == WAYS[3] else fixed(night, layout, way) for way in WAYS}
            for measure, asked in ((RULE, night.asked), (TRUE, night.relax)):
                found = {way: judged(night, asked, out, drawn, layout) for way, out in every.items()}
                sums[measure].add(found, bounds(night, asked, layout, steady, drawn, certified))
            told = {measure: of.told() for measure, of in sums.items()}
            told |= {"days": [f"{d:%Y-%m-%d}, {k}" for d, _, k in chosen[: number + 1]], "known": known}
            told |= {"messages to one lamp at most": most_sent, "live kWh by the meters": metered_kwh}
            if file is not None:  # after every night, so that a run that is cut short has told what it found
                file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for measure in (RULE, TRUE):
        click.echo(report(measure, told[measure]))
    click.echo(f"messages to one lamp in a night, at most: {most_sent}")


if __name__ == "__main__":
    main()
