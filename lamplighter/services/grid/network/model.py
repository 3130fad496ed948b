# SPDX-License-Identifier: Apache-2.0
"""The grid as columns: nodes, branches, stations, charging groups, and the tree that closed switches leave.

Branches are the lines followed by the transformers. Power is in kW and kvar, voltage per unit of the node's rated
voltage, impedance per unit of the node's rated voltage and 1 kVA, so that kW times r_pu is a voltage share.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray
from lamplighter.terms.table import Table

ABSENT = -1  # a position that points at nothing, inside arrays of positions


class GridError(ValueError):
    """The grid cannot be used; the message says all that is wrong, where, and the remedy."""


@dataclass(frozen=True)
class Nodes:
    """Points of the grid (n,). station: position of the station that supplies it, ABSENT at medium voltage."""

    id: TextArray
    station: IntArray
    u_rated_v: FloatArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    connections_count: FloatArray
    household_kwh: FloatArray
    commerce_kwh: FloatArray
    pv_kw: FloatArray


@dataclass(frozen=True)
class Branches:
    """Lines, then transformers (b,). rating_kva: at rated voltage; i_n_a: at the lower side for transformers;
    r_ohm, x_ohm: series impedance at the lower side; c_f: capacitance of a line; gain_ratio: voltage at the lower
    side over voltage at the upper side without load, per unit; no_load_kw: constant loss."""

    id: TextArray
    from_node: IntArray
    to_node: IntArray
    closed_from: BoolArray
    closed_to: BoolArray
    r_ohm: FloatArray
    x_ohm: FloatArray
    c_f: FloatArray
    rating_kva: FloatArray
    i_n_a: FloatArray
    gain_ratio: FloatArray
    no_load_kw: FloatArray
    no_load_kvar: FloatArray
    lines: int


@dataclass(frozen=True)
class Tree:
    """What the closed switches leave: a forest, one row per node, every parent before its children (n,).

    node: position in the nodes; parent: row of the parent (ABSENT at a source); branch: the branch to the parent
    (ABSENT at a source); r_pu, x_pu: of that branch; gain_ratio: of that branch, seen from the parent;
    row: (nodes,) row of each node, ABSENT where it is cut off; u_source_pu: held at a source (its own row).
    """

    node: IntArray
    parent: IntArray
    branch: IntArray
    r_pu: FloatArray
    x_pu: FloatArray
    gain_ratio: FloatArray
    rating_kva: FloatArray
    is_line: BoolArray
    row: IntArray
    u_source_pu: FloatArray


@dataclass(frozen=True)
class Groups:
    """Charging groups (g,) and where their points are: entries (m,) point_group, point_node, point_count."""

    id: TextArray
    access: TextArray
    p_point_kw: FloatArray
    p_safe_kw: FloatArray
    points_count: FloatArray
    station: IntArray
    point_group: IntArray
    point_node: IntArray
    point_count: FloatArray


@dataclass(frozen=True)
class Inverters:
    """Inverters of the city's own (i,): where, rating, and the most that they supply or take."""

    id: TextArray
    node: IntArray
    sn_kva: FloatArray
    q_max_kvar: FloatArray


@dataclass(frozen=True)
class Grid:
    """One grid. station_* (s,): transformer tables' own order; source_*: where the region feeds in."""

    nodes: Nodes
    branches: Branches
    tree: Tree
    groups: Groups
    inverters: Inverters
    tables: Mapping[str, Table]
    station_id: TextArray
    station_branch: IntArray
    station_busbar: IntArray
    source_node: IntArray
    source_u_pu: FloatArray
    source_sk_mva: FloatArray
    meter_id: TextArray
    meter_node: IntArray


def find(known: TextArray, wanted: TextArray) -> IntArray:
    """Return the position (k,) of each wanted text among the known ones, ABSENT where it is not among them."""
    if len(known) == 0 or len(wanted) == 0:
        return np.full(len(wanted), ABSENT, np.int64)
    order = np.argsort(known, kind="stable")
    place = np.clip(np.searchsorted(known[order], wanted), 0, len(known) - 1)
    return np.where(known[order[place]] == wanted, order[place], ABSENT).astype(np.int64)


def _need(faults: list[str], table: str, column: str, values: TextArray, where: IntArray, among: str) -> None:
    missing = np.flatnonzero(where == ABSENT)
    for row in missing[:3]:
        faults.append(
            f"grid/{table}.csv:{int(row) + 2}: {column} is {str(values[row])!r}, not in {among}; correct the name or add the row"
        )
    if len(missing) > 3:
        faults.append(f"grid/{table}.csv: {len(missing) - 3} more rows name a {column} that is not in {among}")


def _nodes(table: Table, station_id: TextArray) -> Nodes:
    return Nodes(
        id=table["id"],
        station=find(station_id, table["station"].astype(np.str_)),
        u_rated_v=table["u_rated_v"].astype(np.float64),
        lon_deg=table["lon_deg"].astype(np.float64),
        lat_deg=table["lat_deg"].astype(np.float64),
        connections_count=table["connections"].astype(np.float64),
        household_kwh=table["household_kwh"].astype(np.float64),
        commerce_kwh=table["commerce_kwh"].astype(np.float64),
        pv_kw=table["pv_kw"].astype(np.float64),
    )


def _branches(
    nodes: Nodes, lines: Table, transformers: Table, ends: tuple[IntArray, ...], closed: tuple[BoolArray, BoolArray]
) -> Branches:
    line_from, line_to, upper, lower = ends
    km = lines["length_m"].astype(np.float64) / 1000.0
    sn, u1, u2 = (transformers[name].astype(np.float64) for name in ("sn_kva", "u1_v", "u2_v"))
    z = transformers["uk_pu"] * u2**2 / (sn * 1000.0)
    r = transformers["pk_kw"] / sn * u2**2 / (sn * 1000.0)
    tapped = u1 + transformers["tap_position"] * transformers["tap_step_v"]
    u_from, u_to = nodes.u_rated_v[upper], nodes.u_rated_v[lower]
    kva = np.sqrt(3.0) * nodes.u_rated_v[line_from] * lines["i_n_a"] / 1000.0
    s0 = transformers["i0_pu"] * sn
    p0 = transformers["p0_kw"].astype(np.float64)
    many, ones = len(line_from), np.ones(len(upper), np.bool_)
    return Branches(
        id=np.concatenate([lines["id"], transformers["id"]]).astype(np.str_),
        from_node=np.concatenate([line_from, upper]),
        to_node=np.concatenate([line_to, lower]),
        closed_from=np.concatenate([closed[0], ones]),
        closed_to=np.concatenate([closed[1], ones]),
        r_ohm=np.concatenate([np.maximum(lines["r_ohm_km"] * km, 1e-6), r]),
        x_ohm=np.concatenate([np.maximum(lines["x_ohm_km"] * km, 1e-6), np.sqrt(np.maximum(z**2 - r**2, 0.0))]),
        c_f=np.concatenate([lines["c_nf_km"] * km * 1e-9, np.zeros(len(upper))]),
        rating_kva=np.concatenate([kva, sn]),
        i_n_a=np.concatenate([lines["i_n_a"].astype(np.float64), sn * 1000.0 / (np.sqrt(3.0) * u2)]),
        gain_ratio=np.concatenate([np.ones(many), u2 / u_to * u_from / tapped]),
        no_load_kw=np.concatenate([np.zeros(many), p0]),
        no_load_kvar=np.concatenate([np.zeros(many), np.sqrt(np.maximum(s0**2 - p0**2, 0.0))]),
        lines=many,
    )


def span_tree(nodes: Nodes, branches: Branches, source_node: IntArray, source_u_pu: FloatArray) -> Tree:
    """Return the tree that closed branches leave below the sources. GridError where they close a ring."""
    many = len(nodes.id)
    live = np.flatnonzero(branches.closed_from & branches.closed_to)
    near = np.concatenate([branches.from_node[live], branches.to_node[live]])
    far = np.concatenate([branches.to_node[live], branches.from_node[live]])
    which = np.concatenate([live, live])
    order = np.argsort(near, kind="stable")
    near, far, which = near[order], far[order], which[order]
    offsets = np.searchsorted(near, np.arange(many + 1))
    row = np.full(many, ABSENT, np.int64)
    node, parent, branch = list(map(int, source_node)), [ABSENT] * len(source_node), [ABSENT] * len(source_node)
    row[source_node] = np.arange(len(source_node))
    rings: list[str] = []
    at = 0
    while at < len(node):
        here = node[at]
        for k in range(offsets[here], offsets[here + 1]):
            other, along = int(far[k]), int(which[k])
            if along == branch[at]:
                continue
            if row[other] != ABSENT:
                rings.append(str(branches.id[along]))
                continue
            row[other] = len(node)
            node.append(other)
            parent.append(at)
            branch.append(along)
        at += 1
    if rings:
        named = ", ".join(sorted(set(rings))[:5])
        raise GridError(
            f"grid: closed switches leave a ring through {named}; allowed is a grid without rings. Open a switch in "
            "grid/switches.csv at each ring (the network operator knows where). Nothing of this grid is used meanwhile."
        )
    return _tree(nodes, branches, (np.array(node), np.array(parent), np.array(branch)), row, source_u_pu)


def _tree(nodes: Nodes, branches: Branches, rows: tuple[IntArray, IntArray, IntArray], row: IntArray, u_pu: FloatArray) -> Tree:
    node, parent, branch = (column.astype(np.int64) for column in rows)
    has = branch != ABSENT
    b = np.where(has, branch, 0)
    u_low = np.minimum(nodes.u_rated_v[branches.from_node[b]], nodes.u_rated_v[branches.to_node[b]])
    z_pu = 1000.0 / u_low**2  # one ohm per unit of 1 kVA
    downward = branches.from_node[b] == node[np.where(has, parent, 0)]
    gain = np.where(downward, branches.gain_ratio[b], 1.0 / branches.gain_ratio[b])
    source = np.zeros(len(node))
    source[: len(u_pu)] = u_pu
    return Tree(
        node=node,
        parent=parent,
        branch=branch,
        r_pu=np.where(has, branches.r_ohm[b] * z_pu, 0.0),
        x_pu=np.where(has, branches.x_ohm[b] * z_pu, 0.0),
        gain_ratio=np.where(has, gain, 1.0),
        rating_kva=np.where(has, branches.rating_kva[b], np.inf),
        is_line=has & (b < branches.lines),
        row=row,
        u_source_pu=source,
    )


def _groups(tables: Mapping[str, Table], nodes: Nodes, faults: list[str]) -> Groups:
    table, points = tables["groups"], tables["group_points"]
    group = find(table["id"].astype(np.str_), points["group"].astype(np.str_))
    node = find(nodes.id, points["node"].astype(np.str_))
    _need(faults, "group_points", "group", points["group"], group, "grid/groups.csv")
    _need(faults, "group_points", "node", points["node"], node, "grid/nodes.csv")
    many = len(table["id"])
    count = np.zeros(many)
    station = np.full(many, ABSENT, np.int64)
    if not faults:
        np.add.at(count, group, points["points"].astype(np.float64))
        station[group] = nodes.station[node]
        mixed = np.flatnonzero(nodes.station[node] != station[group])
        for row in mixed[:3]:
            faults.append(
                f"grid/group_points.csv:{int(row) + 2}: {points['group'][row]} has points behind two stations; make it two groups"
            )
    return Groups(
        id=table["id"].astype(np.str_),
        access=table["access"].astype(np.str_),
        p_point_kw=table["p_point_kw"].astype(np.float64),
        p_safe_kw=table["p_safe_kw"].astype(np.float64),
        points_count=count,
        station=station,
        point_group=group,
        point_node=node,
        point_count=points["points"].astype(np.float64),
    )


def _inverters(table: Table, nodes: Nodes, faults: list[str]) -> Inverters:
    """Return the inverters; those at medium voltage, or that can do more than their rating, are faults."""
    node = find(nodes.id, table["node"].astype(np.str_))
    _need(faults, "inverters", "node", table["node"], node, "grid/nodes.csv")
    sn, most = table["sn_kva"].astype(np.float64), table["q_max_kvar"].astype(np.float64)
    for row in np.flatnonzero((node != ABSENT) & (nodes.station[node] == ABSENT))[:3]:
        faults.append(
            f"grid/inverters.csv:{int(row) + 2}: node {table['node'][row]} is at medium voltage, allowed is one behind a station"
        )
    for row in np.flatnonzero(most > sn)[:3]:
        faults.append(f"grid/inverters.csv:{int(row) + 2}: q_max_kvar is {most[row]:g}, allowed is at most sn_kva, {sn[row]:g}")
    return Inverters(table["id"].astype(np.str_), node, sn, most)


def read_grid(tables: Mapping[str, Table]) -> Grid:
    """Return the grid of a city folder's tables. GridError tells every row that points at nothing, and rings."""
    faults: list[str] = []
    lines, transformers, sources = tables["lines"], tables["transformers"], tables["sources"]
    station_id = transformers["id"].astype(np.str_)
    nodes = _nodes(tables["nodes"], station_id)
    ends: list[IntArray] = []
    for name, table in (("lines", lines), ("transformers", transformers)):
        for column in ("from_node", "to_node"):
            ends.append(find(nodes.id, table[column].astype(np.str_)))
            _need(faults, name, column, table[column], ends[-1], "grid/nodes.csv")
    source_node = find(nodes.id, sources["node"].astype(np.str_))
    meter_node = find(nodes.id, tables["meters"]["node"].astype(np.str_))
    _need(faults, "sources", "node", sources["node"], source_node, "grid/nodes.csv")
    _need(faults, "meters", "node", tables["meters"]["node"], meter_node, "grid/nodes.csv")
    closed = _switched(tables["switches"], lines, faults)
    groups = _groups(tables, nodes, faults)
    inverters = _inverters(tables["inverters"], nodes, faults)
    if faults:
        raise GridError("\n".join([*faults, "Nothing of this grid is used meanwhile."]))
    branches = _branches(nodes, lines, transformers, tuple(ends), closed)
    return Grid(
        nodes=nodes,
        branches=branches,
        tree=span_tree(nodes, branches, source_node, sources["u_ref_pu"].astype(np.float64)),
        groups=groups,
        inverters=inverters,
        tables=tables,
        station_id=station_id,
        station_branch=np.arange(len(station_id), dtype=np.int64) + branches.lines,
        station_busbar=ends[3],
        source_node=source_node,
        source_u_pu=sources["u_ref_pu"].astype(np.float64),
        source_sk_mva=sources["sk_mva"].astype(np.float64),
        meter_id=tables["meters"]["id"].astype(np.str_),
        meter_node=meter_node,
    )


def _switched(switches: Table, lines: Table, faults: list[str]) -> tuple[BoolArray, BoolArray]:
    """Return per line whether its first and its second end are closed."""
    line = find(lines["id"].astype(np.str_), switches["line"].astype(np.str_))
    _need(faults, "switches", "line", switches["line"], line, "grid/lines.csv")
    first, second = np.ones(len(lines["id"]), np.bool_), np.ones(len(lines["id"]), np.bool_)
    for row in np.flatnonzero(~switches["closed"].astype(np.bool_)):
        at = line[row]
        if at == ABSENT:
            continue
        if switches["node"][row] == lines["from_node"][at]:
            first[at] = False
        elif switches["node"][row] == lines["to_node"][at]:
            second[at] = False
        else:
            faults.append(
                f"grid/switches.csv:{int(row) + 2}: {switches['node'][row]} is no end of {switches['line'][row]}; name one"
            )
    return first, second
