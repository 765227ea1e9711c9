"""Towns and their merchants: where cards are used, for what, and for how much."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sources.simulation.streets import Ground, Place, Spot

ONLINE = "Online"
HALF_WIDTH_M = 8_000.0


class _Trade(NamedTuple):
    """A category of merchants. Amounts are log-normal."""

    share: float
    """Of the merchants of a town."""
    median_amount: float
    sigma: float
    """Of the logarithm of the amount."""


# Our own round figures; docs/simulator.md tells what they are held against.
TRADES = {
    "Groceries": _Trade(0.22, 38.0, 0.9),
    "Restaurant": _Trade(0.32, 24.0, 0.7),
    "Retail": _Trade(0.26, 42.0, 1.0),
    "Fuel": _Trade(0.08, 40.0, 0.4),
    "Entertainment": _Trade(0.09, 30.0, 0.8),
    "Travel": _Trade(0.03, 160.0, 0.9),
    ONLINE: _Trade(0.0, 34.0, 1.0),
}
_MERCHANTS_AT_HOME = 800
_MERCHANTS_ELSEWHERE = 60
_MERCHANTS_ONLINE = 40
_KNOWN_SHOPS = 10
_FAVOURITES = 3

# (name, latitude, longitude): the towns' centres, to a hundredth of a degree; 490 to 3,900 km from the first.
_TOWNS = (
    ("San Jose", 37.3352, -121.8811),
    ("Los Angeles", 34.05, -118.24),
    ("Seattle", 47.61, -122.33),
    ("Denver", 39.74, -104.99),
    ("Chicago", 41.88, -87.63),
    ("New York", 40.71, -74.01),
    ("Mexico City", 19.43, -99.13),
    ("Honolulu", 21.31, -157.86),
)


@dataclass(frozen=True, slots=True, eq=False)
class Merchant:
    """Takes cards; one without a spot has no shop, only a site on the net. All made up."""

    merchant_id: str
    name: str
    category: str
    spot: Spot | None = None

    @classmethod
    def random(cls, rng: Random, category: str, spot: Spot | None = None) -> "Merchant":
        """Any merchant of that category."""
        number = rng.randrange(1, 1_000_000)
        return cls(str(700_000_000 + number), f"Merchant {number}", category, spot)

    def amount(self, rng: Random) -> float:
        """What somebody pays here, in dollars."""
        trade = TRADES[self.category]
        return round(trade.median_amount * rng.lognormvariate(0.0, trade.sigma), 2)


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """A ground with shops on it."""

    name: str
    ground: Ground
    shops: Sequence[Merchant]
    shops_of: Mapping[str, Sequence[Merchant]]
    """By category; at least one of each."""

    def place_of(self, spot: Spot) -> Place:
        """Where on the earth a spot of this town lies."""
        return self.ground.place(*spot)

    def shops_near(self, rng: Random, spot: Spot, category: str) -> Sequence[Merchant]:
        """Three shops of that category, the nearest of those that somebody has heard of."""
        known = rng.choices(self.shops_of[category], k=_KNOWN_SHOPS)
        return sorted(known, key=lambda shop: spot.distance_m(shop.spot or spot))[:_FAVOURITES]


@dataclass(frozen=True, slots=True)
class World:
    """The customers' own town, those that they fly to, and the merchants on the net."""

    home: Town
    elsewhere: Sequence[Town]
    sites: Sequence[Merchant]

    @classmethod
    def random(cls, rng: Random) -> "World":
        """The towns are real, their shops are not."""
        towns = [
            _town(rng, name, Place(latitude_deg, longitude_deg), is_home=number == 0)
            for number, (name, latitude_deg, longitude_deg) in enumerate(_TOWNS)
        ]
        sites = [Merchant.random(rng, ONLINE) for _ in range(_MERCHANTS_ONLINE)]
        return cls(towns[0], towns[1:], sites)


def anywhere(rng: Random) -> Spot:
    """A spot in a town."""
    return Spot(rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M), rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M))


def _town(rng: Random, name: str, centre: Place, *, is_home: bool) -> Town:
    count = _MERCHANTS_AT_HOME if is_home else _MERCHANTS_ELSEWHERE
    shops_of = {
        category: [
            Merchant.random(rng, category, anywhere(rng)) for _ in range(math.ceil(trade.share * count))
        ]
        for category, trade in TRADES.items()
        if trade.share
    }
    shops = [shop for shops in shops_of.values() for shop in shops]
    return Town(name, Ground.around(centre), shops, shops_of)
