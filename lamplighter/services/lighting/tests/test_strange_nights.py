# SPDX-License-Identifier: Apache-2.0
"""Nights without an end, nights with an hour more or less, holidays, fading lamps, and nights on which something is on."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lamplighter.services.lighting import adaptive, downlink, interlock, lamps, plan, required, unusual, wire
from lamplighter.services.lighting.flows.estimate import estimate
from lamplighter.services.lighting.lamps import Fleet
from lamplighter.services.lighting.layout import REST, WORK, calendar_lower, calendar_output, day_kind, quarter
from lamplighter.services.lighting.optimum import learning, replay
from lamplighter.services.lighting.optimum.learning import Past
from lamplighter.services.lighting.photometry import classes
from lamplighter.services.lighting.prepared import local_time, prepare
from lamplighter.services.lighting.simulator import open_simulator
from lamplighter.services.lighting.terms import BOUNDARY_S, DIM, LEVEL_STEP, Settings
from lamplighter.services.lighting.tests.small import COUNTED, NIGHT_S, Small
from lamplighter.terms.columns import BoolArray, FloatArray
from lamplighter.terms.decision import Cites, Proposals
from lamplighter.terms.simulation import SimulationStart

BERLIN = ZoneInfo("Europe/Berlin")
EVERY = np.ones(len(COUNTED), dtype=np.bool_)


def at(year: int, month: int, day: int, hour: int = 12) -> float:
    return datetime(year, month, day, hour, tzinfo=BERLIN).timestamp()


@pytest.fixture(scope="module")
def timed(small: Small) -> Small:
    """Two classes down on working days, one on days of rest, from ten in the evening to six."""
    ids = small.city.tables["cells"]["id"]
    rows = {
        "cell": np.repeat(ids, 4), "days": np.tile(["work", "work", "rest", "rest"], len(ids)),
        "from_h": np.tile([6.0, 22.0, 6.0, 22.0], len(ids)), "step": np.tile([0, 2, 0, 1], len(ids)),
    }  # fmt: skip
    city = replace(small.city, tables={**small.city.tables, "timetable": rows})
    return Small(city, prepare(city))


def test_a_holiday_goes_as_a_sunday(timed: Small) -> None:
    settings = replace(timed.city.settings, holidays=("2026-01-14",))
    layout = prepare(replace(timed.city, settings=settings))
    night, other = at(2026, 1, 14, 23), at(2026, 1, 15, 23)
    assert day_kind(night, timed.layout.local) == WORK
    assert day_kind(night, layout.local) == REST
    assert day_kind(at(2026, 1, 14, 0) - 1.0, layout.local) == WORK
    assert day_kind(other, layout.local) == WORK
    assert (calendar_lower(night, layout) == calendar_lower(at(2026, 1, 18, 23), timed.layout)).all()
    assert (calendar_lower(other, layout) > calendar_lower(night, layout)).any()
    with pytest.raises(ValueError, match=r"holidays has '14\.1\.2026'"):
        Settings(holidays=("14.1.2026",))


def test_holidays_are_learned_from_with_the_days_of_rest(timed: Small) -> None:
    layout = replace(timed.layout, local=local_time("Europe/Berlin", ("2026-01-14",)))
    past = Past(np.array([at(2026, 1, 14, 23), at(2026, 1, 15, 23)]), np.zeros((2, len(COUNTED))), np.stack([EVERY, EVERY]))
    assert (learning.slots_of(past, layout) // 96).tolist() == [REST, WORK]


def test_where_the_sun_does_not_rise_lamps_burn_on_and_messages_are_renewed_at_noon(timed: Small) -> None:
    north = replace(timed.city, place=replace(timed.city.place, lat0_deg=78.0))
    layout = prepare(north)
    begin = at(2026, 12, 21, 1)
    field = open_simulator(SimulationStart(north, 1, begin, 0.0))
    for k in range(1, 25):
        field.advance(begin + 3600.0 * k, (), {})
        assert np.allclose(field.segment_levels(), calendar_output(begin + 3600.0 * k - 60.0, layout))
        assert (field.segment_levels() > 0.0).all()
    spent = downlink.nothing_spent(len(layout.segments.design), len(layout.cell_asset))
    used = replace(adaptive.start(layout), spent=replace(spent, sent=spent.sent + layout.downlink_max))
    north_small = Small(north, layout)
    before, after = at(2026, 12, 21) - BOUNDARY_S, at(2026, 12, 21)
    busy = dict.fromkeys(COUNTED, 1500.0)
    tables, kept = adaptive.decide(north_small.snapshot(before, busy), used, layout)
    assert tables == ()
    assert kept.spent.sent.min() == layout.downlink_max
    _, kept = adaptive.decide(north_small.snapshot(after, busy), kept, layout)
    assert kept.spent.sent.max() < layout.downlink_max


@pytest.mark.parametrize("day", [(2026, 3, 28), (2026, 10, 24)])
def test_a_night_with_an_hour_less_or_more_keeps_its_messages_and_its_timetable(timed: Small, day: tuple[int, int, int]) -> None:
    ends = at(*day) + BOUNDARY_S * np.arange(1, 97, dtype=np.float64)
    flow = np.random.default_rng(4).poisson(60.0, (96, len(COUNTED))) * 4.0
    past = Past(ends, flow.astype(np.float64), np.ones((96, len(COUNTED)), dtype=np.bool_))
    compared, _ = replay.compare(past, adaptive.start(timed.layout), timed.city, timed.layout)
    assert compared.messages_count.sum(axis=0).max() <= timed.layout.downlink_max
    clock = [quarter(t, timed.layout.local) for t in ends.tolist()]
    assert clock.count(2 * 4) == (0 if day[1] == 3 else 2)
    moving = timed.layout.segments.by_traffic
    lower = [calendar_lower(t, timed.layout)[moving] for t in ends.tolist()]
    steps = {q: low.tolist() for q, low in zip(clock, lower, strict=True) if q < 24}
    assert all(row == steps[0] for row in steps.values())


def test_constant_light_output_costs_power_with_age_and_gives_the_same_light(small: Small) -> None:
    """A lamp that makes up for fading draws all of its light's power at the end of its life, `CLO_NEW_SHARE` of it when new."""
    count = len(small.layout.lamp_segment)
    sound = np.full(count, lamps.SOUND)
    new, old = (lamps.drawn(Fleet(sound, np.full(count, share)), small.layout) for share in (lamps.CLO_NEW_SHARE, 1.0))
    assert new.light_w == pytest.approx(old.light_w * lamps.CLO_NEW_SHARE)
    assert (new.gear_w == old.gear_w).all()
    lit, half = np.ones(len(small.layout.segments.design)), np.full(len(small.layout.segments.design), 0.5)
    supplied = lit > 0.0
    assert old.power_w(lit, supplied).sum() == pytest.approx((small.layout.segments.power_w * small.layout.segments.lamps).sum())
    assert new.power_w(half, supplied) == pytest.approx(new.gear_w + 0.5 * new.light_w)
    aged = [open_simulator(SimulationStart(small.city, seed, NIGHT_S, 0.0)) for seed in (1, 2)]
    for field in aged:
        field.advance(NIGHT_S + 600.0, (), {})
    assert (aged[0].fleet().clo_ratio != aged[1].fleet().clo_ratio).any()
    assert (aged[0].segment_levels() == aged[1].segment_levels()).all()


def test_counters_that_rise_together_are_a_sign_and_one_alone_is_none() -> None:
    before = np.full(40, 240.0)
    dice = np.random.default_rng(7)
    usual = dice.poisson(60.0, (200, 40)) * 4.0
    false = sum(unusual.rising(usual[k], usual[k - 1], np.ones(40, np.bool_), 1.05) for k in range(1, 200))
    assert false <= 2
    event = before.copy()
    event[:10] *= 2.0
    assert unusual.rising(event, before, np.ones(40, np.bool_), 1.05)
    assert not unusual.rising(np.where(np.arange(40) == 0, 960.0, before), before, np.ones(40, np.bool_), 1.05)
    assert not unusual.rising(2.0 * before, before, np.ones(40, np.bool_), 2.5)  # every morning
    assert not unusual.rising(event, before, np.arange(40) >= 10, 1.05)
    assert [unusual.left(0, True), unusual.left(3, False), unusual.left(0, False)] == [unusual.LASTS_QUARTERS, 2, 0]
    assert unusual.left(unusual.left(0, True), False) == 0  # a quarter-hour without a sign ends it


def test_while_something_is_on_streets_without_a_sound_counter_get_their_design_class(timed: Small) -> None:
    memory = adaptive.start(timed.layout)
    _, memory = adaptive.decide(timed.snapshot(NIGHT_S, dict.fromkeys(COUNTED[1:], 20.0)), memory, timed.layout)
    loud = dict.fromkeys(COUNTED[1:], 1500.0)  # the first counter is broken
    tables, memory = adaptive.decide(timed.snapshot(NIGHT_S + BOUNDARY_S, loud), memory, timed.layout)
    assert memory.unusual_count > 0
    layout = timed.layout
    rows = np.flatnonzero(np.isin(layout.segments.asset, tables[0].asset))
    guessed = rows[layout.segments.by_traffic[rows]]
    asked = np.zeros(len(layout.segments.asset))
    asked[rows] = tables[0].values["dimming_level"]
    assert len(guessed) > 0
    assert asked[guessed] == pytest.approx(layout.class_share[guessed, 0])


def test_light_that_was_missing_comes_up_at_once_and_is_said_three_times(timed: Small) -> None:
    layout = timed.layout
    snapshot = timed.snapshot(NIGHT_S, dict.fromkeys(COUNTED, 1500.0), reported=0.3)
    tables, memory = adaptive.decide(snapshot, adaptive.start(layout), layout)
    at_once = tables[0].values["ramp_s"] == downlink.AT_ONCE_S
    rows = np.flatnonzero(np.isin(layout.segments.asset, tables[0].asset))
    assert at_once.any()
    assert not at_once.all()
    assert (memory.spent.sent[rows] == np.where(at_once, downlink.COPIES, 1)).all()
    again = adaptive.start(layout)
    again = replace(again, spent=replace(again.spent, sent=again.spent.sent + layout.downlink_max - 2))
    scarce, _ = adaptive.decide(snapshot, again, layout)
    assert not (scarce[0].values["ramp_s"] == downlink.AT_ONCE_S).any()
    assert wire.downlink.copies(np.array([0.0, 5.0, 60.0])).tolist() == [downlink.COPIES, 1, 1]


def test_messages_kept_for_light_last_to_the_morning_and_no_longer() -> None:
    step = np.zeros((2, 96), dtype=np.int64)
    step[0, 88:], step[0, :24] = 2, 2
    lit = np.zeros(96, dtype=np.bool_)
    lit[64:], lit[:32] = True, True
    assert downlink.kept_for_light(step, lit, 70).tolist() == [downlink.KEPT_FOR_LIGHT, 0]
    assert downlink.kept_for_light(step, lit, 19).tolist() == [3, 0]
    assert downlink.kept_for_light(step, lit, 25).tolist() == [0, 0]


def test_a_street_that_nobody_counts_stands_by_its_timetable_until_its_estimate_says_more(timed: Small) -> None:
    layout, flow = timed.layout, np.full(len(COUNTED), 20.0)
    found = estimate(flow, EVERY, layout.sites)
    nobody = np.zeros(len(layout.cell_asset), dtype=np.int64)
    needed = required.need(required.surely(found, layout, 6.0), found, nobody, NIGHT_S, layout)
    plain = required.need(required.surely(found, layout), found, nobody, NIGHT_S, layout)
    stands = required.by_timetable(needed, plain, NIGHT_S, layout)
    table = calendar_lower(NIGHT_S, layout)
    uncounted = layout.segments.by_traffic & ~needed.own & (plain.relax >= table)
    assert uncounted.any()
    assert (stands.relax[uncounted] >= table[uncounted]).all()
    assert (stands.relax[needed.own] == needed.relax[needed.own]).all()
    loud = replace(plain, relax=np.zeros_like(plain.relax))
    assert (required.by_timetable(needed, loud, NIGHT_S, layout).given[table > 0] == needed.given[table > 0]).all()


def test_no_segment_is_left_below_class_on_many_days(small: Small) -> None:
    layout = small.layout
    slots = np.repeat(np.arange(96), 20)
    relax = np.where(slots[:, None] >= 24, 0, layout.relax_most[None, :])
    step = learning.compliant(slots, relax, layout.relax_most, layout)
    moving = np.bincount(layout.segments.cell[layout.segments.by_traffic], minlength=step.shape[1]) > 0
    assert (step[WORK, moving, 23] > 0).all()
    assert (step[WORK, moving, 24] == 0).all()
    own = np.repeat(np.arange(len(layout.relax_most)), np.diff(layout.sites.offsets))[layout.sites.counted][0]
    often = relax.copy()
    often[(slots == 4) & (np.arange(len(slots)) % 20 < 1), own] = 0  # on one of twenty days
    bound = learning.compliant(slots, often, layout.relax_most, layout)
    assert bound[WORK, int(layout.segments.cell[own]), 4] < step[WORK, int(layout.segments.cell[own]), 4]


def test_a_timetable_that_stands_without_counts_is_certified_for_the_class_it_assumes(timed: Small) -> None:
    """The interlock lets a street of which nobody tells stand at its timetable: at every quarter-hour of both kinds of days the
    output is in the class of the timetable's step by the interlock's own sums, and a step less of output is not."""
    layout, segments = timed.layout, timed.layout.segments
    every, count = np.arange(len(segments.asset)), len(segments.asset)
    none = np.zeros(0, dtype=np.int64)

    def met(now_s: float, output: FloatArray) -> tuple[BoolArray, BoolArray]:
        cites = Cites(np.zeros(count + 1, dtype=np.int64), none, none)
        values = {"dimming_level": output, "ramp_s": np.full(count, 60.0)}
        table = Proposals(DIM, segments.asset[every], values, np.zeros(count, dtype=np.int64), cites, "operator", now_s, 900.0)
        snapshot = timed.snapshot(now_s, {})
        return interlock.in_class(snapshot, (table,), layout).ok, interlock.one_step(snapshot, (table,), layout).ok

    seen: set[bytes] = set()
    for day in ((2026, 1, 14), (2026, 1, 17)):
        for now_s in (at(*day) + BOUNDARY_S * np.arange(96)).tolist():
            lower, output = calendar_lower(now_s, layout), calendar_output(now_s, layout)
            if lower.tobytes() in seen:
                continue
            seen.add(lower.tobytes())
            in_class, together = met(now_s, output)
            assert in_class.all()
            assert together.all()
            least = plan.least_output(segments.figures, classes.lowered(segments.design, lower))
            assert (output >= np.minimum(least, 1.0) - 1e-9).all()
            tight = int(np.flatnonzero(segments.by_traffic & (output < 1.0) & (output - least < LEVEL_STEP))[0])
            darker = output.copy()
            darker[tight] -= LEVEL_STEP
            assert not met(now_s, darker)[0][segments.cell[tight]]
    assert len(seen) > 2
