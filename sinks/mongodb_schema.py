"""How the rows lie in MongoDB: validator, indexes, time to live; and the steps that led there.

A step that was released is never edited: a change is a new one at the end. Each adds; none takes away what
workers of the version before write (docs/mongodb.md).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from sinks.mongodb_driver import Database

TRANSACTIONS = "transactions"
MIGRATIONS = "schema_migrations"

_NAMESPACE_EXISTS = 48
_INDEX_CONFLICTS = (85, 86)  # IndexOptionsConflict, IndexKeySpecsConflict
_DAY_S = 24 * 3600
_TTL_INDEX = "expiry"
_NEVER_S = 2**31 - 1  # the longest that an index takes: 68 years

_ROW_1 = {
    "bsonType": "object",
    "required": [
        *("_id", "place", "time_from", "time_to", "amount_from", "amount_to", "merchant_category"),
        *("device_type", "merchant", "verdict", "usual_place", "group_size", "information_loss"),
        "schema_version",
    ],
    "properties": {
        "_id": {"bsonType": "string", "minLength": 1, "description": "row_token"},
        "place": {"bsonType": "string"},
        "time_from": {"bsonType": "date"},
        "time_to": {"bsonType": "date"},
        "amount_from": {"bsonType": "double"},
        "amount_to": {"bsonType": "double"},
        "merchant_category": {"bsonType": "string"},
        "device_type": {"bsonType": "string"},
        "merchant": {"bsonType": ["string", "null"]},
        "verdict": {"enum": ["flagged", "cleared", "no_location"]},
        "usual_place": {"bsonType": ["bool", "null"]},
        "group_size": {"bsonType": ["int", "long"], "minimum": 1},
        "information_loss": {"bsonType": "double", "minimum": 0, "maximum": 1},
        "schema_version": {"bsonType": ["int", "long"], "minimum": 1},
    },
}
_INDEXES_1 = [
    {"name": "verdict_time", "key": {"verdict": 1, "time_from": -1}},
    {"name": "place_time", "key": {"place": 1, "time_from": -1}},
    {"name": "merchant_time", "key": {"merchant": 1, "time_from": -1, "verdict": 1}},
]


@dataclass(frozen=True, slots=True)
class Migration:
    """A step. `apply` may be done again, and by two at once."""

    version: int
    what: str
    apply: Callable[[Database], Awaitable[None]]


async def _make_transactions(database: Database) -> None:
    await _create(database, TRANSACTIONS)
    # Moderate: a row that was written under an older schema may still be written over.
    await database.command(
        "collMod",
        TRANSACTIONS,
        validator={"$jsonSchema": _ROW_1},
        validationLevel="moderate",
        validationAction="error",
    )
    await database.command("createIndexes", TRANSACTIONS, indexes=_INDEXES_1)


STEPS: Sequence[Migration] = (
    Migration(1, "collection transactions with its validator and three indexes", _make_transactions),
)
NEWEST = STEPS[-1].version


async def migrate(database: Database, *, ttl_days: int) -> list[str]:
    """Apply the steps that are missing, and the time to live; return what was done."""
    done = []
    applied = {step["_id"] async for step in database[MIGRATIONS].find({}, {"_id": 1})}
    for step in STEPS:
        if step.version not in applied:
            await step.apply(database)
            await database[MIGRATIONS].update_one(
                {"_id": step.version},
                {"$setOnInsert": {"what": step.what}, "$currentDate": {"applied_at": True}},
                upsert=True,
            )
            done.append(f"schema version {step.version}: {step.what}")
    if await _set_time_to_live(database, ttl_days * _DAY_S or _NEVER_S):
        done.append(
            f"rows live for {ttl_days} days after their time_to" if ttl_days else "rows live for ever"
        )
    return done


async def version_of(database: Database) -> int:
    """The newest step that was applied; 0: none."""
    newest: dict[str, Any] | None = await database[MIGRATIONS].find_one(sort=[("_id", -1)])
    return int(newest["_id"]) if newest else 0


async def _create(database: Database, collection: str) -> None:
    try:
        await database.command("create", collection)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


async def _set_time_to_live(database: Database, seconds: int) -> bool:
    """Whether it was another before. The row's own time counts: writing it again does not prolong it."""
    index = {"name": _TTL_INDEX, "key": {"time_to": 1}, "expireAfterSeconds": seconds}
    there = (await database[TRANSACTIONS].index_information()).get(_TTL_INDEX)
    if there is None:
        try:
            await database.command("createIndexes", TRANSACTIONS, indexes=[index])
        except OperationFailure as error:
            if error.code not in _INDEX_CONFLICTS:  # somebody else made it meanwhile
                raise
        else:
            return True
    elif there["expireAfterSeconds"] == seconds:
        return False
    await database.command("collMod", TRANSACTIONS, index={"name": _TTL_INDEX, "expireAfterSeconds": seconds})
    return True
