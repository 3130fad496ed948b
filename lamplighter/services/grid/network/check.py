# SPDX-License-Identifier: Apache-2.0
"""What cannot be in a network: units, ratings, ends. All faults come back at once, each with row, value and remedy."""

from collections.abc import Iterable

import numpy as np

from lamplighter.services.grid.network.model import GridError
from lamplighter.services.grid.network.tables import Network
from lamplighter.terms.columns import BoolArray, FloatArray, TextArray

SHOWN = 5  # rows named of one kind of fault
OVERHEAD_X_OHM_KM = 2.0  # more is no line of a city
R_OHM_KM = (1e-4, 30.0)
UK_PU = (0.001, 0.5)
U_V = (50.0, 1.2e6)
I_A = (0.5, 20_000.0)
SAME_VOLTAGE_SHARE = 0.1
WINDING_SHARE = 0.3


def _told(table: str, ids: TextArray, bad: BoolArray, value: FloatArray, rule: str) -> Iterable[str]:
    rows = np.flatnonzero(bad)
    for row in rows[:SHOWN]:
        yield f"{table} {str(ids[row])!r}: {rule.format(value=f'{float(value[row]):g}')}"
    if len(rows) > SHOWN:
        yield f"{table}: {len(rows) - SHOWN} more rows with the same fault"


def _outside(value: FloatArray, bounds: tuple[float, float]) -> BoolArray:
    return ~((value >= bounds[0]) & (value <= bounds[1]))  # true for NaN too


def faults_of(network: Network) -> tuple[str, ...]:
    """Return every fault of a network in sentences, none where it can be used."""
    return (*_node_faults(network), *_line_faults(network), *_transformer_faults(network), *_power_faults(network))


def _node_faults(network: Network) -> list[str]:
    nodes, faults = network.nodes, list[str]()
    faults += _told("node", nodes.id, _outside(nodes.u_rated_v, U_V), nodes.u_rated_v,
                    "u_rated_v is {value} V; allowed is 50 V to 1.2 MV (is it in kV?)")  # fmt: skip
    for kind in ("nodes", "lines", "transformers", "sources"):
        ids: TextArray = getattr(network, kind).id
        names, count = np.unique(ids, return_counts=True)
        faults += [
            f"{kind}: {str(name)!r} stands more than once; give each a name of its own" for name in names[count > 1][:SHOWN]
        ]
    if len(network.sources.id) == 0:
        faults.append("sources: none; a network needs at least one external grid in service")
    u = network.sources.u_ref_pu
    faults += _told("source", network.sources.id, _outside(u, (0.8, 1.2)), u, "u_ref_pu is {value}; allowed is 0.8 to 1.2")
    return faults


def _line_faults(network: Network) -> list[str]:
    lines, u, faults = network.lines, network.nodes.u_rated_v, list[str]()
    one, other = u[lines.from_node], u[lines.to_node]
    apart = np.abs(one / other - 1.0) > SAME_VOLTAGE_SHARE
    faults += _told("line", lines.id, apart, one / other,
                    "its ends differ in rated voltage by a factor {value}; "
                    "a line joins nodes of one voltage, else it is a transformer")  # fmt: skip
    faults += _told("line", lines.id, lines.from_node == lines.to_node, one, "both ends are the same node; take it out")
    z = np.hypot(lines.r_ohm, lines.x_ohm)
    faults += _told("line", lines.id, ~(z > 0.0), z, "its impedance is {value} ohm; allowed is above 0 (make it a coupler)")
    faults += _told("line", lines.id, lines.r_ohm < 0.0, lines.r_ohm, "r_ohm is {value}; allowed is 0 or more")
    known = np.isfinite(lines.length_m)
    faults += _told("line", lines.id, known & ~(lines.length_m > 0.0), lines.length_m, "length_m is {value}; allowed is above 0")
    km = np.where(known & (lines.length_m > 0.0), lines.length_m, 1000.0) / 1000.0
    long_enough = known & (lines.length_m >= 1.0)
    r, x = lines.r_ohm / km, lines.x_ohm / km
    faults += _told("line", lines.id, long_enough & (r > R_OHM_KM[1]), r,
                    "r is {value} ohm/km; allowed is up to 30 (is the length in km, or r in milliohm?)")  # fmt: skip
    faults += _told("line", lines.id, long_enough & (x > OVERHEAD_X_OHM_KM), x,
                    "x is {value} ohm/km; allowed is up to 2 (is the length in km, or x in milliohm?)")  # fmt: skip
    faults += _told("line", lines.id, ~(lines.i_n_a >= I_A[0]) | ((lines.i_n_a > I_A[1]) & np.isfinite(lines.i_n_a)), lines.i_n_a,
                    "its rating is {value} A; allowed is 0.5 A to 20 kA (is it in kA, or in mA?)")  # fmt: skip
    return faults


def _transformer_faults(network: Network) -> list[str]:
    t, u, faults = network.transformers, network.nodes.u_rated_v, list[str]()
    faults += _told("transformer", t.id, ~(t.sn_kva > 0.5), t.sn_kva, "sn_kva is {value}; allowed is above 0.5 (is it in MVA?)")
    faults += _told(
        "transformer", t.id, _outside(t.uk_pu, UK_PU), t.uk_pu, "uk_pu is {value}; allowed is 0.001 to 0.5 (is it in percent?)"
    )
    copper = t.pk_kw / np.maximum(t.sn_kva, 1e-9)
    faults += _told("transformer", t.id, (copper > t.uk_pu * (1.0 + 1e-6)) | (t.pk_kw < 0.0), copper,
                    "its copper loss is {value} of its rating, more than uk or below 0 (is pk_kw in W?)")  # fmt: skip
    iron = t.p0_kw / np.maximum(t.sn_kva, 1e-9)
    faults += _told(
        "transformer",
        t.id,
        _outside(iron, (0.0, 0.05)),
        iron,
        "its iron loss is {value} of its rating; allowed is 0 to 0.05 (is p0_kw in W?)",
    )
    for name, winding, node in (("u1_v", t.u1_v, t.from_node), ("u2_v", t.u2_v, t.to_node)):
        ratio = winding / u[node]
        faults += _told("transformer", t.id, ~(np.abs(ratio - 1.0) <= WINDING_SHARE), ratio,
                        f"{name} is {{value}} times its node's rated voltage; "
                        "allowed is 0.7 to 1.3 (are the sides swapped?)")  # fmt: skip
    return faults


def _power_faults(network: Network) -> list[str]:
    faults = list[str]()
    bound_kw = max(float(network.transformers.sn_kva.sum()), 1e3) * 100.0
    for kind, table in (("load", network.loads), ("generator", network.generation)):
        for name in ("p_kw", "q_kvar"):
            value: FloatArray = getattr(table, name)
            faults += _told(kind, table.id, ~(np.abs(value) < max(bound_kw, 1e6)), value,
                            f"{name} is {{value}}; allowed is a number "
                            "of up to a hundred times all transformers together (is it in W?)")  # fmt: skip
    count = network.loads.connections_count
    faults += _told("load", network.loads.id, ~(count >= 0.0), count, "connections_count is {value}; allowed is 0 or more")
    return faults


def check_network(network: Network) -> None:
    """Raise GridError with every fault at once; return where there is none."""
    faults = faults_of(network)
    if faults:
        raise GridError(
            "\n".join([f"{network.name}: {fault}" for fault in faults] + ["Nothing of this network is used meanwhile."])
        )
