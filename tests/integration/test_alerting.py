"""Alerts on their way: a real Prometheus with the rules as deployed, a real Alertmanager with its routes, and
somebody who listens. Only receivers and waits are the test's own.
"""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.local_services.prometheus import LocalAlertmanager, LocalPrometheus
from app.settings import PROJECT_DIR
from tests.local_servers import running
from tests.pipeline import wait_until

DEPLOYED = PROJECT_DIR / "deploy"
TIMEOUT_S = 30.0
METRICS = """
smartbank_card_testing_clusters 2
smartbank_sketch_bound_broken{sketch="amounts"} 0
"""


class Somebody:
    """Shows METRICS as a process does, and keeps what it is told, by the path that it is told at."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        somebody = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(METRICS.encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                somebody.told.append((self.path, json.loads(body)))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name)
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    @contextmanager
    def listening(self) -> Iterator["Somebody"]:
        """Until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def alerts(self, path: str) -> set[tuple[str, str]]:
        """Those that fire, of which it was told there: name, and job or sketch."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("job", alert["labels"].get("sketch", "")))
            for told_at, message in self.told
            for alert in message["alerts"]
            if told_at == path and alert["status"] == "firing"
        }


@pytest.fixture(scope="module")
def somebody() -> Iterator[Somebody]:
    """Who is on duty, who reads tickets, and the process that is watched."""
    with Somebody().listening() as listener:
        yield listener


@pytest.fixture(scope="module")
def alertmanager(somebody: Somebody, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAlertmanager]:
    """Routes, groups and inhibitions as deployed."""
    folder = tmp_path_factory.mktemp("alertmanager")
    routes, _ = (DEPLOYED / "alertmanager" / "alertmanager.yml").read_text().split("receivers:\n")
    routes = re.sub(r"(group_wait|group_interval): \w+", r"\1: 500ms", routes)
    webhooks = "".join(
        f"  - name: {name}\n    webhook_configs: [{{url: 'http://{somebody.address}/{name}'}}]\n"
        for name in ("page", "ticket")
    )
    config = folder / "alertmanager.yml"
    config.write_text(f"{routes}receivers:\n{webhooks}")
    with running(LocalAlertmanager(folder, config)) as server:
        yield server


def test_a_metric_becomes_a_page(somebody: Somebody, alertmanager: LocalAlertmanager, tmp_path: Path) -> None:
    """With what it means, and where the runbook says what to do; what is well is not mentioned."""
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\n"
        f"rule_files: ['{DEPLOYED}/prometheus/*.rules.yml']\n"
        "alerting:\n  alertmanagers:\n"
        f"    - static_configs: [{{targets: ['127.0.0.1:{alertmanager.port}']}}]\n"
        f"scrape_configs: [{{job_name: publisher, static_configs: [{{targets: ['{somebody.address}']}}]}}]\n"
    )
    with running(LocalPrometheus(tmp_path / "prometheus", config)):
        wait_until(lambda: bool(somebody.alerts("/page")), TIMEOUT_S, "somebody is paged")
    assert somebody.alerts("/page") == {("CardTesting", "")}
    ((_, message), *_) = somebody.told
    (alert,) = message["alerts"]
    assert alert["annotations"]["summary"].startswith("2 clusters of near-identical small transactions")
    assert alert["annotations"]["runbook"] == "docs/runbook.md#cardtesting"


def test_what_follows_from_another_alert_is_not_told(
    somebody: Somebody, alertmanager: LocalAlertmanager
) -> None:
    """A worker that is down is behind, too; that another one is behind is news. Tickets go elsewhere."""
    somebody.told.clear()
    fire(alertmanager, "page", alertname="ProcessDown", job="detector")
    wait_until(lambda: bool(somebody.alerts("/page")), TIMEOUT_S, "somebody is paged")
    fire(alertmanager, "page", alertname="ConsumerLagSeconds", job="detector")
    fire(alertmanager, "ticket", alertname="SinkDown", sink="mongodb")
    fire(alertmanager, "ticket", alertname="ConsumerLagSeconds", job="publisher")
    wait_until(lambda: len(somebody.alerts("/ticket")) == 2, TIMEOUT_S, "tickets")
    # Told of last of all: had anything been told of the detector's lag, it would be here by now.
    fire(alertmanager, "page", alertname="VerdictsSlow", job="detector")
    fire(alertmanager, "page", alertname="InputStopped")
    wait_until(lambda: ("InputStopped", "") in somebody.alerts("/page"), TIMEOUT_S, "another page")
    assert somebody.alerts("/page") == {("ProcessDown", "detector"), ("InputStopped", "")}
    assert somebody.alerts("/ticket") == {("SinkDown", ""), ("ConsumerLagSeconds", "publisher")}


def fire(alertmanager: LocalAlertmanager, severity: str, **labels: str) -> None:
    """Tell Alertmanager what Prometheus would."""
    alert = {
        "labels": {**labels, "severity": severity},
        "annotations": {"summary": "a test"},
        "startsAt": datetime.now(UTC).isoformat(),
    }
    request = urllib.request.Request(  # noqa: S310 (http, to ourselves)
        f"{alertmanager.url}/api/v2/alerts",
        data=json.dumps([alert]).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
