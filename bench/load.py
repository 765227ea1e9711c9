"""The loads of the benchmarks: fixes and purchases of many devices, in the paper's wire formats."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import msgspec
from confluent_kafka import Producer

from models.times import utc_datetime
from sources.event_file import Event
from streaming.partitions import partition_of

LOCATIONS = "location_data"
TRANSACTIONS = "transaction_data"

_SPAN_MS = 3_600_000
_CLOSING_MS = 600_000  # longer than any decision stays open
_FAR_FIXES, _FAR_PURCHASES = 0.02, 0.03  # shares; the peer's rule then flags some 4 %
_NEAR_DEG = 0.004  # either way
_FAR_DEG = (3.0, 6.0)  # at least 400 km: too far for hours after a fix
_HOME_LATITUDE_DEG, _HOME_LONGITUDE_DEG = 37.33, -121.89
_ERROR = 3  # as syslog counts


def _start_ms() -> int:
    return int(time.time() * 1000) - _SPAN_MS - _CLOSING_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """An hour of fixes and purchases, in random order of devices, and a word of others ten minutes later.

    No two have the same time: the order of a plain pass is the only right one. The last ones, two in each
    partition, tell a detector that every deadline has passed.
    """

    fixes: int
    purchases: int
    devices: int
    partitions: int
    start_ms: int = field(default_factory=_start_ms)
    seed: int = 1

    @property
    def total(self) -> int:
        """Records in it."""
        return self.fixes + self.purchases + 2 * self.partitions

    def events(self) -> Iterator[Event]:
        """Yield all in the order of their times; the same whenever it is called."""
        chance = random.Random(self.seed)
        span_ms, count = range(self.start_ms, self.start_ms + _SPAN_MS), self.fixes + self.purchases
        times_ms = sorted(chance.sample(span_ms, count))
        is_fix = [True] * self.fixes + [False] * self.purchases
        chance.shuffle(is_fix)
        for number, moment_ms in enumerate(times_ms):
            device = device_id(chance.randrange(self.devices))
            if is_fix[number]:
                yield fix(chance, device, moment_ms, is_far=chance.random() < _FAR_FIXES)
            else:
                is_far = chance.random() < _FAR_PURCHASES
                yield purchase(chance, device, moment_ms, f"{number:012x}", is_far=is_far)
        for place, device in enumerate(self._closing_devices()):
            yield fix(chance, device, self.start_ms + _SPAN_MS + _CLOSING_MS + place)

    def _closing_devices(self) -> Iterator[str]:
        """Two devices in each partition that report nothing else."""
        others = [device_id(self.devices + number) for number in range(100 * self.partitions)]
        for partition in range(self.partitions):
            here = (d for d in others if partition_of(d.encode(), self.partitions) == partition)
            yield from islice(here, 2)


def device_id(number: int) -> str:
    """Id of a device, as long as a phone's."""
    return f"{number:08x}-9dad-11d1-80b4-00c04fd430c8"


def fix(chance: random.Random, device: str, moment_ms: int, *, is_far: bool = False) -> Event:
    """A location report, sent when it was taken."""
    latitude_deg, longitude_deg = _place(chance, is_far=is_far)
    value = {
        "Time": f"{utc_datetime(moment_ms * 1_000_000):%Y-%m-%d %H:%M:%S}",
        "Speed": round(chance.uniform(0, 30), 3),
        "Altitude": 30.0,
        "Longitude": longitude_deg,
        "Latitude": latitude_deg,
        "DeviceId": device,
        "MessageId": moment_ms,
        "SessionId": "5bd86d40-fc89-1b4a-6a50-df4db4d66a3a",
        "BearingAccuracy": 0,
        "SpeedAccuracy": 0.5,
        "VerticalAccuracy": 3.5,
        "HorizontalAccuracy": 5.0,
        "Bearing": 0,
    }
    return _event(LOCATIONS, device, moment_ms, value)


def purchase(
    chance: random.Random, device: str, moment_ms: int, transaction_id: str, *, is_far: bool = False
) -> Event:
    """A use of a card. Its time has no zone: the peer reads none."""
    latitude_deg, longitude_deg = _place(chance, is_far=is_far)
    value = {
        "Transaction ID": transaction_id,
        "User ID": f"U{device[:8]}",
        "Device ID": device,
        "Name": "Customer",
        "Timestamp": utc_datetime(moment_ms * 1_000_000).replace(tzinfo=None).isoformat(),
        "Amount": round(chance.uniform(1, 2000), 2),
        "Card Number": f"4000{int(device[:8], 16):012d}",
        "Merchant ID": "1",
        "Merchant": "Merchant 1",
        "Merchant_category": "Restaurant",
        "Location Latitude": f"{latitude_deg:.6f}",
        "Location Longitude": f"{longitude_deg:.6f}",
        "Transaction Type": "online",
        "Transaction_device": "mobile",
    }
    return _event(TRANSACTIONS, device, moment_ms, value)


def _place(chance: random.Random, *, is_far: bool) -> tuple[float, float]:
    """Latitude and longitude, near home or far from all that is near it."""

    def shift_deg() -> float:
        if is_far:
            return chance.choice((-1, 1)) * chance.uniform(*_FAR_DEG)
        return chance.uniform(-_NEAR_DEG, _NEAR_DEG)

    return round(_HOME_LATITUDE_DEG + shift_deg(), 6), round(_HOME_LONGITUDE_DEG + shift_deg(), 6)


def _event(topic: str, key: str, moment_ms: int, value: dict[str, object]) -> Event:
    return Event(topic=topic, key=key, arrival_ms=moment_ms, value=msgspec.json.encode(value).decode())


def producer(bootstrap: str, *, linger_ms: int = 20) -> Producer:
    """A librdkafka producer: keys lie where Java's puts them, in order also after a send is tried again."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "log_level": _ERROR,  # a broker that has just started is asked twice for an id
            "linger.ms": linger_ms,
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def produce(bootstrap: str, records: Iterable[tuple[str, bytes, bytes, int]]) -> None:
    """Send records (topic, key, value, timestamp in ms) and wait until the broker has them."""
    sender = producer(bootstrap)
    for number, (topic, key, value, timestamp_ms) in enumerate(records):
        sender.produce(topic, value, key=key, timestamp=timestamp_ms)
        if number % 1000 == 0:
            sender.poll(0)
    left = sender.flush(120)
    if left:
        raise RuntimeError(f"the broker did not take {left} records of the load")


def produce_events(bootstrap: str, events: Iterable[Event]) -> None:
    """Send events and wait until the broker has them."""
    produce(bootstrap, ((e.topic, e.key_bytes or b"", e.value_bytes, e.arrival_ms) for e in events))
