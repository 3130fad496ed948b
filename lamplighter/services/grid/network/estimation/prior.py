# SPDX-License-Identifier: Apache-2.0
"""Pseudo-loads: what counts of connections, contracted power and the stations' own meters let expect at each node.

Nothing of a household goes in. A register knows how many homes hang on a node, which power businesses, heat pumps,
charging points and photovoltaics contracted or registered; classes have curves over the day. Each class shares one
factor in all of a station (a cold day, a cloud): the factors are found from the station's own P and Q (a linear Gaussian
model, solved in closed form), and what is left is independent from connection to connection.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.demand import commerce, household, sun_share
from lamplighter.services.grid.network.estimation.meters import MeterPlan, Readings
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import BUSINESS, CHARGING, HEAT_PUMP, HOME, STORAGE, Network
from lamplighter.services.grid.network.topology import Feeders
from lamplighter.terms.columns import FloatArray, IntArray

HOME_KW = 0.3  # mean of a year of one home: 2,600 kWh
BUSINESS_SHARE, HEAT_SHARE, CHARGING_SHARE = 0.25, 0.12, 0.03  # mean of a year over contracted power
CLASS_SPREAD = (0.5, 0.5, 1.0, 1.0)  # of the common factors: homes, businesses, heat pumps; the sun has its own
SUN_MEAN, SUN_SPREAD = 0.5, 0.4  # of a clear sky's output
TAN, TAN_SPREAD = 0.25, 0.08
# Spread of one connection's quarter of an hour around its class: kW for a home, share of contracted power elsewhere.
HOME_SIGMA_KW = 0.35
SIGMA_SHARES = {BUSINESS: 0.25, HEAT_PUMP: 0.15, CHARGING: 0.12, STORAGE: 0.12}
SUN_SIGMA_SHARE = 0.06
STEADY_SHARE, STEADY_SIGMA_SHARE = 0.35, 0.35  # generators other than photovoltaics: mean and spread, of what is installed
Q_SIGMA_SHARE = 0.35
SIGMA_LEAST_KW = 0.03
CLASSES = ("homes", "businesses", "heat pumps", "sun")


@dataclass(frozen=True)
class Weights:
    """Public facts per node with demand or generation (d,). station: ABSENT above the stations; classes_kw (4, d): kW expected
    of homes, businesses, heat pumps and charging, and of photovoltaics in full sun (negative); steady_kw (d,): expected of
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
    is_sun = (generation.profile == "") | np.char.startswith(generation.profile, "PV")
    installed = np.bincount(generation.node, weights=np.abs(generation.p_kw) * is_sun, minlength=many)
    other = np.bincount(generation.node, weights=np.abs(generation.p_kw) * ~is_sun, minlength=many)
    classes = np.stack([HOME_KW * homes, BUSINESS_SHARE * summed(contracted, is_kind[BUSINESS]), heat, -installed])
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
    demand[weights.node] = weights.classes_kw[:3].sum(axis=0)
    return demand


def sky_of(weights: Weights, when: Moments) -> FloatArray:
    """Return a clear sky's output (t,) over the rating of photovoltaics; local time is taken an hour before Greenwich."""
    moments = zip(when.day.tolist(), when.local_h.tolist(), strict=True)
    return np.array([sun_share(day, hour - 1.0, weights.lat_deg, weights.lon_deg) for day, hour in moments], dtype=np.float64)


def _curves(weights: Weights, when: Moments) -> tuple[FloatArray, FloatArray]:
    """Return the factors' expectation (t, 4) over the classes' means, and their spread (t, 4)."""
    sky = sky_of(weights, when)
    flat = np.ones(len(sky))
    mean = np.stack([household(when.local_h), commerce(when.local_h), flat, SUN_MEAN * sky], axis=1)
    spread = np.stack([*(share * flat for share in CLASS_SPREAD[:3]), SUN_SPREAD * sky + 0.01], axis=1)
    spread[:, :3] *= mean[:, :3]
    return mean, spread


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


def factors_of(weights: Weights, feeders: Feeders, plan: MeterPlan, readings: Readings, when: Moments) -> FloatArray:
    """Return the classes' common factors (t, s, 4) given what the stations' meters said."""
    p, q, known, sigma = station_sums(feeders, plan, readings)
    below = weights.station != ABSENT
    station = np.maximum(weights.station, 0)
    stations = p.shape[1]
    total = _totals(weights, stations)
    own = np.asarray(np.bincount(station, weights=(weights.sigma_kw**2) * below, minlength=stations), np.float64)
    steady = np.bincount(station, weights=weights.steady_kw * below, minlength=stations)
    return _factors(total, own, (p - steady, q, known, sigma), _curves(weights, when))


def _totals(weights: Weights, stations: int) -> FloatArray:
    """Return the classes' means (4, s) of whole stations."""
    below, station = weights.station != ABSENT, np.maximum(weights.station, 0)
    sums = [np.bincount(station, weights=row * below, minlength=stations) for row in weights.classes_kw]
    return np.asarray(np.stack(sums), np.float64)


def expected(weights: Weights, feeders: Feeders, plan: MeterPlan, readings: Readings, when: Moments) -> Pseudo:
    """Return the pseudo-loads of each step, given what the stations' meters said; a silent station's nodes are expected at
    their classes' curves, with the wider spread that follows."""
    _, q, known, _ = station_sums(feeders, plan, readings)
    mean, spread = _curves(weights, when)
    below = weights.station != ABSENT
    station = np.maximum(weights.station, 0)
    total = _totals(weights, q.shape[1])
    factor = factors_of(weights, feeders, plan, readings, when)
    of_node = factor[:, station] * below[:, None] + mean[:, None, :] * ~below[:, None]
    consumed = np.einsum("tdk,kd->td", of_node[:, :, :3], weights.classes_kw[:3])
    p_node = consumed + of_node[:, :, 3] * weights.classes_kw[3] + weights.steady_kw
    tan = np.where(
        known > 0.0, np.clip(q / np.maximum(np.einsum("tsk,ks->ts", factor[:, :, :3], total[:3]), 1.0), -0.5, 1.0), TAN
    )
    q_node = consumed * np.where(below, tan[:, station], TAN)
    blind = np.where(below & (known[:, station] == 0.0), 1.0, 0.0) + np.where(below, 0.0, 1.0)
    common = np.sqrt(np.einsum("tk,kd->td", spread**2, weights.classes_kw**2))
    sky = sky_of(weights, when)[:, None]
    sigma_node = np.sqrt(weights.sigma_kw**2 + (sky * weights.sun_sigma_kw) ** 2 + blind * common**2)
    return Pseudo(p_node, q_node, sigma_node, Q_SIGMA_SHARE * sigma_node)


def _factors(
    total: FloatArray,
    own: FloatArray,
    meter: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    prior: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return the classes' factors (t, s, 4) given P and Q of each station: two linear measurements of four factors."""
    p, q, known, sigma = meter
    mean, spread = prior
    consumed = total.copy()
    consumed[3] = 0.0
    rows = np.stack([total, TAN * consumed])  # (2, 4, s)
    gap = np.stack([p - mean @ total, q - TAN * (mean @ consumed)], axis=-1)
    scaled: FloatArray = np.einsum("mks,tk->tsmk", rows, spread**2)
    inner: FloatArray = np.einsum("tsmk,nks->tsmn", scaled, rows)
    inner[:, :, 0, 0] += own + sigma**2
    inner[:, :, 1, 1] += TAN**2 * own + sigma**2 + (TAN_SPREAD * (mean @ consumed)) ** 2
    moved = np.einsum("tsmk,tsm->tsk", scaled, np.linalg.solve(inner, gap[..., None])[..., 0]) * known[..., None]
    found = mean[:, None, :] + moved
    found[:, :, 3] = np.clip(found[:, :, 3], 0.0, 1.0)
    found[:, :, :3] = np.maximum(found[:, :, :3], 0.0)
    # What the bounds took away goes to those that consume, so that the station's own power is met.
    rest = (p - np.einsum("tsk,ks->ts", found, total)) * known
    sums = np.maximum(np.einsum("tsk,ks->ts", found[:, :, :3], total[:3]), 1e-9)
    found[:, :, :3] *= np.maximum(1.0 + rest / sums, 0.0)[..., None]
    return found
