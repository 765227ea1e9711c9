"""Anonymized transactions in Elasticsearch: a document a row, in an index for each month of event time."""

import math
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from elasticsearch import ApiError, AsyncElasticsearch, TransportError
from elasticsearch.helpers import async_bulk, async_scan

from sinks import elasticsearch_schema as schema
from sinks.base import Rejection, Row, StoreAwayError
from streaming.errors import ConfigError

_CHUNK_ROWS, _CHUNK_BYTES = 2000, 8 * 1024 * 1024
_MOST_TOKEN_BYTES = 512  # of an _id; a longer one makes the server refuse the whole request
_MOST_REASON_CHARS = 500
_REFUSED_LOGIN = (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticsearchOptions:
    """Where the rows go. Of `api_key` and `username` with `password` one, or neither."""

    url: str
    index: str
    """Prefix of the indices, and the alias of all of them."""
    api_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    timeout_s: float


class ElasticsearchSink:
    """Indexes by row token; done when it is in the translogs, which survive a crash."""

    name = "elasticsearch"

    def __init__(self, options: ElasticsearchOptions) -> None:
        self._options = options
        self._opened: AsyncElasticsearch | None = None

    async def migrate(self) -> Sequence[str]:
        """Put the index template and, where the server has such, the lifecycle policy."""
        try:
            with _explained():
                return await schema.migrate(self._client(), self._options.index)
        finally:
            await self.close()

    async def open(self) -> None:
        """Look whether the index template is there, in our version: it also needs the right to look."""
        with _explained():
            version = await schema.version_of(self._client(), self._options.index)
        if version < schema.VERSION:
            raise ConfigError(
                f"index template {self._options.index!r} (SMARTBANK_ELASTICSEARCH_INDEX) has version"
                f" {version}, wanted {schema.VERSION}: run `python -m app stores migrate elasticsearch`"
            )

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Index the rows, in bulk requests of some thousand."""
        refused = [rejection for row in rows if (rejection := _unfit(row))]
        tokens = {rejection.row_token for rejection in refused}
        fit = [row for row in rows if row.row_token not in tokens] if refused else rows
        try:
            _, failed = await async_bulk(
                self._client(),
                cast("Any", fit),  # typed as dicts; what they are is left to the callback
                expand_action_callback=self._action,
                chunk_size=_CHUNK_ROWS,
                max_chunk_bytes=_CHUNK_BYTES,
                raise_on_error=False,
            )
        except (ApiError, TransportError) as error:
            raise _away(error) from error
        return [*refused, *map(_rejection, cast("list[Any]", failed))]

    async def rows(self) -> AsyncIterator[Row]:
        """All rows that are there, to be audited."""
        with _explained():
            await self._client().indices.refresh(index=f"{self._options.index}-*")
            async for hit in async_scan(self._client(), index=f"{self._options.index}-*"):
                yield msgspec.convert(hit["_source"], Row)

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            client, self._opened = self._opened, None
            await client.close()

    def _action(self, row: Row) -> tuple[dict[str, Any], bytes]:
        where = {"_index": index_of(self._options.index, row), "_id": row.row_token}
        return {"index": where}, msgspec.json.encode(document_of(row))

    def _client(self) -> AsyncElasticsearch:
        if self._opened is None:
            self._opened = _connected(self._options)
        return self._opened


def index_of(prefix: str, row: Row) -> str:
    """The month of the row's event time, as its first day: lifecycle policies read that from the name."""
    return f"{prefix}-{row.time_from:%Y.%m}.01"


def document_of(row: Row) -> dict[str, Any]:
    """A row as it is searched: its fields, and the middle of its range of amounts, to average."""
    return {**msgspec.structs.asdict(row), "amount_mid": (row.amount_from + row.amount_to) / 2}


def _unfit(row: Row) -> Rejection | None:
    """Why a row would make the server refuse a whole request; None where it would not."""
    if not 0 < len(row.row_token.encode()) <= _MOST_TOKEN_BYTES:
        reason = f"an id has 1 to {_MOST_TOKEN_BYTES} bytes"
        return Rejection(row_token=row.row_token, reason_code="bad_value", reason=reason)
    if not (math.isfinite(row.amount_from) and math.isfinite(row.amount_to)):
        return Rejection(row_token=row.row_token, reason_code="bad_value", reason="an amount is not finite")
    return None


def _rejection(item: Mapping[str, Any]) -> Rejection:
    """What a bulk request says of a document. Raises StoreAwayError where it speaks of the server."""
    (said,) = item.values()
    error: Any = said.get("error", {})
    kind = error.get("type", "") if isinstance(error, Mapping) else str(error)
    # validation_exception: no more shards. A read-only index is 403, a missing one 404, a full queue 429.
    if said["status"] != 400 or kind == "validation_exception":
        raise StoreAwayError(f"Elasticsearch's {said['status']}: {_shortened(error)}")
    # strict_dynamic_mapping_exception, mapper_parsing_exception, document_parsing_exception
    reason_code = "schema" if "mapp" in kind or "parsing" in kind else "bad_value"
    return Rejection(row_token=said["_id"], reason_code=reason_code, reason=_shortened(error))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn Elastic's errors into ConfigError where only a person can help, else into StoreAwayError."""
    try:
        yield
    except ApiError as error:
        if error.status_code in _REFUSED_LOGIN:
            raise ConfigError(
                "Elasticsearch refuses SMARTBANK_ELASTICSEARCH_API_KEY (or _USERNAME, _PASSWORD), or"
                " these may not do it: the sink writes to the indices and reads index templates;"
                " `stores migrate` needs manage_index_templates, manage_ilm, and manage on the indices"
            ) from error
        raise _away(error) from error
    except TransportError as error:
        raise _away(error) from error


def _connected(options: ElasticsearchOptions) -> AsyncElasticsearch:
    login: dict[str, Any] = {}
    if options.api_key:
        login["api_key"] = options.api_key
    elif options.username:
        login["basic_auth"] = (options.username, options.password)
    try:
        if options.ca_file:
            login["ssl_context"] = ssl.create_default_context(cafile=options.ca_file)
        return AsyncElasticsearch(
            options.url,
            request_timeout=options.timeout_s,
            retry_on_timeout=False,
            max_retries=0,  # sinks/delivery.py tries again
            **login,
        )
    except (ValueError, ssl.SSLError) as error:  # its words may quote a password in the URL
        raise ConfigError(
            f"SMARTBANK_ELASTICSEARCH_URL or _CA_FILE cannot be used ({type(error).__name__}); wanted"
            " https://HOST:PORT, without user and password, and a PEM file"
        ) from None


def _away(error: ApiError | TransportError) -> StoreAwayError:
    return StoreAwayError(f"{type(error).__name__}: {_shortened(error)}")


def _shortened(words: object) -> str:
    return str(words)[:_MOST_REASON_CHARS]
