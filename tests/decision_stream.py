"""Decisions and alerts as a detector writes them, for sketches: many, skewed, the same for the same seed."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.judgement import Judgement
from models.location_fix import LocationFix
from sketches.desk import Message

START = datetime(2026, 1, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
CATEGORIES = ("grocery", "travel", "fuel", "food", "electronics", "cash", "health", "games")
KINDS_OF_DEVICE = ("POS", "ATM", "online", "mobile")


def decisions(
    count: int, *, seed: int = 1, customers: int = 20_000, rate_per_s: float = 100.0
) -> Iterator[Decision]:
    """First decisions on `count` transactions: 1 in 50 flagged, a tenth of the amounts below 5."""
    chance = random.Random(seed)
    judgements = [_judged(0.2 * number) for number in range(500)]
    places = [(chance.uniform(30, 45), chance.uniform(-120, -75)) for _ in range(200)]
    for number in range(count):
        customer = int(customers * chance.random() ** 2)  # some buy more often
        merchant = int(3_000 * chance.random() ** 4)
        amount = chance.uniform(0.5, 5) if chance.random() < 0.1 else chance.lognormvariate(3.5, 1.2) + 5
        latitude_deg, longitude_deg = places[customer % len(places)]
        judgement: Any = judgements[chance.randrange(len(judgements))]
        fields: tuple[Any, ...] = (
            *judgement,
            f"{seed}-{number:08d}",
            f"phone-{customer:06d}",
            "provisional",
            1,
            START + timedelta(seconds=number / rate_per_s),
            latitude_deg + chance.uniform(-0.05, 0.05),
            longitude_deg + chance.uniform(-0.05, 0.05),
            round(amount, 2),
            f"1.{customer * 2 + chance.randrange(2):040d}",
            f"1.{customer:040d}",
            f"M{merchant:05d}",
            f"Shop {merchant}",
            CATEGORIES[merchant % len(CATEGORIES)],
            "purchase",
            KINDS_OF_DEVICE[number % len(KINDS_OF_DEVICE)],
            START_MS + int(number * 1000 / rate_per_s),
        )
        yield Decision(*fields)


def chunks(made: Iterator[Decision], of: int = 500) -> Iterator[tuple[list[Message], list[Message]]]:
    """Lines of decisions, first and final, and lines of alerts; some `of` lines of decisions in each."""
    offset = alert_offset = 0
    lines: list[Message] = []
    alerts: list[Message] = []
    late: list[Decision] = []
    for decision in made:
        now_ms = decision.received_ms + 40
        lines.append(Message(offset := offset + 1, now_ms, decision))
        if decision.verdict == "flagged":
            flagged = FlaggedTransaction.of(decision, "1234", "flagged")
            alerts.append(Message(alert_offset := alert_offset + 1, now_ms, flagged))
        late.append(decision.revised(_judgement_of(decision), "final"))
        if len(late) > of // 4:
            lines.append(Message(offset := offset + 1, now_ms, late.pop(0)))
        if len(lines) >= of:
            yield lines, alerts
            lines, alerts = [], []
    lines += [Message(offset + 1 + n, now_ms, decision) for n, decision in enumerate(late)]
    yield lines, alerts


def fixes(count: int, *, seed: int = 1, customers: int = 150) -> list[Message]:
    """Reports of phones that stay at home."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        customer = number % customers
        fix = LocationFix(
            device_id=f"phone-{customer:06d}",
            event_time=START + timedelta(seconds=number / 10),
            latitude_deg=35 + customer % 10 + chance.uniform(0, 0.01),
            longitude_deg=-100 + customer % 13,
            altitude_m=20.0,
        )
        found.append(Message(number, START_MS + number * 100, fix))
    return found


def _judged(speed_mps: float) -> Any:
    """The fields of a judgement, in their order."""
    return msgspec.structs.astuple(
        Judgement(
            verdict="flagged" if speed_mps > 98 else "cleared",
            reasons=("REACHABLE",),
            distance_m=60 * speed_mps,
            elapsed_s=60.0,
            implied_speed_mps=speed_mps,
            reported_speed_mps=None,
            allowed_speed_mps=70.0,
            required_m=0.0,
            possible_m=4200.0,
            fixes=(),
            refused=(),
            profile="envelope",
            profile_version=1,
        )
    )


def _judgement_of(decision: Decision) -> Judgement:
    return Judgement(*(getattr(decision, field) for field in Judgement.__struct_fields__))
