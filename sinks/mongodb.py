"""Anonymized transactions in MongoDB: a document a row, its _id the row token."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import bson
import msgspec
from bson.errors import InvalidDocument
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError, ConfigurationError, OperationFailure, PyMongoError

from sinks import mongodb_schema
from sinks.base import Rejection, Row, StoreAwayError
from sinks.mongodb_driver import Client, Database, connect, disconnect
from streaming.errors import ConfigError

Document = dict[str, Any]

_MOST_DOCUMENT_BYTES = 16 * 1024 * 1024
_MOST_REASON_CHARS = 300

# Codes of write errors that speak of the document. All others are the server's state: a full disk must not
# make dead letters.
_DOCUMENT_ERRORS = {
    2: "bad_value",
    9: "bad_value",  # FailedToParse
    14: "bad_value",  # TypeMismatch
    121: "schema",  # DocumentValidationFailure
    10334: "too_large",  # BSONObjectTooLarge
    17280: "too_large",  # KeyTooLong
}
_UNAUTHORIZED = 13
_LOGIN_ERRORS = (18, 8000)  # AuthenticationFailed; Atlas has a code of its own
_NOT_BSON = (InvalidDocument, ValueError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoOptions:
    """Where the rows go. `uri` may hold a password; `ttl_days` after its time_to a row goes; 0: never."""

    uri: str = field(repr=False)
    database: str
    ttl_days: int
    timeout_s: float


class MongoSink:
    """Unordered bulk upserts by row token, done when they are in the journals of a majority."""

    name = "mongodb"

    def __init__(self, options: MongoOptions) -> None:
        self._options = options
        self._client: Client | None = None

    async def migrate(self) -> Sequence[str]:
        """Apply what is missing of the schema (sinks/mongodb_schema.py)."""
        try:
            with self._explained():
                return await mongodb_schema.migrate(self._database(), ttl_days=self._options.ttl_days)
        finally:
            await self.close()

    async def open(self) -> None:
        """Look whether rows can be written: password, rights, schema."""
        with self._explained():
            version = await mongodb_schema.version_of(self._database())
            # Matches nothing, but is refused where a write would be.
            await self._transactions().update_one({"_id": {"$in": []}}, {"$set": {"schema_version": 1}})
        if version < mongodb_schema.NEWEST:
            raise ConfigError(
                f"database {self._options.database!r} (SMARTBANK_MONGODB_DATABASE) has schema version"
                f" {version}, wanted {mongodb_schema.NEWEST}: run `python -m app stores migrate mongodb`"
            )

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Put rows in the place of those with their tokens."""
        documents = [document_of(row) for row in rows]
        try:
            return await self._replace(documents)
        except _NOT_BSON:  # found on our side, before anything is sent
            unfit = [rejection for each in documents if (rejection := _unfit(each))]
            if not unfit:
                raise
            tokens = {rejection.row_token for rejection in unfit}
            fit = [each for each in documents if each["_id"] not in tokens]
            return [*unfit, *await self._replace(fit)]

    async def rows(self) -> AsyncIterator[Row]:
        """All rows that are there, to be audited."""
        in_utc = self._transactions().with_options(codec_options=bson.CodecOptions(tz_aware=True))
        with self._explained():
            async for document in in_utc.find({}):
                yield msgspec.convert({"row_token": document.pop("_id"), **document}, Row)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await disconnect(client)

    async def _replace(self, documents: Sequence[Document]) -> list[Rejection]:
        """Upsert them; return which the server refuses. Raises one of _NOT_BSON before it is asked."""
        if not documents:
            return []
        upserts = [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents]
        try:
            await self._transactions().bulk_write(upserts, ordered=False)
        except BulkWriteError as error:
            return _rejections(error.details)
        except PyMongoError as error:
            raise _away(error) from error
        return []

    def _transactions(self) -> Any:
        return self._database()[mongodb_schema.TRANSACTIONS]

    def _database(self) -> Database:
        if self._client is None:
            try:
                self._client = connect(self._options.uri, timeout_s=self._options.timeout_s)
            except (PyMongoError, ValueError) as error:  # its words may quote a part of the password
                raise ConfigError(
                    f"SMARTBANK_MONGODB_URI is no address that PyMongo can use ({type(error).__name__});"
                    " wanted mongodb://USER:PASSWORD@HOST:PORT/, with % escapes in user and password"
                ) from None
        return self._client[self._options.database]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn PyMongo's errors into ConfigError where only a person can help, else into StoreAwayError."""
        try:
            yield
        except OperationFailure as error:
            if error.code in _LOGIN_ERRORS:
                raise ConfigError(
                    "MongoDB refuses the user or the password in SMARTBANK_MONGODB_URI"
                    " (or authSource is another database)"
                ) from error
            if error.code == _UNAUTHORIZED:
                raise ConfigError(
                    f"the user of SMARTBANK_MONGODB_URI may not do this in database"
                    f" {self._options.database!r} (SMARTBANK_MONGODB_DATABASE): grant readWrite on it to the"
                    " sink, and dbAdmin to whoever runs `stores migrate`"
                ) from error
            raise _away(error) from error
        except ConfigurationError as error:
            raise ConfigError(f"SMARTBANK_MONGODB_URI does not fit the server: {error}") from error
        except PyMongoError as error:
            raise _away(error) from error


def document_of(row: Row) -> Document:
    """A row as it lies in MongoDB: its fields, the token as _id. Times keep milliseconds, in UTC."""
    fields = msgspec.structs.asdict(row)
    return {"_id": fields.pop("row_token"), **fields}


def _rejections(details: Mapping[str, Any]) -> list[Rejection]:
    """What a bulk write says of single documents. Raises StoreAwayError where it speaks of the server."""
    if concerns := details.get("writeConcernErrors"):
        raise StoreAwayError(f"not in the journals of a majority: {_shortened(concerns[0].get('errmsg'))}")
    rejections = []
    for error in details.get("writeErrors", ()):
        reason_code = _DOCUMENT_ERRORS.get(error["code"])
        if reason_code is None:
            raise StoreAwayError(f"MongoDB's error {error['code']}: {_shortened(error.get('errmsg'))}")
        reason = f"{error.get('errmsg')} {_told(error)}"
        rejections.append(
            Rejection(row_token=error["op"]["q"]["_id"], reason_code=reason_code, reason=_shortened(reason))
        )
    return rejections


def _told(error: Mapping[str, Any]) -> str:
    """Which rules a document breaks, as the server says it."""
    broken = error.get("errInfo", {}).get("details", {}).get("schemaRulesNotSatisfied")
    return str(broken) if broken else ""


def _unfit(document: Document) -> Rejection | None:
    """Why a document cannot be BSON, or none that MongoDB takes; None where it can."""
    try:
        length_bytes = len(bson.encode(document))
    except _NOT_BSON as error:
        reason_code, reason = "bad_value", f"no BSON: {type(error).__name__}"
    else:
        if length_bytes <= _MOST_DOCUMENT_BYTES:
            return None
        reason_code, reason = "too_large", f"{length_bytes} bytes; MongoDB takes {_MOST_DOCUMENT_BYTES}"
    return Rejection(row_token=document["_id"], reason_code=reason_code, reason=reason)


def _away(error: PyMongoError) -> StoreAwayError:
    return StoreAwayError(f"{type(error).__name__}: {_shortened(error)}")


def _shortened(words: object) -> str:
    return str(words)[:_MOST_REASON_CHARS]
