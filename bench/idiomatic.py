"""The peer's exact work as one writes it in plain Faust: one event at a time, Faust's own table and sends.

A peer for the benchmark, never for use: stock Faust loses records at a first rebalance and on a failed send,
and its two agents do not meet records in time order. Records are decoded by msgspec, which flatters it:
faust.Record is slower. Run as a worker: `faust -A bench.idiomatic worker`.
"""

import os

import faust
import msgspec

from app.connection import connection_of
from app.settings import Settings
from bench.join import flagged_topic
from bench.load import LOCATIONS, TRANSACTIONS
from bench.peer_rule import Location, Position, Purchase, fraud_of

settings = Settings.from_env(os.environ)
decode_location = msgspec.json.Decoder(Location).decode
decode_purchase = msgspec.json.Decoder(Purchase).decode
decode_row = msgspec.msgpack.Decoder(Position).decode

app = faust.App(
    settings.app_id,
    **connection_of(settings).faust_options,
    store=f"{settings.store}://",
    datadir=settings.state_dir,
    topic_partitions=settings.topic_partitions,
    topic_allow_declare=False,
    topic_disable_leader=True,
    table_standby_replicas=0,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
    broker_commit_interval=settings.commit_interval_s,
    producer_linger=settings.linger_s,
)
raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
locations = app.topic(LOCATIONS, **raw)
purchases = app.topic(TRANSACTIONS, **raw)
flagged = app.topic(flagged_topic(settings.app_id), **raw)
latest = app.Table("latest", key_type=bytes, value_type=bytes, partitions=settings.topic_partitions)


@app.agent(locations)  # type: ignore[untyped-decorator]
async def remember(stream: faust.Stream) -> None:
    """Keep the latest location of each device."""
    async for key, value in stream.items():
        latest[key] = msgspec.msgpack.encode(decode_location(value).position)


@app.agent(purchases)  # type: ignore[untyped-decorator]
async def judge(stream: faust.Stream) -> None:
    """Write what is flagged."""
    async for key, value in stream.items():
        if (row := latest.get(key)) and (fraud := fraud_of(decode_purchase(value), decode_row(row))):
            await flagged.send(key=key, value=msgspec.json.encode(fraud))
