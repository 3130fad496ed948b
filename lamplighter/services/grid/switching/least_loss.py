# SPDX-License-Identifier: Apache-2.0
"""The radial configuration of least loss, with a bound that is proved, checked by power-grid-model's power flow."""

from dataclasses import dataclass

import numpy as np

from lamplighter.services.grid.network.engine import Flow
from lamplighter.services.grid.network.flow import demands, open_flow, solve
from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.switching.case import Case
from lamplighter.services.grid.switching.radial import descend, loss_of
from lamplighter.services.grid.switching.relaxation import CLOSED, FREE, OPEN, settle
from lamplighter.services.grid.switching.search import search
from lamplighter.terms.columns import BoolArray

PARTS_MAX = 3_000_000  # parts of a search that are examined before it stops with the gap that it has proved
CUT_SHARES = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0)  # the gap is closed in steps, so that a search cut short proves one


@dataclass(frozen=True)
class Reconfiguration:
    """What was found. before_kw, before_u_pu: of the configuration as given, nothing where it is no tree; bound_kw: no tree
    of this network loses less, nothing where none is proved; checked_kw, checked_u_pu: loss and lowest voltage by the
    engine's own power flow; closed (m,)."""

    before_kw: float | None
    before_u_pu: float | None
    loss_kw: float
    bound_kw: float | None
    u_lowest_pu: float
    checked_kw: float
    checked_u_pu: float
    closed: BoolArray
    parts_count: int
    notes: tuple[str, ...]

    @property
    def gap_share(self) -> float | None:
        """Return how far the proof is from what was found, as a share of the loss."""
        return None if self.bound_kw is None else (self.loss_kw - self.bound_kw) / self.loss_kw if self.loss_kw else 0.0


def checked(case: Case, closed: BoolArray) -> Flow:
    """Solve the whole network in one configuration by the engine's Newton method, in the file's own demands."""
    network = case.with_closed(closed)
    p_kw, q_kvar = demands(network)
    return solve(open_flow(network), p_kw[None], q_kvar[None], "newton_raphson")


def checked_loss(case: Case, flow: Flow) -> tuple[float, float]:
    """Return the loss of the case's own lines in kW and the lowest voltage of its nodes, of a solved flow."""
    lines = case.line[case.line != ABSENT]
    nodes = np.flatnonzero(case.node_at >= 0)
    return float((flow.p_from_kw + flow.p_to_kw)[0, lines].sum()), float(flow.u_pu[0, nodes].min())


def reconfigure(case: Case, parts_max: int = PARTS_MAX) -> Reconfiguration:
    """Return the configuration of least loss. GridError where no configuration supplies all nodes."""
    net, notes = case.net, list(case.notes)
    known = np.where(case.may_switch, FREE, np.where(case.closed, CLOSED, OPEN)).astype(np.int8)
    before, before_u = loss_of(net, case.closed)
    closed = case.closed.copy() if before >= 0.0 else _first_tree(case)
    best = descend(net, closed, case.may_switch)
    if best < 0.0:
        raise GridError(
            f"{case.name}: no operating point was found for a first tree: its demand is more than its lines carry. Lower it. "
            "Nothing was worked out."
        )
    bound: float | None = None
    parts = 0
    if np.any(net.p_kw < 0.0) or np.any(net.q_kvar < 0.0):
        notes.append(
            "No bound: some node feeds in, and the proof needs demands of consumption alone. What is found is a local best."
        )
    else:
        bound = 0.0
        for share in CUT_SHARES:
            best, examined, whole = search(net, known, best, share, parts_max - parts, closed)
            parts += int(examined)
            if not whole:
                notes.append(f"Stopped after {parts} parts of the search; the bound is what had been proved by then.")
                break
            bound = max(bound, best * (1.0 - share))
    if np.any(case.network.lines.c_f[case.line[case.line != ABSENT]] > 0.0):
        notes.append("The search leaves out what cables charge; the check by power flow has it.")
    found, u_lowest = loss_of(net, closed)
    flow_kw, flow_u = checked_loss(case, checked(case, closed))
    was = (float(before), float(before_u)) if before >= 0.0 else (None, None)
    return Reconfiguration(*was, float(found), bound, float(u_lowest), flow_kw, flow_u, closed, parts, tuple(notes))


def _first_tree(case: Case) -> BoolArray:
    """Return a tree of the branches with the least resistance, those without a switch first."""
    many = len(case.branch_id)
    state = np.where(case.may_switch, FREE, np.where(case.closed, CLOSED, OPEN)).astype(np.int8)
    chosen, rest = np.zeros(many, np.bool_), np.zeros(many, np.int64)
    if settle(case.net, state, 1.0 / case.net.r_pu, chosen, rest) < 0:
        raise GridError(
            f"{case.name}: lines without a switch close a ring or leave nodes without supply; allowed is a network that can be "
            "a tree. Name switches where there are some. Nothing was worked out."
        )
    return chosen
