# SPDX-License-Identifier: Apache-2.0
"""Pseudo-loads: what counts of connections, contracted power and the stations' own meters let expect at each node.

Nothing of a household goes in. A register knows how many homes hang on a node, which power businesses, heat pumps,
charging points and photovoltaics contracted or registered, and with which standard class a business is settled (shops,
bakeries, working days). What a class draws now is much the same all over a city: first each class has one factor for all,
found from all stations' power and all ends' voltage drops together (a linear Gaussian model whose prior are curves over the
day, meters that do not fit weighed down once); then each station has its own around it, found from its own P and Q in closed
form. What is left is independent from connection to connection.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.demand import commerce, household, sun_share
from lamplighter.services.grid.network.estimation.meters import MeterPlan, Readings
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import BUSINESS, CHARGING, HEAT_PUMP, HOME, STORAGE, Network
from lamplighter.services.grid.network.topology import Feeders
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

CLASSES = ("homes", "businesses", "working days", "evenings", "continuous", "shops", "bakeries", "weekends", "heat pumps", "sun")
SUN = len(CLASSES) - 1
HOMES, BUSINESSES, HEAT = 0, slice(1, 8), 8
# Standard classes of businesses as operators keep them in their registers (VDEW 1999: G0 to G6), after the general one.
STANDARD = ("G1", "G2", "G3", "G4", "G5", "G6")
HOME_KW = 0.3  # mean of a year of one home: 2,600 kWh
BUSINESS_SHARE, HEAT_SHARE, CHARGING_SHARE = 0.25, 0.12, 0.03  # mean of a year over contracted power
CLASS_SPREAD = (0.5, *[0.5] * 7, 1.0, 1.0)  # of a class's factor around its curve; the sun has its own
CITY_SPREAD = (0.75, *[0.8] * 7, 1.0, 1.0)  # the same where all meters of a city are about to tell it
DEVIATES = 0.15  # of a station's factor around the city's
CITY_STATIONS = 8  # with fewer, their ends tell too little of the classes to be heard twice: here and in the fit
SCALE_BOUNDS = (0.1, 30.0)  # of the variance of single connections, over the usual one
SCALE_STEADY = 20.0  # so many ends' worth of the usual variance is believed before any end has spoken
TAIL, TAIL_ROUNDS = 1.5, 4  # degrees of freedom of one street's own scale
MISFIT = 3.0  # standard deviations beyond which a meter is weighed down
SUN_MEAN, SUN_SPREAD = 0.5, 0.4  # of a clear sky's output
TAN, TAN_SPREAD = 0.25, 0.08
# Spread of one connection's quarter of an hour around its class: kW for a home, share of contracted power elsewhere.
HOME_SIGMA_KW = 0.35
SIGMA_SHARES = {BUSINESS: 0.25, HEAT_PUMP: 0.15, CHARGING: 0.12, STORAGE: 0.12}
SUN_SIGMA_SHARE = 0.06
STEADY_SHARE, STEADY_SIGMA_SHARE = 0.35, 0.35  # generators other than photovoltaics: mean and spread, of what is installed
Q_SIGMA_SHARE = 0.35
SIGMA_LEAST_KW = 0.03


@dataclass(frozen=True)
class Weights:
    """Public facts per node with demand or generation (d,). station: ABSENT above the stations; classes_kw (c, d): kW expected
    of the classes, heat pumps and charging together, photovoltaics in full sun and negative; steady_kw (d,): expected of
    other generators (negative); sigma_kw (d,): spread in the dark, sun_sigma_kw (d,): to be added in full sun;
    homes_count (d,)."""

    node: IntArray
    station: IntArray
    classes_kw: FloatArray
    steady_kw: FloatArray
    sigma_kw: FloatArray
    sun_sigma_kw: FloatArray
    homes_count: FloatArray
    lat_deg: float
    lon_deg: float


@dataclass(frozen=True)
class Pseudo:
    """Expected net demand of the weights' nodes at steps (t, d), and the spread of active and reactive power."""

    p_kw: FloatArray
    q_kvar: FloatArray
    sigma_kw: FloatArray
    q_sigma_kvar: FloatArray


@dataclass(frozen=True)
class Drops:
    """Voltage meters of a plan at street ends (m,), that at their station's busbar, the drop between them in pu per unit of
    each class's factor (m, c), and its variance (m,) by what single connections do, in the dark and added by a full sun."""

    end: IntArray
    busbar: IntArray
    per_factor_pu: FloatArray
    own_variance_ratio: FloatArray
    sun_variance_ratio: FloatArray


@dataclass(frozen=True)
class Moments:
    """When steps are (t,): local hour (local_h) and day of the year, 1 to 366."""

    local_h: FloatArray
    day: IntArray


def moments_of(step: IntArray) -> Moments:
    """Return the moments of quarters of an hour since the start of a year."""
    return Moments((step % 96) / 4.0, step // 96 + 1)


def weights_of(network: Network, feeders: Feeders) -> Weights:
    """Return the public facts of a fused network: homes count alike, the rest by contracted power."""
    many, loads, generation = len(network.nodes.id), network.loads, network.generation

    def summed(value: FloatArray, kind: IntArray) -> FloatArray:
        return np.asarray(np.bincount(loads.node, weights=value * kind, minlength=many), np.float64)

    contracted = np.abs(loads.p_kw)
    is_kind = [loads.kind == kind for kind in (HOME, BUSINESS, HEAT_PUMP, CHARGING, STORAGE)]
    homes = summed(loads.connections_count, is_kind[HOME])
    heat = HEAT_SHARE * summed(contracted, is_kind[HEAT_PUMP]) + CHARGING_SHARE * summed(contracted, is_kind[CHARGING])
    standard = np.array(
        [1 + STANDARD.index(text[:2]) if text[:2] in STANDARD else 0 for text in loads.profile.tolist()], np.int64
    )
    shops = [BUSINESS_SHARE * summed(contracted, is_kind[BUSINESS] & (standard == k)) for k in range(len(STANDARD) + 1)]
    is_sun = (generation.profile == "") | np.char.startswith(generation.profile, "PV")
    installed = np.bincount(generation.node, weights=np.abs(generation.p_kw) * is_sun, minlength=many)
    other = np.bincount(generation.node, weights=np.abs(generation.p_kw) * ~is_sun, minlength=many)
    classes = np.stack([HOME_KW * homes, *shops, heat, -installed])
    variance = HOME_SIGMA_KW**2 * homes + (STEADY_SIGMA_SHARE * other) ** 2
    for kind, share in SIGMA_SHARES.items():
        variance = variance + np.bincount(loads.node, weights=(share * contracted * is_kind[kind]) ** 2, minlength=many)
    sun = np.bincount(generation.node, weights=(SUN_SIGMA_SHARE * generation.p_kw * is_sun) ** 2, minlength=many)
    busy = np.zeros(many, np.bool_)
    busy[loads.node], busy[generation.node] = True, True
    node = np.flatnonzero(busy)
    placed = network.nodes.placed
    return Weights(
        node=node,
        station=feeders.node_station[node],
        classes_kw=np.asarray(classes[:, node], np.float64),
        steady_kw=-STEADY_SHARE * np.asarray(other[node], np.float64),
        sigma_kw=np.sqrt(variance[node]) + SIGMA_LEAST_KW,
        sun_sigma_kw=np.sqrt(np.asarray(sun[node], np.float64)),
        homes_count=homes[node],
        lat_deg=float(network.nodes.lat_deg[placed].mean()) if placed.any() else 50.0,
        lon_deg=float(network.nodes.lon_deg[placed].mean()) if placed.any() else 10.0,
    )


def usual_kw(weights: Weights, nodes: int) -> FloatArray:
    """Return what is expected of each node (n,) on a usual evening without sun."""
    demand = np.zeros(nodes)
    demand[weights.node] = weights.classes_kw[:SUN].sum(axis=0)
    return demand


def sky_of(weights: Weights, when: Moments) -> FloatArray:
    """Return a clear sky's output (t,) over the rating of photovoltaics; local time is taken an hour before Greenwich."""
    moments = zip(when.day.tolist(), when.local_h.tolist(), strict=True)
    return np.array([sun_share(day, hour - 1.0, weights.lat_deg, weights.lon_deg) for day, hour in moments], dtype=np.float64)


def _curves(weights: Weights, when: Moments, spreads: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Return the factors' expectation (t, c) over the classes' means, and their spread (t, c)."""
    sky = sky_of(weights, when)
    shop, flat = commerce(when.local_h), np.ones(len(sky))
    mean = np.stack([household(when.local_h), *[shop] * 7, flat, SUN_MEAN * sky], axis=1)
    return mean, np.concatenate([mean[:, :SUN] * np.array(spreads[:SUN]), (SUN_SPREAD * sky + 0.01)[:, None]], axis=1)


def station_sums(feeders: Feeders, plan: MeterPlan, readings: Readings) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return P and Q (t, s) into each station's busbar, whether all its meters spoke (as 1 and 0), and their sigma (s,)."""
    stations = len(feeders.station_busbar)
    p, q, silent = (np.zeros((readings.steps, stations)) for _ in range(3))
    variance, metered = np.zeros(stations), np.zeros(stations, np.bool_)
    column = {int(t): place for place, t in enumerate(plan.p_transformer.tolist())}
    for t, station in zip(feeders.supply_transformer.tolist(), feeders.supply_station.tolist(), strict=True):
        if t in column:
            at = column[t]
            p[:, station] += readings.transformer_p_kw[:, at]
            q[:, station] += readings.transformer_q_kvar[:, at]
            silent[:, station] += ~readings.transformer_known[:, at]
            variance[station] += plan.p_transformer_sigma_kw[at] ** 2
            metered[station] = True
    return p, q, np.where(metered & (silent == 0.0), 1.0, 0.0), np.sqrt(variance)


def factors_of(
    weights: Weights, feeders: Feeders, plan: MeterPlan, readings: Readings, when: Moments, drops: Drops | None = None
) -> FloatArray:
    """Return the classes' factors (t, s, c) given what the stations' meters and (with drops) those at street ends said."""
    p, q, known, sigma = station_sums(feeders, plan, readings)
    below = weights.station != ABSENT
    station = np.maximum(weights.station, 0)
    stations = p.shape[1]
    total = _totals(weights, stations)
    own = np.asarray(np.bincount(station, weights=(weights.sigma_kw**2) * below, minlength=stations), np.float64)
    p = p - np.bincount(station, weights=weights.steady_kw * below, minlength=stations)
    if stations < CITY_STATIONS:
        city = _curves(weights, when, CLASS_SPREAD)
    else:
        city = _city(_curves(weights, when, CITY_SPREAD), (total, own + sigma**2, p, known), drops, plan, readings)
    return _factors(total, own, (p, q, known, sigma), city)


def _city(
    prior: tuple[FloatArray, FloatArray],
    stations: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    drops: Drops | None,
    plan: MeterPlan,
    readings: Readings,
) -> tuple[FloatArray, FloatArray]:
    """Return the classes' factors (t, c) of the whole city, and the spread (t, c) of a station's around them.

    One linear Gaussian measurement per station (total (c, s), variance (s,), power (t, s), known (t, s)) and per end.
    """
    mean, spread = prior
    total, variance, p, known = stations
    rows, gap, silent = total.T, p - mean @ total, 1.0 - known
    variance = variance + (mean**2) @ (DEVIATES * total) ** 2
    if drops is not None and len(drops.end):
        rows = np.concatenate([rows, drops.per_factor_pu])
        fallen = readings.u_pu[:, drops.busbar] - readings.u_pu[:, drops.end]
        heard = readings.u_known[:, drops.busbar] & readings.u_known[:, drops.end]
        gap = np.concatenate([gap, np.where(heard, fallen - mean @ drops.per_factor_pu.T, 0.0)], axis=1)
        silent = np.concatenate([silent, np.where(heard, 0.0, 1.0)], axis=1)
        meters = plan.u_sigma_pu[drops.busbar] ** 2 + plan.u_sigma_pu[drops.end] ** 2 + drops.own_variance_ratio
        variance = np.concatenate([variance, meters + (mean**2) @ (DEVIATES * drops.per_factor_pu.T) ** 2], axis=1)
    weight = np.where(silent > 0.0, 0.0, 1.0 / variance)
    square = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    many = mean.shape[1]
    moved = np.zeros_like(mean)
    covariance = np.zeros((len(mean), many, many))
    for _ in range(2):
        left = np.abs(gap - moved @ rows.T) * np.sqrt(weight)
        careful = weight * np.minimum(1.0, MISFIT / np.maximum(left, 1e-9)) if moved.any() else weight
        gain = (careful @ square).reshape(-1, many, many)
        gain[:, np.arange(many), np.arange(many)] += 1.0 / spread**2
        covariance = np.linalg.inv(gain)
        moved = np.einsum("tkl,tl->tk", covariance, (careful * gap) @ rows)
    found = np.maximum(mean + moved, 0.0)
    found[:, SUN] = np.minimum(found[:, SUN], 1.0)
    unsure = np.einsum("tkk->tk", covariance)
    return found, np.sqrt((DEVIATES * found) ** 2 + unsure + 0.01**2)


def _totals(weights: Weights, stations: int) -> FloatArray:
    """Return the classes' means (c, s) of whole stations."""
    below, station = weights.station != ABSENT, np.maximum(weights.station, 0)
    sums = [np.bincount(station, weights=row * below, minlength=stations) for row in weights.classes_kw]
    return np.asarray(np.stack(sums), np.float64)


def expected(
    weights: Weights, feeders: Feeders, plan: MeterPlan, readings: Readings, when: Moments, drops: Drops | None = None
) -> Pseudo:
    """Return the pseudo-loads of each step, given what the meters said; a silent station's nodes are expected at the city's
    factors, with the wider spread that follows."""
    _, q, known, _ = station_sums(feeders, plan, readings)
    mean, spread = _curves(weights, when, CLASS_SPREAD)
    below = weights.station != ABSENT
    station = np.maximum(weights.station, 0)
    total = _totals(weights, q.shape[1])
    factor = factors_of(weights, feeders, plan, readings, when, drops)
    of_node = factor[:, station] * below[:, None] + mean[:, None, :] * ~below[:, None]
    consumed = np.einsum("tdk,kd->td", of_node[:, :, :SUN], weights.classes_kw[:SUN])
    p_node = consumed + of_node[:, :, SUN] * weights.classes_kw[SUN] + weights.steady_kw
    tan = np.where(
        known > 0.0, np.clip(q / np.maximum(np.einsum("tsk,ks->ts", factor[:, :, :SUN], total[:SUN]), 1.0), -0.5, 1.0), TAN
    )
    q_node = consumed * np.where(below, tan[:, station], TAN)
    blind = np.where(below & (known[:, station] == 0.0), 1.0, 0.0) + np.where(below, 0.0, 1.0)
    common = np.sqrt(np.einsum("tk,kd->td", spread**2, weights.classes_kw**2))
    sky = sky_of(weights, when)[:, None]
    scale = np.ones_like(p_node) if drops is None else _scales(weights, feeders, (plan, readings), (factor, known, sky), drops)
    sigma_node = np.sqrt(scale * (weights.sigma_kw**2 + (sky * weights.sun_sigma_kw) ** 2) + blind * common**2)
    return Pseudo(p_node, q_node, sigma_node, Q_SIGMA_SHARE * sigma_node)


def _wider(street: FloatArray, every: FloatArray, found: tuple[FloatArray, FloatArray, FloatArray, BoolArray]) -> FloatArray:
    """Return how wide streets (t, m) must be for what they show. found: gaps, what is expected of them, errors, who spoke."""
    gap, own, meters, spoke = found
    told = street * own / (street * own + meters)
    return (TAIL * every + np.where(spoke, told**2 * gap**2 / own + (1.0 - told) * street, every)) / (TAIL + 1.0)


def _scales(
    weights: Weights,
    feeders: Feeders,
    heard: tuple[MeterPlan, Readings],
    found: tuple[FloatArray, FloatArray, FloatArray],
    drops: Drops,
) -> FloatArray:
    """Return by how much the variance (t, d) of single connections is larger or smaller now than usual: at night, say, or
    where many of a street do the same. Told by how far the ends' drops are from what the factors let expect; one street
    counts as a few steps of all would (a prior with heavy tails: Student's t, by expectation and maximisation).
    """
    (plan, readings), (factor, known, sky) = heard, found
    steps = readings.steps
    if not len(drops.end):
        return np.ones((steps, len(weights.node)))
    feeder = feeders.node_feeder[plan.u_node[drops.end]]
    station = feeders.node_station[plan.u_node[drops.end]]
    gap = readings.u_pu[:, drops.busbar] - readings.u_pu[:, drops.end]
    gap = gap - np.einsum("tmk,mk->tm", factor[:, station], drops.per_factor_pu)
    spoke = readings.u_known[:, drops.busbar] & readings.u_known[:, drops.end] & (known[:, station] > 0.0)
    meters = plan.u_sigma_pu[drops.busbar] ** 2 + plan.u_sigma_pu[drops.end] ** 2
    # an end behind which nobody is answers to nobody
    own = np.maximum(drops.own_variance_ratio + sky**2 * drops.sun_variance_ratio, 1e-4 * meters)
    beyond = np.where(spoke, gap**2 - meters, 0.0)
    steady = SCALE_STEADY * float(np.mean(meters)) ** 2
    every = ((beyond * own).sum(axis=1) + steady) / ((np.where(spoke, own, 0.0) ** 2).sum(axis=1) + steady)
    every = np.clip(every, *SCALE_BOUNDS)[:, None]
    street: FloatArray = np.repeat(every, len(station), axis=1)
    for _ in range(TAIL_ROUNDS):  # what a street's own deviation is, given its meter; then how wide streets must be for it
        street = _wider(street, every, (gap, own, meters, spoke))
    many = len(feeders.feeder_end)
    of_feeder = np.repeat(every, many + 1, axis=1)
    count = np.bincount(feeder, minlength=many)
    total = np.zeros((many, steps))
    np.add.at(total, feeder, np.transpose(street))
    has = np.flatnonzero(count)
    of_feeder[:, has] = (total[has] / count[has, None]).T
    own_feeder = feeders.node_feeder[weights.node]
    return np.clip(of_feeder, *SCALE_BOUNDS)[:, np.where(own_feeder == ABSENT, many, own_feeder)]


def _factors(
    total: FloatArray,
    own: FloatArray,
    meter: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    prior: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return the classes' factors (t, s, c) given P and Q of each station: two linear measurements."""
    p, q, known, sigma = meter
    mean, spread = prior
    consumed = total.copy()
    consumed[SUN] = 0.0
    rows = np.stack([total, TAN * consumed])  # (2, c, s)
    gap = np.stack([p - mean @ total, q - TAN * (mean @ consumed)], axis=-1)
    scaled: FloatArray = np.einsum("mks,tk->tsmk", rows, spread**2)
    inner: FloatArray = np.einsum("tsmk,nks->tsmn", scaled, rows)
    inner[:, :, 0, 0] += own + sigma**2
    inner[:, :, 1, 1] += TAN**2 * own + sigma**2 + (TAN_SPREAD * (mean @ consumed)) ** 2
    moved = np.einsum("tsmk,tsm->tsk", scaled, np.linalg.solve(inner, gap[..., None])[..., 0]) * known[..., None]
    found = mean[:, None, :] + moved
    found[:, :, SUN] = np.clip(found[:, :, SUN], 0.0, 1.0)
    found[:, :, :SUN] = np.maximum(found[:, :, :SUN], 0.0)
    # What the bounds took away goes to those that consume, so that the station's own power is met.
    rest = (p - np.einsum("tsk,ks->ts", found, total)) * known
    sums = np.maximum(np.einsum("tsk,ks->ts", found[:, :, :SUN], total[:SUN]), 1e-9)
    found[:, :, :SUN] *= np.maximum(1.0 + rest / sums, 0.0)[..., None]
    return found
