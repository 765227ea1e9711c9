"""Rows to anonymize: the simulator's purchases, by its own customers or by skewed ones."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from app.decoders import input_decoders
from app.settings import Settings
from app.topics import topics_of
from models.transaction import Transaction
from privacy.anonymity.row import Row
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from streaming.errors import RecordError

_ZIPF = 1.2


def simulated(rows: int, *, customers: int, transactions_per_s: float) -> list[Row]:
    """Purchases of the simulator as they come, each taken for decided at once."""
    topics = topics_of(Settings())
    decoders = input_decoders(topics)
    scenario = Scenario(
        seed=1,
        start_time_ms=1_767_225_600_000,
        duration_s=1.2 * rows / transactions_per_s,
        customers=customers,
        transactions_per_s=transactions_per_s,
    )
    made = simulate(
        scenario, location_topic=topics.location_data.name, transaction_topic=topics.transaction_data.name
    )

    found: list[Row] = []
    for each in made:
        if each.event.topic != topics.transaction_data.name:
            continue
        try:
            found.append(_row(decoders[each.event.topic].decode(each.event.value_bytes)))
        except RecordError:
            continue
        if len(found) == rows:
            break
    return found


def skewed(rows: Sequence[Row], people: int) -> list[Row]:
    """The same rows as if a few people made most of them: the n-th buys in proportion to n to the -1.2."""
    chance = np.random.default_rng(1)
    weights = np.arange(1, people + 1) ** -_ZIPF
    drawn = chance.choice(people, size=len(rows), p=weights / weights.sum())
    return [replace(row, person=f"person {number}") for row, number in zip(rows, drawn.tolist(), strict=True)]


def _row(transaction: Transaction) -> Row:
    return Row(
        transaction_id=transaction.transaction_id,
        latitude_deg=transaction.latitude_deg,
        longitude_deg=transaction.longitude_deg,
        time=transaction.event_time,
        amount=transaction.amount,
        merchant_category=transaction.merchant_category,
        device_type=transaction.transaction_device,
        merchant=transaction.merchant,
        person=None if transaction.user_id is None else str(transaction.user_id),
        verdict="cleared",
    )
