"""The same detector as one writes it in plain Faust: one event at a time, Faust's own table and sends.

A peer for the benchmark, never for use: stock Faust loses records at a first rebalance and on a failed send.
Run as a worker: `faust -A bench.idiomatic worker`.
"""

import os

import faust
import msgspec

from app.connection import connection_of
from app.decoders import input_decoders
from app.factory import decider_of
from app.settings import Settings
from app.topics import topics_of
from models.fix import Fix

settings = Settings.from_env(os.environ)
topics = topics_of(settings)
decider = decider_of(settings)
decode_location = input_decoders(topics)[topics.location_data.name].decode
decode_transaction = input_decoders(topics)[topics.transaction_data.name].decode

app = faust.App(
    "idiomatic",
    **connection_of(settings).faust_options,
    store=f"{settings.store}://",
    datadir=settings.state_dir,
    topic_partitions=settings.topic_partitions,
    topic_disable_leader=True,
    table_standby_replicas=0,
    web_enabled=False,
    broker_commit_interval=settings.commit_interval_s,
    producer_linger=settings.linger_s,
)
raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
locations = app.topic(topics.location_data.name, **raw)
transactions = app.topic(topics.transaction_data.name, **raw)
decisions = app.topic(topics.transaction_decisions.name, **raw)
flagged = app.topic(topics.potential_fraud.name, **raw)
latest = app.Table("latest", key_type=bytes, value_type=bytes, partitions=settings.topic_partitions)


@app.agent(locations)  # type: ignore[untyped-decorator]
async def remember(stream: faust.Stream) -> None:
    """Keep the latest fix of each device."""
    async for value in stream:
        fix = decode_location(value)
        latest[fix.key] = msgspec.msgpack.encode(fix.fix)


@app.agent(transactions)  # type: ignore[untyped-decorator]
async def decide(stream: faust.Stream) -> None:
    """Decide on each transaction."""
    async for value in stream:
        transaction = decode_transaction(value)
        row = latest.get(transaction.key)
        fix = None if row is None else msgspec.msgpack.decode(row, type=Fix)
        decision = decider.decide(transaction, fix)
        await decisions.send(key=transaction.key, value=msgspec.json.encode(decision))
        if flag := decider.flag(transaction, decision):
            await flagged.send(key=transaction.key, value=msgspec.json.encode(flag))
