"""Every sketch that is kept: of which facts, under which keys, with which parameters.

docs/sketches.md has the table of their sizes and errors, which a test measures.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final, Literal

from sketches.distinct import Distinct
from sketches.facts import AlertFact, DecisionFact, device_type_of
from sketches.heavy_hitters import CountMin, FrequentItems
from sketches.likeness import Bounds, Likeness
from sketches.moments import SecondMoment
from sketches.quantiles import Quantiles
from sketches.reservoir import Reservoir
from sketches.sampled_transaction import SAMPLE_BYTES, sampled
from sketches.sliding_count import SlidingCount
from sketches.tally import OTHERS, Tally
from sketches.weighted_reservoir import MAX_WEIGHT, MIN_WEIGHT, WeightedReservoir

TokenizeAt = Callable[[str, int], str]
Stream = Literal["decisions", "firsts", "finals", "flags", "alerts"]
"""Which facts: all of decisions; of transactions when they are first seen, final, first flagged; alerts."""

HOUR_MS: Final = 3_600_000
LONGEST_WINDOW_MS: Final = HOUR_MS
MOST_LATENCY_MS: Final = HOUR_MS
"""A decision that comes later on its transaction's heels than this was made on old records."""
_DGIM_R: Final = 50  # an error of 1 %
_category_of: Final = attrgetter("category")
_merchant_of: Final = attrgetter("merchant")
_speed_of: Final = attrgetter("decision.implied_speed_mps")
_amount_of: Final = attrgetter("decision.amount")
_verdict_of: Final = attrgetter("decision.verdict")
# A row more costs time for each event; as wide as this, three are as good as five of half the width.
MOMENT_WIDTH, MOMENT_DEPTH = 2048, 3
_SAMPLES: Final = 256
_SAMPLES_OF_A_CATEGORY: Final = 64
_MOST_CATEGORIES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A kind of sketch. Without `key_of` there is one in a partition, else one for each key.

    Of more than `most_keys` keys those that sort last stay (`keep` "last": keys are times), or those that
    came first, and the others share one.
    """

    name: str
    of: Stream
    make: Callable[[int], Any]
    """Makes an empty one by a seed: another one for each partition."""
    read: Callable[[bytes], Any]
    take: Callable[[Any, Sequence[Any]], None]
    """Lets it take facts up, in order."""
    key_of: Callable[[Any], Any] | None = None
    name_of_key: Callable[[Any], str] = str
    most_keys: int = 1
    keep: Literal["last", "first"] = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panes:
    """Spans of time that views are made of. `pane_ms` divides every window and step that may be asked for."""

    pane_ms: int = 300_000
    kept_ms: int = 48 * HOUR_MS
    high_value: float = 1_000.0
    """An amount from here on is of high value."""

    public_categories: tuple[str, ...] = ()
    """Those that public statistics name; any other is one of the others."""
    public_most_amount: float = 500.0
    """A transaction counts for no more in the public sum of amounts, and none for less than nothing."""

    @property
    def most(self) -> int:
        """How many panes are kept."""
        return -(-self.kept_ms // self.pane_ms)


def sketch_entries(
    device_token_of: TokenizeAt, transaction_token_of: TokenizeAt, card_testing: Bounds
) -> tuple[Entry, ...]:
    """What the table `sketches` holds. Devices and transactions are tokens in it, as cards and people.

    Tokens are of the time at which the card was used, milliseconds since the epoch (docs/keys.md).
    """
    return (
        *_distinct_entries("distinct", "firsts"),
        *_distinct_entries("flagged_distinct", "flags"),
        Entry(
            name="category",
            of="firsts",
            make=_unseeded(Tally),
            read=Tally.from_bytes,
            take=_take_category,
            key_of=_category_of,
            most_keys=_MOST_CATEGORIES,
        ),
        _quantiles("amounts", "firsts", _take_amounts),
        _quantiles("speeds", "finals", _take_speeds),
        _quantiles("latencies", "firsts", _take_latencies),
        Entry(
            name="card_use",
            of="firsts",
            make=lambda _seed: SecondMoment(width=MOMENT_WIDTH, depth=MOMENT_DEPTH),
            read=SecondMoment.from_bytes,
            take=_take_cards,
        ),
        _frequent("merchants", "firsts", _take_merchants),
        Entry(
            name="merchant_counts",
            of="firsts",
            make=_unseeded(CountMin),
            read=CountMin.from_bytes,
            take=_count_merchants,
        ),
        _frequent("flagged_merchants", "flags", _take_merchants),
        _frequent("flagged_categories", "flags", _take_categories),
        _frequent("flagged_devices", "flags", _take_devices(device_token_of)),
        Entry(
            name="flagged_lately",
            of="flags",
            make=lambda _seed: SlidingCount(_DGIM_R, longest_window_ms=LONGEST_WINDOW_MS),
            read=SlidingCount.from_bytes,
            take=_take_times,
        ),
        Entry(
            name="sample",
            of="firsts",
            make=lambda seed: Reservoir(_SAMPLES, item_bytes=SAMPLE_BYTES, seed=seed),
            read=Reservoir.from_bytes,
            take=_take_samples,
        ),
        Entry(
            name="sample_by_category",
            of="firsts",
            make=lambda seed: Reservoir(_SAMPLES_OF_A_CATEGORY, item_bytes=SAMPLE_BYTES, seed=seed),
            read=Reservoir.from_bytes,
            take=_take_samples,
            key_of=_category_of,
            most_keys=_MOST_CATEGORIES,
        ),
        Entry(
            name="sample_by_amount",
            of="firsts",
            make=lambda seed: WeightedReservoir(_SAMPLES, item_bytes=SAMPLE_BYTES, seed=seed),
            read=WeightedReservoir.from_bytes,
            take=_take_weighted_samples,
        ),
        Entry(
            name="likeness",
            of="firsts",
            make=lambda _seed: Likeness(card_testing),
            read=Likeness.from_bytes,
            take=_take_likeness(transaction_token_of),
        ),
    )


def view_entries(panes: Panes) -> tuple[Entry, ...]:
    """What the table `views` holds: a tally for each span of event time."""
    return (
        Entry(
            name="transactions",
            of="decisions",
            make=lambda _seed: Tally(),
            read=Tally.from_bytes,
            take=_take_decisions,
            key_of=attrgetter("event_hour"),
            name_of_key=partial(pane_key, pane_ms=HOUR_MS),
            most_keys=-(-panes.kept_ms // HOUR_MS),
            keep="last",
        ),
        Entry(
            name="flagged",
            of="alerts",
            make=lambda _seed: Tally(),
            read=Tally.from_bytes,
            take=_take_alerts(panes.high_value),
            key_of=lambda fact: fact.event_ms // panes.pane_ms,
            name_of_key=partial(pane_key, pane_ms=panes.pane_ms),
            most_keys=panes.most,
            keep="last",
        ),
        Entry(
            name="public",
            of="finals",
            make=_unseeded(Tally),
            read=Tally.from_bytes,
            take=_take_public(panes),
            key_of=attrgetter("event_hour"),
            name_of_key=partial(pane_key, pane_ms=HOUR_MS),
            most_keys=-(-panes.kept_ms // HOUR_MS),
            keep="last",
        ),
    )


def pane_key(pane: int, *, pane_ms: int) -> str:
    """The start of a span of time, milliseconds since the epoch, by its number; keys sort as times do."""
    return f"{pane * pane_ms:016d}"


def latency_ms(fact: DecisionFact) -> int | None:
    """From the transaction's record to the first verdict's; None where that was made on old records."""
    latency = fact.record_ms - fact.decision.received_ms
    return latency if 0 <= latency < MOST_LATENCY_MS else None


def _unseeded(kind: Callable[[], Any]) -> Callable[[int], Any]:
    return lambda _seed: kind()


def _quantiles(name: str, of: Stream, take: Any) -> Entry:
    return Entry(name=name, of=of, make=Quantiles, read=Quantiles.from_bytes, take=take)


def _frequent(name: str, of: Stream, take: Any) -> Entry:
    return Entry(name=name, of=of, make=_unseeded(FrequentItems), read=FrequentItems.from_bytes, take=take)


def _distinct_entries(name: str, of: Stream) -> list[Entry]:
    return [
        Entry(
            name=f"{name}_{group}",
            of=of,
            make=_unseeded(Distinct),
            read=Distinct.from_bytes,
            take=_take_distinct(item_of),
        )
        for group, item_of in ITEM_OF_GROUP.items()
    ]


ITEM_OF_GROUP: Final[dict[str, Callable[[DecisionFact], str | None]]] = {
    "people": attrgetter("decision.user_token"),
    "cards": attrgetter("decision.card_token"),
    "devices": attrgetter("decision.device_id"),
    "merchants": _merchant_of,
}


def _take_distinct(
    item_of: Callable[[DecisionFact], str | None],
) -> Callable[[Distinct, Sequence[DecisionFact]], None]:
    def take(sketch: Distinct, facts: Sequence[DecisionFact]) -> None:
        sketch.update(*(item for item in set(map(item_of, facts)) if item is not None))

    return take


def _take_category(tally: Tally, facts: Sequence[DecisionFact]) -> None:
    tally.count("transactions", len(facts))
    tally.add_amounts(map(_amount_of, facts))
    for group, item_of in ITEM_OF_GROUP.items():
        tally.add_distinct(group, *set(map(item_of, facts)))


def _take_decisions(tally: Tally, facts: Sequence[DecisionFact]) -> None:
    firsts = [fact for fact in facts if fact.is_first]
    if firsts:
        _take_category(tally, firsts)
    # In the order in which they come first: a tally has room for so many words.
    for category, times in Counter(map(_category_of, firsts)).items():
        tally.count_word("category", category, times)
    for kind, times in Counter(device_type_of(fact.decision) for fact in firsts).items():
        tally.count_word("device_type", kind, times)
    for verdict, times in Counter(_verdict_of(fact) for fact in facts if fact.is_final).items():
        tally.count(verdict, times)


def _take_alerts(high_value: float) -> Callable[[Tally, Sequence[AlertFact]], None]:
    def take(tally: Tally, facts: Sequence[AlertFact]) -> None:
        for fact in facts:
            alert = fact.alert
            if fact.is_first_flag:
                tally.count("flagged")
                tally.add_amounts((alert.amount,))
                tally.count_word("category", fact.category)
                tally.count_word("device_type", device_type_of(alert))
                tally.count_word("usual_place", fact.usual_place)
                tally.add_distinct("people", alert.user_token)
                tally.add_distinct("devices", alert.device_id)
                tally.add_distinct("merchants", fact.merchant)
                if alert.amount >= high_value:
                    tally.add_distinct("high_value_people", alert.user_token)
            if alert.event == "confirmed" or (alert.event == "flagged" and alert.stage == "final"):
                tally.count("confirmed")
            elif alert.event == "retracted":
                tally.count("retracted")

    return take


def _take_public(panes: Panes) -> Callable[[Tally, Sequence[DecisionFact]], None]:
    categories = frozenset(panes.public_categories)

    def take(tally: Tally, facts: Sequence[DecisionFact]) -> None:
        counted = [fact for fact in facts if fact.is_counted_publicly]
        tally.add_amounts(
            min(max(amount, 0.0), panes.public_most_amount) for amount in map(_amount_of, counted)
        )
        for verdict, times in Counter(map(_verdict_of, counted)).items():
            tally.count(verdict, times)
        for category, times in Counter(map(_category_of, counted)).items():
            tally.count_word("category", category if category in categories else OTHERS, times)

    return take


def _take_amounts(sketch: Quantiles, facts: Sequence[DecisionFact]) -> None:
    sketch.update(*map(_amount_of, facts))


def _take_speeds(sketch: Quantiles, facts: Sequence[DecisionFact]) -> None:
    speeds_mps = map(_speed_of, facts)
    sketch.update(*(speed_mps for speed_mps in speeds_mps if speed_mps is not None))


def _take_latencies(sketch: Quantiles, facts: Sequence[DecisionFact]) -> None:
    latencies = map(latency_ms, facts)
    sketch.update(*(latency for latency in latencies if latency is not None))


def _take_cards(sketch: SecondMoment, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        if (card := fact.decision.card_token) is not None:
            sketch.update(card.encode())


def _take_merchants(sketch: FrequentItems, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        sketch.update(fact.merchant)


def _count_merchants(sketch: CountMin, facts: Sequence[DecisionFact]) -> None:
    for merchant, times in Counter(map(_merchant_of, facts)).items():
        sketch.update(merchant, times)


def _take_categories(sketch: FrequentItems, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        sketch.update(fact.category)


def _take_devices(token_of: TokenizeAt) -> Callable[[FrequentItems, Sequence[DecisionFact]], None]:
    def take(sketch: FrequentItems, facts: Sequence[DecisionFact]) -> None:
        for fact in facts:
            sketch.update(token_of(fact.decision.device_id, fact.event_ms))

    return take


def _take_times(sketch: SlidingCount, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        sketch.update(fact.record_ms)


def _take_samples(sketch: Reservoir, facts: Sequence[DecisionFact]) -> None:
    at = 0
    while (at := at + sketch.skip(len(facts) - at)) < len(facts):
        sketch.update(sampled(facts[at].decision))
        at += 1


def _take_weighted_samples(sketch: WeightedReservoir, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        amount = fact.decision.amount
        weight = min(amount, MAX_WEIGHT) if amount >= MIN_WEIGHT else 0.0
        if not sketch.skips(weight):
            sketch.update(sampled(fact.decision), weight)


def _take_likeness(token_of: TokenizeAt) -> Callable[[Likeness, Sequence[DecisionFact]], None]:
    def take(sketch: Likeness, facts: Sequence[DecisionFact]) -> None:
        most_amount = sketch.bounds.max_amount
        for fact in facts:
            use = fact.decision
            if use.amount <= most_amount and use.card_token is not None:
                sketch.update(
                    transaction_id=token_of(use.transaction_id, fact.event_ms),
                    card=use.card_token,
                    category=fact.category,
                    merchant=fact.merchant,
                    amount=use.amount,
                    latitude_deg=use.latitude_deg,
                    longitude_deg=use.longitude_deg,
                    time_ms=use.received_ms,
                )

    return take
