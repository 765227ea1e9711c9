"""Getting back what was hidden on purpose; a line in the audit log comes first, or nothing is shown."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from app.audit import AuditLog
from privacy.field_encryption import SEALED, FieldCipher
from privacy.tokens import TokenKeys, tokenizer
from streaming.errors import ConfigError, RecordError

_ROW_TOKEN = re.compile(r"(?P<key_id>.+):[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealer:
    """Opens sealed fields. `source` and `reason` stand in the audit log."""

    cipher: FieldCipher
    audit: AuditLog
    source: str
    reason: str | None = None

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes | RecordError]:
        """Yield each line with its sealed fields opened, or why it cannot be.

        A line is a Fernet token, or a JSON object that has sealed fields, itself or in an object in it (as
        `tail` prints records). What is sealed nowhere comes as it is. Raises ConfigError where the audit log
        cannot be written.
        """
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"line {number} of {self.source}"
            try:
                record = {SEALED: line.strip().decode()} if line.startswith(b"gAAAA") else _object(line)
                yield msgspec.json.encode(self._opened(record, place))
            except RecursionError:
                yield RecordError("unreadable", f"{place}: nested too deeply")
            except ValueError as error:  # UnreadableSealError is one
                yield RecordError("unreadable", f"{place}: {error}")

    def _opened(self, record: dict[str, Any], place: str) -> dict[str, Any]:
        inner = {
            name: self._opened(value, place) if isinstance(value, dict) else value
            for name, value in record.items()
        }
        if SEALED not in record:
            return inner
        opened, key_id = self.cipher.opened_with(inner)
        self.audit.record(
            "decrypt",
            key_id=key_id,
            fields=sorted(opened.keys() - record.keys()),
            place=place,
            sealed_sha256=hashlib.sha256(str(record[SEALED]).encode()).hexdigest(),
            reason=self.reason,
        )
        return opened


def _object(line: bytes) -> dict[str, Any]:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("no JSON, and no Fernet token") from None
    if not isinstance(record, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 (the text is wrong, not the program)
    return record


class _Line(msgspec.Struct, gc=False):
    """What of a decision tells whether it is the one."""

    transaction_id: str
    device_id: str
    revision: int


class RowSearch:
    """Finds the decision behind a published row by making the tokens of all decisions again.

    There is no table that leads back: whoever has the key and the decisions can do this, and nobody else.
    Raises ConfigError where the token is none, or its key is not there.
    """

    def __init__(self, keys: TokenKeys, row_token: str) -> None:
        parts = _ROW_TOKEN.fullmatch(row_token)
        if parts is None:
            raise ConfigError("--row-token is no token; wanted KEY_ID:HEX, as it stands in the row")
        key = keys.named(parts["key_id"])
        if key is None:
            raise ConfigError(
                f"there is no key {parts['key_id']} (`keys list`): it was taken away, or is elsewhere"
            )
        self.key_id = key.key_id
        self._row_token = row_token
        self._token_of = tokenizer(key, "row")
        self._decode = msgspec.json.Decoder(_Line).decode
        self._found: dict[str, tuple[int, bytes]] = {}

    def take(self, decision_json: bytes | None) -> None:
        """Look at a line of transaction_decisions; what is no decision is passed over."""
        try:
            line = self._decode(decision_json or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if self._token_of(line.transaction_id) == self._row_token:
            revision, _ = self._found.get(line.device_id, (0, b""))
            if line.revision >= revision:
                self._found[line.device_id] = (line.revision, decision_json or b"")

    def decisions(self) -> list[bytes]:
        """The last revision that was found, as it was written; of each device, if several used the id."""
        return [decision_json for _, decision_json in self._found.values()]
