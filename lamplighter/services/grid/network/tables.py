# SPDX-License-Identifier: Apache-2.0
"""Any electrical network as tables of columns, whoever wrote its file: what engines, readers and writers share.

Rings are allowed, and any voltage; a running city's own grid (`model.Grid`) is the special case of trees below stations
and becomes one of these by `readers.city.network_of`. Power is in kW and kvar, consumption positive in Loads,
generation positive in Generation. Impedances are those of one line phase; `*0*` is the zero sequence. A rating that the
file does not know is `inf`, a position that points at nothing ABSENT.
"""

from dataclasses import dataclass

from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

LINE, TRANSFORMER, COUPLER = 0, 1, 2  # what a switch sits at
ALL_LINE_PHASES = 0  # a demand on all three line phases alike; 1, 2, 3 name a single one
HOME, BUSINESS, HEAT_PUMP, CHARGING, STORAGE = range(5)  # what a register says a demand is
KINDS = ("home", "business", "heat pump", "charging", "storage")


@dataclass(frozen=True)
class NodeTable:
    """Points (n,). u_rated_v between line phases; placed: lon_deg and lat_deg are known (else they are 0)."""

    id: TextArray
    u_rated_v: FloatArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    placed: BoolArray


@dataclass(frozen=True)
class LineTable:
    """Cables and overhead lines (l,), whole length, parallel systems as one. tan1-like losses stand in g_s."""

    id: TextArray
    from_node: IntArray
    to_node: IntArray
    in_service: BoolArray
    length_m: FloatArray
    r_ohm: FloatArray
    x_ohm: FloatArray
    c_f: FloatArray
    g_s: FloatArray
    r0_ohm: FloatArray
    x0_ohm: FloatArray
    c0_f: FloatArray
    i_n_a: FloatArray
    type: TextArray


@dataclass(frozen=True)
class TransformerTable:
    """Two-winding transformers (t,), parallel ones as one. from_node is the upper side; tap_count counts from neutral,
    on the upper side or not; shift_deg: by how much the lower side lags (150 for a Dyn5)."""

    id: TextArray
    from_node: IntArray
    to_node: IntArray
    in_service: BoolArray
    sn_kva: FloatArray
    u1_v: FloatArray
    u2_v: FloatArray
    uk_pu: FloatArray
    pk_kw: FloatArray
    i0_pu: FloatArray
    p0_kw: FloatArray
    tap_count: FloatArray
    tap_step_v: FloatArray
    tap_upper: BoolArray
    shift_deg: FloatArray


@dataclass(frozen=True)
class SwitchTable:
    """Switches (s,). at: LINE, TRANSFORMER or COUPLER; element: the line or transformer, ABSENT at a coupler; node: the
    end at which it sits; other: the coupler's other node, else ABSENT."""

    id: TextArray
    at: IntArray
    element: IntArray
    node: IntArray
    other: IntArray
    closed: BoolArray


@dataclass(frozen=True)
class LoadTable:
    """Demands (k,): at the moment of the file, or at their highest where it has profiles. connections_count: homes and
    shops behind it; kind: HOME, BUSINESS, ...; line_phase: 0 on all three, else 1, 2 or 3; profile: name of a
    course of a year, empty without."""

    id: TextArray
    node: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray
    connections_count: FloatArray
    kind: IntArray
    line_phase: IntArray
    profile: TextArray


@dataclass(frozen=True)
class GenerationTable:
    """Generators without a voltage of their own (g,), generation positive."""

    id: TextArray
    node: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray
    profile: TextArray


@dataclass(frozen=True)
class SourceTable:
    """Where the region feeds in (o,): voltage held behind a short-circuit power, `inf` for a stiff one."""

    id: TextArray
    node: IntArray
    u_ref_pu: FloatArray
    u_angle_deg: FloatArray
    sk_mva: FloatArray


@dataclass(frozen=True)
class ShuntTable:
    """Admittances to earth (h,), one line phase, at rated voltage."""

    id: TextArray
    node: IntArray
    g_s: FloatArray
    b_s: FloatArray


@dataclass(frozen=True)
class Network:
    """One network. name: as asked for; notes: what a reader did or left out, in sentences."""

    name: str
    nodes: NodeTable
    lines: LineTable
    transformers: TransformerTable
    switches: SwitchTable
    loads: LoadTable
    generation: GenerationTable
    sources: SourceTable
    shunts: ShuntTable
    frequency_hz: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Ends:
    """Which ends of lines (l,) and transformers (t,) are connected: in service, and no open switch there."""

    line_from: BoolArray
    line_to: BoolArray
    transformer_from: BoolArray
    transformer_to: BoolArray
