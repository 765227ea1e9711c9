"""The publisher's anonymizer: final decisions wait for company and leave as rows, in groups or not at all."""

from asyncio import Future
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agents.sketch import pass_on
from models.published_group import PublishedGroup
from privacy.anonymity.anonymizer import Anonymizer, Outcome, Released, Target
from privacy.anonymity.row import Row
from privacy.tokens import TokenizeAt
from sketches.facts import DecisionFact
from sketches.usual_places import Answer
from streaming.cascade import Stage
from streaming.outbox import Outbox
from streaming.partitions import partition_of
from tables.groups import GroupTable, group_key

_encode = msgspec.json.Encoder().encode

_IS_USUAL: dict[Answer, bool | None] = {"Approved": True, "Fake transaction": False, "unknown": None}


class AnonymityMetrics:
    """What was published, and how well hidden, for Prometheus."""

    def __init__(self, registry: CollectorRegistry, target: Target, delay_limit_s: float) -> None:
        for name, doc, value in (
            ("k_target", "As many must there be.", target.k),
            ("l_target", "As many must there be.", target.l),
            ("delay_limit_seconds", "Rows may wait for company as long.", delay_limit_s),
        ):
            Gauge(f"smartbank_anonymity_{name}", doc, registry=registry).set(value)
        self.rows = Counter("smartbank_anonymized_rows", "Rows that were published.", registry=registry)
        self.repeated = Counter(
            "smartbank_repeated_rows",
            "Rows that were published once more, verbatim, after a crash.",
            registry=registry,
        )
        self.suppressed = Counter(
            "smartbank_suppressed_rows", "Rows that found too little company.", ["reason"], registry=registry
        )
        self.k = Gauge(
            "smartbank_anonymity_k", "Different people of the smallest group so far.", registry=registry
        )
        self.l = Gauge(
            "smartbank_anonymity_l", "Fewest different merchants of a group so far.", registry=registry
        )
        self.loss = Histogram(
            "smartbank_anonymity_information_loss",
            "GLM of published rows: 0 nothing is lost, 1 all.",
            buckets=(0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0),
            registry=registry,
        )
        self.delay_s = Histogram(
            "smartbank_anonymity_delay_seconds",
            "How long published rows waited for company.",
            buckets=(0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600),
            registry=registry,
        )
        self._show(inf, inf)

    def count(self, released: Released, now_ms: int) -> None:
        """Count a group, or a row that joined one."""
        self.rows.inc(len(released.members))
        self._show(min(self._least[0], released.people), min(self._least[1], released.merchants))
        for member in released.members:
            self.loss.observe(released.generalisation.information_loss)
            self.delay_s.observe(max(now_ms - member.since_ms, 0) / 1000)

    def _show(self, people: float, merchants: float) -> None:
        self._least = people, merchants
        self.k.set(people)
        self.l.set(merchants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What leaves at once: groups to be stored by key, then rows to be published, and who waits for them."""

    groups: dict[bytes, PublishedGroup]
    rows: list[tuple[bytes, bytes]]
    departures: list["Departure"]

    def stages(
        self, table: GroupTable, partition: int, topic: str, partition_count: int, forgotten: Iterable[bytes]
    ) -> list[Stage]:
        """Store the groups, delete forgotten ones; when the broker has that, publish rows by their tokens."""
        view = table.view(partition, ())
        for key in forgotten:
            del view[key]
        for key, group in self.groups.items():
            view[key] = group
        by_partition: dict[int, list[tuple[bytes, bytes | None]]] = defaultdict(list)
        for key, row in self.rows:
            by_partition[partition_of(key, partition_count)].append((key, row))

        async def publish(outbox: Outbox) -> None:
            for number, rows in by_partition.items():
                await outbox.ship(topic, number, rows)

        return [table.put(partition, view), publish]

    def left(self) -> None:
        """Say that the broker has them."""
        for departure in self.departures:
            departure.leave()

    def fail(self, sent: Future[Any]) -> None:
        """Say that the broker did not take them."""
        for departure in self.departures:
            if not departure.done.done():
                pass_on(departure.done, sent)


class Departure:
    """When all final decisions of a chunk have left: `done` is set then."""

    def __init__(self, done: Future[None], waiting: int) -> None:
        self.done = done
        self._waiting = waiting

    def leave(self) -> None:
        """One of them has left."""
        self._waiting -= 1
        if not self._waiting and not self.done.done():
            self.done.set_result(None)


class Anonymizing:
    """The anonymizer of one partition.

    A group is stored as one row before any of it is published, and repeated from there when its inputs are
    read again: so no crash leaves half a group, nor publishes a transaction in two ways. What waits is not
    acknowledged; whoever reads it again begins with nothing that waits.
    """

    def __init__(
        self,
        partition: int,
        table: GroupTable,
        anonymizer: Anonymizer,
        row_token_of: TokenizeAt,
        metrics: AnonymityMetrics,
    ) -> None:
        self._partition = partition
        self._table = table
        self._anonymizer = anonymizer
        self._row_token_of = row_token_of
        self._metrics = metrics
        self._waiting: dict[int, Departure] = {}  # by offset
        self._stored: dict[int, tuple[bytes, bytes]] = {}  # offset -> key and row
        self._groups: dict[int, tuple[int, ...]] = {}  # last offset -> all
        for group in table.groups(partition):
            self._remember(group)

    def __len__(self) -> int:
        """Rows that wait for company."""
        return len(self._anonymizer)

    def take(self, facts: Sequence[DecisionFact], departure: Departure, now_ms: int) -> Leaving:
        """Take final decisions of a chunk; return what leaves because of them."""
        outcomes: list[Outcome] = []
        again: list[int] = []
        for fact in facts:
            self._waiting[fact.offset] = departure
            if fact.offset in self._stored:
                again.append(fact.offset)
                continue
            row = Row.of(fact.decision, usual_place=_IS_USUAL[fact.usual_place], source=fact.offset)
            outcomes += self._anonymizer.take(row, now_ms)
        self._metrics.repeated.inc(len(again))
        return self._publish(outcomes, again, now_ms)

    def close_due(self, now_ms: int) -> Leaving:
        """What has waited for the time limit."""
        return self._publish(self._anonymizer.close_due(now_ms), (), now_ms)

    def _publish(self, outcomes: Iterable[Outcome], again: Iterable[int], now_ms: int) -> Leaving:
        """Store groups; say what is to be sent of them, and of those that were stored before a crash."""
        leaving = list(again)
        groups: dict[bytes, PublishedGroup] = {}
        for outcome in outcomes:
            if isinstance(outcome, Released):
                self._metrics.count(outcome, now_ms)
                group = _group_of(outcome, self._row_token_of)
                groups[self._remember(group)] = group
                leaving += group.offsets
            else:
                self._metrics.suppressed.labels(outcome.reason).inc()
                self._waiting.pop(outcome.member.row.source).leave()
        rows = [self._stored[offset] for offset in leaving]
        departures = [self._waiting.pop(offset) for offset in leaving]
        return Leaving(groups=groups, rows=rows, departures=departures)

    def forgotten(self, committed_offset: int) -> list[bytes]:
        """Forget the groups whose decisions are never read again; return their keys."""
        behind = [last for last in self._groups if last < committed_offset]
        for last in behind:
            for offset in self._groups.pop(last):
                del self._stored[offset]
        return [group_key(last) for last in behind]

    def _remember(self, group: PublishedGroup) -> bytes:
        last = max(group.offsets)
        self._groups[last] = group.offsets
        self._stored |= zip(group.offsets, zip(group.keys, group.rows, strict=True), strict=True)
        return group_key(last)


def _group_of(released: Released, row_token_of: TokenizeAt) -> PublishedGroup:
    rows = released.rows(row_token_of)
    return PublishedGroup(
        tuple(member.source for member, _ in rows),
        tuple(row.row_token.encode() for _, row in rows),
        tuple(_encode(row) for _, row in rows),
    )
