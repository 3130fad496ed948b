# SPDX-License-Identifier: Apache-2.0
"""power-grid-model behind three functions: make a model, solve power flows, estimate a state.

Balanced, one equivalent line phase. Ids follow the columns: node i is i, and the other kinds follow one another.
The engine marks failed scenarios of a batch and leaves their results unfilled: here a failure always raises.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import power_grid_model as pgm
from power_grid_model.errors import PowerGridBatchError  # pyright: ignore[reportPrivateImportUsage] - its documented place

from lamplighter.services.grid.network.model import Grid
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray


class EstimateError(ArithmeticError):
    """No state was found that fits the meters."""


Method = Literal["iterative_current", "newton_raphson"]
CUT_OFF_PU = 0.0
TRANSFORMER_COLUMNS = (
    ("u1", "u1_v", 1.0), ("u2", "u2_v", 1.0), ("sn", "sn_kva", 1e3), ("uk", "uk_pu", 1.0), ("pk", "pk_kw", 1e3),
    ("i0", "i0_pu", 1.0), ("p0", "p0_kw", 1e3), ("tap_pos", "tap_position", 1), ("tap_size", "tap_step_v", 1.0),
)  # fmt: skip
ESTIMATE_TOLERANCE_PU = 1e-5  # a fiftieth of what the best meter can tell
ESTIMATE_ITERATIONS = 30


@dataclass(frozen=True)
class Flow:
    """Solved states, one row per scenario (k, ...): voltage per node in pu, power into each branch at its first and
    second end in kW and kvar, loading per branch (share of rating), and whether a node has power."""

    u_pu: FloatArray
    p_from_kw: FloatArray
    q_from_kvar: FloatArray
    p_to_kw: FloatArray
    q_to_kvar: FloatArray
    loading: FloatArray
    energised: BoolArray


@dataclass(frozen=True)
class Engine:
    """A model that does not change, and the ids under which to speak of its parts. One demand per node."""

    model: Any
    demand_id: IntArray
    nodes: int
    lines: int
    transformers: int


@dataclass(frozen=True)
class Meters:
    """What is measured (or believed) for one estimate. Volts between line phases, kW, kvar; sigma beside each.

    busbar_* and out_* (s,): voltage of each station's busbar and power that its transformer delivers; end_* (e,):
    voltage at feeder ends; node_* (n,): what the classes let expect at each node. Source voltage is held by its model.
    """

    busbar_u_v: FloatArray
    busbar_sigma_v: FloatArray
    out_p_kw: FloatArray
    out_q_kvar: FloatArray
    out_sigma_kw: FloatArray
    end_u_v: FloatArray
    end_sigma_v: FloatArray
    node_p_kw: FloatArray
    node_q_kvar: FloatArray
    node_sigma_kw: FloatArray


def _rows(component: pgm.ComponentType, count: int, first_id: int, kind: pgm.DatasetType = pgm.DatasetType.input) -> Any:
    rows: Any = pgm.initialize_array(kind, component, count)
    rows["id"] = np.arange(first_id, first_id + count)
    return rows


def _network(grid: Grid) -> tuple[dict[pgm.ComponentType, Any], int]:
    """Return the engine's input without demands and meters, and the next free id."""
    nodes, branches, lines = grid.nodes, grid.branches, grid.branches.lines
    node = _rows(pgm.ComponentType.node, len(nodes.id), 0)
    node["u_rated"] = nodes.u_rated_v
    line = _rows(pgm.ComponentType.line, lines, len(nodes.id))
    table = grid.tables["transformers"]
    transformer = _rows(pgm.ComponentType.transformer, len(grid.station_id), len(nodes.id) + lines)
    for rows, part in ((line, slice(0, lines)), (transformer, slice(lines, None))):
        rows["from_node"], rows["to_node"] = branches.from_node[part], branches.to_node[part]
        rows["from_status"], rows["to_status"] = branches.closed_from[part], branches.closed_to[part]
    line["r1"], line["x1"], line["c1"] = branches.r_ohm[:lines], branches.x_ohm[:lines], branches.c_f[:lines]
    line["tan1"], line["i_n"] = 0.0, branches.i_n_a[:lines]
    for name, column, factor in TRANSFORMER_COLUMNS:
        transformer[name] = np.asarray(table[column]) * factor
    # Both windings as star with clock 0: in a grid without rings the shift of a vector group turns angles alone.
    transformer["winding_from"], transformer["winding_to"] = pgm.WindingType.wye, pgm.WindingType.wye
    transformer["clock"], transformer["tap_side"] = 0, pgm.BranchSide.from_side
    transformer["tap_min"], transformer["tap_max"], transformer["tap_nom"] = -20, 20, 0
    next_id = len(nodes.id) + len(branches.id)
    source = _rows(pgm.ComponentType.source, len(grid.source_node), next_id)
    source["node"], source["status"], source["u_ref"] = grid.source_node, 1, grid.source_u_pu
    source["sk"] = grid.source_sk_mva * 1e6
    parts = {
        pgm.ComponentType.node: node,
        pgm.ComponentType.line: line,
        pgm.ComponentType.transformer: transformer,
        pgm.ComponentType.source: source,
    }
    return parts, next_id + len(source)


def open_engine(grid: Grid) -> Engine:
    """Return a model for power flows with one demand per node, all zero."""
    parts, next_id = _network(grid)
    demand = _rows(pgm.ComponentType.sym_load, len(grid.nodes.id), next_id)
    demand["node"], demand["status"], demand["type"] = np.arange(len(grid.nodes.id)), 1, pgm.LoadGenType.const_power
    demand["p_specified"], demand["q_specified"] = 0.0, 0.0
    parts[pgm.ComponentType.sym_load] = demand
    lines = grid.branches.lines
    return Engine(pgm.PowerGridModel(parts), np.asarray(demand["id"], np.int64), len(grid.nodes.id), lines, len(grid.station_id))


def power_flow(engine: Engine, p_kw: FloatArray, q_kvar: FloatArray, method: Method = "iterative_current") -> Flow:
    """Solve one power flow per row of demands (k, n), consumption positive. Raises where one does not converge."""
    rows: Any = pgm.initialize_array(pgm.DatasetType.update, pgm.ComponentType.sym_load, (len(p_kw), engine.nodes))
    rows["id"] = engine.demand_id
    rows["p_specified"], rows["q_specified"] = p_kw * 1e3, q_kvar * 1e3
    result = engine.model.calculate_power_flow(
        update_data={pgm.ComponentType.sym_load: rows},
        calculation_method=pgm.CalculationMethod[method],
        output_component_types=[pgm.ComponentType.node, pgm.ComponentType.line, pgm.ComponentType.transformer],
        threading=-1,
    )
    return _flow(result)


def _flow(result: Any) -> Flow:
    node = result[pgm.ComponentType.node]
    # The engine leaves out kinds of which the grid has none.
    branches = [result[kind] for kind in (pgm.ComponentType.line, pgm.ComponentType.transformer) if kind in result]

    def both(name: str, factor: float) -> FloatArray:
        return np.concatenate([rows[name] for rows in branches], axis=-1) * factor

    return Flow(
        u_pu=np.where(node["energized"] == 1, node["u_pu"], CUT_OFF_PU),
        p_from_kw=both("p_from", 1e-3),
        q_from_kvar=both("q_from", 1e-3),
        p_to_kw=both("p_to", 1e-3),
        q_to_kvar=both("q_to", 1e-3),
        loading=both("loading", 1.0),
        energised=node["energized"].astype(np.bool_),
    )


@dataclass(frozen=True)
class Estimator:
    """A model with meters, and the ids under which their values are updated."""

    model: Any
    busbar_id: IntArray
    end_id: IntArray
    out_id: IntArray
    node_id: IntArray


def open_estimator(grid: Grid) -> Estimator:
    """Return a model for state estimation: busbars and feeder ends in volts, transformers and nodes in power."""
    parts, next_id = _network(grid)
    many, stations, ends = len(grid.nodes.id), len(grid.station_id), len(grid.meter_node)
    demand = _rows(pgm.ComponentType.sym_load, many, next_id)
    demand["node"], demand["status"], demand["type"] = np.arange(many), 1, pgm.LoadGenType.const_power
    next_id += many
    sources = len(grid.source_node)
    volts = _rows(pgm.ComponentType.sym_voltage_sensor, sources + stations + ends, next_id)
    volts["measured_object"] = np.concatenate([grid.source_node, grid.station_busbar, grid.meter_node])
    rated = grid.nodes.u_rated_v[volts["measured_object"]]
    volts["u_measured"], volts["u_sigma"] = rated, rated
    # The source's own voltage is believed to 0.5 %: it ties the estimate to the region's grid.
    volts["u_measured"][:sources] = grid.source_u_pu * rated[:sources]
    volts["u_sigma"][:sources] = 0.005 * rated[:sources]
    next_id += len(volts)
    power = _rows(pgm.ComponentType.sym_power_sensor, stations + many, next_id)
    power["measured_object"][:stations] = len(grid.nodes.id) + grid.station_branch
    power["measured_object"][stations:] = demand["id"]
    power["measured_terminal_type"][:stations] = pgm.MeasuredTerminalType.branch_to
    power["measured_terminal_type"][stations:] = pgm.MeasuredTerminalType.load
    power["p_measured"], power["q_measured"], power["power_sigma"] = 0.0, 0.0, 1e3
    parts[pgm.ComponentType.sym_load] = demand
    parts[pgm.ComponentType.sym_voltage_sensor] = volts
    parts[pgm.ComponentType.sym_power_sensor] = power
    ids = np.asarray(volts["id"], np.int64)[sources:]
    power_ids = np.asarray(power["id"], np.int64)
    return Estimator(pgm.PowerGridModel(parts), ids[:stations], ids[stations:], power_ids[:stations], power_ids[stations:])


def estimate_state(estimator: Estimator, meters: Meters) -> Flow:
    """Return the state (1, ...) that fits the meters best by weighted least squares, Newton's method.

    The linear iteration is a little faster where it settles, but feeder-end voltages at heavily loaded cables keep
    it from settling. EstimateError where no state is found (a meter that lies grossly, say).
    """
    volts: Any = pgm.initialize_array(
        pgm.DatasetType.update, pgm.ComponentType.sym_voltage_sensor, (1, len(estimator.busbar_id) + len(estimator.end_id))
    )
    volts["id"] = np.concatenate([estimator.busbar_id, estimator.end_id])
    volts["u_measured"] = np.concatenate([meters.busbar_u_v, meters.end_u_v])
    volts["u_sigma"] = np.concatenate([meters.busbar_sigma_v, meters.end_sigma_v])
    power: Any = pgm.initialize_array(
        pgm.DatasetType.update, pgm.ComponentType.sym_power_sensor, (1, len(estimator.out_id) + len(estimator.node_id))
    )
    power["id"] = np.concatenate([estimator.out_id, estimator.node_id])
    # A transformer's lower side counts power into the branch, a station's meter power out of it.
    power["p_measured"] = np.concatenate([-meters.out_p_kw, meters.node_p_kw]) * 1e3
    power["q_measured"] = np.concatenate([-meters.out_q_kvar, meters.node_q_kvar]) * 1e3
    power["power_sigma"] = np.concatenate([meters.out_sigma_kw, meters.node_sigma_kw]) * 1e3
    try:
        result = _solved(estimator, volts, power)
    except PowerGridBatchError as error:
        raise EstimateError(f"no state fits the meters ({error})") from error
    return _flow(result)


def _solved(estimator: Estimator, volts: Any, power: Any) -> Any:
    return estimator.model.calculate_state_estimation(
        update_data={pgm.ComponentType.sym_voltage_sensor: volts, pgm.ComponentType.sym_power_sensor: power},
        calculation_method=pgm.CalculationMethod.newton_raphson,
        error_tolerance=ESTIMATE_TOLERANCE_PU,
        max_iterations=ESTIMATE_ITERATIONS,
        output_component_types=[pgm.ComponentType.node, pgm.ComponentType.line, pgm.ComponentType.transformer],
    )
