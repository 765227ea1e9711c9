"""How fast a worker process gets through a backlog, and at what cost."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from bench.site import Site, committed
from bench.worker import READY, Worker

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PERIOD_S = 0.02
_STALL_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a worker did from the moment it was ready until the last commit."""

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
    worker: Worker, where: Site, group_id: str, inputs: Sequence[TopicPartition], enough: int
) -> Measured:
    """Watch a group's commits until `enough` records are committed.

    The clock starts when the worker is ready, before its first input: what it fetches and decodes ahead of
    its first commit is counted, and so is its wait for the last one. Raises RuntimeError where the process
    ends before, or no commit comes for long.
    """
    worker.wait_for(READY)
    start_s, start_cpu_s = time.monotonic(), cpu_s(worker.process.pid)
    last, last_s = 0, start_s
    with where.reader(group_id) as reader:
        while last < enough:
            time.sleep(_PERIOD_S)
            count, now_s, now_cpu_s = committed(reader, inputs), time.monotonic(), cpu_s(worker.process.pid)
            if count > last:
                last, last_s = count, now_s
            if now_s - last_s > _STALL_S:
                raise RuntimeError(f"no commit for {_STALL_S} s after {last} records: {worker.log[-2000:]}")
            worker.check()
    return Measured(events=last, elapsed_s=last_s - start_s, cpu_s=now_cpu_s - start_cpu_s)


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 (read many times a second)
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
