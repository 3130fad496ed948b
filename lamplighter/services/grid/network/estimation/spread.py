# SPDX-License-Identifier: Apache-2.0
"""How sure the estimate is: the covariance of weighted least squares by its gain matrix, per block.

x = (p, q of every demand, voltage of the root), y = H x + e. The gain is that of the fit, K = C H' (H C H' + R)^-1 with the
diagonal C of the pseudo-loads; the covariance is Joseph's form (I - K H) P (I - K H)' + K R K' with P the whole prior,
common factors of the classes included, so that it stays true though the fit knows no common factors
(Abur and Exposito 2004, chapter 5; Joseph's form: Bucy and Joseph 1968).
"""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.estimation.blocks import Block, blocks_of
from lamplighter.services.grid.network.estimation.meters import MeterPlan
from lamplighter.services.grid.network.estimation.prior import (
    CLASS_SPREAD,
    Q_SIGMA_SHARE,
    SUN,
    SUN_SPREAD,
    TAN,
    TAN_SPREAD,
    Weights,
)
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

SOURCE_SIGMA_PU = 0.02  # what is known of a source's voltage without a meter: a tap changer's band
COS2 = 0.94  # share of active power's variance in that of apparent power at a power factor of 0.97
CONFIDENCE = 1.96  # 95 % of a normal distribution
LINEAR_SHARE = 0.03  # error of the linear model, share of the drop it computes


@dataclass(frozen=True)
class Measured:
    """One block's measurement: rows H (m, 2d + 1), variances R (m,), prior P (2d + 1, 2d + 1), and the fit's own C (diagonal),
    in kW and kvar, voltages in pu. The rows: voltages, then active and reactive power of each power meter, then (at a
    station) P and Q of the whole."""

    rows_per_kw: FloatArray
    variance_kw: FloatArray
    prior_kw: FloatArray
    fitted_kw: FloatArray


@dataclass(frozen=True)
class Spread:
    """Standard deviations: u_pu (n,) of every node of the network, loading (b,) of every branch as a share of its rating,
    flow_kw (b,); all 0 where there is no voltage. Covariances per block for those who ask where the next meter helps."""

    u_pu: FloatArray
    loading: FloatArray
    flow_kw: FloatArray
    blocks: list[Block]
    u_covariance: list[FloatArray]
    flow_covariance: list[FloatArray]


def _prior(weights: Weights, block: Block, sky: float, stations: int) -> tuple[FloatArray, FloatArray]:
    """Return variance (d,) of each demand of the block by itself, and the loadings (d, c) of the classes' common factors."""
    spread = np.array([*CLASS_SPREAD[:SUN], SUN_SPREAD * sky + 0.01])
    own: FloatArray = weights.sigma_kw**2 + (sky * weights.sun_sigma_kw) ** 2
    common = (weights.classes_kw * spread[:, None]).T
    if block.station >= 0:
        return own[block.demand], common[block.demand]
    below = weights.station != ABSENT
    of_station = np.bincount(weights.station[below], weights=own[below], minlength=stations)
    shared = np.stack([np.bincount(weights.station[below], weights=row[below], minlength=stations) for row in common.T], axis=1)
    whole_own, whole_common = np.concatenate([own, of_station]), np.concatenate([common, shared])
    return np.asarray(whole_own[block.demand], np.float64), np.asarray(whole_common[block.demand], np.float64)


def _conditioned(own: FloatArray, common: FloatArray, sigma_kw: float) -> FloatArray:
    """Return the common factors' covariance (c, c) once a station's P and Q have been read, as `prior.expected` does."""
    consumed = common.copy()
    consumed[:, SUN] = 0.0
    rows = np.stack([common.sum(axis=0), TAN * consumed.sum(axis=0)])
    inner = rows @ rows.T
    total = float(np.abs(consumed[:, :SUN]).sum()) / CLASS_SPREAD[0]
    inner[0, 0] += own.sum() + sigma_kw**2
    inner[1, 1] += TAN**2 * own.sum() + sigma_kw**2 + (TAN_SPREAD * total) ** 2
    return np.eye(len(CLASS_SPREAD)) - rows.T @ np.linalg.solve(inner, rows)


def measured(
    block: Block, plan: MeterPlan, weights: Weights, at: tuple[float, float], station_sigma_kw: FloatArray, told: bool = True
) -> Measured:
    """Return a block's linear measurement, at a sky and with a standard deviation of the root's voltage (`at`).

    station_sigma_kw (s,): of the meters of each station, inf where there is none. told: the classes' factors have been
    read from the station's own power already, as in `prior.expected`; False where that power is itself on trial.
    """
    sky, root_sigma_pu = at
    many = len(block.demand)
    own, common = _prior(weights, block, sky, len(station_sigma_kw))
    rows: list[FloatArray] = []
    variance: list[float] = []
    for meter, node in zip(block.u_meter.tolist(), block.node_of_meter.tolist(), strict=True):
        rows.append(np.concatenate([-block.r_pu[node], -block.x_pu[node], [1.0]]))
        variance.append(float(plan.u_sigma_pu[meter]) ** 2)
    sigma = np.concatenate([plan.p_line_sigma_kw, plan.p_transformer_sigma_kw])
    for meter, branch in zip(block.p_meter.tolist(), block.branch_of_meter.tolist(), strict=True):
        for reactive in (False, True):
            row = np.zeros(2 * many + 1)
            row[many * reactive : many * reactive + many] = block.flow_share[branch]
            rows.append(row)
            variance.append(float(sigma[meter]) ** 2)
    factors = np.eye(len(CLASS_SPREAD))
    if block.station >= 0 and np.isfinite(station_sigma_kw[block.station]):
        factors = _conditioned(own, common, float(station_sigma_kw[block.station])) if told else factors
        for reactive in (False, True):
            row = np.zeros(2 * many + 1)
            row[many * reactive : many * reactive + many] = 1.0
            rows.append(row)
            variance.append(float(station_sigma_kw[block.station]) ** 2)
    fitted = np.concatenate([own, Q_SIGMA_SHARE**2 * own, [root_sigma_pu**2]])
    whole = np.diag(fitted)
    consumed = common.copy()
    consumed[:, SUN] = 0.0
    shared = np.concatenate([common, TAN * consumed])
    whole[: 2 * many, : 2 * many] += shared @ factors @ shared.T
    if not len(rows):
        return Measured(np.zeros((0, 2 * many + 1)), np.zeros(0), whole, fitted)
    return Measured(np.array(rows), np.array(variance), whole, fitted)


def posterior(found: Measured) -> FloatArray:
    """Return the covariance (2d + 1, 2d + 1) of the fit's error."""
    if not len(found.variance_kw):
        return found.prior_kw
    held = found.fitted_kw[:, None] * found.rows_per_kw.T
    gain = np.linalg.solve(found.rows_per_kw @ held + np.diag(found.variance_kw), held.T).T
    rest = np.eye(len(found.fitted_kw)) - gain @ found.rows_per_kw
    return rest @ found.prior_kw @ rest.T + (gain * found.variance_kw) @ gain.T


def station_sigmas(feeders: Feeders, plan: MeterPlan, known: BoolArray | None = None) -> FloatArray:
    """Return the standard deviation (s,) in kW of each station's metered power, inf where a transformer has no meter."""
    variance = np.zeros(len(feeders.station_busbar))
    column = {int(t): place for place, t in enumerate(plan.p_transformer.tolist()) if known is None or known[place]}
    supplied = np.zeros(len(variance), np.bool_)
    for t, station in zip(feeders.supply_transformer.tolist(), feeders.supply_station.tolist(), strict=True):
        supplied[station] = True
        variance[station] += plan.p_transformer_sigma_kw[column[t]] ** 2 if t in column else np.inf
    return np.where(supplied, np.sqrt(variance), np.inf)


def spread_of(network: Network, feeders: Feeders, plan: MeterPlan, weights: Weights, sky: float) -> Spread:
    """Return how far the estimate may be off everywhere (one standard deviation), at a sky of 0 (night) to 1 (full sun)."""
    return spread_in(network, feeders, plan, weights, (blocks_of(network, feeders, plan, weights), sky))


def spread_in(
    network: Network,
    feeders: Feeders,
    plan: MeterPlan,
    weights: Weights,
    at: tuple[list[Block], float],
    before: Spread | None = None,
) -> Spread:
    """Return the spread with blocks of the same plan that are known already (`at` is blocks and sky). With a spread from
    before, the blocks may be some stations' only: elsewhere all stays as it was."""
    blocks, sky = at
    sigma = station_sigmas(feeders, plan)
    branches = len(network.lines.id) + len(network.transformers.id)
    u_sigma, flow_sigma, loading = np.zeros(len(network.nodes.id)), np.zeros(branches), np.zeros(branches)
    rating = rating_kva(network)
    u_cov: dict[int, FloatArray] = {}
    flow_cov: dict[int, FloatArray] = {}
    if before is not None:
        u_sigma, flow_sigma, loading = before.u_pu.copy(), before.flow_kw.copy(), before.loading.copy()
        of = [block.station for block in before.blocks]
        u_cov, flow_cov = (dict(zip(of, has, strict=True)) for has in (before.u_covariance, before.flow_covariance))
    for block in blocks:
        root = SOURCE_SIGMA_PU if block.station < 0 else float(u_sigma[feeders.station_busbar[block.station]])
        covariance = posterior(measured(block, plan, weights, (sky, root), sigma))
        many = len(block.demand)
        to_u = np.concatenate([-block.r_pu, -block.x_pu, np.ones((len(block.nodes), 1))], axis=1)
        in_u = to_u @ covariance @ to_u.T
        in_flow = block.flow_share @ covariance[:many, :many] @ block.flow_share.T
        in_flow_q = np.einsum("bi,ij,bj->b", block.flow_share, covariance[many:-1, many:-1], block.flow_share)
        u_cov[block.station], flow_cov[block.station] = in_u, in_flow
        usual = block.r_pu @ _usual(weights, block, len(sigma))
        u_sigma[block.nodes] = np.sqrt(np.maximum(np.diag(in_u), 0.0) + (LINEAR_SHARE * usual) ** 2)
        flow_sigma[block.branch] = np.sqrt(np.maximum(np.diag(in_flow), 0.0))
        apparent = np.sqrt(np.maximum(COS2 * np.diag(in_flow) + (1.0 - COS2) * in_flow_q, 0.0))
        loading[block.branch] = apparent / rating[block.branch]
    every = blocks if before is None else before.blocks
    covariances = ([has[block.station] for block in every] for has in (u_cov, flow_cov))
    return Spread(u_sigma, loading, flow_sigma, every, *covariances)


def _usual(weights: Weights, block: Block, stations: int) -> FloatArray:
    demand = weights.classes_kw[:SUN].sum(axis=0)
    below = weights.station != ABSENT
    if block.station < 0:
        demand = np.concatenate([demand, np.bincount(weights.station[below], weights=demand[below], minlength=stations)])
    return np.asarray(demand[block.demand], np.float64)


def rating_kva(network: Network) -> FloatArray:
    """Return the rating (b,) of lines, then transformers, in kVA at rated voltage; inf where there is none."""
    u = network.nodes.u_rated_v[network.lines.from_node]
    return np.concatenate([np.sqrt(3.0) * u * network.lines.i_n_a / 1e3, network.transformers.sn_kva])


@dataclass(frozen=True)
class NextMeter:
    """Where one more meter helps most (k,), best first. node, or line (ABSENT for the other); gain_share: by how much of its
    sum over all nodes (or lines) the variance falls; widest_before_percent, widest_after_percent: widest 95 % half-interval
    there, in percent of the rated voltage (or of the line's rating)."""

    node: IntArray
    line: IntArray
    gain_share: FloatArray
    widest_before_percent: FloatArray
    widest_after_percent: FloatArray


def next_voltage_meters(found: Spread, sigma_pu: float, most: int) -> NextMeter:
    """Return the nodes at which one more voltage meter lowers the sum of voltage variances most (rank-one update)."""
    total = sum(float(np.trace(covariance)) for covariance in found.u_covariance)
    rows: list[tuple[float, int, float, float]] = []
    for block, covariance in zip(found.blocks, found.u_covariance, strict=True):
        variance = np.diag(covariance)
        after = variance[None, :] - covariance**2 / (variance + sigma_pu**2)[:, None]
        gain = variance.sum() - after.sum(axis=1)
        for place in np.argsort(-gain)[:most].tolist():
            widest = (100.0 * CONFIDENCE * np.sqrt(max(float(v.max()), 0.0)) for v in (variance, after[place]))
            rows.append((float(gain[place]) / max(total, 1e-30), int(block.nodes[place]), *widest))
    rows = sorted(rows, reverse=True)[:most]
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else [np.zeros(0)] * 4
    absent = np.full(len(rows), ABSENT, np.int64)
    return NextMeter(columns[1].astype(np.int64), absent, columns[0], columns[2], columns[3])


def next_line_meters(network: Network, found: Spread, most: int) -> NextMeter:
    """Return the lines at which one more power meter lowers the sum of the variances of loading most."""
    rating, rows = rating_kva(network), list[tuple[float, int, float, float]]()
    lines, total = len(network.lines.id), 0.0
    for block, covariance in zip(found.blocks, found.flow_covariance, strict=True):
        own = block.branch < lines
        scale = 1.0 / rating[block.branch[own]]
        inside = covariance[np.ix_(own, own)] * scale[:, None] * scale[None, :]
        variance = np.diag(inside)
        total += float(variance.sum())
        after = variance[None, :] - inside**2 / (variance + 0.01**2)[:, None]
        gain = variance.sum() - after.sum(axis=1) if len(variance) else np.zeros(0)
        for place in np.argsort(-gain)[:most].tolist():
            widest = (100.0 * CONFIDENCE * np.sqrt(max(float(v.max()), 0.0)) for v in (variance, after[place]))
            rows.append((float(gain[place]), int(block.branch[own][place]), *widest))
    rows = sorted(rows, reverse=True)[:most]
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else [np.zeros(0)] * 4
    absent = np.full(len(rows), ABSENT, np.int64)
    return NextMeter(absent, columns[1].astype(np.int64), columns[0] / max(total, 1e-30), columns[2], columns[3])


def seen_by_meters(network: Network, feeders: Feeders, plan: MeterPlan, weights: Weights, blocks: list[Block]) -> list[float]:
    """Return for each station the share of its nodes whose voltage meters alone tell to within 1 %, pseudo-loads set aside
    (their spread made ten thousand times as wide): what is observable in the strict sense."""
    blind = replace(weights, sigma_kw=weights.sigma_kw * 1e4, classes_kw=weights.classes_kw * 0.0)
    wide = spread_in(network, feeders, plan, blind, (blocks, 0.0))
    stations = len(feeders.station_busbar)
    seen = np.bincount(feeders.node_station[feeders.node_station != ABSENT], minlength=stations).astype(np.float64)
    clear = (feeders.node_station != ABSENT) & (wide.u_pu < 0.01)
    return (np.bincount(feeders.node_station[clear], minlength=stations) / np.maximum(seen, 1.0)).tolist()
