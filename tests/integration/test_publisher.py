"""Publishers on the real Kafka, asked over HTTP and on the command line."""

import json
import time
import urllib.error
import urllib.request
from itertools import islice
from typing import Any

import msgspec
import pytest

from app.gathering import PEER_PATH
from app.local_broker.config import any_free_port
from models.public_statistics import PublicStatistics
from sketches.questions import QUESTIONS
from tests.decided import Line, decided, fixes
from tests.integration.commands import run
from tests.pages import Pages
from tests.pipeline import Pipeline, Worker, wait_until
from tests.promtool import problems_of

pytestmark = pytest.mark.kafka

TIMEOUT_S = 30.0


@pytest.fixture
def lines(pipeline: Pipeline) -> list[Line]:
    """Decisions of some minutes three hours ago, and the homes of the devices."""
    start_ms = time.time_ns() // 1_000_000 - 3 * 3_600_000
    homes = fixes(pipeline.topics, devices=20, start_ms=start_ms)
    return [*homes, *islice(decided(pipeline.topics, devices=20, start_ms=start_ms + 1000), 2000)]


def send(pipeline: Pipeline, lines: list[Line]) -> None:
    """With librdkafka."""
    producer = pipeline.producer()
    for line in lines:
        producer.produce(line.topic, line.value, key=line.key.encode(), timestamp=line.time_ms)
    assert producer.flush(30) == 0


def get(port: int, path: str) -> tuple[int, Any]:
    """Status and JSON of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def two(pipeline: Pipeline) -> tuple[dict[int, Worker], Pipeline]:
    """Two workers of the publisher by the port that each serves."""
    pipeline.configure(snapshot_interval_s=0.2, session_timeout_s=3, anonymity_limit_s=1, anonymity_k=3)
    pipeline.configure(card_testing_check_s=0.5)
    workers: dict[int, Worker] = {}
    for _ in range(2):
        port = any_free_port(workers)
        workers[port] = pipeline.worker("publisher", env={"SMARTBANK_PUBLISHER_WEB_PORT": str(port)})
    return workers, pipeline


def test_any_worker_answers_for_all_and_says_when_one_is_away(
    two: tuple[dict[int, Worker], Pipeline], lines: list[Line]
) -> None:
    """The same answer from both; without its partitions when one is killed, and again when it is replaced."""
    workers, pipeline = two
    send(pipeline, lines)
    wait_until(pipeline.is_published_to_the_end, TIMEOUT_S, "published")
    one, other = workers
    for port in workers:
        assert Pages(port).is_ready()
        assert problems_of(Pages(port).metrics()) == ""
    wait_until(lambda: all(get(port, "/query/lately")[1]["complete"] for port in workers), TIMEOUT_S, "both")
    for question in QUESTIONS:
        assert get(one, f"/query/{question}?windows=3") == get(other, f"/query/{question}?windows=3")
    status, people = get(one, "/query/people")
    alerts = [msgspec.json.decode(x.value) for x in lines if x.topic == pipeline.topics.potential_fraud.name]
    rich = {a["user_token"] for a in alerts if a["event"] == "flagged" and a["amount"] >= 1000}
    assert (status, people["answer"]["all"]) == (200, len(rich))

    statistics = pipeline.topics.public_statistics
    wait_until(lambda: pipeline.count(statistics) > 0, TIMEOUT_S, "statistics of an hour that is over")
    record = pipeline.records(statistics)[0]
    hour = msgspec.json.decode(record.value, type=PublicStatistics)
    assert hour.hour.isoformat().encode() == record.key
    assert hour.epsilon == pipeline.settings.epsilon_per_hour

    audited = run(pipeline.own_env, "privacy", "audit", "--store", "topic", "--people", "kafka", "--k", "3")
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "different people" in audited.stdout
    curve = run(pipeline.own_env, "choose-k", "--input", "kafka", "--most", "8", "--delta", "100")
    assert curve.returncode == 0, curve.stderr
    assert "knee" in curve.stdout

    workers[other].kill()
    status, partial = get(one, "/query/people")
    assert (status, partial["complete"]) == (200, False)
    assert partial["missing_partitions"]
    wait_until(lambda: get(one, "/query/people")[1]["complete"], TIMEOUT_S, "its partitions taken over")
    assert get(one, "/query/people")[1]["answer"]["all"] == len(rich)
    as_json = run(pipeline.own_env, "query", "people", "--json", "--url", f"http://127.0.0.1:{one}")
    assert json.loads(as_json.stdout)["answer"]["all"] == len(rich)
    as_table = run(pipeline.own_env, "query", "flagged", "--window", "1h", "--url", f"http://127.0.0.1:{one}")
    assert as_table.returncode == 0
    accuracy = run(pipeline.own_env, "sketches", "accuracy", "--json", "--url", f"http://127.0.0.1:{one}")
    assert accuracy.returncode == 0, accuracy.stdout
    assert len(json.loads(accuracy.stdout)["sketches"]) > 10
    assert "high_value" in as_table.stdout.replace("\n", "") or "hig" in as_table.stdout


def test_what_cannot_be_asked_is_refused(pipeline: Pipeline) -> None:
    """With what is wrong; rows are for other workers only."""
    port = any_free_port()
    pipeline.worker("publisher", env={"SMARTBANK_PUBLISHER_WEB_PORT": str(port)}).wait_ready()
    assert get(port, "/query")[1]["questions"].keys() == QUESTIONS.keys()
    for path, status, said in (
        ("/query/nothing", 404, "no such question"),
        ("/query/flagged?window_s=7", 400, "multiples of 300 s"),
        ("/query/flagged?window_s=x", 400, "int"),
        ("/query/flagged?nonsense=1", 400, "nonsense"),
        (f"{PEER_PATH}?table=sketches&prefix=likeness", 401, "other workers"),
    ):
        got, answer = get(port, path)
        assert (got, said in answer["error"]) == (status, True), answer
    for arguments, said in (
        (["nothing"], "no such question"),
        (["flagged", "--window", "7"], "no length of time"),
    ):
        refused = run(pipeline.own_env, "query", *arguments, "--url", f"http://127.0.0.1:{port}")
        assert refused.returncode == 1
        assert said in refused.stderr
    nobody = run(pipeline.own_env, "query", "people", "--url", "http://127.0.0.1:1")
    assert nobody.returncode == 1
    assert "no publisher answers" in nobody.stderr
