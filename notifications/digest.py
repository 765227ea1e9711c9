"""Many notices in one message: how many, why, and the most severe few. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from notifications.notice import Notice, joint_id

MOST_SEVERE: Final = 5


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What several notices come to. `notices` are their ids, each told by this digest and by nothing else."""

    id: str
    from_time: datetime
    to_time: datetime
    events: Mapping[str, int]
    reasons: Mapping[str, int]
    """How often each reason stands in a flagged transaction; the most frequent first."""
    most_severe: tuple[Notice, ...]
    notices: tuple[str, ...]


Message = Notice | Digest


def digest_of(notices: Sequence[Notice]) -> Digest:
    """Sum up one notice or more, in the order in which they came."""
    times = [notice.time for notice in notices]
    flagged = [notice for notice in notices if notice.event == "flagged"]
    reasons = Counter(reason for notice in flagged for reason in notice.reasons)
    return Digest(
        id=joint_id(notices),
        from_time=min(times),
        to_time=max(times),
        events=dict(Counter(notice.event for notice in notices)),
        reasons=dict(reasons.most_common()),
        most_severe=most_severe(notices),
        notices=tuple(notice.id for notice in notices),
    )


def most_severe(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """Card testing with the most cards, then the largest amounts; of each transaction the latest word.

    What was retracted is none.
    """
    latest = {notice.transaction_id or notice.id: notice for notice in notices}
    standing = [notice for notice in latest.values() if notice.event != "retracted"]
    standing.sort(key=lambda notice: (notice.cards or 0, notice.amount or 0.0), reverse=True)
    return tuple(standing[:MOST_SEVERE])
