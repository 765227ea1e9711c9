"""`python -m bench.without_metrics worker detector`: the same worker, with nothing of what makes metrics.

What is left is an empty list, a counter of nothing and two readings of the clock a chunk.
"""

from contextlib import nullcontext
from typing import Any

from agents.metrics import EventMetrics, VerdictMetrics
from app.cli.main import cli
from streaming.health import EventLoopWatch
from streaming.lookout import Lookout
from streaming.metrics import ChunkSensor


def _nothing(*_: Any) -> None:
    """Instead of a method that counts."""


async def _ask_nobody(*_: Any) -> None:
    """Instead of asking the broker for lags."""


_INSTEAD: dict[type, dict[str, Any]] = {
    EventMetrics: dict.fromkeys(("count",), _nothing),
    VerdictMetrics: dict.fromkeys(("decide", "acknowledge"), _nothing),
    Lookout: {
        "hand_out": _nothing,
        "acknowledge": _nothing,
        "ask_broker": _ask_nobody,
        "polling": lambda _: nullcontext(),
    },
    EventLoopWatch: {"beat": _nothing},
    ChunkSensor: dict.fromkeys(
        ("on_rebalance_start", "on_rebalance_end", "on_commit_initiated", "on_commit_completed"), _nothing
    ),
}


def leave_metrics_out() -> None:
    """Take what they do out of the classes. Raises AttributeError where a method has another name now."""
    for of, methods in _INSTEAD.items():
        for name, instead in methods.items():
            getattr(of, name)
            setattr(of, name, instead)


if __name__ == "__main__":
    leave_metrics_out()
    cli()
