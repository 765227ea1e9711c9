"""Maps: which columns of a file become which fields of our messages."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import field

from models.location_fix import LocationFix
from models.transaction import Transaction

Kind = Literal["location", "transaction"]
Part = Literal["time", "number", "text"]

MODELS: Mapping[Kind, type[msgspec.Struct]] = {"location": LocationFix, "transaction": Transaction}
DEVICE_FIELDS: Mapping[Kind, str] = {"location": "DeviceId", "transaction": "Device ID"}


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


def _alternatives(each: msgspec.structs.FieldInfo) -> set[type[msgspec.inspect.Type]]:
    kind = _bare(msgspec.inspect.type_info(each.type))
    return {
        type(_bare(one)) for one in (kind.types if isinstance(kind, msgspec.inspect.UnionType) else [kind])
    }


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
