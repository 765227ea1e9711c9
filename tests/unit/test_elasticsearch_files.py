"""What Elasticsearch and Kibana import fits the rows; a refused login is told without its secret."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.settings import Settings
from models.anonymized_transaction import AnonymizedTransaction
from sinks.elasticsearch import ElasticsearchOptions, ElasticsearchSink, document_of, index_of
from sinks.elasticsearch_schema import FIELDS, ILM_POLICY_FILE
from streaming.errors import ConfigError
from tests.kibana import panels, saved_objects
from tests.rows import row

INDEX = Settings().elasticsearch_index


def test_the_mapping_has_the_fields_of_a_row_and_no_others() -> None:
    """It is strict: a row with another one would be refused."""
    assert set(document_of(row(1))) == set(FIELDS)
    assert set(AnonymizedTransaction.__struct_fields__) < set(FIELDS)


def test_the_age_of_an_index_is_in_its_name() -> None:
    """As index.lifecycle.parse_origination_date wants it: yyyy.MM.dd, and perhaps a number, at the end."""
    found = re.fullmatch(r".*-(\d{4}\.\d{2}\.\d{2})(-\d+)?", index_of(INDEX, row(1)))
    assert found
    assert found[1] == "2026.04.01"


def test_the_lifecycle_policy_is_json_of_phases_that_follow_each_other() -> None:
    """All that is checked of it: the server that tests have knows no lifecycles."""
    phases = json.loads(ILM_POLICY_FILE.read_text())["policy"]["phases"]
    ages = [int(re.match(r"\d+", phases[name]["min_age"])[0]) for name in ("hot", "warm", "delete")]  # type: ignore[index]  # None fails, too
    assert ages == sorted(ages)
    assert phases["delete"]["actions"] == {"delete": {}}


def test_every_saved_object_that_is_referred_to_is_there() -> None:
    """An import would else ask for what is missing."""
    objects = saved_objects()
    for each in objects.values():
        for reference in each["references"]:
            assert (reference["type"], reference["id"]) in objects
    assert objects["index-pattern", INDEX]["attributes"]["title"] == f"{INDEX}-*"


def test_panels_ask_for_fields_that_rows_have() -> None:
    """A name with a slip of the pen would show nothing."""

    def fields(of: Any) -> Iterator[str]:
        if isinstance(of, dict):
            for key, value in of.items():
                if key == "field":
                    yield value
                else:
                    yield from fields(value)

    for panel in panels().values():
        assert set(fields(panel.body)) <= set(FIELDS)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_login_names_the_setting_and_no_secret(status: int) -> None:
    """The server of the other tests asks for no password; this one takes none."""

    async def refuse(_: web.Request) -> web.Response:
        body = msgspec.json.encode({"error": {"type": "security_exception"}, "status": status})
        kind = {"X-Elastic-Product": "Elasticsearch"}
        return web.Response(status=status, body=body, headers=kind, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", refuse)
    async with TestServer(app) as server:
        sink = ElasticsearchSink(
            ElasticsearchOptions(
                url=str(server.make_url("/")), index=INDEX, api_key="c2VzYW1lOnNlc2FtZQ==", timeout_s=5
            )
        )
        for call in (sink.open, sink.migrate):
            with pytest.raises(ConfigError, match="SMARTBANK_ELASTICSEARCH_API_KEY") as told:
                await call()
            assert "c2Vz" not in str(told.value)
        await sink.close()
