"""What was published of hours, and what the day's privacy budget has left."""

import faust

from models.statistics_budget import StatisticsBudget
from streaming.layout import StructLayout
from streaming.struct_table import StructTable

KEY = b"budget"
"""There is one row, in the first partition."""


def make_budget(app: faust.App, partitions: int) -> StructTable[StatisticsBudget]:
    """Changelog {app id}-budget-changelog: compacted."""
    return StructTable(
        app,
        name="budget",
        layout=StructLayout(StatisticsBudget),
        partitions=partitions,
        help="budget -> StatisticsBudget",
    )
