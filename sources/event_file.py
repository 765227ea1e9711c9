"""Files of events: what producers sent, line by line, to be sent again."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Self

import msgspec
from msgspec import Meta

from streaming.errors import ConfigError

_BLOCK_BYTES = 64 * 1024
_COMPRESS_LEVEL = 6  # level 9 takes twice as long and saves one percent

ArrivalMs = Annotated[int, Meta(ge=0, le=2**63 - 1, description="Milliseconds since the epoch.")]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One record as a producer sent it; one line of an event file is its JSON.

    `key` and `value` are any text: malformed JSON, control characters and lone surrogates too. Bytes that
    are no UTF-8 stand in it as Python's surrogateescape has them (PEP 383), and are sent as those bytes.
    """

    topic: str
    key: str | None
    arrival_ms: ArrivalMs
    value: str

    def __repr__(self) -> str:
        """Names the place only: a card number must not reach a log or a traceback."""
        return f"Event({self.topic!r}, arrival_ms={self.arrival_ms})"

    @property
    def key_bytes(self) -> bytes | None:
        """The record's key on the topic."""
        return None if self.key is None else wire_bytes(self.key)

    @property
    def value_bytes(self) -> bytes:
        """The record's value on the topic."""
        return wire_bytes(self.value)


_DECODER = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder()


def wire_bytes(text: str) -> bytes:
    """Return `text` as UTF-8; never fails.

    Surrogates that stand for bytes (U+DC80 to U+DCFF) become those bytes. Where other lone surrogates are
    among them, all become their three bytes in the manner of UTF-8, which a strict reader refuses.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a file in its order, in constant memory; compressed where its name ends in .gz.

    Raises ConfigError that names the file, and the line where it is no event; never quotes the line.
    """
    line_number = 0
    try:
        with _open_bytes(path) as file:
            for line in _lines(file):
                line_number += 1
                yield event_of(line)
    except (OSError, EOFError, zlib.error) as e:
        place = f" after line {line_number}" if line_number else ""
        raise ConfigError(f"{path}: cannot be read{place}: {getattr(e, 'strerror', None) or e}") from e
    except ValueError:
        raise ConfigError(
            f'{path}: line {line_number} is no event; a line is {{"topic", "key", "arrival_ms", "value"}}:'
            " `produce --output` makes an event file of CSV, Parquet, GPX and others"
        ) from None


class EventWriter:
    """Writes an event file; use it with `with`. Equal events give an equal file, byte for byte.

    Compressed where the name ends in .gz. A file of that name is replaced. Raises ConfigError where the
    file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("wb")
        except OSError as e:
            raise ConfigError(f"{path}: cannot be written: {e.strerror}") from e
        self._stream: IO[bytes] | gzip.GzipFile = self._file
        if path.suffix == ".gz":  # no name and no time in its header: they would make equal runs differ
            self._stream = gzip.GzipFile("", "wb", _COMPRESS_LEVEL, self._file, mtime=0)

    def write(self, event: Event) -> None:
        """Append one event."""
        self._stream.write(line_of(event))

    def close(self) -> None:
        """Write what is buffered and close."""
        self._stream.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_events(path: Path, events: Iterable[Event]) -> int:
    """Write all of `events`, in their order; return how many."""
    count = 0
    with EventWriter(path) as writer:
        for count, event in enumerate(events, start=1):  # noqa: B007 - the last count is the result
            writer.write(event)
    return count


def _open_bytes(path: Path) -> BufferedReader | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _lines(file: BufferedReader | gzip.GzipFile) -> Iterator[bytes]:
    """Yield lines without their ends: many of a block, where a GzipFile makes several calls for each line."""
    begun = b""
    while block := file.read1(_BLOCK_BYTES):
        *lines, begun = (begun + block).split(b"\n")
        yield from lines
    if begun:
        yield begun


def event_of(line: bytes) -> Event:
    """Read a line of an event file. Raises ValueError where it is no event."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        pass  # no event, or one with lone surrogates, which JSON allows and msgspec does not
    try:
        return msgspec.convert(json.loads(line), Event)
    except (msgspec.MsgspecError, RecursionError) as e:
        raise ValueError from e


def line_of(event: Event) -> bytes:
    """Write a line of an event file, with its end."""
    try:
        return _ENCODER.encode(event) + b"\n"
    except UnicodeEncodeError:
        return json.dumps(msgspec.structs.asdict(event)).encode() + b"\n"
