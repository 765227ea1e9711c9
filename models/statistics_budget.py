"""A row of the table budget: what was published of hours, and what of the day's privacy budget is spent."""

import msgspec


class StatisticsBudget(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All in one row: an hour is published if and only if it was paid for.

    It lies in tables and changelogs as a msgpack array of its fields in this order.
    """

    day: int = 0
    """Days since the epoch, UTC."""
    spent_microepsilon: int = 0
    """Of that day's budget, in millionths of epsilon."""
    published_until_ms: int = 0
    """The end of the last hour that was published, milliseconds since the epoch."""
    unsent: bytes | None = None
    """The record of that hour (JSON), until the broker has it."""
