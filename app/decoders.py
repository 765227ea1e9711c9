"""How the records of the input topics are decoded: the same for a worker, `replay` and `reconcile`."""

from typing import Any

from app.topics import Topics
from models.location_fix import LocationFix
from models.transaction import Transaction
from models.wire import time_repair
from streaming.decoding import JsonDecoder


def input_decoders(topics: Topics) -> dict[str, JsonDecoder[Any]]:
    """A decoder for each input topic of the detector, in the order that breaks ties of the timestamp."""
    decoders: dict[type, JsonDecoder[Any]] = {
        LocationFix: JsonDecoder(LocationFix, time_repair("Time")),
        Transaction: JsonDecoder(Transaction, time_repair("Timestamp")),
    }
    return {topic.name: decoders[topic.value] for topic in topics.detector_inputs}
