# SPDX-License-Identifier: Apache-2.0
"""What switches make of a network: connected ends, nodes that closed couplers make one, what is under voltage, feeders."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra

from lamplighter.services.grid.network.model import ABSENT
from lamplighter.services.grid.network.tables import COUPLER, LINE, TRANSFORMER, Ends, Network, SwitchTable
from lamplighter.terms.columns import AnyArray, BoolArray, FloatArray, IntArray

LOW_VOLTAGE_V = 1000.0


def ends_closed(network: Network) -> Ends:
    """Return which ends of lines and transformers are connected."""
    switches = network.switches
    sides: list[BoolArray] = []
    for kind, table in ((LINE, network.lines), (TRANSFORMER, network.transformers)):
        opened = (switches.at == kind) & ~switches.closed
        element, node = switches.element[opened], switches.node[opened]
        for ends in (table.from_node, table.to_node):
            closed = table.in_service.copy()
            closed[element[ends[element] == node]] = False
            sides.append(closed)
    return Ends(*sides)


def joined(network: Network) -> IntArray:
    """Return for every node (n,) the node that stands for it: closed couplers make one of several."""
    switches, many = network.switches, len(network.nodes.id)
    shut = (switches.at == COUPLER) & switches.closed
    pairs = csr_matrix((np.ones(int(shut.sum())), (switches.node[shut], switches.other[shut])), shape=(many, many))
    _, label = connected_components(pairs, directed=False)
    first = np.full(int(label.max(initial=0)) + 1, many, np.int64)
    np.minimum.at(first, label, np.arange(many))
    return first[label]


def fused(network: Network) -> tuple[Network, IntArray]:
    """Return the network with closed couplers as single nodes, and each old node's position (n,) in it."""
    stands = joined(network)
    kept = np.unique(stands)
    at = np.full(len(stands), ABSENT, np.int64)
    at[kept] = np.arange(len(kept))
    at = at[stands]

    def moved(table: AnyArray) -> IntArray:
        return np.where(table == ABSENT, ABSENT, at[table])

    nodes, switches = network.nodes, network.switches
    stay = ~((switches.at == COUPLER) & switches.closed)
    found = replace(
        network,
        nodes=replace(nodes, **{name: getattr(nodes, name)[kept] for name in nodes.__dataclass_fields__}),
        lines=replace(network.lines, from_node=moved(network.lines.from_node), to_node=moved(network.lines.to_node)),
        transformers=replace(
            network.transformers,
            from_node=moved(network.transformers.from_node),
            to_node=moved(network.transformers.to_node),
        ),
        switches=SwitchTable(
            switches.id[stay], switches.at[stay], switches.element[stay], moved(switches.node[stay]), moved(switches.other[stay]),
            switches.closed[stay],
        ),
        loads=replace(network.loads, node=moved(network.loads.node)),
        generation=replace(network.generation, node=moved(network.generation.node)),
        sources=replace(network.sources, node=moved(network.sources.node)),
        shunts=replace(network.shunts, node=moved(network.shunts.node)),
    )  # fmt: skip
    return found, at


@dataclass(frozen=True)
class Reach:
    """What hangs together below the sources. Branches are lines, then transformers, as in a solved flow.

    energised (n,); before (n,), branch (n,): the neighbour and branch towards the source, ABSENT at a source and where
    there is no voltage; order: energised nodes, nearer ones first; ring (b,): closed branches that make rings.
    """

    energised: BoolArray
    before: IntArray
    branch: IntArray
    order: IntArray
    ring: BoolArray


def reach(network: Network) -> Reach:
    """Walk a fused network from its sources along closed branches."""
    many = len(network.nodes.id)
    ends = ends_closed(network)
    live = np.flatnonzero(np.concatenate([ends.line_from & ends.line_to, ends.transformer_from & ends.transformer_to]))
    one = np.concatenate([network.lines.from_node, network.transformers.from_node])[live]
    other = np.concatenate([network.lines.to_node, network.transformers.to_node])[live]
    root = np.full(len(network.sources.node), many)
    row, column = np.concatenate([one, root]), np.concatenate([other, network.sources.node])
    graph = csr_matrix((np.ones(len(row)), (row, column)), shape=(many + 1, many + 1))
    order, before = breadth_first_order(graph + graph.T, many, directed=False)
    order = order[1:].astype(np.int64)
    before = np.where((before < 0) | (before == many), ABSENT, before)[:many].astype(np.int64)
    energised = np.zeros(many, np.bool_)
    energised[order] = True
    branch = np.full(many, ABSENT, np.int64)
    down = before[other] == one
    up = before[one] == other
    branch[other[down]] = live[down]
    branch[one[up]] = live[up]
    ring = np.zeros(len(network.lines.id) + len(network.transformers.id), np.bool_)
    ring[live[energised[one]]] = True
    ring[branch[branch != ABSENT]] = False
    return Reach(energised, before, branch, order, ring)


@dataclass(frozen=True)
class Feeders:
    """Stations of the lowest voltage, and what leaves them. station_busbar (s,); supply_transformer, supply_station (m,): the
    transformers in service above each busbar, none where a source stands there itself; node_station, node_feeder (n,):
    ABSENT outside (a busbar has no feeder); feeder_station, feeder_branch, feeder_end (f,): the line that leaves the
    busbar, and the node behind it that is electrically farthest (most ohms)."""

    station_busbar: IntArray
    supply_transformer: IntArray
    supply_station: IntArray
    node_station: IntArray
    node_feeder: IntArray
    feeder_station: IntArray
    feeder_branch: IntArray
    feeder_end: IntArray


def distances_ohm(network: Network, from_nodes: IntArray) -> FloatArray:
    """Return the least line impedance (n,) in ohm from any of these nodes, inf where no line leads."""
    lines, many = network.lines, len(network.nodes.id)
    ends = ends_closed(network)
    live = ends.line_from & ends.line_to
    z = np.maximum(np.hypot(lines.r_ohm, lines.x_ohm)[live], 1e-9)
    pairs = (
        np.concatenate([lines.from_node[live], lines.to_node[live]]),
        np.concatenate([lines.to_node[live], lines.from_node[live]]),
    )
    keep: dict[tuple[int, int], float] = {}
    for a, b, ohm in zip(pairs[0].tolist(), pairs[1].tolist(), np.concatenate([z, z]).tolist(), strict=True):
        keep[a, b] = min(ohm, keep.get((a, b), np.inf))
    rows = np.array(list(keep), dtype=np.int64).reshape(-1, 2)
    graph = csr_matrix((list(keep.values()), (rows[:, 0], rows[:, 1])), shape=(many, many))
    return np.asarray(dijkstra(graph, indices=from_nodes, min_only=True), np.float64)


def feeders(network: Network) -> Feeders:
    """Return stations and feeders of a fused network: each busbar that transformers feed, each line that leaves it.

    Stations are the busbars below 1 kV; in a network without any, the busbars of its lowest transformers; in one without
    transformers, its sources.
    """
    way, u, t = reach(network), network.nodes.u_rated_v, network.transformers
    live = np.flatnonzero(way.energised[t.to_node] & (u[t.to_node] < u[t.from_node]))
    lowest = LOW_VOLTAGE_V if np.any(u[t.to_node[live]] < LOW_VOLTAGE_V) else np.inf
    down = live[u[t.to_node[live]] < lowest]
    busbar = np.unique(t.to_node[down]) if len(down) else np.unique(network.sources.node)
    node_station, node_feeder = np.full(len(u), ABSENT, np.int64), np.full(len(u), ABSENT, np.int64)
    node_station[busbar] = np.arange(len(busbar))
    own = node_station != ABSENT
    station: list[int] = []
    branch: list[int] = []
    for node in way.order.tolist():
        above = int(way.before[node])
        if own[node] or above == ABSENT or node_station[above] == ABSENT:
            continue
        node_station[node] = node_station[above]
        if own[above]:
            node_feeder[node] = len(branch)
            station.append(int(node_station[above]))
            branch.append(int(way.branch[node]))
        else:
            node_feeder[node] = node_feeder[above]
    far = distances_ohm(network, busbar)
    end = np.full(len(branch), ABSENT, np.int64)
    held = np.flatnonzero(node_feeder != ABSENT)
    for node in held[np.argsort(far[held], kind="stable")].tolist():
        end[node_feeder[node]] = node
    return Feeders(
        busbar, down, node_station[t.to_node[down]], node_station, node_feeder, np.array(station, np.int64),
        np.array(branch, np.int64), end,
    )  # fmt: skip
