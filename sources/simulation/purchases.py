"""Purchases: where a card is used, and the text that the bank sends of it."""

from random import Random
from typing import NamedTuple

import msgspec
from pyproj import Geod

from models.times import utc_datetime
from sources.simulation.customers import Account
from sources.simulation.phones import Phone
from sources.simulation.routine import local_hour
from sources.simulation.streets import Place
from sources.simulation.towns import ONLINE, Merchant, World

_BESIDE_PHONE_M = 14.0  # in each direction: within 20 m of it
_SEEN_SHOPS = 20
_OPEN_HOURS = range(7, 23)
_IN_STORE_SHARE = 0.85  # of honest purchases, where there is an open shop
_WGS84 = Geod(ellps="WGS84")
_ENCODER = msgspec.json.Encoder()


class Purchase(NamedTuple):
    """What is bought where. On the net: where the device is, or whoever has stolen the card's number."""

    merchant: Merchant
    place: Place
    amount: float

    @property
    def is_online(self) -> bool:
        """Else somebody stood at a terminal."""
        return self.merchant.category == ONLINE


def honest_purchase(rng: Random, world: World, phone: Phone, now_ms: int) -> Purchase:
    """In the shop that the customer is in or next to, if it is open; or on the net, where the phone is."""
    leg = phone.routine.move_to(now_ms)
    life, shop = phone.routine.life, phone.routine.shop_now
    goes_in = local_hour(now_ms) in _OPEN_HOURS and rng.random() < _IN_STORE_SHARE
    if goes_in and shop is not None and shop.spot is not None and phone.kind != "tablet":
        return Purchase(shop, life.town.place_of(shop.spot), shop.amount(rng))
    east_m, north_m = leg.spot_at(now_ms)
    place = life.town.ground.place(
        east_m + rng.uniform(-_BESIDE_PHONE_M, _BESIDE_PHONE_M),
        north_m + rng.uniform(-_BESIDE_PHONE_M, _BESIDE_PHONE_M),
    )
    return online_purchase(rng, world, place)


def online_purchase(rng: Random, world: World, place: Place) -> Purchase:
    """On the net, from that place."""
    site = rng.choice(world.sites)
    return Purchase(site, place, site.amount(rng))


def foreign_purchase(
    rng: Random, world: World, phone: Phone, now_ms: int, distances_m: tuple[float, float]
) -> Purchase:
    """So far from a phone: in a shop of the town where one fits, else on the net or in a shop out of town."""
    nearest_m, furthest_m = distances_m
    leg, town = phone.routine.move_to(now_ms), phone.routine.life.town
    spot = leg.spot_at(now_ms)
    for shop in rng.choices(town.shops, k=_SEEN_SHOPS) if rng.random() < 0.5 else ():
        if shop.spot and nearest_m <= shop.spot.distance_m(spot) <= furthest_m:
            return Purchase(shop, town.place_of(shop.spot), shop.amount(rng))
    place = away(rng, town.ground.place(*spot), distances_m)
    if rng.random() < 0.5:
        return online_purchase(rng, world, place)
    shop = Merchant.random(rng, rng.choice(town.shops).category)
    return Purchase(shop, place, shop.amount(rng))


def away(rng: Random, place: Place, distances_m: tuple[float, float]) -> Place:
    """A point in any direction, at a distance in that range, its logarithm uniform."""
    nearest_m, furthest_m = distances_m
    distance_m = nearest_m * (furthest_m / nearest_m) ** rng.random()
    longitude_deg, latitude_deg, _ = _WGS84.fwd(
        place.longitude_deg, place.latitude_deg, rng.uniform(0, 360), distance_m
    )
    return Place(float(latitude_deg), float(longitude_deg))


def apart_m(one: Place, other: Place) -> float:
    """The geodesic between two places."""
    return float(_WGS84.inv(one.longitude_deg, one.latitude_deg, other.longitude_deg, other.latitude_deg)[2])


def transaction_value(
    account: Account, card: str, transaction_id: str, time_ms: int, purchase: Purchase
) -> str:
    """The text of a transaction, as the bank sends it."""
    merchant, place = purchase.merchant, purchase.place
    customer = account.customer
    return _ENCODER.encode(
        {
            "Transaction ID": transaction_id,
            "User ID": customer.user_id,
            "Device ID": account.device_id,
            "Name": customer.name,
            "Timestamp": utc_datetime(time_ms * 1_000_000).isoformat(timespec="microseconds")[:26],
            "Amount": purchase.amount,
            "Card Number": card,
            "Merchant ID": merchant.merchant_id,
            "Merchant": merchant.name,
            "Merchant_category": merchant.category,
            "Location Latitude": f"{place.latitude_deg:.6f}",
            "Location Longitude": f"{place.longitude_deg:.6f}",
            "Transaction Type": "online" if purchase.is_online else "in-store",
            "Transaction_device": account.device_kind,
        }
    ).decode()
