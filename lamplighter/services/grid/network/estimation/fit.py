# SPDX-License-Identifier: Apache-2.0
"""Weighted least squares by power-grid-model for any network: a model with meters, updated and solved in batches.

The engine leaves the results of scenarios that fail unfilled: they are masked here and said so, never read.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import power_grid_model as pgm
from power_grid_model.errors import PowerGridBatchError  # pyright: ignore[reportPrivateImportUsage] - its documented place

from lamplighter.services.grid.network.estimation.meters import MeterPlan, Readings
from lamplighter.services.grid.network.estimation.prior import Drops, Pseudo, Weights
from lamplighter.services.grid.network.flow import parts_of, rows_of
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

SILENT_SHARE = 1e4  # a silent meter's spread over its usual one: it weighs nothing


@dataclass(frozen=True)
class Fit:
    """A model with meters, and the ids under which their values are updated; drops: how street ends answer to the classes."""

    model: Any
    network: Network
    plan: MeterPlan
    weights: Weights
    u_id: IntArray
    p_id: IntArray
    drops: Drops | None = None


@dataclass(frozen=True)
class Estimated:
    """States (t, ...) that fit best. found (t,): the fit settled; elsewhere every other column is NaN."""

    u_pu: FloatArray
    loading: FloatArray
    p_from_kw: FloatArray
    found: BoolArray

    def part(self, steps: slice) -> "Estimated":
        """Return some of the steps."""
        return Estimated(self.u_pu[steps], self.loading[steps], self.p_from_kw[steps], self.found[steps])


def open_fit(network: Network, plan: MeterPlan, weights: Weights, drops: Drops | None = None) -> Fit:
    """Return an estimator for a fused network with these meters and pseudo-loads."""
    parts, next_id = parts_of(network)
    demand = rows_of(pgm.ComponentType.sym_load, len(weights.node), next_id)
    demand["node"], demand["status"], demand["type"] = weights.node, 1, pgm.LoadGenType.const_power
    next_id += len(demand)
    volts = rows_of(pgm.ComponentType.sym_voltage_sensor, len(plan.u_node), next_id)
    rated = network.nodes.u_rated_v[plan.u_node]
    volts["measured_object"], volts["u_measured"], volts["u_sigma"] = plan.u_node, rated, plan.u_sigma_pu * rated
    next_id += len(volts)
    ends = len(network.nodes.id)
    count = (len(plan.p_transformer), len(plan.p_line), len(weights.node))
    power = rows_of(pgm.ComponentType.sym_power_sensor, sum(count), next_id)
    power["measured_object"] = np.concatenate(
        [ends + len(network.lines.id) + plan.p_transformer, ends + plan.p_line, demand["id"]]
    )
    power["measured_terminal_type"] = np.repeat(
        [pgm.MeasuredTerminalType.branch_to, pgm.MeasuredTerminalType.branch_from, pgm.MeasuredTerminalType.load], count
    )
    power["p_measured"], power["q_measured"], power["power_sigma"] = 0.0, 0.0, 1e3
    parts[pgm.ComponentType.sym_load] = demand
    parts[pgm.ComponentType.sym_voltage_sensor] = volts
    parts[pgm.ComponentType.sym_power_sensor] = power
    model = pgm.PowerGridModel(parts)
    return Fit(model, network, plan, weights, np.asarray(volts["id"], np.int64), np.asarray(power["id"], np.int64), drops)


def _updates(fit: Fit, readings: Readings, pseudo: Pseudo, u_sigma_pu: FloatArray | None) -> Any:
    plan, steps = fit.plan, readings.steps
    of_volts = plan.u_sigma_pu if u_sigma_pu is None else u_sigma_pu
    rated = fit.network.nodes.u_rated_v[plan.u_node]
    volts: dict[str, Any] = {
        "id": _repeated(fit.u_id, steps),
        "u_measured": np.where(readings.u_known, readings.u_pu, 1.0) * rated,
        "u_sigma": np.where(readings.u_known, 1.0, SILENT_SHARE) * of_volts * rated,
    }
    sigma = np.concatenate(
        [
            np.where(readings.transformer_known, 1.0, SILENT_SHARE) * plan.p_transformer_sigma_kw,
            np.where(readings.line_known, 1.0, SILENT_SHARE) * plan.p_line_sigma_kw,
            pseudo.sigma_kw,
        ],
        axis=1,
    )
    q_sigma = np.concatenate([sigma[:, : -len(fit.weights.node)], pseudo.q_sigma_kvar], axis=1)
    # A transformer's lower side counts power into the branch, a station's meter power out of it.
    p = [-readings.transformer_p_kw * readings.transformer_known, readings.line_p_kw * readings.line_known, pseudo.p_kw]
    q = [-readings.transformer_q_kvar * readings.transformer_known, readings.line_q_kvar * readings.line_known, pseudo.q_kvar]
    power: dict[str, Any] = {
        "id": _repeated(fit.p_id, steps),
        "p_measured": np.concatenate(p, axis=1) * 1e3,
        "q_measured": np.concatenate(q, axis=1) * 1e3,
        "p_sigma": sigma * 1e3,
        "q_sigma": q_sigma * 1e3,
    }
    return {pgm.ComponentType.sym_voltage_sensor: volts, pgm.ComponentType.sym_power_sensor: power}


def _repeated(ids: IntArray, steps: int) -> Any:
    return np.ascontiguousarray(np.broadcast_to(ids.astype(np.int32), (steps, len(ids))))


def estimate_states(fit: Fit, readings: Readings, pseudo: Pseudo, u_sigma_pu: FloatArray | None = None) -> Estimated:
    """Return the states that fit meters and pseudo-loads best, one per step, by Newton's method: the engine's linear
    iteration is as fast and does not settle on large grids with many voltage meters. u_sigma_pu (t, v) stands in for the
    plan's own."""
    found = np.ones(readings.steps, np.bool_)
    result = fit.model.calculate_state_estimation(
        update_data=_updates(fit, readings, pseudo, u_sigma_pu),
        calculation_method=pgm.CalculationMethod.newton_raphson,
        error_tolerance=1e-5,
        max_iterations=30,
        threading=-1,
        continue_on_batch_error=True,
        output_component_types={
            pgm.ComponentType.node: ["u_pu"],
            pgm.ComponentType.line: ["loading", "p_from"],
            pgm.ComponentType.transformer: ["loading", "p_from"],
        },
    )
    error = fit.model.batch_error
    if isinstance(error, PowerGridBatchError):
        found[error.failed_scenarios] = False
    kinds = [kind for kind in (pgm.ComponentType.line, pgm.ComponentType.transformer) if kind in result]

    def held(value: FloatArray) -> FloatArray:
        value[~found] = np.nan
        return value

    return Estimated(
        held(result[pgm.ComponentType.node]["u_pu"]),
        held(np.concatenate([result[kind]["loading"] for kind in kinds], axis=1)),
        held(np.concatenate([result[kind]["p_from"] for kind in kinds], axis=1) * 1e-3),
        found,
    )
