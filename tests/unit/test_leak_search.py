"""The search of the leak test finds what is planted, and nothing else."""

import base64
import json
import struct
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.leaks import Secret, leaks

NAME = Secret("a name", "text", "Zoë Quærtz-Ångström")
CARD = Secret("a card", "number", "4929118243756603")
LATITUDE = Secret("a latitude", "degrees", "37.331847")
LONGITUDE = Secret("a longitude", "degrees", "-121.887652")
KEY = Secret("a key", "key", "77c0ffee" * 8)
SECRETS = (NAME, CARD, LATITUDE, LONGITUDE, KEY)

TEXT = NAME.text.encode()
RAW_KEY = bytes.fromhex(KEY.text)

PLANTS: dict[str, tuple[Secret, bytes]] = {
    "a log line": (NAME, b"refused: " + TEXT),
    "another case": (NAME, b"ZO\xc3\xab QU\xc3\xa6RTZ-\xc3\x85NGSTR\xc3\xb6M"),
    "a repr of bytes": (NAME, repr(TEXT).encode()),
    "ASCII": (NAME, ascii(NAME.text).encode()),
    "JSON in ASCII": (NAME, json.dumps({"Name": NAME.text}).encode()),
    "JSON in UTF-8": (NAME, msgspec.json.encode({"Name": NAME.text})),
    "JSON in JSON": (
        NAME,
        json.dumps(json.dumps({"Name": NAME.text}, ensure_ascii=False), ensure_ascii=False).encode(),
    ),
    "a form": (NAME, urlencode({"name": NAME.text}).encode()),
    "UTF-16": (NAME, NAME.text.encode("utf-16")),
    "hex": (NAME, TEXT.hex().upper().encode()),
    "a card": (CARD, b"card 4929118243756603."),
    "a card in groups": (CARD, b"4929 1182 4375 6603"),
    "a card with dashes": (CARD, b"4929-1182-4375-6603"),
    "a card in msgpack": (CARD, msgspec.msgpack.encode([1, int(CARD.text)])),
    "a card as a number": (CARD, struct.pack("<q", int(CARD.text))),
    "a card in base64 of JSON": (CARD, base64.b64encode(b'{"Card Number": "4929118243756603"}')),
    "degrees in JSON": (LATITUDE, json.dumps({"latitude_deg": 37.331847}).encode()),
    "degrees, rounded": (LATITUDE, b"at 37.3318 degrees"),
    "degrees, rounded up": (LONGITUDE, b"-121.8877"),
    "degrees in words": (LONGITUDE, b"121.88765 W"),
    "degrees in msgpack": (LONGITUDE, msgspec.msgpack.encode([-121.887652])),
    "a key file": (KEY, f"k1:{KEY.text}".encode()),
    "a key in capitals": (KEY, KEY.text.upper().encode()),
    "a repr of a key": (KEY, repr(RAW_KEY).encode()),
    "bytes of a key": (KEY, b"\0" + RAW_KEY),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_plant_is_found(name: str) -> None:
    """And told by its place and what it is, never by its value."""
    secret, planted = PLANTS[name]
    found = leaks({"clean": b"nothing", "log": b"before\n" + planted + b"\nafter"}, SECRETS)
    assert found
    assert all(each.startswith(f"log: {secret.what} as ") for each in found)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_base64_is_found_wherever_it_begins(
    encode: Callable[[bytes], bytes], before: bytes, after: bytes
) -> None:
    """Three alignments, and what stands beside it shares its first and last characters."""
    for secret, raw in ((NAME, TEXT), (KEY, RAW_KEY)):
        assert leaks({"page": encode(before + raw + after)}, [secret])


def test_what_is_allowed_is_no_leak() -> None:
    """The last four digits, a place of a kilometre, a key's id."""
    assert not leaks({"page": b"card ...6603 at 37.33, -121.89; k1:0a1b2c; Zoe; 4929118243756604"}, SECRETS)
