"""What each message may hold of a card and of a person, read off the models themselves."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

import models
from app.settings import Settings
from app.topics import topics_of
from models.anonymized_transaction import AnonymizedTransaction
from models.case import Case
from models.dead_letter import DeadLetter
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.transaction import Transaction
from tests.messages import CARD_NUMBER, CUSTOMER_NAME, as_json, read_transaction, transaction_message

# A row of the detector's own table: an open transaction (five minutes) may yet need the token for a decision
# and the digits for an alert. Nothing but the detector reads it, and without the key of the tokens the two
# cannot be correlated (PCI DSS 4.0, 3.5.1.1: keyed hashes).
NOT_A_MESSAGE = {Case}

INSIDE: dict[tuple[type, str], type] = {(Case, "decision_json"): Decision}
"""Fields that hold another type as bytes."""


def message_types() -> list[type[msgspec.Struct]]:
    """Every struct that a module of models/ declares."""
    found = [
        each
        for module in pkgutil.iter_modules(models.__path__)
        for each in vars(importlib.import_module(f"models.{module.name}")).values()
        if isinstance(each, type)
        and issubclass(each, msgspec.Struct)
        and each.__module__.startswith("models.")
    ]
    return list(dict.fromkeys(found))


def field_names(type_: type[msgspec.Struct]) -> set[str]:
    """Its fields and those of what it holds, in Python and on the wire."""
    names: set[str] = set()
    for field in msgspec.structs.fields(type_):
        names |= {field.name.lower(), field.encode_name.lower()}
        for part in [INSIDE.get((type_, field.name)), *parts_of(field.type)]:
            names |= field_names(part) if part else set()
    return names


def parts_of(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """The structs in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from parts_of(argument)


def shows_digits(type_: type[msgspec.Struct]) -> bool:
    """Whether it shows a part of a card number."""
    return any("last4" in name or "last_four" in name for name in field_names(type_))


def has_card_token(type_: type[msgspec.Struct]) -> bool:
    """Whether it holds a token of a card number."""
    return any("card" in name and "token" in name for name in field_names(type_))


def test_the_search_finds_what_it_looks_for() -> None:
    """Also in bytes that hold another type."""
    assert has_card_token(Decision)
    assert not shows_digits(Decision)
    assert shows_digits(FlaggedTransaction)
    assert has_card_token(Case)
    assert shows_digits(Case)


@pytest.mark.parametrize("type_", [each for each in message_types() if each not in NOT_A_MESSAGE])
def test_no_message_holds_the_digits_of_a_card_beside_its_token(type_: type[msgspec.Struct]) -> None:
    """PCI DSS 4.0, 3.5.1.1: a truncated and a hashed version of a number must not be correlated."""
    assert not (shows_digits(type_) and has_card_token(type_))


@pytest.mark.parametrize("type_", [each for each in message_types() if each is not Transaction])
def test_only_the_banks_message_holds_card_numbers_names_and_user_ids(type_: type[msgspec.Struct]) -> None:
    """What is made from it has none of them."""
    assert not field_names(type_) & {"card_number", "card number", "name", "user_id", "user id"}


def test_what_holds_a_card_does_not_show_it_in_its_repr() -> None:
    """Logs and tracebacks show reprs."""
    transaction = read_transaction(transaction_message())
    raw = as_json(transaction_message())
    letter = DeadLetter.of(
        reason_code="malformed",
        reason="no number",
        topic="transaction_data",
        partition=1,
        offset=2,
        timestamp_ms=3,
        key=raw,
        value=raw,
    )
    case = Case(True, 1, 2, CARD_NUMBER.encode(), CARD_NUMBER[-4:])  # noqa: FBT003
    assert repr(letter) == "DeadLetter('transaction_data[1]:2', 'malformed')"
    for each in (transaction, letter, case):
        shown = f"{each!r} {each}"
        assert CUSTOMER_NAME not in shown
        assert CARD_NUMBER[-4:] not in shown


def test_a_public_row_has_nothing_that_two_rows_of_a_person_share() -> None:
    """A token of card, user or device would link them, and k people would be one."""
    names = field_names(AnonymizedTransaction)
    assert {name for name in names if "token" in name} == {"row_token"}
    assert not {name for name in names if name.startswith(("card", "user", "device_id", "transaction_id"))}


def test_every_value_of_a_topic_is_looked_at() -> None:
    """A type that is declared elsewhere would escape: Track is fixes alone, Snapshot a sketch, as bytes."""
    elsewhere = {topic.value.__name__ for topic in topics_of(Settings()).all} - {
        each.__name__ for each in message_types()
    }
    assert elsewhere <= {"Track", "Snapshot"}
