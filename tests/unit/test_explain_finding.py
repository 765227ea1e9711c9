"""app/explaining: the decisions of a transaction and the phone's reports around it, out of a file."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decoders import input_decoders
from app.explaining.finding import DecisionLines, Finding, NearFixes, Refusal
from app.explaining.in_file import find_in_file
from app.explaining.refusals import id_needles, is_about
from app.settings import Settings
from app.topics import topics_of
from detection.detector import Detector
from detection.envelope import Envelope
from detection.envelope_rule import EnvelopeRule
from detection.paper_rule import PaperRule
from detection.profile import EnvelopeProfile
from models.dead_letter import DeadLetter
from sources.event_file import Event
from streaming.errors import ConfigError
from tests.explaining import NOON, decision, seen_fix, used_fix
from tests.messages import NOON_MS, location_message
from tests.pipeline import location, purchase

TOPICS = topics_of(Settings())
DECODERS = input_decoders(TOPICS)
ENVELOPE: Detector[Any] = Detector(
    rule=EnvelopeRule(Envelope(EnvelopeProfile())),
    card_token_of="card:{}".format,
    user_token_of="user:{}".format,
)
PAPER: Detector[Any] = Detector(
    rule=PaperRule(), card_token_of="card:{}".format, user_token_of="user:{}".format
)


def found(
    events: Iterable[Event],
    transaction_id: str,
    *,
    device_id: str | None = None,
    detector: Detector[Any] = ENVELOPE,
) -> Finding | Refusal:
    """What `explain --from FILE` finds in these events."""
    held = list(events)
    return find_in_file(
        "events.jsonl",
        lambda: held,
        transaction_id,
        device_id=device_id,
        topics=TOPICS,
        decoders=DECODERS,
        detector=detector,
        max_clock_skew_s=300.0,
    )


def walk(device_id: str = "phone", *, lat: float = 37.33, first: int = -5, last: int = 5) -> list[Event]:
    """A phone that stands still and reports every ten seconds around noon."""
    return [location(device_id, NOON_MS + 10_000 * n, lat=lat) for n in range(first, last + 1)]


def test_all_revisions_and_the_fixes_around_are_found() -> None:
    """First cleared by what was known, then flagged by what the phone said afterwards."""
    events = [
        *walk(first=-30, last=-29),
        purchase("t", "phone", NOON_MS),
        *walk("somebody else", last=0),
        *walk(first=1, last=4, lat=37.40),
    ]
    finding = found(events, "t")
    assert isinstance(finding, Finding)
    assert [(d.revision, d.stage, d.verdict) for d in finding.history] == [
        (1, "provisional", "cleared"),
        (2, "provisional", "flagged"),
        (3, "final", "flagged"),
    ]
    assert finding.decision is finding.history[-1]
    assert [round(each.after_s) for each in finding.fixes] == [-300, -290, 10, 20, 30, 40]
    roles = [each.role for each in finding.fixes]
    assert roles.count("decisive") == 1
    assert set(roles) <= {"decisive", "used", "other"}
    # They are those that were sent: each with its arrival, none twice.
    assert all(each.arrived_after_s == pytest.approx(each.after_s) for each in finding.fixes)


def test_the_rule_of_the_paper_is_found_by_its_latest_location() -> None:
    """One line, final, decided by the fix that had arrived last."""
    finding = found([*walk(last=-1), purchase("t", "phone", NOON_MS, lat=37.40)], "t", detector=PAPER)
    assert isinstance(finding, Finding)
    (line,) = finding.history
    assert (line.verdict, line.stage, line.profile) == ("flagged", "final", "paper")
    assert [each.role for each in finding.fixes] == ["other"] * 4 + ["decisive"]


def test_an_unknown_transaction_is_an_error_that_names_the_file() -> None:
    """It must not look like a verdict."""
    with pytest.raises(ConfigError, match=r"no decision on transaction 'nope' in events\.jsonl"):
        found([*walk(), purchase("t", "phone", NOON_MS)], "nope")


@pytest.mark.parametrize(
    ("change", "reason_code"),
    [
        ({"Amount": "much"}, "malformed"),
        ({"Timestamp": "2024-04-01T13:00:00Z"}, "clock_ahead"),
    ],
)
def test_a_dead_lettered_transaction_is_found_with_its_reason(
    change: dict[str, Any], reason_code: str
) -> None:
    """Where it stood, and why there is no verdict."""
    refusal = found([*walk(last=1), purchase("t", "phone", NOON_MS, **change)], "t")
    assert isinstance(refusal, Refusal)
    assert (refusal.place, refusal.reason_code) == ("line 8 of events.jsonl", reason_code)


def test_a_bad_location_that_mentions_the_id_is_not_the_transaction() -> None:
    """Only the bank's topics hold transactions."""
    bad = Event(topic="location_data", key="phone", arrival_ms=NOON_MS, value='"t"')
    with pytest.raises(ConfigError):
        found([bad], "t")


def letter(value: bytes | None) -> DeadLetter:
    """A dead letter of the bank's topic."""
    return DeadLetter.of(
        reason_code="malformed",
        reason="",
        topic="transaction_data",
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=None,
        value=value,
    )


@pytest.mark.parametrize(
    ("value", "is_it"),
    [
        (b'{"Transaction ID": "t\xc3\xa4"}', True),
        (b'{"Transaction ID": "t\\u00e4"}', True),
        (b'{"Merchant": "t\xc3\xa4", "Transaction ID": "t"}', False),
        (b'{"Transaction ID": "t\xc3\xa4", "Amount": 1.5', True),  # cut: no JSON
        (b'{"Transaction ID": "t\\u00e4", "Amo', True),
        (b'{"Transaction ID": "t\xc3\xa4\xc3\xa4", "Amo', False),
        (b'["t\xc3\xa4"]', False),
        (b"", False),
        (None, False),
    ],
)
def test_a_dead_letter_is_known_by_its_id(value: bytes | None, is_it: bool) -> None:  # noqa: FBT001 (a table)
    """By the field where it is JSON, else by the id in quotes."""
    assert is_about(letter(value), "tä") is is_it


@given(st.text(min_size=1))
def test_a_decision_carries_its_id_as_the_reader_looks_for_it(transaction_id: str) -> None:
    """Only records that hold these bytes are decoded: quotes and control characters are escaped in them."""
    needle, _ = id_needles(transaction_id)
    assert needle in msgspec.json.encode(decision(transaction_id=transaction_id))


def test_one_id_of_two_devices_asks_which() -> None:
    """Banks' ids are not always unique; both have a verdict."""
    events = [*walk(), *walk("other"), purchase("t", "phone", NOON_MS), purchase("t", "other", NOON_MS)]
    with pytest.raises(ConfigError, match=r"2 devices \(other, phone\).*--device"):
        found(events, "t")
    finding = found(events, "t", device_id="other")
    assert isinstance(finding, Finding)
    assert finding.decision.device_id == "other"
    with pytest.raises(ConfigError, match="no decision"):
        found(events, "t", device_id="third")


def test_the_line_that_stands_is_the_last_final_one_else_the_highest_revision() -> None:
    """A crash may leave a provisional line of a higher revision behind; repeats change nothing."""
    first = decision(stage="provisional", revision=1, verdict="cleared")
    second = decision(stage="provisional", revision=2)
    final = decision(stage="final", revision=2, verdict="cleared")
    third = decision(stage="provisional", revision=3)
    assert Finding((second, first), ()).decision is second
    assert Finding((first, third, final, second), ()).decision is final
    lines = DecisionLines("t-1", None)
    for line in (first, second, first, final, decision(transaction_id="t-2"), final):
        lines.take(line)
    assert lines.history() == (first, second, final)


def test_a_used_fix_is_recognised_in_what_was_sent() -> None:
    """A track rounds times to 1/32 s, places to a centimetre, and speeds up."""
    used = used_fix(before_s=42.01, latitude_deg=37.3300001, speed_mps=1.02, accuracy_m=5.2)
    finding = Finding((decision(fixes=(used,)),), (seen_fix(delay_s=30.0), seen_fix(before_s=40.0)))
    decisive, other = finding.fixes
    assert (decisive.role, decisive.fix, decisive.arrived_after_s) == ("decisive", used, -12.0)
    assert other.role == "other"


def near(messages: Iterable[tuple[dict[str, Any], int]]) -> NearFixes:
    """What is kept of these reports, each with its record timestamp, around noon."""
    fixes = NearFixes("phone", NOON, DECODERS["location_data"], 300.0)
    for message, arrival_ms in messages:
        fixes.take(json.dumps(message).encode(), arrival_ms)
    return fixes


def test_fixes_of_others_far_ones_refused_ones_and_repeats_are_passed_over() -> None:
    """What is not evidence must not look like it."""
    here = location_message()
    fixes = near(
        [
            (here, NOON_MS + 2000),
            (here, NOON_MS + 1000),
            (location_message(DeviceId="other"), NOON_MS),
            (location_message(Time="2024-04-01 12:10:01"), NOON_MS + 601_000),
            (location_message(Time="2024-04-01 12:05:01"), NOON_MS),  # its clock runs ahead: a dead letter
            (location_message(Latitude=91), NOON_MS),
        ]
    ).fixes()
    assert [each.arrival_ms for each in fixes] == [NOON_MS + 2000]


def test_the_nearest_fixes_are_kept_in_bounded_memory() -> None:
    """A phone that reports every second for twenty minutes: the 400 around the transaction."""
    every_s = [
        location_message(Time=f"2024-04-01 {11 + (n >= 600)}:{(n // 60 + 50) % 60:02}:{n % 60:02}")
        for n in range(1200)
    ]
    fixes = near((message, NOON_MS + 600_000) for message in every_s).fixes()
    assert len(fixes) == 400
    away_s = [(each.fix.event_time - NOON).total_seconds() for each in fixes]
    assert away_s == sorted(away_s)
    assert max(map(abs, away_s)) <= 200
