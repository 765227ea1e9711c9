"""The whole system for a minute: a broker, two workers, a stream of purchases, and the books at the end."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from app.asking import ask, publisher_url
from app.books.accounting import Report
from app.books.reading import reconcile
from app.connection import Connection, connection_of
from app.local_broker.config import any_free_port, plain_broker
from app.local_broker.local_kafka import LocalKafka
from app.producing import produce_events
from app.settings import PREFIX, PROJECT_DIR, RUN_DIR, Settings
from app.tailing import read_topic
from app.topic_admin import create_topics
from app.topic_state import committed_offsets, offset_ranges
from app.topics import Topics, topics_of
from models.flagged_transaction import FlaggedTransaction
from sources.event_file import Event
from streaming.errors import FatalError

_READY_TIMEOUT_S = 60.0
_CATCH_UP_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_LAST_FLAGGED_TIMEOUT_S = 1.0  # what is flagged is on its topic by then, and only has to be read
_POLL_S = 0.2
_GRACE_PERIOD_S = "5"  # nobody wants to wait five minutes for the end of a demo

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A broker, a detector and a publisher that run for this demo alone."""

    settings: Settings
    connection: Connection
    topics: Topics
    workers: tuple["_Worker", ...]


@contextmanager
def stage(say: Say) -> Iterator[Stage]:
    """Start a broker and workers in a folder of their own; stop all and remove it, whatever happens.

    Other SMARTBANK_* settings of the environment count, but not those that name a broker. After an error
    the folder stays, with the logs. Raises FatalError where a worker does not come up.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    RUN_DIR.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=RUN_DIR))
    try:
        with _broker(folder, say) as address, _workers(address, folder, say) as running:
            yield running
    except Exception:
        say(f"the logs stay in {folder}")
        raise
    finally:
        if not isinstance(sys.exception(), Exception):  # no error: the end, or Ctrl-C
            shutil.rmtree(folder, ignore_errors=True)


def _leave(number: int, _frame: object) -> NoReturn:
    """End as after an error, so that everything is stopped that was started."""
    raise SystemExit(128 + number)


@contextmanager
def _broker(folder: Path, say: Say) -> Iterator[str]:
    broker = LocalKafka(folder / "kafka", plain_broker(), progress=say)
    try:
        address = broker.start().address
        say(f"Apache Kafka at {address}")
        yield address
    finally:
        broker.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    app: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def _workers(address: str, folder: Path, say: Say) -> Iterator[Stage]:
    env = _environment(address, folder)
    settings = Settings.from_env(env)
    connection, topics = connection_of(settings), topics_of(settings)
    asyncio.run(_create_topics(settings, connection, topics))
    workers = tuple(_start_worker(app, env, folder / f"{app}.log") for app in ("detector", "publisher"))
    try:
        for worker in workers:
            _wait_ready(worker)
        say("detector and publisher ready")
        yield Stage(settings=settings, connection=connection, topics=topics, workers=workers)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            _stop_worker(worker.process)


async def play(
    on: Stage,
    events: Iterable[Event],
    *,
    speed: float | None,
    on_flagged: Callable[[FlaggedTransaction], None],
) -> Report:
    """Send `events`, show what is flagged, and return the books when the detector has caught up.

    Ctrl-C ends the stream early. The books are complete, or as they are a minute later.
    Raises FatalError where a worker ends.
    """
    following = asyncio.create_task(_show_flagged(on, on_flagged))
    watching = asyncio.create_task(_worker_ends(on))
    playing = asyncio.create_task(_send_and_prove(on, events, speed))
    try:
        done, _ = await asyncio.wait({playing, watching, following}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        await asyncio.wait({following}, timeout=_LAST_FLAGGED_TIMEOUT_S)
        return playing.result()
    finally:
        for task in (playing, watching, following):
            task.cancel()
        await asyncio.gather(playing, watching, following, return_exceptions=True)


async def _send_and_prove(on: Stage, events: Iterable[Event], speed: float | None) -> Report:
    sending = asyncio.create_task(produce_events(on.connection, events, speed=speed))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, sending.cancel)
    try:
        await asyncio.wait({sending})
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    if not sending.cancelled():
        sending.result()
    return await _closing_report(on)


async def _closing_report(on: Stage) -> Report:
    deadline_s = time.monotonic() + _CATCH_UP_TIMEOUT_S
    while True:
        report = await reconcile(on.connection, on.topics, group_id=on.settings.app_id)
        if report.balances(complete=True) or time.monotonic() > deadline_s:
            return report
        await asyncio.sleep(_POLL_S)


def published(on: Stage) -> dict[str, Any]:
    """The publisher's answer to `flagged`, when it has read all that was decided."""
    names = [topic.name for topic in on.topics.publisher.reads]
    asyncio.run(_read_to_the_end(on, names))
    window_s = str(on.settings.view_retention_s // 2)
    return ask(publisher_url(on.settings), "flagged", {"window_s": window_s, "windows": "1"})


async def _read_to_the_end(on: Stage, names: Sequence[str]) -> None:
    deadline_s = time.monotonic() + _CATCH_UP_TIMEOUT_S
    partitions = dict.fromkeys(names, on.settings.topic_partitions)
    while time.monotonic() < deadline_s:
        ranges = await offset_ranges(on.connection, partitions)
        committed = await committed_offsets(on.connection, on.settings.publisher_id, names)
        ends = {(name, p): r.end_offset for name in names for p, r in ranges[name].items()}
        if all(committed.get(place, 0) >= end for place, end in ends.items()):
            return
        await asyncio.sleep(_POLL_S)


async def _create_topics(settings: Settings, connection: Connection, topics: Topics) -> None:
    """Records of any age stay: an event file may be years old."""
    await create_topics(
        connection,
        topics.all,
        partitions=settings.topic_partitions,
        replication_factor=1,
        overrides={"retention.ms": "-1"},
    )


def _environment(address: str, folder: Path) -> dict[str, str]:
    """Our environment with the demo's broker and folder in it."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(f"{PREFIX}KAFKA_")}
    return {
        **ours,
        f"{PREFIX}KAFKA_BOOTSTRAP": address,
        f"{PREFIX}STATE_DIR": str(folder / "state"),
        f"{PREFIX}GRACE_PERIOD_S": os.environ.get(f"{PREFIX}GRACE_PERIOD_S", _GRACE_PERIOD_S),
        f"{PREFIX}SNAPSHOT_INTERVAL_S": "1",
        f"{PREFIX}ANONYMITY_LIMIT_S": os.environ.get(f"{PREFIX}ANONYMITY_LIMIT_S", _GRACE_PERIOD_S),
        f"{PREFIX}PUBLISHER_WEB_PORT": str(any_free_port()),
        f"{PREFIX}LOG_LEVEL": "info",
    }


def _start_worker(app: str, env: Mapping[str, str], log_path: Path) -> _Worker:
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "worker", app],
            cwd=PROJECT_DIR,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us: workers end after they have caught up
        )
    return _Worker(app=app, process=process, log=log_path)


def _wait_ready(worker: _Worker) -> None:
    deadline_s = time.monotonic() + _READY_TIMEOUT_S
    while b"Worker ready" not in (log := worker.log.read_bytes()):
        if worker.process.poll() is not None or time.monotonic() > deadline_s:
            last_line = (log.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise FatalError(f"the {worker.app} did not come up: {last_line}")
        time.sleep(_POLL_S)


def _stop_worker(worker: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        worker.wait(_STOP_TIMEOUT_S)
        return
    worker.kill()
    worker.wait()


async def _show_flagged(on: Stage, on_flagged: Callable[[FlaggedTransaction], None]) -> None:
    topic = on.topics.potential_fraud.name
    async with aclosing(read_topic(on.connection, topic, from_beginning=True)) as records:
        async for record in records:
            on_flagged(msgspec.json.decode(record.value, type=FlaggedTransaction))


async def _worker_ends(on: Stage) -> None:
    while (ended := next((w for w in on.workers if w.process.poll() is not None), None)) is None:  # noqa: ASYNC110 (a process sets no asyncio.Event)
        await asyncio.sleep(_POLL_S)
    raise FatalError(f"the {ended.app} ended with status {ended.process.returncode}: see {ended.log}")
