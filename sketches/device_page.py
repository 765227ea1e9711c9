"""What is remembered of one device: which of its lines were counted, and where it usually is."""

from typing import Self

import msgspec

from sketches.seen import Seen
from sketches.sketch import from_frame, to_frame
from sketches.usual_places import DevicePlaces


class _State(msgspec.Struct, frozen=True, array_like=True, tag="device"):
    seen: bytes
    places: bytes | None


class DevicePage:
    """One device's counted lines, and the sample of its readings; None until it reports a location."""

    __slots__ = ("places", "seen")

    def __init__(self) -> None:
        self.seen = Seen()
        self.places: DevicePlaces | None = None

    def to_bytes(self) -> bytes:
        """The whole state."""
        places = None if self.places is None else self.places.to_bytes()
        return to_frame(_State(self.seen.to_bytes(), places))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        page = cls()
        page.seen = Seen.from_bytes(state.seen)
        page.places = None if state.places is None else DevicePlaces.from_bytes(state.places)
        return page
