"""Provisional, revised, final: what follows from messages, and that it is a function of the log."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import PROJECT_DIR
from detection.detector import Detector, Outcome, Sitting, flag_event
from detection.docket import Docket
from detection.envelope import Envelope
from detection.envelope_rule import EnvelopeRule
from detection.profile import EnvelopeProfile
from detection.track import Track
from models.case import Case
from models.decision import Decision
from models.judgement import Verdict
from tests.messages import NOON_MS, read_location, read_transaction, transaction_message

DETECTOR = Detector(
    rule=EnvelopeRule(Envelope(EnvelopeProfile())),
    card_token_of="card:{}".format,
    user_token_of="user:{}".format,
    forward_wait_s=0.0,
)
S_MS = 1000
GRACE_S = 300
HOME_LAT = 37.335816
FAR_LAT = 38.5


class Desk:
    """A partition: its tables are dicts, its clock stands where the test puts it."""

    def __init__(self, detector: Detector[Track] = DETECTOR) -> None:
        self.cases: dict[bytes, Case] = {}
        self.docket = Docket()
        self.now_s = 0.0
        self.outcomes: list[Outcome] = []
        self.sitting = Sitting(detector, {}, self.cases, self.docket, lambda: self.now_s)

    def locate(
        self, at_s: float, arrival_s: float | None = None, *, lat: float = HOME_LAT, device: str = "phone"
    ) -> None:
        """A phone reports where it was `at_s` seconds after noon; it arrives then, or when it is said."""
        fix = read_location(
            {"DeviceId": device, "Time": iso(at_s), "Latitude": lat, "Longitude": -121.895130, "Speed": 0.5}
        )
        self.sitting.locate(device.encode(), fix, ms(at_s if arrival_s is None else arrival_s))
        self._done()

    def use(
        self,
        at_s: float,
        arrival_s: float | None = None,
        *,
        name: str = "t-1",
        lat: float = HOME_LAT,
        device: str = "phone",
        is_forwarded: bool = False,
        **changes: Any,
    ) -> None:
        """A card is used `at_s` seconds after noon."""
        message = {
            "Transaction ID": name,
            "Device ID": device,
            "Timestamp": iso(at_s),
            "Location Latitude": lat,
            **{field.replace("_", " "): value for field, value in changes.items()},
        }
        transaction = read_transaction(transaction_message(message))
        record_ms = ms(at_s if arrival_s is None else arrival_s)
        self.sitting.decide(device.encode(), transaction, record_ms, is_forwarded=is_forwarded)
        self._done()

    def _done(self) -> None:
        self.sitting.close_due()
        self.outcomes += self.sitting.take()

    def end(self) -> None:
        """Nothing comes any more."""
        self.sitting.close_all()
        self.outcomes += self.sitting.take()

    def lines(self, name: str = "t-1") -> list[tuple[int, str, str, str | None]]:
        """Revision, stage, verdict and event of what was told of a transaction."""
        return [
            (o.decision.revision, o.decision.stage, o.decision.verdict, o.alert.event if o.alert else None)
            for o in self.outcomes
            if o.decision.transaction_id == name
        ]

    def finals(self) -> dict[str, Decision]:
        """The final decisions, without their revision: that depends on the order of arrival."""
        return {
            o.decision.transaction_id: msgspec.structs.replace(o.decision, revision=0)
            for o in self.outcomes
            if o.decision.stage == "final"
        }


def ms(after_noon_s: float) -> int:
    """Milliseconds since the epoch."""
    return NOON_MS + round(after_noon_s * S_MS)


def iso(after_noon_s: float) -> str:
    """The same as text."""
    return datetime.fromtimestamp(ms(after_noon_s) / 1000, UTC).isoformat()


def documented_transitions() -> list[tuple[str, ...]]:
    """The lines of the table in docs/verdicts.md: before, stage, verdict, event."""
    text = (PROJECT_DIR / "docs" / "verdicts.md").read_text()
    table = text.split("| before | stage | verdict | event |\n|---|---|---|---|\n")[1].split("\n\n")[0]
    return [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in table.splitlines()]


def test_the_table_of_transitions_is_whole() -> None:
    """Every verdict after every other, but for revisions, which change the verdict, and a phone once seen."""
    verdicts = ("flagged", "cleared", "no_location")
    possible = {("(none)", stage, after) for stage in ("provisional", "final") for after in verdicts}
    possible |= {(a, "provisional", b) for a in verdicts for b in verdicts if a != b}
    possible |= {(a, "final", b) for a in verdicts for b in verdicts}
    seen_once = {line for line in possible if line[2] == "no_location" and line[0] in ("flagged", "cleared")}
    assert {line[:3] for line in documented_transitions()} == possible - seen_once


@pytest.mark.parametrize(("before", "stage", "after", "event"), documented_transitions())
def test_the_fraud_desk_is_told_what_the_table_of_transitions_says(
    before: str, stage: str, after: str, event: str
) -> None:
    """Line by line."""
    desk = Desk()
    desk.use(0)
    decision = msgspec.structs.replace(desk.outcomes[0].decision, verdict=after, stage=stage)
    verdict_before = None if before == "(none)" else msgspec.convert(before, Verdict)
    assert (flag_event(verdict_before, decision) or "") == event


def test_a_first_verdict_leaves_at_once_and_is_final_at_the_deadline() -> None:
    """300 s after its record, when the phone's own next report says that the time has come."""
    desk = Desk()
    desk.locate(0)
    desk.use(1)
    assert desk.lines() == [(1, "provisional", "cleared", None)]
    desk.locate(301)
    assert len(desk.lines()) == 1, "a location at the deadline still counts"
    desk.locate(301.001)
    assert desk.lines() == [(1, "provisional", "cleared", None), (2, "final", "cleared", None)]


@given(st.text(), st.sampled_from([HOME_LAT, FAR_LAT]))
def test_what_is_told_is_the_decision_in_json(merchant: str, lat: float) -> None:
    """A final decision that says what the one before did is made from its JSON, whatever stands in it."""
    desk = Desk()
    desk.locate(0)
    desk.use(1, lat=lat, name='","stage":"provisional","revision":1,' + merchant[:200], Merchant=merchant)
    desk.end()
    assert [o.decision.stage for o in desk.outcomes] == ["provisional", "final"]
    assert all(o.decision_json == msgspec.json.encode(o.decision) for o in desk.outcomes)


def test_a_flag_is_confirmed_at_the_end() -> None:
    """The phone is at home all the time."""
    desk = Desk()
    for at_s in range(0, 30, 5):
        desk.locate(at_s)
    desk.use(30, lat=FAR_LAT)
    desk.locate(35)
    desk.end()
    assert desk.lines() == [(1, "provisional", "flagged", "flagged"), (2, "final", "flagged", "confirmed")]


def test_a_location_that_arrives_late_retracts_a_flag() -> None:
    """The phone had flown, and says so after its card was used."""
    desk = Desk()
    desk.locate(-120)
    desk.use(0, lat=FAR_LAT)
    for at_s in (-20, -10, 5):
        desk.locate(at_s, arrival_s=60 + at_s, lat=FAR_LAT)
    desk.end()
    first, retracted, final = desk.lines()
    assert first == (1, "provisional", "flagged", "flagged")
    assert retracted == (2, "provisional", "cleared", "retracted")
    assert final == (3, "final", "cleared", None)


def test_a_transaction_of_a_phone_never_seen_waits_for_it() -> None:
    """Its first location may come within the grace period."""
    desk = Desk()
    desk.use(0, lat=FAR_LAT)
    desk.locate(5)
    desk.end()
    assert desk.lines() == [
        (1, "provisional", "no_location", None),
        (2, "provisional", "flagged", "flagged"),
        (3, "final", "flagged", "confirmed"),
    ]


def test_what_comes_after_the_deadline_does_not_count() -> None:
    """Whoever closes the case: here it is the very location that would change it."""
    desk = Desk()
    desk.locate(0)
    desk.use(1, lat=FAR_LAT)
    desk.locate(1, arrival_s=301.001, lat=FAR_LAT)
    assert desk.lines()[-1] == (2, "final", "flagged", "confirmed")


def test_the_deadline_of_a_transaction_from_a_fast_clock_is_its_own_time_plus_the_grace_period() -> None:
    """Else its locations, which are on time, would come too late."""
    desk = Desk()
    desk.locate(0)
    desk.use(200, arrival_s=0)
    desk.locate(499.9, device="another")
    desk.locate(499.9, device="a third")
    desk.locate(500)
    assert len(desk.lines()) == 1
    desk.locate(500.001)
    assert desk.lines()[-1][:2] == (2, "final")


def test_one_phone_whose_clock_runs_ahead_closes_nobody_elses_case() -> None:
    """Stream time is what two devices have reached."""
    desk = Desk()
    desk.locate(0)
    desk.use(1)
    for at_s in (3000, 3100, 3200):
        desk.locate(at_s, device="ahead")
    assert len(desk.lines()) == 1
    desk.locate(400, device="another")
    assert desk.lines()[-1][:2] == (2, "final")


def test_a_silent_partition_closes_its_cases_by_the_clock_on_the_wall() -> None:
    """Each after as long as it stays open, whatever the timestamps of its records say."""
    desk = Desk()
    desk.use(0, name="on time")
    desk.use(100, arrival_s=0, name="fast clock")
    desk.sitting.close_after_silence(299.9)
    assert desk.sitting.take() == []
    desk.sitting.close_after_silence(300)
    assert [o.decision.transaction_id for o in desk.sitting.take()] == ["on time"]
    desk.sitting.close_after_silence(400)
    assert [o.decision.transaction_id for o in desk.sitting.take()] == ["fast clock"]


def test_a_transaction_that_comes_again_gets_the_decision_that_stands() -> None:
    """Byte for byte, even where it says something else by now; and the fraud desk hears it once."""
    desk = Desk()
    desk.locate(0)
    desk.use(1, lat=FAR_LAT)
    desk.use(1, arrival_s=10, Amount=99999.0)
    desk.end()
    desk.use(1, arrival_s=400, lat=HOME_LAT)
    first, again, final, once_more = desk.outcomes
    assert again.decision_json == first.decision_json
    assert once_more.decision_json == final.decision_json
    assert [bool(o.alert) for o in desk.outcomes] == [True, False, True, False]


def test_a_decision_is_forgotten_after_the_window_and_a_minute_on_the_wall() -> None:
    """The minute is for transactions that are read again after a crash: a backlog's hours pass in seconds."""
    desk = Desk()
    desk.use(0)
    desk.locate(301)
    desk.locate(302)
    hour_later_s = 300 + 3600 + 1
    for device in ("one", "two"):
        desk.locate(hour_later_s, device=device)
    assert len(desk.cases) == 1
    desk.now_s = 60.0
    desk.locate(hour_later_s + 1, device="one")
    assert desk.cases == {}
    desk.use(0, arrival_s=hour_later_s + 1)
    assert desk.outcomes[-1].decision.revision == 1


def test_a_transaction_that_arrives_after_its_deadline_is_decided_on_what_is_there_and_says_so() -> None:
    """Nothing that could still come counts for it."""
    desk = Desk()
    for device in ("phone", "another"):
        desk.locate(0, device=device)
        desk.locate(1000, device=device)
    desk.use(1, name="late")
    assert desk.lines("late") == [(1, "final", "cleared", None)]
    assert "arrived_after_deadline" in desk.outcomes[-1].decision.reasons


def hours_ahead(desk: Desk) -> None:
    """Other phones of the partition have reported of hours that come later."""
    for device in ("one", "two"):
        desk.locate(10_000, device=device)


def test_locations_that_lay_in_a_wrong_partition_count_though_the_stream_is_ahead() -> None:
    """They come seconds later, in which a backlog's hours may have passed; then it closes as ever."""
    desk = Desk(msgspec_replace(DETECTOR, forward_wait_s=5.0))
    desk.use(1, lat=FAR_LAT)
    hours_ahead(desk)
    desk.use(400, name="t-2", lat=FAR_LAT)  # of the device itself, but it says nothing of where it was
    desk.now_s = 4.9
    desk.locate(0, lat=FAR_LAT)
    desk.locate(2, lat=FAR_LAT)
    desk.locate(301.5, lat=HOME_LAT)
    assert desk.lines() == [
        (1, "provisional", "no_location", None),
        (2, "provisional", "cleared", None),
        (3, "final", "cleared", None),
    ]
    assert len(desk.lines("t-2")) == 1
    desk.now_s = 5.0
    desk.locate(10_001, device="one")
    assert desk.lines("t-2")[-1][1] == "final"


def test_a_transaction_that_lay_in_a_wrong_partition_waits_for_its_locations() -> None:
    """Its deadline has passed by the time of the stream, but not by that of its device."""
    desk = Desk(msgspec_replace(DETECTOR, forward_wait_s=5.0))
    hours_ahead(desk)
    desk.locate(0)
    desk.use(1, lat=FAR_LAT, is_forwarded=True)
    desk.locate(1.5, lat=FAR_LAT)
    desk.locate(3, lat=FAR_LAT)
    desk.locate(302)
    assert desk.lines() == [
        (1, "provisional", "flagged", "flagged"),
        (2, "provisional", "cleared", "retracted"),
        (3, "final", "cleared", None),
    ]


def test_more_open_cases_than_there_may_be_are_closed_early_and_say_so() -> None:
    """Memory is bounded; those with the earliest deadlines go."""
    desk = Desk(msgspec_replace(DETECTOR, max_open_cases=2))
    for number in range(4):
        desk.use(number, name=f"t-{number}")
    finals = desk.finals()
    assert finals.keys() == {"t-0", "t-1"}
    assert all("closed_early" in d.reasons for d in finals.values())
    assert len(desk.docket) == 2


def msgspec_replace(detector: Detector[Track], **changes: Any) -> Detector[Track]:
    """The same detector but for some of its fields."""
    fields = {name: getattr(detector, name) for name in detector.__slots__}
    return Detector(**{**fields, **changes})


PLACES = (HOME_LAT, HOME_LAT + 0.001, FAR_LAT)


@given(st.data())
def test_any_order_of_arrival_within_the_grace_period_ends_in_the_same_decisions(data: st.DataObject) -> None:
    """Verdict and evidence. Locations of two phones arrive between two transactions' start and deadline."""
    fixes = data.draw(
        st.lists(st.tuples(st.integers(-400, 300), st.sampled_from(PLACES), st.sampled_from("ab")))
    )

    def played(order: Sequence[tuple[int, float, str]], arrivals_s: Sequence[int]) -> dict[str, Decision]:
        desk = Desk()
        for device in "ab":
            for number, lat in enumerate(PLACES):
                desk.use(0, name=f"{device}-{number}", lat=lat, device=device)
        for (at_s, lat, device), arrival_s in zip(order, sorted(arrivals_s), strict=True):
            desk.locate(at_s, arrival_s=arrival_s, lat=lat, device=device)
        desk.end()
        return desk.finals()

    count = len(fixes)
    arrivals = st.lists(st.integers(0, GRACE_S), min_size=count, max_size=count)
    shuffled = data.draw(st.permutations(fixes))
    assert played(shuffled, data.draw(arrivals)) == played(fixes, data.draw(arrivals))


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(PLACES), st.booleans()), max_size=40))
def test_what_the_docket_knows_is_what_the_rows_say(events: list[tuple[int, float, bool]]) -> None:
    """Open are the provisional ones; every row is known; no revision is skipped or told twice."""
    desk = Desk()
    for number, (at_s, lat, is_use) in enumerate(sorted(events)):
        if is_use:
            desk.use(at_s, name=f"t-{number}", lat=lat)
        else:
            desk.locate(at_s, lat=lat)
    rows = desk.cases
    assert len(desk.docket) == sum(case.is_open for case in rows.values())
    assert all(key in desk.docket for key in rows)
    last: dict[str, Outcome] = {}
    for outcome in desk.outcomes:
        name = outcome.decision.transaction_id
        assert outcome.decision.revision == (last[name].decision.revision + 1 if name in last else 1)
        last[name] = outcome
    assert {c.decision_json for c in rows.values()} == {o.decision_json for o in last.values()}
