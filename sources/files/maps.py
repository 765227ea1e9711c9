"""The maps that there are: the user's, written as TOML (docs/files.md), and those that are built in."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from sources.files.file_map import MODELS, FileMap, Part, Source, as_source, part_of
from sources.files.units import EPOCHS, checked_zone, units_of
from streaming.errors import ConfigError

_KNOWN_MAPS = Path(__file__).with_name("known.toml")


def read_maps(path: Path) -> tuple[FileMap, ...]:
    """Read the maps of a file in its order. Raises ConfigError that names file, map and field."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}") from None
    except ValueError as e:  # no TOML, or no UTF-8
        raise ConfigError(f"{path}: is no TOML: {e}") from None
    if not tables:
        raise ConfigError(f"{path}: holds no map; one is a table [NAME] with message and fields")
    return tuple(_map_of(f"{path}: [{name}]", name, table) for name, table in tables.items())


@cache
def known_maps() -> Mapping[str, FileMap]:
    """The maps that need not be written, by name."""
    return {each.name: each for each in read_maps(_KNOWN_MAPS)}


def chosen_map(path: Path, maps: Sequence[FileMap], *, has_fixed_columns: bool) -> FileMap | None:
    """The first of the user's maps that is for this file. None: a known one must do."""
    for each in maps:
        if any(fnmatchcase(path.name, pattern) for pattern in each.files):
            return each
        if not each.files and not has_fixed_columns:
            return each
    return None


def fitting_map(columns: Sequence[str]) -> FileMap | None:
    """The known map most of whose required columns are here; None where none is."""
    there = set(columns)

    def share(each: FileMap) -> float:
        required = each.required_columns
        return len(there.intersection(required)) / len(required)

    best = max(known_maps().values(), key=share)
    return best if share(best) else None


def _map_of(place: str, name: str, table: Any) -> FileMap:
    if not isinstance(table, dict):
        raise ConfigError(f"{place}: is no table; write [{name}] and its settings below")
    try:
        found = msgspec.convert({**table, "name": name}, FileMap)
    except msgspec.ValidationError as e:
        raise ConfigError(f"{place}: {e}".replace("`$.", "`")) from None
    for problem in _problems(found):
        raise ConfigError(f"{place}: {problem}")
    return found


def _problems(found: FileMap) -> Iterator[str]:
    fields = {each.encode_name: each for each in msgspec.structs.fields(MODELS[found.message])}
    if len(found.csv.delimiter) != 1:
        yield f"csv.delimiter is {found.csv.delimiter!r}; it must be one character"
    try:
        "".encode(found.csv.encoding)
    except LookupError:
        yield f"csv.encoding is {found.csv.encoding!r}, which Python does not know"
    if found.csv.skip_lines < 0:
        yield "csv.skip_lines is below 0"
    for wire_name, written in found.fields.items():
        if wire_name not in fields:
            yield f"{wire_name} is no field of a {found.message}; there are {', '.join(fields)}"
            return
        each = fields[wire_name]
        yield from _source_problems(wire_name, as_source(written), part_of(each), each.name)
    if found.arrival is not None:
        yield from _source_problems("arrival", as_source(found.arrival), "time", "arrival")
        if as_source(found.arrival).constant is not None:
            yield "arrival: not all can have arrived at the same time; leave it out for the time of the event"


def _source_problems(name: str, source: Source, part: Part, attribute: str) -> Iterator[str]:
    given = (source.column is not None) + bool(source.columns) + (source.constant is not None)
    if given != 1:
        yield f"{name}: name one of column, columns and constant"
    if source.unit is not None:
        allowed = {"time": EPOCHS, "number": units_of(attribute), "text": {}}[part]
        if source.unit not in allowed:
            known = f"it may be {', '.join(allowed)}" if allowed else "this field has none"
            yield f"{name}: unit is {source.unit!r}; {known}"
    if part != "time" and (source.format is not None or source.zone is not None):
        yield f"{name}: format and zone are for times"
    if source.unit is not None and (source.format is not None or source.zone is not None):
        yield f"{name}: a time with a unit is counted since an epoch, and has neither format nor zone"
    if source.zone is not None:
        try:
            checked_zone(source.zone)
        except ValueError as e:
            yield f"{name}: {e}"
