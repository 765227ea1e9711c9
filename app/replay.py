"""The detector's rules over an event file, without a broker."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from detection.detector import Detector, Outcome, Sitting
from detection.docket import Docket
from models.case import Case
from models.dead_letter import DeadLetter
from models.location_fix import LocationFix
from models.transaction import Transaction
from sources.event_file import Event
from streaming.clock import NEVER, clock_error, latest_in_time
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError, RecordError

Message = LocationFix | Transaction


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
    for result in replay_beside(events, decoders, [detector], max_clock_skew_s):
        yield result if isinstance(result, DeadLetter) else result[1]


def replay_beside(
    events: Iterable[Event],
    decoders: Mapping[str, JsonDecoder[Any]],
    detectors: Sequence[Detector[Any]],
    max_clock_skew_s: float,
) -> Iterator[tuple[int, Outcome] | DeadLetter]:
    """As `replay`, by several detectors in one pass; the number of the detector stands with each outcome."""
    courses = list(enumerate(map(Course, detectors)))
    for arrival_ms, message in messages(events, decoders, max_clock_skew_s):
        if isinstance(message, DeadLetter):
            yield message
            continue
        for number, course in courses:
            for outcome in course.after(arrival_ms, message):
                yield number, outcome
    for number, course in courses:
        for outcome in course.end():
            yield number, outcome


class Course:
    """What one detector makes of the messages of a file, given one by one."""

    def __init__(self, detector: Detector[Any]) -> None:
        states: dict[bytes, Any] = {}
        cases: dict[bytes, Case] = {}
        self._now_s = 0.0  # the file's clock: nothing is read again here
        self._sitting = Sitting(detector, states, cases, Docket(), lambda: self._now_s)

    def after(self, arrival_ms: int, message: Message) -> list[Outcome]:
        """Take a message; return what follows from it, and from the time that has come."""
        self._now_s = arrival_ms / 1000
        if isinstance(message, LocationFix):
            self._sitting.locate(message.key, message, arrival_ms)
        else:
            self._sitting.decide(message.key, message, arrival_ms)
        self._sitting.close_due()
        return self._sitting.take()

    def end(self) -> list[Outcome]:
        """Make every decision final: nothing comes any more."""
        self._sitting.close_all()
        return self._sitting.take()


def messages(
    events: Iterable[Event], decoders: Mapping[str, JsonDecoder[Any]], max_clock_skew_s: float
) -> Iterator[tuple[int, Message | DeadLetter]]:
    """Yield time of arrival and message of each event, in their order, and a dead letter for what is none."""
    in_time, since_ms = NEVER, 0  # nothing up to `in_time` is ahead of an arrival after `since_ms`
    for number, event in enumerate(events):
        arrival_ms = event.arrival_ms
        try:
            decoder = decoders[event.topic]
        except KeyError:
            raise ConfigError(
                f"event {number + 1} is for {event.topic}, which the detector does not read;"
                f" it reads {', '.join(decoders)}"
            ) from None
        try:
            message = decoder.decode(event.value_bytes)
            if message.event_time > in_time or arrival_ms < since_ms:
                if ahead := clock_error(message.event_time_ns, arrival_ms, max_clock_skew_s):
                    raise ahead
                in_time, since_ms = latest_in_time(arrival_ms, max_clock_skew_s), arrival_ms
        except RecordError as error:
            yield arrival_ms, _dead_letter(number, event, error)
        else:
            yield arrival_ms, message


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
