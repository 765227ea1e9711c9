"""The OpenAPI 3.1 document of the gateway, made from what it reads and answers."""

from http import HTTPStatus
from typing import Any

import msgspec

from sources.gateway.answers import JSON, PROBLEM_JSON, Accepted, Problem
from sources.gateway.sensor_logger import LocationEntry, PushedMessage
from sources.gateway.service import LOCATION_PATH
from streaming.health import Health

Tree = dict[str, Any]

_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "Not JSON, not UTF-8, or not such a message.",
    HTTPStatus.UNAUTHORIZED: "No token, or one that is not known.",
    HTTPStatus.FORBIDDEN: "The token of another device.",
    HTTPStatus.REQUEST_TIMEOUT: "The body came too slowly.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too many bytes, or too many locations.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Not JSON by its Content-Type, or compressed.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "None of the locations can be read.",
    HTTPStatus.BAD_GATEWAY: "Kafka refuses a record for good.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Kafka is away, or too much is under way: see Retry-After.",
}


def openapi_document(version: str) -> Tree:
    """The document: the same each time."""
    structs = (PushedMessage, LocationEntry, Accepted, Problem, Health)
    _, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    schemas["PushedMessage"]["properties"]["payload"]["items"] = {
        "anyOf": [{"$ref": "#/components/schemas/LocationEntry"}, _OTHER_ENTRY]
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Smart Bank Streams: gateway",
            "version": version,
            "description": "Takes what the Sensor Logger app pushes, and answers when Kafka has it.",
        },
        "paths": {
            LOCATION_PATH: {"post": _push()},
            "/livez": {"get": _probe("Whether the process answers in time.", "It does.")},
            "/readyz": {
                "get": _probe("Whether locations can be taken.", "Kafka answers and has the topics.")
            },
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_OTHER_ENTRY: Tree = {
    "description": "A reading of another sensor: ignored.",
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "not": {"const": "location"}}},
}


_RETRY_AFTER: Tree = {"description": "Seconds.", "schema": {"type": "integer"}}


def _push() -> Tree:
    return {
        "operationId": "push",
        "summary": "Take a message of the app.",
        "security": [{"token": []}],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/PushedMessage"}}},
        },
        "responses": {
            "200": {
                "description": "Kafka has acknowledged all that is counted.",
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Accepted"}}},
            },
            **{str(int(status)): _refusal(status) for status in _REFUSALS},
        },
    }


def _probe(summary: str, description: str) -> Tree:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Health"}}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": description, "content": content},
            "503": {
                "description": "Not so: a check says why.",
                "content": content,
                "headers": {"Retry-After": _RETRY_AFTER},
            },
        },
    }


def _refusal(status: HTTPStatus) -> Tree:
    refusal: Tree = {
        "description": _REFUSALS[status],
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        refusal["headers"] = {"Retry-After": _RETRY_AFTER}
    if status is HTTPStatus.UNAUTHORIZED:
        refusal["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return refusal
