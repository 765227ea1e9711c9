"""All sketches over an event file, without a broker: what the publisher would make of one partition."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from agents.sketch import Book
from app.replay import Course, messages
from detection.detector import Detector
from models.dead_letter import DeadLetter
from models.location_fix import LocationFix
from sketches.desk import Desk, Message, Notebooks
from sketches.notebook import Notebook
from sources.event_file import Event
from streaming.decoding import JsonDecoder

CHUNK_RECORDS: Final = 500
LOCATIONS, DECISIONS, ALERTS = "locations", "decisions", "alerts"


def rehearse(
    events: Iterable[Event],
    decoders: Mapping[str, JsonDecoder[Any]],
    detector: Detector[Any],
    max_clock_skew_s: float,
    book: Book,
) -> Desk:
    """Judge the events as `replay` does, let a desk take what comes of it, and return the desk.

    Record timestamps are the file's clock. What is refused there is left out here. The ledger's twins see all
    devices.
    """
    desk = new_desk(replace(book, options=replace(book.options, ledger_share=1.0)))
    course = Course(detector)
    tray = _Tray(desk)
    now_ms = 0
    for arrival_ms, message in messages(events, decoders, max_clock_skew_s):
        now_ms = arrival_ms
        if isinstance(message, DeadLetter):
            continue
        if isinstance(message, LocationFix):
            tray.put(LOCATIONS, now_ms, message)
        tray.put_outcomes(course.after(arrival_ms, message), now_ms)
    tray.put_outcomes(course.end(), now_ms)
    tray.empty()
    return desk


def new_desk(book: Book) -> Desk:
    """A desk whose notebooks are in memory only."""
    notebooks = Notebooks(sketches=Notebook(), views=Notebook(), devices=Notebook())
    return Desk(notebooks, book.sketches, book.views, seed=1, options=book.options, audits=book.audits)


class _Tray:
    """Gathers records into chunks, as the agent gets them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._offset = 0
        self._waiting: dict[str, list[Message]] = {LOCATIONS: [], DECISIONS: [], ALERTS: []}
        self._records = 0

    def put_outcomes(self, outcomes: Iterable[Any], now_ms: int) -> None:
        for outcome in outcomes:
            self.put(DECISIONS, now_ms, outcome.decision)
            if outcome.alert is not None:
                self.put(ALERTS, now_ms, outcome.alert)

    def put(self, topic: str, record_ms: int, value: Any) -> None:
        self._waiting[topic].append(Message(self._offset, record_ms, value))
        self._offset += 1
        self._records += 1
        if self._records >= CHUNK_RECORDS:
            self.empty()

    def empty(self) -> None:
        desk = self._desk
        takes = {LOCATIONS: desk.take_locations, DECISIONS: desk.take_decisions, ALERTS: desk.take_alerts}
        for topic, take in takes.items():
            if self._waiting[topic]:
                take(topic, self._waiting[topic])
                self._waiting[topic] = []
        self._records = 0
