"""A process of its own that sends transactions at a steady rate and prints when it sent each.

`python -m bench.paced BOOTSTRAP RATE_PER_S SECONDS DEVICES`. A transaction's id is the moment it was sent, by
the clock that all processes of a machine share, so that whoever reads a decision knows how long it took.
"""

import random
import sys
import time

import msgspec
from confluent_kafka import Producer

from bench.load import device_id, producer, purchase


def sent_ns(transaction_id: str) -> int:
    """When a transaction was sent, in nanoseconds of time.monotonic_ns()."""
    return int(transaction_id)


def send(bootstrap: str, rate_per_s: int, seconds: float, devices: int) -> list[int]:
    """Send for that long; return the moments. All are far from any fix: everybody's rule flags them."""
    sender = producer(bootstrap, linger_ms=0)
    chance = random.Random(2)
    moments_ns: list[int] = []
    begin_ns = time.monotonic_ns()
    for number in range(int(rate_per_s * seconds)):
        due_ns = begin_ns + number * 1_000_000_000 // rate_per_s
        while (now_ns := time.monotonic_ns()) < due_ns:
            sender.poll(0)
            time.sleep(min(0.0005, (due_ns - now_ns) / 1e9))
        moments_ns.append(_send_one(sender, chance, devices))
    if left := sender.flush(30):
        raise RuntimeError(f"the broker did not take {left} records of the load")
    return moments_ns


def _send_one(sender: Producer, chance: random.Random, devices: int) -> int:
    device, moment_ms = device_id(chance.randrange(devices)), int(time.time() * 1000)
    moment_ns = time.monotonic_ns()
    event = purchase(chance, device, moment_ms, str(moment_ns), is_far=True)
    sender.produce(event.topic, event.value_bytes, key=event.key_bytes, timestamp=moment_ms)
    return moment_ns


def main() -> None:
    """Send as the arguments say."""
    bootstrap, rate_per_s, seconds, devices = sys.argv[1:]
    moments_ns = send(bootstrap, int(rate_per_s), float(seconds), int(devices))
    sys.stdout.buffer.write(msgspec.json.encode(moments_ns))


if __name__ == "__main__":
    main()
