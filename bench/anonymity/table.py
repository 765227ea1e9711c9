"""Rows as an array, for anonymizers that are not ours."""

import numpy as np

from privacy.anonymity.generaliser import AXES, Codes, Generaliser
from privacy.anonymity.row import Row

PERSON, MERCHANT = AXES, AXES + 1


def table_of(rows: list[Row], generaliser: Generaliser) -> Codes:
    """A column for each row: its point, then a number for its person and one for its merchant."""
    people: dict[str | None, int] = {}
    merchants: dict[str | None, int] = {}
    columns = [
        (
            *codes,
            people.setdefault(row.person, len(people)),
            merchants.setdefault(row.merchant, len(merchants)),
        )
        for row in rows
        if (codes := generaliser.codes(row)) is not None
    ]
    return np.array(columns, dtype=np.int64).T
