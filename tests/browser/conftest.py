"""A real broker, a detector, the live page, and a Chromium without a head that looks at it."""

import gzip
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import playwright.sync_api as playwright
import pytest

from app.settings import RUN_DIR
from tests.page import Page, running_page
from tests.pipeline import Pipeline

SCREENSHOTS = RUN_DIR / "screenshots"
_START_TIMEOUT_MS = 60_000  # where tests of other files take the machine


@dataclass(frozen=True, slots=True)
class Window:
    """A tab, and everything that was asked for and complained of in it."""

    tab: playwright.Page
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def shoot(self, name: str) -> None:
        """Leave a picture under .run/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.tab.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture(scope="module")
def pipeline(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A detector that makes its verdicts final after two seconds."""
    Pipeline.delete_all_topics(kafka_bootstrap)
    settings = {
        "SMARTBANK_PROFILE": "envelope",
        "SMARTBANK_GRACE_PERIOD_S": "2",
        "SMARTBANK_WEB_PORT": "0",
        "SMARTBANK_STORE": "memory",
    }
    with Pipeline(kafka_bootstrap, tmp_path_factory.mktemp("browser"), settings) as running:
        running.create_topics()
        running.worker().wait_ready()
        yield running


@pytest.fixture(scope="module")
def page(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, as on one's own machine: nobody signs in."""
    with running_page(pipeline.bootstrap, tmp_path_factory.mktemp("page")) as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def chromium(page: Page) -> Iterator[playwright.Browser]:  # noqa: ARG001 (playwright's loop runs last and ends first)
    """Debian's Chromium; where there is none, a failure in CI, elsewhere a skip."""
    path = shutil.which("chromium")
    if path is None and not os.environ.get("CI"):
        pytest.skip("no browser: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=as_root)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: playwright.Browser, page: Page) -> Iterator[Window]:
    """The page, live. In the end: nothing was asked of another host, and nothing complained of."""
    with chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light") as context:
        opened = opened_in(context, page)
        yield opened
        assert opened.hosts == {urlsplit(page.url).netloc}
        assert opened.complaints == []


def opened_in(context: playwright.BrowserContext, page: Page) -> Window:
    """Open the page in a new tab and wait until it is live."""
    window = Window(context.new_page())
    context.on("request", lambda request: window.hosts.add(urlsplit(request.url).netloc))
    window.tab.on("pageerror", lambda error: window.complaints.append(str(error)))
    window.tab.on(
        "console",
        lambda said: window.complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    window.tab.goto(page.url, timeout=_START_TIMEOUT_MS)
    window.tab.wait_for_selector("#stream-state.live", timeout=_START_TIMEOUT_MS)
    return window


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which looks for what keeps people out (MPL-2.0; for tests only)."""
    return gzip.decompress((Path(__file__).parent / "axe-4.14.1.min.js.gz").read_bytes()).decode()
