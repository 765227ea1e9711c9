"""Keeping a log readable while a broker is away: aiokafka then writes thousands of lines a second."""

import logging
import time
from collections.abc import Callable

_PERIOD_S = 10.0
_LINES_A_PERIOD = 5


class RateLimit(logging.Filter):
    """Lets a few lines of each message template through in a period; the next one says how many more came."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock_s = clock_s
        self._periods: dict[str, tuple[float, int]] = {}  # template -> start of its period, lines in it

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        template, now_s = str(record.msg), self._clock_s()
        started_s, lines = self._periods.get(template, (now_s, 0))
        if now_s - started_s >= _PERIOD_S:
            if lines > _LINES_A_PERIOD:
                record.msg = f"{template} (and {lines - _LINES_A_PERIOD} more like it before)"
            started_s, lines = now_s, 0
        self._periods[template] = (started_s, lines + 1)
        return lines < _LINES_A_PERIOD


def limit_log_rate(prefix: str) -> None:
    """Limit every logger under `prefix` that exists by now.

    At level debug, too, it says no more than at info: aiokafka's debug lines quote records, byte for byte.
    """
    logging.getLogger(prefix).setLevel(logging.INFO)
    limit = RateLimit()
    for name in list(logging.root.manager.loggerDict):
        if name == prefix or name.startswith(prefix + "."):
            logging.getLogger(name).addFilter(limit)
