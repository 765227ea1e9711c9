"""A city of phones and purchases with known truth, in the order in which a broker would see them."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from random import Random

from sources.simulation.city import City
from sources.simulation.scenario import Scenario, Simulated

_LOOK_EVERY_MS = 1_000  # sorting many costs less than a heap that is asked for each


def simulate(scenario: Scenario, *, location_topic: str, transaction_topic: str) -> Iterator[Simulated]:
    """Yield a scenario's events in the order of their arrival, as they are made.

    Equal scenarios give equal events. Memory grows with the devices, not with the duration. The last
    event arrives at most LAST_ARRIVAL_MS after the end.
    """
    city = City(scenario, Random(scenario.seed), location_topic, transaction_topic)
    return in_order_of_arrival(city.happenings())


def in_order_of_arrival(happenings: Iterable[tuple[int, Simulated]]) -> Iterator[Simulated]:
    """Sort events by arrival, as they come.

    `happenings` are (time in ms, event): the times never fall, and no event arrives before its time. So only
    the events under way are held. Equal arrivals keep their order.
    """
    under_way: list[Simulated] = []
    looked_ms = 0
    for time_ms, simulated in happenings:
        if time_ms - looked_ms >= _LOOK_EVERY_MS:
            looked_ms = time_ms
            under_way.sort(key=_arrival_ms)
            arrived = bisect_right(under_way, time_ms, key=_arrival_ms)
            yield from under_way[:arrived]
            del under_way[:arrived]
        under_way.append(simulated)
    yield from sorted(under_way, key=_arrival_ms)


def _arrival_ms(simulated: Simulated) -> int:
    return simulated.event.arrival_ms
