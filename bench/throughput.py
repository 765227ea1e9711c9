"""Working off a backlog: events/s, CPU per event, and whether the flags are those of a plain pass."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property, partial

import msgspec
from confluent_kafka import TopicPartition

from app.decoders import input_decoders
from app.replay import replay
from app.rules import detector_of
from app.settings import Settings
from app.topics import topics_of
from bench import meter
from bench.contest import Contestant, Options, take_turns
from bench.join import changelog_topic, flagged_topic
from bench.kafka_streams import KafkaStreams
from bench.load import LOCATIONS, TRANSACTIONS, Backlog, produce_events
from bench.peer_rule import flagged_ids, id_sum
from bench.report import Section, ratio, spread
from bench.site import PARTITIONS, Site, site
from bench.worker import DETECTOR, IDIOMATIC, JOIN, environment, fresh_app_id, running
from detection.detector import Outcome

_JVM_ROUNDS = 3
_IDIOMATIC_SHARE = 20  # plain Faust is watched for a twentieth of the backlog: all of it would take minutes
_FIRST_WEB_PORT = 6066
_COMMIT_INTERVAL_S = "0.1"  # commits are what is measured by

_STREAMS_ROCKSDB = "Kafka Streams, RocksDB"
_STREAMS_MEMORY = "Kafka Streams, memory"
_STREAMS_CACHED = "Kafka Streams, memory, cache=1"
_JOIN_MEMORY = "the peer's work, memory"
_JOIN_ROCKSDB = "the peer's work, RocksDB"
_PAPER_ROCKSDB = "detector with the profile paper, RocksDB"
_DETECTOR_MEMORY = "detector, memory"
_DETECTOR_ROCKSDB = "detector, RocksDB"
_TWO_DETECTORS_ROCKSDB = "detector, RocksDB, 2 workers"
_IDIOMATIC_MEMORY = "idiomatic Faust, memory"

_PAIRS = (
    (_JOIN_ROCKSDB, _STREAMS_ROCKSDB),
    (_JOIN_MEMORY, _STREAMS_CACHED),
    (_PAPER_ROCKSDB, _STREAMS_ROCKSDB),
    (_DETECTOR_ROCKSDB, _STREAMS_ROCKSDB),
    (_TWO_DETECTORS_ROCKSDB, _STREAMS_ROCKSDB),
    (_JOIN_MEMORY, _IDIOMATIC_MEMORY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One contestant's way through the backlog."""

    events_per_s: float
    cpu_us_per_event: float
    flags: str

    def __str__(self) -> str:
        return (
            f"{self.events_per_s:,.0f} events/s, {self.cpu_us_per_event:.2f} CPU µs/event, flags {self.flags}"
        )


class _FlaggedId(msgspec.Struct):
    """What is read of a flagged transaction, ours or the peer's."""

    transaction_id: str
    verdict: str = "flagged"  # what the peer does not say
    stage: str = "final"


@dataclass(frozen=True)
class _Course:
    """The backlog on a broker, and what is right to flag of it."""

    where: Site
    backlog: Backlog

    @cached_property
    def truth(self) -> list[str]:
        """What the peer's rule flags in a plain pass."""
        return flagged_ids(self.backlog.events(), LOCATIONS)

    @cache  # noqa: B019 (there is one course)
    def detectors_truth(self, profile: str) -> list[str]:
        """What the detector's rule flags in the end, in a plain pass."""
        settings = Settings.from_env(environment(self.where, "plain-pass", "memory", profile=profile))
        decisions = replay(
            self.backlog.events(),
            input_decoders(topics_of(settings)),
            detector_of(settings),
            settings.max_clock_skew_s,
        )
        finals = (o.decision for o in decisions if isinstance(o, Outcome) and o.decision.stage == "final")
        return [d.transaction_id for d in finals if d.verdict == "flagged"]

    def work_off(
        self, command: Sequence[str], app_id: str, environments: Sequence[dict[str, str]], share: int = 1
    ) -> meter.Measured:
        """Let a worker with each of those environments commit that part of the backlog."""
        inputs = self.where.ends(LOCATIONS, TRANSACTIONS)
        with ExitStack() as stack:
            workers = [stack.enter_context(running(command, env, self.where, app_id)) for env in environments]
            return meter.measure(workers, self.where, app_id, inputs, self.backlog.total // share)


def measure(options: Options) -> Section:
    """Run the benchmark."""
    backlog = Backlog(
        fixes=options.events, purchases=options.events, devices=options.devices, partitions=PARTITIONS
    )
    with site() as where:
        print("producing the backlog", flush=True)
        where.create(LOCATIONS, TRANSACTIONS)
        produce_events(where.bootstrap, backlog.events())
        course = _Course(where, backlog)
        outcomes = take_turns(list(_contestants(course, options.peer)), options, warm_up=True)
        flagged = f"The peer's rule flags {len(course.truth):,} of {backlog.purchases:,} purchases"
    return Section(
        name="throughput",
        command=f"python -m bench throughput --events {options.events} --devices {options.devices}"
        f" --runs {options.runs}" + (f" --only '{options.only}'" if options.only else ""),
        head=("contestant", "events/s", "CPU µs/event", "flags"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=[*options.remarks, *_ratios(outcomes), f"{flagged}."],
    )


def _contestants(course: _Course, peer: KafkaStreams | None) -> Iterator[Contestant[Run]]:
    if peer:
        for name, store, cache in (
            (_STREAMS_ROCKSDB, "rocks", 0),
            (_STREAMS_MEMORY, "mem", 0),
            (_STREAMS_CACHED, "mem", 1),
        ):
            yield Contestant(name=name, run=partial(_run_streams, peer, course, store=store, cache=cache))
    for name, store in ((_JOIN_ROCKSDB, "rocksdb"), (_JOIN_MEMORY, "memory")):
        yield Contestant(name=name, run=partial(_run_join, course, store))
    for name, profile, store in (
        (_PAPER_ROCKSDB, "paper", "rocksdb"),
        (_DETECTOR_ROCKSDB, "envelope", "rocksdb"),
        (_DETECTOR_MEMORY, "envelope", "memory"),
    ):
        yield Contestant(name=name, run=partial(_run_detector, course, profile, store))
    two_workers = partial(_run_detector, course, "envelope", "rocksdb", workers=2)
    yield Contestant(name=_TWO_DETECTORS_ROCKSDB, run=two_workers)
    yield Contestant(name=_IDIOMATIC_MEMORY, run=partial(_run_idiomatic, course))


# -- contestants --------------------------------------------------------------------------------------


def _run_streams(peer: KafkaStreams, course: _Course, **arguments: object) -> Run:
    out = fresh_app_id("streams-flagged")
    course.where.create(out)
    topics = {"loc": LOCATIONS, "tx": TRANSACTIONS, "out": out}
    last = peer.rounds(course.where, rounds=_JVM_ROUNDS, n=course.backlog.total, **topics, **arguments)[-1]
    truth = course.truth
    is_same = last["flagged"] == len(truth) and last["idsum"] == id_sum(truth)
    return Run(
        events_per_s=last["evs"],
        cpu_us_per_event=last["cpu_us"],
        flags="identical" if is_same else f"differ: {last['flagged']:,} instead of {len(truth):,}",
    )


def _run_join(course: _Course, store: str) -> Run:
    app_id, env = _join_site(course.where, "join", store)
    measured = course.work_off(JOIN, app_id, [env])
    starts = [TopicPartition(flagged_topic(app_id), number, 0) for number in range(PARTITIONS)]
    return _run_of(measured, _flags(course.where, starts, course.truth))


def _run_detector(course: _Course, profile: str, store: str, workers: int = 1) -> Run:
    app_id = fresh_app_id("detector")
    environments = [
        environment(
            course.where,
            app_id,
            store,
            profile=profile,
            commit_interval_s=_COMMIT_INTERVAL_S,
            forward_wait_s="0",  # nothing is misplaced: what is due is final within the time that is measured
            state_dir=str(course.where.folder / f"{app_id}-{number}"),
            web_port=str(_FIRST_WEB_PORT + 100 * number),  # each looks for a free one from there on
        )
        for number in range(workers)
    ]
    settings = Settings.from_env(environments[0])
    course.where.create_detector_topics(settings)
    starts = course.where.ends(topics_of(settings).potential_fraud.name)
    measured = course.work_off(DETECTOR, app_id, environments)
    return _run_of(measured, _flags(course.where, starts, course.detectors_truth(profile)))


def _run_idiomatic(course: _Course) -> Run:
    app_id, env = _join_site(course.where, "idiomatic", "memory")
    return _run_of(course.work_off(IDIOMATIC, app_id, [env], _IDIOMATIC_SHARE), "not in time order")


def _join_site(where: Site, name: str, store: str) -> tuple[str, dict[str, str]]:
    """Make the topics of an app that does the peer's work; return its id and its settings."""
    app_id = fresh_app_id(name)
    where.create(flagged_topic(app_id))
    where.create(changelog_topic(app_id), compacted=True)
    return app_id, environment(where, app_id, store, commit_interval_s=_COMMIT_INTERVAL_S)


def _run_of(measured: meter.Measured, flags: str) -> Run:
    return Run(events_per_s=measured.events_per_s, cpu_us_per_event=measured.cpu_us_per_event, flags=flags)


def _flags(where: Site, starts: Sequence[TopicPartition], truth: Sequence[str]) -> str:
    """Compare what was flagged in the end since `starts` with the truth, record by record."""
    read = map(msgspec.json.Decoder(_FlaggedId).decode, where.values_since(starts))
    found = Counter(
        each.transaction_id for each in read if (each.verdict, each.stage) == ("flagged", "final")
    )
    missing, extra = Counter(truth) - found, found - Counter(truth)
    if missing or extra:
        return f"differ: {missing.total():,} missing, {extra.total():,} too many of {len(truth):,}"
    return "identical"


# -- report -------------------------------------------------------------------------------------------


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        name,
        spread([run.events_per_s for run in runs]),
        spread([run.cpu_us_per_event for run in runs], "{:.1f}"),
        "; ".join(dict.fromkeys(run.flags for run in runs)),
    ]


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    for ours, theirs in _PAIRS:
        if ours in outcomes and theirs in outcomes:
            mine, others = outcomes[ours], outcomes[theirs]
            speed = ratio([run.events_per_s for run in mine], [run.events_per_s for run in others])
            cpu = ratio([run.cpu_us_per_event for run in mine], [run.cpu_us_per_event for run in others])
            yield f"{ours}: {speed} times the events/s of {theirs} at {cpu} of its CPU per event."
