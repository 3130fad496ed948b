# SPDX-License-Identifier: Apache-2.0
"""power-grid-model for a Network: its input, a model with one demand per node, batches, and a year in chunks.

Couplers that are closed make one node of several before the engine sees them. Meshed networks are allowed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import power_grid_model as pgm

from lamplighter.services.grid.network.engine import CUT_OFF_PU, Flow, Method
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import ends_closed, fused
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

STIFF_SK_VA = 1e20
CLOCKS = 12
CLOCK_DEG = 30.0
TAP_STEPS_MOST = 127
Parts = dict[pgm.ComponentType, Any]


@dataclass(frozen=True)
class FlowEngine:
    """A model that does not change. network: fused; at (n,): fused position of each node of the network asked for."""

    model: Any
    network: Network
    at: IntArray
    demand_id: IntArray


def rows_of(component: pgm.ComponentType, count: int, first_id: int) -> Any:
    """Return engine input rows with ids from first_id on."""
    rows: Any = pgm.initialize_array(pgm.DatasetType.input, component, count)
    rows["id"] = np.arange(first_id, first_id + count)
    return rows


def transformer_rows(network: Network, first_id: int) -> Any:
    """Return the engine's transformers. Taps are folded into the rated voltages, so that half steps and any count fit."""
    t = network.transformers
    rows = rows_of(pgm.ComponentType.transformer, len(t.id), first_id)
    ends = ends_closed(network)
    rows["from_node"], rows["to_node"] = t.from_node, t.to_node
    rows["from_status"], rows["to_status"] = ends.transformer_from, ends.transformer_to
    step = t.tap_count * t.tap_step_v
    rows["u1"], rows["u2"] = t.u1_v + np.where(t.tap_upper, step, 0.0), t.u2_v + np.where(t.tap_upper, 0.0, step)
    # The engine refers uk to u2 with its tap, as do pandapower and the nameplate at neutral to within the tap itself.
    rows["sn"], rows["uk"], rows["pk"] = t.sn_kva * 1e3, t.uk_pu, t.pk_kw * 1e3
    rows["i0"], rows["p0"] = np.maximum(t.i0_pu, t.p0_kw / t.sn_kva), t.p0_kw * 1e3
    clock = np.round(t.shift_deg / CLOCK_DEG).astype(np.int64) % CLOCKS
    odd = clock % 2 == 1
    rows["winding_from"] = np.where(odd, pgm.WindingType.delta, pgm.WindingType.wye_n)
    rows["winding_to"] = pgm.WindingType.wye_n
    rows["clock"], rows["tap_side"] = clock, pgm.BranchSide.from_side
    rows["tap_pos"], rows["tap_min"], rows["tap_max"], rows["tap_nom"], rows["tap_size"] = 0, 0, 0, 0, 0.0
    return rows


def parts_of(network: Network) -> tuple[Parts, int]:
    """Return the engine's input for a fused network without demands, and the next free id. Node i is id i, then lines,
    transformers, sources, shunts."""
    nodes, lines, sources = network.nodes, network.lines, network.sources
    node = rows_of(pgm.ComponentType.node, len(nodes.id), 0)
    node["u_rated"] = nodes.u_rated_v
    ends = ends_closed(network)
    line = rows_of(pgm.ComponentType.line, len(lines.id), len(nodes.id))
    line["from_node"], line["to_node"] = lines.from_node, lines.to_node
    line["from_status"], line["to_status"] = ends.line_from, ends.line_to
    line["r1"], line["x1"], line["c1"] = lines.r_ohm, lines.x_ohm, lines.c_f
    line["r0"], line["x0"], line["c0"] = lines.r0_ohm, lines.x0_ohm, lines.c0_f
    susceptance = 2.0 * math.pi * network.frequency_hz * lines.c_f
    line["tan1"] = np.where(susceptance > 0.0, lines.g_s / np.where(susceptance > 0.0, susceptance, 1.0), 0.0)
    line["tan0"], line["i_n"] = 0.0, np.where(np.isfinite(lines.i_n_a), lines.i_n_a, 1e12)
    next_id = len(nodes.id) + len(lines.id)
    parts: Parts = {pgm.ComponentType.node: node, pgm.ComponentType.line: line}
    if len(network.transformers.id):
        parts[pgm.ComponentType.transformer] = transformer_rows(network, next_id)
        next_id += len(network.transformers.id)
    source = rows_of(pgm.ComponentType.source, len(sources.id), next_id)
    source["node"], source["status"], source["u_ref"] = sources.node, 1, sources.u_ref_pu
    source["u_ref_angle"] = np.radians(sources.u_angle_deg)
    source["sk"] = np.where(np.isfinite(sources.sk_mva), sources.sk_mva * 1e6, STIFF_SK_VA)
    parts[pgm.ComponentType.source] = source
    next_id += len(source)
    if len(network.shunts.id):
        shunt = rows_of(pgm.ComponentType.shunt, len(network.shunts.id), next_id)
        shunt["node"], shunt["status"] = network.shunts.node, 1
        shunt["g1"], shunt["b1"] = network.shunts.g_s, network.shunts.b_s
        shunt["g0"], shunt["b0"] = network.shunts.g_s, network.shunts.b_s
        parts[pgm.ComponentType.shunt] = shunt
        next_id += len(shunt)
    return parts, next_id


def open_flow(network: Network) -> FlowEngine:
    """Return a model with one demand per node, all zero."""
    small, at = fused(network)
    parts, next_id = parts_of(small)
    demand = rows_of(pgm.ComponentType.sym_load, len(small.nodes.id), next_id)
    demand["node"], demand["status"], demand["type"] = np.arange(len(small.nodes.id)), 1, pgm.LoadGenType.const_power
    demand["p_specified"], demand["q_specified"] = 0.0, 0.0
    parts[pgm.ComponentType.sym_load] = demand
    return FlowEngine(pgm.PowerGridModel(parts), small, at, np.asarray(demand["id"], np.int64))


def demands(network: Network) -> tuple[FloatArray, FloatArray]:
    """Return the file's own net demand (n,) of every node in kW and kvar: loads less generation."""
    many = len(network.nodes.id)
    found: list[FloatArray] = []
    for name in ("p_kw", "q_kvar"):
        total = np.bincount(network.loads.node, weights=getattr(network.loads, name), minlength=many)
        total -= np.bincount(network.generation.node, weights=getattr(network.generation, name), minlength=many)
        found.append(np.asarray(total, np.float64))
    return found[0], found[1]


def solve(engine: FlowEngine, p_kw: FloatArray, q_kvar: FloatArray, method: Method = "iterative_current") -> Flow:
    """Solve one power flow per row of net demands (k, n) at the nodes of the network asked for; branches are its lines,
    then its transformers. Raises PowerGridBatchError where one does not converge."""
    many = len(engine.network.nodes.id)
    p, q = (_gathered(engine, values, many) for values in (p_kw, q_kvar))
    result = engine.model.calculate_power_flow(
        update_data=demand_columns(engine, p, q),
        calculation_method=pgm.CalculationMethod[method],
        output_component_types=[pgm.ComponentType.node, pgm.ComponentType.line, pgm.ComponentType.transformer],
        threading=-1,
        max_iterations=100,
    )
    node = result[pgm.ComponentType.node]
    branches = [result[kind] for kind in (pgm.ComponentType.line, pgm.ComponentType.transformer) if kind in result]

    def both(name: str, factor: float) -> FloatArray:
        return np.concatenate([rows[name] for rows in branches], axis=-1) * factor

    u_pu = np.where(node["energized"] == 1, node["u_pu"], CUT_OFF_PU)
    return Flow(
        u_pu=u_pu[:, engine.at],
        p_from_kw=both("p_from", 1e-3),
        q_from_kvar=both("q_from", 1e-3),
        p_to_kw=both("p_to", 1e-3),
        q_to_kvar=both("q_to", 1e-3),
        loading=both("loading", 1.0),
        energised=node["energized"][:, engine.at].astype(np.bool_),
    )


def _gathered(engine: FlowEngine, values: FloatArray, many: int) -> FloatArray:
    """Return values (k, n) summed over nodes that are one; the same array where none are."""
    if many == len(engine.at):
        return values
    total = np.zeros((many, len(values)))
    np.add.at(total, engine.at, values.T)
    return np.ascontiguousarray(total.T)


def demand_columns(engine: FlowEngine, p_kw: FloatArray, q_kvar: FloatArray) -> Any:
    """Return the engine's update for demands (k, n) of the fused network, nodes without any left out."""
    busy = np.flatnonzero(np.any(p_kw != 0.0, axis=0) | np.any(q_kvar != 0.0, axis=0))
    busy = busy if len(busy) else np.array([0])
    ids = np.ascontiguousarray(np.broadcast_to(engine.demand_id[busy].astype(np.int32), (len(p_kw), len(busy))))
    columns: dict[str, Any] = {"id": ids}
    columns["p_specified"] = np.ascontiguousarray(p_kw[:, busy]) * 1e3
    columns["q_specified"] = np.ascontiguousarray(q_kvar[:, busy]) * 1e3
    return {pgm.ComponentType.sym_load: columns}


@dataclass(frozen=True)
class Extremes:
    """What a year says of each step (t,) and branch: lowest and highest voltage under voltage, highest loading of lines
    and transformers, and the most each branch (b,) was loaded."""

    u_lowest_pu: FloatArray
    u_highest_pu: FloatArray
    line_highest_ratio: FloatArray
    transformer_highest_ratio: FloatArray
    branch_highest_ratio: FloatArray


def year_extremes(
    engine: FlowEngine, steps: int, power: Callable[[slice], tuple[FloatArray, FloatArray]], progress: Callable[[int], None]
) -> Extremes:
    """Run `steps` power flows in chunks and keep what a year is asked for. power(slice) gives net demands (k, n)."""
    parts: list[tuple[FloatArray, ...]] = []
    branch = np.zeros(len(engine.network.lines.id) + len(engine.network.transformers.id))
    many = len(engine.network.nodes.id)
    live: BoolArray | None = None
    for part in chunks(steps, many):
        p, q = (_gathered(engine, values, many) for values in power(part))
        result = engine.model.calculate_power_flow(
            update_data=demand_columns(engine, p, q),
            calculation_method=pgm.CalculationMethod.iterative_current,
            output_component_types={
                pgm.ComponentType.node: ["u_pu"] if live is not None else ["u_pu", "energized"],
                pgm.ComponentType.line: ["loading"],
                pgm.ComponentType.transformer: ["loading"],
            },
            threading=-1,
        )  # fmt: skip
        node = result[pgm.ComponentType.node]
        if live is None:
            live = np.asarray(node["energized"][0] == 1, np.bool_)
        u = node["u_pu"]
        u = u if live.all() else u[:, live]
        loading = [_loading(result, kind, len(u)) for kind in (pgm.ComponentType.line, pgm.ComponentType.transformer)]
        parts.append((u.min(axis=1), u.max(axis=1), loading[0].max(axis=1, initial=0.0), loading[1].max(axis=1, initial=0.0)))
        branch = np.maximum(branch, np.concatenate([rows.max(axis=0, initial=0.0) for rows in loading]))
        progress(part.stop - part.start)
    u_lowest, u_highest, lines, transformers = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Extremes(u_lowest, u_highest, lines, transformers, branch)


def _loading(result: Any, kind: pgm.ComponentType, steps: int) -> FloatArray:
    return result[kind]["loading"] if kind in result else np.zeros((steps, 0))


def chunks(steps: int, nodes: int) -> Iterator[slice]:
    """Yield slices of steps such that a chunk's states take some tens of megabytes."""
    size = max(1, min(2928, 4_000_000 // max(nodes, 1)))
    for start in range(0, steps, size):
        yield slice(start, min(start + size, steps))
