"""Whether a dead letter is about a transaction: its value may be no JSON at all."""

import json

import msgspec

from models.dead_letter import DeadLetter

_ID_FIELD = "Transaction ID"


def is_about(letter: DeadLetter, transaction_id: str) -> bool:
    """Whether the record that was put aside carries the transaction's id.

    Where the record is no JSON, its id in quotes anywhere is taken for that.
    """
    value = letter.value or b""
    try:
        message = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return any(needle in value for needle in id_needles(transaction_id))
    return isinstance(message, dict) and message.get(_ID_FIELD) == transaction_id


def id_needles(transaction_id: str) -> tuple[bytes, bytes]:
    """The id as JSON has it: in UTF-8 as we write it, and in ASCII, as others may."""
    return msgspec.json.encode(transaction_id), json.dumps(transaction_id).encode()
