"""Looking for card testing over all partitions: the cards that are tried are those of many devices."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import faust
import mmh3
import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.gathering import Gatherer
from app.periodically import periodically
from models.card_testing_alert import CardTestingAlert, NearIdentical
from sketches.clusters import Cluster
from sketches.likeness import Bounds, Likeness
from streaming.internals import producer_of

log = logging.getLogger(__name__)

_LEADING_PARTITION = 0
_MOST_TOKENS = 1_000
_PARTITIONS_TOGETHER = 4
"""All partitions together are looked at for so many times the transactions of one."""


class Watch:
    """Remembers which clusters were told of, to tell of each once, and again when its cards have doubled."""

    def __init__(self, bounds: Bounds) -> None:
        most = _PARTITIONS_TOGETHER * bounds.max_transactions
        self._likeness = Likeness(msgspec.structs.replace(bounds, max_transactions=most))
        self._told: dict[str, tuple[str, int]] = {}  # transaction token -> alert id, cards
        self._to_tell = self._told

    def look(self, snapshots: Iterable[bytes], now_ms: int) -> tuple[int, list[CardTestingAlert]]:
        """Take up the partitions' sketches; return how many clusters go on now, and what is to be told.

        Of those that are over, too: they may have come while no worker ran.
        """
        for snapshot in snapshots:
            self._likeness.merge_bytes(snapshot)
        clusters = self._likeness.clusters()
        told, alerts = dict[str, tuple[str, int]](), []
        for cluster in clusters:
            tokens = [use.transaction_id for use in cluster.uses]
            known = [self._told[token] for token in tokens if token in self._told]
            alert_id, cards = max(known, key=lambda each: each[1], default=(_id_of(tokens[0]), 0))
            if len(cluster.cards) >= 2 * cards:
                cards = len(cluster.cards)
                alerts.append(alert_of(alert_id, cluster))
            told |= dict.fromkeys(tokens, (alert_id, cards))
        self._to_tell = told
        since_ms = now_ms - self._likeness.bounds.window_ms
        return sum(cluster.last_ms > since_ms for cluster in clusters), alerts

    def confirm(self) -> None:
        """Say that the alerts of the last look were sent."""
        self._told = self._to_tell


def alert_of(alert_id: str, cluster: Cluster) -> CardTestingAlert:
    """What the fraud desk is told of a cluster."""
    return CardTestingAlert(
        alert_id,
        datetime.fromtimestamp(cluster.first_ms / 1000, UTC),
        datetime.fromtimestamp(cluster.last_ms / 1000, UTC),
        len(cluster.cards),
        tuple(use.transaction_id for use in cluster.uses[:_MOST_TOKENS]),
        tuple(sorted(cluster.cards)[:_MOST_TOKENS]),
        tuple(
            NearIdentical(
                kind.shingles.category,
                kind.shingles.merchant,
                kind.shingles.amount_band,
                kind.shingles.area,
                len(kind.uses),
            )
            for kind in cluster.kinds
        ),
    )


def _id_of(token: str) -> str:
    return f"{mmh3.hash128(token.encode(), signed=False):032x}"


def watch_card_testing(
    app: faust.App,
    gatherer: Gatherer,
    bounds: Bounds,
    *,
    topic: str,
    every_s: float,
    registry: CollectorRegistry,
) -> None:
    """Let the worker that owns the first partition look every `every_s` seconds."""
    found = Gauge(
        "smartbank_card_testing_clusters", "Clusters of near-identical transactions now.", registry=registry
    )
    sent = Counter("smartbank_card_testing_alerts", "Alerts that were sent.", registry=registry)
    watch = Watch(bounds)

    async def look() -> None:
        if _LEADING_PARTITION not in gatherer.owned():
            found.set(0)
            return
        gathering = await gatherer.gather("sketches", ("likeness",))
        snapshots = [rows[b"likeness"] for rows in gathering.parts.values() if b"likeness" in rows]
        # In a thread: a new kind of transaction takes a quarter of a millisecond.
        clusters, alerts = await asyncio.to_thread(watch.look, snapshots, time.time_ns() // 1_000_000)
        found.set(clusters)
        await _send(app, topic, alerts)
        watch.confirm()
        sent.inc(len(alerts))

    periodically(app, every_s, look, "look for card testing")


async def _send(app: faust.App, topic: str, alerts: Sequence[CardTestingAlert]) -> None:
    for alert in alerts:
        log.warning(
            "card testing: %d cards since %s, alert %s", alert.cards, alert.first_time, alert.alert_id
        )
        await producer_of(app).send_and_wait(topic, msgspec.json.encode(alert), key=alert.alert_id.encode())
