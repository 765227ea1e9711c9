"""Elasticsearch's sink on a real server, and every panel of the dashboard against the truth."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from app.local_services.elasticsearch import LocalElasticsearch
from models.anonymized_transaction import AnonymizedTransaction
from sinks.elasticsearch import ElasticsearchOptions, ElasticsearchSink
from tests.kibana import panels
from tests.local_servers import running
from tests.rows import row

INDEX = "anonymized-transactions"
MARCH = row(0).time_from.replace(month=3)


def varied() -> Iterator[AnonymizedTransaction]:
    """Over two months, and with categories of which some are more common."""
    chance = Random(1)
    categories = ("Grocery", "Restaurant", "Fuel", "Travel", "Electronics", "Pharmacy", "*")
    for number in range(3000):
        begin = row(0).time_from + timedelta(hours=chance.randrange(24 * 60))
        (category,) = chance.choices(categories, weights=range(1, len(categories) + 1))
        times = {"time_from": begin, "time_to": begin + timedelta(hours=1)}
        yield row(number, **times, merchant_category=category)


ROWS = list(varied())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalElasticsearch]:
    """One for the module."""
    with running(LocalElasticsearch(tmp_path_factory.mktemp("elasticsearch"))) as started:
        yield started


@pytest.fixture
async def client(server: LocalElasticsearch) -> AsyncIterator[AsyncElasticsearch]:
    """A client beside the sink's."""
    async with AsyncElasticsearch(server.url, request_timeout=30) as connected:
        yield connected


def sink_of(server: LocalElasticsearch, index: str = INDEX) -> ElasticsearchSink:
    """A sink of that server."""
    return ElasticsearchSink(ElasticsearchOptions(url=server.url, index=index, timeout_s=30))


@pytest.fixture
async def sink(server: LocalElasticsearch) -> AsyncIterator[ElasticsearchSink]:
    """Open, on a migrated store."""
    opened = sink_of(server)
    await opened.migrate()
    await opened.open()
    yield opened
    await opened.close()


async def count(client: AsyncElasticsearch, index: str, prefix: str = "") -> int:
    """How many rows there are whose tokens begin so."""
    await client.indices.refresh(index=index)
    answer = await client.count(index=index, query={"prefix": {"row_token": prefix}})
    return int(answer["count"])


async def test_a_row_lies_in_the_month_of_its_event_time(
    sink: ElasticsearchSink, client: AsyncElasticsearch
) -> None:
    """And is found by the alias of all months. What would spoil a whole request is not sent."""
    endless = row(3, row_token="month-3", amount_to=math.inf)
    long = row(4, row_token="month-" + "x" * 600)
    refused = await sink.write(
        [row(1, row_token="month-1"), row(2, row_token="month-2", time_from=MARCH), endless, long]
    )
    assert {each.row_token for each in refused} == {endless.row_token, long.row_token}
    assert await count(client, INDEX, "month") == 2
    assert await count(client, f"{INDEX}-2026.03.01", "month") == 1


@pytest.fixture(scope="module")
def answers(server: LocalElasticsearch) -> dict[str, Any]:
    """What the server says to each panel when it holds ROWS and nothing else."""

    async def ask() -> dict[str, Any]:
        sink = sink_of(server)
        await sink.migrate()
        async with AsyncElasticsearch(server.url, request_timeout=30) as client:
            await client.indices.delete(index=f"{INDEX}-*")
            assert not await sink.write(ROWS)
            await sink.close()
            await client.indices.refresh(index=f"{INDEX}-*")
            return {
                name: (await client.search(index=panel.index, **panel.body)).body
                for name, panel in panels().items()
            }

    return asyncio.run(ask())


def buckets(answer: Any) -> dict[str, int]:
    """Counts by key."""
    return {each["key"]: each["doc_count"] for each in answer["aggregations"]["2"]["buckets"]}


def total(answer: Any) -> int:
    """How many were found."""
    return int(answer["hits"]["total"]["value"])


def test_every_panel_is_checked_here(answers: dict[str, Any]) -> None:
    """Each has a test below that names it."""
    assert set(answers) == {
        *("top-merchant-categories", "volume-over-time", "average-amount", "device-types"),
        *("distinct-merchants", "people-per-group", "total-transactions", "total-flagged"),
    }


def test_panel_top_five_merchant_categories(answers: dict[str, Any]) -> None:
    """The first five, in their order."""
    truth = Counter(each.merchant_category for each in ROWS)
    assert list(buckets(answers["top-merchant-categories"]).items()) == truth.most_common(5)


def test_panel_volume_over_time(answers: dict[str, Any]) -> None:
    """Every day, and every verdict of a day."""
    days = answers["volume-over-time"]["aggregations"]["2"]["buckets"]
    seen = {
        (day["key_as_string"][:10], verdict["key"]): verdict["doc_count"]
        for day in days
        for verdict in day["3"]["buckets"]
    }
    assert seen == Counter((f"{each.time_from:%Y-%m-%d}", each.verdict) for each in ROWS)


def test_panel_average_amount(answers: dict[str, Any]) -> None:
    """Of the middles of the ranges."""
    truth = math.fsum((each.amount_from + each.amount_to) / 2 for each in ROWS) / len(ROWS)
    assert answers["average-amount"]["aggregations"]["1"]["value"] == pytest.approx(truth)


def test_panel_device_types(answers: dict[str, Any]) -> None:
    """All of them."""
    assert buckets(answers["device-types"]) == Counter(each.device_type for each in ROWS)


def test_panel_distinct_merchants(answers: dict[str, Any]) -> None:
    """Exact as long as they are few: Elasticsearch's precision_threshold is 3,000."""
    truth = len({each.merchant for each in ROWS} - {None})
    assert answers["distinct-merchants"]["aggregations"]["1"]["value"] == truth


def test_panel_people_per_group(answers: dict[str, Any]) -> None:
    """The fewest and the mean."""
    sizes = [each.group_size for each in ROWS]
    seen = answers["people-per-group"]["aggregations"]
    assert seen["1"]["value"] == min(sizes)
    assert seen["2"]["value"] == pytest.approx(sum(sizes) / len(sizes))


def test_panels_of_totals(answers: dict[str, Any]) -> None:
    """All transactions, and the flagged ones."""
    assert total(answers["total-transactions"]) == len(ROWS)
    assert total(answers["total-flagged"]) == sum(each.verdict == "flagged" for each in ROWS)
