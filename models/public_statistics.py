"""Topic public_statistics: what anyone may know of an hour."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class Noisy(msgspec.Struct, frozen=True, gc=False):
    """A number with noise. Without it, it lies between `low` and `high` in 95 % of all cases."""

    value: float
    low: float
    high: float


class PublicStatistics(msgspec.Struct, frozen=True, gc=False):
    """Final verdicts of an hour, with noise: differentially private. Topic public_statistics; key: hour.

    Of each device no more than `rows_per_device` transactions count, and of each no more than `most_amount`:
    what that cuts off is in no interval. Each hour is published once.
    """

    hour: Annotated[datetime, Meta(description="Its beginning, by the times of the transactions.")]
    epsilon: Annotated[float, Meta(description="What this record costs of the day's budget.")]
    rows_per_device: int
    most_amount: float
    verdicts: dict[str, Noisy]
    categories: dict[str, Noisy]
    amount: Noisy
