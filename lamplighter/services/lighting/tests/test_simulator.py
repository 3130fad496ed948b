# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

import numpy as np
import pytest

from lamplighter.services.lighting import SERVICE, outcomes, wire
from lamplighter.services.lighting.photometry.luminaires import GEAR_W
from lamplighter.services.lighting.simulator import LightingField, open_simulator
from lamplighter.services.lighting.terms import BELOW, DIM, ENERGY, FLOW, Settings
from lamplighter.services.lighting.tests.small import EVENING_S, NOON_S, Small, made
from lamplighter.terms.decision import HAND_BACK, Permits, Proposals, no_cites
from lamplighter.terms.outcome import OutcomeRows
from lamplighter.terms.reading import Message
from lamplighter.terms.simulation import SimulationStart


def opened(small: Small, begin_s: float = EVENING_S, seed: int = 1) -> LightingField:
    return open_simulator(SimulationStart(small.city, seed, begin_s, 0.0))


def commands(small: Small, share: float, at_s: float, lease_s: float = 1800.0) -> Sequence[Message]:
    asset = small.layout.segments.asset
    values = {"dimming_level": np.full(len(asset), share), "ramp_s": np.full(len(asset), 60.0)}
    table = Proposals(DIM, asset, values, np.zeros(len(asset), np.int64), no_cites(len(asset)), "adaptive", at_s, lease_s)
    return SERVICE.encode(Permits(table, np.arange(len(asset)), 8, at_s + lease_s), small.layout)


def total(rows: OutcomeRows, outcome: int) -> float:
    return float(rows.value[rows.outcome == outcome].sum())


def test_a_lease_lapses_and_the_calendar_gives_full_light(small: Small) -> None:
    field = opened(small)
    field.advance(EVENING_S + 60.0, commands(small, 0.5, EVENING_S), {})
    assert field.segment_levels() == pytest.approx(0.5)
    field.advance(EVENING_S + 1800.0, (), {})
    assert field.segment_levels() == pytest.approx(0.5)
    field.advance(EVENING_S + 1860.0, (), {})
    assert field.segment_levels() == pytest.approx(1.0)


def test_handing_back_gives_full_light_at_once(small: Small) -> None:
    field = opened(small)
    field.advance(EVENING_S + 60.0, commands(small, 0.5, EVENING_S), {})
    asset = small.layout.segments.asset
    table = Proposals(HAND_BACK, asset, {}, np.zeros(len(asset), np.int64), no_cites(len(asset)), "operator", EVENING_S, 0.0)
    field.advance(EVENING_S + 120.0, SERVICE.encode(Permits(table, np.arange(len(asset)), 0, EVENING_S), small.layout), {})
    assert field.segment_levels() == pytest.approx(1.0)


def test_expired_and_broken_commands_change_nothing(small: Small) -> None:
    field = opened(small)
    broken = [Message("cell/0", b""), Message("cell/0", b"LLD1" + b"\xff" * 40), Message("cell/0", b"x" * 22)]
    field.advance(EVENING_S + 60.0, [*broken, *commands(small, 0.5, EVENING_S - 7200.0)], {})
    assert field.segment_levels() == pytest.approx(1.0)


def test_lamps_are_off_by_day_whatever_is_commanded(small: Small) -> None:
    field = opened(small, NOON_S)
    done = field.advance(NOON_S + 60.0, commands(small, 0.5, NOON_S), {})
    assert field.segment_levels().max() == 0.0
    lamps = int(small.layout.segments.lamps.sum())
    assert done.exports["p_kw"].sum() == pytest.approx(lamps * 0.4 / 1000.0)


def test_power_follows_the_straight_law(small: Small) -> None:
    field = opened(small)
    full = field.advance(EVENING_S + 120.0, (), {}).exports["p_kw"].sum() * 1000.0
    field.advance(EVENING_S + 180.0, commands(small, 0.4, EVENING_S + 120.0), {})
    dim = field.advance(EVENING_S + 240.0, (), {}).exports["p_kw"].sum() * 1000.0
    standing = int(small.layout.segments.lamps.sum()) * GEAR_W
    assert dim - standing == pytest.approx(0.4 * (full - standing), rel=1e-6)
    rated = float((small.layout.segments.power_w * small.layout.segments.lamps).sum())
    assert 0.9 * rated < full < rated


def test_true_energy_is_the_meters_integral(small: Small) -> None:
    field, metered, true = opened(small), 0.0, 0.0
    for k in range(1, 31):
        done = field.advance(EVENING_S + 60.0 * k, commands(small, 0.6, EVENING_S) if k == 7 else (), {})
        metered += done.exports["p_kw"].sum() / 60.0
        true += total(done.truth, ENERGY)
    assert true == pytest.approx(metered, rel=1e-9)
    assert true > 0.0


def test_a_cabinet_without_supply_is_dark_silent_and_below_class(small: Small) -> None:
    field = opened(small)
    energised = np.ones(len(small.city.assets), dtype=np.bool_)
    energised[small.layout.cabinet_asset[0]] = False
    mine = small.layout.segments.cabinet == 0
    done = field.advance(EVENING_S + 900.0, (), {"energised": energised})
    assert (field.segment_levels()[mine] == 0.0).all()
    assert (field.segment_levels()[~mine] == 1.0).all()
    assert done.exports["p_kw"][small.layout.cabinet_asset[0]] == 0.0
    told = {reading.topic: len(reading.payload) for reading in done.readings}
    assert told["segments"] == wire.HEADER.size + int((~mine).sum()) * wire.SEGMENT_ROW.itemsize
    assert total(done.truth, BELOW) == pytest.approx(15.0 * mine.sum())


def test_the_truth_settles_with_the_flow_that_came(small: Small) -> None:
    lowest = small.layout.class_share[:, 2]
    asset = small.layout.segments.asset
    values = {"dimming_level": lowest, "ramp_s": np.full(len(asset), 60.0)}
    table = Proposals(DIM, asset, values, np.zeros(len(asset), np.int64), no_cites(len(asset)), "adaptive", EVENING_S, 1800.0)
    sent = SERVICE.encode(Permits(table, np.arange(len(asset)), 8, EVENING_S + 1800.0), small.layout)
    below = []
    for veh_h in (50.0, 2000.0):
        flow = np.zeros(len(small.city.assets))
        flow[small.layout.sites.counter] = veh_h
        below.append(total(opened(small).advance(EVENING_S + 900.0, sent, {FLOW: flow}).truth, BELOW))
    assert below[0] < below[1]


def test_one_dead_lamp_puts_its_street_out_of_class(small: Small) -> None:
    field = opened(small)
    assert total(field.advance(EVENING_S + 900.0, (), {}).truth, BELOW) == 0.0
    assert "without power" in field.inject("dead_lamps", {"share": 0.02})
    assert total(field.advance(EVENING_S + 1800.0, (), {}).truth, BELOW) > 0.0
    with pytest.raises(ValueError, match="known are"):
        field.inject("aliens", {})


def test_the_same_seed_gives_the_same_lamps() -> None:
    city = made(Settings(lamp_fault_share=0.05))
    small = Small(city, SERVICE.prepare(city))
    one, two, other = (opened(small, seed=s).advance(EVENING_S + 900.0, (), {}) for s in (1, 1, 2))
    assert [r.payload for r in one.readings] == [r.payload for r in two.readings]
    assert (one.truth.value == two.truth.value).all()
    assert not (one.exports["p_kw"] == other.exports["p_kw"]).all()


def test_measured_outcomes_follow_the_reports(small: Small) -> None:
    at_full = small.snapshot(EVENING_S + 60.0, {}, reported=1.0)
    dim = small.snapshot(EVENING_S + 60.0, {}, reported=0.3)
    _, clock = outcomes.compute(small.snapshot(EVENING_S, {}), None, small.layout)
    assert total(outcomes.compute(at_full, clock, small.layout)[0], BELOW) == 0.0
    below = total(outcomes.compute(dim, clock, small.layout)[0], BELOW)
    assert below == pytest.approx(len(small.layout.segments.design))
