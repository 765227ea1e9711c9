"""Which form a file has, and how its events are read."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from sources.files.converter import Converter, Targets
from sources.files.csv_rows import CsvRows
from sources.files.file_map import CsvForm, FileMap
from sources.files.gpx_rows import GpxRows
from sources.files.json_rows import are_events, event_rows, json_rows
from sources.files.maps import chosen_map, fitting_map, known_maps
from sources.files.parquet_rows import ParquetRows
from sources.files.result import Placed, Row, Unreadable
from sources.files.text import DAMAGE, Bytes, open_bytes
from streaming.errors import ConfigError

Form = Literal["events", "csv", "jsonl", "parquet", "gpx", "plt"]
FORMS: tuple[Form, ...] = get_args(Form)

Results = Iterator[Placed | Unreadable]

_BY_ENDING: dict[str, Form] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".gpx": "gpx",
    ".plt": "plt",
}
_FIXED_COLUMNS: frozenset[Form] = frozenset({"events", "gpx", "plt"})
_GEOLIFE_FOLDER = "Trajectory"
_CONVERTERS = 64  # JSON lines may have other names in each; those of a producer are few
_NO_MAP = "has no column whose name is known: a map says which column is which field (--map)"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file of events, transactions or locations.

    `maps` are the user's; `device_id` is taken where there is no column for it.
    """

    path: Path
    form: Form
    targets: Targets
    maps: Sequence[FileMap] = ()
    device_id: str | None = None

    @property
    def keeps_order(self) -> bool:
        """Whether its order is that in which its events arrived, whatever the times of arrival."""
        return self.form == "events"

    def read(self) -> Results:
        """Yield its events and what is unreadable, in its order.

        Raises ConfigError where it cannot be opened, or its columns are not those of its map.
        """
        if self.form == "parquet":
            table = ParquetRows(self.path)
            yield from self._of_table(table.columns, self._map, table.rows)
            return
        with open_bytes(self.path) as file:
            yield from _until_damage(self._of(file))

    @property
    def own_map(self) -> FileMap | None:
        """The one of the user's maps that is for this file."""
        return chosen_map(self.path, self.maps, has_fixed_columns=self.form in _FIXED_COLUMNS)

    @property
    def _map(self) -> FileMap | None:
        return self.own_map or (known_maps()[self.form] if self.form in _FIXED_COLUMNS else None)

    def _of(self, file: Bytes) -> Results:
        if self.form == "events":
            yield from event_rows(file)
        elif self.form == "jsonl":
            yield from self._of_objects(json_rows(file))
        elif self.form == "gpx":
            gpx = GpxRows(file)
            yield from self._of_table(gpx.columns, self._map, lambda _columns: gpx.rows())
        else:
            file_map = self._map
            try:
                table = CsvRows(file, file_map.csv if file_map else CsvForm())
            except csv.Error:
                raise ConfigError(
                    f"{self.path}: has a first line that is no header: is it CSV, and the delimiter right?"
                ) from None
            yield from self._of_table(table.columns, file_map, table.rows)

    def _of_table(
        self,
        columns: Sequence[str],
        file_map: FileMap | None,
        rows: Callable[[Sequence[str]], Iterable[Row | Unreadable]],
    ) -> Results:
        if not columns:
            return
        try:
            converter = self._converter(columns, file_map)
        except ValueError as error:
            raise ConfigError(f"{self.path}: {error} (docs/files.md)") from None
        for row in rows(converter.columns):
            yield row if isinstance(row, Unreadable) else converter.convert(row)

    def _of_objects(self, rows: Iterable[Row | Unreadable]) -> Results:
        """As `_of_table`, but each object has names of its own; one that lacks a field is unreadable."""
        file_map = self._map

        @lru_cache(maxsize=_CONVERTERS)
        def converter_of(names: frozenset[str]) -> Converter | str:
            try:
                return self._converter(tuple(names), file_map)
            except ValueError as error:
                return str(error)

        for row in rows:
            if isinstance(row, Unreadable):
                yield row
                continue
            converter = converter_of(frozenset(row.cells))
            if isinstance(converter, str):
                yield Unreadable(row.place, converter)
            else:
                yield converter.convert(row)

    def _converter(self, columns: Sequence[str], file_map: FileMap | None) -> Converter:
        """Raises ValueError with a reason where these columns make no message."""
        may_lack_optional = self.form == "jsonl" or self.own_map is None
        file_map = file_map or fitting_map(columns)
        if file_map is None:
            raise ValueError(_NO_MAP)
        device_id = self.device_id
        if device_id is None and file_map.message == "location" and self.form != "jsonl":
            device_id = device_of(self.path)
        return Converter(
            file_map, columns, self.targets, device_id=device_id, may_lack_optional=may_lack_optional
        )


def input_files(
    paths: Iterable[Path],
    form: Form | None,
    targets: Targets,
    *,
    maps: Sequence[FileMap] = (),
    device_id: str | None = None,
) -> tuple[list[InputFile], list[Path]]:
    """The files at `paths`, and in folders those whose names tell their form; beside them, what is left out.

    Raises ConfigError where a file cannot be opened or its form not be told.
    """
    found: list[InputFile] = []
    left_out: list[Path] = []
    for path in paths:
        for each in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            if path.is_dir() and form is None and _form_by_name(each) is None:
                left_out.append(each)
                continue
            kind = form or form_of(each)
            found.append(InputFile(path=each, form=kind, targets=targets, maps=maps, device_id=device_id))
    return found, left_out


def form_of(path: Path) -> Form:
    """The form of a file by its name, and, where JSON may be either, by its first line."""
    form = _form_by_name(path)
    if form is not None and form != "jsonl":
        return form
    with open_bytes(path) as file:
        try:
            if are_events(file):
                return "events"
        except DAMAGE as e:
            raise ConfigError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    if form is None:
        raise ConfigError(
            f"{path}: its name does not tell its form: say it with --format ({', '.join(FORMS)})"
        )
    return form


def device_of(path: Path) -> str:
    """The device whose track a file is, by its name; of GeoLife's NNN/Trajectory/*.plt it is NNN."""
    folder = path.absolute().parent
    if folder.name == _GEOLIFE_FOLDER:
        return folder.parent.name
    return Path(path.name.removesuffix(".gz")).stem


def _form_by_name(path: Path) -> Form | None:
    return _BY_ENDING.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def _until_damage(results: Results) -> Results:
    """End a damaged file with what is unreadable of it."""
    place = ""
    try:
        for result in results:
            place = result.place
            yield result
    except (*DAMAGE, UnicodeDecodeError) as e:
        what = "it is not in its encoding" if isinstance(e, UnicodeDecodeError) else "cut off or damaged"
        reason = f"the rest of the file cannot be read: {what}"
        yield Unreadable(f"after {place}" if place else "at the beginning", reason)
