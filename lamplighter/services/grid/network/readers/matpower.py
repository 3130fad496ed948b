# SPDX-License-Identifier: Apache-2.0
"""Networks from MATPOWER case files (format version 2, MATPOWER User's Manual appendix B), and the JSON forms around.

JSON: the same matrices under the same names (as `jsonencode(mpc)` or pypower write them), or PowerModels' dictionaries.
Assignments such as `mpc.branch(:, BR_R) = ...` that scale a case's own units are carried out for the forms that
MATPOWER's distribution cases use: ohms to per unit, and kW to MW.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.services.grid.network.model import ABSENT, GridError
from lamplighter.services.grid.network.readers.pandapower import connections, kinds
from lamplighter.services.grid.network.tables import (
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

COLUMNS = {"bus": 13, "branch": 11, "gen": 8}
BUS_I, BUS_TYPE, PD, QD, GS, BS, BASE_KV = 0, 1, 2, 3, 4, 5, 9
F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, TAP, SHIFT, BR_STATUS = 0, 1, 2, 3, 4, 5, 8, 9, 10
REFERENCE, ISOLATED = 3, 4
BASE_KV_UNKNOWN = 1.0
FREQUENCY_HZ = 50.0


def _matrix(text: str, name: str, path: Path) -> FloatArray:
    found = re.search(rf"mpc\.{name}\s*=\s*\[(.*?)\]\s*;?", text, re.DOTALL)
    if found is None:
        raise GridError(f"{path}: mpc.{name} is missing; allowed is a MATPOWER case of version 2. Nothing was read.")
    rows = [line.split() for line in re.sub(r"\.\.\.[^\n]*\n", " ", found[1]).replace(",", " ").replace(";", "\n").splitlines()]
    rows = [row for row in rows if row]
    faults = [
        f"{path}: mpc.{name} row {k + 1}: {cell!r} is no number" for k, row in enumerate(rows) for cell in row if not _is(cell)
    ]
    if faults:
        raise GridError("\n".join([*faults, "Nothing was read."]))
    if len({len(row) for row in rows}) > 1:
        raise GridError(f"{path}: the rows of mpc.{name} are not of one length. Nothing was read.")
    return np.array([[float(cell) for cell in row] for row in rows], dtype=np.float64).reshape(len(rows), -1)


def _is(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parts(path: Path) -> dict[str, Any]:
    text = re.sub(r"%[^\n]*", "", path.read_text(encoding="utf-8", errors="replace"))
    base = re.search(r"mpc\.baseMVA\s*=\s*([\d.eE+-]+)", text)
    if base is None:
        raise GridError(f"{path}: mpc.baseMVA is missing; allowed is a MATPOWER case of version 2. Nothing was read.")
    parts: dict[str, Any] = {"baseMVA": float(base[1]), **{name: _matrix(text, name, path) for name in COLUMNS}}
    _rescale(parts, text, path)
    return parts


def _rescale(parts: dict[str, Any], text: str, path: Path) -> None:
    """Carry out the conversions at the end of MATPOWER's distribution cases; refuse other statements on the matrices."""
    code = re.sub(r"mpc\.(bus|branch|gen|gencost|dcline|bus_name)\s*=\s*[\[{].*?[\]}]\s*;?", "", text, flags=re.DOTALL)
    for line in (line.strip() for line in code.splitlines()):
        if not re.match(r"mpc\.(bus|branch|gen)\s*\(", line):
            continue
        left, _, right = line.partition("=")
        packed = re.sub(r"\s", "", right).rstrip(";")
        if "BR_R" in left and packed.endswith("/(Vbase^2/Sbase)"):
            kv = float(parts["bus"][0, BASE_KV])
            parts["branch"][:, [BR_R, BR_X]] /= kv**2 / parts["baseMVA"]
        elif "PD" in left and packed.endswith("/1e3"):
            parts["bus"][:, [PD, QD]] /= 1e3
        elif packed == "mpc.bus(:,PD)*sin(acos(pf))":
            parts["bus"][:, QD] = parts["bus"][:, PD] * math.sin(math.acos(_power_factor(text, path)))
        elif packed == "mpc.bus(:,PD)*pf":
            parts["bus"][:, PD] *= _power_factor(text, path)
        elif "BR_STATUS" in left and packed in ("0", "1"):
            rows = re.search(r"\[([\d\s,:]+)\]|\((\d+)(?::(\d+))?,", left)
            parts["branch"][_rows(rows, path, line), BR_STATUS] = float(packed)
        else:
            raise GridError(
                f"{path}: the statement {line!r} is not understood; write the matrices as plain numbers. Nothing was read."
            )


def _power_factor(text: str, path: Path) -> float:
    found = re.search(r"\bpf\s*=\s*([\d.]+)", text)
    if found is None or not 0.0 < float(found[1]) <= 1.0:
        raise GridError(f"{path}: pf is used and not given between 0 and 1. Nothing was read.")
    return float(found[1])


def _rows(found: re.Match[str] | None, path: Path, line: str) -> IntArray:
    if found is None:
        raise GridError(
            f"{path}: the rows of {line!r} are not understood; write the matrices as plain numbers. Nothing was read."
        )
    if found[1] is not None:
        rows: list[int] = []
        for piece in found[1].replace(",", " ").split():
            first, _, last = piece.partition(":")
            rows.extend(range(int(first), int(last or first) + 1))
        return np.array(rows, dtype=np.int64) - 1
    return np.arange(int(found[2]) - 1, int(found[3] or found[2]), dtype=np.int64)


def _power_models(data: dict[str, Any]) -> dict[str, Any]:
    """Return PowerModels' dictionaries as MATPOWER's matrices."""
    base = float(data["baseMVA"])
    scale = base if data.get("per_unit", False) else 1.0
    turn = 180.0 / math.pi if data.get("per_unit", False) else 1.0
    bus = np.zeros((len(data["bus"]), COLUMNS["bus"]))
    ordered = sorted(data["bus"].values(), key=lambda row: int(row["bus_i"]))
    place = {int(row["bus_i"]): k for k, row in enumerate(ordered)}
    for k, row in enumerate(ordered):
        bus[k, [BUS_I, BUS_TYPE, BASE_KV]] = row["bus_i"], row["bus_type"], row.get("base_kv", BASE_KV_UNKNOWN)
    for row in data.get("load", {}).values():
        if row.get("status", 1):
            bus[place[int(row["load_bus"])], [PD, QD]] += np.array([row["pd"], row["qd"]]) * scale
    for row in data.get("shunt", {}).values():
        if row.get("status", 1):
            bus[place[int(row["shunt_bus"])], [GS, BS]] += np.array([row["gs"], row["bs"]]) * scale
    branch = np.zeros((len(data["branch"]), COLUMNS["branch"]))
    for k, row in enumerate(sorted(data["branch"].values(), key=lambda row: int(row["index"]))):
        charging = float(row.get("b_fr", 0.0)) + float(row.get("b_to", 0.0))
        ratio = float(row.get("tap", 1.0)) if row.get("transformer", False) else 0.0
        branch[k] = [row["f_bus"], row["t_bus"], row["br_r"], row["br_x"], charging, float(row.get("rate_a", 0.0)) * scale, 0, 0,
                     ratio, float(row.get("shift", 0.0)) * turn, row.get("br_status", 1)]  # fmt: skip
    gen = np.array(
        [[row["gen_bus"], row["pg"] * scale, row["qg"] * scale, 0, 0, row.get("vg", 1.0), base, row.get("gen_status", 1)]
         for row in data["gen"].values()], dtype=np.float64,
    )  # fmt: skip
    return {"baseMVA": base, "bus": bus, "branch": branch, "gen": gen}


def read_case(path: Path) -> Network:
    """Return the network of a `.m` case file."""
    return _network(_parts(path), path.stem)


def from_json(data: dict[str, Any], name: str) -> Network:
    """Return the network of a case in JSON: matrices, or PowerModels' dictionaries."""
    if isinstance(data["bus"], dict):
        return _network(_power_models(data), name)
    try:
        parts: dict[str, Any] = {
            "baseMVA": float(data["baseMVA"]),
            **{part: np.array(data[part], dtype=np.float64) for part in COLUMNS},
        }
    except (ValueError, TypeError) as error:
        raise GridError(
            f"{name}: baseMVA or one of the matrices {', '.join(COLUMNS)} is not of numbers alone, rows of one width ({error}). "
            "Mend it there. Nothing was read."
        ) from error
    for part, least in COLUMNS.items():
        shape = np.shape(parts[part])
        if len(shape) != 2 or shape[1] < least:
            raise GridError(f"{name}: {part} has {shape[-1]} columns, needs {least} or more. Nothing was read.")
    return _network(parts, name)


def read_case_json(path: Path) -> Network:
    """Return the network of a case in a JSON file."""
    return from_json(json.loads(path.read_text(encoding="utf-8")), path.stem)


def _network(parts: dict[str, Any], name: str) -> Network:
    bus, branch, gen = parts["bus"], parts["branch"], parts["gen"]
    bus = bus[bus[:, BUS_TYPE] != ISOLATED]
    place = {int(number): k for k, number in enumerate(bus[:, BUS_I].tolist())}
    faults = [
        f"{name}: {part} row {k + 1} names bus {number:g}, which mpc.bus does not hold"
        for part, columns in (("branch", (F_BUS, T_BUS)), ("gen", (0,)))
        for column in columns
        for k, number in enumerate(parts[part][:, column].tolist())
        if int(number) not in place and part == "branch" and parts[part][k, BR_STATUS] > 0
    ]
    if faults:
        raise GridError("\n".join([*faults, "Nothing was read."]))
    u_v = np.where(bus[:, BASE_KV] > 0, bus[:, BASE_KV], BASE_KV_UNKNOWN) * 1000.0
    known = np.array([int(one) in place and int(other) in place for one, other in branch[:, [F_BUS, T_BUS]].tolist()])
    branch = branch[known]
    one = np.array([place[int(number)] for number in branch[:, F_BUS].tolist()], dtype=np.int64)
    other = np.array([place[int(number)] for number in branch[:, T_BUS].tolist()], dtype=np.int64)
    turns = (branch[:, TAP] != 0.0) | (branch[:, SHIFT] != 0.0) | (u_v[one] != u_v[other])
    names = np.array([f"{int(a)}-{int(b)}" for a, b in branch[:, [F_BUS, T_BUS]].tolist()], dtype=np.str_)
    ids = np.array([f"{k + 1} ({between})" for k, between in enumerate(names.tolist())], dtype=np.str_)[: len(names)]
    base, none = float(parts["baseMVA"]), np.zeros(0, np.int64)
    return Network(
        name=name,
        nodes=NodeTable(
            np.array([f"{int(number)}" for number in bus[:, BUS_I].tolist()], dtype=np.str_), u_v, np.zeros(len(bus)),
            np.zeros(len(bus)), np.zeros(len(bus), np.bool_),
        ),
        lines=_lines(branch[~turns], (ids[~turns], one[~turns], other[~turns]), base, u_v),
        transformers=_transformers(branch[turns], (ids[turns], one[turns], other[turns]), base, u_v),
        switches=SwitchTable(np.zeros(0, np.str_), none, none, none, none, np.zeros(0, np.bool_)),
        loads=_loads(bus),
        generation=_generation(bus, gen, place),
        sources=_sources(bus, gen, place),
        shunts=_shunts(bus, branch[turns], (one[turns], other[turns]), base, u_v),
        frequency_hz=FREQUENCY_HZ,
        notes=() if (bus[:, BASE_KV] > 0).all() else ("Buses that state no voltage are taken as 1 kV.",),
    )  # fmt: skip


def _lines(rows: FloatArray, ends: tuple[Any, IntArray, IntArray], base_mva: float, u_v: FloatArray) -> LineTable:
    names, one, other = ends
    ohm = u_v[one] ** 2 / (base_mva * 1e6)
    r, x, c = rows[:, BR_R] * ohm, rows[:, BR_X] * ohm, rows[:, BR_B] / ohm / (2.0 * math.pi * FREQUENCY_HZ)
    rate = np.where(rows[:, RATE_A] > 0.0, rows[:, RATE_A], np.inf)
    return LineTable(
        id=names, from_node=one, to_node=other, in_service=rows[:, BR_STATUS] > 0, length_m=np.full(len(rows), np.inf), r_ohm=r,
        x_ohm=x, c_f=c, g_s=np.zeros(len(rows)), r0_ohm=4.0 * r, x0_ohm=4.0 * x, c0_f=0.6 * c,
        i_n_a=rate * 1e6 / (math.sqrt(3.0) * u_v[one]), type=np.full(len(rows), ""),
    )  # fmt: skip


def _transformers(rows: FloatArray, ends: tuple[Any, IntArray, IntArray], base_mva: float, u_v: FloatArray) -> TransformerTable:
    """Return branches with a ratio: the ideal transformer stands at the from end, the impedance behind it."""
    names, one, other = ends
    ratio = np.where(rows[:, TAP] == 0.0, 1.0, rows[:, TAP])
    sn = np.where(rows[:, RATE_A] > 0.0, rows[:, RATE_A], base_mva) * 1000.0
    share = sn / (base_mva * 1000.0)
    z = np.hypot(rows[:, BR_R], rows[:, BR_X])
    return TransformerTable(
        id=names, from_node=one, to_node=other, in_service=rows[:, BR_STATUS] > 0, sn_kva=sn, u1_v=u_v[one] * ratio,
        u2_v=u_v[other], uk_pu=z * share, pk_kw=rows[:, BR_R] * share * sn, i0_pu=np.zeros(len(rows)), p0_kw=np.zeros(len(rows)),
        tap_count=np.zeros(len(rows)), tap_step_v=np.zeros(len(rows)), tap_upper=np.ones(len(rows), np.bool_),
        shift_deg=rows[:, SHIFT],
    )  # fmt: skip


def _loads(bus: FloatArray) -> LoadTable:
    rows = bus[(bus[:, PD] != 0.0) | (bus[:, QD] != 0.0)]
    node = np.flatnonzero((bus[:, PD] != 0.0) | (bus[:, QD] != 0.0))
    p = rows[:, PD] * 1000.0
    names = np.array([f"load {int(number)}" for number in rows[:, BUS_I].tolist()], dtype=np.str_)
    zero = np.zeros(len(rows), np.int64)
    return LoadTable(
        names, node, p, rows[:, QD] * 1000.0, connections(p), kinds(p, np.full(len(p), "")), zero, np.full(len(rows), "")
    )


def _generation(bus: FloatArray, gen: FloatArray, place: dict[int, int]) -> GenerationTable:
    node = np.array([place.get(int(number), ABSENT) for number in gen[:, 0].tolist()], dtype=np.int64)
    kept = (node != ABSENT) & (gen[:, 7] > 0) & (bus[np.maximum(node, 0), BUS_TYPE] != REFERENCE)
    names = np.array([f"generator {k + 1}" for k in np.flatnonzero(kept).tolist()], dtype=np.str_)
    return GenerationTable(names, node[kept], gen[kept, 1] * 1000.0, gen[kept, 2] * 1000.0, np.full(len(names), ""))


def _sources(bus: FloatArray, gen: FloatArray, place: dict[int, int]) -> SourceTable:
    reference = np.flatnonzero(bus[:, BUS_TYPE] == REFERENCE)
    held = {place[int(row[0])]: float(row[5]) for row in gen.tolist() if int(row[0]) in place and row[7] > 0}
    names = np.array([f"source {int(bus[k, BUS_I])}" for k in reference.tolist()], dtype=np.str_)
    u_pu = np.array([held.get(int(k), 1.0) for k in reference.tolist()], dtype=np.float64)
    return SourceTable(names, reference, u_pu, bus[reference, 8], np.full(len(reference), np.inf))


def _shunts(bus: FloatArray, rows: FloatArray, ends: tuple[IntArray, IntArray], base_mva: float, u_v: FloatArray) -> ShuntTable:
    """Return buses' own shunts, and the charging of branches with a ratio, which stands at both their ends."""
    own = np.flatnonzero((bus[:, GS] != 0.0) | (bus[:, BS] != 0.0))
    laden = rows[:, BR_B] != 0.0
    one, other = ends[0][laden], ends[1][laden]
    half = rows[laden, BR_B] / 2.0 * base_mva * 1e6
    ratio = np.where(rows[laden, TAP] == 0.0, 1.0, rows[laden, TAP])
    node = np.concatenate([own, one, other])
    b = np.concatenate([bus[own, BS] * 1e6, half / ratio**2, half]) / u_v[node] ** 2
    g = np.concatenate([bus[own, GS] * 1e6, np.zeros(2 * len(half))]) / u_v[node] ** 2
    return ShuntTable(np.array([f"shunt {k + 1}" for k in range(len(node))], dtype=np.str_), node.astype(np.int64), g, b)
