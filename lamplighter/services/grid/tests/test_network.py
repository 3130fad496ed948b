# SPDX-License-Identifier: Apache-2.0
"""The model and its power flow: a closed form, an independent engine, and what is said of a grid that cannot be used."""

from collections.abc import Mapping

import numpy as np
import pandapower as pp  # pyright: ignore[reportMissingTypeStubs] - it ships none
import pytest

from lamplighter.services.grid.network.engine import open_engine, power_flow
from lamplighter.services.grid.network.model import ABSENT, Grid, GridError, read_grid
from lamplighter.services.grid.network.sharing import sums_below
from lamplighter.services.grid.tests.small import small_city
from lamplighter.terms.table import Table


def two_nodes(r_ohm_km: float = 0.2, x_ohm_km: float = 0.08) -> dict[str, Table]:
    """Return a source, one kilometre of low-voltage cable, and a node."""
    text = np.zeros(0, np.str_)
    whole, number = np.zeros(0, np.int64), np.zeros(0)
    names = (
        "id",
        "from_node",
        "to_node",
        "sn_kva",
        "u1_v",
        "u2_v",
        "uk_pu",
        "pk_kw",
        "i0_pu",
        "p0_kw",
        "tap_position",
        "tap_step_v",
    )
    transformers: Table = {name: text if name in ("id", "from_node", "to_node") else number for name in names}
    return {
        "nodes": {
            "id": np.array(["A", "B"]), "station": np.array(["", ""]), "u_rated_v": np.array([400.0, 400.0]),
            "lon_deg": np.zeros(2), "lat_deg": np.zeros(2), "connections": np.array([0, 10]),
            "household_kwh": np.array([0.0, 26000.0]), "commerce_kwh": np.zeros(2), "pv_kw": np.zeros(2),
        },
        "sources": {"id": np.array(["Q"]), "node": np.array(["A"]), "u_ref_pu": np.array([1.0]), "sk_mva": np.array([1e9])},
        "lines": {
            "id": np.array(["L"]), "from_node": np.array(["A"]), "to_node": np.array(["B"]), "type": np.array([""]),
            "length_m": np.array([1000.0]), "r_ohm_km": np.array([r_ohm_km]), "x_ohm_km": np.array([x_ohm_km]),
            "c_nf_km": np.array([0.0]), "i_n_a": np.array([270.0]),
        },
        "transformers": transformers,
        "switches": {"id": text, "line": text, "node": text, "closed": np.zeros(0, np.bool_)},
        "groups": {"id": text, "access": text, "p_point_kw": number, "p_safe_kw": number},
        "group_points": {"group": text, "node": text, "points": whole},
        "meters": {"id": text, "node": text},
        "inverters": {"id": text, "node": text, "sn_kva": np.zeros(0), "q_max_kvar": np.zeros(0)},
    }  # fmt: skip


def test_two_nodes_meet_the_closed_form() -> None:
    """u2^4 + (2(rp+xq) - u1^2) u2^2 + (r^2+x^2)(p^2+q^2) = 0 for a demand p + jq behind r + jx (per unit)."""
    engine = open_engine(read_grid(two_nodes()))
    p_kw, q_kvar = 60.0, 15.0
    flow = power_flow(engine, np.array([[0.0, p_kw]]), np.array([[0.0, q_kvar]]), "newton_raphson")
    base_ohm = 400.0**2 / 1e3
    r, x = 0.2 / base_ohm, 0.08 / base_ohm
    half = 0.5 - (r * p_kw + x * q_kvar)
    expected = np.sqrt(half + np.sqrt(half**2 - (r**2 + x**2) * (p_kw**2 + q_kvar**2)))
    assert flow.u_pu[0, 1] == pytest.approx(expected, abs=1e-7)
    loss_kw = r * (p_kw**2 + q_kvar**2) / expected**2
    assert flow.p_from_kw[0, 0] == pytest.approx(p_kw + loss_kw, abs=1e-4)
    amperes = np.hypot(p_kw, q_kvar) * 1e3 / (np.sqrt(3.0) * expected * 400.0)
    assert flow.loading[0, 0] == pytest.approx(amperes / 270.0, abs=1e-6)


def _in_pandapower(grid: Grid, p_kw: np.ndarray, q_kvar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    net = pp.create_empty_network()
    nodes, branches, tables = grid.nodes, grid.branches, grid.tables
    for k in range(len(nodes.id)):
        pp.create_bus(net, nodes.u_rated_v[k] / 1e3)
        if p_kw[k] or q_kvar[k]:
            pp.create_load(net, k, p_kw[k] / 1e3, q_kvar[k] / 1e3)
    for node, u_pu in zip(grid.source_node, grid.source_u_pu, strict=True):
        pp.create_ext_grid(net, int(node), vm_pu=float(u_pu))
    lines, t = tables["lines"], tables["transformers"]
    for k in range(branches.lines):
        row = {name: float(lines[name][k]) for name in ("length_m", "r_ohm_km", "x_ohm_km", "c_nf_km", "i_n_a")}
        pp.create_line_from_parameters(
            net, int(branches.from_node[k]), int(branches.to_node[k]), row["length_m"] / 1e3, row["r_ohm_km"], row["x_ohm_km"],
            row["c_nf_km"], row["i_n_a"] / 1e3, in_service=bool(branches.closed_from[k] and branches.closed_to[k]),
        )  # fmt: skip
    for k in range(len(grid.station_id)):
        b = branches.lines + k
        pp.create_transformer_from_parameters(
            net, int(branches.from_node[b]), int(branches.to_node[b]), t["sn_kva"][k] / 1e3, t["u1_v"][k] / 1e3,
            t["u2_v"][k] / 1e3,
            vkr_percent=100 * t["pk_kw"][k] / t["sn_kva"][k], vk_percent=100 * t["uk_pu"][k], pfe_kw=t["p0_kw"][k],
            i0_percent=100 * t["i0_pu"][k], shift_degree=0, tap_side="hv", tap_neutral=0, tap_pos=int(t["tap_position"][k]),
            tap_min=-20, tap_max=20, tap_step_percent=100 * t["tap_step_v"][k] / t["u1_v"][k], tap_changer_type="Ratio",
        )  # fmt: skip
    pp.runpp(net, trafo_model="pi", lightsim2grid=False, numba=False)
    return net.res_bus.vm_pu.to_numpy(), net.res_trafo.loading_percent.to_numpy() / 100.0


def test_power_flow_agrees_with_pandapower() -> None:
    """Same grid, same demands, an engine we did not choose: voltages to a hundred-thousandth."""
    grid = read_grid(small_city().tables)
    dice = np.random.default_rng(4)
    p = grid.nodes.connections_count * dice.uniform(0.3, 1.2, len(grid.nodes.id))
    tables = dict(grid.tables)
    tables["sources"] = {**tables["sources"], "sk_mva": np.full(len(grid.source_node), 1e9)}
    grid = read_grid(tables)
    for method in ("iterative_current", "newton_raphson"):
        flow = power_flow(open_engine(grid), p[None], (0.2 * p)[None], method)  # pyright: ignore[reportArgumentType] - both are allowed
        u, loading = _in_pandapower(grid, p, 0.2 * p)
        np.testing.assert_allclose(flow.u_pu[0], u, atol=1e-5)
        np.testing.assert_allclose(flow.loading[0, grid.branches.lines :], loading, rtol=0.02)


def test_tree_sums_are_the_power_flow_within_losses() -> None:
    """What the tree says a transformer carries, and what the engine says, differ by the losses below and no more."""
    grid = read_grid(small_city().tables)
    p = grid.nodes.connections_count * 0.6
    flow = power_flow(open_engine(grid), p[None], np.zeros((1, len(p))), "newton_raphson")
    sums = sums_below(grid.tree.parent, p[grid.tree.node])
    busbar = grid.tree.row[grid.station_busbar]
    carried = -flow.p_to_kw[0, grid.station_branch]
    loss = carried - sums[busbar]
    low = np.flatnonzero(grid.nodes.u_rated_v[grid.branches.to_node[: grid.branches.lines]] < 1000.0)
    total = float((flow.p_from_kw[0, low] + flow.p_to_kw[0, low]).sum())
    assert (loss > 0).all()
    assert float(loss.sum()) == pytest.approx(total, rel=1e-6)


def test_a_cut_off_node_is_absent_from_the_tree() -> None:
    """An open switch at the only cable leaves the node without a row, and the engine without voltage there."""
    tables = two_nodes()
    tables["switches"] = {"id": np.array(["S"]), "line": np.array(["L"]), "node": np.array(["B"]), "closed": np.array([False])}
    grid = read_grid(tables)
    assert grid.tree.row[1] == ABSENT
    assert power_flow(open_engine(grid), np.zeros((1, 2)), np.zeros((1, 2))).energised[0].tolist() == [1.0, 0.0]


def _with(tables: Mapping[str, Table], table: str, **columns: np.ndarray) -> dict[str, Table]:
    return {**tables, table: {**tables[table], **columns}}


def test_a_ring_is_refused_with_its_line_and_the_remedy() -> None:
    """Two cables side by side are a ring: the message names one and says what to do."""
    tables = two_nodes()
    twice = {name: np.concatenate([column, column]) for name, column in tables["lines"].items()}
    twice["id"] = np.array(["L", "M"])
    with pytest.raises(GridError, match=r"ring through M.*Open a switch"):
        read_grid({**tables, "lines": twice})


def test_every_wrong_name_is_told_at_once() -> None:
    """Two faults in two tables come back together, with file and line."""
    tables = _with(two_nodes(), "lines", to_node=np.array(["C"]))
    tables = _with(tables, "sources", node=np.array(["Z"]))
    with pytest.raises(GridError) as told:
        read_grid(tables)
    assert "grid/lines.csv:2: to_node is 'C'" in str(told.value)
    assert "grid/sources.csv:2: node is 'Z'" in str(told.value)
