"""The verdicts of the profile `envelope`, each with its cause, and that they do not depend on the order."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.envelope import (
    BEYOND_FIX_AFTER,
    BEYOND_FIX_BEFORE,
    FIXES_REFUSED,
    NEVER_SEEN,
    STALE,
    WITHIN_REACH,
    Envelope,
    _Use,
)
from detection.fix import Fix
from detection.fix_code import decode, tick_of, words_at
from detection.geodesy import distance_m
from detection.profile import EnvelopeProfile
from detection.track import Track, track_of
from models.judgement import Judgement, Verdict

NOON_S = 1_795_348_800
HOME = (37.3, -121.9)
DEGREE_M = 110_980.0  # of latitude at 37.3 degrees north (WGS84)
ENVELOPE = Envelope(EnvelopeProfile())
PROFILE = ENVELOPE.profile


def at(
    elapsed_s: float,
    north_m: float = 0.0,
    *,
    speed_mps: float | None = 1.0,
    accuracy_m: float | None = 5.0,
) -> Fix:
    """A fix some seconds after noon and some metres north of home."""
    latitude_deg = HOME[0] + north_m / DEGREE_M
    return Fix(round((NOON_S + elapsed_s) * 1e9), latitude_deg, HOME[1], speed_mps, accuracy_m)


def standing(first_s: float, last_s: float, north_m: float = 0.0, every_s: float = 5) -> list[Fix]:
    """Fixes of a phone that stays where it is."""
    count = int((last_s - first_s) // every_s) + 1
    return [at(first_s + number * every_s, north_m) for number in range(count)]


def judged(fixes: Iterable[Fix], north_m: float = 0.0, elapsed_s: float = 0.0) -> Judgement:
    """What the envelope says of a card used some metres north of home, at noon."""
    time_ns = round((NOON_S + elapsed_s) * 1e9)
    return ENVELOPE.judge(time_ns, HOME[0] + north_m / DEGREE_M, HOME[1], track_of(fixes))


AROUND = standing(-297.5, 297.5)
SPOOF_M = 800_000.0


@pytest.mark.parametrize(
    ("fixes", "north_m", "verdict", "reasons"),
    [
        pytest.param(AROUND, 20.0, "cleared", (WITHIN_REACH,), id="at the phone's place"),
        pytest.param(AROUND, 280.0, "cleared", (WITHIN_REACH,), id="no further than drift"),
        pytest.param(
            AROUND, 600.0, "flagged", (BEYOND_FIX_BEFORE, BEYOND_FIX_AFTER), id="in the next street but one"
        ),
        pytest.param(
            AROUND, -9e6, "flagged", (BEYOND_FIX_BEFORE, BEYOND_FIX_AFTER), id="on another continent"
        ),
        pytest.param(
            standing(-297.5, -2.5), 3000.0, "flagged", (BEYOND_FIX_BEFORE,), id="first verdict: nothing after"
        ),
        pytest.param(standing(2.5, 297.5), 3000.0, "flagged", (BEYOND_FIX_AFTER,), id="nothing before"),
        pytest.param(
            [*standing(-300, -5), at(-2, 900.0), *standing(1, 300)],
            10.0,
            "cleared",
            (WITHIN_REACH, FIXES_REFUSED),
            id="next to a glitch",
        ),
        pytest.param(
            [*standing(-300, -5), at(-2, 7000.0, accuracy_m=1500.0)],
            10.0,
            "cleared",
            (WITHIN_REACH, FIXES_REFUSED),
            id="a coarse glitch is the last thing known",
        ),
        pytest.param(
            [*AROUND, at(-0.5, 2500.0, accuracy_m=3000.0)],
            10.0,
            "cleared",
            (WITHIN_REACH,),
            id="a coarse fix",
        ),
        pytest.param(
            [*AROUND, at(-1.0, 700.0, accuracy_m=3000.0)],
            1400.0,
            "flagged",
            (BEYOND_FIX_BEFORE, BEYOND_FIX_AFTER),
            id="a coarse fix does not excuse what good ones exclude",
        ),
        pytest.param(
            [*standing(-300, -20), *standing(-15, 30, 300.0), *standing(35, 300)],
            0.0,
            "cleared",
            (WITHIN_REACH,),
            id="beside a drifted run",
        ),
        pytest.param(
            [*AROUND, *(at(-0.5, SPOOF_M + metres, speed_mps=0.1) for metres in (0.0, 5.0, 9.0))],
            SPOOF_M,
            "flagged",
            (BEYOND_FIX_BEFORE, BEYOND_FIX_AFTER, FIXES_REFUSED),
            id="false fixes at the shop, at the very second",
        ),
        pytest.param(
            [*standing(-300, -5), *(at(-0.5, SPOOF_M + metres) for metres in (0.0, 5.0, 9.0))],
            SPOOF_M,
            "flagged",
            (BEYOND_FIX_BEFORE, FIXES_REFUSED),
            id="false fixes are the last thing known",
        ),
        pytest.param(
            [*standing(-300, -25), *standing(-22, -1, SPOOF_M, 3)],
            SPOOF_M,
            "flagged",
            (BEYOND_FIX_BEFORE, FIXES_REFUSED),
            id="false fixes for twenty seconds",
        ),
        pytest.param(
            [*standing(-3900, -3600), *standing(3600, 3900, 40_000.0)],
            20_000.0,
            "cleared",
            (WITHIN_REACH, STALE),
            id="on the way, in a gap of two hours",
        ),
        pytest.param(
            [*standing(-1500, -1200), *standing(1200, 1500)],
            600_000.0,
            "flagged",
            (BEYOND_FIX_BEFORE, BEYOND_FIX_AFTER, STALE),
            id="in a gap, too far from both its ends for any airliner",
        ),
        pytest.param(
            standing(-4 * 3600 - 300, -4 * 3600),
            3e6,
            "cleared",
            (WITHIN_REACH, STALE),
            id="after a flight of four hours, before the phone reports again",
        ),
        pytest.param(
            [*standing(-5 * 3600, -4 * 3600), *standing(-60, -5, 3e6)],
            0.0,
            "flagged",
            (BEYOND_FIX_BEFORE,),
            id="at home, just after it landed",
        ),
        pytest.param([at(-5)], 10.0, "cleared", (WITHIN_REACH,), id="a first fix is believed"),
        pytest.param([at(-5)], 5000.0, "flagged", (BEYOND_FIX_BEFORE,), id="in both directions"),
        pytest.param([at(-5, speed_mps=None)], 550.0, "cleared", (WITHIN_REACH,), id="speed unknown: a car"),
        pytest.param([at(-5)], 550.0, "flagged", (BEYOND_FIX_BEFORE,), id="known to be walking"),
        pytest.param(
            [at(-3 * 86_400)],
            10.0,
            "cleared",
            (WITHIN_REACH, STALE),
            id="only a fix three days ago, and it says so",
        ),
    ],
)
def test_verdict(fixes: list[Fix], north_m: float, verdict: Verdict, reasons: tuple[str, ...]) -> None:
    """By good fixes on either side, with radii, drift and travel taken off."""
    judgement = judged(fixes, north_m)
    assert (judgement.verdict, judgement.reasons) == (verdict, reasons)


@pytest.mark.parametrize("track", [None, Track()])
def test_a_device_that_was_never_seen_has_no_location(track: Track | None) -> None:
    """Nothing can be said, and nothing is made up."""
    judgement = ENVELOPE.judge(NOON_S * 10**9, *HOME, track)
    assert (judgement.verdict, judgement.reasons, judgement.fixes) == ("no_location", (NEVER_SEEN,), ())


@pytest.mark.parametrize(
    ("place", "same_place", "elsewhere"),
    [
        pytest.param((-17.0, 179.9999), (-17.0, -179.9999), (-17.0, -179.9), id="the antimeridian"),
        pytest.param((90.0, 0.0), (89.9999, 137.0), (89.9, 0.0), id="the north pole"),
        pytest.param((-89.9999, 10.0), (-89.9999, -170.0), (-89.9, 10.0), id="around the south pole"),
    ],
)
def test_where_longitudes_jump(
    place: tuple[float, float], same_place: tuple[float, float], elsewhere: tuple[float, float]
) -> None:
    """Twenty metres are near and eleven kilometres far, whatever the coordinates look like."""
    track = track_of(Fix((NOON_S + s) * 10**9, *place, 0.0, 5.0) for s in range(-300, 300, 5))
    assert ENVELOPE.judge(NOON_S * 10**9, *same_place, track).verdict == "cleared"
    assert ENVELOPE.judge(NOON_S * 10**9, *elsewhere, track).verdict == "flagged"


def test_the_evidence_is_enough_to_decide_again() -> None:
    """A phone that walks at 1 m/s, a card used 3 km away and 2.5 s later."""
    judgement = judged(standing(-297.5, -2.5), 3000.0)
    fix = judgement.fixes[0]
    assert judgement.distance_m == pytest.approx(
        distance_m(fix.latitude_deg, fix.longitude_deg, HOME[0] + 3000.0 / DEGREE_M, HOME[1]), abs=1e-6
    )
    assert judgement.elapsed_s == 2.5
    assert fix.accuracy_m is not None
    assert judgement.reported_speed_mps == fix.speed_mps
    assert judgement.distance_m is not None
    required_m = judgement.distance_m - fix.accuracy_m - 50.0
    # 3.5 s with the second that clocks may differ; drift, walking and 1.5 m/s2
    possible_m = 350.0 + (fix.speed_mps or 0.0) * 3.5 + 1.0 * 3.5 + 1.5 * 3.5**2 / 2
    assert judgement.required_m == pytest.approx(required_m)
    assert judgement.possible_m == pytest.approx(possible_m)
    assert judgement.implied_speed_mps == pytest.approx(required_m / 3.5)
    assert judgement.allowed_speed_mps == pytest.approx(possible_m / 3.5)


def test_refused_fixes_are_shown() -> None:
    """An analyst sees what was not believed."""
    judgement = judged([*AROUND, at(-0.5, SPOOF_M)], SPOOF_M)
    assert [round(fix.latitude_deg) for fix in judgement.refused] == [round(HOME[0] + SPOOF_M / DEGREE_M)]
    assert all(fix.latitude_deg < HOME[0] + 1 for fix in judgement.fixes)


@pytest.mark.parametrize(
    ("verdict", "north_m", "fix", "expected"),
    [
        ("no_location", 0.0, at(3), True),
        ("cleared", 0.0, at(3), False),
        ("cleared", 0.0, at(3, 5000.0), True),
        ("flagged", 5000.0, at(3), False),
        ("flagged", 5000.0, at(3, 5000.0), True),
    ],
)
def test_only_a_fix_that_speaks_against_the_verdict_may_change_it(
    verdict: Verdict, north_m: float, fix: Fix, *, expected: bool
) -> None:
    """So that open transactions are not judged again for every fix."""
    place = at(0, north_m)
    elapsed_s = NOON_S - fix.event_time_ns / 1e9
    assert ENVELOPE.may_change(verdict, place, elapsed_s, fix) is expected


def streams() -> st.SearchStrategy[list[Fix]]:
    """Fixes of a phone around noon: walking, glitches, jumps, repeats of a second, gaps."""
    fixes = st.builds(
        at,
        st.integers(-500, 280),
        st.sampled_from([0.0, 3.0, 20.0, 150.0, 290.0, 900.0, 40_000.0]),
        speed_mps=st.none() | st.floats(0, 40),
        accuracy_m=st.none() | st.sampled_from([3.5, 16.0, 600.0, 2000.0]),
    )
    return st.lists(fixes, max_size=60)


def final_verdicts(records: Iterable[tuple[float, Fix]]) -> list[Judgement]:
    """Play records (arrival and fix) in which cards were used, and judge each use at its deadline."""
    track, closed = Track(), []
    open_uses = [
        (300.0, 0.0, 0.0),
        (340.0, 700.0, -200.0),
        (430.0, 40_000.0, 130.0),
    ]  # deadline, metres, time
    for arrival_s, fix in sorted(records, key=lambda record: record[0]):
        while open_uses and open_uses[0][0] < arrival_s:
            closed.append(use_of(track, *open_uses.pop(0)[1:]))
        track = track.with_fix(fix)
    return [*closed, *(use_of(track, *use[1:]) for use in open_uses)]


def use_of(track: Track, north_m: float, elapsed_s: float) -> Judgement:
    """Judge a use of a card by a track."""
    return ENVELOPE.judge(round((NOON_S + elapsed_s) * 1e9), HOME[0] + north_m / DEGREE_M, HOME[1], track)


@given(st.data())
def test_late_and_repeated_fixes_before_the_deadlines_end_in_the_same_verdicts(data: st.DataObject) -> None:
    """Any delay that stays on its side of each deadline; and after the last one nothing counts."""
    arrivals = data.draw(st.lists(st.tuples(st.floats(-500, 600), streams().map(tuple)), max_size=8))
    stages = (-500.0, 300.0, 340.0, 430.0, 700.0)  # between two of them, no deadline

    def redrawn(arrival_s: float) -> float:
        stage = max(number for number in range(4) if number == 0 or stages[number] < arrival_s)
        return data.draw(st.floats(stages[stage], stages[stage + 1], exclude_min=stage > 0))

    records = [(arrival_s, fix) for arrival_s, fixes in arrivals for fix in fixes[:6]]
    delayed = [(redrawn(arrival_s), fix) for arrival_s, fix in records]
    repeated = [(redrawn(arrival_s), fix) for arrival_s, fix in records[:3]]
    assert final_verdicts([*delayed, *repeated]) == final_verdicts(records)


@given(st.data())
def test_any_order_of_arrival_within_the_grace_period_ends_in_the_same_verdicts(data: st.DataObject) -> None:
    """Transactions are final by the track at their deadline; here all fixes arrive before it, some twice."""
    fixes = data.draw(streams())
    arrived = data.draw(st.permutations(fixes + fixes[:4]))
    for north_m, elapsed_s in ((0.0, 0.0), (250.0, 0.5), (700.0, -200.0), (40_000.0, 3.0)):
        assert judged(arrived, north_m, elapsed_s) == judged(fixes, north_m, elapsed_s)


@given(st.data())
def test_a_crash_and_a_stale_page_do_not_change_a_verdict(data: st.DataObject) -> None:
    """What a changelog restores is the same track."""
    fixes = data.draw(streams())
    cut = data.draw(st.integers(0, len(fixes)))
    before, track = track_of(fixes[:cut]), track_of(fixes)
    restored = Track()
    for source in (track, before):
        for number in range(16):
            restored = restored.with_page(number, source.page(number))
    time_ns = NOON_S * 10**9
    assert ENVELOPE.judge(time_ns, *HOME, restored) == ENVELOPE.judge(time_ns, *HOME, track)


@given(streams(), st.floats(-3000, 3000), st.integers(-300, 300))
def test_squares_clear_nothing_that_measuring_would_flag(
    fixes: list[Fix], north_m: float, elapsed_s: int
) -> None:
    """They are a bound on the geodesic, from below in what they allow."""
    time_ns = round((NOON_S + elapsed_s) * 1e9)
    tick, track = tick_of(time_ns), track_of(fixes)
    use = _Use(time_ns, HOME[0] + north_m / DEGREE_M, HOME[1])
    for near in (
        track.dense_near(tick, (1, 0, -1, -2, -7)),
        [words_at(code) for code in track.sorted_codes()[5::-1]],
    ):
        if ENVELOPE._all_agree(near, use):
            assert all(ENVELOPE._hold(decode(code), use).excess_m <= 0.0 for code in near)


@given(streams(), st.sampled_from([0.0, 400.0, 900.0, 40_000.0]), st.integers(-300, 300))
def test_figures_and_verdict_agree(fixes: list[Fix], north_m: float, elapsed_s: int) -> None:
    """Flagged exactly where the implied speed is above the allowed one."""
    judgement = judged(fixes, north_m, elapsed_s)
    if not fixes:
        assert judgement.verdict == "no_location"
        return
    assert judgement.implied_speed_mps is not None
    assert judgement.allowed_speed_mps is not None
    assert (judgement.implied_speed_mps > judgement.allowed_speed_mps) == (judgement.verdict == "flagged")
    assert not set(judgement.fixes) & set(judgement.refused)


@pytest.mark.parametrize(
    "fields",
    [
        {"drift": 300.0},
        {"acceleration_mps2": 0.0},
        {"drift_m": -1.0},
        {"airliner_mps": float("nan")},
        {"name": ""},
    ],
)
def test_a_profile_that_means_nothing_is_refused(fields: dict[str, object]) -> None:
    """An analyst's typo must not mean the default."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, EnvelopeProfile)


def test_an_analyst_can_define_a_profile() -> None:
    """As a TOML file's table; what it leaves out is as it was."""
    profile = msgspec.convert({"name": "lenient", "drift_m": 1000}, EnvelopeProfile)
    assert profile == EnvelopeProfile(name="lenient", drift_m=1000.0)
    time_ns, place = NOON_S * 10**9, (HOME[0] + 900.0 / DEGREE_M, HOME[1])
    judgement = Envelope(profile).judge(time_ns, *place, track_of(AROUND))
    assert (judgement.verdict, judgement.profile, judgement.profile_version) == ("cleared", "lenient", 1)
