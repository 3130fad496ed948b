# SPDX-License-Identifier: Apache-2.0
"""Estimates of consecutive steps: each by itself, then again with what the steps before say of the sources' voltage and
what the weeks before say of street ends (`habit`).

A source's voltage moves little from one quarter of an hour to the next, while its meter's error is new each time. A local
level model (Durbin and Koopman 2012, section 2.1) follows it forward in time only; how much it moves is found from the
estimates themselves, and a step beyond four standard deviations (a tap) starts it anew.

What is expected of an end has heard the registers already. Were it one more reading, the fit would hear them twice and draw it
back to them; so the fit keeps it, and only finds how the rest lies given the ends (Jeffrey's rule; Jeffrey 1965, chapter 11).
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.estimation.fit import Estimated, Fit, estimate_states
from lamplighter.services.grid.network.estimation.habit import Habit, corrected, missed, starts
from lamplighter.services.grid.network.estimation.meters import Readings
from lamplighter.services.grid.network.estimation.prior import Moments, expected
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.topology import Feeders
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

GATE = 4.0
FORGET = 0.99  # weight of the past in the running variance of the level's moves
MOVES_AT_START_PU = 0.002
HELD_PU = 1e-4  # so near to its expectation the fit keeps an end: that holds all that registers, meters and weeks said of it


def follow(
    estimate_pu: FloatArray, sigma_pu: float, start: BoolArray, moves: float = MOVES_AT_START_PU
) -> tuple[FloatArray, FloatArray]:
    """Return what the steps before let expect of a level (t,), and its variance (t,); inf at a start (t,) of a series.

    Var(y_t - y_t-1) = q + 2 r for a level that moves with variance q under errors of variance r: so is q found, forgetting.
    """
    held_pu, variance = 0.0, np.inf
    r, q = sigma_pu**2, moves**2
    seen = q + 2.0 * r
    expectation, spread = np.zeros(len(estimate_pu)), np.full(len(estimate_pu), np.inf)
    for step, value in enumerate(estimate_pu.tolist()):
        if bool(start[step]) or not np.isfinite(value):
            variance = np.inf
        if np.isfinite(variance):
            variance += q
            if (value - held_pu) ** 2 > GATE**2 * (variance + r):
                variance = np.inf
            else:
                expectation[step], spread[step] = held_pu, variance
        if not np.isfinite(value):
            continue
        if np.isfinite(variance):
            before = estimate_pu[step - 1]
            seen = FORGET * seen + (1.0 - FORGET) * float(value - before) ** 2 if np.isfinite(before) else seen
            q = max(seen - 2.0 * r, (0.02 * sigma_pu) ** 2)
            gain = variance / (variance + r)
            held_pu, variance = held_pu + gain * (value - held_pu), (1.0 - gain) * variance
        else:
            held_pu, variance = value, r
    return expectation, spread


@dataclass(frozen=True)
class Learned:
    """What earlier steps taught. level_sigma_pu: standard deviation of a source's voltage as estimated from one step alone
    (`spread.Spread.u_pu` there); habits: of the street ends, none where too few days have been seen."""

    level_sigma_pu: float
    habits: list[Habit]


def estimate_series(fit: Fit, feeders: Feeders, readings: Readings, when: Moments, step: IntArray, learned: Learned) -> Estimated:
    """Return the states of steps (t,), numbered by `step` from a midnight: where numbers follow one another the past is used."""
    pseudo = expected(fit.weights, feeders, fit.plan, readings, when, fit.drops)
    first = estimate_states(fit, readings, pseudo)
    start = starts(step)
    if start.all() and not learned.habits:
        return first
    u, known = readings.u_pu.copy(), readings.u_known.copy()
    sigma = np.array(np.broadcast_to(fit.plan.u_sigma_pu, u.shape))
    moved: list[FloatArray] = []
    for source in fit.network.sources.node.tolist():
        meter = int(np.argmax(fit.plan.u_node == source)) if np.any(fit.plan.u_node == source) else ABSENT
        if meter == ABSENT:
            continue
        held_pu, variance = follow(first.u_pu[:, source], learned.level_sigma_pu, start)
        told = np.isfinite(variance)
        own = np.where(known[:, meter], sigma[:, meter] ** -2, 0.0)
        before = np.where(told, 1.0 / np.where(told, variance, 1.0), 0.0)
        weight = own + before
        any_way = weight > 0.0
        u[any_way, meter] = ((own * u[:, meter] + before * held_pu) / np.where(any_way, weight, 1.0))[any_way]
        sigma[any_way, meter] = 1.0 / np.sqrt(weight[any_way])
        known[:, meter] |= told
        share = before / (before + learned.level_sigma_pu**-2)
        moved.append(np.where(told, share * (held_pu - first.u_pu[:, source]), 0.0))
    if learned.habits and fit.drops is not None:
        root = first.u_pu[:, fit.plan.u_node[fit.drops.busbar]] + np.mean(moved or [np.zeros(len(u))], axis=0)[:, None]
        ends, _ = corrected(fit, learned.habits, missed(fit, feeders, readings, when, step), readings, root)
        at = np.ix_(first.found, fit.drops.end)
        u[at], sigma[at], known[at] = ends[at], HELD_PU, True
    return estimate_states(fit, replace(readings, u_pu=u, u_known=known), pseudo, u_sigma_pu=sigma)
