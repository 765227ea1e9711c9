"""Rows as points and groups as boxes of five whole numbers: what is common to them, and what that loses."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from privacy.anonymity.geohash import cell_code, cell_name, code_bits
from privacy.anonymity.hierarchies import Hierarchies
from privacy.anonymity.row import Generalisation, Row
from privacy.anonymity.tree import Tree

AXES: Final = 5
"""Place, time, amount, merchant category, device type."""

Codes = npt.NDArray[np.int64]
"""Points, or corners of boxes: one row an axis, one column each."""

Losses = npt.NDArray[np.float64]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Generaliser:
    """Knows the hierarchies as numbers. A box is the least and the greatest number on every axis.

    What is common to all points of a box is then a matter of its two corners: the first bits of a place, the
    family of a leaf, since leaves of a family stand together. So the loss of thousands of boxes is computed
    at once.
    """

    def __init__(self, hierarchies: Hierarchies) -> None:
        self._characters = hierarchies.place.characters
        self._place_bits = code_bits(self._characters[0])
        self._step_s = hierarchies.time.step_s
        self._edges = hierarchies.amount.edges
        self._categories = Tree(hierarchies.merchant_category)
        self._devices = Tree(hierarchies.device_type)
        # By the number of bits in which the corners differ: how many steps that is.
        self._place_steps = [
            next(step for step, length in enumerate(self._characters) if code_bits(length) <= same)
            for same in range(self._place_bits, -1, -1)
        ]
        self._place_losses = np.array(self._place_steps) / (len(self._characters) - 1)
        self._widest = hierarchies.time.span_s // self._step_s - 1
        amounts = len(self._edges) - 1
        low, high = np.mgrid[:amounts, :amounts]
        tables = [
            np.maximum(high - low, 0) / (amounts - 1),
            self._categories.losses(),
            self._devices.losses(),
        ]
        # One table for the axes that need one: number = low * stride + high + begin.
        self._losses = np.concatenate([table.ravel() for table in tables])
        self._strides = np.array([[len(table)] for table in tables])
        self._begins = np.array([[0], [tables[0].size], [tables[0].size + tables[1].size]])

    def codes(self, row: Row) -> tuple[int, int, int, int, int] | None:
        """The point of a row. None: its amount is outside of the hierarchy."""
        amount = bisect_right(self._edges, row.amount) - 1
        if not 0 <= amount < len(self._edges) - 1:
            return None
        return (
            cell_code(row.latitude_deg, row.longitude_deg, self._characters[0]),
            (row.time - _EPOCH) // timedelta(seconds=self._step_s),
            amount,
            self._categories.code(row.merchant_category),
            self._devices.code(row.device_type),
        )

    def losses(self, low: Codes, high: Codes) -> Losses:
        """GLM of boxes: the mean over the axes of what each loses, from 0, nothing, to 1, all.

        An interval of time or amount loses the share of the other steps that it covers besides one; a family
        the share of the other leaves (both Iyengar, KDD 2002); a cell the share of steps to the whole Earth
        that have been taken, since by their area cities would lose nothing.
        """
        differing = np.frexp((low[0] ^ high[0]).astype(np.float64))[1]
        total: Losses = self._place_losses[differing]
        total += np.minimum((high[1] - low[1]) / self._widest, 1.0)
        total += self._losses.take(low[2:] * self._strides + high[2:] + self._begins).sum(axis=0)
        total /= AXES
        return total

    def widened(self, low: Codes, high: Codes) -> tuple[Codes, Codes]:
        """The corners of all that has the same generalisation as this box."""
        low, high = low.copy(), high.copy()
        bits = self._place_bits - code_bits(self._length(int(low[0]), int(high[0])))
        low[0] = low[0] >> bits << bits
        high[0] = low[0] + (1 << bits) - 1
        low[3], high[3] = self._categories.span(int(low[3]), int(high[3]))
        low[4], high[4] = self._devices.span(int(low[4]), int(high[4]))
        return low, high

    def generalisation(self, low: Codes, high: Codes) -> Generalisation:
        """What a box is for readers."""
        (place, since, least, *leaves), (last_place, until, most, *last_leaves) = low.tolist(), high.tolist()
        length = self._length(place, last_place)
        return Generalisation(
            place=cell_name(place >> self._place_bits - code_bits(length), length),
            time_from=_EPOCH + timedelta(seconds=since * self._step_s),
            time_to=_EPOCH + timedelta(seconds=(until + 1) * self._step_s),
            amount_from=self._edges[least],
            amount_to=self._edges[most + 1],
            merchant_category=self._categories.name(leaves[0], last_leaves[0]),
            device_type=self._devices.name(leaves[1], last_leaves[1]),
            information_loss=self._loss(low, high),
        )

    def _length(self, place: int, last_place: int) -> int:
        """How many characters the cell that holds both has."""
        return self._characters[self._place_steps[(place ^ last_place).bit_length()]]

    def _loss(self, low: Codes, high: Codes) -> float:
        return float(self.losses(low[:, None], high[:, None])[0])
