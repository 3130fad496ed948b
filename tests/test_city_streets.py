# SPDX-License-Identifier: Apache-2.0
"""Streets of a road network: where they lie, who may use them, what is lit, and how they are divided into areas."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.city.areas import divide, how_many, names_of, outlines
from lamplighter.city.faults import CityError
from lamplighter.city.geodesy import around, from_local_metres, from_parameters, local_metres, project, unproject
from lamplighter.city.network import Road, read_network
from lamplighter.city.scenario import NOWHERE
from lamplighter.city.shapes import line_texts, parse_lines, parse_rings
from lamplighter.city.streets import centre_of, counted_once, drawn_length_m, georeference, is_lit, kind_of, streets_of
from lamplighter.terms.city import Place, Streets
from tests.city_small import small_net, sumo_home

UTM33 = "+proj=utm +zone=33 +ellps=WGS84 +datum=WGS84 +units=m +no_defs"
PROJECTIONS = [
    UTM33,
    "+proj=utm +zone=54 +south +ellps=WGS84 +units=m",
    "+proj=tmerc +lat_0=49.83 +lon_0=6.17 +k=1 +x_0=80000 +y_0=100000 +ellps=GRS80",
]


def town(folder: Path) -> Streets:
    network = read_network(small_net(folder), "town.net.xml")
    return streets_of(network, *georeference(network, "town.net.xml", NOWHERE))


@pytest.mark.parametrize("parameters", PROJECTIONS)
def test_projections_agree_with_proj_to_a_micrometre(parameters: str) -> None:
    pyproj = pytest.importorskip("pyproj")
    projection = from_parameters(parameters)
    assert projection is not None
    south = -1 if "south" in parameters else 1
    lon = projection.lon0_deg + np.linspace(-3, 3, 41)
    lat = south * np.linspace(0.5, 80, 41)
    theirs = pyproj.Proj(projparams=parameters)(lon, lat)
    ours = project(lon, lat, projection)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(unproject(*ours, projection), (lon, lat), rtol=0, atol=1e-11)


@given(lon=st.floats(-4, 4), lat=st.floats(-84, 84), zone=st.integers(1, 60))
def test_projecting_there_and_back_leads_home(lon: float, lat: float, zone: int) -> None:
    projection = from_parameters(f"+proj=utm +zone={zone} +ellps=WGS84")
    assert projection is not None
    place = np.array([projection.lon0_deg + lon]), np.array([lat])
    np.testing.assert_allclose(unproject(*project(*place, projection), projection), place, rtol=0, atol=1e-9)


@given(east=st.floats(-20_000, 20_000), north=st.floats(-20_000, 20_000))
def test_local_metres_lead_there_and_back_and_agree_with_a_true_projection(east: float, north: float) -> None:
    place = Place(13.533, 52.432, "Europe/Berlin")
    lon, lat = from_local_metres(np.array([east]), np.array([north]), place)
    np.testing.assert_allclose(np.ravel(local_metres(lon, lat, place)), (east, north), atol=1e-6)
    true_east, true_north = project(lon, lat, around(place.lon0_deg, place.lat0_deg))
    origin_north = project(np.array([place.lon0_deg]), np.array([place.lat0_deg]), around(place.lon0_deg, place.lat0_deg))[1]
    away = np.hypot(true_east[0] - east, true_north[0] - origin_north[0] - north)
    assert away <= 0.006 * np.hypot(east, north) + 0.1


def test_an_unknown_projection_is_left_to_pyproj_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_parameters("+proj=lcc +lat_1=49 +lat_2=44 +lat_0=46.5 +lon_0=3 +ellps=GRS80") is None
    assert from_parameters("+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=598.1,73.7,418.2") is None
    network = read_network(small_net(tmp_path), "town.net.xml")
    strange = dataclasses.replace(network, projection="+proj=merc +lon_0=0 +k=1 +x_0=0 +y_0=0 +ellps=WGS84")
    lon, lat = georeference(strange, "town.net.xml", NOWHERE)
    assert np.isfinite(lon).all()
    assert np.isfinite(lat).all()
    monkeypatch.setitem(__import__("sys").modules, "pyproj", None)
    with pytest.raises(CityError, match=r"netconvert --proj\.utm"):
        georeference(strange, "town.net.xml", NOWHERE)


def test_streets_lie_between_their_intersections_on_the_line_both_directions_share(tmp_path: Path) -> None:
    streets = town(tmp_path)
    rows = {name: row for row, name in enumerate(streets.id.tolist())}
    for name in ("ab", "ba", "bc", "cb"):
        own = slice(streets.shape_offsets[rows[name]], streets.shape_offsets[rows[name] + 1])
        np.testing.assert_allclose(streets.shape_lat_deg[own], 52.43, atol=3e-7)
        west, east = (13.530, 13.533) if "a" in name else (13.533, 13.536)
        lon = streets.shape_lon_deg[own]
        assert west < lon.min() < west + 2e-4  # from stop line to stop line, a few metres off the intersections' middles
        assert east - 2e-4 < lon.max() < east
        assert (lon[-1] > lon[0]) == (name in ("ab", "bc"))
    plain = np.isin(streets.id, ["ab", "ba", "bc", "cb", "bd", "db"])
    np.testing.assert_allclose(drawn_length_m(streets)[plain], streets.length_m[plain], rtol=5e-3)
    assert centre_of(streets.shape_lon_deg, streets.shape_lat_deg, "Europe/Berlin") == Place(13.533, 52.43, "Europe/Berlin")


def test_kinds_widths_lanes_and_light(tmp_path: Path) -> None:
    streets = town(tmp_path)
    rows = {name: row for row, name in enumerate(streets.id.tolist())}
    assert "ae" not in rows  # a railway is no street
    assert [streets.kind[rows[i]] for i in ("ab", "df", "fc")] == ["motor", "cycle", "foot"]
    assert [streets.lit[rows[i]] for i in ("ab", "eb", "df", "fc")] == [True, False, False, True]
    assert streets.lanes[rows["bc"]] == 2
    assert streets.width_m[rows["bc"]] == pytest.approx(6.4)  # the sidewalk is no carriageway
    crossings = streets.kind == "crossing"
    assert crossings.any()
    assert (streets.from_node == streets.to_node)[crossings].all()
    at_b = crossings & (streets.from_node == "b")
    assert set(streets.name[at_b].tolist()) == {"Main Street"}


def test_a_street_with_two_directions_counts_once(tmp_path: Path) -> None:
    streets = town(tmp_path)
    once = counted_once(streets)
    ids = set(streets.id[once & (streets.kind != "crossing")].tolist())
    assert len(ids & {"ab", "ba"}) == len(ids & {"bc", "cb"}) == len(ids & {"bd", "db"}) == 1
    assert {"eb", "df", "fc"} <= ids
    assert once[streets.kind == "crossing"].all()


def test_the_sources_own_word_on_light_counts() -> None:
    road = Road(
        "r", "", "highway.residential", False, "a", "b", 1.0, 1.0, "", (3.2,), (frozenset({"passenger"}),), ((0, 0), (1, 1))
    )
    said = {word: is_lit(dataclasses.replace(road, lit=word)) for word in ("yes", "no", "24/7", "sunset-sunrise", "disused")}
    assert said == {"yes": True, "no": False, "24/7": True, "sunset-sunrise": True, "disused": False}
    assert not is_lit(dataclasses.replace(road, highway="highway.track"))
    assert is_lit(dataclasses.replace(road, highway="highway.track", lit="yes"))
    assert kind_of(dataclasses.replace(road, permissions=(frozenset({"bus"}),))) == "motor"
    assert kind_of(dataclasses.replace(road, permissions=(frozenset({"pedestrian"}),))) == "foot"


@pytest.fixture(scope="module")
def adlershof() -> tuple[Streets, Place]:
    net = sumo_home() / "tools" / "game" / "DRT" / "osm.net.xml"
    network = read_network(net, net.name)
    lon, lat = georeference(network, net.name, NOWHERE)
    return streets_of(network, lon, lat), centre_of(lon, lat, "Europe/Berlin")


@pytest.mark.parametrize("count", range(4, 10))
def test_areas_cover_the_city_and_are_of_comparable_size(adlershof: tuple[Streets, Place], count: int) -> None:
    streets, place = adlershof
    partition, of_street = divide(streets, place, count)
    km = np.where(counted_once(streets), drawn_length_m(streets), 0) / 1000
    sizes = np.bincount(of_street, weights=km, minlength=count)
    assert sizes.min() > 0.5 * sizes.max()
    names = names_of(streets, of_street, partition)
    assert len(set(names)) == count
    assert all(name in set(streets.name.tolist()) for name in names)
    dice = np.random.default_rng(1)
    x = dice.uniform(partition.west_m.min(), partition.east_m.max(), 2000)
    y = dice.uniform(partition.south_m.min(), partition.north_m.max(), 2000)
    inside = (x[:, None] >= partition.west_m) & (x[:, None] < partition.east_m)
    inside &= (y[:, None] >= partition.south_m) & (y[:, None] < partition.north_m)
    assert (inside.sum(axis=1) == 1).all()  # neither gap nor overlap
    assert (partition.locate(x, y) == inside.argmax(axis=1)).all()
    assert parse_rings(outlines(partition, names, place).wkt.tolist())[3] == []


def test_a_city_without_street_names_has_areas_named_by_compass(adlershof: tuple[Streets, Place]) -> None:
    streets, place = adlershof
    nameless = dataclasses.replace(streets, name=np.full(len(streets), "", dtype=np.str_))
    partition, of_street = divide(nameless, place, 6)
    names = names_of(nameless, of_street, partition)
    assert len(set(names)) == 6
    assert all(name.split()[0].split("-")[0] in ("North", "South", "East", "West") for name in names)
    assert how_many(streets) == 6


@given(st.lists(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=2, max_size=5), max_size=5))
def test_shapes_are_read_as_they_were_written(lines: list[list[tuple[float, float]]]) -> None:
    lon = np.round(np.array([x for line in lines for x, _ in line], dtype=np.float64), 7)
    lat = np.round(np.array([y for line in lines for _, y in line], dtype=np.float64), 7)
    offsets = np.concatenate(([0], np.cumsum([len(line) for line in lines]))).astype(np.int64)
    read_offsets, read_lon, read_lat, wrong = parse_lines(line_texts(offsets, lon, lat))
    assert wrong == []
    assert read_offsets.tolist() == offsets.tolist()
    np.testing.assert_allclose(read_lon, lon, atol=1e-9)
    np.testing.assert_allclose(read_lat, lat, atol=1e-9)
