"""The load of the benchmarks: fixes and purchases of many devices, in the paper's wire formats."""

import json
import random
import time
from collections.abc import Iterator

from confluent_kafka import Producer

from models.times import utc_datetime

_DEVICE_ID = "{:08x}-9dad-11d1-80b4-00c04fd430c8"  # as long as a phone's


def device_id(number: int) -> str:
    """Id of a device of the load."""
    return _DEVICE_ID.format(number)


def records(fixes: int, purchases: int, devices: int, seed: int = 1) -> Iterator[tuple[str, str, str, int]]:
    """Yield (topic, key, value, timestamp in ms): all fixes, then all purchases, one a millisecond."""
    chance = random.Random(seed)
    start_ms = int(time.time() * 1000) - fixes - purchases
    for number in range(fixes):
        yield ("location_data", *_fix(chance, number % devices, number, start_ms + number))
    for number in range(purchases):
        moment_ms = start_ms + fixes + number
        yield ("transaction_data", *_purchase(chance, chance.randrange(devices), number, moment_ms))


def produce(bootstrap: str, load: Iterator[tuple[str, str, str, int]]) -> int:
    """Send the load; return how many records."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    count = 0
    for topic, key, value, timestamp_ms in load:
        producer.produce(topic, value, key=key, timestamp=timestamp_ms)
        count += 1
        if count % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return count


def _fix(chance: random.Random, device: int, number: int, moment_ms: int) -> tuple[str, str, int]:
    value = {
        "Time": f"{utc_datetime(moment_ms * 1_000_000):%Y-%m-%d %H:%M:%S}",
        "Speed": round(chance.uniform(0, 15), 3),
        "Altitude": 30.0,
        "Longitude": round(-121.89 + chance.uniform(-0.05, 0.05), 7),
        "Latitude": round(37.33 + chance.uniform(-0.05, 0.05), 7),
        "DeviceId": device_id(device),
        "MessageId": number,
        "SessionId": "5bd86d40-fc89-1b4a-6a50-df4db4d66a3a",
        "BearingAccuracy": 0,
        "SpeedAccuracy": 0.5,
        "VerticalAccuracy": 3.5,
        "HorizontalAccuracy": 5.0,
        "Bearing": 0,
    }
    return device_id(device), json.dumps(value), moment_ms


def _purchase(chance: random.Random, device: int, number: int, moment_ms: int) -> tuple[str, str, int]:
    value = {
        "Transaction ID": f"{number:012x}",
        "User ID": f"U{device}",
        "Device ID": device_id(device),
        "Name": "Customer",
        "Timestamp": utc_datetime(moment_ms * 1_000_000).isoformat(),
        "Amount": round(chance.uniform(1, 2000), 2),
        "Card Number": f"4000{device:012d}",
        "Merchant ID": "1",
        "Merchant": "Merchant 1",
        "Merchant_category": "Restaurant",
        "Location Latitude": f"{37.33 + chance.uniform(-0.05, 0.05):.6f}",
        "Location Longitude": f"{-121.89 + chance.uniform(-0.05, 0.05):.6f}",
        "Transaction Type": "online",
        "Transaction_device": "mobile",
    }
    return device_id(device), json.dumps(value), moment_ms
