"""From rows to events: every message is read back as the detector will read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from models.location_fix import LocationFix
from models.times import epoch_ns
from models.transaction import Transaction
from sources.event_file import Event
from sources.files.cells import Reader, reader_of, time_reader
from sources.files.file_map import DEVICE_FIELDS, MODELS, FileMap, Kind, as_source
from sources.files.result import Placed, Row, Unreadable
from streaming.decoding import JsonDecoder
from streaming.errors import RecordError


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where messages of a kind go, and how the detector reads them there."""

    topic: str
    decoder: JsonDecoder[LocationFix] | JsonDecoder[Transaction]


Targets = Mapping[Kind, Target]


@dataclass(frozen=True, slots=True)
class _Step:
    """How one field is made of a row."""

    wire_name: str
    names: tuple[str, ...]
    read: Reader

    def value(self, cells: Mapping[str, Any]) -> Any:
        """Raises ValueError with a reason; None where there is no value."""
        if len(self.names) == 1:
            return self.read(cells.get(self.names[0]))
        found = [cells.get(name) for name in self.names]
        return None if None in found or "" in found else self.read(" ".join(map(str, found)))


class Converter:
    """Makes events of rows that have these columns.

    `device_id` is taken where there is no column for it; with `may_lack_optional`, only the columns of
    required fields must be there. Raises ValueError with a reason where one is missing or stands twice. It
    tells no names of columns but those of the map: a file without a header has its first row there.
    """

    def __init__(
        self,
        file_map: FileMap,
        columns: Sequence[str],
        targets: Targets,
        *,
        device_id: str | None,
        may_lack_optional: bool,
    ) -> None:
        target = targets[file_map.message]
        self._topic, self._decode = target.topic, target.decoder.decode
        _check_columns(file_map, columns, only_required=may_lack_optional)
        self._constants: dict[str, Any] = {}
        self._steps: list[_Step] = []
        for each in msgspec.structs.fields(MODELS[file_map.message]):
            source = file_map.source_of(each.encode_name)
            if source.constant is not None:
                self._constants[each.encode_name] = reader_of(each, source, ".")(source.constant)
            elif all(name in columns for name in source.names):
                read = reader_of(each, source, file_map.csv.decimal)
                self._steps.append(_Step(each.encode_name, source.names, read))
        self._set_device(DEVICE_FIELDS[file_map.message], device_id)
        self._arrival: _Step | None = None
        if file_map.arrival is not None:
            source = as_source(file_map.arrival)
            self._arrival = _Step("arrival", source.names, time_reader("arrival", source))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        steps = [*self._steps, *([self._arrival] if self._arrival else [])]
        return tuple(dict.fromkeys(name for step in steps for name in step.names))

    def convert(self, row: Row) -> Placed | Unreadable:
        """Make the event of a row, or say why it is none."""
        try:
            return Placed(row.place, self._event_of(row.cells))
        except UnicodeEncodeError:
            reason = "a text is not UTF-8; a map says which encoding it is (csv.encoding)"
        except RecordError as error:
            reason = error.reason
        except ValueError as error:
            reason = str(error)
        except OverflowError:
            reason = "a whole number has more than 64 bits"
        return Unreadable(row.place, reason)

    def _event_of(self, cells: Mapping[str, Any]) -> Event:
        fields = dict(self._constants)
        for step in self._steps:
            value = step.value(cells)
            if value is not None:
                fields[step.wire_name] = value
        value_bytes = msgspec.json.encode(fields)
        message = self._decode(value_bytes)
        arrival = self._arrival.value(cells) if self._arrival else message.event_time
        if arrival is None:
            raise ValueError("has no time of arrival")
        arrival_ms = epoch_ns(arrival) // 1_000_000
        if arrival_ms < 0:
            raise ValueError("arrives before 1970, which Kafka does not know")
        return Event(self._topic, message.device_id, arrival_ms, value_bytes.decode())

    def _set_device(self, wire_name: str, device_id: str | None) -> None:
        if wire_name in self._constants or any(step.wire_name == wire_name for step in self._steps):
            return
        if device_id is None:
            raise ValueError(
                f"has no column {wire_name!r}: a map says which it is (--map), or --device-id which device"
            )
        self._constants[wire_name] = device_id


def _check_columns(file_map: FileMap, columns: Sequence[str], *, only_required: bool) -> None:
    wanted = {*file_map.required_columns, *(() if only_required else file_map.named_columns)}
    if missing := sorted(wanted.difference(columns)):
        raise ValueError(
            f"has no column {', '.join(map(repr, missing))}, which the form {file_map.name!r} has: a map says"
            " which column is which field (--map)"
        )
    used = wanted.union(file_map.named_columns, file_map.wire_names)
    if twice := sorted(name for name in used if columns.count(name) > 1):
        raise ValueError(f"has the column {', '.join(map(repr, twice))} twice: rename one")
