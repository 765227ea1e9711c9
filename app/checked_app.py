"""A Faust app that starts only where everything is in order, in a folder of its own."""

import logging
import socket
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
from faust.exceptions import AlreadyConfiguredWarning

from app.broker_client import admin_client
from app.connection import Connection
from app.state_dir import claim_state_dir
from app.topic_admin import check_topics
from app.topics import Topics
from app.worker_rights import check_rights, detector_rights
from streaming.garbage import collect_less_often

log = logging.getLogger(__name__)


class CheckedApp(faust.App):  # type: ignore[misc]
    """Checks topics, rights, state folder and web port before anything is read.

    Raises what `check` and `claim_state_dir` raise: the worker then ends with status 1.
    """

    def __init__(
        self, *args: Any, connection: Connection, check: Callable[[], Awaitable[None]], **kwargs: Any
    ) -> None:
        self._connection = connection
        self._check = check
        super().__init__(*args, **kwargs)

    async def on_first_start(self) -> None:
        """Check, then start as Faust does."""
        await self._check()
        # State belongs to the changelogs of one cluster: another one's would be a different history.
        base = Path(self.conf.datadir) / await _cluster_id(self._connection)
        with warnings.catch_warnings():
            # Faust read both when it was configured; nothing has used them yet.
            warnings.simplefilter("ignore", AlreadyConfiguredWarning)
            self.conf.datadir = claim_state_dir(base)
            self.conf.web_port = _free_port(str(self.conf.web_bind), int(self.conf.web_port))
        await super().on_first_start()
        collect_less_often()
        log.info("state in %s, web on %s:%d", self.conf.datadir, self.conf.web_bind, self.conf.web_port)


async def check_start(connection: Connection, topics: Topics, group_id: str) -> None:
    """Return if a worker may start. Raises what `check_topics` and `check_rights` raise."""
    await check_topics(connection, topics, among=topics.detector)
    await check_rights(connection, detector_rights(topics), group_id)


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
