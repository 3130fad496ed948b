# SPDX-License-Identifier: Apache-2.0
"""Where meters sit, what they read of a state, and what is known of their errors."""

from dataclasses import dataclass, replace

import numpy as np

from lamplighter.services.grid.network.engine import Flow
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import Feeders, reach
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

U_SIGMA_PU = 0.002  # standard error of a voltage meter with its transformer, of the rated voltage
P_SIGMA_SHARE = 0.005  # of a power meter, of the rating of what it sits at
LINE_SIGMA_SHARE = 0.01
SETS = ("station", "ends", "3")


@dataclass(frozen=True)
class MeterPlan:
    """Meters of a fused network. u_node (v,): voltage; p_transformer (m,): power out of a transformer's lower side; p_line
    (w,): power into a line at its first end. Standard errors beside each: per unit, and in kW (kvar alike)."""

    u_node: IntArray
    u_sigma_pu: FloatArray
    p_transformer: IntArray
    p_transformer_sigma_kw: FloatArray
    p_line: IntArray
    p_line_sigma_kw: FloatArray

    def __len__(self) -> int:
        """Return the number of meters; one of power counts once."""
        return len(self.u_node) + len(self.p_transformer) + len(self.p_line)


@dataclass(frozen=True)
class Readings:
    """What meters said at steps (t, ...), columns as in the plan. *_known: whether the meter spoke."""

    u_pu: FloatArray
    u_known: BoolArray
    transformer_p_kw: FloatArray
    transformer_q_kvar: FloatArray
    transformer_known: BoolArray
    line_p_kw: FloatArray
    line_q_kvar: FloatArray
    line_known: BoolArray

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return len(self.u_pu)


def plan_of(network: Network, feeders: Feeders, which: str, demand_kw: FloatArray) -> MeterPlan:
    """Return a usual plan: `station` (power of every transformer, voltage of its busbar and of the sources), `ends` (and
    one voltage at the end of each feeder), `3` (three voltages along each feeder: a third, two thirds and the end of the way).

    demand_kw (n,): what is expected of each node, by public weights: of a feeder's several ends the meter sits where the
    voltage is expected lowest.
    """
    nodes = [network.sources.node, feeders.station_busbar]
    drop = expected_drop(network, demand_kw)
    if which in ("ends", "3"):
        nodes.append(_lowest(feeders, drop))
    if which == "3":
        nodes.extend(_along(feeders, drop))
    volts = np.unique(np.concatenate(nodes)).astype(np.int64)
    transformers = np.flatnonzero(network.transformers.in_service)
    return MeterPlan(
        u_node=volts,
        u_sigma_pu=np.full(len(volts), U_SIGMA_PU),
        p_transformer=transformers,
        p_transformer_sigma_kw=P_SIGMA_SHARE * network.transformers.sn_kva[transformers],
        p_line=np.zeros(0, np.int64),
        p_line_sigma_kw=np.zeros(0),
    )


def without(plan: MeterPlan, network: Network, names: list[str]) -> MeterPlan:
    """Return the plan without the voltage meters at nodes, and the power meters at transformers, of these names."""
    volts = ~np.isin(network.nodes.id[plan.u_node], names)
    power = ~np.isin(network.transformers.id[plan.p_transformer], names)
    return replace(
        plan,
        u_node=plan.u_node[volts],
        u_sigma_pu=plan.u_sigma_pu[volts],
        p_transformer=plan.p_transformer[power],
        p_transformer_sigma_kw=plan.p_transformer_sigma_kw[power],
    )


def expected_drop(network: Network, demand_kw: FloatArray) -> FloatArray:
    """Return the voltage drop (n,) in per unit from the source by first-order formulas, rings left out."""
    way, lines = reach(network), len(network.lines.id)
    below = demand_kw.copy()
    for node in way.order[::-1].tolist():
        if way.before[node] != ABSENT:
            below[way.before[node]] += below[node]
    drop = np.zeros(len(demand_kw))
    for node in way.order.tolist():
        above, branch = int(way.before[node]), int(way.branch[node])
        if above != ABSENT:
            r_pu = network.lines.r_ohm[branch] * 1e3 / network.nodes.u_rated_v[node] ** 2 if branch < lines else 0.0
            drop[node] = drop[above] + r_pu * below[node]
    return drop


def _lowest(feeders: Feeders, drop: FloatArray) -> IntArray:
    """Return each feeder's node of the greatest drop, its electrical end where the drop says nothing."""
    end = feeders.feeder_end.copy()
    held = np.flatnonzero(feeders.node_feeder != ABSENT)
    for node in held[np.argsort(drop[held], kind="stable")].tolist():
        if drop[node] > drop[end[feeders.node_feeder[node]]]:
            end[feeders.node_feeder[node]] = node
    return end


def with_line_meters(plan: MeterPlan, network: Network, lines: IntArray) -> MeterPlan:
    """Return the plan with power meters at the first end of these lines too."""
    u = network.nodes.u_rated_v[network.lines.from_node[lines]]
    rating_a = np.where(np.isfinite(network.lines.i_n_a[lines]), network.lines.i_n_a[lines], 300.0)
    return replace(
        plan,
        p_line=np.concatenate([plan.p_line, lines]),
        p_line_sigma_kw=np.concatenate([plan.p_line_sigma_kw, LINE_SIGMA_SHARE * np.sqrt(3.0) * u * rating_a / 1e3]),
    )


def with_voltage_meters(plan: MeterPlan, nodes: IntArray) -> MeterPlan:
    """Return the plan with voltage meters at these nodes too."""
    return replace(
        plan,
        u_node=np.concatenate([plan.u_node, nodes]),
        u_sigma_pu=np.concatenate([plan.u_sigma_pu, np.full(len(nodes), U_SIGMA_PU)]),
    )


def _along(feeders: Feeders, drop: FloatArray) -> list[IntArray]:
    """Return the nodes of each feeder whose expected drop is nearest to one third and two thirds of its end's."""
    own = np.flatnonzero(feeders.node_feeder != ABSENT)
    feeder = feeders.node_feeder[own]
    start = drop[feeders.station_busbar[feeders.node_station[own]]]
    most = drop[_lowest(feeders, drop)][feeder] - start
    found: list[IntArray] = []
    for share in (1.0 / 3.0, 2.0 / 3.0):
        order = np.lexsort((np.abs(drop[own] - start - share * most), feeder))
        _, first = np.unique(feeder[order], return_index=True)
        found.append(own[order[first]].astype(np.int64))
    return found


def read_meters(plan: MeterPlan, network: Network, truth: Flow, dice: np.random.Generator) -> Readings:
    """Return what the meters of a plan say of true states (t, ...), with their errors drawn."""
    steps, lines = len(truth.u_pu), len(network.lines.id)
    at = lines + plan.p_transformer

    def noisy(value: FloatArray, sigma: FloatArray) -> FloatArray:
        return value + sigma * dice.normal(size=value.shape)

    return Readings(
        u_pu=noisy(truth.u_pu[:, plan.u_node], plan.u_sigma_pu),
        u_known=np.ones((steps, len(plan.u_node)), np.bool_),
        transformer_p_kw=noisy(-truth.p_to_kw[:, at], plan.p_transformer_sigma_kw),
        transformer_q_kvar=noisy(-truth.q_to_kvar[:, at], plan.p_transformer_sigma_kw),
        transformer_known=np.ones((steps, len(at)), np.bool_),
        line_p_kw=noisy(truth.p_from_kw[:, plan.p_line], plan.p_line_sigma_kw),
        line_q_kvar=noisy(truth.q_from_kvar[:, plan.p_line], plan.p_line_sigma_kw),
        line_known=np.ones((steps, len(plan.p_line)), np.bool_),
    )
