"""How the records of the input topics are decoded: the same for a worker, `replay` and `reconcile`."""

from collections.abc import Sequence
from typing import Any

from app.topics import Topics, TopicSpec
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.location_fix import LocationFix
from models.transaction import Transaction
from models.wire import time_repair
from streaming.decoding import JsonDecoder


def input_decoders(topics: Topics) -> dict[str, JsonDecoder[Any]]:
    """A decoder for each input topic of the detector, in the order that breaks ties of the timestamp."""
    return decoders_of(topics.detector.reads)


def decoders_of(inputs: Sequence[TopicSpec]) -> dict[str, JsonDecoder[Any]]:
    """A decoder for each of the topics that an app reads, in the same order."""
    decoders: dict[type, JsonDecoder[Any]] = {
        LocationFix: JsonDecoder(LocationFix, time_repair("Time")),
        Transaction: JsonDecoder(Transaction, time_repair("Timestamp")),
        Decision: JsonDecoder(Decision),
        FlaggedTransaction: JsonDecoder(FlaggedTransaction),
    }
    return {topic.name: decoders[topic.value] for topic in inputs}
