"""Finds a transaction in an event file: by judging the file again."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.explaining.finding import DecisionLines, Finding, NearFixes, Refusal
from app.explaining.refusals import is_about
from app.replay import replay
from app.topics import Topics
from detection.detector import Detector
from models.dead_letter import DeadLetter
from sources.event_file import Event
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError


def find_in_file(
    name: str,
    read: Callable[[], Iterable[Event]],
    transaction_id: str,
    *,
    device_id: str | None,
    topics: Topics,
    decoders: Mapping[str, JsonDecoder[Any]],
    detector: Detector[Any],
    max_clock_skew_s: float,
) -> Finding | Refusal:
    """Judge the events by the rules, then read them once more for the phone's reports.

    `read` is called twice. Memory as `replay` needs it. Raises ConfigError where the file `name` holds no
    such transaction.
    """
    lines, refusal = DecisionLines(transaction_id, device_id), None
    of_transactions = {topics.transaction_data.name, topics.transaction_repartition.name}
    for result in replay(read(), decoders, detector, max_clock_skew_s):
        if not isinstance(result, DeadLetter):
            lines.take(result.decision)
        elif result.source_topic in of_transactions and is_about(result, transaction_id):
            place = f"line {result.source_offset + 1} of {name}"
            refusal = Refusal(place, result.reason_code, result.reason)
    history = lines.history()
    if not history:
        if refusal is not None:
            return refusal
        raise ConfigError(f"no decision on transaction {transaction_id!r} in {name}: it is not in there")
    location_topics = (topics.location_data.name, topics.location_repartition.name)
    near = NearFixes(
        history[0].device_id, history[0].transaction_time, decoders[location_topics[0]], max_clock_skew_s
    )
    for event in read():
        if event.topic in location_topics:
            near.take(event.value_bytes, event.arrival_ms)
    return Finding(history, near.fixes())
