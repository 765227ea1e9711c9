"""How many messages people get. Pure: the time is an argument."""

from collections import deque
from typing import Final

_MINUTE_S: Final = 60.0


class Pace:
    """At most `per_minute` messages within any 60 seconds."""

    def __init__(self, per_minute: int) -> None:
        self._sent_s: deque[float] = deque(maxlen=per_minute)

    def wait_s(self, now_s: float) -> float:
        """How long no message may be sent; 0: one may be."""
        if len(self._sent_s) < (self._sent_s.maxlen or 0):
            return 0.0
        return max(self._sent_s[0] + _MINUTE_S - now_s, 0.0)

    def note(self, now_s: float) -> None:
        """Count a message that is sent now."""
        self._sent_s.append(now_s)
