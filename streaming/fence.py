"""A partition of a changelog has one writer. This notices the rows of another.

The other is a zombie: a worker that stood still for longer than its session (SIGSTOP, a long swap), lost its
partitions without knowing it, and came back with sends in hand. Kafka fences its commits, not its sends.
"""


class Fence:
    """What the owner of a changelog partition knows of its log by the offsets of its own rows."""

    __slots__ = ("_end", "_foreign_from", "_overwriting_from")

    def __init__(self, end: int | None = None) -> None:
        """Start with a store that holds all rows before the offset `end`; None: the first own row tells."""
        self._end = end  # behind the last row that is ours or in the store
        self._foreign_from: int | None = None
        self._overwriting_from: int | None = None

    @property
    def end(self) -> int | None:
        """The offset that our next row gets if nobody else writes."""
        return self._end

    @property
    def is_broken(self) -> bool:
        """Whether rows of another were noticed."""
        return self._foreign_from is not None

    def acknowledge(self, last_offset: int, count: int) -> int:
        """Take note of `count` rows of ours of which the last has that offset.

        Returns the last offset up to which the store now holds all of the log: recovery may start behind it.
        """
        first = last_offset - count + 1
        if self._end is not None and first > self._end and self._foreign_from is None:
            self._foreign_from = self._end
        self._end = last_offset + 1 if self._end is None else max(self._end, last_offset + 1)
        unsure_from = (self._foreign_from, self._overwriting_from)
        return min([self._end, *(offset for offset in unsure_from if offset is not None)]) - 1

    def begin_overwriting(self, end: int) -> range:
        """Return the offsets before `end`, the end of the log, among which rows of another may be."""
        start = end if self._end is None else self._end
        start = start if self._foreign_from is None else self._foreign_from
        self._foreign_from = None
        self._overwriting_from = start
        self._end = end if self._end is None else max(self._end, end)
        return range(start, end)

    def end_overwriting(self, *, done: bool) -> None:
        """Say whether our rows now follow those of the other."""
        if not done:
            self._foreign_from = self._overwriting_from
        self._overwriting_from = None
