# SPDX-License-Identifier: Apache-2.0
"""Tables of any kind in place of counts, registers, ledgers and measured grids: told in a sentence, never read as figures."""

from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from lamplighter.services.lighting.commands import group, lighting
from lamplighter.services.lighting.commands.faults import LAMP_COLUMNS, _rows
from lamplighter.services.lighting.commands.timetable import _past
from lamplighter.services.lighting.tests.small import Small

ROAD = ["--photometry", "street:6000", "--spacing", "30", "--width", "7", "--lanes", "2", "--height", "8"]
DESIGN = ["design", "--width", "7", "--lanes", "2", "--class", "M4"]


@pytest.mark.parametrize(
    "raw", ["a,b\n1,2\n".encode("utf-16"), b"a,b\n\xe4,1\n", bytes(range(256)) * 40, b"a,b\n" + b"9" * 200_000]
)
def test_what_is_no_table_is_told_with_its_option_and_file(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(raw)
    with pytest.raises(click.UsageError, match=r"--counts .*odd\.csv: no CSV text in UTF-8 .{1,200}; save it"), \
            group.csv_of("--counts", file) as reader:  # fmt: skip
        list(reader)
    with pytest.raises(click.UsageError, match="cannot be read"), group.csv_of("--counts", tmp_path):
        pass


def test_a_table_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "marked.csv"
    file.write_bytes("lamp,energy_kwh\nl1,2\n".encode("utf-8-sig"))
    with group.csv_of("--lamps", file) as reader:
        assert list(reader) == [{"lamp": "l1", "energy_kwh": "2"}]


@pytest.mark.parametrize("figures", ["nan,1,1", "1,-1,1", "1,1,inf", "1e300,1,1", "1,1", "x,1,1"])
def test_registers_hold_figures_that_a_day_can_have(figures: str, tmp_path: Path) -> None:
    file = tmp_path / "lamps.csv"
    file.write_text(f"{','.join(LAMP_COLUMNS)}\nl1,{figures}\n")
    with pytest.raises(click.UsageError, match="line 2: numbers from 0 to"):
        _rows("--lamps", file, LAMP_COLUMNS, np.array(["l1"]))


@pytest.mark.parametrize("row", ["900,a,nan", "900,a,-1", "900,a,inf", "901,a,3", "-900,a,3", f"{900 * 10**15},a,3"])
def test_counts_are_of_quarter_hours_and_of_flows_that_a_street_can_have(row: str, small: Small, tmp_path: Path) -> None:
    file = tmp_path / "counts.csv"
    file.write_text(f"time_s,street,flow_veh_h\n{row}\n")
    with pytest.raises(click.UsageError, match="line 2: a quarter-hour"):
        _past(file, small.city, small.layout)


@pytest.mark.parametrize("row", ["1e9,1,5", "1,nan,5", "1,1,1e308", "1,1,-2", "1,1"])
def test_measured_points_lie_at_the_road_and_are_light(row: str, tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    file.write_text(f"x_m,y_m,illuminance_lx\n1,1,5\n2,1,5\n3,1,5\n{row}\n")
    done = CliRunner().invoke(lighting, ["compare", *ROAD, "--measured", str(file)])
    assert done.exit_code == 2
    assert "line 5" in done.output
    assert "are needed" in done.output


def test_a_measured_grid_in_no_class_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("x_m,y_m,illuminance_lx\n1,1,0.1\n2,1,5\n3,1,5\n")
    done = CliRunner().invoke(lighting, ["compare", *ROAD, "--measured", str(file)])
    assert "as measured: no C class and no P class; with" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plot", *ROAD], "Missing option '--out'"),
        (["check", *ROAD, "--hours", "-1"], "period of -1 h at power share 1"),
        (["check", *ROAD, "--hours", "nan"], "hours must not be negative"),
        ([*DESIGN, "--spacing", "3:200:0.001"], "more than 10000 numbers"),
        ([*DESIGN, "--spacing", "3:200:0"], "numbers are needed"),
    ],
)
def test_options_that_cannot_be_are_told_in_plain_words(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(lighting, arguments)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())


@pytest.mark.parametrize("kind", ["M4", "P4"])
def test_a_street_too_long_for_one_programme_is_refused_before_memory_is_taken(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "lamps.csv"
    file.write_text("x_m,y_m,side\n" + "".join(f"{20 * k},0,1\n" for k in range(3000)))
    asked = ["least", "--photometry", "street:6000", "--lamps", str(file), "--length", "60000", "--width", "7", "--lanes", "2"]
    done = CliRunner().invoke(lighting, [*asked, "--height", "8", "--class", kind])
    assert done.exit_code == 2
    assert "3000 lamps make a programme of" in done.output
    assert "compute the street in parts" in done.output
