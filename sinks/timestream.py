"""Anonymized transactions, or sensors' readings, in Amazon Timestream for LiveAnalytics."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from sinks.base import Rejection, Row, StoreAwayError
from sinks.timestream_records import COMMON, MOST_RECORDS, Record, record_of_row, why_refused
from streaming.errors import ConfigError

_CALLS_AT_A_TIME: Final = 8
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_MOST_REASON_CHARS: Final = 500
_REFUSED_LOGIN: Final = {
    *("AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"),
    *("ExpiredTokenException", "InvalidClientTokenId", "MissingAuthenticationTokenException"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestreamOptions:
    """Which table, and how long it keeps what is in it. Credentials are where boto3 looks for them."""

    region: str
    database: str
    table: str
    partition_dimension: str
    """By whose values Amazon spreads the records."""
    memory_hours: int
    retention_days: int
    timeout_s: float
    endpoint_url: str = ""
    """Another address than Amazon's, for tests."""


class TimestreamTable:
    """Takes records, a hundred a call and some calls at a time. boto3 blocks, so it is called in threads."""

    def __init__(self, options: TimestreamOptions, now_ms: Callable[[], int]) -> None:
        self._options, self._now_ms = options, now_ms
        self._kept_ms = max(options.retention_days * _DAY_MS, options.memory_hours * _HOUR_MS)
        self._threads: ThreadPoolExecutor | None = None
        self._client: Any = None

    async def migrate(self) -> Sequence[str]:
        """Make database and table, or set how long the table keeps what is in it."""
        try:
            with explained(self._options):
                done: list[str] = await self._in_thread(self._migrate)
                return done
        finally:
            await self.close()

    async def open(self) -> None:
        """Look whether the table is there. That it may be written is not known before the first record."""
        where = {"DatabaseName": self._options.database, "TableName": self._options.table}
        with explained(self._options):
            await self._in_thread(lambda: self._connected().describe_table(**where))

    async def close(self) -> None:
        """Let go of connections and threads; a call that is under way ends by itself."""
        client, threads = self._client, self._threads
        self._client = self._threads = None
        if client is not None:
            client.close()
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def take(self, records: Sequence[Record]) -> dict[int, tuple[str, str]]:
        """Write the records; return by their places those that are refused: reason code, reason."""
        now_ms = self._now_ms()
        refused: dict[int, tuple[str, str]] = {}
        for place, record in enumerate(records):
            if why := why_refused(record, now_ms=now_ms, oldest_ms=now_ms - self._kept_ms):
                refused[place] = why
        fit = [place for place in range(len(records)) if place not in refused]
        chunks = [fit[begin : begin + MOST_RECORDS] for begin in range(0, len(fit), MOST_RECORDS)]
        calls = [self._in_thread(partial(self._call, records, chunk)) for chunk in chunks]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            refused |= answer
        return refused

    def _call(self, records: Sequence[Record], places: Sequence[int]) -> dict[int, tuple[str, str]]:
        try:
            self._connected().write_records(
                DatabaseName=self._options.database,
                TableName=self._options.table,
                CommonAttributes=COMMON,
                Records=[records[place] for place in places],
            )
        except ClientError as error:
            match _code(error):
                case "RejectedRecordsException":  # the others of the call are in
                    told: list[Mapping[str, Any]] = error.response.get("RejectedRecords", [])
                    return {places[each["RecordIndex"]]: _reason(each) for each in told}
                case "ValidationException" if len(places) == 1:
                    return {places[0]: ("schema", str(error)[:_MOST_REASON_CHARS])}
                case "ValidationException":  # one of them breaks a rule of which we do not know
                    middle = len(places) // 2
                    return {
                        **self._call(records, places[:middle]),
                        **self._call(records, places[middle:]),
                    }
            raise _away(error) from error
        except BotoCoreError as error:
            raise _away(error) from error
        return {}

    def _migrate(self) -> list[str]:
        client, options, done = self._connected(), self._options, []
        where = {"DatabaseName": options.database, "TableName": options.table}
        keeps = {
            "RetentionProperties": {
                "MemoryStoreRetentionPeriodInHours": options.memory_hours,
                "MagneticStoreRetentionPeriodInDays": options.retention_days,
            },
            # What comes late is taken as well.
            "MagneticStoreWriteProperties": {"EnableMagneticStoreWrites": True},
        }
        if _made(lambda: client.describe_database(DatabaseName=options.database), None) is None:
            _made(lambda: client.create_database(DatabaseName=options.database), {})
            done.append(f"database {options.database}")
        told = f"memory store {options.memory_hours} h, magnetic store {options.retention_days} days"
        there = _made(lambda: client.describe_table(**where), None)
        if there is None:
            key = {
                "Type": "DIMENSION",
                "Name": options.partition_dimension,
                "EnforcementInRecord": "REQUIRED",
            }
            schema = {"CompositePartitionKey": [key]}
            _made(lambda: client.create_table(**where, **keeps, Schema=schema), {})
            done.append(f"table {options.table}: {told}")
        elif any(there["Table"].get(name) != wanted for name, wanted in keeps.items()):
            client.update_table(**where, **keeps)
            done.append(f"table {options.table} has now: {told}")
        return done

    def _connected(self) -> Any:
        if self._client is None:
            self._client = connected("timestream-write", self._options)
        return self._client

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        if self._threads is None:
            self._connected()  # in one thread: making a client is not safe in several
            self._threads = ThreadPoolExecutor(_CALLS_AT_A_TIME, thread_name_prefix="timestream")
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class TimestreamSink:
    """A record a row, in the place of the one with the same dimensions and time."""

    name = "timestream"

    def __init__(
        self, options: TimestreamOptions, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._table = TimestreamTable(options, now_ms)
        self.migrate, self.open, self.close = self._table.migrate, self._table.open, self._table.close

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Write a record for each row."""
        refused = await self._table.take([record_of_row(row) for row in rows])
        return [
            Rejection(row_token=rows[place].row_token, reason_code=code, reason=why)
            for place, (code, why) in refused.items()
        ]


def _made(call: Callable[[], Any], otherwise: Any) -> Any:
    """What a call answers; `otherwise` where the thing is not there, or somebody was quicker to make it."""
    try:
        return call()
    except ClientError as error:
        if _code(error) in {"ResourceNotFoundException", "ConflictException"}:
            return otherwise
        raise


def connected(service: str, options: TimestreamOptions) -> Any:
    """A client of one of Timestream's two services. sinks/delivery.py tries again, not boto3."""
    return boto3.client(
        service,
        region_name=options.region,
        endpoint_url=options.endpoint_url or None,
        config=Config(
            connect_timeout=min(10.0, options.timeout_s),
            read_timeout=options.timeout_s,
            retries={"total_max_attempts": 1},
            max_pool_connections=_CALLS_AT_A_TIME,
            # Half of boto3's time, and what it found would concern the whole call: `why_refused` looks first.
            parameter_validation=False,
        ),
    )


@contextmanager
def explained(options: TimestreamOptions) -> Iterator[None]:
    """Turn Amazon's errors into ConfigError where only a person can help, else into StoreAwayError."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _REFUSED_LOGIN:
            raise ConfigError(
                "Amazon refuses the credentials that boto3 finds, or what they may do: the sink needs"
                " timestream:WriteRecords, DescribeTable and DescribeEndpoints, `stores migrate` also"
                " CreateDatabase, CreateTable and UpdateTable"
            ) from error
        if _code(error) == "ResourceNotFoundException":
            raise ConfigError(
                f"Timestream has no table {options.database}.{options.table} (SMARTBANK_TIMESTREAM_DATABASE,"
                " _TABLE): run `python -m app stores migrate timestream`"
            ) from error
        raise _away(error) from error
    except (NoCredentialsError, NoRegionError) as error:
        raise ConfigError(f"boto3 finds no way to Amazon: {error}") from error
    except BotoCoreError as error:
        raise _away(error) from error


def _reason(rejected: Mapping[str, Any]) -> tuple[str, str]:
    """Reason code and reason of a rejected record: version, time, or a measure of another type."""
    why = str(rejected.get("Reason", ""))[:_MOST_REASON_CHARS]
    return ("version" if "ExistingVersion" in rejected else "rejected"), why


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _away(error: ClientError | BotoCoreError) -> StoreAwayError:
    return StoreAwayError(f"{type(error).__name__}: {str(error)[:_MOST_REASON_CHARS]}")
