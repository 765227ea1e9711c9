"""The state that the envelope needs: a track for each device."""

from collections.abc import Iterable, Mapping
from typing import Final

import faust

from detection.track import PAGES, Track
from streaming.layout import ReadRows, Row
from streaming.struct_table import StructTable

_NO_FIXES: Final = Track()
_NUMBERS: Final = tuple(bytes([number]) for number in range(PAGES))


class PageLayout:
    """A whole track in the store, its pages in the changelog: a location changes one or two of them.

    The key of a page is its number in a byte, and the device id. Pages are joined, never replaced: the order
    in which they are read makes no difference, nor does a page of a worker that has lost the partition.
    """

    def encode(self, track: Track) -> bytes:
        """The row of a track."""
        return track.row

    def decode(self, row: bytes) -> Track:
        """The track of a row."""
        return Track.from_row(row)

    def changes(self, values: Mapping[bytes, Track | None], rows: Mapping[bytes, bytes | None]) -> list[Row]:  # noqa: ARG002
        """The pages that changed."""
        records: list[Row] = []
        for key, track in values.items():
            records += _tombstones(key) if track is None else _pages(key, track, track.changed_pages)
        return records

    def all_of(self, rows: Mapping[bytes, bytes | None]) -> list[Row]:
        """The pages that hold anything; tombstones where there is no track."""
        records: list[Row] = []
        for key, row in rows.items():
            track = None if row is None else Track.from_row(row)
            records += _tombstones(key) if track is None else _pages(key, track, track.pages)
        return records

    def store_key(self, changelog_key: bytes) -> bytes:
        """The device id."""
        return changelog_key[1:]

    def restored(self, records: Iterable[Row], read: ReadRows) -> list[Row]:
        """Tracks joined with their pages. A tombstone of any page is one of the track."""
        pages: dict[bytes, list[tuple[int, bytes | None]]] = {}
        for key, page in records:
            pages.setdefault(key[1:], []).append((key[0], page))
        before = read(pages)
        return [(device, _joined(before.get(device), news)) for device, news in pages.items()]


def _pages(device: bytes, track: Track, numbers: Iterable[int]) -> list[Row]:
    return [(_NUMBERS[number] + device, track.page(number)) for number in numbers]


def _tombstones(device: bytes) -> list[Row]:
    return [(number + device, None) for number in _NUMBERS]


def _joined(row: bytes | None, pages: Iterable[tuple[int, bytes | None]]) -> bytes | None:
    track = None if row is None else Track.from_row(row)
    for number, page in pages:
        track = None if page is None else (track or _NO_FIXES).with_page(number, page)
    return None if track is None else track.row


def make_tracks(app: faust.App, partitions: int) -> StructTable[Track]:
    """Key: device id, UTF-8 bytes. Value: what the device reported around the times that still matter.

    968 bytes a device at most. Changelog {app id}-tracks-changelog: compacted, co-partitioned with
    location_data, 16 pages of 60 bytes a device. One track a device that was ever seen; nothing is deleted.
    """
    return StructTable(
        app, name="tracks", layout=PageLayout(), partitions=partitions, help="device id -> Track"
    )
