"""How fast `produce` reads each form of file, in a process of its own: `python -m bench.files FILE`."""

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from app.decoders import input_decoders
from app.inputs import targets_of
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from bench.contest import Contestant, Options, take_turns
from bench.replay import Run
from bench.report import Section, ratio, spread
from sources.event_file import Event, read_events, write_events
from sources.files.forms import InputFile, form_of
from sources.files.in_order import sorted_by_arrival
from sources.files.result import Placed
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate

_FLOOR = "events.jsonl"  # whose lines are decoded as they are
_UNSORTED = "transactions-unsorted.csv"

Rows = Sequence[Mapping[str, object]]


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        print("simulating", flush=True)
        names = _write_all(Path(folder), options.events)
        contestants = [Contestant(name=name, run=partial(_run_apart, Path(folder) / name)) for name in names]
        outcomes = take_turns(contestants, options)
    return Section(
        name="files",
        command=f"python -m bench files --events {options.events} --runs {options.runs}",
        head=("file", "records", "records/s", "CPU µs/record"),
        rows=[_row(name, runs) for name, runs in outcomes.items()],
        remarks=[*_ratios(outcomes)],
    )


def _write_all(folder: Path, count: int) -> list[str]:
    """Write transactions and locations in every form; return the names of the files."""
    transactions = _simulated(count, "transaction_data")
    write_events(folder / _FLOOR, transactions)
    rows: Rows = [msgspec.json.decode(event.value) for event in transactions]
    fixes: Rows = [msgspec.json.decode(event.value) for event in _simulated(count, "location_data")]
    writers: dict[str, Callable[[Path], None]] = {
        "transactions.csv": partial(_write_csv, rows),
        _UNSORTED: partial(_write_csv, rows[::-1]),
        "transactions.jsonl": partial(_write_jsonl, rows),
        "transactions.parquet": partial(_write_parquet, rows),
        "locations.csv": partial(_write_csv, fixes),
        "locations.gpx": partial(_write_gpx, fixes),
    }
    for name, write in writers.items():
        write(folder / name)
    return [_FLOOR, *writers]


def _simulated(count: int, topic: str) -> list[Event]:
    wants_fixes = topic == "location_data"
    scenario = Scenario(
        seed=1,
        start_time_ms=1_767_225_600_000,
        duration_s=count / 100,
        customers=500 if wants_fixes else 1,
        transactions_per_s=0.1 if wants_fixes else 100,
        malformed_share=0,
    )
    made = simulate(scenario, location_topic="location_data", transaction_topic="transaction_data")
    return [each.event for each in made if each.event.topic == topic][:count]


def _write_csv(rows: Rows, path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(rows: Rows, path: Path) -> None:
    path.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))


def _write_parquet(rows: Rows, path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def _write_gpx(fixes: Rows, path: Path) -> None:
    with path.open("w") as file:
        file.write("<gpx><trk><trkseg>\n")
        for fix in fixes:
            time_of = str(fix["Time"]).replace(" ", "T")
            file.write(
                f'<trkpt lat="{fix["Latitude"]}" lon="{fix["Longitude"]}"><time>{time_of}</time></trkpt>\n'
            )
        file.write("</trkseg></trk></gpx>\n")


def _run_apart(path: Path) -> Run:
    command = [sys.executable, "-m", "bench.files", str(path)]
    done = subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Run)


def _row(name: str, runs: Sequence[Run]) -> list[str]:
    return [
        f"{name} (read and decoded alone)" if name == _FLOOR else name,
        f"{runs[0].records:,}",
        spread([run.records_per_s for run in runs]),
        spread([run.cpu_us_per_record for run in runs], "{:.1f}"),
    ]


def _ratios(outcomes: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    floor = outcomes.get(_FLOOR)
    for name, runs in outcomes.items():
        if floor is not None and floor is not runs:
            times = ratio([r.cpu_us_per_record for r in runs], [f.cpu_us_per_record for f in floor])
            yield f"{name}: {times} times the CPU of events that are decoded as they are."


def _read(path: Path) -> int:
    """One pass over a file, as `produce` makes two."""
    topics = topics_of(Settings())
    if path.name == _FLOOR:
        decode = input_decoders(topics)[topics.transaction_data.name].decode
        return sum(decode(event.value_bytes) is not None for event in read_events(path))
    results = InputFile(path=path, form=form_of(path), targets=targets_of(topics)).read()
    events = (result.event for result in results if isinstance(result, Placed))
    return sum(1 for _ in (sorted_by_arrival(events) if path.name == _UNSORTED else events))


def main() -> None:
    """Print the Run over a file."""
    path = Path(sys.argv[1])
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    records = _read(path)
    elapsed_s, cpu_s = time.monotonic() - start_s, time.process_time() - start_cpu_s
    print(msgspec.json.encode(Run(records=records, elapsed_s=elapsed_s, cpu_s=cpu_s)).decode())


if __name__ == "__main__":
    main()
