"""`tail --since` takes ages and times."""

from datetime import UTC, datetime

import pytest

from app.cli.tail import since_time_ms
from streaming.errors import ConfigError

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MIDNIGHT_MS = 1_767_312_000_000  # date -u -d 2026-01-02 +%s


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("30s", MIDNIGHT_MS - 30_000),
        ("15m", MIDNIGHT_MS - 900_000),
        ("2h", MIDNIGHT_MS - 7_200_000),
        ("1d", MIDNIGHT_MS - 86_400_000),
        ("2026-01-02", MIDNIGHT_MS),
        ("2026-01-02T01:00:00+01:00", MIDNIGHT_MS),
    ],
)
def test_an_age_or_a_time(text: str, time_ms: int) -> None:
    """UTC where no zone is given."""
    assert since_time_ms(text, NOW) == time_ms


@pytest.mark.parametrize(
    "text", ["", "m", "soon", "-5m", "1w", "9999999999999d", "0001-01-01T00:00:00+14:00"]
)
def test_anything_else_is_an_error_that_says_what_is_wanted(text: str) -> None:
    """Also what no calendar holds."""
    with pytest.raises(ConfigError, match="15m"):
        since_time_ms(text, NOW)
