"""InfluxDB 2 without Docker: built once from its Go module, as no registry has it ready."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, ClassVar, Final

from app.local_broker.config import HOST, LocalServerError
from app.local_broker.jars import run_command
from app.local_broker.run_files import locked
from app.local_services.local_server import LocalServer, cache_dir, made_at_once

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = "2.7.12"
ORG, TOKEN, PASSWORD = "smart-bank", "local-influxdb-token", "local-influxdb-password"
_MODULE = "github.com/influxdata/influxdb/v2"
_TOOLS = ("go", "cargo", "gcc")
_BUILD_TIMEOUT_S = 1800
# What the module's own go.mod replaces, which a build from outside does not see.
_REPLACED = (
    "github.com/nats-io/nats-streaming-server@v0.11.2"
    "=github.com/influxdata/nats-streaming-server@v0.11.3-0.20201112040610-c277f7560803"
)


class LocalInfluxDB(LocalServer):
    """One influxd, set up with ORG and TOKEN; buckets are whoever's who needs them. No web pages."""

    name: ClassVar[str] = f"InfluxDB {VERSION}"

    def fetch(self) -> None:
        """Build it: two minutes on two cores after the downloads. Needs Go >= 1.21, cargo and gcc."""
        program = _program()
        if program.exists():
            return
        if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
            raise LocalServerError(f"{self.name} is built once, and there is no {', '.join(missing)}")
        with locked(program.parent.parent / "influxdb.lock"):
            if program.exists():
                return
            self.progress(f"building {self.name}, once (some minutes)")
            with made_at_once(program.parent) as made:
                _build(made)

    def _command(self, port: int) -> tuple[list[str], list[str]]:
        data = self.data_dir
        options = [
            *("--http-bind-address", f"{HOST}:{port}", "--reporting-disabled", "--log-level", "error"),
            *("--bolt-path", str(data / "influxd.bolt"), "--sqlite-path", str(data / "influxd.sqlite")),
        ]
        return [str(_program()), *options], ["--engine-path", str(data / "engine")]

    def _is_ready(self) -> bool:
        return self.answer("/health") is not None

    def _set_up(self) -> None:
        allowed = self.answer("/api/v2/setup")
        if allowed is None or not json.loads(allowed)["allowed"]:
            return  # it is: a restart
        first = {"username": "admin", "password": PASSWORD, "org": ORG, "bucket": "first", "token": TOKEN}
        if self.answer("/api/v2/setup", json.dumps(first).encode()) is None:
            raise LocalServerError(f"{self.name} could not be set up: see {self.log_path}")


def _program() -> Path:
    return cache_dir() / f"influxdb-{VERSION}" / "influxd"


def _build(folder: Path) -> None:
    """Leave influxd in `folder`, and nothing else."""
    work = folder / "work"
    tools = work / "tools"
    wrapper = tools / "without-lints"
    tools.mkdir(parents=True)
    # Its parser in Rust denies warnings, and a newer compiler warns of more.
    wrapper.write_text('#!/bin/sh\nexec "$@" --cap-lints warn\n')
    wrapper.chmod(0o755)
    env = {
        **os.environ,
        "GOFLAGS": "-mod=mod",
        "PATH": f"{tools}:{os.environ['PATH']}",  # its pkg-config must be found first
        "RUSTC_WRAPPER": str(wrapper),
        "RUSTUP_TOOLCHAIN": "stable",  # instead of the one that it pins; ignored where there is no rustup
    }

    def go_build(name: str, edits: list[str], package: str, output: str, *options: str) -> None:
        module = work / name
        module.mkdir()
        for arguments in (
            ["mod", "init", name],
            ["mod", "edit", *edits],
            ["build", *options, "-o", output, package],
        ):
            run_command(
                ["go", *arguments],
                f"go {arguments[0]} ({package})",
                cwd=module,
                env=env,
                timeout_s=_BUILD_TIMEOUT_S,
            )

    pkg_config = "github.com/influxdata/pkg-config"
    go_build("tool", [f"-require={pkg_config}@v0.2.14"], pkg_config, str(tools / "pkg-config"))
    tags = "sqlite_foreign_keys,sqlite_json"
    edits = [f"-require={_MODULE}@v{VERSION}", f"-replace={_REPLACED}"]
    go_build("server", edits, f"{_MODULE}/cmd/influxd", str(folder / "influxd"), "-tags", tags)
    shutil.rmtree(work)
