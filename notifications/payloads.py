"""Messages as bodies of requests: Standard Webhooks' JSON, and what Slack's incoming webhooks take. Pure."""

from datetime import datetime
from typing import Any

import msgspec

from notifications.digest import Digest, Message
from notifications.notice import Notice
from notifications.words import lines_of, subject_of


def webhook_body(message: Message) -> bytes:
    """`type`, `timestamp` and `data`, as Standard Webhooks recommends. A message has one body for ever."""
    return msgspec.json.encode({"type": _type(message), "timestamp": _time(message), "data": message})


def slack_body(message: Message) -> bytes:
    """A text for the notification on a phone, and blocks for the channel."""
    subject, lines = subject_of(message), lines_of(message)
    blocks: list[dict[str, Any]] = [
        # Plain text: what comes from outside makes neither links nor mentions.
        {"type": "header", "text": {"type": "plain_text", "text": subject[:150], "emoji": False}},
        {"type": "section", "text": {"type": "plain_text", "text": "\n".join(lines)[:3000], "emoji": False}},
    ]
    if isinstance(message, Notice) and message.link:
        link = f"<{_escaped(message.link)}|Open>"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    return msgspec.json.encode({"text": _escaped(subject), "blocks": blocks, "unfurl_links": False})


def _type(message: Message) -> str:
    if isinstance(message, Digest):
        return "digest"
    return "card_testing.found" if message.event == "card_testing" else f"transaction.{message.event}"


def _time(message: Message) -> datetime:
    return message.to_time if isinstance(message, Digest) else message.time


def _escaped(text: str) -> str:
    """As Slack wants it: https://api.slack.com/reference/surfaces/formatting#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
