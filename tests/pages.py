"""What the web server of a process says of it."""

import json
from http.client import HTTPConnection
from typing import Any


class Pages:
    """The pages at a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; raises OSError where nobody answers within two seconds."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def health(self, path: str = "/readyz") -> dict[str, Any]:
        """The JSON of /livez or /readyz, whose status must say the same; nothing while nobody answers."""
        try:
            status, body = self.get(path)
        except OSError:
            return {}
        found: dict[str, Any] = json.loads(body)
        assert status == (200 if found["ok"] else 503)
        return found

    def is_ready(self) -> bool:
        """Whether it says so."""
        return bool(self.health().get("ok"))

    def failing(self) -> set[str]:
        """Names of the checks of /readyz that do not hold."""
        return {each["name"] for each in self.health().get("checks", ()) if not each["ok"]}

    def metrics(self) -> bytes:
        """The page that Prometheus reads."""
        return self.get("/metrics")[1]
