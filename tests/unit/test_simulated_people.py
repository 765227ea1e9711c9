"""sources/simulation/: do its people live, walk, drive and pay as people do?"""

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.geodesy import distance_m
from sources.simulation.customers import Customer, luhn_digit
from sources.simulation.residents import Resident
from sources.simulation.routine import DAY_MS, HOUR_MS, LOCAL_TIME_MS, Life, Routine
from sources.simulation.sky import Sky
from sources.simulation.streets import Ground, Leg, Place, Spot, way
from sources.simulation.towns import ONLINE, TRADES, Merchant, World

MAX_STREET_SPEED_MPS = 22.5  # 1.5 times the quickest average of a drive, 15 m/s
TUESDAY_MS = 1_709_596_800_000 - LOCAL_TIME_MS  # 5 March 2024, midnight in San Jose
SUNDAY_MS = TUESDAY_MS + 5 * DAY_MS

spots = st.builds(Spot, st.floats(-8_000, 8_000), st.floats(-8_000, 8_000))


@pytest.fixture(scope="module")
def world() -> World:
    """Towns with shops."""
    return World.random(Random(1))


@pytest.fixture(scope="module")
def people(world: World) -> list[tuple[Life, list[Leg]]]:
    """A hundred lives and all their legs from a Tuesday to the Sunday after it."""
    rng = Random(2)
    lives = [Life.random(rng, world.home) for _ in range(100)]
    return [(life, list(legs(Routine(rng, life, TUESDAY_MS), SUNDAY_MS + DAY_MS))) for life in lives]


def legs(routine: Routine, until_ms: int) -> Iterator[Leg]:
    """One after the other."""
    while routine.leg.start_ms < until_ms:
        yield routine.leg
        routine.move_to(routine.leg.end_ms)


def spot_at(walked: list[Leg], time_ms: int) -> Spot:
    """Where somebody is at a time."""
    return next(leg.spot_at(time_ms) for leg in walked if leg.start_ms <= time_ms < leg.end_ms)


def share_at(people: list[tuple[Life, list[Leg]]], time_ms: int, *, at_work: bool) -> float:
    """How many of those who work are at work, or at home, at a time."""
    working = [(life.work if at_work else life.home, walked) for life, walked in people if life.work]
    there = [stop is not None and spot_at(walked, time_ms) == stop.spot for stop, walked in working]
    return sum(there) / len(there)


def test_at_night_most_are_at_home(people: list[tuple[Life, list[Leg]]]) -> None:
    """But for those who work then."""
    for hour in (1, 2, 3, 4):
        assert share_at(people, TUESDAY_MS + DAY_MS + hour * HOUR_MS, at_work=False) > 0.8


def test_in_the_morning_most_are_at_work_and_in_the_evening_they_are_back(
    people: list[tuple[Life, list[Leg]]],
) -> None:
    """On a Tuesday; not on a Sunday."""
    assert share_at(people, TUESDAY_MS + 10 * HOUR_MS, at_work=True) > 0.8
    assert share_at(people, TUESDAY_MS + 20 * HOUR_MS, at_work=False) > 0.6
    assert share_at(people, SUNDAY_MS + 10 * HOUR_MS, at_work=True) < 0.05
    assert share_at(people, SUNDAY_MS + 3 * HOUR_MS, at_work=False) > 0.8


def test_at_noon_some_are_at_lunch(people: list[tuple[Life, list[Leg]]]) -> None:
    """In restaurants near their work."""
    at_lunch = 0
    for life, walked in people:
        spot = spot_at(walked, TUESDAY_MS + int(12.2 * HOUR_MS))
        at_lunch += any(
            spot.distance_m(r.spot or Spot(9e9, 0)) < 20 for r in life.favourites.get("Lunch", ())
        )
    assert at_lunch >= 5


def test_people_neither_jump_nor_race(people: list[tuple[Life, list[Leg]]]) -> None:
    """Legs join in time and place."""
    for _, walked in people:
        for leg, following in pairwise(walked):
            assert following.start_ms == leg.end_ms
            assert leg.end.distance_m(following.spot_at(following.start_ms)) < 0.01


@given(st.integers(0, 2**32), spots, spots)
def test_no_way_is_quicker_than_a_car(seed: int, start: Spot, end: Spot) -> None:
    """No speed above that of a street, no acceleration above a car's; it leads where it should."""
    walked = list(way(Random(seed), start, end, 1_000))
    for leg in walked:
        middle_ms = leg.start_ms + leg.duration_ms // 2
        assert leg.speed_mps_at(middle_ms) <= MAX_STREET_SPEED_MPS + 0.01
        # 3x² - 2x³ accelerates most at its ends, by 6 lengths over the duration squared.
        length_m = math.hypot(leg.east_m, leg.north_m)
        assert 6 * length_m / (leg.duration_ms / 1000) ** 2 <= 1.51
        way_m = leg.spot_at(middle_ms - 25).distance_m(leg.spot_at(middle_ms + 25))
        assert 20 * way_m == pytest.approx(leg.speed_mps_at(middle_ms), rel=0.01, abs=0.001)
    if walked:
        assert walked[0].spot_at(1_000) == start
        assert walked[-1].end.distance_m(end) < 0.01


def test_the_ground_is_that_of_the_earth(world: World) -> None:
    """In every town, ten kilometres around, to a part in a thousand, by another computation."""
    for town in (world.home, *world.elsewhere):
        for east_m, north_m in ((8_000, 0), (0, -8_000), (-6_000, 6_000)):
            on_earth_m = distance_m(*town.ground.centre, *town.ground.place(east_m, north_m))
            assert on_earth_m == pytest.approx(math.hypot(east_m, north_m), rel=1e-3)
    assert Ground.around(Place(0, 0)).metres_per_degree_east == pytest.approx(111_320, abs=5)


def test_other_towns_can_only_be_reached_by_air(world: World) -> None:
    """400 to 6,000 km."""
    away_m = [distance_m(*world.home.ground.centre, *town.ground.centre) for town in world.elsewhere]
    assert 416_000 < min(away_m) < max(away_m) < 5_984_000


@pytest.mark.parametrize("category", sorted(TRADES))
def test_amounts_are_log_normal_around_the_medians_of_the_trades(category: str) -> None:
    """As many below as above; their logarithms are spread as the table says."""
    rng, trade, merchant = Random(3), TRADES[category], Merchant("1", "M", category)
    amounts = [merchant.amount(rng) for _ in range(4_000)]
    assert statistics.median(amounts) == pytest.approx(trade.median_amount, rel=0.1)
    logs = [math.log(amount) for amount in amounts if amount]
    assert statistics.stdev(logs) == pytest.approx(trade.sigma, rel=0.06)
    assert min(amounts) > 0


def test_every_town_has_shops_of_every_trade(world: World) -> None:
    """But none of those that are only on the net."""
    for town in (world.home, *world.elsewhere):
        assert {shop.category for shop in town.shops} == set(TRADES) - {ONLINE}
        assert all(shop.spot is not None for shop in town.shops)
    assert {site.category for site in world.sites} == {ONLINE}
    assert all(site.spot is None for site in world.sites)


def test_customers_have_several_cards_and_devices(world: World) -> None:
    """One to three cards, each their own; a phone, and some a tablet."""
    rng = Random(4)
    sky = Sky(rng)
    residents = [Resident.random(rng, sky, world.home, TUESDAY_MS) for _ in range(300)]
    cards = [card for resident in residents for card in resident.customer.cards]
    assert len(set(cards)) == len(cards)
    assert set(Counter(len(resident.customer.cards) for resident in residents)) == {1, 2, 3}
    devices = [r.phone.device_id for r in residents] + [r.tablet.device_id for r in residents if r.tablet]
    assert 360 < len(set(devices)) == len(devices) < 420


@pytest.mark.parametrize(
    ("digits", "check"),
    [("7992739871", "3"), ("400000000000000", "2"), ("424242424242424", "2"), ("411111111111111", "1")],
)
def test_check_digits_are_luhns(digits: str, check: str) -> None:
    """The patent's usual example, and test numbers that payment processors publish."""
    assert luhn_digit(digits) == check


@given(st.randoms(use_true_random=False))
def test_cards_are_test_cards(rng: Random) -> None:
    """Nobody's real number can come out; Luhn's sum, counted here from the left, is a multiple of ten."""
    customer = Customer.random(rng)
    for number in customer.cards:
        assert len(number) == 16
        assert number.startswith(("400000", "424242"))
        doubled = [int(digit) * (2, 1)[place % 2] for place, digit in enumerate(number)]
        assert sum(n if n < 10 else n - 9 for n in doubled) % 10 == 0
        assert number not in repr(customer)


def test_lives_are_made_as_fast_as_they_are_asked_for(world: World) -> None:
    """One by one, without end: a decade of somebody's days is begun at once."""
    rng = Random(5)
    routine = Routine(rng, Life.random(rng, world.home), TUESDAY_MS)
    assert len(list(islice(legs(routine, TUESDAY_MS + 3650 * DAY_MS), 500))) == 500
