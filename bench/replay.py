"""How fast `replay` gets through a file, in a process of its own: `python -m bench.replay FILE PROFILE`."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from app.decoders import input_decoders
from app.profiles import profile_of
from app.replay import replay
from app.rules import detector_of
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from bench.contest import Contestant, Options, take_turns
from bench.report import Section, ratio, spread
from models.dead_letter import DeadLetter
from sources.event_file import read_events, write_events
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from streaming.errors import RecordError
from streaming.garbage import collect_less_often

_LABELLED = PROJECT_DIR.parent / "shared" / "data" / "labelled" / "events.jsonl.gz"
_PHONES = 500
_REPORTS_PER_S = 0.2  # of each phone, as the simulator has it
_PURCHASES_PER_S = 5.0
_FLOOR = "reading and decoding alone"
_PROFILES = ("envelope", "paper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One pass over a file; the start of Python, imports and settings are not in it."""

    records: int
    elapsed_s: float
    cpu_s: float

    @property
    def records_per_s(self) -> float:
        """By the clock on the wall."""
        return self.records / self.elapsed_s

    @property
    def cpu_us_per_record(self) -> float:
        """User and system, of one thread."""
        return self.cpu_s / self.records * 1e6

    def __str__(self) -> str:
        return f"{self.records_per_s:,.0f} records/s, {self.cpu_us_per_record:.1f} µs CPU each"


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.jsonl.gz"
        print("simulating", flush=True)
        _simulate(path, options.events)
        files = {"simulated": path} | ({"labelled": _LABELLED} if _LABELLED.exists() else {})
        contestants = [
            Contestant(name=f"{name}: {what}", run=partial(_run_apart, file, what))
            for name, file in files.items()
            for what in (_FLOOR, *_PROFILES)
        ]
        outcomes = take_turns(contestants, options)
    absent = [] if "labelled" in files else ["../shared/data/labelled is not beside the project: left out."]
    return Section(
        name="replay",
        command=f"python -m bench replay --events {options.events} --runs {options.runs}",
        head=("file: profile", "records", "records/s", "CPU µs/record"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=[*absent, *_ratios(outcomes)],
    )


def _simulate(path: Path, events: int) -> None:
    topics = topics_of(Settings())
    scenario = Scenario(
        seed=1,
        start_time_ms=1_767_225_600_000,
        duration_s=events / (_PHONES * _REPORTS_PER_S + _PURCHASES_PER_S),
        customers=_PHONES,
        transactions_per_s=_PURCHASES_PER_S,
    )
    made = simulate(
        scenario, location_topic=topics.location_data.name, transaction_topic=topics.transaction_data.name
    )
    write_events(path, (each.event for each in made))


def _run_apart(path: Path, what: str) -> Run:
    command = [sys.executable, "-m", "bench.replay", str(path), what]
    done = subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Run)


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        name,
        f"{runs[0].records:,}",
        spread([run.records_per_s for run in runs]),
        spread([run.cpu_us_per_record for run in runs], "{:.1f}"),
    ]


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    for name, runs in outcomes.items():
        floor = outcomes.get(f"{name.partition(':')[0]}: {_FLOOR}", runs)
        if floor is not runs:
            times = ratio([r.cpu_us_per_record for r in runs], [f.cpu_us_per_record for f in floor])
            yield f"{name}: {times} times the CPU of {_FLOOR}."


def _read(path: Path, settings: Settings) -> int:
    """What cannot be spared: each line, each message."""
    count, decoders = 0, input_decoders(topics_of(settings))
    for event in read_events(path):
        count += 1
        try:
            decoders[event.topic].decode(event.value_bytes)
        except RecordError:
            continue
    return count


def _judge(path: Path, settings: Settings, profile: str) -> None:
    """What the command does, with its decisions."""
    detector = detector_of(settings, profile_of(settings, profile))
    decoders = input_decoders(topics_of(settings))
    collect_less_often()
    with Path(os.devnull).open("wb") as output:
        for result in replay(read_events(path), decoders, detector, settings.max_clock_skew_s):
            if not isinstance(result, DeadLetter):
                output.write(result.decision_json + b"\n")


def main() -> None:
    """Print the Run over a file, with a profile or without one."""
    path, what, settings = Path(sys.argv[1]), sys.argv[2], Settings()
    records = sum(1 for _ in read_events(path))
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    if what == _FLOOR:
        _read(path, settings)
    else:
        _judge(path, settings, what)
    elapsed_s, cpu_s = time.monotonic() - start_s, time.process_time() - start_cpu_s
    print(msgspec.json.encode(Run(records=records, elapsed_s=elapsed_s, cpu_s=cpu_s)).decode())


if __name__ == "__main__":
    main()
