"""detection/words.py: every verdict, stage, reason and figure has its words."""

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import PROJECT_DIR
from detection.envelope import Envelope
from detection.fix import Fix
from detection.paper_rule import PaperRule
from detection.profile import EnvelopeProfile
from detection.track import track_of
from detection.words import (
    REASONS,
    distance_in_words,
    duration_in_words,
    figures,
    headline,
    in_words,
    printable,
    reach_m,
    reason_in_words,
    stage_in_words,
)
from models.decision import Decision
from models.judgement import Judgement
from models.latest_location import LatestLocation
from models.times import epoch_ns
from models.transaction import Transaction
from tests.explaining import NOON, decision, paper, unseen
from tests.messages import read_transaction, transaction_message


def reason_codes() -> set[str]:
    """Every reason code of detection/: constants that are words joined by underscores."""
    found = set()
    for path in (PROJECT_DIR / "detection").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found |= set(re.findall(r"^[a-z]+(?:_[a-z]+)+$", value.value))
    return found


def test_every_reason_code_has_a_sentence_and_no_other_has() -> None:
    """A code that a rule may give must be explained; one that is gone must not stay."""
    assert set(REASONS) == reason_codes()
    assert len(REASONS) >= 10
    for code, sentence in REASONS.items():
        assert re.fullmatch(r"[A-Z].{15,}\.", sentence)
        assert reason_in_words(code) == sentence


def test_a_code_of_another_version_is_named() -> None:
    """Decisions live thirty days, longer than a version."""
    assert "sun_in_eyes" in reason_in_words("sun_in_eyes")


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (
            decision(),
            (
                "To be there, the phone needed to travel at least 12.4 km from where it was 42 s before;"
                " at most 516 m were possible."
            ),
        ),
        (
            decision(elapsed_s=-90.0, reasons=("beyond_reach_of_fix_after",)),
            (
                "From there, the phone needed to travel at least 12.4 km to where it was 1 min 30 s after;"
                " at most 516 m were possible."
            ),
        ),
        (  # a verdict that hangs on a hand's breadth must not look like a mistake
            decision(required_m=512.4, possible_m=512.31),
            (
                "To be there, the phone needed to travel at least 512.40 m from where it was 42 s before;"
                " at most 512.31 m were possible."
            ),
        ),
        (
            decision(verdict="cleared", distance_m=40.0, required_m=0.0, elapsed_s=-3.0),
            "The phone was 40 m away 3.0 s after: no travel was needed, and up to 516 m were possible.",
        ),
        (
            decision(verdict="cleared", distance_m=155.0, required_m=100.0),
            (
                "The phone was 155 m away 42 s before: at least 100 m of travel were needed,"
                " and up to 516 m were possible."
            ),
        ),
        (
            paper(),
            (
                "The phone's latest location is 840 m away, 42 s before: that takes 20.0 m/s (72 km/h),"
                " and 2.0 m/s (7 km/h) are allowed."
            ),
        ),
        (
            paper(verdict="cleared", elapsed_s=0.0, implied_speed_mps=0.0),
            (
                "The phone's latest location is 840 m away, of the same time: the rule takes that for no"
                " movement."
            ),
        ),
        (unseen(), "Nothing can be said: no location of this device was known."),
    ],
)
def test_why(of: Decision, sentence: str) -> None:
    """One sentence for each verdict of each profile, on either side in time."""
    assert in_words(of) == sentence


def test_verdict_stage_and_rule_stand_in_the_headline() -> None:
    """What the decision is and whether it may still change."""
    assert headline(decision()) == "flagged (final, revision 2, profile envelope version 1)"
    provisional = unseen(stage="provisional", revision=1)
    assert headline(provisional) == "no location (provisional, revision 1, profile envelope version 1)"
    assert stage_in_words(decision()) == "The verdict is final."
    assert "may change it" in stage_in_words(provisional)


def test_every_figure_has_its_unit() -> None:
    """As the decision has it, with what the circle of the plot stands for."""
    assert {figure.name: figure.amount for figure in figures(decision())} == {
        "distance": "12,455.0 m",
        "Δt": "42.000 s",
        "required": "12,400.0 m",
        "possible": "516.0 m",
        "reach": "571.0 m",
        "implied speed": "288.4 m/s (1,038 km/h)",
        "reported speed": "1.0 m/s (4 km/h)",
        "allowed speed": "12.0 m/s (43 km/h)",
    }
    assert [figure.name for figure in figures(paper(reported_speed_mps=None))] == [
        "distance",
        "Δt",
        "reach",
        "implied speed",
        "allowed speed",
    ]
    assert figures(unseen()) == ()


def test_nothing_of_card_user_or_amount_is_said() -> None:
    """Whoever sees an explanation need not see what was bought, and by whom."""
    of = decision()
    said = " ".join([headline(of), in_words(of), stage_in_words(of), str(figures(of))])
    for secret in (of.card_token, of.user_token, "4711", "4,711"):
        assert str(secret) not in said


@pytest.mark.parametrize(
    ("amount_m", "words"),
    [
        (0.0, "0.0 m"),
        (9.94, "9.9 m"),
        (9.96, "10 m"),
        (999.4, "999 m"),
        (999.6, "1.0 km"),
        (8.8e6, "8,800 km"),
    ],
)
def test_distances(amount_m: float, words: str) -> None:
    """Two or three digits that count."""
    assert distance_in_words(amount_m) == words


@pytest.mark.parametrize(
    ("amount_s", "words"),
    [
        (-1.84, "1.8 s"),
        (42.4, "42 s"),
        (59.6, "1 min"),
        (200.0, "3 min 20 s"),
        (3599.7, "1 h"),
        (7500.0, "2 h 5 min"),
    ],
)
def test_durations(amount_s: float, words: str) -> None:
    """Rounding must not make sixty seconds or minutes."""
    assert duration_in_words(amount_s) == words


def test_an_id_cannot_command_a_terminal() -> None:
    """Ids come from outside: escape sequences in them are shown as what they are."""
    assert printable("t\x1b[2J\x07-1\n") == "t\ufffd[2J\ufffd-1\ufffd"
    assert printable("Überweisung 7") == "Überweisung 7"


places = st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
readings = st.none() | st.floats(0, 100)


def judged(judgement: Judgement, use: Transaction) -> Decision:
    """A judgement as a decision."""
    return Decision.of(
        use, judgement, stage="final", revision=1, card_token=None, user_token=None, received_ms=1
    )


@given(places, st.floats(-900, 900), readings, readings)
def test_the_envelope_flags_exactly_what_lies_outside_of_the_circle(
    place: tuple[float, float], elapsed_s: float, speed_mps: float | None, accuracy_m: float | None
) -> None:
    """The circle is drawn from the decision alone, without the constants of its profile."""
    use = read_transaction(transaction_message())
    fix = Fix(
        epoch_ns(NOON) - round(elapsed_s * 1e9),
        use.latitude_deg + place[0],
        use.longitude_deg + place[1],
        speed_mps,
        accuracy_m,
    )
    judgement = Envelope(EnvelopeProfile()).judge(
        epoch_ns(NOON), use.latitude_deg, use.longitude_deg, track_of([fix])
    )
    of = judged(judgement, use)
    radius_m = reach_m(of)
    assert radius_m is not None
    assert of.distance_m is not None
    if abs(of.distance_m - radius_m) > 1e-6:  # a sum of floats
        assert (of.verdict == "flagged") == (of.distance_m > radius_m)


@given(places, st.floats(-900, 900), readings)
def test_the_paper_flags_exactly_what_lies_outside_of_the_circle(
    place: tuple[float, float], elapsed_s: float, speed_mps: float | None
) -> None:
    """But for the same time, where it has no circle and flags nothing."""
    use = read_transaction(transaction_message())
    moment = (epoch_ns(NOON) - round(elapsed_s * 1e9)) / 1e9
    fix = LatestLocation(
        type(NOON).fromtimestamp(moment, NOON.tzinfo),
        use.latitude_deg + place[0],
        use.longitude_deg + place[1],
        speed_mps=speed_mps,
    )
    of = judged(PaperRule().judge(use, fix), use)
    radius_m = reach_m(of)
    assert of.distance_m is not None
    if radius_m is None:
        assert of.verdict == "cleared"
    elif abs(of.distance_m - radius_m) > 1e-6:
        assert (of.verdict == "flagged") == (of.distance_m > radius_m)
