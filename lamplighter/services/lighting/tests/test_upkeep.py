# SPDX-License-Identifier: Apache-2.0
"""Faults known beforehand are found in a night, silence is no fault, and the ledger is what the meters say."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lamplighter.services.lighting import lamps, wire
from lamplighter.services.lighting.layout import Layout
from lamplighter.services.lighting.simulator import LightingField, open_simulator
from lamplighter.services.lighting.tests.small import Small
from lamplighter.services.lighting.upkeep import burning, finding, orders, simulated
from lamplighter.services.lighting.upkeep.finding import Found
from lamplighter.terms.simulation import SimulationStart

BEGIN_S = datetime(2026, 1, 13, 11, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.fixture(scope="module")
def dimmed(small: Small) -> Small:
    """The small city with every cell one class down all night, so that a lamp which does not dim shows."""
    times = small.layout.timetables
    every = np.ones(len(small.layout.cell_asset), dtype=np.bool_)
    return Small(small.city, replace(small.layout, timetables=replace(times, step=np.full_like(times.step, 1), stored=every)))


def night(dimmed: Small, faults: dict[str, dict[str, object]]) -> tuple[Found, LightingField, Layout]:
    field = open_simulator(SimulationStart(dimmed.city, 1, BEGIN_S, 0.0))
    field._layout = dimmed.layout  # pyright: ignore[reportPrivateUsage]
    noon_s = simulated.noon_after(BEGIN_S + 3600.0, dimmed.layout)
    for name, arguments in faults.items():
        field.inject(name, arguments)
    return finding.find(simulated.day_of(field, noon_s, dimmed.layout), dimmed.layout), field, dimmed.layout


def test_a_sound_city_has_no_work_orders(dimmed: Small) -> None:
    found, _, layout = night(dimmed, {})
    assert (found.lamp == finding.FINE).all()
    assert (found.cabinet == finding.FINE).all()
    assert orders.ranked(found, np.zeros(len(layout.segments.design)), layout) == []


def test_every_kind_of_fault_is_told_apart(dimmed: Small) -> None:
    segments = dimmed.layout.segments
    bright = [int(np.flatnonzero(dimmed.layout.lamp_segment == s)[0]) for s in np.flatnonzero(segments.lamps >= 3)]
    cabinet = segments.cabinet[dimmed.layout.lamp_segment]
    one_each: list[int] = []
    for lamp in bright:
        if cabinet[lamp] not in cabinet[one_each] and cabinet[lamp] != 0:
            one_each.append(lamp)
    dark, dead, mute, by_day, stuck = one_each[0], one_each[1], one_each[2], one_each[3], one_each[4]
    found, field, layout = night(
        dimmed,
        {
            "dark_lamps": {"lamps": [dark]}, "dead_lamps": {"lamps": [dead]}, "mute_lamps": {"lamps": [mute]},
            "day_burning_lamps": {"lamps": [by_day]}, "stuck_lamps": {"lamps": [stuck]}, "dark_cabinet": {"number": 0},
        },
    )  # fmt: skip
    said = {lamp: finding.NAMES[int(found.lamp[lamp])] for lamp in (dark, dead, mute, by_day, stuck)}
    assert said == {
        dark: "gives no light", dead: "without power", mute: "cannot be heard", by_day: "burns by day", stuck: "does not dim",
    }  # fmt: skip
    assert np.flatnonzero(found.cabinet == finding.DARK_CABINET).tolist() == [0]
    assert (field.fleet().fault != lamps.SOUND).sum() == 5
    made = orders.ranked(found, np.zeros(len(layout.segments.design)), layout)
    assert made[0].what == "cabinet without supply"
    assert len(made) == 5
    assert [o.weight for o in made] == sorted((o.weight for o in made), reverse=True)


def test_two_dead_lamps_in_a_row_come_before_one_alone(dimmed: Small) -> None:
    layout = dimmed.layout
    segment = int(np.flatnonzero(layout.segments.lamps >= 4)[0])
    rows = np.flatnonzero(layout.lamp_segment == segment)
    lamp = np.zeros(len(layout.lamp_segment), dtype=np.int64)
    lamp[rows[[0, 2, 3]]] = finding.DARK
    cabinets = np.zeros(len(layout.cabinet_asset), dtype=np.int64)
    made = orders.ranked(Found(lamp, cabinets, cabinets, cabinets), np.zeros(len(layout.segments.design)), layout)
    alone = str(layout.asset_id[int(layout.lamp_asset[rows[0]]) - layout.start])
    assert made[-1].asset == alone


def test_registers_of_lamps_add_up_to_the_meters(dimmed: Small) -> None:
    field = open_simulator(SimulationStart(dimmed.city, 1, BEGIN_S, 0.0))
    day = simulated.day_of(field, simulated.noon_after(BEGIN_S + 3600.0, small_layout(field)), small_layout(field))
    cabinet = small_layout(field).segments.cabinet[small_layout(field).lamp_segment]
    total = np.bincount(cabinet, weights=day.energy_kwh, minlength=len(day.metered_kwh))
    assert total == pytest.approx(day.metered_kwh, rel=0.015)
    assert day.heard.all()


def small_layout(field: LightingField) -> Layout:
    return field._layout  # pyright: ignore[reportPrivateUsage]


def test_the_ledger_is_within_one_per_cent_of_the_meters_and_can_be_computed_again(dimmed: Small) -> None:
    field = open_simulator(SimulationStart(dimmed.city, 1, BEGIN_S, 0.0))
    field._layout = layout = dimmed.layout  # pyright: ignore[reportPrivateUsage]
    begin, cell, output, energy = [], [], [], []
    for k in range(1, 97):
        at_s = BEGIN_S + 900.0 * k
        for reading in field.advance(at_s, (), {}).readings:
            if reading.topic == "cells":
                rows = np.frombuffer(reading.payload, dtype=wire.CELL_ROW, offset=wire.HEADER.size)
                begin += [at_s - 900.0] * len(rows)
                cell += rows["number"].tolist()
                output += (rows["light_wh"] / 1000.0).tolist()
                energy += (rows["energy_wh"] / 1000.0).tolist()
    groups = tuple((f"cell {k}", np.array([k])) for k in range(len(layout.cell_asset)))
    record = burning.Quarters(
        groups, np.array(begin), np.full(len(begin), 900.0), np.array(cell, dtype=np.int64), np.array(output), np.array(energy)
    )
    rows = burning.ledger(record, layout)
    computed, metered = sum(r.computed_kwh for r in rows), sum(r.metered_kwh for r in rows)
    assert computed == pytest.approx(metered, rel=0.01)
    # Where the record merges cells it keeps their sums: the ledger of all cells in one row is the sum of the cells' ledgers.
    merged, place = np.unique(record.begin_s, return_inverse=True)
    sums = [
        np.bincount(place.reshape(-1), weights=column).astype(np.float64) for column in (record.light_kwh, record.metered_kwh)
    ]
    everything = (("all", np.arange(len(layout.cell_asset))),)
    nought = np.zeros(len(merged), dtype=np.int64)
    one = burning.ledger(burning.Quarters(everything, merged, np.full(len(merged), 900.0), nought, sums[0], sums[1]), layout)
    assert sum(r.computed_kwh for r in one) == pytest.approx(computed)
    assert sum(r.metered_kwh for r in one) == pytest.approx(metered)
    cells = [row.cells() for row in rows]
    assert burning.differing([list(c) for c in cells], cells) == []
    forged = [list(c) for c in cells]
    forged[0][5] = "999.000"
    assert len(burning.differing(forged, cells)) == 1
    assert len(burning.differing([], cells)) == len(cells)
