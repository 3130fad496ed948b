# SPDX-License-Identifier: Apache-2.0
"""What a control room wants to know of one switching state: by power-grid-model, on the whole network, rings allowed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import power_grid_model as pgm
from power_grid_model.errors import PowerGridError  # pyright: ignore[reportPrivateImportUsage] - its documented place

from lamplighter.services.grid.network.flow import demands, open_flow
from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.switching.case import Case
from lamplighter.services.grid.switching.radial import flow, span
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Limits:
    """What switching keeps. u_low_pu, u_high_pu: EN 50160, 230 V +-10 %; ring_u_pu, ring_deg, ring_a: over these a point is
    not closed into a ring; ring_a counts only where a line's rating is not known, else that rating does."""

    u_low_pu: float = 0.90
    u_high_pu: float = 1.10
    ring_u_pu: float = 0.05
    ring_deg: float = 10.0
    ring_a: float = 300.0


@dataclass(frozen=True)
class State:
    """One solved state. u_pu (n,) complex and energised (n,): the case's nodes; i_a (m,): branches, 0 at couplers."""

    u_pu: AnyArray
    energised: BoolArray
    i_a: FloatArray
    loss_kw: float

    @property
    def u_lowest_pu(self) -> float:
        """Return the lowest voltage of nodes that have one."""
        return float(np.abs(self.u_pu[self.energised]).min())

    @property
    def u_highest_pu(self) -> float:
        """Return the highest voltage."""
        return float(np.abs(self.u_pu[self.energised]).max())


def solved(case: Case, closed: BoolArray) -> State | None:
    """Solve the whole network by Newton's method with these branches closed; nothing where no operating point is found."""
    network = case.with_closed(closed)
    engine = open_flow(network)
    p_kw, q_kvar = demands(network)
    many = len(engine.network.nodes.id)
    rows: Any = pgm.initialize_array(pgm.DatasetType.update, pgm.ComponentType.sym_load, many)
    rows["id"] = engine.demand_id
    rows["p_specified"] = np.bincount(engine.at, weights=p_kw, minlength=many) * 1e3
    rows["q_specified"] = np.bincount(engine.at, weights=q_kvar, minlength=many) * 1e3
    model = engine.model.copy()
    model.update(update_data={pgm.ComponentType.sym_load: rows})
    try:
        result = model.calculate_power_flow(
            calculation_method=pgm.CalculationMethod.newton_raphson, max_iterations=50, symmetric=True
        )
    except PowerGridError:
        return None
    return _state(case, result, engine.at)


def _state(case: Case, result: Any, at: IntArray) -> State:
    node = result[pgm.ComponentType.node][at]
    line = result[pgm.ComponentType.line]
    inside = np.flatnonzero(case.node_at >= 0)
    u_pu = np.zeros(len(case.node_id), np.complex128)
    energised = np.zeros(len(case.node_id), np.bool_)
    live = inside[node["energized"][inside] == 1]
    u_pu[case.node_at[live]] = node["u_pu"][live] * np.exp(1j * node["u_angle"][live])
    energised[case.node_at[live]] = True
    own = case.line != ABSENT
    i_a = np.zeros(len(case.line))
    i_a[own] = np.maximum(line["i_from"], line["i_to"])[case.line[own]]
    loss_kw = float((line["p_from"] + line["p_to"])[case.line[own]].sum() / 1e3)
    return State(u_pu, energised, i_a, loss_kw)


def faults_of(case: Case, state: State, limits: Limits) -> tuple[str, ...]:
    """Return what a state does not keep, in words with figures; empty where it keeps all."""
    found: list[str] = []
    if state.u_lowest_pu < limits.u_low_pu - 1e-9:
        found.append(f"voltage {state.u_lowest_pu:.4f} pu, allowed at least {limits.u_low_pu:g}")
    if state.u_highest_pu > limits.u_high_pu + 1e-9:
        found.append(f"voltage {state.u_highest_pu:.4f} pu, allowed at most {limits.u_high_pu:g}")
    over = np.flatnonzero(state.i_a > case.i_n_a * (1.0 + 1e-9))
    if len(over):
        worst = int(over[np.argmax(state.i_a[over] / case.i_n_a[over])])
        found.append(f"line {case.branch_id[worst]} at {state.i_a[worst]:.0f} A, allowed {case.i_n_a[worst]:.0f} A")
    return tuple(found)


@dataclass(frozen=True)
class Quick:
    """A radial state by our own sweeps: reached (n,), lowest voltage, highest squared share of a rating, loss. Nothing solved
    where the loss is negative."""

    reached: BoolArray
    order: IntArray
    up: IntArray
    v2_pu: FloatArray
    p_kw: FloatArray
    q_kvar: FloatArray
    square_kva: FloatArray
    loss_kw: float

    @property
    def u_lowest_pu(self) -> float:
        """Return the lowest voltage of what is reached."""
        return float(np.sqrt(self.v2_pu[self.order].min()))


def quick(case: Case, closed: BoolArray) -> Quick:
    """Solve what the source reaches over closed branches. Where they leave a ring, or nothing converges, the loss is negative."""
    many = len(case.node_id)
    order, up = np.zeros(many, np.int64), np.zeros(many, np.int64)
    found = int(span(case.net, closed, order, up))
    v2, p_in, q_in, square = np.ones(many), np.zeros(many), np.zeros(many), np.zeros(many)
    loss = float(flow(case.net, order, found, up, v2, p_in, q_in, square)) if found > 0 else -1.0
    reached = np.zeros(many, np.bool_)
    order = order[: max(found, 1)]
    reached[order] = True
    return Quick(reached, order, up, v2, p_in, q_in, square, loss)


def squares_most(case: Case) -> FloatArray:
    """Return the most squared kVA per squared pu of voltage (m,) that ratings allow; inf where there is none."""
    return (np.sqrt(3.0) * case.u_rated_v * case.i_n_a / 1000.0) ** 2


def keeps(case: Case, state: Quick, limits: Limits) -> bool:
    """Return whether a radial state has an operating point and keeps voltage and ratings."""
    if state.loss_kw < 0.0 or state.u_lowest_pu < limits.u_low_pu - 1e-9:
        return False
    below = state.order[1:]
    return bool(np.all(state.square_kva[below] <= squares_most(case)[state.up[below]] * (1.0 + 1e-9)))
