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
