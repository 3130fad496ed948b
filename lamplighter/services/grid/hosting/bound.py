# SPDX-License-Identifier: Apache-2.0
"""The most cars that any way of steering could host: the branch-flow relaxation over a whole night, known in advance.

Branch flow (Baran and Wu 1989; relaxed to a cone by Farivar and Low, Branch flow model: relaxations and
convexification, IEEE Trans. Power Systems 28(3), 2013): every state that a power flow can have is a point of the
relaxation, so what the relaxation cannot do no way of steering can. Cars are relaxed to what those of one row can
take together until any time and from any time on.
"""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from lamplighter.services.grid.envelopes.radial import Radial, flat, loadings, sweep
from lamplighter.services.grid.envelopes.reactive import TAN_MAX
from lamplighter.services.grid.hosting.cars import FULL_KW, STEP_H, STEPS, Cars
from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.hosting.result import LOADING_MAX, U_MIN_PU, UNSERVED_MAX, WORST_SERVED_MIN
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

UNIT_KVA = 100.0  # powers are counted in this unit, so that all figures of the programme are of like size
ATTEMPTS = ((5e-6, 1e-8), (5e-6, 1e-7), (2e-5, 1e-6), (5e-5, 1e-7))  # tolerance, static regularisation
SOLVED = ("Solved", "AlmostSolved")


@dataclass(frozen=True)
class Relaxed:
    """An optimum of the relaxation. short_share: the least share of energy that is missing beyond what is allowed, negative
    where there is room; drawn_kw (t, n): its plan; loading_max_ratio, voltage_lowest_pu: of that plan in a power flow."""

    short_share: float
    drawn_kw: FloatArray
    loading_max_ratio: float
    voltage_lowest_pu: float


@dataclass(frozen=True)
class Curves:
    """Per row with cars (c,), over steps (t + 1,): energy that can have been drawn at most, must have been drawn at least,
    and can be drawn at most from then on; most power per step (c, t); energy wanted (c,)."""

    row: IntArray
    highest_kwh: FloatArray
    lowest_kwh: FloatArray
    after_kwh: FloatArray
    most_kw: FloatArray
    wanted_kwh: FloatArray


def curves_of(cars: Cars) -> Curves:
    """Return the curves of cars by row; every schedule of the cars keeps them."""
    row, at = np.unique(cars.row, return_inverse=True)
    ends = np.arange(STEPS + 1)
    until = np.clip(ends[None, :] - cars.first[:, None], 0, (cars.last - cars.first)[:, None]) * STEP_H * FULL_KW
    whole = until[:, -1:]
    highest = np.minimum(cars.energy_kwh[:, None], until)
    after = np.minimum(cars.energy_kwh[:, None], whole - until)
    lowest = np.maximum(WORST_SERVED_MIN * cars.energy_kwh[:, None] - (whole - until), 0.0)
    here = (cars.first[:, None] <= ends[None, :-1]) & (ends[None, :-1] < cars.last[:, None])

    def summed(values: AnyArray) -> FloatArray:
        out = np.zeros((len(row), values.shape[1]))
        np.add.at(out, at, values)
        return out

    wanted = np.bincount(at, cars.energy_kwh, len(row)).astype(np.float64)
    return Curves(row, summed(highest), summed(lowest), summed(after), FULL_KW * summed(here), wanted)


def binding_steps(night: Night, curves: Curves) -> BoolArray:
    """Return at which steps (t,) the grid could bind: not all cars that are there can charge at full power at once."""
    binds = np.zeros(STEPS, np.bool_)
    for step in range(STEPS):
        s = night.base_kva[step].copy()
        s[curves.row] += curves.most_kw[:, step]
        u, i, settled = sweep(night.tree, s, flat(night.tree))
        binds[step] = not settled or float(loadings(night.tree, u, i).max()) > 1.0 or float(np.abs(u).min()) < U_MIN_PU + 1e-3
    return binds & (curves.most_kw.sum(axis=0) > 0)


class Rows:
    """Rows of a sparse matrix being gathered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._parts: list[tuple[AnyArray, AnyArray, AnyArray]] = []
        self._right: list[AnyArray] = []
        self.count = 0

    def add(self, right: AnyArray, *terms: tuple[AnyArray | int, AnyArray | float]) -> None:
        """Add one row per entry of `right` (k,); each term is columns (k,) or one for all, and their factors."""
        at = self.count + np.arange(len(right))
        for column, factor in terms:
            self._parts.append((at, np.broadcast_to(column, at.shape), np.broadcast_to(factor, at.shape)))
        self._right.append(np.asarray(right, np.float64))
        self.count += len(right)

    def scattered(self, row: AnyArray, column: AnyArray, factor: AnyArray | float) -> None:
        """Add terms to rows that exist already."""
        self._parts.append((row, column, np.broadcast_to(factor, row.shape)))

    def built(self, columns: int) -> tuple[Any, FloatArray]:
        """Return the matrix and the right-hand side."""
        row, column, factor = (np.concatenate([part[k] for part in self._parts]) for k in range(3))
        matrix = sparse.coo_matrix((factor, (row, column)), shape=(self.count, columns)).tocsc()
        return matrix, np.concatenate(self._right)


def relaxed(night: Night, cars: Cars, allowed: float = UNSERVED_MAX, volt_var: bool = False) -> Relaxed:
    """Solve the relaxation for these cars. `allowed`: share of energy that may stay unserved; volt_var: points' inverters supply
    or take reactive power, to the power factor of `envelopes.reactive` beside what they draw (their rating is left out)."""
    tree, curves = night.tree, curves_of(cars)
    binds = np.flatnonzero(binding_steps(night, curves))
    steps = np.flatnonzero(curves.most_kw.sum(axis=0) > 0)
    many, rows_of_cars = len(tree.parent), len(curves.row)
    branch = np.flatnonzero(tree.parent >= 0)
    b = len(branch)
    of_step = 3 * b + many + (rows_of_cars if volt_var else 0)
    width = 2 * rows_of_cars * len(steps) + len(binds) * of_step + 1
    short = width - 1
    drawn = np.arange(rows_of_cars * len(steps)).reshape(len(steps), rows_of_cars)
    first = 2 * rows_of_cars * len(steps)
    equal, less, cone = Rows(), Rows(), Rows()
    place = {int(step): number for number, step in enumerate(steps)}
    for number, step in enumerate(binds.tolist()):
        origin = first + number * of_step
        supplied = origin + 3 * b + many + np.arange(rows_of_cars) if volt_var else None
        _network(night, (equal, less, cone), branch, origin, (step, curves.row, drawn[place[step]], supplied))
    _cars(curves, (equal, less), steps, drawn, (drawn.size, short, allowed))
    matrices = [part.built(width) for part in (equal, less, cone)]
    x = _solved(matrices, [equal.count, less.count, cone.count // 4], width, short)
    plan = np.zeros((STEPS, many))
    for number, step in enumerate(steps.tolist()):
        plan[step, curves.row] = x[drawn[number]] * UNIT_KVA
    supplies = curves.row if volt_var else curves.row[:0]
    return Relaxed(float(x[short]), plan, *_found(night, supplies, plan, (x, binds, first, of_step)))


def _found(night: Night, row: IntArray, plan: FloatArray, found: tuple[FloatArray, IntArray, int, int]) -> tuple[float, float]:
    """Return the highest loading and the lowest voltage of a plan with the reactive power that belongs to it."""
    x, binds, first, of_step = found
    s = night.base_kva + np.maximum(plan, 0.0)
    for number, step in enumerate(binds.tolist()):
        end = first + (number + 1) * of_step
        s[step, row] -= 1j * x[end - len(row) : end] * UNIT_KVA
    worst, lowest = 0.0, 2.0
    for step in range(STEPS):
        u, i, _ = sweep(night.tree, s[step], flat(night.tree))
        worst, lowest = max(worst, float(loadings(night.tree, u, i).max())), min(lowest, float(np.abs(u).min()))
    return worst, lowest


def _network(
    night: Night,
    parts: tuple[Rows, Rows, Rows],
    branch: IntArray,
    origin: int,
    charging: tuple[int, IntArray, IntArray, IntArray | None],
) -> None:
    """Add the branch-flow relaxation of one step. charging: its number, rows, columns of power and of reactive power supplied."""
    equal, less, cone = parts
    tree: Radial = night.tree
    step, row, column, supplied = charging
    many, b = len(tree.parent), len(branch)
    p, q, square, v = origin + np.arange(b), origin + b + np.arange(b), origin + 2 * b + np.arange(b), origin + 3 * b
    parent, z = tree.parent[branch], tree.z_pu[branch] * UNIT_KVA
    gain2 = tree.gain_ratio[branch] ** 2
    of_row = np.full(many, -1, np.int64)
    of_row[branch] = np.arange(b)
    demand, shunt = night.base_kva[step] / UNIT_KVA, tree.shunt_kva / UNIT_KVA
    # Sent into a branch = its losses + demand at its row + what its row sends on.
    inner = np.flatnonzero(of_row[parent] >= 0)
    for power, part, lost in ((p, np.real, z.real), (q, np.imag, z.imag)):
        begin = equal.count
        equal.add(part(demand)[branch], (power, 1.0), (square, -lost), (v + branch, -part(shunt)[branch]))
        equal.scattered(begin + of_row[parent[inner]], power[inner], -1.0)
        if power is p:
            inside = of_row[row] >= 0
            equal.scattered(begin + of_row[row[inside]], column[inside], -1.0)
        elif supplied is not None:
            inside = of_row[row] >= 0
            equal.scattered(begin + of_row[row[inside]], supplied[inside], 1.0)
            less.add(np.zeros(len(row)), (supplied, 1.0), (column, -TAN_MAX))
            less.add(np.zeros(len(row)), (supplied, -1.0), (column, -TAN_MAX))
    equal.add(np.zeros(b), (v + branch, 1.0), (v + parent, -gain2), (p, 2 * z.real), (q, 2 * z.imag), (square, -(np.abs(z) ** 2)))
    source = np.flatnonzero(tree.parent < 0)
    equal.add(tree.source_pu[source] ** 2, (v + source, 1.0))
    less.add(np.full(many, -(U_MIN_PU**2)), (v + np.arange(many), -1.0))
    held = np.where(tree.source_pu[parent] > 0, tree.source_pu[parent], 0.0)
    gain = tree.gain_ratio[branch]
    strict = np.where(tree.is_line[branch], 1.0, np.maximum(np.maximum(1.0, gain), gain * held))
    rated = np.flatnonzero(np.isfinite(tree.rating_kva[branch]))
    most = (LOADING_MAX * tree.rating_kva[branch] / strict / UNIT_KVA)[rated]
    less.add(most**2, (square[rated], 1.0))
    # |(2P, 2Q, gain² v - l)| <= gain² v + l, as four entries of one cone per branch.
    base = cone.count
    cone.add(np.zeros(4 * b))
    at = base + 4 * np.arange(b)
    cone.scattered(at, v + parent, -gain2)
    cone.scattered(at, square, -1.0)
    cone.scattered(at + 1, p, -2.0)
    cone.scattered(at + 2, q, -2.0)
    cone.scattered(at + 3, v + parent, -gain2)
    cone.scattered(at + 3, square, 1.0)


def _cars(curves: Curves, parts: tuple[Rows, Rows], steps: IntArray, drawn: IntArray, ends: tuple[int, int, float]) -> None:
    """Add what cars of a row can and must draw. ends: first column of the energies drawn so far, the column that eases what
    must be drawn, and the share of energy that may stay unserved."""
    equal, less = parts
    first, short, allowed = ends
    many = len(curves.row)
    energy = first + np.arange(drawn.size).reshape(drawn.shape)  # after each step
    last = energy[-1]
    for number, step in enumerate(steps.tolist()):
        less.add(curves.most_kw[:, step] / UNIT_KVA, (drawn[number], 1.0))
        less.add(np.zeros(many), (drawn[number], -1.0))
        so_far = [(energy[number - 1], -1.0)] if number else []
        equal.add(np.zeros(many), (energy[number], 1.0), (drawn[number], -STEP_H), *so_far)
        end = step + 1
        less.add(curves.highest_kwh[:, end] / UNIT_KVA, (energy[number], 1.0))
        lowest = curves.lowest_kwh[:, end] / UNIT_KVA
        if bool((lowest > 0).any()):
            less.add(-lowest, (energy[number], -1.0), (short, -curves.wanted_kwh / UNIT_KVA))
        if number < len(steps) - 1:
            less.add(curves.after_kwh[:, end] / UNIT_KVA, (last, 1.0), (energy[number], -1.0))
    everything = float(curves.wanted_kwh.sum()) / UNIT_KVA
    begin = less.count
    less.add(np.array([-(1.0 - allowed) * everything]), (short, -everything))
    less.scattered(np.full(many, begin), last, -1.0)


def _solved(matrices: list[tuple[Any, FloatArray]], counts: list[int], width: int, short: int) -> FloatArray:
    """Return the optimum; RuntimeError where the solver gives none."""
    clarabel: Any = importlib.import_module("clarabel")
    cost = np.zeros(width)
    cost[short] = 1.0
    cones = [clarabel.ZeroConeT(counts[0]), clarabel.NonnegativeConeT(counts[1])]
    cones += [clarabel.SecondOrderConeT(4) for _ in range(counts[2])]
    whole = sparse.vstack([matrix for matrix, _ in matrices]).tocsc()
    right = np.concatenate([side for _, side in matrices])
    told = ""
    for tolerance, regularised in ATTEMPTS:
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
        settings.static_regularization_constant = regularised
        found = clarabel.DefaultSolver(sparse.csc_matrix((width, width)), cost, whole, right, cones, settings).solve()
        told = str(found.status)
        if told in SOLVED:
            return np.asarray(found.x, np.float64)
    raise RuntimeError(f"the relaxation was not solved: {told}")
