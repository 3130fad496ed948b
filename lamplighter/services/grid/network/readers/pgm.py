# SPDX-License-Identifier: Apache-2.0
"""Networks from power-grid-model's JSON (input dataset, format version 1.0)."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.readers.pandapower import ZERO_SEQUENCE, connections, kinds
from lamplighter.services.grid.network.tables import (
    COUPLER,
    LINE,
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
from lamplighter.terms.columns import FloatArray, IntArray

CARRIED = ("node", "line", "link", "transformer", "source", "sym_load", "asym_load", "sym_gen", "shunt")
MEASURED = ("sym_voltage_sensor", "asym_voltage_sensor", "sym_power_sensor", "asym_power_sensor", "fault", "sym_current_sensor",
            "asym_current_sensor", "voltage_regulator", "transformer_tap_regulator")  # fmt: skip
FREQUENCY_HZ = 50.0
UNRATED_A = 1e9  # a rating beyond it stands for none
SK_DEFAULT_MVA = 1e4  # the engine's own default
STIFF_MVA = 1e9
DEGREES_A_CLOCK_HOUR = 30.0


def _rows(data: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return list(data.get(kind, []))


def _column(rows: list[dict[str, Any]], name: str, otherwise: float = math.nan) -> FloatArray:
    return np.array([float(v) if (v := row.get(name)) is not None else otherwise for row in rows], dtype=np.float64)


def _names(rows: list[dict[str, Any]], kind: str) -> Any:
    names = [str(row.get("name", f"{kind} {row['id']}")) for row in rows]
    return np.array(names if len(set(names)) == len(names) else [f"{kind} {row['id']}" for row in rows], dtype=np.str_)


class Nodes:
    """Positions of the dataset's node ids."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        """Take the nodes in their order."""
        self._at = {int(row["id"]): place for place, row in enumerate(rows)}

    def of(self, rows: list[dict[str, Any]], name: str) -> IntArray:
        """Return positions of a column of node ids; GridError where one is not there."""
        lost = [
            f"{row['id']}: {name} is {row.get(name)}, no node of the dataset" for row in rows if row.get(name) not in self._at
        ]
        if lost:
            raise GridError("\n".join([*lost[:20], "Nothing was read."]))
        return np.array([self._at[int(row[name])] for row in rows], dtype=np.int64)


def read_pgm(path: Path) -> Network:
    """Return the network of a PGM input file."""
    return from_dataset(json.loads(path.read_text(encoding="utf-8")), path.stem)


def from_dataset(whole: dict[str, Any], name: str) -> Network:
    """Return the network of a decoded PGM JSON document. GridError names kinds that are not carried over."""
    if whole.get("type") != "input" or whole.get("is_batch"):
        raise GridError(f"{name}: a PGM dataset of type {whole.get('type')!r}; allowed is one input dataset, not a batch.")
    attributes: dict[str, list[str]] = whole.get("attributes") or {}
    data: dict[str, Any] = {}
    for kind, rows in whole["data"].items():
        names: list[str] = attributes.get(kind, [])
        data[kind] = [row if isinstance(row, dict) else dict(zip(names, row, strict=True)) for row in rows]
    left = [f"{len(rows)} {kind}" for kind, rows in data.items() if rows and kind not in (*CARRIED, *MEASURED)]
    if left:
        raise GridError(f"{name}: it holds {', '.join(left)}; allowed are {', '.join(CARRIED)}. Nothing was read.")
    nodes = Nodes(_rows(data, "node"))
    lines, transformers = _rows(data, "line"), _rows(data, "transformer")
    count = sum(len(_rows(data, kind)) for kind in MEASURED)
    return Network(
        name=name,
        nodes=_nodes(_rows(data, "node")),
        lines=_lines(lines, nodes),
        transformers=_transformers(transformers, nodes),
        switches=_switches(data, nodes),
        loads=_loads(data, nodes),
        generation=_generation(_rows(data, "sym_gen"), nodes),
        sources=_sources(_rows(data, "source"), nodes),
        shunts=_shunts(_rows(data, "shunt"), nodes),
        frequency_hz=FREQUENCY_HZ,
        notes=(f"{count} meters, regulators and faults of the dataset were left out.",) if count else (),
    )


def _nodes(rows: list[dict[str, Any]]) -> NodeTable:
    lon, lat = _column(rows, "lon_deg"), _column(rows, "lat_deg")
    placed = np.isfinite(lon) & np.isfinite(lat)
    return NodeTable(
        _names(rows, "node"), _column(rows, "u_rated"), np.where(placed, lon, 0.0), np.where(placed, lat, 0.0), placed
    )


def _lines(rows: list[dict[str, Any]], nodes: Nodes) -> LineTable:
    r, x, c = _column(rows, "r1"), _column(rows, "x1"), _column(rows, "c1", 0.0)
    own = [_column(rows, name) for name in ("r0", "x0", "c0")]
    rating = _column(rows, "i_n", math.inf)
    zero = [np.where(np.isnan(o), k * same, o) for o, k, same in zip(own, ZERO_SEQUENCE, (r, x, c), strict=True)]
    return LineTable(
        id=_names(rows, "line"), from_node=nodes.of(rows, "from_node"), to_node=nodes.of(rows, "to_node"),
        in_service=np.ones(len(rows), np.bool_), length_m=_column(rows, "length_m", math.inf), r_ohm=r, x_ohm=x, c_f=c,
        g_s=_column(rows, "tan1", 0.0) * c * 2.0 * math.pi * FREQUENCY_HZ, r0_ohm=zero[0], x0_ohm=zero[1], c0_f=zero[2],
        i_n_a=np.where(rating < UNRATED_A, rating, np.inf),
        type=np.array([str(row.get("type", "")) for row in rows], dtype=np.str_),
    )  # fmt: skip


def _transformers(rows: list[dict[str, Any]], nodes: Nodes) -> TransformerTable:
    nominal = _column(rows, "tap_nom", 0.0)
    upper = _column(rows, "tap_side", 0.0) == 0.0
    reverse = np.where(_column(rows, "tap_min", 0.0) > _column(rows, "tap_max", 0.0), -1.0, 1.0)
    return TransformerTable(
        id=_names(rows, "transformer"), from_node=nodes.of(rows, "from_node"), to_node=nodes.of(rows, "to_node"),
        in_service=np.ones(len(rows), np.bool_), sn_kva=_column(rows, "sn") / 1e3,
        u1_v=_column(rows, "u1"), u2_v=_column(rows, "u2"),
        uk_pu=_column(rows, "uk"), pk_kw=_column(rows, "pk") / 1e3, i0_pu=_column(rows, "i0", 0.0),
        p0_kw=_column(rows, "p0", 0.0) / 1e3,
        tap_count=reverse * (_column(rows, "tap_pos", 0.0) - nominal), tap_step_v=_column(rows, "tap_size", 0.0),
        tap_upper=upper,         shift_deg=_column(rows, "clock", 0.0) * DEGREES_A_CLOCK_HOUR,
    )  # fmt: skip


def _switches(data: dict[str, Any], nodes: Nodes) -> SwitchTable:
    """Return a switch for each link, and for each end of a branch that is not connected."""
    couplers = _rows(data, "link")
    columns: list[tuple[str, int, int, int, int, bool]] = []
    for row, one, two in zip(couplers, nodes.of(couplers, "from_node"), nodes.of(couplers, "to_node"), strict=True):
        shut = bool(row.get("from_status", 1)) and bool(row.get("to_status", 1))
        columns.append((f"link {row['id']}", COUPLER, ABSENT, int(one), int(two), shut))
    for kind, of in (("line", LINE), ("transformer", TRANSFORMER)):
        rows = _rows(data, kind)
        for side in ("from", "to"):
            for place, (row, end) in enumerate(zip(rows, nodes.of(rows, f"{side}_node"), strict=True)):
                if not row.get(f"{side}_status", 1):
                    columns.append((f"{kind} {row['id']} {side}", of, place, int(end), ABSENT, False))
    whole = list(zip(*columns, strict=True)) if columns else [()] * 6
    at, element, node, other = (np.array(column, dtype=np.int64) for column in whole[1:5])
    return SwitchTable(np.array(whole[0], dtype=np.str_), at, element, node, other, np.array(whole[5], dtype=np.bool_))


def _loads(data: dict[str, Any], nodes: Nodes) -> LoadTable:
    rows: list[dict[str, Any]] = []
    for row in _rows(data, "sym_load"):
        if row.get("status", 1):
            rows.append({**row, "line_phase": 0, "p": row.get("p_specified", 0.0), "q": row.get("q_specified", 0.0)})
    for row in _rows(data, "asym_load"):
        for k in range(3):
            p, q = row["p_specified"][k], row["q_specified"][k]
            if row.get("status", 1) and (p or q):
                rows.append(
                    {
                        "id": row["id"],
                        "name": f"load {row['id']}.L{k + 1}",
                        "node": row["node"],
                        "line_phase": k + 1,
                        "p": p,
                        "q": q,
                    }
                )
    p, profile = _column(rows, "p", 0.0) / 1e3, np.array([str(row.get("profile", "")) for row in rows], dtype=np.str_)
    count, kind = _column(rows, "connections_count"), _column(rows, "kind")
    return LoadTable(
        id=_names(rows, "load"),
        node=nodes.of(rows, "node"),
        p_kw=p,
        q_kvar=_column(rows, "q", 0.0) / 1e3,
        connections_count=np.where(np.isnan(count), connections(p), count),
        kind=np.where(np.isnan(kind), kinds(p, profile), np.nan_to_num(kind)).astype(np.int64),
        line_phase=_column(rows, "line_phase", 0.0).astype(np.int64),
        profile=profile,
    )


def _generation(rows: list[dict[str, Any]], nodes: Nodes) -> GenerationTable:
    rows = [row for row in rows if row.get("status", 1)]
    p, q = _column(rows, "p_specified", 0.0) / 1e3, _column(rows, "q_specified", 0.0) / 1e3
    return GenerationTable(_names(rows, "generator"), nodes.of(rows, "node"), p, q, np.full(len(rows), ""))


def _sources(rows: list[dict[str, Any]], nodes: Nodes) -> SourceTable:
    rows = [row for row in rows if row.get("status", 1)]
    sk = _column(rows, "sk", SK_DEFAULT_MVA * 1e6) / 1e6
    angle = np.degrees(_column(rows, "u_ref_angle", 0.0))
    return SourceTable(
        _names(rows, "source"), nodes.of(rows, "node"), _column(rows, "u_ref", 1.0), angle, np.where(sk >= STIFF_MVA, np.inf, sk)
    )


def _shunts(rows: list[dict[str, Any]], nodes: Nodes) -> ShuntTable:
    rows = [row for row in rows if row.get("status", 1)]
    return ShuntTable(_names(rows, "shunt"), nodes.of(rows, "node"), _column(rows, "g1", 0.0), _column(rows, "b1", 0.0))
