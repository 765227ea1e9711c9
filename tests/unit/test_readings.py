"""Sensors' readings: true ones with noise, made-up ones in the share that was asked for."""

import json
import math
from collections.abc import Iterator

import pytest

from detection.geodesy import distance_m
from sources.event_file import Event
from sources.iot.readings import Enrichment, enriched
from streaming.errors import ConfigError
from tests.messages import location_message

COUNT = 2000


def reports() -> Iterator[Event]:
    """Locations of a phone, with a purchase and something unreadable among them."""
    for number in range(COUNT):
        value = json.dumps(location_message(MessageId=number))
        yield Event(topic="location_data", key="phone", arrival_ms=number, value=value)
    yield Event(topic="location_data", key="phone", arrival_ms=COUNT, value="\udcff{")
    yield Event(topic="location_data", key="phone", arrival_ms=COUNT, value='{"Latitude":"N"}')
    yield Event(topic="transaction_data", key="phone", arrival_ms=COUNT, value='{"Latitude":1,"Longitude":2}')


def made(*, fake_share: float = 0.0, noise_m: float = 0.0, seed: int = 1) -> list[tuple[Event, bool]]:
    """What is published of them."""
    how = Enrichment(seed=seed, fake_share=fake_share, noise_m=noise_m)
    return list(enriched(reports(), "location_data", how))


def off_by_m(event: Event) -> float:
    """How far a reading is from the true place."""
    message, true = json.loads(event.value), location_message()
    return distance_m(message["Latitude"], message["Longitude"], true["Latitude"], true["Longitude"])


def test_without_enrichment_everything_is_as_it_was() -> None:
    """Byte for byte."""
    assert [event for event, _ in made()] == list(reports())


def test_made_up_readings_come_in_their_share_and_far_from_the_truth() -> None:
    """Beyond the paper's usual place, each behind the true one; all others stay as they were."""
    readings = made(fake_share=0.1)
    fakes = [event for event, is_made_up in readings if is_made_up]
    assert COUNT * 0.08 < len(fakes) < COUNT * 0.12
    assert min(map(off_by_m, fakes)) > 20_000
    assert [event for event, is_made_up in readings if not is_made_up] == list(reports())
    for event in fakes:
        assert json.loads(event.value)["MessageId"] == event.arrival_ms


def test_noise_has_the_size_that_was_asked_for() -> None:
    """Rayleigh's mean of two equal deviations; noise moves no device to the other side of the earth."""
    readings = [event for event, _ in made(noise_m=10.0)][:COUNT]
    mean_m = sum(map(off_by_m, readings)) / COUNT
    assert mean_m == pytest.approx(10 * math.sqrt(math.pi / 2), rel=0.06)


def test_equal_seeds_give_equal_readings_that_can_be_read() -> None:
    """Made up or not, at the poles too."""
    assert made(fake_share=0.3, noise_m=5) == made(fake_share=0.3, noise_m=5)
    assert made(fake_share=0.3, noise_m=5) != made(fake_share=0.3, noise_m=5, seed=2)
    polar = json.dumps(location_message(Latitude=90, Longitude=180))
    pole = [Event(topic="location_data", key="phone", arrival_ms=1, value=polar)] * 100
    for event, _ in enriched(pole, "location_data", Enrichment(seed=1, fake_share=1, noise_m=100)):
        message = json.loads(event.value)
        assert -90 <= message["Latitude"] <= 90
        assert -180 <= message["Longitude"] <= 180


@pytest.mark.parametrize(
    ("fake_share", "noise_m"), [(-0.1, 0), (1.1, 0), (0, -1), (0, math.inf), (math.nan, 0)]
)
def test_what_is_no_share_is_refused(fake_share: float, noise_m: float) -> None:
    """With the names of the options."""
    with pytest.raises(ConfigError, match="--fake-share"):
        Enrichment(seed=1, fake_share=fake_share, noise_m=noise_m)
