"""`python -m app …` as a user runs it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import IO, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from app.settings import PROJECT_DIR

TIMEOUT_S = 60.0


def environment(bootstrap: str, **settings: str) -> dict[str, str]:
    """The environment of a command: ours without settings, and those given."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SMARTBANK_")}
    return {
        **ours,
        "SMARTBANK_KAFKA_BOOTSTRAP": bootstrap,
        **{f"SMARTBANK_{name.upper()}": value for name, value in settings.items()},
    }


def run(
    env: Mapping[str, str], *arguments: str, timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output is no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=env,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def start(
    env: Mapping[str, str], *arguments: str, stderr: IO[bytes] | int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start a command whose end the test brings about."""
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        env=env,
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def produce(bootstrap: str, records: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Send records (keyword arguments of AIOKafkaProducer.send); return their places, in order."""

    async def send() -> list[tuple[str, int, int]]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
        await producer.start()
        try:
            sent = await asyncio.gather(*[await producer.send(**record) for record in records])
        finally:
            await producer.stop()
        return [(each.topic, each.partition, each.offset) for each in sent]

    return asyncio.run(send())


def commit(bootstrap: str, group_id: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Commit offsets for a group without members."""

    async def commit_once() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group_id, enable_auto_commit=False)
        await consumer.start()
        try:
            at = {TopicPartition(*tp): offset for tp, offset in offsets.items()}
            consumer.assign(list(at))
            await consumer.commit(at)
        finally:
            await consumer.stop()

    asyncio.run(commit_once())
