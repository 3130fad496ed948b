# SPDX-License-Identifier: Apache-2.0
"""The traffic part of a city folder: sound tables, the same bytes each time, and any SUMO scenario."""

from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from lamplighter.services.traffic import terms
from lamplighter.services.traffic.build import build
from lamplighter.services.traffic.planning.network import NetworkError, read_network
from lamplighter.services.traffic.synthetic import APPROACHES, GROUPS, synthetic
from lamplighter.services.traffic.tests import district
from lamplighter.terms.city import Built
from lamplighter.terms.measurement import FRAME
from lamplighter.terms.table import Table, TableSpec


@cache
def city() -> tuple[Built, Path]:
    folder = Path(mkdtemp(prefix="lamplighter-test-")) / "city"
    return build(district.context(folder, district.net_path())), folder


def judge(spec: TableSpec, table: Table) -> None:
    """Hold one table against its own description."""
    rows = {len(column) for column in table.values()}
    assert len(rows) == 1
    assert set(table) == {column.name for column in spec.columns}
    for column in spec.columns:
        values = table[column.name]
        if column.low is not None:
            assert (values >= column.low).all(), f"{spec.name}.{column.name}"
        if column.high is not None:
            assert (values <= column.high).all(), f"{spec.name}.{column.name}"
        if column.one_of:
            assert set(values.tolist()) <= set(column.one_of), f"{spec.name}.{column.name}"
    keys = list(zip(*(table[name].tolist() for name in spec.key), strict=True))
    assert len(keys) == len(set(keys)), f"{spec.name}: two rows with one key"


def test_tables_are_as_described_and_hang_together() -> None:
    built, _ = city()
    assert set(built.tables) == {spec.name for spec in terms.TABLES}
    for spec in terms.TABLES:
        judge(spec, built.tables[spec.name])
    ids = built.assets.id.tolist()
    assert len(ids) == len(set(ids))
    for name, kinds in (("intersections", (terms.INTERSECTION,)), ("signal_groups", (terms.SIGNAL_GROUP,)),
                        ("detectors", (terms.LOOP, terms.LANE_AREA, terms.CALL_BUTTON, terms.COUNTER))):  # fmt: skip
        assert set(built.tables[name]["id"].tolist()) == set(built.assets.id[np.isin(built.assets.kind, kinds)].tolist())
    boxes = set(built.tables["intersections"]["id"].tolist())
    for name in ("signal_groups", "intergreens", "stages", "programmes", "movements"):
        assert set(built.tables[name]["intersection"].tolist()) <= boxes
    assert set(built.tables["detectors"]["intersection"].tolist()) == boxes | {""}


def test_own_programmes_with_webster_splits_keep_their_sums_and_minima() -> None:
    tables = city()[0].tables
    for name, cycle_s in zip(tables["intersections"]["id"], tables["intersections"]["cycle_s"], strict=True):
        mine = tables["programmes"]["intersection"] == name
        assert tables["programmes"]["split_s"][mine].sum() == cycle_s
        assert tables["programmes"]["split_s"][mine].min() >= 8.0
        assert 60.0 <= cycle_s <= 120.0


def test_every_vehicle_lane_before_a_signal_is_measured() -> None:
    tables = city()[0].tables
    lanes = {
        (edge, lane)
        for edge, lane, kind in zip(*(tables["movements"][n].tolist() for n in ("from_edge", "from_lane", "kind")), strict=True)
        if kind != "foot"
    }
    detectors = tables["detectors"]
    edges = district.network().edges
    long = {(edge, lane) for edge, lane in lanes if edges[edge].lanes[lane].length_m >= 1.0}
    assert all(edges[edge].lanes[lane].kind == "rail" for edge, lane in lanes - long), "only tram signals stand so close together"
    for role, wanted in (("stop_line", lanes), ("near", long)):
        mine = detectors["role"] == role
        assert set(zip(detectors["street"][mine].tolist(), detectors["lane"][mine].tolist(), strict=True)) == wanted
    for street, lane, at_m, length_m in zip(
        *(detectors[n].tolist() for n in ("street", "lane", "position_m", "length_m")), strict=True
    ):
        assert at_m >= 0.0
        assert at_m + length_m <= edges[street].lanes[lane].length_m + 0.02
    crossings = set(tables["movements"]["from_edge"][tables["movements"]["kind"] == "foot"].tolist())
    calls = detectors["role"] == "call"
    assert set(detectors["street"][calls].tolist()) == crossings
    assert all(len(text.split()) == 2 for text in detectors["beside"][calls].tolist())


def test_assets_lie_where_the_streets_are() -> None:
    built, folder = city()
    streets = district.context(folder.parent / "again", district.net_path()).streets
    place = {street: n for n, street in enumerate(streets.id.tolist())}
    assets, detectors = built.assets, built.tables["detectors"]
    where = dict(zip(assets.id.tolist(), zip(assets.lon_deg, assets.lat_deg, strict=True), strict=True))
    off_m: list[float] = []
    for name, role, street in zip(*(detectors[n].tolist() for n in ("id", "role", "street")), strict=True):
        if role == "count" and street in place:
            points = slice(streets.shape_offsets[place[street]], streets.shape_offsets[place[street] + 1])
            lon_deg, lat_deg = where[name]
            d_x_m = (streets.shape_lon_deg[points] - lon_deg) * 67_900.0
            d_y_m = (streets.shape_lat_deg[points] - lat_deg) * 111_250.0
            off_m.append(distance_m(np.stack([d_x_m, d_y_m], axis=1)))
    assert np.median(off_m) < 8.0, "a counter lies on the lane, a few metres from the line of its street"
    assert max(off_m) < 20.0


def distance_m(line_m: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> float:
    """Return how far the origin is from a line (n, 2)."""
    best = np.inf
    for a, b in pairwise(line_m):
        share = np.clip(-(a @ (b - a)) / max((b - a) @ (b - a), 1e-9), 0.0, 1.0)
        best = min(best, float(np.hypot(*(a + share * (b - a)))))
    return best


def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path) -> None:
    first, folder = city()
    second = build(district.context(tmp_path / "city", district.net_path()))
    assert second.report == first.report
    for name in ("demand.rou.xml", "own_programmes.add.xml"):
        assert (tmp_path / "city" / "sumo" / name).read_bytes() == (folder / "sumo" / name).read_bytes()
    for spec in terms.TABLES:
        for column in spec.columns:
            assert np.array_equal(first.tables[spec.name][column.name], second.tables[spec.name][column.name])
    assert np.array_equal(first.assets.lon_deg, second.assets.lon_deg)


def test_the_report_names_every_intersection_and_what_was_mended() -> None:
    built, _ = city()
    said = "\n".join(built.report)
    assert "15 intersections with signals, 6 of them lone crossings" in said
    assert "70 signalled crossings of 503" in said
    assert all(f"\n{name} " in said for name in built.tables["intersections"]["id"].tolist())
    assert "a green could end after 1 s and now lasts at least 5 s" in said
    assert "left people on foot too little time to clear" in said
    assert "made up (seed 1), not counted" in said


@pytest.mark.parametrize("name", ["cologne1", "cologne3", "ingolstadt7", "bologna_acosta"])
def test_anybodys_scenario_keeps_its_routes_and_gets_sound_plans(name: str, shared_data: Path, tmp_path: Path) -> None:
    net = next((shared_data / "sumo" / name).glob("*.net.xml"))
    built = build(district.context(tmp_path / "city", net, {"routes": "routes-1-own.rou.xml"}))
    assert len(built.tables["flows"]["flow"]) == 0
    assert not (tmp_path / "city" / "sumo" / "demand.rou.xml").exists()
    assert len(built.tables["intersections"]["id"]) >= 1
    for spec in terms.TABLES:
        judge(spec, built.tables[spec.name])
    assert "routes, unchanged" in built.report[-1]


def test_a_programme_in_an_additional_file_takes_the_place_of_the_networks(tmp_path: Path) -> None:
    extra = tmp_path / "tls.add.xml"
    extra.write_text(
        '<additional><tlLogic id="1525212345" type="static" programID="7" offset="3">'
        '<phase duration="31" state="GGr"/><phase duration="4" state="yyr"/>'
        '<phase duration="9" state="rrG"/><phase duration="9" state="rrr"/></tlLogic></additional>'
    )
    signal = next(s for s in read_network(district.net_path(), (extra,)).signals if s.id == "1525212345")
    assert signal.intervals[0] == (31.0, "GGr")
    assert signal.offset_s == 3.0


def test_a_truncated_network_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "net.xml"
    broken.write_bytes(district.net_path().read_bytes()[:100_000])
    with pytest.raises(NetworkError, match=r"net\.xml: not a complete XML file"):
        read_network(broken)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "net.xml"
    other.write_text("<routes/>")
    with pytest.raises(NetworkError, match="the root is <routes>"):
        read_network(other)


def test_a_network_without_ways_inside_junctions_is_refused(tmp_path: Path) -> None:
    bare = tmp_path / "net.xml"
    text = district.net_path().read_text(encoding="utf-8")
    bare.write_text("\n".join(line for line in text.splitlines() if "<request" not in line), encoding="utf-8")
    with pytest.raises(NetworkError, match="no right-of-way row"):
        read_network(bare)


def test_the_bench_slice_is_a_city_of_eight_approaches_each() -> None:
    slice_ = synthetic(0.01, 1)
    assert (slice_.city.assets.kind == terms.INTERSECTION).sum() == 100
    assert (slice_.city.assets.kind == terms.LANE_AREA).sum() == 100 * APPROACHES
    for spec in terms.TABLES:
        judge(spec, slice_.city.tables[spec.name])
    frames = np.frombuffer(slice_.frames(1_768_321_500.0), dtype=FRAME)
    assert len(frames) == 100 * (3 + 2 * GROUPS + 2 * APPROACHES)
    by_name = {q.name: q for q in terms.QUANTITIES}
    for code, name in enumerate(slice_.city.vocabulary):
        values = frames["value"][frames["quantity"] == code] * by_name[name].step
        assert (values >= by_name[name].low).all()
        assert (values <= by_name[name].high).all()
        assert (slice_.city.assets.kind[frames["asset"][frames["quantity"] == code]] == by_name[name].of).all()
    later = np.frombuffer(slice_.frames(1_768_321_520.0), dtype=FRAME)
    assert not np.array_equal(later["value"], frames["value"])
