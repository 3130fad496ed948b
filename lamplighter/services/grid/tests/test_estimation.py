# SPDX-License-Identifier: Apache-2.0
"""Estimates against known truths: exact with exact meters, intervals that hold, lies found, and nothing read that is private."""

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lamplighter.services.grid.network import doubt, estimation
from lamplighter.services.grid.network.estimation.fit import estimate_states
from lamplighter.services.grid.network.estimation.habit import (
    LASTING,
    LASTS,
    ROOT_SIGMA_PU,
    Missed,
    corrected,
    followed,
    learn,
    missed,
    scattered,
)
from lamplighter.services.grid.network.estimation.meters import read_meters, with_line_meters, with_voltage_meters, without
from lamplighter.services.grid.network.estimation.prior import Pseudo, expected, moments_of
from lamplighter.services.grid.network.estimation.series import follow
from lamplighter.services.grid.network.estimation.spread import Spread, next_voltage_meters, seen_by_meters, spread_of
from lamplighter.services.grid.network.estimation.suspects import GATE, TRANSFORMER_P, VOLTAGE, Heard, suspects
from lamplighter.services.grid.network.estimation.trial import (
    SKIES,
    Past,
    Trial,
    drawn_steps,
    open_trial,
    run_trial,
    spreads_after,
    truth_of,
    work_steps,
)
from lamplighter.services.grid.network.model import ABSENT, GridError, read_grid
from lamplighter.services.grid.network.readers import network_of
from lamplighter.services.grid.tests.small import small_city


@cache
def trial(which: str = "ends") -> Trial:
    """Return the small town set up with a set of meters."""
    return open_trial(network_of(read_grid(small_city().tables), "small"), None, which)


def test_exact_knowledge_gives_the_exact_state() -> None:
    """Pseudo-loads that are the truth, and meters without error: the estimate is the power flow."""
    made = trial()
    step = np.arange(4, dtype=np.int64) + 70
    truth = truth_of(made, step, np.random.default_rng(1))
    readings = read_meters(made.fit.plan, made.engine.network, truth, np.random.default_rng(2))
    small = made.engine.network
    at = made.fit.plan.u_node
    exact = replace(
        readings, u_pu=truth.u_pu[:, at], transformer_p_kw=-truth.p_to_kw[:, len(small.lines.id) :],
        transformer_q_kvar=-truth.q_to_kvar[:, len(small.lines.id) :],
    )  # fmt: skip
    one, other = small.lines.from_node, small.lines.to_node
    lines = len(small.lines.id)
    into = np.zeros((4, len(small.nodes.id), 2))
    for k, (flow_from, flow_to) in enumerate(((truth.p_from_kw, truth.p_to_kw), (truth.q_from_kvar, truth.q_to_kvar))):
        np.add.at(into[:, :, k].T, one, -flow_from[:, :lines].T)
        np.add.at(into[:, :, k].T, other, -flow_to[:, :lines].T)
        np.add.at(into[:, :, k].T, small.transformers.from_node, -flow_from[:, lines:].T)
        np.add.at(into[:, :, k].T, small.transformers.to_node, -flow_to[:, lines:].T)
    p, q = into[:, made.fit.weights.node, 0], into[:, made.fit.weights.node, 1]
    found = estimate_states(made.fit, exact, Pseudo(p, q, np.full(p.shape, 0.01), np.full(p.shape, 0.01)))
    assert found.found.all()
    np.testing.assert_allclose(found.u_pu, truth.u_pu, atol=2e-6)


def test_pseudo_loads_add_up_to_the_station() -> None:
    """What the station's meter says is split, not changed."""
    made = trial()
    step = np.arange(8, dtype=np.int64) + 60
    truth = truth_of(made, step, np.random.default_rng(3))
    readings = read_meters(made.fit.plan, made.engine.network, truth, np.random.default_rng(4))
    pseudo = expected(made.fit.weights, made.feeders, made.fit.plan, readings, moments_of(step))
    for station in range(len(made.feeders.station_busbar)):
        own = made.fit.weights.station == station
        np.testing.assert_allclose(pseudo.p_kw[:, own].sum(axis=1), readings.transformer_p_kw[:, station], rtol=1e-6)


def test_more_meters_err_less_and_intervals_hold_the_truth() -> None:
    """Feeder ends lower the error; most voltages and loadings lie in their 95 % interval."""
    few, more = (run_trial(trial(which), drawn_steps(trial(which), 96, 1), 1) for which in ("station", "ends"))
    assert more.voltage_mean_abs_percent < few.voltage_mean_abs_percent
    assert more.unsettled_steps == 0
    assert more.voltage_covered_share > 0.85
    assert more.line_covered_share > 0.9


def test_a_silent_meter_widens_the_interval_and_stops_nothing() -> None:
    """Without a station's meters the state is still found, and the spread there says that less is known."""
    made = trial()
    step = np.arange(2, dtype=np.int64) + 70
    truth = truth_of(made, step, np.random.default_rng(5))
    readings = read_meters(made.fit.plan, made.engine.network, truth, np.random.default_rng(6))
    known = readings.transformer_known.copy()
    known[:, 0] = False
    pseudo = expected(made.fit.weights, made.feeders, made.fit.plan, replace(readings, transformer_known=known), moments_of(step))
    assert estimate_states(made.fit, replace(readings, transformer_known=known), pseudo).found.all()
    small = made.engine.network
    fewer = without(made.fit.plan, small, [str(small.transformers.id[0])])
    assert len(fewer) == len(made.fit.plan) - 1
    wide = spread_of(small, made.feeders, fewer, made.fit.weights, 0.0)
    branch = len(small.lines.id)
    before = made.spreads[0]
    assert wide.u_pu[made.feeders.node_station == 0].max() > before.u_pu[made.feeders.node_station == 0].max()
    assert np.isfinite(wide.loading[branch])


def test_the_next_meter_is_worth_what_it_was_said_to_be() -> None:
    """With a meter at the place named first, the widest interval of its station falls to the figure given."""
    made = trial("station")
    small = made.engine.network
    best = next_voltage_meters(made.spreads[0], 0.002, 1)
    again = open_trial_with(made, int(best.node[0]))
    station = made.feeders.node_station[best.node[0]]
    block = next(k for k, b in enumerate(again.blocks) if b.station == station)
    widest = 196.0 * float(np.sqrt(np.diag(again.u_covariance[block]).max()))
    assert widest == pytest.approx(float(best.widest_after_percent[0]), rel=0.25)
    assert best.widest_after_percent[0] < best.widest_before_percent[0]
    seen = seen_by_meters(small, made.feeders, made.fit.plan, made.fit.weights, made.spreads[0].blocks)
    assert all(0.0 < share < 1.0 for share in seen)


def open_trial_with(made: Trial, node: int) -> Spread:
    """Return the spread with one voltage meter more."""

    plan = with_voltage_meters(made.fit.plan, np.array([node]))
    return spread_of(made.engine.network, made.feeders, plan, made.fit.weights, 0.0)


def _heard(made: Trial, lie: dict[str, tuple[int, float]]) -> Heard:
    step = np.array([72], dtype=np.int64)
    truth = truth_of(made, step, np.random.default_rng(7))
    readings = read_meters(made.fit.plan, made.engine.network, truth, np.random.default_rng(8))
    u, p = readings.u_pu[0].copy(), readings.transformer_p_kw[0].copy()
    for which, (meter, error) in lie.items():
        (u if which == "u" else p)[meter] += error
    none = np.zeros(0)
    at = len(made.engine.network.lines.id)
    return Heard(
        u, truth.u_pu[0, made.fit.plan.u_node], np.ones(len(u), np.bool_), none, none, none.astype(np.bool_), p,
        -truth.p_to_kw[0, at:], np.ones(len(p), np.bool_),
    )  # fmt: skip


def test_a_meter_that_lies_is_named_and_an_honest_one_is_not() -> None:
    """A voltage 4 % off and a station's power 400 kW off are named, alone; honest meters raise nothing."""
    made = trial()
    small = made.engine.network
    end = (
        int(np.flatnonzero(made.fit.plan.u_node == made.feeders.feeder_end[0])[0])
        if np.any(made.fit.plan.u_node == made.feeders.feeder_end[0])
        else len(made.fit.plan.u_node) - 1
    )
    root = made.spreads[0].u_pu[made.feeders.station_busbar]
    for lie, kind in (({}, None), ({"u": (end, -0.04)}, VOLTAGE), ({"p": (0, 400.0)}, TRANSFORMER_P)):
        found = suspects(made.spreads[0].blocks, made.fit.plan, made.fit.weights, 0.0, _heard(made, lie), root)
        assert found.kind.tolist() == ([] if kind is None else [kind])
        if kind is not None:
            assert abs(found.deviations_ratio[0]) > GATE
            assert found.meter[0] == next(iter(lie.values()))[0]
    assert len(small.transformers.id) >= 1


def test_a_line_meter_narrows_its_line() -> None:
    """A power meter on a line leaves that line less uncertain than its own error says, or as much."""
    made = trial()
    small = made.engine.network
    line = int(made.feeders.feeder_branch[0])
    plan = with_line_meters(made.fit.plan, small, np.array([line]))

    after = spread_of(small, made.feeders, plan, made.fit.weights, 0.0)
    assert after.flow_kw[line] < made.spreads[0].flow_kw[line]
    assert after.flow_kw[line] <= plan.p_line_sigma_kw[0] * 1.01


def test_a_level_that_stands_is_averaged_and_one_that_jumps_is_followed() -> None:
    """Over twenty draws, the expectation of a still level errs by less than seven tenths of one reading; a jump is followed."""
    start = np.zeros(200, np.bool_)
    start[0] = True
    before: list[float] = []
    after: list[float] = []
    for seed in range(20):
        value = 1.0 + 0.002 * np.random.default_rng(seed).normal(size=200)
        value[150:] += 0.025
        level, _ = follow(value, 0.002, start)
        before.append(float(level[149]) - 1.0)
        after.append(float(level[160]) - 1.025)
    assert np.sqrt(np.mean(np.square(before))) < 0.7 * 0.002
    assert np.sqrt(np.mean(np.square(after))) < 1.2 * 0.002


def test_what_estimates_and_doubts_never_reads_a_profile() -> None:
    """The year of a grid belongs to the truth: only trials may import it."""
    for package in (estimation, doubt):
        for file in Path(str(package.__file__)).parent.glob("*.py"):
            names = {
                node.module for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
            }
            if file.stem not in ("trial", "planted"):
                assert not any(str(name).endswith("readers.year") for name in names), file.name
    assert ABSENT == -1


def test_what_an_end_misses_every_day_is_learned_and_a_meter_alone_does_not_tell_it() -> None:
    """A drop that is 0.4 % more every evening than the model lets expect is found from four weeks to 0.06 %,
    though one reading errs by 0.28 %; a week less a day teaches nothing."""
    made = trial()
    ends = made.fit.drops
    assert ends is not None
    dice, step = np.random.default_rng(11), np.arange(28 * 96, dtype=np.int64)
    many, stations = len(ends.end), len(made.feeders.station_busbar)
    evening = 0.004 * np.exp(-0.5 * ((step % 96 - 72) / 16.0) ** 2)
    gap = evening[:, None] + 0.002 * np.sqrt(2.0) * dice.normal(size=(len(step), many))
    past = Missed(
        step, np.zeros_like(gap), gap, np.ones(gap.shape, np.bool_), dice.normal(size=(len(step), stations, 2)),
        np.ones((len(step), stations), np.bool_),
    )  # fmt: skip
    found = learn(made.fit, made.feeders, past)
    assert sorted(np.concatenate([habit.column for habit in found]).tolist()) == list(range(many))
    for habit in found:
        assert habit.missed_pu[72, :, 0] == pytest.approx(0.004, abs=0.0006)
        assert habit.missed_pu[16, :, 0] == pytest.approx(0.0, abs=0.0006)
        assert np.all(np.linalg.eigvalsh(habit.left_ratio) > 0.0)
    week = Missed(step[:576], gap[:576], gap[:576], past.known[:576], past.power_kw[:576], past.power_known[:576])
    assert learn(made.fit, made.feeders, week) == []


def test_following_what_is_left_is_the_conditional_normal_distribution() -> None:
    """Step by step the filter gives what the whole joint normal distribution of all steps gives at once."""
    steps, many = 6, 2
    one = np.array([[4e-6, -2e-6], [-2e-6, 3e-6]])
    value = 0.002 * np.random.default_rng(3).normal(size=(steps, many))
    errors = np.full((steps, many), 4e-6)
    start = np.arange(steps) == 0
    left, variance = followed(np.repeat(one[None], steps, axis=0), (value, start), errors, np.zeros((steps, many)))
    apart = np.abs(np.arange(steps)[:, None] - np.arange(steps))
    lasting = sum(share * lasts**apart for share, lasts in zip(LASTING, LASTS, strict=True))
    signal = np.kron(lasting, one) + np.kron(np.eye(steps), np.full((many, many), ROOT_SIGMA_PU**2))
    gain = np.linalg.solve(signal + np.diag(errors.ravel()), signal).T
    np.testing.assert_allclose(left[-1], (gain @ value.ravel())[-many:], rtol=1e-9)
    np.testing.assert_allclose(variance[-1], np.diag(signal - gain @ signal)[-many:], rtol=1e-9)


def test_a_silent_end_is_still_expected_by_its_habit() -> None:
    """Without its reading an end's voltage is what the busbar and its habit say, with a wider error than with it."""
    made = trial()
    ends = made.fit.drops
    assert ends is not None
    step = np.arange(4, dtype=np.int64) + 28 * 96 + 70
    truth = truth_of(made, step, np.random.default_rng(5))
    readings = read_meters(made.fit.plan, made.engine.network, truth, np.random.default_rng(6))
    known = readings.u_known.copy()
    known[:, ends.end[0]] = False
    habits = Past(made, 1, {}).habits(28 * 96)
    root = truth.u_pu[:, made.fit.plan.u_node[ends.busbar]]
    errors: list[float] = []
    for heard in (readings, replace(readings, u_known=known)):
        now = missed(made.fit, made.feeders, heard, moments_of(step), step)
        u, sigma = corrected(made.fit, habits, now, heard, root)
        assert np.abs(u[:, ends.end] - truth.u_pu[:, made.fit.plan.u_node[ends.end]]).max() < 4.0 * 0.002
        errors.append(float(sigma[:, ends.end[0]].mean()))
    assert errors[0] < errors[1]
    assert errors[0] < 0.002


def test_progress_is_told_of_the_past_too() -> None:
    """Days drawn for the past count as work as scored steps do, and all that was announced is done."""
    made, told = trial(), list[int]()
    stretches = [
        (np.arange(8 * 96, 8 * 96 + 60, dtype=np.int64), 48),
        (np.arange(10 * 96, 10 * 96 + 60, dtype=np.int64), 48),
        (np.arange(96, 96 + 60, dtype=np.int64), 48),
    ]
    run_trial(made, stretches, 1, told.append)
    assert sum(told) == work_steps(made, stretches) == 10 * 96 + 3 * 12
    assert max(told) <= 96


def test_what_a_grid_cannot_carry_is_drawn_again_and_told_when_it_never_settles() -> None:
    """Demands near the limit of the cables still give a truth; far beyond it one message says so."""
    made = trial()
    step, loads = np.arange(96, dtype=np.int64), made.network.loads
    for scale, carried in ((6.0, True), (1e4, False)):
        heavy = replace(made, network=replace(made.network, loads=replace(loads, p_kw=scale * loads.p_kw)))
        if carried:
            assert np.isfinite(truth_of(heavy, step, np.random.default_rng(1)).u_pu).all()
        else:
            with pytest.raises(GridError, match="cannot carry"):
                truth_of(heavy, step, np.random.default_rng(1))


def test_where_homes_scatter_more_than_usual_intervals_are_wider() -> None:
    """What the past leaves unexplained widens a station's connections as far as it goes beyond the usual, and never narrows them;
    the spread of that station alone moves, and is then nearly as if all had been computed anew."""
    made = trial()
    habits = Past(made, 1, {}).habits(28 * 96)
    usual, station = made.fit.weights.sigma_kw, made.fit.weights.station
    quiet = [replace(habit, left_ratio=1e-6 * habit.left_ratio) for habit in habits]
    np.testing.assert_allclose(scattered(made.fit, quiet).sigma_kw, usual)
    wild = [replace(quiet[0], left_ratio=1e3 * habits[0].left_ratio), *quiet[1:]]
    wilder = [replace(quiet[0], left_ratio=4e3 * habits[0].left_ratio), *quiet[1:]]
    wide = scattered(made.fit, wild)
    assert np.all((wide.sigma_kw > usual) == (station == habits[0].station))
    np.testing.assert_allclose(
        scattered(made.fit, wilder).sigma_kw[wide.sigma_kw > usual], 2.0 * wide.sigma_kw[wide.sigma_kw > usual]
    )
    anew = spread_of(made.engine.network, made.feeders, made.fit.plan, wide, SKIES[0])
    found = spreads_after(made, wild)[0]
    for block in found.blocks:
        own = block.station == habits[0].station
        expected_share = anew.loading if own else made.spreads[0].loading
        np.testing.assert_allclose(found.loading[block.branch], expected_share[block.branch], rtol=0.02 if own else 1e-9)
    assert found.loading.max() > made.spreads[0].loading.max()
    assert spreads_after(made, []) == made.spreads
