"""The text of a key file: `KEY_ID:SECRET from TIME made TIME`, one line a key."""

from collections.abc import Iterator
from datetime import datetime

from models.times import checked_utc, epoch_ns, parse_time, utc_datetime
from privacy.tokens import TokenKey


class KeyLineError(ValueError):
    """A line that is no key; the message says what is wanted, and quotes nothing."""


def read_key_lines(text: str, least_secret_bytes: int) -> Iterator[TokenKey]:
    """Yield the key of each line; `from` and `made` may be left out. Raises KeyLineError.

    Blank lines and those that begin with # say nothing.
    """
    lines = [line.strip() for line in text.splitlines()]
    for line in [line for line in lines if line and not line.startswith("#")] or [""]:
        key_id, _, rest = line.partition(":")
        secret_hex, *words = rest.split() or [""]
        times = dict(zip(words[::2], words[1::2], strict=False))
        try:
            secret = bytes.fromhex(secret_hex)
        except ValueError:
            raise KeyLineError("does not hold a line KEY_ID:SECRET in hex") from None
        if not key_id or len(secret) < least_secret_bytes:
            raise KeyLineError(
                f"needs a key id and a secret of {least_secret_bytes} bytes or more: KEY_ID:HEX"
            )
        if len(words) % 2 or len(times) * 2 < len(words) or times.keys() - {"from", "made"}:
            raise KeyLineError("has more in a line than KEY_ID:SECRET from TIME made TIME")
        yield TokenKey(key_id, secret, _ms(times.get("from")), _ms(times.get("made")))


def key_line(key: TokenKey) -> str:
    """The line of a key, as `read_key_lines` takes it. Holds the secret."""
    times = {"from": key.since_ms, "made": key.made_ms}
    words = [f"{name} {time_text(at_ms)}" for name, at_ms in times.items() if at_ms is not None]
    return " ".join([f"{key.key_id}:{key.secret.hex()}", *words])


def time_text(time_ms: int) -> str:
    """ISO 8601, UTC, to the millisecond where it is not a whole second."""
    moment = utc_datetime(time_ms * 1_000_000)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def time_ms_of(moment: datetime) -> int:
    """Milliseconds since the epoch; a time without a zone is UTC."""
    return epoch_ns(checked_utc(moment, "the time")) // 1_000_000


def _ms(text: str | None) -> int | None:
    try:
        return None if text is None else time_ms_of(parse_time(text))
    except ValueError:
        raise KeyLineError("has a time that is none, such as 2026-12-01T00:00:00Z") from None
