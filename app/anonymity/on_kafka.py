"""What is published, whose it is, and what could be, read from the topics."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from app.connection import connection_of
from app.settings import Settings
from app.tailing import read_topic
from app.token_keys import token_keys_of
from app.topics import TopicSpec, topics_of
from models.anonymized_transaction import AnonymizedTransaction
from models.decision import Decision
from privacy.anonymity.row import Row
from privacy.tokens import tokenizer

_decision_of = msgspec.json.Decoder(Decision).decode
_row_of = msgspec.json.Decoder(AnonymizedTransaction).decode


def published_rows(settings: Settings) -> list[AnonymizedTransaction]:
    """All that lies in anonymized_transactions. Raises ConfigError, RetryableError as every reader does."""
    return [_row_of(value) for value in _values(settings, topics_of(settings).anonymized_transactions)]


def final_rows(settings: Settings, most: int) -> list[Row]:
    """The newest final decisions, as rows that wait to be anonymized. Restricted zone."""
    return list(deque(map(Row.of, _finals(settings)), maxlen=most))


def people_of_tokens(settings: Settings) -> dict[str, str]:
    """Whose each row is: the tokens of all final decisions made again, under every key. Restricted zone.

    Nothing leads back from a token, so a row whose decision has expired is not in it.
    """
    tokens_of = [tokenizer(key, "row") for key in token_keys_of(settings).all]
    return {
        token_of(decision.transaction_id): decision.user_token
        for decision in _finals(settings)
        if decision.user_token is not None
        for token_of in tokens_of
    }


def _finals(settings: Settings) -> Iterator[Decision]:
    for value in _values(settings, topics_of(settings).transaction_decisions):
        decision = _decision_of(value)
        if decision.stage == "final":
            yield decision


def _values(settings: Settings, topic: TopicSpec) -> list[bytes]:
    async def read() -> list[Any]:
        records = read_topic(connection_of(settings), topic.name, from_beginning=True, until_end=True)
        return [record.value async for record in records if record.value is not None]

    return asyncio.run(read())
