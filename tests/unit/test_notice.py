"""What leaves the bank: masked, whatever stands in the flagged transaction."""

import string
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.words import REASONS, reason_in_words
from models.card_testing_alert import CardTestingAlert, NearIdentical
from models.flagged_transaction import FlaggedTransaction
from models.judgement import UsedFix
from notifications.digest import Message, digest_of
from notifications.mail import mail_of
from notifications.notice import Notice, notice_of_card_testing, notice_of_flagged
from notifications.payloads import slack_body, webhook_body
from notifications.words import lines_of, subject_of
from tests.leaks import Secret, leaks
from tests.notifications import flagged
from tests.strategies import latitudes, longitudes, moments

SHOWN = {
    *("event", "transaction_id", "amount", "reasons", "merchant", "merchant_category", "card_last4"),
    *("transaction_time", "implied_speed_mps", "revision"),
}
"""Fields of a flagged transaction that a notice is made of."""


def notice(number: int = 1, **changes: Any) -> Notice:
    """The notice of an alert, with a link."""
    return notice_of_flagged(flagged(number, **changes), in_words=reason_in_words, link_base="https://x/t/")


def everywhere(message: Message) -> dict[str, bytes]:
    """Every form in which a message leaves; of a mail, what a reader's program decodes."""
    mail = mail_of(message, "bank@example.com", ["desk@example.com"])
    return {
        "webhook": webhook_body(message),
        "slack": slack_body(message),
        "mail": f"{mail.items()} {mail.get_content()}".encode(),
    }


def secret_texts() -> st.SearchStrategy[str]:
    """Texts that occur nowhere by chance."""
    return st.text(string.ascii_letters + string.digits + "ßЖ漢", min_size=12, max_size=30)


def secret_fixes() -> st.SearchStrategy[UsedFix]:
    """Locations of a phone."""
    return st.builds(
        UsedFix,
        event_time=moments(),
        latitude_deg=latitudes(),
        longitude_deg=longitudes(),
        speed_mps=st.floats(0, 400),
        accuracy_m=st.floats(0, 1000),
    )


@given(
    texts=st.fixed_dictionaries(
        {
            name: secret_texts()
            for name in (
                *("device_id", "user_token", "merchant_id", "transaction_type"),
                *("transaction_device", "profile"),
            )
        }
    ),
    place=st.tuples(st.floats(1, 89), st.floats(1, 179)),
    fixes=st.lists(secret_fixes(), max_size=3).map(tuple),
    figures=st.fixed_dictionaries(
        {
            name: st.floats(10_000, 1e7)
            for name in ("distance_m", "elapsed_s", "allowed_speed_mps", "required_m", "possible_m")
        }
    ),
)
def test_nothing_restricted_reaches_a_message(
    texts: dict[str, Any],
    place: tuple[float, float],
    fixes: tuple[UsedFix, ...],
    figures: dict[str, Any],
) -> None:
    """Neither alone nor in a digest, in none of the writings that tests/leaks.py knows."""
    degrees = [*place, *(fix.latitude_deg for fix in fixes), *(fix.longitude_deg for fix in fixes)]
    secrets = [
        *(Secret(name, "text", text) for name, text in texts.items()),
        *(Secret(name, "text", repr(figure)) for name, figure in figures.items()),
        *(Secret("place", "degrees", repr(each)) for each in degrees if abs(each) > 1),
    ]
    alone = notice(
        latitude_deg=place[0], longitude_deg=place[1], fixes=fixes, refused=fixes, **texts, **figures
    )
    for message in (alone, digest_of([alone, notice(2)])):
        assert not leaks(everywhere(message), secrets)


def test_a_leak_would_be_found() -> None:
    """The search finds what a message does hold, in every form of it."""
    secrets = [Secret("merchant", "text", "Merchant 73")]
    assert {found.split(":")[0] for found in leaks(everywhere(notice()), secrets)} == {
        "webhook",
        "slack",
        "mail",
    }


@pytest.mark.parametrize("name", sorted(set(FlaggedTransaction.__struct_fields__) - SHOWN))
def test_what_is_not_shown_changes_nothing(name: str) -> None:
    """Field by field, so that one that is added later is restricted until somebody decides otherwise."""
    value = getattr(flagged(), name)
    other: Any = {str: "changed", float: -1.5, int: 999, tuple: (), type(None): "changed"}[type(value)]
    assert webhook_body(notice(**{name: other})) == webhook_body(notice())


def test_a_card_shows_as_four_digits_whatever_the_topic_says() -> None:
    """A number that is not masked is not passed on."""
    assert notice().card_last4 == "1977"
    assert notice(card_last4="4000001234567899").card_last4 is None
    assert notice(card_last4=None).card_last4 is None


@pytest.mark.parametrize(
    ("speed_mps", "kmh"), [(1049.2, 3800), (17.3, 62), (2.8, 10), (0.7, 3), (0.1, 0), (0.0, 0), (None, None)]
)
def test_the_speed_is_rounded_to_two_digits(speed_mps: float | None, kmh: int | None) -> None:
    """With the exact one and the times, a distance could be computed."""
    assert notice(implied_speed_mps=speed_mps).implied_speed_kmh == kmh


def test_an_event_has_the_same_id_whenever_it_comes_and_another_one_than_any_other() -> None:
    """A receiver knows repeats by it."""
    assert notice().id == notice().id == notice(received_ms=1).id
    ids = {notice().id, notice(2).id, notice(event="retracted").id, notice(revision=3).id}
    assert len(ids) == 4
    assert notice(1).id.isascii()


def test_the_webhook_s_body_is_this() -> None:
    """As docs/notifications.md shows it to receivers."""
    assert msgspec.json.decode(webhook_body(notice(amount=110.06))) == {
        "type": "transaction.flagged",
        "timestamp": "2026-11-22T18:31:59Z",
        "data": {
            "id": notice().id,
            "event": "flagged",
            "time": "2026-11-22T18:31:59Z",
            "transaction_id": "t1",
            "amount": 110.06,
            "merchant": "Merchant 73",
            "merchant_category": "Restaurant",
            "card_last4": "1977",
            "implied_speed_kmh": 3800,
            "reasons": [REASONS["beyond_reach_of_fix_before"], REASONS["fixes_refused"]],
            "link": "https://x/t/t1",
        },
    }


def test_people_read_words() -> None:
    """A subject that tells all on a phone's lock screen."""
    assert subject_of(notice(amount=1110.06)) == "Flagged: 1,110.06 at Merchant 73, card …1977"
    assert lines_of(notice())[:2] == (
        "The phone speaks against this transaction. The verdict may still change.",
        REASONS["beyond_reach_of_fix_before"],
    )
    assert "Implied speed of the phone: about 3,800 km/h" in lines_of(notice())
    retracted = notice(event="retracted", reasons=("within_reach",))
    assert lines_of(retracted)[0] == "No longer flagged: newer locations explain the transaction."


def test_text_from_outside_is_only_text() -> None:
    """A merchant's name makes no header, no mention, no link, and no second line."""
    nasty = notice(
        merchant="<!channel> & <https://evil|x>\r\nBcc: all@example.com", transaction_id="a/../b?c\n"
    )
    slack = msgspec.json.decode(slack_body(nasty))
    assert "<!channel>" not in slack["text"]
    assert "&lt;!channel&gt; &amp; " in slack["text"]
    assert [block["text"]["type"] for block in slack["blocks"]] == ["plain_text", "plain_text", "mrkdwn"]
    assert slack["blocks"][2]["text"]["text"] == "<https://x/t/a%2F..%2Fb%3Fc%0A|Open>"
    mail = mail_of(nasty, "bank@example.com", ["desk@example.com"])
    assert isinstance(mail, EmailMessage)
    assert mail["Bcc"] is None
    assert "Bcc" in mail["Subject"]
    assert len(notice(merchant="x" * 1000).merchant or "") == 80


def test_card_testing_is_told_without_tokens_and_areas() -> None:
    """How many cards, and where most of them were tried."""
    kinds = (
        NearIdentical("Online", "shop-a", "0.84", "37.33 -121.89", 3),
        NearIdentical("Online", "shop-b", "1.00", "37.33 -121.89", 9),
    )
    alert = CardTestingAlert(
        "alert-1", datetime.now(UTC), datetime.now(UTC), 12, ("row:1",), ("card:1",), kinds
    )
    told = notice_of_card_testing(alert)
    assert (told.merchant, told.cards, told.transactions) == ("shop-b", 12, 12)
    assert subject_of(told) == "Card testing: 12 cards at shop-b"
    secrets = [
        Secret("token", "text", "row:1"),
        Secret("token", "text", "card:1"),
        Secret("area", "text", "37.33"),
    ]
    assert not leaks(everywhere(told), secrets)
    grown = msgspec.structs.replace(alert, cards=24)
    assert notice_of_card_testing(grown).id != told.id
