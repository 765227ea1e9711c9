"""What was published of decisions that may be read again."""

from collections.abc import Iterator

import faust

from models.published_group import PublishedGroup
from streaming.layout import StructLayout
from streaming.struct_table import StructTable

_OFFSET_BYTES = 8


class GroupTable(StructTable[PublishedGroup]):
    """Key: offset of the group's last decision, 8 bytes, big-endian. Value: a PublishedGroup.

    Changelog {app id}-groups-changelog: compacted, co-partitioned with transaction_decisions. A row goes when
    the group's offsets are behind the committed one: nothing of it is read again.
    """

    def __init__(self, app: faust.App, partitions: int) -> None:
        super().__init__(
            app,
            name="groups",
            layout=StructLayout(PublishedGroup),
            partitions=partitions,
            help="last offset -> PublishedGroup",
        )

    def groups(self, partition: int) -> Iterator[PublishedGroup]:
        """All groups of a partition."""
        return (group for _, group in self.structs_of(partition))


def group_key(last_offset: int) -> bytes:
    """The key of the group whose last decision lies there."""
    return last_offset.to_bytes(_OFFSET_BYTES, "big")
