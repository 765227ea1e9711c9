"""The only place that knows which asyncio driver talks to MongoDB.

Today that is Motor. PyMongo's own AsyncMongoClient has the same methods on its databases and collections; it
follows Motor here by another import and an awaited close().
"""

import asyncio
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

# What connects to this client takes and returns: both drivers are untyped for us.
Client = Any
Database = Any

_CONNECT_TIMEOUT_S = 5.0
_SELECTION_TIMEOUT_S = 2.0  # an election takes longer, but whoever calls tries again


def connect(uri: str, *, timeout_s: float) -> Client:
    """Make a client; it connects with its first call. Raises PyMongoError or ValueError for a bad `uri`.

    `timeout_s` bounds each call, its retries included. A write is done when a majority of the replica set has
    it in its journals.
    """
    return AsyncIOMotorClient(
        uri,
        appname="bank-sink-mongodb",
        w="majority",
        journal=True,
        timeoutMS=int(timeout_s * 1000),
        connectTimeoutMS=int(_CONNECT_TIMEOUT_S * 1000),
        serverSelectionTimeoutMS=int(_SELECTION_TIMEOUT_S * 1000),
    )


async def disconnect(client: Client) -> None:
    """Close its connections: Motor would hold up the event loop while it takes leave of the server."""
    await asyncio.to_thread(client.close)
