"""Which transactions of a device were counted: topics may repeat a line, counts must not."""

from struct import Struct
from typing import Final, Self

import mmh3
import msgspec

from sketches.sketch import from_frame, to_frame

_SEED: Final = 0x5EE2
_ENTRY: Final = Struct("<Qqq")
_HEAD_BYTES: Final = 32


class _State(msgspec.Struct, frozen=True, array_like=True, tag="seen"):
    entries: bytes


class Seen:
    """The lines of a device, by what they say, with the offset at which each came first. Exact.

    A line is the first of its kind if and only if it lies where that is. So one that is read again after a
    crash is told from one that was written again, whatever a snapshot held by then.

    Remembers `window_ms` of record timestamps and `most` lines, the newest; 24 bytes each. By hashes of 64
    bits: two lines of a device are taken for one with a chance of less than 10^-13 for 1,000 of them.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, tuple[int, int]] = {}  # hash -> offset, record timestamp

    def __len__(self) -> int:
        return len(self._entries)

    def is_first(self, line: str, offset: int, record_ms: int) -> bool:
        """Whether this is where a line came first; remembers it then."""
        key = mmh3.mmh3_x64_128_utupledigest(line.encode("utf-8", "surrogatepass"), _SEED)[0]
        first = self._entries.setdefault(key, (offset, record_ms))
        return first[0] == offset

    def forget(self, before_ms: int, most: int) -> None:
        """Drop the lines from before that time, and of more than `most` the oldest."""
        entries = self._entries
        if len(entries) > most or any(record_ms < before_ms for _, record_ms in entries.values()):
            kept = sorted(entries.items(), key=lambda entry: entry[1][1])[-most:]
            self._entries = {key: entry for key, entry in kept if entry[1] >= before_ms}

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_State(b"".join(_ENTRY.pack(k, *self._entries[k]) for k in sorted(self._entries))))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        entries = from_frame(data, _State).entries
        if len(entries) % _ENTRY.size:
            raise ValueError("these bytes are no seen lines: the last one is cut off")
        seen = cls()
        seen._entries = {key: (offset, ms) for key, offset, ms in _ENTRY.iter_unpack(entries)}
        return seen

    @staticmethod
    def size_bound_bytes(most: int) -> int:
        """The most that `to_bytes` returns when no more than `most` lines are kept."""
        return _HEAD_BYTES + most * _ENTRY.size
