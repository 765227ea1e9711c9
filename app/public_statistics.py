"""Publishing what anyone may know of an hour, as long as the day's privacy budget lasts."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import faust
import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.gathering import Gatherer
from models.public_statistics import Noisy, PublicStatistics
from models.statistics_budget import StatisticsBudget
from privacy.bounded import Bounds
from privacy.budget import Refused, SpentDay, ask
from privacy.noisy import Answer, noisy_tallies, noisy_total
from sketches.book import HOUR_MS
from sketches.questions import Rows
from sketches.tally import OTHERS, Tally
from streaming.cascade import Cascade
from streaming.internals import producer_of
from streaming.outbox import Outbox
from streaming.struct_table import StructTable
from tables.statistics import KEY

log = logging.getLogger(__name__)

_LEADING_PARTITION = 0
_VERDICTS = ("flagged", "cleared", "no_location")
_PARTS = 3  # verdicts, categories, amount: the hour's epsilon is shared among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is published when, and at what price."""

    epsilon_per_hour: float
    epsilon_per_day: float
    lag_ms: int
    """An hour is published so long after its end: its decisions are final then."""
    bounds: Bounds
    categories: tuple[str, ...]


def due_hour_ms(parts: Iterable[Rows], published_until_ms: int, now_ms: int, plan: Plan) -> int | None:
    """The first hour that is over, has transactions and was not published; its start."""
    starts = {int(key.rpartition(b"/")[2]) for rows in parts for key in rows}
    over = (
        start_ms
        for start_ms in starts
        if start_ms >= published_until_ms and start_ms + HOUR_MS + plan.lag_ms <= now_ms
    )
    return min(over, default=None)


def statistics_of(tally: Tally, hour_ms: int, plan: Plan) -> tuple[Answer, PublicStatistics]:
    """The numbers of an hour with noise that is drawn now, and what they cost."""
    share = plan.epsilon_per_hour / _PARTS
    counted = dict(tally.top("category", len(plan.categories) + 1))
    verdicts = noisy_tallies({v: tally.events.get(v, 0) for v in _VERDICTS}, plan.bounds, share)
    categories = noisy_tallies({c: counted.get(c, 0) for c in (*plan.categories, OTHERS)}, plan.bounds, share)
    amount = noisy_total(round(tally.total_amount * 100), plan.bounds, share)
    record = PublicStatistics(
        datetime.fromtimestamp(hour_ms / 1000, UTC),
        plan.epsilon_per_hour,
        plan.bounds.rows_per_person,
        plan.bounds.most_amount,
        _noisy(verdicts),
        _noisy(categories),
        _noisy(amount)["sum"],
    )
    return Answer({}, plan.epsilon_per_hour), record


def _noisy(answer: Answer) -> dict[str, Noisy]:
    return {name: Noisy(each.value, each.low, each.high) for name, each in answer.numbers.items()}


class Publishing:
    """The hours that are due, one at a look. The budget is charged and the record stored before it is sent.

    So a crash in between sends the very same numbers again, and none that was not paid for.
    """

    def __init__(
        self,
        app: faust.App,
        gatherer: Gatherer,
        table: StructTable[StatisticsBudget],
        plan: Plan,
        *,
        topic: str,
        registry: CollectorRegistry,
    ) -> None:
        self._app = app
        self._gatherer = gatherer
        self._table = table
        self._plan = plan
        self._topic = topic
        self._cascade = Cascade()
        self._spent = Gauge("smartbank_privacy_epsilon_spent", "Of the day's budget.", registry=registry)
        budget = Gauge("smartbank_privacy_epsilon_budget", "The day's budget.", registry=registry)
        budget.set(plan.epsilon_per_day)
        self._refused = Counter(
            "smartbank_privacy_refused", "Looks at which it did not last.", registry=registry
        )

    async def look(self) -> None:
        """Publish the next hour, if one is due and this worker owns the first partition."""
        if _LEADING_PARTITION not in self._gatherer.owned():
            return
        budget = self._table.view(_LEADING_PARTITION, (KEY,)).get(KEY) or StatisticsBudget()
        if budget.unsent is not None:  # of a worker that was killed
            budget = await self._send(budget)
        is_todays = budget.day >= time.time_ns() // 1_000_000 // (24 * HOUR_MS)
        self._spent.set(budget.spent_microepsilon / 1e6 if is_todays else 0.0)
        gathering = await self._gatherer.gather("views", ("public/",))
        now_ms = time.time_ns() // 1_000_000
        hour_ms = due_hour_ms(gathering.parts.values(), budget.published_until_ms, now_ms, self._plan)
        if hour_ms is None or gathering.missing:
            return
        key = f"public/{hour_ms:016d}".encode()
        rows = [Tally.from_bytes(rows[key]) for rows in gathering.parts.values() if key in rows]
        paid = self._paid(budget, Tally.merged(rows), hour_ms, now_ms)
        if paid is not None:
            await self._store(paid)
            await self._send(paid)

    def _paid(
        self, budget: StatisticsBudget, tally: Tally, hour_ms: int, now_ms: int
    ) -> StatisticsBudget | None:
        """Charge the budget and draw the hour's numbers; None where it does not hold them."""
        records: list[PublicStatistics] = []

        def draw() -> Answer:
            answer, record = statistics_of(tally, hour_ms, self._plan)
            records.append(record)
            return answer

        spent, answer = ask(
            SpentDay(budget.day, budget.spent_microepsilon),
            f"hour {hour_ms}",
            self._plan.epsilon_per_hour,
            draw,
            epsilon_per_day=self._plan.epsilon_per_day,
            now_ms=now_ms,
        )
        if isinstance(answer, Refused):
            self._refused.inc()
            log.warning("the statistics of an hour wait: %s", answer)
            return None
        self._spent.set(spent.spent_microepsilon / 1e6)
        [record] = records
        return StatisticsBudget(
            spent.day, spent.spent_microepsilon, hour_ms + HOUR_MS, msgspec.json.encode(record)
        )

    async def _send(self, budget: StatisticsBudget) -> StatisticsBudget:
        """Send the record that is stored, and store that it is sent."""
        record = budget.unsent or b""
        hour = msgspec.json.decode(record, type=PublicStatistics).hour
        outbox = Outbox(producer_of(self._app))
        await outbox.send(self._topic, hour.isoformat().encode(), record)
        await asyncio.gather(*outbox.sends)
        sent = msgspec.structs.replace(budget, unsent=None)
        await self._store(sent)
        return sent

    async def _store(self, budget: StatisticsBudget) -> None:
        view = self._table.view(_LEADING_PARTITION, ())
        view[KEY] = budget
        stages = [self._table.put(_LEADING_PARTITION, view)]
        await self._cascade.send(_LEADING_PARTITION, producer_of(self._app), (), stages)
