# SPDX-License-Identifier: Apache-2.0
"""Any grid in, the same power flow out: case files, pandapower, power-grid-model; and all faults told at once."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandapower as pp  # pyright: ignore[reportMissingTypeStubs] - it ships none
import power_grid_model as pgm
import pytest
from power_grid_model.utils import json_deserialize_from_file

from lamplighter.services.grid.network.check import faults_of
from lamplighter.services.grid.network.drawing import picture_of, svg_of
from lamplighter.services.grid.network.flow import demands, open_flow, solve
from lamplighter.services.grid.network.model import GridError, read_grid
from lamplighter.services.grid.network.readers import load_grid, network_of
from lamplighter.services.grid.network.readers.pandapower import simbench_code
from lamplighter.services.grid.network.tables import COUPLER, Network, SwitchTable
from lamplighter.services.grid.network.topology import feeders, fused, reach
from lamplighter.services.grid.network.writers import pandapower_json, pgm_json
from lamplighter.services.grid.tests.small import small_city

# A source, 1 km of cable, a node; ohms and kW that the case itself turns into per unit and MW, as MATPOWER's do.
CASE = """function mpc = two
mpc.version = '2';
mpc.baseMVA = 10;   %% MVA
mpc.bus = [  %% one row per bus
  1 3 0 0 0 0 1 1 0 0.4 1 1.1 0.9;
  2 1 60 15 0 0 1 1 0 0.4 1 1.1 0.9;
];
mpc.gen = [ 1 0 0 10 -10 1.0 100 1 10 0 0 0 0 0 0 0 0 0 0 0 0; ];
mpc.branch = [
  1 2 0.2 0.08 0 0 0 0 0 0 1 -360 360;
  1 2 0.2 0.08 0 0 0 0 0 0 0 -360 360;
];
Vbase = mpc.bus(1, BASE_KV) * 1e3;
Sbase = mpc.baseMVA * 1e6;
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def voltages(network: Network) -> np.ndarray:
    """Return the voltages (n,) at the file's own powers."""
    p, q = demands(network)
    return solve(open_flow(network), p[None], q[None], "newton_raphson").u_pu[0]


def closed_form(p_kw: float, q_kvar: float) -> float:
    """Return the voltage behind 0.2 + 0.08j ohm at 400 V: u^4 + (2 (rp + xq) - 1) u^2 + (r^2 + x^2)(p^2 + q^2) = 0."""
    r, x = 0.2 * 1e3 / 400.0**2, 0.08 * 1e3 / 400.0**2
    half = 0.5 - (r * p_kw + x * q_kvar)
    return float(np.sqrt(half + np.sqrt(half**2 - (r**2 + x**2) * (p_kw**2 + q_kvar**2))))


def test_a_case_file_and_its_json_forms_meet_the_closed_form(tmp_path: Path) -> None:
    """The same two nodes as .m, as matrices in JSON, and as PowerModels' dictionaries."""
    (tmp_path / "two.m").write_text(CASE)
    matrices = {
        "baseMVA": 10.0,
        "bus": [[1, 3, 0, 0, 0, 0, 1, 1, 0, 0.4, 1, 1.1, 0.9], [2, 1, 0.06, 0.015, 0, 0, 1, 1, 0, 0.4, 1, 1.1, 0.9]],
        "gen": [[1, 0, 0, 10, -10, 1.0, 100, 1]], "branch": [[1, 2, 12.5, 5.0, 0, 0, 0, 0, 0, 0, 1]],
    }  # fmt: skip
    models = {
        "baseMVA": 10.0, "per_unit": True,
        "bus": {"1": {"bus_i": 1, "bus_type": 3, "base_kv": 0.4}, "2": {"bus_i": 2, "bus_type": 1, "base_kv": 0.4}},
        "load": {"1": {"load_bus": 2, "pd": 0.006, "qd": 0.0015}},
        "branch": {"1": {"index": 1, "f_bus": 1, "t_bus": 2, "br_r": 12.5, "br_x": 5.0}},
        "gen": {"1": {"gen_bus": 1, "pg": 0.0, "qg": 0.0, "vg": 1.0}},
    }  # fmt: skip
    (tmp_path / "matrices.json").write_text(json.dumps(matrices))
    (tmp_path / "models.json").write_text(json.dumps(models))
    expected = closed_form(60.0, 15.0)
    for name in ("two.m", "matrices.json", "models.json"):
        assert voltages(load_grid(str(tmp_path / name)))[1] == pytest.approx(expected, abs=1e-8), name
    assert load_grid(str(tmp_path / "two.m")).lines.in_service.tolist() == [True, False]


@pytest.mark.parametrize("kind", ["pandapower", "pgm"])
def test_what_is_written_gives_the_same_power_flow(kind: str, tmp_path: Path) -> None:
    """A city's grid there and back, within a millionth; and the other program itself, within a millionth too."""
    network = network_of(read_grid(small_city().tables), "small")
    before = voltages(network)
    file = tmp_path / "grid.json"
    file.write_text(pandapower_json(network) if kind == "pandapower" else pgm_json(network))
    again = load_grid(str(file))
    many = len(before)
    assert again.nodes.id[:many].tolist() == network.nodes.id.tolist()
    np.testing.assert_allclose(voltages(again)[:many], before, atol=1e-6)
    if kind == "pandapower":
        net: Any = pp.from_json(str(file))
        pp.runpp(net, trafo_model="pi", lightsim2grid=False, numba=False, calculate_voltage_angles=False)
        np.testing.assert_allclose(net.res_bus.vm_pu.to_numpy()[:many], before, atol=1e-6)
    else:
        model = pgm.PowerGridModel(json_deserialize_from_file(file))
        np.testing.assert_allclose(model.calculate_power_flow()[pgm.ComponentType.node]["u_pu"], before, atol=1e-6)
        np.testing.assert_array_equal(again.loads.connections_count, network.loads.connections_count)


def test_all_faults_come_back_at_once() -> None:
    """A voltage in kV, a rating in kA, a copper loss in W and a load in W: four sentences, each with its remedy."""
    network = network_of(read_grid(small_city().tables), "small")
    u, i, pk, p = (
        column.copy() for column in (network.nodes.u_rated_v, network.lines.i_n_a, network.transformers.pk_kw, network.loads.p_kw)
    )
    u[-1], i[0], pk[0], p[0] = 0.4, 0.27, 4600.0, 9e8
    broken = replace(
        network, nodes=replace(network.nodes, u_rated_v=u), lines=replace(network.lines, i_n_a=i),
        transformers=replace(network.transformers, pk_kw=pk), loads=replace(network.loads, p_kw=p),
    )  # fmt: skip
    told = "\n".join(faults_of(broken))
    for part in ("is it in kV?", "is it in kA", "is pk_kw in W?", "is it in W?"):
        assert part in told
    assert faults_of(network) == ()


def test_a_closed_coupler_makes_one_node_and_an_open_one_two() -> None:
    """Two parts joined by a coupler: together under voltage, apart not."""
    network = network_of(read_grid(small_city().tables), "small")
    end = int(np.flatnonzero(reach(network).energised)[-1])
    for closed, more in ((True, 1), (False, 0)):
        switches = SwitchTable(
            np.array(["K"]), np.array([COUPLER]), np.array([-1]), np.array([end]), np.array([end - 1]), np.array([closed])
        )
        small, at = fused(replace(network, switches=switches))
        assert len(small.nodes.id) == len(network.nodes.id) - more
        assert (at[end] == at[end - 1]) == closed


def test_feeders_end_where_the_cable_is_longest() -> None:
    """As many feeders as branches leave the busbars; each end belongs to its feeder."""
    network = network_of(read_grid(small_city().tables), "small")
    tree = feeders(network)
    assert len(tree.station_busbar) == len(network.transformers.id)
    np.testing.assert_array_equal(tree.node_feeder[tree.feeder_end], np.arange(len(tree.feeder_end)))


def test_wrong_files_and_codes_are_told(tmp_path: Path) -> None:
    """A file that is not there, JSON of another kind, a statement that is not understood."""
    for name, text, said in (
        ("other.json", "{}", "none of pandapower's"),
        ("odd.m", CASE + "mpc.branch(:, RATE_A) = mpc.branch(:, RATE_A) * rand;\n", "is not understood"),
        ("gone.json", None, "there is no such file"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(GridError, match=said):
            load_grid(str(tmp_path / name))
    assert simbench_code("urban6") == "1-LV-urban6--0-sw"
    assert simbench_code("1-MVLV-urban-all") == "1-MVLV-urban-all-0-sw"


def test_a_drawing_is_well_formed_and_has_axes() -> None:
    """The picture parses as XML, names its axes, and draws every branch and node."""
    network = network_of(read_grid(small_city().tables), "small <&>")
    root = ElementTree.fromstring(
        svg_of(
            picture_of(
                network, voltages(network), np.linspace(0, 1.4, len(network.lines.id) + len(network.transformers.id)), "told"
            )
        )
    )
    name = "{http://www.w3.org/2000/svg}"
    texts = {text.text for text in root.iter(f"{name}text")}
    assert {"longitude, degrees", "latitude, degrees", "small <&>"} <= texts
    assert len(list(root.iter(f"{name}line"))) == len(network.lines.id) + len(network.transformers.id)


def test_a_net_of_pandapower_without_ratings_is_read_as_having_none(tmp_path: Path) -> None:
    """case33bw states 99999 kA, which is its word for no rating; where a rating stands it is kept."""
    net: Any = import_module("pandapower.networks").case33bw()
    net.line.loc[net.line.index[0], "max_i_ka"] = 0.4
    pp.to_json(net, str(tmp_path / "case33bw.json"))
    network = load_grid(str(tmp_path / "case33bw.json"))
    assert network.lines.i_n_a[0] == pytest.approx(400.0)
    assert not np.isfinite(network.lines.i_n_a[1:]).any()
    pp.runpp(net, lightsim2grid=False, numba=False)
    np.testing.assert_allclose(voltages(network), net.res_bus.vm_pu.to_numpy(), atol=1e-6)


def test_tables_that_do_not_fit_together_are_told_with_row_and_remedy(tmp_path: Path) -> None:
    """A line at a bus that is not there, text for a number, a matrix of text: each is named, none is read."""
    net: Any = import_module("pandapower.networks").case33bw()
    net.line.loc[net.line.index[3], "to_bus"] = 9999
    pp.to_json(net, str(tmp_path / "nowhere.json"))
    with pytest.raises(GridError, match=r"line 3 \(to_bus 9999\): there is no such bus"):
        load_grid(str(tmp_path / "nowhere.json"))
    pp.to_json(import_module("pandapower.networks").case33bw(), str(tmp_path / "sound.json"))
    whole = json.loads((tmp_path / "sound.json").read_text())
    loads = json.loads(whole["_object"]["load"]["_object"])
    loads["data"][0][loads["columns"].index("p_mw")] = "much"
    whole["_object"]["load"]["_object"] = json.dumps(loads)
    (tmp_path / "text.json").write_text(json.dumps(whole))
    with pytest.raises(GridError, match="'much'"):
        load_grid(str(tmp_path / "text.json"))
    (tmp_path / "matrix.json").write_text(json.dumps({"bus": "x", "branch": [], "gen": [], "baseMVA": 1}))
    with pytest.raises(GridError, match="not of numbers alone"):
        load_grid(str(tmp_path / "matrix.json"))
