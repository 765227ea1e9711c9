"""Files to be sent: looked through as a whole first, then read again in the order of arrival."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.decoders import input_decoders
from app.topics import Topics
from sources.event_file import Event
from sources.files.converter import Target, Targets
from sources.files.forms import InputFile
from sources.files.in_order import Stream, in_order, sorted_by_arrival
from sources.files.result import Placed, Unreadable
from streaming.errors import ConfigError

_MAX_AHEAD_MS = 3_600_000  # Kafka's default for message.timestamp.after.max.ms

OnUnreadable = Callable[[Path, Unreadable], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is in the files."""

    records_by_topic: Mapping[str, int]
    oldest_ms_by_topic: Mapping[str, int]
    """The earliest time of arrival."""
    unreadable: int
    streams: tuple[Stream, ...]

    @property
    def total(self) -> int:
        """All records that can be sent."""
        return sum(self.records_by_topic.values())

    def events(self) -> Iterator[Event]:
        """Read them once more, in the order of their arrival. The order within an event file is kept."""
        return in_order(self.streams)


def targets_of(topics: Topics) -> Targets:
    """Where what is in the files goes, and how the detector reads it there."""
    decoders = input_decoders(topics)
    location, transaction = topics.location_data.name, topics.transaction_data.name
    return {
        "location": Target(topic=location, decoder=decoders[location]),
        "transaction": Target(topic=transaction, decoder=decoders[transaction]),
    }


def refuse(path: Path, found: Unreadable) -> None:
    """Raise ConfigError at the first record that is unreadable."""
    raise ConfigError(f"{path}: {found.place}: {found.reason}")


def survey(
    files: Iterable[InputFile],
    known_topics: Collection[str],
    *,
    now_ms: int | None,
    on_unreadable: OnUnreadable = refuse,
) -> Survey:
    """Read the files whole, so that nothing of what cannot be sent whole is sent.

    `on_unreadable` hears of each record that cannot be read, is for a topic not known, or arrives more than
    an hour after `now_ms`, which Kafka refuses; None: it may arrive whenever. Raises ConfigError where a file
    cannot be opened or its columns are not known.
    """
    counts: Counter[str] = Counter()
    oldest_ms: dict[str, int] = {}
    unreadable, streams = 0, []
    for file in files:
        results = partial(_checked, file, known_topics, now_ms)
        first_ms = latest_ms = None
        is_sorted = True
        for result in results():
            if isinstance(result, Unreadable):
                unreadable += 1
                on_unreadable(file.path, result)
                continue
            topic, arrival_ms = result.event.topic, result.event.arrival_ms
            counts[topic] += 1
            if arrival_ms < oldest_ms.get(topic, arrival_ms + 1):
                oldest_ms[topic] = arrival_ms
            if first_ms is None or latest_ms is None:
                first_ms = latest_ms = arrival_ms
            elif arrival_ms >= latest_ms:
                latest_ms = arrival_ms
            else:
                is_sorted = False
                first_ms = first_ms if file.keeps_order else min(first_ms, arrival_ms)
        if first_ms is not None and latest_ms is not None:
            read = partial(_events, results, is_sorted=is_sorted or file.keeps_order)
            streams.append(Stream(first_ms=first_ms, last_ms=latest_ms, read=read))
    return Survey(
        records_by_topic=counts,
        oldest_ms_by_topic=oldest_ms,
        unreadable=unreadable,
        streams=tuple(streams),
    )


def _checked(
    file: InputFile, known_topics: Collection[str], now_ms: int | None
) -> Iterator[Placed | Unreadable]:
    """The results of a file; what Kafka would not take is unreadable."""
    for result in file.read():
        if isinstance(result, Placed):
            event = result.event
            if event.topic not in known_topics:
                reason = f"the topic is none of ours ({', '.join(sorted(known_topics))})"
                yield Unreadable(result.place, reason)
                continue
            if now_ms is not None and event.arrival_ms > now_ms + _MAX_AHEAD_MS:
                yield Unreadable(result.place, _ahead(event.arrival_ms - now_ms))
                continue
        yield result


def _ahead(ahead_ms: int) -> str:
    return (
        f"arrives {ahead_ms / _MAX_AHEAD_MS:,.1f} hours from now; Kafka refuses records more than an hour"
        " ahead (message.timestamp.after.max.ms)"
    )


def _events(results: Callable[[], Iterator[Placed | Unreadable]], *, is_sorted: bool) -> Iterator[Event]:
    events = (result.event for result in results() if isinstance(result, Placed))
    return events if is_sorted else sorted_by_arrival(events)
