"""Files of transactions and tracks as tests write them, and what is read of them."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.inputs import targets_of
from app.settings import Settings
from app.topics import topics_of
from sources.event_file import Event
from sources.files.forms import Form, InputFile, form_of
from sources.files.maps import read_maps
from sources.files.result import Placed, Unreadable
from tests.messages import transaction_message

TARGETS = targets_of(topics_of(Settings()))

TRACK_HEADER = "DeviceId,Time,Latitude,Longitude"


def input_file(
    path: Path, form: Form | None = None, *, toml: str = "", device_id: str | None = None
) -> InputFile:
    """A file with the maps of `toml`."""
    maps_path = path.parent / "map.toml"
    maps_path.write_text(toml)
    maps = read_maps(maps_path) if toml else ()
    return InputFile(path=path, form=form or form_of(path), targets=TARGETS, maps=maps, device_id=device_id)


def results_of(
    path: Path, form: Form | None = None, *, toml: str = "", device_id: str | None = None
) -> list[Placed | Unreadable]:
    """All that reading a file yields."""
    return list(input_file(path, form, toml=toml, device_id=device_id).read())


def events_of(path: Path, form: Form | None = None, *, toml: str = "") -> list[Event]:
    """The events of a file in which nothing is unreadable."""
    found = results_of(path, form, toml=toml)
    assert not [each for each in found if isinstance(each, Unreadable)]
    return [each.event for each in found if isinstance(each, Placed)]


def unreadable_of(path: Path, form: Form | None = None, *, toml: str = "") -> dict[str, str]:
    """What is unreadable in a file: the reasons by the places."""
    found = results_of(path, form, toml=toml)
    return {each.place: each.reason for each in found if isinstance(each, Unreadable)}


def messages_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The values of events."""
    return [json.loads(event.value) for event in events]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows with all their columns, as Python's csv does it."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def transaction_row(**changes: Any) -> dict[str, Any]:
    """A purchase with columns of the names on the wire."""
    return transaction_message(changes)
