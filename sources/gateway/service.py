"""The HTTP interface: POST /location as the Sensor Logger app sends it, and what operators ask for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from models.dead_letter import DeadLetter
from sources.gateway.answers import JSON, Accepted, RefusedError, accepted, away
from sources.gateway.metrics import ORIGIN, GatewayMetrics
from sources.gateway.sensor_logger import Reading, Unreadable, read_push
from sources.gateway.tokens import Sender, Tokens
from sources.intake import Intake, IntakeFullError
from sources.intake_lane import Record
from streaming.decoding import MALFORMED
from streaming.errors import OutputLostError, RecordError, RetryableError
from streaming.health import Finding, Health

log = logging.getLogger(__name__)

LOCATION_PATH = "/location"
_NO_PLACE = -1
_JSON_TYPES = {JSON, "text/plain", "application/octet-stream"}  # the latter: no Content-Type at all
_FULL_RETRY_S, _AWAY_RETRY_S = 1, 5
_READY_FOR_S = 1.0  # so long an answer on readiness holds, since anybody may ask

_encode = msgspec.json.Encoder().encode

Route = Callable[[web.BaseRequest], Awaitable[web.Response]]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request, and all together, may take."""

    max_body_bytes: int
    max_locations: int
    """Location entries of one message."""
    max_held_bytes: int
    """Bodies that are being read or wait for Kafka, all together."""
    read_timeout_s: float
    """A body must be there within this."""


class Service:
    """Handles requests of aiohttp's web.Server. `tokens` None: everybody may send."""

    def __init__(
        self,
        intake: Intake,
        *,
        location_topic: str,
        dead_letter_topic: str,
        tokens: Tokens | None,
        limits: Limits,
        metrics: GatewayMetrics,
        openapi: bytes,
        is_alive: Callable[[], Finding],
    ) -> None:
        self.tokens = tokens
        self._intake, self._limits, self._metrics, self._openapi = intake, limits, metrics, openapi
        self._is_alive = is_alive
        self._location_topic, self._dead_letter_topic = location_topic, dead_letter_topic
        self._held_bytes = self._requests = 0
        self._readiness: tuple[float, asyncio.Future[bool]] | None = None
        self._open: Mapping[str, Route] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/openapi.json": self._document,
        }
        metrics.watch(lambda: self._requests, lambda: intake.in_flight_bytes)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a request, whatever comes."""
        self._requests += 1
        try:
            response = await self._answer(request)
        except RefusedError as refused:
            response = refused.response()
        except Exception as error:  # noqa: BLE001 (a bug must not stop the others; its text may quote a body)
            log.error("failed on a request: %s", type(error).__name__)  # noqa: TRY400
            refusal = RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "the gateway failed", is_last=True)
            response = refusal.response()
        finally:
            self._requests -= 1
        self._metrics.answered(response.status)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path
        if route := self._open.get(path):
            _require_method(request, "GET")
            return await route(request)
        sender = self._sender(request)
        if path != LOCATION_PATH:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is only {LOCATION_PATH}", is_last=True)
        _require_method(request, "POST")
        return await self._take(request, sender)

    def _sender(self, request: web.BaseRequest) -> Sender | None:
        if self.tokens is None:
            return None
        sender = self.tokens.sender(request.headers.get("Authorization"))
        if sender is None:
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "wanted a header Authorization: Bearer TOKEN with a token that is known here",
                {"WWW-Authenticate": 'Bearer realm="gateway"'},
                is_last=True,
            )
        return sender

    async def _take(self, request: web.BaseRequest, sender: Sender | None) -> web.Response:
        started_s, received_ms = time.perf_counter(), time.time_ns() // 1_000_000
        _require_json(request)
        body = bytearray()
        try:
            await self._read_body(request, body)
            reading = self._read(bytes(body))
            if sender is not None and not sender.may_send_for(reading.device_id):
                raise RefusedError(HTTPStatus.FORBIDDEN, "this token belongs to another device")
            if reading.unreadable and not reading.fixes:
                detail = f"no location can be read: {reading.unreadable[0].reason}"
                raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
            await self._send(reading, received_ms)
        finally:
            self._held_bytes -= len(body)
        counts = Accepted(
            accepted=len(reading.fixes), dead_letters=len(reading.unreadable), ignored=reading.ignored
        )
        self._metrics.accepted(counts, time.perf_counter() - started_s)
        return accepted(counts)

    async def _read_body(self, request: web.BaseRequest, body: bytearray) -> None:
        """Fill `body`, whose size is held against all others' until the request is answered."""
        limits = self._limits
        too_large = RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body has {limits.max_body_bytes:,} bytes at most",
            is_last=True,
        )
        if (request.content_length or 0) > limits.max_body_bytes:
            raise too_large
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        try:
            async with asyncio.timeout(limits.read_timeout_s):
                while chunk := await request.content.readany():
                    body += chunk
                    self._held_bytes += len(chunk)
                    if len(body) > limits.max_body_bytes:
                        raise too_large
                    if self._held_bytes > limits.max_held_bytes:
                        raise away("too many requests at once", _FULL_RETRY_S)
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body took more than {limits.read_timeout_s:g} s",
                is_last=True,
            ) from None
        except web.RequestPayloadError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body ended too soon", is_last=True) from None

    def _read(self, body: bytes) -> Reading:
        try:
            reading = read_push(body)
        except RecordError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, error.reason) from None
        if len(reading.fixes) + len(reading.unreadable) > self._limits.max_locations:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a message has {self._limits.max_locations:,} locations at most",
            )
        return reading

    async def _send(self, reading: Reading, received_ms: int) -> None:
        key = reading.device_id.encode()
        records = [Record(self._location_topic, key, _encode(fix), received_ms) for fix in reading.fixes]
        records += [self._dead_letter(key, entry, received_ms) for entry in reading.unreadable]
        if not records:
            return
        try:
            await self._intake.accept(records)
        except IntakeFullError as error:
            raise away(str(error), _FULL_RETRY_S) from None
        except RetryableError:  # the log says why
            raise away("Kafka has not taken it: send it again", _AWAY_RETRY_S) from None
        except OutputLostError as error:
            log.error("lost a message: %s", error)  # noqa: TRY400 (one line says it)
            raise RefusedError(HTTPStatus.BAD_GATEWAY, "Kafka refuses it for good") from None

    def _dead_letter(self, key: bytes, entry: Unreadable, received_ms: int) -> Record:
        letter = DeadLetter.of(
            reason_code=MALFORMED,
            reason=entry.reason,
            topic=ORIGIN,
            partition=_NO_PLACE,
            offset=_NO_PLACE,
            timestamp_ms=received_ms,
            key=key,
            value=entry.raw,
        )
        return Record(
            self._dead_letter_topic, letter.key or b"", letter.value or b"", received_ms, letter.headers
        )

    async def _livez(self, _request: web.BaseRequest) -> web.Response:
        return _health(self._is_alive())

    async def _readyz(self, _request: web.BaseRequest) -> web.Response:
        is_ready = await self._is_ready()
        state = "answers" if is_ready else "away, or topics are missing: the log says which"
        return _health(self._is_alive(), Finding(name="kafka", ok=is_ready, state=state))

    async def _is_ready(self) -> bool:
        """Whether Kafka answers and has the topics. All who ask within a second share one look."""
        now_s = time.monotonic()
        if self._readiness is None or now_s - self._readiness[0] > _READY_FOR_S:
            self._readiness = now_s, asyncio.ensure_future(self._look())
        return await asyncio.shield(self._readiness[1])

    async def _look(self) -> bool:
        try:
            await self._intake.check()
        except RetryableError:
            return False
        return True

    async def _document(self, _request: web.BaseRequest) -> web.Response:
        return web.Response(body=self._openapi, content_type=JSON)


def _health(*findings: Finding) -> web.Response:
    status, body = Health.of(findings).answer()
    headers = {} if status == HTTPStatus.OK else {"Retry-After": str(_AWAY_RETRY_S)}
    return web.Response(status=status, body=body, content_type=JSON, headers=headers)


def _require_method(request: web.BaseRequest, method: str) -> None:
    if request.method != method:
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"wanted {method}", {"Allow": method}, is_last=True)


def _require_json(request: web.BaseRequest) -> None:
    kind = request.content_type
    if kind not in _JSON_TYPES or request.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"wanted {JSON} without a Content-Encoding", is_last=True
        )
