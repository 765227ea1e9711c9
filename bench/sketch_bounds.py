"""Do the sketches keep their bounds on a million events? Exact counting runs beside each."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from bench.contest import Options
from bench.report import Section
from models.transaction import Transaction
from sketches.distinct import Distinct
from sketches.likeness import Bounds
from sketches.place_cells import Cell
from sketches.quantiles import Quantiles
from sketches.sliding_count import SlidingCount
from sketches.usual_places import ApprovedPlaces
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from tests.decision_stream import decisions
from tests.unit.test_likeness import seen_together, waves

_EVENTS: Final = 1_000_000
_SHARES: Final = [number / 100 for number in range(1, 100)]
_LOOK_EVERY: Final = 100_000
_WINDOW_MS: Final = 3_600_000
_PURCHASES_PER_S: Final = 30
_DAY_MS: Final = 86_400_000


def measure(options: Options) -> Section:
    """Run the benchmark; `options.events` are the simulated purchases for likeness."""
    rows = [*_of_decisions(), _places(), *_likeness(options.events)]
    return Section(
        name="sketch_bounds",
        command=f"python -m bench sketch_bounds --events {options.events}",
        head=("sketch", "of", "worst that was seen", "wanted"),
        rows=rows,
        remarks=[f"Looked at every {_LOOK_EVERY:,} events of {_EVENTS:,} but for likeness."],
    )


def _of_decisions() -> list[list[str]]:
    """Distinct counts, quantiles and the sliding count, of generated decisions."""
    takers: list[_Count | _Values] = [_Count(n) for n in ("transaction_id", "card_token", "merchant_id")]
    takers += [_Values(name) for name in ("amount", "implied_speed_mps")]
    sliding = _Sliding()
    for number, decision in enumerate(decisions(_EVENTS), 1):
        for each in takers:
            each.take(getattr(decision, each.name))
            if number % _LOOK_EVERY == 0:
                each.look()
        sliding.take(decision.received_ms)
        if number % 1000 == 0:
            sliding.look()
    return [each.row() for each in (*takers, sliding)]


class _Count:
    """Distinct items, and as many in a set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sketch, self._exact, self._worst = Distinct(), set[str](), 0.0

    def take(self, item: Any) -> None:
        self._sketch.update(item)
        self._exact.add(item)

    def look(self) -> None:
        self._worst = max(self._worst, abs(self._sketch.estimate() / len(self._exact) - 1))

    def row(self) -> list[str]:
        return ["distinct count", f"{self.name}, {len(self._exact):,}", f"{self._worst:.3%}", "2 %"]


class _Values:
    """Quantiles, and all values in a list."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sketch, self._exact, self._worst = Quantiles(1), list[float](), 0.0

    def take(self, value: Any) -> None:
        self._sketch.update(value)
        self._exact.append(value)

    def look(self) -> None:
        self._worst = max(self._worst, _rank_error(self._sketch, sorted(self._exact)))

    def row(self) -> list[str]:
        return ["quantiles", self.name, f"rank {self._worst:.3%}", "1.5 %"]


class _Sliding:
    """The events of an hour, and their times in a queue."""

    def __init__(self) -> None:
        self._sketch = SlidingCount(50, longest_window_ms=_WINDOW_MS)
        self._times, self._worst = deque[int](), 0.0

    def take(self, time_ms: int) -> None:
        self._sketch.update(time_ms)
        self._times.append(time_ms)

    def look(self) -> None:
        now_ms = self._times[-1]
        while self._times[0] <= now_ms - _WINDOW_MS:
            self._times.popleft()
        error = abs(self._sketch.count(_WINDOW_MS, now_ms) / len(self._times) - 1)
        self._worst = max(self._worst, error)

    def row(self) -> list[str]:
        bound = f"{self._sketch.error_bound():.0%}, always"
        return ["sliding count", "events of an hour", f"{self._worst:.3%}", bound]


def _rank_error(sketch: Quantiles, values: Sequence[float]) -> float:
    """The worst of 99 percentiles; of equal values any rank is right."""
    worst = 0.0
    for share, value in zip(_SHARES, _known(sketch.quantiles(_SHARES)), strict=True):
        low, high = bisect_left(values, value) / len(values), bisect_right(values, value) / len(values)
        worst = max(worst, low - share, share - high)
    return worst


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _places() -> list[str]:
    """A filter with as many devices as it is for, in both of its spans."""
    devices, rate = 625, 0.01
    places = ApprovedPlaces(devices, rate, span_ms=_DAY_MS, generations=2)
    for number in range(devices):
        for day in range(2):
            home = Cell.of(-80 + number * 0.25, (number * 7) % 360 - 180, 25)
            places.update(b"%d" % number, home._replace(row=home.row + 10 * day), day * _DAY_MS)
    false = 0
    for number in range(_EVENTS):
        elsewhere = Cell.of((number * 37 % 1800) / 10 - 90, (number * 101 % 3600) / 10 - 180, 9_000)
        false += places.answer(b"%d" % (number % devices), elsewhere, _DAY_MS) == "Approved"
    return ["approved places", f"{_EVENTS:,} false ones", f"{false / _EVENTS:.3%}", f"{1.2 * rate:.1%}"]


def _likeness(purchases: int) -> Iterator[list[str]]:
    """Planted card testing, and honest customers, as the simulator has them."""
    labelled = list(_simulated(purchases))
    planted = [wave for wave in waves(labelled) if len(wave) >= Bounds().min_cards]
    honest = {one["transaction_id"] for one, category in labelled if not category.startswith("card_testing")}
    together = seen_together(labelled)
    found = sum(any(len(wave & ids) > 0.5 * len(wave) for ids in together) for wave in planted)
    false = sum(ids <= honest for ids in together)
    yield [
        "likeness: recall",
        f"{len(planted):,} planted waves",
        f"{found / max(len(planted), 1):.3f}",
        "0.95",
    ]
    per_100_000 = false / len(honest) * 100_000
    yield [
        "likeness: false clusters",
        f"{len(honest):,} honest transactions",
        f"{per_100_000:.2f}",
        "below 1 of 100,000",
    ]


def _simulated(purchases: int) -> Iterator[tuple[dict[str, Any], str]]:
    scenario = Scenario(
        seed=5,
        start_time_ms=1_767_225_600_000,
        duration_s=purchases / _PURCHASES_PER_S,
        customers=150,
        transactions_per_s=_PURCHASES_PER_S,
        card_testing_share=0.01,
        malformed_share=0,
        duplicate_share=0,
    )
    for simulated in simulate(scenario, location_topic="location", transaction_topic="transaction"):
        if simulated.label is not None:
            sent = msgspec.json.decode(simulated.event.value, type=Transaction)
            one = {
                "transaction_id": sent.transaction_id,
                "card": str(sent.card_number),
                "category": sent.merchant_category or "",
                "merchant": str(sent.merchant_id),
                "amount": sent.amount,
                "latitude_deg": sent.latitude_deg,
                "longitude_deg": sent.longitude_deg,
                "time_ms": simulated.event.arrival_ms,
            }
            yield one, simulated.label.category
