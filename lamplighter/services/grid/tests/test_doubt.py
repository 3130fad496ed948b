# SPDX-License-Identifier: Apache-2.0
"""Three line phases against OpenDSS, what meters answer to against the engine, and faults that are found or are not."""

from dataclasses import replace
from functools import cache

import dss
import numpy as np
import pytest

from lamplighter.services.grid.network.doubt.counts import responses
from lamplighter.services.grid.network.doubt.planted import doubts_after, recall_of
from lamplighter.services.grid.network.doubt.rank import LINE_PHASE, LINK_CLOSED
from lamplighter.services.grid.network.doubt.threephase import open_asymmetric, solve_asymmetric, with_line_phases
from lamplighter.services.grid.network.flow import open_flow, solve
from lamplighter.services.grid.network.model import read_grid
from lamplighter.services.grid.network.readers import network_of
from lamplighter.services.grid.network.tables import Network
from lamplighter.services.grid.network.topology import feeders
from lamplighter.services.grid.tests.small import small_city


@cache
def small() -> Network:
    """Return the small town with homes on single line phases."""
    return with_line_phases(network_of(read_grid(small_city().tables), "small"), 1)


def _by_opendss(network: Network, nodes: list[int], p_kw: np.ndarray, q_kvar: np.ndarray) -> np.ndarray:
    """Solve a station's low voltage from its stiff busbar with OpenDSS; return voltages (n, 3) in pu."""
    engine = dss.DSS.NewContext()
    kv, lines = float(network.nodes.u_rated_v[nodes[0]]) / 1e3, network.lines
    # The frequency comes before the circuit: after it every voltage is 0 and the solution still says it converged.
    engine.Text.Command = "set defaultbasefrequency=50"
    engine.Text.Command = f"new circuit.c basekv={kv} pu=1.0 phases=3 bus1=b{nodes[0]} r1=0 x1=1e-9 r0=0 x0=1e-9"
    for k in range(len(lines.id)):
        one, other = int(lines.from_node[k]), int(lines.to_node[k])
        if one in nodes and other in nodes and lines.in_service[k]:
            engine.Text.Command = (
                f"new line.l{k} bus1=b{one} bus2=b{other} phases=3 r1={lines.r_ohm[k]} x1={lines.x_ohm[k]} r0={lines.r0_ohm[k]} "
                f"x0={lines.x0_ohm[k]} c1={lines.c_f[k] * 1e9} c0={lines.c0_f[k] * 1e9} length=1 units=none"
            )
    for node in nodes:
        for phase in range(3):
            if p_kw[node, phase]:
                engine.Text.Command = (
                    f"new load.d{node}x{phase} bus1=b{node}.{phase + 1} phases=1 kv={kv / np.sqrt(3.0)} kw={p_kw[node, phase]} "
                    f"kvar={q_kvar[node, phase]} model=1 vminpu=0.5 vmaxpu=1.5"
                )
    engine.Text.Command = f"set voltagebases=[{kv}]"
    engine.Text.Command = "calcvoltagebases"
    engine.Text.Command = "set tolerance=1e-10 maxiterations=100"
    engine.ActiveCircuit.Solution.Solve()
    assert engine.ActiveCircuit.Solution.Converged
    found = np.zeros((len(nodes), 3))
    for row, node in enumerate(nodes):
        engine.ActiveCircuit.SetActiveBus(f"b{node}")
        found[row] = engine.ActiveCircuit.ActiveBus.puVmagAngle[::2]
    assert found.min() > 0.5
    return found


def test_unbalanced_voltages_agree_with_opendss() -> None:
    """A station's streets with every home on one line phase: drops between busbar and node, to a ten-thousandth."""
    network = small()
    tree = feeders(network)
    nodes = [int(tree.station_busbar[0]), *np.flatnonzero((tree.node_station == 0) & (tree.node_feeder >= 0)).tolist()]
    low = _cut_out(network, nodes)
    dice = np.random.default_rng(1)
    p = np.zeros((len(network.nodes.id), 3))
    p[nodes[1:]] = dice.uniform(0.0, 4.0, (len(nodes) - 1, 3))
    q = 0.25 * p
    u, _, _ = solve_asymmetric(open_asymmetric(low), p[None, nodes], q[None, nodes])
    np.testing.assert_allclose(u[0], _by_opendss(network, nodes, p, q), atol=1e-4)


def _cut_out(network: Network, nodes: list[int]) -> Network:
    """Return some nodes with the lines among them, fed by a stiff source at the first."""
    lines, order = network.lines, np.array(nodes)
    place = np.full(len(network.nodes.id), -1)
    place[order] = np.arange(len(order))
    kept = (place[lines.from_node] >= 0) & (place[lines.to_node] >= 0)

    def rows(table: object, keep: np.ndarray) -> dict[str, np.ndarray]:
        return {name: getattr(table, name)[keep] for name in table.__dataclass_fields__}  # pyright: ignore[reportAttributeAccessIssue] - a table

    none = np.zeros(0, np.int64)
    own_lines = rows(lines, np.flatnonzero(kept))
    own_lines["from_node"], own_lines["to_node"] = place[lines.from_node[kept]], place[lines.to_node[kept]]
    sources = rows(network.sources, np.array([0]))
    sources |= {"node": np.array([0]), "u_ref_pu": np.array([1.0]), "sk_mva": np.array([np.inf])}
    return replace(
        network, nodes=type(network.nodes)(**rows(network.nodes, order)), lines=type(lines)(**own_lines),
        transformers=type(network.transformers)(**rows(network.transformers, none)),
        switches=type(network.switches)(**rows(network.switches, none)), loads=type(network.loads)(**rows(network.loads, none)),
        generation=type(network.generation)(**rows(network.generation, none)), sources=type(network.sources)(**sources),
        shunts=type(network.shunts)(**rows(network.shunts, none)),
    )  # fmt: skip


def test_even_demands_give_the_balanced_state() -> None:
    """A third on each line phase: the asymmetric solution is the symmetric one, three times over."""
    network = small()
    p = np.zeros((1, len(network.nodes.id)))
    p[0, network.loads.node] += 1.0
    u, _, _ = solve_asymmetric(open_asymmetric(network), np.repeat(p[:, :, None] / 3.0, 3, axis=2), np.zeros((1, p.shape[1], 3)))
    balanced = solve(open_flow(network), p, np.zeros_like(p), "newton_raphson").u_pu
    np.testing.assert_allclose(u, np.repeat(balanced[:, :, None], 3, axis=2), atol=1e-7)


def test_responses_are_the_engines_own_derivatives() -> None:
    """One kW more on one line phase at the end of a street: own phase, the one that lags, the one that leads."""
    network = small()
    tree = feeders(network)
    inside = np.flatnonzero(tree.node_station == 0)
    end, busbar = int(tree.feeder_end[tree.feeder_station == 0][0]), int(tree.station_busbar[0])
    own = np.isin(network.lines.from_node, inside) & np.isin(network.lines.to_node, inside)
    branch = np.flatnonzero(own)
    found = responses(network, inside, int(np.searchsorted(inside, busbar)), branch, np.ones(len(branch)))
    at = int(np.searchsorted(inside, end))
    p = np.zeros((2, len(network.nodes.id), 3))
    p[1, end, 1] = 1.0
    u, _, _ = solve_asymmetric(open_asymmetric(network), p, 0.25 * p)
    drop = (u[0] - u[1])[end] - (u[0] - u[1])[busbar]
    # The second line phase carries the demand: for the first it is the one that lags, for the third the one that leads.
    expected = np.array([found[1, at, at], found[0, at, at], found[2, at, at]])
    np.testing.assert_allclose(drop, expected, rtol=0.06, atol=2e-6)


def test_planted_faults_that_can_be_told_are_found() -> None:
    """Five faults to a station at a time, which mask one another: a third or more of those that the meters could tell one by
    one are found on their feeder, closed link boxes at the very place; without faults far fewer doubts are raised.
    The bounds guard what was measured (0.37 to 0.50 over three seeds); they are no target."""
    told = found = raised = quiet = 0
    for seed in (1, 2):
        trial = doubts_after(small(), None, 3, seed)
        for row in recall_of(trial):
            if row.kind in (LINE_PHASE, LINK_CLOSED):
                told, found = told + row.tellable, found + row.tellable_found
        raised += len(trial.doubts)
        quiet += len(doubts_after(small(), None, 3, seed, False).doubts)
    assert told >= 2
    assert found >= 0.35 * told
    assert quiet <= max(0.4 * raised, 2)


def test_without_a_year_nothing_is_doubted_for_certain() -> None:
    """An honest model: no doubt reaches decisive evidence at a link box."""
    trial = doubts_after(small(), None, 3, 5, False)
    assert all(doubt.evidence_ratio < 10.0 for doubt in trial.doubts if doubt.kind == LINK_CLOSED)
    assert pytest.approx(0.0) == sum(row.planted for row in recall_of(trial))
