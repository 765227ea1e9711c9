"""What `replay` prints of verdicts whose truth is known, or of two profiles side by side."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.scoring import Change, Labels, Rates, Verdicts, by_category, changes, rates

_SHOWN: Final = 20
_NOTHING: Final = "-"


def report(verdicts: Mapping[str, Verdicts], labels: Labels) -> str:
    """Text for a terminal; `verdicts` by the name of one profile or of two, `labels` may be empty."""
    parts = []
    if labels:
        without = sum(not any(id_ in each.final for each in verdicts.values()) for id_ in labels)
        parts += [_scores(verdicts, labels), _categories(verdicts, labels)]
        parts.append(f"{len(labels):,} labelled transactions, {without:,} of them without a decision")
    if len(verdicts) == 2:
        parts.append(_changes(verdicts, labels))
    return "\n\n".join(parts)


def _scores(verdicts: Mapping[str, Verdicts], labels: Labels) -> str:
    rows = [("verdicts", "profile", "precision", "recall", "false-positive rate", "F1")]
    rows += [("first", name, *_figures(rates(labels, each.first))) for name, each in verdicts.items()]
    rows += [("final", name, *_figures(rates(labels, each.final))) for name, each in verdicts.items()]
    return _aligned(rows, texts=2)


def _figures(found: Rates) -> tuple[str, str, str, str]:
    return (
        f"{found.precision:.4f}",
        f"{found.recall:.4f}",
        f"{found.false_positive_rate:.4f}",
        f"{found.f1:.4f}",
    )


def _categories(verdicts: Mapping[str, Verdicts], labels: Labels) -> str:
    """How many final verdicts are right."""
    columns = {name: by_category(labels, each.final) for name, each in verdicts.items()}
    counted = next(iter(columns.values()))
    rows = [("category", "transactions", *(f"right by {name}" for name in columns))]
    for category, of_first in counted.items():
        found = [column[category] for column in columns.values()]
        rows.append(
            (category, f"{of_first.count:,}", *(f"{c.right:,}  {c.right / c.count:.4f}" for c in found))
        )
    return _aligned(rows, texts=1)


def _changes(verdicts: Mapping[str, Verdicts], labels: Labels) -> str:
    """Whose final verdict differs, and for the better or worse where that is known."""
    (before_name, before), (after_name, after) = verdicts.items()
    found = changes(before.final, after.final, labels)
    told = f"{len(found):,} of {len({**before.final, **after.final}):,} transactions change sides"
    told += f" from {before_name} to {after_name}"
    if labels:
        right = sum(change.label is not None and change.after == change.label.expected for change in found)
        wrong = sum(change.label is not None and change.before == change.label.expected for change in found)
        told += f": {right:,} become right, {wrong:,} wrong"
    if not found:
        return told
    rows = [("transaction", "category", "expected", before_name, after_name)]
    rows += [_cells(change) for change in found[:_SHOWN]]
    more = f"\nand {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return f"{told}\n{_aligned(rows, texts=len(rows[0]))}{more}"


def _cells(change: Change) -> tuple[str, str, str, str, str]:
    category, expected = (change.label.category, change.label.expected) if change.label else (_NOTHING,) * 2
    return change.transaction_id, category, expected, change.before or _NOTHING, change.after or _NOTHING


def _aligned(rows: Sequence[Sequence[str]], texts: int) -> str:
    """Columns, the first `texts` of them to the left and figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if number < texts else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
