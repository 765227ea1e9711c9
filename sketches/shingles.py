"""What a transaction looks like, as five words: equal words make transactions alike."""

import math
from typing import Final

import msgspec

from sketches.items import short

CELL_DEG: Final = 0.01
"""Side of an area, degrees: 1.1 km from south to north. Who tests cards from one place stays in one area."""
BANDS_PER_DOUBLING: Final = 4
LIKENESS_OF_FOUR: Final = 4 / 6
"""Jaccard similarity of two transactions that differ in one shingle."""


class Shingles(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """The shingles of a transaction: those of the paper's transactions, coarse enough to be equal.

    Holds no exact amount and no exact place.
    """

    category: str
    hour: int  # since the epoch
    amount_band: str
    area: str
    merchant: str

    @property
    def words(self) -> list[bytes]:
        """As a set's members: equal values of different fields are different words. UTF-8."""
        fields = (self.category, str(self.hour), self.amount_band, self.area, self.merchant)
        return [f"{at}:{word}".encode("utf-8", "surrogatepass") for at, word in enumerate(fields)]

    def likeness(self, other: "Shingles") -> float:
        """Jaccard similarity of the two sets: 1 when all are equal, 2/3 when four are, 3/7 when three are."""
        shared = (
            (self.category == other.category)
            + (self.hour == other.hour)
            + (self.amount_band == other.amount_band)
            + (self.area == other.area)
            + (self.merchant == other.merchant)
        )
        return shared / (10 - shared)

    def differs_in(self, other: "Shingles") -> str:
        """The first field that is not equal; empty when all are."""
        return next((f for f in self.__struct_fields__ if getattr(self, f) != getattr(other, f)), "")


def shingles_of(
    *,
    category: str,
    merchant: str,
    amount: float,
    latitude_deg: float,
    longitude_deg: float,
    time_ms: int,
) -> Shingles:
    """The shingles of a transaction. Raises ValueError when a number is none, or infinite."""
    if not (math.isfinite(latitude_deg) and math.isfinite(longitude_deg)):
        raise ValueError(
            "latitude and longitude must be numbers: refuse the transaction before it comes here"
        )
    area = f"{math.floor(latitude_deg / CELL_DEG)},{math.floor(longitude_deg / CELL_DEG)}"
    return Shingles(short(category), time_ms // 3_600_000, amount_band(amount), area, short(merchant))


def amount_band(amount: float) -> str:
    """The band of an amount, named by its lower end: each is 2^(1/4) times (19 %) wider than the one before.

    Nothing (a card is asked for 0 to see whether it lives) and refunds are bands of their own.
    Raises ValueError when the amount is not a number, or infinite.
    """
    if not math.isfinite(amount):
        raise ValueError("the amount must be a number: refuse the transaction before it comes here")
    if amount <= 0:
        return "0" if amount == 0 else "refund"
    lower_end: float = 2 ** (math.floor(BANDS_PER_DOUBLING * math.log2(amount)) / BANDS_PER_DOUBLING)
    return f"{lower_end:.3g}"
