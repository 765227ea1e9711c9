"""`app query` against a worker that answers by heart (a stand-in for the publisher's web server)."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.main import cli

ANSWER = {
    "question": "people",
    "complete": False,
    "missing_partitions": [1, 3],
    "answer": {"all": 1234, "windows": [{"from": "2024-04-01T10:00:00+00:00", "people": 7}]},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a worker was asked; it lacks two partitions."""
    paths: list[str] = []

    class Worker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(ANSWER).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Worker)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SMARTBANK_PUBLISHER_WEB_PORT", str(server.server_address[1]))
    yield paths
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_answer_that_lacks_partitions_is_shown_and_says_so(asked: list[str]) -> None:
    """Exit status 3: a script must not take it for the whole."""
    result = CliRunner().invoke(cli, ["query", "people", "--window", "2h", "--every", "15m", "--top", "3"])
    assert result.exit_code == 3
    assert "1,234" in result.stdout
    assert "2024-04-01 10:00" in result.stdout
    assert "partition 1, 3 is missing" in result.stderr
    assert asked == ["/query/people?window_s=7200&every_s=900&top=3"]


@pytest.mark.usefixtures("asked")
def test_json_is_the_answer_as_it_came() -> None:
    """For programs."""
    result = CliRunner().invoke(cli, ["query", "people", "--json"])
    assert json.loads(result.stdout) == ANSWER
