"""A fence notices rows of others by the gaps between our own."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.fence import Fence


@dataclass
class Log:
    """A changelog partition: who wrote each record, and which of ours are acknowledged."""

    writers: list[str] = field(default_factory=list)

    def append(self, writer: str, count: int) -> int:
        """Write; return the last offset."""
        self.writers += [writer] * count
        return len(self.writers) - 1


ours_or_theirs = st.lists(st.tuples(st.sampled_from(["ours", "theirs"]), st.integers(1, 5)), max_size=20)


@given(st.integers(0, 10), ours_or_theirs)
def test_foreign_rows_between_our_own_are_noticed_and_nothing_else_is(
    restored: int, writes: list[tuple[str, int]]
) -> None:
    """The store is safe up to the first foreign row, and no further."""
    log = Log(["restored"] * restored)
    fence = Fence(restored)
    for writer, count in writes:
        last = log.append(writer, count)
        if writer == "theirs":
            continue
        safe = fence.acknowledge(last, count)
        first_foreign = log.writers.index("theirs") if "theirs" in log.writers else None
        assert fence.is_broken is (first_foreign is not None)
        assert safe == (last if first_foreign is None else first_foreign - 1)


@given(st.integers(0, 10), ours_or_theirs, st.integers(0, 5))
def test_what_is_to_be_overwritten_holds_every_foreign_row(
    restored: int, writes: list[tuple[str, int]], unacknowledged: int
) -> None:
    """Also those behind our last row, and where rows of ours are still on their way."""
    log = Log(["restored"] * restored)
    fence = Fence(restored)
    for writer, count in writes:
        last = log.append(writer, count)
        if writer == "ours":
            fence.acknowledge(last, count)
    log.append("ours", unacknowledged)
    offsets = fence.begin_overwriting(len(log.writers))
    assert {n for n, writer in enumerate(log.writers) if writer == "theirs"} <= set(offsets)
    assert restored <= offsets.start <= offsets.stop == len(log.writers)


@pytest.mark.parametrize("done", [True, False])
def test_the_store_is_safe_again_when_our_rows_came_last_and_only_then(*, done: bool) -> None:
    """A restart in between must read the log from before the foreign rows."""
    fence = Fence(10)
    fence.begin_overwriting(14)  # four foreign rows
    assert fence.acknowledge(16, 3) == 9
    fence.end_overwriting(done=done)
    assert fence.is_broken is not done
    assert fence.acknowledge(17, 1) == (17 if done else 9)


def test_rows_that_were_on_their_way_when_it_began_are_no_gap() -> None:
    """They lie before the end that was looked up."""
    fence = Fence(10)
    fence.begin_overwriting(20)
    fence.end_overwriting(done=True)
    assert fence.acknowledge(15, 2) == 19
    assert not fence.is_broken


def test_foreign_rows_that_come_while_others_are_overwritten_are_noticed() -> None:
    """They are overwritten the next time."""
    fence = Fence(10)
    fence.begin_overwriting(12)
    fence.acknowledge(14, 2)  # offset 12 is foreign
    fence.end_overwriting(done=True)
    assert fence.is_broken
    assert fence.begin_overwriting(15) == range(12, 15)


def test_without_a_recovery_the_first_row_of_ours_tells_where_the_log_ends() -> None:
    """Nothing was restored that could be overwritten."""
    fence = Fence()
    assert fence.acknowledge(42, 2) == 42
    assert fence.acknowledge(44, 2) == 44
    assert not fence.is_broken
