"""Topic dead_letters: records that could not be processed, as they came."""

import hashlib
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

MAX_VALUE_BYTES = 64 * 1024  # a record of the broker's limit and its headers would exceed that limit
MAX_KEY_BYTES = 1024

Headers = list[tuple[str, bytes]]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was put aside, and why. Topic dead_letters; record key and value: the source's bytes.

    All but key and value travel in the record's headers as UTF-8 text. A value above 64 KiB and a key
    above 1 KiB are cut; source_length_bytes, source_sha256 (of the value) and source_key_length_bytes always
    describe the whole. Restricted zone: may hold anything.
    """

    reason_code: Annotated[str, Meta(description="malformed, clock_ahead, …: for counting.")]
    reason: Annotated[str, Meta(description="For people. Names the field, never quotes its value.")]
    source_topic: str
    source_partition: int
    source_offset: int
    source_timestamp_ms: int
    source_length_bytes: int
    source_sha256: str
    source_key_length_bytes: int
    store: Annotated[str, Meta(description="The store that refused the row; empty: none did.")] = ""
    key: bytes | None = None
    value: bytes | None = None

    def __repr__(self) -> str:
        """Names its place and reason code only: the value must not reach a log or a traceback."""
        place = f"{self.source_topic}[{self.source_partition}]:{self.source_offset}"
        return f"DeadLetter({place!r}, {self.reason_code!r})"

    @classmethod
    def of(
        cls,
        *,
        reason_code: str,
        reason: str,
        topic: str,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        store: str = "",
    ) -> "DeadLetter":
        """Make a dead letter of a record of topic[partition]:offset."""
        whole = value or b""
        return cls(
            reason_code=reason_code,
            reason=reason,
            source_topic=topic,
            source_partition=partition,
            source_offset=offset,
            source_timestamp_ms=timestamp_ms,
            source_length_bytes=len(whole),
            source_sha256=hashlib.sha256(whole).hexdigest(),
            source_key_length_bytes=len(key or b""),
            store=store,
            key=key if key is None else key[:MAX_KEY_BYTES],
            value=value if value is None else value[:MAX_VALUE_BYTES],
        )

    @property
    def headers(self) -> Headers:
        """The record's headers. `store` is there where one refused the row."""
        fields = msgspec.structs.asdict(self)
        left_out = ("key", "value") if self.store else ("key", "value", "store")
        return [(name, str(value).encode()) for name, value in fields.items() if name not in left_out]

    @classmethod
    def from_record(
        cls, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> "DeadLetter":
        """Read one from the topic. Raises msgspec.ValidationError where a header is missing."""
        fields = {name: text.decode() for name, text in headers}
        return msgspec.convert({**fields, "key": key, "value": value}, cls, strict=False)
