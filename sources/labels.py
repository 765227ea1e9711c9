"""Labels: what a perfect detector ends with, for transactions whose truth is known."""

import csv
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from models.judgement import Verdict
from streaming.errors import ConfigError


class Label(msgspec.Struct, frozen=True, gc=False):
    """The truth of one transaction; one line of a labels file (CSV with a header of these names)."""

    transaction_id: str
    category: str
    expected: Verdict


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a file in its order.

    Raises ConfigError that names the file, and the line where it is no label.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            for row in rows:
                yield _label_of(row, f"{path}: line {rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise ConfigError(f"{path}: cannot be read: {e}") from e


class LabelWriter:
    """Writes a labels file; use it with `with`. A file of that name is replaced.

    Raises ConfigError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", newline="", encoding="utf-8")
        except OSError as e:
            raise ConfigError(f"{path}: cannot be written: {e.strerror}") from e
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(Label.__struct_fields__)

    def write(self, label: Label) -> None:
        """Append one label."""
        self._rows.writerow((label.transaction_id, label.category, label.expected))

    def close(self) -> None:
        """Write what is buffered and close."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _label_of(row: dict[str, str], place: str) -> Label:
    try:
        return msgspec.convert(row, Label)
    except msgspec.ValidationError as e:
        raise ConfigError(f"{place} is no label ({e}); a line is transaction_id,category,expected") from None
