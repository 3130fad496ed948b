# SPDX-License-Identifier: Apache-2.0
"""What people may ask of a running city over HTTP: operators on its machine, everybody else only of a simulated city's record."""

import asyncio
from typing import Any

import httpx
import pytest

from lamplighter.web.server import build_app
from tests.web_scripted import Scripted, lattice_streets, real, scene_of

SCENE = scene_of(lattice_streets(60), 120)
JSON = {"Content-Type": "application/json"}
HERE, ELSEWHERE = "127.0.0.1", "10.0.0.7"


def get(path: str, peer: str = HERE, simulated: bool = True, params: dict[str, str] | None = None) -> httpx.Response:
    """Ask once, as a peer of that address."""

    async def asked() -> httpx.Response:
        app: Any = build_app(Scripted(SCENE if simulated else real(SCENE), running=False))
        transport = httpx.ASGITransport(app=app, client=(peer, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HERE}") as client:
            return await client.get(path, headers=JSON, params=params)

    return asyncio.run(asked())


def test_the_desk_holds_what_operators_may_ask_of() -> None:
    desk = get("/api/control/desk").json()
    assert {box["asset"] for box in desk["boxes"]} == {f"J{n}-0" for n in range(len(desk["boxes"]))}
    assert desk["boxes"][0]["street"].startswith(("Row", "Lane"))
    assert "ambulance" in desk["reasons"]
    assert desk["requests"] == [{"service": "traffic", "action": "clear_way", "title": "Clear the way"}]
    assert desk["watched"][0]["title"] == "What stands out"
    assert get("/api/control/found").json()[0]["asset"] == "J1-0"


def test_any_asset_leads_to_what_may_be_asked_of_its_box() -> None:
    (offer,) = get("/api/control/offers/J2-3").json()
    assert (offer["asset"], offer["action"], len(offer["choices"])) == ("J2-0", "clear_way", 3)
    assert get("/api/control/offers/lamp-3").json() == []
    assert get("/api/control/offers/nothing").status_code == 404
    assert get("/api/explain/J2-3").json()["box"] == "J2-0"


@pytest.mark.parametrize("path", ["desk", "offers/J1-0", "found", "wishes"])
@pytest.mark.parametrize("simulated", [True, False])
def test_another_machine_gets_nothing_of_the_operators(path: str, simulated: bool) -> None:
    answer = get(f"/api/control/{path}", ELSEWHERE, simulated)
    assert answer.status_code == 403
    assert "J1-0" not in answer.text


def test_a_simulated_city_tells_everybody_why_they_waited() -> None:
    for peer in (HERE, ELSEWHERE):
        letter = get("/api/account/J1-0", peer, params={"at": "2026-01-13 17:42", "part": "the crossings"}).json()
        assert letter["verdict"] == "within"
        assert "Asked for the crossings" in letter["paragraph"]
        assert letter["parts"] == ["Row 3 from the north", "the crossings"]


def test_of_a_real_city_only_its_operators_look_it_up() -> None:
    asked = {"at": "2026-01-13 17:42"}
    refused = get("/api/account/J1-0", ELSEWHERE, simulated=False, params=asked)
    assert refused.status_code == 403
    assert "its operators look the answer up and send it" in refused.json()["detail"]
    assert get("/api/account/J1-0", HERE, simulated=False, params=asked).status_code == 200


def test_what_cannot_be_understood_is_said_and_nothing_is_guessed() -> None:
    assert get("/api/account/lamp-3", params={"at": "17:42"}).status_code == 404
    assert get("/api/account/J1-0").status_code == 400
    twice = get("/api/account/J1-0", params={"at": "2026-10-25 02:30"})
    assert twice.status_code == 400
    assert "Say which one" in twice.json()["detail"]
    assert get("/api/account/J1-0", params={"at": "1" * 5000}).json()["detail"] == f"{'1' * 40!r} is no moment"
