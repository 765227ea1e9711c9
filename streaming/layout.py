"""How the values of a table lie in its store and in its changelog."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec

V = TypeVar("V")
Row = tuple[bytes, bytes | None]  # key and value; None deletes
ReadRows = Callable[[Iterable[bytes]], Mapping[bytes, bytes]]


class Layout(Protocol[V]):
    """From values to rows of the store, and from these to rows of the changelog, which may be others."""

    def encode(self, value: V) -> bytes:
        """The row of a value."""

    def decode(self, row: bytes) -> V:
        """The value of a row."""

    def changes(self, values: Mapping[bytes, V | None], rows: Mapping[bytes, bytes | None]) -> list[Row]:
        """What the changelog gets when these values, encoded in `rows`, replace others."""

    def all_of(self, rows: Mapping[bytes, bytes | None]) -> list[Row]:
        """All that the changelog must have of rows."""

    def store_key(self, changelog_key: bytes) -> bytes:
        """The key of the row that a record of the changelog belongs to."""

    def restored(self, records: Iterable[Row], read: ReadRows) -> Iterable[Row]:
        """Rows of the store after records of the changelog, given in order; `read` has the rows before."""


S = TypeVar("S", bound=msgspec.Struct)


class StructLayout(Generic[S]):
    """A msgspec struct in msgpack, the same in store and changelog."""

    def __init__(self, value: type[S]) -> None:
        self.encode: Callable[[S], bytes] = msgspec.msgpack.Encoder().encode
        self.decode: Callable[[bytes], S] = msgspec.msgpack.Decoder(value).decode

    def changes(self, values: Mapping[bytes, S | None], rows: Mapping[bytes, bytes | None]) -> list[Row]:  # noqa: ARG002
        """The rows as they are."""
        return list(rows.items())

    def all_of(self, rows: Mapping[bytes, bytes | None]) -> list[Row]:
        """The rows as they are."""
        return list(rows.items())

    def store_key(self, changelog_key: bytes) -> bytes:
        """The same key."""
        return changelog_key

    def restored(self, records: Iterable[Row], read: ReadRows) -> Iterable[Row]:  # noqa: ARG002
        """The records as they are: the last one of a key counts."""
        return records
