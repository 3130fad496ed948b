# SPDX-License-Identifier: Apache-2.0
"""Calendars in lamps, few messages, lost commands, clock changes, midsummer, and a deciding process that is killed."""

import importlib.util
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lamplighter import safety
from lamplighter.services.lighting import SERVICE, adaptive, downlink, required, wire
from lamplighter.services.lighting.layout import REST, WORK, calendar_lower, calendar_output, day_kind, local_hour, quarter
from lamplighter.services.lighting.optimum import bound, learning, replay
from lamplighter.services.lighting.optimum.learning import Past
from lamplighter.services.lighting.prepared import local_time, prepare
from lamplighter.services.lighting.simulator import open_simulator
from lamplighter.services.lighting.terms import BOUNDARY_S, DIM, LEVEL_MIN
from lamplighter.services.lighting.tests.small import COUNTED, EVENING_S, NIGHT_S, NOON_S, Small
from lamplighter.terms.decision import InForce
from lamplighter.terms.simulation import SimulationStart
from lamplighter.terms.snapshot import Column

BERLIN = ZoneInfo("Europe/Berlin")
QUIET = dict.fromkeys(COUNTED, 60.0)


def days(small: Small, count: int = 14) -> Past:
    """Fourteen days: busy until nine in the evening and from six on, quiet at night."""
    begin = datetime(2026, 1, 5, 12, 0, tzinfo=BERLIN).timestamp()
    at_s = begin + BOUNDARY_S * np.arange(1, 96 * count + 1, dtype=np.float64)
    hour = np.array([local_hour(t - 1.0, small.layout.local) for t in at_s.tolist()])
    busy = (hour >= 6.0) & (hour < 21.0)
    dice = np.random.default_rng(3)
    flow = dice.poisson(np.where(busy, 400.0, 15.0)[:, None] * np.ones(len(COUNTED))).astype(np.float64) * 4.0
    return Past(at_s, flow, np.ones(flow.shape, dtype=np.bool_))


@pytest.fixture(scope="module")
def timed(small: Small) -> Small:
    found = learning.learn(days(small), small.layout)
    ids = (small.city.tables["cells"]["id"], small.city.tables["segments"]["id"])
    city = replace(small.city, tables={**small.city.tables, **learning.rows_of(found, *ids, small.layout)})
    return Small(city, prepare(city))


def test_the_learned_timetable_survives_its_table_and_is_bright_when_busy(small: Small, timed: Small) -> None:
    found = learning.learn(days(small), small.layout)
    assert (timed.layout.timetables.step == found.timetables.step).all()
    assert (timed.layout.relax_most == found.relax_most).all()
    assert timed.layout.timetables.stored.all()
    bound_cells = np.bincount(timed.layout.segments.cell[timed.layout.segments.by_traffic], minlength=3) > 0
    assert (timed.layout.timetables.step[:, :, 19 * 4] == 0).all()
    assert (timed.layout.timetables.step[:, bound_cells, 2 * 4] > 0).all()
    changes = (timed.layout.timetables.step != np.roll(timed.layout.timetables.step, 1, axis=2)).sum(axis=2)
    assert changes.max() <= learning.PROGRAMME_STEPS


def test_without_counts_the_timetable_holds_and_nothing_is_sent(timed: Small) -> None:
    memory = adaptive.start(timed.layout)
    for now_s in (EVENING_S, EVENING_S + BOUNDARY_S, NIGHT_S):
        tables, memory = adaptive.decide(timed.snapshot(now_s, {}), memory, timed.layout)
        assert tables == ()


def test_an_event_brings_the_light_up_at_the_next_quarter_hour(timed: Small) -> None:
    memory = adaptive.start(timed.layout)
    tables, memory = adaptive.decide(timed.snapshot(NIGHT_S, QUIET), memory, timed.layout)
    tables, _ = adaptive.decide(timed.snapshot(NIGHT_S + BOUNDARY_S, dict.fromkeys(COUNTED, 1500.0)), memory, timed.layout)
    asked = tables[0].values["dimming_level"]
    rows = np.isin(timed.layout.segments.asset, tables[0].asset)
    assert (asked >= calendar_output(NIGHT_S + BOUNDARY_S, timed.layout)[rows] - 1e-9).all()
    assert (asked > calendar_output(NIGHT_S + BOUNDARY_S, timed.layout)[rows] + 0.01).any()


def raised_at_night(timed: Small, used: dict[int, int], flow: dict[str, float]) -> set[str]:
    """Return the segments that are told at night of these counts, when some have been sent so many messages (by place)."""
    memory = adaptive.start(timed.layout)
    _, memory = adaptive.decide(timed.snapshot(NIGHT_S, QUIET), memory, timed.layout)
    sent = np.zeros_like(memory.spent.sent)
    sent[list(used)] = list(used.values())
    memory = replace(memory, spent=replace(memory.spent, sent=sent))
    tables, _ = adaptive.decide(timed.snapshot(NIGHT_S + BOUNDARY_S, flow), memory, timed.layout)
    holds = np.zeros(timed.layout.size, dtype=np.bool_)
    verdict = safety.examine(SERVICE, timed.snapshot(NIGHT_S + BOUNDARY_S, flow), tables, timed.layout, holds)
    return {str(a) for permit in verdict.permits for a in timed.city.assets.id[permit.proposals.asset[permit.row]]}


def test_a_lamp_without_messages_left_keeps_no_light_from_its_cell(timed: Small) -> None:
    layout, busy = timed.layout, dict.fromkeys(COUNTED, 1500.0)
    ids = timed.city.assets.id[layout.segments.asset]
    every = raised_at_night(timed, {}, busy)
    lamps = np.bincount(layout.segments.cell, weights=layout.segments.lamps)
    spare = [s for s in range(len(ids)) if ids[s] in every and lamps[layout.segments.cell[s]] - layout.segments.lamps[s] >= 64]
    assert raised_at_night(timed, {spare[0]: layout.downlink_max}, busy) == every - {str(ids[spare[0]])}
    cell = layout.segments.cell == layout.segments.cell[spare[0]]
    used = {int(s): layout.downlink_max for s in np.flatnonzero(cell)[1:]}
    assert raised_at_night(timed, used, busy) == every - set(ids[cell].tolist()), "fewer lamps than a cell needs are not told"


def test_the_last_messages_are_kept_for_light_that_a_counter_asks_for(timed: Small) -> None:
    layout = timed.layout
    plain = required.now(timed.snapshot(NIGHT_S, QUIET), layout)
    own = np.flatnonzero(plain.own & plain.known)
    other = np.flatnonzero(layout.segments.by_traffic & ~plain.own)
    share = layout.class_share[np.arange(len(plain.relax)), plain.relax]
    lower = layout.class_share[np.arange(len(plain.relax)), np.minimum(plain.relax + 1, layout.class_share.shape[1] - 1)]
    for rows, lasts, sure in ((own, 0, True), (other, 0, False), (other, 1, True)):
        held = np.ones(len(share))
        some = rows[(lower < share - 0.02)[rows]]
        held[some] = np.maximum(lower, share - 0.05)[some]
        raised = adaptive.raised_cells(held, plain, lasts, layout)
        cells = np.unique(layout.segments.cell[some])
        assert raised.any[cells].all()
        assert (raised.surely[cells] == sure).all()


def test_a_street_that_nobody_counts_goes_no_lower_than_its_timetable_while_a_counter_near_is_silent(timed: Small) -> None:
    layout = timed.layout
    near = {COUNTED[0]: 20.0, COUNTED[1]: 20.0, COUNTED[4]: 20.0}
    whole = required.now(timed.snapshot(EVENING_S, dict.fromkeys(COUNTED, 20.0)), layout)
    part = required.now(timed.snapshot(EVENING_S, near), layout)
    thin = required.thinly(part.counts, layout)
    assert not required.thinly(whole.counts, layout).any()
    assert thin.any()
    assert not (thin & whole.own & part.known).any()
    held = adaptive.furthest(part, EVENING_S, layout)
    assert (held[thin] <= calendar_lower(EVENING_S, layout)[thin]).all()
    free = layout.segments.by_traffic & part.known & ~thin
    assert (held[free] == layout.relax_most[free]).all()


def test_cells_meters_lose_nothing_between_readings(small: Small) -> None:
    field = open_simulator(SimulationStart(small.city, 1, NOON_S, 0.0))
    told, true_kwh = 0.0, 0.0
    for k in range(1, 97):
        done = field.advance(NOON_S + BOUNDARY_S * k, (), {})
        true_kwh += float(done.truth.value[done.truth.outcome == 0].sum())
        for reading in done.readings:
            if reading.topic == "cells":
                rows = np.frombuffer(reading.payload, dtype=wire.CELL_ROW, offset=wire.HEADER.size)
                told += float(rows["energy_wh"].sum()) / 1000.0
    assert told == pytest.approx(true_kwh, abs=0.001 * len(small.layout.cell_asset))


def test_no_lamp_is_sent_more_than_its_dozen_messages(timed: Small) -> None:
    past = days(timed, 3)
    wild = Past(past.at_s, np.random.default_rng(5).permuted(past.flow_veh_h, axis=0), past.sound)
    compared, _ = replay.compare(wild, adaptive.start(timed.layout), timed.city, timed.layout)
    night = np.array([int((t - past.at_s[0]) // 86_400) for t in past.at_s.tolist()])
    for k in np.unique(night):
        assert compared.messages_count[night == k].sum(axis=0).max() <= timed.layout.downlink_max
    assert compared.messages_count.sum() > 0


def test_messages_are_kept_for_the_quarter_hours_that_were_worth_most() -> None:
    spent = downlink.nothing_spent(1, 1)
    worth = np.zeros((1, 96))
    worth[0, 80:96] = np.arange(16.0)
    spent = replace(spent, worth_kwh=worth, lit=np.ones(96, dtype=np.bool_))
    assert downlink.least_worth(spent, np.array([1]), 79)[0] == 14.0
    assert downlink.least_worth(spent, np.array([4]), 79)[0] == 8.0
    assert downlink.least_worth(spent, np.array([48]), 79)[0] == 0.0


def test_a_lost_command_is_said_again_only_where_the_class_misses_light(small: Small) -> None:
    layout = small.layout
    own = layout.segments.asset - layout.start
    active = np.zeros(layout.size, dtype=np.bool_)
    active[own] = True
    force = InForce(
        active, {"dimming_level": np.full(layout.size, 0.8), "ramp_s": np.full(layout.size, 5.0)},
        np.full(layout.size, EVENING_S), np.full(layout.size, EVENING_S + 1800.0),
    )  # fmt: skip
    reported = np.where(np.arange(layout.size) % 2, 0.5, 0.9)
    snapshot = small.snapshot(EVENING_S + 60.0, QUIET, force)
    told = Column(reported, np.full(layout.size, EVENING_S + 60.0), np.ones(layout.size, dtype=np.bool_))
    deaf = reported[own] < 0.8
    for share, asked in ((0.8, deaf), (np.where(np.arange(len(own)) % 3, 0.8, 0.4), deaf & (np.arange(len(own)) % 3 > 0))):
        start = replace(adaptive.start(layout), least_share=np.full(len(own), 1.0) * share)
        tables, memory = adaptive.decide(replace(snapshot, latest={"dimming_level": told}), start, layout)
        assert set(tables[0].asset) == set(layout.segments.asset[asked])
        assert tables[0].lease_s == 1740.0
        assert memory.spent.sent.max() == 1


def test_a_clock_that_changes_moves_the_calendar_with_local_time(timed: Small) -> None:
    local = local_time("Europe/Berlin")
    spring = datetime(2026, 3, 29, 0, 59, 59, tzinfo=ZoneInfo("UTC")).timestamp()
    assert quarter(spring, local) == 7
    assert quarter(spring + 1.0, local) == 12  # three o'clock follows two
    autumn = datetime(2026, 10, 25, 0, 59, 59, tzinfo=ZoneInfo("UTC")).timestamp()
    assert quarter(autumn, local) == 11
    assert quarter(autumn + 1.0, local) == 8  # two o'clock comes again
    assert day_kind(datetime(2026, 1, 17, 0, 0, tzinfo=BERLIN).timestamp(), local) == REST
    assert day_kind(datetime(2026, 1, 19, 0, 0, tzinfo=BERLIN).timestamp(), local) == WORK
    for begin in (datetime(2026, 3, 28, 17, 0, tzinfo=BERLIN), datetime(2026, 10, 24, 17, 0, tzinfo=BERLIN)):
        field = open_simulator(SimulationStart(timed.city, 1, begin.timestamp(), 0.0))
        for hour in range(1, 16):
            at_s = begin.timestamp() + 3600.0 * hour
            field.advance(at_s, (), {})
            now = field.segment_levels()
            assert ((now == 0.0) | (np.abs(now - calendar_output(at_s - 60.0, timed.layout)) < 1e-9)).all()


def test_midsummer_without_a_night_burns_nothing_and_commands_nothing(timed: Small) -> None:
    north = replace(timed.city, place=replace(timed.city.place, lat0_deg=66.0))
    layout = prepare(north)
    begin = datetime(2026, 6, 21, 12, 0, tzinfo=BERLIN).timestamp()
    field = open_simulator(SimulationStart(north, 1, begin, 0.0))
    memory = adaptive.start(layout)
    for k in range(1, 25):
        field.advance(begin + 3600.0 * k, (), {})
        assert (field.segment_levels() == 0.0).all()
        tables, memory = adaptive.decide(timed.snapshot(begin + 3600.0 * k, QUIET), memory, layout)
        assert tables == ()


def test_a_box_without_a_clock_gives_full_light_and_none_takes_less_than_the_least(timed: Small) -> None:
    field = open_simulator(SimulationStart(timed.city, 1, NIGHT_S, 0.0))
    field.inject("lost_clock", {"number": 0})
    field.advance(NIGHT_S + 60.0, (), {})
    own = timed.layout.segments.cabinet == 0
    assert (field.segment_levels()[own] == 1.0).all()
    assert (field.segment_levels() >= LEVEL_MIN).all()


def test_the_bound_is_the_best_of_all_schedules() -> None:
    """Against trying every schedule of a short night: which quarter-hours get a message, and for which step."""
    dice = np.random.default_rng(2)
    cost = np.sort(dice.random((5, 1, 4)), axis=2)[:, :, ::-1].copy()
    allowed, calendar = dice.integers(0, 4, (5, 1)), np.zeros((5, 1), dtype=np.int64)
    may = bound.held(allowed)

    def tried(q: int, left: int, running: int | None) -> float:
        if q == 5:
            return 0.0
        step = 0 if running is None else running
        found = cost[q, 0, step] + tried(q + 1, left, None) if step <= allowed[q, 0] else np.inf
        if left:
            for wanted in range(int(may[q, 0]) + 1):
                found = min(found, cost[q, 0, wanted] + tried(q + 1, left - 1, wanted))
        return found

    for messages in (0, 1, 2, 5):
        assert bound.least_kwh(cost, allowed, calendar, messages)[0] == pytest.approx(tried(0, messages, None))


def test_a_killed_decider_leaves_no_lamp_dark(timed: Small) -> None:
    """A short run of the campaign in benchmarks: real processes, killed at random moments."""
    path = Path(__file__).parents[4] / "benchmarks" / "lighting_kill.py"
    if not path.is_file():
        pytest.skip("benchmarks are not shipped with the package")
    spec = importlib.util.spec_from_file_location("lighting_kill", path)
    assert spec is not None
    assert spec.loader is not None
    kill = importlib.util.module_from_spec(spec)
    sys.modules["lighting_kill"] = kill
    spec.loader.exec_module(kill)
    found = kill.campaign(kill.prepared_start(timed.city, NIGHT_S), NIGHT_S, np.full(len(timed.city.assets), 40.0), 4)
    assert found["dark lamp-minutes"] == 0
    assert found["never back"] == 0
    assert found["timetable back within, min"] <= 30
    assert DIM
