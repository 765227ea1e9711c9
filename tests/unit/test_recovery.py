"""How far tables are restored: a bar in the log, and metrics."""

import logging

import pytest
from prometheus_client import CollectorRegistry

from streaming.metrics import ChunkMetrics
from streaming.recovery import Progress, bar


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [
        (0, 400_000, "[--------------------] 0% of 400,000"),
        (100_000, 400_000, "[#####---------------] 25% of 400,000"),
        (400_000, 400_000, "[####################] 100% of 400,000"),
        (5, 4, "[####################] 100% of 4"),
        (0, 0, "[####################] 100% of 0"),
    ],
)
def test_the_bar_is_as_long_as_what_is_done(done: int, total: int, shown: str) -> None:
    """And never longer than its frame."""
    assert bar(done, total) == shown


def test_a_recovery_shows_its_progress_and_what_it_restored(caplog: pytest.LogCaptureFixture) -> None:
    """A line a second, and one at the end; compaction took half of the records here."""
    caplog.set_level(logging.INFO)
    registry = CollectorRegistry()
    now_s = [0.0]
    progress = Progress(ChunkMetrics(registry, "some"), lambda: now_s[0])
    progress.begin(1000)
    assert registry.get_sample_value("some_table_recovery_remaining_records") == 1000
    for now_s[0] in (0.5, 1.0, 1.5, 2.0):
        progress.advance(records=125, offsets=250)
    assert registry.get_sample_value("some_table_recovery_remaining_records") == 0
    assert registry.get_sample_value("some_table_recovery_records_total") == 500
    progress.end()
    assert [message for _, _, message in caplog.record_tuples] == [
        "restoring tables [#####---------------] 25% of 1,000",
        "restoring tables [##########----------] 50% of 1,000",
        "tables restored records=500 elapsed_s=2.000 records_per_s=250",
    ]


def test_a_recovery_with_nothing_to_restore_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that finds its directory complete."""
    caplog.set_level(logging.INFO)
    progress = Progress(ChunkMetrics(CollectorRegistry(), "some"))
    progress.begin(0)
    progress.end()
    assert not caplog.messages
