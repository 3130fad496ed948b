# SPDX-License-Identifier: Apache-2.0
"""Networks from pandapower, and from SimBench, whose data come as pandapower nets.

As pandapower itself reads them: a tap counts only where the net says what kind of changer it is; parallel systems are one.
"""

import contextlib
import importlib
import io
import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.tables import (
    BUSINESS,
    CHARGING,
    COUPLER,
    HEAT_PUMP,
    HOME,
    LINE,
    STORAGE,
    TRANSFORMER,
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
from lamplighter.terms.columns import BoolArray, FloatArray, IntArray, TextArray

NOT_CARRIED = ("trafo3w", "impedance", "dcline", "ward", "xward", "svc", "tcsc", "ssc", "asymmetric_sgen", "motor")
LOW_VOLTAGE_KV = 1.0  # below it a row of the load table is one connection, above it a whole street or town
CONNECTION_KWH = 3500.0  # a connection's yearly energy where the file knows only power
FULL_HOURS = 1200.0  # yearly energy over the highest power of a home
NO_RATING_KA = 9999.0  # from here on pandapower's own networks mean that a line has no rating (99999 in case33bw)
ZERO_SEQUENCE = (4.0, 4.0, 0.6)  # r0/r1, x0/x1, c0/c1 of a four-core cable with neutral return, where the file gives none


def number(rows: Any, name: str, otherwise: float) -> FloatArray:
    """Return a column (k,) of a pandas table, with `otherwise` where the table has no such column or an empty cell."""
    if name not in rows.columns:
        return np.full(len(rows), otherwise)
    values = np.asarray(rows[name].astype("float64").to_numpy(), np.float64)
    return np.where(np.isnan(values), otherwise, values)


def _text(rows: Any, name: str, otherwise: str = "") -> TextArray:
    if name not in rows.columns:
        return np.full(len(rows), otherwise)
    return np.array([value if isinstance(value, str) else otherwise for value in rows[name]], dtype=np.str_)


def _true(rows: Any, name: str) -> BoolArray:
    return np.asarray(rows[name].to_numpy(), np.bool_) if name in rows.columns else np.ones(len(rows), np.bool_)


def _names(rows: Any, kind: str) -> TextArray:
    """Return the rows' names where they are all different and filled, else kind and index."""
    names = _text(rows, "name")
    if len(set(names.tolist())) == len(names) and "" not in names.tolist():
        return names
    return np.array([f"{kind} {index}" for index in rows.index], dtype=np.str_)


class Buses:
    """Positions of pandapower's bus indices."""

    def __init__(self, net: Any) -> None:
        """Take the buses that are in service; others do not exist for us."""
        self.index = np.asarray(net.bus.index[net.bus.in_service.astype(bool)], np.int64)
        self._at = {int(bus): place for place, bus in enumerate(self.index)}

    def of(self, rows: Any, name: str) -> IntArray:
        """Return positions (k,) of a column of bus indices, ABSENT where the bus is out of service."""
        return np.array([self._at.get(int(bus), ABSENT) for bus in rows[name]], dtype=np.int64)


def _nodes(net: Any, buses: Buses) -> NodeTable:
    rows = net.bus.loc[buses.index]
    places = [_place(text) for text in _text(rows, "geo")]
    return NodeTable(
        id=_names(rows, "bus"),
        u_rated_v=number(rows, "vn_kv", math.nan) * 1000.0,
        lon_deg=np.array([place[0] for place in places], dtype=np.float64),
        lat_deg=np.array([place[1] for place in places], dtype=np.float64),
        placed=np.array([place[2] for place in places], dtype=np.bool_),
    )


def _place(text: str) -> tuple[float, float, bool]:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        lon, lat = json.loads(text)["coordinates"][:2]
        if math.isfinite(lon) and math.isfinite(lat):
            return float(lon), float(lat), True
    return 0.0, 0.0, False


def _rated_a(rows: Any) -> FloatArray:
    """Return the rated current (k,) of one system of each line in amperes, inf where the file has none."""
    ka = number(rows, "max_i_ka", math.inf)
    return np.where(ka >= NO_RATING_KA, math.inf, ka * 1000.0)


def _lines(net: Any, buses: Buses) -> tuple[LineTable, dict[int, int]]:
    one, other = buses.of(net.line, "from_bus"), buses.of(net.line, "to_bus")
    kept = (one != ABSENT) & (other != ABSENT)
    rows = net.line[kept]
    km, side = number(rows, "length_km", math.nan), number(rows, "parallel", 1.0)
    r, x = number(rows, "r_ohm_per_km", math.nan), number(rows, "x_ohm_per_km", math.nan)
    c = number(rows, "c_nf_per_km", 0.0)
    zero = [number(rows, name, math.nan) for name in ("r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km")]
    zero = [np.where(np.isnan(own), ratio * same, own) for own, ratio, same in zip(zero, ZERO_SEQUENCE, (r, x, c), strict=True)]
    table = LineTable(
        id=_names(rows, "line"),
        from_node=one[kept],
        to_node=other[kept],
        in_service=_true(rows, "in_service"),
        length_m=km * 1000.0,
        r_ohm=r * km / side,
        x_ohm=x * km / side,
        c_f=c * km * side * 1e-9,
        g_s=number(rows, "g_us_per_km", 0.0) * km * side * 1e-6,
        r0_ohm=zero[0] * km / side,
        x0_ohm=zero[1] * km / side,
        c0_f=zero[2] * km * side * 1e-9,
        i_n_a=_rated_a(rows) * side * number(rows, "df", 1.0),
        type=_text(rows, "std_type"),
    )
    return table, {int(index): place for place, index in enumerate(rows.index)}


def _transformers(net: Any, buses: Buses, notes: list[str]) -> tuple[TransformerTable, dict[int, int]]:
    upper, lower = buses.of(net.trafo, "hv_bus"), buses.of(net.trafo, "lv_bus")
    kept = (upper != ABSENT) & (lower != ABSENT)
    rows = net.trafo[kept]
    side, on_lower = number(rows, "parallel", 1.0), _text(rows, "tap_side", "hv") == "lv"
    u1, u2 = number(rows, "vn_hv_kv", math.nan) * 1000.0, number(rows, "vn_lv_kv", math.nan) * 1000.0
    position = number(rows, "tap_pos", 0.0) - number(rows, "tap_neutral", 0.0)
    if "tap_changer_type" in rows.columns:
        ratio = np.isin(_text(rows, "tap_changer_type"), ("Ratio", "Symmetrical"))
        silent = (position != 0.0) & ~ratio
        if silent.any():
            notes.append(
                f"{int(silent.sum())} transformers name a tap but no tap_changer_type: "
                "they are read at neutral, as pandapower does."
            )
        position = np.where(ratio, position, 0.0)
    sn = number(rows, "sn_mva", math.nan) * 1000.0
    table = TransformerTable(
        id=_names(rows, "trafo"),
        from_node=upper[kept],
        to_node=lower[kept],
        in_service=_true(rows, "in_service"),
        sn_kva=sn * side,
        u1_v=u1,
        u2_v=u2,
        uk_pu=number(rows, "vk_percent", math.nan) / 100.0,
        pk_kw=number(rows, "vkr_percent", math.nan) / 100.0 * sn * side,
        i0_pu=number(rows, "i0_percent", 0.0) / 100.0,
        p0_kw=number(rows, "pfe_kw", 0.0) * side,
        tap_count=position,
        tap_step_v=number(rows, "tap_step_percent", 0.0) / 100.0 * np.where(on_lower, u2, u1),
        tap_upper=~on_lower,
        shift_deg=number(rows, "shift_degree", 0.0),
    )
    return table, {int(index): place for place, index in enumerate(rows.index)}


def _switches(net: Any, buses: Buses, lines: dict[int, int], transformers: dict[int, int]) -> SwitchTable:
    rows = net.switch
    node = buses.of(rows, "bus")
    kind = {"l": LINE, "t": TRANSFORMER, "b": COUPLER}
    at = np.array([kind.get(str(et), ABSENT) for et in rows.et], dtype=np.int64)
    element, other = np.full(len(rows), ABSENT, np.int64), np.full(len(rows), ABSENT, np.int64)
    coupler = at == COUPLER
    other[coupler] = buses.of(rows[coupler], "element")
    for which, known in ((LINE, lines), (TRANSFORMER, transformers)):
        mine = np.flatnonzero(at == which)
        element[mine] = [known.get(int(index), ABSENT) for index in np.asarray(rows.element)[mine]]
    kept = (node != ABSENT) & (np.where(coupler, other, element) != ABSENT)
    return SwitchTable(
        _names(rows, "switch")[kept], at[kept], element[kept], node[kept], other[kept], _true(rows, "closed")[kept]
    )


KIND_OF_PROFILE = (("H0", HOME), ("HLS", CHARGING), ("APLS", CHARGING), ("Air", HEAT_PUMP), ("Soil", HEAT_PUMP))
BUSINESS_KW = 10.0  # where no profile tells, more than that is no home


def kinds(p_kw: FloatArray, profile: TextArray) -> IntArray:
    """Return what each demand (k,) is: by the name of its class where it has one, else by its highest power."""
    found = np.where(np.abs(p_kw) > BUSINESS_KW, BUSINESS, HOME).astype(np.int64)
    found[profile != ""] = BUSINESS
    for start, kind in KIND_OF_PROFILE:
        found[np.char.startswith(profile, start)] = kind
    return found


def connections(p_kw: FloatArray) -> FloatArray:
    """Return how many connections (k,) a demand stands for where a file knows only its highest power: at least one."""
    return np.where(p_kw > 0.0, np.maximum(np.round(p_kw * FULL_HOURS / CONNECTION_KWH), 1.0), 0.0)


def _loads(net: Any, buses: Buses) -> LoadTable:
    tables = [(net.load, True)]
    if "storage" in net and len(net.storage):
        tables.append((net.storage, False))
    columns: list[list[Any]] = [[] for _ in range(8)]
    for rows, is_load in tables:
        node = buses.of(rows, "bus")
        kept: BoolArray = (node != ABSENT) & _true(rows, "in_service")
        rows = rows[kept]
        scale = number(rows, "scaling", 1.0)
        p = number(rows, "p_mw", math.nan) * 1000.0 * scale
        low = number(net.bus.loc[buses.index], "vn_kv", math.nan)[node[kept]] < LOW_VOLTAGE_KV
        count = np.where(low, 1.0, connections(p)) if is_load else np.zeros(len(rows))
        found = (
            _names(rows, "load"), node[kept], p, number(rows, "q_mvar", 0.0) * 1000.0 * scale, count,
            kinds(p, _text(rows, "profile")) if is_load else np.full(len(rows), STORAGE), np.zeros(len(rows), np.int64),
            _text(rows, "profile"),
        )  # fmt: skip
        for column, values in zip(columns, found, strict=True):
            column.append(values)
    single = net.asymmetric_load if "asymmetric_load" in net else net.load.iloc[:0]
    for row in single.itertuples():
        node = buses.of(single.loc[[row.Index]], "bus")
        for line_phase, letter in enumerate("abc", start=1):
            p, q = float(getattr(row, f"p_{letter}_mw")), float(getattr(row, f"q_{letter}_mvar"))
            if node[0] != ABSENT and bool(row.in_service) and (p or q):
                kw = np.array([p * 1000.0 * float(row.scaling)])
                found = (
                    np.array([f"{row.name or row.Index}.L{line_phase}"]), node, kw, np.array([q * 1000.0 * float(row.scaling)]),
                    np.ones(1), kinds(kw, np.array([""])), np.array([line_phase], dtype=np.int64), np.array([""]),
                )  # fmt: skip
                for column, values in zip(columns, found, strict=True):
                    column.append(values)
    return LoadTable(*(np.concatenate(column) for column in columns))


def _generation(net: Any, buses: Buses, notes: list[str]) -> GenerationTable:
    tables = [net.sgen]
    if len(net.gen):
        tables.append(net.gen)
        notes.append(f"{len(net.gen)} generators hold a voltage in the file; here they give their power only.")
    parts: list[tuple[Any, ...]] = []
    for rows in tables:
        node = buses.of(rows, "bus")
        rows, node = rows[(node != ABSENT) & _true(rows, "in_service")], node[(node != ABSENT) & _true(rows, "in_service")]
        scale = number(rows, "scaling", 1.0) * 1000.0
        p, q = number(rows, "p_mw", math.nan) * scale, number(rows, "q_mvar", 0.0) * scale
        parts.append((_names(rows, "generator"), node, p, q, _text(rows, "profile")))
    return GenerationTable(*(np.concatenate(column) for column in zip(*parts, strict=True)))


ENDS = (
    ("line", "from_bus"), ("line", "to_bus"), ("trafo", "hv_bus"), ("trafo", "lv_bus"), ("switch", "bus"), ("load", "bus"),
    ("sgen", "bus"), ("gen", "bus"), ("storage", "bus"), ("ext_grid", "bus"), ("shunt", "bus"), ("asymmetric_load", "bus"),
)  # fmt: skip


def _nowhere(net: Any) -> list[str]:
    """Return a sentence for every kind of row that stands at a bus which the bus table does not have."""
    found: list[str] = []
    for kind, name in ENDS:
        if kind in net and len(net[kind]):
            lost = net[kind][~net[kind][name].isin(net.bus.index)]
            rows = [f"{index} ({name} {bus})" for index, bus in zip(lost.index[:5], lost[name], strict=False)]
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            found += [f"{kind} {', '.join(rows)}{more}: there is no such bus"] if rows else []
    return found


def network_from_net(net: Any, name: str) -> Network:
    """Return the network of a pandapower net. GridError names kinds of elements that are not carried over, and rows at buses
    that are not there."""
    left = [f"{len(net[kind])} {kind}" for kind in NOT_CARRIED if kind in net and len(net[kind])]
    if left:
        raise GridError(
            f"{name}: it holds {', '.join(left)}, which cannot be carried over; allowed are buses, lines, "
            "two-winding transformers, switches, loads, storage, sgen, gen, shunts and external grids. "
            "Replace them in pandapower. Nothing was read."
        )
    nowhere = _nowhere(net)
    if nowhere:
        raise GridError(
            "\n".join([f"{name}: {told}. Give it a bus of the bus table." for told in nowhere] + ["Nothing was read."])
        )
    notes: list[str] = []
    buses = Buses(net)
    lines, line_at = _lines(net, buses)
    transformers, transformer_at = _transformers(net, buses, notes)
    source_node, shunt_node = buses.of(net.ext_grid, "bus"), buses.of(net.shunt, "bus")
    sources = net.ext_grid[(source_node != ABSENT) & _true(net.ext_grid, "in_service")]
    shunts = net.shunt[(shunt_node != ABSENT) & _true(net.shunt, "in_service")]
    # A shunt consumes q at its rated voltage: inductive positive, so its susceptance is negative.
    per_v2 = number(shunts, "step", 1.0) / (number(shunts, "vn_kv", 1.0) * 1e3) ** 2 * 1e6
    return Network(
        name=name,
        nodes=_nodes(net, buses),
        lines=lines,
        transformers=transformers,
        switches=_switches(net, buses, line_at, transformer_at),
        loads=_loads(net, buses),
        generation=_generation(net, buses, notes),
        sources=SourceTable(
            _names(sources, "source"), buses.of(sources, "bus"), number(sources, "vm_pu", 1.0),
            number(sources, "va_degree", 0.0), np.full(len(sources), np.inf),
        ),
        shunts=ShuntTable(
            _names(shunts, "shunt"), buses.of(shunts, "bus"), number(shunts, "p_mw", 0.0) * per_v2,
            -number(shunts, "q_mvar", 0.0) * per_v2,
        ),
        frequency_hz=float(net.f_hz),
        notes=tuple(notes),
    )  # fmt: skip


def read_json(path: Path) -> Network:
    """Return the network of a pandapower JSON file."""
    reader: Any = importlib.import_module("pandapower")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return network_from_net(reader.from_json(str(path)), path.stem)
        except GridError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise GridError(
                f"{path}: pandapower's tables cannot be read ({type(error).__name__}: {error}); allowed is what pandapower's "
                "to_json writes, with numbers where it has numbers. Mend that cell. Nothing was read."
            ) from error


def simbench_code(asked: str) -> str:
    """Return a whole SimBench code for a shortened one: `urban6`, `1-LV-urban6`, `1-LV-urban6--2`."""
    code = asked.removeprefix("simbench:")
    if re.fullmatch(r"(rural|semiurb|urban)\d", code):
        code = f"1-LV-{code}"
    switched = next((end for end in ("-no_sw", "-sw") if code.endswith(end)), "")
    parts = code.removesuffix(switched).split("-") if switched else code.split("-")
    version, span, kind, *rest = [*parts, "", ""][: max(len(parts), 3)]
    below, scenario = [*rest, *["", "0"][len(rest) :]][:2]
    return f"{version}-{span}-{kind}-{below}-{scenario}{switched or '-sw'}"


def simbench_net(asked: str) -> Any:
    """Return SimBench's net; GridError for an unknown code."""
    code = simbench_code(asked)
    reader: Any = importlib.import_module("simbench")
    if code not in reader.collect_all_simbench_codes():
        raise GridError(
            f"{asked}: SimBench knows no code {code}; allowed are codes as in "
            "1-LV-urban6--0-sw and 1-MVLV-urban-all-0-sw. Nothing was read."
        )
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return reader.get_simbench_net(code)


def read_simbench(asked: str) -> Network:
    """Return a SimBench network (University of Kassel, Fraunhofer IEE, RWTH Aachen, TU Dortmund; ODbL 1.0)."""
    return network_from_net(simbench_net(asked), simbench_code(asked))
