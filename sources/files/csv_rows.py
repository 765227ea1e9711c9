"""CSV (RFC 4180, and what is near it): rows by the names in the header."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice

from sources.files.file_map import CsvForm
from sources.files.result import Row, Unreadable
from sources.files.text import Bytes, TextLines


class CsvRows:
    """The rows of a CSV file; `columns` are the names in its header, empty where there is no line at all.

    Raises csv.Error where the first line is no header.
    """

    def __init__(self, file: Bytes, form: CsvForm) -> None:
        self._lines = TextLines(file, form.encoding)
        for _ in islice(self._lines, form.skip_lines):
            pass
        # strict: a quote within a cell is an error, not a part of the text
        self._reader = csv.reader(self._lines, delimiter=form.delimiter, strict=True)
        header: Sequence[str] = form.header or next((row for row in self._reader if row), [])
        self.columns = tuple(name.strip() for name in header)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Unreadable]:
        """Yield the cells of these columns, by the line in which a row begins; blank lines are no rows."""
        reader, lines, width = self._reader, self._lines, len(self.columns)
        wanted = [(name, self.columns.index(name)) for name in names]
        while True:
            first_line = lines.count + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Unreadable(_place(first_line, lines.count), _reason(error))
                continue
            if len(cells) == width:
                yield Row(f"line {first_line}", {name: cells[index] for name, index in wanted})
            elif cells:
                yield Unreadable(
                    _place(first_line, lines.count), f"has {len(cells)} cells; the header has {width}"
                )


def _place(first_line: int, last_line: int) -> str:
    return f"line {first_line}" if last_line <= first_line else f"lines {first_line} to {last_line}"


def _reason(error: csv.Error) -> str:
    if "field larger" in str(error) or "too long" in str(error):
        return "a cell or line is too long: is a quote not closed?"
    return "the quotes are not those of CSV: one that opens a cell must close it, one within it stands twice"
