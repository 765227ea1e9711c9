"""From records to sketches: what of each is new, and who takes it up. One desk for each partition."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final

import mmh3
import msgspec

from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.location_fix import LocationFix
from sketches.accuracy import Finding
from sketches.audits import Audit
from sketches.book import HOUR_MS, Entry, Stream
from sketches.device_page import DevicePage
from sketches.facts import AlertFact, DecisionFact, category_of, event_ms_of, merchant_of
from sketches.ledger import is_sampled
from sketches.notebook import Notebook, Page
from sketches.place_cells import Cell
from sketches.places_ledger import PlacesLedger
from sketches.tally import OTHERS
from sketches.usual_places import Answer, ApprovedPlaces, DevicePlaces

APPROVED: Final = "approved"
_SHARDS: Final = 16
"""Approved places are kept in so many filters by device: one that changes is written whole."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message and its record: offset, and timestamp in milliseconds since the epoch."""

    offset: int
    record_ms: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long lines and places are remembered, and of how many devices."""

    seen_ms: int = 7_200_000
    """A line that comes again within this, by record timestamps, is a repeat. Longer than the detector's
    repeat window and grace period together."""
    most_seen: int = 10_000
    """Lines of a device; 24 bytes each."""
    places_span_ms: int = 7 * 24 * 3_600_000
    places_generations: int = 2
    """A usual place is approved for the span in which it was one, and this many less one after it."""
    places_error: float = 0.01
    """False places that are approved, as a share."""
    public_rows_per_device: int = 3
    """So many transactions of a device and an hour count in public statistics."""
    devices: int = 10_000
    """Of a partition, with a usual place: the filters are made for so many."""
    ledger_share: float = 1 / 16
    """Of devices: whose facts the ledger's twins see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebooks:
    """Where a partition's sketches, views and devices lie."""

    sketches: Notebook
    views: Notebook
    devices: Notebook


class Desk:
    """Takes the messages of one partition, topic by topic, each in the order of offsets.

    Exact after a crash: whichever rows of the notebooks were written by then, messages that are offered again
    are taken up by those sketches only that do not hold them, and repeated lines by none.
    """

    def __init__(
        self,
        notebooks: Notebooks,
        sketches: Sequence[Entry],
        views: Sequence[Entry],
        *,
        seed: int,
        options: Options,
        audits: Sequence[Audit] = (),
    ) -> None:
        sketches = [*sketches, *(audit.ledger for audit in audits if audit.ledger)]
        self.notebooks = notebooks
        self._audits = audits
        self._places_ledger = PlacesLedger(span_ms=options.places_span_ms, promised=options.places_error)
        self._entries = [(notebooks.sketches, e) for e in sketches] + [(notebooks.views, e) for e in views]
        self._kept = {
            entry.name: {key for key in notebook.keys if key.startswith(f"{entry.name}/".encode())}
            for notebook, entry in self._entries
        }
        self._seed = seed
        self._options = options

    def take_locations(self, topic: str, messages: Sequence[Message]) -> list[Answer]:
        """Take readings of devices; return, for each that is new, whether it is where the device usually is.

        The paper's words: a sample of a device's readings finds its usual place, which is approved.
        """
        by_device: dict[bytes, list[Message]] = {}
        for message in messages:
            by_device.setdefault(message.value.key, []).append(message)
        pages = self._devices(by_device)
        readings: list[tuple[bytes, Cell, int]] = []
        approved: list[tuple[bytes, Cell, int]] = []
        for device, of_device in by_device.items():
            page = pages[device]
            for message in page.begin(topic, of_device):
                fix: LocationFix = message.value
                cell = Cell.of(fix.latitude_deg, fix.longitude_deg, fix.altitude_m)
                places = page.sketch.places
                if places is None:
                    places = page.sketch.places = self._new_places(device)
                usual = places.update(cell, message.record_ms)
                if usual is not None:
                    approved.append((device, usual, message.record_ms))
                readings.append((device, cell, message.record_ms))
        for device, usual, record_ms in approved:
            shard = self._approved(device)
            shard.sketch.update(device, usual, record_ms)
            shard.is_dirty = True
            self._places_ledger.update(device, usual, record_ms)
        return [self._answer(*reading) for reading in readings]

    def take_decisions(self, topic: str, messages: Sequence[Message]) -> list[DecisionFact]:
        """Take lines of transaction_decisions; return what they say that is new."""
        pages = self._devices({message.value.device_id.encode() for message in messages})
        facts = []
        for message in messages:
            decision: Decision = message.value
            device = decision.device_id.encode()
            page = pages[device]
            is_first_of = partial(
                page.sketch.seen.is_first, offset=message.offset, record_ms=message.record_ms
            )
            name = decision.transaction_id
            is_first = is_first_of(f"seen|{name}")
            is_flag = decision.verdict == "flagged" and is_first_of(f"flag|{name}")
            is_final = decision.stage == "final" and is_first_of(f"final|{name}")
            if is_first or is_flag or is_final:
                page.is_dirty = True
                event_ms = event_ms_of(decision)
                event_hour = event_ms // HOUR_MS
                facts.append(
                    DecisionFact(
                        message.offset,
                        message.record_ms,
                        event_ms,
                        event_hour,
                        merchant_of(decision),
                        category_of(decision),
                        decision,
                        is_first,
                        is_flag,
                        is_final,
                        is_final and self._is_counted_publicly(is_first_of, event_hour),
                        self._answer_of(device, decision, message.record_ms) if is_final else "unknown",
                        is_sampled(device, self._options.ledger_share),
                    )
                )
        self._forget(pages, messages)
        if facts:
            self._offer(
                topic,
                {
                    "decisions": facts,
                    "firsts": [fact for fact in facts if fact.is_first],
                    "finals": [fact for fact in facts if fact.is_final],
                    "flags": [fact for fact in facts if fact.is_first_flag],
                },
            )
        return facts

    def take_alerts(self, topic: str, messages: Sequence[Message]) -> list[AlertFact]:
        """Take lines of Potential_fraud_transactions; return what they say that is new."""
        pages = self._devices({message.value.device_id.encode() for message in messages})
        facts = []
        for message in messages:
            alert: FlaggedTransaction = message.value
            device = alert.device_id.encode()
            page = pages[device]
            seen, name = page.sketch.seen, alert.transaction_id
            if not seen.is_first(f"alert|{alert.revision}|{name}", message.offset, message.record_ms):
                continue
            is_flag = alert.event == "flagged" and seen.is_first(
                f"alert|{name}", message.offset, message.record_ms
            )
            page.is_dirty = True
            answer = self._answer_of(device, alert, message.record_ms)
            facts.append(
                AlertFact(
                    message.offset,
                    message.record_ms,
                    event_ms_of(alert),
                    merchant_of(alert),
                    category_of(alert),
                    alert,
                    is_flag,
                    answer,
                )
            )
        self._forget(pages, messages)
        if facts:
            self._offer(topic, {"alerts": facts})
        return facts

    def _offer(self, topic: str, streams: Mapping[Stream, Sequence[Any]]) -> None:
        by_keys: dict[Any, Mapping[Any, Sequence[Any]]] = {}
        for notebook, entry in self._entries:
            facts = streams.get(entry.of)
            if not facts:
                continue
            if entry.key_of is None:
                groups: Mapping[bytes, Sequence[Any]] = {entry.name.encode(): facts}
            else:
                by_key = by_keys.get((entry.of, entry.key_of))
                if by_key is None:
                    by_key = by_keys[entry.of, entry.key_of] = _by_key(facts, entry.key_of)
                groups = self._groups(notebook, entry, by_key)
            pages = notebook.open(groups, entry.read, partial(self._new_sketch, entry))
            for key, of_key in groups.items():
                page = pages[key]
                if news := page.begin(topic, of_key):
                    entry.take(page.sketch, news)

    def _groups(
        self, notebook: Notebook, entry: Entry, by_key: Mapping[Any, Sequence[Any]]
    ) -> Mapping[bytes, Sequence[Any]]:
        """Facts by the key of the page that takes them up; what is older than all kept is left out."""
        kept, groups, others = self._kept[entry.name], dict[bytes, Sequence[Any]](), list[Any]()
        for of_key, of_name in by_key.items():
            key = f"{entry.name}/{entry.name_of_key(of_key)}".encode()
            if key not in kept and entry.keep == "first" and len(kept) >= entry.most_keys:
                others += of_name
            else:
                kept.add(key)
                groups[key] = of_name
        if others:
            key = f"{entry.name}/{OTHERS}".encode()
            kept.add(key)
            others += groups.get(key, [])
            groups[key] = sorted(others, key=attrgetter("offset"))
        if entry.keep == "last" and len(kept) > entry.most_keys:
            for old in sorted(kept)[: -entry.most_keys]:
                kept.remove(old)
                groups.pop(old, None)
                notebook.drop(old)
        return groups

    def _new_sketch(self, entry: Entry, key: bytes) -> Any:
        return entry.make(mmh3.hash(key, self._seed, signed=False))

    def findings(self) -> list[Finding]:
        """What the ledgers say of the sketches, each by the exact numbers beside it.

        A sketch that has not caught up with its ledger after a crash, or its ledger with it, is left out.
        """
        pages = {
            entry.name: entry for notebook, entry in self._entries if notebook is self.notebooks.sketches
        }
        found = []
        for audit in self._audits:
            ledger = None if audit.ledger is None else self._page(audit.ledger)
            for name in audit.sketches:
                page = self._page(pages[name])
                if page is None or (audit.ledger and (ledger is None or ledger.ends != page.ends)):
                    continue
                if finding := audit.judge(name, ledger and ledger.sketch, page.sketch):
                    found.append(finding)
        places = self._places_ledger.judge(APPROVED, self._answer)
        return found if places is None else [*found, places]

    def _page(self, entry: Entry) -> Page | None:
        """The page of an entry without keys, where there is one."""
        notebook, key = self.notebooks.sketches, entry.name.encode()
        if key not in notebook.keys:
            return None
        return notebook.open([key], entry.read, partial(self._new_sketch, entry))[key]

    # -- devices and their places -----------------------------------------------------------------------

    def _devices(self, devices: Iterable[bytes]) -> dict[bytes, Any]:
        return self.notebooks.devices.open(devices, DevicePage.from_bytes, lambda _device: DevicePage())

    def _forget(self, pages: Mapping[bytes, Any], messages: Sequence[Message]) -> None:
        before_ms = max(map(attrgetter("record_ms"), messages)) - self._options.seen_ms
        for page in pages.values():
            page.sketch.seen.forget(before_ms, self._options.most_seen)

    def _new_places(self, device: bytes) -> DevicePlaces:
        seed = mmh3.hash(device, self._seed, signed=False)
        return DevicePlaces(span_ms=self._options.places_span_ms, seed=seed)

    def _approved(self, device: bytes) -> Any:
        key = f"{APPROVED}/{mmh3.hash(device, 0, signed=False) % _SHARDS:02x}".encode()
        make = self._new_approved
        return self.notebooks.sketches.open((key,), ApprovedPlaces.from_bytes, make)[key]

    def _new_approved(self, _key: bytes) -> ApprovedPlaces:
        of_shard = -(-self._options.devices // _SHARDS)
        return ApprovedPlaces(
            of_shard,
            self._options.places_error,
            span_ms=self._options.places_span_ms,
            generations=self._options.places_generations,
        )

    def _is_counted_publicly(self, is_first_of: Callable[[str], bool], hour: int) -> bool:
        """Whether there is a place for it among the first of its device and hour; it takes the place then."""
        places = range(self._options.public_rows_per_device)
        return any(is_first_of(f"public|{hour}|{place}") for place in places)

    def _answer(self, device: bytes, cell: Cell, record_ms: int) -> Answer:
        answer: Answer = self._approved(device).sketch.answer(device, cell, record_ms)
        return answer

    def _answer_of(self, device: bytes, use: Decision | FlaggedTransaction, record_ms: int) -> Answer:
        cell = Cell.of(use.latitude_deg, use.longitude_deg, None)
        return self._answer(device, cell, record_ms)


def _by_key(facts: Sequence[Any], key_of: Callable[[Any], Any]) -> Mapping[Any, Sequence[Any]]:
    """Facts by their key, in order."""
    keys = list(map(key_of, facts))
    if keys.count(keys[0]) == len(keys):  # as of hours, nearly always
        return {keys[0]: facts}
    by_key: dict[Any, list[Any]] = {}
    for key, fact in zip(keys, facts, strict=True):
        by_key.setdefault(key, []).append(fact)
    return by_key
