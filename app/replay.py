"""The detector's rules over an event file, without a broker."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from detection.decide import Decider
from models.dead_letter import DeadLetter
from models.decision import Decision
from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from sources.event_file import Event
from streaming.clock import clock_error
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError, RecordError


def replay(
    events: Iterable[Event],
    decoders: Mapping[str, JsonDecoder[Any]],
    decider: Decider,
    max_clock_skew_s: float,
) -> Iterator[Decision | DeadLetter]:
    """Yield what the detector would write for `events` taken one by one, in their order.

    Its memory grows with the devices in the file, not with its length. A dead letter's partition is 0 and
    its offset the number of the event, from 0. Raises ConfigError where an event's topic is no input.
    """
    latest: dict[bytes, LatestLocation] = {}
    for number, event in enumerate(events):
        if event.topic not in decoders:
            raise ConfigError(
                f"event {number + 1} is for {event.topic}, which the detector does not read;"
                f" it reads {', '.join(decoders)}"
            )
        try:
            message = decoders[event.topic].decode(event.value_bytes)
            if ahead := clock_error(message.event_time_ns, event.arrival_ms, max_clock_skew_s):
                raise ahead
        except RecordError as error:
            yield _dead_letter(number, event, error)
            continue
        if isinstance(message, LocationFix):
            latest[message.key] = message.latest
        else:
            yield decider.decide(message, latest.get(message.key))


def _dead_letter(number: int, event: Event, error: RecordError) -> DeadLetter:
    return DeadLetter.of(
        reason_code=error.reason_code,
        reason=error.reason,
        topic=event.topic,
        partition=0,
        offset=number,
        timestamp_ms=event.arrival_ms,
        key=event.key_bytes,
        value=event.value_bytes,
    )
