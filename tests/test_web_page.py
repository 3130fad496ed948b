# SPDX-License-Identifier: Apache-2.0
"""The page in headless Chromium, software-rendered: it draws, it can be worked by keys alone, it needs no WebGL."""

import os
import re
import shutil
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from lamplighter.web import public
from lamplighter.web.server import serving
from tests.web_scripted import Scripted, district_streets, lattice_streets, real, scene_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: install the dev extra")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
    pytest.mark.skipif(not (public.STATIC / "index.html").is_file(), reason="the front end is not built: make install builds it"),
]
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NO_WEBGL = ["--no-sandbox", "--disable-webgl", "--disable-webgl2", "--disable-3d-apis"]
DESKTOP, PHONE, SMALL = (1440, 900), (390, 844), (1024, 700)
LOOKS = [("desktop", DESKTOP, "dark"), ("phone", PHONE, "dark"), ("day", DESKTOP, "light")]
FOCUSED = """() => {
    const e = document.activeElement, s = getComputedStyle(e);
    const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
    return [e.id || e.className || e.tagName, ring];
}"""
AUDIT = r"""() => {
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const paint = (e) => {
        for (; e; e = e.parentElement) {
            const s = getComputedStyle(e);
            if (s.backgroundImage !== 'none') return null;
            const c = numbers(s.backgroundColor);
            if (c.length < 4 || c[3] > 0.9) return c;
        }
        return [0, 0, 0];
    };
    const shown = (e) => e.offsetParent && !e.closest('[hidden], .hidden, .skip, dialog:not([open]), .maplibregl-map, option');
    const texts = [];
    for (const e of document.querySelectorAll('body *')) {
        if (!shown(e) || e.matches(':disabled')) continue;
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        const under = own && paint(e);
        if (under) texts.push([`${e.tagName}.${e.className}#${e.id}`, numbers(getComputedStyle(e).color), under]);
    }
    const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') || e.title || e.labels?.length;
    const operable = [...document.querySelectorAll('button, a[href], input, select, [role=button], [role=img]')];
    const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
    return {
        texts,
        nameless: operable.filter((e) => shown(e) && !named(e)).map((e) => e.outerHTML),
        twice: ids.filter((id, at) => ids.indexOf(id) !== at),
        h1: document.querySelectorAll('h1').length,
        lang: document.documentElement.lang,
    };
}"""


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the contrast ratio of two sRGB colours (WCAG 2.2, relative luminance)."""

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [part / 255 for part in colour[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def engine() -> Scripted:
    streets = district_streets()
    return Scripted(scene_of(streets if streets is not None else lattice_streets(1500), 1500), moving=300)


@pytest.fixture(scope="module")
def address(engine: Scripted) -> Generator[str, None, None]:
    with serving(engine, port=0) as made:
        yield made


@pytest.fixture(scope="module")
def driver() -> Generator:
    with sync_api.sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def browser(driver) -> Generator:
    made = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield made
    made.close()


class Watched:
    """A page of which every request, error and console word is kept."""

    def __init__(self, browser, address: str, size: tuple[int, int] = DESKTOP, scheme: str = "dark") -> None:
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.said.append(f"thrown: {e}"))
        self.page.on("request", lambda r: self.asked.append(r.url))
        begun = time.monotonic()
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready]", timeout=30_000)
        self.ready_s = time.monotonic() - begun
        self.page.wait_for_timeout(400)

    def complaints(self) -> list[str]:
        """What was said, without what software rendering says of itself."""
        return [one for one in self.said if "GPU stall" not in one and "swiftshader" not in one.lower()]


@pytest.fixture(scope="module")
def small() -> Scripted:
    return Scripted(scene_of(lattice_streets(120), 320), moving=60)


@pytest.fixture(scope="module")
def opened(browser, small: Scripted) -> Generator[Watched, None, None]:
    with serving(small, port=0) as address:
        made = Watched(browser, address, SMALL)
        yield made
        made.page.close()


@pytest.fixture
def watched(opened: Watched) -> Watched:
    """One page for all tests of working it: each begins at its top, with nothing open."""
    page = opened.page
    for _ in range(2):
        page.keyboard.press("Escape")
    if page.locator("#why").is_visible():
        page.locator("#why header button").click()
    page.locator("#search-input").fill("")
    page.locator("#as-map").click()
    page.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); }")
    return opened


@pytest.mark.parametrize(("name", "size", "scheme"), LOOKS)
def test_it_draws_without_a_word_and_asks_nobody_else(
    browser, address: str, tmp_path: Path, name: str, size: tuple[int, int], scheme: str
) -> None:
    seen = Watched(browser, address, size, scheme)
    page = seen.page
    picture = page.screenshot(path=str(tmp_path / f"{name}.png"))
    assert len(picture) > 60_000, "a picture with a city on it"
    assert page.evaluate("document.body.dataset.ready") == "map"
    assert page.locator("#simulated").is_visible()
    assert page.locator("#simulated").bounding_box()["y"] < 120
    assert page.locator(".card .u-wrap canvas").count() == 3
    assert re.match(r"\d\d:\d\d:\d\d", page.locator("#clock").inner_text())
    assert seen.complaints() == []
    assert all(url.startswith((address, "blob:", "data:")) for url in seen.asked), seen.asked
    assert page.context.cookies() == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size[0], "nothing hangs over the edge"
    page.close()


def test_clock_and_values_move(watched: Watched) -> None:
    page = watched.page
    first = page.locator("#clock").inner_text()
    page.wait_for_function("first => document.getElementById('clock').textContent !== first", arg=first, timeout=5000)
    gain = page.locator(".card .gain").first.inner_text()
    assert re.fullmatch(r"✓ [\d.,]+ % less", gain)
    assert page.locator("#lines .line").count() > 5
    assert "Nothing was sent" in page.locator("#lines").inner_text()


def test_keys_alone_find_a_street_and_leave_it(watched: Watched, small: Scripted) -> None:
    page = watched.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search-input"
    name = max((one for one in small.scene().streets.name.tolist() if one), key=len)
    page.keyboard.type(name[:6].lower())
    page.wait_for_selector("#search-list [role=option][aria-selected=true]")
    assert page.locator("#search-input").get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    chosen = page.locator("#search-list [aria-selected=true]").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#search-input").input_value() == chosen
    assert "marked on the map" in page.locator("#said").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#search-input").input_value() == ""


def test_every_control_is_reached_by_tab_in_order_and_shows_it(watched: Watched) -> None:
    page = watched.page
    page.locator(".skip").first.focus()
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        reached.append(found[0])
        assert found[1] or found[0] in ("BODY", "numbers"), f"{found[0]} hides its focus"
    for wanted in ("play", "speed", "hand-back", "search-input", "as-table", "hold", "only-refusals"):
        assert wanted in reached, (wanted, reached)
    assert reached.index("play") < reached.index("hand-back") < reached.index("search-input") < reached.index("hold")


def test_handing_back_wants_two_presses(watched: Watched, small: Scripted) -> None:
    page = watched.page
    small.calls.clear()
    button = page.locator("#hand-back")
    button.focus()
    page.keyboard.press("Enter")
    assert "Press again" in button.inner_text()
    assert small.calls == []
    page.keyboard.press("Escape")
    assert button.inner_text() == "Hand everything back"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('said').textContent.includes('42 boxes')", timeout=4000)
    assert small.calls == ["hand back"]
    page.wait_for_selector(".card[data-arm=baseline]")
    page.locator(".card .switch button").first.click()
    page.wait_for_selector(".card[data-arm=adaptive]")
    assert "arm grid adaptive" in small.calls


def test_pause_and_play(watched: Watched, small: Scripted) -> None:
    page = watched.page
    small.calls.clear()
    page.locator("#play").click()
    page.wait_for_selector("#play[data-running=false]")
    assert page.locator("#reached").inner_text() == "paused"
    page.locator("#play").click()
    page.wait_for_selector("#play[data-running=true]")
    page.locator("#speed").select_option("60")
    page.wait_for_timeout(400)
    assert small.calls == ["pause", "play", "speed 60"]


def test_why_opens_follows_the_cable_and_closes(watched: Watched) -> None:
    page = watched.page
    button = page.locator("#lines [data-asset]").first
    button.click()
    page.wait_for_selector("#why .sentences p")
    text = page.locator("#why").inner_text()
    assert "41 s old" in text
    assert "62 %" in text
    page.locator("#why dd .link", has_text="node-").click()
    page.wait_for_function("() => document.querySelector('#why h2')?.textContent.startsWith('node-')")
    page.keyboard.press("Escape")
    assert page.locator("#why").is_hidden()


def test_a_click_on_the_map_says_why(watched: Watched) -> None:
    page = watched.page
    page.locator("#search-input").fill("Row 3")
    page.keyboard.press("Enter")
    page.wait_for_timeout(2500)
    box = page.locator("#map").bounding_box()
    middle = (box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.5)
    for dx, dy in [(x * 18, y * 18) for x in range(-6, 7) for y in range(-6, 7)]:
        page.mouse.click(middle[0] + dx, middle[1] + dy)
        if page.locator("#why").is_visible():
            break
    page.wait_for_selector("#why .sentences p", timeout=4000)


def test_the_list_can_be_held(watched: Watched) -> None:
    page = watched.page
    page.locator("#hold").click()
    assert page.locator("#hold").get_attribute("aria-pressed") == "true"
    before = page.locator("#lines").inner_text()
    page.wait_for_timeout(1500)
    assert page.locator("#lines").inner_text() == before
    page.locator("#hold").click()
    page.locator("#only-refusals").check()
    page.wait_for_timeout(300)
    assert page.locator("#lines .line.permit").count() == 0


def test_the_table_holds_the_same_values_and_sorts(watched: Watched, small: Scripted) -> None:
    page = watched.page
    page.locator("#as-table").click()
    page.locator("#table select").select_option("lamps")
    count = int(small.scene().assets.of_kind("luminaire").sum())
    assert f"of {count} rows" in page.locator("#table [role=status]").inner_text()
    page.locator("#table th.value button").click()
    assert page.locator("#table th.value").get_attribute("aria-sort") in ("ascending", "descending")
    page.locator("#table th.id button").click()
    assert page.locator("#table tbody tr th").first.inner_text() == "lamp-0"
    page.locator("#table tbody tr .link").first.click()
    page.wait_for_selector("#why .sentences p")


def test_without_webgl_there_is_the_table(driver, address: str) -> None:
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=NO_WEBGL)
    seen = Watched(browser, address)
    page = seen.page
    assert page.evaluate("document.body.dataset.ready") == "table"
    assert page.locator("#table tbody tr").count() > 10
    assert page.locator("#as-map").is_disabled()
    assert "no WebGL" in page.locator("#said").inner_text()
    assert [one for one in seen.complaints() if "WebGL" not in one] == []
    browser.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_texts_can_be_read_and_controls_have_names(browser, small: Scripted, scheme: str) -> None:
    """The part of an accessibility audit that needs no library: contrast 4.5, names, one h1, language, no double ids."""
    with serving(small, port=0) as address:
        seen = Watched(browser, address, SMALL, scheme)
        seen.page.locator("#as-table").click()
        seen.page.wait_for_timeout(300)
        found = seen.page.evaluate(AUDIT)
        seen.page.close()
    assert len(found["texts"]) > 60
    faint = [(what, round(contrast(a, b), 2)) for what, a, b in found["texts"] if contrast(a, b) < 4.5]
    assert faint == []
    assert found["nameless"] == []
    assert found["twice"] == []
    assert found["h1"] == 1
    assert found["lang"] == "en"


def test_a_lost_connection_is_seen_and_mends(browser, small: Scripted) -> None:
    with serving(small, port=0) as address:
        port = int(address.rsplit(":", 1)[1])
        seen = Watched(browser, address, SMALL)
        assert seen.page.locator("#connection").is_hidden()
    seen.page.wait_for_selector("#connection:not([hidden])", timeout=8000)
    assert "Connection lost" in seen.page.locator("#connection").inner_text()
    with serving(small, port=port):
        seen.page.wait_for_selector("#connection", state="hidden", timeout=12_000)
        seen.page.close()


def test_a_real_city_shows_areas_and_no_assets(browser, small: Scripted) -> None:
    with serving(Scripted(real(small.scene())), port=0) as address:
        seen = Watched(browser, address, SMALL)
        assert seen.page.locator("#simulated").is_hidden()
        assert seen.complaints() == []
        assert "single assets are not published" in seen.page.evaluate("document.getElementById('about').textContent")
        seen.page.close()


@pytest.mark.slow
def test_a_town_of_20000_streets_and_5000_lamps_is_soon_there(browser) -> None:
    if os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1):
        pytest.skip("the machine is busy with other work: how soon the page is there would say nothing")
    with serving(Scripted(scene_of(lattice_streets(20_000), 5000), moving=1000), port=0) as address:
        seen = Watched(browser, address)
        assert seen.complaints() == []
        seen.page.close()
    assert seen.ready_s < 8.0, f"ready after {seen.ready_s:.1f} s"
