"""What people are told of an event: masked, rounded, in words. Everything that leaves passes through here.

Of a flagged transaction that is its id (by which the desk finds it), amount, merchant, the last four digits
of the card, the reasons and a rounded speed. No name, user, device or place, and no token by which it could
be joined with published rows. Pure.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from math import floor, log10
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from models.card_testing_alert import CardTestingAlert
from models.flagged_transaction import FlaggedTransaction

NoticeEvent = Literal["flagged", "confirmed", "retracted", "card_testing"]
EVENTS: Final[tuple[NoticeEvent, ...]] = ("flagged", "confirmed", "retracted", "card_testing")

_MOST_CHARACTERS: Final = 80
_KMH_PER_MPS: Final = 3.6
_SHOWN_DIGITS: Final = 4


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. `id` is the same whenever the event is told again, so that a receiver can drop repeats."""

    id: str
    event: NoticeEvent
    time: datetime
    """Of the transaction; of card testing, the time of its last one. Whole seconds, UTC."""
    reasons: tuple[str, ...] = ()
    transaction_id: str | None = None
    amount: float | None = None
    merchant: str | None = None
    merchant_category: str | None = None
    card_last4: str | None = None
    implied_speed_kmh: int | None = None
    """Two digits of it, km/h: enough to judge, too little to compute a place from."""
    cards: int | None = None
    transactions: int | None = None
    link: str | None = None


def notice_of_flagged(
    flagged: FlaggedTransaction, *, in_words: Callable[[str], str], link_base: str = ""
) -> Notice:
    """Mask a flagged, confirmed or retracted transaction. `link_base`: its id is put behind it."""
    return Notice(
        id=notice_id(flagged.transaction_id, flagged.event, flagged.revision),
        event=flagged.event,
        time=flagged.transaction_time.replace(microsecond=0),
        reasons=tuple(in_words(code) for code in flagged.reasons),
        transaction_id=flagged.transaction_id,
        amount=flagged.amount,
        merchant=_clean(flagged.merchant),
        merchant_category=_clean(flagged.merchant_category),
        card_last4=_last_four(flagged.card_last4),
        implied_speed_kmh=_rounded_kmh(flagged.implied_speed_mps),
        link=f"{link_base}{quote(flagged.transaction_id, safe='')}" if link_base else None,
    )


def notice_of_card_testing(alert: CardTestingAlert) -> Notice:
    """Tell of card testing: how many cards, and at which shop most of them. No token, no area."""
    busiest = max(alert.kinds, key=lambda kind: kind.transactions, default=None)
    return Notice(
        id=notice_id(alert.alert_id, "card_testing", alert.cards),
        event="card_testing",
        time=alert.last_time.replace(microsecond=0),
        reasons=("Near-identical small transactions of many cards within minutes.",),
        merchant=_clean(busiest.merchant) if busiest else None,
        merchant_category=_clean(busiest.merchant_category) if busiest else None,
        cards=alert.cards,
        transactions=sum(kind.transactions for kind in alert.kinds),
    )


def notice_id(*parts: str | int) -> str:
    """A name for an event, for the header of a request: the same parts give the same one."""
    text = "\0".join(map(str, parts))
    return f"msg_{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"


def joint_id(notices: Sequence[Notice]) -> str:
    """A name for several notices told at once."""
    return notice_id("digest", *(notice.id for notice in notices))


def _clean(text: str | None) -> str | None:
    """Text from outside, on one line and not too long: it goes into headers and pages of others."""
    return printable(text)[:_MOST_CHARACTERS] if text else None


def printable(text: str) -> str:
    """Text on one line: what is no character to look at becomes U+FFFD."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _last_four(digits: str | None) -> str | None:
    """Four digits and nothing else, whatever was written to the topic."""
    is_shown = digits and len(digits) == _SHOWN_DIGITS and digits.isascii() and digits.isdecimal()
    return digits if is_shown else None


def _rounded_kmh(speed_mps: float | None) -> int | None:
    if speed_mps is None:
        return None
    kmh = round(speed_mps * _KMH_PER_MPS)
    return round(kmh, 1 - floor(log10(kmh))) if kmh >= 10 else kmh
