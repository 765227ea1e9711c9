"""From record values to typed messages, many at once; a bad record spoils only itself."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from streaming.errors import RecordError

MALFORMED = "malformed"

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

        One call for all where every one is good. Joined by newlines they are decoded as lines; the count
        of newlines shows that no value can add or hide a line.
        """
        try:
            lines = b"\n".join(values)  # type: ignore[arg-type]  # None ends in the slow way, too
            if lines.count(b"\n") == len(values) - 1:
                decoded = self._decoder.decode_lines(lines)
                if len(decoded) == len(values):
                    return decoded  # type: ignore[return-value]
        except (TypeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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
            if not isinstance(loose, dict):
                raise error
            return msgspec.convert(self._repair(loose), self._type)
        except RecursionError:
            raise RecordError(MALFORMED, f"{error} (and nested too deeply)") from None
        except ValueError as reason:  # msgspec's errors are ValueErrors, too
            raise RecordError(MALFORMED, str(reason)) from None


def _without_payload(error: Exception) -> str:
    """What went wrong, without the text that Python's own errors quote."""
    return str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
