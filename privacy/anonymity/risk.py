"""How likely a published row is traced to its person, and how well groups hang together."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

import numpy as np

from privacy.anonymity.anonymizer import Released
from privacy.anonymity.generaliser import Codes, Generaliser
from privacy.anonymity.row import Row

Model = Literal["prosecutor", "journalist", "marketer", "silhouette"]

_MOST_POINTS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Privacy scores of published rows: 1 less the risk (El Emam and Dankar, 2008), and a silhouette.

    `prosecutor`: somebody looks for a person of whom they know that they are in the data; the risk is that of
    the worst group, 1 / people in it. `journalist`: somebody looks for anybody; 1 / people of the population
    who could be in the group by its place, time and so on; the worst group. `marketer`: somebody traces as
    many rows as possible; the share that they get right, the mean of the journalist's risk over the rows.
    `silhouette` (Rousseeuw, 1987): how much nearer rows are to their own group than to the next one, from -1
    to 1; it measures the grouping, no risk.
    """

    prosecutor: float
    journalist: float
    marketer: float
    silhouette: float


def scores_of(
    released: Sequence[Released], rows: Sequence[Row], generaliser: Generaliser, rng: Random
) -> Scores:
    """Score what was made of `rows`, the population. Raises ValueError where nothing was published."""
    groups = [each for each in released if not each.is_reuse]
    if not groups:
        raise ValueError("no row was published")
    placed = [row for row in rows if generaliser.codes(row) is not None]
    population = _points(placed, generaliser)
    people = np.unique([row.person or "" for row in placed], return_inverse=True)[1]
    sizes = []
    for group in groups:
        low, high = _box(group, generaliser)
        inside = ((population >= low[:, None]) & (population <= high[:, None])).all(axis=0)
        sizes.append(max(len(np.unique(people[inside])), group.people))
    weights = [len(group.members) for group in groups]
    marketer = sum(weight / size for weight, size in zip(weights, sizes, strict=True)) / sum(weights)
    return Scores(
        prosecutor=1 - 1 / min(group.people for group in groups),
        journalist=1 - 1 / min(sizes),
        marketer=1 - marketer,
        silhouette=_silhouette(groups, generaliser, rng),
    )


def _silhouette(groups: Sequence[Released], generaliser: Generaliser, rng: Random) -> float:
    """Of as many groups as have a thousand rows; the distance of two rows is what joining them loses."""
    sample: list[Released] = []
    for group in rng.sample(groups, len(groups)):
        if sum(len(each.members) for each in sample) + len(group.members) > _MOST_POINTS and len(sample) > 1:
            break
        sample.append(group)
    if len(sample) < 2:
        return 0.0
    points = _points([member.row for group in sample for member in group.members], generaliser)
    labels = np.repeat(np.arange(len(sample)), [len(group.members) for group in sample])
    sizes = np.bincount(labels)
    sums = np.empty((points.shape[1], len(sample)))
    for number in range(points.shape[1]):
        point = points[:, number : number + 1]
        away = generaliser.losses(np.minimum(points, point), np.maximum(points, point))
        sums[number] = np.bincount(labels, weights=away)
    every = np.arange(len(labels))
    own = sums[every, labels] / np.maximum(sizes[labels] - 1, 1)
    others = sums / sizes
    others[every, labels] = np.inf
    nearest = others.min(axis=1)
    widest = np.maximum(own, nearest)
    return float(np.divide(nearest - own, widest, out=np.zeros_like(own), where=widest > 0).mean())


def _points(rows: Sequence[Row], generaliser: Generaliser) -> Codes:
    codes = [code for row in rows if (code := generaliser.codes(row)) is not None]
    return np.array(codes, dtype=np.int64).T


def _box(group: Released, generaliser: Generaliser) -> tuple[Codes, Codes]:
    points = _points([member.row for member in group.members], generaliser)
    return generaliser.widened(points.min(axis=1), points.max(axis=1))
