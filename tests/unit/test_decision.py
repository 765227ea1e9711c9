"""From a transaction and a fix to what goes to the topics, and what must not go there."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.detector import Detector, Outcome, Sitting
from detection.docket import Docket
from detection.paper_rule import PaperRule
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction, last_four
from models.judgement import Judgement
from models.latest_location import LatestLocation
from models.transaction import Transaction
from tests.messages import CARD_NUMBER, CUSTOMER_NAME, NOON_MS, read_transaction, transaction_message
from tests.strategies import fixes, transactions

NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)
FAR_AWAY = LatestLocation(NOON - timedelta(seconds=1), latitude_deg=0.0, longitude_deg=0.0, speed_mps=1.0)


def token(kind: str, text: str, event_ms: int = 0) -> str:  # noqa: ARG001 (one key for all times)
    """A token that can be told by eye, and does not hold the text."""
    return f"test:{kind}:{hashlib.sha256(text.encode()).hexdigest()[:8]}"


DETECTOR = Detector(
    rule=PaperRule(), card_token_of=partial(token, "card"), user_token_of=partial(token, "user")
)


def decided(transaction: Transaction, latest: LatestLocation | None) -> Outcome:
    """What follows from a transaction of a phone that was there last."""
    states = {} if latest is None else {transaction.key: latest}
    sitting = Sitting(DETECTOR, states, {}, Docket(), lambda: 0.0)
    sitting.decide(transaction.key, transaction, NOON_MS)
    [outcome] = sitting.take()
    return outcome


def flagged(changes: dict[str, Any] | None = None) -> tuple[Transaction, Decision, FlaggedTransaction]:
    """A transaction that is flagged, the decision on it and what the fraud desk gets."""
    transaction = read_transaction(transaction_message(changes))
    outcome = decided(transaction, FAR_AWAY)
    assert outcome.alert is not None
    return transaction, outcome.decision, outcome.alert


def test_a_decision_names_the_transaction_and_carries_its_evidence() -> None:
    """Anyone can recompute it from the line itself."""
    _, decision, _ = flagged()
    line = json.loads(msgspec.json.encode(decision))
    assert line["transaction_id"] == "t-1"
    assert line["device_id"] == "phone"
    assert line["transaction_time"] == "2024-04-01T12:00:00Z"
    assert (line["latitude_deg"], line["longitude_deg"]) == (37.335816, -121.895130)
    assert (line["verdict"], line["stage"], line["revision"]) == ("flagged", "final", 1)
    assert line["fixes"] == [
        {
            "event_time": "2024-04-01T11:59:59Z",
            "latitude_deg": 0.0,
            "longitude_deg": 0.0,
            "speed_mps": 1.0,
            "accuracy_m": None,
        }
    ]
    assert (line["profile"], line["profile_version"]) == ("paper", 1)


def test_card_and_user_become_tokens_of_their_own_kind() -> None:
    """A card number and a user id of the same digits are different things."""
    _, decision, _ = flagged({"Card Number": "123456789", "User ID": 123456789})
    assert decision.card_token == token("card", "123456789")
    assert decision.user_token == token("user", "123456789")


def test_a_number_and_the_same_digits_as_text_have_one_token() -> None:
    """Some producers send card numbers as numbers."""
    _, as_text, _ = flagged({"Card Number": CARD_NUMBER})
    _, as_number, _ = flagged({"Card Number": int(CARD_NUMBER)})
    assert as_text.card_token == as_number.card_token


@pytest.mark.parametrize("nothing", [None, ""])
def test_where_the_bank_sent_no_card_or_user_there_is_no_token(nothing: str | None) -> None:
    """A token of nothing would join all who have none."""
    _, decision, flag = flagged({"Card Number": nothing, "User ID": nothing})
    assert (decision.card_token, decision.user_token, flag.user_token, flag.card_last4) == (None,) * 4


def test_the_flagged_topic_has_four_digits_and_no_token_of_the_card() -> None:
    """PCI DSS 4.0, 3.5.1.1: a hash and a truncation of one number must not lie side by side."""
    _, decision, flag = flagged()
    assert flag.card_last4 == "7899"
    assert "card_token" not in FlaggedTransaction.__struct_fields__
    assert decision.card_token is not None
    assert decision.card_token not in msgspec.json.encode(flag).decode()


def test_every_figure_stands_under_its_own_name() -> None:
    """They are handed on by position: two of one type could change places."""
    transaction = read_transaction(transaction_message())
    seven_s_earlier = LatestLocation(NOON - timedelta(seconds=7), 0.0, 0.0, speed_mps=3.0)
    figures = msgspec.structs.asdict(DETECTOR.rule.judge(transaction, seven_s_earlier))
    figures |= {"required_m": 17.0, "possible_m": 19.0, "refused": figures["fixes"][::-1] * 2}
    judgement = Judgement(**figures)
    assert len(set(map(repr, figures.values()))) == len(figures), "equal values would hide an exchange"
    first = decided(transaction, seven_s_earlier).decision
    decision = first.revised(judgement, "final")
    assert msgspec.structs.replace(decision, stage="provisional", revision=1) == Decision.of(
        transaction,
        judgement,
        stage="provisional",
        revision=1,
        card_token=first.card_token,
        user_token=first.user_token,
        received_ms=first.received_ms,
    )
    flag = FlaggedTransaction.of(decision, "1111", "flagged")
    for line in (decision, flag):
        assert figures.items() <= msgspec.structs.asdict(line).items()
    for name in ("transaction_id", "device_id", "latitude_deg", "longitude_deg", "amount"):
        assert getattr(decision, name) == getattr(transaction, name)
    for name in ("merchant_id", "merchant", "merchant_category", "transaction_type", "transaction_device"):
        assert getattr(decision, name) == getattr(flag, name) == getattr(transaction, name)


def test_a_flagged_transaction_repeats_its_decision_but_for_the_card() -> None:
    """A consumer of the flagged topic needs no join."""
    _, decision, flag = flagged()
    repeated = {name: v for name, v in msgspec.structs.asdict(decision).items() if name != "card_token"}
    assert repeated.items() <= msgspec.structs.asdict(flag).items()
    assert (flag.event, flag.merchant) == ("flagged", "Corner Shop")


def test_only_a_flagged_transaction_goes_to_the_fraud_desk() -> None:
    """Cleared ones, and those of phones never seen, do not."""
    transaction = read_transaction(transaction_message())
    at_home = LatestLocation(NOON, transaction.latitude_deg, transaction.longitude_deg)
    for fix, verdict in ((None, "no_location"), (at_home, "cleared")):
        outcome = decided(transaction, fix)
        assert outcome.decision.verdict == verdict
        assert outcome.alert is None


def test_neither_card_number_nor_name_leaves_with_a_decision() -> None:
    """Both topics are read by many."""
    _, decision, flag = flagged()
    for line in (msgspec.json.encode(decision), msgspec.json.encode(flag)):
        for secret in (CARD_NUMBER, CUSTOMER_NAME, "U-77"):
            assert secret.encode() not in line


@given(transactions(), st.none() | fixes())
def test_whatever_was_read_can_be_decided_and_written(
    transaction: Transaction, fix: LatestLocation | None
) -> None:
    """A record that passes the door must not stop the worker behind it."""
    outcome = decided(transaction, fix)
    decision = outcome.decision
    assert outcome.decision_json == msgspec.json.encode(decision)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision
    flag = FlaggedTransaction.of(decision, "1111", "flagged")
    assert msgspec.json.decode(msgspec.json.encode(flag), type=FlaggedTransaction) == flag


@pytest.mark.parametrize(
    ("card_number", "shown"),
    [
        (CARD_NUMBER, "7899"),
        (int(CARD_NUMBER), "7899"),
        ("4000 0012 3456 7899", "7899"),
        ("4000-0012-3456-7890", "7890"),
        ("123456789", "6789"),
        ("12345678", None),  # four of eight digits would show half of it
        ("7899", None),
        ("", None),
        ("no card", None),
        (None, None),
    ],
)
def test_the_last_four_digits_show_only_where_they_hide_the_rest(
    card_number: str | int | None, shown: str | None
) -> None:
    """ISO/IEC 7812 numbers have more than eight digits; anything shorter is something else."""
    assert last_four(card_number) == shown
