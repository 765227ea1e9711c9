"""Hypothesis strategies: good and bad messages, as models and as producers write them."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from models.latest_location import LatestLocation
from models.transaction import Transaction
from tests.messages import location_message, read_transaction, transaction_message


def latitudes() -> st.SearchStrategy[float]:
    """Degrees north."""
    return st.floats(-90, 90)


def longitudes() -> st.SearchStrategy[float]:
    """Degrees east."""
    return st.floats(-180, 180)


def points() -> st.SearchStrategy[tuple[float, float]]:
    """Latitude and longitude."""
    return st.tuples(latitudes(), longitudes())


def moments() -> st.SearchStrategy[datetime]:
    """Times that messages may have, with and without fractions of a second; UTC."""
    earliest, latest = datetime(1678, 1, 1), datetime(2261, 12, 31)  # noqa: DTZ001 (Hypothesis adds the zone)
    return st.datetimes(earliest, latest, timezones=st.just(UTC))


def ids() -> st.SearchStrategy[str]:
    """Ids that are not blank, of any script."""
    return st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip()))


def fixes() -> st.SearchStrategy[LatestLocation]:
    """Fixes as tables hold them."""
    return st.builds(
        LatestLocation,
        event_time=moments(),
        latitude_deg=latitudes(),
        longitude_deg=longitudes(),
        speed_mps=st.none() | st.floats(-1, 400),
        accuracy_m=st.none() | st.floats(-1, 10_000),
    )


def location_messages() -> st.SearchStrategy[dict[str, Any]]:
    """Good location reports as JSON objects."""
    return st.fixed_dictionaries(
        {
            "DeviceId": ids(),
            "Time": moments().map(datetime.isoformat),
            "Latitude": latitudes(),
            "Longitude": longitudes(),
        },
        optional={
            "Speed": st.none() | st.floats(-1, 400),
            "HorizontalAccuracy": st.none() | st.floats(-1, 10_000),
            "MessageId": st.none() | st.integers() | st.text(max_size=10),
            "unknown": st.none() | st.text(max_size=10) | st.lists(st.integers(), max_size=3),
        },
    )


def transaction_messages() -> st.SearchStrategy[dict[str, Any]]:
    """Good transactions as JSON objects, coordinates as text or number."""
    ident = st.none() | st.integers() | st.text(max_size=20)
    return st.fixed_dictionaries(
        {
            "Transaction ID": ids(),
            "Device ID": ids(),
            "Timestamp": moments().map(datetime.isoformat),
            "Amount": st.floats(-1e12, 1e12) | st.integers(-(10**15), 10**15),
            "Location Latitude": latitudes() | latitudes().map(repr),
            "Location Longitude": longitudes() | longitudes().map(repr),
        },
        optional={
            "User ID": ident,
            "Card Number": ident,
            "Merchant ID": ident,
            "Name": st.none() | st.text(max_size=20),
            "Merchant": st.none() | st.text(max_size=20),
        },
    )


def transactions() -> st.SearchStrategy[Transaction]:
    """Good transactions, decoded."""
    return transaction_messages().map(read_transaction)


def json_values() -> st.SearchStrategy[bytes]:
    """Record values of good location reports, with and without spaces between their parts."""
    separators = st.sampled_from([(",", ":"), (", ", ": ")])
    return st.builds(lambda m, s: json.dumps(m, separators=s).encode(), location_messages(), separators)


_GOOD = json.dumps(location_message()).encode()

MALFORMED_VALUES: tuple[bytes | None, ...] = (
    None,
    b"",
    b" ",
    b"\n",
    b"null",
    b"7",
    b'"text"',
    b"[]",
    b"{}",
    b"{",
    b"}",
    b"}\n{",
    b"\xff\xfe",
    b'{"DeviceId": "\xff"}',
    b'{"DeviceId": "\\ud800"}',
    b"[" * 3000,
    b'{"DeviceId":' * 3000,
    json.dumps(location_message(DeviceId="  ")).encode(),
    json.dumps(location_message(Time="2024-02-30 12:00:00")).encode(),
    json.dumps(location_message(Latitude=91)).encode(),
    json.dumps(transaction_message()).encode(),
    _GOOD + _GOOD,
    _GOOD + b" " + _GOOD,
    _GOOD + b"\n" + _GOOD,
    _GOOD + b"\r" + _GOOD,
    _GOOD + b",",
)

SPACED_VALUES: tuple[bytes, ...] = (
    b" " + _GOOD,
    _GOOD + b"\r\n",
    b"\n" + _GOOD,
    _GOOD.replace(b", ", b",\n"),
)


def record_values() -> st.SearchStrategy[bytes | None]:
    """Good values, bad ones, and pieces of good ones that together may look like something else."""
    halves = st.builds(
        lambda value, at: (value[: at % len(value)], value[at % len(value) :]),
        json_values(),
        st.integers(0, 500),
    )
    return st.one_of(
        json_values(),
        st.sampled_from(SPACED_VALUES),
        st.sampled_from(MALFORMED_VALUES),
        halves.map(lambda pair: pair[0]),
        halves.map(lambda pair: pair[1]),
        st.binary(max_size=20),
    )


def record_value_lists() -> st.SearchStrategy[list[bytes | None]]:
    """Values of one fetch; halves of a value may stand next to each other."""
    whole_and_halves = st.builds(
        lambda value, at: [value[: at % len(value)], value[at % len(value) :]],
        json_values(),
        st.integers(0, 500),
    )
    piece = record_values().map(lambda value: [value]) | whole_and_halves
    return st.lists(piece, max_size=6).map(lambda pieces: [value for part in pieces for value in part])
