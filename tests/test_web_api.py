# SPDX-License-Identifier: Apache-2.0
"""What the server answers, over real HTTP on a free port."""

import csv
import io
import json
import urllib.error
import urllib.request
from collections.abc import Generator

import httpx
import numpy as np
import pytest

from lamplighter.web.naming import words_and_unit
from lamplighter.web.server import serving
from tests.web_scripted import Scripted, lattice_streets, real, scene_of

SCENE = scene_of(lattice_streets(400), 500)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def engine() -> Scripted:
    return Scripted(SCENE)


@pytest.fixture(scope="module")
def client(engine: Scripted) -> Generator[httpx.Client, None, None]:
    with serving(engine, port=0) as address, httpx.Client(base_url=address, timeout=10) as made:
        yield made


def test_scene_is_compact_and_whole(client: httpx.Client) -> None:
    answer = client.get("/api/scene")
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    scene = answer.json()
    assert scene["simulated"] is True
    assert "SIMULATED" in scene["note"]
    assert len(scene["streets"]["id"]) == len(SCENE.streets)
    assert len(scene["assets"]["id"]) == len(SCENE.assets)
    lon = np.array(scene["streets"]["lon"]) / 1e6
    assert np.allclose(lon, SCENE.streets.shape_lon_deg, atol=6e-7)
    kinds = scene["assets"]["kind"]
    assert [kinds["names"][code] for code in kinds["codes"]] == SCENE.assets.kind.tolist()
    units = {layer["name"]: layer["unit"] for service in scene["services"] for layer in service["layers"]}
    assert units["voltage"] == "p.u."


def test_view_is_the_twin_of_the_page(client: httpx.Client) -> None:
    view = client.get("/api/view").json()
    assert {layer["layer"] for layer in view["layers"]} == {"signals", "lamps", "cables", "stations", "voltage"}
    lamps = next(layer for layer in view["layers"] if layer["layer"] == "lamps")
    assert len(lamps["asset"]) == len(lamps["value"]) == int(SCENE.assets.of_kind("luminaire").sum())
    assert view["moving"] == 400
    assert view["attribution"] == list(SCENE.attribution)
    delay = next(row for row in view["series"] if row["outcome"] == "vehicle_delay_s_per_trip")
    assert delay["unit"] == "s per trip"
    assert len(delay["time_s"]) == len(delay["adaptive"]) > 10


def test_explain_and_its_errors(client: httpx.Client) -> None:
    why = client.get("/api/explain/lamp-3").json()
    assert why["kind"] == "luminaire"
    assert why["sentences"][0].startswith("Runs at 62 %")
    assert why["values"][0] == {"quantity": "dimming_level", "value": 0.62, "unit": "1", "age_s": 41.0}
    missing = client.get("/api/explain/lamp-x")
    assert missing.status_code == 404
    assert "'lamp-x'" in missing.json()["detail"]
    assert "/api/scene" in missing.json()["detail"]


def test_controls_reach_the_engine(client: httpx.Client, engine: Scripted) -> None:
    engine.calls.clear()
    for path, data in (
        ("pause", {}),
        ("play", {}),
        ("speed", {"speed": 60}),
        ("arm/lighting", {"arm": "baseline"}),
        ("hand-back", {}),
    ):
        answer = client.post(f"/api/control/{path}", json=data)
        assert answer.status_code == 200, answer.text
    assert engine.calls == ["pause", "play", "speed 60", "arm lighting baseline", "hand back"]
    assert "42 boxes" in answer.json()["done"]
    assert {state.arm for state in engine.view().services} == {"baseline"}


def test_an_operator_asks_looks_and_withdraws(client: httpx.Client, engine: Scripted) -> None:
    engine.calls.clear()
    wish = {"action": "clear_way", "boxes": [{"asset": "J1", "values": {"stage": 2}}], "duration_s": 60, "reason": "ambulance"}
    taken = client.post("/api/control/ask/traffic", json=wish)
    assert taken.status_code == 200, taken.text
    number = taken.json()["number"]
    stands = client.get("/api/control/wishes", headers=JSON).json()
    assert [(one["action"], one["ended"], one["boxes"][0]["asset"]) for one in stands] == [("clear_way", False, "J1")]
    assert client.post(f"/api/control/withdraw/{number}", json={}).status_code == 200
    assert client.post(f"/api/control/withdraw/{number}", json={}).status_code == 404
    assert engine.calls == ["ask traffic clear_way 1 60 ambulance", f"withdraw {number}"]
    assert client.get("/api/control/wishes").status_code == 403, "another site's page cannot read them"


WISH = {"action": "clear_way", "boxes": [], "duration_s": 60, "reason": "ambulance"}


@pytest.mark.parametrize(
    ("path", "data", "status", "says"),
    [
        ("ask/water", WISH, 404, "there are grid, lighting, traffic"),
        ("ask/traffic", {**WISH, "action": "start_stage"}, 400, "no action 'start_stage' for operators"),
        ("ask/traffic", {**WISH, "reason": "to fetch Mrs Miller"}, 400, ""),
        ("speed", {"speed": 99_999}, 400, "outside 0.1 to 3600"),
        ("speed", {"speed": "quick"}, 400, ""),
        ("arm/water", {"arm": "baseline"}, 404, "there are grid, lighting, traffic"),
        ("arm/grid", {"arm": "off"}, 400, ""),
    ],
)
def test_a_wrong_wish_is_refused_aloud(
    client: httpx.Client, engine: Scripted, path: str, data: dict[str, object], status: int, says: str
) -> None:
    engine.calls.clear()
    answer = client.post(f"/api/control/{path}", json=data)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert engine.calls == []


@pytest.mark.parametrize(
    "headers",
    [
        {**JSON, "Origin": "http://elsewhere.example"},
        {**JSON, "Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {**JSON, "Host": "elsewhere.example:8000"},
    ],
)
def test_other_sites_cannot_operate_the_city(client: httpx.Client, engine: Scripted, headers: dict[str, str]) -> None:
    engine.calls.clear()
    answer = client.post("/api/control/hand-back", content="{}", headers=headers)
    assert answer.status_code == 403
    assert engine.calls == []


def test_own_page_may_operate_it(client: httpx.Client) -> None:
    own = {**JSON, "Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/control/play", content="{}", headers=own).status_code == 200


def test_csv_says_what_it_is(client: httpx.Client) -> None:
    answer = client.get("/api/download.csv")
    assert "simulated" in answer.headers["content-disposition"]
    head = [line for line in answer.text.splitlines() if line.startswith("#")]
    assert any("SIMULATED" in line for line in head)
    assert any("OpenStreetMap" in line for line in head)
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in answer.text.splitlines() if not line.startswith("#")))))
    assert len(rows) == sum(len(layer.asset) for layer in Scripted(SCENE).view().layers)
    lamp = next(row for row in rows if row["asset"] == "lamp-7")
    assert lamp["street"].startswith(("Row", "Lane"))
    assert 0 <= float(lamp["value"]) <= 1


def test_geojson_and_json(client: httpx.Client) -> None:
    found = client.get("/api/download.geojson").json()
    assert found["type"] == "FeatureCollection"
    assert found["simulated"] is True
    assert found["attribution"] == list(SCENE.attribution)
    assert found["features"][0]["geometry"]["type"] == "Point"
    assert client.get("/api/download.json").json()["note"].startswith("SIMULATED")


def test_headers_keep_the_page_to_itself(client: httpx.Client) -> None:
    answer = client.get("/api/view")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_foreign_host_name_is_refused(client: httpx.Client) -> None:
    assert client.get("/api/view", headers={"Host": "rebound.example"}).status_code == 403
    assert client.get("/api/view", headers={"Host": "localhost:1"}).status_code == 200


def test_openapi_names_every_public_path(client: httpx.Client) -> None:
    paths = client.get("/api/openapi").json()["paths"]
    assert {"/api/scene", "/api/view", "/api/explain/{asset}", "/api/download.csv", "/api/control/hand-back"} <= set(paths)


def test_no_way_out_of_the_static_folder(client: httpx.Client) -> None:
    for path in ("/assets/..%2f..%2fserver.py", "/assets/%2e%2e", "/assets/nothing.js"):
        assert client.get(path).status_code == 404


def test_events_are_plain_text(client: httpx.Client) -> None:
    kinds: list[str] = []
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event:"):
                kinds.append(line.split(":")[1].strip())
            if line.startswith("data: {"):
                assert "text" in json.loads(line[6:])
                if len(kinds) > 5:
                    break
    assert set(kinds) <= {"permit", "refusal", "hand_back", "operator", "fault"}


def test_real_city_serves_no_single_asset() -> None:
    city = real(SCENE)
    engine = Scripted(city)
    with serving(engine, port=0) as address, httpx.Client(base_url=address, timeout=10) as client:
        scene = client.get("/api/scene").json()
        assert scene["assets"] is None
        assert all(service["lines"] == {} for service in scene["services"])
        assert client.get("/api/explain/lamp-3").status_code == 403
        view = client.get("/api/view").json()
        assert view["layers"] == []
        assert view["moving"] == 0
        every = client.get("/api/view").text + client.get("/api/download.csv").text + client.get("/api/download.geojson").text
        assert "lamp-" not in every
        assert not any(f'"{one}"' in every for one in SCENE.assets.id.tolist())
        assert "SIMULATED" not in every


@pytest.mark.parametrize(
    ("name", "words", "unit"),
    [
        ("vehicle_delay_s_per_trip", "vehicle delay", "s per trip"),
        ("vehicle_delay_s_trip", "vehicle delay", "s per trip"),
        ("energy_kwh", "energy", "kWh"),
        ("flow_veh_h", "flow", "veh/h"),
        ("u_pu", "voltage", "p.u."),
        ("p_max_kw", "power max", "kW"),
        ("dimming_level", "dimming level", ""),
        ("h", "h", ""),
    ],
)
def test_names_end_in_their_unit(name: str, words: str, unit: str) -> None:
    assert words_and_unit(name) == (words, unit)


def test_page_without_a_front_end_says_how_to_get_one(client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    from lamplighter.web import public

    monkeypatch.setattr(public, "STATIC", tmp_path)
    address = f"{client.base_url}/"
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        urllib.request.urlopen(address)
    assert b"npm run build" in caught.value.read()
    caught.value.close()
