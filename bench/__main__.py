"""Measure: `python -m bench` all there is, `python -m bench throughput --only detector` one part of it."""

import argparse
import sys

from app.local_broker.config import LocalServerError
from bench import (
    bridge,
    files,
    gateway,
    latency,
    memory,
    metrics,
    outages,
    page,
    recovery,
    replay,
    simulate,
    sinks,
    sketch_bounds,
    sketches,
    throughput,
    tokens,
)
from bench.anonymity import measure as anonymity
from bench.contest import Options
from bench.kafka_streams import KafkaStreams, PeerAbsentError, build
from bench.report import surroundings

_BENCHMARKS = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "recovery": recovery.measure,
    "memory": memory.measure,
    "page": page.measure,
    "replay": replay.measure,
    "files": files.measure,
    "gateway": gateway.measure,
    "bridge": bridge.measure,
    "simulate": simulate.measure,
    "sketches": sketches.measure,
    "sketch_bounds": sketch_bounds.measure,
    "tokens": tokens.measure,
    "sinks": sinks.measure,
    "outages": outages.measure,
    "anonymity": anonymity.measure,
    "metrics": metrics.measure,
}
_WITHOUT_PEER = set(_BENCHMARKS) - {"throughput", "latency", "recovery"}


def main() -> None:
    """Run the benchmarks that were asked for and print a table of each."""
    arguments = _arguments()
    peer, absence = _peer() if set(arguments.benchmarks or _BENCHMARKS) - _WITHOUT_PEER else (None, "")
    options = Options(
        runs=arguments.runs,
        events=arguments.events,
        devices=arguments.devices,
        rate_per_s=arguments.rate,
        keys=arguments.keys,
        only=arguments.only,
        peer=peer,
        absence=absence,
    )
    print(surroundings(), flush=True)
    for name in arguments.benchmarks or _BENCHMARKS:
        try:
            section = _BENCHMARKS[name](options)
        except LocalServerError as error:
            sys.exit(f"{name}: {error}")
        print(f"\n{section.markdown()}\n", flush=True)
        if arguments.write:
            section.write()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="|".join(_BENCHMARKS), help="default: all")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant, in turns")
    parser.add_argument("--only", default="", help="contestants with this in their names")
    parser.add_argument(
        "--events",
        type=int,
        default=200_000,
        help="throughput: fixes, and as many purchases; others: records; bridge: messages; sinks: ten times"
        " the rows; outages: rows; anonymity: rows, 20,000 at most",
    )
    parser.add_argument("--devices", type=int, default=50_000, help="throughput, latency, bridge")
    parser.add_argument("--rate", type=int, default=2000, help="latency: transactions per second")
    parser.add_argument("--keys", type=int, default=500_000, help="recovery and memory: rows of the table")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.benchmarks) - _BENCHMARKS.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    return arguments


def _peer() -> tuple[KafkaStreams | None, str]:
    try:
        return build(), ""
    except PeerAbsentError as error:
        print(f"Kafka Streams is left out: {error}", file=sys.stderr, flush=True)
        return None, str(error)


if __name__ == "__main__":
    main()
