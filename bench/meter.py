"""How fast worker processes get through a backlog, and at what cost."""

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
    """What workers did from the moment they were ready until the last commit."""

    events: int
    elapsed_s: float
    cpu_s: float

    @property
    def events_per_s(self) -> float:
        """Throughput."""
        return self.events / self.elapsed_s

    @property
    def cpu_us_per_event(self) -> float:
        """CPU of whole processes, user and system, threads and garbage collector included."""
        return self.cpu_s / self.events * 1e6


def measure(
    workers: Sequence[Worker], where: Site, group_id: str, inputs: Sequence[TopicPartition], enough: int
) -> Measured:
    """Watch a group's commits until `enough` records are committed.

    The clock starts when every worker is ready, with what is committed by then: what is fetched ahead of the
    next commit is counted, and so is the wait for the last one. Raises RuntimeError where a process ends
    before, or no commit comes for long.
    """
    for worker in workers:
        worker.wait_for(READY)
    pids = [worker.process.pid for worker in workers]
    with where.reader(group_id) as reader:
        first = last = committed(reader, inputs)
        start_s, start_cpu_s = time.monotonic(), sum(map(cpu_s, pids))
        last_s, last_cpu_s = start_s, start_cpu_s
        while last < enough:
            time.sleep(_PERIOD_S)
            count, now_s, now_cpu_s = committed(reader, inputs), time.monotonic(), sum(map(cpu_s, pids))
            if count > last:
                last, last_s, last_cpu_s = count, now_s, now_cpu_s
            if now_s - last_s > _STALL_S:
                log = workers[0].log[-2000:]
                raise RuntimeError(f"no commit for {_STALL_S} s after {last} records: {log}")
            for worker in workers:
                worker.check()
    return Measured(events=last - first, elapsed_s=last_s - start_s, cpu_s=last_cpu_s - start_cpu_s)


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 (read many times a second)
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
