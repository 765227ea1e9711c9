"""Maps: which columns of a file become which fields of our messages. Written as TOML (docs/files.md)."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import field

from models.location_fix import LocationFix
from models.transaction import Transaction
from sources.files.units import EPOCHS, checked_zone, units_of
from streaming.errors import ConfigError

Kind = Literal["location", "transaction"]
Part = Literal["time", "number", "text"]

MODELS: Mapping[Kind, type[msgspec.Struct]] = {"location": LocationFix, "transaction": Transaction}
DEVICE_FIELDS: Mapping[Kind, str] = {"location": "DeviceId", "transaction": "Device ID"}

_KNOWN_MAPS = Path(__file__).with_name("known.toml")


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whence a field comes: from a column, several that are joined by a space, or the same for all rows."""

    column: str | None = None
    columns: tuple[str, ...] = ()
    constant: str | int | float | None = None
    unit: str | None = None
    format: str | None = None
    """Of a time, as Python's strptime has it. Default: ISO 8601."""
    zone: str | None = None
    """Of a time that names none, such as "Europe/Berlin". Default: UTC."""
    unknown: tuple[str | int | float, ...] = ()
    """Cells that mean that there is no value, beside empty ones."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return self.columns if self.column is None else (self.column,)


class CsvForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a CSV file is written."""

    delimiter: str = ","
    encoding: str = "utf-8-sig"
    decimal: Literal[".", ","] = "."
    skip_lines: int = 0
    header: tuple[str, ...] = ()
    """Names of the columns where the file has none in it."""


class FileMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How files become messages of one kind. What it does not name comes from the column of the same name."""

    message: Kind
    files: tuple[str, ...] = ()
    """Patterns of file names. None: every file whose columns have no fixed names."""
    fields: dict[str, str | Source] = field(default_factory=dict)
    arrival: str | Source | None = None
    """When it reached the bank or the gateway. None: when it happened."""
    csv: CsvForm = CsvForm()
    name: str = ""

    def source_of(self, wire_name: str) -> Source:
        """Whence the field of that name comes."""
        return as_source(self.fields.get(wire_name, wire_name))

    @property
    def is_known(self) -> bool:
        """Whether it is built in: then only its required columns must be there."""
        return known_maps().get(self.name) is self

    @property
    def wire_names(self) -> tuple[str, ...]:
        """The fields of its messages as they stand on the wire."""
        return tuple(each.encode_name for each in msgspec.structs.fields(MODELS[self.message]))

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns without which no row can be a message; a device id may also be given otherwise."""
        return tuple(
            name
            for each in msgspec.structs.fields(MODELS[self.message])
            if each.required and each.encode_name != DEVICE_FIELDS[self.message]
            for name in self.source_of(each.encode_name).names
        )

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The columns that whoever wrote it says are there."""
        named = [*self.fields.values(), *([] if self.arrival is None else [self.arrival])]
        return tuple(name for source in named for name in as_source(source).names)


def as_source(written: str | Source) -> Source:
    """A source; a bare text names a column."""
    return Source(column=written) if isinstance(written, str) else written


def part_of(each: msgspec.structs.FieldInfo) -> Part:
    """What a field of a message holds."""
    kinds = _alternatives(each)
    if msgspec.inspect.DateTimeType in kinds:
        return "time"
    return "number" if msgspec.inspect.FloatType in kinds else "text"


def takes_int(each: msgspec.structs.FieldInfo) -> bool:
    """Whether a text field may also be a whole number."""
    return msgspec.inspect.IntType in _alternatives(each)


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


def _alternatives(each: msgspec.structs.FieldInfo) -> set[type[msgspec.inspect.Type]]:
    kind = _bare(msgspec.inspect.type_info(each.type))
    return {
        type(_bare(one)) for one in (kind.types if isinstance(kind, msgspec.inspect.UnionType) else [kind])
    }


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


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
