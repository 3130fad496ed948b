# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a city folder is told: all of it, where it is, what is allowed, what to do."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from lamplighter.city.check import check
from lamplighter.city.csvfile import read_table, write_table
from lamplighter.city.faults import CityError, Fault
from lamplighter.city.folder import load
from lamplighter.terms.table import ColumnSpec, TableSpec
from tests.city_small import SERVICES, small_city


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sound city, to be copied and never changed."""
    return small_city(tmp_path_factory.mktemp("sound")).folder


@pytest.fixture
def town(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of the sound city that a test may break."""
    return copytree(sound, tmp_path / "town")


Change = Callable[[str], str]


def edit(path: Path, change: Change) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before, "the test meant to break something"
    path.write_text(after, encoding="utf-8")


def swap(old: str, new: str, times: int = 1) -> Change:
    return lambda text: text.replace(old, new, times)


def cells(row: int, **given: str) -> Change:
    """Return a change of cells of a CSV row, counted from 1 (the header is line 1)."""

    def change(text: str) -> str:
        rows = list(csv.reader(io.StringIO(text)))
        for name, value in given.items():
            rows[row - 1][rows[0].index(name)] = value
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        return out.getvalue()

    return change


def test_a_sound_city_has_no_fault(sound: Path) -> None:
    assert check(sound, SERVICES) == ()


def expect(town: Path, where: str, key: str, observed: str, allowed: str, remedy: str) -> None:
    """Hold that one serious fault says all this."""
    told = [fault for fault in check(town, SERVICES) if not fault.warning]
    match = [f for f in told if f.key == key and f.where().startswith(where) and observed in f.observed]
    assert match, "\n".join(map(str, told))
    assert allowed in match[0].allowed
    assert remedy in match[0].remedy


# What is replaced in city.toml and by what; then the key, what was observed, what is allowed, and the remedy.
MANIFEST = {
    "unknown key": ("spacing_m", "spacin_m", "[lamps] spacin_m", "unknown", "spacing_m", "spacing_m"),
    "wrong unit": ("spacing_m = 30.0", "spacing_km = 0.03", "[lamps] spacing_km", "unknown", "spacing_m", "kilometres to metres"),
    "unit in value": ("spacing_m = 30.0", 'spacing_m = "30 m"', "[lamps] spacing_m", "30 m", "a number", "bare number"),
    "wrong type": ("power_w = 60", "power_w = 60.5", "[lamps] power_w", "60.5", "whole number", "kind"),
    "truth as number": ("night = true", "night = 1", "[lamps] night", "1", "true or false", "kind"),
    "not one of": ('"single"', '"double"', "[lamps] arrangement", "double", "single, opposite", "kind"),
    "wrong items": ('"P4", "M5"', "4, 5", "[lamps] classes", "[4, 5]", "a list", "kind"),
    "out of bounds": ("spacing_m = 30.0", "spacing_m = 3e3", "[lamps] spacing_m", "3000", "5.0 to 100.0", "unit"),
    "unknown service": ("[mains]", "[maims]", "[maims]", "unknown", "mains", "Did you mean mains"),
    "no table": ("[mains]\n", "", "mains", "5", "a table", "keys and values"),
    "missing key": ("seed = 7\n", "", "[city] seed", "missing", "whole number", "Add the key"),
    "time zone": ("Europe/Berlin", "Europe/Bärlin", "[city] timezone", "Bärlin", "IANA", "Europe/Berlin"),
    "older format": ("format = 1", "format = 0", "[city] format", "0", "1", "again"),
    "name": ('name = "town"', 'name = "../town"', "[city] name", "../town", "small letters", "title"),
    "origin": ("lat0_deg = 52", "lat0_deg = 152", "[city] lat0_deg", "152", "-90 to 90", "swapped"),
    "broken TOML": ("seed = 7", "seed = = 7", "TOML", "line", "valid TOML", "Mend the line"),
    "no quotes": ('net = "net.xml"', "net = 5", "[source] net", "5", "text", "quotes"),
    "lost routes": ('net = "net.xml"', 'net = "net.xml"\nroutes = "r.xml"', "[source] routes", "r.xml", "file", "import"),
}


@pytest.mark.parametrize("case", MANIFEST.values(), ids=MANIFEST)
def test_a_fault_of_the_manifest_is_told(case: tuple[str, ...], town: Path) -> None:
    old, new, key, observed, allowed, remedy = case
    if key == "mains":
        edit(town / "city.toml", lambda text: "mains = 5\n" + text)
    edit(town / "city.toml", swap(old, new))
    expect(town, "city.toml", key, observed, allowed, remedy)


# What is changed in lamps/heads.csv, the line to blame, then as above.
HEADS = {
    "unknown column": (swap("power_w", "power_kw"), 1, "column 'power_kw'", "unknown", "power_w", "kilowatts to watts"),
    "column missing": (swap("optics", "note"), 1, "column optics", "missing", "text", "distribution of light"),
    "column twice": (swap("optics", "number"), 1, "column number", "there twice", "once", "out"),
    "not a number": (cells(2, power_w="60 W"), 2, "power_w", "'60 W'", "finite number", "Put a number"),
    "decimal comma": (swap("60.1", "60,1"), 2, "row", "7 cells", "6 cells", "comma"),
    "not finite": (cells(2, power_w="nan"), 2, "power_w", "'nan'", "finite number", "Put a number"),
    "empty number": (cells(2, power_w=""), 2, "power_w", "empty", "finite number", "Put a number"),
    "out of bounds": (cells(2, power_w="60100"), 2, "power_w", "60100", "1 to 400", "unit"),
    "fraction": (cells(2, number="0.5"), 2, "number", "'0.5'", "whole number", "Put a number"),
    "not a truth": (cells(2, dimmable="yes"), 2, "dimmable", "'yes'", "true or false", "Mend"),
    "no such word": (cells(3, optics="broad"), 3, "optics", "'broad'", "narrow, wide", "one of these"),
    "copied row": (cells(4, asset="lamp-0"), 4, "asset and number", "line 2", "unique", "another value"),
    "no such asset": (cells(2, asset="lamp-77"), 2, "asset", "'lamp-77', which is nowhere", "assets.id", "add that row"),
    "no such street": (cells(2, street="zz"), 2, "street", "'zz', which is nowhere", "streets.id", "add that row"),
}


@pytest.mark.parametrize("case", HEADS.values(), ids=HEADS)
def test_a_fault_of_a_service_table_is_told(case: tuple[Change, int, str, str, str, str], town: Path) -> None:
    change, line, key, observed, allowed, remedy = case
    edit(town / "lamps/heads.csv", change)
    expect(town, f"lamps/heads.csv:{line}", key, observed, allowed, remedy)


ASSETS = {
    "two with one id": (cells(3, id="lamp-0"), 3, "id", "'lamp-0', which line 2 has already", "unique", "another value"),
    "fed by no node": (cells(3, fed_by=""), 3, "fed_by", "lamp lamp-1 is fed by no node", "kind station", "Name the node"),
    "fed by nowhere": (cells(3, fed_by="station-north"), 3, "fed_by", "'station-north'", "kind station", "exists"),
    "fed by a lamp": (cells(3, fed_by="lamp-0"), 3, "fed_by", "feeds nothing", "kind station", "feeds"),
    "unknown kind": (cells(3, kind="lantern"), 3, "kind", "'lantern'", "lamp", "Mend the kind"),
    "unknown service": (cells(2, service="lumps"), 2, "service", "'lumps'", "lamps, mains", "Mend the name"),
    "torn run": (cells(3, service="mains"), 3, "service", "between rows of lamps", "one after the other", "Sort"),
    "unknown area": (cells(2, area="Mars"), 2, "area", "'Mars', which is nowhere", "areas.name", "add that row"),
    "swapped": (cells(2, lon_deg="52.43", lat_deg="13.53"), 2, "lon_deg, lat_deg", "52.43, 13.53", "13.4", "exchange the two"),
    "far away": (cells(2, lon_deg="9.0"), 2, "lon_deg, lat_deg", "9, 52.4", "13.4", "Mend the coordinates"),
    "off the earth": (cells(2, lat_deg="152.43"), 2, "lat_deg", "152.43", "-90 to 90", "unit"),
}


@pytest.mark.parametrize("case", ASSETS.values(), ids=ASSETS)
def test_a_fault_of_the_assets_is_told(case: tuple[Change, int, str, str, str, str], town: Path) -> None:
    change, line, key, observed, allowed, remedy = case
    edit(town / "assets.csv", change)
    expect(town, f"assets.csv:{line}", key, observed, allowed, remedy)


MAP = {
    "kind of street": ("streets.csv", swap(",motor,", ",moter,"), "kind", "'moter'", "motor, cycle", "one of these"),
    "shape": ("streets.csv", swap("LINESTRING (13", "LINE (13"), "wkt", "LINE (13", "LINESTRING", "longitude first"),
    "not in the net": ("streets.csv", swap("\nab,", "\nabba,"), "id", "'abba'", "sumo/net.xml", "again"),
    "outline": ("areas.csv", swap("POLYGON ((13", "POLYGON (13"), "wkt", "POLYGON (13", "POLYGON ((", "longitude first"),
    "net cut short": ("sumo/net.xml", lambda t: t[: len(t) * 2 // 3], "XML", "line", "complete XML", "cut short"),
    "no net": ("sumo/net.xml", lambda _: "<routes/>\n", "root element", "<routes>", "<net>", "netconvert"),
    "empty net": ("sumo/net.xml", lambda _: "<net/>\n", "edge", "no edge", "at least one", "netconvert"),
}


@pytest.mark.parametrize("case", MAP.values(), ids=MAP)
def test_a_fault_of_the_map_is_told(case: tuple[str, Change, str, str, str, str], town: Path) -> None:
    file, change, key, observed, allowed, remedy = case
    edit(town / file, change)
    expect(town, file, key, observed, allowed, remedy)


@pytest.mark.parametrize("file", ["city.toml", "streets.csv", "areas.csv", "assets.csv", "lamps/heads.csv", "sumo/net.xml"])
def test_a_missing_file_is_told(file: str, town: Path) -> None:
    (town / file).unlink()
    assert any(fault.file == file and fault.observed == "missing" for fault in check(town, SERVICES))


def test_all_that_is_wrong_is_told_at_once(town: Path) -> None:
    edit(town / "city.toml", swap("spacing_m", "spacin_m"))
    edit(town / "city.toml", swap("Europe/Berlin", "Berlin"))
    edit(town / "assets.csv", swap("lamp-1,", "lamp-0,"))
    edit(town / "lamps/heads.csv", cells(4, power_w="60100", optics="broad"))
    (town / "sumo" / "net.xml").unlink()
    keys = {fault.key for fault in check(town, SERVICES)}
    assert {"[lamps] spacin_m", "[city] timezone", "id", "power_w", "optics", "file"} <= keys


def test_a_broken_city_is_not_loaded_and_the_error_says_everything(town: Path) -> None:
    edit(town / "lamps/heads.csv", cells(2, power_w="60100"))
    edit(town / "assets.csv", cells(3, fed_by=""))
    with pytest.raises(CityError, match="60100") as caught:
        load(town, SERVICES)
    assert "fed by no node" in str(caught.value)
    assert "was not loaded" in str(caught.value)


def test_a_city_may_be_loaded_for_one_of_its_services(town: Path) -> None:
    alone = load(town, SERVICES[:1])
    assert set(alone) == {"lamps"}
    assert alone["lamps"].vocabulary == ("energy_kw", "p_kw")
    assert {"lamps", "mains"} == set(alone["lamps"].assets.service.tolist())
    assert {fault.key for fault in check(town, SERVICES[:1])} == {"[mains]", "service"}


def test_many_rows_with_one_fault_are_counted_not_repeated(town: Path) -> None:
    edit(town / "lamps/heads.csv", lambda text: text.replace("60.1", "9000"))
    told = [fault for fault in check(town, SERVICES) if fault.key == "power_w"]
    assert len(told) == 3
    assert sum(fault.more + 1 for fault in told) == (town / "lamps/heads.csv").read_text().count("9000")


def test_a_likely_slip_of_units_is_only_a_warning(town: Path) -> None:
    path = town / "streets.csv"
    spec = TableSpec("streets", "", tuple(ColumnSpec(n, "text", "") for n in path.read_text().split("\n")[0].split(",")), ())
    table, _, _ = read_table(path, "streets.csv", spec)
    in_km = np.array([f"{float(cell) / 1000:.4f}" for cell in table["length_m"]], dtype=np.str_)
    write_table(path, {**table, "length_m": in_km}, list(table))
    told = check(town, SERVICES)
    assert [fault.warning for fault in told] == [True]
    assert "kilometres" in told[0].observed
    assert load(town, SERVICES)["lamps"].streets.length_m.max() < 1


def test_no_folder_is_told(tmp_path: Path) -> None:
    assert check(tmp_path / "nowhere", SERVICES)[0].observed == "missing"
    (tmp_path / "empty").mkdir()
    assert {fault.file for fault in check(tmp_path / "empty", SERVICES)} >= {"city.toml", "streets.csv", "sumo/net.xml"}


def test_a_file_that_is_no_text_is_told(town: Path) -> None:
    (town / "assets.csv").write_bytes(b"id,kind\n\xff\xfe\n")
    assert any(fault.key == "text" and "UTF-8" in fault.allowed for fault in check(town, SERVICES))
    (town / "assets.csv").write_text('id,kind\n"open\n')
    assert any(fault.key == "CSV" for fault in check(town, SERVICES))


def test_a_fault_reads_as_one_sentence_after_the_other() -> None:
    fault = Fault("assets.csv", 7, "id", "'x', which line 2 has already", "unique in the file", "Take the copy out.", more=2)
    said = "assets.csv:7: id is 'x', which line 2 has already, allowed is unique in the file (and 2 more rows like it)."
    assert str(fault) == f"{said} Take the copy out."
