"""Rows in memory before those on disk: bounded, and never older than what was put."""

from hypothesis import given
from hypothesis import strategies as st

from streaming.recent_rows import RecentRows

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
PUTS = st.dictionaries(KEYS, st.none() | st.binary(max_size=2), max_size=2)


@given(st.lists(PUTS | st.lists(KEYS, max_size=3, unique=True), max_size=30), st.integers(1, 3))
def test_what_is_known_is_what_was_put_last(
    steps: list[dict[bytes, bytes | None] | list[bytes]], generation_rows: int
) -> None:
    """A key is unknown or as it was put; never an earlier value."""
    recent, put = RecentRows(generation_rows), dict[bytes, bytes | None]()
    for step in steps:
        if isinstance(step, dict):
            recent.put_many(step)
            put |= step
            continue
        rows, unknown = recent.get_many(step)
        assert sorted([*rows, *unknown]) == sorted(step)
        assert rows.items() <= put.items()


def test_what_is_asked_for_stays_and_what_is_not_goes() -> None:
    """Otherwise memory would grow with the devices of the bank."""
    recent = RecentRows(generation_rows=2)
    recent.put_many({b"asked": b"1", b"idle": b"2"})
    for number in range(100):
        recent.put_many({b"%d" % number: b""})
        assert recent.get_many([b"asked"]) == ({b"asked": b"1"}, [])
    everybody = [b"asked", b"idle", *(b"%d" % number for number in range(100))]
    rows, unknown = recent.get_many(everybody)
    assert len(rows) <= 6
    assert b"idle" in unknown


def test_there_is_none_is_knowledge_too() -> None:
    """A device that was never seen is asked for again with each of its transactions."""
    recent = RecentRows(generation_rows=2)
    recent.put_many({b"nobody": None})
    assert recent.get_many([b"nobody"]) == ({b"nobody": None}, [])


def test_after_clear_nothing_is_known() -> None:
    """The changelog is read again: what was known may be old."""
    recent = RecentRows(generation_rows=2)
    recent.put_many({b"a": b"1"})
    recent.clear()
    assert recent.get_many([b"a"]) == ({}, [b"a"])
