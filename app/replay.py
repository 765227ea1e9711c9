"""The detector's rules over an event file, without a broker."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from detection.detector import Detector, Outcome, Sitting
from detection.docket import Docket
from models.case import Case
from models.dead_letter import DeadLetter
from models.location_fix import LocationFix
from sources.event_file import Event
from streaming.clock import clock_error
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError, RecordError


def replay(
    events: Iterable[Event],
    decoders: Mapping[str, JsonDecoder[Any]],
    detector: Detector[Any],
    max_clock_skew_s: float,
) -> Iterator[Outcome | DeadLetter]:
    """Yield what the detector would write for `events` taken one by one, in their order.

    At the end every decision is made final. Its memory grows with the devices in the file and with the
    transactions of an hour, not with its length. A dead letter's partition is 0 and its offset the number of
    the event, from 0. Raises ConfigError where an event's topic is no input.
    """
    states: dict[bytes, Any] = {}
    cases: dict[bytes, Case] = {}
    now_s = 0.0  # the file's clock: nothing is read again here
    sitting = Sitting(detector, states, cases, Docket(), lambda: now_s)
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
        now_s = event.arrival_ms / 1000
        if isinstance(message, LocationFix):
            sitting.locate(message.key, message, event.arrival_ms)
        else:
            sitting.decide(message.key, message, event.arrival_ms)
        sitting.close_due()
        yield from sitting.take()
    sitting.close_all()
    yield from sitting.take()


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
