# SPDX-License-Identifier: Apache-2.0
"""An estimate held against a true state that is known: drawn meters, errors, and how often the intervals were right."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from power_grid_model.errors import PowerGridBatchError  # pyright: ignore[reportPrivateImportUsage] - its documented place

from lamplighter.services.grid.network.demand import POWER_FACTOR_TAN, commerce, household
from lamplighter.services.grid.network.engine import Flow
from lamplighter.services.grid.network.estimation.blocks import drops_of
from lamplighter.services.grid.network.estimation.fit import Estimated, Fit, open_fit
from lamplighter.services.grid.network.estimation.habit import (
    DAY_STEPS,
    LEAST_DAYS,
    PAST_DAYS,
    Habit,
    Missed,
    joined,
    learn,
    missed,
    narrowed,
    scattered,
)
from lamplighter.services.grid.network.estimation.meters import plan_of, read_meters
from lamplighter.services.grid.network.estimation.prior import Moments, moments_of, sky_of, usual_kw, weights_of
from lamplighter.services.grid.network.estimation.series import Learned, estimate_series
from lamplighter.services.grid.network.estimation.spread import CONFIDENCE, Spread, spread_in, spread_of
from lamplighter.services.grid.network.flow import FlowEngine, open_flow, solve
from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.readers.year import Year, node_powers
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders, feeders
from lamplighter.terms.columns import FloatArray, IntArray

WARM_UP_STEPS = 48  # before each scored stretch, so that the source's level has settled as in a system that runs
SKIES = (0.0, 0.5, 1.0)
DRAWN_SPREAD = 0.6  # of a connection's power around its class, where a grid brings no year
DRAWN_AGAIN = 20  # times, where the grid cannot carry what was drawn: fuses would have blown


@dataclass(frozen=True)
class Trial:
    """A grid set up for a trial: its engine for the truth, its estimator, and the spread at three skies."""

    network: Network
    year: Year | None
    engine: FlowEngine
    feeders: Feeders
    fit: Fit
    spreads: tuple[Spread, ...]


@dataclass(frozen=True)
class Errors:
    """Errors over all scored steps: of voltages below the stations, of each step's lowest voltage, of loading in shares of
    the rating; and in which share of all cases the 95 % interval held the truth. half_interval: mean half width."""

    steps: int
    unsettled_steps: int
    voltage_mean_abs_percent: float
    voltage_p99_percent: float
    voltage_lowest_mean_percent: float
    voltage_lowest_p99_percent: float
    voltage_lowest_most_percent: float
    line_p99_share: float
    transformer_p99_share: float
    voltage_covered_share: float
    line_covered_share: float
    voltage_half_interval_percent: float
    line_half_interval_share: float


def open_trial(network: Network, year: Year | None, which: str) -> Trial:
    """Return a trial with one of the usual sets of meters."""
    engine = open_flow(network)
    small = engine.network
    tree = feeders(small)
    weights = weights_of(small, tree)
    plan = plan_of(small, tree, which, usual_kw(weights, len(small.nodes.id)))
    night = spread_of(small, tree, plan, weights, SKIES[0])
    more = tuple(spread_in(small, tree, plan, weights, (night.blocks, sky)) for sky in SKIES[1:])
    fit = open_fit(small, plan, weights, drops_of(tree, plan, weights, night.blocks))
    return Trial(network, year, engine, tree, fit, (night, *more))


def drawn_steps(trial: Trial, count: int, seed: int) -> list[tuple[IntArray, int]]:
    """Return stretches of consecutive steps and how many steps at the start of each are warm-up: whole days, drawn."""
    dice = np.random.default_rng((seed, 0x57E9))
    total = trial.year.steps if trial.year is not None else 366 * DAY_STEPS
    stretches: list[tuple[IntArray, int]] = []
    left = count
    while left > 0:
        scored = min(left, DAY_STEPS)
        first = int(dice.integers(WARM_UP_STEPS, total - scored))
        stretches.append((np.arange(first - WARM_UP_STEPS, first + scored, dtype=np.int64), WARM_UP_STEPS))
        left -= scored
    return stretches


def whole_year(trial: Trial) -> list[tuple[IntArray, int]]:
    """Return a whole year as stretches of up to a week, with warm-up before each but the first."""
    total = trial.year.steps if trial.year is not None else 366 * DAY_STEPS
    size = DAY_STEPS * max(1, min(7, 4_000_000 // (DAY_STEPS * len(trial.engine.network.nodes.id))))
    firsts = np.arange(0, total, size)
    return [
        (np.arange(max(first - WARM_UP_STEPS, 0), min(first + size, total), dtype=np.int64), min(WARM_UP_STEPS, first))
        for first in firsts.tolist()
    ]


def truth_of(trial: Trial, step: IntArray, dice: np.random.Generator) -> Flow:
    """Return the true states (t, ...) of the fused network at consecutive steps: the grid's year, or draws around classes."""
    if trial.year is not None:
        flow = solve(trial.engine, *node_powers(trial.network, trial.year, slice(int(step[0]), int(step[-1]) + 1)))
    else:
        flow = _carried(trial, step, dice)
    kept = np.unique(trial.engine.at, return_index=True)[1]
    return replace(flow, u_pu=flow.u_pu[:, kept], energised=flow.energised[:, kept])


def _carried(trial: Trial, step: IntArray, dice: np.random.Generator) -> Flow:
    """Return states under drawn demands; what no power flow carries is drawn again. GridError where it stays so."""
    p, q = _drawn(trial, step, dice)
    for _ in range(DRAWN_AGAIN):
        try:
            return solve(trial.engine, p, q)
        except PowerGridBatchError as error:
            failed = np.asarray(error.failed_scenarios, np.int64)
            p[failed], q[failed] = _drawn(trial, step[failed], dice)
    raise GridError(
        f"{trial.network.name}: the power flow does not settle with demands drawn {DRAWN_AGAIN} times around the file's own, "
        f"{float(np.abs(trial.network.loads.p_kw).sum()):.0f} kW in all. The grid cannot carry its loads, or they are in another "
        "unit: mend them in the file (`lamplighter grid show` draws it). Nothing was estimated."
    )


def _drawn(trial: Trial, step: IntArray, dice: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return demands drawn around the file's own: its powers are those at the classes' highest hour, spread lognormally."""
    loads, when = trial.network.loads, moments_of(step)
    high = float(household(np.arange(0.0, 24.0, 0.25)).max()), float(commerce(np.arange(0.0, 24.0, 0.25)).max())
    curve = np.stack([household(when.local_h) / high[0], commerce(when.local_h) / high[1]], axis=1)
    course = curve[:, np.where(loads.kind == 1, 1, 0)]
    spread = DRAWN_SPREAD / np.sqrt(np.maximum(loads.connections_count, 1.0))
    noise = np.exp(spread * dice.normal(size=course.shape) - 0.5 * spread**2)
    many = len(trial.network.nodes.id)
    p, q = np.zeros((many, len(step))), np.zeros((many, len(step)))
    tan = np.where(loads.p_kw != 0.0, loads.q_kvar / np.where(loads.p_kw != 0.0, loads.p_kw, 1.0), POWER_FACTOR_TAN)
    np.add.at(p, loads.node, (course * noise * loads.p_kw).T)
    np.add.at(q, loads.node, (course * noise * loads.p_kw * tan).T)
    return p.T, q.T


def _days_before(trial: Trial, step: int) -> range:
    """Return the days (by number) that teach habits at a step; none where they are too few, or the plan has no ends."""
    until, drops = step // DAY_STEPS, trial.fit.drops
    asked = range(max(until - PAST_DAYS, 0), until)
    return asked if drops is not None and len(drops.end) and len(asked) >= LEAST_DAYS else range(0)


def work_steps(trial: Trial, stretches: list[tuple[IntArray, int]]) -> int:
    """Return how many steps `run_trial` tells its progress in all: those scored, and those of the days drawn for their past."""
    count, kept = 0, set[int]()
    for step, warm in stretches:
        asked = set(_days_before(trial, int(step[0])))
        count += len(step) - warm + DAY_STEPS * len(asked - kept)
        kept = asked or kept
    return count


@dataclass
class Past:
    """What street ends missed on earlier days, kept while it is asked for; days (by number) not seen yet are drawn."""

    trial: Trial
    seed: int
    days: dict[int, Missed]

    def habits(self, step: int, progress: Callable[[int], None] = lambda steps: None) -> list[Habit]:
        """Return what the days before a step teach: none where the plan has no ends, or too few days have passed.

        progress is told the steps of each day as it is drawn."""
        asked = _days_before(self.trial, step)
        if not asked:
            return []
        self.days = {day: self.days[day] for day in asked if day in self.days}
        for day in asked:
            if day not in self.days:
                self.days[day] = self._drawn(day)
                progress(DAY_STEPS)
        return learn(self.trial.fit, self.trial.feeders, joined([self.days[day] for day in asked]))

    def _drawn(self, day: int) -> Missed:
        trial, step = self.trial, np.arange(day * DAY_STEPS, (day + 1) * DAY_STEPS, dtype=np.int64)
        dice = np.random.default_rng((self.seed, 0xDA1, day))
        readings = read_meters(trial.fit.plan, trial.engine.network, truth_of(trial, step, dice), dice)
        return missed(trial.fit, trial.feeders, readings, moments_of(step), step)


def _at_sky(spreads: tuple[Spread, ...], trial: Trial, when: Moments, name: str) -> FloatArray:
    """Return a spread's column (t, ...) at the sky of each step."""
    sky = np.clip(sky_of(trial.fit.weights, when), 0.0, 1.0)
    low = np.minimum((sky * (len(SKIES) - 1)).astype(np.int64), len(SKIES) - 2)
    share = (sky * (len(SKIES) - 1) - low)[:, None]
    table = np.stack([getattr(spread, name) for spread in spreads])
    return (1.0 - share) * table[low] + share * table[low + 1]


def spreads_after(trial: Trial, habits: list[Habit]) -> tuple[Spread, ...]:
    """Return the spreads at the three skies once the past has been heard: connections as scattered as it shows them, and ends
    that know their habits."""
    if not habits:
        return trial.spreads
    small, plan, weights, spreads = trial.engine.network, trial.fit.plan, scattered(trial.fit, habits), trial.spreads
    wider = np.unique(weights.station[weights.sigma_kw > trial.fit.weights.sigma_kw])
    blocks = [block for block in spreads[0].blocks if block.station >= 0 and block.station in wider]
    if blocks:
        known = zip(SKIES, spreads, strict=True)
        spreads = tuple(spread_in(small, trial.feeders, plan, weights, (blocks, sky), before) for sky, before in known)
    return tuple(narrowed(spread, trial.fit, habits) for spread in spreads)


BINS, BIN = 20_000, 1e-5  # of the histogram of errors: a thousandth of a percent wide, up to 0.2


@dataclass
class Tally:
    """Errors as they are gathered, step by step. The many are kept as histograms, so that a year of a city fits."""

    voltage: IntArray
    line: IntArray
    voltage_sum_pu: float
    lowest: list[FloatArray]
    transformer: list[FloatArray]
    voltage_held_share: list[float]
    line_held_share: list[float]
    half_voltage_pu: list[float]
    half_line_share: list[float]
    unsettled: int


def _binned(values: FloatArray) -> IntArray:
    return np.bincount(np.minimum((values / BIN).astype(np.int64), BINS - 1).ravel(), minlength=BINS)


def _quantile(histogram: IntArray, share: float) -> float:
    """Return the upper edge of the bin that holds a quantile."""
    total = np.cumsum(histogram)
    return float(np.searchsorted(total, float(share * total[-1])) + 1) * BIN if total[-1] else 0.0


def _score(trial: Trial, tally: Tally, states: tuple[Flow, Estimated], when: Moments, spreads: tuple[Spread, ...]) -> None:
    truth, found = states
    settled = found.found
    tally.unsettled += int(np.count_nonzero(~settled))
    low = trial.feeders.node_station != ABSENT
    lines = len(trial.engine.network.lines.id)
    line = np.flatnonzero(low[trial.engine.network.lines.from_node])
    gap = np.abs(found.u_pu - truth.u_pu)[settled][:, low]
    lowest = np.abs(found.u_pu[settled][:, low].min(axis=1) - truth.u_pu[settled][:, low].min(axis=1))
    loading = np.abs(found.loading - truth.loading)[settled]
    half_u = CONFIDENCE * _at_sky(spreads, trial, when, "u_pu")[settled][:, low]
    half_line = CONFIDENCE * _at_sky(spreads, trial, when, "loading")[settled][:, line]
    tally.voltage += _binned(gap)
    tally.voltage_sum_pu += float(gap.sum())
    tally.lowest.append(lowest)
    tally.line += _binned(loading[:, line])
    tally.transformer.append(loading[:, lines:].ravel())
    tally.voltage_held_share.append(float(np.mean(gap <= half_u)))
    tally.line_held_share.append(float(np.mean(loading[:, line] <= half_line + 1e-4)))
    tally.half_voltage_pu.append(float(np.mean(half_u)))
    tally.half_line_share.append(float(np.mean(half_line)))


def run_trial(
    trial: Trial, stretches: list[tuple[IntArray, int]], seed: int, progress: Callable[[int], None] = lambda steps: None
) -> Errors:
    """Draw truths and meters of stretches of steps (each with so many of warm-up), estimate, and return the errors.

    What street ends usually miss is learned from the readings of the weeks before each stretch; in a year's first week from none.
    progress is told `work_steps` in all.
    """
    dice = np.random.default_rng((seed, 0x3E75))
    tally = Tally(np.zeros(BINS, np.int64), np.zeros(BINS, np.int64), 0.0, [], [], [], [], [], [], 0)
    sources = trial.engine.network.sources.node
    past = Past(trial, seed, {})
    level_sigma = float(trial.spreads[0].u_pu[sources].max())
    for step, warm in stretches:
        truth = truth_of(trial, step, dice)
        readings = read_meters(trial.fit.plan, trial.engine.network, truth, dice)
        when = moments_of(step)
        habits = past.habits(int(step[0]), progress)
        learned = Learned(level_sigma, habits)
        found = estimate_series(trial.fit, trial.feeders, readings, when, step, learned).part(slice(warm, None))
        truth = replace(truth, u_pu=truth.u_pu[warm:], loading=truth.loading[warm:])
        spreads = spreads_after(trial, habits)
        _score(trial, tally, (truth, found), Moments(when.local_h[warm:], when.day[warm:]), spreads)
        progress(len(step) - warm)
    return _errors(tally)


def _errors(tally: Tally) -> Errors:
    lowest, transformer = 100.0 * np.concatenate(tally.lowest), np.concatenate(tally.transformer)
    many = int(tally.voltage.sum())
    return Errors(
        steps=len(lowest) + tally.unsettled,
        unsettled_steps=tally.unsettled,
        voltage_mean_abs_percent=round(100.0 * tally.voltage_sum_pu / max(many, 1), 5),
        voltage_p99_percent=round(100.0 * _quantile(tally.voltage, 0.99), 5),
        voltage_lowest_mean_percent=round(float(lowest.mean()), 5),
        voltage_lowest_p99_percent=round(float(np.quantile(lowest, 0.99)), 5),
        voltage_lowest_most_percent=round(float(lowest.max()), 5),
        line_p99_share=round(_quantile(tally.line, 0.99), 5),
        transformer_p99_share=round(float(np.quantile(transformer, 0.99)), 5) if len(transformer) else 0.0,
        voltage_covered_share=round(float(np.mean(tally.voltage_held_share)), 4),
        line_covered_share=round(float(np.mean(tally.line_held_share)), 4),
        voltage_half_interval_percent=round(100.0 * float(np.mean(tally.half_voltage_pu)), 4),
        line_half_interval_share=round(float(np.mean(tally.half_line_share)), 4),
    )
