"""What to simulate, and what comes out of it."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from sources.event_file import Event
from sources.labels import Label
from streaming.errors import ConfigError

LAST_ARRIVAL_MS = 2_000
"""This long after the end everything has arrived, late ones too."""

Kind = Literal["location", "transaction", "repeat", "malformed"]


class Simulated(msgspec.Struct, frozen=True):
    """An event and what is known of it. The first event of each transaction has its label."""

    event: Event
    kind: Kind
    label: Label | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to simulate. Shares hold on average; few customers may be short of fitting moments.

    Locations come on top of the transactions: one in 5 s from each customer's phone that is not in a gap, and
    a few from tablets. Repeats and malformed records, as shares of these events, come on top of both. Card
    testing takes its share of the transactions first; the other shares are of what is left.
    Raises ConfigError.
    """

    seed: int
    start_time_ms: int
    duration_s: float
    customers: int
    transactions_per_s: float
    fraud_share: float = 0.05
    unknown_device_share: float = 0.02
    card_testing_share: float = 0.01
    malformed_share: float = 0.002
    duplicate_share: float = 0.01
    by_hour: bool = False
    """The rate follows the hours of San Jose's day, with `transactions_per_s` for its mean."""

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if self.customers < 1 or self.start_time_ms < 0:
            raise ConfigError("a simulation needs one customer or more, and a start after 1970")
        if not 0 < self.duration_s < float("inf") or not 0 <= self.transactions_per_s < float("inf"):
            raise ConfigError("a simulation needs a duration above 0 and a rate that is not negative")
        shares = (
            self.fraud_share,
            self.unknown_device_share,
            self.card_testing_share,
            self.malformed_share,
            self.duplicate_share,
        )
        if not all(0 <= share <= 1 for share in shares) or self.fraud_share + self.unknown_device_share > 1:
            raise ConfigError(
                f"shares lie between 0 and 1; those of fraud ({self.fraud_share:g}) and of unknown devices"
                f" ({self.unknown_device_share:g}) together as well"
            )

    @property
    def end_time_ms(self) -> int:
        """Nothing happens from here on."""
        return self.start_time_ms + int(self.duration_s * 1000)
