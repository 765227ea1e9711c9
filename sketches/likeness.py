"""MinHash LSH over transactions (the paper's Figure 7): who tries many cards makes near-identical ones."""

import heapq
import math
from bisect import insort
from functools import partial
from itertools import islice
from typing import Final, Self

import mmh3
import msgspec

from sketches.clusters import CardUse, Cluster, Kind, cluster_of
from sketches.items import MAX_ITEM_BYTES
from sketches.lsh import BANDS, ROWS, THRESHOLD, Lsh
from sketches.shingles import LIKENESS_OF_FOUR, Shingles, shingles_of
from sketches.sketch import from_frame, to_frame

MAX_ID_CHARS: Final = 256
_SEED: Final = 1
_hash32 = partial(mmh3.hash, seed=_SEED, signed=False)


class Bounds(msgspec.Struct, frozen=True, array_like=True):
    """What is looked at, and what makes a cluster."""

    window_ms: int = 120_000
    """Transactions are forgotten when they are this much older than the newest."""
    max_amount: float = 5.0
    """Only amounts up to this are looked at: testers keep theirs small, others cost nothing so."""
    min_cards: int = 10
    """So many different cards in near-identical transactions make a cluster."""
    max_transactions: int = 4_096
    """The newest so many are kept."""

    def __post_init__(self) -> None:
        """Refuse bounds under which nothing could be found."""
        if self.window_ms < 1 or self.min_cards < 2 or self.max_transactions < self.min_cards:
            raise ValueError("likeness needs window_ms >= 1, min_cards >= 2, max_transactions >= min_cards")
        if not 0 <= self.max_amount < math.inf:
            raise ValueError("likeness needs a max_amount of 0 or more")


class _State(msgspec.Struct, frozen=True, array_like=True, tag="likeness"):
    """All state, in an order that depends on nothing else. MinHashes and links follow from it."""

    bounds: Bounds
    newest_ms: int | None
    kinds: tuple[Kind, ...]


class _Group:
    """The transactions of one kind."""

    __slots__ = ("cards", "linked", "uses")

    def __init__(self) -> None:
        self.uses: list[CardUse] = []  # oldest first
        self.cards: dict[str, int] = {}  # how many transactions of each
        self.linked: dict[Shingles, str] = {}  # with the field in which they differ


class Likeness:
    """Which of the last small transactions are near-identical, over how many cards.

    Transactions with equal shingles are one kind. Each kind is looked up by MinHash LSH (Broder 1997; Indyk
    and Motwani 1998) among the others. What comes back is compared as it is, so that no two are linked below
    the threshold of 0.5: four of five shingles must be equal. A kind is dense when transactions that have the
    same four shingles in common with it used `min_cards` different cards. Dense kinds that are linked, and
    all that is linked to them, are a cluster (as in DBSCAN, Ester et al., KDD 1996): kinds of few cards
    cannot chain two shops, or a town.

    Kinds are looked up when clusters are asked for, and only where any four shingles have cards enough: that
    is counted in a moment, and takes most of the time away from days on which nobody tests cards.

    Guaranteed: state and clusters are functions of the set of transactions seen, not of their order or how
    often they came: of the newest `max_transactions` within the window before the newest of all.
    Bounded: `clusters` costs at most a look at each kind and all that it is like.
    Not guaranteed: every link (`error_bound`). A cluster is missed where that leaves fewer than `min_cards`
    together.

    Time is what the caller says: the record's, if late transactions are to count. One far ahead of all others
    would make the others too old, so refuse it before.
    """

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self._newest_ms: int | None = None
        self._by_age: list[tuple[CardUse, Shingles]] = []  # a heap, the oldest first
        self._ids: set[str] = set()
        self._groups: dict[Shingles, _Group] = {}
        self._not_linked: dict[Shingles, None] = {}  # those of the groups that are not in the index yet
        self._lsh: Lsh[Shingles] = Lsh()

    def __len__(self) -> int:
        return len(self._by_age)

    def update(
        self,
        *,
        transaction_id: str,
        card: str,
        category: str,
        merchant: str,
        amount: float,
        latitude_deg: float,
        longitude_deg: float,
        time_ms: int,
    ) -> None:
        """Take a transaction up, but for one that came before, is too old or above `max_amount`.

        Raises ValueError when a number is none or infinite, or an id too long.
        """
        if self.bounds.max_amount < amount < math.inf:
            return
        shingles = shingles_of(
            category=category,
            merchant=merchant,
            amount=amount,
            latitude_deg=latitude_deg,
            longitude_deg=longitude_deg,
            time_ms=time_ms,
        )
        if len(transaction_id) > MAX_ID_CHARS or len(card) > MAX_ID_CHARS:
            raise ValueError(f"ids of transactions and cards have at most {MAX_ID_CHARS} characters")
        self._put(CardUse(time_ms, transaction_id, card), shingles)

    def merge(self, other: Self) -> None:
        """Take up all that the other holds. Raises ValueError when its bounds differ."""
        if other.bounds != self.bounds:
            raise ValueError(
                "likeness of different bounds cannot be merged: make both with the same settings"
            )
        if other._newest_ms is not None:
            self._advance(other._newest_ms)
        for use, shingles in sorted(other._by_age):
            self._put(use, shingles)

    def merge_bytes(self, data: bytes) -> None:
        """As `merge` with what `to_bytes` wrote, but for `max_transactions`; what is known costs little.

        Raises ValueError where these are no bytes of a likeness, or its other bounds differ.
        """
        state = from_frame(data, _State)
        bounds = msgspec.structs.replace(state.bounds, max_transactions=self.bounds.max_transactions)
        if bounds != self.bounds:
            raise ValueError("likeness of different bounds cannot be merged: make both alike")
        self._take(state)

    def clusters(self) -> list[Cluster]:
        """All clusters of the window, oldest first."""
        if not self._is_crowded():
            return []
        self._link()
        seen: set[Shingles] = set()
        found = [
            cluster_of(map(self._kind, self._reached_from(kind, seen)))
            for kind in self._groups
            if kind not in seen and self._dense(kind)
        ]
        return sorted(found, key=lambda cluster: cluster.kinds[0].uses[0])

    def missed_shares(self, most: int) -> list[float]:
        """Of up to `most` kinds, each, the share of the kinds like it that LSH does not find.

        Compares each with all others as they are: exact. Kinds that are like none are left out.
        """
        shares = []
        by_hash = sorted(self._groups, key=lambda kind: _hash32(b"|".join(kind.words)))
        for kind in by_hash[:most]:
            like = [other for other in self._groups if THRESHOLD <= kind.likeness(other) < 1]
            if like:
                lsh: Lsh[Shingles] = Lsh()
                for other in like:
                    lsh.add(other, other.words)
                shares.append(1 - len(lsh.add(kind, kind.words)) / len(like))
        return shares

    def to_bytes(self) -> bytes:
        """All state; equal sets of transactions give equal bytes, in any process."""
        kinds = tuple(self._kind(shingles) for shingles in sorted(self._groups))
        return to_frame(_State(self.bounds, self._newest_ms, kinds))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        likeness = cls(state.bounds)
        likeness._take(state)
        return likeness

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns: all of different kinds, with the longest ids and words."""
        return 128 + self.bounds.max_transactions * (64 + 8 * MAX_ID_CHARS + 4 * MAX_ITEM_BYTES)

    def error_bound(self) -> float:
        """The share of pairs with four of five shingles equal that LSH does not find: (1 - s^r)^b.

        Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4.2. datasketch takes 25 bands (b)
        of 5 rows (r) for the threshold and number of permutations.
        """
        return (1 - LIKENESS_OF_FOUR**ROWS) ** BANDS

    def _take(self, state: _State) -> None:
        if state.newest_ms is not None:
            self._advance(state.newest_ms)
        for kind in state.kinds:
            for use in kind.uses:
                self._put(use, kind.shingles)

    def _put(self, use: CardUse, shingles: Shingles) -> None:
        """Take up a transaction that is new, and not too old."""
        if use.transaction_id in self._ids:
            return
        self._advance(use.time_ms)
        if use.time_ms <= self._horizon_ms:
            return
        heapq.heappush(self._by_age, (use, shingles))
        self._ids.add(use.transaction_id)
        group = self._groups.get(shingles)
        if group is None:
            group = self._groups[shingles] = _Group()
            self._not_linked[shingles] = None
        insort(group.uses, use)
        group.cards[use.card] = group.cards.get(use.card, 0) + 1
        if len(self._by_age) > self.bounds.max_transactions:
            self._drop_oldest()

    @property
    def _horizon_ms(self) -> float:
        return -math.inf if self._newest_ms is None else self._newest_ms - self.bounds.window_ms

    def _advance(self, time_ms: int) -> None:
        """Forget what is too old now. Time that goes back changes nothing."""
        if self._newest_ms is None or time_ms > self._newest_ms:
            self._newest_ms = time_ms
            while self._by_age and self._by_age[0][0].time_ms <= self._horizon_ms:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        use, shingles = heapq.heappop(self._by_age)
        self._ids.remove(use.transaction_id)
        group = self._groups[shingles]
        group.uses.remove(use)  # the first of them
        group.cards[use.card] -= 1
        if not group.cards[use.card]:
            del group.cards[use.card]
        if not group.uses:
            del self._groups[shingles]
            if shingles in self._not_linked:
                del self._not_linked[shingles]
                return
            self._lsh.remove(shingles)
            for other in group.linked:
                del self._groups[other].linked[shingles]

    def _is_crowded(self) -> bool:
        """Whether any four shingles have cards enough: no kind is dense otherwise."""
        cards_of: dict[tuple[int | str, ...], set[str]] = {}
        for kind, group in self._groups.items():
            words = msgspec.structs.astuple(kind)
            for at in range(len(words)):
                cards = cards_of.setdefault((at, *words[:at], *words[at + 1 :]), set())
                cards.update(group.cards)
                if len(cards) >= self.bounds.min_cards:
                    return True
        return False

    def _link(self) -> None:
        """Link the kinds that are not to those that they are like."""
        for kind in self._not_linked:
            group = self._groups[kind]
            for other in self._lsh.add(kind, kind.words):
                if kind.likeness(other) >= THRESHOLD:
                    group.linked[other] = self._groups[other].linked[kind] = kind.differs_in(other)
        self._not_linked = {}

    def _dense(self, kind: Shingles) -> bool:
        """Whether transactions that have four shingles in common with a kind have cards enough."""
        group = self._groups[kind]
        if len(group.cards) >= self.bounds.min_cards:
            return True
        cards: dict[str, set[str]] = {}
        for near, field in group.linked.items():
            common = cards.setdefault(field, set(group.cards))
            common.update(islice(self._groups[near].cards, self.bounds.min_cards))
            if len(common) >= self.bounds.min_cards:
                return True
        return False

    def _reached_from(self, dense: Shingles, seen: set[Shingles]) -> list[Shingles]:
        """The kinds of the cluster of a dense kind. Dense ones become `seen`: others may border on two."""
        reached, ahead = {dense: None}, [dense]
        seen.add(dense)
        while ahead:
            for near in self._groups[ahead.pop()].linked:
                if near not in reached:
                    reached[near] = None
                    if self._dense(near):
                        seen.add(near)
                        ahead.append(near)
        return list(reached)

    def _kind(self, shingles: Shingles) -> Kind:
        return Kind(shingles, tuple(self._groups[shingles].uses))
