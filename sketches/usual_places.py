"""The paper's approved places: is a device where it usually is?

A sample of a device's readings (a reservoir) has a modal place; the cells around it go into a Bloom filter;
a reading is looked up there. Both forget: the sample begins anew with each span of time, and what was
approved in a span is remembered for some spans more. So it follows a customer who moves.
"""

from typing import Final, Literal, Self

import msgspec

from sketches.place_cells import CELLS_A_THRESHOLD, CODE_BYTES, Cell, modal_cell
from sketches.reservoir import Reservoir
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.sketch import from_frame, to_frame

Answer = Literal["Approved", "Fake transaction", "unknown"]
"""The paper's words; "unknown" where the device has no usual place (yet)."""

SAMPLE_READINGS: Final = 32
FEWEST_READINGS: Final = 10
"""A device's usual place is known after so many readings in a span: not by the first that somebody fakes."""

_CELLS_ACROSS: Final = 2 * CELLS_A_THRESHOLD + 1
KEYS_A_DEVICE: Final = _CELLS_ACROSS**3 + _CELLS_ACROSS**2 + 2
"""What a usual place with an altitude puts into the filter."""

# A home in the corner of its cell has its mode in eight of them by turns: none is approved again and again.
_MOST_APPROVED: Final = 8

_DEVICE_HEAD_BYTES: Final = 64 + _MOST_APPROVED * (CODE_BYTES + 2)
_FILTER_HEAD_BYTES: Final = 32
_NEVER: Final = -1

# Two marks of a device, so that one without a usual place is hardly ever taken for one that is elsewhere.
_MARKS: Final = (b"known", b"known too")


class _DeviceState(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="device_places"
):
    span_ms: int
    seed: int
    span: int
    approved: list[bytes]
    reservoir: bytes


class _FilterState(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="approved_places"
):
    ring: bytes


class DevicePlaces:
    """Where a device was in the latest span of time, from a sample of its readings.

    A reading of an earlier span changes nothing. Times are record timestamps, in milliseconds; `seed` should
    be the device's own, and differ between partitions.
    """

    __slots__ = ("_approved", "_reservoir", "_seed", "_span", "_span_ms")

    def __init__(self, *, span_ms: int, seed: int) -> None:
        if span_ms < 1:
            raise ValueError(f"a span of {span_ms} ms is none")
        self._span_ms = span_ms
        self._seed = seed
        self._span = _NEVER
        self._approved: list[Cell] = []  # in this span, the latest last
        self._reservoir = self._empty_sample(_NEVER)

    def update(self, cell: Cell, time_ms: int) -> Cell | None:
        """Take a reading; return the usual place where it is to be approved: one that is new in this span."""
        if time_ms < 0:
            raise ValueError(f"a time of {time_ms} ms lies before 1970")
        span = time_ms // self._span_ms
        if span < self._span:
            return None
        if span > self._span:
            self._span, self._approved, self._reservoir = span, [], self._empty_sample(span)
        if not self._reservoir.update(cell.code) and self._approved:
            return None
        place = self.usual_place
        if place is None or place in self._approved:
            return None
        self._approved = [*self._approved, place][-_MOST_APPROVED:]
        return place

    @property
    def usual_place(self) -> Cell | None:
        """The modal cell of the latest span; None after too few readings."""
        return modal_cell(self._reservoir.sample) if self._reservoir.seen >= FEWEST_READINGS else None

    def merge(self, other: Self) -> None:
        """Become the sample of both: of the later span where they have seen different ones.

        The next reading of the device approves its usual place again: it may be neither's.
        """
        if self._span_ms != other._span_ms:
            raise ValueError("places of a device by different spans cannot be merged")
        if other._span < self._span:
            return
        if other._span > self._span:
            self._span, self._reservoir = other._span, self._empty_sample(other._span)
        self._approved = []
        self._reservoir.merge(other._reservoir)

    def error_bound(self) -> float:
        """The most by which a cell's share in the sample is wrong, 99 times of 100, as of any reservoir."""
        return self._reservoir.error_bound()

    def size_bound_bytes(self) -> int:
        """144 bytes and those of the reservoir: 656."""
        return _DEVICE_HEAD_BYTES + self._reservoir.size_bound_bytes()

    def to_bytes(self) -> bytes:
        """The whole state, that of chance too."""
        approved = [place.code for place in self._approved]
        return to_frame(
            _DeviceState(self._span_ms, self._seed, self._span, approved, self._reservoir.to_bytes())
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _DeviceState)
        places = cls(span_ms=state.span_ms, seed=state.seed)
        reservoir = Reservoir.from_bytes(state.reservoir)
        if (
            state.span < _NEVER
            or len(state.approved) > _MOST_APPROVED
            or any(len(code) != CODE_BYTES for code in (*state.approved, *reservoir.sample))
        ):
            raise ValueError("these bytes are no places of a device: its fields contradict each other")
        places._span = state.span
        places._approved = [Cell.from_code(code) for code in state.approved]
        places._reservoir = reservoir
        return places

    def _empty_sample(self, span: int) -> Reservoir:
        return Reservoir(SAMPLE_READINGS, item_bytes=CODE_BYTES, seed=self._seed + span)


class ApprovedPlaces:
    """The cells around the usual places of `devices` devices, in a Bloom filter that forgets.

    What is within the paper's thresholds of the usual place is always approved. What is more than one and a
    half of them away is approved at the stated rate at most, and so is any reading of a device without a
    usual place not "unknown". A usual place without a known altitude approves any altitude; a reading
    without one is compared by latitude and longitude.
    """

    __slots__ = ("_ring",)

    def __init__(self, devices: int, false_positive_rate: float, *, span_ms: int, generations: int) -> None:
        # A reading is looked up twice.
        rate = false_positive_rate / 2
        keys = devices * KEYS_A_DEVICE
        self._ring = RotatingBloomFilter(keys, rate, span_ms=span_ms, generations=generations)

    def update(self, device: bytes, usual_place: Cell, time_ms: int) -> bool:
        """Approve the surroundings of a place; return whether the filter still reaches back so far."""
        keys = [b"%b|%b" % (mark, device) for mark in _MARKS]
        keys += [_key(device, cell) for cell in usual_place.plane.near()]
        any_level = usual_place.level is None
        keys += [_key(device, cell, any_level=any_level) for cell in usual_place.near()]
        return all(self._ring.update(key, time_ms) for key in keys)

    def answer(self, device: bytes, cell: Cell, time_ms: int) -> Answer:
        """Whether a device's reading in this cell is where the device usually is."""
        compared = cell.compared
        if self._ring.contains(_key(device, compared), time_ms):
            return "Approved"
        if cell.level is not None and self._ring.contains(_key(device, compared, any_level=True), time_ms):
            return "Approved"
        is_known = all(self._ring.contains(b"%b|%b" % (mark, device), time_ms) for mark in _MARKS)
        return "Fake transaction" if is_known else "unknown"

    def merge(self, other: Self) -> None:
        """Become the filter of both: to the bit the one that has seen both streams."""
        self._ring.merge(other._ring)

    def error_bound(self) -> float:
        """The rate at which a false place is approved, while no more devices have a usual place."""
        return 2 * self._ring.error_bound()

    def estimated_error(self) -> float:
        """The same rate by the bits that are set; above `error_bound`: too many devices, or moves."""
        return 2 * self._ring.estimated_error()

    def size_bound_bytes(self) -> int:
        """96 bytes, and for each generation 5 and its bits."""
        return _FILTER_HEAD_BYTES + self._ring.size_bound_bytes()

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_FilterState(self._ring.to_bytes()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        ring = RotatingBloomFilter.from_bytes(from_frame(data, _FilterState).ring)
        places = cls(1, ring.error_bound(), span_ms=1, generations=2)
        places._ring = ring
        return places


def _key(device: bytes, compared: Cell, *, any_level: bool = False) -> bytes:
    level = b"any" if any_level else b"" if compared.level is None else b"%d" % compared.level
    return b"%d,%d,%b|%b" % (compared.row, compared.column, level, device)
