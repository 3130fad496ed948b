# SPDX-License-Identifier: Apache-2.0
"""A running city's own grid as a Network, at an hour of a winter working day by class curves."""

import numpy as np

from lamplighter.services.grid.network.demand import POWER_FACTOR_TAN, nodes_kw
from lamplighter.services.grid.network.model import ABSENT, Grid, find
from lamplighter.services.grid.network.readers.pandapower import ZERO_SEQUENCE
from lamplighter.services.grid.network.tables import (
    HOME,
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


def network_of(grid: Grid, name: str, hour: float = 18.5) -> Network:
    """Return the network of a city's grid: one demand per node with connections, charging left out."""
    nodes, lines, t = grid.nodes, grid.tables["lines"], grid.tables["transformers"]
    many = grid.branches.lines
    power = nodes_kw(nodes.household_kwh, nodes.commerce_kwh, hour)
    held = np.flatnonzero(nodes.connections_count > 0)
    own, zero = grid.branches, np.zeros(0, np.int64)
    s = grid.tables["switches"]
    line_at = find(lines["id"].astype(np.str_), s["line"].astype(np.str_))
    switch_node = find(nodes.id, s["node"].astype(np.str_))
    many_switches = len(line_at)
    return Network(
        name=name,
        nodes=NodeTable(nodes.id, nodes.u_rated_v, nodes.lon_deg, nodes.lat_deg, np.ones(len(nodes.id), np.bool_)),
        lines=LineTable(
            id=own.id[:many], from_node=own.from_node[:many], to_node=own.to_node[:many], in_service=np.ones(many, np.bool_),
            length_m=lines["length_m"].astype(np.float64), r_ohm=own.r_ohm[:many], x_ohm=own.x_ohm[:many], c_f=own.c_f[:many],
            g_s=np.zeros(many), r0_ohm=ZERO_SEQUENCE[0] * own.r_ohm[:many], x0_ohm=ZERO_SEQUENCE[1] * own.x_ohm[:many],
            c0_f=ZERO_SEQUENCE[2] * own.c_f[:many], i_n_a=own.i_n_a[:many], type=lines["type"].astype(np.str_),
        ),
        transformers=TransformerTable(
            id=own.id[many:], from_node=own.from_node[many:], to_node=own.to_node[many:],
            in_service=np.ones(len(own.id) - many, np.bool_), sn_kva=t["sn_kva"].astype(np.float64),
            u1_v=t["u1_v"].astype(np.float64), u2_v=t["u2_v"].astype(np.float64), uk_pu=t["uk_pu"].astype(np.float64),
            pk_kw=t["pk_kw"].astype(np.float64), i0_pu=t["i0_pu"].astype(np.float64), p0_kw=t["p0_kw"].astype(np.float64),
            tap_count=t["tap_position"].astype(np.float64), tap_step_v=t["tap_step_v"].astype(np.float64),
            tap_upper=np.ones(len(own.id) - many, np.bool_), shift_deg=np.full(len(own.id) - many, 150.0),
        ),
        switches=SwitchTable(
            s["id"].astype(np.str_), np.full(many_switches, LINE, np.int64), line_at, switch_node,
            np.full(many_switches, ABSENT, np.int64), s["closed"].astype(np.bool_),
        ),
        loads=LoadTable(
            nodes.id[held], held.astype(np.int64), power[held], power[held] * POWER_FACTOR_TAN, nodes.connections_count[held],
            np.full(len(held), HOME), np.zeros(len(held), np.int64), np.full(len(held), ""),
        ),
        generation=GenerationTable(np.zeros(0, np.str_), zero, np.zeros(0), np.zeros(0), np.zeros(0, np.str_)),
        sources=SourceTable(
            grid.tables["sources"]["id"].astype(np.str_), grid.source_node, grid.source_u_pu, np.zeros(len(grid.source_node)),
            grid.source_sk_mva,
        ),
        shunts=ShuntTable(np.zeros(0, np.str_), zero, np.zeros(0), np.zeros(0)),
        frequency_hz=50.0,
        notes=(f"Demands are those of class curves at {hour:g} h of a winter working day.",),
    )  # fmt: skip
