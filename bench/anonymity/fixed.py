"""One generalisation for all rows: the least lossy one under which they are k-anonymous."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.anonymity.table import MERCHANT, PERSON
from privacy.anonymity.generaliser import AXES, Codes
from privacy.anonymity.geohash import code_bits
from privacy.anonymity.hierarchies import Hierarchies
from privacy.anonymity.tree import Tree

_SUPPRESSED_SHARE = 0.02
_WIDTHS = (1, 2, 5, 10, 20, 60)

_Step = tuple[float, npt.NDArray[np.int64]]
"""What an axis loses on average, and a label for every row."""


def least_fixed_loss(table: Codes, hierarchies: Hierarchies, k: int, merchants: int) -> tuple[float, float]:
    """Mean GLM and suppressed share of full-domain generalisation (Samarati, 2001), given all rows at once.

    Every place is cut to the same length of name, every time and amount into intervals of the same width,
    every category and device is told, or its family, or not at all. Rows of groups that are too small are
    suppressed and count with a loss of 1. The best of all combinations that suppress 2 % at most.
    """
    steps = [
        list(_places(table[0], hierarchies)),
        list(_intervals(table[1], hierarchies.time.span_s // hierarchies.time.step_s)),
        list(_intervals(table[2], len(hierarchies.amount.edges) - 1)),
        list(_leaves(table[3], hierarchies.merchant_category)),
        list(_leaves(table[4], hierarchies.device_type)),
    ]
    choices = sorted(product(*steps), key=lambda choice: sum(loss for loss, _ in choice))
    best = (1.0, 1.0)
    for choice in choices:
        loss = sum(each for each, _ in choice) / AXES
        if loss >= best[0]:
            break
        suppressed = 1 - _kept(np.array([labels for _, labels in choice]), table, k, merchants)
        if suppressed <= _SUPPRESSED_SHARE:
            best = min(best, (loss * (1 - suppressed) + suppressed, suppressed))
    return best


def _places(codes: npt.NDArray[np.int64], hierarchies: Hierarchies) -> Iterator[_Step]:
    characters = hierarchies.place.characters
    for step, length in enumerate(characters):
        yield step / (len(characters) - 1), codes >> code_bits(characters[0] - length)


def _intervals(codes: npt.NDArray[np.int64], count: int) -> Iterator[_Step]:
    for width in _WIDTHS:
        yield min((width - 1) / (count - 1), 1.0), codes // width
    yield 1.0, np.zeros_like(codes)


def _leaves(codes: npt.NDArray[np.int64], branches: Mapping[str, Any]) -> Iterator[_Step]:
    """The leaf, the smallest family around it, any."""
    tree = Tree(branches)
    last = len(tree.leaves) - 1
    yield 0.0, codes
    spans = []
    for leaf in range(last + 1):
        joined = (tree.span(min(leaf, other), max(leaf, other)) for other in range(last + 1) if other != leaf)
        family = min(joined, key=lambda span: span[1] - span[0])
        spans.append((leaf, leaf) if family == (0, last) else family)
    losses = np.array([(high - low) / last for low, high in spans])
    yield float(losses[codes].mean()), np.array([low for low, _ in spans])[codes]
    yield 1.0, np.zeros_like(codes)


def _kept(labels: Codes, table: Codes, k: int, merchants: int) -> float:
    """The share of the rows that are in groups of enough people and merchants."""
    group = np.unique(labels, axis=1, return_inverse=True)[1]
    enough = np.ones(int(group.max()) + 1, dtype=bool)
    for line, least in ((PERSON, k), (MERCHANT, merchants)):
        pairs = np.unique(np.array([group, table[line]]), axis=1)
        enough &= np.bincount(pairs[0], minlength=len(enough)) >= least
    return float(enough[group].mean())
