"""Python's garbage collector, set for a process that makes many small objects and few cycles."""

import gc

_YOUNG_OBJECTS = 100_000  # Python's own 700 are reached within one chunk
_YOUNG_COLLECTIONS = 50
_MIDDLE_COLLECTIONS = 100


def leave_imports_alone() -> None:
    """Search what is there by now no more for cycles: every full search of it takes a tenth of a second.

    All else stays as Python does it: for a server, whose connections leave cycles that hold their buffers.
    """
    gc.collect()
    gc.freeze()


def collect_less_often() -> None:
    """Leave what was imported alone, and look for cycles after many more allocations than Python does.

    Records, messages and decisions are freed by reference counting; to search them for cycles took a fifth of
    a worker's time. What waits to be found is bounded by some 10 MB. To be called when everything is set up.
    """
    leave_imports_alone()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_COLLECTIONS, _MIDDLE_COLLECTIONS)
