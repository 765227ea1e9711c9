"""Every panel of the operators' dashboards shows something: a real pipeline, scraped by a real Prometheus."""

import json
import math
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.local_broker.config import any_free_port
from app.local_services.prometheus import LocalPrometheus
from app.settings import PROJECT_DIR
from sources.event_file import Event
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from tests.grafana import promql, queries
from tests.local_servers import running
from tests.pipeline import Pipeline, location, purchase, wait_until

pytestmark = pytest.mark.kafka

RULES_DIR = PROJECT_DIR / "deploy" / "prometheus"
SCRAPE_INTERVAL_S = 1
TIMEOUT_S = 60.0
FAR_LAT = 38.0
HAPPENED = (
    'smartbank_alerts_total{event="flagged"} > 0',
    'smartbank_alerts_total{event="confirmed"} > 0',
    'smartbank_alerts_total{event="retracted"} > 0',
    "sum(smartbank_open_transactions) > 0",
    "sum(smartbank_historic_verdicts_total) > 0",
    "smartbank_verdict_latency_seconds_count > 0",
    "smartbank_anonymity_k < +Inf",
    "smartbank_anonymity_delay_seconds_count > 0",
    "sum(smartbank_suppressed_rows_total) > 0",
    "smartbank_privacy_epsilon_spent > 0",
    "smartbank_sketch_error_ratio",
    "smartbank_sink_rows_written_total > 0",
    "smartbank_sink_rows_rejected_total > 0",
    "min(smartbank_health_check_ok) == 1",
)


def stream(seconds_ago: float) -> list[Event]:
    """Minutes of phones and purchases, and at their end what nobody can read."""
    scenario = Scenario(
        seed=int(seconds_ago),
        start_time_ms=int((time.time() - seconds_ago) * 1000),
        duration_s=100.0,
        customers=20,
        transactions_per_s=1.0,
        fraud_share=0.2,
    )
    topics = ("location_data", "transaction_data")
    made = simulate(scenario, location_topic=topics[0], transaction_topic=topics[1])
    events = [each.event for each in made]
    last_ms = events[-1].arrival_ms
    return [*events, *(Event(topic=topic, key="phone", arrival_ms=last_ms, value="{}") for topic in topics)]


def retract(pipeline: Pipeline) -> None:
    """Raise an alert, and then let the phone say that it was there."""
    alerts = pipeline.topics.potential_fraud
    now_ms = int(time.time() * 1000)
    before = pipeline.count(alerts)
    pipeline.produce([location("late", now_ms - 120_000), purchase("late", "late", now_ms, lat=FAR_LAT)])
    wait_until(lambda: pipeline.count(alerts) > before, TIMEOUT_S, "an alert")
    pipeline.produce(
        msgspec.structs.replace(location("late", now_ms - back_ms, lat=FAR_LAT), arrival_ms=now_ms)
        for back_ms in (20_000, 10_000, 0)
    )


@pytest.fixture
def prometheus(pipeline: Pipeline, tmp_path: Path) -> Iterator[LocalPrometheus]:
    """It scrapes a detector, a publisher and a sink, and evaluates the rules, every second."""
    pipeline.configure(
        profile="envelope",
        grace_period_s=30,
        anonymity_k=3,
        anonymity_l=2,
        snapshot_interval_s=0.5,
        card_testing_check_s=0.5,
        parquet_url=str(tmp_path / "rows"),
    )
    (tmp_path / "rows").mkdir()
    ports: list[int] = []
    for name, app in (("web", "detector"), ("publisher_web", "publisher"), ("web", "sink parquet")):
        ports.append(any_free_port(ports))
        pipeline.worker(app, env={f"SMARTBANK_{name.upper()}_PORT": str(ports[-1])})
    rules = tmp_path / "rules"
    rules.mkdir()
    for path in RULES_DIR.glob("*.rules.yml"):
        (rules / path.name).write_text(path.read_text().replace("interval: 1m", "interval: 1s"))
    jobs = "".join(
        f"  - {{job_name: {job}, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
        for job, port in zip(("detector", "publisher", "sink"), ports, strict=True)
    )
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: {SCRAPE_INTERVAL_S}s, evaluation_interval: 1s}}\n"
        f"rule_files: ['{rules}/*.yml']\nscrape_configs:\n{jobs}"
    )
    with running(LocalPrometheus(tmp_path / "prometheus", config)) as server:
        yield server


def ask(server: LocalPrometheus, path: str, **parameters: object) -> Any:
    """What its API says."""
    answer = server.answer(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    assert answer is not None, (path, parameters)
    return json.loads(answer)["data"]


def happens(server: LocalPrometheus, expr: str) -> None:
    """Return when an expression holds."""
    wait_until(lambda: bool(ask(server, "query", query=expr)["result"]), TIMEOUT_S, expr)


def shown(server: LocalPrometheus, expr: str, start_s: float) -> list[list[float]]:
    """The lines of a panel: what of their points can be drawn."""
    answer = ask(server, "query_range", query=expr, start=start_s, end=time.time(), step=SCRAPE_INTERVAL_S)
    lines = [[float(text) for _, text in line["values"]] for line in answer["result"]]
    return [drawn for line in lines if (drawn := [point for point in line if math.isfinite(point)])]


def test_no_panel_is_empty(prometheus: LocalPrometheus, pipeline: Pipeline) -> None:
    """Of all that ask Prometheus; and what is rare has really happened."""
    start_s = time.time()
    for batch, seconds_ago in enumerate((3 * 3600, 600), 1):  # an hour that is over, for its statistics
        pipeline.produce(stream(seconds_ago))
        pipeline.producer().produce(pipeline.topics.anonymized_transactions.name, b"{}", key=b"k")
        pipeline.producer().flush()
        happens(prometheus, f"sum(smartbank_dead_letters_total) >= {3 * batch}")
        wait_until(pipeline.is_published_to_the_end, TIMEOUT_S, "published")
    retract(pipeline)
    for expr in HAPPENED:
        happens(prometheus, expr)
    empty = {
        str(query): query.text
        for query in queries("prometheus")
        if not shown(prometheus, promql(query, scrape_interval_s=SCRAPE_INTERVAL_S), start_s)
    }
    assert empty == {}
