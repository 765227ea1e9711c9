"""The private names of faust and aiokafka that streaming/ leans on are there, and nobody else leans on any.

Fails when a new version is installed that took or changed one of them: the message says what to do.
"""

import ast
import asyncio
import inspect
from functools import cache
from importlib.metadata import version
from pathlib import Path

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import (
    Assignment,
    Subscription,
    SubscriptionState,
    TopicPartitionState,
)
from aiokafka.errors import ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.protocol.commit import OffsetFetchResponse_v3
from faust.stores.base import Store
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as faust_aiokafka
from mode.threads import QueueServiceThread, ServiceThread

from app.checked_app import CheckedApp
from app.settings import PROJECT_DIR
from streaming import internals
from streaming.chunk_app import ChunkSchema, ChunkTopic
from streaming.consumer import ChunkConsumer, ChunkTransport
from streaming.struct_table import PartitionedStore, StructTable

PINNED = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}
REMEDY = (
    f"streaming/internals.py was written for {' and '.join(f'{name} {v}' for name, v in PINNED.items())}:"
    " pin these again in requirements/runtime.in, or read what the new version does instead, adapt"
    " streaming/internals.py and this test, and run make faults"
)
WITH_PRIVATE_NAMES = Path("streaming/internals.py")
ROOMS = ("streaming", "tables", "sources", "agents", "app")


@pytest.mark.parametrize("package", PINNED)
def test_the_installed_version_is_the_pinned_one(package: str) -> None:
    """And the lock names the same."""
    lock = (PROJECT_DIR / "requirements" / "runtime.txt").read_text()
    assert f"\n{package}=={PINNED[package]} " in lock, REMEDY
    assert version(package) == PINNED[package], REMEDY


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        # overridden, so the signature counts
        (faust_aiokafka.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
        (faust_aiokafka.Consumer, "_new_consumer_thread", ["self"]),
        (QueueServiceThread, "call_thread", ["self", "fun", "args", "kwargs"]),
        (ServiceThread, "_gather_remaining_tasks", ["self"]),
        (faust_aiokafka.Consumer, "_drain_messages", ["self", "fetcher"]),
        (faust_aiokafka.Consumer, "_filter_committable_offsets", ["self", "tps"]),
        (faust_aiokafka.Consumer, "_commit_offsets", ["self", "offsets", "start_new_transaction"]),
        (faust.Table, "_new_store_by_url", ["self", "url"]),
        # called
        (faust_aiokafka.Consumer, "_get_active_partitions", ["self"]),
        (faust_aiokafka.Consumer, "_getmany", ["self", "active_partitions", "timeout"]),
        (faust_aiokafka.Consumer, "_commit", ["self", "offsets"]),
        (faust_aiokafka.Consumer, "_is_changelog_tp", ["self", "tp"]),
        (faust_aiokafka.Consumer, "_to_message", ["self", "tp", "record"]),
        (faust_aiokafka.AIOKafkaConsumerThread, "seek_to_beginning", ["self", "partitions"]),
        (faust_aiokafka.AIOKafkaConsumerThread, "_create_client_consumer", ["self", "transport"]),
        (ServiceThread, "_serve", ["self"]),
        (Assignment, "state_value", ["self", "tp"]),
        (GroupCoordinator, "_send_req", ["self", "request"]),
        (GroupCoordinator, "coordinator_dead", ["self"]),
        (Fetcher, "_proc_fetch_request", ["self", "assignment", "node_id", "request"]),
        (FetchResult, "getall", ["self", "max_records"]),
        (FetchResult, "check_assignment", ["self", "tp"]),
        (FetchResult, "has_more", ["self"]),
        (FetchResult, "_update_position", ["self"]),
        (MessageAccumulator, "_append_batch", ["self", "builder", "tp"]),
        (MessageAccumulator, "create_builder", ["self", "key_serializer", "value_serializer"]),
        (MessageBatch, "wait_drain", ["self", "timeout"]),
        (BatchBuilder, "close", ["self"]),
        (BatchBuilder, "closed", ["self"]),
        (BatchBuilder, "record_count", ["self"]),
    ],
)
def test_a_private_method_is_as_it_was(owner: type, name: str, parameters: list[str]) -> None:
    """By its parameters."""
    method = getattr(owner, name, None)
    assert callable(method), f"{owner.__qualname__}.{name} is gone. {REMEDY}"
    assert list(inspect.signature(method).parameters) == parameters, f"{owner.__qualname__}.{name}: {REMEDY}"


@pytest.mark.parametrize("name", ["_drain_messages", "_commit_offsets", "_getmany", "_commit"])
def test_a_private_method_that_is_awaited_is_a_coroutine(name: str) -> None:
    """Else it would never run, or its result be taken for the truth."""
    assert inspect.iscoroutinefunction(getattr(faust_aiokafka.Consumer, name)), f"Consumer.{name}: {REMEDY}"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (faust_aiokafka.Consumer, "_thread"),
        (faust_aiokafka.Consumer, "_read_offset"),
        (faust_aiokafka.Consumer, "_committed_offset"),
        (faust_aiokafka.AIOKafkaConsumerThread, "_consumer"),
        (faust_aiokafka.Consumer, "_stopped"),
        (faust_aiokafka.Producer, "_producer"),
        (AIOKafkaConsumer, "_subscription"),
        (AIOKafkaConsumer, "_fetch_max_wait_ms"),
        (AIOKafkaConsumer, "_coordinator"),
        (AIOKafkaConsumer, "_client"),
        (AIOKafkaConsumer, "_fetcher"),
        (Fetcher, "_records"),
        (FetchResult, "_topic_partition"),
        (FetchResult, "_partition_records"),
        (PartitionRecords, "_records"),
        (PartitionRecords, "next_fetch_offset"),
        (AIOKafkaProducer, "_message_accumulator"),
        (AIOKafkaProducer, "_sender"),
        (AIOKafkaProducer, "_closed"),
        (MessageAccumulator, "_pending_batches"),
        (MessageBatch, "_drain_waiter"),
        (MessageAccumulator, "_batches"),
        (MessageAccumulator, "_closed"),
        (MessageAccumulator, "_exception"),
        (MessageBatch, "_builder"),
        (BatchBuilder, "_builder"),
        (BatchBuilder, "_relative_offset"),
        (MessageBatch, "future"),
        (Recovery, "signal_recovery_end"),
        (Recovery, "active_tps"),
        (Recovery, "active_offsets"),
        (Recovery, "active_highwaters"),
        (Recovery, "tp_to_table"),
        (Recovery, "in_recovery"),
        (SubscriptionState, "subscription"),
        (Subscription, "assignment"),
        (TopicPartitionState, "position"),
        (TopicPartitionState, "has_valid_position"),
    ],
)
def test_a_private_attribute_is_still_there(owner: type, name: str) -> None:
    """Assigned by a method of the class or its bases, or declared by them."""
    assert name in attributes_of(owner), f"{owner.__qualname__}.{name} is gone. {REMEDY}"


def test_the_consumer_runs_in_the_loop_that_it_is_given() -> None:
    """Faust starts what stands for its thread, stops it, and closes no loop that it did not make."""
    assert "self._thread = self.Worker(self)" in inspect.getsource(ServiceThread.start), REMEDY
    assert "await super().stop()" in inspect.getsource(ServiceThread.stop), REMEDY
    assert "await self._gather_remaining_tasks()" in inspect.getsource(ServiceThread._serve), REMEDY
    made_here = "self._close_thread_loop_on_stop = thread_loop is None"
    assert made_here in inspect.getsource(ServiceThread.__init__), REMEDY


async def test_a_connection_that_does_not_close_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An orchestrator kills what does not stop within its grace period."""
    monkeypatch.setattr(internals, "_CLOSE_WAIT_S", 0.01)
    client = AIOKafkaClient()
    never = asyncio.Event()
    monkeypatch.setattr(client, "close", never.wait)
    internals.bound_close(client)
    async with asyncio.timeout(5):
        await client.close()
    never.set()


async def test_an_abandoned_producer_leaves_nobody_waiting() -> None:
    """Without its broker, its own stop would wait for what was sent, and so would whoever sent it."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:9")
    batch = producer.create_batch()
    batch.append(timestamp=1, key=b"k", value=b"v")
    tp = TopicPartition("location_data", 0)
    sent = await producer._message_accumulator.add_batch(batch, tp, 1.0)
    async with asyncio.timeout(5):
        await internals.abandon_producer(producer)
        with pytest.raises(ProducerClosed):
            await sent


def test_the_fetch_wait_is_read_when_a_fetch_is_built() -> None:
    """The consumer hands it to its fetcher when it starts, which is after we set it."""
    source = inspect.getsource(AIOKafkaConsumer.start)
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in source.replace(" ", ""), REMEDY


async def test_a_failed_look_up_of_offsets_is_tried_again_and_never_taken_for_none() -> None:
    """A broker that still loads the group answers with an error and no partitions."""
    coordinator = GroupCoordinator.__new__(GroupCoordinator)
    coordinator.group_id = "group"
    coordinator._retry_backoff_ms = 0
    coordinator.coordinator_dead = lambda: None
    coordinator.ensure_coordinator_known = lambda: asyncio.sleep(0)
    loading = OffsetFetchResponse_v3(throttle_time_ms=0, topics=[], error_code=14)
    loaded = OffsetFetchResponse_v3(
        throttle_time_ms=0, topics=[("location_data", [(0, 42, "", 0)])], error_code=0
    )
    answers = [loading, loaded]

    async def send(_request: object) -> object:
        return answers.pop(0)

    coordinator._send_req = send
    internals.heed_group_errors(coordinator)
    tp = TopicPartition("location_data", 0)
    offsets = await coordinator.fetch_committed_offsets([tp])
    assert offsets[tp].offset == 42
    assert not answers


async def test_nobody_waits_for_ever_for_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up of a coordinator, and with it every commit, hung on it."""
    monkeypatch.setattr(internals, "_METADATA_WAIT_S", 0.01)

    class Client:
        def __init__(self) -> None:
            self.update = asyncio.get_running_loop().create_future()

        def force_metadata_update(self) -> asyncio.Future[bool]:
            return asyncio.shield(self.update)

    client = Client()
    internals.bound_metadata_wait(client)
    assert await client.force_metadata_update() is False
    client.update.set_result(True)
    assert await client.force_metadata_update() is True


def test_the_end_of_a_recovery_is_an_event() -> None:
    """It is set and cleared from outside."""
    source = inspect.getsource(Recovery)
    assert "signal_recovery_end.wait" in source, REMEDY
    assert hasattr(Recovery, "need_recovery"), REMEDY


def test_rows_can_be_appended_to_a_batch_that_waits() -> None:
    """As aiokafka's own send does, but without a future for each record."""
    source = inspect.getsource(MessageAccumulator.add_message)
    assert "pending_batches = self._batches.get(tp)" in source, REMEDY
    assert "batch = self._append_batch(builder, tp)" in source, REMEDY
    assert "self._batches[tp].popleft()" in inspect.getsource(MessageAccumulator._pop_batch), REMEDY
    appended = "".join(inspect.getsource(BatchBuilder.append).split())
    assert "self._builder.append(self._relative_offset,timestamp,key=" in appended, REMEDY
    assert "ifmetadataisNone:self.close()" in appended, REMEDY


# What our classes mean to override of Faust's. Everything else that they define must be new.
OVERRIDDEN: dict[type[object], set[str]] = {
    internals.LoopConsumer: {
        "_create_worker_consumer",
        "on_start",
        "call_thread",
        "on_thread_stop",
        "_gather_remaining_tasks",
    },
    internals.OpenConsumer: {
        "_new_consumer_thread",
        "_drain_messages",
        "_filter_committable_offsets",
        "_commit_offsets",
    },
    internals.OpenTable: {"_new_store_by_url"},
    ChunkConsumer: {
        "on_partitions_revoked",
        "wait_empty",
        "perform_seek",
        "highwaters",
        "drain",
        "offsets_to_commit",
        "on_committed",
    },
    ChunkTransport: {"create_consumer"},
    ChunkSchema: {"compile"},
    ChunkTopic: {"get_topic_name"},
    StructTable: {"new_store"},
    PartitionedStore: {
        "persisted_offset",
        "on_recovery_completed",
        "apply_changelog_batch",
        "on_rebalance",
        "backup_partition",
        "restore_backup",
        "reset_state",
        "on_stop",
        "items",
    },
    CheckedApp: {"on_first_start"},
}


@pytest.mark.parametrize("ours", OVERRIDDEN, ids=lambda ours: ours.__name__)
def test_nothing_of_faust_is_overridden_by_accident(ours: type[object]) -> None:
    """A name that a new version introduces could be one of ours: Faust would then call our code."""
    inherited = set().union(*(attributes_of(base) for base in ours.__mro__[1:]))
    defined = {name for name in defined_in(tree_of(ours)) if not is_dunder(name)}
    assert defined & inherited == OVERRIDDEN[ours], f"{ours.__qualname__}. {REMEDY}"


def test_private_names_of_others_stand_in_one_file() -> None:
    """What a new version may take must be found in one place."""
    wrong = [
        f"{path.relative_to(PROJECT_DIR)}:{line}: {name}"
        for room in ROOMS
        for path in sorted((PROJECT_DIR / room).rglob("*.py"))
        if path.relative_to(PROJECT_DIR) != WITH_PRIVATE_NAMES
        for line, name in foreign_private_names(path.read_text())
    ]
    assert not wrong, "move these to streaming/internals.py: " + ", ".join(wrong)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("consumer._thread.commit()", ["consumer._thread"]),
        ("class A(B):\n    def f(self): return self._of_base", ["self._of_base"]),
        ("class A(B):\n    def f(self): return super()._of_base()", ["super()._of_base"]),
        ("class A(B):\n    def __init__(self): self._own = 1\n    def f(self): return self._own", []),
        ("class A(B):\n    def _own(self): ...\n    def f(self): return self._own()", []),
        ("a.__class__; os._exit", ["os._exit"]),
    ],
)
def test_a_private_name_of_others_is_found(source: str, found: list[str]) -> None:
    """The guard fails where it should, and only there."""
    assert [name for _, name in foreign_private_names(source)] == found


def is_dunder(name: str) -> bool:
    """Python's own names."""
    return name.startswith("__") and name.endswith("__")


@cache
def classes_in(source_file: str) -> dict[str, ast.ClassDef]:
    """The classes of a module by name."""
    tree = ast.parse(Path(source_file).read_text())
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def tree_of(owner: type) -> ast.AST:
    """The source of a class; nothing where it is compiled or built in."""
    nothing = ast.Module(body=[], type_ignores=[])
    try:
        source_file = inspect.getsourcefile(owner)
    except TypeError:
        return nothing
    return classes_in(source_file).get(owner.__name__, nothing) if source_file else nothing


def defined_in(tree: ast.AST) -> set[str]:
    """What the classes of a source define, and what their methods assign to self."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
            case ast.ClassDef(body=body):
                for part in body:
                    match part:
                        case (
                            ast.FunctionDef(name=name)
                            | ast.AsyncFunctionDef(name=name)
                            | ast.AnnAssign(target=ast.Name(id=name))
                            | ast.Assign(targets=[ast.Name(id=name)])
                        ):
                            found.add(name)
    return found


@cache
def attributes_of(owner: type) -> set[str]:
    """What instances of a class have, from its bases, too."""
    found: set[str] = set()
    for base in owner.__mro__[:-1]:
        found |= set(vars(base)) | defined_in(tree_of(base))
    return found


def foreign_private_names(source: str) -> list[tuple[int, str]]:
    """Private attributes in a module that none of its classes defines, with their lines."""
    tree = ast.parse(source)
    own = defined_in(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not is_dunder(node.attr):
            of_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if not (of_self and node.attr in own):
                found.append((node.lineno, f"{ast.unparse(node.value)}.{node.attr}"))
    return found


def test_every_private_name_of_internals_is_checked_here() -> None:
    """A name that is added there without a check here would be found missing only at run time."""
    own_source = Path(__file__).read_text()
    names = {
        node.attr
        for node in ast.walk(ast.parse((PROJECT_DIR / WITH_PRIVATE_NAMES).read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not is_dunder(node.attr)
    }
    unchecked = {name for name in names - {"_fetch_wait_s", "_calls"} if f'"{name}"' not in own_source}
    assert not unchecked


def test_a_store_of_ours_leaves_nothing_of_fausts_undone() -> None:
    """What Faust calls on a store and its base class only names."""
    abstract: frozenset[str] = getattr(Store, "__abstractmethods__", frozenset())
    assert not {name for name in abstract if getattr(PartitionedStore, name) is getattr(Store, name)}
