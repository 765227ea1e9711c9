"""What a detector writes, made without one: lines for the publisher, some of them twice."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from app.topics import Topics
from models.decision import Decision
from models.flagged_transaction import FlagEvent, FlaggedTransaction
from models.judgement import Judgement, UsedFix
from models.transaction import Transaction
from tests.pipeline import location

MERCHANTS = tuple(f"shop-{number}" for number in range(60))
CATEGORIES = ("Groceries", "Fuel", "Online", "Travel", "Restaurant", None)
DEVICE_TYPES = ("mobile", "chip", "web", None)


@dataclass(frozen=True, slots=True)
class Line:
    """A record for a topic; `time_ms` is its timestamp."""

    topic: str
    key: str
    value: bytes
    time_ms: int


def fixes(topics: Topics, *, devices: int, start_ms: int, each: int = 15) -> Iterator[Line]:
    """Every device reports from its home, one fix a millisecond in all."""
    for number in range(devices * each):
        device = number % devices
        event = location(
            f"phone-{device}", start_ms + number, lat=37.0 + device / 100, lon=-121.0, Altitude=12.0
        )
        yield Line(topics.location_data.name, f"phone-{device}", event.value_bytes, event.arrival_ms)


def decided(
    topics: Topics, *, devices: int, start_ms: int, seed: int = 1, flagged_share: float = 0.2
) -> Iterator[Line]:
    """Decisions and alerts for ever: provisional, now and then revised, final; some lines come twice."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        device = min(int(chance.expovariate(3 / devices)), devices - 1)
        is_flagged = chance.random() < flagged_share
        home = chance.random() < 0.5
        transaction = Transaction(
            transaction_id=f"t{seed}-{number}",
            device_id=f"phone-{device}",
            event_time=datetime.fromtimestamp(start_ms / 1000 + number, UTC),
            amount=round(chance.lognormvariate(4, 1.5), 2),
            latitude=37.0 + device / 100 if home else 45.0,
            longitude=-121.0 if home else 7.0,
            user_id=f"u-{device // 2}",
            merchant=chance.choice(MERCHANTS),
            merchant_category=chance.choice(CATEGORIES),
            transaction_device=chance.choice(DEVICE_TYPES),
        )
        lines = list(_lines(topics, transaction, start_ms + number * 10, chance, is_flagged=is_flagged))
        for line in lines:
            yield line
            if chance.random() < 0.1:
                yield chance.choice(lines)  # of a worker that was killed, or of a bank that sent twice


def _lines(
    topics: Topics, transaction: Transaction, now_ms: int, chance: random.Random, *, is_flagged: bool
) -> Iterator[Line]:
    device = transaction.device_id
    person = int(device.removeprefix("phone-")) // 2
    first = Decision.of(
        transaction,
        _judgement(transaction, speed_mps=chance.uniform(0, 500), is_flagged=is_flagged),
        stage="provisional",
        revision=1,
        card_token=f"k1:card-{person}-{chance.randrange(2)}",
        user_token=f"k1:user-{person}",
        received_ms=now_ms - chance.randrange(40),
    )
    other = _judgement(transaction, speed_mps=chance.uniform(0, 500), is_flagged=not is_flagged)
    decisions = [first]
    if chance.random() < 0.1:
        decisions.append(first.revised(other, "provisional"))
    last = decisions[-1]
    decisions.append(last.revised(last, "final"))
    was_flagged = False
    for decision in decisions:
        yield Line(topics.transaction_decisions.name, device, msgspec.json.encode(decision), now_ms)
        event = _event(decision, was_flagged=was_flagged)
        was_flagged = decision.verdict == "flagged"
        if event is not None:
            alert = FlaggedTransaction.of(decision, None, event)
            yield Line(topics.potential_fraud.name, device, msgspec.json.encode(alert), now_ms)


def _event(decision: Decision, *, was_flagged: bool) -> FlagEvent | None:
    if decision.verdict == "flagged":
        if not was_flagged:
            return "flagged"
        return "confirmed" if decision.stage == "final" else None
    return "retracted" if was_flagged else None


def _judgement(transaction: Transaction, *, speed_mps: float, is_flagged: bool) -> Judgement:
    fix = UsedFix(transaction.event_time - timedelta(seconds=30), 37.0, -121.0, 1.0, 5.0)
    return Judgement(
        verdict="flagged" if is_flagged else "cleared",
        reasons=("made_up",),
        distance_m=30 * speed_mps,
        elapsed_s=30.0,
        implied_speed_mps=speed_mps,
        reported_speed_mps=1.0,
        allowed_speed_mps=100.0,
        required_m=None,
        possible_m=None,
        fixes=(fix,),
        refused=(),
        profile="made up",
        profile_version=1,
    )
