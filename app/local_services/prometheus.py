"""Prometheus and its Alertmanager, as Debian packs them: nothing is downloaded."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from app.local_broker.config import HOST, LocalServerError
from app.local_services.local_server import LocalServer

if TYPE_CHECKING:
    from pathlib import Path


class _Packed(LocalServer):
    """A server of Debian's with one configuration file; paths in it are relative to the file."""

    program: ClassVar[str]

    def __init__(self, data_dir: Path, config_path: Path) -> None:
        super().__init__(data_dir)
        self.config_path = config_path.resolve()

    def fetch(self) -> None:
        """Debian does that."""
        if shutil.which(self.program) is None:
            raise LocalServerError(f"{self.program} is missing: apt-get install {self.program}")

    def _command(self, port: int) -> tuple[list[str], list[str]]:
        program = shutil.which(self.program)
        assert program is not None, self.program  # noqa: S101 (fetch has found it)
        listen = f"--web.listen-address={HOST}:{port}"
        own = [f"--config.file={self.config_path}", *self._options(), listen]
        return [program, *own], [self._data_option()]

    @abstractmethod
    def _options(self) -> list[str]:
        """What else it is started with."""

    @abstractmethod
    def _data_option(self) -> str:
        """Where it keeps its data."""

    def _is_ready(self) -> bool:
        return self.answer("/-/ready") is not None


class LocalPrometheus(_Packed):
    """One Prometheus, which scrapes and evaluates what its configuration says."""

    name: ClassVar[str] = "Prometheus"
    program: ClassVar[str] = "prometheus"

    def _options(self) -> list[str]:
        return ["--log.level=warn"]

    def _data_option(self) -> str:
        return f"--storage.tsdb.path={self.data_dir / 'data'}"


class LocalAlertmanager(_Packed):
    """One Alertmanager, without a cluster."""

    name: ClassVar[str] = "Alertmanager"
    program: ClassVar[str] = "prometheus-alertmanager"

    def _options(self) -> list[str]:
        return ["--log.level=warn", "--cluster.listen-address="]

    def _data_option(self) -> str:
        return f"--storage.path={self.data_dir / 'data'}"
