"""What a worker does now and then beside its stream."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import faust

log = logging.getLogger(__name__)


def periodically(app: faust.App, every_s: float, do: Callable[[], Awaitable[None]], what: str) -> None:
    """Let `app` do it as often; a failure is logged as "could not `what`", and the next time tried again."""

    async def task() -> None:
        while not app.should_stop:
            await asyncio.sleep(every_s)
            try:
                await do()
            except Exception as error:  # noqa: BLE001 (nothing beside the stream may end it)
                log.warning("could not %s: %r", what, error)

    app.task(task)
