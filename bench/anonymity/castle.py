"""CASTLE as published (Cao, Carminati, Ferrari, Tan, IEEE TDSC 8(3), 2011), over our hierarchies."""

from collections import deque
from dataclasses import dataclass, field
from random import Random

import numpy as np

from bench.anonymity.table import MERCHANT, PERSON
from privacy.anonymity.generaliser import AXES, Codes, Generaliser, Losses


@dataclass(slots=True, eq=False)
class _Cluster:
    low: Codes
    high: Codes
    members: list[int] = field(default_factory=list)


class Castle:
    """One pass over a table; `beta` clusters at most, `mu` of them for the threshold of what they may lose.

    k counts people and l merchants. A row that expires in a cluster which is too small joins a published one
    that covers it; else its cluster is merged with the nearest ones until it is large enough; a row whose
    cluster is smaller than half of all others is an outlier and suppressed. Clusters that would do for two
    groups are split into nearest neighbours before they are published.
    """

    def __init__(
        self, generaliser: Generaliser, k: int, merchants: int, *, delta: int, beta: int, mu: int
    ) -> None:
        self._generaliser, self._k, self._merchants = generaliser, k, merchants
        self._delta, self._beta = delta, beta
        self._clusters: list[_Cluster] = []
        self._published: list[tuple[Codes, Codes, float]] = []
        self._recent: deque[float] = deque(maxlen=mu)
        self._rng = Random(1)

    def losses(self, table: Codes) -> Losses:
        """GLM of every row, 1 where it was suppressed."""
        self._table = table
        self._cluster_of: dict[int, _Cluster] = {}
        self._found = np.full(table.shape[1], np.nan)
        for number in range(table.shape[1]):
            self._take(number)
            if number >= self._delta and (number - self._delta) in self._cluster_of:
                self._expire(number - self._delta)
        for number in sorted(self._cluster_of):
            if number in self._cluster_of:
                self._expire(number)
        return self._found

    @property
    def _threshold(self) -> float:
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    def _take(self, number: int) -> None:
        point = self._table[:AXES, number]
        best = self._best(point)
        if best is None:
            best = _Cluster(point.copy(), point.copy())
            self._clusters.append(best)
        self._add(best, number)

    def _best(self, point: Codes) -> _Cluster | None:
        """The cluster that is enlarged least: a good one, or any where there may be no more."""
        if not self._clusters:
            return None
        lows, highs = self._corners()
        after = self._generaliser.losses(np.minimum(lows, point[:, None]), np.maximum(highs, point[:, None]))
        enlargement = after - self._generaliser.losses(lows, highs)
        least = np.flatnonzero(enlargement <= enlargement.min() + 1e-12)
        good = [index for index in least.tolist() if after[index] <= self._threshold]
        if good:
            return min((self._clusters[index] for index in good), key=lambda each: len(each.members))
        if len(self._clusters) < self._beta:
            return None
        return min((self._clusters[index] for index in least.tolist()), key=lambda each: len(each.members))

    def _expire(self, number: int) -> None:
        cluster = self._cluster_of[number]
        if not self._is_group(cluster.members):
            point = self._table[:AXES, number]
            covering = [
                loss for low, high, loss in self._published if ((low <= point) & (point <= high)).all()
            ]
            if covering:
                self._leave(number, self._rng.choice(covering))
                return
            larger = sum(len(each.members) > len(cluster.members) for each in self._clusters)
            everybody = [member for each in self._clusters for member in each.members]
            if larger > len(self._clusters) / 2 or not self._is_group(everybody):
                self._leave(number, 1.0)
                return
            self._merge(cluster)
        self._publish(cluster)

    def _merge(self, cluster: _Cluster) -> None:
        while not self._is_group(cluster.members):
            lows, highs = self._corners()
            after = self._generaliser.losses(
                np.minimum(lows, cluster.low[:, None]), np.maximum(highs, cluster.high[:, None])
            )
            after[self._clusters.index(cluster)] = np.inf
            other = self._clusters[int(after.argmin())]
            for member in list(other.members):
                self._add(cluster, member)
            self._clusters.remove(other)

    def _publish(self, cluster: _Cluster) -> None:
        self._clusters.remove(cluster)
        for members in self._split(cluster.members):
            points = self._table[:AXES, members]
            low, high = self._generaliser.widened(points.min(axis=1), points.max(axis=1))
            loss = float(self._generaliser.losses(low[:, None], high[:, None])[0])
            for member in members:
                self._found[member] = loss
                del self._cluster_of[member]
            self._recent.append(loss)
            if loss <= self._threshold:
                self._published.append((low, high, loss))
                del self._published[: -self._beta]

    def _split(self, members: list[int]) -> list[list[int]]:
        """A row and its k - 1 nearest neighbours of others, again and again; the rest to the nearest."""
        people = {int(self._table[PERSON, member]) for member in members}
        if len(people) < 2 * self._k:
            return [members]
        left, groups = list(members), []
        while len({int(self._table[PERSON, member]) for member in left}) >= self._k:
            seed = left[self._rng.randrange(len(left))]
            by_distance = self._by_distance(seed, left)
            group: list[int] = []
            met: set[int] = set()
            for member in by_distance:
                if len(met) < self._k and int(self._table[PERSON, member]) not in met:
                    group.append(member)
                    met.add(int(self._table[PERSON, member]))
            groups.append(group)
            taken = set(group)
            left = [member for member in left if member not in taken]
        for member in left:
            nearest = self._by_distance(member, [group[0] for group in groups])[0]
            next(group for group in groups if group[0] == nearest).append(member)
        return groups if all(map(self._is_group, groups)) else [members]

    def _by_distance(self, seed: int, members: list[int]) -> list[int]:
        points, point = self._table[:AXES, members], self._table[:AXES, seed][:, None]
        away = self._generaliser.losses(np.minimum(points, point), np.maximum(points, point))
        return [members[index] for index in np.argsort(away, kind="stable").tolist()]

    def _corners(self) -> tuple[Codes, Codes]:
        return (
            np.array([each.low for each in self._clusters]).T,
            np.array([each.high for each in self._clusters]).T,
        )

    def _add(self, cluster: _Cluster, number: int) -> None:
        point = self._table[:AXES, number]
        cluster.low, cluster.high = np.minimum(cluster.low, point), np.maximum(cluster.high, point)
        cluster.members.append(number)
        self._cluster_of[number] = cluster

    def _leave(self, number: int, loss: float) -> None:
        cluster = self._cluster_of.pop(number)
        cluster.members.remove(number)
        if not cluster.members:
            self._clusters.remove(cluster)
        self._found[number] = loss

    def _is_group(self, members: list[int]) -> bool:
        return (
            len(set(self._table[PERSON, members].tolist())) >= self._k
            and len(set(self._table[MERCHANT, members].tolist())) >= self._merchants
        )
