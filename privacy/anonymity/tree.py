"""A hierarchy of names: leaves, families of them, and * for any."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

ANY: Final = "*"
UNKNOWN: Final = "unknown"
OTHER: Final = "other"


class Tree:
    """The leaves in an order in which every family stands together, so that two numbers name a family.

    `branches` maps the name of a family to a list of its leaves, or to branches of its own. What has no value
    is UNKNOWN and what is not declared is OTHER: leaves below the root, unless they are declared elsewhere.
    Names are compared without regard to case. Raises ValueError that says what is wrong with `branches`.
    """

    def __init__(self, branches: Mapping[str, Any]) -> None:
        paths = list(_paths(branches, ()))
        declared = {path[-1].casefold() for path in paths}
        paths += [(name,) for name in (UNKNOWN, OTHER) if name not in declared]
        names = [path[-1] for path in paths]
        families = {path[:depth] for path in paths for depth in range(1, len(path))}
        _check([*names, *(path[-1] for path in families)])
        self.leaves: tuple[str, ...] = tuple(names)
        self._codes = {name.casefold(): code for code, name in enumerate(names)}
        self._unknown, self._other = self._codes[UNKNOWN], self._codes[OTHER]
        span_of: dict[tuple[str, ...], tuple[int, int]] = {(): (0, len(paths) - 1)}
        for code, path in enumerate(paths):
            for depth in range(1, len(path)):
                first, _ = span_of.get(path[:depth], (code, code))
                span_of[path[:depth]] = first, code
        self._joined = {
            (low, high): _common(paths[low], paths[high])
            for low in range(len(paths))
            for high in range(low, len(paths))
        }
        self._span_of = span_of | {path: (code, code) for code, path in enumerate(paths)}

    def code(self, name: str | None) -> int:
        """The number of a leaf."""
        if name is None:
            return self._unknown
        return self._codes.get(name.strip().casefold(), self._other)

    def name(self, low: int, high: int) -> str:
        """The smallest family, or the leaf, that holds all leaves from `low` to `high`."""
        path = self._joined[low, high]
        return path[-1] if path else ANY

    def span(self, low: int, high: int) -> tuple[int, int]:
        """The first and last leaf of that family."""
        return self._span_of[self._joined[low, high]]

    def losses(self) -> npt.NDArray[np.float64]:
        """By `low` and `high`: the share of the other leaves that the family has (Iyengar, KDD 2002)."""
        count = len(self.leaves)
        table = np.zeros((count, count))
        for low, high in self._joined:
            first, last = self.span(low, high)
            table[low, high] = (last - first) / (count - 1)
        return table


def _paths(branches: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The way from the root to each leaf."""
    for family, below in branches.items():
        if isinstance(below, Mapping) and below:
            yield from _paths(below, (*above, family))
        elif isinstance(below, list) and below and all(isinstance(leaf, str) and leaf for leaf in below):
            yield from ((*above, family, leaf) for leaf in below)
        else:
            raise ValueError(f"{'.'.join((*above, family))} is no list of names and no table of such lists")


def _check(names: Sequence[str]) -> None:
    """Refuse a name that would mean two things."""
    seen = {ANY}
    for name in names:
        if name.casefold() in seen:
            raise ValueError(f"{name!r} stands there twice, or is {ANY}, which means any")
        seen.add(name.casefold())


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The part of both ways from the root that is the same."""
    depth = 0
    while depth < min(len(one), len(other)) and one[depth] == other[depth]:
        depth += 1
    return one[:depth]
