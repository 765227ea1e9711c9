"""A stream to disturb, and what must be true of it afterwards, whatever was done to it."""

import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Event as Flag

from app.decoders import input_decoders
from app.replay import replay
from app.rules import detector_of
from detection.detector import Outcome
from models.decision import Decision
from sources.event_file import Event
from tests.pipeline import Pipeline, location, purchase, wait_until

EVENTS_PER_S = 1000
DEVICES = 200
SHOP_LAT = 38.5  # too far from all phones at any time: repeated or not, a purchase there is flagged
_TICK_S = 0.01


def phones(
    *,
    devices: int = DEVICES,
    seed: int = 1,
    location_share: float = 0.5,
    start_ms: int | None = None,
    shop_lat: float | None = SHOP_LAT,
) -> Iterator[Event]:
    """Phones that move north and buy things, for ever; no two fixes are alike.

    Without `start_ms` everything happens now; with it, one event a millisecond. Without `shop_lat` they
    buy where they were last, so that the verdict depends on the order of events.
    """
    chance = random.Random(seed)
    latitudes = [37.0] * devices
    for number in count(1):
        now_ms = int(time.time() * 1000) if start_ms is None else start_ms + number
        device = chance.randrange(devices)
        if chance.random() < location_share:
            latitudes[device] = round(37 + number / 1e6, 6)
            yield location(f"phone-{device}", now_ms, lat=latitudes[device])
        else:
            yield purchase(f"t{seed}-{number}", f"phone-{device}", now_ms, lat=shop_lat or latitudes[device])


@contextmanager
def feeding(
    pipeline: Pipeline, events: Iterator[Event] | None = None, events_per_s: int = EVENTS_PER_S
) -> Iterator[None]:
    """Send a stream while the body runs; it ends with the body."""
    stop = Flag()
    per_tick = int(events_per_s * _TICK_S)

    def feed() -> None:
        producer = pipeline.producer()
        stream = phones() if events is None else events
        while not stop.wait(_TICK_S):
            for _, event in zip(range(per_tick), stream, strict=False):
                producer.produce(
                    event.topic, event.value_bytes, key=event.key_bytes, timestamp=event.arrival_ms
                )
            producer.poll(0)
        assert producer.flush(60) == 0, "the broker did not take the whole stream"

    with ThreadPoolExecutor(1) as threads:
        fed = threads.submit(feed)
        try:
            yield
        finally:
            stop.set()
        fed.result()


def let_it_run(seconds: float) -> None:
    """Let the stream go on for a while: here time itself is what is tested."""
    time.sleep(seconds)


def assert_nothing_is_lost(pipeline: Pipeline, timeout_s: float = 90.0) -> None:
    """Books complete; the changelog ends with the truth; so do the tables of the workers that run."""
    pipeline.wait_complete(timeout_s)
    truth = {key: fix.latitude_deg for key, fix in pipeline.true_table().items()}
    changelog = {key: fix.latitude_deg for key, fix in pipeline.changelog_table().items()}
    assert changelog == truth, f"changelog: {_wrong_rows(changelog, truth)}"
    tables = probe(pipeline, truth, timeout_s)
    assert tables == truth, f"tables: {_wrong_rows(tables, truth)}"


def probe(pipeline: Pipeline, keys: Iterable[bytes], timeout_s: float) -> dict[bytes, float]:
    """Read the live tables: a purchase of each device, whose decision quotes the latitude in its row."""
    name, now_ms = f"probe-{uuid.uuid4()}", int(time.time() * 1000)
    pipeline.produce(purchase(f"{name}-{key.decode()}", key.decode(), now_ms) for key in keys)
    pipeline.wait_complete(timeout_s)
    decided = [d for d in pipeline.decisions() if d.transaction_id.startswith(name)]
    return {d.device_id.encode(): d.fixes[0].latitude_deg for d in decided if d.fixes}


def _wrong_rows(table: Mapping[bytes, float], truth: Mapping[bytes, float]) -> str:
    """A few of the rows that are not as they must be, and how many there are."""
    wrong = [key for key in truth.keys() | table.keys() if table.get(key) != truth.get(key)]
    shown = {key: (table.get(key), truth.get(key)) for key in sorted(wrong)[:5]}
    return f"{len(wrong)} of {len(truth)} rows are wrong; key: (is, must be): {shown}"


def assert_no_decision_was_made_twice(pipeline: Pipeline) -> None:
    """Nor did a device's evidence ever go back to an earlier place: phones of the stream move north."""
    decisions = [d for d in pipeline.decisions() if not d.transaction_id.startswith("probe-")]
    repeated = len(decisions) - len({d.transaction_id for d in decisions})
    assert repeated == 0
    furthest: dict[str, float] = {}
    for decision in decisions:
        latitude = decision.fixes[0].latitude_deg if decision.fixes else 0.0
        assert latitude >= furthest.get(decision.device_id, 0.0), decision
        furthest[decision.device_id] = latitude


def plain_pass(pipeline: Pipeline) -> dict[str, Decision]:
    """What the detector must decide on all that lies in the inputs: `replay` in the order of time.

    For inputs without late records, where every record was there before it was read.
    """
    topics = (pipeline.topics.location_data, pipeline.topics.transaction_data)
    records = [(r.timestamp, rank, r) for rank, t in enumerate(topics) for r in pipeline.records(t)]
    events = (
        Event(r.topic, r.key.decode(), r.timestamp, r.value.decode())
        for _, _, r in sorted(records, key=lambda at: (*at[:2], at[2].partition, at[2].offset))
    )
    results = replay(
        events,
        input_decoders(pipeline.topics),
        detector_of(pipeline.settings),
        max_clock_skew_s=pipeline.settings.max_clock_skew_s,
    )
    return {r.decision.transaction_id: r.decision for r in results if isinstance(r, Outcome)}


def wait_for_members(pipeline: Pipeline, workers: int, timeout_s: float = 60.0) -> None:
    """Return when so many workers share the partitions."""
    wait_until(lambda: pipeline.members() == workers, timeout_s, f"{workers} members of the group")
