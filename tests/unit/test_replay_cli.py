"""What `replay` refuses before it reads anything."""

from collections import Counter
from pathlib import Path

import pytest

from app.cli.replay import _check, _labels, _Tally, _told
from streaming.errors import ConfigError

STDOUT, FILE = Path("-"), Path("decisions.jsonl")


@pytest.mark.parametrize(
    ("names", "output_path", "reports", "wrong"),
    [
        (["a", "b", "c"], None, True, "one profile, or two"),
        (["a", "a"], None, True, "one profile, or two"),
        (["a", "b"], FILE, True, "--output takes the decisions of one profile"),
        (["a"], STDOUT, True, "the table is printed there"),
    ],
)
def test_what_does_not_go_together_is_refused(
    names: list[str], output_path: Path | None, *, reports: bool, wrong: str
) -> None:
    """Before minutes are spent on the file."""
    with pytest.raises(ConfigError, match=wrong):
        _check(names, output_path, reports=reports)


def test_what_goes_together_is_not() -> None:
    """One profile to a file with its table, or to standard output without; two with neither."""
    _check(["a"], FILE, reports=True)
    _check(["a"], STDOUT, reports=False)
    _check(["a", "b"], None, reports=True)


def test_a_labels_file_without_labels_is_an_error(tmp_path: Path) -> None:
    """A table of nothing must not look like a good one."""
    path = tmp_path / "labels.csv"
    path.write_text("transaction_id,category,expected\n")
    with pytest.raises(ConfigError, match=r"labels\.csv: holds no label"):
        _labels(path)
    assert _labels(None) == {}


def test_the_closing_line_counts_decisions_and_dead_letters() -> None:
    """What is zero is not told; two profiles have a line each."""
    tally = _Tally(counts=Counter(cleared=1234, flagged=5))
    assert _told("", tally, 0) == "1,234 cleared, 5 flagged"
    assert _told("strict", tally, 2) == "strict: 1,234 cleared, 2 dead letters, 5 flagged"
    assert _told("", _Tally(), 0) == "no decision: the file holds no transaction"
