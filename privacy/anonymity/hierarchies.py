"""How far, and in which steps, each quasi-identifier may be generalised: the declaration, checked."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from privacy.anonymity.geohash import MOST_CHARACTERS
from privacy.anonymity.tree import Tree


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A base for the tables of the file."""


class PlaceSteps(Declaration, frozen=True, kw_only=True):
    """Cells that coarsen. `characters` of their geohash, falling; the last is 0, anywhere on the Earth."""

    characters: tuple[Annotated[int, Meta(ge=0, le=MOST_CHARACTERS)], ...]

    def __post_init__(self) -> None:
        """Refuse steps that do not coarsen."""
        if len(self.characters) < 2 or self.characters[-1] != 0:
            raise ValueError("`characters` must end with 0, anywhere, and have more before it")
        if any(finer <= coarser for finer, coarser in pairwise(self.characters)):
            raise ValueError("`characters` must fall from each to the next")


class TimeSteps(Declaration, frozen=True, kw_only=True):
    """Intervals that begin and end on multiples of `step_s`. One of `span_s` and more counts as all lost."""

    step_s: Annotated[int, Meta(ge=1, le=86_400)]
    span_s: Annotated[int, Meta(ge=2, le=366 * 86_400)]

    def __post_init__(self) -> None:
        """Refuse a span that a single step fills."""
        if self.span_s < 2 * self.step_s:
            raise ValueError("`span_s` must be two steps (`step_s`) or more")


class AmountSteps(Declaration, frozen=True, kw_only=True):
    """Intervals that begin and end at `edges`, which rise. Amounts outside of them are not published."""

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse edges without an order."""
        if len(self.edges) < 3:
            raise ValueError("`edges` must be three or more")
        if not all(low < high for low, high in pairwise(self.edges)):
            raise ValueError("`edges` must rise from each to the next")


class Hierarchies(msgspec.Struct, frozen=True, kw_only=True):
    """One hierarchy for each quasi-identifier. The trees are checked by making them."""

    place: PlaceSteps
    time: TimeSteps
    amount: AmountSteps
    merchant_category: Mapping[str, Any]
    device_type: Mapping[str, Any]

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> "Hierarchies":
        """Read what a TOML file declares. Raises ValueError that names table and field."""
        names = [each.name for each in msgspec.structs.fields(cls)]
        if stray := sorted(tables.keys() - set(names)):
            raise ValueError(f"[{stray[0]}] is no quasi-identifier; they are {', '.join(names)}")
        for name in names:
            if name not in tables:
                raise ValueError(f"[{name}] is missing")
            try:
                _READERS[name](msgspec.convert(tables[name], dict[str, Any]))
            except ValueError as error:  # msgspec's too
                raise ValueError(f"[{name}]: {error}".replace("`$.", "`")) from None
        return msgspec.convert(tables, cls)


_READERS: Mapping[str, Any] = {
    "place": lambda table: msgspec.convert(table, PlaceSteps),
    "time": lambda table: msgspec.convert(table, TimeSteps),
    "amount": lambda table: msgspec.convert(table, AmountSteps),
    "merchant_category": Tree,
    "device_type": Tree,
}
