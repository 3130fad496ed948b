# SPDX-License-Identifier: Apache-2.0
"""What each street end's voltage drop usually misses at this time of day, learned from the same meters over the weeks before.

Registers and class curves leave out what is particular to a street: a workshop's early shift, homes that cook late. It comes
back day after day while a meter's error does not, so that many days tell it better than any one reading. Per station and
quarter of an hour of the week: a locally weighted linear regression (Cleveland 1979) of what each end's drop misses on the
station's own P and Q, near in the time of day and, more so, on the same day of the week; and the covariance among the ends of
what is left, the meters' own errors taken off. What is left lasts partly: it is followed through time by a Kalman filter
over all ends of a station (Durbin and Koopman 2012, section 4.3), forward only.
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.estimation.fit import Fit
from lamplighter.services.grid.network.estimation.meters import Readings
from lamplighter.services.grid.network.estimation.prior import Drops, Moments, Weights, factors_of, station_sums
from lamplighter.services.grid.network.estimation.spread import Spread
from lamplighter.services.grid.network.topology import Feeders
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

DAY_STEPS, WEEK_STEPS = 96, 672
PAST_DAYS, LEAST_DAYS = 56, 7  # so far back is learned; with fewer days than the least nothing is
NEAR_STEPS, WIDE_STEPS = 4.0, 8.0  # standard deviations over the time of day, for the mean and for the covariance
OTHER_DAY = 0.3  # weight of another day of the week
STEADY_STEPS = (1.0, 20.0, 20.0)  # so many steps' worth is believed that nothing is missed, and that P and Q say nothing
POWER_BOUND = 4.0  # standard deviations of P and Q to which the regression is followed
ROOT_SIGMA_PU = 0.0006  # of a busbar's voltage once its source has been followed
# What is left, as shares of its variance that last from one quarter of an hour to the next by so much.
LASTS, LASTING = np.array([0.5, 0.96, 0.0]), np.array([0.4, 0.5, 0.1])
SUN_USUAL = 0.1  # mean square of the sky over a year, nights included
GATE = 4.0
VARIANCE_LEAST = 1e-8


@dataclass(frozen=True)
class Missed:
    """What ends' drops missed at steps (t,) numbered from a midnight: usual_pu (t, m) is what the classes' factors let expect
    of the drop between busbar and end, gap_pu (t, m) how much more was measured, known (t, m) whether all needed meters spoke,
    power_kw (t, s, 2) P and Q of the stations, power_known (t, s)."""

    step: IntArray
    usual_pu: FloatArray
    gap_pu: FloatArray
    known: BoolArray
    power_kw: FloatArray
    power_known: BoolArray


@dataclass(frozen=True)
class Habit:
    """One station's, by the quarter of an hour of a week (672, ...). column (m,): its ends among `Drops.end`; mean_kw and
    scale_kw (672, 2) of P and Q; missed_pu (672, m, 3): what is missed at mean P and Q, and per scale of each; unsure_ratio
    (672, m, 3, 3): inverse of the regression's weights; left_ratio (672, m, m): covariance of what is left, pu squared."""

    station: int
    column: IntArray
    mean_kw: FloatArray
    scale_kw: FloatArray
    missed_pu: FloatArray
    unsure_ratio: FloatArray
    left_ratio: FloatArray


def _drops(fit: Fit) -> Drops:
    if fit.drops is None:
        raise ValueError("the fit does not know how street ends answer to the classes; open it with their drops")
    return fit.drops


def missed(fit: Fit, feeders: Feeders, readings: Readings, when: Moments, step: IntArray) -> Missed:
    """Return what the drops at street ends missed at these steps. The fit must know its drops."""
    drops = _drops(fit)
    p, q, known, _ = station_sums(feeders, fit.plan, readings)
    factor = factors_of(fit.weights, feeders, fit.plan, readings, when, drops)
    station = feeders.node_station[fit.plan.u_node[drops.end]]
    usual: FloatArray = np.einsum("tmk,mk->tm", factor[:, station], drops.per_factor_pu)
    fallen = readings.u_pu[:, drops.busbar] - readings.u_pu[:, drops.end]
    spoke = readings.u_known[:, drops.busbar] & readings.u_known[:, drops.end] & (known[:, station] > 0.0)
    return Missed(step, usual, np.where(spoke, fallen - usual, 0.0), spoke, np.stack([p, q], axis=2), known > 0.0)


def joined(parts: list[Missed]) -> Missed:
    """Return what was missed in several stretches as one."""
    names = ("step", "usual_pu", "gap_pu", "known", "power_kw", "power_known")
    return Missed(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _kernels() -> tuple[FloatArray, FloatArray]:
    """Return the weights (672, 672) of quarters of an hour of a week for one another: for the mean, for the covariance."""
    at = np.arange(DAY_STEPS)
    apart = (at[:, None] - at + DAY_STEPS // 2) % DAY_STEPS - DAY_STEPS // 2
    near, wide = (np.exp(-0.5 * (apart / steps) ** 2) for steps in (NEAR_STEPS, WIDE_STEPS))
    return _kron(np.where(np.eye(7) > 0.0, 1.0, OTHER_DAY), near), np.tile(wide, (7, 7))


def _kron(one: FloatArray, other: FloatArray) -> FloatArray:
    whole = one[:, None, :, None] * other[None, :, None, :]
    return whole.reshape(len(one) * len(other), -1)


def learn(fit: Fit, feeders: Feeders, past: Missed) -> list[Habit]:
    """Return every station's habit from what was missed so far; nothing where that is less than a week."""
    if fit.drops is None or len(np.unique(past.step // DAY_STEPS)) < LEAST_DAYS:
        return []
    of = feeders.node_station[fit.plan.u_node[fit.drops.end]]
    kernels = _kernels()
    return [_learned(fit, past, (station, np.flatnonzero(of == station)), kernels) for station in np.unique(of).tolist()]


def _learned(fit: Fit, past: Missed, which: tuple[int, IntArray], kernels: tuple[FloatArray, FloatArray]) -> Habit:
    station, column = which
    near, wide = kernels
    slot, many = past.step % WEEK_STEPS, len(column)

    def summed(value: FloatArray) -> FloatArray:
        total = np.zeros((WEEK_STEPS, *value.shape[1:]))
        np.add.at(total, slot, value)
        return total.reshape(WEEK_STEPS, -1)

    spoke = past.known[:, column].astype(np.float64)
    gap, power = past.gap_pu[:, column], past.power_kw[:, station]
    heard = spoke.max(axis=1, initial=0.0)[:, None]
    mean = (near @ summed(heard * power)) / np.maximum(near @ summed(heard), 1e-9)
    square = (wide @ summed(heard * (power - mean[slot]) ** 2)) / np.maximum(wide @ summed(heard), 1e-9)
    scale = np.sqrt(square) + 1e-6
    x = np.concatenate([np.ones((len(slot), 1)), (power - mean[slot]) / scale[slot]], axis=1)
    weights = (near @ summed(spoke[:, :, None, None] * x[:, None, :, None] * x[:, None, None, :])).reshape(-1, many, 3, 3)
    weights[:, :, range(3), range(3)] += np.array(STEADY_STEPS)
    unsure: FloatArray = np.asarray(np.linalg.inv(weights), np.float64)
    told = (near @ summed((spoke * gap)[:, :, None] * x[:, None, :])).reshape(-1, many, 3)
    coefficient: FloatArray = np.einsum("smij,smj->smi", unsure, told)
    left = spoke * (gap - np.einsum("tk,tmk->tm", x, coefficient[slot]))
    pairs = wide @ summed(spoke[:, :, None] * spoke[:, None, :])
    product = wide @ summed(left[:, :, None] * left[:, None, :])
    shape = (WEEK_STEPS, many, many)
    covariance = (product / np.maximum(pairs, 1e-9)).reshape(shape)
    return Habit(station, column, mean, scale, coefficient, unsure, _true_part(fit, column, covariance, pairs.reshape(shape)))


def _true_part(fit: Fit, column: IntArray, covariance: FloatArray, pairs: FloatArray) -> FloatArray:
    """Return a covariance (672, m, m) without the meters' errors, drawn to what registers let expect as far as chance reaches,
    and without negative variances."""
    drops, plan = _drops(fit), fit.plan
    many = len(column)
    end, root = plan.u_sigma_pu[drops.end[column]] ** 2, float(plan.u_sigma_pu[drops.busbar[column[0]]]) ** 2
    own = np.maximum(drops.own_variance_ratio[column] + SUN_USUAL * drops.sun_variance_ratio[column], VARIANCE_LEAST)
    heard = np.maximum(np.einsum("smm->sm", pairs), 1.0)
    chance = 2.0 * (end + root + own) ** 2 / heard
    believed = own / np.sqrt(own**2 + chance)
    found = np.sqrt(believed)[:, :, None] * (covariance - np.diag(end) - root) * np.sqrt(believed)[:, None, :]
    found[:, range(many), range(many)] += (1.0 - believed) * own
    size, way = np.linalg.eigh(found)
    return np.asarray(np.einsum("sik,sk,sjk->sij", way, np.maximum(size, VARIANCE_LEAST), way), np.float64)


def starts(step: IntArray) -> BoolArray:
    """Return where steps (t,), numbered from a midnight, begin a series anew: where one does not follow the one before."""
    return np.concatenate([[True], np.diff(step) != 1])


def corrected(
    fit: Fit, habits: list[Habit], now: Missed, readings: Readings, root_pu: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return voltages and standard errors (t, v) as the fit should hear them: ends that also know their habit.

    root_pu (t, m): the voltage of each end's busbar, as estimated with what is known of its source.
    """
    drops, plan = _drops(fit), fit.plan
    u, sigma = readings.u_pu.copy(), np.array(np.broadcast_to(plan.u_sigma_pu, readings.u_pu.shape))
    slot = now.step % WEEK_STEPS
    start = starts(now.step)
    for habit in habits:
        column, end = habit.column, drops.end[habit.column]
        away = (now.power_kw[:, habit.station] - habit.mean_kw[slot]) / habit.scale_kw[slot]
        away = np.clip(away, -POWER_BOUND, POWER_BOUND) * now.power_known[:, [habit.station]]
        x = np.concatenate([np.ones((len(slot), 1)), away], axis=1)
        unsure: FloatArray = np.einsum("ti,tmij,tj->tm", x, habit.unsure_ratio[slot], x)
        awaited = root_pu[:, column] - now.usual_pu[:, column] - np.einsum("tk,tmk->tm", x, habit.missed_pu[slot])
        errors = np.broadcast_to(plan.u_sigma_pu[end] ** 2, unsure.shape)
        spoke = readings.u_known[:, end] & np.isfinite(awaited)
        left, variance = followed(
            habit.left_ratio[slot], (np.where(spoke, readings.u_pu[:, end] - awaited, 0.0), start),
            np.where(spoke, errors, 1.0), unsure * (np.einsum("tmm->tm", habit.left_ratio[slot]) + 2.0 * errors),
        )  # fmt: skip
        u[:, end], sigma[:, end] = awaited + left, np.sqrt(variance)
    return u, sigma


def followed(
    covariance: FloatArray, seen: tuple[FloatArray, BoolArray], errors: FloatArray, unsure: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return expectation and variance (t, m) of what is left at each step, given what was seen of it until then.

    covariance (t, m, m): of what is left; seen: its readings (t, m), and where a series starts anew (t,); errors (t, m):
    variances of the readings; unsure (t, m): of what the readings were held against, by itself at each step.
    """
    many, parts = covariance.shape[1], len(LASTS)
    value, start = seen
    see = np.concatenate([np.eye(many)] * parts, axis=1)
    keeps = np.repeat(LASTS, many)
    fresh = _kron(np.diag(1.0 - LASTS**2), np.ones((many, many)))
    size = np.sqrt(np.einsum("tmm->t", covariance))
    mean, spread = np.zeros(parts * many), np.zeros((parts * many, parts * many))
    found, variance = np.zeros_like(value), np.zeros_like(value)
    for step in range(len(value)):
        usual = _kron(np.diag(LASTING), covariance[step])
        if start[step]:
            mean, spread = np.zeros(parts * many), usual
        else:
            grown = float(size[step] / size[step - 1])
            mean, spread = grown * keeps * mean, grown**2 * keeps[:, None] * spread * keeps + fresh * usual
        signal = see @ spread @ see.T + np.diag(unsure[step]) + ROOT_SIGMA_PU**2
        total = signal + np.diag(errors[step])
        beyond = value[step] - see @ mean
        if np.any(beyond**2 > GATE**2 * np.diag(total)):  # something new: what was followed is forgotten
            mean, spread, beyond = np.zeros(parts * many), usual, value[step]
            signal = see @ spread @ see.T + np.diag(unsure[step]) + ROOT_SIGMA_PU**2
            total = signal + np.diag(errors[step])
        gains = np.linalg.solve(total, np.concatenate([signal, see @ spread], axis=1)).T
        found[step] = see @ mean + gains[:many] @ beyond
        variance[step] = np.maximum(np.diag(signal - gains[:many] @ signal), VARIANCE_LEAST)
        mean, spread = mean + gains[many:] @ beyond, spread - gains[many:] @ see @ spread
    return found, variance


def scattered(fit: Fit, habits: list[Habit]) -> Weights:
    """Return the registers' facts with the spread of single connections as wide as the ends' past shows it in the week's least
    certain hour, per station and never narrower: where homes scatter more than homes usually do, cables do so too."""
    drops, weights = _drops(fit), fit.weights
    ratio = np.ones(len(weights.node))
    for habit in habits:
        own = drops.own_variance_ratio[habit.column] + SUN_USUAL * drops.sun_variance_ratio[habit.column]
        shown: FloatArray = np.einsum("smm,m->s", habit.left_ratio, own) / max(float(own @ own), VARIANCE_LEAST**2)
        ratio[weights.station == habit.station] = max(float(shown.max()), 1.0)
    wide = np.sqrt(ratio)
    return replace(weights, sigma_kw=wide * weights.sigma_kw, sun_sigma_kw=wide * weights.sun_sigma_kw)


def narrowed(found: Spread, fit: Fit, habits: list[Habit]) -> Spread:
    """Return the spread of voltages once ends know their habits: each end's variance falls to what its habit alone leaves in
    the week's least certain hour, and its block's with it as far as they go together (Jeffrey's rule for normal distributions).

    What the end's own reading adds is kept as a reserve: a year's seasons move streets away from what eight weeks have taught."""
    if not habits:
        return found
    drops = _drops(fit)
    by_station = {habit.station: habit for habit in habits}
    u, covariances = found.u_pu.copy(), list(found.u_covariance)
    for number, block in enumerate(found.blocks):
        habit = by_station.get(block.station)
        if habit is None:
            continue
        before, covariance = np.diag(covariances[number]).copy(), covariances[number].copy()
        left = np.einsum("smm->sm", habit.left_ratio).max(axis=0) + ROOT_SIGMA_PU**2
        for column, own in zip(habit.column.tolist(), left.tolist(), strict=True):
            end = int(drops.end[column])
            at = int(block.node_of_meter[np.searchsorted(block.u_meter, end)])
            usual = float(covariance[at, at])
            if own < usual:
                covariance -= np.outer(covariance[at], covariance[at]) / usual * (1.0 - own / usual)
        covariances[number] = covariance
        u[block.nodes] = np.sqrt(np.maximum(u[block.nodes] ** 2 - before + np.diag(covariance), 0.0))
    return replace(found, u_pu=u, u_covariance=covariances)
