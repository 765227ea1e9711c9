"""Stores are killed -9 in turn while rows flow into them: what they hold, and what verdicts feel of it."""

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from app.settings import PROJECT_DIR, Settings
from app.sink import group_of
from app.topics import topics_of
from bench.contest import Options
from bench.latency import READ_WAIT_MS, latencies_of, read_decisions
from bench.report import Section
from bench.site import Site, committed, site
from bench.worker import DETECTOR, READY, environment, fresh_app_id, running
from models.anonymized_transaction import AnonymizedTransaction
from tests.contract.local_stores import ElasticsearchStore, InfluxStore
from tests.contract.stores import MongoStore, Store
from tests.rows import records, rows

_KILLS_EACH = 3
_AWAY_S = 2.0
_LEAST_S = 150.0
_MOST_ROWS_PER_S = 1000.0
_WARM_UP_S = 10.0
_TRANSACTIONS_PER_S = 200
_DEVICES = 1000
_DELIVERY_TIMEOUT_S = 600.0


def measure(options: Options) -> Section:
    """Send as many rows as there are events: a third of the time in peace, then with kills."""
    count = options.events
    lasts_s = max(_LEAST_S, count / _MOST_ROWS_PER_S)
    with ExitStack() as at_end:
        where = at_end.enter_context(site())
        stores = [at_end.enter_context(_started(kind, where)) for kind in _KINDS]
        app_id = fresh_app_id("outages")
        given = {name: value for store in stores for name, value in store.settings().items()}
        env = environment(where, app_id, "rocksdb", web_port="0", **given)
        settings = Settings.from_env(env)
        where.create_detector_topics(settings)
        for store in stores:
            migrate = [sys.executable, "-m", "app", "stores", "migrate", store.name]
            subprocess.run(migrate, env=env, cwd=PROJECT_DIR, check=True, stdout=subprocess.DEVNULL)
        detector = at_end.enter_context(running(DETECTOR, env, where, app_id))
        sinks = [
            at_end.enter_context(running((*_SINK, store.name), env, where, f"sink-{store.name}"))
            for store in stores
        ]
        for worker in (detector, *sinks):
            worker.wait_for(READY)
        rows_topic = topics_of(settings).anonymized_transactions.name
        peace, kills = _load(
            where,
            topics_of(settings).transaction_decisions.name,
            lasts_s,
            [
                lambda: _send_rows(where, rows_topic, rows(count), count / lasts_s),
                lambda: _kill_in_turn(stores, lasts_s),
            ],
        )
        _wait_until_delivered(where, rows_topic, stores)
        for worker in (detector, *sinks):
            worker.check()
        held = {store.name: store.tokens() for store in stores}
    expected = {each.row_token for each in rows(count)}
    return Section(
        name="outages",
        command=f"python -m bench outages --events {count}",
        head=("store", "rows once", "rows more than once", "missing", "killed"),
        rows=[[name, *_judged(found, expected), str(_KILLS_EACH)] for name, found in held.items()],
        remarks=[
            (
                f"{count:,} rows to all three stores at once, {count / lasts_s:,.0f} a second;"
                f" {_TRANSACTIONS_PER_S} transactions a second to the detector. Each store was killed (-9) in"
                f" turn, and away for {_AWAY_S:g} s and its start."
            ),
            (
                f"Verdicts in peace: {_told(peace)}; from the first kill on: {_told(kills)}:"
                f" p99 {_percentile(kills, 99) / _percentile(peace, 99):.2f} times."
            ),
        ],
    )


_SINK = (sys.executable, "-m", "app", "worker", "sink")
_KINDS: Sequence[type[Store]] = (MongoStore, InfluxStore, ElasticsearchStore)


@contextmanager
def _started(kind: type[Store], where: Site) -> Iterator[Store]:
    folder = Path(where.folder) / kind.name
    folder.mkdir()
    store = kind.start(folder)
    try:
        yield store
    finally:
        store.stop()


def _load(
    where: Site, output: str, lasts_s: float, beside: Sequence[Callable[[], None]]
) -> tuple[list[float], list[float]]:
    """Send transactions while all else happens; return the latencies in peace, and those with kills."""
    load = [sys.executable, "-m", "bench.paced", where.bootstrap]
    figures = map(str, (_TRANSACTIONS_PER_S, lasts_s, _DEVICES))
    told, starts = where.folder / "sent", where.ends(output)
    with (
        ThreadPoolExecutor() as at_once,
        told.open("wb") as out,
        where.reader("outages", fetch_wait_max_ms=READ_WAIT_MS) as reader,
    ):
        reader.assign(starts)
        doing = [at_once.submit(each) for each in beside]
        with subprocess.Popen([*load, *figures], cwd=PROJECT_DIR, stdout=out) as sender:
            read = list(read_decisions(reader, sender))
        for each in doing:
            each.result()
    sent = msgspec.json.decode(told.read_bytes(), type=list[int])
    found = latencies_of(read, sent)
    if len(found) < len(sent):
        raise RuntimeError(f"{len(sent) - len(found)} transactions are without a decision")
    warm_ns, first_kill_ns = (sent[0] + int(s * 1e9) for s in (_WARM_UP_S, lasts_s / 3))
    peace = [ms for at_ns, ms in found.items() if warm_ns <= at_ns < first_kill_ns]
    return peace, [ms for at_ns, ms in found.items() if at_ns >= first_kill_ns]


def _send_rows(where: Site, topic: str, of: list[AnonymizedTransaction], rows_per_s: float) -> None:
    producer = Producer({"bootstrap.servers": where.bootstrap, "linger.ms": 5})
    begin_s = time.monotonic()
    for number, (key, value) in enumerate(records(of)):
        due_s = begin_s + number / rows_per_s
        while (wait_s := due_s - time.monotonic()) > 0:
            producer.poll(0)
            time.sleep(min(wait_s, 0.02))
        producer.produce(topic, value, key=key)
    if left := producer.flush(60):
        raise RuntimeError(f"the broker did not take {left} rows")


def _kill_in_turn(stores: Sequence[Store], lasts_s: float) -> None:
    begin_s, turns = time.monotonic() + lasts_s / 3, [*stores] * _KILLS_EACH
    for number, store in enumerate(turns):
        due_s = begin_s + number * (lasts_s * 2 / 3) / len(turns)
        time.sleep(max(0.0, due_s - time.monotonic()))
        print(f"kill -9 {store.name}", flush=True)
        store.kill()
        time.sleep(_AWAY_S)
        store.revive()


def _wait_until_delivered(where: Site, topic: str, stores: Sequence[Store]) -> None:
    ends = where.ends(topic)
    deadline_s = time.monotonic() + _DELIVERY_TIMEOUT_S
    for store in stores:
        with where.reader(group_of(store.name)) as reader:
            while committed(reader, ends) < sum(tp.offset for tp in ends):
                if time.monotonic() > deadline_s:
                    raise RuntimeError(f"{store.name}: rows are not delivered")
                time.sleep(0.2)


def _judged(found: Counter[str], expected: set[str]) -> list[str]:
    """Rows that are there once, more than once, and not at all."""
    once = sum(1 for token in expected if found[token] == 1)
    missing = sum(1 for token in expected if not found[token])
    return [f"{once:,}", f"{len(expected) - once - missing:,}", f"{missing:,}"]


def _told(latencies_ms: Sequence[float]) -> str:
    p50, p99 = _percentile(latencies_ms, 50), _percentile(latencies_ms, 99)
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(latencies_ms):,}"


def _percentile(latencies_ms: Sequence[float], percent: int) -> float:
    return statistics.quantiles(latencies_ms, n=100, method="inclusive")[percent - 1]
