"""The paper's rule against the paper's numbers ("Real-Time Smart Bank Data Streaming Capture", Figure 4)."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.paper_rule import PaperRule
from detection.profile import PaperProfile
from models.judgement import Judgement
from models.latest_location import LatestLocation
from tests.messages import NOON_MS, read_transaction, transaction_message
from tests.strategies import points

NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)


def judged(
    fix_at: tuple[float, float],
    used_at: tuple[float, float],
    *,
    elapsed_s: float,
    speed_mps: float | None,
    tolerance_mps: float = 1.0,
) -> Judgement:
    """What the rule says of a card used at noon, `elapsed_s` after the fix."""
    return PaperRule(profile=PaperProfile(tolerance_mps=tolerance_mps)).judge(
        read_transaction(
            transaction_message({"Location Latitude": str(used_at[0]), "Location Longitude": str(used_at[1])})
        ),
        LatestLocation(NOON - timedelta(microseconds=round(elapsed_s * 1e6)), *fix_at, speed_mps),
    )


# The equator's degree is 6378137 m * pi / 180 on WGS84; 0.001 degrees are 111.3194907932736 m.
ON_EQUATOR, FURTHER_EAST, APART_M = (0.0, 0.0), (0.0, 0.001), 111.3194907932736


@pytest.mark.parametrize(
    ("fix_at", "used_at", "elapsed_s", "reported", "distance_m", "within_m", "implied_mps", "verdict"),
    [
        (
            (37.335816, -121.895130),
            (37.3359243, -121.8953148),
            4.107526,
            0.3325222134590149,
            20.314204038788223,
            math.ulp(20.3),  # the paper goes over kilometres and back, which rounds once more
            4.94560570980883,
            "flagged",
        ),
        (
            (37.335603, -121.894946),
            (37.3359035, -121.8952828),
            -56.877618,  # the fix is later than the transaction
            0.08960304409265518,
            44.75599406926141,
            1e-9,  # GeographicLib itself gives 44.75599406855575 for the coordinates as printed
            0.786882356241807,
            "cleared",
        ),
    ],
)
def test_the_papers_figure_4_comes_out(  # noqa: PLR0917 (a row of a table)
    fix_at: tuple[float, float],
    used_at: tuple[float, float],
    elapsed_s: float,
    reported: float,
    distance_m: float,
    within_m: float,
    implied_mps: float,
    verdict: str,
) -> None:
    """Both rows, as exactly as the figure itself allows: to the last digit and to a nanometre."""
    judgement = judged(fix_at, used_at, elapsed_s=elapsed_s, speed_mps=reported)
    assert judgement.distance_m == pytest.approx(distance_m, abs=within_m, rel=0)
    assert judgement.implied_speed_mps == pytest.approx(
        implied_mps, abs=within_m / abs(elapsed_s) + 1e-15, rel=0
    )
    assert judgement.elapsed_s == elapsed_s
    assert judgement.reported_speed_mps == reported
    assert judgement.allowed_speed_mps == reported + 1.0
    assert judgement.verdict == verdict


@pytest.mark.parametrize(
    ("elapsed_s", "speed_mps", "verdict", "why"),
    [
        (0, 0.0, "cleared", "at the same time the paper's code implies no speed, however far apart"),
        (0, -1.0, "cleared", "0 is not above -1 + 1"),
        (0, -1.5, "flagged", "0 is above -1.5 + 1: a negative speed is taken as sent"),
        (100, 0.0, "flagged", "1.113 m/s is above 0 + 1"),
        (100, None, "flagged", "a missing speed is 0"),
        (100, 0.2, "cleared", "1.113 m/s is not above 0.2 + 1"),
        (112, 0.0, "cleared", "0.994 m/s is not above 0 + 1"),
        (112, -0.1, "flagged", "0.994 m/s is above -0.1 + 1"),
        (-100, 0.0, "flagged", "a fix after the transaction counts like one before"),
        (-112, 0.0, "cleared", "and clears like one before"),
        (86_400, 0.0, "cleared", "however old the fix is: the paper's rule knows no staleness"),
        (1e-6, 300.0, "flagged", "a microsecond is a time difference"),
    ],
)
def test_111_metres_on_the_equator(elapsed_s: float, speed_mps: float | None, verdict: str, why: str) -> None:
    """One distance, many times and speeds; each row says why."""
    judgement = judged(ON_EQUATOR, FURTHER_EAST, elapsed_s=elapsed_s, speed_mps=speed_mps)
    assert judgement.verdict == verdict, why
    assert judgement.distance_m == pytest.approx(APART_M, abs=1e-9)


def test_a_missing_speed_is_shown_as_missing() -> None:
    """The evidence tells what the phone sent from what the rule made of it."""
    judgement = judged(ON_EQUATOR, FURTHER_EAST, elapsed_s=100, speed_mps=None)
    assert (judgement.reported_speed_mps, judgement.allowed_speed_mps) == (None, 1.0)


def test_exactly_at_the_limit_is_not_flagged() -> None:
    """Flagged above the limit: the next smaller tolerance flags."""
    implied = judged(ON_EQUATOR, FURTHER_EAST, elapsed_s=50, speed_mps=0.0).implied_speed_mps
    assert implied is not None
    at_limit: dict[str, Any] = {"elapsed_s": 50, "speed_mps": 0.0}
    assert judged(ON_EQUATOR, FURTHER_EAST, tolerance_mps=implied, **at_limit).verdict == "cleared"
    assert judged(ON_EQUATOR, FURTHER_EAST, tolerance_mps=implied - 1e-12, **at_limit).verdict == "flagged"


def test_a_device_never_seen_is_no_location() -> None:
    """Neither guilty nor cleared, and without any figures."""
    judgement = PaperRule().judge(read_transaction(transaction_message()), None)
    assert judgement == Judgement(
        verdict="no_location",
        reasons=("device_never_seen",),
        distance_m=None,
        elapsed_s=None,
        implied_speed_mps=None,
        reported_speed_mps=None,
        allowed_speed_mps=None,
        required_m=None,
        possible_m=None,
        fixes=(),
        refused=(),
        profile="paper",
        profile_version=1,
    )


@given(points(), points(), st.floats(-1e6, 1e6), st.none() | st.floats(-1, 400))
def test_a_verdict_follows_from_its_own_evidence(
    fix_at: tuple[float, float], used_at: tuple[float, float], elapsed_s: float, speed_mps: float | None
) -> None:
    """Whoever gets a decision can recompute it from the line itself."""
    judgement = judged(fix_at, used_at, elapsed_s=elapsed_s, speed_mps=speed_mps)
    assert judgement.distance_m is not None
    assert judgement.elapsed_s is not None
    implied = judgement.distance_m / abs(judgement.elapsed_s) if judgement.elapsed_s else 0.0
    allowed = (judgement.reported_speed_mps or 0.0) + 1.0
    assert judgement.implied_speed_mps == implied
    assert judgement.verdict == ("flagged" if implied > allowed else "cleared")
    assert judgement.reasons == ("faster_than_reported" if implied > allowed else "within_reported_speed",)
    assert [(fix.latitude_deg, fix.longitude_deg) for fix in judgement.fixes] == [fix_at]
