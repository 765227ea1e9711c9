"""What Prometheus sees of records and verdicts. They are added up for a chunk and then counted."""

import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import get_args

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import Metric

from detection.detector import Outcome
from models.decision import Stage
from models.flagged_transaction import FlagEvent
from models.judgement import Verdict
from streaming.chunk import Event
from streaming.metrics import BUCKETS_S, Asked, BulkHistogram, gauge

TAKEN, REPEATED, MISPLACED = "taken", "repeated", "misplaced"
SKIPPED, DEAD_LETTER = "skipped", "dead_letter"
_HISTORIC_S = 3600.0

Others = Counts[tuple[str, str]]
"""Records of a chunk that were not taken, by topic and outcome."""


class EventMetrics:
    """What became of input records."""

    def __init__(self, registry: CollectorRegistry) -> None:
        events = Counter(
            "smartbank_events",
            "Input records by what became of them.",
            ["topic", "outcome"],
            registry=registry,
        )
        self._events = cache(events.labels)

    def count(self, events: Sequence[Event], others: Others) -> None:
        """Count the records of a chunk: all were taken but those others."""
        taken = Counts(tp.topic for tp, _, _ in events)
        for (topic, outcome), count in others.items():
            taken[topic] -= count
            self._events(topic, outcome).inc(count)
        for topic, count in taken.items():
            self._events(topic, TAKEN).inc(count)


class VerdictMetrics:
    """What the detector decides, and how soon."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = EventMetrics(registry)
        verdicts = Counter(
            "smartbank_verdicts",
            "Lines of transaction_decisions; repeats count again.",
            ["stage", "verdict"],
            registry=registry,
        )
        reasons = Counter(
            "smartbank_verdict_reasons",
            "Each reason of each of them.",
            ["stage", "verdict", "reason"],
            registry=registry,
        )
        alerts = Counter(
            "smartbank_alerts", "Lines of Potential_fraud_transactions.", ["event"], registry=registry
        )
        self._verdicts, self._reasons, self._alerts = map(
            cache, (verdicts.labels, reasons.labels, alerts.labels)
        )
        for verdict in get_args(Verdict):  # from 0 on, so that the first one of all is an increase, too
            for stage in get_args(Stage):
                self._verdicts(stage, verdict)
        for event in get_args(FlagEvent):
            self._alerts(event)
        self._latency = BulkHistogram(
            "smartbank_verdict_latency_seconds",
            "First verdicts: from the transaction's record timestamp until the decision is acknowledged.",
            BUCKETS_S,
            registry,
        )
        self._historic = Counter(
            "smartbank_historic_verdicts",
            "First verdicts on transactions of an hour ago or more: not in the latency.",
            registry=registry,
        )
        self._registry = registry

    def watch_open(self, open_by_partition: Callable[[], Mapping[int, int]]) -> None:
        """Ask for the open transactions of each partition when somebody looks."""
        name, doc = "smartbank_open_transactions", "Transactions whose verdict may still change."

        def ask() -> Iterator[Metric]:
            counts = (((partition,), count) for partition, count in open_by_partition().items())
            yield gauge(name, doc, ("partition",), counts)

        Asked(self._registry, ask)

    def decide(self, outcomes: Sequence[Outcome]) -> None:
        """Count the decisions and alerts of a chunk."""
        made = Counts((d.stage, d.verdict, d.reasons) for d in (each.decision for each in outcomes))
        for (stage, verdict, reasons), count in made.items():
            self._verdicts(stage, verdict).inc(count)
            for reason in reasons:
                self._reasons(stage, verdict, reason).inc(count)
        alerts = Counts(each.alert.event for each in outcomes if each.alert is not None)
        for event, count in alerts.items():
            self._alerts(event).inc(count)

    def acknowledge(self, received_ms: Sequence[int]) -> None:
        """Count first verdicts that the broker has now, by the timestamps of their transactions."""
        if not received_ms:
            return
        now_ms, latest_first_ms = time.time() * 1000, sorted(received_ms, reverse=True)
        latencies_s = [(now_ms - each_ms) / 1000 for each_ms in latest_first_ms]
        recent = bisect_left(latencies_s, _HISTORIC_S)
        self._latency.observe(latencies_s[:recent])
        self._historic.inc(len(latencies_s) - recent)
