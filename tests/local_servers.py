"""Real servers for tests. In CI a server that cannot be had is a failure, elsewhere a skip."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from app.local_broker.config import LocalServerError
from app.local_services.local_server import LocalServer

S = TypeVar("S", bound=LocalServer)


def started(server: S) -> S:
    """The server, which runs."""
    try:
        server.start()
    except LocalServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {server.name}: {error}")
    return server


@contextmanager
def running(server: S) -> Iterator[S]:
    """Start it; stop it at the end."""
    try:
        yield started(server)
    finally:
        server.stop()
