"""What every sketch of our own promises of its bytes."""

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import PROJECT_DIR
from sketches.bloom import BloomFilter
from sketches.moments import SecondMoment
from sketches.place_cells import Cell
from sketches.reservoir import Reservoir
from sketches.rotating_bloom import RotatingBloomFilter
from sketches.sketch import Sketch
from sketches.sliding_count import SlidingCount
from sketches.usual_places import ApprovedPlaces, DevicePlaces
from sketches.weighted_reservoir import WeightedReservoir


def filled(events: int) -> list[Sketch]:
    """One of each kind, after so many events."""
    reservoir = Reservoir(20, item_bytes=8, seed=1)
    weighted = WeightedReservoir(20, item_bytes=8, seed=1)
    bloom = BloomFilter(100, 0.01)
    ring = RotatingBloomFilter(100, 0.01, span_ms=1000, generations=3)
    device = DevicePlaces(span_ms=10**9, seed=1)
    places = ApprovedPlaces(10, 0.01, span_ms=1000, generations=2)
    count = SlidingCount(5, longest_window_ms=5000)
    moment = SecondMoment(width=16)
    for number in range(events):
        key = b"key %4d" % (number % 70)
        cell = Cell.of(number % 3, 0, number)
        reservoir.update(key)
        weighted.update(key, number % 5)
        bloom.update(key)
        ring.update(key, 10 * number)
        device.update(cell, number)
        count.update(number)
        moment.update(key)
        if number % 100 == 0:
            places.update(key, cell, number)
    return [reservoir, weighted, bloom, ring, device, places, count, moment]


KINDS = [type(sketch) for sketch in filled(0)]


@pytest.mark.parametrize("events", [0, 1, 50, 3000])
@pytest.mark.parametrize("number", range(len(KINDS)), ids=lambda number: KINDS[number].__name__)
def test_bytes_are_read_back_and_within_their_bound(number: int, events: int) -> None:
    """Exactly, and no larger than is said."""
    sketch = filled(events)[number]
    data = sketch.to_bytes()
    assert type(sketch).from_bytes(data).to_bytes() == data
    assert len(data) <= sketch.size_bound_bytes()
    assert sketch.error_bound() >= 0


@pytest.mark.parametrize("number", range(len(KINDS)), ids=lambda number: KINDS[number].__name__)
def test_bytes_that_are_none_are_refused(number: int) -> None:
    """Empty, cut, continued, of another version, of another kind, and with a wrong field."""
    kind, data = KINDS[number], filled(3000)[number].to_bytes()
    others = [other.to_bytes() for other in filled(50) if type(other) is not kind]
    for wrong in (
        b"",
        b"\x01",
        data[:-1],
        data[: len(data) // 2],
        data + b"\x00",
        b"\x02" + data[1:],
        *others,
    ):
        with pytest.raises(ValueError, match=r"expected|these bytes|bytes are not"):
            kind.from_bytes(wrong)


@given(st.integers(0, len(KINDS) - 1), st.data())
def test_bytes_that_are_damaged_are_refused_or_make_a_sketch(number: int, data: st.DataObject) -> None:
    """Never another error, at once or later."""
    whole = bytearray(SNAPSHOTS[number])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(1, min(len(whole), 150) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    try:
        sketch = KINDS[number].from_bytes(bytes(whole))
    except ValueError:
        return
    sketch.merge(KINDS[number].from_bytes(sketch.to_bytes()))
    sketch.to_bytes()


SNAPSHOTS = [sketch.to_bytes() for sketch in filled(200)]


def digests() -> list[str]:
    """What the sketches' bytes come to."""
    return [hashlib.sha256(sketch.to_bytes()).hexdigest()[:16] for sketch in filled(500)]


def test_bytes_are_the_same_in_every_process() -> None:
    """A snapshot goes on in another one, where Python's own hashes have another seed."""
    program = "from tests.unit.test_sketch_bytes import digests; print(*digests())"
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": str(PROJECT_DIR)}
    there = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert there.stdout.split() == digests()
