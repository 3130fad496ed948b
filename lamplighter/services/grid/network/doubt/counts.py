# SPDX-License-Identifier: Apache-2.0
"""How many connections each meter sees: the link between weeks of readings and the model.

Per station and step the classes' factors are found from the station's total power. What a meter says beyond the model's
expectation is regressed on the power of one usual home: the slope is a number of homes (times ohms, at a feeder's end) that
the meter sees beyond those of the model. Slopes have two errors: readings' noise, which weeks wear down, and homes that
differ for good, which they do not: a spread of LASTING per connection, carried through the model.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.doubt.threephase import P_SIGMA_SHARE, U_SIGMA_PU, ThreePhaseReadings
from lamplighter.services.grid.network.estimation.prior import HOME_KW, Weights
from lamplighter.services.grid.network.tables import HOME, Network
from lamplighter.services.grid.network.topology import Feeders, ends_closed, reach
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

LASTING = 0.5  # how far a home's mean power lies from the mean of all, share
BUSINESS_LASTING = 0.6
STEP_NOISE_KW = 0.35
TAN = 0.25
TURN = np.sqrt(0.75)


@dataclass(frozen=True)
class Area:
    """One station's nodes and meters. nodes (n,): positions, the busbar first; branch (b,): its lines; homes_count (n, 3): by
    line phase, as the model says; other_count (n, 3): what is not homes, as home-equivalents; ends (e,): places of the end
    meters among the nodes; seen_count (3 + 3e,): homes beyond the model that each meter sees; noise_count (3 + 3e,): its
    variance from steps; scatter_pu (e, e): covariance of the end meters' deviations from step to step, mean over line
    phases; steps: how many."""

    station: int
    nodes: IntArray
    branch: IntArray
    homes_count: FloatArray
    other_count: FloatArray
    ends: IntArray
    seen_count: FloatArray
    noise_count: FloatArray
    scatter_pu: FloatArray
    steps: int


def _admittances(network: Network, nodes: IntArray, branch: IntArray, z_scale: FloatArray) -> tuple[AnyArray, AnyArray]:
    """Return the node admittance matrices (n, n) of positive and zero sequence in siemens."""
    lines = network.lines
    one, other = np.searchsorted(nodes, lines.from_node[branch]), np.searchsorted(nodes, lines.to_node[branch])
    found: list[AnyArray] = []
    for r, x in ((lines.r_ohm, lines.x_ohm), (lines.r0_ohm, lines.x0_ohm)):
        y = 1.0 / ((r[branch] + 1j * x[branch]) * z_scale)
        matrix = np.zeros((len(nodes), len(nodes)), np.complex128)
        np.add.at(matrix, (one, one), y)
        np.add.at(matrix, (other, other), y)
        np.add.at(matrix, (one, other), -y)
        np.add.at(matrix, (other, one), -y)
        found.append(matrix)
    return found[0], found[1]


def responses(network: Network, nodes: IntArray, root: int, branch: IntArray, z_scale: FloatArray) -> FloatArray:
    """Return drop (3, n, n) in pu per kW on one line phase at a node: seen by the same phase, of the one that lags, of the one
    that leads. Positive and zero sequence are inverted apart (symmetric lines), and rings are allowed. z_scale (b,): factor
    on each branch's impedance."""
    first, zero = _admittances(network, nodes, branch, z_scale)
    free = np.flatnonzero(np.arange(len(nodes)) != root)
    live = free[np.abs(np.diag(first)[free]) > 0.0]
    scale = 3e3 / network.nodes.u_rated_v[nodes[root]] ** 2
    z = [np.zeros((len(nodes), len(nodes)), np.complex128) for _ in range(2)]
    for matrix, whole in zip((first, zero), z, strict=True):
        whole[np.ix_(live, live)] = np.linalg.inv(matrix[np.ix_(live, live)])
    own, mutual = (z[1] + 2.0 * z[0]) / 3.0, (z[1] - z[0]) / 3.0
    with_q = 1.0 - 1j * TAN  # conjugate of the demand's apparent power over its active
    turned = (own, mutual * complex(-0.5, -TURN), mutual * complex(-0.5, TURN))
    return np.stack([np.real(part * with_q) for part in turned]) * scale


def seen_by_meters(response: FloatArray, ends: IntArray, counts: FloatArray) -> FloatArray:
    """Return what meters see of counts (..., n, 3): totals per line phase at the station, and at each end the drop in pu
    per kW of a home, per line phase; (..., 3 + 3e)."""
    total = counts.sum(axis=-2)
    drops: list[FloatArray] = []
    for line_phase in range(3):
        lag, lead = (line_phase + 1) % 3, (line_phase + 2) % 3
        drops.append(
            counts[..., line_phase] @ response[0, ends].T
            + counts[..., lag] @ response[1, ends].T
            + counts[..., lead] @ response[2, ends].T
        )
    return np.concatenate([total, *drops], axis=-1)


def lasting_covariance(response: FloatArray, area: Area) -> FloatArray:
    """Return the covariance (3 + 3e, 3 + 3e) that homes and businesses which differ for good give the slopes."""
    many = len(area.nodes)
    variance = LASTING**2 * area.homes_count + (BUSINESS_LASTING * area.other_count) ** 2
    covariance = np.zeros((3 + 3 * len(area.ends),) * 2)
    for line_phase in range(3):
        unit = np.zeros((many, many, 3))
        unit[np.arange(many), np.arange(many), line_phase] = 1.0
        rows = seen_by_meters(response, area.ends, unit)
        covariance += (rows * variance[:, line_phase][:, None]).T @ rows
    return covariance


def areas_of(
    network: Network, feeders: Feeders, readings: ThreePhaseReadings, factors: FloatArray, weights: Weights
) -> list[Area]:
    """Return stations' areas with what their meters see beyond the model. factors (t, s, c): as `prior` finds them."""
    way = reach(network)
    found: list[Area] = []
    for station in range(len(feeders.station_busbar)):
        inside = (feeders.node_station == station) & way.energised
        own = np.flatnonzero(np.isin(readings.transformer, feeders.supply_transformer[feeders.supply_station == station]))
        if len(own) and inside.sum() > 1:
            found.append(_area(network, feeders, (station, inside, own), readings, factors[:, station], weights))
    return found


def _area(
    network: Network,
    feeders: Feeders,
    which: tuple[int, BoolArray, IntArray],
    readings: ThreePhaseReadings,
    factor: FloatArray,
    weights: Weights,
) -> Area:
    station, inside, own = which
    nodes = np.flatnonzero(inside)
    ends_live = ends_closed(network)
    live = ends_live.line_from & ends_live.line_to
    branch = np.flatnonzero(live & inside[network.lines.from_node] & inside[network.lines.to_node])
    homes = phase_counts(network)[nodes]
    at = np.searchsorted(weights.node, nodes)
    has = (at < len(weights.node)) & (weights.node[np.minimum(at, len(weights.node) - 1)] == nodes)
    classes = np.where(has[:, None], weights.classes_kw[:, np.minimum(at, len(weights.node) - 1)].T, 0.0)
    home_kw = factor[:, 0] * HOME_KW
    busbar = int(feeders.station_busbar[station])
    root = int(np.searchsorted(nodes, busbar))
    metered = np.flatnonzero(np.isin(readings.u_node, nodes) & (readings.u_node != busbar))
    at_busbar = int(np.flatnonzero(readings.u_node == busbar)[0])
    ends = np.searchsorted(nodes, readings.u_node[metered])
    response = responses(network, nodes, root, branch, np.ones(len(branch)))
    even = np.repeat(classes[:, 1:, None] / 3.0, 3, axis=2)  # businesses, heat pumps and the sun: on all three line phases
    expected = home_kw[:, None] * seen_by_meters(response, ends, homes)
    for k in range(even.shape[1]):
        expected = expected + factor[:, k + 1][:, None] * seen_by_meters(response, ends, even[:, k])
    drop = readings.u_pu[:, [at_busbar]] - readings.u_pu[:, metered]
    said = np.concatenate([readings.p_kw[:, own].sum(axis=1), *(drop[:, :, line_phase] for line_phase in range(3))], axis=1)
    weight = home_kw / max(float((home_kw**2).sum()), 1e-9)
    seen = weight @ (said - expected)
    sn = float(network.transformers.sn_kva[readings.transformer[own]].sum())
    per_step = (weight**2).sum() * _step_variance(response, ends, homes, sn)
    ratio = float(factor[:, 1] @ weight)
    away = (said - expected)[:, 3:].reshape(len(said), 3, len(metered))
    away = away - away.mean(axis=0)
    scatter = np.einsum("tpe,tpf->ef", away, away) / (3.0 * len(said))
    return Area(
        station,
        nodes,
        branch,
        homes,
        np.repeat(classes[:, 1:2] / 3.0, 3, axis=1) * ratio,
        ends,
        seen,
        per_step,
        scatter,
        len(said),
    )


def _step_variance(response: FloatArray, ends: IntArray, homes: FloatArray, sn_kva: float) -> FloatArray:
    """Return the variance (3 + 3e,) of what each meter says in one step around its expectation."""
    total = STEP_NOISE_KW**2 * homes.sum(axis=0) + (P_SIGMA_SHARE * sn_kva / 3.0) ** 2
    drops = [STEP_NOISE_KW**2 * (response[0, ends] ** 2) @ homes[:, line_phase] + 2.0 * U_SIGMA_PU**2 for line_phase in range(3)]
    return np.concatenate([total, *drops])


def phase_counts(network: Network) -> FloatArray:
    """Return homes (n, 3) by node and line phase; a home on all three counts a third on each."""
    counts = np.zeros((len(network.nodes.id), 3))
    loads = network.loads
    own = loads.kind == HOME
    for line_phase in (1, 2, 3):
        share = np.where(loads.line_phase == 0, 1.0 / 3.0, np.where(loads.line_phase == line_phase, 1.0, 0.0))
        np.add.at(counts[:, line_phase - 1], loads.node[own], (share * loads.connections_count)[own])
    return counts
