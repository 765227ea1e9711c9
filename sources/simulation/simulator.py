"""A city of phones and purchases with known truth, in the order in which a broker would see them."""

import heapq
from collections.abc import Iterable, Iterator
from random import Random

from sources.simulation.city import City
from sources.simulation.scenario import Scenario, Simulated


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
    under_way: list[tuple[int, int, Simulated]] = []
    for number, (time_ms, simulated) in enumerate(happenings):
        while under_way and under_way[0][0] <= time_ms:
            yield heapq.heappop(under_way)[2]
        heapq.heappush(under_way, (simulated.event.arrival_ms, number, simulated))
    while under_way:
        yield heapq.heappop(under_way)[2]
