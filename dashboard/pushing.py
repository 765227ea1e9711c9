"""Server-sent events for one open page: what changed, as often as it can take it."""

import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Final

from dashboard.live import Live
from dashboard.views import View

STATUS_EVERY_S: Final = 1.0


def events(
    live: Live, view: View, *, since: int, every_s: float, stop: Event, sent: Callable[[int], None]
) -> Iterator[bytes]:
    """Yield events until `stop` is set; `sent` hears of the bytes of each.

    Nothing waits here for a page: while it does not read, the server does not ask for the next event, and
    that one then has all that came meanwhile, each device and transaction as it is by then.
    """
    yield b"retry: 1000\n\n"
    status_at_s = 0.0
    while True:
        changes = live.changes(view, since)
        if changes is not None:
            frame, since = changes
            sent(len(frame))
            yield frame
        if time.monotonic() >= status_at_s:
            status_at_s = time.monotonic() + STATUS_EVERY_S
            frame = live.status(time.time_ns() // 1_000_000)
            sent(len(frame))
            yield frame
        if stop.wait(every_s):
            return
