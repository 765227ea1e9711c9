"""From record values to typed messages, many at once; a bad record spoils only itself."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from faust.types import TP

from streaming.chunk import Event, Ranked
from streaming.errors import RecordError

MALFORMED = "malformed"

_OPENS, _CLOSES = set(b"{"), set(b"}")

T = TypeVar("T", bound=msgspec.Struct)


class JsonDecoder(Generic[T]):
    """Decodes JSON values of one topic into `type_`.

    `repair` gets the decoded object of a value that did not fit and may return a corrected one: rare
    spellings cost only those who use them. Reasons name fields and types, never the values.
    """

    def __init__(
        self, type_: type[T], repair: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    ) -> None:
        self._type = type_
        self._repair = repair
        self._decoder = msgspec.json.Decoder(type_)

    def decode(self, value: bytes | None) -> T:
        """Decode one value. Raises RecordError with a reason for people."""
        if value is None:
            raise RecordError(MALFORMED, "the record has no value")
        try:
            return self._decoder.decode(value)
        except msgspec.ValidationError as error:
            return self._repaired(value, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RecordError(MALFORMED, f"not JSON: {_without_payload(error)}") from None

    def decode_many(self, values: Sequence[bytes | None]) -> list[T | RecordError]:
        """Decode values in order; a RecordError stands in the place of each that is bad.

        One call for all where every one is good: joined by newlines they are decoded as lines. msgspec cares
        little for lines, so each must begin and end with a brace. No object goes on where one brace closes, a
        newline follows and another brace opens: no value can end another's, and where there are as many
        objects as values, each value is one.
        """
        try:
            first_bytes = {value[0] for value in values}  # type: ignore[index]  # None ends in the slow way, too
            last_bytes = {value[-1] for value in values}  # type: ignore[index]
            if first_bytes == _OPENS and last_bytes == _CLOSES:
                decoded = self._decoder.decode_lines(b"\n".join(values))  # type: ignore[arg-type]
                if len(decoded) == len(values):
                    return decoded  # type: ignore[return-value]
        except (TypeError, IndexError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        return [self._decode_or_error(value) for value in values]

    def _decode_or_error(self, value: bytes | None) -> T | RecordError:
        try:
            return self.decode(value)
        except RecordError as error:
            return error

    def _repaired(self, value: bytes, error: msgspec.ValidationError) -> T:
        """Decode what did not fit, once more, as `repair` corrects it. Raises RecordError."""
        if self._repair is None:
            raise RecordError(MALFORMED, str(error)) from None
        try:
            loose = msgspec.json.decode(value)
        except msgspec.ValidationError:  # a number beyond all bounds: the first error names its field
            raise RecordError(MALFORMED, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
            raise RecordError(MALFORMED, f"not JSON: {_without_payload(reason)}") from None
        if not isinstance(loose, dict):
            raise RecordError(MALFORMED, str(error)) from None
        try:
            return msgspec.convert(self._repair(loose), self._type)
        except ValueError as reason:  # msgspec's ValidationError is one, too
            raise RecordError(MALFORMED, str(reason)) from None


def decode_events(
    records: Sequence[Ranked], tps: Sequence[TP], decoders: Sequence[JsonDecoder[Any]]
) -> list[Event]:
    """Decode records of several topics, whose places and decoders are given by rank; keep their order."""
    values: list[list[bytes | None]] = [[] for _ in decoders]
    for rank, record in records:
        values[rank].append(record.value)
    decoded = [
        iter(decoder.decode_many(of_topic)) for decoder, of_topic in zip(decoders, values, strict=True)
    ]
    return [(tps[rank], record, next(decoded[rank])) for rank, record in records]


def _without_payload(error: Exception) -> str:
    """What went wrong, in words for people and without the text that Python's own errors quote."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
