"""Servers of this machine: what is said where they cannot be had, and that half of one is never kept."""

from pathlib import Path

import pytest

from app.local_broker.config import LocalServerError
from app.local_services import elasticsearch
from app.local_services.influxdb import LocalInfluxDB
from app.local_services.local_server import cache_dir, made_at_once
from app.local_services.moto import LocalMoto


def test_the_version_is_the_pom_s() -> None:
    """The folder of the jars is named by it."""
    pom = (elasticsearch.DEPLOY_DIR / "pom.xml").read_text()
    assert f"<elasticsearch.version>{elasticsearch.VERSION}</elasticsearch.version>" in pom


def test_what_is_fetched_lies_outside_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all clones, where the user's caches are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "smart-bank-streams"


def test_a_missing_compiler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, before anything is downloaded."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalServerError, match="there is no go, cargo, gcc"):
        LocalInfluxDB(tmp_path / "data").start()


def test_an_error_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """A build that is stopped begins anew."""
    target = tmp_path / "there" / "program"

    def stopped_half_way() -> None:
        with made_at_once(target) as made:
            (made / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_half_way()
    assert list((tmp_path / "there").iterdir()) == []
    with made_at_once(target) as made:
        (made / "whole").touch()
    assert (target / "whole").exists()


def test_a_server_that_was_never_started_has_neither_process_nor_address(tmp_path: Path) -> None:
    """And stopping it does nothing."""
    server = LocalMoto(tmp_path)
    server.stop()
    assert server.pid is None
    with pytest.raises(LocalServerError, match="never started"):
        _ = server.url
