"""Pushes of one fix each, over HTTP into Kafka, on one core; and what an outage of Kafka costs."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import msgspec

from app.local_broker.config import BrokerConfig
from app.local_broker.local_kafka import LocalKafka
from app.settings import PREFIX, PROJECT_DIR, Settings
from app.topics import topics_of
from bench.contest import Contestant, Options, take_turns
from bench.http_load import Outcome
from bench.meter import cpu_s
from bench.report import Section, ratio, spread
from bench.site import Site, site

_RATE_PER_S = 2000
_OUTAGE_RATE_PER_S, _OUTAGE_CONNECTIONS = 1000, 1000
_OUTAGE_SECONDS, _OUTAGE_FROM_S, _OUTAGE_S = 45.0, 10.0, 20.0
_SERVER_CORE, _CLIENT_CORE = "0", "1"
_GATEWAY, _FLOOR = "gateway", "aiohttp that answers 204"
_AT_RATE, _AT_MOST = f", {_RATE_PER_S:,}/s", ", as fast as 64 connections go"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What bench.http_load does. Rate 0: as fast as the connections go."""

    rate_per_s: int
    seconds: float = 10.0
    connections: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one load came to."""

    outcome: Outcome
    cpu_us: float
    """Of the server, per request."""
    lost: int
    """Pushes that were answered with 2xx and are not in the topic."""

    @property
    def rate_per_s(self) -> float:
        """Accepted pushes."""
        return len(self.outcome.accepted) / self.outcome.elapsed_s

    def percentile_ms(self, percent: int) -> float:
        """So many percent of the accepted took as long or less."""
        return statistics.quantiles(self.outcome.latencies_ms, n=100, method="inclusive")[percent - 1]

    def __str__(self) -> str:
        return (
            f"{self.rate_per_s:,.0f}/s, p50 {self.percentile_ms(50):.1f} ms,"
            f" p99 {self.percentile_ms(99):.1f} ms, {self.cpu_us:.0f} µs a request,"
            f" statuses {self.outcome.statuses}, {self.outcome.unanswered} unanswered, {self.lost} lost"
        )


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with site() as where:
        where.create_detector_topics(Settings(kafka_bootstrap=where.bootstrap))
        contestants = [
            Contestant(name=name + how, run=partial(run, where, rate_per_s))
            for how, rate_per_s in ((_AT_RATE, _RATE_PER_S), (_AT_MOST, 0))
            for name, run in ((_GATEWAY, _run_gateway), (_FLOOR, _run_floor))
        ]
        outcomes = take_turns(contestants, options, warm_up=True)
        outage = _run_outage(where)
        print(f"outage: {outage}", flush=True)
    return Section(
        name="gateway",
        command=f"python -m bench gateway --runs {options.runs}",
        head=("server", "accepted/s", "p50 ms", "p99 ms", "CPU µs a request", "accepted, not in the topic"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=[*_ratios(outcomes), _told(outage)],
    )


def _run_gateway(where: Site, rate_per_s: int) -> Run:
    with _gateway(where) as (pid, port):
        return _measured(where, pid, port, Load(rate_per_s=rate_per_s))


def _run_floor(where: Site, rate_per_s: int) -> Run:
    with _listening([sys.executable, "-m", "bench.http_floor"], dict(os.environ)) as (pid, port):
        outcome, cpu_us = _loaded(where, pid, port, Load(rate_per_s=rate_per_s))
    return Run(outcome=outcome, cpu_us=cpu_us, lost=0)


def _run_outage(where: Site) -> Run:
    broker = LocalKafka(where.folder / "kafka", BrokerConfig())

    def interrupt() -> None:
        time.sleep(_OUTAGE_FROM_S)
        os.kill(broker.start().pid, signal.SIGKILL)
        time.sleep(_OUTAGE_S)
        broker.start()

    with _gateway(where) as (pid, port):
        interruption = threading.Thread(target=interrupt)
        interruption.start()
        load = Load(rate_per_s=_OUTAGE_RATE_PER_S, seconds=_OUTAGE_SECONDS, connections=_OUTAGE_CONNECTIONS)
        run = _measured(where, pid, port, load)
        interruption.join()
    return run


def _measured(where: Site, pid: int, port: int, load: Load) -> Run:
    """Load the gateway, then look for all that it accepted."""
    starts = where.ends(topics_of(Settings()).location_data.name)
    outcome, cpu_us = _loaded(where, pid, port, load)
    found = {msgspec.json.decode(value)["MessageId"] for value in where.values_since(starts)}
    return Run(outcome=outcome, cpu_us=cpu_us, lost=len(set(outcome.accepted) - found))


def _loaded(where: Site, pid: int, port: int, load: Load) -> tuple[Outcome, float]:
    """Return what came of the load, and what a request cost the server, in µs of CPU."""
    told = where.folder / "load.json"
    figures = (port, load.rate_per_s, load.seconds, load.connections, told)
    command = ["taskset", "-c", _CLIENT_CORE, sys.executable, "-m", "bench.http_load", *map(str, figures)]
    before_s = cpu_s(pid)
    subprocess.run(command, cwd=PROJECT_DIR, check=True)
    spent_s = cpu_s(pid) - before_s
    outcome = msgspec.json.decode(told.read_bytes(), type=Outcome)
    return outcome, spent_s / max(sum(outcome.statuses.values()), 1) * 1e6


@contextmanager
def _gateway(where: Site) -> Iterator[tuple[int, int]]:
    tokens = where.folder / "tokens"
    tokens.write_text("bench-token-0123456789")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        f"{PREFIX}KAFKA_BOOTSTRAP": where.bootstrap,
        f"{PREFIX}GATEWAY_METRICS_PORT": "0",
    }
    command = [sys.executable, "-m", "app", "gateway", "--port", "0", "--token-file", str(tokens)]
    with _listening(command, env) as running:
        time.sleep(1)  # until it has Kafka
        yield running


@contextmanager
def _listening(command: Sequence[str], env: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Start a server on its core; yield its process id and port."""
    pinned = ["taskset", "-c", _SERVER_CORE, *command]
    with subprocess.Popen(
        pinned, cwd=PROJECT_DIR, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            url = next(iter(process.stdout or ()), "").removeprefix("listening on ")
            yield process.pid, urlsplit(url).port or 0
        finally:
            process.kill()


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        name,
        spread([run.rate_per_s for run in runs], "{:,.0f}"),
        spread([run.percentile_ms(50) for run in runs], "{:.1f}"),
        spread([run.percentile_ms(99) for run in runs], "{:.1f}"),
        spread([run.cpu_us for run in runs], "{:.0f}"),
        f"{sum(run.lost for run in runs):,}" if name.startswith(_GATEWAY) else "",
    ]


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    for how in (_AT_RATE, _AT_MOST):
        ours, floors = outcomes.get(_GATEWAY + how), outcomes.get(_FLOOR + how)
        if ours and floors:
            cpu = ratio([run.cpu_us for run in ours], [run.cpu_us for run in floors])
            yield f"Gateway to floor{how}: CPU a request {cpu}."


def _told(outage: Run) -> str:
    outcome = outage.outcome
    return (
        f"Kafka killed (-9) for {_OUTAGE_S:g} s in the middle of {_OUTAGE_SECONDS:g} s at"
        f" {_OUTAGE_RATE_PER_S:,}/s: {len(outcome.accepted):,} accepted,"
        f" {outcome.statuses.get(503, 0):,} answered 503, {outcome.unanswered} unanswered,"
        f" {outage.lost} accepted and not in the topic."
    )
