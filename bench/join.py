"""The peer's exact work on our engine: keep the latest location, write what its rule flags.

No metrics, no dead letters, no checks at the start, as in the peer. Run as `python -m bench.join`, with the
settings of the detector in its environment.
"""

import os
from collections.abc import AsyncIterator

import faust
import msgspec
from prometheus_client import CollectorRegistry

from app.cli.worker import use_uvloop
from app.connection import connection_of
from app.factory import faust_options
from app.settings import Settings
from bench.load import LOCATIONS, TRANSACTIONS
from bench.peer_rule import Location, Position, Purchase, fraud_of
from streaming.chunk import Chunk
from streaming.chunk_app import chunk_agent, read_in_chunks
from streaming.consumer import ChunkOptions
from streaming.decoding import JsonDecoder
from streaming.garbage import collect_less_often
from streaming.internals import producer_of
from streaming.layout import StructLayout
from streaming.metrics import ChunkMetrics
from streaming.outbox import Outbox
from streaming.struct_table import StructTable

_encode = msgspec.json.Encoder().encode


def changelog_topic(app_id: str) -> str:
    """Name of the topic that the table is restored from."""
    return f"{app_id}-latest-changelog"


def flagged_topic(app_id: str) -> str:
    """Name of the topic that flagged purchases are written to."""
    return f"{app_id}-flagged"


def create_join(settings: Settings) -> faust.App:
    """Make the app; it connects to nothing yet."""
    own = {**faust_options(settings, settings.app_id, settings.web_port), "web_enabled": False}
    app = faust.App(settings.app_id, **connection_of(settings).faust_options, **own)
    options = ChunkOptions(
        inputs={LOCATIONS: JsonDecoder(Location), TRANSACTIONS: JsonDecoder(Purchase)},
        metrics=ChunkMetrics(CollectorRegistry(), "join"),
        chunk_max_records=settings.chunk_max_records,
        buffer_max_records=settings.buffer_max_records,
        fetch_wait_s=settings.fetch_wait_s,
    )
    latest: StructTable[Position] = app.tables.add(
        StructTable(
            app,
            name="latest",
            layout=StructLayout(Position),
            partitions=settings.topic_partitions,
            help="device id -> Position",
        )
    )
    _connect(app, read_in_chunks(app, options), latest, flagged_topic(settings.app_id))
    return app


def _connect(app: faust.App, inputs: faust.Topic, latest: StructTable[Position], flagged: str) -> None:
    @chunk_agent(app, inputs, name="join")
    async def join(chunks: AsyncIterator[Chunk]) -> None:
        """Write what is flagged of each chunk."""
        async for chunk in chunks:
            outbox = Outbox(producer_of(app))
            judged = {r.key for _, r, message in chunk.events if r.key and type(message) is Purchase}
            view = latest.view(chunk.partition, judged)
            frauds: list[tuple[bytes, bytes | None]] = []
            for _, record, message in chunk.events:
                if not (key := record.key):
                    continue  # nobody's: Kafka Streams drops it, too
                if type(message) is Location:
                    view[key] = message.position
                elif (position := view.get(key)) and (fraud := fraud_of(message, position)):
                    frauds.append((key, _encode(fraud)))
            await latest.put(chunk.partition, view)(outbox)
            await outbox.ship(flagged, chunk.partition, frauds)
            chunk.acknowledge_after(outbox.sends)


def main() -> None:
    """Run a worker until SIGTERM."""
    settings = Settings.from_env(os.environ)
    use_uvloop()
    collect_less_often()
    worker = faust.Worker(create_join(settings), loglevel=settings.log_level, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
