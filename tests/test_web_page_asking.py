# SPDX-License-Identifier: Apache-2.0
"""Asking on the page, in headless Chromium without a map: by keys, the gate's answer beside it, only where it belongs."""

from collections.abc import Generator

import pytest

from lamplighter.web.server import serving
from tests.test_web_page import AUDIT, CHROMIUM, NO_WEBGL, PHONE, SMALL, Watched, contrast, pytestmark, sync_api
from tests.web_scripted import Scripted, lattice_streets, real, scene_of

__all__ = ["pytestmark"]
UPPERMOST = """(e) => {
    const r = e.getBoundingClientRect();
    return e.contains(document.elementFromPoint(r.x + 9, r.y + 9));
}"""


@pytest.fixture(scope="module")
def engine() -> Scripted:
    return Scripted(scene_of(lattice_streets(60), 120), running=False, moving=10)


@pytest.fixture(scope="module")
def address(engine: Scripted) -> Generator[str, None, None]:
    with serving(engine, port=0) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Generator:
    with sync_api.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=NO_WEBGL)
        yield made
        made.close()


def opened(browser, address: str, size: tuple[int, int] = SMALL, scheme: str = "dark") -> Watched:
    """Open the panel of one intersection by keys alone."""
    seen = Watched(browser, address, size, scheme)
    seen.page.locator("#room-box").focus()
    seen.page.keyboard.type("J1-0")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector("#why .ask.operator")
    assert seen.page.evaluate("document.activeElement.id") == "why"
    return seen


def test_keys_alone_look_up_why_somebody_waited(browser, address: str) -> None:
    page = opened(browser, address).page
    for _ in range(2 if page.locator("#why dd .link").count() else 1):
        page.keyboard.press("Tab")
    page.locator("#why .ask summary").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#why blockquote")
    assert "40 vehicles were counted" in page.locator("#why blockquote").inner_text()
    assert page.locator("#why .verdict").inner_text() == "Within what is allowed"
    page.locator("#why .ask select").first.select_option("the crossings")
    page.locator("#why .ask form button").first.press("Enter")
    page.wait_for_function("() => document.querySelector('#why blockquote')?.textContent.includes('Asked for the crossings')")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#why .said .plain").press("Enter")
    page.wait_for_function("() => document.getElementById('said').textContent.includes('copied')")
    assert "Asked for the crossings" in page.evaluate("navigator.clipboard.readText()")
    page.close()


def test_an_hour_that_came_twice_becomes_two_buttons(browser, address: str) -> None:
    page = opened(browser, address).page
    page.locator("#why .ask summary").first.click()
    page.wait_for_selector("#why blockquote")
    page.locator("#why input[type=date]").fill("2026-10-25")
    page.locator("#why input[type=time]").fill("02:30")
    page.locator("#why .ask form button").first.click()
    page.wait_for_selector("#why .said button:nth-of-type(2)")
    page.locator("#why .said button").nth(1).click()
    page.wait_for_function("() => document.querySelector('#why blockquote')?.textContent.includes('02:30+01:00')")
    page.close()


def test_what_the_gate_answers_stands_beside_the_wish_and_counts_down(browser, address: str, engine: Scripted) -> None:
    seen = opened(browser, address)
    page = seen.page
    page.locator("#why .ask.operator summary").click()
    page.locator("#why .ask.operator select").first.select_option("1")
    page.locator("#why .ask.operator .danger").press("Enter")
    page.wait_for_selector("#why .wishes .wish-box.refused")
    assert "minimum walk: 1 s, limit 5 s" in page.locator("#why .wishes").inner_text()
    assert page.locator("#wishes .left").inner_text() == "1:00"
    engine.play()
    page.wait_for_function("() => document.querySelector('#wishes .left')?.textContent !== '1:00'")
    engine.pause()
    assert "refused" in page.locator("#wish-spoken").inner_text()
    page.locator("#why .wishes .plain").press("Enter")
    page.wait_for_selector("#wishes", state="hidden")
    page.locator("#why .ask.operator select").first.select_option("2")
    page.locator("#why .ask.operator .danger").click()
    page.wait_for_selector("#why .wishes .wish-box.stands")
    assert "permitted" in page.locator("#wishes").inner_text()
    page.locator("#wishes .plain").click()
    page.wait_for_selector("#wishes", state="hidden")
    assert [call for call in engine.calls if call.startswith(("ask", "withdraw"))][:2] == [
        "ask traffic clear_way 1 60 ambulance", "withdraw 1",
    ]  # fmt: skip
    assert [one for one in seen.complaints() if "WebGL" not in one] == []
    page.close()


def test_what_stands_out_is_listed_and_leads_to_its_box(browser, address: str) -> None:
    page = Watched(browser, address, SMALL).page
    page.wait_for_function("() => document.getElementById('found-count').textContent === '1'")
    page.locator("#found summary").press("Enter")
    assert "fails 40% of its greens" in page.locator("#found-list").inner_text()
    page.locator("#found-list .link").press("Enter")
    page.wait_for_selector("#why .ask")
    page.close()


def test_where_control_is_refused_the_page_has_none(browser, address: str) -> None:
    page = browser.new_page(viewport={"width": SMALL[0], "height": SMALL[1]})
    page.route("**/api/control/desk", lambda route: route.fulfill(status=403, json={"detail": "from the machine itself only"}))
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate("document.body.dataset.plane") == "public"
    for control in ("#hand-back", "#play", "#speed", "#room", ".card .switch", "#wishes"):
        assert page.locator(control).first.is_hidden(), control
    page.locator("#lines [data-asset]").first.click()
    page.wait_for_selector("#why .ask")
    assert page.locator("#why .ask.operator").count() == 0
    assert page.locator("#why .ask summary").inner_text() == "Why did I wait?"
    page.close()


def test_a_real_citys_operators_reach_its_boxes_and_see_none_of_its_assets(browser, engine: Scripted) -> None:
    with serving(Scripted(real(engine.scene()), running=False), port=0) as address:
        page = opened(browser, address).page
        text = page.locator("#why").inner_text()
        assert "Single assets of a real city are not shown" in text
        assert "vehicles wait here" not in text
        page.close()


@pytest.mark.parametrize(("size", "scheme"), [(SMALL, "dark"), (SMALL, "light"), (PHONE, "light")])
def test_what_is_asked_can_be_read_and_reached(browser, address: str, size: tuple[int, int], scheme: str) -> None:
    page = opened(browser, address, size, scheme).page
    for summary in page.locator("#why summary").all():
        summary.click()
    page.wait_for_selector("#why blockquote")
    found = page.evaluate(AUDIT)
    faint = [(what, round(contrast(a, b), 2)) for what, a, b in found["texts"] if contrast(a, b) < 4.5]
    assert faint == []
    assert found["nameless"] == []
    assert found["twice"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    box = page.locator("#why .danger").first
    box.scroll_into_view_if_needed()
    assert box.evaluate(
        "e => { const r = e.getBoundingClientRect(); return e.contains(document.elementFromPoint(r.x + 9, r.y + 9)); }"
    )
    page.close()
