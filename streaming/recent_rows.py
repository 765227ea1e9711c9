"""What a store on disk keeps in memory: to read a row from RocksDB costs twenty times as much."""

from collections.abc import Iterable, Mapping


class RecentRows:
    """Rows that were read or written lately; of a key also that it has none.

    When the young generation is full it becomes the old one, and the old one is forgotten. Whoever is asked
    for is young again.
    """

    def __init__(self, generation_rows: int) -> None:
        self._generation_rows = generation_rows
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old = {}, {}

    def get_many(self, keys: Iterable[bytes]) -> tuple[dict[bytes, bytes | None], list[bytes]]:
        """What is known of `keys`, and those that nothing is known of."""
        young, old = self._young, self._old
        rows: dict[bytes, bytes | None] = {}
        unknown: list[bytes] = []
        for key in keys:
            if key in young:
                rows[key] = young[key]
            elif key in old:
                rows[key] = young[key] = old[key]
            else:
                unknown.append(key)
        self._grow_old()
        return rows, unknown

    def put_many(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Remember the newest rows of their keys."""
        self._young.update(rows)
        self._grow_old()

    def _grow_old(self) -> None:
        if len(self._young) > self._generation_rows:
            self._old, self._young = self._young, {}
