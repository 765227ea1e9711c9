"""The live page in a real browser: what is sent is seen, by mouse, by keyboard and on a phone."""

import itertools
import time
from pathlib import Path
from typing import Literal

import playwright.sync_api as playwright
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, Window, opened_in
from tests.page import Page, running_page
from tests.pipeline import Pipeline, location, purchase

pytestmark = pytest.mark.kafka

Theme = Literal["light", "dark"]

_NUMBERS = itertools.count(1)
expect.set_options(timeout=60_000)  # a busy machine is no mistake of the page


@pytest.fixture
def shop(pipeline: Pipeline) -> str:
    """A merchant whose customer's phone was elsewhere: its flag and its device have this name."""
    name = f"Shop-{next(_NUMBERS)}"
    now_ms = int(time.time() * 1000)
    fixes = [
        location(name, now_ms - s * 1000, lat=37.33 + s * 1e-4, Altitude=20.0 + s) for s in range(30, 0, -3)
    ]
    elsewhere = location(f"{name}-friend", now_ms, lat=37.36, lon=-121.92)
    pipeline.produce([*fixes, elsewhere])
    pipeline.produce([purchase(f"t-{name}", name, now_ms, lat=37.45, lon=-121.95, Merchant=name)])
    return name


def line_of(window: Window, shop: str) -> playwright.Locator:
    """The flagged transaction in the list."""
    return window.tab.locator(".flag", has_text=shop)


def test_what_is_flagged_is_seen(window: Window, pipeline: Pipeline, shop: str) -> None:
    """As it happens, and confirmed when it is final. How long it takes is printed; the bench measures it."""
    expect(line_of(window, shop)).to_be_visible()
    now_ms = int(time.time() * 1000)
    pipeline.produce([purchase("t-timed", shop, now_ms, lat=37.45, lon=-121.95, Merchant="Timed")])
    expect(line_of(window, "Timed")).to_be_visible()
    print(f"seen {time.time() * 1000 - now_ms:.0f} ms after it was sent")
    pipeline.produce([location(shop, int(time.time() * 1000) + 4000)])  # the time of the stream goes on
    expect(line_of(window, shop)).to_contain_text("Confirmed")
    assert window.tab.locator("#figure-flagged").inner_text() != "0"


def test_the_evidence_is_told_and_drawn(window: Window, shop: str) -> None:
    """Words, bars and figures; on the map the path, the circle and the transaction. Escape closes it."""
    line_of(window, shop).click()
    evidence = window.tab.locator("#evidence")
    expect(evidence).to_contain_text("the phone needed to travel at least")
    expect(evidence.locator(".meter")).to_have_count(4)
    evidence.locator("summary").click()
    expect(evidence).to_contain_text("allowed speed")
    assert window.tab.locator(".leaflet-evidence-pane path").count() >= 4
    expect(window.tab.locator("#chart-device")).to_contain_text(shop)
    expect(window.tab.locator("#chart .trace.scatter")).to_have_count(2)
    window.shoot("evidence")
    window.tab.keyboard.press("Escape")
    expect(evidence).to_be_hidden()
    expect(line_of(window, shop)).to_be_focused()


def test_a_link_opens_the_evidence(window: Window, shop: str) -> None:
    """As a message to the fraud desk has it."""
    expect(line_of(window, shop)).to_be_visible()
    window.tab.evaluate("id => { location.hash = `#t=${id}`; }", f"t-{shop}")
    expect(window.tab.locator("#evidence")).to_contain_text("the phone needed to travel at least")
    window.tab.reload()
    expect(window.tab.locator("#evidence")).to_contain_text("the phone needed to travel at least")


def test_the_list_is_filtered(window: Window, shop: str) -> None:
    """By text, state and reason, and put together again."""
    expect(line_of(window, shop)).to_be_visible()
    tab = window.tab
    tab.locator("#filter-text").fill("no such thing")
    expect(tab.locator("#flags-empty")).to_be_visible()
    tab.locator("#filter-text").fill(shop.upper())
    expect(tab.locator(".flag")).to_have_count(1)
    tab.locator("#filter-state").select_option("retracted")
    expect(tab.locator(".flag")).to_have_count(0)
    tab.locator("#filter-state").select_option("")
    tab.locator("#filter-reason").select_option("beyond_reach_of_fix_before")
    tab.locator("#filter-time").select_option("5")
    expect(tab.locator(".flag")).to_have_count(1)
    assert tab.locator("#flags-count").inner_text().startswith("1 of")


def test_it_is_used_by_keyboard_alone(window: Window, shop: str) -> None:
    """Past the map to the list, through it, into the evidence and back; the theme, too."""
    expect(line_of(window, shop)).to_be_visible()
    tab = window.tab
    tab.keyboard.press("Tab")
    expect(tab.locator(".skip")).to_be_focused()
    tab.keyboard.press("Enter")
    for _ in range(6):  # pause, four filters, the list
        tab.keyboard.press("Tab")
    expect(tab.locator(".flag").first).to_be_focused()
    tab.keyboard.press("End")
    expect(tab.locator(".flag").last).to_be_focused()
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    expect(tab.locator("#evidence .why")).to_be_visible()
    expect(tab.locator("#evidence")).to_be_focused()
    tab.keyboard.press("Escape")
    tab.locator("#theme").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("html")).to_have_attribute("data-theme", "dark")
    tab.locator("#pause").focus()
    tab.keyboard.press("Space")
    expect(tab.locator("#pause")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_people_out(window: Window, shop: str, axe: str, theme: Theme) -> None:
    """What axe-core finds by WCAG 2.2 AA, contrast among it, with the evidence open."""
    tab = window.tab
    tab.emulate_media(color_scheme=theme, reduced_motion="reduce")
    line_of(window, shop).click()
    expect(tab.locator("#evidence .why")).to_be_visible()
    expect(tab.locator("html")).to_have_attribute("data-theme", theme)
    tab.evaluate(axe)
    found = tab.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        ".then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 120))]))"
    )
    assert found == []


def test_it_fits_a_phone(chromium: playwright.Browser, page: Page, shop: str) -> None:
    """Nothing is wider than the screen, and the evidence comes over the rest."""
    phone = chromium.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, color_scheme="dark", has_touch=True
    )
    with phone as context:
        window = opened_in(context, page)
        line_of(window, shop).tap()
        expect(window.tab.locator("#evidence .why")).to_be_in_viewport()
        assert window.tab.evaluate("document.documentElement.scrollWidth") == 390
        window.shoot("phone")
        assert window.complaints == []
    assert (SCREENSHOTS / "phone.png").stat().st_size > 10_000


def test_a_lost_connection_is_told(chromium: playwright.Browser, pipeline: Pipeline, tmp_path: Path) -> None:
    """And what is seen stays as it was."""
    with chromium.new_context() as context, running_page(pipeline.bootstrap, tmp_path) as page:
        page.wait_ready()
        window = opened_in(context, page)
        page.process.kill()
        expect(window.tab.locator("#banner")).to_contain_text("Connection lost")
        expect(window.tab.locator("#stream-state")).to_have_text("Reconnecting…")
