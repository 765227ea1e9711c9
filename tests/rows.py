"""Anonymized transactions for tests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from models.anonymized_transaction import AnonymizedTransaction

_HOUR = timedelta(hours=1)
_NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


def row(number: int, **more: Any) -> AnonymizedTransaction:
    """A row as the publisher makes them; another for each number."""
    begin = _NOON + _HOUR * (number % 24)
    fields = {
        "row_token": f"k1:{number:032x}",
        "place": f"9q9{'bcdefghj'[number % 8]}",
        "time_from": begin,
        "time_to": begin + _HOUR,
        "amount_from": float(10 * (number % 7)),
        "amount_to": float(10 * (number % 7) + 10),
        "merchant_category": ("Restaurant", "Grocery", "*")[number % 3],
        "device_type": ("phone", "tablet")[number % 2],
        "merchant": f"Merchant {number % 50}" if number % 10 else None,
        "verdict": ("cleared", "cleared", "flagged", "no_location")[number % 4],
        "usual_place": (True, False, None)[number % 3],
        "group_size": 5 + number % 20,
        "information_loss": (number % 100) / 100,
    }
    return AnonymizedTransaction(**{**fields, **more})


def rows(count: int, start: int = 0) -> list[AnonymizedTransaction]:
    """So many of them."""
    return [row(number) for number in range(start, start + count)]


def records(of: list[AnonymizedTransaction]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values as they lie on the topic."""
    encode = msgspec.json.Encoder().encode
    return ((each.row_token.encode(), encode(each)) for each in of)
