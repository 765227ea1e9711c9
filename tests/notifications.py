"""People who are told, under test: flagged transactions, an HTTP server that fails, a mail server."""

import asyncio
import base64
import random
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from models.flagged_transaction import FlagEvent, FlaggedTransaction
from models.judgement import UsedFix

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
TIME = datetime(2026, 11, 22, 18, 31, 59, 516_000, UTC)
DEVICE, USER = "9e30691c-2386-42ea-926a-1e48cc11d357", "dev:d29934afbe7853c83edfe69adaa040eb"


def flagged(number: int = 1, event: FlagEvent = "flagged", **changes: Any) -> FlaggedTransaction:
    """An alert as the detector writes it."""
    fix = UsedFix(TIME, 37.3994018, -121.9183745, 1.585496954770459, 5.003188542033792)
    alert = FlaggedTransaction(
        verdict="cleared" if event == "retracted" else "flagged",
        reasons=("beyond_reach_of_fix_before", "fixes_refused"),
        distance_m=2694.8333878992107,
        elapsed_s=1.516,
        implied_speed_mps=1049.2170903645376,
        reported_speed_mps=1.585496954770459,
        allowed_speed_mps=143.5821948879978,
        required_m=2639.8301993571768,
        possible_m=361.25280233820246,
        fixes=(fix,),
        refused=(fix,),
        profile="envelope",
        profile_version=1,
        event=event,
        transaction_id=f"t{number}",
        device_id=DEVICE,
        stage="final" if event == "confirmed" else "provisional",
        revision={"flagged": 1, "confirmed": 2, "retracted": 2}[event],
        transaction_time=TIME,
        latitude_deg=37.384417,
        longitude_deg=-121.894429,
        amount=float(number),
        user_token=USER,
        card_last4="1977",
        merchant_id="700073657",
        merchant="Merchant 73",
        merchant_category="Restaurant",
        transaction_type="in-store",
        transaction_device="tablet",
        received_ms=1_795_458_719_843,
    )
    return msgspec.structs.replace(alert, **changes)


@dataclass(frozen=True, slots=True)
class Request:
    """What came to an inbox, and what it answered (0: the connection was reset; -1: not within a second)."""

    headers: Mapping[str, str]
    body: bytes
    answer: int

    @property
    def id(self) -> str:
        """By which repeats are known."""
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        """The body."""
        return msgspec.json.decode(self.body)


@dataclass
class Inbox:
    """An HTTP server of this machine that takes notifications; `answers` says how.

    It answers with each in turn, the last one for ever. None: by chance, half of the time with 500, 503, a
    reset, or not within a second.
    """

    answers: list[int | None] = field(default_factory=lambda: [200])
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"  # type: ignore[attr-defined]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def accepted(self) -> list[Request]:
        """What was answered with 200."""
        return [request for request in self.requests if request.answer == 200]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            answer = self.chance.choice([200, 200, 200, 200, 500, 503, 0, -1])
        self.requests.append(Request(dict(request.headers), body, answer))
        self.came.set()
        if answer == 0:
            assert request.transport is not None
            request.transport.abort()
        if answer < 0:
            await asyncio.sleep(1.0)
        return web.Response(status=max(answer, 200), headers=self.headers)


@contextmanager
def in_background(inbox: Inbox) -> Iterator[Inbox]:
    """Let it serve in a thread of its own, for tests that do not await."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(inbox.__aenter__(), loop).result(10)
        yield inbox
        asyncio.run_coroutine_threadsafe(inbox.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class MailServer:
    """An SMTP server of this machine: STARTTLS, AUTH PLAIN, and what it was given. `replies` by command."""

    tls: ssl.SSLContext | None = None
    replies: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            command = line.decode().split()[0].upper()
            self.commands.append(line.decode().strip())
            if command == "EHLO":
                writer.write(b"250-test\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
            elif command == "STARTTLS":
                writer.write(b"220 go\r\n")
                assert self.tls is not None
                await writer.start_tls(self.tls)
            elif command in self.replies:
                writer.write(f"{self.replies[command]} as the test says\r\n".encode())
            elif command == "DATA":
                writer.write(b"354 go\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                mail = message_from_bytes(text, policy=policy.default)
                assert isinstance(mail, EmailMessage)
                self.mails.append(mail)
                writer.write(b"250 taken\r\n")
            else:
                writer.write({"AUTH": b"235 ok\r\n", "QUIT": b"221 bye\r\n"}.get(command, b"250 ok\r\n"))
            await writer.drain()
        writer.close()
