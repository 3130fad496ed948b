# SPDX-License-Identifier: Apache-2.0
"""After a fault: the most demand, by priority, that other lines can supply, proved; and the fewest switchings for it.

A mixed-integer programme chooses which nodes have supply and over which branch each is fed. Its flows are those of the
branch-flow equations with the loss cone replaced by tangents below it, so its voltages are never lower, and its losses
never higher, than the true ones: what it cannot supply cannot be supplied. Each of its trees is solved exactly; one that
does not keep the limits is cut off, together with every tree that holds the smallest part of it that already fails (more
demand never raises a voltage). The first tree that keeps them is therefore the best there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.switching.case import Case
from lamplighter.services.grid.switching.checking import Limits, Quick, keeps, quick, squares_most
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray

CLASSES = ("hospital", "signal", "walking light", "home")  # who comes first; demand without a class is a home
ROUNDS_MAX = 400
TANGENT_SHARES = (0.1, 0.25, 0.5, 0.8)  # of all demand, where the loss cone is touched beforehand
KILO = 1000.0


@dataclass(frozen=True)
class Restoration:
    """What is advised. start, target (m,): closed branches before (the fault isolated) and after; dark_kw, restored_kw (4,):
    by class, what the fault cuts off and what is supplied again; bound_kw: no way supplies more of the highest class, and
    so on down; proved: the answer meets it; switchings_count: besides isolating; fewest: no way to the same needs fewer."""

    fault: int
    start: BoolArray
    target: BoolArray
    dark_kw: FloatArray
    restored_kw: FloatArray
    bound_kw: float
    switchings_count: int
    proved: bool
    fewest: bool
    loss_kw: float
    u_lowest_pu: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """Columns of the programme: arc (2k,) from source[a] to sink[a] on branch[a]; five blocks of columns in this order:
    fed (arc in use), p_mw, q_mvar, square_mva (all at the arc), unit; then on (n,), v2 (n,), moved (m,)."""

    solver: Any
    branch: IntArray
    source: IntArray
    sink: IntArray
    nodes: int
    branches: int

    @property
    def arcs(self) -> int:
        """Return how many arcs there are."""
        return len(self.branch)

    def on(self, node: int) -> int:
        """Return the column that says whether a node has supply."""
        return 5 * self.arcs + node

    def v2(self, node: int) -> int:
        """Return the column of a node's squared voltage."""
        return 5 * self.arcs + self.nodes + node

    def moved(self, branch: int) -> int:
        """Return the column that counts a switching of a branch."""
        return 5 * self.arcs + 2 * self.nodes + branch


def restore(case: Case, fault: int, rank: IntArray | None = None, limits: Limits | None = None) -> Restoration:
    """Return the best supply after one branch has failed. rank (n,): position in CLASSES, homes where not given.

    Who has supply keeps it. GridError where demands are negative, or where the state before the fault is no tree.
    """
    limits = limits or Limits()
    rank = np.full(len(case.node_id), len(CLASSES) - 1) if rank is None else rank
    before = quick(case, case.closed)
    if before.loss_kw < 0.0 or np.any(case.net.p_kw < 0.0) or np.any(case.net.q_kvar < 0.0):
        raise GridError(
            f"{case.name}: restoring needs a state before the fault without rings, with an operating point, and demands that "
            "consume. Open the rings first (`lamplighter grid reconfigure`). Nothing was worked out."
        )
    start = case.closed.copy()
    start[fault] = False
    after = quick(case, start)
    dark = before.reached & ~after.reached
    notes: list[str] = []
    if not keeps(case, after, limits):
        limits = replace(limits, u_low_pu=min(limits.u_low_pu, after.u_lowest_pu))
        notes.append(f"What keeps its supply is at {after.u_lowest_pu:.4f} pu already; that is taken as the lowest allowed.")
    value = _values(case, rank, dark)
    simple = _one_closing(case, start, dark, fault, limits)
    if simple is not None:
        target, proved, fewest = simple, True, True
    else:
        target, proved, fewest = _searched(case, start, (fault, dark, value), limits)
    result = quick(case, target)
    restored = result.reached & dark
    kw = [_by_class(case, rank, mask) for mask in (dark, restored)]
    moves = int(_moves(case, start, target, result.reached).sum())
    bound_kw = float(kw[1 if proved else 0].sum())
    return Restoration(
        fault, start, target, kw[0], kw[1], bound_kw, moves, proved, fewest, result.loss_kw, result.u_lowest_pu, tuple(notes)
    )


def _by_class(case: Case, rank: IntArray, mask: BoolArray) -> FloatArray:
    """Return the demand of some nodes (n,) by class (4,), in kW."""
    return np.bincount(rank[mask], case.net.p_kw[mask], len(CLASSES)).astype(np.float64)


def _values(case: Case, rank: IntArray, dark: BoolArray) -> FloatArray:
    """Return what supplying each node (n,) is worth: one node of a higher class outweighs all of the lower ones."""
    value, below = np.zeros(len(dark)), 0.0
    for group in range(len(CLASSES) - 1, -1, -1):
        mine = dark & (rank == group) & (case.net.p_kw > 0.0)
        if mine.any():
            least = float(case.net.p_kw[mine].min())
            value[mine] = case.net.p_kw[mine] * max(1.0, np.ceil(1.01 * below / least))
            below += float(value[mine].sum())
    return value


def _one_closing(case: Case, start: BoolArray, dark: BoolArray, fault: int, limits: Limits) -> BoolArray | None:
    """Return the configuration of least loss that one closing reaches and that supplies all, nothing where there is none."""
    best: tuple[float, BoolArray] | None = None
    for branch in np.flatnonzero(~start & case.may_switch).tolist():
        if branch == fault or dark[case.net.tail[branch]] == dark[case.net.head[branch]]:
            continue
        closed = start.copy()
        closed[branch] = True
        found = quick(case, closed)
        if found.reached[dark].all() and keeps(case, found, limits) and (best is None or found.loss_kw < best[0]):
            best = found.loss_kw, closed
    return None if best is None else best[1]


def _moves(case: Case, start: BoolArray, target: BoolArray, live: BoolArray) -> BoolArray:
    """Return which branches (m,) are switched: lines among what stays dark are left as they are."""
    touched = live[case.net.tail] | live[case.net.head]
    return touched & (start != target)


def _searched(
    case: Case, start: BoolArray, wanted: tuple[int, BoolArray, FloatArray], limits: Limits
) -> tuple[BoolArray, bool, bool]:
    """Return (target, whether it is proved to be best, whether with fewest switchings)."""
    value = wanted[2]
    if not value.any():
        return start, True, True
    model = _model(case, start, wanted, limits)
    one = _unit(value)
    worth = np.round(value / one)
    _objective(model, {model.on(i): -float(worth[i]) for i in np.flatnonzero(worth > 0).tolist()})
    best = _first_kept(case, model, start, limits)
    if best is None:
        return start, False, False
    reached = float(worth @ quick(case, best).reached)
    columns = [(model.on(i), float(worth[i])) for i in np.flatnonzero(worth > 0).tolist()]
    _row(model, reached - 0.5, highspy.kHighsInf, columns)
    _objective(model, {model.moved(e): 1.0 for e in range(model.branches)})
    fewer = _first_kept(case, model, start, limits)
    return (best if fewer is None else fewer), True, fewer is not None


def _unit(value: FloatArray) -> float:
    """Return the largest unit (to a watt) of which all values are whole multiples: a programme of whole numbers ends sooner."""
    watts = np.round(value[value > 0] * 1000.0).astype(np.int64)
    return float(np.gcd.reduce(watts)) / 1000.0


def _first_kept(case: Case, model: Model, start: BoolArray, limits: Limits) -> BoolArray | None:
    """Return the programme's best configuration that keeps the limits exactly, cutting off what does not."""
    for _ in range(ROUNDS_MAX):
        model.solver.run()
        if model.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        column = np.array(model.solver.getSolution().col_value)
        fed = column[: model.arcs] > 0.5
        tree = np.zeros(model.branches, np.bool_)
        tree[model.branch[fed]] = True
        found = quick(case, tree)
        if keeps(case, found, limits):
            return _completed(case, start, tree, found.reached)
        _cut(case, model, found, tree, limits)
    return None


def _completed(case: Case, start: BoolArray, tree: BoolArray, live: BoolArray) -> BoolArray:
    """Return the configuration: the tree, and lines among what stays dark as they were."""
    dead = ~live[case.net.tail] & ~live[case.net.head]
    return np.where(dead, start, tree)


def _cut(case: Case, model: Model, found: Quick, tree: BoolArray, limits: Limits) -> None:
    """Cut off every configuration that holds the smallest failing part of a tree, and touch the loss cones where it was."""
    part = tree.copy()
    state = found
    for node in found.order[::-1].tolist():
        if node == 0 or np.any(state.up[state.order] == -2):
            continue
        branch = int(found.up[node])
        trial = part.copy()
        trial[branch] = False
        shorter = quick(case, trial)
        if int(shorter.reached.sum()) == int(state.reached.sum()) - 1 and not keeps(case, shorter, limits):
            part, state = trial, shorter
    held = np.flatnonzero(part)
    arcs = np.flatnonzero(np.isin(model.branch, held))
    model.solver.addRow(-highspy.kHighsInf, float(len(held) - 1), len(arcs), arcs.astype(np.int32), np.ones(len(arcs)))
    if found.loss_kw >= 0.0:
        for node in found.order[1:].tolist():
            arc = int(np.flatnonzero((model.branch == found.up[node]) & (model.sink == node))[0])
            e = found.up[node]
            p = (found.p_kw[node] - case.net.r_pu[e] * found.square_kva[node]) / KILO
            q = (found.q_kvar[node] - case.net.x_pu[e] * found.square_kva[node]) / KILO
            if p * p + q * q > 1e-4:
                _touch(model, arc, float(p), float(q))


def _touch(model: Model, arc: int, p_mw: float, q_mvar: float) -> None:
    """Add the tangent of square >= p^2 + q^2 at a point, for an arc in use."""
    many = model.arcs
    columns = np.array([arc, many + arc, 2 * many + arc, 3 * many + arc], np.int32)
    values = np.array([p_mw**2 + q_mvar**2, -2.0 * p_mw, -2.0 * q_mvar, 1.0])
    model.solver.addRow(0.0, highspy.kHighsInf, 4, columns, values)


def _objective(model: Model, cost: dict[int, float]) -> None:
    many = model.solver.getNumCol()
    dense = np.zeros(many)
    dense[list(cost)] = list(cost.values())
    model.solver.changeColsCost(many, np.arange(many, dtype=np.int32), dense)


def _model(case: Case, start: BoolArray, wanted: tuple[int, BoolArray, FloatArray], limits: Limits) -> Model:
    """Return the programme for one fault, without an objective."""
    fault, dark, _ = wanted
    net = case.net
    usable = np.flatnonzero((case.may_switch | start) & (np.arange(len(start)) != fault))
    branch = np.concatenate([usable, usable])
    source, sink = np.concatenate([net.tail[usable], net.head[usable]]), np.concatenate([net.head[usable], net.tail[usable]])
    keep = sink != 0
    solver: Any = highspy.Highs()
    for name, option in (("output_flag", False), ("mip_rel_gap", 0.0), ("mip_abs_gap", 0.9), ("threads", 1), ("random_seed", 0)):
        solver.setOptionValue(name, option)
    model = Model(solver, branch[keep], source[keep], sink[keep], len(case.node_id), len(start))
    _columns(case, model, dark, limits)
    _balances(case, model, limits)
    _voltages(case, model, limits)
    _switchings(case, model, start, fault)
    total_p, total_q = net.p_kw.sum() / KILO, net.q_kvar.sum() / KILO
    for arc in range(model.arcs):
        for share in TANGENT_SHARES:
            _touch(model, arc, share * total_p, share * total_q)
    return model


def _most(case: Case, limits: Limits) -> tuple[float, float]:
    """Return the most MW and Mvar that any branch can carry: who is served at u_low wastes no more than 1 - u_low of what is
    sent, as far as voltages turn little; another 15 % is left for that, also to reactive losses where no demand is reactive."""
    p_mw, q_mvar = float(case.net.p_kw.sum()) / KILO, float(case.net.q_kvar.sum()) / KILO
    return p_mw / limits.u_low_pu + 0.15 * (p_mw + q_mvar), q_mvar / limits.u_low_pu + 0.15 * (p_mw + q_mvar)


def _columns(case: Case, model: Model, dark: BoolArray, limits: Limits) -> None:
    most = np.array(_most(case, limits))
    square = np.minimum(squares_most(case)[model.branch] / KILO**2, float(most @ most) / limits.u_low_pu**2)
    ones, many = np.ones(model.arcs), model.nodes
    on_low = np.where(dark, 0.0, 1.0)
    v2 = np.full(many, case.net.v2_source_pu)
    lower = np.concatenate(
        [
            np.zeros(5 * model.arcs),
            on_low,
            np.where(np.arange(many) == 0, v2, min(limits.u_low_pu**2, v2[0])),
            np.zeros(model.branches),
        ]
    )
    upper = np.concatenate(
        [ones, ones * most[0], ones * most[1], square, ones * many, np.ones(many), v2, np.ones(model.branches)]
    )
    count = len(lower)
    none = np.zeros(0, np.int32)
    model.solver.addCols(count, np.zeros(count), lower, upper, 0, none, none, np.zeros(0))
    whole = np.concatenate([np.arange(model.arcs), np.arange(5 * model.arcs, 5 * model.arcs + many)]).astype(np.int32)
    model.solver.changeColsIntegrality(len(whole), whole, np.full(len(whole), highspy.HighsVarType.kInteger))


def _row(model: Model, low: float, high: float, terms: Sequence[tuple[int, float]]) -> None:
    columns = np.array([column for column, _ in terms], np.int32)
    model.solver.addRow(low, high, len(terms), columns, np.array([value for _, value in terms]))


def _balances(case: Case, model: Model, limits: Limits) -> None:
    """What flows in is what is used, lost below and sent on; each node with supply has one feeding branch."""
    net, many, inf = case.net, model.arcs, highspy.kHighsInf
    most = _most(case, limits)
    for node in range(1, model.nodes):
        into, out = np.flatnonzero(model.sink == node).tolist(), np.flatnonzero(model.source == node).tolist()
        _row(model, 0.0, 0.0, [*((a, 1.0) for a in into), (model.on(node), -1.0)])
        for block, demand, z in ((1, net.p_kw, net.r_pu), (2, net.q_kvar, net.x_pu)):
            terms = [(block * many + a, 1.0) for a in into] + [(block * many + a, -1.0) for a in out]
            terms += [(3 * many + a, -float(z[model.branch[a]]) * KILO) for a in out]
            _row(model, 0.0, 0.0, [*terms, (model.on(node), -float(demand[node]) / KILO)])
        units = [(4 * many + a, 1.0) for a in into] + [(4 * many + a, -1.0) for a in out]
        _row(model, 0.0, 0.0, [*units, (model.on(node), -1.0)])
    for a in range(many):
        for block, limit in ((1, most[0]), (2, most[1]), (4, float(model.nodes))):
            _row(model, -inf, 0.0, [(block * many + a, 1.0), (a, -limit)])
        _row(model, -inf, 0.0, [(a, 1.0), (model.on(int(model.source[a])), -1.0)])


def _voltages(case: Case, model: Model, limits: Limits) -> None:
    """Where an arc is in use, its lower end is below its upper one by at least what its power makes of it."""
    net, many, inf = case.net, model.arcs, highspy.kHighsInf
    slack = max(net.v2_source_pu - limits.u_low_pu**2, 0.0)
    for a in range(many):
        e = model.branch[a]
        r, x = float(net.r_pu[e]) * KILO, float(net.x_pu[e]) * KILO
        terms = [(model.v2(int(model.sink[a])), 1.0), (model.v2(int(model.source[a])), -1.0), (many + a, 2.0 * r)]
        _row(model, -inf, slack, [*terms, (2 * many + a, 2.0 * x), (3 * many + a, r * r + x * x), (a, slack)])


def _switchings(case: Case, model: Model, start: BoolArray, fault: int) -> None:
    """Count a closing of what was open, and an opening of what was closed and has supply at one end or another tree."""
    inf = highspy.kHighsInf
    for e in range(model.branches):
        if e == fault:
            continue
        arcs = [(int(a), 1.0) for a in np.flatnonzero(model.branch == e)]
        if not start[e]:
            _row(model, -inf, 0.0, [*arcs, (model.moved(e), -1.0)])
            continue
        for node in (int(case.net.tail[e]), int(case.net.head[e])):
            _row(model, -inf, 0.0, [(model.on(node), 1.0), *((a, -1.0) for a, _ in arcs), (model.moved(e), -1.0)])
        if not case.may_switch[e]:
            _row(model, 0.0, 0.0, [(model.moved(e), 1.0)])
