"""Rows of a table's partition, in memory and on disk, against a plain dict."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.settings import PROJECT_DIR
from streaming.errors import FatalError
from streaming.stores import MemoryPartition, PartitionStore, RocksPartition

KEYS = [b"a", b"b", "ü".encode(), b"\0", b"\0changelog-offset", b"\xff" * 40]
Rows = dict[bytes, bytes | None]

some_rows = st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(max_size=8), max_size=4)


def applied(table: dict[bytes, bytes], rows: Rows) -> dict[bytes, bytes]:
    """The table with rows written and deleted."""
    return {key: value for key, value in {**table, **rows}.items() if value is not None}


class MemoryAgainstDict(RuleBasedStateMachine):
    """Puts, settlements and restores in any order that the engine can bring them in."""

    def __init__(self) -> None:
        super().__init__()
        self.store: PartitionStore = self.opened()
        self.visible: dict[bytes, bytes] = {}
        self.durable: dict[bytes, bytes] = {}
        self.offset: int | None = None
        self.in_flight: deque[tuple[Rows, int]] = deque()

    def opened(self) -> PartitionStore:
        """The store under test."""
        return MemoryPartition()

    @property
    def next_offset(self) -> int:
        """Where the changelog goes on."""
        return (self.in_flight[-1][1] if self.in_flight else -1 if self.offset is None else self.offset) + 1

    @rule(rows=some_rows)
    def put(self, rows: Rows) -> None:
        """A chunk changed rows; their changelog records are on their way."""
        self.store.put_many(rows)
        self.visible = applied(self.visible, rows)
        if rows:
            self.in_flight.append((rows, self.next_offset + len(rows) - 1))

    @rule()
    def settle(self) -> None:
        """The broker acknowledged the oldest of them."""
        if self.in_flight:
            rows, self.offset = self.in_flight.popleft()
            self.store.settle(rows, self.offset)
            self.durable = applied(self.durable, rows)

    @rule(
        records=st.lists(
            st.tuples(st.sampled_from(KEYS), st.none() | st.binary(max_size=8)), min_size=1, max_size=5
        )
    )
    def restore(self, records: list[tuple[bytes, bytes | None]]) -> None:
        """Recovery reads on; it never does while chunks are worked on."""
        if not self.in_flight:
            self.offset = self.next_offset + len(records) - 1
            self.store.restore(records, self.offset)
            for key, value in records:
                self.visible = applied(self.visible, {key: value})
            self.durable = self.visible

    @invariant()
    def what_was_put_is_seen_at_once(self) -> None:
        """An agent reads its own writes, acknowledged or not."""
        assert self.store.get_many([*KEYS, b"never put"]) == self.visible
        assert dict(self.store.items()) == self.visible
        assert sum(1 for _ in self.store.items()) == len(self.visible)
        assert self.store.offset == self.offset

    def teardown(self) -> None:
        """Let go of it."""
        self.store.close()


class RocksAgainstDict(MemoryAgainstDict):
    """The same, and what is there after the process ended and another opened the directory."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        super().__init__()

    def opened(self) -> PartitionStore:
        """Open the directory; most rows do not fit into what is kept in memory."""
        return RocksPartition(self.folder / "rows.db", recent_rows=2)

    @rule()
    def reopen(self) -> None:
        """Only what the changelog has is there again, with the offset that it stands for."""
        self.store.close()
        self.store = self.opened()
        self.in_flight.clear()
        self.visible = self.durable

    def teardown(self) -> None:
        """Leave nothing behind."""
        super().teardown()
        shutil.rmtree(self.folder)


# A failure is shown as it was found: shrinking one takes minutes on a disk.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)

TestMemoryAgainstDict = MemoryAgainstDict.TestCase
TestMemoryAgainstDict.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, phases=PHASES
)
TestRocksAgainstDict = RocksAgainstDict.TestCase
TestRocksAgainstDict.settings = settings(
    max_examples=10, stateful_step_count=20, deadline=None, phases=PHASES
)


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PartitionStore:
    """An empty store of either kind."""
    return MemoryPartition() if request.param == "memory" else RocksPartition(tmp_path / "rows.db")


def test_a_new_store_holds_nothing(store: PartitionStore) -> None:
    """And asks recovery for everything."""
    assert store.offset is None
    assert store.get_many([]) == {}
    assert list(store.items()) == []


def test_settling_an_older_write_does_not_hide_a_newer_one(store: PartitionStore) -> None:
    """Chunks are pipelined: the next one writes the row before the first is acknowledged."""
    first: Rows = {b"a": b"1", b"b": b"1"}
    second: Rows = {b"a": b"2", b"b": None}
    store.put_many(first)
    store.put_many(second)
    store.settle(first, 1)
    assert store.get_many([b"a", b"b"]) == {b"a": b"2"}
    store.settle(second, 3)
    assert store.get_many([b"a", b"b"]) == {b"a": b"2"}


def test_a_row_that_is_deleted_again_does_not_come_back_meanwhile(store: PartitionStore) -> None:
    """Three chunks on their way: only the last says what the row is, whatever is acknowledged."""
    writes: list[Rows] = [{b"a": None}, {b"a": b"1"}, {b"a": None}]
    for rows in writes:
        store.put_many(rows)
    for offset, rows in enumerate(writes):
        store.settle(rows, offset)
        assert store.get_many([b"a"]) == {}
        assert list(store.items()) == []


def test_of_several_changelog_records_of_a_key_the_last_counts(store: PartitionStore) -> None:
    """Recovery hands over what lies in the changelog, compacted or not."""
    store.restore([(b"a", b"1"), (b"b", b"1"), (b"a", None), (b"b", b"2")], 3)
    assert store.get_many([b"a", b"b"]) == {b"b": b"2"}
    assert store.offset == 3


def settled_store(path: Path) -> None:
    """Leave a directory with 2000 rows in a sorted file, at changelog offset 1999."""
    rows: Rows = {b"%d" % n: os.urandom(40) for n in range(2000)}
    store = RocksPartition(path)
    store.put_many(rows)
    store.settle(rows, 1999)
    store.close()


def truncate(path: Path) -> None:
    """A disk that was full."""
    os.truncate(path, path.stat().st_size // 2)


def spoil(path: Path) -> None:
    """A disk that lies."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(os.urandom(max(4, size // 3)))


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("*.sst", truncate),
        ("*.sst", Path.unlink),
        ("CURRENT", truncate),
        ("CURRENT", spoil),
        ("CURRENT", Path.unlink),
        ("MANIFEST-*", spoil),
        ("MANIFEST-*", Path.unlink),
    ],
)
def test_a_directory_that_cannot_be_opened_is_made_anew(
    pattern: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    """The changelog has it all: an operator need not be woken. Recovery starts at the beginning."""
    path = tmp_path / "block-storage" / "rows.db"  # neither "block" nor "lock" in a path is a lock
    settled_store(path)
    for file in list(path.glob(pattern)):
        damage(file)
    rebuilt = RocksPartition(path)
    assert rebuilt.offset is None
    assert list(rebuilt.items()) == []
    rebuilt.close()


def test_damage_that_shows_when_rows_are_read_ends_the_worker_and_the_next_start_rebuilds(
    tmp_path: Path,
) -> None:
    """RocksDB checks a block when it reads it: a worker must not fail at it again and again."""
    path = tmp_path / "rows.db"
    settled_store(path)
    for file in path.glob("*.sst"):
        spoil(file)
    try:
        store = RocksPartition(path)
    except FatalError:
        pytest.fail("opening finds no damage, or rebuilds")
    if store.offset is not None:  # the damage did not hit what is read when opening
        with pytest.raises(FatalError, match=r"rows\.db was damaged and is deleted: start again"):
            store.get_many(b"%d" % n for n in range(2000))
        store = RocksPartition(path)
    assert store.offset is None
    assert list(store.items()) == []
    store.close()


def test_what_a_kill_leaves_is_of_one_moment(tmp_path: Path) -> None:
    """Rows that were not flushed yet are gone together with their offset: the changelog has both."""
    path = tmp_path / "rows.db"
    source = RocksPartition(path)
    source.restore([(b"row-%d" % n, b"x" * 100) for n in range(50)], 49)
    source.close()
    source = RocksPartition(path)
    source.restore([(b"row-%d" % n, b"x" * 100) for n in range(50, 100)], 99)
    copy = tmp_path / "copy.db"
    shutil.copytree(path, copy)  # as kill -9 leaves it: not closed
    source.close()
    for folder, rows in ((copy, 50), (path, 100)):
        store = RocksPartition(folder)
        assert store.offset == rows - 1
        assert dict(store.items()).keys() == {b"row-%d" % n for n in range(rows)}
        store.close()


_HOLD = """\
import sys
from pathlib import Path
from streaming.stores import RocksPartition

store = RocksPartition(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
print(len(list(store.items())))
"""


def test_a_directory_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    """Two workers that share a folder by mistake: the second stops, the first keeps its rows."""
    path = tmp_path / "rows.db"
    settled_store(path)
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HOLD,
            str(path),
        ],
        cwd=PROJECT_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FatalError, match="is in use by another worker"):
            RocksPartition(path)
        rows_kept, _ = holder.communicate(timeout=30)
    assert rows_kept == "2000\n"
