"""Text files, compressed or not, line by line; no line can fill the memory."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from streaming.errors import ConfigError

MAX_LINE_BYTES: Final = 16 * 1024 * 1024  # Kafka takes records of a mebibyte, JSON may need six times as much
DAMAGE: Final = (OSError, EOFError, zlib.error)
"""What reading raises where a file is damaged or cut off."""

_BLOCK_BYTES = 64 * 1024
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

Bytes = io.BufferedReader | gzip.GzipFile


def open_bytes(path: Path) -> Bytes:
    """Open a file to read, decompressed where its name ends in .gz. Raises ConfigError that names it."""
    try:
        file: Bytes = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
        file.peek(1)  # what is no archive shows here
    except DAMAGE as e:
        raise ConfigError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
    return file


def byte_lines(file: Bytes) -> Iterator[bytes | None]:
    """Yield the lines without their ends and without a byte order mark; None for one that is too long."""
    is_too_long, begun = False, [b""]
    while block := file.read1(_BLOCK_BYTES):
        rest, *lines = block.split(b"\n")
        begun.append(rest)
        if lines:
            yield None if is_too_long else b"".join(begun)
            yield from lines[:-1]
            is_too_long, begun = False, lines[-1:]
        elif is_too_long or sum(map(len, begun)) > MAX_LINE_BYTES:
            is_too_long, begun = True, [b""]
    if is_too_long or any(begun):
        yield None if is_too_long else b"".join(begun)


def without_bom(line: bytes) -> bytes:
    """The first line of a file as its reader wants it."""
    return line.removeprefix(_UTF8_BOM)


class TextLines:
    """The lines of a text with their ends, for csv.reader; a line that is too long is an error and is over.

    A byte order mark goes before the encoding that is asked for. What is not in the encoding stands as lone
    surrogates (PEP 383), so that only its own row is spoilt.
    """

    def __init__(self, file: Bytes, encoding: str) -> None:
        if file.peek(2)[:2] in _UTF16_BOMS:
            encoding = "utf-16"
        self._text = io.TextIOWrapper(file, encoding, "surrogateescape", newline="")
        self.count = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.count += 1
        if len(line) < MAX_LINE_BYTES:
            return line
        while line and line[-1] not in "\r\n":
            line = self._text.readline(_BLOCK_BYTES)
        raise csv.Error("too long")
