"""How fast a worker process gets through a backlog, and at what cost."""

import os
import subprocess
import time
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PERIOD_S = 0.05
_STALL_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Where a process was at one moment."""

    time_s: float
    cpu_s: float
    committed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run. Events: input records whose offsets were committed between the first and the last commit."""

    events: int
    elapsed_s: float
    cpu_s: float

    @property
    def events_per_s(self) -> float:
        """Throughput."""
        return self.events / self.elapsed_s

    @property
    def cpu_us_per_event(self) -> float:
        """CPU of the whole process, user and system, threads and garbage collector included."""
        return self.cpu_s / self.events * 1e6


def measure(
    process: subprocess.Popen[bytes], bootstrap: str, group_id: str, inputs: list[TopicPartition], total: int
) -> Measured:
    """Watch the group's commits until all `total` inputs are committed.

    Starts with the first commit that is above 0, so that neither imports nor the join count. Raises
    RuntimeError where the process ends before.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group_id})
    first: Sample | None = None
    progress = (0, time.monotonic())
    while True:
        committed = _committed(consumer, inputs)
        sample = Sample(time_s=time.monotonic(), cpu_s=_cpu_s(process.pid), committed=committed)
        if first is None and committed:
            first = sample
        if first is not None and committed >= total:
            consumer.close()
            return Measured(
                events=committed - first.committed,
                elapsed_s=sample.time_s - first.time_s,
                cpu_s=sample.cpu_s - first.cpu_s,
            )
        if committed > progress[0]:
            progress = (committed, sample.time_s)
        if sample.time_s - progress[1] > _STALL_S:
            raise RuntimeError(f"nothing was committed for {_STALL_S} s after {committed} records")
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended with status {process.returncode}")
        time.sleep(_PERIOD_S)


def _committed(consumer: Consumer, inputs: list[TopicPartition]) -> int:
    """How many records the group has committed; 0 while the broker still looks for its coordinator."""
    try:
        return sum(max(tp.offset, 0) for tp in consumer.committed(inputs, timeout=30))
    except KafkaException:
        return 0


def _cpu_s(pid: int) -> float:
    """User and system time of a process."""
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 (read many times a second)
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
