"""What can be asked of the sketches: from the rows of all partitions to an answer in JSON.

Internal zone: counts, amounts and tokens of devices; no names, no cards, no places.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import msgspec

from sketches.accuracy import Finding, worst
from sketches.book import HOUR_MS
from sketches.clusters import graph
from sketches.distinct import Distinct
from sketches.heavy_hitters import FrequentItems
from sketches.likeness import Likeness
from sketches.lsh import THRESHOLD
from sketches.moments import SecondMoment
from sketches.quantiles import Quantiles
from sketches.sketch import Sketch
from sketches.sliding_count import SlidingCount
from sketches.tally import Tally
from sketches.windows import check_window, windows

Rows = Mapping[bytes, bytes]
"""Of one partition: sketches by key."""
Table = Literal["sketches", "views", "findings"]
_S = TypeVar("_S", bound=Sketch)

_SHARES: Final = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
_LATELY_MS: Final = {"1 min": 60_000, "5 min": 300_000, "15 min": 900_000, "60 min": HOUR_MS}


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a question may be narrowed by. Windows of the views, in seconds; `top`: of each list so many."""

    window_s: int = 3600
    every_s: int | None = None
    windows: int = 24
    top: int = 5

    def __post_init__(self) -> None:
        """Refuse what cannot be answered."""
        if not (1 <= self.windows <= 1000 and 1 <= self.top <= 1000):
            raise ValueError("windows and top lie between 1 and 1000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What an answer is made of: the rows of partitions, what is asked, the time, the length of a pane."""

    parts: Sequence[Rows]
    asked: Asked
    now_ms: int
    pane_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to ask: of which rows (whose keys begin so), and how their answer is made."""

    name: str
    doc: str
    table: Table
    prefixes: tuple[str, ...]
    answer: Callable[[Gathered], Any]


def _merged(parts: Sequence[Rows], key: str, read: Callable[[bytes], _S]) -> _S | None:
    """The sketch of all partitions; None where none has any."""
    return _merge(read(rows[name]) for rows in parts if (name := key.encode()) in rows)


def _merge(sketches: Iterable[_S]) -> _S | None:
    total: _S | None = None
    for each in sketches:
        if total is None:
            total = each
        else:
            total.merge(each)
    return total


def _by_key(parts: Sequence[Rows], prefix: str) -> dict[str, Tally]:
    """Tallies by what stands behind the prefix, of all partitions together."""
    found: dict[str, Tally] = {}
    for rows in parts:
        for key, code in rows.items():
            name = key.decode()
            if name.startswith(prefix):
                found.setdefault(name.removeprefix(prefix), Tally()).merge(Tally.from_bytes(code))
    return dict(sorted(found.items()))


def _windows(gathered: Gathered, view: str, pane_ms: int) -> list[tuple[int, Tally]]:
    asked = gathered.asked
    window_ms = asked.window_s * 1000
    every_ms = window_ms if asked.every_s is None else asked.every_s * 1000
    check_window(window_ms, every_ms, pane_ms)
    panes = {int(start): tally for start, tally in _by_key(gathered.parts, f"{view}/").items()}
    return list(windows(panes, window_ms, every_ms, most=asked.windows))


def _flagged(gathered: Gathered) -> Any:
    return [
        {
            "from": _time(start_ms),
            **{event: tally.events.get(event, 0) for event in ("flagged", "confirmed", "retracted")},
            "average_amount": _rounded(tally.average_amount),
            "people": round(tally.distinct("people")),
            "high_value_people": round(tally.distinct("high_value_people")),
            "merchants": round(tally.distinct("merchants")),
            "categories": dict(tally.top("category", gathered.asked.top)),
            "device_types": dict(tally.top("device_type", gathered.asked.top)),
            "usual_places": dict(tally.top("usual_place", 3)),
        }
        for start_ms, tally in _windows(gathered, "flagged", gathered.pane_ms)
    ]


def _people(gathered: Gathered) -> Any:
    """The paper's Figure 10."""
    in_windows = _windows(gathered, "flagged", gathered.pane_ms)
    everyone = Tally.merged(_by_key(gathered.parts, "flagged/").values())
    return {
        "all": round(everyone.distinct("high_value_people")),
        "windows": [
            {"from": _time(start_ms), "people": round(tally.distinct("high_value_people"))}
            for start_ms, tally in in_windows
        ],
    }


def _transactions(gathered: Gathered) -> Any:
    return [
        {
            "from": _time(start_ms),
            "transactions": tally.events.get("transactions", 0),
            "final": {v: tally.events.get(v, 0) for v in ("flagged", "cleared", "no_location")},
            "amount": _rounded(tally.total_amount),
            "average_amount": _rounded(tally.average_amount),
            **{group: round(tally.distinct(group)) for group in ("people", "cards", "devices", "merchants")},
            "categories": dict(tally.top("category", gathered.asked.top)),
            "device_types": dict(tally.top("device_type", gathered.asked.top)),
        }
        for start_ms, tally in _windows(gathered, "transactions", HOUR_MS)
    ]


def _distinct(gathered: Gathered) -> Any:
    def counts(prefix: str) -> dict[str, int]:
        sketches = {
            group: _merged(gathered.parts, f"{prefix}_{group}", Distinct.from_bytes)
            for group in ("people", "cards", "devices", "merchants")
        }
        return {group: round(s.estimate()) if s is not None else 0 for group, s in sketches.items()}

    return {
        "all": counts("distinct"),
        "flagged": counts("flagged_distinct"),
        "by_category": {
            category: {
                "transactions": tally.events.get("transactions", 0),
                "average_amount": _rounded(tally.average_amount),
                **{g: round(tally.distinct(g)) for g in ("people", "cards", "devices", "merchants")},
            }
            for category, tally in _by_key(gathered.parts, "category/").items()
        },
        "relative_error": Distinct().error_bound(),
    }


def _quantiles(gathered: Gathered) -> Any:
    def of(name: str) -> Any:
        sketch = _merged(gathered.parts, name, Quantiles.from_bytes)
        if sketch is None:
            return None
        values = sketch.quantiles(list(_SHARES))
        return {
            "count": sketch.count,
            "least": sketch.least,
            **{f"p{share * 100:g}": value for share, value in zip(_SHARES, values, strict=True)},
            "most": sketch.most,
            "rank_error": sketch.error_bound(),
        }

    return {
        "amounts": of("amounts"),
        "implied_speeds_mps": of("speeds"),
        "verdict_latency_ms": of("latencies"),
    }


def _frequent(gathered: Gathered) -> Any:
    def of(name: str) -> Any:
        sketch = _merged(gathered.parts, name, FrequentItems.from_bytes)
        if sketch is None:
            return []
        return [
            {"item": each.item, "at_least": each.lower, "at_most": each.upper}
            for each in sketch.top(gathered.asked.top)
        ]

    return {
        "merchants": of("merchants"),
        "flagged_merchants": of("flagged_merchants"),
        "flagged_categories": of("flagged_categories"),
        "flagged_devices": of("flagged_devices"),
    }


def _lately(gathered: Gathered) -> Any:
    sketch = _merged(gathered.parts, "flagged_lately", SlidingCount.from_bytes)
    if sketch is None:
        return dict.fromkeys(_LATELY_MS, 0)
    return {name: round(sketch.count(span_ms, gathered.now_ms)) for name, span_ms in _LATELY_MS.items()}


def _concentration(gathered: Gathered) -> Any:
    moments = _merged(gathered.parts, "card_use", SecondMoment.from_bytes)
    cards = _merged(gathered.parts, "distinct_cards", Distinct.from_bytes)
    if moments is None or cards is None:
        return None
    return {
        "transactions": moments.total,
        "f2": moments.f2(),
        "concentration": moments.concentration(),
        "skew": moments.skew(cards.estimate()),
        "relative_error": moments.error_bound(),
    }


def _clusters(gathered: Gathered) -> Any:
    """The paper's Figure 7. Those of the last minutes: docs/sketches.md."""
    sketch = _merged(gathered.parts, "likeness", Likeness.from_bytes)
    if sketch is None:
        return {"nodes": [], "links": []}
    return graph(sketch.clusters(), THRESHOLD)


def _accuracy(gathered: Gathered) -> Any:
    """Of each sketch the partition where it is worst."""
    findings = (
        msgspec.msgpack.decode(code, type=Finding) for rows in gathered.parts for code in rows.values()
    )
    return [msgspec.structs.asdict(finding) | {"ratio": finding.ratio} for finding in worst(findings)]


QUESTIONS: Final = {
    each.name: each
    for each in (
        Question(
            name="people",
            doc="Different people with flagged transactions of high value, in all and by window (Figure 10).",
            table="views",
            prefixes=("flagged/",),
            answer=_people,
        ),
        Question(
            name="flagged",
            doc="Flagged transactions by window: how many, how much, whose, where, with what.",
            table="views",
            prefixes=("flagged/",),
            answer=_flagged,
        ),
        Question(
            name="transactions",
            doc="All transactions by window of whole hours (Figure 9).",
            table="views",
            prefixes=("transactions/",),
            answer=_transactions,
        ),
        Question(
            name="distinct",
            doc="Different people, cards, devices and merchants: of all, of flagged, by merchant category.",
            table="sketches",
            prefixes=("distinct_", "flagged_distinct_", "category/"),
            answer=_distinct,
        ),
        Question(
            name="quantiles",
            doc="Amounts, implied speeds and the latency of verdicts.",
            table="sketches",
            prefixes=("amounts", "speeds", "latencies"),
            answer=_quantiles,
        ),
        Question(
            name="frequent",
            doc="What comes most often, at least and at most: merchants; of flagged, devices, too.",
            table="sketches",
            prefixes=("merchants", "flagged_merchants", "flagged_categories", "flagged_devices"),
            answer=_frequent,
        ),
        Question(
            name="lately",
            doc="Flagged in the last minutes.",
            table="sketches",
            prefixes=("flagged_lately",),
            answer=_lately,
        ),
        Question(
            name="concentration",
            doc="How unevenly cards are used: F2, and the chance that two transactions are of one card.",
            table="sketches",
            prefixes=("card_use", "distinct_cards"),
            answer=_concentration,
        ),
        Question(
            name="clusters",
            doc="Near-identical small transactions of many cards: nodes and links (Figure 7).",
            table="sketches",
            prefixes=("likeness",),
            answer=_clusters,
        ),
        Question(
            name="accuracy",
            doc="Every sketch beside exact counts of a part of the stream: errors seen and promised.",
            table="findings",
            prefixes=(),
            answer=_accuracy,
        ),
    )
}


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2)
