"""Final decisions of the profile `envelope` are those of an undisturbed pass, whatever happens to workers."""

import random
import time
from collections.abc import Iterator

import msgspec
import pytest

from detection.envelope import Envelope
from detection.envelope_rule import EnvelopeRule
from detection.profile import EnvelopeProfile
from sources.event_file import Event
from tests.faults.stream import feeding, let_it_run, wait_for_members
from tests.pipeline import Pipeline, location, purchase, simulated_events, wait_until
from tests.verdicts import (
    assert_alerts_explain_themselves,
    changelog_tracks,
    closing,
    finals,
    replayed,
    true_tracks,
)

pytestmark = pytest.mark.kafka

RULE = EnvelopeRule(Envelope(EnvelopeProfile()))
GRACE_S = 300
ORDERS = 5
START_S = time.time() - 3600


@pytest.fixture
def envelope(pipeline: Pipeline) -> Pipeline:
    """Workers of the default profile, whose sessions end soon."""
    pipeline.configure(profile="envelope", session_timeout_s=3)
    return pipeline


@pytest.mark.parametrize("order", range(ORDERS))
def test_any_order_of_arrival_and_a_kill_end_in_the_same_decisions(
    envelope: Pipeline, moments: random.Random, order: int
) -> None:
    """Locations arrive in any order between the transactions and their deadlines; two workers, one killed."""
    events = one_purchase_each(random.Random(f"order {order} of {moments.random()}"))
    envelope.configure(chunk_max_records=20)  # so that the kill comes in the middle
    envelope.produce([*events, *closing(envelope, events)])
    workers = [envelope.worker(), envelope.worker()]
    wait_until(lambda: envelope.count(envelope.topics.transaction_decisions) > 0, 60, "a decision")
    let_it_run(moments.uniform(0, 0.5))
    moments.choice(workers).kill()
    envelope.wait_complete()
    expected = replayed(envelope, one_purchase_each(None))  # in the order in which things happened
    assert len({d.verdict for d in expected.values()}) == 2
    assert finals(envelope.decisions()) == expected
    assert changelog_tracks(envelope) == true_tracks(envelope, RULE)


def one_purchase_each(chance: random.Random | None, devices: int = 100) -> list[Event]:
    """Phones that walk and buy one thing each. With `chance`, what they report comes in any order."""
    fixed = random.Random(17)
    start_ms = int(START_S * 1000)
    purchases, fixes = [], []
    for number in range(devices):
        device = f"phone-{number}"
        shop_lat = fixed.choice([37.33, 37.33, 37.36, 38.5])
        purchases.append(purchase(f"t-{number}", device, start_ms, lat=shop_lat))
        for at_s in sorted(fixed.sample(range(-200, 200), 30)):
            wander = fixed.choice([0.0, 0.0001, 0.0002, 0.02])
            fixes.append((at_s, location(device, start_ms + at_s * 1000, lat=37.33 + wander)))
    arrivals_s = [float(max(at_s, 1)) for at_s, _ in fixes]
    if chance is not None:
        arrivals_s = [chance.uniform(1, GRACE_S - 1) for _ in fixes]
    late = [
        msgspec.structs.replace(fix, arrival_ms=max(fix.arrival_ms, start_ms + int(arrival_s * 1000)))
        for (_, fix), arrival_s in zip(fixes, arrivals_s, strict=True)
    ]
    return [*purchases, *sorted(late, key=lambda event: event.arrival_ms)]


def test_kills_in_the_middle_of_a_backlog_change_no_final_decision(
    envelope: Pipeline, moments: random.Random
) -> None:
    """A track that is ahead of a transaction would judge it by what came later, and hours pass in seconds."""
    events = simulated_events(seed=moments.randrange(1000), devices=60, duration_s=2400.0)
    envelope.configure(chunk_max_records=moments.choice([1, 2, 4]))  # so that it lasts
    decisions = envelope.topics.transaction_decisions
    envelope.produce([*events, *closing(envelope, events)])
    for _ in range(3):
        worker, before = envelope.worker(), envelope.count(decisions)
        wait_until(lambda before=before: envelope.count(decisions) > before, 60, "decisions")  # type: ignore[misc]
        let_it_run(moments.uniform(0, 0.5))
        worker.kill()
        assert not envelope.is_read_to_the_end(), "the kill came too late to disturb anything"
    envelope.worker()
    envelope.wait_complete(90)
    assert finals(envelope.decisions()) == replayed(envelope, events)
    assert_alerts_explain_themselves(envelope)
    assert changelog_tracks(envelope) == true_tracks(envelope, RULE)


def test_kills_in_a_live_stream_change_no_final_decision(envelope: Pipeline, moments: random.Random) -> None:
    """Two workers of which one is killed and started again; then nothing comes any more."""
    envelope.configure(grace_period_s=5)
    sent: list[Event] = []

    def stream() -> Iterator[Event]:
        for number in range(10**9):
            now_ms, device = int(time.time() * 1000), moments.randrange(100)
            lat = 37.33 + number / 1e7
            if moments.random() < 0.7:
                event = location(f"phone-{device}", now_ms, lat=lat)
            else:
                far = moments.choice([0.0, 0.0, 1.0])
                event = purchase(f"t-{number}", f"phone-{device}", now_ms, lat=lat + far)
            sent.append(event)
            yield event

    workers = [envelope.worker(), envelope.worker()]
    wait_for_members(envelope, 2)
    with feeding(envelope, stream(), events_per_s=500):
        for worker in workers:
            worker.wait_ready()
        for _ in range(2):
            let_it_run(moments.uniform(0.5, 3))
            victim = workers.pop(moments.randrange(len(workers)))
            victim.kill()
            workers.append(envelope.worker().wait_ready())
        let_it_run(moments.uniform(2, 6))
    envelope.wait_complete(90)
    found, expected = finals(envelope.decisions()), replayed(envelope, sent)
    assert found.keys() == expected.keys()
    verdicts = {name: (found[name].verdict, expected[name].verdict) for name in expected}
    assert [name for name, (a, b) in verdicts.items() if a != b] == []
    assert_alerts_explain_themselves(envelope)
