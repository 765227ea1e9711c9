"""Card testing: stolen numbers are tried with small amounts at one merchant, to find out which still work."""

from collections.abc import Sequence
from functools import partial
from random import Random

from sources.simulation.agenda import Agenda, Sent
from sources.simulation.categories import Category
from sources.simulation.customers import Account, Customer, random_uuid
from sources.simulation.outbox import Outbox
from sources.simulation.purchases import Purchase, apart_m, away
from sources.simulation.residents import SUITS, Resident
from sources.simulation.towns import World

CARDS = (20, 40)
MEAN_CARDS = sum(CARDS) / 2
_KNOWN_SHARE = 0.75
_BASE_AMOUNT = (0.5, 3.0)
_AMOUNT_STEPS = (0.0, 0.0, 0.0, 0.01, 0.05, 0.1)
_PAUSE_MS = (100, 1_500)
_DISTANCES_M = (100_000.0, 9_000_000.0)  # of the tester from the customers' town
_NEAREST_M = 50_000.0  # no phone is nearer to the tester: some customers travel
_TRIES = 5


class CardTesting:
    """Waves of tests: each at one site from one place, within a minute, most of the same amount."""

    def __init__(
        self, rng: Random, world: World, residents: Sequence[Resident], agenda: Agenda, outbox: Outbox
    ) -> None:
        self._rng, self._world, self._residents = rng, world, residents
        self._agenda, self._outbox = agenda, outbox

    def begin(self, now_ms: int) -> None:
        """Plan the tests of a wave, from now on."""
        rng = self._rng
        site = rng.choice(self._world.sites)
        place = away(rng, self._world.home.ground.centre, _DISTANCES_M)
        base_amount = rng.uniform(*_BASE_AMOUNT)
        tried: set[str] = set()
        for _ in range(rng.randint(*CARDS)):
            amount = round(base_amount + rng.choice(_AMOUNT_STEPS), 2)
            self._agenda.plan(now_ms, partial(self._test, Purchase(site, place, amount), tried))
            now_ms += rng.randint(*_PAUSE_MS)

    def _test(self, purchase: Purchase, tried: set[str], now_ms: int) -> Sent:
        """Of a customer whose phone is far away, or who has none that reports; of nobody twice in a wave."""
        category, account = Category.CARD_TESTING_UNKNOWN, stranger(self._rng)
        if self._rng.random() < _KNOWN_SHARE:
            for resident in self._rng.choices(self._residents, k=_TRIES):
                phone = resident.phone
                if (
                    phone.device_id not in tried
                    and SUITS[Category.CARD_TESTING](resident, now_ms)
                    and apart_m(phone.place_at(now_ms), purchase.place) >= _NEAREST_M
                ):
                    tried.add(phone.device_id)
                    category, account = Category.CARD_TESTING, resident.account
                    break
        return self._outbox.transaction(account, category, purchase, now_ms)


def stranger(rng: Random) -> Account:
    """A customer whose device reports nothing."""
    return Account(Customer.random(rng), random_uuid(rng), rng.choice(("mobile", "tablet")))
