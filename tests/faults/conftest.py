"""How often each fault happens, with which store and at which moments.

Short form (`make test`, CI): every test once; where it takes a store, chance picks the one or the other.
Long form (`make faults`): FAULT_ROUNDS rounds of every test with each store. A test that fails prints the
line that repeats it: faults then happen at the same moments, as far as processes and a network can repeat.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.local_broker.local_kafka import LocalKafka
from tests.faults.supervisor import Supervisor
from tests.pipeline import Pipeline

pytest.register_assert_rewrite("tests.faults.stream")

SEED = int(os.environ["FAULT_SEED"])  # tests/conftest.py draws it where nobody gave one
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
STORES = ("memory", "rocksdb")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each test as often as the form says."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEED, SEED + max(ROUNDS, 1)), ids="seed{}".format)
    chosen = {name for mark in metafunc.definition.iter_markers("parametrize") for name in mark.args[:1]}
    if "store" in metafunc.fixturenames and "store" not in chosen:
        by_chance = random.Random(f"{metafunc.function.__name__} {SEED}").choice(STORES)
        metafunc.parametrize("store", STORES if ROUNDS else [by_chance])


@pytest.fixture
def moments(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """When faults happen, and to whom."""
    name = request.node.originalname
    print(f"again: FAULT_SEED={seed} FAULT_ROUNDS=1 python -m pytest tests/faults -k {name!r}")
    return random.Random(f"{name} {seed}")


@pytest.fixture
def pipeline(pipeline: Pipeline, store: str) -> Pipeline:
    """Topics on the broker that all tests share, and workers with the store of this test."""
    pipeline.configure(store=store, web_port=0)
    return pipeline


@pytest.fixture
def own_pipeline(own_kafka: LocalKafka, tmp_path: Path, store: str) -> Iterator[Pipeline]:
    """The same on a broker that the test may kill."""
    address = own_kafka.start().address
    Pipeline.delete_all_topics(address)
    with Pipeline(address, tmp_path) as running:
        running.configure(store=store, web_port=0)
        running.create_topics()
        yield running


@pytest.fixture
def supervisor(pipeline: Pipeline) -> Iterator[Supervisor]:
    """Starts workers again that gave up, until the end of the test."""
    with Supervisor(pipeline) as running:
        yield running
