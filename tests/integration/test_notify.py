"""`python -m app notify` on a real Kafka, with receivers that fail."""

import socket
from pathlib import Path

import pytest

from detection.words import reason_in_words
from models.flagged_transaction import FlaggedTransaction
from notifications.notice import notice_of_flagged
from notifications.signature import secrets_of, signature
from tests.notifications import SECRET, Inbox, flagged, in_background
from tests.notifier import committed, flag, notifier, told
from tests.pages import Pages
from tests.pipeline import Pipeline, wait_until

pytestmark = pytest.mark.kafka

TIMEOUT_S = 120.0


def id_of(alert: FlaggedTransaction) -> str:
    """The id under which people are told of it."""
    return notice_of_flagged(alert, in_words=reason_in_words).id


def test_a_receiver_that_fails_half_of_the_time_gets_everything_once(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """With 500s, resets, no answers, repeats on the topic and two kills; nothing is committed too early."""
    pipeline.configure(session_timeout_s=2)  # one that was killed is soon missed
    alerts = [flagged(number) for number in range(30)]
    alerts += [flagged(number, "retracted") for number in range(0, 30, 3)]
    flag(pipeline, [*alerts, *alerts[:10]])
    wanted = {id_of(alert) for alert in alerts}
    with in_background(Inbox([None])) as inbox:
        # The pace holds most of them back for a digest, which dies with the process.
        with notifier(pipeline.own_env, tmp_path, url=inbox.url, per_minute=5) as first:
            wait_until(lambda: len(inbox.accepted) == 5, TIMEOUT_S, "the first ones told")
            first.kill()
        assert committed(pipeline) <= 5
        with notifier(pipeline.own_env, tmp_path, url=inbox.url) as second:
            wait_until(lambda: len(inbox.accepted) >= 15, TIMEOUT_S, "half of them told")
            second.kill()
        with notifier(pipeline.own_env, tmp_path, url=inbox.url) as third:
            wait_until(lambda: committed(pipeline) == 50, TIMEOUT_S, "all committed")
            assert third.terminate() == 0
    accepted = told(inbox.accepted)
    assert set(accepted) == wanted
    # A kill may come between an answer and its commit; and the topic's repeats come after it.
    assert len(accepted) <= len(wanted) + 12
    (secret,) = secrets_of(SECRET)
    for request in inbox.requests:
        sent_s = int(request.headers["webhook-timestamp"])
        assert request.headers["webhook-signature"] == signature(secret, request.id, sent_s, request.body)
    assert len([request for request in inbox.requests if request.answer != 200]) > 10
    assert not pipeline.records(pipeline.topics.dead_letters)


def test_what_is_repeated_on_the_topic_is_told_once(pipeline: Pipeline, tmp_path: Path) -> None:
    """As long as the process lives; it shows what it does, and that it is ready only while it is heard."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pages = Pages(port)
    with (
        in_background(Inbox([500])) as inbox,
        notifier(pipeline.own_env, tmp_path, url=inbox.url, web_port=port) as running,
    ):
        wait_until(pages.is_ready, TIMEOUT_S, "ready")
        assert pages.health("/livez")["ok"]
        flag(pipeline, [flagged(1)] * 3)
        wait_until(lambda: pages.failing() == {"receiver"}, TIMEOUT_S, "the receiver is known to be away")
        assert pages.health("/livez")["ok"]
        assert committed(pipeline) == 0
        inbox.answers = [200]
        wait_until(lambda: committed(pipeline) == 3, TIMEOUT_S, "committed")
        assert len(inbox.accepted) == 1
        assert pages.is_ready()
        metrics = pages.metrics()
        assert b'smartbank_notifications_sent_total{event="flagged"} 1.0' in metrics
        assert b"smartbank_notifications_repeated_total 2.0" in metrics
        assert b"smartbank_notifications_delay_seconds_count 1.0" in metrics

        inbox.answers = [400, 200]
        flag(pipeline, [flagged(2)])
        pipeline.producer().produce(pipeline.topics.potential_fraud.name, b'{"card":4000001234567899}')
        flag(pipeline, [flagged(3)])
        wait_until(lambda: committed(pipeline) == 6, TIMEOUT_S, "committed")
        assert pipeline.dead_letter_reasons() == {"status_400": 1, "malformed": 1}
        letters = pipeline.records(pipeline.topics.dead_letters)
        assert {dict(letter.headers)["store"] for letter in letters} == {b"webhook"}
        assert b'reason="status_400",topic="Potential_fraud_transactions"} 1.0' in pages.metrics()

        inbox.answers = [500]
        flag(pipeline, [flagged(4)])
        wait_until(lambda: pages.failing() == {"receiver"}, TIMEOUT_S, "away again")
        assert running.terminate() == 0  # also in the middle of its tries
    assert committed(pipeline) == 6
    assert "4000001234567899" not in running.log


def test_a_notifier_that_cannot_work_says_so_in_one_line(pipeline: Pipeline, tmp_path: Path) -> None:
    """And ends with status 1."""
    with notifier(pipeline.own_env, tmp_path, url="https://x/", events="flagged,stolen") as running:
        assert running.process.wait(TIMEOUT_S) == 1
    assert running.log.startswith("error: SMARTBANK_NOTIFY_EVENTS is 'flagged,stolen'; wanted some of")
    assert running.log.count("\n") == 1
