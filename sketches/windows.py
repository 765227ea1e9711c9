"""Tumbling and hopping windows, made of spans of time that were tallied once."""

from collections.abc import Iterator, Mapping

from sketches.tally import Tally


def check_window(window_ms: int, every_ms: int, pane_ms: int) -> None:
    """Raise ValueError where windows cannot be made of panes."""
    if window_ms < pane_ms or window_ms % pane_ms or every_ms < pane_ms or every_ms % pane_ms:
        raise ValueError(
            f"windows and the steps between them are multiples of {pane_ms / 1000:g} s, not"
            f" {window_ms / 1000:g} s every {every_ms / 1000:g} s"
        )
    if every_ms > window_ms:
        raise ValueError("steps longer than the window would leave gaps between windows")


def windows(
    panes: Mapping[int, Tally], window_ms: int, every_ms: int, *, most: int
) -> Iterator[tuple[int, Tally]]:
    """The latest windows, oldest first: the start of each, and the tally of the panes that begin in it.

    `panes` by their start, milliseconds since the epoch. Windows start at multiples of the step; with a step
    as long as the window they tumble, with a shorter one they hop. The last one is that which the latest pane
    is the first of the last step of, so it may not be full yet.
    """
    if not panes:
        return
    last_ms = max(panes) // every_ms * every_ms
    first_ms = min(panes) // every_ms * every_ms - window_ms + every_ms
    starts = range(last_ms, first_ms - 1, -every_ms)[:most]
    for start_ms in reversed(starts):
        inside = [panes[at] for at in sorted(panes) if start_ms <= at < start_ms + window_ms]
        yield start_ms, Tally.merged(inside)
