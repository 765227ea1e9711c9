"""Which ledger judges which sketch. Sketches by category are of the same kinds as those of all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from sketches.accuracy import Finding, beyond_chance
from sketches.book import ITEM_OF_GROUP, LONGEST_WINDOW_MS, Entry, Stream, TokenizeAt, latency_ms
from sketches.direct_ledgers import CountLedger, ShareLedger, TimesLedger
from sketches.facts import DecisionFact
from sketches.ledger import TwinLedger
from sketches.likeness import Likeness
from sketches.sampled_transaction import SampledTransaction
from sketches.weighted_reservoir import MAX_WEIGHT, MIN_WEIGHT

LEDGER: Final = "ledger_"
_SMALL: Final = 10.0
_KINDS_LOOKED_AT: Final = 32
_WINDOWS_MS: Final = (60_000, 300_000, 900_000, LONGEST_WINDOW_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A ledger and the sketches that it judges, which take up the same facts."""

    sketches: tuple[str, ...]
    judge: Callable[[str, Any, Any], Finding | None]
    """Name of a sketch, ledger, sketch; None where there is nothing to judge yet."""
    ledger: Entry | None = None
    """None where a sketch holds itself what it is judged by."""


def audits(device_token_of: TokenizeAt) -> tuple[Audit, ...]:
    """Of every sketch in `sketch_entries` that has no key."""
    firsts, flags = partial(_twin, of="firsts"), partial(_twin, of="flags")
    return (
        *(firsts(f"distinct_{group}", "distinct", item_of) for group, item_of in ITEM_OF_GROUP.items()),
        *(
            flags(f"flagged_distinct_{group}", "distinct", item_of)
            for group, item_of in ITEM_OF_GROUP.items()
        ),
        firsts("amounts", "quantiles", lambda fact: fact.decision.amount),
        _twin("speeds", "quantiles", lambda fact: fact.decision.implied_speed_mps, of="finals"),
        firsts("latencies", "quantiles", latency_ms),
        firsts("card_use", "moment", _card),
        _counts(("merchants", "merchant_counts"), "firsts", lambda fact: fact.merchant),
        _counts(("flagged_merchants",), "flags", lambda fact: fact.merchant),
        _counts(("flagged_categories",), "flags", lambda fact: fact.category),
        _counts(
            ("flagged_devices",),
            "flags",
            lambda fact: device_token_of(fact.decision.device_id, fact.event_ms),
        ),
        Audit(
            sketches=("flagged_lately",),
            judge=lambda name, ledger, sketch: ledger.judge(name, sketch, _WINDOWS_MS),
            ledger=Entry(
                name=LEDGER + "flagged_lately",
                of="flags",
                make=lambda _seed: TimesLedger(),
                read=TimesLedger.from_bytes,
                take=_take_times,
            ),
        ),
        _shares("sample", _take_properties),
        _shares("sample_by_amount", _take_weighted_properties),
        Audit(sketches=("likeness",), judge=_judge_likeness),
    )


def _twin(name: str, kind: str, item_of: Callable[[DecisionFact], Any], *, of: Stream) -> Audit:
    def take(ledger: TwinLedger, facts: Sequence[DecisionFact]) -> None:
        if ledger.needs_total:
            ledger.total += sum(item_of(fact) is not None for fact in facts)
        for fact in facts:
            if fact.is_sampled and (item := item_of(fact)) is not None:
                ledger.update(item)

    entry = Entry(
        name=LEDGER + name, of=of, make=partial(TwinLedger, kind), read=TwinLedger.from_bytes, take=take
    )
    return Audit(sketches=(name,), judge=_judge, ledger=entry)


def _counts(sketches: tuple[str, ...], of: Stream, item_of: Callable[[DecisionFact], str]) -> Audit:
    def take(ledger: CountLedger, facts: Sequence[DecisionFact]) -> None:
        for fact in facts:
            ledger.update(item_of(fact))

    entry = Entry(
        name=LEDGER + sketches[0],
        of=of,
        make=lambda _seed: CountLedger(),
        read=CountLedger.from_bytes,
        take=take,
    )
    return Audit(sketches=sketches, judge=_judge, ledger=entry)


def _shares(name: str, take: Callable[[ShareLedger, Sequence[DecisionFact]], None]) -> Audit:
    entry = Entry(
        name=LEDGER + name,
        of="firsts",
        make=lambda _seed: ShareLedger(len(_PROPERTIES)),
        read=ShareLedger.from_bytes,
        take=take,
    )
    return Audit(
        sketches=(name,),
        judge=lambda name, ledger, sketch: ledger.judge(name, sketch, _PROPERTIES),
        ledger=entry,
    )


def _judge(name: str, ledger: TwinLedger | CountLedger, sketch: Any) -> Finding | None:
    return ledger.judge(name, sketch)


def _judge_likeness(name: str, _: None, sketch: Likeness) -> Finding | None:
    """Each of some kinds of the window beside all others, as they are."""
    missed = sketch.missed_shares(_KINDS_LOOKED_AT)
    if not missed:
        return None
    error, bound = sum(missed) / len(missed), sketch.error_bound()
    is_broken = beyond_chance(error, bound, len(missed))
    return Finding(
        sketch=name,
        what=f"missed links of {len(missed)} kinds in the window",
        exact=0.0,
        estimate=error,
        error=error,
        bound=bound,
        broken="it misses more links than chance makes it" if is_broken else "",
    )


def _card(fact: DecisionFact) -> bytes | None:
    card = fact.decision.card_token
    return None if card is None else card.encode()


def _take_times(ledger: TimesLedger, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        ledger.update(fact.record_ms)


_decode = msgspec.msgpack.Decoder(SampledTransaction).decode
_PROPERTIES: Final[dict[str, Callable[[bytes], bool]]] = {
    "flagged at first": lambda item: _decode(item).verdict == "flagged",
    f"amounts below {_SMALL:g}": lambda item: _decode(item).amount < _SMALL,
}


def _properties(fact: DecisionFact) -> tuple[bool, bool]:
    decision = fact.decision
    return decision.verdict == "flagged", decision.amount < _SMALL


def _take_properties(ledger: ShareLedger, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        ledger.update(_properties(fact))


def _take_weighted_properties(ledger: ShareLedger, facts: Sequence[DecisionFact]) -> None:
    for fact in facts:
        if fact.decision.amount >= MIN_WEIGHT:
            ledger.update(_properties(fact), min(fact.decision.amount, MAX_WEIGHT))
