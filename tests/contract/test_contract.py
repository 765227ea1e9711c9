"""What every sink promises, kept against its real server."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from sinks.base import StoreAwayError
from sinks.elasticsearch import ElasticsearchSink
from sinks.mongodb import MongoSink
from streaming.errors import ConfigError
from tests.contract.delivering import delivering
from tests.contract.local_stores import ElasticsearchStore, InfluxStore, ParquetStore
from tests.contract.stores import MongoStore, Store
from tests.proxy import Proxy
from tests.rows import rows

TIMEOUT_S = 60.0
STORES = [
    pytest.param(kind, id=kind.name, marks=pytest.mark.xdist_group(kind.name))  # stores side by side
    for kind in (MongoStore, ElasticsearchStore, InfluxStore, ParquetStore)
]


@pytest.fixture(scope="module", params=STORES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One server for all tests of a store."""
    store = request.param.start(tmp_path_factory.mktemp(request.param.name))
    yield store
    store.stop()


@pytest.fixture
async def store(running: Store) -> Store:
    """A store with its schema and without rows."""
    running.clear()
    await running.sink().migrate()
    return running


def once(count: int, start: int = 0) -> Counter[str]:
    """Tokens of these rows, each there once."""
    return Counter(row.row_token for row in rows(count, start))


async def test_the_same_batch_twice_is_there_once(store: Store) -> None:
    """So a crash between a write and its commit does no harm."""
    async with delivering(store.sink()) as running:
        await running.deliver(rows(200))
        await running.deliver(rows(250))
    assert store.tokens() == once(250)
    assert running.metric("smartbank_sink_rows_written_total") == 450
    assert running.refused == []


@pytest.mark.needs("reading")
async def test_rows_are_read_back_as_they_were_written(store: Store) -> None:
    """`privacy audit` recounts what is really there."""
    sink = store.sink()
    assert isinstance(sink, MongoSink | ElasticsearchSink)
    written = rows(300)
    async with delivering(sink) as running:
        await running.deliver(written)
        there = {row.row_token: row async for row in sink.rows()}
    assert there == {row.row_token: row for row in written}


@pytest.mark.needs("bad rows")
async def test_one_bad_row_in_a_thousand_becomes_a_dead_letter(store: Store) -> None:
    """With the store's reason; the others are stored, and nothing waits."""
    good = rows(999)
    bad = store.spoil(rows(1, start=5000)[0])
    assert bad is not None
    async with delivering(store.sink()) as running:
        await running.deliver([*good[:500], bad, *good[500:]])
        ((event, error),) = running.refused
    assert event[2] is bad
    assert error.reason_code
    assert error.reason
    assert store.tokens() == once(999)
    assert running.metric("smartbank_sink_retries_total") == 0


@pytest.mark.needs("process")
async def test_a_store_that_is_killed_and_comes_back_has_every_row_once(store: Store) -> None:
    """Kill -9 in the midst of writing. Meanwhile memory is bounded and the breaker opens."""
    async with delivering(store.sink(timeout_s=1.0)) as running:
        delivered = asyncio.create_task(running.deliver(rows(1000)))
        await running.wait_for("smartbank_sink_rows_written_total", 200)
        assert store.kill()
        await running.wait_for("smartbank_sink_breaker_state", 2)
        assert not delivered.done()
        await asyncio.to_thread(store.revive)
        await delivered
        assert running.metric("smartbank_sink_breaker_state") == 0
    assert store.tokens() == once(1000)
    assert running.refused == []


@pytest.mark.needs("connections")
async def test_connections_that_are_cut_lose_nothing(store: Store) -> None:
    """Whether the store had the batch by then, nobody knows: it is written again."""
    assert store.port is not None
    async with Proxy(store.port) as proxy, delivering(store.sink(port=proxy.port)) as running:
        await running.deliver(rows(100))
        at_first = proxy.connections
        delivered = asyncio.create_task(running.deliver(rows(700, 100)))
        for least in (200, 400):
            await running.wait_for("smartbank_sink_rows_written_total", least)
            proxy.cut()
        await delivered
        assert proxy.connections > at_first
    assert store.tokens() == once(800)


@pytest.mark.needs("connections")
async def test_a_slow_store_is_waited_for(store: Store) -> None:
    """Slower than its time allows, it is asked again; what it had done by then does no harm."""
    assert store.port is not None
    async with Proxy(store.port) as proxy, delivering(store.sink(port=proxy.port, timeout_s=1.0)) as running:
        await running.deliver(rows(100))
        proxy.delay_s = 2.0
        delivered = asyncio.create_task(running.deliver(rows(500)))
        await running.wait_for("smartbank_sink_retries_total", 1)
        assert not delivered.done()
        proxy.delay_s = 0.05
        await delivered
    assert store.tokens() == once(500)


@pytest.mark.needs("quota")
async def test_a_full_disk_makes_no_dead_letters(store: Store) -> None:
    """It is the store's state, not a row's: rows wait until there is space."""
    async with delivering(store.sink(timeout_s=2.0)) as running:
        await running.deliver(rows(100))
        assert store.fill_disk()
        delivered = asyncio.create_task(running.deliver(rows(1000)))
        await running.wait_for("smartbank_sink_retries_total", 2)
        assert not delivered.done()
        await asyncio.to_thread(store.free_disk)
        await delivered
        assert running.refused == []
    assert store.tokens() == once(1000)


@pytest.mark.needs("passwords")
async def test_a_wrong_password_is_said_before_anything_is_written(store: Store) -> None:
    """By the name of the setting, and without what stands in it; not tried again."""
    sink = store.sink(password="sesame-wrong")
    try:
        with pytest.raises(ConfigError, match="SMARTBANK_") as told:
            await sink.open()
    finally:
        await sink.close()
    assert "sesame" not in str(told.value)


async def test_a_store_without_its_schema_is_said(running: Store) -> None:
    """With the command that makes it."""
    running.clear()
    sink = running.sink()
    try:
        with pytest.raises(ConfigError, match="stores migrate"):
            await sink.open()
    finally:
        await sink.close()


async def test_migrations_can_be_run_again_and_by_two_at_once(running: Store) -> None:
    """As when two operators, or two deployments, do the same."""
    running.clear()
    await asyncio.gather(running.sink().migrate(), running.sink().migrate())
    assert await running.sink().migrate() == []
    async with delivering(running.sink()) as writing:
        await writing.deliver(rows(10))
        assert await running.sink().migrate() == []  # also while workers write
    assert running.tokens() == once(10)


@pytest.mark.needs("connections")
async def test_a_store_that_does_not_answer_is_not_a_mistake(store: Store) -> None:
    """Opening is tried again; nobody has to mend a setting."""
    assert store.port is not None
    async with Proxy(store.port) as proxy:
        proxy.refuses = True
        sink = store.sink(port=proxy.port, timeout_s=1.0)
        with pytest.raises(StoreAwayError):
            await sink.open()
        await sink.close()
