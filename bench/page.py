"""The live page in Chromium: how soon it is seen, a flag on it, and what it holds after an hour."""

import re
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event as Flag
from threading import Thread

from playwright.sync_api import Browser, sync_playwright

from app.settings import Settings
from bench.contest import Options
from bench.load import device_id, fix, produce_events, producer, purchase
from bench.meter import cpu_s
from bench.report import Section, spread
from bench.site import Site, site
from bench.worker import DETECTOR, READY, Worker, environment, fresh_app_id, running
from sources.event_file import Event

_DEVICES = 1000
_FLAGGED_PER_S = 50
_MEASURED_S = 20.0
_WARM_UP_S = 5.0
_FRAME = 1 / 50
_HOUR_S = 3600
_FIXES_PER_SIMULATED_S = 40
_PAGE_BYTES = 4096

_WHO = (
    f"{_DEVICES:,} devices report once a second, the detector flags {_FLAGGED_PER_S} transactions a second;"
    " broker, detector, page, browser and sender share the cores."
)
_WHAT = (
    f"The hour's {_HOUR_S * _FIXES_PER_SIMULATED_S:,} locations and 36,000 flags are sent as fast"
    " as the broker takes them."
)

# Notes for each line of the list when it is there, and the frame that shows it is due.
_WATCH = """() => {
  window.seen = [];
  const sent = (line) => line.querySelector('.what').textContent.split('sent ')[1];
  const known = new Set([...document.querySelectorAll('.flag')].map(sent)); // of the run before
  new MutationObserver(() => requestAnimationFrame(() => {
    for (const line of document.querySelectorAll('.flag')) {
      const at = sent(line);
      if (at && !known.has(at)) { known.add(at); window.seen.push(Date.now() - Number(at)); }
    }
  })).observe(document.getElementById('flags'), {childList: true, subtree: true});
}"""


def measure(options: Options) -> Section:
    """Run the benchmark."""
    path = shutil.which("chromium")
    if path is None:
        sys.exit("page: no Chromium: apt-get install chromium")
    with site() as where:
        app_id = fresh_app_id("page")
        env = environment(where, app_id, "memory", dashboard_port="0", publisher_web_port="0", web_port="0")
        where.create_detector_topics(Settings.from_env(env))
        with (
            running(DETECTOR, env, where, "detector") as detector,
            running((sys.executable, "-m", "app", "dashboard"), env, where, "page") as page,
        ):
            detector.wait_for(READY)
            page.wait_for("the live page: ")
            url = page.log.split("the live page: ")[1].split()[0]
            rows = _looked_at(path, url, where, page, options.runs)
            rows.append(["memory of the process, MB: before, after half, after an hour", _hour(where, page)])
    return Section(
        name="page",
        command=f"python -m bench page --runs {options.runs}",
        head=("what", "median [least-most]"),
        rows=rows,
        remarks=[_WHO, _WHAT],
    )


def _looked_at(path: str, url: str, where: Site, page: Worker, runs: int) -> list[list[str]]:
    with _moving(where) as sender, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        time.sleep(_WARM_UP_S)
        renders_ms = [_render_ms(browser, url) for _ in range(runs)]
        before_s = cpu_s(page.process.pid)
        latencies_ms = [_latencies_ms(browser, url, sender) for _ in range(runs)]
        busy = (cpu_s(page.process.pid) - before_s) / (runs * _MEASURED_S)
        browser.close()
    return [
        ["first render with all devices, ms", spread(renders_ms)],
        ["from sending to the list, p50, ms", spread([_percentile(each, 50) for each in latencies_ms])],
        ["from sending to the list, p95, ms", spread([_percentile(each, 95) for each in latencies_ms])],
        ["lines seen a run", spread([len(each) for each in latencies_ms])],
        ["cores that the page's process takes", f"{busy:.2f}"],
    ]


def _render_ms(browser: Browser, url: str) -> float:
    """From asking for the page, with an empty cache, until the devices are on its map."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        tab = context.new_page()
        began_s = time.monotonic()
        tab.goto(url, wait_until="commit")
        tab.locator("#figure-devices", has_text=re.compile(r"\d")).wait_for(timeout=60_000)
        return (time.monotonic() - began_s) * 1000


def _latencies_ms(browser: Browser, url: str, flagging: Flag) -> list[float]:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector("#stream-state.live", timeout=60_000)
        time.sleep(_WARM_UP_S)  # Plotly and the coasts come when the rest is there
        tab.evaluate(_WATCH)
        flagging.set()
        time.sleep(_MEASURED_S)
        flagging.clear()
        time.sleep(_WARM_UP_S)
        seen: list[float] = tab.evaluate("window.seen")
    if not seen:
        raise RuntimeError("no flagged transaction came to the list")
    return seen


@contextmanager
def _moving(where: Site) -> Iterator[Flag]:
    """Let all devices report once a second, and while the yielded flag is set, let cards be used."""
    stop, flagging = Flag(), Flag()
    thread = Thread(target=_send, args=(where.bootstrap, stop, flagging))
    thread.start()
    try:
        yield flagging
    finally:
        stop.set()
        thread.join()


def _send(bootstrap: str, stop: Flag, flagging: Flag) -> None:
    sender, chance = producer(bootstrap, linger_ms=0), Random(3)
    turn, next_s = 0, time.monotonic()
    while not stop.is_set():
        now_ms = int(time.time() * 1000)
        devices = range(turn % 50, _DEVICES, 50)
        events = [fix(chance, device_id(number), now_ms) for number in devices]
        if flagging.is_set():
            events.append(_used(chance, now_ms))
        for event in events:
            sender.produce(event.topic, event.value_bytes, key=event.key_bytes, timestamp=event.arrival_ms)
        sender.poll(0)
        turn += 1
        next_s += _FRAME
        time.sleep(max(0.0, next_s - time.monotonic()))
    sender.flush(30)


def _used(chance: Random, now_ms: int) -> Event:
    """A use of a card far from its phone; its merchant's name says when it was sent."""
    used = purchase(
        chance, device_id(chance.randrange(_DEVICES)), now_ms, f"{now_ms}-{chance.random()}", is_far=True
    )
    value = used.value_bytes.decode().replace('"Merchant 1"', f'"sent {now_ms}.{chance.randrange(1000):03d}"')
    return Event(topic=used.topic, key=used.key, arrival_ms=now_ms, value=value)


def _hour(where: Site, page: Worker) -> str:
    """Send what an hour brings; return what the process holds before, in the middle and after it."""
    held = [_resident_mb(page)]
    for half in range(2):
        produce_events(where.bootstrap, _half_an_hour(half))
        _wait_read(page, where)
        held.append(_resident_mb(page))
    return ", ".join(f"{each:.0f}" for each in held)


def _half_an_hour(half: int) -> Iterator[Event]:
    chance, now_ms = Random(half), int(time.time() * 1000)
    for second in range(_HOUR_S // 2):
        moment_ms = now_ms - _HOUR_S * 500 + second * 1000
        for _ in range(_FIXES_PER_SIMULATED_S):
            yield fix(chance, device_id(chance.randrange(3 * _DEVICES)), moment_ms)
        for _ in range(10):
            device = device_id(chance.randrange(_DEVICES))
            yield purchase(chance, device, moment_ms, f"h-{half}-{chance.random()}", is_far=True)


def _wait_read(page: Worker, where: Site) -> None:
    """Return when what the detector made of it has come to the page, too: nothing moves for five seconds."""
    last, since_s = "", time.monotonic()
    while time.monotonic() - since_s < 5:
        ends = str([tp.offset for tp in where.ends("location_data", "Potential_fraud_transactions")])
        if ends != last:
            last, since_s = ends, time.monotonic()
        time.sleep(0.5)
    page.check()


def _resident_mb(page: Worker) -> float:
    pages = int(Path(f"/proc/{page.process.pid}/statm").read_text().split()[1])
    return pages * _PAGE_BYTES / 1e6


def _percentile(latencies_ms: Sequence[float], percent: int) -> float:
    return statistics.quantiles(latencies_ms, n=100, method="inclusive")[percent - 1]
