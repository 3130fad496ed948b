# SPDX-License-Identifier: Apache-2.0
"""Vehicles counted forecast energy wanted: what is learned, against the rate of the last hours alone."""

from dataclasses import replace

import numpy as np
import pytest

from lamplighter.services.grid import arrivals
from lamplighter.services.grid.network.prepared import Prepared, prepare
from lamplighter.services.grid.tests.small import EVENING_S, small_city
from lamplighter.terms.asset import Assets
from lamplighter.terms.columns import FloatArray
from lamplighter.terms.snapshot import Column, Shared, Snapshot

QUARTERS = 40


def town() -> Prepared:
    """Return the small town with one counter in each of its areas, as another service has them."""
    city = small_city()
    own, more = city.assets, len(city.areas)
    text = np.full(more, "")
    assets = Assets(
        np.concatenate([own.id, np.array([f"C{k}" for k in range(more)])]),
        np.concatenate([own.kind, np.full(more, "counter")]),
        np.concatenate([own.service, np.full(more, "other")]),
        np.concatenate([own.area, np.array(city.areas)]),
        np.concatenate([own.street, text]),
        np.concatenate([own.lon_deg, np.full(more, 13.5)]),
        np.concatenate([own.lat_deg, np.full(more, 52.4)]),
        np.concatenate([own.fed_by, text]),
    )
    return prepare(replace(city, assets=assets))


def seen(prepared: Prepared, now_s: float, values: dict[str, FloatArray], flow_veh_h: FloatArray | None) -> Snapshot:
    """Return what groups tell (by quantity, (g,)) and what counters do."""
    size = prepared.size
    latest: dict[str, Column] = {}
    for name, column in values.items():
        value, present = np.zeros(size), np.zeros(size, np.bool_)
        value[prepared.group_at], present[prepared.group_at] = column, True
        latest[name] = Column(value, np.full(size, now_s), present)
    shared: dict[str, tuple[Shared, ...]] = {}
    if flow_veh_h is not None:
        many = len(flow_veh_h)
        shared["flow_veh_h"] = (Shared(size, Column(flow_veh_h, np.full(many, now_s), np.ones(many, np.bool_))),)
    city = prepared.city
    return Snapshot(now_s, city.assets, city.span, latest, shared, {}, np.ones(size, np.bool_), city.vocabulary, {})


def evening(prepared: Prepared, follows: bool, counted: bool, seed: int = 1) -> tuple[float, float]:
    """Return the errors of the rate expected for the next quarter and of the mean rate of the last two hours.

    Flow swings by the hour; newcomers follow it, or come at a rate of their own that never changes.
    """
    dice = np.random.default_rng(seed)
    groups, areas = len(prepared.group_at), len(prepared.city.areas)
    area = prepared.area[prepared.group_at]
    memory, wanted, come_all = arrivals.start(prepared), np.full(groups, 500.0), list[FloatArray]()
    error = np.zeros(2)
    for quarter in range(QUARTERS):
        flow = 400.0 + 350.0 * np.sin(quarter / 4.0 + np.arange(areas))
        rate = 0.1 * flow[area] if follows else np.full(groups, 40.0)
        if quarter > 12:
            usual = np.mean(come_all[-8:], axis=0) * 4.0 if come_all else np.zeros(groups)
            told = seen(prepared, EVENING_S, {}, flow)
            here, known = arrivals.counted_by_area(told, prepared.city.areas)
            now = arrivals.expected(memory, here[area], known[area]) if counted else memory
            error += [np.abs(now.rate_kw - rate).mean(), np.abs(usual - rate).mean()]
        came = rate / 4.0 * dice.gamma(8.0, 1.0 / 8.0, groups)
        come_all.append(came)
        for minute in range(15):
            now_s = EVENING_S + 900.0 * quarter + 60.0 * (minute + 1)
            wanted = wanted + came / 15.0 - 22.0 / 60.0
            values = {"energy_wanted_kwh": wanted, "charging_p_kw": np.full(groups, 22.0)}
            memory = arrivals.follow(seen(prepared, now_s, values, flow if counted else None), prepared, memory)
    return float(error[0]) / (QUARTERS - 13), float(error[1]) / (QUARTERS - 13)


def test_where_cars_bring_the_wish_counting_them_beats_the_clock() -> None:
    """Less than half of the error of the mean of the last two hours."""
    by_count, by_clock = evening(town(), follows=True, counted=True)
    assert by_count < 0.5 * by_clock


def test_where_cars_have_nothing_to_do_with_it_the_mean_is_kept() -> None:
    """Counting would be several times worse; it is seen to be, and not used."""
    chosen, by_mean = evening(town(), follows=False, counted=True)
    assert chosen < 1.5 * by_mean


def test_where_nobody_counts_the_last_hours_do() -> None:
    by_rate, by_clock = evening(town(), follows=True, counted=False)
    assert by_rate < 1.5 * by_clock


def test_what_is_expected_is_bounded_in_time() -> None:
    prepared = town()
    memory = replace(arrivals.start(prepared), rate_kw=np.full(len(prepared.group_at), 10.0))
    ends = np.array([0.5, 2.0, 12.0])
    assert arrivals.coming_kwh(memory, ends)[0].tolist() == pytest.approx([5.0, 20.0, 20.0])
