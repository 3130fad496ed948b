# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from lamplighter.services.lighting.commands import lighting
from lamplighter.services.lighting.commands.night import _found, _sums, _write, quarters
from lamplighter.services.lighting.tests.small import Small

STREET = ["--length", "120", "--width", "7", "--lanes", "2", "--height", "8", "--class", "M4"]


def lamps_file(folder: Path, rows: str = "0,0,1\n31,0,1\n60,0,1\n91,0,1\n") -> str:
    file = folder / "lamps.csv"
    file.write_text("x_m,y_m,side\n" + rows)
    return str(file)


def test_least_finds_and_proves_the_power_of_a_street(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    asked = ["least", "--photometry", "street:9000", "--lamps", lamps_file(tmp_path), *STREET, "--json", str(out)]
    done = CliRunner().invoke(lighting, asked)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["each"]["reached"]
    assert found["each"]["gap_ratio"] <= 0.005
    assert found["each"]["power_w"] <= found["alike"]["power_w"] < found["full_w"]
    assert len(found["each"]["dimming_level"]) == 4


def test_least_names_what_a_dead_lamp_makes_impossible(tmp_path: Path) -> None:
    asked = ["least", "--photometry", "street:9000", "--lamps", lamps_file(tmp_path), *STREET, "--dead", "2"]
    done = CliRunner().invoke(lighting, asked)
    assert done.exit_code == 0, done.output
    assert "out of reach" in done.output
    assert "needs 0.6" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        ("0,0,2\n", [], "1 or -1 is needed"),
        ("0,0,1\n130,0,1\n", [], "0 to 120 is its length"),
        ("0,0,1\nx,0,1\n", [], "line 3"),
        ("0,0,1\n", ["--dead", "7"], "lamps 1 to 1"),
        ("0,0,1\n", ["--least-output", "2"], "0 to below 1"),
        ("0,0,1\n", ["--surface", "R9"], "known are"),
    ],
)
def test_mistakes_are_told_without_a_traceback(tmp_path: Path, rows: str, more: list[str], said: str) -> None:
    asked = ["least", "--photometry", "street:9000", "--lamps", lamps_file(tmp_path, rows), *STREET, *more]
    done = CliRunner().invoke(lighting, asked)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_weights_by_the_clock_run_round_the_day() -> None:
    weight = quarters("6:00=1, 20:00=0, 22:30=-1")
    assert weight[[0, 23, 24, 79, 80, 89, 90, 95]].tolist() == [-1, -1, 1, 1, 0, 0, -1, -1]
    for wrong in ("25:00=1", "6:07=1", "6:00=2", "six=1", ""):
        with pytest.raises(click.UsageError, match="quarter-hour"):
            quarters(wrong)


def test_a_citys_nights_are_certified_and_programmed(small: Small, tmp_path: Path) -> None:
    found = _found(small.city, small.layout, quarters("0:00=-1,6:00=1,20:00=0,22:00=-1"), 2026, 5)
    kwh = {key: value for key, _, value in _sums(found)}
    assert kwh["bound_kwh"] <= kwh["segments_kwh"] <= kwh["cells_kwh"] * (1 + 1e-4) <= kwh["full_kwh"]
    assert kwh["bound_kwh"] <= kwh["driver_kwh"] <= kwh["cabinet_kwh"] * (1 + 1e-9) <= kwh["ripple_kwh"] * (1 + 1e-9)
    assert found.certified.gap_ratio() <= 0.005
    file = tmp_path / "programme.csv"
    _write(file, small.city, small.layout, found)
    rows = file.read_text().splitlines()[1:]
    assert sum(int(row.split(",")[1]) for row in rows) == int(small.layout.segments.lamps.sum())
    assert all(1 <= row.count(" h ") <= 5 for row in rows)
    assert np.isfinite([len(made.begin) for _, made in found.by_way["ripple"]]).all()
