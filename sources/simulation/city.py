"""The life of a city: phones report, people buy, and some of the cards are not in their owners' hands."""

from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from random import Random

from sources.simulation.agenda import Act, Agenda, Sent
from sources.simulation.card_testing import MEAN_CARDS, CardTesting, stranger
from sources.simulation.categories import Category, category_shares
from sources.simulation.outbox import Outbox
from sources.simulation.phones import Phone
from sources.simulation.purchases import online_purchase
from sources.simulation.residents import Resident, find, find_on_errand
from sources.simulation.routine import local_hour
from sources.simulation.scenario import Scenario, Simulated
from sources.simulation.sky import Sky
from sources.simulation.stories import Stories
from sources.simulation.towns import World, anywhere

_ERRAND_SHARE = 0.6  # of the plain honest purchases, as far as anybody has gone shopping
_STEADY = (1.0,) * 24
# Purchases by the hour of the day, as multiples of the mean; our own round figures.
_BY_HOUR = (
    *(0.3, 0.2, 0.1, 0.1, 0.1, 0.3, 0.5, 0.8, 1.0, 1.1, 1.3, 1.5),
    *(1.9, 1.7, 1.5, 1.5, 1.6, 1.8, 1.8, 1.6, 1.3, 1.0, 0.6, 0.4),
)


class City:
    """Residents with phones, and an agenda of what happens when."""

    def __init__(self, scenario: Scenario, rng: Random, location_topic: str, transaction_topic: str) -> None:
        self._rng, start_ms = rng, scenario.start_time_ms
        shares = category_shares(scenario.fraud_share, scenario.unknown_device_share)
        self._categories, self._cumulative_shares = list(shares), list(accumulate(shares.values()))
        self._world, sky = World.random(rng), Sky(rng)
        self._residents = [
            Resident.random(rng, sky, self._world.home, start_ms) for _ in range(scenario.customers)
        ]
        self._agenda = Agenda(start_ms, scenario.end_time_ms)
        self._outbox = Outbox(scenario, rng, location_topic, transaction_topic)
        self._stories = Stories(rng, self._world, self._agenda, self._outbox)
        self._testing = CardTesting(rng, self._world, self._residents, self._agenda, self._outbox)
        self._weights = _BY_HOUR if scenario.by_hour else _STEADY
        tested = scenario.card_testing_share
        self._purchases_per_s = scenario.transactions_per_s * (1 - tested) * max(self._weights)
        self._waves_per_s = scenario.transactions_per_s * tested / MEAN_CARDS
        self._plan_first(start_ms)

    def happenings(self) -> Iterator[tuple[int, Simulated]]:
        """Yield (time in ms, event sent then) in order of time."""
        return self._agenda.happenings()

    def _plan_first(self, start_ms: int) -> None:
        for resident in self._residents:
            for phone in (resident.phone, resident.tablet):
                if phone is not None:
                    self._agenda.plan(phone.next_report_ms, partial(self._report, phone))
        self._plan_in(start_ms, self._purchases_per_s, self._purchase)
        self._plan_in(start_ms, self._waves_per_s, self._test_cards)

    def _plan_in(self, now_ms: int, per_s: float, act: Act) -> None:
        """Plan what happens at random, so often on average."""
        if per_s:
            self._agenda.plan(now_ms + int(self._rng.expovariate(per_s) * 1000), act)

    def _report(self, phone: Phone, now_ms: int) -> Sent:
        if now_ms < phone.next_report_ms:  # it has boarded a plane since
            self._agenda.plan(phone.next_report_ms, partial(self._report, phone))
            return ()
        value = phone.report(now_ms)
        self._agenda.plan(phone.next_report_ms, partial(self._report, phone))
        return self._outbox.location(phone, phone.arrival_ms(now_ms), value)

    def _test_cards(self, now_ms: int) -> Sent:
        self._plan_in(now_ms, self._waves_per_s, self._test_cards)
        self._testing.begin(now_ms)
        return ()

    def _purchase(self, now_ms: int) -> Sent:
        """Somebody buys; where nobody is in the right position for the category drawn, in the next best."""
        self._plan_in(now_ms, self._purchases_per_s, self._purchase)
        rng = self._rng
        if rng.random() * max(self._weights) >= self._weights[local_hour(now_ms)]:
            return ()
        category = rng.choices(self._categories, cum_weights=self._cumulative_shares)[0]
        if category == Category.UNKNOWN_DEVICE:
            place = self._world.home.place_of(anywhere(rng))
            return self._outbox.transaction(
                stranger(rng), category, online_purchase(rng, self._world, place), now_ms
            )
        is_errand = category == Category.LEGIT_NEAR and rng.random() < _ERRAND_SHARE
        if is_errand and (resident := find_on_errand(rng, self._residents)):
            return self._stories.tell(category, resident, now_ms)
        instead = [Category.FRAUD_NEAR] if category.expected == "flagged" else []
        for wanted in (category, *instead, Category.LEGIT_NEAR, Category.LEGIT_STALE):
            if resident := find(rng, self._residents, wanted, now_ms):
                return self._stories.tell(wanted, resident, now_ms)
        return ()  # no phone has reported yet
