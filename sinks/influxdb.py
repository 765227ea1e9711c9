"""Anonymized transactions, or sensors' readings, in InfluxDB 2 or Amazon Timestream for InfluxDB."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, InvalidURL
from influxdb_client import (
    BucketRetentionRules,
    BucketsService,
    Dialect,
    OrganizationsService,
    PatchBucketRequest,
    PostBucketRequest,
)
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

from models.times import epoch_ns
from sinks.base import Rejection, Row, StoreAwayError
from sinks.influxdb_lines import line_of_row
from streaming.errors import ConfigError

_NO_POINTS: Final = "writing requires points"
_ALREADY_THERE: Final = "already exists"
_REFUSED_POINTS: Final = (400, 413, 422)
_REFUSED_LOGIN: Final = (401, 403)
_CHUNK_LINES: Final = 5000
_DAY_NS: Final = 86_400 * 10**9
_MOST_REASON_CHARS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxOptions:
    """Where the points go, and how long they stay."""

    url: str
    org: str
    token: str = field(repr=False)
    bucket: str
    retention_days: int
    timeout_s: float


class InfluxBucket:
    """Takes lines of the line protocol; what it has taken is in its write-ahead log, synced."""

    def __init__(self, options: InfluxOptions) -> None:
        self._options = options
        self._opened: InfluxDBClientAsync | None = None

    async def migrate(self) -> Sequence[str]:
        """Make the bucket, or set how long it keeps what is in it."""
        try:
            with _explained(self._options):
                return await self._migrate()
        finally:
            await self.close()

    async def open(self) -> None:
        """Write nothing, as which InfluxDB takes it after it has looked at token, organization and bucket."""
        with _explained(self._options):
            await self._write("")

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            client, self._opened = self._opened, None
            await client.close()

    @property
    def name(self) -> str:
        """Of the bucket."""
        return self._options.bucket

    async def query(self, flux: str) -> str:
        """What a query is answered with, as CSV with a line of names. Raises what `open` raises."""
        dialect = Dialect(header=True, annotations=[], date_time_format="RFC3339")
        with _explained(self._options):
            answer: str = await self._client().query_api().query_raw(flux, dialect=dialect)
        return answer

    async def take(self, lines: Sequence[str]) -> dict[int, str]:
        """Write the lines; return by their places those that are refused, and why. Raises StoreAwayError."""
        refused: dict[int, str] = {}
        for begin in range(0, len(lines), _CHUNK_LINES):
            chunk = range(begin, min(begin + _CHUNK_LINES, len(lines)))
            refused |= await self._take(lines, chunk)
        return refused

    async def _take(self, lines: Sequence[str], places: range) -> dict[int, str]:
        """Find the lines that are refused by halves: InfluxDB tells of one of them, and not always which."""
        try:
            await self._write("\n".join(lines[places.start : places.stop]))
        except InfluxDBError as error:
            if _status(error) not in _REFUSED_POINTS:
                raise _away(error) from error
            if len(places) == 1:
                return {places[0]: _told(error)}
            middle = len(places) // 2
            return {
                **await self._take(lines, places[:middle]),
                **await self._take(lines, places[middle:]),
            }
        except (ClientError, OSError, TimeoutError) as error:
            raise _away(error) from error
        return {}

    async def _write(self, body: str) -> None:
        try:
            await self._client().write_api().write(self._options.bucket, record=body.encode())
        except InfluxDBError as error:
            if body or _NO_POINTS not in _told(error):
                raise

    async def _migrate(self) -> list[str]:
        name, keeps_s = self._options.bucket, self._options.retention_days * 86_400
        api = self._client().api_client
        rules = [BucketRetentionRules(type="expire", every_seconds=keeps_s)]
        buckets = BucketsService(api)
        (org,) = (await OrganizationsService(api).get_orgs_async(org=self._options.org)).orgs
        try:
            (found,) = (await buckets.get_buckets_async(name=name, org_id=org.id)).buckets
        except InfluxDBError as error:
            if _status(error) != 404:
                raise
            fresh = PostBucketRequest(org_id=org.id, name=name, retention_rules=rules)
            try:
                await buckets.post_buckets_async(fresh)
            except InfluxDBError as conflict:
                if _ALREADY_THERE not in _told(conflict):  # somebody was quicker
                    raise
            return [f"bucket {name}, which keeps {self._options.retention_days} days"]
        if [rule.every_seconds for rule in found.retention_rules] == [keeps_s]:
            return []
        await buckets.patch_buckets_id_async(found.id, PatchBucketRequest(retention_rules=rules))
        return [f"bucket {name} keeps {self._options.retention_days} days now"]

    def _client(self) -> InfluxDBClientAsync:
        """Make it in the running event loop, as aiohttp wants it."""
        if self._opened is None:
            options = self._options
            self._opened = InfluxDBClientAsync(
                options.url, options.token, options.org, timeout=int(options.timeout_s * 1000)
            )
        return self._opened


class InfluxSink:
    """A point a row, in the place of the one with the same tags and time, which its token makes its own."""

    name = "timestream"

    def __init__(self, options: InfluxOptions, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._bucket, self._now_ns = InfluxBucket(options), now_ns
        self._retention_ns = options.retention_days * _DAY_NS
        self.migrate, self.open, self.close = self._bucket.migrate, self._bucket.open, self._bucket.close

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Write a point for each row that is not too old to be kept."""
        oldest_ns = self._now_ns() - self._retention_ns
        refused: list[Rejection] = []
        tokens, lines = [], []
        for row in rows:
            if epoch_ns(row.time_from) < oldest_ns:
                refused.append(_rejection(row.row_token, "expired", "older than timestream_retention_days"))
                continue
            try:
                lines.append(line_of_row(row))
            except ValueError as error:
                refused.append(_rejection(row.row_token, "bad_value", str(error)))
            else:
                tokens.append(row.row_token)
        by_place = await self._bucket.take(lines)
        return [*refused, *(_rejection(tokens[place], "schema", why) for place, why in by_place.items())]


def _rejection(row_token: str, reason_code: str, reason: str) -> Rejection:
    return Rejection(row_token=row_token, reason_code=reason_code, reason=reason)


@contextmanager
def _explained(options: InfluxOptions) -> Iterator[None]:
    """Turn InfluxDB's errors into ConfigError where only a person can help, else into StoreAwayError."""
    try:
        yield
    except InfluxDBError as error:
        if _status(error) in _REFUSED_LOGIN:
            raise ConfigError(
                f"InfluxDB refuses SMARTBANK_INFLUXDB_TOKEN, or it may not write bucket {options.bucket!r};"
                " `stores migrate` also needs to read and write buckets"
            ) from error
        if _status(error) == 404:
            raise ConfigError(
                f"InfluxDB has no organization {options.org!r} (SMARTBANK_INFLUXDB_ORG) or no bucket"
                f" {options.bucket!r}: run `python -m app stores migrate timestream`"
            ) from error
        raise _away(error) from error
    except InvalidURL:
        raise ConfigError(
            f"SMARTBANK_INFLUXDB_URL is {options.url!r}; wanted http://HOST:PORT or https://HOST:PORT"
        ) from None
    except (ClientError, OSError, TimeoutError) as error:
        raise _away(error) from error


def _status(error: InfluxDBError) -> int:
    return int(getattr(error, "status", None) or 0)


def _away(error: Exception) -> StoreAwayError:
    headers: Any = getattr(error, "headers", None) or {}
    wait = str(headers.get("Retry-After", ""))
    retry_after_s = float(wait) if wait.isdecimal() else None
    told = _told(error) if isinstance(error, InfluxDBError) else str(error)
    return StoreAwayError(f"{type(error).__name__}: {told[:_MOST_REASON_CHARS]}", retry_after_s=retry_after_s)


def _told(error: InfluxDBError) -> str:
    """What the server said, without the headers."""
    return f"{_status(error)} {getattr(error, 'body', None) or error}"[:_MOST_REASON_CHARS]
