# SPDX-License-Identifier: Apache-2.0
"""Networks as pandapower JSON and as power-grid-model JSON: another program solves the same power flow from them."""

import importlib
import json
import math
from typing import Any

import numpy as np
import power_grid_model as pgm

from lamplighter.services.grid.network.flow import parts_of, rows_of
from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.tables import ALL_LINE_PHASES, COUPLER, LINE, Network
from lamplighter.terms.columns import AnyArray, FloatArray

KINDS = ("pandapower", "pgm")
SOURCE_RX = 0.1  # R over X of a short-circuit power, the engine's default


def pandapower_json(network: Network) -> str:
    """Return the network as pandapower JSON. Solve it with trafo_model="pi": it is the model of the other engines too.

    A source behind a short-circuit power becomes an external grid, a bus and a line; single line phases become
    asymmetric loads.
    """
    try:
        pp: Any = importlib.import_module("pandapower")
    except ImportError as error:
        raise GridError(
            'Writing pandapower JSON needs pandapower: `pip install "lamplighter[grid]"`. Nothing was written.'
        ) from error
    net = pp.create_empty_network(network.name, f_hz=network.frequency_hz)
    nodes = network.nodes
    for k in range(len(nodes.id)):
        place = (float(nodes.lon_deg[k]), float(nodes.lat_deg[k])) if nodes.placed[k] else None
        pp.create_bus(net, nodes.u_rated_v[k] / 1e3, name=str(nodes.id[k]), geodata=place)
    _lines_into(pp, net, network)
    _transformers_into(pp, net, network)
    _switches_into(pp, net, network)
    _demands_into(pp, net, network)
    _sources_into(pp, net, network)
    return str(pp.to_json(net))


def _lines_into(pp: Any, net: Any, network: Network) -> None:
    lines = network.lines
    km = np.where(np.isfinite(lines.length_m), lines.length_m / 1e3, 1.0)
    for k in range(len(lines.id)):
        pp.create_line_from_parameters(
            net, int(lines.from_node[k]), int(lines.to_node[k]), km[k], lines.r_ohm[k] / km[k], lines.x_ohm[k] / km[k],
            lines.c_f[k] / km[k] * 1e9, lines.i_n_a[k] / 1e3 if math.isfinite(lines.i_n_a[k]) else math.nan,
            name=str(lines.id[k]),
            g_us_per_km=lines.g_s[k] / km[k] * 1e6, in_service=bool(lines.in_service[k]), r0_ohm_per_km=lines.r0_ohm[k] / km[k],
            x0_ohm_per_km=lines.x0_ohm[k] / km[k], c0_nf_per_km=lines.c0_f[k] / km[k] * 1e9,
        )  # fmt: skip
    net.line["std_type"] = lines.type.tolist()


def _transformers_into(pp: Any, net: Any, network: Network) -> None:
    t = network.transformers
    for k in range(len(t.id)):
        rated = t.u1_v[k] if t.tap_upper[k] else t.u2_v[k]
        pp.create_transformer_from_parameters(
            net, int(t.from_node[k]), int(t.to_node[k]), t.sn_kva[k] / 1e3, t.u1_v[k] / 1e3, t.u2_v[k] / 1e3,
            vkr_percent=100.0 * t.pk_kw[k] / t.sn_kva[k], vk_percent=100.0 * t.uk_pu[k], pfe_kw=t.p0_kw[k],
            i0_percent=100.0 * t.i0_pu[k], shift_degree=t.shift_deg[k], tap_side="hv" if t.tap_upper[k] else "lv", tap_neutral=0,
            tap_pos=t.tap_count[k], tap_min=-127, tap_max=127, tap_step_percent=100.0 * t.tap_step_v[k] / rated,
            tap_changer_type="Ratio", name=str(t.id[k]), in_service=bool(t.in_service[k]),
        )  # fmt: skip


def _switches_into(pp: Any, net: Any, network: Network) -> None:
    s = network.switches
    for k in range(len(s.id)):
        if s.at[k] == COUPLER:
            pp.create_switch(net, int(s.node[k]), int(s.other[k]), "b", closed=bool(s.closed[k]), name=str(s.id[k]))
        else:
            kind = "l" if s.at[k] == LINE else "t"
            pp.create_switch(net, int(s.node[k]), int(s.element[k]), kind, closed=bool(s.closed[k]), name=str(s.id[k]))


def _demands_into(pp: Any, net: Any, network: Network) -> None:
    loads, generation, shunts = network.loads, network.generation, network.shunts
    for k in range(len(loads.id)):
        node, p, q, name = int(loads.node[k]), loads.p_kw[k] / 1e3, loads.q_kvar[k] / 1e3, str(loads.id[k])
        if loads.line_phase[k] == ALL_LINE_PHASES:
            pp.create_load(net, node, p, q, name=name)
        else:
            letter = "abc"[int(loads.line_phase[k]) - 1]
            pp.create_asymmetric_load(net, node, name=name, **{f"p_{letter}_mw": p, f"q_{letter}_mvar": q})
    net.load["profile"] = loads.profile[loads.line_phase == ALL_LINE_PHASES].tolist()
    for k in range(len(generation.id)):
        pp.create_sgen(
            net, int(generation.node[k]), generation.p_kw[k] / 1e3, generation.q_kvar[k] / 1e3, name=str(generation.id[k])
        )
    net.sgen["profile"] = generation.profile.tolist()
    for k in range(len(shunts.id)):
        mva = (network.nodes.u_rated_v[shunts.node[k]] / 1e3) ** 2
        pp.create_shunt(net, int(shunts.node[k]), -shunts.b_s[k] * mva, shunts.g_s[k] * mva, name=str(shunts.id[k]))


def _sources_into(pp: Any, net: Any, network: Network) -> None:
    sources = network.sources
    for k in range(len(sources.id)):
        node, sk = int(sources.node[k]), float(sources.sk_mva[k])
        if math.isfinite(sk):
            kv = float(network.nodes.u_rated_v[node]) / 1e3
            behind = pp.create_bus(net, kv, name=f"{sources.id[k]} behind its short-circuit power")
            z = kv**2 / sk
            x = z / math.hypot(1.0, SOURCE_RX)
            pp.create_line_from_parameters(
                net, behind, node, 1.0, SOURCE_RX * x, x, 0.0, math.nan, name=f"{sources.id[k]} source"
            )
            node = behind
        pp.create_ext_grid(
            net, node, vm_pu=float(sources.u_ref_pu[k]), va_degree=float(sources.u_angle_deg[k]), name=str(sources.id[k])
        )


def pgm_json(network: Network) -> str:
    """Return the network as power-grid-model JSON (input dataset), names, places and counts beside the engine's own columns.

    Taps stand in the rated voltages, so that a tap of any size and count is carried.
    """
    parts, next_id = parts_of(network)
    loads, generation = network.loads, network.generation
    even = loads.line_phase == ALL_LINE_PHASES
    for kind, node, p, q in (
        (pgm.ComponentType.sym_load, loads.node[even], loads.p_kw[even], loads.q_kvar[even]),
        (pgm.ComponentType.sym_gen, generation.node, generation.p_kw, generation.q_kvar),
    ):
        rows = rows_of(kind, len(node), next_id)
        rows["node"], rows["status"], rows["type"] = node, 1, pgm.LoadGenType.const_power
        rows["p_specified"], rows["q_specified"] = p * 1e3, q * 1e3
        parts[kind], next_id = rows, next_id + len(rows)
    single = rows_of(pgm.ComponentType.asym_load, int((~even).sum()), next_id)
    single["node"], single["status"], single["type"] = loads.node[~even], 1, pgm.LoadGenType.const_power
    own = np.arange(3)[None, :] == loads.line_phase[~even][:, None] - 1
    single["p_specified"], single["q_specified"] = (
        own * loads.p_kw[~even][:, None] * 1e3,
        own * loads.q_kvar[~even][:, None] * 1e3,
    )
    parts[pgm.ComponentType.asym_load], next_id = single, next_id + len(single)
    coupler = np.flatnonzero(network.switches.at == COUPLER)
    coupled = rows_of(pgm.ComponentType.link, len(coupler), next_id)
    coupled["from_node"], coupled["to_node"] = network.switches.node[coupler], network.switches.other[coupler]
    coupled["from_status"] = coupled["to_status"] = network.switches.closed[coupler]
    parts[pgm.ComponentType.link] = coupled
    data = {str(kind.value): _records(rows) for kind, rows in parts.items() if len(rows)}
    _beside(data, network, even)
    whole = {"version": "1.0", "type": "input", "is_batch": False, "attributes": {}, "data": data}
    return json.dumps(whole, indent=1)


def _records(rows: AnyArray) -> list[dict[str, Any]]:
    """Return an engine's rows as plain values; what is not set is left out, as the format demands."""
    names = [str(name) for name in rows.dtype.names or ()]
    records: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    for name in names:
        column: AnyArray = rows[name]
        whole = np.issubdtype(column.dtype, np.integer)
        unset = column == np.iinfo(column.dtype).min if whole else np.isnan(column)
        for record, value, missing in zip(records, column.tolist(), unset.tolist(), strict=True):
            if not np.any(missing):
                record[name] = value
    return records


def _beside(data: dict[str, list[dict[str, Any]]], network: Network, even: AnyArray) -> None:
    """Add what the engine does not read and `readers.pgm` does."""
    columns: list[tuple[str, str, AnyArray]] = [
        ("node", "name", network.nodes.id), ("line", "name", network.lines.id), ("line", "type", network.lines.type),
        ("transformer", "name", network.transformers.id), ("source", "name", network.sources.id),
        ("sym_load", "name", network.loads.id[even]), ("sym_load", "connections_count", network.loads.connections_count[even]),
        ("sym_load", "kind", network.loads.kind[even]), ("sym_load", "profile", network.loads.profile[even]),
        ("sym_gen", "name", network.generation.id),
    ]  # fmt: skip
    if network.nodes.placed.all():
        columns += [("node", "lon_deg", network.nodes.lon_deg), ("node", "lat_deg", network.nodes.lat_deg)]
    length: FloatArray = network.lines.length_m
    if len(length) and np.isfinite(length).all():
        columns.append(("line", "length_m", length))
    for kind, name, column in columns:
        for record, value in zip(data.get(kind, []), column.tolist(), strict=True):
            record[name] = value
