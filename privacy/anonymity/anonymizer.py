"""Streaming k-anonymity with l-diversity: rows wait for company, and leave in groups or not at all."""

from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from models.anonymized_transaction import AnonymizedTransaction
from models.times import epoch_ns
from privacy.anonymity.buffer import Buffer, Lack, Waiting
from privacy.anonymity.generaliser import Generaliser
from privacy.anonymity.hierarchies import Hierarchies
from privacy.anonymity.reusable import Reusable, Shape
from privacy.anonymity.row import Generalisation, Row
from privacy.tokens import TokenizeAt

Reason = Lack | Literal["outside_hierarchies"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What every group has, and how long rows wait for it."""

    k: Annotated[int, Meta(ge=1)]
    """Different people of a group."""
    l: Annotated[int, Meta(ge=1)]  # noqa: E741 (its name in every paper)
    """Different merchants of a group."""
    delta: Annotated[int, Meta(ge=1)]
    """Rows that may come after one before it leaves."""
    limit_ms: Annotated[int, Meta(ge=0)] | None = None
    """How long a row waits at most. None: only rows count."""
    mu: Annotated[int, Meta(ge=1)] = 100
    """Published groups that may be joined, and over which their average loss is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Rows that leave with one generalisation: a group, or a row that joins one which left before.

    Store it as a whole before any row of it is published: half a group is not a group.
    """

    members: tuple[Waiting, ...]
    generalisation: Generalisation
    people: int
    merchants: int
    is_reuse: bool

    def rows(self, row_token_of: TokenizeAt) -> list[tuple[Row, AnonymizedTransaction]]:
        """Each row and what is published of it, in the order of tokens: it tells nothing of who came first.

        All tokens are made for the same moment, the beginning of the group's time: a token names its key, and
        the keys of the rows' own times would part a group in which a period ends.
        """
        shape = self.generalisation
        moment_ms = epoch_ns(shape.time_from) // 1_000_000
        rows = [(row_token_of(each.row.transaction_id, moment_ms), each.row) for each in self.members]
        return [
            (
                row,
                AnonymizedTransaction(
                    row_token=token,
                    place=shape.place,
                    time_from=shape.time_from,
                    time_to=shape.time_to,
                    amount_from=shape.amount_from,
                    amount_to=shape.amount_to,
                    merchant_category=shape.merchant_category,
                    device_type=shape.device_type,
                    merchant=row.merchant,
                    verdict=row.verdict,
                    usual_place=row.usual_place,
                    group_size=self.people,
                    information_loss=shape.information_loss,
                ),
            )
            for token, row in sorted(rows, key=itemgetter(0))
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A row that is not published, and why: what all rows that waited lacked together."""

    member: Waiting
    reason: Reason


Outcome = Released | Suppressed


class Anonymizer:
    """Publishes no row before k people and l merchants share its generalisation.

    Guaranteed: each row that is taken leaves once, in a group or suppressed with a reason, at the latest in
    the call of `take` that brings the delta-th row after it, or in the first `close_due` at or after its time
    limit. Each group has k different people and l different merchants of its own, rows without a person or a
    merchant not counted; a row that joins a group later finds them there. Whatever one instance publishes may
    be put together with what others do.

    Not guaranteed: the same groups for the same rows, as chance chooses among groups to be joined. Nothing
    survives the process: who goes on with unacknowledged inputs starts with a new instance, which joins no
    group of another.

    When a row's time has come it forms a group with those that wait and lose little with it; where they are
    too few, it joins a group that was published and covers it (docs/privacy.md; docs/adr says why).
    """

    def __init__(self, hierarchies: Hierarchies, target: Target, rng: Random) -> None:
        self._generaliser = Generaliser(hierarchies)
        self._target = target
        self._buffer = Buffer(self._generaliser, target.delta + 1)
        self._reusable = Reusable(target.mu, rng)

    def __len__(self) -> int:
        """Rows that wait."""
        return len(self._buffer)

    @property
    def oldest_ms(self) -> int | None:
        """When the row that has waited longest was taken."""
        return self._buffer.since_ms(self._buffer.oldest()) if len(self._buffer) else None

    def take(self, row: Row, now_ms: int) -> list[Outcome]:
        """Let a row wait; return what leaves because of it. `now_ms` never falls, here and below."""
        codes = self._generaliser.codes(row)
        if codes is None:
            return [Suppressed(member=Waiting(row, now_ms), reason="outside_hierarchies")]
        number = self._buffer.add(row, codes, now_ms)
        oldest = self._buffer.oldest()
        return [self._release(oldest)] if self._buffer.number(oldest) <= number - self._target.delta else []

    def close_due(self, now_ms: int) -> list[Outcome]:
        """Let every row leave that has waited for the time limit."""
        outcomes: list[Outcome] = []
        limit_ms = self._target.limit_ms
        if limit_ms is None:
            return outcomes
        while (
            len(self._buffer) and self._buffer.since_ms(oldest := self._buffer.oldest()) <= now_ms - limit_ms
        ):
            outcomes.append(self._release(oldest))
        return outcomes

    def flush(self) -> list[Outcome]:
        """Let every row leave: nothing comes any more. The last group takes in who would be too few alone."""
        outcomes: list[Outcome] = []
        while len(self._buffer):
            outcomes.append(self._release(self._buffer.oldest(), is_end=True))
        return outcomes

    def _release(self, index: int, *, is_end: bool = False) -> Outcome:
        """Let a row leave: with others that wait, or into a group that was published, or unpublished."""
        buffer, k, l = self._buffer, self._target.k, self._target.l  # noqa: E741
        indices = buffer.company(index, k, l)
        if indices is None:
            lack = buffer.lack(k, l) or "too_few_people"
            return self._join(index) or Suppressed(member=buffer.remove([index])[0], reason=lack)
        low, high = buffer.box(indices)
        indices = buffer.covered(low, high, indices)
        if is_end and len(indices) < len(buffer) and buffer.lack(k, l, without=indices):
            indices = buffer.everyone()
            low, high = buffer.box(indices)
        members = buffer.remove(indices.tolist())
        shape = Shape(
            self._generaliser.generalisation(low, high),
            people=len({each.row.person for each in members if each.row.person}),
            merchants=len({each.row.merchant for each in members if each.row.merchant}),
        )
        self._reusable.remember(low, high, shape)
        return _released(members, shape, is_reuse=False)

    def _join(self, index: int) -> Released | None:
        """Let a row leave with a group that was published, where one covers it."""
        shape = self._reusable.find(self._buffer.codes(index))
        return shape and _released(self._buffer.remove([index]), shape, is_reuse=True)


def _released(members: list[Waiting], shape: Shape, *, is_reuse: bool) -> Released:
    return Released(
        members=tuple(members),
        generalisation=shape.generalisation,
        people=shape.people,
        merchants=shape.merchants,
        is_reuse=is_reuse,
    )
