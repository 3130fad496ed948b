# SPDX-License-Identifier: Apache-2.0
"""Anybody's SUMO scenario becomes a city, or a message says what is wrong with it."""

import gzip
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamplighter.city import source
from lamplighter.city.build import build
from lamplighter.city.faults import CityError
from lamplighter.city.folder import attribution_lines, load
from lamplighter.city.recipe import read_recipe
from lamplighter.city.scenario import NOWHERE, bring, read_scenario
from lamplighter.terms.city import BuildContext, Built
from tests.city_small import LAMPS, MAINS, SERVICES, build_lamps, quiet, small_net, small_recipe, sumo_home

ROUTES = '<routes><trip id="t" depart="1" from="ab" to="bc"/></routes>\n'

MAP = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <bounds minlat="52.4270" minlon="13.5290" maxlat="52.4330" maxlon="13.5370"/>
 <node id="1" lat="52.4300" lon="13.5290" version="1"/>
 <node id="2" lat="52.4300" lon="13.5330" version="1"><tag k="highway" v="traffic_signals"/></node>
 <node id="3" lat="52.4300" lon="13.5370" version="1"/>
 <node id="4" lat="52.4325" lon="13.5330" version="1"/>
 <node id="5" lat="52.4275" lon="13.5330" version="1"/>
 <node id="6" lat="52.4315" lon="13.5345" version="1"/>
 <way id="10" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/>
  <tag k="highway" v="secondary"/><tag k="name" v="Main Street"/><tag k="lit" v="yes"/></way>
 <way id="11" version="1"><nd ref="4"/><nd ref="2"/><nd ref="5"/>
  <tag k="highway" v="tertiary"/><tag k="name" v="Church Lane"/></way>
 <way id="12" version="1"><nd ref="4"/><nd ref="6"/><nd ref="3"/><tag k="highway" v="path"/><tag k="lit" v="no"/></way>
</osm>
"""


def scenario_file(folder: Path, inputs: str, time: str = "", net: bool = True) -> Path:
    if net:
        small_net(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "town.sumocfg"
    config.write_text(f"<configuration><input>{inputs}</input><time>{time}</time></configuration>\n", encoding="utf-8")
    return config


def test_everything_a_configuration_names_is_brought_in_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "cars.rou.xml").write_text(ROUTES)
    (folder / "deep").mkdir()
    with gzip.open(folder / "deep" / "cars.rou.xml.gz", "wt") as packed:
        packed.write(ROUTES.replace('"t"', '"u"'))
    (folder / "types.add.xml").write_text('<additional><vType id="x"/></additional>')
    inputs = (
        '<net-file value="town.net.xml"/><r value="cars.rou.xml, deep/cars.rou.xml.gz"/><additional-files value="types.add.xml"/>'
    )
    found = read_scenario(
        scenario_file(folder, inputs, '<begin value="6:30:00"/><end value="-1"/>'), "simbench:1-LV-urban6--0-sw"
    )
    given = bring(found, tmp_path / "city")
    assert given == {
        "net": "net.xml",
        "routes": "routes-001-cars.rou.xml;routes-002-cars.rou.xml",
        "additional": "additional-001-types.add.xml",
        "begin_s": "23400",
        "grid": "simbench:1-LV-urban6--0-sw",
    }
    assert set(given) <= set(source.KEYS)
    sumo = tmp_path / "city" / "sumo"
    assert [(sumo / name).read_text() for name in source.file_names(given, source.ROUTES)] == [
        ROUTES,
        ROUTES.replace('"t"', '"u"'),
    ]
    assert (sumo / "net.xml").read_bytes() == (folder / "town.net.xml").read_bytes()


def test_a_scenario_becomes_a_city(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "grid.json").write_text("{}")
    config = scenario_file(tmp_path / "theirs", '<net-file value="town.net.xml"/>', '<begin value="0"/><end value="86400"/>')
    found = read_scenario(config, str(tmp_path / "theirs" / "grid.json"))
    given: list[dict[str, str]] = []

    def watching(context: BuildContext) -> Built:
        given.append(dict(context.source))
        return build_lamps(context)

    services = (replace(LAMPS, build=watching), MAINS)
    report = build(small_recipe(config, scenario=found, areas=None), tmp_path / "town", services, None, quiet)
    assert given == [{"net": "net.xml", "begin_s": "0", "end_s": "86400", "grid": "source/grid.json"}]
    assert (report.folder / "source" / "grid.json").read_text() == "{}"
    city = load(report.folder, SERVICES)["lamps"]
    assert len(city.areas) == 4
    assert len(city.assets) > 2


def test_a_net_without_geographic_reference_says_so_on_every_page(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    small_net(tmp_path / "theirs", "--proj.plain-geo", "false", "--offset.disable-normalization")
    bare = tmp_path / "theirs" / "town.net.xml"
    text = re.sub(r'projParameter="[^"]*"', 'projParameter="!"', bare.read_text())
    bare.write_text(re.sub(r'(x|y)="(13|52)\.[0-9]+"', r'\1="0"', text))
    config = scenario_file(tmp_path / "theirs", '<net-file value="town.net.xml"/>', net=False)
    net = read_scenario(config, None, (8.0, 47.0))
    assert net.origin_deg == (8.0, 47.0)
    assert read_scenario(config).origin_deg == NOWHERE
    report = build(small_recipe(config, scenario=net), tmp_path / "town", SERVICES, None, quiet)
    told = attribution_lines(report.folder)[-1]
    assert "no geographic reference" in told
    assert "8 east, 47 north" in told
    lon = load(report.folder, SERVICES)["lamps"].streets.shape_lon_deg
    assert np.abs(lon - 8.0).max() < 0.1


BROKEN = {
    "no file": (None, "missing", "existing file"),
    "a net": ("<net/>", "<net>", "another kind of file"),
    "cut short": ("<configuration><input>", "no element found", "cut short"),
    "no net named": ("<configuration/>", "net-file is missing", "Name the network"),
    "lost net": (
        '<configuration><net-file value="x.net.xml"/></configuration>',
        "x.net.xml (missing)",
        "relative to the configuration",
    ),
    "odd time": (
        '<configuration><net-file value="town.net.xml"/><begin value="noon"/></configuration>',
        "begin is 'noon'",
        "hours:minutes",
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_a_configuration_that_cannot_be_read_is_told(case: tuple[str | None, str, str], tmp_path: Path) -> None:
    text, observed, remedy = case
    small_net(tmp_path)
    config = tmp_path / "town.sumocfg"
    if text is not None:
        config.write_text(text)
    with pytest.raises(CityError) as caught:
        read_scenario(config)
    assert "town.sumocfg" in str(caught.value)
    assert observed in str(caught.value)
    assert remedy in str(caught.value)


def test_all_files_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    inputs = '<net-file value="a.net.xml"/><route-files value="b.rou.xml,c.rou.xml"/><additional-files value="d.xml"/>'
    with pytest.raises(CityError) as caught:
        read_scenario(scenario_file(tmp_path, inputs, net=False), str(tmp_path / "e.json"))
    assert [name for name in ("a.net.xml", "b.rou.xml", "c.rou.xml", "d.xml", "e.json") if name not in str(caught.value)] == []


@pytest.mark.parametrize("what", ["net", "packed net", "routes", "packed routes", "no net", "no routes"])
def test_a_damaged_or_foreign_file_is_told_and_no_city_is_left(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "cars.rou.xml").write_text(ROUTES)
    small_net(folder)
    broken = folder / ("town.net.xml" if "net" in what else "cars.rou.xml")
    names = {"net": "town.net.xml", "routes": "cars.rou.xml"}
    if what in ("net", "routes"):
        broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 2 // 3])
    elif what.startswith("packed"):
        packed = gzip.compress(broken.read_bytes() + os.urandom(2000).hex().encode())
        key = what.split()[1]
        names[key] += ".gz"
        (folder / names[key]).write_bytes(packed[: len(packed) // 2])
    else:
        broken.write_text("<osm><node/></osm>")
    config = scenario_file(folder, f'<net-file value="{names["net"]}"/><route-files value="{names["routes"]}"/>', net=False)
    with pytest.raises(CityError) as caught:
        build(small_recipe(config, scenario=read_scenario(config)), tmp_path / "town", SERVICES, None, quiet)
    fault = caught.value.faults[0]
    assert broken.name in fault.file
    assert ("cut short" in fault.remedy) == (not what.startswith("no "))
    assert not (tmp_path / "town").exists()


def test_a_recipe_may_name_a_configuration_and_settings(tmp_path: Path) -> None:
    config = scenario_file(tmp_path, '<net-file value="town.net.xml"/>')
    recipe = tmp_path / "town.toml"
    head = '[city]\nname = "town"\ntitle = "Town"\ntimezone = "Europe/Berlin"\n'
    recipe.write_text(f'{head}[source]\nconfig = "{config.name}"\n[lamps]\npower_w = 80\n', encoding="utf-8")
    read = read_recipe(recipe, SERVICES)
    assert (read.settings["lamps"].power_w, read.seed, read.areas) == (80, 1, None)
    assert build(read, tmp_path / "town", SERVICES, None, quiet).folder.is_dir()
    recipe.write_text(f'{head}areas = 99\n[source]\nnet = "x"\nconfig = "y"\n[lumps]\n[lamps]\npower_kw = 1\n', encoding="utf-8")
    with pytest.raises(CityError) as caught:
        read_recipe(recipe, SERVICES)
    assert {fault.key for fault in caught.value.faults} == {"[city] areas", "[source] net, config", "[lumps]", "[lamps] power_kw"}


@pytest.mark.engine
@pytest.mark.slow
def test_the_how_to_does_what_it_says(tmp_path: Path, repository: Path) -> None:
    sumo_home()
    page = (repository / "docs" / "how-to" / "import-a-city.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL))
    assert "netconvert" in script
    assert "lamplighter city import" in script
    (tmp_path / "map.osm.xml").write_text(MAP, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "lamplighter"  # the one of this checkout, installed or not
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{repository}" exec "{sys.executable}" -m lamplighter "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "LAMPLIGHTER_DATA": str(tmp_path / "data"), "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "My town SIMULATED" in done.stdout
    assert "Sound: " in done.stdout
    assert "OpenStreetMap contributors" in done.stdout
