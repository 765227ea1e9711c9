"""Topic card_testing_alerts: somebody tries many cards."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class NearIdentical(msgspec.Struct, frozen=True, gc=False):
    """What some transactions have in common. Amounts and places are bands and areas."""

    merchant_category: str
    merchant: str
    amount_from: Annotated[str, Meta(description="Lower end of a band that is 19 % wide.")]
    area: Annotated[
        str, Meta(description="Hundredths of a degree, north and east: 1.1 km from south to north.")
    ]
    transactions: int


class CardTestingAlert(msgspec.Struct, frozen=True, gc=False):
    """Near-identical small transactions of many cards within minutes.

    Topic card_testing_alerts; key: alert_id. Sent when a cluster is found, and again whenever its cards have
    doubled: the last one of an alert_id counts. After a crash it may come once more under another id.
    """

    alert_id: str
    first_time: datetime
    last_time: datetime
    cards: Annotated[int, Meta(description="Different cards.")]
    transaction_tokens: Annotated[
        tuple[str, ...], Meta(description="Row tokens of the transactions, oldest first; 1,000 at most.")
    ]
    card_tokens: tuple[str, ...]
    kinds: tuple[NearIdentical, ...]
