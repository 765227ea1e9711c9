"""The state that the paper's rule needs."""

import faust

from models.latest_location import LatestLocation
from streaming.layout import StructLayout
from streaming.struct_table import StructTable


def make_latest_locations(app: faust.App, partitions: int) -> StructTable[LatestLocation]:
    """Key: device id, UTF-8 bytes. Value: the device's fix that arrived last (some 45 bytes).

    Changelog {app id}-latest_locations-changelog: compacted, co-partitioned with location_data. One row a
    device that was ever seen; nothing is deleted. A replayed fix is written again, which changes nothing
    once the log has been read to where it was.
    """
    return StructTable(
        app,
        name="latest_locations",
        layout=StructLayout(LatestLocation),
        partitions=partitions,
        help="device id -> LatestLocation",
    )
