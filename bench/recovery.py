"""How fast tables come back from their changelog, and a worker with its RocksDB directory."""

import re
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from app.settings import Settings
from app.topics import topics_of
from bench.contest import Contestant, Options, take_turns
from bench.kafka_streams import KafkaStreams
from bench.load import LOCATIONS, TRANSACTIONS, device_id, produce
from bench.report import Section, ratio, spread
from bench.site import Site, site
from bench.worker import DETECTOR, READY, environment, fresh_app_id, running
from models.latest_location import LatestLocation

_ASSIGNED = "Setting newly assigned partitions"  # aiokafka's words, and Faust's
_RECOVERED = "Recovery complete"
_LOG_TIME = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\]")
_PEER_ROW = struct.Struct(">qddd")  # as the peer lays a location out: time in µs, latitude, longitude, speed

_DETECTOR_MEMORY = "detector, memory"
_DETECTOR_ROCKSDB = "detector, RocksDB, no directory"
_DETECTOR_PRESENT = "detector, RocksDB, directory present"
_STREAMS_MEMORY = "Kafka Streams, memory"
_STREAMS_ROCKSDB = "Kafka Streams, RocksDB, no directory"
_PAIRS = ((_DETECTOR_MEMORY, _STREAMS_MEMORY), (_DETECTOR_ROCKSDB, _STREAMS_ROCKSDB))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One start: how many rows were restored, and how long it took."""

    keys: int
    assigned_to_recovered_s: float
    start_to_ready_s: float

    @property
    def keys_per_s(self) -> float:
        """Speed of the restore."""
        return self.keys / self.assigned_to_recovered_s

    def __str__(self) -> str:
        return (
            f"{self.keys:,} keys in {self.assigned_to_recovered_s:.2f} s ({self.keys_per_s:,.0f}/s),"
            f" start to ready {self.start_to_ready_s:.2f} s"
        )


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with site() as where:
        where.create(LOCATIONS, TRANSACTIONS)
        app_id = fresh_app_id("recovery")
        settings = Settings.from_env(environment(where, app_id, "memory", profile="paper"))
        where.create_detector_topics(settings)
        print("producing the changelog", flush=True)
        changelog = topics_of(settings).latest_locations_changelog.name
        produce(where.bootstrap, _changelog(changelog, options.keys))
        outcomes = take_turns(list(_contestants(where, app_id, options)), options, warm_up=True)
    return Section(
        name="recovery",
        command=f"python -m bench recovery --keys {options.keys} --runs {options.runs}",
        head=("contestant", "keys/s", "assigned to recovered, s", "start to ready, s"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=[*options.remarks, *_ratios(outcomes)],
    )


def _contestants(where: Site, app_id: str, options: Options) -> Iterator[Contestant[Run]]:
    for name, store, is_present in (
        (_DETECTOR_MEMORY, "memory", False),
        (_DETECTOR_ROCKSDB, "rocksdb", False),
        (_DETECTOR_PRESENT, "rocksdb", True),
    ):
        run = partial(_run_detector, store, where, app_id, options.keys, is_present=is_present)
        yield Contestant(name=name, run=run)
    if options.peer:
        for name, store in ((_STREAMS_MEMORY, "mem"), (_STREAMS_ROCKSDB, "rocks")):
            run = partial(_run_streams, options.peer, store, where, options.keys)
            yield Contestant(name=name, run=run)


def _run_detector(store: str, where: Site, app_id: str, keys: int, *, is_present: bool) -> Run:
    env = environment(where, app_id, store, profile="paper")
    state_dir = Path(Settings.from_env(env).state_dir)
    shutil.rmtree(state_dir, ignore_errors=True)
    if is_present:
        _start(env, where, app_id, keys)
    return _start(env, where, app_id, 0 if is_present else keys)


def _start(env: dict[str, str], where: Site, app_id: str, keys: int) -> Run:
    """Start a worker that has so many rows to restore, wait until it is ready, stop it."""
    with running(DETECTOR, env, where, app_id) as worker:
        worker.wait_for(READY)
        ready_s = time.monotonic() - worker.started_s
        recovered = _moment(worker.log, _RECOVERED) - _moment(worker.log, _ASSIGNED)
    return Run(keys=keys, assigned_to_recovered_s=recovered.total_seconds(), start_to_ready_s=ready_s)


def _moment(log: str, words: str) -> datetime:
    """The time of the first line with these words. Raises StopIteration where there is none."""
    stamp = next(match for line in log.splitlines() if words in line and (match := _LOG_TIME.search(line)))
    return datetime.strptime(stamp[1], "%Y-%m-%d %H:%M:%S,%f")  # noqa: DTZ007 (for a difference)


def _run_streams(peer: KafkaStreams, store: str, where: Site, keys: int) -> Run:
    """A fresh application each time: the group of the one before would be waited for."""
    app_id, out = fresh_app_id("streams"), fresh_app_id("streams-flagged")
    changelog = f"{app_id}-latest-changelog"
    where.create(out)
    where.create(changelog, compacted=True)
    now_us = int(time.time() * 1e6)
    row = _PEER_ROW.pack(now_us, 37.33, -121.89, 0.33)
    keyed = ((changelog, device_id(n).encode(), row, now_us // 1000) for n in range(keys))
    produce(where.bootstrap, keyed)
    topics = {"loc": LOCATIONS, "tx": TRANSACTIONS, "out": out}
    report = peer.rounds(where, mode="rec", id=app_id, store=store, **topics)[-1]
    if report["keys"] != keys:
        raise RuntimeError(f"Kafka Streams restored {report['keys']} of {keys} keys")
    return Run(keys=keys, assigned_to_recovered_s=report["el"], start_to_ready_s=report["start_to_running_s"])


def _changelog(topic: str, keys: int) -> Iterator[tuple[str, bytes, bytes, int]]:
    """Records as the detector's table writes them."""
    now = datetime.now(UTC)
    encode = msgspec.msgpack.Encoder().encode
    for number in range(keys):
        row = LatestLocation(now + timedelta(microseconds=number), 37.33 + number * 1e-7, -121.89, 0.33, 5.0)
        yield topic, device_id(number).encode(), encode(row), int(now.timestamp() * 1000)


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        name,
        spread([run.keys_per_s for run in runs]) if all(run.keys for run in runs) else "nothing to restore",
        spread([run.assigned_to_recovered_s for run in runs], "{:.2f}"),
        spread([run.start_to_ready_s for run in runs], "{:.2f}"),
    ]


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    for ours, theirs in _PAIRS:
        if ours in outcomes and theirs in outcomes:
            speeds = [[run.keys_per_s for run in outcomes[name]] for name in (ours, theirs)]
            yield f"{ours}: {ratio(*speeds)} times the keys/s of {theirs}."
