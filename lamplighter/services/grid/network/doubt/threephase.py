# SPDX-License-Identifier: Apache-2.0
"""Three line phases: a network's own asymmetric power flow by power-grid-model, and what three-phase meters read of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import power_grid_model as pgm

from lamplighter.services.grid.network.flow import parts_of, rows_of
from lamplighter.services.grid.network.tables import ALL_LINE_PHASES, HOME, LoadTable, Network
from lamplighter.terms.columns import FloatArray, IntArray

U_SIGMA_PU = 0.002
P_SIGMA_SHARE = 0.005


@dataclass(frozen=True)
class Asymmetric:
    """A model for asymmetric power flows with one demand per node and line phase."""

    model: Any
    network: Network
    demand_id: IntArray


@dataclass(frozen=True)
class ThreePhaseReadings:
    """What three-phase meters say (t, ..., 3): voltage at nodes, power and reactive power out of transformers, per line phase.
    u_node (v,), transformer (m,): where."""

    u_node: IntArray
    transformer: IntArray
    u_pu: FloatArray
    p_kw: FloatArray
    q_kvar: FloatArray


def with_line_phases(network: Network, seed: int) -> Network:
    """Return the network with homes on single line phases where its file knows of none: drawn in turn along each street, as
    an installer would spread them. A row of several homes becomes three rows."""
    loads = network.loads
    if np.any(loads.line_phase != ALL_LINE_PHASES):
        return network
    dice = np.random.default_rng((seed, 0x3B4A))
    several = (loads.kind == HOME) & (loads.connections_count > 1.5)
    row = np.concatenate([np.flatnonzero(~several), np.repeat(np.flatnonzero(several), 3)])
    share = np.concatenate([np.ones(int((~several).sum())), np.full(3 * int(several.sum()), 1.0 / 3.0)])
    line_phase = np.zeros(len(row), np.int64)
    homes = np.flatnonzero(loads.kind[row] == HOME)
    order = homes[np.argsort(loads.node[row][homes], kind="stable")]
    line_phase[order] = (np.arange(len(order)) + dice.integers(0, 3)) % 3 + 1
    names = np.where(share < 1.0, np.char.add(np.char.add(loads.id[row], ".L"), line_phase.astype(np.str_)), loads.id[row])
    split = LoadTable(
        names, loads.node[row], loads.p_kw[row] * share, loads.q_kvar[row] * share, loads.connections_count[row] * share,
        loads.kind[row], line_phase, loads.profile[row],
    )  # fmt: skip
    return replace(network, loads=split)


def open_asymmetric(network: Network) -> Asymmetric:
    """Return the model of a fused network."""
    parts, next_id = parts_of(network)
    demand = rows_of(pgm.ComponentType.asym_load, len(network.nodes.id), next_id)
    demand["node"], demand["status"], demand["type"] = np.arange(len(network.nodes.id)), 1, pgm.LoadGenType.const_power
    demand["p_specified"], demand["q_specified"] = 0.0, 0.0
    parts[pgm.ComponentType.asym_load] = demand
    return Asymmetric(pgm.PowerGridModel(parts), network, np.asarray(demand["id"], np.int64))


def spread_over_phases(network: Network, values: FloatArray) -> FloatArray:
    """Return values of loads (t, k) as values (t, n, 3) of nodes and line phases; a load on all of them counts a third each."""
    loads = network.loads
    total = np.zeros((3, len(network.nodes.id), len(values)))
    for line_phase in (1, 2, 3):
        share = np.where(loads.line_phase == ALL_LINE_PHASES, 1.0 / 3.0, np.where(loads.line_phase == line_phase, 1.0, 0.0))
        np.add.at(total[line_phase - 1], loads.node, (values * share).T)
    return np.ascontiguousarray(total.T)


def solve_asymmetric(engine: Asymmetric, p_kw: FloatArray, q_kvar: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return voltages (t, n, 3) in pu, and p and q (t, transformers, 3) out of the transformers' lower sides, for demands
    (t, n, 3). Raises where a power flow does not converge."""
    ids = np.ascontiguousarray(np.broadcast_to(engine.demand_id.astype(np.int32), p_kw.shape[:2]))
    update = {pgm.ComponentType.asym_load: {"id": ids, "p_specified": p_kw * 1e3, "q_specified": q_kvar * 1e3}}
    result = engine.model.calculate_power_flow(
        update_data=update,
        symmetric=False,
        calculation_method=pgm.CalculationMethod.newton_raphson,
        output_component_types={pgm.ComponentType.node: ["u_pu"], pgm.ComponentType.transformer: ["p_to", "q_to"]},
        threading=-1,
        max_iterations=50,
    )
    transformer = result.get(pgm.ComponentType.transformer)
    empty = np.zeros((len(p_kw), 0, 3))
    p, q = (transformer["p_to"] * -1e-3, transformer["q_to"] * -1e-3) if transformer is not None else (empty, empty)
    return result[pgm.ComponentType.node]["u_pu"], p, q


def read_three_phase(
    network: Network, state: tuple[FloatArray, FloatArray, FloatArray], at: tuple[IntArray, IntArray], dice: np.random.Generator
) -> ThreePhaseReadings:
    """Return what meters at nodes and transformers (`at`) say of a state, errors drawn."""
    node, transformer = at
    sigma = P_SIGMA_SHARE * network.transformers.sn_kva[transformer][None, :, None] / 3.0
    u, p, q = state[0][:, node], state[1][:, transformer], state[2][:, transformer]
    return ThreePhaseReadings(
        node, transformer, u + U_SIGMA_PU * dice.normal(size=u.shape), p + sigma * dice.normal(size=p.shape),
        q + sigma * dice.normal(size=q.shape),
    )  # fmt: skip
