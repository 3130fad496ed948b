# SPDX-License-Identifier: Apache-2.0
"""One evening hour in the small city, through the loop: what lamps did, what it cost, what was refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamplighter.runtime import loop
from lamplighter.services.lighting import SERVICE
from lamplighter.services.lighting.simulator import open_simulator
from lamplighter.services.lighting.terms import BELOW, COUNTER, ENERGY, FLOW, OVER
from lamplighter.services.lighting.tests.small import EVENING_S, Small
from lamplighter.terms.measurement import Measurements
from lamplighter.terms.quantity import Quantity
from lamplighter.terms.simulation import SimulationStart
from lamplighter.terms.snapshot import Column

GOLDEN = Path(__file__).with_name("golden_evening.json")
FLOWS = (1700.0, 240.0, 236.0, 230.0, 1750.0)  # veh/h per direction in the quarter-hours before and after six o'clock


def counters_of(small: Small) -> loop.ServiceRun:
    """Another service of the city that reports flows and commands nothing."""
    flow = Quantity(FLOW, "veh/h", 1.0, 0.0, 20000.0, "mean", 900, COUNTER, "counted flow")
    other = replace(SERVICE, name="other", quantities=(flow,), actions=())
    size = small.layout.size
    run = loop.open_run(SERVICE, small.city, False)
    return replace(run, service=other, city=replace(small.city, span=slice(size, len(small.city.assets))), columns={})


def evening(small: Small, arm: str) -> dict[str, float]:
    """Run an hour; counters tell each quarter-hour's flow when it is over."""
    run = loop.open_run(SERVICE, small.city, arm == "adaptive")
    counting = counters_of(small)
    field = open_simulator(SimulationStart(small.city, 1, EVENING_S, 0.0))
    sums, mean, refused = np.zeros(len(SERVICE.outcome_names)), [], 0
    measured = np.zeros(len(SERVICE.outcome_names))
    messages: tuple = ()
    for minute in range(61):
        now_s = EVENING_S + 60.0 * minute
        flow = np.zeros(len(small.city.assets))
        flow[small.layout.sites.counter] = FLOWS[minute // 15]
        done = field.advance(now_s, messages, {FLOW: flow})
        told = flow[small.layout.sites.counter]
        counting.columns = {FLOW: Column(told, np.full(len(told), now_s - now_s % 900.0), np.ones(len(told), dtype=np.bool_))}
        tick = loop.tick(run, [run, counting], done.readings, now_s)
        assert isinstance(tick.measured, Measurements)
        assert not tick.fault
        assert len(tick.rejected) == 0
        messages = tick.messages
        refused += sum(len(r) for r in tick.verdict.refusals)
        np.add.at(sums, done.truth.outcome, done.truth.value)
        if tick.outcomes is not None:
            np.add.at(measured, tick.outcomes.outcome, tick.outcomes.value)
        if minute % 15 == 8:
            mean.append(round(float(field.segment_levels().mean()), 4))
    keys = {"true": sums, "measured": measured}
    found = {
        f"{who}_{SERVICE.outcome_names[k].name}": round(float(v[k]), 3) for who, v in keys.items() for k in (ENERGY, BELOW, OVER)
    }
    return {**found, "refused": refused, **{f"mean_output_share_quarter_{k + 1}": v for k, v in enumerate(mean)}}


@pytest.mark.parametrize("arm", ["adaptive", "baseline"])
def test_the_evening_is_as_it_was(small: Small, arm: str) -> None:
    golden = json.loads(GOLDEN.read_text())[arm]
    assert evening(small, arm) == pytest.approx(golden, rel=1e-3, abs=1e-6)


def test_the_evening_shows_what_it_should() -> None:
    golden = json.loads(GOLDEN.read_text())
    adaptive, baseline = golden["adaptive"], golden["baseline"]
    assert adaptive["refused"] == 0
    assert adaptive["true_lighting_energy_kwh"] < 0.9 * baseline["true_lighting_energy_kwh"]
    assert adaptive["measured_lighting_energy_kwh"] == pytest.approx(adaptive["true_lighting_energy_kwh"], rel=0.02)
    assert baseline["mean_output_share_quarter_1"] == 1.0
    assert adaptive["mean_output_share_quarter_4"] < adaptive["mean_output_share_quarter_1"] < 1.0
