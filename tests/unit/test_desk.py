"""From records to sketches: each thing once, whatever is repeated, torn or read again."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.decoders import decoders_of
from app.settings import Settings
from app.sketch_book import book_of
from app.topics import topics_of
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from privacy.tokens import TokenKey, TokenKeys
from sketches.desk import Desk, Message, Notebooks
from sketches.notebook import Notebook, Snapshot
from sketches.questions import QUESTIONS, Asked, Gathered
from sketches.tally import Tally
from tests.decided import Line, decided, fixes

TOPICS = topics_of(Settings())
BOOK = book_of(Settings(), TokenKeys([TokenKey("k1", b"x" * 32)]))
DECODERS = decoders_of(TOPICS.publisher.reads)
DEVICES = 12
START_MS = 1_711_972_800_000


@dataclass
class Rows:
    """What a partition's tables hold, in the order in which the agent writes them."""

    tables: dict[str, dict[bytes, Snapshot]] = field(
        default_factory=lambda: {"sketches": {}, "views": {}, "devices": {}}
    )

    def desk(self) -> Desk:
        """A desk that goes on from here."""
        notebooks = {
            name: Notebook(
                lambda keys, rows=rows: {key: rows[key] for key in keys if key in rows},  # type: ignore[misc]
                rows if name != "devices" else (),
            )
            for name, rows in self.tables.items()
        }
        return Desk(
            Notebooks(**notebooks),
            BOOK.sketches,
            BOOK.views,
            seed=7,
            options=BOOK.options,
            audits=BOOK.audits,
        )

    def write(self, desk: Desk, most: int | None = None) -> None:
        """Write what changed, or only the first rows of it: then the worker is killed."""
        changes = [
            (name, key, row) for name in self.tables for key, row in getattr(desk.notebooks, name).changes()
        ]
        for name, key, row in changes[:most]:
            if row is None:
                self.tables[name].pop(key, None)
            else:
                self.tables[name][key] = row


def some_lines(count: int, seed: int) -> list[Line]:
    """Fixes, then decisions and alerts, some of them twice."""
    lines = decided(TOPICS, devices=DEVICES, start_ms=START_MS + 60_000, seed=seed, flagged_share=0.4)
    return [*fixes(TOPICS, devices=DEVICES, start_ms=START_MS), *islice(lines, count)]


def with_offsets(lines: Iterable[Line]) -> list[tuple[str, Message]]:
    """Lines as messages of one partition."""
    ends: Counter[str] = Counter()
    messages = []
    for line in lines:
        value = DECODERS[line.topic].decode(line.value)
        messages.append((line.topic, Message(ends[line.topic], line.time_ms, value)))
        ends[line.topic] += 1
    return messages


def take(desk: Desk, chunk: Sequence[tuple[str, Message]]) -> None:
    """As the agent does: topic by topic."""
    takers = {
        TOPICS.location_data.name: desk.take_locations,
        TOPICS.transaction_decisions.name: desk.take_decisions,
        TOPICS.potential_fraud.name: desk.take_alerts,
    }
    for topic, taker in takers.items():
        if of_topic := [message for at, message in chunk if at == topic]:
            taker(topic, of_topic)


def chunks(messages: Sequence[tuple[str, Message]], chance: random.Random) -> Iterator[int]:
    """Where chunks end."""
    end = 0
    while end < len(messages):
        end = min(len(messages), end + chance.randint(1, 60))
        yield end


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_a_crash_at_any_row_of_a_snapshot_leaves_no_trace(seed: int) -> None:
    """Rows of different age fit together: what is read again goes where it is not yet."""
    chance = random.Random(seed)
    messages = with_offsets(some_lines(300, seed))
    undisturbed, disturbed = Rows(), Rows()
    desk = undisturbed.desk()
    for begin, end in _spans(chunks(messages, random.Random(seed + 1))):
        take(desk, messages[begin:end])
    undisturbed.write(desk)

    committed = at = 0
    desk = disturbed.desk()
    while committed < len(messages):
        end = min(len(messages), at + chance.randint(1, 60))
        take(desk, messages[at:end])
        at = end
        fate = chance.random()
        if fate < 0.3 or at == len(messages):
            disturbed.write(desk)
            committed = at
        elif fate < 0.5:
            disturbed.write(desk, most=chance.randint(0, 40))
            desk, at = disturbed.desk(), committed
    assert disturbed.tables == undisturbed.tables


def _spans(ends: Iterable[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for end in ends:
        yield begin, end
        begin = end


@pytest.fixture(scope="module")
def messages() -> list[tuple[str, Message]]:
    """A stream in which some lines come twice."""
    messages = with_offsets(some_lines(3000, seed=3))
    decisions = [m.value for _, m in messages if isinstance(m.value, Decision)]
    assert len({(d.transaction_id, d.revision) for d in decisions}) < len(decisions)
    return messages


@pytest.fixture(scope="module")
def parts(messages: list[tuple[str, Message]]) -> list[dict[bytes, bytes]]:
    """Rows of two partitions, of even and of odd devices."""
    parts = []
    for odd in (0, 1):
        desk = Rows().desk()
        of_part = [(t, m) for t, m in messages if _device(m.value) % 2 == odd]
        for at in range(0, len(of_part), 100):
            take(desk, of_part[at : at + 100])
        parts.append(desk.notebooks.sketches.rows(b"") | desk.notebooks.views.rows(b""))
    return parts


def _device(value: Any) -> int:
    return int(value.device_id.removeprefix("phone-"))


def answer(parts: list[dict[bytes, bytes]], question: str, **asked: int) -> Any:
    """What the publisher answers."""
    gathered = Gathered(parts=parts, asked=Asked(**asked), now_ms=START_MS + 10**8, pane_ms=300_000)
    return QUESTIONS[question].answer(gathered)


def test_transactions_are_counted_once_and_by_hour(
    messages: list[tuple[str, Message]], parts: list[dict[bytes, bytes]]
) -> None:
    """Whatever was repeated or revised; distinct counts are exact while they are small."""
    firsts = {m.value.transaction_id: m.value for _, m in reversed(messages) if isinstance(m.value, Decision)}
    hours: dict[str, list[Decision]] = {}
    for each in firsts.values():
        hours.setdefault(each.transaction_time.strftime("%Y-%m-%dT%H:00:00+00:00"), []).append(each)
    finals = {
        m.value.transaction_id: m.value.verdict
        for _, m in messages
        if isinstance(m.value, Decision) and m.value.stage == "final"
    }
    for row in answer(parts, "transactions"):
        of_hour = hours.pop(row["from"])
        assert row["transactions"] == len(of_hour)
        assert row["amount"] == pytest.approx(sum(d.amount for d in of_hour))
        assert row["cards"] == len({d.card_token for d in of_hour})
        assert row["merchants"] == len({d.merchant for d in of_hour})
        verdicts = Counter(finals[d.transaction_id] for d in of_hour if d.transaction_id in finals)
        assert row["final"] == {v: verdicts[v] for v in ("flagged", "cleared", "no_location")}
    assert not hours


@pytest.mark.parametrize(("window_s", "every_s"), [(3600, 3600), (3600, 900), (300, 300)])
def test_flagged_transactions_are_counted_once_in_tumbling_and_hopping_windows(
    messages: list[tuple[str, Message]], parts: list[dict[bytes, bytes]], window_s: int, every_s: int
) -> None:
    """People of high value as in the paper's Figure 10."""
    alerts = [m.value for _, m in messages if isinstance(m.value, FlaggedTransaction)]
    flagged = {a.transaction_id: a for a in reversed(alerts) if a.event == "flagged"}
    confirmed = {a.transaction_id: a for a in alerts if a.stage == "final" and a.verdict == "flagged"}
    retracted = {(a.transaction_id, a.revision): a for a in alerts if a.event == "retracted"}
    rows = answer(parts, "flagged", window_s=window_s, every_s=every_s, windows=1000)
    people = answer(parts, "people", window_s=window_s, every_s=every_s, windows=1000)
    for row, of_people in zip(rows, people["windows"], strict=True):

        def inside(alert: FlaggedTransaction, start: str = row["from"]) -> bool:
            after_s = alert.transaction_time.timestamp() - _timestamp(start)
            return 0 <= after_s < window_s

        of_window = list(filter(inside, flagged.values()))
        rich = {a.user_token for a in of_window if a.amount >= 1000}
        assert row["flagged"] == len(of_window)
        assert row["confirmed"] == len(list(filter(inside, confirmed.values())))
        assert row["retracted"] == len(list(filter(inside, retracted.values())))
        assert row["people"] == len({a.user_token for a in of_window})
        assert row["high_value_people"] == of_people["people"] == len(rich)
        assert sum(row["usual_places"].values()) == len(of_window)
    assert sum(row["flagged"] for row in rows) >= len(flagged)
    everyone = {a.user_token for a in flagged.values() if a.amount >= 1000}
    assert people["all"] == len(everyone) > 0


def _timestamp(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def test_other_questions_agree_with_the_truth(
    messages: list[tuple[str, Message]], parts: list[dict[bytes, bytes]]
) -> None:
    """Of all partitions together."""
    decisions = [m.value for _, m in messages if isinstance(m.value, Decision)]
    firsts = list({d.transaction_id: d for d in reversed(decisions)}.values())
    flags = {d.transaction_id: d for d in decisions if d.verdict == "flagged"}.values()
    distinct = answer(parts, "distinct")
    assert distinct["all"]["cards"] == len({d.card_token for d in firsts})
    assert distinct["flagged"]["people"] == len({d.user_token for d in flags})
    by_category = Counter(d.merchant_category or "(not known)" for d in firsts)
    assert {k: v["transactions"] for k, v in distinct["by_category"].items()} == by_category
    frequent = answer(parts, "frequent", top=100)
    counted = {each["item"]: each["at_least"] for each in frequent["merchants"]}
    assert counted == Counter(d.merchant for d in firsts)
    amounts = answer(parts, "quantiles")["amounts"]
    assert (amounts["count"], amounts["most"]) == (len(firsts), max(d.amount for d in firsts))
    concentration = answer(parts, "concentration")
    f2 = sum(count**2 for count in Counter(d.card_token for d in firsts).values())
    assert concentration["f2"] == pytest.approx(f2, rel=0.14)


def test_a_device_that_reports_from_home_is_approved_there_and_not_elsewhere() -> None:
    """The paper's words; nothing is said of a device before it has reported ten times."""
    desk = Rows().desk()
    home = [m for _, m in with_offsets(fixes(TOPICS, devices=1, start_ms=START_MS, each=12))]
    assert desk.take_locations("location_data", home[:9]) == ["unknown"] * 9
    assert desk.take_locations("location_data", home[9:]) == ["Approved"] * 3
    far = msgspec.structs.replace(home[-1].value, latitude_deg=48.0)
    elsewhere = Message(12, home[-1].record_ms, far)
    assert desk.take_locations("location_data", [elsewhere]) == ["Fake transaction"]


def test_no_device_weighs_more_than_was_declared_in_public_statistics(
    messages: list[tuple[str, Message]], parts: list[dict[bytes, bytes]]
) -> None:
    """Three transactions of a device and an hour count, and none for more than the most."""
    finals = {
        m.value.transaction_id: m.value
        for _, m in messages
        if isinstance(m.value, Decision) and m.value.stage == "final"
    }
    hours: Counter[tuple[int, str]] = Counter()
    for each in finals.values():
        hours[int(each.transaction_time.timestamp()) // 3600, each.device_id] += 1
    tallies = [
        Tally.from_bytes(row) for rows in parts for key, row in rows.items() if key.startswith(b"public/")
    ]
    total = Tally.merged(tallies)
    assert sum(total.events.values()) == sum(min(count, 3) for count in hours.values()) < len(finals)
    assert total.total_amount <= 500 * sum(total.events.values())
    categories = {name for name, _ in total.top("category", 100)}
    assert categories == {"Groceries", "Fuel", "Online", "Travel", "Restaurant", "(others)"}


def test_windows_that_are_no_multiples_of_a_pane_are_refused(parts: list[dict[bytes, bytes]]) -> None:
    """And steps that would leave gaps."""
    for asked in ({"window_s": 100}, {"window_s": 600, "every_s": 900}, {"window_s": 0}):
        with pytest.raises(ValueError, match=r"multiples|gaps"):
            answer(parts, "flagged", **asked)
