"""What every benchmark is given, and how its contestants take turns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bench.kafka_streams import KafkaStreams

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is measured. `peer` is None where Kafka Streams cannot be had; `absence` says why."""

    runs: int
    events: int
    devices: int
    rate_per_s: int
    keys: int
    only: str
    peer: KafkaStreams | None
    absence: str

    @property
    def remarks(self) -> list[str]:
        """What a reader of the outcome must know about who took part."""
        return [f"Kafka Streams is not in this table: {self.absence}."] if self.peer is None else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant(Generic[T]):
    """Somebody who is measured; `run` does it once."""

    name: str
    run: Callable[[], T]


def take_turns(
    contestants: Sequence[Contestant[T]], options: Options, *, warm_up: bool = False
) -> dict[str, list[T]]:
    """Let each run once, then each again: what slows the machine down slows down all. Prints every run.

    `warm_up`: a first turn does not count. A broker that has just started compiles itself for a minute, which
    made whoever came first three times as slow.
    """
    chosen = [each for each in contestants if options.only.lower() in each.name.lower()]
    if warm_up:
        for each in chosen:
            print(f"warm-up, not counted: {each.name}: {each.run()}", flush=True)
    outcomes: dict[str, list[T]] = {each.name: [] for each in chosen}
    for number in range(1, options.runs + 1):
        for each in chosen:
            outcome = each.run()
            print(f"{number}/{options.runs} {each.name}: {outcome}", flush=True)
            outcomes[each.name].append(outcome)
    return outcomes
