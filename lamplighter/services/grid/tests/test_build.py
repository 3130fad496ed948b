# SPDX-License-Identifier: Apache-2.0
"""The grid that is built: sound today, the same for the same seed, and anybody's own by import."""

from pathlib import Path

import numpy as np
import pandapower as pp  # pyright: ignore[reportMissingTypeStubs] - it ships none
import pandapower.networks as nets  # pyright: ignore[reportMissingTypeStubs] - it ships none
import pytest

from lamplighter.services.grid.build import build
from lamplighter.services.grid.network.engine import open_engine, power_flow
from lamplighter.services.grid.network.model import GridError, read_grid
from lamplighter.services.grid.network.safe import design_kw
from lamplighter.services.grid.terms import TABLES, Settings
from lamplighter.services.grid.tests.small import Evening, city_of, context, small_city


def test_the_grid_is_sound_today_and_short_tomorrow() -> None:
    """Homes and shops alone fill no branch above 80 %; a quarter of the cars' points on top overload some."""
    grid = read_grid(small_city().tables)
    today = design_kw(grid)
    groups = grid.groups
    full = np.bincount(
        groups.point_node, weights=groups.point_count * groups.p_point_kw[groups.point_group], minlength=len(today)
    )
    power = np.stack([today, today + 0.25 * full])
    flow = power_flow(open_engine(grid), power, 0.2 * power)
    assert flow.loading[0].max() < 0.8
    assert flow.u_pu[0].min() > 0.95
    assert flow.loading[1].max() > 1.0


def test_permanent_maxima_bear_the_worst_evening() -> None:
    """Every group at its permanent maximum on the evening the classes draw most: nothing above its rating."""
    grid = read_grid(small_city().tables)
    groups = grid.groups
    share = groups.p_safe_kw / np.maximum(groups.points_count * groups.p_point_kw, 1.0)
    weights = groups.point_count * groups.p_point_kw[groups.point_group] * share[groups.point_group]
    power = design_kw(grid) + np.bincount(groups.point_node, weights=weights, minlength=len(grid.nodes.id))
    flow = power_flow(open_engine(grid), power[None], 0.2 * design_kw(grid)[None])
    assert flow.loading[0].max() < 1.0
    assert flow.u_pu[0].min() > 0.92


def test_the_same_seed_builds_the_same_grid() -> None:
    """Tables equal to the last character; another seed differs."""
    one, two, other = (build(context(seed)) for seed in (3, 3, 4))
    for spec in TABLES:
        for name in one.tables[spec.name]:
            np.testing.assert_array_equal(one.tables[spec.name][name], two.tables[spec.name][name])
    assert one.tables["nodes"]["connections"].tolist() != other.tables["nodes"]["connections"].tolist()


def test_twenty_kilovolts_work_too() -> None:
    """The other usual medium voltage, with its own transformers."""
    built = build(context(1, Settings(medium_voltage_kv=20.0)))
    assert set(built.tables["transformers"]["u1_v"].tolist()) == {20_000.0}
    with pytest.raises(ValueError, match="allowed is 10 or 20"):
        Settings(medium_voltage_kv=15.0)


def test_anybodys_grid_is_imported_and_run(tmp_path: Path) -> None:
    """A published medium-voltage grid (CIGRE) from a pandapower file: stations for its loads, run for three minutes."""
    pp.to_json(nets.create_cigre_network_mv(), str(tmp_path / "grid.json"))
    built = build(context(source={"grid": "grid.json"}, folder=tmp_path))
    assert any("stretched onto the bounding box" in line or "laid along" in line for line in built.report)
    run = Evening(city_of(built), "adaptive").minutes(3)
    assert run.truth["charging_kwh"] > 0


def test_a_low_voltage_grid_keeps_its_switches_and_ratings(tmp_path: Path) -> None:
    """Kerber's village grid: lines, transformer and voltages as pandapower itself solves them."""
    net = nets.create_kerber_landnetz_kabel_1()
    net.load["q_mvar"] = 0.0
    pp.runpp(net, trafo_model="pi", lightsim2grid=False, numba=False)
    pp.to_json(net, str(tmp_path / "grid.json"))
    grid = read_grid(build(context(source={"grid": "grid.json"}, folder=tmp_path)).tables)
    assert grid.branches.lines == len(net.line)
    power = np.zeros(len(grid.nodes.id))
    for bus, p_mw in zip(net.load.bus, net.load.p_mw, strict=True):
        power[int(np.flatnonzero(grid.nodes.id == f"N{bus:05d}")[0])] += 1000.0 * p_mw
    flow = power_flow(open_engine(grid), power[None], np.zeros((1, len(power))), "newton_raphson")
    for bus, u_pu in net.res_bus.vm_pu.items():
        at = np.flatnonzero(grid.nodes.id == f"N{bus:05d}")
        assert flow.u_pu[0, at[0]] == pytest.approx(float(u_pu), abs=2e-3)


def test_a_file_that_is_no_grid_is_told_with_the_remedy(tmp_path: Path) -> None:
    """Truncated JSON: what it is, what is allowed, what to do, and that nothing was built."""
    (tmp_path / "grid.json").write_text('{"bus": [', encoding="utf-8")
    with pytest.raises(GridError, match=r"cannot be read.*Allowed is a pandapower JSON file.*Nothing was built"):
        build(context(source={"grid": "grid.json"}, folder=tmp_path))
