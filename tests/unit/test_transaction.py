"""What is a transaction and what is not, and what of it must never be seen."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import RecordError
from tests.messages import (
    ABSENT,
    CARD_NUMBER,
    CUSTOMER_NAME,
    as_json,
    read_location,
    read_transaction,
    refusal,
    transaction_message,
)

NOON_NS = 1_711_972_800_000_000_000  # date -u -d 2024-04-01T12:00:00Z +%s%N


def test_a_transaction_of_the_paper_is_read() -> None:
    """With the field names of the bank of the paper, spaces, underscores and capitals as they are."""
    transaction = read_transaction(
        {
            "Transaction ID": "T-9",
            "Device ID": "0a1b",
            "User ID": 77,
            "Name": CUSTOMER_NAME,
            "Card Number": int(CARD_NUMBER),
            "Merchant ID": "M1",
            "Merchant": "Corner Shop",
            "Merchant_category": "groceries",
            "Transaction Type": "POS",
            "Transaction_device": "terminal",
            "Timestamp": "2024-04-01T12:00:00.25Z",
            "Amount": 12.5,
            "Location Latitude": "37.3359243",
            "Location Longitude": -121.8953148,
        }
    )
    assert transaction.key == b"0a1b"
    assert transaction.event_time_ns == NOON_NS + 250_000_000
    assert (transaction.latitude_deg, transaction.longitude_deg) == (37.3359243, -121.8953148)
    assert (transaction.user_id, transaction.card_number) == (77, 4000001234567899)
    assert (transaction.merchant_category, transaction.transaction_type) == ("groceries", "POS")


@pytest.mark.parametrize(
    ("sent", "degrees"),
    [
        ("37.3", 37.3),
        (37.3, 37.3),
        (37, 37.0),
        ("-0.5", -0.5),
        ("+5", 5.0),
        ("1e1", 10.0),
        ("90", 90.0),
        (-90, -90.0),
        (" 12.5 ", 12.5),  # a producer that pads its text means the number
        ("1e-400", 0.0),  # no float is smaller; a place 0 m from the equator
    ],
)
def test_coordinates_are_numbers_or_text(sent: Any, degrees: float) -> None:
    """The bank of the paper sends text; others will send numbers."""
    assert read_transaction(transaction_message({"Location Latitude": sent})).latitude_deg == degrees
    assert read_transaction(transaction_message({"Location Longitude": sent})).longitude_deg == degrees


@pytest.mark.parametrize(
    "text", ["", " ", "north", "NaN", "nan", "1_0", "0x10", "1,5", "37.3N", "\u2212" + "1"]
)
@pytest.mark.parametrize("name", ["Location Latitude", "Location Longitude"])
def test_text_that_is_no_number_is_no_coordinate(text: str, name: str) -> None:
    """Python's float() takes 1_0 and NaN; nobody who sends them means a place."""
    with pytest.raises(RecordError, match=f"^{name} is not a number$"):
        read_transaction(transaction_message({name: text}))


@pytest.mark.parametrize("text", ["180.0000001", "-181", "1e400", "Infinity", "-inf"])
def test_text_out_of_range_is_no_coordinate(text: str) -> None:
    """The same limits as for numbers."""
    with pytest.raises(RecordError, match=r"^Location Longitude is not within ±180 degrees$"):
        read_transaction(transaction_message({"Location Longitude": text}))


def test_latitude_and_longitude_have_their_own_limits() -> None:
    """100 degrees east is a place, 100 degrees north is none."""
    assert read_transaction(transaction_message({"Location Longitude": "100"})).longitude_deg == 100
    with pytest.raises(RecordError, match=r"^Location Latitude is not within ±90 degrees$"):
        read_transaction(transaction_message({"Location Latitude": "100"}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(
            ({name: ABSENT}, f"Object missing required field `{name}`")
            for name in (
                "Transaction ID",
                "Device ID",
                "Timestamp",
                "Amount",
                "Location Latitude",
                "Location Longitude",
            )
        ),
        ({"Transaction ID": ""}, "Expected `str` of length >= 1 - at `$.Transaction ID`"),
        ({"Transaction ID": "  "}, "Transaction ID is blank"),
        ({"Transaction ID": 7}, "Expected `str`, got `int` - at `$.Transaction ID`"),
        ({"Device ID": "\n"}, "Device ID is blank"),
        ({"Device ID": None}, "Expected `str`, got `null` - at `$.Device ID`"),
        (
            {"Timestamp": "2024-04-01"},
            "Timestamp is not a time: wanted ISO 8601, such as 2024-04-01T10:00:00Z",
        ),
        ({"Timestamp": "2024-02-30T12:00:00Z"}, "Timestamp is not a time"),
        ({"Timestamp": "0001-01-01T00:00:00+14:00"}, "Timestamp is not within the years 1678 to 2261"),
        ({"Amount": "12.50"}, "Expected `float`, got `str` - at `$.Amount`"),
        ({"Amount": None}, "Expected `float`, got `null` - at `$.Amount`"),
        ({"Location Latitude": 90.5}, "Expected `float` <= 90.0 - at `$.Location Latitude`"),
        ({"Location Latitude": None}, "Expected `float | str`, got `null` - at `$.Location Latitude`"),
        ({"Location Latitude": "1" * 33}, "Expected `str` of length <= 32 - at `$.Location Latitude`"),
        ({"Name": 5}, "Expected `str | null`, got `int` - at `$.Name`"),
        ({"Card Number": 4e15 + 0.5}, "Expected `int | str | null`, got `float` - at `$.Card Number`"),
        ({"Merchant": {}}, "Expected `str | null`, got `object` - at `$.Merchant`"),
    ],
)
def test_a_transaction_that_is_not_one_is_refused_with_the_field_named(
    changes: dict[str, Any], reason: str
) -> None:
    """The reason stands in the dead letter, for a person who looks for the producer's fault."""
    with pytest.raises(RecordError) as refused:
        read_transaction(transaction_message(changes))
    assert refused.value.reason_code == "malformed"
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-1e400", "9" * 400])
def test_an_amount_is_finite(number: str) -> None:
    """An infinite amount would spoil every sum that it enters."""
    value = as_json(transaction_message({"Amount": "@"}))
    assert value is not None
    with pytest.raises(RecordError):
        read_transaction(value.replace(b'"@"', number.encode()))


@pytest.mark.parametrize("digits", [25, 4300, 4301, 20_000])
def test_a_huge_card_number_is_a_number_or_refused(digits: int) -> None:
    """Python turns no more than 4300 digits into text (CVE-2020-10735): what is read must be usable."""
    value = as_json(transaction_message({"Card Number": "@"}))
    assert value is not None
    value = value.replace(b'"@"', b"4" * digits)
    if error := refusal(read_transaction, value):
        assert "`$.Card Number`" in error.reason
    else:
        assert str(read_transaction(value).card_number) == "4" * digits


_SECRETS = st.sampled_from([CARD_NUMBER, CUSTOMER_NAME, "37.335816", "U-77"])
_PLACES = st.sampled_from([*transaction_message(), "unknown", CARD_NUMBER])


@given(
    place=_PLACES,
    secret=_SECRETS,
    shape=st.sampled_from(["text", "long", "list", "key", "value", "repeated"]),
    timestamp=st.sampled_from(["2024-04-01T12:00:00Z", "2024-04-01T12:00Z", CARD_NUMBER]),
    cut=st.integers(0, 400),
)
def test_no_reason_quotes_what_was_sent(
    place: str, secret: str, shape: str, timestamp: str, cut: int
) -> None:
    """Reasons go to logs and headers, in zones where no card number may be."""
    shapes: dict[str, Any] = {
        "text": secret,
        "long": secret * 30,
        "list": [secret],
        "key": {secret: 1},
        "value": {"a": secret},
        "repeated": int(CARD_NUMBER) if secret == CARD_NUMBER else secret,
    }
    message = transaction_message({"Timestamp": timestamp, place: shapes[shape]})
    whole = json.dumps(message).encode()
    for value in (whole, whole[:cut], whole[:cut] + b"\xff" + whole[cut:], whole + whole):
        for read in (read_transaction, read_location):
            if error := refusal(read, value):
                assert not any(s in str(error) for s in (CARD_NUMBER, CUSTOMER_NAME, "37.335816", "U-77"))
                assert error.__cause__ is None, "a traceback would show the cause, which may quote the value"


def test_the_repr_of_a_transaction_shows_its_id_only() -> None:
    """Tracebacks and logs show reprs."""
    transaction = read_transaction(transaction_message())
    assert repr(transaction) == "Transaction('t-1')"
    assert f"{transaction} {[transaction]!r}" == "Transaction('t-1') [Transaction('t-1')]"
