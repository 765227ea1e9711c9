"""What verdicts are worth, by numbers counted by hand, and by the script that everybody scores with."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.replay_report import report
from app.scoring import Category, Change, Verdicts, by_category, changes, rates
from app.settings import PROJECT_DIR
from models.judgement import Verdict
from sources.labels import Label

SCORE_SCRIPT = PROJECT_DIR.parent / "shared" / "evaluation" / "score.py"


def labelled(*truths: tuple[str, Verdict]) -> dict[str, Label]:
    """Labels t0, t1, … with these categories and expected verdicts."""
    return {f"t{n}": Label(f"t{n}", category, expected) for n, (category, expected) in enumerate(truths)}


FRAUD: tuple[str, Verdict] = ("fraud_far", "flagged")
LEGIT: tuple[str, Verdict] = ("legit_near", "cleared")
UNKNOWN: tuple[str, Verdict] = ("unknown_device", "no_location")
LABELS = labelled(FRAUD, FRAUD, FRAUD, FRAUD, LEGIT, LEGIT, LEGIT, LEGIT, UNKNOWN)
VERDICTS: dict[str, Verdict] = {
    "t0": "flagged",
    "t1": "flagged",
    "t2": "flagged",
    "t3": "cleared",
    "t4": "flagged",
    "t5": "cleared",
    "t6": "cleared",  # nothing was decided on t7
    "t8": "no_location",
    "unlabelled": "flagged",
}


def test_rates_are_those_of_the_textbook() -> None:
    """3 of 4 frauds caught, 1 of 5 others flagged: precision 3/4, recall 3/4, F1 3/4."""
    found = rates(LABELS, VERDICTS)
    assert (found.precision, found.recall, found.false_positive_rate) == (0.75, 0.75, 0.2)
    assert found.f1 == pytest.approx(0.75)


def test_without_frauds_or_flags_rates_are_zero() -> None:
    """Nobody divides by nothing."""
    for labels in (labelled(), labelled(LEGIT), labelled(FRAUD)):
        found = rates(labels, {})
        assert (found.precision, found.recall, found.false_positive_rate, found.f1) == (0, 0, 0, 0)


def test_categories_count_what_ends_as_expected() -> None:
    """A missing verdict is not right."""
    assert by_category(LABELS, VERDICTS) == {
        "fraud_far": Category(count=4, right=3),
        "legit_near": Category(count=4, right=2),
        "unknown_device": Category(count=1, right=1),
    }


def test_changes_are_those_whose_verdict_differs() -> None:
    """In the order of the decisions; one without a label too."""
    after: dict[str, Verdict] = VERDICTS | {"t1": "cleared", "unlabelled": "cleared", "t3": "flagged"}
    assert changes(VERDICTS, after, LABELS) == [
        Change("t1", LABELS["t1"], "flagged", "cleared"),
        Change("t3", LABELS["t3"], "cleared", "flagged"),
        Change("unlabelled", None, "flagged", "cleared"),
    ]


def test_a_report_of_two_profiles_names_who_changes_sides() -> None:
    """Of many, the first twenty."""
    labels = labelled(*[FRAUD] * 30, LEGIT)
    one = Verdicts(final=dict.fromkeys(labels, "cleared"))
    two = Verdicts(final=dict.fromkeys(labels, "flagged"))
    told = report({"mild": one, "strict": two}, labels)
    assert "31 of 31 transactions change sides from mild to strict: 30 become right, 1 wrong" in told
    assert told.count("cleared") == 20
    assert told.endswith("and 11 more")
    assert "change sides" not in report({"mild": one}, labels)
    assert report({"mild": one, "same": one}, {}) == "0 of 31 transactions change sides from mild to same"


def test_figures_are_those_of_the_script(tmp_path: Path) -> None:
    """To the printed digit, for first and final verdicts; lines as a worker writes them."""
    if not SCORE_SCRIPT.exists():
        pytest.skip("../shared/evaluation/score.py is not part of the project, and not beside it")
    labels_path, decisions_path = tmp_path / "labels.csv", tmp_path / "decisions.jsonl"
    lines = [f"{label.transaction_id},{label.category},{label.expected}" for label in LABELS.values()]
    labels_path.write_text("\n".join(["transaction_id,category,expected", *lines, ""]))
    first: dict[str, Verdict] = VERDICTS | {"t0": "cleared", "t5": "flagged"}
    decisions_path.write_text(
        "".join(
            f'{{"transaction_id": "{name}", "verdict": "{verdict}"}}\n'
            for verdicts in (first, VERDICTS)
            for name, verdict in verdicts.items()
        )
    )
    script = [sys.executable, str(SCORE_SCRIPT), str(labels_path), str(decisions_path)]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    for name, verdicts in (("first", first), ("final", VERDICTS)):
        found = rates(LABELS, verdicts)
        assert (
            f"{name} verdicts: precision {found.precision:.4f} recall {found.recall:.4f}"
            f" false-positive rate {found.false_positive_rate:.4f} F1 {found.f1:.4f}\n"
        ) in printed
    for category, counted in by_category(LABELS, VERDICTS).items():
        assert f"{category:22s} {counted.right:5d} of {counted.count:5d} right" in printed
