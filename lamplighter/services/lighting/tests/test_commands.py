# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamplighter.services.lighting.commands import lighting

ROAD = ["--spacing", "30", "--width", "7", "--lanes", "2", "--height", "8"]


def test_check_prints_the_figures_and_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    done = CliRunner().invoke(lighting, ["check", "--photometry", "street:6000", *ROAD, "--json", str(file)])
    assert done.exit_code == 0, done.output
    assert "best M class" in done.output
    found = json.loads(file.read_text())
    assert found["classes"]["M"] == "M3"
    assert found["luminaire"]["flux_lm"] == pytest.approx(6000.0)
    assert found["figures"]["luminance_cd_m2"] > 1.0
    assert set(found["upright_classes"]) == {"EV", "ESC"}
    assert "best P class by its EV alone" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--photometry", "none.ies", *ROAD], "cannot be read"),
        (["--photometry", "street:many", *ROAD], "lumens"),
        (["--photometry", "street:5000", *ROAD, "--surface", "R9"], "known are"),
        (["--photometry", "street:5000", *ROAD, "--maintenance", "0"], "maintenance factor"),
        (["--photometry", "street:5000", *ROAD, "--height", "900"], "height_m"),
        (["--photometry", "street:5000", *ROAD, "--json", "/nowhere/at/all"], "cannot be written"),
    ],
)
def test_mistakes_are_told_without_a_traceback(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(lighting, ["check", *arguments])
    assert done.exit_code == 2
    assert said in done.output


def test_the_flux_by_quarter_shows_a_wrong_turn(shared_data: Path) -> None:
    file = str(next((shared_data / "photometry").glob("ITALO*")))
    right = CliRunner().invoke(lighting, ["check", "--photometry", file, *ROAD])
    wrong = CliRunner().invoke(lighting, ["check", "--photometry", file, *ROAD, "--no-turn"])
    assert "may be turned" not in " ".join(right.output.split())
    assert "may be turned" in " ".join(wrong.output.split())


def test_compare_sets_a_measured_grid_beside_the_computed(tmp_path: Path) -> None:
    grid, out = tmp_path / "grid.csv", tmp_path / "out.json"
    grid.write_text("x_m,y_m,illuminance_lx\n" + "\n".join(f"{x},{y},10" for x in (3, 15, 27) for y in (1, 6)))
    asked = ["compare", "--photometry", "street:6000", *ROAD, "--measured", str(grid), "--json", str(out)]
    done = CliRunner().invoke(lighting, asked)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["points"] == 6
    assert found["points_of_the_standard"] == 50
    assert "6 points were measured where the grid of the standard has 50" in " ".join(done.output.split())
    # 10 lx everywhere: C4 asks for 10 and an even tenth; P2 asks for 10 with 2 at least, and P1 for 15.
    assert found["classes"] == {"as_measured": {"C": "C4", "P": "P2"}, "at_the_lower_end": {"C": "C5", "P": "P3"}}
    assert found["mean_ratio"] == pytest.approx(found["computed"]["mean"] / 10.0)
    wrong = CliRunner().invoke(lighting, [*asked[:-2], "--lane", "3"])
    assert wrong.exit_code == 2
    assert "lanes 1 to 2" in wrong.output


def test_a_measured_luminance_grid_is_judged_by_what_it_holds(tmp_path: Path) -> None:
    grid, out = tmp_path / "grid.csv", tmp_path / "out.json"
    rows = [f"{x},{y},{0.8 if x == 15 else 1.2}" for x in (3, 15, 27) for y in (1, 6)]
    grid.write_text("x_m,y_m,luminance_cd_m2\n" + "\n".join(rows))
    asked = ["compare", "--photometry", "street:6000", *ROAD, "--measured", str(grid), "--json", str(out), "--uncertainty", "10"]
    done = CliRunner().invoke(lighting, asked)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["classes"] == {"as_measured": {"M": "M3"}, "at_the_lower_end": {"M": "M4"}}
    assert "Lav and Uo alone" in " ".join(done.output.split())
    wrong = CliRunner().invoke(lighting, [*asked[:-1], "90"])
    assert wrong.exit_code == 2
    assert "0 to below 50" in wrong.output


def test_curve_lights_a_bend_and_names_what_is_wrong(tmp_path: Path) -> None:
    lamps, axis, out = tmp_path / "lamps.csv", tmp_path / "axis.csv", tmp_path / "out.json"
    lamps.write_text("x_m,y_m,height_m,facing_deg,tilt_deg\n0,-4,6,90,0\n20,0,6,120,0\n")
    axis.write_text("x_m,y_m\n0,0\n10,1\n20,4\n")
    asked = ["curve", "--photometry", "path:3000", "--lamps", str(lamps), "--axis", str(axis), "--width", "5"]
    done = CliRunner().invoke(lighting, [*asked, "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert 0.0 < json.loads(out.read_text())["Emin"] < json.loads(out.read_text())["Eav"]
    lamps.write_text("x_m,y_m,height_m,facing_deg,tilt_deg\n0,-4,900,90,0\n")
    done = CliRunner().invoke(lighting, asked)
    assert done.exit_code == 2
    assert "line 2: height_m is 900" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--wet", "R3"], "not a wet surface"),
        (["--profile", "9000:1"], "a year has"),
        (["--profile", "half"], "numbers are needed"),
        (["--standby", "-1"], "0 to 1000 W"),
    ],
)
def test_energy_and_wet_road_are_asked_with_sense(more: list[str], said: str) -> None:
    done = CliRunner().invoke(lighting, ["check", "--photometry", "street:6000", *ROAD, *more])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_a_wet_road_that_is_uneven_takes_the_m_class_away(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    asked = ["check", "--photometry", "street:6000", *ROAD, "--wet", "c2w4", "--json", str(file)]
    assert CliRunner().invoke(lighting, asked).exit_code == 0
    found = json.loads(file.read_text())
    assert (found["classes"]["M"] is None) == (found["Uow"] < 0.15)
    assert found["L"] == found["figures"]["luminance_cd_m2"]
    assert found["interval"]["luminance_cd_m2"][0] < found["L"] < found["interval"]["luminance_cd_m2"][1]
