"""Reading co-partitioned topics in time order, as a Kafka Streams task does."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, repeat

from streaming.chunk import Ranked, Record


class PartitionGroup:
    """The buffered records of one partition of several topics, merged by record timestamp.

    The time of a record is the running maximum of its topic's timestamps, so that the order of offsets is
    kept within a topic; the topic's rank breaks ties. A record is handed out when no topic can bring an
    earlier one any more: each has a later record buffered, or is caught up with the broker and has been
    empty for `max_idle_s`. (Kafka Streams: PartitionGroup and max.task.idle.ms, KIP-695.)
    """

    def __init__(self, topic_count: int) -> None:
        self._times_ms: list[list[int]] = [[] for _ in range(topic_count)]
        self._records: list[list[Ranked]] = [[] for _ in range(topic_count)]
        self._latest_ms = [0] * topic_count
        self._empty_since_s: list[float | None] = [None] * topic_count

    def push(self, rank: int, records: Sequence[Record]) -> None:
        """Add records of the topic of that rank, in the order of their offsets."""
        if not records:
            return
        times_ms = list(
            accumulate([record.timestamp for record in records], max, initial=self._latest_ms[rank])
        )
        self._times_ms[rank] += times_ms[1:]
        self._records[rank] += zip(repeat(rank), records)  # the rank goes on for ever
        self._latest_ms[rank] = times_ms[-1]
        self._empty_since_s[rank] = None

    def buffered(self, rank: int) -> int:
        """How many records of the topic of that rank wait here."""
        return len(self._records[rank])

    @property
    def oldest_ms(self) -> int | None:
        """Timestamp of the earliest record that waits here; None where none does."""
        return min((times_ms[0] for times_ms in self._times_ms if times_ms), default=None)

    @property
    def is_waiting(self) -> bool:
        """Whether any record waits here."""
        return any(self._records)

    @property
    def waits_for_idle(self) -> bool:
        """Whether records wait only for a topic that is caught up to stay empty for long enough."""
        return any(self._records) and any(since_s is not None for since_s in self._empty_since_s)

    def take(
        self, limit: int, *, caught_up: Callable[[int], bool], now_s: float, max_idle_s: float
    ) -> Iterator[list[Ranked]]:
        """Hand out all that is ready, in time order, at most `limit` records at once."""
        ranks = range(len(self._records))
        while any(self._records):
            # All are asked, not only up to the first that may: topics idle at the same time, not one by one.
            earlier = [self._may_bring_earlier(rank, caught_up, now_s, max_idle_s) for rank in ranks]
            if any(earlier):
                return
            merged = self._merge(self._count_until_one_is_empty())
            for start in range(0, len(merged), limit):
                yield merged[start : start + limit]

    def _may_bring_earlier(
        self, rank: int, caught_up: Callable[[int], bool], now_s: float, max_idle_s: float
    ) -> bool:
        """Whether the topic's next record may be earlier than what others have buffered."""
        if self._records[rank]:
            return False
        if not caught_up(rank):
            self._empty_since_s[rank] = None
            return True
        since_s = self._empty_since_s[rank]
        if since_s is None:
            since_s = self._empty_since_s[rank] = now_s
        return now_s - since_s < max_idle_s

    def _count_until_one_is_empty(self) -> list[int]:
        """Count, for each topic, the records up to the last one of the topic that runs empty first."""
        bound_ms, bound_rank = min((times[-1], rank) for rank, times in enumerate(self._times_ms) if times)
        return [
            bisect_right(times, bound_ms) if rank <= bound_rank else bisect_left(times, bound_ms)
            for rank, times in enumerate(self._times_ms)
        ]

    def _merge(self, counts: Sequence[int]) -> list[Ranked]:
        """Remove so many records from the front of each topic; return them in time order."""
        times_ms = [t for times, n in zip(self._times_ms, counts, strict=True) for t in times[:n]]
        records = [r for buffer, n in zip(self._records, counts, strict=True) for r in buffer[:n]]
        for times, buffer, n in zip(self._times_ms, self._records, counts, strict=True):
            del times[:n], buffer[:n]
        if sum(n > 0 for n in counts) == 1:
            return records
        # A stable sort over one ascending run a topic is a merge in which the lower rank goes first.
        return [records[i] for i in sorted(range(len(records)), key=times_ms.__getitem__)]
