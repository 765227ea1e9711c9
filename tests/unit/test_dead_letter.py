"""A dead letter says where a record came from and keeps its bytes."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dead_letter import DeadLetter


def letter(
    value: bytes | None, *, key: bytes | None = b"phone", reason: str = "DeviceId is blank"
) -> DeadLetter:
    """A dead letter of location_data[3]:42."""
    return DeadLetter.of(
        reason_code="malformed",
        reason=reason,
        topic="location_data",
        partition=3,
        offset=42,
        timestamp_ms=1_711_972_800_000,
        key=key,
        value=value,
    )


@given(
    st.none() | st.binary(max_size=40),
    st.none() | st.binary(max_size=40),
    st.text(max_size=40) | st.sampled_from(["null", "true", "42", "", "ü — 電"]),
)
def test_what_is_written_is_read_back(key: bytes | None, value: bytes | None, reason: str) -> None:
    """Headers are text; a reason that looks like null or a number stays a reason."""
    written = letter(value, key=key, reason=reason)
    assert DeadLetter.from_record(written.key, written.value, written.headers) == written


def test_headers_are_text_that_every_kafka_tool_shows() -> None:
    """An operator reads them with any console consumer."""
    assert dict(letter(b"abc").headers) == {
        "reason_code": b"malformed",
        "reason": b"DeviceId is blank",
        "source_topic": b"location_data",
        "source_partition": b"3",
        "source_offset": b"42",
        "source_timestamp_ms": b"1711972800000",
        "source_length_bytes": b"3",
        "source_key_length_bytes": b"5",
        # FIPS 180-2, appendix B.1
        "source_sha256": b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }


@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536])
def test_a_value_of_64_kib_is_kept_whole(length: int) -> None:
    """Byte for byte, whatever the bytes are."""
    value = bytes(i % 256 for i in range(length))
    assert letter(value).value == value


@pytest.mark.parametrize("length", [65_537, 1_048_588])
def test_a_longer_value_is_cut_and_described(length: int) -> None:
    """A record of the broker's limit and its headers would exceed that limit, and stop the worker."""
    value = b"\xff" * length
    cut = letter(value)
    assert cut.value == value[:65_536]
    assert cut.source_length_bytes == length
    assert cut.source_sha256 == hashlib.sha256(value).hexdigest()
    assert DeadLetter.from_record(cut.key, cut.value, cut.headers) == cut


def test_a_missing_value_is_not_an_empty_one() -> None:
    """A tombstone on an input topic must be told from an empty record."""
    assert letter(None).value is None
    assert letter(b"").value == b""
    assert letter(None).source_length_bytes == letter(b"").source_length_bytes == 0


def test_a_record_without_the_headers_is_no_dead_letter() -> None:
    """Said as msgspec says it, so that readers can skip what is not theirs."""
    with pytest.raises(msgspec.ValidationError, match="reason_code"):
        DeadLetter.from_record(b"k", b"v", [])


def test_headers_of_others_do_no_harm() -> None:
    """Tracing tools add headers of their own."""
    written = letter(b"abc")
    assert (
        DeadLetter.from_record(written.key, written.value, [*written.headers, ("traceparent", b"00")])
        == written
    )
