"""Co-partitioned topics come out as one plain pass in timestamp order would give them."""

from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.chunk import Record
from streaming.merge import PartitionGroup
from tests.messages import record

LIMIT = 7


class Place(NamedTuple):
    """What identifies a record here."""

    rank: int
    offset: int


def feed_of(times_by_rank: list[list[int]]) -> list[list[Record]]:
    """A record for each timestamp of each topic."""
    return [
        [record(offset=offset, timestamp_ms=ms) for offset, ms in enumerate(times)] for times in times_by_rank
    ]


def in_time_order(times_by_rank: list[list[int]]) -> list[Place]:
    """The oracle: a stable sort by running maximum, then rank."""
    keyed = [
        (latest_ms, rank, offset)
        for rank, times in enumerate(times_by_rank)
        for offset, latest_ms in enumerate(accumulate(times, max))
    ]
    return [Place(rank, offset) for _, rank, offset in sorted(keyed)]


class Feeder:
    """Pushes a feed into a group bit by bit and takes what comes out, remembering both."""

    def __init__(self, times_by_rank: list[list[int]], max_idle_s: float = 0.0) -> None:
        self.feed = feed_of(times_by_rank)
        self.group = PartitionGroup(len(times_by_rank))
        self.pushed = [0] * len(times_by_rank)
        self.out: list[Place] = []
        self.now_s = 0.0
        self._max_idle_s = max_idle_s

    def push(self, rank: int, count: int) -> None:
        """Fetch up to `count` more records of a topic."""
        at = self.pushed[rank]
        fetched = self.feed[rank][at : at + count]
        self.group.push(rank, fetched)
        self.pushed[rank] += len(fetched)

    def take(self, caught_up: set[int], limit: int = LIMIT) -> list[Place]:
        """Take what is ready while the topics `caught_up` are; return it."""
        chunks = self.group.take(
            limit, caught_up=caught_up.__contains__, now_s=self.now_s, max_idle_s=self._max_idle_s
        )
        taken = []
        for chunk in chunks:
            assert 0 < len(chunk) <= limit
            taken += [Place(rank, record.offset) for rank, record in chunk]
        self.out += taken
        return taken

    @property
    def read_to_the_end(self) -> set[int]:
        """Topics of which everything was pushed."""
        return {rank for rank, count in enumerate(self.pushed) if count == len(self.feed[rank])}

    @property
    def empty(self) -> set[int]:
        """Topics of which nothing is buffered."""
        return {rank for rank in range(len(self.feed)) if not self.group.buffered(rank)}


def times_by_rank() -> st.SearchStrategy[list[list[int]]]:
    """Timestamps of one to four topics, not in order, with many ties."""
    return st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=4)


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, LIMIT)), max_size=25)


@given(times_by_rank(), st.integers(1, LIMIT))
def test_from_a_backlog_the_order_is_that_of_a_sort(times: list[list[int]], limit: int) -> None:
    """All is known before the first take."""
    feeder = Feeder(times)
    for rank in range(len(times)):
        feeder.push(rank, 100)
    feeder.take(set(range(len(times))), limit)
    assert feeder.out == in_time_order(times)


@given(times_by_rank(), STEPS)
def test_fetch_sizes_and_interleaving_change_nothing(
    times: list[list[int]], steps: list[tuple[int, int, int]]
) -> None:
    """Verdicts must not depend on how records were fetched, where "caught up" is true when it is said."""
    feeder = Feeder(times)
    for rank, count, limit in steps:
        feeder.push(rank % len(times), count)
        feeder.take(feeder.read_to_the_end, limit)
    for rank in range(len(times)):
        feeder.push(rank, 100)
    feeder.take(feeder.read_to_the_end)
    assert feeder.out == in_time_order(times)


@given(times_by_rank(), STEPS, st.data())
def test_nothing_is_lost_repeated_or_out_of_its_topics_order(
    times: list[list[int]], steps: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Live, a topic is caught up and then brings more: late records come late, but they come once."""
    feeder = Feeder(times, max_idle_s=data.draw(st.sampled_from([0.0, 0.1])))
    for rank, count, limit in steps:
        feeder.push(rank % len(times), count)
        caught_up = data.draw(st.sets(st.integers(0, len(times) - 1)))
        feeder.now_s += data.draw(st.sampled_from([0.0, 0.06, 0.2]))
        waiting = feeder.empty - caught_up
        taken = feeder.take(caught_up, limit)
        assert not (waiting and taken), "an empty topic that is not caught up may bring an earlier record"
    for rank in range(len(times)):
        feeder.push(rank, 100)
    for _ in range(len(times) + 1):
        feeder.take(set(range(len(times))))
        feeder.now_s += 1.0
    for rank, rank_times in enumerate(times):
        assert [p.offset for p in feeder.out if p.rank == rank] == list(range(len(rank_times)))
        assert feeder.group.buffered(rank) == 0


def test_the_lower_rank_goes_first_at_the_same_time() -> None:
    """A location of the very millisecond counts for the transaction."""
    feeder = Feeder([[5, 5], [5, 5]])
    for rank in (1, 0):
        feeder.push(rank, 2)
    assert feeder.take({0, 1}) == [Place(0, 0), Place(0, 1), Place(1, 0), Place(1, 1)]


def test_a_tie_waits_for_the_lower_rank() -> None:
    """More locations of that millisecond may still come, and go first."""
    feeder = Feeder([[5, 5], [5]])
    feeder.push(0, 1)
    feeder.push(1, 1)
    assert feeder.take(set()) == [Place(0, 0)]
    feeder.push(0, 1)
    assert feeder.take({0}) == [Place(0, 1), Place(1, 0)]


def test_a_record_that_is_older_than_its_predecessor_keeps_its_place() -> None:
    """Offsets of a topic stay in order: its time is the running maximum."""
    feeder = Feeder([[9, 1], [3, 9]])
    for rank in (0, 1):
        feeder.push(rank, 2)
    assert feeder.take({0, 1}) == [Place(1, 0), Place(0, 0), Place(0, 1), Place(1, 1)]


def test_a_topic_that_is_caught_up_is_waited_for_as_long_as_asked() -> None:
    """Not shorter, so that a location that is on its way comes in order; not longer."""
    feeder = Feeder([[], [5]], max_idle_s=0.1)
    feeder.push(1, 1)
    assert feeder.take({0}) == []
    assert feeder.group.waits_for_idle
    feeder.now_s = 0.09
    assert feeder.take({0}) == []
    feeder.now_s = 0.1
    assert feeder.take({0}) == [Place(1, 0)]
    assert not feeder.group.waits_for_idle


def test_topics_idle_at_the_same_time_not_one_after_the_other() -> None:
    """Three empty topics hold a transaction back for one idle time, not for three."""
    feeder = Feeder([[], [], [5], []], max_idle_s=0.1)
    feeder.push(2, 1)
    assert feeder.take({0, 1, 3}) == []
    feeder.now_s = 0.1
    assert feeder.take({0, 1, 3}) == [Place(2, 0)]


@pytest.mark.parametrize("interruption", ["a record", "falls behind"])
def test_idling_begins_anew_when_a_topic_was_not_idle(interruption: str) -> None:
    """A topic that still brings records, or has more at the broker, is not idle."""
    feeder = Feeder([[1, 9], [5, 6]], max_idle_s=0.1)
    feeder.push(1, 2)
    feeder.take({0})
    feeder.now_s = 0.09
    if interruption == "a record":
        feeder.push(0, 1)
        assert feeder.take({0}) == [Place(0, 0)]
    else:
        assert feeder.take(set()) == []
    feeder.now_s = 0.15
    assert feeder.take({0}) == []
    feeder.now_s = 0.25
    assert feeder.take({0}) == [Place(1, 0), Place(1, 1)]


def test_with_no_idle_time_a_live_record_leaves_at_once() -> None:
    """The default: a transaction never waits for a location that may not come."""
    feeder = Feeder([[], [5]])
    feeder.push(1, 1)
    assert feeder.take({0}) == [Place(1, 0)]


def test_an_empty_fetch_changes_nothing() -> None:
    """It is no sign of life: the idle time goes on."""
    feeder = Feeder([[], [5]], max_idle_s=0.1)
    feeder.push(1, 1)
    feeder.take({0})
    feeder.now_s = 0.1
    feeder.group.push(0, [])
    assert feeder.take({0}) == [Place(1, 0)]
