"""From messages to decisions and alerts: the same for a worker and for `replay`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from detection.docket import Docket, OpenCase, case_key
from detection.rule import Rule, S
from models.case import Case
from models.decision import Decision, Stage
from models.flagged_transaction import FlagEvent, FlaggedTransaction, last_four
from models.judgement import Judgement, Verdict
from models.location_fix import LocationFix
from models.transaction import Transaction

TokenizeAt = Callable[[str, int], str]
V = TypeVar("V")

AFTER_DEADLINE = "arrived_after_deadline"
CLOSED_EARLY = "closed_early"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decision).decode


class Rows(Protocol[V]):
    """A table as its user sees it: a dict will do."""

    def get(self, key: bytes, /) -> V | None: ...  # noqa: D102
    def __setitem__(self, key: bytes, value: V, /) -> None: ...
    def __delitem__(self, key: bytes, /) -> None: ...


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What follows from a record: a decision, and what the fraud desk is told, if anything."""

    device: bytes
    decision: Decision
    decision_json: bytes
    alert: FlaggedTransaction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector(Generic[S]):
    """How transactions are decided: by which rule, and for how long a decision may change."""

    rule: Rule[S]
    card_token_of: TokenizeAt
    """Given the text and when the card was used, milliseconds since the epoch: what comes again, at whatever
    time, gets the token that it had."""
    user_token_of: TokenizeAt
    grace_ms: int = 300_000
    repeat_window_ms: int = 3_600_000
    max_open_cases: int = 100_000
    """Of a partition. Where there are more, those with the earliest deadlines are closed early."""
    forward_wait_s: float = 5.0
    """By the clock on the wall: so long a case stays open at least, for what lay in a wrong partition and
    comes later than the rest. Shorter than `grace_ms`, it matters only where hours are read in seconds."""


class Sitting(Generic[S]):
    """Takes messages of one partition, in time order, and collects what follows from them.

    The final verdict on a transaction is a function of the log: a location counts if and only if its record
    timestamp is not later than the deadline, which is the later of the transaction's record timestamp and
    its own time, plus the grace period. What was forwarded from another partition comes late by the clock
    on the wall, and each device's in order: a case closes when a later location of its device has come, and
    by the time of the stream only after a while.
    """

    def __init__(
        self,
        detector: Detector[S],
        states: Rows[S],
        cases: Rows[Case],
        docket: Docket,
        clock_s: Callable[[], float],
    ) -> None:
        self._outcomes: list[Outcome] = []
        self._detector = detector
        self._rule = detector.rule
        self._states = states
        self._cases = cases
        self._docket = docket
        self._clock_s = clock_s

    def locate(self, device: bytes, fix: LocationFix, record_ms: int) -> None:
        """Take a location of a device."""
        self._docket.time.observe(device, record_ms)
        still_open = self._open_cases(device, record_ms)
        before = self._states.get(device)
        after = self._rule.after(before, fix)
        if after is before:
            return
        self._states[device] = after
        moment = fix.event_time
        for each in still_open:
            each.is_stale = True
            if each.since <= moment <= each.until and self._rule.may_change(each.decision, fix):
                self._revise(each, after)

    def decide(
        self, device: bytes, transaction: Transaction, record_ms: int, *, is_forwarded: bool = False
    ) -> bool:
        """Take a transaction of a device; return whether it is new.

        One that is known gets the decision that stands, once more.
        """
        key = case_key(device, transaction.transaction_id)
        self._docket.time.observe(device, record_ms)
        if key in self._docket and (known := self._cases.get(key)) is not None:
            self._outcomes.append(Outcome(device, _decode(known.decision_json), known.decision_json, None))
            return False
        judgement = self._rule.judge(transaction, self._states.get(device))
        event_ms = transaction.event_time_ns // 1_000_000
        deadline_ms = max(record_ms, event_ms) + self._detector.grace_ms
        is_open = self._rule.awaits_locations
        if is_open and deadline_ms < self._docket.time.ms and not is_forwarded:
            judgement, is_open = judgement.because(AFTER_DEADLINE), False
        decision = self._first_decision(
            transaction, judgement, "provisional" if is_open else "final", record_ms, event_ms
        )
        card_last4 = last_four(transaction.card_number)
        case = Case(is_open, record_ms, deadline_ms, _encode(decision), card_last4 if is_open else None)
        self._cases[key] = case
        if is_open:
            between = self._rule.looks_between(decision)
            self._docket.open(key, device, case, decision, between, now_s=self._clock_s())
        else:
            self._docket.close(key, device, deadline_ms, self._clock_s())
        self._tell(device, case, decision, card_last4, flag_event(None, decision))
        return True

    def close_due(self) -> None:
        """Make the decisions final whose deadline has passed, and forget those older than the window."""
        detector, docket = self._detector, self._docket
        oldest_s = self._clock_s() - detector.forward_wait_s
        if docket.rests(detector.max_open_cases, oldest_s, detector.repeat_window_ms):
            return
        for each in docket.due(detector.max_open_cases, oldest_s):
            if each.case.deadline_ms < docket.time.ms:
                self._close(each)
            else:
                self._close(each, CLOSED_EARLY)
        for key in docket.forgotten(detector.repeat_window_ms, self._clock_s()):
            del self._cases[key]

    def close_after_silence(self, silent_s: float) -> None:
        """Make decisions final after the partition has brought nothing for so long by the wall clock."""
        for each in self._docket.silent_for(silent_s * 1000) if silent_s else ():
            self._close(each)

    def close_all(self) -> None:
        """Make every decision final: nothing will come any more."""
        for each in self._docket.all_open():
            self._close(each)

    def take(self) -> list[Outcome]:
        """What followed since the last call, in order."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _open_cases(self, device: bytes, record_ms: int) -> Sequence[OpenCase]:
        """Close the device's cases that a location comes too late for; return the others."""
        cases = self._docket.of_device(device)
        if not cases:
            return cases
        still_open = []
        for each in cases:
            if each.case.deadline_ms < record_ms:
                self._close(each)
            else:
                still_open.append(each)
        return still_open

    def _first_decision(
        self, transaction: Transaction, judgement: Judgement, stage: Stage, record_ms: int, event_ms: int
    ) -> Decision:
        return Decision.of(
            transaction,
            judgement,
            stage=stage,
            revision=1,
            card_token=_token(self._detector.card_token_of, transaction.card_number, event_ms),
            user_token=_token(self._detector.user_token_of, transaction.user_id, event_ms),
            received_ms=record_ms,
        )

    def _revise(self, each: OpenCase, state: S) -> None:
        judgement = self._rule.judge(each.decision, state)
        if judgement.verdict == each.decision.verdict:
            return
        old, decision = each.case, each.decision.revised(judgement, "provisional")
        event = flag_event(each.decision.verdict, decision)
        each.case = Case(True, old.record_ms, old.deadline_ms, _encode(decision), old.card_last4)  # noqa: FBT003
        each.decision, each.is_stale = decision, False
        each.since, each.until = self._rule.looks_between(decision)
        self._cases[each.key] = each.case
        self._tell(each.device, each.case, decision, old.card_last4, event)

    def _close(self, each: OpenCase, *reasons: str) -> None:
        old = each.case
        judgement: Judgement = each.decision
        if each.is_stale:
            judgement = self._rule.judge(each.decision, self._states.get(each.device))
        if reasons:
            judgement = judgement.because(*reasons)
        decision = each.decision.revised(judgement, "final")
        is_same = judgement is each.decision
        decision_json = each.decision.json_when_final(old.decision_json) if is_same else _encode(decision)
        case = Case(False, old.record_ms, old.deadline_ms, decision_json, None)  # noqa: FBT003
        self._cases[each.key] = case
        self._docket.close(each.key, each.device, old.deadline_ms, self._clock_s())
        self._tell(each.device, case, decision, old.card_last4, flag_event(each.decision.verdict, decision))

    def _tell(
        self, device: bytes, case: Case, decision: Decision, card_last4: str | None, event: FlagEvent | None
    ) -> None:
        alert = None if event is None else FlaggedTransaction.of(decision, card_last4, event)
        self._outcomes.append(Outcome(device, decision, case.decision_json, alert))


def flag_event(before: Verdict | None, decision: Decision) -> FlagEvent | None:
    """What the fraud desk is told of a decision, given the verdict before it; None: nothing changes for it.

    docs/verdicts.md has the table.
    """
    if decision.verdict == "flagged":
        if before != "flagged":
            return "flagged"
        return "confirmed" if decision.stage == "final" else None
    return "retracted" if before == "flagged" else None


def _token(token_of: TokenizeAt, text: str | int | None, event_ms: int) -> str | None:
    return None if text is None or text == "" else token_of(str(text), event_ms)
