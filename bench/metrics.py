"""What metrics cost the detector: the same backlog with them, read as Prometheus does, and without."""

import json
import shutil
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from app.local_broker.config import any_free_port
from app.settings import Settings
from bench import meter
from bench.contest import Contestant, Options, take_turns
from bench.load import LOCATIONS, TRANSACTIONS, Backlog, produce_events
from bench.report import Section, ratio, spread
from bench.site import PARTITIONS, Site, site
from bench.worker import DETECTOR, READY, environment, fresh_app_id, running

_WITHOUT = (sys.executable, "-m", "bench.without_metrics", "worker", "detector")
_WITH_NAME, _WITHOUT_NAME = "with metrics", "without"
_FIRST_SCRAPE_S, _SCRAPE_PERIOD_S = 1.0, 15.0
_AIM = 1.02
_PERF_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One way through the backlog. Instructions: outside of the kernel; None where `perf` is missing."""

    events_per_s: float
    cpu_us_per_event: float
    instructions_per_event: float | None

    def __str__(self) -> str:
        counted = f", {self.instructions_per_event:,.0f} instructions" if self.instructions_per_event else ""
        return f"{self.events_per_s:,.0f} events/s, {self.cpu_us_per_event:.2f} CPU µs{counted} per event"


def measure(options: Options) -> Section:
    """Run the benchmark."""
    backlog = Backlog(
        fixes=options.events, purchases=options.events, devices=options.devices, partitions=PARTITIONS
    )
    with site() as where:
        print("producing the backlog", flush=True)
        where.create(LOCATIONS, TRANSACTIONS)
        produce_events(where.bootstrap, backlog.events())
        outcomes = take_turns(
            [
                Contestant(name=name, run=partial(_run, where, backlog, command, is_asked=is_asked))
                for name, command, is_asked in (
                    (_WITHOUT_NAME, _WITHOUT, False),
                    (_WITH_NAME, DETECTOR, True),
                )
            ],
            options,
            warm_up=True,
        )
    return Section(
        name="metrics",
        command=f"python -m bench metrics --events {options.events} --devices {options.devices}"
        f" --runs {options.runs}",
        head=("detector, RocksDB", "events/s", "CPU µs/event", "instructions/event"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=list(_remarks(outcomes)),
    )


def _run(where: Site, backlog: Backlog, command: tuple[str, ...], *, is_asked: bool) -> Run:
    app_id, port = fresh_app_id("metrics"), any_free_port()
    env = environment(
        where, app_id, "rocksdb", commit_interval_s="0.1", forward_wait_s="0", web_port=str(port)
    )
    where.create_detector_topics(Settings.from_env(env))
    inputs = where.ends(LOCATIONS, TRANSACTIONS)
    with running(command, env, where, app_id) as worker:
        worker.wait_for(READY)
        counting = _counting(worker.process.pid, where.folder / f"{app_id}.perf")
        with counting as counted, _asking(port if is_asked else None):
            measured = meter.measure([worker], where, app_id, inputs, backlog.total)
    return Run(
        events_per_s=measured.events_per_s,
        cpu_us_per_event=measured.cpu_us_per_event,
        instructions_per_event=counted[0] / measured.events if counted else None,
    )


@contextmanager
def _counting(pid: int, path: Path) -> Iterator[list[float]]:
    """Count a process' instructions; they are in the list afterwards, or it is empty where nobody counts."""
    counted: list[float] = []
    perf = shutil.which("perf")
    if perf is None:
        yield counted
        return
    command = [perf, "stat", "--json", "-e", "instructions:u", "-o", str(path), "-p", str(pid)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield counted
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_PERF_TIMEOUT_S)
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    counted += [float(line["counter-value"]) for line in lines if line["counter-value"][:1].isdigit()]


@contextmanager
def _asking(port: int | None) -> Iterator[None]:
    """Read /metrics as often as docs/metrics.md says, and once at least. Fails where that never worked."""
    done, pages = threading.Event(), [0]

    def ask() -> None:
        while not done.wait(_SCRAPE_PERIOD_S if pages[0] else _FIRST_SCRAPE_S):
            try:
                with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
                    pages[0] += b"smartbank_verdicts_total{" in page.read()
            except OSError:
                continue  # it has not started yet, or is busy

    asking = threading.Thread(target=ask)
    if port is not None:
        asking.start()
    try:
        yield
    finally:
        done.set()
        if port is not None:
            asking.join()
    if port is not None and not pages[0]:
        raise RuntimeError("nobody could read /metrics: let there be more events")


def _row(name: str, runs: list[Run]) -> list[str]:
    counted = [run.instructions_per_event for run in runs if run.instructions_per_event is not None]
    return [
        name,
        spread([run.events_per_s for run in runs]),
        spread([run.cpu_us_per_event for run in runs], "{:.1f}"),
        spread(counted) if counted else "no perf here",
    ]


def _remarks(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    if len(outcomes) < 2:
        return
    ours, theirs = outcomes[_WITH_NAME], outcomes[_WITHOUT_NAME]
    figures = {
        "CPU per event": [
            (a.cpu_us_per_event, b.cpu_us_per_event) for a, b in zip(ours, theirs, strict=True)
        ],
        "instructions per event": [
            (a.instructions_per_event, b.instructions_per_event)
            for a, b in zip(ours, theirs, strict=True)
            if a.instructions_per_event and b.instructions_per_event
        ],
    }
    for what, pairs in figures.items():
        if pairs:
            shown = ratio([a for a, _ in pairs], [b for _, b in pairs], form="{:.3f}")
            middle = statistics.median(a / b for a, b in pairs)
            yield f"With metrics {shown} of the {what}: {'within' if middle <= _AIM else 'above'} {_AIM}."
