"""The live page on a real Kafka: what it reads, what each role gets of it, and what ends it."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sources.event_file import Event
from tests.dashboard import flagged
from tests.integration.commands import environment, run
from tests.page import Page, running_page, until
from tests.pipeline import Pipeline, location

pytestmark = pytest.mark.kafka

DESK, ANALYST = "desk-token-0123456789", "analyst-token-0123456789"
LATITUDE_DEG = 37.33214


@pytest.fixture(scope="module")
def pipeline(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Topics that the tests of this module share; each has devices of its own."""
    Pipeline.delete_all_topics(kafka_bootstrap)
    with Pipeline(kafka_bootstrap, tmp_path_factory.mktemp("dashboard")) as running:
        running.create_topics()
        yield running


@pytest.fixture(scope="module")
def page(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with two tokens, for everything that came within the last ten minutes."""
    folder = tmp_path_factory.mktemp("page")
    tokens = folder / "tokens"
    tokens.write_text(f"desk:{DESK}\nanalyst:{ANALYST}\n")
    pipeline.produce([_location("before", time.time() - 60), _location("long-before", time.time() - 1200)])
    settings = {"dashboard_token_file": str(tokens), "dashboard_history_s": "600"}
    with running_page(pipeline.bootstrap, folder, **settings) as running:
        running.wait_ready()
        yield running


def _location(device_id: str, at_s: float) -> Event:
    return location(device_id, int(at_s * 1000), lat=LATITUDE_DEG)


def _flag(device_id: str, **changes: Any) -> Event:
    line = flagged(device_id=device_id, latitude_deg=37.44781, merchant="Corner Shop", **changes)
    value = msgspec.json.encode(line).decode()
    return Event(
        topic="Potential_fraud_transactions", key=device_id, arrival_ms=int(time.time() * 1000), value=value
    )


def test_it_begins_a_while_ago_and_goes_on(pipeline: Pipeline, page: Page) -> None:
    """What is older is not there; what comes is pushed, also to a page that goes on where it was."""
    with closing(page.stream(DESK)) as events:
        first = until(events, b'"before"')
        assert b"long-before" not in first
        pipeline.produce([_location("after", time.time())])
        event_id = until(events, b'"after"').rsplit(b"id: ", 1)[1].split(b"\n")[0].decode()
    pipeline.produce([_flag("after")])
    with closing(page.stream(DESK, since=event_id)) as events:
        later = until(events, b"Corner Shop")
    assert b'"reset":true' not in later
    assert b'"before"' not in later


def test_an_analysts_bytes_hold_nothing_exact(pipeline: Pipeline, page: Page) -> None:
    """All that leaves the server, as it leaves; the desk's bytes hold what is searched for."""
    pipeline.produce([_location("phone-0815", time.time()), _flag("phone-0815", transaction_id="t-0815")])
    exact = (str(LATITUDE_DEG).encode(), b"37.44781", b"phone-0815", b"t-0815", b"Corner Shop", b"1977")
    with closing(page.stream(DESK)) as events:
        to_desk = until(events, b"t-0815")
    assert [each for each in exact if each not in to_desk] == []
    with closing(page.stream(ANALYST)) as events:
        to_analyst = until(events, b'"cells"') + b"".join(next(events)[0] for _ in range(3))
    assert b'"event":"flagged"' in to_analyst
    layout = page.get("/_dash-layout", ANALYST).body
    assert [each for each in exact if each in to_analyst + layout] == []
    assert page.get("/track?device=phone-0815", ANALYST).status == 404
    assert page.get("/track?device=phone-0815", DESK).json["fixes"][0][1] == LATITUDE_DEG
    assert page.get("/stream").status == 401


def test_bad_records_are_passed_over_and_counted(pipeline: Pipeline, page: Page) -> None:
    """On every topic that it reads."""
    moment_ms = int(time.time() * 1000)
    topics = ("location_data", "Potential_fraud_transactions", "transaction_decisions")
    pipeline.produce(
        [Event(topic=each, key="bad", arrival_ms=moment_ms, value='{"DeviceId":1}') for each in topics]
    )
    pipeline.produce([_location("after-bad", time.time())])
    with closing(page.stream(DESK)) as events:
        until(events, b'"after-bad"')
        next(events)
    counted = page.get("/metrics").body.decode()
    for topic in topics:
        assert f'smartbank_dashboard_bad_records_total{{topic="{topic}"}} 1.0' in counted
    assert "phone" not in counted


def test_it_ends_when_it_is_told_to(pipeline: Pipeline, tmp_path: Path) -> None:
    """Also while a page is open; and nothing was committed."""
    with running_page(pipeline.bootstrap, tmp_path) as page:
        page.wait_ready()
        with closing(page.stream()) as events:
            next(events)
            assert page.stop() == 0
        assert "Traceback" not in page.log_path.read_text()


def test_it_refuses_to_be_open_to_others(pipeline: Pipeline) -> None:
    """In one line, and at once."""
    refused = run(environment(pipeline.bootstrap), "dashboard", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert refused.returncode == 1
    assert "SMARTBANK_DASHBOARD_TOKEN_FILE" in refused.stderr
