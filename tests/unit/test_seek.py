"""Where reading starts, while a read from before the rebalance still ends."""

from collections import defaultdict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streaming.consumer import ChunkConsumer

INPUT, OTHER = TP("input", 0), TP("input", 1)


class Consumer(ChunkConsumer):
    """Its broker is a stand-in, which moves every position on as soon as anybody waits."""

    def __init__(self, committed: dict[TP, int | None], first: dict[TP, int]) -> None:
        # Nothing of Faust's own beginning: what follows is all that a seek looks at.
        self.app = SimpleNamespace(conf=SimpleNamespace(consumer_auto_offset_reset="earliest"))
        self._topics = ("input",)
        self._groups, self._ledgers, self._committable, self._heard_s, self._epoch = {}, {}, {}, {}, 0
        self._read_offset: dict[TP, int | None] = {}
        self._committed_offset: defaultdict[TP, int | None] = defaultdict(lambda: None)
        self.of_group, self.first, self.positions = committed, first, dict.fromkeys(committed, 0)

    def assignment(self) -> set[TP]:
        """All partitions."""
        return set(self.of_group)

    async def seek_to_committed(self) -> Mapping[TP, Any]:
        """As aiokafka: not to an offset of 0."""
        self.positions |= {tp: offset for tp, offset in self.of_group.items() if offset}
        return dict(self.of_group)

    async def earliest_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """The broker's answer."""
        self._a_read_ends()
        return {tp: self.first[tp] for tp in tps}

    async def seek_wait(self, offsets: Mapping[TP, int]) -> None:
        """Move positions."""
        self.positions |= offsets
        self._a_read_ends()

    async def position(self, tp: TP) -> int:
        """Of the next record."""
        return self.positions[tp]

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        self.of_group |= offsets
        return True

    def _a_read_ends(self) -> None:
        self.positions = {tp: offset + 76 for tp, offset in self.positions.items()}


@pytest.mark.parametrize("committed", [None, 0])
async def test_a_start_is_the_first_record_and_not_where_a_read_that_is_dropped_has_come_to(
    committed: int | None,
) -> None:
    """Or whatever it read would be lost at the next seek. Faust takes a commit of 0 for none."""
    consumer = Consumer({INPUT: committed, OTHER: 12}, {INPUT: 3, OTHER: 0})
    await consumer.perform_seek()
    assert consumer.of_group == {INPUT: 3, OTHER: 12}
