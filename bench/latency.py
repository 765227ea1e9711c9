"""From a transaction that is produced to its decision, acknowledged and read, at a steady rate."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from random import Random

import msgspec
from confluent_kafka import Consumer

from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from bench.contest import Contestant, Options, take_turns
from bench.kafka_streams import KafkaStreams
from bench.load import LOCATIONS, TRANSACTIONS, device_id, fix, produce_events
from bench.meter import cpu_s
from bench.paced import sent_ns
from bench.report import Section, ratio, spread
from bench.site import Site, committed, site
from bench.worker import DETECTOR, Worker, environment, fresh_app_id, running

_WARM_UP_S = 10.0
_MEASURED_S = 6.0
_LAST_WAIT_S = 3.0
_POLL_S = 0.01
READ_WAIT_MS = 5
_CATCH_UP_TIMEOUT_S = 180.0
_CATCH_UP_POLL_S = 0.1
_STREAMS = "Kafka Streams, memory, fetch wait {} ms"
_STREAMS_FETCH_WAITS_MS = (10, 500)
_DETECTOR = "detector, default settings (RocksDB)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Latencies of the transactions that were sent in the measured seconds; CPU of the whole load."""

    latencies_ms: Sequence[float]
    sent: int
    lost: int
    busy_cores: float

    def percentile_ms(self, percent: int) -> float:
        """So many percent of the transactions took as long or less."""
        return statistics.quantiles(self.latencies_ms, n=100, method="inclusive")[percent - 1]

    def __str__(self) -> str:
        return (
            f"p50 {self.percentile_ms(50):.1f} ms, p99 {self.percentile_ms(99):.1f} ms,"
            f" {self.sent:,} sent, {self.lost} without a decision, {self.busy_cores:.2f} cores busy"
        )


class _Decided(msgspec.Struct):
    """What is read of a decision, ours or the peer's."""

    transaction_id: str


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with site() as where:
        where.create(LOCATIONS, TRANSACTIONS)
        chance, now_ms = Random(1), int(time.time() * 1000)
        fixes = (fix(chance, device_id(number), now_ms) for number in range(options.devices))
        produce_events(where.bootstrap, fixes)
        outcomes = take_turns(list(_contestants(where, options)), options, warm_up=True)
    return Section(
        name="latency",
        command=f"python -m bench latency --rate {options.rate_per_s} --devices {options.devices}"
        f" --runs {options.runs}",
        head=("contestant", "p50 ms", "p99 ms", "measured a run", "without a decision", "cores busy"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=[*options.remarks, *_ratios(outcomes)],
    )


def _contestants(where: Site, options: Options) -> Iterator[Contestant[Run]]:
    yield Contestant(name=_DETECTOR, run=partial(_run_detector, where, options))
    if options.peer:
        for wait_ms in _STREAMS_FETCH_WAITS_MS:
            run = partial(_run_streams, options.peer, wait_ms, where, options)
            yield Contestant(name=_STREAMS.format(wait_ms), run=run)


def _run_detector(where: Site, options: Options) -> Run:
    app_id = fresh_app_id("latency")
    env = environment(where, app_id, "rocksdb")
    settings = Settings.from_env(env)
    where.create_detector_topics(settings)
    output = topics_of(settings).transaction_decisions.name
    return _serve_load(running(DETECTOR, env, where, app_id), app_id, output, where, options)


def _run_streams(peer: KafkaStreams, fetch_wait_ms: int, where: Site, options: Options) -> Run:
    app_id = fresh_app_id("streams")
    output = f"{app_id}-flagged"
    where.create(output)
    serving = peer.serving(
        where,
        id=app_id,
        store="mem",
        commit=100,
        linger=5,
        fmw=fetch_wait_ms,
        loc=LOCATIONS,
        tx=TRANSACTIONS,
        out=output,
    )
    return _serve_load(serving, app_id, output, where, options)


def _serve_load(
    started: AbstractContextManager[Worker], group_id: str, output: str, where: Site, options: Options
) -> Run:
    """Let a worker catch up with all there is, then send the load and read what it decides."""
    with started as worker:
        _wait_until_caught_up(worker, where, group_id)
        figures = (options.rate_per_s, _WARM_UP_S + _MEASURED_S, options.devices)
        load = [sys.executable, "-m", "bench.paced", where.bootstrap, *map(str, figures)]
        told, starts = where.folder / f"{group_id}.sent", where.ends(output)
        with told.open("wb") as out, where.reader("latency", fetch_wait_max_ms=READ_WAIT_MS) as reader:
            reader.assign(starts)
            begin_cpu_s, begin_s = cpu_s(worker.process.pid), time.monotonic()
            with subprocess.Popen(load, cwd=PROJECT_DIR, stdout=out) as sender:
                read = list(read_decisions(reader, sender))
        worker.check()
        busy_cores = (cpu_s(worker.process.pid) - begin_cpu_s) / (time.monotonic() - begin_s)
    if sender.returncode:
        raise RuntimeError(f"the load ended with status {sender.returncode}")
    return _run_of(read, msgspec.json.decode(told.read_bytes(), type=list[int]), busy_cores)


def _wait_until_caught_up(worker: Worker, where: Site, group_id: str) -> None:
    ends = where.ends(LOCATIONS, TRANSACTIONS)
    total = sum(tp.offset for tp in ends)
    deadline_s = time.monotonic() + _CATCH_UP_TIMEOUT_S
    with where.reader(group_id) as reader:
        while committed(reader, ends) < total:
            worker.check()
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{group_id} did not catch up with its inputs: {worker.log[-2000:]}")
            time.sleep(_CATCH_UP_POLL_S)


def read_decisions(reader: Consumer, sender: subprocess.Popen[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield each decision with the time when it was read, one by one, until none has come for a while."""
    last_s = time.monotonic()
    while sender.poll() is None or time.monotonic() - last_s < _LAST_WAIT_S:
        for message in reader.consume(1, timeout=_POLL_S):
            yield time.monotonic_ns(), message.value()
            last_s = time.monotonic()


def _run_of(read: Sequence[tuple[int, bytes]], sent: Sequence[int], busy_cores: float) -> Run:
    """Pair what was read with what was sent; drop the warm-up."""
    first_ns = min(sent) + int(_WARM_UP_S * 1e9)
    measured = [moment_ns for moment_ns in sent if moment_ns >= first_ns]
    latencies_ms = list(latencies_of(read, measured).values())
    lost = len(measured) - len(latencies_ms)
    return Run(latencies_ms=latencies_ms, sent=len(measured), lost=lost, busy_cores=busy_cores)


def latencies_of(read: Sequence[tuple[int, bytes]], sent: Sequence[int]) -> dict[int, float]:
    """Milliseconds by the moment at which a transaction was sent, for those that were decided."""
    decode = msgspec.json.Decoder(_Decided).decode
    read_ns: dict[int, int] = {}
    for moment_ns, value in read:  # of decisions that came twice, the first counts
        read_ns.setdefault(sent_ns(decode(value).transaction_id), moment_ns)
    return {moment: (read_ns[moment] - moment) / 1e6 for moment in sent if moment in read_ns}


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        name,
        spread([run.percentile_ms(50) for run in runs], "{:.1f}"),
        spread([run.percentile_ms(99) for run in runs], "{:.1f}"),
        spread([run.sent for run in runs]),
        f"{sum(run.lost for run in runs):,}",
        spread([run.busy_cores for run in runs], "{:.2f}"),
    ]


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    for wait_ms in _STREAMS_FETCH_WAITS_MS:
        theirs = outcomes.get(_STREAMS.format(wait_ms))
        ours = outcomes.get(_DETECTOR)
        if ours and theirs:
            p50 = ratio([r.percentile_ms(50) for r in ours], [r.percentile_ms(50) for r in theirs])
            p99 = ratio([r.percentile_ms(99) for r in ours], [r.percentile_ms(99) for r in theirs])
            yield f"Detector to Kafka Streams with fetch wait {wait_ms} ms: p50 {p50}, p99 {p99}."
