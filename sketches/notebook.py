"""Live sketches of one partition, and what of them must be written to go on after a crash."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sketch and what is in it: a row of a table. Each says so for itself, so rows of different age fit."""

    ends: dict[str, int]
    """By input topic: the offset behind the last record of the partition that was offered to the sketch."""
    sketch: bytes


class Located(Protocol):
    """A fact that lies at an offset."""

    @property
    def offset(self) -> int: ...  # noqa: D102


class Page:
    """A live sketch."""

    __slots__ = ("ends", "is_dirty", "sketch")

    def __init__(self, sketch: Any, ends: dict[str, int] | None = None) -> None:
        self.sketch = sketch
        self.ends: dict[str, int] = ends or {}
        self.is_dirty = False

    def begin(self, topic: str, facts: Sequence[Located]) -> Sequence[Located]:
        """Those of a topic's facts, in order, that the sketch does not hold; the caller puts them in."""
        end = self.ends.get(topic, 0)
        if facts[0].offset < end:  # read again after a crash
            facts = [fact for fact in facts if fact.offset >= end]
            if not facts:
                return facts
        self.ends[topic] = facts[-1].offset + 1
        self.is_dirty = True
        return facts


LoadRows = Callable[[Iterable[bytes]], Mapping[bytes, Snapshot]]


class Notebook:
    """The pages of one partition, by key; `load` has those that are not in memory, `keys` names all."""

    def __init__(self, load: LoadRows = lambda _keys: {}, keys: Iterable[bytes] = ()) -> None:
        self._load = load
        self._pages: dict[bytes, Page] = {}
        self._dropped: set[bytes] = set()
        self.keys = set(keys)

    def open(
        self, keys: Iterable[bytes], read: Callable[[bytes], Any], make: Callable[[bytes], Any]
    ) -> dict[bytes, Page]:
        """The pages of some keys: read where there is a row, else made."""
        pages, absent = {}, []
        for key in keys:
            page = self._pages.get(key)
            if page is None:
                absent.append(key)
            else:
                pages[key] = page
        if absent:
            rows = self._load(absent)
            for key in absent:
                row = None if key in self._dropped else rows.get(key)
                page = Page(make(key)) if row is None else Page(read(row.sketch), dict(row.ends))
                pages[key] = self._pages[key] = page
                self.keys.add(key)
                self._dropped.discard(key)
        return pages

    def absent(self, keys: Iterable[bytes]) -> Iterator[bytes]:
        """Those of `keys` whose pages are not in memory."""
        return (key for key in keys if key not in self._pages)

    def drop(self, key: bytes) -> None:
        """Delete a page, its row too."""
        self._pages.pop(key, None)
        if key in self.keys:
            self.keys.remove(key)
            self._dropped.add(key)

    def changes(self) -> Iterator[tuple[bytes, Snapshot | None]]:
        """The rows to be written since the last call; None deletes."""
        for key in self._dropped:
            yield key, None
        self._dropped = set()
        for key, page in self._pages.items():
            if page.is_dirty:
                page.is_dirty = False
                yield key, Snapshot(dict(page.ends), page.sketch.to_bytes())

    def close(self, most: int) -> None:
        """Let go of all pages where there are more than `most`. Nothing must be left to be written."""
        if len(self._pages) > most:
            self._pages = {}

    def rows(self, prefix: bytes) -> dict[bytes, bytes]:
        """The sketches whose keys begin so, as they are now."""
        keys = [key for key in self.keys if key.startswith(prefix)]
        live = {key: self._pages[key].sketch.to_bytes() for key in keys if key in self._pages}
        rows = self._load([key for key in keys if key not in live])
        return live | {key: row.sketch for key, row in rows.items()}
