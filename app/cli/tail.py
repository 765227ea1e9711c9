"""`python -m app tail TOPIC`: follow a topic."""

import asyncio
import os
import select
import sys
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from app.settings import Settings
from app.topics import topics_of
from streaming.errors import ConfigError

_PIPE_CHECK_S = 0.2
_AGES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Show = Callable[[dict[str, Any]], None]


def tail(
    topic: Annotated[str, typer.Argument(help="Any topic of the broker.")],
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Not only what comes from now on.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many records.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Start with records of this time: 30s, 15m, 2h, 1d ago, or ISO 8601.")
    ] = None,
) -> None:
    """Follow a topic until Ctrl-C. It commits nothing and no worker notices.

    Where output is no terminal: one JSON object a line, nothing cut. Records of one partition come in order.
    """
    from app.broker_client import quiet_client_logs

    quiet_client_logs()
    settings = Settings.from_env(os.environ)
    since_ms = None if since is None else since_time_ms(since, datetime.now(UTC))
    try:
        asyncio.run(
            _follow(settings, topic, _shower(), from_beginning=from_beginning, limit=limit, since_ms=since_ms)
        )
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def since_time_ms(text: str, now: datetime) -> int:
    """Epoch milliseconds of `text`: an age such as 15m, or ISO 8601, UTC without a zone."""
    number, unit = text[:-1], text[-1:]
    try:
        if unit in _AGES and number.isdecimal():
            moment = now - timedelta(**{_AGES[unit]: int(number)})
        else:
            moment = datetime.fromisoformat(text)
        time_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        time_ms = -1
    if time_ms < 0:  # Kafka knows no time before 1970
        raise ConfigError(f"--since is {text!r}; it must be an age such as 15m or a time in ISO 8601")
    return time_ms


async def _follow(
    settings: Settings,
    topic: str,
    show: Show,
    *,
    from_beginning: bool,
    limit: int | None,
    since_ms: int | None,
) -> None:
    reading = asyncio.create_task(
        _print_records(settings, topic, show, from_beginning=from_beginning, limit=limit, since_ms=since_ms)
    )
    # `tail … | head -3` must end with head, also when no further record comes.
    watching = asyncio.create_task(_reader_gone())
    try:
        await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        if not reading.done():
            reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading


async def _print_records(
    settings: Settings,
    topic: str,
    show: Show,
    *,
    from_beginning: bool,
    limit: int | None,
    since_ms: int | None,
) -> None:
    from app.connection import connection_of
    from app.record_view import view
    from app.tailing import read_topic

    spec = next((each for each in topics_of(settings).all if each.name == topic), None)
    left = limit
    records = read_topic(connection_of(settings), topic, from_beginning=from_beginning, since_ms=since_ms)
    async with aclosing(records):
        async for record in records:
            show(view(record, spec))
            if left is not None and (left := left - 1) == 0:
                return


async def _reader_gone() -> None:
    """Return when whoever reads our standard output has closed it; never for a file or terminal."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # POLLERR and POLLHUP are always reported
    while not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):  # noqa: ASYNC110
        await asyncio.sleep(_PIPE_CHECK_S)


def _shower() -> Show:
    from app.record_view import one_line

    if not sys.stdout.isatty():

        def show_line(shown: dict[str, Any]) -> None:
            sys.stdout.buffer.write(one_line(shown) + b"\n")
            sys.stdout.buffer.flush()

        return show_line

    from rich.highlighter import JSONHighlighter

    console, highlight = Console(highlight=False, soft_wrap=True), JSONHighlighter()

    def show_coloured(shown: dict[str, Any]) -> None:
        moment = datetime.fromtimestamp(shown["timestamp"] / 1000, UTC)
        place = f"{shown['topic']}[{shown['partition']}]:{shown['offset']}"
        rest = {
            k: v for k, v in shown.items() if k not in ("topic", "partition", "offset", "timestamp", "key")
        }
        console.print(
            Text(f"{moment:%Y-%m-%d %H:%M:%S.%f}"[:-3], style="dim"),
            Text(place, style="cyan"),
            Text(str(shown["key"]), style="bold"),
            highlight(Text(one_line(rest).decode())),
        )

    return show_coloured
