"""The rows of all partitions, wherever their workers are: each is asked over HTTP for what it holds."""

import asyncio
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import faust
import msgspec

from agents.sketch import Desks
from privacy.tokens import TokenKeys
from sketches.questions import Rows, Table
from streaming.internals import producer_of

log = logging.getLogger(__name__)

PEER_PATH = "/peer/rows"
_TIMEOUT_S = 5.0

Parts = dict[int, dict[bytes, bytes]]
_decode = msgspec.msgpack.Decoder(Parts).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Rows by partition, and the partitions whose worker is away or not ready."""

    parts: Mapping[int, Rows]
    missing: Sequence[int]


def peer_token(keys: TokenKeys) -> str:
    """What workers show each other: rows hold tokens of cards, which are not for everybody's eyes.

    By the oldest key: a rotation, which workers see one after another, does not part them.
    """
    return hmac.digest(keys.all[0].secret, b"peers of the publisher", "sha256").hex()


class Gatherer:
    """Gathers from this worker and its peers, as the group's last assignment has them."""

    def __init__(self, app: faust.App, desks: Desks, topic: str, token: str) -> None:
        self._app = app
        self._desks = desks
        self._topic = topic
        self._headers = {"Authorization": f"Bearer {token}"}

    def is_peer(self, authorization: str | None) -> bool:
        """Whether a request's header is that of a worker."""
        expected = self._headers["Authorization"].encode()
        return hmac.compare_digest((authorization or "").encode(errors="replace"), expected)

    def owned(self) -> Sequence[int]:
        """The partitions that this worker has now."""
        return [] if self._is_restoring() else self._desks.owned()

    def local(self, table: Table, prefixes: Sequence[str]) -> Parts:
        """What this worker holds; nothing while its tables are being restored."""
        if self._app.rebalancing or self._app.tables.recovery.in_recovery:
            return {}
        return {partition: self._desks.rows(partition, table, prefixes) for partition in self._desks.owned()}

    async def gather(self, table: Table, prefixes: Sequence[str]) -> Gathering:
        """Rows of every partition whose worker answers within 5 s."""
        own_url = str(self._app.conf.canonical_url)
        urls = {str(url) for url in self._app.router.tables_metadata()} - {own_url}
        answers = await asyncio.gather(*(self._ask(url, table, prefixes) for url in sorted(urls)))
        parts: Parts = {}
        for answer in answers:
            parts |= answer
        parts |= self.local(table, prefixes)
        partitions = len(await producer_of(self._app).partitions_for(self._topic))
        return Gathering(parts=parts, missing=[n for n in range(partitions) if n not in parts])

    def _is_restoring(self) -> bool:
        return bool(self._app.rebalancing or self._app.tables.recovery.in_recovery)

    async def _ask(self, url: str, table: Table, prefixes: Sequence[str]) -> Parts:
        params = [("table", table), *(("prefix", prefix) for prefix in prefixes)]
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with self._app.http_client.get(
                url + PEER_PATH, params=params, headers=self._headers, timeout=timeout
            ) as response:
                response.raise_for_status()
                return _decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            log.warning("the worker at %s does not answer: %r", url, error)
            return {}
