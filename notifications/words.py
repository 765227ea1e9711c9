"""Messages as people read them: a subject and lines of plain text. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from notifications.digest import Digest, Message
from notifications.notice import Notice, printable

_EVENTS: Final[Mapping[str, str]] = {
    "flagged": "Flagged",
    "confirmed": "Confirmed",
    "retracted": "Retracted",
    "card_testing": "Card testing",
}
_MEANINGS: Final[Mapping[str, str]] = {
    "flagged": "The phone speaks against this transaction. The verdict may still change.",
    "confirmed": "The flag stands: the verdict is final.",
    "retracted": "No longer flagged: newer locations explain the transaction.",
    "card_testing": "Somebody may be trying out stolen cards.",
}


def subject_of(message: Message) -> str:
    """One line: `Flagged: 110.06 at Merchant 9, card …5851`, `17 flagged, 2 retracted`."""
    if isinstance(message, Digest):
        return _counts(message.events)
    if message.event == "card_testing":
        return f"{_EVENTS[message.event]}: {message.cards} cards at {message.merchant or 'an unnamed shop'}"
    parts = [f"{_EVENTS[message.event]}: {message.amount:,.2f}"]
    if message.merchant:
        parts.append(f" at {message.merchant}")
    if message.card_last4:
        parts.append(f", card …{message.card_last4}")
    return "".join(parts)


def lines_of(message: Message) -> tuple[str, ...]:
    """What is to be known, a line each."""
    return tuple(_of_digest(message) if isinstance(message, Digest) else _of_notice(message))


def _of_notice(notice: Notice) -> Iterator[str]:
    yield _MEANINGS[notice.event]
    if notice.event != "retracted":
        yield from notice.reasons
    yield f"Time: {_time(notice.time)}"
    if notice.merchant_category:
        yield f"Category: {notice.merchant_category}"
    if notice.transactions:
        yield f"Transactions: {notice.transactions}"
    if notice.implied_speed_kmh is not None and notice.event != "retracted":
        yield f"Implied speed of the phone: about {notice.implied_speed_kmh:,} km/h"
    if notice.transaction_id:
        yield f"Transaction: {printable(notice.transaction_id)}"


def _of_digest(digest: Digest) -> Iterator[str]:
    yield f"{len(digest.notices):,} events, from {_time(digest.from_time)} to {_time(digest.to_time)}."
    for reason, count in digest.reasons.items():
        yield f"{count:,} times: {reason}"
    if digest.most_severe:
        yield "The most severe:"
    for notice in digest.most_severe:
        named = f", transaction {printable(notice.transaction_id)}" if notice.transaction_id else ""
        yield f"• {subject_of(notice)}{named}"


def _counts(events: Mapping[str, int]) -> str:
    return ", ".join(
        f"{events[event]:,} {name.lower()}" for event, name in _EVENTS.items() if events.get(event)
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
