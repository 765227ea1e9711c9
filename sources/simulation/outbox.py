"""What phones and bank send, on its way: delays, repeats, malformed records."""

from random import Random

from msgspec.structs import replace

from sources.event_file import Event
from sources.labels import Label
from sources.simulation.agenda import Sent
from sources.simulation.categories import Category
from sources.simulation.customers import Account, random_uuid
from sources.simulation.malformed import malformed_value
from sources.simulation.phones import Phone
from sources.simulation.purchases import Purchase, transaction_value
from sources.simulation.scenario import LAST_ARRIVAL_MS, Kind, Scenario, Simulated

CLOCK_DIFFERENCE_MS = 1_000
_REPEAT_DELAY_MS = 10_000


class Outbox:
    """Makes events of what is said; now and then twice, or a malformed one besides."""

    def __init__(self, scenario: Scenario, rng: Random, location_topic: str, transaction_topic: str) -> None:
        self._scenario, self._rng = scenario, rng
        self._location_topic, self._transaction_topic = location_topic, transaction_topic
        self._latest_ms = scenario.end_time_ms + LAST_ARRIVAL_MS

    def location(self, phone: Phone, arrival_ms: int, value: str) -> Sent:
        """A phone's report."""
        return self._sent(Event(self._location_topic, phone.device_id, arrival_ms, value), "location")

    def transaction(
        self, account: Account, category: Category, purchase: Purchase, now_ms: int, late_ms: int = 0
    ) -> Sent:
        """A use of a card, with its truth; by the terminal's clock, and `late_ms` later than usual."""
        rng, transaction_id = self._rng, random_uuid(self._rng)
        time_ms = now_ms + rng.randint(-CLOCK_DIFFERENCE_MS, CLOCK_DIFFERENCE_MS)
        card = account.customer.card(rng)
        value = transaction_value(account, card, transaction_id, time_ms, purchase)
        arrival_ms = now_ms + rng.randint(100, 1500) + late_ms
        event = Event(self._transaction_topic, account.device_id, arrival_ms, value)
        return self._sent(event, "transaction", Label(transaction_id, category.value, category.expected))

    def _sent(self, event: Event, kind: Kind, label: Label | None = None) -> Sent:
        sent = Simulated(self._in_time(event), kind, label)
        chance, scenario = self._rng.random(), self._scenario
        if chance < scenario.duplicate_share:
            return sent, Simulated(self._in_time(self._later(event)), "repeat")
        if chance > 1 - scenario.malformed_share:
            bad = replace(self._later(event), value=malformed_value(self._rng, event.value))
            return sent, Simulated(self._in_time(bad), "malformed")
        return (sent,)

    def _later(self, event: Event) -> Event:
        return replace(event, arrival_ms=event.arrival_ms + self._rng.randint(0, _REPEAT_DELAY_MS))

    def _in_time(self, event: Event) -> Event:
        """The event, but not too late for the end of the stream."""
        return event if event.arrival_ms <= self._latest_ms else replace(event, arrival_ms=self._latest_ms)
