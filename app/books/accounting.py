"""The books of the detector: is all that it read accounted for? Pure; reading.py reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from models.location_fix import LocationFix
from models.transaction import Transaction
from streaming.errors import RecordError

SHOWN_PROBLEMS = 20

Place = tuple[str, int, int]  # topic, partition, offset

_VERDICTS = ("flagged", "cleared", "no_location")


def place_text(place: Place) -> str:
    """The place of a record as everything writes it: topic[partition]:offset."""
    topic, partition, offset = place
    return f"{topic}[{partition}]:{offset}"


@dataclass(slots=True)
class Outputs:
    """What was found in the topics that the detector writes: ids and places, never records."""

    verdicts: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    """transaction id -> revision, verdict, is_final: of the last line of the highest revision."""
    ever_flagged: set[str] = field(default_factory=set)
    """Transaction ids with a decision "flagged" in any revision."""
    alerted: set[str] = field(default_factory=set)
    """Transaction ids in Potential_fraud_transactions."""
    dead_letters: set[Place] = field(default_factory=set)
    forwarded: set[Place] = field(default_factory=set)
    """Places of which a copy lies in a repartition topic."""
    located: set[bytes] = field(default_factory=set)
    """Ids of devices, UTF-8, with a row in the changelog of latest locations or of tracks."""
    unreadable: list[Place] = field(default_factory=list)
    expired: dict[str, int] = field(default_factory=dict)
    """Topic -> records that retention deleted from it."""

    def add_decision(self, transaction_id: str, verdict: str, *, revision: int, is_final: bool) -> None:
        """Take a line of transaction_decisions, in the order of the topic."""
        if verdict == "flagged":
            self.ever_flagged.add(transaction_id)
        known = self.verdicts.get(transaction_id)
        if known is None or known[0] <= revision:
            self.verdicts[transaction_id] = (revision, verdict, is_final)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRange:
    """One partition of an input: its records lie in [begin_offset, end_offset).

    `committed_offset` is what the group reads next, None where it never committed. It must have been
    looked up before any output was read: then all that follows from earlier records is in the outputs.
    """

    begin_offset: int
    end_offset: int
    committed_offset: int | None


@dataclass(slots=True)
class Tally:
    """Counts of one input topic. All but `expired` add up to `records`."""

    records: int = 0
    flagged: int = 0
    cleared: int = 0
    no_location: int = 0
    open: int = 0
    repeats: int = 0
    locations: int = 0
    dead_letters: int = 0
    re_keyed: int = 0
    not_yet_read: int = 0
    missing: int = 0
    expired: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The books, closed."""

    tallies: Mapping[str, Tally]
    missing: tuple[str, ...]
    """The first inputs from which nothing followed; their number stands in the tallies."""
    unexplained: tuple[str, ...]
    """The first outputs that no input explains, and alerts that do not fit their decisions."""
    unexplained_total: int
    objections: tuple[str, ...]
    """Why the books prove nothing, however well the counts agree."""
    notes: tuple[str, ...]

    @property
    def total(self) -> Tally:
        """The sum over all inputs."""
        return sum(self.tallies.values(), Tally())

    def balances(self, *, complete: bool) -> bool:
        """Whether everything is accounted for; with `complete` nothing may be unread or open either."""
        total = self.total
        is_settled = not (total.not_yet_read or total.open)
        is_sound = not (total.missing or self.unexplained_total or self.objections)
        return is_sound and (is_settled or not complete)


class Books:
    """Enter every record of the inputs once, in offset order per partition; then close."""

    def __init__(
        self,
        outputs: Outputs,
        inputs: Mapping[tuple[str, int], InputRange],
        *,
        group_id: str,
        transaction_topic: str,
    ) -> None:
        self._outputs = outputs
        self._inputs = inputs
        self._group_id = group_id
        self._transaction_topic = transaction_topic
        self._tallies = {topic: Tally() for topic, _ in inputs}
        self._read_ids: set[str] = set()
        self._unread_ids: set[str] = set()
        self._missing: list[str] = []
        for (topic, _), bounds in inputs.items():
            self._tallies[topic].expired += bounds.begin_offset

    def enter(self, place: Place, message: Transaction | LocationFix | RecordError) -> None:
        """Account for one record; a RecordError is one that cannot be decoded."""
        topic, partition, offset = place
        tally = self._tallies[topic]
        tally.records += 1
        committed_offset = self._inputs[topic, partition].committed_offset
        if committed_offset is None or offset >= committed_offset:
            tally.not_yet_read += 1
            if isinstance(message, Transaction):
                self._unread_ids.add(message.transaction_id)
        elif place in self._outputs.dead_letters:
            tally.dead_letters += 1
        elif place in self._outputs.forwarded:
            tally.re_keyed += 1
        elif isinstance(message, Transaction):
            self._enter_transaction(tally, place, message.transaction_id)
        elif isinstance(message, RecordError):
            self._miss(tally, place, f"no dead letter for a record that is bad ({message.reason})")
        elif message.key in self._outputs.located:
            tally.locations += 1
        else:
            self._miss(tally, place, "no location of its device in the state")

    def _enter_transaction(self, tally: Tally, place: Place, transaction_id: str) -> None:
        is_repeat = transaction_id in self._read_ids
        self._read_ids.add(transaction_id)
        known = self._outputs.verdicts.get(transaction_id)
        if known is None:
            self._miss(tally, place, f"no decision on transaction {transaction_id}")
        elif is_repeat:
            tally.repeats += 1
        elif not known[2]:
            tally.open += 1
        else:
            setattr(tally, known[1], getattr(tally, known[1]) + 1)

    def _miss(self, tally: Tally, place: Place, what: str) -> None:
        tally.missing += 1
        if len(self._missing) < SHOWN_PROBLEMS:
            self._missing.append(f"{place_text(place)}: {what}")

    def close(self) -> Report:
        """Compare the outputs with what was entered."""
        unexplained = [*self._unexplained()]
        objections = [*self._objections()]
        return Report(
            tallies=self._tallies,
            missing=tuple(self._missing),
            unexplained=tuple(unexplained[:SHOWN_PROBLEMS]),
            unexplained_total=len(unexplained),
            objections=tuple(objections),
            notes=tuple(self._notes()),
        )

    def _unexplained(self) -> Iterable[str]:
        outputs = self._outputs
        for place in outputs.unreadable:
            yield f"{place_text(place)}: cannot be read as what belongs there"
        if not self._is_history_lost():
            for transaction_id in sorted(self._orphans(outputs.verdicts)):
                yield f"decision on transaction {transaction_id}, which is in no input"
            for transaction_id in sorted(self._orphans(outputs.alerted)):
                yield f"alert on transaction {transaction_id}, which is in no input"
        # Of what is not committed yet, decision and alert may still be on their way.
        for transaction_id in sorted(self._read_ids & outputs.alerted - outputs.ever_flagged):
            yield f"alert on transaction {transaction_id}, which was never flagged"
        flagged = {i for i in self._read_ids & outputs.ever_flagged if outputs.verdicts[i][1] == "flagged"}
        for transaction_id in sorted(flagged - outputs.alerted):
            yield f"no alert on transaction {transaction_id}, which is flagged"

    def _orphans(self, transaction_ids: Iterable[str]) -> set[str]:
        return set(transaction_ids) - self._read_ids - self._unread_ids

    def _is_history_lost(self) -> bool:
        """Whether retention deleted transactions, so that decisions without an input are to be expected."""
        return self._tallies[self._transaction_topic].expired > 0

    def _objections(self) -> Iterable[str]:
        held = {tp: bounds for tp, bounds in self._inputs.items() if bounds.end_offset > bounds.begin_offset}
        never = [f"{topic}[{p}]" for (topic, p), bounds in held.items() if bounds.committed_offset is None]
        if never:
            places = ", ".join(never)
            yield f"group {self._group_id} has never committed an offset of {places}, which hold records"
        elif held and all(tally.records == tally.not_yet_read for tally in self._tallies.values()):
            yield f"group {self._group_id} has read nothing of what the inputs hold: has a worker run?"
        for (topic, p), bounds in self._inputs.items():
            if unread := max(0, bounds.begin_offset - (bounds.committed_offset or 0)):
                place = f"{topic}[{p}]"
                yield f"{unread} records of {place} were deleted before group {self._group_id} had read them"
            if bounds.committed_offset is not None and bounds.committed_offset > bounds.end_offset:
                yield (
                    f"group {self._group_id} has committed {topic}[{p}]:{bounds.committed_offset},"
                    f" which ends at {bounds.end_offset}: was the topic made anew?"
                )

    def _notes(self) -> Iterable[str]:
        total = sum(self._tallies.values(), Tally())
        if not total.records:
            yield "the input topics are empty: 0 = 0"
        if total.expired:
            yield f"{total.expired} input records were deleted by retention: expired, cannot be proven"
        for topic, count in self._outputs.expired.items():
            yield f"{count} records of {topic} were deleted by retention: what they proved counts as missing"
        if self._is_history_lost():
            orphans = self._orphans(self._outputs.verdicts)
            yield f"{len(orphans)} decisions are on transactions that are no longer there"
