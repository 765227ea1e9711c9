"""The state that the envelope needs: a track for each device."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import faust

from detection.track import PAGES, Track
from streaming.layout import ReadRows, Row
from streaming.struct_table import StructTable

_NUMBERS: Final = tuple(bytes([number]) for number in range(PAGES))


class PageLayout:
    """A whole track in the store, its pages in the changelog: a location changes one or two of them.

    The key of a page is its number in a byte, and the device id. Pages are joined, never replaced: the order
    in which they are read makes no difference, nor does a page of a worker that has lost the partition.
    """

    def encode(self, track: Track) -> bytes:
        """The slots as they are."""
        return track.slots

    def decode(self, row: bytes) -> Track:
        """The slots as they are."""
        return Track(row)

    def to_changelog(
        self, rows: Mapping[bytes, bytes | None], row_before: Callable[[bytes], bytes | None]
    ) -> list[Row]:
        """The pages that changed; all that hold anything where it is not known what was before."""
        records: list[Row] = []
        for key, row in rows.items():
            if row is None:
                records += [(number + key, None) for number in _NUMBERS]
                continue
            track, before = Track(row), row_before(key)
            changed = track.pages_changed_since(Track() if before is None else Track(before))
            records += [(_NUMBERS[number] + key, track.page(number)) for number in changed]
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


def _joined(row: bytes | None, pages: Iterable[tuple[int, bytes | None]]) -> bytes | None:
    track = None if row is None else Track(row)
    for number, page in pages:
        track = None if page is None else (track or Track()).with_page(number, page)
    return None if track is None else track.slots


def make_tracks(app: faust.App, partitions: int) -> StructTable[Track]:
    """Key: device id, UTF-8 bytes. Value: what the device reported around the times that still matter.

    960 bytes a device; changelog {app id}-tracks-changelog: compacted, co-partitioned with location_data,
    16 pages of 60 bytes a device. One track a device that was ever seen; nothing is deleted.
    """
    return StructTable(
        app, name="tracks", layout=PageLayout(), partitions=partitions, help="device id -> Track"
    )
