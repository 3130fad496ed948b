# SPDX-License-Identifier: Apache-2.0
"""How voltages and flows answer to demands, linear, in blocks: what lies above the stations, and each station's own part.

A branch-flow model linearised at rated voltage without losses (Baran and Wu 1989, their simplified DistFlow), written with
the reduced impedance matrix so that rings are allowed. Blocks keep matrices small: a city of ten thousand nodes is some
hundred blocks of a hundred.
"""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.estimation.meters import MeterPlan
from lamplighter.services.grid.network.estimation.prior import Q_SIGMA_SHARE, TAN, Drops, Weights
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders, ends_closed, reach
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Block:
    """One block. station: ABSENT for the part above the stations; nodes (n,): positions in the network; roots (n,): where
    voltage is held from outside; branch (b,): positions among lines, then transformers; r_pu, x_pu (n, d): voltage drop
    per kW and kvar; flow_share (b, d): share of a demand that flows through a branch; demand (d,): rows of the weights, or (above
    the stations) one row per station after those; u_meter, p_meter: rows of the plan's meters that lie here, and what
    they see: node_of_meter, branch_of_meter (positions inside the block)."""

    station: int
    nodes: IntArray
    roots: BoolArray
    branch: IntArray
    r_pu: FloatArray
    x_pu: FloatArray
    flow_share: FloatArray
    demand: IntArray
    u_meter: IntArray
    node_of_meter: IntArray
    p_meter: IntArray
    branch_of_meter: IntArray
    sign_of_meter_ratio: FloatArray


def branch_table(network: Network) -> tuple[IntArray, IntArray, FloatArray, FloatArray, BoolArray]:
    """Return for lines, then transformers: from, to, r and x per unit of 1 kW, and whether both ends are connected."""
    lines, t, u = network.lines, network.transformers, network.nodes.u_rated_v
    ends = ends_closed(network)
    z = t.uk_pu * t.u2_v**2 / (t.sn_kva * 1e3)
    r = t.pk_kw / t.sn_kva * t.u2_v**2 / (t.sn_kva * 1e3)
    x = np.sqrt(np.maximum(z**2 - r**2, 0.0))
    one = np.concatenate([lines.from_node, t.from_node])
    other = np.concatenate([lines.to_node, t.to_node])
    scale = 1e3 / np.concatenate([u[lines.to_node], t.u2_v]) ** 2
    live = np.concatenate([ends.line_from & ends.line_to, ends.transformer_from & ends.transformer_to])
    return one, other, np.concatenate([lines.r_ohm, r]) * scale, np.concatenate([lines.x_ohm, x]) * scale, live


def blocks_of(network: Network, feeders: Feeders, plan: MeterPlan, weights: Weights) -> list[Block]:
    """Return the block above the stations, then one block per station. The order of meters inside a block: lines first."""
    one, other, r, x, live = branch_table(network)
    way, stations = reach(network), len(feeders.station_busbar)
    part = feeders.node_station.copy()
    root = np.zeros(len(network.nodes.id), np.bool_)
    root[network.sources.node] = True
    lines = len(network.lines.id)
    p_branch = np.concatenate([plan.p_line, lines + plan.p_transformer])
    p_sign = np.concatenate([np.ones(len(plan.p_line)), np.ones(len(plan.p_transformer))])
    found: list[Block] = []
    for station in range(-1, stations):
        inside = (part == station) & way.energised
        roots = np.zeros(len(inside), np.bool_)
        if station < 0:
            inside[feeders.station_busbar] = True
            roots = root
            demand = np.flatnonzero(weights.station == ABSENT)
            at = np.concatenate([weights.node[demand], feeders.station_busbar])
            demand = np.concatenate([demand, len(weights.node) + np.arange(stations)])
        else:
            roots[feeders.station_busbar[station]] = True
            demand = np.flatnonzero(weights.station == station)
            at = weights.node[demand]
        branch = np.flatnonzero(live & inside[one] & inside[other])
        found.append(
            _block(station, (np.flatnonzero(inside), roots, branch), (one, other, r, x), (demand, at), (plan, p_branch, p_sign))
        )
    return found


def _block(
    station: int,
    part: tuple[IntArray, BoolArray, IntArray],
    table: tuple[IntArray, IntArray, FloatArray, FloatArray],
    demands: tuple[IntArray, IntArray],
    meters: tuple[MeterPlan, IntArray, FloatArray],
) -> Block:
    nodes, is_root, branch = part
    one, other = np.searchsorted(nodes, table[0][branch]), np.searchsorted(nodes, table[1][branch])
    y = 1.0 / (np.maximum(table[2][branch], 1e-12) + 1j * table[3][branch])
    many = len(nodes)
    matrix = np.zeros((many, many), np.complex128)
    np.add.at(matrix, (one, one), y)
    np.add.at(matrix, (other, other), y)
    np.add.at(matrix, (one, other), -y)
    np.add.at(matrix, (other, one), -y)
    roots = is_root[nodes]
    free = np.flatnonzero(~roots)
    z = np.zeros((many, many), np.complex128)
    if len(free):
        z[np.ix_(free, free)] = np.linalg.inv(matrix[np.ix_(free, free)])
    demand, at = demands
    known = np.isin(at, nodes)
    demand, place = demand[known], np.searchsorted(nodes, at[known])
    flow = np.real(y[:, None] * (z[other] - z[one])[:, place])
    plan, p_branch, p_sign = meters
    u_meter = np.flatnonzero(np.isin(plan.u_node, nodes) & (~is_root[plan.u_node] if station >= 0 else True))
    p_meter = np.flatnonzero(np.isin(p_branch, branch))
    return Block(
        station=station, nodes=nodes, roots=roots, branch=branch, r_pu=np.real(z)[:, place], x_pu=np.imag(z)[:, place],
        flow_share=flow, demand=demand, u_meter=u_meter,
        node_of_meter=np.searchsorted(nodes, plan.u_node[u_meter]), p_meter=p_meter,
        branch_of_meter=np.searchsorted(branch, p_branch[p_meter]), sign_of_meter_ratio=p_sign[p_meter],
    )  # fmt: skip


def drops_of(feeders: Feeders, plan: MeterPlan, weights: Weights, blocks: list[Block]) -> Drops:
    """Return how voltage meters below the stations' busbars answer to the classes' factors, where a busbar has a meter too."""
    at = {int(node): place for place, node in enumerate(plan.u_node.tolist())}
    end: list[int] = []
    busbar: list[int] = []
    rows: list[FloatArray] = []
    own: list[tuple[float, float]] = []
    for block in blocks:
        root = at.get(int(feeders.station_busbar[block.station])) if block.station >= 0 else None
        if root is None:
            continue
        for meter, node in zip(block.u_meter.tolist(), block.node_of_meter.tolist(), strict=True):
            r, x = block.r_pu[node], block.x_pu[node]
            end.append(meter)
            busbar.append(root)
            # The sun's inverters give active power alone.
            consumed = weights.classes_kw[:, block.demand] @ (r + TAN * x)
            consumed[-1] = weights.classes_kw[-1, block.demand] @ r
            rows.append(consumed)
            per_kw2 = r**2 + (Q_SIGMA_SHARE * x) ** 2
            dark, sun = weights.sigma_kw[block.demand] ** 2, weights.sun_sigma_kw[block.demand] ** 2
            own.append((float(per_kw2 @ dark), float(per_kw2 @ sun)))
    table = np.array(rows) if rows else np.zeros((0, len(weights.classes_kw)))
    variance = np.array(own, np.float64).reshape(-1, 2)
    return Drops(np.array(end, np.int64), np.array(busbar, np.int64), table, variance[:, 0], variance[:, 1])
