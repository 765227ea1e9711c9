"""What is told alone, what in a digest, what not again; with a clock of the test's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from notifications import desk as desk_module
from notifications.delivery import StoppedError
from notifications.desk import Desk, Told
from notifications.digest import Digest, Message, digest_of
from notifications.metrics import NotificationMetrics
from notifications.notice import Notice, notice_of_flagged
from notifications.pace import Pace
from notifications.receiver import MessageRefusedError
from tests.notifications import flagged


def notice(number: int, **changes: Any) -> Notice:
    """A notice of its own transaction."""
    return notice_of_flagged(flagged(number, **changes), in_words=str)


@dataclass(frozen=True, slots=True)
class Record:
    """As much of a record as the desk looks at."""

    timestamp: int


@dataclass
class Outside:
    """Receiver, dead letters and clock of a desk."""

    now_s: float = 0.0
    messages: list[Message] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    letters: list[Any] = field(default_factory=list)
    error: Exception | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def desk(self, per_minute: int = 3) -> Desk:
        """A desk that tells this."""
        return Desk(
            deliver=self.deliver,
            put_aside=self.put_aside,
            pause=self.pause,
            pace=Pace(per_minute),
            metrics=NotificationMetrics(self.registry),
            clock_s=lambda: self.now_s,
        )

    async def deliver(self, message: Message, newest_ms: int) -> None:
        """Take it, or raise what the test says."""
        assert newest_ms >= 0
        if self.error:
            raise self.error
        self.messages.append(message)
        self.times_s.append(self.now_s)

    async def put_aside(self, records: Sequence[Any], error: MessageRefusedError) -> None:
        """Note them."""
        assert error is self.error
        self.letters += records

    async def pause(self, seconds: float) -> None:
        """Time passes at once."""
        self.now_s += seconds

    @property
    def told(self) -> list[str]:
        """Ids of the events, in the order in which they were told."""
        return [
            each
            for message in self.messages
            for each in (message.notices if isinstance(message, Digest) else [message.id])
        ]

    def count(self, name: str, **labels: str) -> float:
        """A metric's value."""
        return self.registry.get_sample_value(f"smartbank_notifications_{name}", labels) or 0.0


async def take(desk: Desk, notices: Iterable[Notice]) -> None:
    """Let the desk take notices, each in a record of its own."""
    for number, each in enumerate(notices):
        await desk.take(Told(each, Record(number)))


async def test_more_than_the_pace_allows_comes_in_one_digest() -> None:
    """As soon as a message may be sent again; then events are messages of their own once more."""
    outside = Outside()
    desk = outside.desk(per_minute=3)
    events = [notice(n) for n in range(10)]
    await take(desk, events)
    assert [message.id for message in outside.messages] == [each.id for each in events[:3]]
    assert not desk.is_clear
    assert desk.wait_s == 60.0
    assert outside.count("queue") == 7
    await desk.turn()  # too early
    assert len(outside.messages) == 3
    outside.now_s = 60.0
    await desk.turn()
    assert desk.is_clear
    digest = outside.messages[3]
    assert isinstance(digest, Digest)
    assert digest.notices == tuple(each.id for each in events[3:])
    await take(desk, [notice(10)])
    assert isinstance(outside.messages[4], Notice)
    assert (outside.count("messages_total"), outside.count("digests_total")) == (5, 1)
    assert outside.count("sent_total", event="flagged") == 11


async def test_an_event_is_told_once() -> None:
    """Whether it was told, or waits to be; another event of the transaction is another one."""
    outside = Outside()
    desk = outside.desk(per_minute=2)
    await take(desk, [notice(1), notice(1), notice(1, event="retracted"), notice(2), notice(2)])
    outside.now_s = 60.0
    await desk.turn()
    assert outside.told == [notice(1).id, notice(1, event="retracted").id, notice(2).id]
    assert outside.count("repeated_total") == 2


async def test_a_single_event_makes_no_digest() -> None:
    """It only waited."""
    outside = Outside()
    desk = outside.desk(per_minute=1)
    await take(desk, [notice(1), notice(2)])
    outside.now_s = 60.0
    await desk.turn()
    assert outside.messages == [notice(1), notice(2)]


@given(
    gaps_s=st.lists(st.floats(0, 30), min_size=1, max_size=80),
    per_minute=st.integers(1, 5),
    most_held=st.integers(1, 20),
)
async def test_every_event_is_told_in_order_and_never_too_many_messages(
    gaps_s: list[float], per_minute: int, most_held: int
) -> None:
    """Whenever they come: within any minute there are no more than were asked for."""
    outside = Outside()
    desk = outside.desk(per_minute)
    events = [notice(n) for n in range(len(gaps_s))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk_module, "MOST_HELD", most_held)
        for event, gap_s in zip(events, gaps_s, strict=True):
            outside.now_s += gap_s
            await desk.turn()
            await take(desk, [event])
            assert outside.count("queue") < most_held
        while not desk.is_clear:
            await outside.pause(desk.wait_s)
            await desk.turn()
    assert outside.told == [event.id for event in events]
    for first_s, next_s in zip(outside.times_s, outside.times_s[per_minute:], strict=False):
        assert next_s - first_s > 59.999


async def test_what_is_refused_becomes_dead_letters() -> None:
    """Every record of a digest, and what comes after it is told."""
    outside = Outside()
    desk = outside.desk(per_minute=1)
    await take(desk, [notice(n) for n in range(4)])
    outside.now_s, outside.error = 60.0, MessageRefusedError("status_400", "no")
    await desk.turn()
    assert outside.letters == [Record(1), Record(2), Record(3)]
    assert desk.is_clear
    assert outside.count("sent_total", event="flagged") == 1


async def test_what_was_not_told_when_the_process_ends_is_still_held() -> None:
    """So that nothing is committed over it."""
    outside = Outside()
    desk = outside.desk(per_minute=1)
    await take(desk, [notice(n) for n in range(3)])
    outside.now_s, outside.error = 60.0, StoppedError()
    with pytest.raises(StoppedError):
        await desk.turn()
    assert not desk.is_clear
    assert not outside.letters


async def test_given_up_partitions_leave_nothing_behind() -> None:
    """And when they come back, what was not told is told."""
    outside = Outside()
    desk = outside.desk(per_minute=1)
    await take(desk, [notice(1), notice(2)])
    desk.drop()
    assert desk.is_clear
    outside.now_s = 60.0
    await take(desk, [notice(1), notice(2)])
    assert outside.told == [notice(1).id, notice(2).id]


def test_a_digest_says_how_many_why_and_which_are_the_worst() -> None:
    """What was retracted is none of them; of a transaction the latest word counts."""
    events = [notice(n) for n in range(1, 9)]
    events += [notice(8, event="retracted"), notice(7, event="confirmed")]
    digest = digest_of(events)
    assert digest.events == {"flagged": 8, "retracted": 1, "confirmed": 1}
    assert digest.reasons == {"beyond_reach_of_fix_before": 8, "fixes_refused": 8}
    assert [(each.transaction_id, each.event) for each in digest.most_severe] == [
        ("t7", "confirmed"),
        *((f"t{n}", "flagged") for n in (6, 5, 4, 3)),
    ]
    assert digest.id == digest_of(events).id
    assert digest.id != digest_of(events[:-1]).id
