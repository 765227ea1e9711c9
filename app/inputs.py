"""Files to be sent: looked through as a whole first, then read again in the order of arrival."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
    streams: list[Stream] = []
    unsorted: list[Stream] = []
    for file in files:
        results = partial(_checked, file, known_topics, now_ms)
        times = _Times()
        for result in results():
            if isinstance(result, Unreadable):
                on_unreadable(file.path, result)
                continue
            topic, arrival_ms = result.event.topic, result.event.arrival_ms
            counts[topic] += 1
            times.take(arrival_ms)
            if arrival_ms < oldest_ms.get(topic, arrival_ms + 1):
                oldest_ms[topic] = arrival_ms
        if times.count:
            events = partial(_events, file.path, results, times.count)
            (streams if times.are_sorted or file.keeps_order else unsorted).append(times.stream(events))
    if unsorted:
        streams.append(_sorted(unsorted))
    return Survey(
        records_by_topic=counts,
        oldest_ms_by_topic=oldest_ms,
        streams=tuple(streams),
    )


class _Times:
    """When the events of one file arrive."""

    def __init__(self) -> None:
        self.count, self.are_sorted = 0, True
        self._first_ms = self._latest_ms = 0

    def take(self, arrival_ms: int) -> None:
        """See the next event."""
        if not self.count:
            self._first_ms = self._latest_ms = arrival_ms
        elif arrival_ms >= self._latest_ms:
            self._latest_ms = arrival_ms
        else:
            self.are_sorted = False
        self.count += 1

    def stream(self, events: Callable[[], Iterator[Event]]) -> Stream:
        """The events that were seen, as they are to be merged with others."""
        return Stream(first_ms=self._first_ms, last_ms=self._latest_ms, read=events)


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


def _events(path: Path, results: Callable[[], Iterator[Placed | Unreadable]], count: int) -> Iterator[Event]:
    """The events of a file that had `count` of them. Raises ConfigError where it has another number now."""
    read = 0
    for result in results():
        if isinstance(result, Placed):
            read += 1
            yield result.event
    if read != count:
        raise ConfigError(
            f"{path}: was changed while it was read: it had {count:,} records, and then {read:,}"
        )


def _sorted(streams: Sequence[Stream]) -> Stream:
    """All streams as one: each for itself would need as much memory as all together."""

    def read() -> Iterator[Event]:
        return sorted_by_arrival(event for stream in streams for event in stream.read())

    last_ms = max(stream.last_ms for stream in streams)
    return Stream(first_ms=0, last_ms=last_ms, read=read)
