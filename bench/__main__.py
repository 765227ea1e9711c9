"""`make bench`: events/s and CPU µs per event of a detector worker that works off a backlog."""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from confluent_kafka import TopicPartition
from rich.console import Console
from rich.table import Table

from app.connection import connection_of
from app.local_broker.config import BrokerConfig
from app.local_broker.local_kafka import LocalKafka
from app.settings import PROJECT_DIR, Settings
from app.topic_admin import create_topics
from app.topics import topics_of
from bench import load
from bench.meter import Measured, measure

_PARTITIONS = 4
_IDIOMATIC_SHARE = 20  # plain Faust gets a twentieth of the load: it would take minutes for all of it

DETECTOR = [sys.executable, "-m", "app", "worker", "detector"]
IDIOMATIC = [sys.executable, "-m", "faust", "-A", "bench.idiomatic", "worker", "-l", "warn", "--without-web"]


def main() -> None:
    """Measure and print a table."""
    arguments = _arguments()
    console = Console()
    console.print(
        f"{arguments.events:,} fixes + {arguments.events:,} transactions of {arguments.devices:,} devices,"
        f" {_PARTITIONS} partitions; {os.cpu_count()} cores, shared with the broker; {arguments.runs} runs"
    )
    table = Table("worker", "store", "events/s, median [min-max]", "CPU µs/event, median [min-max]")
    for name, command, store, share in _contestants():
        events = arguments.events // share
        runs = []
        for _ in range(arguments.runs):
            runs.append(_run(command, store, events, arguments.devices))
            console.print(f"{name}, {store}: {runs[-1]}")
        table.add_row(
            name,
            store,
            _spread(runs, lambda run: run.events_per_s, "{:,.0f}"),
            _spread(runs, lambda run: run.cpu_us_per_event, "{:.1f}"),
        )
    console.print(table)


def _contestants() -> list[tuple[str, list[str], str, int]]:
    """Name, command, store, and by what the load is divided."""
    return [
        ("detector", DETECTOR, "memory", 1),
        ("detector", DETECTOR, "rocksdb", 1),
        ("idiomatic Faust", IDIOMATIC, "memory", _IDIOMATIC_SHARE),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="fixes, and as many transactions")
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


def _run(command: list[str], store: str, events: int, devices: int) -> Measured:
    """A fresh broker, a backlog, one worker."""
    with tempfile.TemporaryDirectory() as folder:
        broker = LocalKafka(Path(folder) / "kafka", BrokerConfig())
        address = broker.start().address
        try:
            return _measure_backlog(command, _environment(address, folder, store), events, devices)
        finally:
            broker.stop()


def _measure_backlog(command: list[str], env: Mapping[str, str], events: int, devices: int) -> Measured:
    settings = Settings.from_env(env)
    topics = topics_of(settings)
    asyncio.run(
        create_topics(connection_of(settings), topics.all, partitions=_PARTITIONS, replication_factor=1)
    )
    total = load.produce(settings.bootstrap, load.records(events, events, devices))
    log = Path(settings.state_dir).parent / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command, cwd=PROJECT_DIR, env={**os.environ, **env}, stdout=output, stderr=output
        )
    group_id = settings.app_id if command is DETECTOR else "idiomatic"
    inputs = [
        TopicPartition(topic.name, p)
        for topic in (topics.location_data, topics.transaction_data)
        for p in range(_PARTITIONS)
    ]
    try:
        return measure(worker, settings.bootstrap, group_id, inputs, total)
    except RuntimeError as error:
        raise RuntimeError(f"{error}: {log.read_text()[-2000:]}") from None
    finally:
        worker.kill()
        worker.wait()


def _environment(address: str, folder: str, store: str) -> dict[str, str]:
    return {
        "SMARTBANK_KAFKA_BOOTSTRAP": address,
        "SMARTBANK_STORE": store,
        "SMARTBANK_STATE_DIR": f"{folder}/state",
        "SMARTBANK_COMMIT_INTERVAL_S": "0.1",  # commits are what is measured by
        "SMARTBANK_WEB_PORT": "0",
        "SMARTBANK_LOG_LEVEL": "warning",
    }


def _spread(runs: list[Measured], figure: Callable[[Measured], float], form: str) -> str:
    figures = sorted(map(figure, runs))
    return f"{form.format(statistics.median(figures))} [{form.format(figures[0])}-{form.format(figures[-1])}]"


if __name__ == "__main__":
    main()
