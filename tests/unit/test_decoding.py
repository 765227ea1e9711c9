"""Many values are decoded at once as they would be one by one; a bad one spoils only itself."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given

from app.decoders import input_decoders
from app.settings import Settings
from app.topics import topics_of
from models.location_fix import LocationFix
from streaming.decoding import JsonDecoder
from streaming.errors import RecordError
from tests.messages import as_json, location_message, outcome
from tests.strategies import MALFORMED_VALUES, record_value_lists

DECODER = input_decoders(topics_of(Settings()))["location_data"]


def good(device_id: str) -> bytes:
    """The value of a good report of a device."""
    value = as_json(location_message(DeviceId=device_id))
    assert value is not None
    return value


def one_by_one(values: list[bytes | None]) -> list[Any]:
    """The oracle."""
    decoded: list[Any] = []
    for value in values:
        try:
            decoded.append(DECODER.decode(value))
        except RecordError as error:
            decoded.append(outcome(error))
    return decoded


HALF, REST = b'{"DeviceId":"smuggled",', b'"Time":"2024-04-01 12:00:00","Latitude":1,"Longitude":2}'


@given(record_value_lists())
@example([])
@example([HALF, REST, good("b"), good("c") + good("d")])  # as many objects as values, but not one a value
@example([good("a") + b" " + good("b"), HALF, REST])
@example([good("a") + b"\r" + good("b"), b""])
@example([good("a") + b"\n" + good("b"), b""])
@example([b'{"x":[{}', b'{}],"DeviceId":"d"}'])
@example([b'{"x":"}', b'{"}'])  # the join would be inside of a text
@example([good("a"), None, good("b")])
def test_decoding_many_is_decoding_each(values: list[bytes | None]) -> None:
    """Crafted values must neither hide nor shift their neighbours, nor become a record together."""
    assert [outcome(decoded) for decoded in DECODER.decode_many(values)] == one_by_one(values)


@pytest.mark.parametrize("bad", MALFORMED_VALUES)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_bad_value_leaves_its_neighbours_in_place(bad: bytes | None, position: int) -> None:
    """First, in the middle or last."""
    values: list[bytes | None] = [good("a"), good("b")]
    values.insert(position, bad)
    decoded = DECODER.decode_many(values)
    assert isinstance(decoded.pop(position), RecordError)
    assert [fix.device_id for fix in decoded if isinstance(fix, LocationFix)] == ["a", "b"]


def test_good_values_take_one_call() -> None:
    """The way that a million records a minute go."""

    class Counting(JsonDecoder[LocationFix]):
        """Counts values that were decoded alone."""

        alone = 0

        def decode(self, value: bytes | None) -> LocationFix:
            self.alone += 1
            return super().decode(value)

    decoder = Counting(LocationFix)
    assert len(decoder.decode_many([good(str(n)) for n in range(1000)])) == 1000
    assert decoder.alone == 0


class Point(msgspec.Struct):
    """A small message."""

    x: int


def doubled(message: dict[str, Any]) -> dict[str, Any]:
    """Read an x in text, twice as large."""
    if message["x"] == "no":
        raise ValueError("x says no")
    return {"x": 2 * int(message["x"])}


def test_repair_sees_only_what_did_not_fit() -> None:
    """Rare spellings cost only those who use them."""
    decoder = JsonDecoder(Point, doubled)
    assert decoder.decode_many([b'{"x":1}', b'{"x":"1"}']) == [Point(1), Point(2)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"x":"no"}', "x says no"),  # the repair's own words
        (b'["x"]', "Expected `object`, got `array`"),  # nothing to repair
        (b'{"x":1e999}', "Number out of range - at `$.x`"),  # what only the first reading can name
    ],
)
def test_what_cannot_be_repaired_says_why(value: bytes, reason: str) -> None:
    """The most helpful of two errors."""
    with pytest.raises(RecordError) as refused:
        JsonDecoder(Point, doubled).decode(value)
    assert refused.value.reason.startswith(reason)


def test_without_a_repair_the_first_error_counts() -> None:
    """Topics whose producers spell one way."""
    with pytest.raises(RecordError, match=r"Expected `int`, got `str` - at `\$\.x`"):
        JsonDecoder(Point).decode(b'{"x":"1"}')
