"""A Faust app that starts only where everything is in order, in a folder of its own."""

import logging
import socket
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import faust
from faust.exceptions import AlreadyConfiguredWarning

from app.broker_client import admin_client
from app.connection import Connection
from app.state_dir import claim_state_dir
from app.topic_admin import check_topics
from app.topics import AppTopics
from app.worker_rights import check_rights
from streaming.garbage import collect_less_often

log = logging.getLogger(__name__)


class CheckedApp(faust.App):  # type: ignore[misc]
    """Checks topics, rights, state folder and web port before anything is read.

    Raises what `check_start` and `claim_state_dir` raise: the worker then ends with status 1.
    """

    def __init__(
        self,
        *args: Any,
        connection: Connection,
        topics: AppTopics,
        advertised_host: str = "",
        **kwargs: Any,
    ) -> None:
        self._connection = connection
        self._advertised_host = advertised_host
        self._checked_topics = topics
        self._background: list[Callable[[], Coroutine[Any, Any, None]]] = []
        super().__init__(*args, **kwargs)

    def in_background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let it run from the start on; tasks of Faust begin when tables are restored."""
        self._background.append(run)

    async def on_first_start(self) -> None:
        """Check, then start as Faust does."""
        await check_start(self._connection, self._checked_topics, str(self.conf.id))
        # State belongs to the changelogs of one cluster: another one's would be a different history.
        base = Path(self.conf.datadir) / await _cluster_id(self._connection)
        with warnings.catch_warnings():
            # Faust read both when it was configured; nothing has used them yet.
            warnings.simplefilter("ignore", AlreadyConfiguredWarning)
            self.conf.datadir = claim_state_dir(base)
            self.conf.web_port = _free_port(str(self.conf.web_bind), int(self.conf.web_port))
            self.conf.canonical_url = f"http://{self._reachable_host()}:{self.conf.web_port}"
        await super().on_first_start()
        for run in self._background:
            self.add_future(run())
        collect_less_often()
        log.info("state in %s, web on %s:%d", self.conf.datadir, self.conf.web_bind, self.conf.web_port)

    def _reachable_host(self) -> str:
        """Where other workers find this one's web server."""
        bind = str(self.conf.web_bind)
        return self._advertised_host or (socket.gethostname() if bind in {"0.0.0.0", "::"} else bind)  # noqa: S104


async def check_start(connection: Connection, topics: AppTopics, group_id: str) -> None:
    """Return if a worker may start. Raises what `check_topics` and `check_rights` raise."""
    await check_topics(connection, topics.all)
    await check_rights(connection, topics, group_id)


async def _cluster_id(connection: Connection) -> str:
    async with admin_client(connection) as admin:
        return str((await admin.describe_cluster())["cluster_id"])


def _free_port(host: str, wanted: int) -> int:
    """The wanted port, or a free one where a second worker on this machine finds it taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted
