"""How fast `simulate` makes events and sends them; one run: `python -m bench.simulate NAME EVENTS BROKER`."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from app.connection import connection_of
from app.producing import produce_events
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from bench.contest import Contestant, Options, take_turns
from bench.meter import Measured
from bench.report import Section, ratio, spread
from bench.site import Site, site
from sources.event_file import Event
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from streaming.garbage import collect_less_often

_CUSTOMERS = 5_000
_REPORTS_PER_S = 0.2  # of each phone
_PURCHASES_PER_S = 250.0
_ALONE = "simulated, not sent"
_READY = "a ready list into Kafka"
_KAFKA = "simulated into Kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Measured):
    """One pass; the start of Python and, but for `ready_s`, the making of customers are not in it."""

    ready_s: float

    def __str__(self) -> str:
        return f"{self.events_per_s:,.0f} events/s, {self.cpu_us_per_event:.1f} µs CPU each"


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with site() as where:
        where.create_detector_topics(Settings(kafka_bootstrap=where.bootstrap))
        contestants = [
            Contestant(name=name, run=partial(_run_apart, name, options.events, where))
            for name in (_ALONE, _READY, _KAFKA)
        ]
        outcomes = take_turns(contestants, options, warm_up=True)
    return Section(
        name="simulate",
        command=f"python -m bench simulate --events {options.events} --runs {options.runs}",
        head=("contestant", "events", "events/s", "CPU µs/event", f"{_CUSTOMERS:,} customers ready after s"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=list(_ratios(outcomes)),
    )


def _run_apart(name: str, events: int, where: Site) -> Run:
    command = [sys.executable, "-m", "bench.simulate", name, str(events), where.bootstrap]
    done = subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Run)


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        name,
        f"{runs[0].events:,}",
        spread([run.events_per_s for run in runs]),
        spread([run.cpu_us_per_event for run in runs], "{:.1f}"),
        spread([run.ready_s for run in runs], "{:.2f}"),
    ]


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    floor = outcomes.get(_READY)
    for name, runs in outcomes.items():
        if floor and runs is not floor:
            times = ratio([r.cpu_us_per_event for r in runs], [f.cpu_us_per_event for f in floor])
            yield f"{name}: {times} times the CPU of {_READY}."


def _simulated(events: int) -> Iterator[Event]:
    topics, duration_s = topics_of(Settings()), events / (_CUSTOMERS * _REPORTS_PER_S + _PURCHASES_PER_S)
    scenario = Scenario(
        seed=1,
        start_time_ms=int((time.time() - duration_s - 10) * 1000),
        duration_s=duration_s,
        customers=_CUSTOMERS,
        transactions_per_s=_PURCHASES_PER_S,
    )
    made = simulate(
        scenario, location_topic=topics.location_data.name, transaction_topic=topics.transaction_data.name
    )
    return (each.event for each in made)


def _send(events: Iterable[Event], bootstrap: str) -> int:
    connection = connection_of(Settings(kafka_bootstrap=bootstrap))
    return asyncio.run(produce_events(connection, events)).total


def main() -> None:
    """Print the Run of a contestant."""
    name, count, bootstrap = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    began_s = time.monotonic()
    made = _simulated(count)
    ready_s = time.monotonic() - began_s
    collect_less_often()  # as the command does
    events: Iterable[Event] = list(made) if name == _READY else made
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    total = sum(1 for _ in events) if name == _ALONE else _send(events, bootstrap)
    elapsed_s, cpu_s = time.monotonic() - start_s, time.process_time() - start_cpu_s
    run = Run(events=total, ready_s=ready_s, elapsed_s=elapsed_s, cpu_s=cpu_s)
    print(msgspec.json.encode(run).decode())


if __name__ == "__main__":
    main()
