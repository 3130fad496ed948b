# SPDX-License-Identifier: Apache-2.0
"""A grid as it might really be: three line phases in OpenDSS, and not quite what the model says.

Customers hang on single line phases, some on another than the model says; one link box connects a street's end to
another feeder; cables are longer or shorter. Chargers draw on three line phases.
"""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamplighter.services.grid.hosting.night import Night
from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import AnyArray, FloatArray, IntArray

NODES_MAX = 1500
OTHER_PHASE_SHARE = 0.10
LENGTH_SPREAD = 0.20
MOVED_LENGTH_M = 40.0
TURN = np.exp(2j * np.pi / 3.0)


@dataclass(frozen=True)
class Disorder:
    """How the field differs from the model. length_ratio (n,): of the branch above each row; moved_row: the row whose
    branch is open in truth (ABSENT: none), and moved_to: the row of another feeder that supplies it instead;
    model_share, true_share (n, 3): parts of a row's demand on each line phase."""

    length_ratio: FloatArray
    moved_row: int
    moved_to: int
    model_share: FloatArray
    true_share: FloatArray


def disordered(night: Night, seed: int) -> Disorder:
    """Draw a disorder: 10 % of connections on another line phase, one link box wrong, lengths within 20 %."""
    dice = np.random.default_rng((seed, 0xD15))
    many = len(night.tree.parent)
    connections = len(night.connection_row)
    line_phase = np.zeros(connections, np.int64)
    order = np.argsort(night.connection_row, kind="stable")
    line_phase[order] = np.arange(connections) % 3
    true = line_phase.copy()
    wrong = dice.random(connections) < OTHER_PHASE_SHARE
    true[wrong] = (line_phase[wrong] + dice.integers(1, 3, int(wrong.sum()))) % 3
    ratio = np.where(night.tree.is_line, dice.uniform(1.0 - LENGTH_SPREAD, 1.0 + LENGTH_SPREAD, many), 1.0)
    row, onto = _moved(night, dice)
    return Disorder(ratio, row, onto, _weights(night, line_phase), _weights(night, true))


def _weights(night: Night, line_phase: IntArray) -> FloatArray:
    weight = np.zeros((len(night.tree.parent), 3))
    np.add.at(weight, (night.connection_row, line_phase), 1.0)
    total = weight.sum(axis=1, keepdims=True)
    return np.where(total > 0, weight / np.maximum(total, 1.0), 1.0 / 3.0)


def _moved(night: Night, dice: np.random.Generator) -> tuple[int, int]:
    """Return a row in the outer half of a feeder that hangs on another feeder of its station in truth, and where it hangs."""
    tree, head = night.tree, night.feeder
    size = np.bincount(head, minlength=len(head))
    below = np.ones(len(head))
    for row in range(len(head) - 1, 0, -1):
        below[tree.parent[row]] += below[row]
    inner = tree.is_line & (head != np.arange(len(head))) & (below <= np.maximum(0.4 * size[head], 1.0))
    candidates = np.flatnonzero(inner)
    dice.shuffle(candidates)
    for row in candidates.tolist():
        others = np.flatnonzero(tree.is_line & (head != head[row]) & (tree.parent[head] == tree.parent[head[row]]))
        if len(others):
            return int(row), int(dice.choice(others))
    return ABSENT, ABSENT


@dataclass(frozen=True)
class State:
    """One true state. loading (n,): fullest line phase of the branch above each row; lowest_pu, highest_pu (n,): of a line phase
    against neutral; unbalance_ratio (n,): negative over positive sequence; through_kva (n, 3): power into the branch
    per line phase."""

    loading: FloatArray
    lowest_pu: FloatArray
    highest_pu: FloatArray
    unbalance_ratio: FloatArray
    through_kva: AnyArray


class Field:
    """The field of one night and disorder; `solve` gives its state for a step."""

    def __init__(self, night: Night, network: Network, row_node: IntArray, disorder: Disorder) -> None:
        """Build the circuit. GridError where it cannot be built."""
        if len(row_node) > NODES_MAX:
            raise GridError(
                f"{night.name}: {len(row_node)} nodes are more than the {NODES_MAX} for which a three-phase truth is built; "
                "allowed is a low-voltage grid. Nothing was run."
            )
        module: Any = importlib.import_module("dss")
        self._engine: Any = module.DSS
        self._night, self._disorder = night, disorder
        self._tell("set defaultbasefrequency=50")  # before the circuit, or all voltages are 0 and it still converges
        self._tell("clear")
        self._build(network, row_node)
        self._circuit: Any = self._engine.ActiveCircuit
        names = [str(name) for name in self._circuit.AllNodeNames]
        place = {name: number for number, name in enumerate(names)}
        many = len(row_node)
        self._volts = np.array([[place[f"n{row}.{line_phase}"] for line_phase in (1, 2, 3)] for row in range(many)])
        self._rated_v = network.nodes.u_rated_v[row_node] / np.sqrt(3.0)

    def _tell(self, text: str) -> None:
        self._engine.Text.Command = text

    def _build(self, network: Network, row_node: IntArray) -> None:
        night, disorder = self._night, self._disorder
        tree, u = night.tree, network.nodes.u_rated_v[row_node]
        source = int(np.flatnonzero(tree.parent < 0)[0])
        self._tell(
            f"new circuit.grid bus1=n{source} basekv={u[source] / 1000.0} pu={tree.source_pu[source]} phases=3 "
            "mvasc3=100000 mvasc1=100000"
        )
        row_of = np.full(len(network.nodes.id), ABSENT, np.int64)
        row_of[row_node] = np.arange(len(row_node))
        zero_of = _zero_sequence(network, row_of, tree.parent)
        for row in range(len(tree.parent)):
            up = int(tree.parent[row])
            if up < 0:
                continue
            z = tree.z_pu[row] * u[row] ** 2 / 1000.0
            if tree.is_line[row]:
                ratio, zero = float(disorder.length_ratio[row]), zero_of.get(row, complex(4.0 * z.real, 4.0 * z.imag))
                if row == disorder.moved_row:
                    up = disorder.moved_to
                amps = tree.rating_kva[row] * 1000.0 / (np.sqrt(3.0) * u[row])
                self._tell(
                    f"new line.b{row} bus1=n{up} bus2=n{row} phases=3 r1={z.real * ratio} x1={z.imag * ratio} "
                    f"r0={zero.real * ratio} x0={zero.imag * ratio} c1=0 c0=0 length=1 normamps={min(amps, 1e6)}"
                )
                continue
            sn = float(tree.rating_kva[row])
            share = tree.z_pu[row] * sn / (tree.gain_ratio[row] * u[up] / u[row] * u[row] / u[up]) ** 2
            lower = tree.gain_ratio[row] * u[row]
            loss, reactance = 100.0 * share.real, 100.0 * share.imag
            self._tell(
                f"new transformer.b{row} phases=3 windings=2 buses=(n{up} n{row}.1.2.3.0) conns=(delta wye) "
                f"kvs=({u[up] / 1000.0} {lower / 1000.0}) kvas=({sn} {sn}) %loadloss={loss} xhl={reactance}"
            )
        for row in range(len(tree.parent)):
            kv = u[row] / 1000.0 / np.sqrt(3.0)
            for line_phase in (1, 2, 3):
                self._tell(
                    f"new load.r{row}p{line_phase} bus1=n{row}.{line_phase} phases=1 kv={kv} kw=0 kvar=0 model=1 "
                    "vminpu=0.5 vmaxpu=1.5"
                )
        bases = " ".join(str(value) for value in sorted(set((u / 1000.0).tolist()), reverse=True))
        self._tell(f"set voltagebases=[{bases}]")
        self._tell("calcvoltagebases")
        self._tell("set maxiterations=60")

    def solve(self, base_kva: AnyArray, cars_kw: FloatArray) -> State:
        """Return the state for what is not charging (n,) and what cars draw (n,). ArithmeticError where none is found."""
        power = base_kva[:, None] * self._disorder.true_share + cars_kw[:, None] / 3.0
        loads: Any = self._circuit.Loads
        at = loads.First
        for value in power.reshape(-1):
            loads.kW, loads.kvar = float(value.real), float(value.imag)
            at = loads.Next
        self._circuit.Solution.Solve()
        if not bool(self._circuit.Solution.Converged) or at != 0:
            raise ArithmeticError(f"{self._night.name}: the three-phase power flow found no state")
        flat = np.asarray(self._circuit.AllBusVolts, np.float64)
        volts = (flat[0::2] + 1j * flat[1::2])[self._volts] / self._rated_v[:, None]
        plus = volts @ np.array([1.0, TURN, TURN**2]) / 3.0
        minus = volts @ np.array([1.0, TURN**2, TURN]) / 3.0
        size = np.abs(volts)
        loading, through = self._branches()
        one, other = np.minimum(np.abs(plus), np.abs(minus)), np.maximum(np.abs(plus), np.abs(minus))
        return State(loading, size.min(axis=1), size.max(axis=1), one / np.maximum(other, 1e-6), through)

    def _branches(self) -> tuple[FloatArray, AnyArray]:
        tree, u = self._night.tree, self._rated_v * np.sqrt(3.0)
        loading, through = np.zeros(len(tree.parent)), np.zeros((len(tree.parent), 3), np.complex128)
        element: Any = self._circuit.ActiveCktElement
        for row in np.flatnonzero(tree.parent >= 0).tolist():
            self._circuit.SetActiveElement(("line." if tree.is_line[row] else "transformer.") + f"b{row}")
            amps = np.asarray(element.CurrentsMagAng, np.float64)[0::2]
            watts = np.asarray(element.Powers, np.float64)
            half = len(amps) // 2
            low = amps[half : half + 3] if not tree.is_line[row] else amps[:3]
            loading[row] = low.max() * np.sqrt(3.0) * u[row] / 1000.0 / tree.rating_kva[row]
            through[row] = (watts[0::2] + 1j * watts[1::2])[:3]
        return loading, through


def _zero_sequence(network: Network, row_of: IntArray, parent: IntArray) -> dict[int, complex]:
    """Return the zero-sequence impedance of lines by row, in ohm."""
    lines, found = network.lines, dict[int, complex]()
    for one, other, r0, x0 in zip(
        row_of[lines.from_node].tolist(),
        row_of[lines.to_node].tolist(),
        lines.r0_ohm.tolist(),
        lines.x0_ohm.tolist(),
        strict=True,
    ):
        for row, up in ((one, other), (other, one)):
            if row != ABSENT and parent[row] == up and np.isfinite(r0) and r0 > 0.0:
                found[row] = complex(r0, x0)
    return found
