"""dashboard/: the board is bounded, whatever comes in whatever order, and tells what changed since."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from dashboard.board import Board, Bounds, VerdictLine
from dashboard.counts import Counts
from dashboard.track import Fix, Track
from dashboard.views import DeskView
from tests.dashboard import BOUNDS, NOW_MS, changes, flagged, live_with, location

DESK = DeskView()


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 10))
def test_a_track_holds_the_latest_fixes_in_the_order_of_time(times_ms: list[int], most: int) -> None:
    """Each moment once; order of arrival and repeats do not matter, but for what a full ring let go."""
    track = Track(most)
    for number, time_ms in enumerate(times_ms):
        track.add(Fix(number, time_ms, 1.0, 2.0, None, None))
    held = [fix.time_ms for fix in track.all()]
    assert held == sorted(set(times_ms))[-most:]


def test_a_fix_without_speed_comes_back_without() -> None:
    """The ring holds floats only."""
    track = Track(3)
    track.add(Fix(7, 1, 1.5, -2.5, None, 12.0))
    assert track.latest() == Fix(7, 1, 1.5, -2.5, None, 12.0)


def test_only_what_changed_since_is_told() -> None:
    """A page that has seen all gets nothing; one that missed something gets that."""
    live = live_with(location("a"), location("b"), flagged())
    seen = live.changes(DESK, -1)
    assert seen is not None
    assert live.changes(DESK, seen[1]) is None
    live.take([(location("b", 5), NOW_MS)], NOW_MS)
    later = changes(live, DESK, seen[1])
    assert not later["reset"]
    assert [device for device, _ in later["devices"]] == ["b"]
    assert len(later["devices"][0][1]) == 1
    assert later["flagged"] == []


def test_a_slow_page_gets_each_transaction_once_as_it_is_by_then() -> None:
    """Nothing is queued for it."""
    live = live_with(flagged())
    live.take([(flagged("retracted", revision=2, verdict="cleared"), NOW_MS)], NOW_MS)
    assert [line["event"] for line in changes(live, DESK)["flagged"]] == ["retracted"]


def test_an_id_of_another_process_begins_anew() -> None:
    """As does none, and one that is none."""
    live, other = live_with(location("a")), live_with(location("a"))
    frame = live.changes(DESK, -1)
    assert frame is not None
    event_id = frame[0].split(b"\n")[0].removeprefix(b"id: ").decode()
    assert live.since(event_id) == 1
    for unknown in (event_id.replace("-1", "-x"), "", "-", "9" * 100):
        assert live.since(unknown) == -1
    assert other.since(event_id) == -1


def test_what_is_delivered_again_or_late_changes_nothing() -> None:
    """Kafka delivers at least once."""
    live = live_with(flagged(), flagged("confirmed", revision=2), flagged(), flagged("confirmed", revision=2))
    data = changes(live, DESK)
    assert [line["event"] for line in data["flagged"]] == ["confirmed"]
    status = live.status(NOW_MS)
    assert b'"flagged":1,"confirmed":1,"retracted":0' in status


def test_what_was_heard_too_long_ago_goes() -> None:
    """Devices and transactions; counts, too."""
    live = live_with(location("a"), flagged(), VerdictLine("cleared", 1))
    live.take((), NOW_MS + 3_600_001)
    assert live.sizes() == (0, 0)
    assert b'"transactions":0' in live.status(NOW_MS + 3_600_001 + 20_000)


def test_the_first_verdict_counts_and_revisions_do_not() -> None:
    """A transaction is judged several times."""
    live = live_with(VerdictLine("cleared", 1), VerdictLine("cleared", 2), VerdictLine("no_location", 1))
    assert b'"transactions":2' in live.status(NOW_MS)


def test_the_silent_device_goes_first() -> None:
    """There is room for so many."""
    bounds = Bounds(history_s=3600, devices=2, fixes=5, flagged=1)
    live = live_with(location("a"), location("b"), location("a", 1), location("c"), bounds=bounds)
    assert {device for device, _ in changes(live, DESK)["devices"]} == {"a", "c"}


def test_memory_is_flat_whatever_comes() -> None:
    """Ten times as many messages take no more."""
    bounds = Bounds(history_s=600, devices=20, fixes=20, flagged=20)
    board = Board(bounds)

    def feed(first: int, last: int) -> int:
        for n in range(first, last):
            heard_ms = NOW_MS + n * 1000
            board.take(location(f"d-{n % 50}", n), heard_ms)
            board.take(flagged(transaction_id=f"t-{n}"), heard_ms)
            board.forget(heard_ms)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        few_bytes = feed(0, 1000)
        many_bytes = feed(1000, 6000)
    finally:
        tracemalloc.stop()
    assert (board.devices, board.flagged) == (20, 20)
    assert many_bytes < few_bytes * 1.3


def test_counts_by_minute_and_second() -> None:
    """The last bar is the minute that has begun."""
    counts = Counts(3_600_000)
    for second in range(0, 180, 10):
        counts.add("flagged", NOW_MS + second * 1000)
    now_ms = NOW_MS + 179_000
    assert counts.by_minute("flagged", now_ms, 5) == [0, 0, 6, 6, 6]
    assert counts.totals(now_ms)["flagged"] == 18
    assert counts.per_s("flagged", now_ms) == 0.1


def test_a_track_of_the_board_is_bounded() -> None:
    """Each device has a ring."""
    board = Board(BOUNDS)
    for n in range(200):
        board.take(location("a", n), NOW_MS)
    track = board.track("a")
    assert track is not None
    assert len(track) == BOUNDS.fixes


def test_counts_do_not_depend_on_which_partition_is_read_first() -> None:
    """After a start one partition's hour is read before the next one's; and memory is bounded."""
    now_ms = 1_800_000_000_000
    heard = [now_ms - 30_000 * number for number in range(100)]
    in_order, by_partition = Counts(3_600_000), Counts(3_600_000)
    for heard_ms in sorted(heard):
        in_order.add("flagged", heard_ms)
    for heard_ms in [*sorted(heard[::2]), *sorted(heard[1::2])]:
        by_partition.add("flagged", heard_ms)
    assert by_partition.by_minute("flagged", now_ms, 60) == in_order.by_minute("flagged", now_ms, 60)
    assert by_partition.totals(now_ms) == in_order.totals(now_ms)
    for number in range(10_000):
        by_partition.add("flagged", now_ms - 10_000 * number)
    assert len(by_partition._spans) <= 362
