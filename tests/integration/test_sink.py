"""`worker sink NAME`, `dead-letters` and `privacy audit` as an operator sees them, on a real Kafka."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.local_broker.config import any_free_port
from models.anonymized_transaction import QUASI_IDENTIFIERS, AnonymizedTransaction
from tests.contract.local_stores import ElasticsearchStore, InfluxStore, ParquetStore
from tests.contract.stores import MongoStore, Store
from tests.pages import Pages
from tests.pipeline import Pipeline, wait_until
from tests.promtool import problems_of
from tests.rows import records, row, rows
from tests.services.mongodb import MongoServer
from tests.sinks import SinkPipeline

TIMEOUT_S = 180.0


@pytest.fixture
def sink(pipeline: Pipeline, mongodb: MongoServer) -> SinkPipeline:
    """Topics, a store with its schema, no worker yet."""
    return SinkPipeline(pipeline, MongoStore(mongodb))


@pytest.fixture
def others(tmp_path: Path) -> Iterator[list[Store]]:
    """The other stores, each with its server."""
    kinds: list[type[Store]] = [ElasticsearchStore, InfluxStore, ParquetStore]
    folders = [tmp_path / kind.name for kind in kinds]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor() as at_once:
        stores = list(at_once.map(lambda kind, folder: kind.start(folder), kinds, folders))
        yield stores
        list(at_once.map(lambda store: store.stop(), stores))


def test_rows_reach_the_store_and_what_it_refuses_the_dead_letters(sink: SinkPipeline) -> None:
    """Then an operator looks, gives one up, and sends one again, which comes back."""
    bad = row(1, row_token="")
    sink.produce([*records(rows(500)), *records([bad]), (b"torn", b'{"row_token": "torn')])
    worker = sink.worker().wait_ready()
    wait_until(sink.is_delivered, TIMEOUT_S, "rows delivered")
    assert tokens(sink) == Counter(each.row_token for each in rows(500))
    assert_audited(sink, "mongodb", rows(500))

    refused = [json.loads(line) for line in sink.command("dead-letters", "list").stdout.splitlines()]
    assert {each["reason_code"]: each["store"] for each in refused} == {
        "schema": "mongodb",
        "malformed": "mongodb",
    }
    by_reason = {each["reason_code"]: each["id"] for each in refused}
    shown = json.loads(sink.command("dead-letters", "show", by_reason["malformed"]).stdout)
    assert shown["value"] == '{"row_token": "torn'
    assert "minLength" in next(each["reason"] for each in refused if each["reason_code"] == "schema")

    assert sink.command("dead-letters", "discard", by_reason["malformed"]).stdout == "discarded 1\n"
    assert sink.command("dead-letters", "retry", "--every", "--store", "mongodb").stdout == "retried 1\n"
    wait_until(lambda: len(listed(sink)) == 1, TIMEOUT_S, "it is refused again")
    (again,) = listed(sink)
    assert again["id"] not in by_reason.values()
    assert len(listed(sink, "--all")) == 3
    assert worker.terminate() == 0


def test_every_store_has_every_row_by_a_group_of_its_own(pipeline: Pipeline, others: list[Store]) -> None:
    """At once, from one topic; and what none of them can read is a dead letter of each."""
    sink = SinkPipeline(pipeline, *others, write_timeout_s=30)
    sink.produce([*records(rows(200)), (b"torn", b'{"row_token": "torn')])
    workers = [sink.worker(store.name) for store in others]
    for worker in workers:
        worker.wait_ready(timeout_s=TIMEOUT_S)
    wait_until(sink.is_delivered, TIMEOUT_S, "rows delivered")
    for store in others:
        assert store.tokens() == Counter(each.row_token for each in rows(200)), store.name
    assert sorted(each["store"] for each in listed(sink)) == sorted(store.name for store in others)
    assert_audited(sink, "elasticsearch", rows(200))
    for worker in workers:
        assert worker.terminate() == 0


def tokens(sink: SinkPipeline) -> Counter[str]:
    """How often each row is in the store."""
    (store,) = sink.stores
    return store.tokens()


def assert_audited(sink: SinkPipeline, store: str, written: list[AnonymizedTransaction]) -> None:
    """That `privacy audit` finds these rows there, which are too few to be anonymous, and says so."""
    audit = sink.command("privacy", "audit", "--store", store)
    groups = {tuple(getattr(row, name) for name in QUASI_IDENTIFIERS) for row in written}
    told = f"{len(written)} rows in {len(groups)} groups, 0 repeats left out\n"
    assert audit.stdout.startswith(told), audit
    assert (audit.returncode, audit.stderr.split(":")[0]) == (1, "NOT ANONYMOUS")


def listed(sink: SinkPipeline, *options: str) -> list[dict[str, str]]:
    """What `dead-letters list` shows."""
    return [json.loads(line) for line in sink.command("dead-letters", "list", *options).stdout.splitlines()]


def test_a_store_that_is_away_ends_no_worker(sink: SinkPipeline, mongodb: MongoServer) -> None:
    """Neither while it is away, nor at a rebalance, nor at the worker's end: what was begun is repeated."""
    port = any_free_port()
    sink.pipeline.configure(web_port=port)
    pages, first = Pages(port), sink.worker().wait_ready()
    wait_until(pages.is_ready, TIMEOUT_S, "ready")
    sink.produce(records(rows(200)))
    wait_until(sink.is_delivered, TIMEOUT_S, "the first rows delivered")
    assert problems_of(pages.metrics()) == ""
    mongodb.kill()
    try:
        sink.produce(records(rows(600)))
        wait_until(lambda: "store is away" in first.log, TIMEOUT_S, "the worker notices")
        wait_until(lambda: "store" in pages.failing(), TIMEOUT_S, "it is not ready")
        assert pages.health("/livez")["ok"], "a restart would not bring the store back"
        second = sink.worker().wait_ready()
        first.wait_ready(times=2)
        assert "is left to the next owner" in first.log
        assert first.terminate() == 0
        second.wait_ready(times=2)
    finally:
        mongodb.start()
    wait_until(sink.is_delivered, TIMEOUT_S, "all rows delivered")
    assert tokens(sink) == Counter(each.row_token for each in rows(600))
    assert "store is back" in second.log
    assert second.terminate() == 0
    assert not sink.pipeline.records(sink.pipeline.topics.dead_letters)


def test_a_worker_that_cannot_work_says_so_in_one_line(sink: SinkPipeline, mongodb: MongoServer) -> None:
    """Instead of trying for ever."""
    sink.pipeline.configure(mongodb_uri=mongodb.uri(password="sesame"))
    refused = sink.command("worker", "sink", "mongodb")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "error: MongoDB refuses the user or the password in SMARTBANK_MONGODB_URI"
    )
    assert refused.stderr.count("\n") == 1
    assert "sesame" not in refused.stderr
    unknown = sink.command("worker", "sink", "oracle")
    assert (unknown.returncode, unknown.stderr.split(";")[0]) == (1, "error: no store is called 'oracle'")
