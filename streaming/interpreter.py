"""Python set for a worker: many small objects, few cycles, two threads that must not wait for each other."""

import gc
import sys

_SWITCH_INTERVAL_S = 0.0001

_YOUNG_OBJECTS = 100_000  # Python's own 700 are reached within one chunk
_YOUNG_COLLECTIONS = 50
_MIDDLE_COLLECTIONS = 100


def tune_interpreter() -> None:
    """Set the garbage collector and the interpreter lock. To be called when everything is set up."""
    _collect_less_often()
    # Faust's consumer has a thread of its own. Each of its wake-ups waits as long for the lock while an agent
    # works; with Python's own 5 ms, a fetch of many steps made the median verdict three times as old.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


def _collect_less_often() -> None:
    """Leave what was imported alone, and look for cycles after many more allocations than Python does.

    Records, messages and decisions are freed by reference counting; to search them for cycles took a fifth of
    a worker's time. What waits to be found is bounded by some 10 MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_COLLECTIONS, _MIDDLE_COLLECTIONS)
