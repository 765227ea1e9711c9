"""Bytes per device of the memory store, in a process of its own: `python -m bench.memory KEYS`."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from app.settings import PROJECT_DIR
from bench.contest import Contestant, Options, take_turns
from bench.load import device_id
from bench.report import Section, spread
from bench.site import PARTITIONS
from models.latest_location import LatestLocation
from streaming.layout import Row
from streaming.stores import MemoryPartition

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FETCHED_ROWS = 5000
_NAME = "memory store, latest location only"


def measure(options: Options) -> Section:
    """Run the benchmark."""
    outcomes = take_turns([Contestant(name=_NAME, run=partial(_measure_apart, options.keys))], options)
    return Section(
        name="memory",
        command=f"python -m bench memory --keys {options.keys} --runs {options.runs}",
        head=("state", "bytes per device"),
        rows=[[name, spread(figures)] for name, figures in outcomes.items()],
    )


def _measure_apart(keys: int) -> float:
    command = [sys.executable, "-m", "bench.memory", str(keys)]
    return float(subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True).stdout)


def bytes_per_device(keys: int) -> float:
    """How much this process grows by each row that it restores as a worker does."""
    partitions = [MemoryPartition() for _ in range(PARTITIONS)]
    for _ in _batches(_FETCHED_ROWS):  # what making and dropping rows takes is there before
        pass
    gc.collect()
    before_bytes = _resident_bytes()
    for number, rows in enumerate(_batches(keys)):
        partitions[number % PARTITIONS].restore(rows, offset=number)
    gc.collect()
    grown_bytes = _resident_bytes() - before_bytes
    held = sum(1 for partition in partitions for _ in partition.items())
    if held != keys:
        raise RuntimeError(f"{held} of {keys} rows are held")
    return grown_bytes / keys


def _batches(keys: int) -> Iterator[list[Row]]:
    """Rows as they come out of fetches of a changelog: bytes of their own, in lists that are dropped."""
    encode = msgspec.msgpack.Encoder().encode
    now = datetime.now(UTC)
    for first in range(0, keys, _FETCHED_ROWS):
        yield [
            (device_id(n).encode(), encode(_row(now, n)))
            for n in range(first, min(first + _FETCHED_ROWS, keys))
        ]


def _row(now: datetime, number: int) -> LatestLocation:
    moment = now + timedelta(microseconds=number)
    return LatestLocation(moment, 37.33 + number * 1e-7, -121.89, 0.33, 5.0)


def _resident_bytes() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 (no object that stays)
        return int(statm.read().split()[1]) * _PAGE_BYTES


if __name__ == "__main__":
    print(bytes_per_device(int(sys.argv[1])))
