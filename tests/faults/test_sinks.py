"""The store and workers of its sink are killed while rows flow: every row is there once, none is missing.

SINK_ROWS=300000 is the long form.
"""

import os
import random
import threading
from collections import Counter
from functools import partial

import pytest

from tests.contract.stores import MongoStore
from tests.pipeline import Pipeline, wait_until
from tests.rows import records, rows
from tests.services.mongodb import MongoServer
from tests.sinks import SinkPipeline

ROWS = int(os.environ.get("SINK_ROWS", "1500"))
_KILLS = 2 if ROWS <= 1500 else 20
_PER_ROW_S = 0.05


@pytest.mark.timeout(300 + ROWS * _PER_ROW_S)
@pytest.mark.parametrize("store", ["memory"])
def test_kills_of_store_and_worker_lose_no_row(
    pipeline: Pipeline, mongodb: MongoServer, moments: random.Random
) -> None:
    """Kill -9, at moments that chance chooses."""
    store = MongoStore(mongodb)
    sink = SinkPipeline(pipeline, store)
    expected = Counter(each.row_token for each in rows(ROWS))
    producing = threading.Thread(target=lambda: sink.produce(records(rows(ROWS))))
    workers = [sink.worker().wait_ready() for _ in range(2)]
    producing.start()
    for kill in range(_KILLS):
        least = (kill + moments.random() / 2) * ROWS / (_KILLS + 1) + 1
        wait_until(partial(has_stored, mongodb, least), 60 + ROWS * _PER_ROW_S, f"{least:.0f} rows stored")
        mongodb.kill()
        workers.pop(moments.randrange(2)).kill()
        workers.append(sink.worker())
        mongodb.start()
    producing.join()
    wait_until(sink.is_delivered, 60 + ROWS * _PER_ROW_S, "all rows delivered")
    assert store.tokens() == expected
    assert not pipeline.records(pipeline.topics.dead_letters)
    for worker in workers:
        assert worker.terminate() == 0


def has_stored(mongodb: MongoServer, rows_at_least: float) -> bool:
    """Whether so many are in the store. Cheap."""
    with mongodb.client() as client:
        return client.bank.transactions.estimated_document_count() >= rows_at_least
