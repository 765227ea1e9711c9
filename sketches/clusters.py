"""Clusters of near-identical transactions, as values and as the graph that the paper draws (its Figure 7)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from sketches.shingles import Shingles


class CardUse(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """One transaction of a cluster. `card` is a token: it only needs to tell cards apart."""

    time_ms: int
    transaction_id: str
    card: str


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """Transactions whose shingles are all equal, oldest first."""

    shingles: Shingles
    uses: tuple[CardUse, ...]


class Cluster(msgspec.Struct, frozen=True):
    """Near-identical transactions of many cards. Kinds by age of their oldest transaction.

    Restricted zone: names transactions and tokens of cards.
    """

    kinds: tuple[Kind, ...]

    @property
    def uses(self) -> list[CardUse]:
        """All transactions, oldest first."""
        return sorted(use for kind in self.kinds for use in kind.uses)

    @property
    def cards(self) -> frozenset[str]:
        """The tokens of the cards that were used."""
        return frozenset(use.card for kind in self.kinds for use in kind.uses)

    @property
    def first_ms(self) -> int:
        """Time of the oldest transaction, milliseconds since the epoch."""
        return min(kind.uses[0].time_ms for kind in self.kinds)

    @property
    def last_ms(self) -> int:
        """Time of the newest transaction, milliseconds since the epoch."""
        return max(kind.uses[-1].time_ms for kind in self.kinds)


def cluster_of(kinds: Iterable[Kind]) -> Cluster:
    """The cluster of some kinds, in whatever order they come."""
    return Cluster(tuple(sorted(kinds, key=lambda kind: kind.uses[0])))


def graph(clusters: Iterable[Cluster], threshold: float) -> dict[str, Any]:
    """Nodes (transactions) and links (likeness), ready for JSON.

    Transactions with equal shingles hang on the oldest of them, likeness 1; the oldest of two kinds that are
    alike are linked. So what hangs together is what is alike, and 40 transactions are not 780 lines.
    Internal zone: transactions and cards are numbers that mean nothing elsewhere.
    """
    nodes: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for number, cluster in enumerate(clusters):
        card_numbers: dict[str, int] = {}
        oldest: list[tuple[Kind, int]] = []
        for kind in cluster.kinds:
            first = len(nodes)
            for use in kind.uses:
                card = card_numbers.setdefault(use.card, len(card_numbers))
                if len(nodes) > first:
                    links.append({"source": first, "target": len(nodes), "likeness": 1.0})
                nodes.append(
                    {"id": len(nodes), "cluster": number, "card": card, "time_ms": use.time_ms}
                    | msgspec.structs.asdict(kind.shingles)
                )
            for other, at in oldest:
                likeness = kind.shingles.likeness(other.shingles)
                if likeness >= threshold:
                    links.append({"source": at, "target": first, "likeness": round(likeness, 3)})
            oldest.append((kind, first))
    return {"nodes": nodes, "links": links}
