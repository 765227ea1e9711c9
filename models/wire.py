"""Spellings on the wire that are right but rare: what JsonDecoder's `repair` is given."""

from collections.abc import Callable
from typing import Any

from models.times import parse_time


def time_repair(field: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that reads the time in `field` in any ISO 8601 form, not only RFC 3339's.

    The function raises ValueError where there is no such time; the text is not quoted.
    """

    def repair(message: dict[str, Any]) -> dict[str, Any]:
        text = message.get(field)
        if not isinstance(text, str):
            return message
        try:
            return {**message, field: parse_time(text)}
        except ValueError:
            raise ValueError(
                f"{field} is not a time: wanted ISO 8601, such as 2024-04-01T10:00:00Z"
            ) from None

    return repair
