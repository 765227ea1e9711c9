"""JSON lines: an object a line, nested ones with a dot in the names of their cells."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sources.event_file import event_of
from sources.files.result import Placed, Row, Unreadable
from sources.files.text import Bytes, byte_lines, without_bom

_DECODER = msgspec.json.Decoder()
_MOST_NESTED = 8
_EVENT_BEGINS = b'{"topic":'  # as we write them, also where the rest of the line is no JSON
_TOO_LONG = "the line is too long"


def json_rows(file: Bytes) -> Iterator[Row | Unreadable]:
    """Yield the objects of a file; blank lines are none."""
    for place, line in _placed(file):
        if line is None:
            yield Unreadable(place, _TOO_LONG)
        elif line.strip():
            yield _row_of(place, line)


def event_rows(file: Bytes) -> Iterator[Placed | Unreadable]:
    """Yield the events of an event file."""
    for place, line in _placed(file):
        if line is None:
            yield Unreadable(place, _TOO_LONG)
            continue
        try:
            yield Placed(place, event_of(line))
        except ValueError:
            yield Unreadable(place, 'is no event; a line is {"topic", "key", "arrival_ms", "value"}')


def are_events(file: Bytes) -> bool:
    """Whether the first line looks like an event; also where there is no line."""
    line = without_bom(next(byte_lines(file), b"") or b"")
    if not line or line.startswith(_EVENT_BEGINS):
        return True
    try:
        event_of(line)
    except ValueError:
        return False
    return True


def _placed(file: Bytes) -> Iterator[tuple[str, bytes | None]]:
    for number, line in enumerate(byte_lines(file), start=1):
        yield f"line {number}", without_bom(line) if number == 1 and line else line


def _row_of(place: str, line: bytes) -> Row | Unreadable:
    try:
        found = _DECODER.decode(line)
    except UnicodeDecodeError:
        return Unreadable(place, "is not UTF-8")
    except (msgspec.MsgspecError, RecursionError):
        return Unreadable(place, "is not JSON")
    if not isinstance(found, dict):
        return Unreadable(place, "is no JSON object")
    return Row(place, _flat(found) if any(isinstance(cell, dict) for cell in found.values()) else found)


def _flat(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of nested objects by the way to them: {"place": {"lat": 1}} has a cell "place.lat"."""
    flat = dict(cells)
    for _ in range(_MOST_NESTED):
        nested = [name for name, cell in flat.items() if isinstance(cell, dict)]
        for name in nested:
            flat.update({f"{name}.{inner}": cell for inner, cell in flat.pop(name).items()})
        if not nested:
            break
    return flat
