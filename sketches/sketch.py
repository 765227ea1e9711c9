"""What all sketches have in common: a summary of a stream in little memory, with a promised error."""

from typing import Any, Final, Protocol, Self, TypeVar

import msgspec

CONFIDENCE: Final = 0.99
"""How often an error bound that chance may break must hold: `error_bound` computes it for this."""

_VERSION: Final = 1
_S = TypeVar("_S", bound=msgspec.Struct)


class Sketch(Protocol):
    """A summary of a stream.

    Pure: time, and the seed of chance, are arguments. All state is in the bytes, that of the generator of
    random numbers too: what is read from a snapshot and sees the same events becomes the same sketch.
    Hashes are mmh3 with fixed seeds, the same in every process.
    """

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Take one event. Raises ValueError where it is none that can be summarised, and changes nothing."""

    def merge(self, other: Self) -> None:
        """Become the sketch of both streams.

        Raises ValueError where the other one was made with other parameters.
        """

    def to_bytes(self) -> bytes:
        """The whole state: a byte of version and the rest; equal sketches have equal bytes."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns, whatever comes."""

    def error_bound(self) -> float:
        """The promised error: the class says of what, and by which theorem."""


def to_frame(state: msgspec.Struct) -> bytes:
    """The version and a state in msgpack. Give the state's class a tag: the kind of the sketch."""
    return bytes([_VERSION]) + msgspec.msgpack.encode(state)


def from_frame(data: bytes, state_type: type[_S]) -> _S:
    """Read what `to_frame` wrote. Raises ValueError where it is another version, kind, or no sketch."""
    kind = state_type.__struct_config__.tag
    if data[:1] != bytes([_VERSION]):
        seen = f"version {data[0]}" if data else "no bytes"
        raise ValueError(f"a {kind} sketch of version {_VERSION} is expected, not {seen}")
    try:
        return msgspec.msgpack.decode(memoryview(data)[1:], type=state_type)
    except msgspec.DecodeError as e:
        raise ValueError(f"these bytes are no {kind} sketch: {e}") from None
