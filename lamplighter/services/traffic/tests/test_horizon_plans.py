# SPDX-License-Identifier: Apache-2.0
"""Plans: what they cost agrees with closed forms, and the plan found is the cheapest of all, tried out one by one."""

import numpy as np
import pytest

from lamplighter.services.traffic.horizon.decide import start
from lamplighter.services.traffic.horizon.rollout import Situation, Work, cost_of
from lamplighter.services.traffic.horizon.scene import compose, serves
from lamplighter.services.traffic.horizon.scheme import Settings
from lamplighter.services.traffic.horizon.search import best, search
from lamplighter.services.traffic.tests.junctions import crossroads, seen
from lamplighter.services.traffic.tests.plan_oracle import junction, least_cost, played

HORIZON_S = 60


def ready(lanes: int, stages: int, chosen: Settings, elapsed_s: float = 30.0, stage: int = 0) -> tuple[Work, Situation]:
    """Return one empty box, made ready."""
    network = crossroads(lanes=lanes, stages=stages)
    memory = start(network, chosen)
    state = (memory.derived, memory.discharge, memory.state)
    here = compose(memory.network, *state, seen(network, stage, elapsed_s), chosen, memory.work, (0, HORIZON_S, 100, 0))
    return memory.work, here


def expect(work: Work, lane: int, comes_veh: np.ndarray) -> None:
    work.arrive_veh[lane] = comes_veh
    work.until_veh[lane, 1:] = np.cumsum(comes_veh)


def a_box(seed: int, grid_s: int = 1) -> tuple[Work, Situation]:
    """Return a box with random arrivals, rates, changes, streets that fill, and the stage that runs."""
    rng = np.random.default_rng(seed)
    lanes, stages = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    work, here = ready(lanes, stages, Settings(step_s=float(grid_s)), float(rng.integers(5, 40)), int(rng.integers(0, stages)))
    busy = rng.uniform(0.02, 0.3, lanes)
    for n in range(lanes):
        comes = rng.poisson(busy[n], HORIZON_S) * rng.uniform(0.3, 1.0, HORIZON_S)
        comes[0] += rng.poisson(4.0 * rng.random())
        expect(work, n, comes)
    served = rng.random((stages, lanes)) < 0.5
    served[np.arange(lanes) % stages, np.arange(lanes)] = True
    work.rate_veh_s[:stages, :lanes] = np.where(served, rng.uniform(0.1, 0.6, (stages, lanes)), 0.0)
    serves(work, stages, lanes)
    work.change_s[:stages, :stages] = rng.integers(0, 7, (stages, stages)) * (1 - np.eye(stages, dtype=np.int64))
    change_s = np.broadcast_to(work.change_s[:stages, :stages, None], (stages, stages, lanes))
    work.keeps_s[:stages, :stages, :lanes] = rng.integers(0, change_s + 1)
    work.begins_s[:stages, :stages, :lanes] = rng.integers(0, change_s + 1)
    work.lost_s[:stages, :stages] = rng.uniform(0.0, 1.0, (stages, stages)) * work.change_s[:stages, :stages]
    work.weight[:lanes] = rng.choice([1.0, 1.3], lanes)
    if rng.random() < 0.5:
        work.room_veh[:lanes], work.room_veh_s[:lanes] = rng.uniform(0.0, 8.0, lanes), 0.3
        work.store_veh[:lanes] = rng.uniform(1.0, 6.0, lanes)
    return work, here


@pytest.mark.parametrize(("come_veh_s", "leave_veh_s", "red_s"), [(0.25, 0.5, 12), (0.1, 0.5, 20), (0.2, 0.4, 25), (0.3, 0.6, 9)])
def test_a_steady_queue_costs_what_the_uniform_delay_formula_says(come_veh_s: float, leave_veh_s: float, red_s: int) -> None:
    """Webster (1958), first term: the area q r^2 / (2 (1 - q/s)) between arrivals and departures."""
    work, here = ready(1, 2, Settings())
    expect(work, 0, np.full(HORIZON_S, come_veh_s))
    work.rate_veh_s[:2, 0] = 0.0, leave_veh_s
    serves(work, 2, 1)
    cost = cost_of(work, here, (red_s - int(work.change_s[0, 1]), 1, HORIZON_S), 1e9, False)
    assert cost == pytest.approx(come_veh_s * red_s**2 / (2 * (1 - come_veh_s / leave_veh_s)), rel=1e-9)


@pytest.mark.parametrize(("veh", "persons", "store_veh"), [(3.0, 1.0, 1e6), (5.0, 1.3, 2.0)])
def test_who_is_never_served_costs_the_horizon_and_the_end(veh: float, persons: float, store_veh: float) -> None:
    chosen = Settings()
    work, here = ready(1, 2, chosen)
    expect(work, 0, np.eye(1, HORIZON_S)[0] * veh)
    work.rate_veh_s[:2, 0], work.weight[0], work.store_veh[0] = 0.0, persons, store_veh
    serves(work, 2, 1)
    besides = chosen.spill_ratio * max(veh - store_veh, 0.0)
    expected = persons * (HORIZON_S * (veh + besides) + veh * (chosen.end_s + chosen.end_s_per_veh * veh))
    assert cost_of(work, here, (1_000_000, 0, 0), 1e9, False) == pytest.approx(expected, rel=1e-12)


def test_a_full_street_takes_only_what_it_has_room_for() -> None:
    work, here = ready(1, 2, Settings())
    expect(work, 0, np.eye(1, HORIZON_S)[0] * 6.0)
    work.rate_veh_s[:2, 0] = 0.5, 0.0
    serves(work, 2, 1)
    work.room_veh[0], work.room_veh_s[0] = 2.0, 0.0
    search(work, here)
    assert work.out_veh[0].sum() == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_cost_of_any_plan_is_that_of_the_plain_one(seed: int) -> None:
    work, here = a_box(seed)
    j = junction(work, here)
    other = (here.stage + 1) % here.stages
    for plan in [(1_000_000, here.stage, 0), (0, other, 8), (5, other, 12), (24, other, 27)]:
        assert cost_of(work, here, plan, 1e9, False) == pytest.approx(played(j, plan)[0], rel=1e-9)


@pytest.mark.parametrize("seed", range(24))
def test_no_plan_is_cheaper_than_the_one_found(seed: int) -> None:
    work, here = a_box(seed, grid_s=(1, 1, 5, 10)[seed % 4])
    j = junction(work, here)
    assert played(j, best(work, here))[0] == pytest.approx(least_cost(j), rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_expected_to_leave_is_what_the_plan_lets_out(seed: int) -> None:
    work, here = a_box(100 + seed)
    j = junction(work, here)
    plan = best(work, here)
    stage, _, _ = search(work, here)
    wanted = plan[1] if plan[0] == 0 else here.stage
    if stage == wanted:
        assert np.allclose(work.out_veh[: here.lanes], played(j, plan)[1], atol=1e-9)


def test_a_plan_that_costs_more_than_enough_is_given_up_early() -> None:
    work, here = a_box(3)
    plan = (1_000_000, here.stage, 0)
    whole = cost_of(work, here, plan, 1e9, False)
    assert whole / 2 < cost_of(work, here, plan, whole / 2, False) <= whole
