"""The life of a city: phones report, people buy, and some of the cards are not in their owners' hands."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from random import Random

from msgspec.structs import replace

from sources.event_file import Event
from sources.labels import Label
from sources.malformed import malformed_value
from sources.phones import Phone, random_uuid
from sources.purchases import (
    CLOCK_DIFFERENCE_MS,
    FRAUD_DISTANCES_M,
    GLITCH_DISTANCE_M,
    LEGIT_GLITCH,
    LEGIT_LATE_LOCATION,
    LEGIT_NEAR,
    LEGIT_STALE,
    UNKNOWN_DEVICE,
    Customer,
    anywhere,
    away,
    category_shares,
    expected_verdict,
    shop_place,
    transaction_value,
)
from sources.scenario import LAST_ARRIVAL_MS, Kind, Scenario, Simulated
from sources.streets import Place

_AFTERMATH_MS = 30_000  # so long after an oddity in its stream, a phone is no case for a clear-cut fraud
_REST_MS = 60_000  # and then it shows no other oddity for as long, or busy phones would always be odd
_STALL_MS = (20_000, 120_000)
_REPEAT_DELAY_MS = 10_000
_TRIES = 50

_Sent = Iterator[Simulated]


@dataclass(frozen=True, slots=True)
class _Resident:
    customer: Customer
    phone: Phone


class City:
    """Residents with phones, and an agenda of what happens when."""

    def __init__(self, scenario: Scenario, rng: Random, location_topic: str, transaction_topic: str) -> None:
        self._scenario, self._rng = scenario, rng
        self._end_ms = scenario.end_time_ms
        self._location_topic, self._transaction_topic = location_topic, transaction_topic
        shares = category_shares(scenario.fraud_share, scenario.unknown_device_share)
        self._categories, self._cumulative_shares = list(shares), list(accumulate(shares.values()))
        self._agenda: list[tuple[int, int, Callable[[int], _Sent]]] = []
        self._planned = 0
        customers = [Customer.random(rng) for _ in range(scenario.devices)]
        self._residents = [_Resident(c, Phone(rng, c.device_id, scenario.start_time_ms)) for c in customers]

    def happenings(self) -> Iterator[tuple[int, Simulated]]:
        """Yield (time in ms, event sent then) in order of time."""
        for resident in self._residents:
            self._plan(resident.phone.next_report_ms, partial(self._report, resident.phone))
        self._plan_purchase(self._scenario.start_time_ms)
        while self._agenda:
            now_ms, _, act = heapq.heappop(self._agenda)
            if now_ms >= self._end_ms:
                return
            for simulated in act(now_ms):
                yield now_ms, simulated

    def _plan(self, time_ms: int, act: Callable[[int], _Sent]) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (time_ms, self._planned, act))

    def _plan_purchase(self, now_ms: int) -> None:
        if rate := self._scenario.transactions_per_s:
            self._plan(now_ms + int(self._rng.expovariate(rate) * 1000), self._purchase)

    def _report(self, phone: Phone, now_ms: int) -> _Sent:
        value = phone.report(now_ms)
        self._plan(phone.next_report_ms, partial(self._report, phone))
        return self._location(phone, phone.arrival_ms(now_ms), value)

    def _purchase(self, now_ms: int) -> _Sent:
        """Somebody buys; where nobody is in the right position for the category drawn, honestly."""
        self._plan_purchase(now_ms)
        category = self._rng.choices(self._categories, cum_weights=self._cumulative_shares)[0]
        if category == UNKNOWN_DEVICE:
            return self._transaction(Customer.random(self._rng), category, anywhere(self._rng), now_ms)
        for wanted in (category, LEGIT_NEAR, LEGIT_STALE):
            if resident := self._resident_for(wanted, now_ms):
                return self._purchase_of(resident, wanted, now_ms)
        return iter(())  # no phone has reported yet

    def _resident_for(self, category: str, now_ms: int) -> _Resident | None:
        for _ in range(_TRIES):
            resident = self._rng.choice(self._residents)
            if _suits(category, resident.phone, now_ms):
                return resident
        return None

    def _purchase_of(self, resident: _Resident, category: str, now_ms: int) -> _Sent:
        if category == LEGIT_LATE_LOCATION:
            self._lose_network(resident, now_ms)
            return
        if category == LEGIT_GLITCH:
            yield from self._glitch(resident.phone, now_ms)
        place = shop_place(self._rng, category, resident.phone.place_at(now_ms))
        yield from self._transaction(resident.customer, category, place, now_ms)

    def _lose_network(self, resident: _Resident, now_ms: int) -> None:
        """Hold a phone's reports back, and plan a purchase in the midst of that."""
        stall_ms = self._rng.randint(*_STALL_MS)
        resident.phone.stalled_until_ms = now_ms + stall_ms
        resident.phone.disturbed_until_ms = now_ms + stall_ms + _AFTERMATH_MS
        purchase_ms = now_ms + int(stall_ms * self._rng.uniform(0.4, 0.7))
        self._plan(purchase_ms, partial(self._late_location_purchase, resident))

    def _late_location_purchase(self, resident: _Resident, now_ms: int) -> _Sent:
        place = shop_place(self._rng, LEGIT_LATE_LOCATION, resident.phone.place_at(now_ms))
        return self._transaction(resident.customer, LEGIT_LATE_LOCATION, place, now_ms)

    def _glitch(self, phone: Phone, now_ms: int) -> _Sent:
        """Send a report out of turn that is off by hundreds of metres or more, and claims to be good."""
        phone.disturbed_until_ms = now_ms + _AFTERMATH_MS
        value = phone.fix_value(now_ms, away(self._rng, phone.place_at(now_ms), GLITCH_DISTANCE_M))
        return self._location(phone, now_ms + self._rng.randint(100, 1000), value)

    def _location(self, phone: Phone, arrival_ms: int, value: str) -> _Sent:
        return self._sent(Event(self._location_topic, phone.device_id, arrival_ms, value), "location")

    def _transaction(self, customer: Customer, category: str, place: Place, now_ms: int) -> _Sent:
        rng, transaction_id = self._rng, random_uuid(self._rng)
        time_ms = now_ms + rng.randint(-CLOCK_DIFFERENCE_MS, CLOCK_DIFFERENCE_MS)
        value = transaction_value(rng, customer, transaction_id, time_ms, place)
        label = Label(transaction_id, category, expected_verdict(category))
        arrival_ms = now_ms + rng.randint(100, 1500)
        event = Event(self._transaction_topic, customer.device_id, arrival_ms, value)
        return self._sent(event, "transaction", label)

    def _sent(self, event: Event, kind: Kind, label: Label | None = None) -> _Sent:
        """Send an event; now and then twice, or a malformed one besides."""
        rng, scenario = self._rng, self._scenario
        yield Simulated(self._in_time(event), kind, label)
        if rng.random() < scenario.duplicate_share:
            yield Simulated(self._in_time(self._later(event)), "repeat")
        if rng.random() < scenario.malformed_share:
            bad = replace(self._later(event), value=malformed_value(rng, event.value))
            yield Simulated(self._in_time(bad), "malformed")

    def _later(self, event: Event) -> Event:
        return replace(event, arrival_ms=event.arrival_ms + self._rng.randint(0, _REPEAT_DELAY_MS))

    def _in_time(self, event: Event) -> Event:
        """The event, but not too late for the end of the stream."""
        latest_ms = self._end_ms + LAST_ARRIVAL_MS
        return event if event.arrival_ms <= latest_ms else replace(event, arrival_ms=latest_ms)


def _suits(category: str, phone: Phone, now_ms: int) -> bool:
    """Whether a purchase of that category can be made near `phone` now."""
    if category == LEGIT_STALE:
        return phone.is_in_gap
    if not phone.is_reporting or category == LEGIT_NEAR:
        return phone.is_reporting
    if category in FRAUD_DISTANCES_M:
        return now_ms >= phone.disturbed_until_ms
    has_rested = now_ms >= phone.disturbed_until_ms + _REST_MS
    return has_rested and now_ms // 1000 * 1000 != phone.last_report_ms
