"""A stand-in for Amazon Timestream and S3: moto's server, which knows the calls and keeps all in memory.

It takes what Amazon would refuse (150 records in a call, text for a number), so it proves how we call, not
what Amazon does with it.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar, Final

from app.local_broker.config import HOST, LocalServerError
from app.local_services.local_server import LocalServer

REGION: Final = "us-west-2"
CREDENTIALS: Final = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}


class LocalMoto(LocalServer):
    """One server for all services. What it held is gone when it ends: a restart begins empty."""

    name: ClassVar[str] = "moto"

    def fetch(self) -> None:
        """It is one of requirements/dev.txt."""
        try:
            version("moto")
        except PackageNotFoundError:
            raise LocalServerError("there is no moto: pip install -r requirements/dev.txt") from None

    def _command(self, port: int) -> tuple[list[str], list[str]]:
        return [sys.executable, "-m", "moto.server"], ["-H", HOST, "-p", str(port)]

    def _is_ready(self) -> bool:
        return self.answer("/moto-api/") is not None
