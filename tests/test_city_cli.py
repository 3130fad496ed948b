# SPDX-License-Identifier: Apache-2.0
"""What `lamplighter city` says and with which code it ends."""

import json
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner, Result

import lamplighter.cli.city as command
from tests.city_small import SERVICES, small_city, small_net


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_city(tmp_path_factory.mktemp("built")).folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data directory; the services are the two small ones."""
    monkeypatch.setenv("LAMPLIGHTER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(command, "discover", lambda: SERVICES)
    return tmp_path / "data"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.group, list(arguments))


def put(data: Path, built: Path) -> Path:
    return copytree(built, data / "cities" / "town")


def test_a_sound_city_is_called_sound(data: Path, built: Path) -> None:
    put(data, built)
    done = run("check", "town")
    assert done.exit_code == 0
    assert "Sound: " in done.stdout
    assert run("check", str(built)).stdout.startswith("Sound: ")


def test_faults_are_aligned_and_end_with_code_one(data: Path, built: Path) -> None:
    folder = put(data, built)
    assets = folder / "assets.csv"
    assets.write_text(assets.read_text(encoding="utf-8").replace("lamp-1,", "lamp-0,"), encoding="utf-8")
    done = run("check", "town")
    assert done.exit_code == command.FAULTY
    assert "assets.csv:3  id" in done.stdout
    lines = done.stdout.splitlines()
    columns = {line.index(text) for line in lines for text in ("'lamp-0', which", "unique in", "Give one") if text in line}
    assert len(columns) == 1
    assert "2 wrong" in done.stdout or "1 wrong" in done.stdout
    told = json.loads(run("check", "town", "--json").stdout)
    assert {"file": "assets.csv", "line": 3, "key": "id"}.items() <= told[0].items()


def test_show_and_list_tell_what_there_is(data: Path, built: Path) -> None:
    assert "adlershof is not built yet" in run("list").stdout
    put(data, built)
    assert 'Town "on the Spree"' in run("list").stdout
    shown = run("show", "town").stdout
    for word in ('Town "on the Spree" SIMULATED', "motor", "crossing", "lamp ", "station", "Main Street", "Made for tests."):
        assert word in shown
    assert run("show", "nowhere").exit_code == command.REFUSED


def test_building_names_what_it_made_and_if_missing_does_it_once(data: Path, tmp_path: Path) -> None:
    small_net(tmp_path)
    recipe = tmp_path / "town.toml"
    recipe.write_text('[city]\nname = "town"\ntitle = "T"\ntimezone = "UTC"\n[source]\nnet = "town.net.xml"\n')
    done = run("build", str(recipe), "--seed", "3")
    assert done.exit_code == 0, done.output
    assert f"Built {data / 'cities' / 'town'}" in done.stdout
    again = run("build", str(recipe), "--seed", "3", "--if-missing")
    assert again.stdout == f"{data / 'cities' / 'town'} is there already.\n"
    assert "Built" in run("build", str(recipe), "--seed", "4", "--if-missing").stdout


def test_what_cannot_be_built_is_refused_with_a_remedy(data: Path, tmp_path: Path) -> None:
    done = run("build", "atlantis")
    assert done.exit_code == command.REFUSED
    assert "adlershof" in done.stderr
    assert "lamplighter city import" in done.stderr
    config = tmp_path / "t.sumocfg"
    config.write_text("<configuration/>")
    assert "Name the network" in run("import", "town", "--sumo", str(config)).stderr
    assert "small letters" in run("import", "Town!", "--sumo", str(config)).stderr
    assert "IANA" in run("import", "town", "--sumo", str(config), "--timezone", "Mars/Base").stderr
    assert "longitude comes first" in run("import", "town", "--sumo", str(config), "--origin", "52.5,213.4").stderr
    assert not (data / "cities" / "town").exists()


def test_importing_makes_a_city(data: Path, tmp_path: Path) -> None:
    small_net(tmp_path)
    (tmp_path / "t.sumocfg").write_text('<configuration><input><net-file value="town.net.xml"/></input></configuration>')
    done = run("import", "town", "--sumo", str(tmp_path / "t.sumocfg"), "--title", "My town", "--attribution", "Me")
    assert done.exit_code == 0, done.output
    shown = run("show", "town").stdout
    assert "My town SIMULATED" in shown
    assert "Me" in shown.splitlines()
    assert run("check", "town").exit_code == 0
