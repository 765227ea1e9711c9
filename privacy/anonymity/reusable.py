"""Groups that were published and may take further rows."""

from collections import deque
from random import Random
from typing import NamedTuple

import numpy as np

from privacy.anonymity.generaliser import AXES, Codes
from privacy.anonymity.row import Generalisation


class Shape(NamedTuple):
    """What a published group looks like: all that a row needs to join it."""

    generalisation: Generalisation
    people: int
    merchants: int


class Reusable:
    """The last `most` groups that lost no more than their time's average, as CASTLE has it (its mu and tau).

    A group had its people and merchants when it was published; a row more takes none away.
    """

    def __init__(self, most: int, rng: Random) -> None:
        self._low: Codes = np.full((AXES, most), np.iinfo(np.int64).max)  # nothing lies in such a box
        self._high: Codes = np.full((AXES, most), np.iinfo(np.int64).min)
        self._shapes: list[Shape | None] = [None] * most
        self._next = 0
        self._recent: deque[float] = deque(maxlen=most)
        self._rng = rng

    def remember(self, low: Codes, high: Codes, shape: Shape) -> None:
        """Keep a group that was published, if it is a good one."""
        loss = shape.generalisation.information_loss
        self._recent.append(loss)
        if loss > sum(self._recent) / len(self._recent):
            return
        self._low[:, self._next], self._high[:, self._next] = low, high
        self._shapes[self._next] = shape
        self._next = (self._next + 1) % len(self._shapes)

    def find(self, codes: Codes) -> Shape | None:
        """A group that a row may join: any of those that cover it.

        By chance, and not the best one: who knew that it was the best would know where the row does not lie
        (Cao et al., 2011).
        """
        point = codes[:, None]
        covering = np.flatnonzero(((self._low <= point) & (point <= self._high)).all(axis=0))
        return self._shapes[self._rng.choice(covering.tolist())] if len(covering) else None
