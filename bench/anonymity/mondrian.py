"""Mondrian: the batch anonymizer that is given every window at once."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bench.anonymity.table import MERCHANT, PERSON
from privacy.anonymity.generaliser import AXES, Codes, Generaliser, Losses

_ORDERED = (1, 2)  # time and amount; the other axes are trees


class Mondrian:
    """Multidimensional partition (LeFevre, DeWitt, Ramakrishnan, ICDE 2006), over our hierarchies.

    A part is cut in two at the median of the axis that loses most, between two cells or families where the
    axis has such; on the next axis where a half would have too few people or merchants; or not at all.
    `is_greedy`: of all such cuts, the one after which least is lost is taken.
    """

    def __init__(self, generaliser: Generaliser, k: int, merchants: int, *, is_greedy: bool) -> None:
        self._generaliser, self._k, self._merchants = generaliser, k, merchants
        self._is_greedy = is_greedy

    def losses(self, table: Codes, window: int) -> Losses:
        """GLM of every row, each full window by itself. Raises ValueError where a window is no group."""
        found = np.empty(table.shape[1] // window * window)
        for begin in range(0, len(found), window):
            rows = table[:, begin : begin + window]
            if not self._is_group(rows):
                raise ValueError("a window has too few people or merchants")
            for part, where in self._parts(rows):
                found[begin + where] = self._loss(part)
        return found

    def _parts(self, rows: Codes) -> Iterator[tuple[Codes, npt.NDArray[np.intp]]]:
        waiting = [(rows, np.arange(rows.shape[1]))]
        while waiting:
            part, where = waiting.pop()
            is_left = self._cut(part)
            if is_left is None:
                yield part, where
            else:
                waiting += [(part[:, half], where[half]) for half in (is_left, ~is_left)]

    def _cut(self, part: Codes) -> npt.NDArray[np.bool_] | None:
        """Which rows go into the first of two parts."""
        low, high = part[:AXES].min(axis=1), part[:AXES].max(axis=1)
        whole = self._axis_losses(low, high)
        best, least = None, np.inf
        for axis in np.argsort(-whole).tolist() if part.shape[1] >= 2 * self._k else ():
            for edge in self._edges(axis, part[axis], whole[axis]):
                is_left: npt.NDArray[np.bool_] = part[axis] < edge
                halves = part[:, is_left], part[:, ~is_left]
                if all(map(self._is_group, halves)):
                    if not self._is_greedy:
                        return is_left
                    lost = sum(self._loss(half) * half.shape[1] for half in halves)
                    if lost < least:
                        best, least = is_left, lost
        return best

    def _edges(self, axis: int, values: npt.NDArray[np.int64], whole: float) -> list[int]:
        """Where the axis may be cut: the two places next to the median."""
        met = np.unique(values)
        edges = met[1:]
        if axis not in _ORDERED:
            # Two children of a node meet where neighbours have nothing smaller than the node in common.
            lows, highs = np.zeros((2, AXES, len(edges)), dtype=np.int64)
            lows[axis], highs[axis] = met[:-1], edges
            edges = edges[np.isclose(self._generaliser.losses(lows, highs), whole)]
        median = float(np.median(values))
        return sorted(edges.tolist(), key=lambda edge: abs(edge - median))[:2]

    def _axis_losses(self, low: Codes, high: Codes) -> Losses:
        """What each axis loses by itself: that of a box which is a point on all others."""
        lows, highs = np.diag(low), np.diag(high)
        return self._generaliser.losses(lows, highs)

    def _loss(self, part: Codes) -> float:
        points = part[:AXES]
        return float(self._generaliser.losses(points.min(axis=1)[:, None], points.max(axis=1)[:, None])[0])

    def _is_group(self, rows: Codes) -> bool:
        return (
            len(set(rows[PERSON].tolist())) >= self._k
            and len(set(rows[MERCHANT].tolist())) >= self._merchants
        )
