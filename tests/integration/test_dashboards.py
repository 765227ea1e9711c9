"""Every panel of the operators' dashboards shows something: a real pipeline, scraped by a real Prometheus."""

import json
import math
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.local_broker.config import any_free_port
from app.local_services.prometheus import LocalPrometheus
from app.settings import PROJECT_DIR
from sources.event_file import Event
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from tests.grafana import promql, queries
from tests.integration.commands import run
from tests.local_servers import running
from tests.pipeline import Pipeline, location, purchase, wait_until

pytestmark = pytest.mark.kafka

RULES_DIR = PROJECT_DIR / "deploy" / "prometheus"
SCRAPE_INTERVAL_S = 1
TIMEOUT_S = 60.0
HAPPENED = (
    'rate(smartbank_alerts_total{event="confirmed"}[5s]) > 0',
    "sum(smartbank_open_transactions) >= 0",
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


def stream(*, seconds_ago: float) -> list[Event]:
    """Minutes of phones and purchases; an alert that is retracted; and what nobody can read."""
    start_ms = int((time.time() - seconds_ago) * 1000)
    scenario = Scenario(
        seed=1,
        start_time_ms=start_ms,
        duration_s=200.0,
        customers=20,
        transactions_per_s=1.0,
        fraud_share=0.2,
    )
    made = simulate(scenario, location_topic="location_data", transaction_topic="transaction_data")
    device = f"leaps-{start_ms}"  # its first fix is wrong, as the next ones show
    events = [
        *(each.event for each in made),
        location(device, start_ms, lat=38.33),
        purchase(f"retracted-{start_ms}", device, start_ms + 1000),
        *(location(device, start_ms + after_ms) for after_ms in (2000, 3000, 4000)),
        Event(topic="location_data", key=device, arrival_ms=start_ms + 5000, value="{}"),
        Event(topic="transaction_data", key=device, arrival_ms=start_ms + 5000, value="{}"),
    ]
    return sorted(events, key=lambda event: event.arrival_ms)


@pytest.fixture
def prometheus(pipeline: Pipeline, tmp_path: Path) -> Iterator[LocalPrometheus]:
    """It scrapes a detector, a publisher and a sink, and evaluates the rules, every second."""
    pipeline.configure(
        profile="envelope",
        grace_period_s=5,
        anonymity_k=3,
        anonymity_l=2,
        snapshot_interval_s=0.5,
        card_testing_check_s=0.5,
        parquet_url=str(tmp_path / "rows"),
    )
    assert run(pipeline.own_env, "stores", "migrate", "parquet").returncode == 0
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


def points(server: LocalPrometheus, expr: str) -> list[Any]:
    """What one expression is now: nothing where a comparison does not hold."""
    found: list[Any] = ask(server, "query", query=expr)["result"]
    return found


def shown(server: LocalPrometheus, expr: str, start_s: float) -> list[list[float]]:
    """The lines of a panel: what of their points can be drawn."""
    answer = ask(server, "query_range", query=expr, start=start_s, end=time.time(), step=SCRAPE_INTERVAL_S)
    lines = [[float(text) for _, text in line["values"]] for line in answer["result"]]
    return [drawn for line in lines if (drawn := [point for point in line if math.isfinite(point)])]


def test_no_panel_is_empty(prometheus: LocalPrometheus, pipeline: Pipeline) -> None:
    """Of all that ask Prometheus; and what is rare has really happened."""
    start_s = time.time()
    bad = 0
    for seconds_ago in (3 * 3600, 600):  # an hour that is over, for its statistics; then more of everything
        pipeline.produce(stream(seconds_ago=seconds_ago))
        pipeline.producer().produce(pipeline.topics.anonymized_transactions.name, b"{}", key=b"k")
        pipeline.producer().flush()
        bad += 3
        for happened in (
            f"sum(smartbank_dead_letters_total) >= {bad}",
            f'smartbank_alerts_total{{event="retracted"}} >= {bad / 3}',
        ):
            wait_until(lambda expr=happened: bool(points(prometheus, expr)), TIMEOUT_S, happened)
        wait_until(pipeline.is_published_to_the_end, TIMEOUT_S, "published")
    for happened in HAPPENED:
        wait_until(lambda expr=happened: bool(points(prometheus, expr)), TIMEOUT_S, happened)
    empty = {
        str(query): query.text
        for query in queries("prometheus")
        if not shown(prometheus, promql(query, scrape_interval_s=SCRAPE_INTERVAL_S), start_s)
    }
    assert empty == {}
