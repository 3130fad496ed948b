# SPDX-License-Identifier: Apache-2.0
"""A network as switching sees it: the lines of one voltage that can be opened, and what hangs on them as demand.

Published networks of 33, 69, 119 and 136 nodes are known by their number; anything else is read as any grid is. In a
network with transformers the voltage with most open points is looked at: busbars below higher voltage are its sources,
and what lies below its own transformers counts as the power that they take in the file's own state.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

from lamplighter.services.grid.network.flow import demands, open_flow, solve
from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.readers import load_grid
from lamplighter.services.grid.network.tables import (
    COUPLER,
    LINE,
    GenerationTable,
    LineTable,
    LoadTable,
    Network,
    NodeTable,
    ShuntTable,
    SourceTable,
    SwitchTable,
    TransformerTable,
)
from lamplighter.services.grid.network.topology import ends_closed, fused
from lamplighter.services.grid.switching.radial import Net, neighbours
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

PUBLISHED = {"33": 12.66, "69": 12.66, "119": 11.0, "136": 13.8}  # kV
COUPLER_OHM = 1e-6
NUMBERED = re.compile(r"(\d+)( \(.*\))?")


@dataclass(frozen=True)
class Case:
    """Nodes (n,), the source being 0, and branches (m,). network: fused, all couplers kept that are open.

    node_at (of the network's nodes): position here, ABSENT outside; line, coupler (m,): position in the network's lines
    or switches, ABSENT if it is the other; may_switch (m,): there is a switch at it; i_n_a (m,): inf where not known.
    """

    name: str
    network: Network
    net: Net
    node_id: TextArray
    node_at: IntArray
    branch_id: TextArray
    line: IntArray
    coupler: IntArray
    closed: BoolArray
    may_switch: BoolArray
    i_n_a: FloatArray
    u_rated_v: float
    notes: tuple[str, ...]

    def named(self, branches: IntArray) -> list[int | str]:
        """Return branches as they are called: by number where all of them are numbered."""
        found = [NUMBERED.fullmatch(str(name)) for name in self.branch_id]
        positions: list[int] = branches.tolist()
        if all(found):
            return sorted(int(match.group(1)) for branch in positions if (match := found[branch]) is not None)
        return sorted(str(self.branch_id[branch]) for branch in positions)

    def branch(self, asked: str) -> int:
        """Return the branch that somebody names by id, by number or by both its ends as in 3-4. GridError where there is none."""
        for position, name in enumerate(self.branch_id.tolist()):
            match = NUMBERED.fullmatch(name)
            if asked == name or (match and asked == match.group(1)):
                return position
        tail, head = (self.node_id[ends] for ends in (self.net.tail, self.net.head))
        for position, pair in enumerate(zip(tail.tolist(), head.tolist(), strict=True)):
            if asked in ("-".join(pair), "-".join(reversed(pair))):
                return position
        few = ", ".join(self.branch_id[:5].tolist())
        raise GridError(
            f"{self.name}: no line {asked!r}; allowed are its {len(self.branch_id)} lines ({few}, ...) or both ends, as in 3-4. "
            "Nothing was worked out."
        )

    def with_closed(self, closed: BoolArray) -> Network:
        """Return the network with these branches closed (m,) and the others open, for a power flow of the whole."""
        lines, switches = self.network.lines, self.network.switches
        in_service, shut = lines.in_service.copy(), switches.closed.copy()
        own = self.line != ABSENT
        in_service[self.line[own]] = closed[own]
        mine = (switches.at == LINE) & np.isin(switches.element, self.line[own])
        shut[mine] = True
        shut[self.coupler[~own]] = closed[~own]
        return replace(self.network, lines=replace(lines, in_service=in_service), switches=replace(switches, closed=shut))


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("lamplighter.services.grid.switching.published").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _column(rows: list[dict[str, str]], name: str) -> FloatArray:
    return np.array([float(row[name]) for row in rows])


def published(number: str) -> Network:
    """Return one of the published networks, by its number of nodes."""
    lines, demand = _rows(f"{number}_lines.csv"), _rows(f"{number}_demand.csv")
    tail, head = (_column(lines, end).astype(np.int64) - 1 for end in ("from", "to"))
    nodes, many, rows = int(max(tail.max(), head.max())) + 1, len(lines), len(demand)
    zero, at_none = np.zeros(many), np.zeros(0, np.int64)
    none, text = np.zeros(0), np.zeros(0, np.str_)
    node_id = np.array([str(k + 1) for k in range(nodes)])
    r_ohm, x_ohm = _column(lines, "r_ohm"), _column(lines, "x_ohm")
    closed = _column(lines, "closed") == 1.0
    at = _column(demand, "node").astype(np.int64) - 1
    return Network(
        f"{number} nodes",
        NodeTable(node_id, np.full(nodes, PUBLISHED[number] * 1e3), np.zeros(nodes), np.zeros(nodes), np.zeros(nodes, np.bool_)),
        LineTable(
            np.array([row["line"] for row in lines]), tail, head, closed, zero, r_ohm, x_ohm, zero, zero, r_ohm, x_ohm, zero,
            np.full(many, np.inf), np.full(many, "", np.str_),
        ),
        TransformerTable(
            text, at_none, at_none, np.zeros(0, np.bool_), none, none, none, none, none, none, none, none, none,
            np.zeros(0, np.bool_), none,
        ),
        SwitchTable(text, at_none, at_none, at_none, at_none, np.zeros(0, np.bool_)),
        LoadTable(
            node_id[at], at, _column(demand, "p_kw"), _column(demand, "q_kvar"), np.zeros(rows), np.zeros(rows, np.int64),
            np.zeros(rows, np.int64), np.full(rows, "", np.str_),
        ),
        GenerationTable(text, at_none, none, none, text),
        SourceTable(np.array(["source"]), np.zeros(1, np.int64), np.ones(1), np.zeros(1), np.full(1, np.inf)),
        ShuntTable(text, at_none, none, none),
        50.0,
        (),
    )  # fmt: skip


def read_case(asked: str) -> Case:
    """Return what switching sees of a published network, a file or a city. GridError tells why it sees nothing."""
    return case_of(published(asked) if asked in PUBLISHED else load_grid(asked))


def case_of(network: Network) -> Case:
    """Return what switching sees of a network. GridError where it has no source or nothing to open."""
    whole, _ = fused(network)
    lines, switches = whole.lines, whole.switches
    voltage, notes = _voltage(whole)
    couplers = np.flatnonzero((switches.at == COUPLER) & ~switches.closed)
    tail = np.concatenate([lines.from_node, switches.node[couplers]])
    head = np.concatenate([lines.to_node, switches.other[couplers]])
    of_line = np.concatenate([np.arange(len(lines.id)), np.full(len(couplers), ABSENT)])
    of_coupler = np.concatenate([np.full(len(lines.id), ABSENT), couplers])
    ends = ends_closed(whole)
    closed = np.concatenate([ends.line_from & ends.line_to, np.zeros(len(couplers), np.bool_)])
    same = (whole.nodes.u_rated_v[tail] == voltage) & (whole.nodes.u_rated_v[head] == voltage)
    p_kw, q_kvar, source, u_pu = _taken(whole, voltage)
    node_at = _numbered(source, tail[same], head[same], len(whole.nodes.id))
    keep = same & (node_at[tail] > ABSENT) & (node_at[head] > ABSENT) & (node_at[tail] != node_at[head])
    kept = np.flatnonzero(keep)
    inside = np.flatnonzero(node_at > 0)
    nodes = int(node_at.max()) + 1
    ohm = 1000.0 / voltage**2
    at_tail, at_head = node_at[tail[kept]], node_at[head[kept]]
    r = np.concatenate([lines.r_ohm, np.full(len(couplers), COUPLER_OHM)])[kept]
    x = np.concatenate([lines.x_ohm, np.full(len(couplers), COUPLER_OHM)])[kept]
    ratings = np.concatenate([lines.i_n_a, np.full(len(couplers), np.inf)])[kept]
    names = np.concatenate([lines.id.astype(np.str_), switches.id[couplers].astype(np.str_)])[kept]
    demand_p, demand_q = np.zeros(nodes), np.zeros(nodes)
    np.add.at(demand_p, node_at[inside], p_kw[inside])
    np.add.at(demand_q, node_at[inside], q_kvar[inside])
    node_id = np.full(nodes, "source", dtype=f"<U{max(6, whole.nodes.id.dtype.itemsize // 4)}")
    node_id[node_at[inside]] = whole.nodes.id[inside]
    if len(source) == 1:
        node_id[0] = whole.nodes.id[source[0]]
    first, along = neighbours(nodes, at_tail, at_head)
    net = Net(
        first, along, at_tail, at_head, np.maximum(r, COUPLER_OHM) * ohm, np.maximum(x, COUPLER_OHM) * ohm, demand_p, demand_q,
        u_pu**2,
    )  # fmt: skip
    return Case(
        whole.name, whole, net, node_id, node_at, names, of_line[kept], of_coupler[kept], closed[kept],
        _may_switch(whole, of_line[kept]), ratings, voltage, (*whole.notes, *notes),
    )  # fmt: skip


def _voltage(network: Network) -> tuple[float, list[str]]:
    """Return the voltage with most open points, and a word on it where there are several."""
    ends, u = ends_closed(network), network.nodes.u_rated_v
    open_lines = np.flatnonzero(~(ends.line_from & ends.line_to))
    couplers = np.flatnonzero((network.switches.at == COUPLER) & ~network.switches.closed)
    where = np.concatenate([u[network.lines.from_node[open_lines]], u[network.switches.node[couplers]]])
    if len(where) == 0:
        where = u[network.sources.node]
    if len(where) == 0:
        raise GridError(
            f"{network.name}: it has neither an open point nor a source; allowed is a supplied grid. Nothing was done."
        )
    values, count = np.unique(where, return_counts=True)
    voltage = float(values[int(np.argmax(count))])
    several = len(np.unique(u)) > 1
    return voltage, [
        f"Switched at {voltage / 1e3:g} kV; what lies below its transformers counts as demand there."
    ] if several else []


def _taken(network: Network, voltage: float) -> tuple[FloatArray, FloatArray, IntArray, float]:
    """Return the demand (n,) in kW and kvar at nodes of one voltage, its source nodes and the voltage that they hold."""
    p_kw, q_kvar = demands(network)
    t, u = network.transformers, network.nodes.u_rated_v
    here = u[network.sources.node] == voltage
    source, held_pu = network.sources.node[here], network.sources.u_ref_pu[here]
    if len(t.id):
        flow = solve(open_flow(network), p_kw[None], q_kvar[None], "newton_raphson")
        down = np.flatnonzero((u[t.from_node] == voltage) & (u[t.to_node] < voltage))
        lines = len(network.lines.id)
        np.add.at(p_kw, t.from_node[down], flow.p_from_kw[0, lines + down])
        np.add.at(q_kvar, t.from_node[down], flow.q_from_kvar[0, lines + down])
        into = np.unique(t.to_node[(u[t.to_node] == voltage) & (u[t.from_node] > voltage) & t.in_service])
        source, held_pu = np.concatenate([source, into]), np.concatenate([held_pu, flow.u_pu[0, into]])
    if len(source) == 0:
        raise GridError(f"{network.name}: nothing feeds its {voltage / 1e3:g} kV; allowed is a supplied grid. Nothing was done.")
    return p_kw, q_kvar, np.unique(source), float(held_pu.max())


def _numbered(source: IntArray, tail: IntArray, head: IntArray, many: int) -> IntArray:
    """Return positions (many,) of nodes that branches join to a source, which is 0; ABSENT for all others."""
    near: list[list[int]] = [[] for _ in range(many)]
    ends: list[tuple[int, int]] = list(zip(tail.tolist(), head.tolist(), strict=True))
    for a, b in ends:
        near[a].append(b)
        near[b].append(a)
    at = np.full(many, ABSENT, np.int64)
    at[source] = 0
    waiting: list[int] = source.tolist()
    count = 1
    for here in waiting:
        for other in near[here]:
            if at[other] == ABSENT:
                at[other] = count
                count += 1
                waiting.append(other)
    return at


def _may_switch(network: Network, line: IntArray) -> BoolArray:
    """Return whether there is a switch at a branch (m,): at couplers always, at every line where the file knows of none."""
    switched = network.switches.element[network.switches.at == LINE]
    if len(switched) == 0:
        return np.ones(len(line), np.bool_)
    return (line == ABSENT) | np.isin(line, switched) | ~network.lines.in_service[np.maximum(line, 0)]


def branches_of(case: Case, names: Sequence[str]) -> BoolArray:
    """Return a mask (m,) of the branches that are named."""
    mask = np.zeros(len(case.branch_id), np.bool_)
    mask[[case.branch(name) for name in names]] = True
    return mask
