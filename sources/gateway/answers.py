"""What the gateway answers: counts of what was accepted, or a problem (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

_encode = msgspec.json.Encoder().encode


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Everything counted here is in Kafka, acknowledged; what is ignored is nowhere."""

    accepted: Annotated[int, Meta(ge=0, description="Locations, in location_data.")]
    dead_letters: Annotated[int, Meta(ge=0, description="Entries that could not be read, in dead_letters.")]
    ignored: Annotated[int, Meta(ge=0, description="Entries of other sensors.")]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing was accepted (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="For people. Quotes nothing of the request.")]


class RefusedError(Exception):
    """A request that is answered with a problem. `is_last`: the connection is closed after it."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.is_last = status, detail, headers or {}, is_last

    def response(self) -> web.Response:
        """The answer."""
        problem = Problem(title=self.status.phrase, status=self.status, detail=self.detail)
        response = web.Response(
            body=_encode(problem), status=self.status, content_type=PROBLEM_JSON, headers=self.headers
        )
        if self.is_last:
            response.force_close()
        return response


def accepted(counts: Accepted) -> web.Response:
    """The answer to a message of which something is in Kafka, or nothing had to be."""
    return web.Response(body=_encode(counts), content_type=JSON)


def away(detail: str, retry_after_s: int) -> RefusedError:
    """Try again later."""
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(retry_after_s)})
