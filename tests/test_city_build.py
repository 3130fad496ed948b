# SPDX-License-Identifier: Apache-2.0
"""Building a city: the same bytes from the same seed, all of it or nothing of it."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamplighter.city.build import build, in_order
from lamplighter.city.directory import find_city
from lamplighter.city.faults import CityError
from lamplighter.city.folder import attribution_lines, digest, is_built, load, read_place
from lamplighter.city.recipe import read_recipe
from lamplighter.city.streets import counted_once, drawn_length_m
from lamplighter.services import discover
from lamplighter.terms.asset import AssetKind
from lamplighter.terms.city import BuildContext, Built
from tests.city_small import (
    BARE_MAINS,
    LAMPS,
    MAINS,
    SERVICES,
    GridSettings,
    LampSettings,
    build_lamps,
    build_stations,
    quiet,
    service,
    small_city,
    small_net,
    small_recipe,
    sumo_home,
)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    net = small_net(tmp_path / "source")
    totals = [
        build(small_recipe(net), tmp_path / name, SERVICES, seed, quiet).digest
        for name, seed in (("x", None), ("y", 7), ("z", 8))
    ]
    assert totals[0] == totals[1] != totals[2]
    assert digest(tmp_path / "x") == totals[0]


def test_a_city_is_read_as_it_was_built(tmp_path: Path) -> None:
    report = small_city(tmp_path)
    cities = load(report.folder, SERVICES)
    lamps, mains = cities["lamps"], cities["mains"]
    assert lamps.title == 'Town "on the Spree"'
    assert lamps.simulated
    assert lamps.settings == LampSettings()
    assert lamps.vocabulary == ("band_kw", "energy_kw", "p_kw") == mains.vocabulary
    assert lamps.assets is mains.assets
    assert lamps.streets is mains.streets
    assert not lamps.assets.lon_deg.flags.writeable
    assert len(lamps.areas) == 4
    assert set(lamps.streets.area.tolist()) <= set(lamps.areas)
    assert set(lamps.assets.area.tolist()) <= set(lamps.areas)
    assert "Straße, alte" in lamps.streets.name.tolist()
    assert lamps.assets.kind[lamps.span].tolist() == ["lamp"] * len(lamps.tables["heads"]["asset"])
    assert lamps.tables["heads"]["power_w"].tolist() == [60.1] * len(lamps.assets.id[lamps.span])
    assert "note" not in lamps.tables["heads"]
    assert attribution_lines(report.folder) == ("Made for tests.",)
    assert read_place(report.folder) == lamps.place
    assert "lamps at the starts of lit streets" in (report.folder / "README.md").read_text(encoding="utf-8")


def test_every_asset_hangs_on_the_nearest_that_feeds(tmp_path: Path) -> None:
    assets = load(small_city(tmp_path).folder, SERVICES)["lamps"].assets
    stations = np.flatnonzero(assets.of_kind("station"))
    scale = np.cos(np.radians(52.43))  # the oracle: distances by plain trigonometry, no tree
    for lamp in np.flatnonzero(assets.of_kind("lamp")):
        away = np.hypot(
            (assets.lon_deg[stations] - assets.lon_deg[lamp]) * scale, assets.lat_deg[stations] - assets.lat_deg[lamp]
        )
        assert assets.fed_by[lamp] == assets.id[stations[np.argmin(away)]]
    assert set(assets.fed_by[stations].tolist()) == {""}


def test_services_are_built_after_those_whose_kinds_they_need(tmp_path: Path) -> None:
    seen: dict[str, list[str]] = {}

    def watching(context: BuildContext) -> Built:
        seen["lamps"] = context.built.id.tolist()
        return build_lamps(context)

    late = replace(LAMPS, after=("station",), build=watching)
    build(small_recipe(small_net(tmp_path)), tmp_path / "town", (late, MAINS), None, quiet)
    assert seen["lamps"] == ["station-west", "station-east"]
    with pytest.raises(CityError, match="lamps and mains"):
        in_order((late, replace(MAINS, after=("lamp",))))


def test_progress_grows_from_nothing_to_all(tmp_path: Path) -> None:
    shares: list[float] = []
    build(small_recipe(small_net(tmp_path)), tmp_path / "town", SERVICES, None, lambda _, share: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".") and not p.name.endswith(".lock")]


def test_a_full_disk_leaves_the_former_city_whole(tmp_path: Path) -> None:
    before = small_city(tmp_path).digest

    def filling(context: BuildContext) -> Built:
        built = build_lamps(context)
        with open("/dev/full", "w") as full:  # the kernel's own full disk
            full.write("x" * 100_000)
        return built

    full = replace(LAMPS, build=filling)
    with pytest.raises(CityError, match="No space left on device") as caught:
        build(small_recipe(small_net(tmp_path / "source")), tmp_path / "town", (full, MAINS), 99, quiet)
    assert "LAMPLIGHTER_DATA" in str(caught.value)
    assert "whole and as it was" in str(caught.value)
    assert digest(tmp_path / "town") == before
    assert leftovers(tmp_path) == []


def test_an_interrupted_build_leaves_the_former_city_whole(tmp_path: Path) -> None:
    # what a shell starts in the background ignores Ctrl-C, and so would this process
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = small_city(tmp_path).digest

    def interrupted(context: BuildContext) -> Built:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        raise AssertionError("Ctrl-C did not arrive")

    stopped = replace(LAMPS, build=interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            build(small_recipe(small_net(tmp_path / "source")), tmp_path / "town", (stopped, MAINS), 99, quiet)
    finally:
        signal.signal(signal.SIGINT, former)
    assert digest(tmp_path / "town") == before
    assert leftovers(tmp_path) == []


def test_a_killed_build_leaves_the_former_city_whole_and_the_next_clears_up(tmp_path: Path) -> None:
    before = small_city(tmp_path).digest
    script = f"""
        import os, signal, sys
        from dataclasses import replace
        sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
        from pathlib import Path
        from tests.city_small import LAMPS, MAINS, small_recipe, quiet
        from lamplighter.city.build import build
        dead = replace(LAMPS, build=lambda context: os.kill(os.getpid(), signal.SIGKILL))
        folder = Path({str(tmp_path)!r})
        build(small_recipe(folder / "source" / "town.net.xml"), folder / "town", (dead, MAINS), 99, quiet)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert leftovers(tmp_path) == [".town.building"]
    assert digest(tmp_path / "town") == before
    net = tmp_path / "source" / "town.net.xml"
    assert build(small_recipe(net), tmp_path / "town", SERVICES, None, quiet).digest == before
    assert leftovers(tmp_path) == []


def test_a_build_cut_off_between_its_renames_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_DATA", str(tmp_path))
    before = small_city(tmp_path / "cities").digest
    (tmp_path / "cities" / "town").rename(tmp_path / "cities" / ".town.previous")
    assert digest(find_city("town")) == before


def test_two_builds_of_one_city_at_a_time_are_refused(tmp_path: Path) -> None:
    small_city(tmp_path)
    with (tmp_path / ".town.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CityError, match="being built by another process"):
            small_city(tmp_path)


def test_a_build_that_would_not_pass_its_own_check_is_refused(tmp_path: Path) -> None:
    before = small_city(tmp_path).digest
    net = tmp_path / "source" / "town.net.xml"
    with pytest.raises(CityError, match="is fed by no node"):
        build(small_recipe(net), tmp_path / "town", (LAMPS, BARE_MAINS), None, quiet)
    bright = small_recipe(net, settings={"lamps": LampSettings(power_w=4000), "mains": GridSettings()})
    with pytest.raises(CityError) as caught:
        build(bright, tmp_path / "town", SERVICES, None, quiet)
    assert caught.value.faults[0].key == "power_w"
    assert digest(tmp_path / "town") == before


def test_a_service_that_forgets_a_table_is_told(tmp_path: Path) -> None:
    forgetful = replace(LAMPS, build=lambda context: replace(build_lamps(context), tables={}))
    with pytest.raises(CityError, match="table heads is missing"):
        build(small_recipe(small_net(tmp_path)), tmp_path / "town", (forgetful, MAINS), None, quiet)


def test_what_a_service_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    def refusing(context: BuildContext) -> Built:
        raise ValueError(f"{context.folder / 'source' / 'grid.json'} is no grid. Mend the file.")

    with pytest.raises(CityError) as caught:
        build(small_recipe(small_net(tmp_path)), tmp_path / "town", (replace(LAMPS, build=refusing), MAINS), None, quiet)
    assert str(caught.value).startswith("Lamps: source/grid.json is no grid. Mend the file.\n")
    assert not (tmp_path / "town").exists()


def test_is_built_knows_version_services_and_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_DATA", str(tmp_path))
    assert not is_built("town", SERVICES)
    folder = small_city(tmp_path / "cities").folder
    assert is_built("town", SERVICES)
    third = service("water", build_stations, LampSettings, kinds=(AssetKind("pump", "a pump"),), tables=(LAMPS.tables[0],))
    assert not is_built("town", (*SERVICES, third))
    manifest = folder / "city.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('version = "', 'version = "9'), encoding="utf-8")
    assert not is_built("town", SERVICES)


def test_adlershof_is_built_from_the_installed_sumo(tmp_path: Path, repository: Path) -> None:
    sumo_home()
    recipe = read_recipe(repository / "cities" / "adlershof.toml", ())
    started = time.perf_counter()
    report = build(recipe, tmp_path / "adlershof", (), None, quiet)
    assert time.perf_counter() - started < 60
    files = load(tmp_path / "adlershof", ())
    assert files == {}
    page = (report.folder / "README.md").read_text(encoding="utf-8")
    assert "OpenStreetMap" in page
    assert "ODbL" in page
    assert "EPL-2.0" in page
    with_lamps = build(
        replace(recipe, settings={"lamps": LampSettings(), "mains": GridSettings()}),
        tmp_path / "b",
        SERVICES,
        None,
        quiet,
    )
    city = load(with_lamps.folder, SERVICES)["lamps"]
    once, km = counted_once(city.streets), drawn_length_m(city.streets) / 1000
    assert 46 < km[once & city.streets.lit & (city.streets.kind != "crossing")].sum() < 52  # about 49 km
    assert (city.streets.kind == "crossing").sum() == 503
    shares = [km[once & (city.streets.area == area)].sum() for area in city.areas]
    assert len(shares) == 6
    assert max(shares) < 2 * min(shares)


@pytest.mark.engine
@pytest.mark.slow
def test_the_demo_city_with_all_its_services_is_sound_and_the_same_every_time(tmp_path: Path, repository: Path) -> None:
    sumo_home()
    services = discover()
    recipe = read_recipe(repository / "cities" / "adlershof.toml", services)
    started = time.process_time()
    reports = [build(recipe, tmp_path / name, services, None, quiet) for name in ("first", "second")]
    assert time.process_time() - started < 2 * 60
    assert reports[0].digest == reports[1].digest
    cities = load(reports[0].folder, services)
    assets = next(iter(cities.values())).assets
    needs = np.isin(assets.kind, [kind.name for service in services for kind in service.kinds if kind.needs_power])
    assert needs.any()
    assert (assets.fed_by[needs] != "").all()
    page = (reports[0].folder / "README.md").read_text(encoding="utf-8")
    assert all(f"## {service.title}" in page for service in services)
