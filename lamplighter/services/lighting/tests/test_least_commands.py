# SPDX-License-Identifier: Apache-2.0
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from lamplighter.services.lighting.commands import group, lighting, programmes
from lamplighter.services.lighting.commands.night import _found, _plain, _sums, quarters
from lamplighter.services.lighting.optimum import night
from lamplighter.services.lighting.optimum.least import Missed
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
    # What is asked by the clock a clock does best; a driver that knows only its own night gives what any night asks for.
    assert kwh["segments_kwh"] <= kwh["cabinet_kwh"] * (1 + 1e-4) <= kwh["ripple_kwh"] * (1 + 1e-3)
    assert kwh["segments_kwh"] <= kwh["driver_kwh"] * (1 + 1e-4) <= kwh["full_kwh"]
    assert found.certified.gap_ratio() <= 0.005
    rows = programmes.driver_rows(small.layout, small.city, found.by_way["driver"])
    file = tmp_path / "programme.csv"
    programmes.write(file, "--programme", programmes.PROGRAMME_COLUMNS, rows)
    read = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert sum(int(row["lamps"]) for row in read) == int(small.layout.segments.lamps.sum())
    assert all(1 <= row["steps_from_middle_of_night"].count(" h ") <= 5 for row in read)
    assert sorted(" ".join(row["segments"] for row in read).split()) == sorted(small.city.tables["segments"]["id"].tolist())
    assert len({row["programme"] for row in read}) == len(read)
    json.dumps(_plain(found))


def test_clocks_are_set_in_local_time_and_never_below_what_the_class_asks(small: Small) -> None:
    volume = quarters("0:00=-1,6:00=1,20:00=0,22:00=-1")
    found = _found(small.city, small.layout, volume, 2026, 5)
    table = small.city.tables["segments"]
    rows = programmes.clock_rows(small.layout, small.city, found.by_way)
    for way, switches in (("cabinet", set(table["cabinet"].tolist())), ("ripple", {"all"})):
        mine = [row for row in rows if row[0] == way]
        assert {row[1] for row in mine} == switches
        assert max(row[2] for row in mine) <= 5
        given = np.zeros((len(table["id"]), 96))
        for _, _, step, clock, segment, _, percent in mine:
            begin = (int(clock[:2]) * 4 + int(clock[3:]) // 15 - 48) % 96
            assert (begin == 0) == (step == 1)
            given[int(np.flatnonzero(table["id"] == segment)[0]), begin:] = percent / 100.0
        lower = night.relaxed(small.layout, volume)
        asked = programmes.evening(np.take_along_axis(small.layout.class_share, lower, axis=1))
        dark = np.arange(96)[None, :] // 4 + 12  # hours from noon: at 20 to 4 o'clock lamps burn somewhere in the year
        burning = np.broadcast_to((dark >= 20) & (dark < 28), asked.shape)
        assert (given >= asked - 0.01)[burning].all()


def test_every_field_out_of_reach_is_told_with_its_reason(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _found(small.city, small.layout, quarters("0:00=1"), 2026, 5)
    missed = tuple((k % 3, 0, Missed(0, "overall uniformity", 0.31, 0.4)) for k in range(14))
    told = replace(found, certified=replace(found.certified, missed=missed))
    monkeypatch.setattr(sys.modules[_found.__module__], "_found", lambda *_: told)
    monkeypatch.setattr(group, "opened_city", lambda _: (tmp_path, small.city))
    out, times = tmp_path / "night.json", tmp_path / "times.csv"
    done = CliRunner().invoke(lighting, ["night", "--city", "small", "--json", str(out), "--timetables", str(times)])
    assert done.exit_code == 0, done.output
    assert "4 more are out of reach" in " ".join(done.output.split())
    listed = json.loads(out.read_text())["out_of_reach"]
    assert len(listed) == 14
    assert (listed[0]["criterion"], listed[0]["limit"]) == ("overall uniformity", 0.4)
    assert listed[0]["segment"]
    assert times.read_text().startswith(",".join(programmes.TIMETABLE_COLUMNS))
